/* Tiles: every size, no seam where they overlap enough, files that are no upscalers. */
#include "pipeline/upscale.h"
#include "formats/weights.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SPEC(n, dims, ...)                                                                         \
    {                                                                                              \
        .name = (n), .dtype = ZIS_DTYPE_F32, .ndim = (dims), .dim = { __VA_ARGS__ }                \
    }

/* An SRVGGNetCompact of scale 2 without a layer in between: it sees two pixels around each. */
static const zis_weights_spec specs[] = {
    SPEC("body.0.weight", 4, 8, 3, 3, 3),  SPEC("body.0.bias", 1, 8),  SPEC("body.1.weight", 1, 8),
    SPEC("body.2.weight", 4, 12, 8, 3, 3), SPEC("body.2.bias", 1, 12),
};

static zis_weights *weights;
static zis_esrgan *model;
static zis_run run;

static int setup(void **state)
{
    (void)state;
    zis_esrgan_config c;
    zis_run_options o = {.device = "cpu", .math = ZIS_DTYPE_F32};
    uint32_t seed = 1;
    if (zis_weights_create_memory(&weights, "tiny", specs, 5, NULL)) return -1;
    for (size_t i = 0; i < zis_weights_count(weights); i++) {
        const zis_weights_entry *e = zis_weights_at(weights, i);
        float *v = e->tensor.data;
        for (size_t k = 0; k < e->bytes / 4; k++) {
            seed = seed * 1664525u + 1013904223u;
            v[k] = ((float)(seed >> 8) / 8388608.0f - 1.0f) * 0.2f;
        }
    }
    if (zis_esrgan_config_read(&c, weights, NULL) || zis_esrgan_create(&model, &c, weights, NULL))
        return -1;
    assert_int_equal(c.scale, 2);
    assert_int_equal(c.blocks, 0);
    return zis_run_init(&run, &o, NULL) ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    zis_run_deinit(&run);
    zis_esrgan_close(&model);
    zis_weights_close(&weights);
    return 0;
}

static zis_image *picture(int w, int h)
{
    zis_image *img = NULL;
    assert_int_equal(zis_image_create(&img, w, h, 3, NULL), ZIS_OK);
    for (int i = 0; i < 3 * w * h; i++) img->data[i] = (uint8_t)(i * 7919 >> 3);
    return img;
}

static zis_upscale_job job_of(const zis_image *in, int tile, int pad)
{
    return (zis_upscale_job){.model = model, .in = in, .tile = tile, .pad = pad};
}

static void test_tiles_make_the_whole(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1}, {1, 20}, {20, 1}, {33, 47}, {16, 16}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        zis_image *in = picture(sizes[i][0], sizes[i][1]), *whole = NULL, *tiled = NULL;
        zis_upscale_job one = job_of(in, 512, 0), many = job_of(in, 7, 2);
        assert_int_equal(zis_upscale_whole(&one, &run, &whole, NULL), ZIS_OK);
        assert_int_equal(zis_upscale_whole(&many, &run, &tiled, NULL), ZIS_OK);
        assert_int_equal(whole->width, 2 * in->width);
        assert_int_equal(whole->height, 2 * in->height);
        /* sums are grouped otherwise in other tiles: the last bit may round to another level */
        for (int k = 0; k < 3 * whole->width * whole->height; k++)
            assert_true(abs(whole->data[k] - tiled->data[k]) <= 1);
        zis_image_destroy(&in);
        zis_image_destroy(&whole);
        zis_image_destroy(&tiled);
    }
}

static void count_tiles(void *arg, int done, int of, double fraction)
{
    int *last = arg;
    assert_true(done <= of && fraction >= 0 && fraction <= 1);
    *last = done == of ? of : *last;
}

/* 9 times the side takes four passes of two (2, 4, 8, 16), then Lanczos. */
static void test_any_size(void **state)
{
    (void)state;
    zis_image *in = picture(5, 4), *out = NULL;
    zis_upscale_job job = job_of(in, 16, 2);
    zis_upscale_plan plan = {0};
    int last = 0;
    job.progress = count_tiles;
    job.arg = &last;
    assert_int_equal(zis_upscale_to(&job, &run, 45, 36, &out, &plan, NULL), ZIS_OK);
    assert_int_equal(out->width, 45);
    assert_int_equal(out->height, 36);
    assert_int_equal(plan.passes, 4);
    assert_int_equal(last, plan.tiles);
    zis_image_destroy(&out);
    assert_int_equal(zis_upscale_to(&job, &run, 1, 1, &out, NULL, NULL), ZIS_OK); /* smaller, too */
    zis_image_destroy(&out);
    zis_image_destroy(&in);
}

static void test_refusals(void **state)
{
    (void)state;
    zis_error err = {0};
    zis_esrgan_config c;
    zis_weights *w = NULL;
    zis_image *in = picture(4, 4), *out = NULL;
    zis_upscale_job job = job_of(in, 0, 2);
    assert_int_equal(zis_upscale_whole(&job, &run, &out, &err), ZIS_ARG);
    job.tile = 512;
    assert_int_equal(zis_upscale_to(&job, &run, 100000, 100000, &out, NULL, &err), ZIS_ARG);
    assert_null(out);
    const zis_weights_spec other = SPEC("layers.0.weight", 2, 4, 4);
    assert_int_equal(zis_weights_create_memory(&w, "other", &other, 1, NULL), ZIS_OK);
    assert_int_equal(zis_esrgan_config_read(&c, w, &err), ZIS_FORMAT);
    assert_non_null(strstr(err.text, "no upscaler"));
    zis_weights_close(&w);
    const zis_weights_spec folded = SPEC("conv_first.weight", 4, 64, 12, 3, 3);
    assert_int_equal(zis_weights_create_memory(&w, "x2", &folded, 1, NULL), ZIS_OK);
    assert_int_equal(zis_esrgan_config_read(&c, w, &err), ZIS_UNSUPPORTED);
    zis_weights_close(&w);
    zis_image_destroy(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiles_make_the_whole),
        cmocka_unit_test(test_any_size),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
