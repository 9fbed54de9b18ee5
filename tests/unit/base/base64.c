/* The vectors of RFC 4648, lengths around the inner pieces, and what is refused. */
#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void vectors(void **state)
{
    static const char *const pairs[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xff\xfe\xfd", "//79"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        zis_buf text = {0}, back = {0};
        zis_base64_put(&text, pairs[i][0], strlen(pairs[i][0]));
        zis_buf_putc(&text, '!');
        assert_int_equal(text.len, strlen(pairs[i][1]) + 1);
        assert_memory_equal(text.data, pairs[i][1], text.len - 1);
        assert_int_equal(zis_base64_get(&back, "x", text.data, text.len - 1, NULL), ZIS_OK);
        assert_int_equal(back.len, strlen(pairs[i][0]));
        if (back.len) assert_memory_equal(back.data, pairs[i][0], back.len);
        zis_buf_free(&text);
        zis_buf_free(&back);
    }
}

static void lengths(void **state)
{
    unsigned char bytes[800];
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * 37 + i / 7);
    for (size_t n = 170; n < sizeof bytes; n++) {
        zis_buf text = {0}, back = {0};
        zis_base64_put(&text, bytes, n);
        assert_int_equal(text.len, (n + 2) / 3 * 4);
        assert_int_equal(zis_base64_get(&back, "x", text.data, text.len, NULL), ZIS_OK);
        assert_int_equal(back.len, n);
        assert_memory_equal(back.data, bytes, n);
        zis_buf_free(&text);
        zis_buf_free(&back);
    }
}

static void refused(void **state)
{
    static const char *const bad[] = {"Zg-=", "Z", "Zm9vY", "Zg==Zg==", "Zm\x01v", "data:x"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        zis_buf back = {0};
        zis_error err = {0};
        assert_int_equal(zis_base64_get(&back, "the picture", bad[i], strlen(bad[i]), &err),
                         ZIS_FORMAT);
        assert_non_null(strstr(err.text, "the picture is not base64"));
        zis_buf_free(&back);
    }
    zis_buf back = {0};
    assert_int_equal(zis_base64_get(&back, "x", "Zm9v\r\nYm E", 10, NULL), ZIS_OK);
    assert_memory_equal(back.data, "fooba", 5);
    zis_buf_free(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(lengths),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
