/* EXIF: orientation and comments in both byte orders, and blocks that lie. */
#include "formats/exif.h"

#include "oom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void put(zis_buf *b, bool big, uint32_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) zis_buf_putc(b, (char)(v >> 8 * (big ? bytes - 1 - i : i)));
}

static void entry(zis_buf *b, bool big, uint32_t tag, uint32_t type, uint32_t count, uint32_t value)
{
    put(b, big, tag, 2);
    put(b, big, type, 2);
    put(b, big, count, 4);
    if (type == 3) { /* a short lies in the first half of the field */
        put(b, big, value, 2);
        put(b, big, 0, 2);
    } else {
        put(b, big, value, 4);
    }
}

/* Orientation and the comment with its 8 bytes of code. Returns a TIFF block. */
static zis_buf block(bool big, uint32_t orientation, const void *comment, size_t n)
{
    zis_buf b = {0};
    zis_buf_puts(&b, big ? "MM" : "II");
    put(&b, big, 42, 2);
    put(&b, big, 8, 4);
    put(&b, big, 2, 2); /* at 8: two entries, 30 bytes */
    entry(&b, big, 0x0112, 3, 1, orientation);
    entry(&b, big, 0x8769, 4, 1, 38);
    put(&b, big, 0, 4);
    put(&b, big, 1, 2); /* at 38: one entry, 18 bytes */
    entry(&b, big, 0x9286, 7, (uint32_t)n, 56);
    put(&b, big, 0, 4);
    zis_buf_append(&b, comment, n);
    return b;
}

/* Reads from a block of exact size, with and without the JPEG prefix. */
static void check(zis_buf b, int orientation, const char *comment)
{
    zis_error err = {0};
    for (int prefix = 0; prefix < 2; prefix++) {
        size_t n = b.len + (prefix ? 6 : 0);
        uint8_t *p = malloc(n ? n : 1);
        if (prefix) memcpy(p, "Exif\0\0", 6);
        if (b.len) memcpy(p + n - b.len, b.data, b.len);
        char *text = NULL;
        assert_int_equal(zis_exif_orientation(p, n), orientation);
        assert_int_equal(zis_exif_comment_get(&text, "x", p, n, &err), ZIS_OK);
        if (comment) {
            assert_non_null(text);
            assert_string_equal(text, comment);
        } else {
            assert_null(text);
        }
        free(text);
        free(p);
    }
    zis_buf_free(&b);
}

#define BLOCK(big, orientation, literal) block(big, orientation, literal, sizeof literal - 1)

static void test_reads(void **state)
{
    (void)state;
    for (int big = 0; big < 2; big++) {
        for (int o = 0; o < 12; o++)
            check(BLOCK(big, (uint32_t)o, ""), o >= 1 && o <= 8 ? o : 1, NULL);
        check(BLOCK(big, 6, "ASCII\0\0\0a cat"), 6, "a cat");
        check(BLOCK(big, 6, "ASCII\0\0\0a cat\0\0\0"), 6, "a cat");
        check(BLOCK(big, 1, "\0\0\0\0\0\0\0\0plain"), 1, "plain");
        check(BLOCK(big, 1, "ASCII\0\0\0caf\xc3\xa9"), 1, "caf\xc3\xa9"); /* UTF-8 */
        check(BLOCK(big, 1, "ASCII\0\0\0caf\xe9"), 1, "caf\xc3\xa9");     /* Latin-1 */
        check(BLOCK(big, 1, "ASCII\0\0\0"), 1, NULL);
        check(BLOCK(big, 1, "JIS\0\0\0\0\0abc"), 1, NULL);
        check(BLOCK(big, 1, "short"), 1, NULL);
        /* UTF-16 in either order, whatever the block's */
        check(BLOCK(big, 1, "UNICODE\0\0a\0 \0\xe9"), 1, "a \xc3\xa9");
        check(BLOCK(big, 1, "UNICODE\0a\0 \0\xe9\0"), 1, "a \xc3\xa9");
        check(BLOCK(big, 1, "UNICODE\0\xfe\xff\x73\x2b"), 1, "\xe7\x8c\xab");
        check(BLOCK(big, 1, "UNICODE\0\xff\xfe\x2b\x73"), 1, "\xe7\x8c\xab");
        check(BLOCK(big, 1, "UNICODE\0\0a\xd8\x3d\xde\x00\0b\0"), 1,
              "a\xf0\x9f\x98\x80"
              "b");
        check(BLOCK(big, 1, "UNICODE\0\0a\xd8\x3d\0b\0c"), 1,
              "a\xef\xbf\xbd"
              "bc"); /* half */
        check(BLOCK(big, 1, "UNICODE\0\0a\xdc\x00\0b\0c"), 1,
              "a\xef\xbf\xbd"
              "bc");
        check(BLOCK(big, 1, "UNICODE\0\0a\0b\0\0\0c"), 1, "ab"); /* ends at a NUL */
    }
    check(BLOCK(true, 1, "UNICODE\0\x73\x2b"), 1, "\xe7\x8c\xab"); /* no hint: the block's order */
    check(BLOCK(false, 1, "UNICODE\0\x2b\x73"), 1, "\xe7\x8c\xab");
}

/* Everything that a block can lie about. Exact sizes let a sanitizer see a step too far. */
static void test_hostile(void **state)
{
    (void)state;
    zis_error err = {0};
    zis_buf whole = BLOCK(true, 6, "ASCII\0\0\0a cat");
    for (size_t n = 0; n < whole.len; n++) {
        zis_buf cut = {0};
        zis_buf_append(&cut, whole.data, n);
        check(cut, n >= 22 ? 6 : 1, NULL);
    }
    /* each byte replaced in turn by extremes: any answer, no crash */
    for (size_t i = 0; i < whole.len; i++)
        for (int v = 0; v < 3; v++) {
            uint8_t *p = malloc(whole.len);
            char *text = NULL;
            memcpy(p, whole.data, whole.len);
            p[i] = (uint8_t)(v == 0 ? 0 : v == 1 ? 0xFF : 0x7F);
            int o = zis_exif_orientation(p, whole.len);
            assert_true(o >= 1 && o <= 8);
            assert_int_equal(zis_exif_comment_get(&text, "x", p, whole.len, &err), ZIS_OK);
            free(text);
            free(p);
        }
    zis_buf_free(&whole);
    char *big = calloc(1, (1 << 20) + 9), *text = NULL;
    memset(big, 'x', (1 << 20) + 9);
    memcpy(big, "ASCII\0\0\0", 8);
    whole = block(false, 1, big, (1 << 20) + 1);
    assert_int_equal(zis_exif_comment_get(&text, "x", (const uint8_t *)whole.data, whole.len, &err),
                     ZIS_FORMAT);
    assert_string_equal(err.text, "x: the EXIF comment has more than 1 MB");
    assert_null(text);
    zis_buf_free(&whole);
    free(big);
}

static void test_writes(void **state)
{
    (void)state;
    /* what piexif 1.1.3 makes of {"Exif": {UserComment: UserComment.dump("a\u00e9", "unicode")}},
     * but with the link to a next directory that it leaves out */
    static const char want[] = "MM\0*\0\0\0\10\0\1\x87\x69\0\4\0\0\0\1\0\0\0\x1a\0\0\0\0"
                               "\0\1\x92\x86\0\7\0\0\0\xc\0\0\0\x2c\0\0\0\0"
                               "UNICODE\0\0a\0\xe9";
    zis_buf b = {0};
    zis_exif_comment_put(&b, "a\xc3\xa9");
    assert_int_equal(b.len, sizeof want - 1);
    assert_memory_equal(b.data, want, b.len);
    zis_buf_free(&b);
    static const char *const texts[] = {"x", "a cat\nSteps: 8", "\xe7\x8c\xab",
                                        "\xf0\x9f\x98\x80 \xef\xbf\xbf"};
    for (size_t i = 0; i < 4; i++) {
        zis_buf c = {0};
        zis_exif_comment_put(&c, texts[i]);
        check(c, 1, texts[i]);
    }
}

/* A picture of 2 x 3 whose pixels are numbered; the eight ways it may have been stored. */
static void test_turn(void **state)
{
    (void)state;
    static const char *const stored[9] = {
        [1] = "012345", /* upright: 0 1 / 2 3 / 4 5 */
        [2] = "103254", [3] = "543210", [4] = "452301", [5] = "024135",
        [6] = "135024", [7] = "531420", [8] = "420531",
    };
    for (int o = 1; o <= 8; o++)
        for (int channels = 3; channels <= 4; channels++) {
            zis_image *img = NULL;
            zis_error err;
            bool swap = o >= 5;
            assert_int_equal(zis_image_create(&img, swap ? 3 : 2, swap ? 2 : 3, channels, &err), 0);
            for (int i = 0; i < 6; i++)
                for (int c = 0; c < channels; c++)
                    img->data[i * channels + c] = (uint8_t)((stored[o][i] - '0') * 10 + c);
            assert_int_equal(zis_exif_turn(&img, o, &err), ZIS_OK);
            assert_int_equal(img->width, 2);
            assert_int_equal(img->height, 3);
            for (int i = 0; i < 6; i++)
                for (int c = 0; c < channels; c++)
                    if (img->data[i * channels + c] != i * 10 + c)
                        fail_msg("orientation %d, pixel %d", o, i);
            zis_image_destroy(&img);
        }
}

static void test_out_of_memory(void **state)
{
    (void)state;
    zis_buf b = BLOCK(true, 6, "UNICODE\0\0a\0b");
    for (long n = 1;; n++) {
        zis_error err;
        zis_buf out = {0};
        char *text = NULL;
        long live = oom_live();
        oom_arm(n);
        zis_status st = zis_exif_comment_get(&text, "x", (uint8_t *)b.data, b.len, &err);
        if (!st) zis_exif_comment_put(&out, "abc");
        if (out.failed) st = ZIS_NOMEM;
        bool fired = oom_disarm();
        free(text);
        zis_buf_free(&out);
        assert_int_equal(oom_live(), live);
        assert_int_equal(st, fired ? ZIS_NOMEM : ZIS_OK);
        if (!fired) break;
    }
    zis_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),         cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_writes),        cmocka_unit_test(test_turn),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
