/* The scanner against the pattern, by hand: '|' marks where the pieces must end. */
#include "text/split.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char *const cases[] = {
    "a| cat",
    "masterpiece|,| |8|k",
    "I|'ll| say| \"|HELLO|\"|  ",
    "it|'s| |3|.|1|4|\tend",
    "WE|'LL|'S| '|Re| '|D|'VE",
    "'s|'\u017F|'t|'M|'d|'re|'vE|'Ll",
    "'l|'r|'v|'x|'", /* no contraction: the apostrophe leads the letters */
    "don|\u2019t",
    "   | leading",
    "1|2|3|\u0663|\u2167|\u00BD",
    "....!!!???",
    " .|a",
    " ...\n\n|x",
    "!\r\n\r\n| | y",
    "\r\n\r\n  \n| x",
    "\n",
    " \t \n \n| \t| x",
    " \t \t ",
    "\t|\tx",
    " | .",
    " |\u3000|.",
    "a|\u00A0b|\u2003c|\u3000d|\302\205e",
    "a|\u3000|1",
    "a|\u0301b", /* a mark is no letter */
    "e|\u0301\u0301\u0301.",
    "\u9020\u76F8|\u300CZ|-IMAGE|-TURBO|\u300D",
    "\u26A1\uFE0F| neon| | caf\u00E9|\n\n| |1",
    "\x01\x7F|x",
    "\u200B\u200D\uFEFF",
    "foo|_bar|-baz|.qux|()",
    "\U0001D573|1|\U0001F600\u200D\U0001F600",
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        size_t n = 0, at = 0;
        for (const char *p = cases[i]; *p; p++) {
            if (*p != '|') text[n++] = *p;
        }
        for (const char *p = cases[i]; *p;) {
            size_t want = strcspn(p, "|");
            size_t got = zis_split_next(text + at, n - at);
            if (got != want) fail_msg("'%s': %zu bytes at %zu, not %zu", cases[i], got, at, want);
            at += got;
            p += p[want] ? want + 1 : want;
        }
        assert_int_equal(at, n);
    }
}

static void test_zero_byte(void **state)
{
    (void)state;
    assert_int_equal(zis_split_next("\0\0a", 3), 2);
    assert_int_equal(zis_split_next("a\0", 2), 1);
    assert_int_equal(zis_split_next("'", 1), 1);
    assert_int_equal(zis_split_next("'r", 2), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases),
                                       cmocka_unit_test(test_zero_byte)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
