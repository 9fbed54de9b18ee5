/* Normal form C. */
#include "text/nfc.h"

#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void check(const char *in, const char *want)
{
    zis_buf out = {0};
    zis_nfc_append(&out, in, strlen(in));
    assert_false(out.failed);
    assert_int_equal(out.len, strlen(want));
    assert_memory_equal(out.data ? out.data : "", want, out.len);
    zis_buf_free(&out);
}

static void test_vectors(void **state)
{
    (void)state;
    check("", "");
    check("plain ASCII", "plain ASCII");
    check("e\u0301", "\u00E9");
    check("cafe\u0301 e\u0301x", "caf\u00E9 \u00E9x");
    check("\u00E9", "\u00E9");
    check("x\u00E9\u0323", "x\u1EB9\u0301"); /* taken apart, ordered, put together again */
    check("a\u0301\u0323", "\u1EA1\u0301");  /* the lower mark comes first */
    check("q\u0323\u0307", "q\u0323\u0307"); /* nothing composes */
    check("q\u0307\u0323", "q\u0323\u0307");
    check("\u0301a", "\u0301a");                                      /* a mark without a base */
    check("a\u0315\u0300\u05AE\u0300b", "\u00E0\u05AE\u0300\u0315b"); /* as in NormalizationTest */
    check("\u212B \u2126", "\u00C5 \u03A9");                          /* singletons */
    check("\u0958", "\u0915\u093C"); /* excluded from composition */
    check("\uFB1F", "\u05F2\u05B7");
    check("\u1F82", "\u1F82");               /* four code points when taken apart */
    check("\uFB01 \u00BD", "\uFB01 \u00BD"); /* compatibility forms stay */
    check("\u1100\u1161\u11A8", "\uAC01");   /* Hangul */
    check("\uAC00\u11A8", "\uAC01");
    check("\uAC00\u11A7", "\uAC00\u11A7"); /* not a trailing consonant */
    check("\uAC01\u11A8", "\uAC01\u11A8");
    check("\U0001D15E", "\U0001D157\U0001D165");
}

/* Unicode 9.0 does not know these, so they neither move nor join, and nothing joins across. */
static void test_walls(void **state)
{
    (void)state;
    check("\U00011935\U00011930", "\U00011935\U00011930");
    check("\U00011938", "\U00011938");
    check("a\u0301\u0898\u0323", "\u00E1\u0898\u0323");
    check("e\u0898\u0301", "e\u0898\u0301");
    check("\u0898e\u0301\u0898", "\u0898\u00E9\u0898");
}

static void test_plain(void **state)
{
    (void)state;
    assert_true(zis_nfc_is_plain("", 0));
    assert_true(zis_nfc_is_plain("na\u00EFve \u02FF", 9));
    assert_false(zis_nfc_is_plain("e\u0301", 3));
}

/* Sorting that swaps neighbours would take billions of steps here. */
static void test_many_marks(void **state)
{
    (void)state;
    enum { HALF = 50000 };
    zis_buf in = {0}, out = {0}, want = {0};
    zis_buf_puts(&in, "x");
    for (int i = 0; i < HALF; i++) zis_buf_puts(&in, "\u0301");
    for (int i = 0; i < HALF; i++) zis_buf_puts(&in, i % 2 ? "\u0323" : "\u0324");
    zis_buf_puts(&want, "x");
    for (int i = 0; i < HALF; i++) zis_buf_puts(&want, i % 2 ? "\u0323" : "\u0324");
    for (int i = 0; i < HALF; i++) zis_buf_puts(&want, "\u0301");
    zis_nfc_append(&out, in.data, in.len);
    assert_false(out.failed);
    assert_int_equal(out.len, want.len);
    assert_memory_equal(out.data, want.data, want.len);
    zis_buf_free(&in);
    zis_buf_free(&out);
    zis_buf_free(&want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors), cmocka_unit_test(test_walls),
                                       cmocka_unit_test(test_plain),
                                       cmocka_unit_test(test_many_marks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
