/* WebP: lossy and lossless, with and without alpha, cuts, recipes. */
#include "formats/picture.h"
#include "oom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <webp/encode.h>

#include <cmocka.h>

enum { W = 45, H = 27 };

static uint8_t level(int x, int y, int c)
{
    return (uint8_t)(c == 3 ? 255 - x : 60 + x + y * 2 + c * 10);
}

static zis_image *smooth(int channels)
{
    zis_image *img = NULL;
    zis_error err;
    assert_int_equal(zis_image_create(&img, W, H, channels, &err), ZIS_OK);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            for (int c = 0; c < channels; c++)
                img->data[(y * W + x) * channels + c] = level(x, y, c);
    return img;
}

static void check_pixels(const zis_image *img, int channels, bool grey, int tolerance)
{
    assert_int_equal(img->width, W);
    assert_int_equal(img->height, H);
    assert_int_equal(img->channels, channels);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            for (int c = 0; c < channels; c++) {
                int d = img->data[(y * W + x) * channels + c] - level(x, y, grey ? 0 : c);
                if (abs(d) > tolerance) fail_msg("pixel %d, %d, channel %d is %d off", x, y, c, d);
            }
}

static void check_cuts(const zis_buf *b)
{
    zis_error err;
    zis_image *img = NULL;
    for (size_t n = 0; n < b->len; n++) {
        uint8_t *cut = malloc(n ? n : 1);
        memcpy(cut, b->data, n);
        zis_status st = zis_picture_decode(&img, "x", cut, n, &err);
        if (st != ZIS_FORMAT) fail_msg("cut at %zu: %d", n, st);
        free(cut);
    }
}

static void test_encode(void **state)
{
    (void)state;
    static const char recipe[] = "a caf\xc3\xa9 \xe7\x8c\xab\nSteps: 8";
    const zis_picture_text texts[] = {{"zis", "{}"}, {"parameters", recipe}};
    for (int channels = 1; channels <= 4; channels++)
        for (size_t n_texts = 0; n_texts <= 2; n_texts += 2) {
            if (channels == 2) continue;
            zis_error err = {0};
            zis_buf b = {0};
            char *got = NULL;
            zis_image *img = smooth(channels), *back = NULL;
            assert_int_equal(zis_picture_encode(&b, img, ZIS_PICTURE_WEBP, texts, n_texts, &err),
                             ZIS_OK);
            if (zis_picture_decode(&back, "x", b.data, b.len, &err)) fail_msg("%s", err.text);
            check_pixels(back, channels == 4 ? 4 : 3, channels == 1, 12);
            assert_int_equal(zis_picture_text_get(&got, "x", b.data, b.len, "parameters", &err),
                             ZIS_OK);
            if (n_texts)
                assert_string_equal(got, recipe);
            else
                assert_null(got);
            free(got);
            /* the size in the file's head is that of the file */
            uint32_t riff;
            memcpy(&riff, b.data + 4, 4);
            assert_int_equal(riff + 8, b.len);
            check_cuts(&b);
            zis_image_destroy(&back);
            zis_image_destroy(&img);
            zis_buf_free(&b);
        }
}

static void test_lossless(void **state)
{
    (void)state;
    for (int channels = 3; channels <= 4; channels++) {
        zis_error err = {0};
        zis_image *img = smooth(channels), *back = NULL;
        uint8_t *file = NULL;
        size_t n = (channels == 4 ? WebPEncodeLosslessRGBA
                                  : WebPEncodeLosslessRGB)(img->data, W, H, W * channels, &file);
        assert_true(n > 0);
        if (zis_picture_decode(&back, "x", file, n, &err)) fail_msg("%s", err.text);
        check_pixels(back, channels, false, 0);
        zis_buf b = {0};
        zis_buf_append(&b, file, n);
        check_cuts(&b);
        zis_buf_free(&b);
        WebPFree(file);
        zis_image_destroy(&back);
        zis_image_destroy(&img);
    }
}

static void test_refused(void **state)
{
    (void)state;
    zis_error err = {0};
    zis_image *img = NULL;
    zis_buf b = {0};
    /* an animation: VP8X with the bit, one frame that is not looked at */
    static const char animated[] =
        "RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\2\0\0\0\0\0\0\0\0\0ANIM\0\0\0\0";
    assert_int_equal(zis_picture_decode(&img, "x", animated, sizeof animated - 1, &err),
                     ZIS_UNSUPPORTED);
    assert_string_equal(err.text,
                        "x is an animated WebP, which is not accepted; use a still picture");
    assert_int_equal(zis_image_create(&img, 16384, 1, 3, &err), ZIS_OK);
    assert_int_equal(zis_picture_encode(&b, img, ZIS_PICTURE_WEBP, NULL, 0, &err), ZIS_ARG);
    assert_string_equal(
        err.text, "a WebP of 16384 x 1 pixels is not possible (at most 16383 a side); write a PNG");
    zis_image_destroy(&img);
    assert_int_equal(b.len, 0);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    /* not with alpha: libwebp 1.2.4 frees an uninitialised table when its lossless decoder, which
     * also does alpha, runs out of memory (VP8LHuffmanTablesDeallocate) */
    const zis_picture_text text = {"parameters", "caf\xc3\xa9"};
    zis_image *img = smooth(3);
    zis_buf file = {0};
    zis_error err = {0};
    assert_int_equal(zis_picture_encode(&file, img, ZIS_PICTURE_WEBP, &text, 1, &err), ZIS_OK);
    for (long n = 1;; n++) {
        zis_buf b = {0};
        zis_image *back = NULL;
        long live = oom_live();
        oom_arm(n);
        zis_status st = zis_picture_encode(&b, img, ZIS_PICTURE_WEBP, &text, 1, &err);
        if (!st) st = zis_picture_decode(&back, "x", file.data, file.len, &err);
        bool fired = oom_disarm();
        zis_image_destroy(&back);
        zis_buf_free(&b);
        assert_int_equal(oom_live(), live);
        if (!fired) {
            assert_int_equal(st, ZIS_OK);
            break;
        }
        /* libwebp does without some of its tables, and calls a few failures damaged data */
        assert_true(st == ZIS_NOMEM || st == ZIS_OK || st == ZIS_FORMAT);
    }
    zis_buf_free(&file);
    zis_image_destroy(&img);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_lossless),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
