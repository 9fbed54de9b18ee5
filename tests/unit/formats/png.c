/* PNG: every layout that libpng can write is read as RGB or RGBA; what we write, libpng reads;
 * texts go there and back. */
#include "formats/png.h"

#include "formats/picture.h"
#include "oom.h"

#include <libdeflate.h>
#include <png.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void on_write(png_structp png, png_bytep data, size_t n)
{
    zis_buf_append(png_get_io_ptr(png), data, n);
}

static void on_flush(png_structp png)
{
    (void)png;
}

typedef struct layout {
    int color;
    int bits;
    bool trns;
    bool interlaced;
} layout;

enum { W = 13, H = 9 };

static const png_color palette[4] = {{10, 20, 30}, {200, 100, 50}, {0, 255, 0}, {1, 2, 3}};

/* Rows as PNG packs them: sample s of pixel x, y is a fixed scramble. */
static unsigned sample(int x, int y, int s, int bits)
{
    return (unsigned)(x * 37 + y * 101 + s * 59) & ((1u << bits) - 1);
}

static zis_buf make_png(layout l)
{
    static const int samples_of[7] = {1, 0, 3, 1, 2, 0, 4};
    int samples = samples_of[l.color];
    zis_buf out = {0};
    uint8_t rows[H][W * 8];
    uint8_t *pointers[H];
    memset(rows, 0, sizeof rows);
    for (int y = 0; y < H; y++) {
        pointers[y] = rows[y];
        for (int x = 0; x < W; x++)
            for (int s = 0; s < samples; s++) {
                int i = x * samples + s;
                int bits = l.color == PNG_COLOR_TYPE_PALETTE && l.bits > 2 ? 2 : l.bits;
                unsigned v = sample(x, y, s, bits);
                if (l.bits == 16) {
                    rows[y][2 * i] = (uint8_t)(v >> 8);
                    rows[y][2 * i + 1] = (uint8_t)v;
                } else {
                    rows[y][i * l.bits / 8] |= (uint8_t)(v << (8 - l.bits - i * l.bits % 8));
                }
            }
    }
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_set_write_fn(png, &out, on_write, on_flush);
    png_set_IHDR(png, info, W, H, l.bits, l.color,
                 l.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_BASE,
                 PNG_FILTER_TYPE_BASE);
    if (l.color == PNG_COLOR_TYPE_PALETTE) png_set_PLTE(png, info, palette, l.bits == 1 ? 2 : 4);
    if (l.trns) {
        png_byte alpha[2] = {0, 128};
        png_color_16 key = {.gray = 1,
                            .red = (png_uint_16)sample(2, 3, 0, l.bits),
                            .green = (png_uint_16)sample(2, 3, 1, l.bits),
                            .blue = (png_uint_16)sample(2, 3, 2, l.bits)};
        png_set_tRNS(png, info, alpha, 2, &key);
    }
    png_set_gAMA(png, info, 0.3); /* must not change pixels */
    png_write_info(png, info);
    png_write_image(png, pointers);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    return out;
}

static uint8_t to8(unsigned v, int bits)
{
    unsigned max = (1u << bits) - 1;
    return (uint8_t)((v * 255u + max / 2) / max);
}

/* What a pixel must become. */
static void wanted(uint8_t out[4], layout l, int x, int y)
{
    unsigned s[4];
    for (int i = 0; i < 4; i++) s[i] = sample(x, y, i, l.bits);
    out[3] = 255;
    switch (l.color) {
    case PNG_COLOR_TYPE_PALETTE:
        s[0] = sample(x, y, 0, l.bits > 2 ? 2 : l.bits);
        out[0] = palette[s[0]].red;
        out[1] = palette[s[0]].green;
        out[2] = palette[s[0]].blue;
        if (l.trns && s[0] < 2) out[3] = s[0] ? 128 : 0;
        break;
    case PNG_COLOR_TYPE_GRAY:
    case PNG_COLOR_TYPE_GRAY_ALPHA:
        out[0] = out[1] = out[2] = to8(s[0], l.bits);
        if (l.color == PNG_COLOR_TYPE_GRAY_ALPHA) out[3] = to8(s[1], l.bits);
        if (l.trns && s[0] == 1) out[3] = 0;
        break;
    default:
        for (int i = 0; i < 3; i++) out[i] = to8(s[i], l.bits);
        if (l.color == PNG_COLOR_TYPE_RGB_ALPHA) out[3] = to8(s[3], l.bits);
        if (l.trns && s[0] == sample(2, 3, 0, l.bits) && s[1] == sample(2, 3, 1, l.bits) &&
            s[2] == sample(2, 3, 2, l.bits))
            out[3] = 0;
    }
}

static void check_layout(layout l)
{
    zis_error err = {0};
    zis_buf b = make_png(l);
    zis_image *img = NULL;
    if (zis_picture_decode(&img, "x.png", b.data, b.len, &err)) fail_msg("%s", err.text);
    bool alpha = l.trns || (l.color & PNG_COLOR_MASK_ALPHA);
    assert_int_equal(img->width, W);
    assert_int_equal(img->height, H);
    assert_int_equal(img->channels, alpha ? 4 : 3);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            uint8_t want[4];
            wanted(want, l, x, y);
            const uint8_t *got = img->data + (y * W + x) * img->channels;
            for (int c = 0; c < img->channels; c++)
                if (got[c] != want[c])
                    fail_msg(
                        "color %d bits %d trns %d interlaced %d: pixel %d, %d, channel %d: %d, "
                        "expected %d",
                        l.color, l.bits, l.trns, l.interlaced, x, y, c, got[c], want[c]);
        }
    zis_image_destroy(&img);
    /* every cut is an error, never a picture */
    for (size_t n = 0; n < b.len; n++) {
        uint8_t *cut = malloc(n ? n : 1);
        memcpy(cut, b.data, n);
        zis_status st = zis_picture_decode(&img, "x.png", cut, n, &err);
        if (st != ZIS_FORMAT) fail_msg("cut at %zu: %d %s", n, st, err.text);
        free(cut);
    }
    zis_buf_free(&b);
}

static void test_layouts(void **state)
{
    (void)state;
    static const layout layouts[] = {
        {PNG_COLOR_TYPE_GRAY, 1, 0, 0},        {PNG_COLOR_TYPE_GRAY, 2, 0, 0},
        {PNG_COLOR_TYPE_GRAY, 4, 0, 0},        {PNG_COLOR_TYPE_GRAY, 8, 0, 0},
        {PNG_COLOR_TYPE_GRAY, 16, 0, 0},       {PNG_COLOR_TYPE_RGB, 8, 0, 0},
        {PNG_COLOR_TYPE_RGB, 16, 0, 0},        {PNG_COLOR_TYPE_PALETTE, 1, 0, 0},
        {PNG_COLOR_TYPE_PALETTE, 2, 0, 0},     {PNG_COLOR_TYPE_PALETTE, 4, 0, 0},
        {PNG_COLOR_TYPE_PALETTE, 8, 0, 0},     {PNG_COLOR_TYPE_GRAY_ALPHA, 8, 0, 0},
        {PNG_COLOR_TYPE_GRAY_ALPHA, 16, 0, 0}, {PNG_COLOR_TYPE_RGB_ALPHA, 8, 0, 0},
        {PNG_COLOR_TYPE_RGB_ALPHA, 16, 0, 0},
    };
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        for (int trns = 0; trns < 2; trns++)
            for (int interlaced = 0; interlaced < 2; interlaced++) {
                layout l = layouts[i];
                if (trns && (l.color & PNG_COLOR_MASK_ALPHA)) continue;
                l.trns = trns;
                l.interlaced = interlaced;
                check_layout(l);
            }
}

static zis_image *noise(int w, int h, int channels)
{
    zis_image *img = NULL;
    zis_error err;
    uint32_t r = 1;
    assert_int_equal(zis_image_create(&img, w, h, channels, &err), ZIS_OK);
    for (int i = 0; i < w * h * channels; i++) {
        r = r * 1664525u + 1013904223u;
        /* smooth above, noise below, so that all filters are chosen somewhere */
        img->data[i] = (uint8_t)(i < w * h * channels / 2 ? i / channels % w + i / w / channels * 3
                                                          : (int)(r >> 24));
    }
    return img;
}

static void test_encode(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1}, {1, 7}, {7, 1}, {65, 33}, {257, 64}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int channels = 1; channels <= 4; channels++) {
            if (channels == 2) continue;
            zis_error err = {0};
            zis_buf b = {0};
            zis_image *back = NULL, *img = noise(sizes[i][0], sizes[i][1], channels);
            zis_buf_puts(&b, "before");
            assert_int_equal(zis_picture_encode(&b, img, ZIS_PICTURE_PNG, NULL, 0, &err), ZIS_OK);
            assert_memory_equal(b.data, "before\x89PNG", 10);
            if (zis_picture_decode(&back, "x.png", b.data + 6, b.len - 6, &err))
                fail_msg("%s", err.text);
            if (channels == 1) assert_int_equal(zis_picture_to_rgb(&img, &err), ZIS_OK);
            assert_int_equal(back->channels, img->channels);
            assert_memory_equal(back->data, img->data,
                                (size_t)img->width * (size_t)img->height * (size_t)img->channels);
            zis_image_destroy(&img);
            zis_image_destroy(&back);
            zis_buf_free(&b);
        }
}

/* A changed pixel chunk, a changed checksum, a missing header, absurd sizes. */
static void test_damaged(void **state)
{
    (void)state;
    zis_error err = {0};
    zis_image *img = NULL;
    zis_buf b = make_png((layout){PNG_COLOR_TYPE_RGB, 8, 0, 0});
    char *idat = memmem(b.data, b.len, "IDAT", 4);
    assert_non_null(idat);
    idat[10] ^= 1;
    assert_int_equal(zis_picture_decode(&img, "x.png", b.data, b.len, &err), ZIS_FORMAT);
    assert_string_equal(err.text, "x.png: the PNG is damaged (IDAT: incorrect data check)");
    idat[10] ^= 1;
    memcpy(b.data + 12, "IHDX", 4);
    assert_int_equal(zis_picture_decode(&img, "x.png", b.data, b.len, &err), ZIS_FORMAT);
    assert_string_equal(err.text, "x.png: the PNG has no whole header");
    memcpy(b.data + 12, "IHDR", 4);
    static const struct {
        const char *bytes;
        const char *message;
    } sizes[] = {
        {"\0\0\x1f\x40\0\0\x1f\x41",
         "8000 x 8001 pixels are too many (at most 64 megapixels, 65535 "
         "a side)"},
        {"\0\1\0\0\0\0\0\1", "65536 x 1 pixels are too many (at most 64 megapixels, 65535 a side)"},
        {"\0\0\0\0\0\0\0\1", "a size of 0 x 1 is impossible"},
        {"\xff\xff\xff\xff\0\0\0\1", "the PNG has an impossible size"},
        {"\x7f\xff\xff\xff\x7f\xff\xff\xff",
         "2147483647 x 2147483647 pixels are too many (at most 64 megapixels, 65535 a side)"},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char want[200];
        memcpy(b.data + 16, sizes[i].bytes, 8);
        snprintf(want, sizeof want, "x.png: %s", sizes[i].message);
        assert_int_equal(zis_picture_decode(&img, "x.png", b.data, b.len, &err), ZIS_FORMAT);
        assert_string_equal(err.text, want);
    }
    assert_null(img);
    zis_buf_free(&b);
}

static const char *const values[] = {
    "a cat\nNegative prompt: x, \"y\"\nSteps: 8, Size: 256x256", /* tEXt */
    "caf\xc3\xa9",                                               /* Latin-1: tEXt */
    "\xc3\x83\xc2\xa9",              /* Latin-1 whose bytes would pass for UTF-8: iTXt */
    "\xe7\x8c\xab \xf0\x9f\x98\x80", /* iTXt */
    "",
};

/* A picture of 4 x 4 whose data go on for 192 MB: refused within what its rows may need. */
static void test_bomb(void **state)
{
    (void)state;
    static const uint8_t header[13] = {0, 0, 0, 4, 0, 0, 0, 4, 8, 2};
    size_t n = 192u << 20;
    uint8_t *zeros = calloc(1, n), *packed = malloc(4u << 20);
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(1);
    assert_true(zeros && packed && c);
    size_t k = libdeflate_zlib_compress(c, zeros, n, packed, 4u << 20);
    assert_true(k > 160u << 10);
    zis_buf b = {0};
    zis_image *img = NULL;
    zis_error err;
    zis_buf_append(&b, ZIS_PNG_SIGNATURE, 8);
    zis_png_chunk_put(&b, "IHDR", header, sizeof header);
    zis_png_chunk_put(&b, "IDAT", packed, k);
    zis_png_chunk_put(&b, "IEND", "", 0);
    assert_int_equal(zis_picture_decode(&img, "x", b.data, b.len, &err), ZIS_FORMAT);
    assert_string_equal(err.text, "x: the PNG is damaged (more data than the picture has)");
    zis_buf_free(&b);
    libdeflate_free_compressor(c);
    free(zeros);
    free(packed);
}

static void test_texts(void **state)
{
    (void)state;
    zis_error err = {0};
    zis_image *img = noise(3, 3, 3), *back = NULL;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        const zis_picture_text texts[] = {{"parameters", values[i]}, {"zis", "{\"seed\": 1}"}};
        zis_buf b = {0};
        char *got = NULL;
        assert_int_equal(zis_picture_encode(&b, img, ZIS_PICTURE_PNG, texts, 2, &err), ZIS_OK);
        assert_int_equal(zis_picture_text_get(&got, "x", b.data, b.len, "parameters", &err),
                         ZIS_OK);
        assert_string_equal(got, values[i]);
        free(got);
        assert_int_equal(zis_picture_text_get(&got, "x", b.data, b.len, "zis", &err), ZIS_OK);
        assert_string_equal(got, "{\"seed\": 1}");
        free(got);
        assert_int_equal(zis_picture_text_get(&got, "x", b.data, b.len, "param", &err), ZIS_OK);
        assert_null(got);
        bool international = memmem(b.data, b.len, "iTXtparameters", 14) != NULL;
        assert_int_equal(international, i == 2 || i == 3);
        assert_int_equal(zis_picture_decode(&back, "x", b.data, b.len, &err), ZIS_OK);
        zis_image_destroy(&back);
        zis_buf_free(&b);
    }
    zis_buf b = {0};
    static const zis_picture_text bad[] = {
        {"", "x"},
        {" a", "x"},
        {"a ", "x"},
        {"caf\xc3\xa9", "x"},
        {"a\n", "x"},
        {"a", "\xff"},
        {"0123456789012345678901234567890123456789012345678901234567890123456789012345678901", "x"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(zis_picture_encode(&b, img, ZIS_PICTURE_PNG, &bad[i], 1, &err), ZIS_ARG);
    assert_int_equal(b.len, 0);
    zis_image_destroy(&img);
}

/* A file of a signature and one text chunk. */
static zis_status get(const char *type, const void *body, size_t n, char **out, zis_error *err)
{
    zis_buf b = {0};
    zis_buf_append(&b, ZIS_PNG_SIGNATURE, 8);
    zis_png_chunk_put(&b, "IHDR", "\0\0\0\1\0\0\0\1\10\2\0\0\0", 13);
    zis_png_chunk_put(&b, type, body, n);
    zis_status st = zis_picture_text_get(out, "x", b.data, b.len, "k", err);
    zis_buf_free(&b);
    return st;
}

static zis_status get_packed(bool international, size_t plain, char **out, zis_error *err)
{
    zis_buf body = {0};
    char *text = malloc(plain), *packed = malloc(plain + 1000);
    memset(text, 'x', plain);
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(6);
    size_t n = libdeflate_zlib_compress(c, text, plain, packed, plain + 1000);
    libdeflate_free_compressor(c);
    zis_buf_append(&body, "k\0\1\0lang\0key", international ? 13 : 0);
    zis_buf_append(&body, "k\0\0", international ? 0 : 3);
    zis_buf_append(&body, packed, n);
    zis_status st = get(international ? "iTXt" : "zTXt", body.data, body.len, out, err);
    zis_buf_free(&body);
    free(text);
    free(packed);
    return st;
}

static void test_foreign_texts(void **state)
{
    (void)state;
    zis_error err = {0};
    char *got = NULL;
    assert_int_equal(get("tEXt", "k\0caf\xe9", 6, &got, &err), ZIS_OK);
    assert_string_equal(got, "caf\xc3\xa9");
    free(got);
    assert_int_equal(get("tEXt", "k\0caf\xc3\xa9", 7, &got, &err), ZIS_OK); /* UTF-8, as some do */
    assert_string_equal(got, "caf\xc3\xa9");
    free(got);
    assert_int_equal(get("iTXt", "k\0\0\0en\0cl\xc3\xa9\0v", 13, &got, &err), ZIS_OK);
    assert_string_equal(got, "v");
    free(got);
    for (int international = 0; international < 2; international++) {
        assert_int_equal(get_packed(international, 1000, &got, &err), ZIS_OK);
        assert_int_equal(strlen(got), 1000);
        free(got);
        got = NULL;
        assert_int_equal(get_packed(international, (1 << 20) + 1, &got, &err), ZIS_FORMAT);
        assert_string_equal(err.text, "x: a compressed text has more than 1 MB");
        assert_int_equal(get_packed(international, 100 << 20, &got, &err), ZIS_FORMAT); /* a bomb */
    }
    assert_int_equal(get("zTXt", "k\0\0junk", 7, &got, &err), ZIS_FORMAT);
    assert_string_equal(err.text, "x: a compressed text is damaged");
    assert_int_equal(get("zTXt", "k\0\1junk", 7, &got, &err), ZIS_FORMAT);
    assert_int_equal(get("zTXt", "k\0", 2, &got, &err), ZIS_FORMAT);
    assert_int_equal(get("iTXt", "k\0\0", 3, &got, &err), ZIS_FORMAT);
    assert_string_equal(err.text, "x: a text chunk is damaged");
    assert_int_equal(get("iTXt", "k\0\0\0en", 6, &got, &err), ZIS_FORMAT);
    assert_int_equal(get("iTXt", "k\0\0\0en\0key", 10, &got, &err), ZIS_FORMAT);
    assert_int_equal(get("iTXt", "k\0\2\0\0\0v", 7, &got, &err), ZIS_FORMAT);
    assert_int_equal(get("iTXt", "k\0\0\0\0\0\xff", 7, &got, &err), ZIS_FORMAT);
    assert_string_equal(err.text, "x: the text 'k' is not UTF-8");
    assert_int_equal(get("tEXt", "k\0a\0b", 5, &got, &err), ZIS_FORMAT);
    assert_null(got);
    assert_int_equal(get("tEXt", "k", 1, &got, &err), ZIS_OK); /* not a key */
    assert_null(got);
    zis_buf b = {0};
    zis_buf_append(&b, ZIS_PNG_SIGNATURE, 8);
    zis_png_chunk_put(&b, "tEXt", "k\0v", 3);
    b.data[b.len - 5] ^= 1;
    assert_int_equal(zis_picture_text_get(&got, "x", b.data, b.len, "k", &err), ZIS_FORMAT);
    assert_string_equal(err.text, "x: the text 'k' at byte 8 is damaged");
    zis_buf_free(&b);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    static const zis_picture_text texts[] = {{"parameters", "caf\xc3\xa9"},
                                             {"zis", "\xe7\x8c\xab"}};
    zis_image *img = noise(9, 9, 3);
    zis_buf file = make_png((layout){PNG_COLOR_TYPE_PALETTE, 4, 1, 1});
    zis_png_chunk_put(&file, "tEXt", "k\0v", 3);
    for (long n = 1;; n++) {
        zis_error err = {0};
        zis_buf b = {0};
        zis_image *back = NULL;
        char *text = NULL;
        long live = oom_live();
        oom_arm(n);
        zis_status st = zis_picture_encode(&b, img, ZIS_PICTURE_PNG, texts, 2, &err);
        if (!st) st = zis_picture_decode(&back, "x", file.data, file.len, &err);
        if (!st) st = zis_picture_text_get(&text, "x", file.data, file.len, "k", &err);
        bool fired = oom_disarm();
        zis_image_destroy(&back);
        zis_buf_free(&b);
        free(text);
        assert_int_equal(oom_live(), live);
        if (st != (fired ? ZIS_NOMEM : ZIS_OK)) fail_msg("%ld: %d %s", n, st, err.text);
        if (!fired) break;
    }
    zis_buf_free(&file);
    zis_image_destroy(&img);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layouts),       cmocka_unit_test(test_encode),
        cmocka_unit_test(test_damaged),       cmocka_unit_test(test_texts),
        cmocka_unit_test(test_foreign_texts), cmocka_unit_test(test_bomb),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
