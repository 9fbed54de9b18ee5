/* What all kinds share: recognition, turning, transparency, files, endings. */
#include "formats/picture.h"

#include "base/os.h"
#include "formats/exif.h"
#include "formats/png.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void test_unknown(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        zis_status code;
        const char *message;
    } cases[] = {
        {"", 0, ZIS_FORMAT, "the upload is empty"},
        {"hello", 5, ZIS_FORMAT,
         "the upload is no picture that is known here; use PNG, JPEG or WebP"},
        {"\x89PNG\r\n\x1a", 7, ZIS_FORMAT,
         "the upload is no picture that is known here; use PNG, JPEG or WebP"},
        {"GIF89a", 6, ZIS_UNSUPPORTED,
         "the upload is a GIF, which is not accepted; use PNG, JPEG or WebP"},
        {"\0\0\0\x1c"
         "ftypavif",
         12, ZIS_UNSUPPORTED,
         "the upload is an AVIF, which is not accepted; use PNG, JPEG or WebP"},
        {"II*\0", 4, ZIS_UNSUPPORTED,
         "the upload is a TIFF, which is not accepted; use PNG, JPEG or WebP"},
        {"<svg xmlns", 10, ZIS_UNSUPPORTED,
         "the upload is an SVG, which is not accepted; use PNG, JPEG or WebP"},
        {"\xff\xd8\xff", 3, ZIS_FORMAT, NULL},
        {"\x89PNG\r\n\x1a\n", 8, ZIS_FORMAT, "the upload: the PNG has no whole header"},
        {"RIFF\0\0\0\0WEBP", 12, ZIS_FORMAT, "the upload: the WebP cannot be read (damaged data)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t *exact = malloc(cases[i].n ? cases[i].n : 1);
        zis_error err = {0};
        zis_image *img = NULL;
        memcpy(exact, cases[i].bytes, cases[i].n);
        assert_int_equal(zis_picture_decode(&img, "the upload", exact, cases[i].n, &err),
                         cases[i].code);
        assert_null(img);
        if (cases[i].message) assert_string_equal(err.text, cases[i].message);
        free(exact);
    }
    zis_error err = {0};
    zis_image *img = NULL;
    assert_int_equal(zis_picture_decode(&img, "x", "", (size_t)ZIS_PICTURE_MAX_BYTES + 1, &err),
                     ZIS_FORMAT);
    assert_string_equal(err.text, "x has 268435457 bytes; at most 256 MB are accepted");
}

/* A TIFF block of one entry: orientation. */
static zis_buf turned(int orientation)
{
    zis_buf b = {0};
    const char entry[] = {0x12, 1, 3, 0, 1, 0, 0, 0, (char)orientation, 0, 0, 0, 0, 0, 0, 0};
    zis_buf_append(&b, "II*\0\10\0\0\0\1\0", 10);
    zis_buf_append(&b, entry, sizeof entry);
    return b;
}

/* Puts the block where the kind has it. */
static zis_buf with_exif(const zis_buf *file, zis_picture_kind kind, const zis_buf *block)
{
    zis_buf out = {0};
    uint8_t size[4];
    switch (kind) {
    case ZIS_PICTURE_PNG:
        zis_buf_append(&out, file->data, file->len - 12); /* before IEND */
        zis_png_chunk_put(&out, "eXIf", block->data, block->len);
        zis_png_chunk_put(&out, "IEND", "", 0);
        break;
    case ZIS_PICTURE_JPEG:
        size[0] = 0;
        size[1] = (uint8_t)(block->len + 8);
        zis_buf_append(&out, "\xff\xd8\xff\xe1", 4);
        zis_buf_append(&out, size, 2);
        zis_buf_append(&out, "Exif\0\0", 6);
        zis_buf_append(&out, block->data, block->len);
        zis_buf_append(&out, file->data + 2, file->len - 2);
        break;
    default: /* after the image; the reader goes by the chunk, not by the flag of VP8X */
        zis_buf_append(&out, file->data, file->len);
        size[0] = (uint8_t)block->len;
        size[1] = size[2] = size[3] = 0;
        zis_buf_append(&out, "EXIF", 4);
        zis_buf_append(&out, size, 4);
        zis_buf_append(&out, block->data, block->len);
        if (block->len % 2) zis_buf_putc(&out, 0);
        for (int i = 0; i < 4; i++) out.data[4 + i] = (char)((out.len - 8) >> 8 * i);
    }
    return out;
}

/* A white picture of 48 x 32 with a black corner, stored in eight ways. */
static void test_orientation(void **state)
{
    (void)state;
    /* which corner of the decoded picture is black when the stored top left one is */
    static const int right[9] = {0, 0, 1, 1, 0, 0, 1, 1, 0};
    static const int bottom[9] = {0, 0, 0, 1, 1, 0, 0, 1, 1};
    for (int kind = 0; kind < 3; kind++)
        for (int o = 1; o <= 8; o++) {
            zis_error err = {0};
            zis_image *img = NULL;
            zis_buf plain = {0}, block = turned(o);
            assert_int_equal(zis_image_create(&img, 48, 32, 3, &err), ZIS_OK);
            memset(img->data, 255, 48 * 32 * 3);
            for (int y = 0; y < 16; y++) memset(img->data + y * 48 * 3, 0, 16 * 3);
            assert_int_equal(zis_picture_encode(&plain, img, (zis_picture_kind)kind, NULL, 0, &err),
                             ZIS_OK);
            zis_image_destroy(&img);
            zis_buf file = with_exif(&plain, (zis_picture_kind)kind, &block);
            if (zis_picture_decode(&img, "x", file.data, file.len, &err)) fail_msg("%s", err.text);
            assert_int_equal(img->width, o >= 5 ? 32 : 48);
            assert_int_equal(img->height, o >= 5 ? 48 : 32);
            int w, h;
            assert_int_equal(zis_picture_size(&w, &h, "x", file.data, file.len, &err), ZIS_OK);
            assert_int_equal(w, img->width);
            assert_int_equal(h, img->height);
            for (int r = 0; r < 2; r++)
                for (int b = 0; b < 2; b++) {
                    int x = r ? img->width - 4 : 4, y = b ? img->height - 4 : 4;
                    bool black = img->data[(y * img->width + x) * 3] < 128;
                    if (black != (r == right[o] && b == bottom[o]))
                        fail_msg("kind %d, orientation %d, corner %d %d", kind, o, r, b);
                }
            zis_image_destroy(&img);
            zis_buf_free(&file);
            zis_buf_free(&plain);
            zis_buf_free(&block);
        }
}

static void test_to_rgb(void **state)
{
    (void)state;
    zis_error err;
    zis_image *img = NULL;
    assert_int_equal(zis_image_create(&img, 256, 256, 4, &err), ZIS_OK);
    for (int a = 0; a < 256; a++)
        for (int v = 0; v < 256; v++) {
            uint8_t *p = img->data + (a * 256 + v) * 4;
            p[0] = (uint8_t)v;
            p[1] = 0;
            p[2] = 255;
            p[3] = (uint8_t)a;
        }
    assert_int_equal(zis_picture_to_rgb(&img, &err), ZIS_OK);
    assert_int_equal(img->channels, 3);
    for (int a = 0; a < 256; a++)
        for (int v = 0; v < 256; v++) {
            const uint8_t *p = img->data + (a * 256 + v) * 3;
            double want = (v * a + 255.0 * (255 - a)) / 255;
            assert_int_equal(p[0], (int)(want + 0.5));
            assert_int_equal(p[1], 255 - a);
            assert_int_equal(p[2], 255);
        }
    const zis_image *before = img;
    assert_int_equal(zis_picture_to_rgb(&img, &err), ZIS_OK);
    assert_ptr_equal(img, before); /* RGB stays */
    zis_image_destroy(&img);
    assert_int_equal(zis_image_create(&img, 2, 1, 1, &err), ZIS_OK);
    img->data[1] = 7;
    assert_int_equal(zis_picture_to_rgb(&img, &err), ZIS_OK);
    assert_memory_equal(img->data, "\0\0\0\7\7\7", 6);
    zis_image_destroy(&img);
}

static void test_endings(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        int kind; /* -1: refused */
    } cases[] = {
        {"a.png", ZIS_PICTURE_PNG},
        {"dir.jpg/A.PNG", ZIS_PICTURE_PNG},
        {"a.jpg", ZIS_PICTURE_JPEG},
        {"a.JPEG", ZIS_PICTURE_JPEG},
        {"a.webp", ZIS_PICTURE_WEBP},
        {"a.gif", -1},
        {"a", -1},
        {"png", -1},
        {"", -1},
        {"a.png.txt", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        zis_error err = {0};
        zis_picture_kind kind = ZIS_PICTURE_WEBP;
        zis_status st = zis_picture_kind_of(&kind, cases[i].path, &err);
        assert_int_equal(st, cases[i].kind < 0 ? ZIS_ARG : ZIS_OK);
        if (!st) assert_int_equal(kind, cases[i].kind);
    }
    zis_error err = {0};
    zis_picture_kind kind;
    assert_int_equal(zis_picture_kind_of(&kind, "a.gif", &err), ZIS_ARG);
    assert_string_equal(
        err.text,
        "'a.gif' has no ending of a picture that can be written: .png, .jpg, .jpeg or .webp");
}

static void test_read(void **state)
{
    (void)state;
    char path[] = "/tmp/zis-picture-XXXXXX", want[200];
    zis_error err = {0};
    zis_image *img = NULL, *back = NULL;
    zis_buf b = {0};
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(zis_image_create(&img, 5, 4, 3, &err), ZIS_OK);
    assert_int_equal(zis_picture_encode(&b, img, ZIS_PICTURE_PNG, NULL, 0, &err), ZIS_OK);
    assert_int_equal(zis_os_write_file(path, b.data, b.len, &err), ZIS_OK);
    assert_int_equal(zis_picture_read(&back, path, &err), ZIS_OK); /* whatever its name */
    assert_int_equal(back->width, 5);
    zis_image_destroy(&back);
    assert_int_equal(zis_os_write_file(path, "text", 4, &err), ZIS_OK);
    assert_int_equal(zis_picture_read(&back, path, &err), ZIS_FORMAT);
    snprintf(want, sizeof want, "'%s' is no picture that is known here; use PNG, JPEG or WebP",
             path);
    assert_string_equal(err.text, want);
    unlink(path);
    assert_int_equal(zis_picture_read(&back, path, &err), ZIS_NOT_FOUND);
    assert_null(back);
    /* a limited buffer: nothing is left in it */
    zis_buf small = {.cap = 10};
    assert_int_equal(zis_picture_encode(&small, img, ZIS_PICTURE_PNG, NULL, 0, &err), ZIS_NOMEM);
    assert_int_equal(small.len, 0);
    zis_buf_free(&small);
    zis_image_destroy(&img);
    zis_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown), cmocka_unit_test(test_orientation),
        cmocka_unit_test(test_to_rgb),  cmocka_unit_test(test_endings),
        cmocka_unit_test(test_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
