/* The operations of networks that look at pictures, against values worked out by hand. */
#include "kernels/run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char *const devices[] = {"ref", "cpu"};

static zis_tensor cube(float *v, int64_t a, int64_t b, int64_t c)
{
    return zis_tensor_3d(v, ZIS_DTYPE_F32, a, b, c);
}

static zis_tensor mat(float *v, int64_t a, int64_t b)
{
    return zis_tensor_2d(v, ZIS_DTYPE_F32, a, b);
}

static void assert_near(const zis_run *run, const float *got, const double *expected, size_t n)
{
    zis_error err = {0};
    if (zis_run_status(run, &err)) fail_msg("%s", err.text);
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - expected[i]) <= 2e-7 * (1 + fabs(expected[i]))))
            fail_msg("%s: element %zu is %.9g, not %.9g", run->backend->name, i, (double)got[i],
                     expected[i]);
}

#define ASSERT_NEAR(run, got, ...)                                                                 \
    assert_near((run), (got), (const double[]){__VA_ARGS__},                                       \
                sizeof((const double[]){__VA_ARGS__}) / sizeof(double))

static void on_each_device(void (*test)(zis_run *run))
{
    for (int i = 0; i < 2; i++) {
        zis_run run;
        zis_error err = {0};
        zis_run_options o = {.device = devices[i], .math = ZIS_DTYPE_F32};
        if (zis_run_init(&run, &o, &err) || zis_run_reserve(&run, 1 << 22, &err))
            fail_msg("%s", err.text);
        test(&run);
        zis_run_deinit(&run);
    }
}

static void activations(zis_run *run)
{
    float x[] = {-6, -3, -1, -0.25f, 0, 0.5f, 2, 5}, y[8];
    zis_unary(run, &(zis_unary_args){.y = mat(y, 1, 8), .x = mat(x, 1, 8), .f = ZIS_UNARY_RELU});
    ASSERT_NEAR(run, y, 0, 0, 0, 0, 0, 0.5, 2, 5);
    zis_unary(run, &(zis_unary_args){.y = mat(y, 1, 8), .x = mat(x, 1, 8), .f = ZIS_UNARY_GELU});
    double want[8];
    for (int i = 0; i < 8; i++) want[i] = (double)x[i] / 2 * (1 + erf((double)x[i] / sqrt(2)));
    assert_near(run, y, want, 8);
    float odd[] = {NAN, -1, INFINITY};
    zis_unary(run, &(zis_unary_args){.y = mat(y, 1, 3), .x = mat(odd, 1, 3), .f = ZIS_UNARY_RELU});
    assert_true(isnan(y[0]) && y[1] == 0.0f && isinf(y[2]));
    zis_unary(run, &(zis_unary_args){.y = mat(y, 1, 3), .x = mat(odd, 1, 3), .f = ZIS_UNARY_GELU});
    assert_true(isnan(y[0]) && isinf(y[2]));
}

static void linear_gelu(zis_run *run)
{
    float x[] = {1, 2}, w[] = {1, 1, 0.5f, -1}, bias[] = {-1, 0.5f}, y[2];
    zis_weight a = {.t = mat(w, 2, 2)};
    zis_linear(run, &(zis_linear_args){.y = mat(y, 1, 2),
                                       .x = mat(x, 1, 2),
                                       .w = {&a},
                                       .n_w = 1,
                                       .bias = bias,
                                       .epilogue = ZIS_EPILOGUE_GELU});
    ASSERT_NEAR(run, y, 2 * 0.5 * (1 + erf(sqrt(2))), -1 * 0.5 * (1 + erf(-sqrt(0.5))));
}

static void norms(zis_run *run)
{
    float x[] = {1, 3}, scale[] = {2, 4}, bias[] = {10, 20}, y[4];
    zis_layer_norm(run, &(zis_layer_norm_args){.y = mat(y, 1, 2),
                                               .x = mat(x, 1, 2),
                                               .scale = scale,
                                               .bias = bias,
                                               .eps = 3}); /* 1 / sqrt(1 + 3) */
    ASSERT_NEAR(run, y, 10 - 1, 20 + 2);
    /* two pixels of two channels, a group each */
    float p[] = {1, 5, 3, 5}, gain[] = {2, 1}, shift[] = {0, 7}, add[] = {0.5f, -8, -3, -7.5f};
    zis_group_norm_args a = {.y = cube(y, 1, 2, 2),
                             .x = cube(p, 1, 2, 2),
                             .w = gain,
                             .b = shift,
                             .groups = 2,
                             .eps = 3,
                             .relu = true};
    zis_group_norm(run, &a);
    ASSERT_NEAR(run, y, 0, 7, 1, 7);
    a.add = cube(add, 1, 2, 2);
    zis_group_norm(run, &a);
    ASSERT_NEAR(run, y, 0, 0, 0, 0);
    a.relu = false;
    zis_group_norm(run, &a);
    ASSERT_NEAR(run, y, -0.5, -1, -2, -0.5);
}

/* A kernel that sums its window; ReLU comes before it. */
static void wide_convolution(zis_run *run)
{
    float x[25], w[49], y[25];
    for (int i = 0; i < 25; i++) x[i] = i == 12 ? 5.0f : -1.0f;
    for (int i = 0; i < 49; i++) w[i] = i == 0 ? 100.0f : 1.0f;
    zis_weight k = {.t = zis_tensor_4d(w, ZIS_DTYPE_F32, 1, 1, 7, 7)};
    zis_conv2d_args a = {
        .y = cube(y, 5, 5, 1), .x = cube(x, 5, 5, 1), .w = &k, .stride = 1, .pad = 3, .relu = true};
    zis_conv2d(run, &a);
    for (int i = 0; i < 25; i++) assert_true(y[i] == 5.0f);
    a.pad = 2;
    a.stride = 2;
    a.y = cube(y, 3, 3, 1);
    zis_conv2d(run, &a);
    /* windows begin at -2, 0, 2: the one at (2, 2) has the middle in its first corner */
    ASSERT_NEAR(run, y, 5, 5, 5, 5, 5, 5, 5, 5, 500);
}

static void pooling(zis_run *run)
{
    float x[] = {1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6, 7, -7, 8, -8, 9, -9}, y[18]; /* 3x3x2 */
    zis_max_pool_args a = {.y = cube(y, 1, 1, 2), .x = cube(x, 3, 3, 2), .k = 2, .stride = 2};
    zis_max_pool(run, &a);
    ASSERT_NEAR(run, y, 5, -1);
    a.y = cube(y, 2, 2, 2);
    zis_max_pool(run, &a);
    ASSERT_NEAR(run, y, 5, -1, 6, -3, 8, -7, 9, -9);
    a.k = 3;
    a.pad = 1;
    zis_max_pool(run, &a); /* what lies outside is less than everything */
    ASSERT_NEAR(run, y, 5, -1, 6, -2, 8, -4, 9, -5);
    x[2] = NAN;
    zis_max_pool(run, &a);
    assert_true(isnan(y[0]) && isnan(y[2]) && y[6] == 9.0f);
}

static void enlarging(zis_run *run)
{
    float x[] = {0, 10, 20, 40}, y[16]; /* 2x2 */
    zis_bilinear_args a = {.y = cube(y, 3, 4, 1), .x = cube(x, 2, 2, 1), .corners = true};
    zis_bilinear(run, &a);
    ASSERT_NEAR(run, y, 0, 10 / 3.0, 20 / 3.0, 10, 10, 15, 20, 25, 20, 80 / 3.0, 100 / 3.0, 40);
    a.corners = false;
    a.y = cube(y, 4, 4, 1);
    zis_bilinear(run, &a); /* a quarter and three quarters between, the edge beyond */
    ASSERT_NEAR(run, y, 0, 2.5, 7.5, 10, 5, 8.125, 14.375, 17.5, 15, 19.375, 28.125, 32.5, 20, 25,
                35, 40);
    a.y = cube(y, 1, 1, 1);
    zis_bilinear(run, &a);
    ASSERT_NEAR(run, y, 17.5);
}

static void refused(zis_run *run)
{
    float x[16] = {0}, y[16], w[16] = {0};
    zis_weight even = {.t = zis_tensor_4d(w, ZIS_DTYPE_F32, 1, 1, 4, 4)};
    zis_run dry;
    zis_error err = {0};
    zis_max_pool_args pool = {.y = cube(y, 3, 1, 1), .x = cube(x, 2, 2, 1), .k = 2, .stride = 2};
    zis_bilinear_args line = {.y = cube(y, 2, 2, 2), .x = cube(x, 2, 2, 1)};
    zis_group_norm_args norm = {.y = cube(y, 1, 2, 2),
                                .x = cube(x, 1, 2, 2),
                                .w = w,
                                .b = w,
                                .groups = 1,
                                .eps = 1,
                                .silu = true,
                                .relu = true};
    zis_conv2d_args conv = {.y = cube(y, 2, 2, 1), .x = cube(x, 2, 2, 1), .w = &even, .stride = 1};
#define REFUSES(slot, args)                                                                        \
    do {                                                                                           \
        zis_run_init_dry(&dry, run);                                                               \
        zis_##slot(&dry, args);                                                                    \
        assert_int_equal(zis_run_status(&dry, &err), ZIS_ARG);                                     \
    } while (0)
    REFUSES(max_pool, &pool);
    pool.y = cube(y, 1, 1, 1);
    pool.pad = 2;
    REFUSES(max_pool, &pool);
    REFUSES(bilinear, &line);
    REFUSES(group_norm, &norm);
    norm.silu = false;
    norm.add = norm.y;
    REFUSES(group_norm, &norm);
    REFUSES(conv2d, &conv);
}

#define EACH(name)                                                                                 \
    static void name##_on_each(void **state)                                                       \
    {                                                                                              \
        (void)state;                                                                               \
        on_each_device(name);                                                                      \
    }
EACH(activations)
EACH(linear_gelu)
EACH(norms)
EACH(wide_convolution)
EACH(pooling)
EACH(enlarging)
EACH(refused)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activations_on_each), cmocka_unit_test(linear_gelu_on_each),
        cmocka_unit_test(norms_on_each),       cmocka_unit_test(wide_convolution_on_each),
        cmocka_unit_test(pooling_on_each),     cmocka_unit_test(enlarging_on_each),
        cmocka_unit_test(refused_on_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
