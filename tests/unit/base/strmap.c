/* The string map: many keys, keys with NULs, duplicates. */
#include "base/strmap.h"

#include "oom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N 20000

static void test_many(void **state)
{
    (void)state;
    char(*keys)[16] = malloc(N * sizeof *keys);
    zis_strmap m = {0};
    size_t v = 77;
    assert_false(zis_strmap_get(&m, "x", 1, &v)); /* empty */
    for (size_t i = 0; i < N; i++) {
        snprintf(keys[i], sizeof keys[i], "key%zu", i);
        assert_int_equal(zis_strmap_put(&m, keys[i], strlen(keys[i]), i, NULL), ZIS_OK);
    }
    assert_int_equal(m.count, N);
    for (size_t i = 0; i < N; i++) {
        char copy[16];
        memcpy(copy, keys[i], sizeof copy);
        assert_true(zis_strmap_get(&m, copy, strlen(copy), &v));
        assert_int_equal(v, i);
    }
    v = 77;
    assert_false(zis_strmap_get(&m, "key", 3, &v));
    assert_false(zis_strmap_get(&m, "key20000", 8, &v));
    assert_int_equal(v, 77);
    zis_strmap_free(&m);
    zis_strmap_free(&m);
    free(keys);
}

static void test_duplicates(void **state)
{
    (void)state;
    zis_strmap m = {0};
    size_t old = 0, v;
    assert_int_equal(zis_strmap_put(&m, "a\0b", 3, 1, NULL), ZIS_OK);
    assert_int_equal(zis_strmap_put(&m, "a\0c", 3, 2, NULL), ZIS_OK);
    assert_int_equal(zis_strmap_put(&m, "", 0, 3, NULL), ZIS_OK);
    assert_int_equal(zis_strmap_put(&m, "a\0b", 3, 4, &old), ZIS_ARG);
    assert_int_equal(old, 1);
    assert_int_equal(zis_strmap_put(&m, "", 0, 5, &old), ZIS_ARG);
    assert_int_equal(old, 3);
    assert_true(zis_strmap_get(&m, "a\0b", 3, &v));
    assert_int_equal(v, 1); /* stays */
    zis_strmap_free(&m);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    static const char *const keys[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    for (long n = 1;; n++) {
        zis_strmap m = {0};
        zis_status st = ZIS_OK;
        long live = oom_live();
        oom_arm(n);
        for (size_t i = 0; i < 10 && !st; i++) st = zis_strmap_put(&m, keys[i], 1, i, NULL);
        bool fired = oom_disarm();
        size_t v;
        for (size_t i = 0; i < m.count; i++) assert_true(zis_strmap_get(&m, keys[i], 1, &v));
        zis_strmap_free(&m);
        assert_int_equal(oom_live(), live);
        assert_int_equal(st, fired ? ZIS_NOMEM : ZIS_OK);
        if (!fired) break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
