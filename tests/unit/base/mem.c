/* Sizes that cannot wrap, buffers with a cap, errors that stay text, scratch with marks. */
#include "base/mem.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_sizes_do_not_wrap(void **state)
{
    (void)state;
    size_t r = 7;
    assert_true(zis_size_mul(SIZE_MAX, 2, &r));
    assert_true(zis_size_add(SIZE_MAX, 1, &r));
    assert_int_equal(r, 7);
    assert_false(zis_size_mul(SIZE_MAX / 2, 2, &r));
    assert_int_equal(r, SIZE_MAX - 1);
    assert_false(zis_size_add(SIZE_MAX - 1, 1, &r));
    assert_int_equal(r, SIZE_MAX);
    /* through a variable, so that the compiler does not see the size */
    volatile size_t huge = SIZE_MAX / 2 + 1;
    assert_null(zis_mem_alloc(huge, 2));
    assert_null(zis_mem_zalloc(huge, 2));
    assert_null(zis_mem_resize(NULL, huge, 2));
}

static void test_nothing_is_something(void **state)
{
    (void)state;
    void *p = zis_mem_alloc(0, 8), *q = zis_mem_zalloc(0, 0), *r = zis_mem_resize(NULL, 0, 1);
    assert_true(p && q && r);
    free(p);
    free(q);
    free(r);
}

static void test_buffer(void **state)
{
    (void)state;
    zis_buf b = {0};
    char long_text[1000];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    zis_buf_puts(&b, "a");
    zis_buf_putc(&b, 'b');
    zis_buf_printf(&b, "%d%s", 12, "c");
    zis_buf_append(&b, NULL, 0);
    assert_string_equal(b.data, "ab12c");
    zis_buf_printf(&b, "%s", long_text); /* longer than any small buffer inside */
    assert_int_equal(b.len, 5 + 999);
    assert_string_equal(b.data + 5, long_text);
    zis_buf_free(&b);
    assert_true(!b.data && !b.len && !b.failed);
}

static void test_buffer_cap(void **state)
{
    (void)state;
    zis_buf b = {.cap = 10};
    zis_buf_puts(&b, "0123456789");
    assert_false(b.failed);
    zis_buf_putc(&b, 'x');
    assert_true(b.failed);
    assert_string_equal(b.data, "0123456789");
    zis_buf_puts(&b, ""); /* stays failed, stays quiet */
    assert_true(b.failed);
    zis_buf_free(&b);
    assert_int_equal(b.cap, 10);
}

static void test_error_text(void **state)
{
    (void)state;
    zis_error err;
    assert_int_equal(zis_fail(&err, ZIS_IO, "a\tb\x1b[31m%s", "c\n"), ZIS_IO);
    assert_int_equal(err.code, ZIS_IO);
    assert_string_equal(err.text, "a b [31mc ");
    /* a terminal obeys C1 controls, too; turned text reads as another */
    char turned[] = "a\xC2\x9B"
                    "2Jb\xE2\x80\xAE"
                    "c\xE2\x81\xA6"
                    "d\xC2\xA0\xE2\x82\xAC\x7F";
    zis_text_clean(turned);
    assert_string_equal(turned, "a  2Jb   c   d\xC2\xA0\xE2\x82\xAC ");
    assert_int_equal(zis_fail(NULL, ZIS_ARG, "nobody listens"), ZIS_ARG);
    assert_int_equal(zis_fail_nomem(&err, "the picture"), ZIS_NOMEM);
    assert_string_equal(err.text, "out of memory for the picture");
    /* cut between characters, wherever the end falls */
    static const char *const letters[] = {"\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x8D\x8E"};
    char text[sizeof err.text + 64];
    for (size_t k = 0; k < 3; k++) {
        size_t len = strlen(letters[k]);
        for (size_t shift = 0; shift < 4; shift++) {
            memset(text, 'x', shift);
            text[shift] = '\0';
            while (strlen(text) < sizeof err.text + 32) strcat(text, letters[k]);
            zis_fail(&err, ZIS_FORMAT, "%s", text);
            size_t n = strlen(err.text);
            assert_true(n > sizeof err.text - 6);
            assert_int_equal((n - shift) % len, 0);
        }
    }
}

static void test_status_names(void **state)
{
    (void)state;
    assert_string_equal(zis_status_name(ZIS_OK), "ok");
    assert_string_equal(zis_status_name(ZIS_CANCELLED), "cancelled");
    assert_string_equal(zis_status_name((zis_status)1000), "unknown");
}

static void test_arena_counts_as_it_gives(void **state)
{
    (void)state;
    zis_arena counting, real;
    zis_error err;
    zis_arena_init_counting(&counting);
    assert_int_equal(zis_arena_init(&real, 1000, &err), ZIS_OK);
    static const size_t sizes[] = {1, 64, 65, 0, 300};
    for (int round = 0; round < 2; round++) {
        zis_arena_mark a = zis_arena_save(&counting), b = zis_arena_save(&real);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            unsigned char *p = zis_arena_alloc(&real, sizes[i]);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % ZIS_ARENA_ALIGN, 0);
            memset(p, 0xA5, sizes[i]);
            assert_non_null(zis_arena_alloc(&counting, sizes[i]));
            assert_int_equal(counting.used, real.used);
        }
        zis_arena_restore(&counting, a);
        zis_arena_restore(&real, b);
    }
    assert_int_equal(real.used, 0);
    assert_int_equal(counting.peak, real.peak);
    /* exactly what was counted fits, and not a byte more */
    assert_non_null(zis_arena_alloc(&real, 1024));
    assert_null(zis_arena_alloc(&real, 1));
    assert_null(zis_arena_alloc(&real, SIZE_MAX));
    assert_null(zis_arena_alloc(&counting, SIZE_MAX));
    assert_int_equal(real.used, 1024);
    zis_arena_deinit(&real);
    zis_arena_deinit(&real);
}

static void test_arena_too_large(void **state)
{
    (void)state;
    zis_arena a = {0};
    zis_error err;
    assert_int_equal(zis_arena_init(&a, SIZE_MAX / 2, &err), ZIS_NOMEM);
    assert_non_null(strstr(err.text, "out of memory"));
    assert_null(a.base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_do_not_wrap),
        cmocka_unit_test(test_nothing_is_something),
        cmocka_unit_test(test_buffer),
        cmocka_unit_test(test_buffer_cap),
        cmocka_unit_test(test_error_text),
        cmocka_unit_test(test_status_names),
        cmocka_unit_test(test_arena_counts_as_it_gives),
        cmocka_unit_test(test_arena_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
