/* The small picture of the latents looks like the large one that they become. */
#include "pipeline/preview.h"

#include "pipeline/draw.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

typedef struct seen {
    int calls, last_step;
    double error; /* root mean square of the last one, of a range of 1 */
    uint8_t pixels[8 * 5 * 3];
} seen;

static void on_preview(void *arg, const zis_image *image, int step, int of)
{
    seen *s = arg;
    assert_true(image->width == 8 && image->height == 5 && image->channels == 3);
    assert_true(step == s->last_step + 1 && step < of);
    for (int i = 0; i < 8 * 5 * 3; i++) s->pixels[i] = image->data[i];
    s->last_step = step;
    s->calls++;
}

/* Mean of the 8 x 8 pixels under a preview pixel; what lies beyond the picture's edge is not there.
 */
static double mean_under(const zis_image *p, int x, int y, int c)
{
    double sum = 0;
    int n = 0;
    for (int i = 8 * y; i < 8 * y + 8 && i < p->height; i++)
        for (int j = 8 * x; j < 8 * x + 8 && j < p->width; j++, n++)
            sum += p->data[3 * (i * p->width + j) + c];
    return sum / n;
}

/* 62 x 36: neither side is a multiple of what a latent covers. */
static void like_the_picture(void **state)
{
    zis_model_set set = {0};
    zis_model *model = NULL;
    zis_request r;
    zis_run run;
    seen s = {0};
    zis_draw_result made = {0};
    const zis_model_query q = {.model = ZIS_SOURCE_DIR "/models/nano/turbo"};
    const zis_run_options o = {.math = ZIS_DTYPE_F32};
    const zis_draw_hooks hooks = {.arg = &s, .preview = on_preview};
    (void)state;
    assert_int_equal(zis_model_find(&set, &q, NULL), ZIS_OK);
    assert_int_equal(zis_model_open(&model, &set, NULL, NULL), ZIS_OK);
    assert_int_equal(zis_run_init(&run, &o, NULL), ZIS_OK);
    assert_int_equal(zis_request_init(&r, NULL), ZIS_OK);
    assert_int_equal(zis_request_set(&r, zis_request_field("prompt"), "p", "a red apple", NULL), 0);
    zis_request_defaults_apply(&r, &model->set.defaults);
    r.width = 62;
    r.height = 36;
    r.steps = 8;
    r.seed = 5;
    const zis_draw_job job = {.model = model, .request = &r, .hooks = &hooks};
    assert_int_equal(zis_draw_run(&job, &run, &made, NULL), ZIS_OK);
    assert_int_equal(s.calls, 7);
    double sum = 0;
    for (int y = 0; y < 5; y++)
        for (int x = 0; x < 8; x++)
            for (int c = 0; c < 3; c++) {
                double d = (s.pixels[3 * (8 * y + x) + c] - mean_under(made.image, x, y, c)) / 255;
                sum += d * d;
            }
    double rms = sqrt(sum / (8 * 5 * 3));
    print_message("the last preview is off by %.3f\n", rms);
    if (rms > 0.1) fail_msg("the last preview is off by %.3f", rms);
    zis_draw_result_deinit(&made);
    zis_request_deinit(&r);
    zis_run_deinit(&run);
    zis_model_close(&model);
}

static void by_hand(void **state)
{
    /* two channels, one row of two pixels: 0.5 and -1 in the first, 0 and 4 in the second */
    const float z[] = {0.5f, -1, 0, 4};
    zis_preview_fit fit = {.factors = {{1, 0, -1}, {0, 0.25f, 0}}, .bias = {0, -0.5f, 0.25f}};
    zis_image *img = NULL;
    (void)state;
    assert_int_equal(zis_image_create(&img, 2, 1, 3, NULL), ZIS_OK);
    zis_preview_draw(img, &fit, z, 2, 1, 2);
    const uint8_t want[] = {191, 64, 96, 0, 191, 255};
    for (int i = 0; i < 6; i++) assert_int_equal(img->data[i], want[i]);
    fit.grey = true; /* 0.25 and 1.5 */
    zis_preview_draw(img, &fit, z, 2, 1, 2);
    const uint8_t grey[] = {159, 159, 159, 255, 255, 255};
    for (int i = 0; i < 6; i++) assert_int_equal(img->data[i], grey[i]);
    const float none[] = {NAN, NAN, NAN, NAN};
    zis_preview_draw(img, &fit, none, 2, 1, 2);
    for (int i = 0; i < 6; i++) assert_int_equal(img->data[i], 0);
    zis_image_destroy(&img);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),
        cmocka_unit_test(like_the_picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
