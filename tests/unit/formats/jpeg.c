/* JPEG: all kinds that TurboJPEG writes, cuts, scan bombs, recipes. */
#include "formats/picture.h"
#include "oom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

#include <cmocka.h>

enum { W = 45, H = 27 };

/* A smooth picture, so that losses stay small. */
static uint8_t level(int x, int y, int c)
{
    return (uint8_t)(40 + x * 2 + y * 3 + c * 20);
}

static zis_image *smooth(int channels)
{
    zis_image *img = NULL;
    zis_error err;
    assert_int_equal(zis_image_create(&img, W, H, channels, &err), ZIS_OK);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            for (int c = 0; c < channels; c++)
                img->data[(y * W + x) * channels + c] = c == 3 ? 255 : level(x, y, c);
    return img;
}

static void check_pixels(const zis_image *img, bool grey, int tolerance)
{
    assert_int_equal(img->width, W);
    assert_int_equal(img->height, H);
    assert_int_equal(img->channels, 3);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            for (int c = 0; c < 3; c++) {
                int d = img->data[(y * W + x) * 3 + c] - level(x, y, grey ? 0 : c);
                if (abs(d) > tolerance) fail_msg("pixel %d, %d, channel %d is %d off", x, y, c, d);
            }
}

static zis_buf compress(int pixel_format, int subsampling, int flags)
{
    uint8_t pixels[W * H * 4];
    int n = tjPixelSize[pixel_format];
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            for (int c = 0; c < n; c++) /* four inks as Adobe holds them: inverted, no black */
                pixels[(y * W + x) * n + c] = c == 3 ? 255 : level(x, y, c);
    unsigned char *file = NULL;
    unsigned long size = 0;
    zis_buf out = {0};
    tjhandle tj = tjInitCompress();
    assert_int_equal(
        tjCompress2(tj, pixels, W, 0, H, pixel_format, &file, &size, subsampling, 95, flags), 0);
    zis_buf_append(&out, file, size);
    tjFree(file);
    tjDestroy(tj);
    return out;
}

static void test_kinds(void **state)
{
    (void)state;
    static const struct {
        int format, subsampling, flags;
    } kinds[] = {
        {TJPF_RGB, TJSAMP_444, 0},   {TJPF_RGB, TJSAMP_420, 0},
        {TJPF_RGB, TJSAMP_422, 0},   {TJPF_RGB, TJSAMP_420, TJFLAG_PROGRESSIVE},
        {TJPF_GRAY, TJSAMP_GRAY, 0}, {TJPF_CMYK, TJSAMP_444, 0},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        zis_error err = {0};
        zis_image *img = NULL;
        zis_buf b = compress(kinds[i].format, kinds[i].subsampling, kinds[i].flags);
        if (zis_picture_decode(&img, "x", b.data, b.len, &err)) fail_msg("%s", err.text);
        check_pixels(img, kinds[i].format == TJPF_GRAY, 8);
        zis_image_destroy(&img);
        for (size_t n = 0; n < b.len; n++) { /* every cut is an error */
            uint8_t *cut = malloc(n ? n : 1);
            memcpy(cut, b.data, n);
            zis_status st = zis_picture_decode(&img, "x", cut, n, &err);
            if (st != ZIS_FORMAT) fail_msg("kind %zu cut at %zu: %d", i, n, st);
            free(cut);
        }
        zis_buf_free(&b);
    }
}

static void test_encode(void **state)
{
    (void)state;
    for (int channels = 1; channels <= 4; channels++) {
        if (channels == 2) continue;
        zis_error err = {0};
        zis_buf b = {0};
        zis_image *img = smooth(channels), *back = NULL;
        assert_int_equal(zis_picture_encode(&b, img, ZIS_PICTURE_JPEG, NULL, 0, &err), ZIS_OK);
        if (zis_picture_decode(&back, "x", b.data, b.len, &err)) fail_msg("%s", err.text);
        check_pixels(back, channels == 1, 4);
        zis_image_destroy(&back);
        zis_image_destroy(&img);
        zis_buf_free(&b);
    }
}

static void test_recipe(void **state)
{
    (void)state;
    static const char recipe[] = "a caf\xc3\xa9 \xe7\x8c\xab\nSteps: 8, Seed: 1";
    const zis_picture_text texts[] = {{"zis", "{}"}, {"parameters", recipe}};
    zis_error err = {0};
    zis_buf b = {0};
    char *got = NULL;
    zis_image *img = smooth(3), *back = NULL;
    assert_int_equal(zis_picture_encode(&b, img, ZIS_PICTURE_JPEG, texts, 2, &err), ZIS_OK);
    assert_memory_equal(b.data, "\xff\xd8\xff\xe0\0\x10JFIF\0", 11);
    assert_memory_equal(b.data + 20, "\xff\xe1", 2);
    assert_memory_equal(b.data + 24, "Exif\0\0MM", 8);
    assert_int_equal(zis_picture_decode(&back, "x", b.data, b.len, &err), ZIS_OK);
    check_pixels(back, false, 4);
    assert_int_equal(zis_picture_text_get(&got, "x", b.data, b.len, "parameters", &err), ZIS_OK);
    assert_string_equal(got, recipe);
    free(got);
    assert_int_equal(zis_picture_text_get(&got, "x", b.data, b.len, "zis", &err), ZIS_OK);
    assert_null(got);
    zis_buf_free(&b);
    b = (zis_buf){0};
    assert_int_equal(zis_picture_encode(&b, img, ZIS_PICTURE_JPEG, NULL, 0, &err), ZIS_OK);
    assert_int_equal(zis_picture_text_get(&got, "x", b.data, b.len, "parameters", &err), ZIS_OK);
    assert_null(got);
    zis_buf_free(&b);
    /* longer than a segment */
    char *longer = malloc(33000);
    memset(longer, 'x', 33000);
    longer[32999] = '\0';
    const zis_picture_text text = {"parameters", longer};
    b = (zis_buf){0};
    assert_int_equal(zis_picture_encode(&b, img, ZIS_PICTURE_JPEG, &text, 1, &err), ZIS_ARG);
    assert_string_equal(err.text,
                        "the recipe is too long for a JPEG (64 KB); write a PNG or leave it out");
    assert_int_equal(b.len, 0);
    zis_buf_free(&b);
    free(longer);
    zis_image_destroy(&back);
    zis_image_destroy(&img);
}

static void test_damaged(void **state)
{
    (void)state;
    zis_error err = {0};
    zis_image *img = NULL;
    zis_buf b = compress(TJPF_RGB, TJSAMP_420, 0);
    uint8_t *p = (uint8_t *)b.data;
    /* junk before the end marker: read, as everybody does */
    zis_buf junk = {0};
    zis_buf_append(&junk, p, b.len - 2);
    zis_buf_append(&junk, "junkjunk\xff\xd9 and more", 19);
    assert_int_equal(zis_picture_decode(&img, "x", junk.data, junk.len, &err), ZIS_OK);
    check_pixels(img, false, 8);
    zis_image_destroy(&img);
    zis_buf_free(&junk);
    /* an end marker in the middle of the pixels: not */
    memcpy(p + b.len - 100, "\xff\xd9", 2);
    assert_int_equal(zis_picture_decode(&img, "x", p, b.len, &err), ZIS_FORMAT);
    assert_non_null(strstr(err.text, "x: the JPEG cannot be read ("));
    /* too large, by its header */
    uint8_t *sof = memmem(p, b.len, "\xff\xc0", 2);
    memcpy(sof + 5, "\x1f\x41\x1f\x40", 4);
    assert_int_equal(zis_picture_decode(&img, "x", p, b.len, &err), ZIS_FORMAT);
    assert_string_equal(err.text,
                        "x: 8000 x 8001 pixels are too many (at most 64 megapixels, 65535 a side)");
    assert_null(img);
    zis_buf_free(&b);
}

/* A progressive picture with its last scan repeated. */
static void test_scans(void **state)
{
    (void)state;
    zis_error err = {0};
    zis_image *img = NULL;
    zis_buf b = compress(TJPF_RGB, TJSAMP_420, TJFLAG_PROGRESSIVE), bomb = {0};
    size_t last = 0;
    for (size_t i = 0; i + 1 < b.len; i++)
        if ((uint8_t)b.data[i] == 0xFF && (uint8_t)b.data[i + 1] == 0xDA) last = i;
    zis_buf_append(&bomb, b.data, last);
    for (int i = 0; i < 200; i++) zis_buf_append(&bomb, b.data + last, b.len - 2 - last);
    zis_buf_append(&bomb, "\xff\xd9", 2);
    assert_int_equal(zis_picture_decode(&img, "x", bomb.data, bomb.len, &err), ZIS_FORMAT);
    assert_string_equal(err.text, "x: 209 scans of 45 x 27 pixels are too many for a JPEG");
    assert_null(img);
    zis_buf_free(&bomb);
    zis_buf_free(&b);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    const zis_picture_text text = {"parameters", "caf\xc3\xa9"};
    zis_image *img = smooth(4);
    zis_buf file = compress(TJPF_CMYK, TJSAMP_444, TJFLAG_PROGRESSIVE);
    for (long n = 1;; n++) {
        zis_error err = {0};
        zis_buf b = {0};
        zis_image *back = NULL;
        long live = oom_live();
        oom_arm(n);
        zis_status st = zis_picture_encode(&b, img, ZIS_PICTURE_JPEG, &text, 1, &err);
        if (!st) st = zis_picture_decode(&back, "x", file.data, file.len, &err);
        bool fired = oom_disarm();
        zis_image_destroy(&back);
        zis_buf_free(&b);
        assert_int_equal(oom_live(), live);
        /* libjpeg asks again for less */
        if (st != ZIS_OK && (st != ZIS_NOMEM || !fired)) fail_msg("%ld: %d %s", n, st, err.text);
        if (!fired) break;
    }
    zis_buf_free(&file);
    zis_image_destroy(&img);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),  cmocka_unit_test(test_encode),
        cmocka_unit_test(test_recipe), cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_scans),  cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
