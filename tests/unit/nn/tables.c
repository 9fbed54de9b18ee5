/* tables.c - angles of positions and times against the check values of z-image.md 4.5 and 4.6. */
#include "nn/rope.h"
#include "nn/timestep.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static zis_run run;

static int setup(void **state)
{
    (void)state;
    zis_run_options o = {.device = "ref", .math = ZIS_DTYPE_F32};
    if (zis_run_init(&run, &o, NULL)) return -1;
    return zis_run_reserve(&run, 1 << 20, NULL) ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    zis_run_deinit(&run);
    return 0;
}

static void assert_close(float got, double expected, double by)
{
    if (!(fabs((double)got - expected) <= by)) fail_msg("%.9g is not %.9g", (double)got, expected);
}

static zis_rope_position place(const void *arg, int64_t row)
{
    (void)arg;
    return (zis_rope_position){{(int32_t)row, 0, 7}};
}

static void test_axes(void **state)
{
    (void)state;
    static const int64_t dims[3] = {32, 48, 48};
    zis_rope_table t;
    assert_int_equal(zis_rope_axes(&run, dims, 256, 34, place, NULL, &t, NULL), ZIS_OK);
    assert_int_equal(t.cos.dim[0], 34);
    assert_int_equal(t.cos.dim[1], 64);
    const float *c = (const float *)t.cos.data + 33 * 64, *s = (const float *)t.sin.data + 33 * 64;
    const double cs[] = {-0.0133, -0.2255, -0.7024}, sn[] = {0.9999, -0.9743, -0.7118};
    for (int m = 0; m < 3; m++) {
        assert_close(c[m], cs[m], 6e-5);
        assert_close(s[m], sn[m], 6e-5);
    }
    for (int m = 16; m < 40; m++) { /* the second axis stands at 0 */
        assert_true(c[m] == 1 && s[m] == 0);
    }
    /* d = 48: f_23 = 0.00492156660115 */
    assert_true(c[63] == (float)cos((double)(float)(7 * 0.00492156660115)));
}

static void test_line(void **state)
{
    (void)state;
    zis_rope_table t;
    assert_int_equal(zis_rope_line(&run, 128, 1e6, 5, &t, NULL), ZIS_OK);
    for (int m = 0; m < 64; m++) {
        float f = (float)pow(1e6, -2.0 * m / 128);
        assert_true(((const float *)t.sin.data)[4 * 64 + m] == (float)sin((double)(4.0f * f)));
        assert_true(((const float *)t.cos.data)[m] == 1);
    }
}

static void test_times(void **state)
{
    (void)state;
    static const int at[] = {0, 1, 2, 127, 128, 129, 130, 255};
    static const float tau[] = {44, 500};
    static const double expected[2][8] = {
        {0.9998433, -0.9945487, 0.9197644, 0.9999889, 0.0177019, -0.1042732, 0.3924710, 0.0047283},
        {-0.8838493, 0.9459457, 0.8485069, 0.9985569, -0.4677718, 0.3243249, -0.5291843,
         0.0537045}};
    zis_tensor e;
    assert_int_equal(zis_timestep_embed(&run, tau, 2, 256, &e, NULL), ZIS_OK);
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 8; k++)
            assert_close(((const float *)e.data)[i * 256 + at[k]], expected[i][k], 1e-6);
}

static void test_dry_runs_take_the_same_scratch(void **state)
{
    (void)state;
    static const int64_t dims[3] = {16, 24, 24};
    zis_run dry;
    zis_rope_table t;
    zis_tensor e;
    zis_run_init_dry(&dry, &run);
    size_t used = run.scratch.used;
    assert_int_equal(zis_rope_axes(&run, dims, 256, 9, place, NULL, &t, NULL), ZIS_OK);
    assert_int_equal(zis_rope_axes(&dry, dims, 256, 9, place, NULL, &t, NULL), ZIS_OK);
    assert_int_equal(zis_timestep_embed(&run, (const float[]){1, 2, 3}, 3, 256, &e, NULL), ZIS_OK);
    assert_int_equal(zis_timestep_embed(&dry, NULL, 3, 256, &e, NULL), ZIS_OK);
    assert_int_equal(dry.scratch.used, run.scratch.used - used);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_axes),
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_dry_runs_take_the_same_scratch),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
