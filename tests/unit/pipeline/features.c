/* Prompts that are kept: found by encoder and ids, the least used go first. */
#include "pipeline/features.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void put(zis_features *f, const void *encoder, int32_t id)
{
    float *data = zis_mem_alloc(1, sizeof *data);
    assert_non_null(data);
    *data = (float)id;
    assert_int_equal(zis_features_put(f, encoder, &id, 1, data, NULL), ZIS_OK);
}

static float get(zis_features *f, const void *encoder, int32_t id)
{
    const float *p = zis_features_get(f, encoder, &id, 1);
    return p ? *p : -1;
}

static void kept(void **state)
{
    int a, b;
    zis_features *f = NULL;
    (void)state;
    assert_int_equal(zis_features_create(&f, 2, NULL), ZIS_OK);
    put(f, &a, 1);
    put(f, &a, 2);
    assert_true(get(f, &a, 1) == 1 && get(f, &a, 2) == 2);
    assert_true(get(f, &b, 1) == -1 && get(f, &a, 3) == -1);
    const int32_t two[] = {1, 2};
    assert_null(zis_features_get(f, &a, two, 2));
    get(f, &a, 1); /* used last, so 2 goes */
    put(f, &a, 3);
    assert_true(get(f, &a, 1) == 1 && get(f, &a, 3) == 3 && get(f, &a, 2) == -1);
    put(f, &b, 1);
    zis_features_forget(f, &a);
    assert_true(get(f, &b, 1) == 1 && get(f, &a, 1) == -1 && get(f, &a, 3) == -1);
    zis_features_destroy(&f);
    assert_null(f);
    zis_features_destroy(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(kept)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
