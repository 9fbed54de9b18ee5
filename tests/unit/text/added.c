/* Added tokens in raw text. */
#include "text/added.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void next_is(
    const zis_added *a, const char *s, size_t n, size_t from, size_t at, size_t len, int32_t id)
{
    zis_added_match m;
    assert_true(zis_added_next(a, s, from, n, &m));
    assert_int_equal(m.at, at);
    assert_int_equal(m.len, len);
    assert_int_equal(m.id, id);
}

static void test_match(void **state)
{
    (void)state;
    static const char *const texts[] = {"<x>", "<x>y", "<", "<xy", "\u9020", "b<x"};
    zis_added a = {0};
    zis_error err = {0};
    zis_added_match m;
    assert_false(zis_added_next(&a, "abc", 0, 3, &m));
    for (int i = 0; i < 6; i++)
        assert_int_equal(zis_added_put(&a, "file", texts[i], 100 + i, &err), ZIS_OK);
    assert_int_equal(zis_added_seal(&a, "file", &err), ZIS_OK);
    next_is(&a, "a<x>", 4, 0, 1, 3, 100);
    next_is(&a, "a<x>y", 5, 0, 1, 4, 101); /* the longest */
    next_is(&a, "a<x>y", 4, 0, 1, 3, 100); /* which must lie inside the text */
    next_is(&a, "a<xz", 4, 0, 1, 1, 102);  /* back to a shorter one */
    next_is(&a, "b<x>", 4, 0, 0, 3, 105);  /* the leftmost wins over a longer one after it */
    next_is(&a, "b<x>", 4, 1, 1, 3, 100);
    next_is(&a, "<\0<x>", 5, 1, 2, 3, 100);
    next_is(&a, "\u76F8\u9020", 6, 0, 3, 3, 104);
    assert_false(zis_added_next(&a, "abc>", 0, 4, &m));
    assert_false(zis_added_next(&a, "a<", 0, 1, &m));
    assert_true(zis_added_has(&a, "<x>"));
    assert_false(zis_added_has(&a, "<x"));
    assert_false(zis_added_has(&a, "<x>yz"));
    zis_added_deinit(&a);
}

static void test_refused(void **state)
{
    (void)state;
    zis_added a = {0};
    zis_error err = {0};
    char text[ZIS_ADDED_TEXT_MAX + 2];
    memset(text, 'x', sizeof text);
    text[ZIS_ADDED_TEXT_MAX + 1] = '\0';
    assert_int_equal(zis_added_put(&a, "file", "", 7, &err), ZIS_FORMAT);
    assert_string_equal(err.text, "file: the added token with id 7 has no text");
    assert_int_equal(zis_added_put(&a, "file", text, 7, &err), ZIS_FORMAT);
    assert_int_equal(zis_added_put(&a, "file", "one", 1, &err), ZIS_OK);
    assert_int_equal(zis_added_put(&a, "file", "one", 2, &err), ZIS_OK);
    assert_int_equal(zis_added_seal(&a, "file", &err), ZIS_FORMAT);
    assert_string_equal(err.text, "file: the added token 'one' is there twice");
    zis_added_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_match),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
