/* Tiles: every size, no seam where they overlap enough, files that are no upscalers. */
#include "pipeline/upscale.h"
#include "formats/weights.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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
    zis_image_destroy(&in);
}

/* ---- networks that fold their input -------------------------------------------------------- */

enum { F = 8, G = 4 }; /* features, growth */

static float *values(zis_weights *w, const char *name)
{
    const zis_weights_entry *e = zis_weights_find(w, name);
    assert_non_null(e);
    return e->tensor.data;
}

/* An RRDBNet that hands through one channel of its folded input: all weights are 0 but the middles
 * of the trunk's kernels, which lead `channel` to feature 0 and that to the three colours. */
static zis_weights *one_channel(int fold, int channel)
{
    static const char *const trunk[] = {"conv_first", "conv_body", "conv_up1",
                                        "conv_up2",   "conv_hr",   "conv_last"};
    zis_weights_spec list[64];
    static char names[64][40];
    size_t n = 0;
    int in = 3 * fold * fold;
    for (int i = 0; i < 6 + 15; i++) {
        char conv[24];
        int d = (i - 6) / 5, k = (i - 6) % 5;
        snprintf(conv, sizeof conv, "body.0.rdb%d.conv%d", d + 1, k + 1);
        int64_t from = i == 0  ? in
                       : i < 6 ? F
                               : F + k * G,
                to = i == 5            ? 3
                     : i < 6 || k == 4 ? F
                                       : G;
        snprintf(names[n], sizeof names[0], "%s.weight", i < 6 ? trunk[i] : conv);
        list[n] = (zis_weights_spec)SPEC(names[n], 4, to, from, 3, 3);
        n++;
        snprintf(names[n], sizeof names[0], "%s.bias", i < 6 ? trunk[i] : conv);
        list[n] = (zis_weights_spec)SPEC(names[n], 1, to);
        n++;
    }
    zis_weights *w = NULL;
    assert_int_equal(zis_weights_create_memory(&w, "folding", list, n, NULL), ZIS_OK);
    values(w, "conv_first.weight")[channel * 9 + 4] = 1;
    for (int i = 2; i < 5; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s.weight", trunk[i]);
        values(w, name)[4] = 1;
    }
    for (int c = 0; c < 3; c++) values(w, "conv_last.weight")[c * F * 9 + 4] = 1;
    return w;
}

static int mirror(int at, int all)
{
    int m = at < all ? at : 2 * (all - 1) - at;
    return m > 0 ? m : 0;
}

/* Every channel is the pixel that torch.pixel_unshuffle puts there, in squares of 4 x 4; at odd
 * sizes the picture is mirrored at its end; tiles change nothing. */
static void test_folded(void **state)
{
    (void)state;
    static const int sizes[][2] = {{8, 12}, {13, 7}, {1, 1}, {2, 5}};
    for (int f = 2; f <= 4; f += 2)
        for (int channel = 0; channel < 3 * f * f; channel++) {
            zis_weights *w = one_channel(f, channel);
            zis_esrgan_config c;
            zis_esrgan *m = NULL;
            assert_int_equal(zis_esrgan_config_read(&c, w, NULL), ZIS_OK);
            assert_int_equal(c.fold, f);
            assert_int_equal(c.scale, 4 / f);
            assert_int_equal(zis_esrgan_create(&m, &c, w, NULL), ZIS_OK);
            int color = channel / (f * f), dy = channel % (f * f) / f, dx = channel % f;
            for (int k = 0; k < 8; k++) {
                zis_image *in = picture(sizes[k / 2][0], sizes[k / 2][1]), *out = NULL;
                zis_upscale_job job = job_of(in, k % 2 ? 3 : 512, k % 2);
                job.model = m;
                assert_int_equal(zis_upscale_whole(&job, &run, &out, NULL), ZIS_OK);
                assert_int_equal(out->width, in->width * c.scale);
                assert_int_equal(out->height, in->height * c.scale);
                for (int i = 0; i < 3 * out->width * out->height; i++) {
                    int y = mirror(i / 3 / out->width / 4 * f + dy, in->height);
                    int x = mirror(i / 3 % out->width / 4 * f + dx, in->width);
                    assert_int_equal(out->data[i], in->data[3 * (y * in->width + x) + color]);
                }
                zis_image_destroy(&in);
                zis_image_destroy(&out);
            }
            zis_esrgan_close(&m);
            zis_weights_close(&w);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiles_make_the_whole),
        cmocka_unit_test(test_any_size),
        cmocka_unit_test(test_folded),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
