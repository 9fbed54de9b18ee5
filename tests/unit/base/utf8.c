/* UTF-8: every code point there and back, and everything else refused. */
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_round_trip(void **state)
{
    (void)state;
    char s[4];
    uint32_t back;
    for (uint32_t cp = 0; cp <= 0x10FFFF; cp++) {
        size_t n = zis_utf8_encode(cp, s);
        size_t want = cp >= 0xD800 && cp <= 0xDFFF ? 0 : n;
        back = 0;
        if (zis_utf8_decode(s, n, &back) != want || (want && back != cp)) fail_msg("U+%04X", cp);
        if (zis_utf8_decode(s, n - 1, &back) != 0) fail_msg("cut U+%04X", cp);
    }
}

/* Of all sequences of three bytes, those that are one code point of three bytes: 65536 - 2048
 * (two-byte range and below) - 2048 (surrogates). */
static void test_three_bytes(void **state)
{
    (void)state;
    uint32_t cp;
    int good = 0;
    for (unsigned v = 0; v < 1u << 24; v++) {
        const char s[3] = {(char)(v >> 16), (char)(v >> 8), (char)v};
        good += zis_utf8_decode(s, 3, &cp) == 3;
    }
    assert_int_equal(good, 65536 - 2048 - 2048);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"\x80",
                                      "\xbf",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xf8\x88\x80\x80\x80",
                                      "\xff",
                                      "\xc3(",
                                      "\xe2\x82(",
                                      "\xf0\x9f\x98("};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(zis_utf8_valid(bad[i], strlen(bad[i])));
    assert_true(zis_utf8_valid("", 0));
    assert_true(zis_utf8_valid("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 10));
}

static void test_cut(void **state)
{
    (void)state;
    static const char s[] = "a\xc3\xa9\xf0\x9f\x98\x80z"; /* 1 + 2 + 4 + 1 */
    const int want[] = {0, 1, 1, 3, 3, 3, 3, 7, 8, 8};
    for (int most = 0; most < 10; most++) assert_int_equal(zis_utf8_cut(s, 8, most), want[most]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_three_bytes),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
