/* Properties of code points: the counts that the reference gives (text-encoder.md 6). */
#include "text/unicode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_counts(void **state)
{
    (void)state;
    unsigned count[5] = {0}, walls = 0;
    for (uint32_t cp = 0; cp < 0x110000; cp++) {
        count[zis_unicode_classify(cp)]++;
        walls += zis_unicode_is_wall(cp);
    }
    assert_int_equal(count[ZIS_UNICODE_LETTER], 141028);
    assert_int_equal(count[ZIS_UNICODE_NUMBER], 1911);
    assert_int_equal(count[ZIS_UNICODE_NEWLINE], 2);
    assert_int_equal(count[ZIS_UNICODE_SPACE], 23);
    assert_int_equal(walls, 109 + 2);
}

static void test_some(void **state)
{
    (void)state;
    static const struct {
        uint32_t cp;
        zis_unicode_class c;
    } some[] = {
        {'a', ZIS_UNICODE_LETTER},     {'Z', ZIS_UNICODE_LETTER},    {0xAA, ZIS_UNICODE_LETTER},
        {0x4E00, ZIS_UNICODE_LETTER},  {0x1C89, ZIS_UNICODE_LETTER}, {0x323AF, ZIS_UNICODE_LETTER},
        {'0', ZIS_UNICODE_NUMBER},     {0xBD, ZIS_UNICODE_NUMBER},   {0x2167, ZIS_UNICODE_NUMBER},
        {0x1E5FA, ZIS_UNICODE_NUMBER}, {'\n', ZIS_UNICODE_NEWLINE},  {'\r', ZIS_UNICODE_NEWLINE},
        {' ', ZIS_UNICODE_SPACE},      {0x0B, ZIS_UNICODE_SPACE},    {0x85, ZIS_UNICODE_SPACE},
        {0x3000, ZIS_UNICODE_SPACE},   {0x1C, ZIS_UNICODE_OTHER},    {0x180E, ZIS_UNICODE_OTHER},
        {0x200B, ZIS_UNICODE_OTHER},   {0xFEFF, ZIS_UNICODE_OTHER},  {0x301, ZIS_UNICODE_OTHER},
        {0, ZIS_UNICODE_OTHER},        {'_', ZIS_UNICODE_OTHER},     {0x10FFFF, ZIS_UNICODE_OTHER},
    };
    for (size_t i = 0; i < sizeof some / sizeof *some; i++)
        assert_int_equal(zis_unicode_classify(some[i].cp), some[i].c);
    assert_true(zis_unicode_is_wall(0x11938));
    assert_true(zis_unicode_is_wall(0x11A7));
    assert_false(zis_unicode_is_wall(0x301));
    assert_false(zis_unicode_is_wall(0x11A8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_counts), cmocka_unit_test(test_some)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
