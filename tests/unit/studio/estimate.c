/* The table of studio.md 7. */
#include "studio/estimate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void table(void **state)
{
    static const struct {
        const char *mode;
        int base, steps, side, once, doubled;
    } rows[] = {
        {"t2i", 0, 8, 1024, 60, 95},      {"t2i", 1, 25, 1024, 95, 180},
        {"controlnet", 0, 9, 0, 63, 126}, {"upscale", 0, 5, 0, 73, 146},
        {"t2i", 1, 25, 2048, 180, 180},   {"upscale", 1, 5, 0, 73, 146},
        {"something", 0, 0, 0, 60, 115},  {"t2i", 0, 0, 0, 60, 95},
        {"t2i", 0, 1, 16, 60, 60},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        zis_estimate_args a = {rows[i].mode, rows[i].base != 0, rows[i].steps,
                               rows[i].side, rows[i].side,      1};
        assert_int_equal(zis_estimate_seconds(&a), rows[i].once);
        a.multiplier = ZIS_ESTIMATE_RETRY;
        assert_int_equal(zis_estimate_seconds(&a), rows[i].doubled);
    }
}

static void retries(void **state)
{
    (void)state;
    assert_true(zis_estimate_retries("GPU task aborted"));
    assert_true(zis_estimate_retries("it was Aborted by the gpu"));
    assert_false(zis_estimate_retries("the task was aborted"));
    assert_false(zis_estimate_retries("no GPU here"));
    assert_false(zis_estimate_retries(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(table), cmocka_unit_test(retries)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
