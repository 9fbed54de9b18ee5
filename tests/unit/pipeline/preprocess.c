/* Control maps by kind: what comes out, and what failures say. */
#include "pipeline/preprocess.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static zis_preprocess *p;
static zis_run run;

static int setup(void **state)
{
    (void)state;
    zis_error err = {0};
    return zis_preprocess_create(&p, &err) ||
           zis_run_init(&run, &(zis_run_options){.math = ZIS_DTYPE_F32}, &err);
}

static int teardown(void **state)
{
    (void)state;
    zis_preprocess_destroy(&p);
    zis_run_deinit(&run);
    return 0;
}

/* A white square on black. */
static zis_image *square(int channels)
{
    zis_image *img = NULL;
    zis_error err = {0};
    assert_int_equal(zis_image_create(&img, 40, 30, channels, &err), ZIS_OK);
    for (int y = 8; y < 22; y++)
        memset(img->data + (y * 40 + 10) * channels, 255, (size_t)(20 * channels));
    return img;
}

static zis_image *make(int kind, const zis_image *img)
{
    zis_image *out = NULL;
    zis_error err = {0};
    if (zis_preprocess_run(p, &(zis_preprocess_job){.kind = kind, .image = img}, &run, &out, &err))
        fail_msg("%s", err.text);
    assert_int_equal(out->channels, 3);
    return out;
}

static void none_keeps_the_picture(void **state)
{
    (void)state;
    zis_image *img = square(3), *out = make(ZIS_PREPROCESS_NONE, img);
    assert_memory_equal(out->data, img->data, 40 * 30 * 3);
    zis_image_destroy(&img);
    zis_image_destroy(&out);
}

static void canny_finds_the_outline(void **state)
{
    (void)state;
    for (int channels = 1; channels <= 4; channels += channels == 1 ? 2 : 1) {
        zis_image *img = square(channels), *out = make(ZIS_PREPROCESS_CANNY, img);
        assert_int_equal(out->width, 40);
        assert_int_equal(out->height, 30);
        int white = 0;
        for (int i = 0; i < 40 * 30; i++) {
            assert_int_equal(out->data[3 * i], out->data[3 * i + 1]);
            assert_int_equal(out->data[3 * i], out->data[3 * i + 2]);
            white += out->data[3 * i] == 255;
        }
        assert_in_range(white, 50, 80); /* its circumference is 64 */
        assert_int_equal(out->data[3 * (15 * 40 + 20)], 0);
        zis_image_destroy(&img);
        zis_image_destroy(&out);
    }
}

static void says_what_is_wrong(void **state)
{
    (void)state;
    zis_image *img = square(3), *out = NULL;
    zis_error err = {0};
    zis_preprocess_job job = {.kind = ZIS_PREPROCESS_CANNY};
    assert_int_equal(zis_preprocess_run(p, &job, &run, &out, &err), ZIS_ARG);
    assert_string_equal(err.text, "the preprocessor 'canny' needs a picture");
    job = (zis_preprocess_job){.kind = ZIS_PREPROCESS_COUNT, .image = img};
    assert_int_equal(zis_preprocess_run(p, &job, &run, &out, &err), ZIS_ARG);
    assert_null(out);
    assert_null(zis_preprocess_get(ZIS_PREPROCESS_COUNT));
    for (int i = 0; i < ZIS_PREPROCESS_COUNT; i++)
        assert_string_equal(zis_preprocess_get(i)->name, zis_request_preprocess_name(i));
    zis_image_destroy(&img);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_keeps_the_picture),
        cmocka_unit_test(canny_finds_the_outline),
        cmocka_unit_test(says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
