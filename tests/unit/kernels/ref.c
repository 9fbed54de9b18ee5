/* ref.c - the oracle against values worked out by hand, and what runs, plans and checks promise. */
#include "kernels/run.h"

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
    return zis_run_reserve(&run, 1 << 16, NULL) ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    zis_run_deinit(&run);
    return 0;
}

static zis_tensor mat(float *v, int64_t a, int64_t b)
{
    return zis_tensor_2d(v, ZIS_DTYPE_F32, a, b);
}

static zis_tensor cube(float *v, int64_t a, int64_t b, int64_t c)
{
    return zis_tensor_3d(v, ZIS_DTYPE_F32, a, b, c);
}

static void assert_near(const float *got, const double *expected, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - expected[i]) <= 2e-7 * (1 + fabs(expected[i]))))
            fail_msg("element %zu is %.9g, not %.9g", i, (double)got[i], expected[i]);
    assert_int_equal(zis_run_status(&run, NULL), ZIS_OK);
}

#define ASSERT_NEAR(got, ...)                                                                      \
    assert_near((got), (const double[]){__VA_ARGS__},                                              \
                sizeof((const double[]){__VA_ARGS__}) / sizeof(double))

static double silu(double v)
{
    return v / (1 + exp(-v));
}

static void test_linear(void **state)
{
    (void)state;
    float x[] = {1, 2, 3, -1, 0, 2}; /* [2, 3] */
    float w0[] = {1, 0, 1, 0, 1, 0}, w1[] = {2, 2, 2};
    float bias[] = {10, 20, 30}, y[6] = {1, 1, 1, 1, 1, 1};
    zis_weight a = {.t = mat(w0, 2, 3)}, b = {.t = mat(w1, 1, 3)};
    zis_linear_args args = {
        .y = mat(y, 2, 3), .x = mat(x, 2, 3), .w = {&a, &b}, .n_w = 2, .bias = bias};
    zis_linear(&run, &args);
    ASSERT_NEAR(y, 14, 22, 42, 11, 20, 32);
    args.epilogue = ZIS_EPILOGUE_ADD;
    args.bias = NULL;
    zis_linear(&run, &args);
    ASSERT_NEAR(y, 18, 24, 54, 12, 20, 34);
    args.epilogue = ZIS_EPILOGUE_SILU;
    zis_linear(&run, &args);
    ASSERT_NEAR(y, silu(4), silu(2), silu(12), silu(1), silu(0), silu(2));
}

static void test_linear_pair_and_stored_types(void **state)
{
    (void)state;
    float x[] = {1, 2}, up[] = {3, 1}, y[1];
    uint16_t gate[] = {zis_f32_to_bf16(0.5f), zis_f32_to_bf16(-1)};
    uint16_t half[] = {zis_f32_to_f16(3), zis_f32_to_f16(1)};
    zis_weight g = {.t = zis_tensor_2d(gate, ZIS_DTYPE_BF16, 1, 2)}, u = {.t = mat(up, 1, 2)};
    zis_linear_args args = {.y = mat(y, 1, 1),
                            .x = mat(x, 1, 2),
                            .w = {&g, &u},
                            .n_w = 2,
                            .epilogue = ZIS_EPILOGUE_SILU_MUL};
    zis_linear(&run, &args);
    ASSERT_NEAR(y, silu(-1.5) * 5);
    u.t = zis_tensor_2d(half, ZIS_DTYPE_F16, 1, 2);
    zis_linear(&run, &args);
    ASSERT_NEAR(y, silu(-1.5) * 5);
}

/* 1 + 2^-9 is 1 in bfloat16 (a tie to even); exact products do not round. */
static void test_bf16_math_rounds_inputs(void **state)
{
    (void)state;
    float x[] = {1 + 0x1p-9f}, w[] = {1 + 0x1p-9f}, y[1];
    zis_weight a = {.t = mat(w, 1, 1)};
    zis_linear_args args = {.y = mat(y, 1, 1), .x = mat(x, 1, 1), .w = {&a}, .n_w = 1};
    zis_dtype math = run.math;
    run.math = ZIS_DTYPE_BF16;
    zis_linear(&run, &args);
    ASSERT_NEAR(y, 1);
    args.exact = true;
    zis_linear(&run, &args);
    run.math = math;
    ASSERT_NEAR(y, (1 + 0x1p-9) * (1 + 0x1p-9));
}

static void test_norms(void **state)
{
    (void)state;
    float x[] = {3, 4, 0, 0}, w[] = {1, 2}, scale[] = {10, 1}, y[4];
    double r = 1 / sqrt(12.5 + 0.5);
    zis_rms_norm(&run,
                 &(zis_rms_norm_args){
                     .y = mat(y, 2, 2), .x = mat(x, 2, 2), .w = w, .scale = scale, .eps = 0.5f});
    ASSERT_NEAR(y, 30 * r, 8 * r, 0, 0);

    zis_layer_norm(&run, &(zis_layer_norm_args){
                             .y = mat(y, 2, 2), .x = mat(x, 2, 2), .scale = scale, .eps = 0.75f});
    ASSERT_NEAR(y, -5, 0.5, 0, 0); /* variance 0.25 + 0.75 */

    float o[] = {3, 4}, h[] = {1, 1}, n[2], gate[] = {2, 0};
    zis_gate_residual(&run, &(zis_gate_residual_args){.x = mat(h, 1, 2),
                                                      .y = mat(n, 1, 2),
                                                      .o = mat(o, 1, 2),
                                                      .w = w,
                                                      .gate = gate,
                                                      .next_w = w,
                                                      .next_scale = scale,
                                                      .eps = 0.5f});
    double h0 = 1 + 6 * r, r2 = 1 / sqrt((h0 * h0 + 1) / 2 + 0.5);
    ASSERT_NEAR(h, h0, 1);
    ASSERT_NEAR(n, h0 * r2 * 10, 2 * r2);
    zis_gate_residual(
        &run, &(zis_gate_residual_args){.x = mat(h, 1, 2), .o = mat(o, 1, 2), .w = w, .eps = 0.5f});
    ASSERT_NEAR(h, h0 + 3 * r, 1 + 8 * r);
}

/* One head of four values, mean square 1; quarter turns exchange the parts of a complex number. */
static void test_qk_norm_rope(void **state)
{
    (void)state;
    float cs[] = {0, 1}, sn[] = {1, 0}, ones[] = {1, 1, 1, 1}, twos[] = {2, 2, 2, 2};
    float qkv[] = {1, -1, 1, 1, 1, 1, -1, 1, 7, 8, 9, 10};
    zis_qk_norm_rope_args a = {.qkv = mat(qkv, 1, 12),
                               .heads = 1,
                               .kv_heads = 1,
                               .head_dim = 4,
                               .q_w = ones,
                               .k_w = twos,
                               .eps = 1e-12f,
                               .form = ZIS_ROPE_PAIRS,
                               .cos = mat(cs, 1, 2),
                               .sin = mat(sn, 1, 2)};
    zis_qk_norm_rope(&run, &a);
    ASSERT_NEAR(qkv, 1, 1, 1, 1, -2, 2, -2, 2, 7, 8, 9, 10);
    float again[] = {1, -1, 1, 1, 1, 1, -1, 1, 7, 8, 9, 10};
    a.qkv = mat(again, 1, 12);
    a.form = ZIS_ROPE_HALVES; /* pairs (0, 2) and (1, 3) */
    zis_qk_norm_rope(&run, &a);
    ASSERT_NEAR(again, -1, -1, 1, 1, 2, 2, 2, 2, 7, 8, 9, 10);
}

static void test_attention(void **state)
{
    (void)state;
    /* Two query heads on one kv head, head_dim 1, scale ln 2: weights are powers of two. */
    float q[] = {1, 0, 1, 2}, k[] = {0, 1}, v[] = {3, 6}, o[4];
    zis_attention_args a = {.o = mat(o, 2, 2),
                            .q = mat(q, 2, 2),
                            .k = mat(k, 2, 1),
                            .v = mat(v, 2, 1),
                            .heads = 2,
                            .kv_heads = 1,
                            .head_dim = 1,
                            .scale = (float)log(2)};
    zis_attention(&run, &a);
    ASSERT_NEAR(o, 5, 4.5, 5, 27.0 / 5);
    a.causal = true;
    zis_attention(&run, &a);
    ASSERT_NEAR(o, 3, 3, 5, 27.0 / 5);
}

static void test_rows(void **state)
{
    (void)state;
    float table[] = {1, 2, 3, 4, 5, 6}, y[4];
    int32_t ids[] = {2, 0};
    zis_weight t = {.t = mat(table, 3, 2)};
    zis_embed_rows(&run, &(zis_embed_rows_args){.y = mat(y, 2, 2),
                                                .table = &t,
                                                .ids = zis_tensor_1d(ids, ZIS_DTYPE_I32, 2)});
    ASSERT_NEAR(y, 5, 6, 1, 2);
    zis_fill_rows(&run, &(zis_fill_rows_args){.y = mat(y, 2, 2), .v = table + 1});
    ASSERT_NEAR(y, 2, 3, 2, 3);
}

/* Two channels of 2 x 4, patches of 2: the channel runs fastest within a token. */
static void test_patches(void **state)
{
    (void)state;
    float x[16], y[24], back[16];
    for (int i = 0; i < 16; i++) x[i] = (float)i;
    zis_patchify(&run, &(zis_patchify_args){.y = mat(y, 3, 8), .x = cube(x, 2, 2, 4), .patch = 2});
    ASSERT_NEAR(y, 0, 8, 1, 9, 4, 12, 5, 13, 2, 10, 3, 11, 6, 14, 7, 15, 2, 10, 3, 11, 6, 14, 7,
                15);
    zis_unpatchify(&run, &(zis_unpatchify_args){
                             .x = cube(back, 2, 2, 4), .y = mat(y, 3, 8), .patch = 2, .mul = -1});
    for (int i = 0; i < 16; i++) assert_true(back[i] == -x[i]);
}

static void test_elements(void **state)
{
    (void)state;
    float x[] = {0, 1, -2, 3, 9, 9}, y[6] = {9, 9, 9, 9, 9, 9};
    zis_tensor from = {.data = x, .ndim = 2, .dim = {2, 2}, .stride = 3};
    zis_tensor to = {.data = y, .ndim = 2, .dim = {2, 2}, .stride = 2};
    zis_unary(&run, &(zis_unary_args){.y = to, .x = from, .f = ZIS_UNARY_COPY});
    ASSERT_NEAR(y, 0, 1, 3, 9, 9, 9);
    zis_unary(&run, &(zis_unary_args){.y = to, .x = from, .f = ZIS_UNARY_ADD_ONE});
    ASSERT_NEAR(y, 1, 2, 4, 10);
    zis_unary(&run, &(zis_unary_args){.y = to, .x = from, .f = ZIS_UNARY_TANH});
    ASSERT_NEAR(y, 0, tanh(1), tanh(3), tanh(9));
    zis_unary(&run, &(zis_unary_args){.y = to, .x = from, .f = ZIS_UNARY_SILU});
    ASSERT_NEAR(y, 0, silu(1), silu(3), silu(9));

    float z[] = {1, 2, 3, 4}, a[] = {10, 20, 30, 40};
    zis_affine(
        &run,
        &(zis_affine_args){
            .y = mat(z, 1, 4), .x = mat(z, 1, 4), .z = mat(a, 1, 4), .a = 2, .b = 0.5f, .c = -1});
    ASSERT_NEAR(z, 6, 13, 20, 27);
    zis_affine(&run, &(zis_affine_args){.y = mat(z, 1, 4), .x = mat(a, 1, 4), .a = 1, .c = 1});
    ASSERT_NEAR(z, 11, 21, 31, 41);
    zis_guide(&run, &(zis_guide_args){
                        .y = mat(z, 1, 4), .pos = mat(z, 1, 4), .neg = mat(a, 1, 4), .s = 3});
    ASSERT_NEAR(z, 13, 23, 33, 43);
    float m[] = {0, 1, 0.25f, 0.5f};
    zis_mix(&run, &(zis_mix_args){
                      .y = mat(z, 1, 4), .x = mat(z, 1, 4), .z = mat(a, 1, 4), .m = mat(m, 1, 4)});
    ASSERT_NEAR(z, 13, 20, 32.25, 41.5);
}

static void test_planes(void **state)
{
    (void)state;
    float planes[] = {1, 2, 3, 4, 5, 6}, pixels[6], back[6]; /* [2, 1, 3] */
    zis_planes_to_pixels(
        &run, &(zis_planes_args){
                  .y = cube(pixels, 1, 3, 2), .x = cube(planes, 2, 1, 3), .mul = 2, .add = 1});
    ASSERT_NEAR(pixels, 3, 9, 5, 11, 7, 13);
    zis_pixels_to_planes(
        &run, &(zis_planes_args){
                  .y = cube(back, 2, 1, 3), .x = cube(pixels, 1, 3, 2), .mul = 0.5f, .add = -0.5f});
    ASSERT_NEAR(back, 1, 2, 3, 4, 5, 6);
}

static void test_group_norm(void **state)
{
    (void)state;
    /* two groups of one channel: (1, 3) and (5, 5) */
    float x[] = {1, 5, 3, 5}, w[] = {2, 1}, b[] = {0, 7}, y[4];
    zis_group_norm_args a = {
        .y = cube(y, 1, 2, 2), .x = cube(x, 1, 2, 2), .w = w, .b = b, .groups = 2, .eps = 3};
    zis_group_norm(&run, &a);
    ASSERT_NEAR(y, -1, 7, 1, 7);
    a.silu = true;
    zis_group_norm(&run, &a);
    ASSERT_NEAR(y, silu(-1), silu(7), silu(1), silu(7));
}

static void test_conv(void **state)
{
    (void)state;
    float x[] = {1, 2, 3, 4}, y[16], w[] = {0, 0, 0, 0, 1, 10, 0, 100, 1000}, bias[] = {0.5f};
    float add[] = {10000, 0, 0, 0};
    zis_weight k = {.t = zis_tensor_4d(w, ZIS_DTYPE_F32, 1, 1, 3, 3)};
    zis_conv2d_args a = {.y = cube(y, 2, 2, 1),
                         .x = cube(x, 2, 2, 1),
                         .w = &k,
                         .bias = bias,
                         .add = cube(add, 2, 2, 1),
                         .stride = 1,
                         .pad = 1};
    zis_conv2d(&run, &a); /* itself, right, below, below right; zeros outside */
    ASSERT_NEAR(y, 14321.5, 402.5, 43.5, 4.5);

    a.add = (zis_tensor){0};
    a.y = cube(y, 4, 4, 1);
    a.upsample = true;
    zis_conv2d(&run, &a);
    ASSERT_NEAR(y, 1111.5, 2121.5, 2222.5, 202.5, 3311.5, 4321.5, 4422.5, 402.5);

    a.upsample = false;
    a.stride = 2;
    a.pad = 0;
    a.y = cube(y, 1, 1, 1);
    zis_conv2d(&run, &a); /* the window reaches behind the edge on the right and below */
    ASSERT_NEAR(y, 4.5);
}

static void test_conv_norm_prologue_and_1x1(void **state)
{
    (void)state;
    float x[] = {1, 5, 3, 5}, gain[] = {2, 1}, shift[] = {0, 7}, w[] = {1, 2}, y[2];
    zis_weight k = {.t = zis_tensor_4d(w, ZIS_DTYPE_F32, 1, 2, 1, 1)};
    zis_conv2d(&run, &(zis_conv2d_args){.y = cube(y, 1, 2, 1),
                                        .x = cube(x, 1, 2, 2),
                                        .w = &k,
                                        .stride = 1,
                                        .groups = 2,
                                        .norm_w = gain,
                                        .norm_b = shift,
                                        .eps = 3,
                                        .silu = true});
    ASSERT_NEAR(y, silu(-1) + 2 * silu(7), silu(1) + 2 * silu(7));
}

/* Two channels of a picture of two pixels to the channels beside them: w turns (a, b) into (a, -b).
 */
static void test_conv_ends(void **state)
{
    (void)state;
    float x[] = {1, 2, 0, 0, -3, 4, 0, 0}, w[] = {1, 0, 0, -1}, slopes[] = {0.5f, 0.25f};
    float add[] = {100, 100, 100, 100}, more[] = {1000, 2000, 3000, 4000};
    zis_weight k = {.t = zis_tensor_4d(w, ZIS_DTYPE_F32, 2, 2, 1, 1)};
    zis_conv2d_args a = {
        .y = cube(x + 2, 2, 1, 2),
        .x = cube(x, 2, 1, 2),
        .w = &k,
        .stride = 1,
        .slopes = slopes,
        .slope = 0.5f,
        .activation = ZIS_ACTIVATION_PRELU,
    };
    a.y.stride = a.x.stride = 4;
    zis_conv2d(&run, &a);
    ASSERT_NEAR(x, 1, 2, 1, -0.5, -3, 4, -1.5, -1);
    a.activation = ZIS_ACTIVATION_LEAKY;
    a.scale = 2;
    a.add = cube(add, 2, 1, 2);
    a.add_scale = 0.5f;
    a.more = cube(more, 2, 1, 2);
    zis_conv2d(&run, &a);
    ASSERT_NEAR(x, 1, 2, 1052, 2048, -3, 4, 3047, 4046);
    a.activation = ZIS_ACTIVATION_RELU;
    a.scale = 0;
    a.add = a.more = (zis_tensor){0};
    a.skip = 1; /* the lower pixel alone, into the upper one's place */
    a.y.dim[0] = 1;
    zis_conv2d(&run, &a);
    ASSERT_NEAR(x, 1, 2, 0, 0, -3, 4, 3047, 4046);
}

/* One pixel of two channels becomes 2 x 2; each keeps the pixel it came from underneath. */
static void test_pixel_shuffle(void **state)
{
    (void)state;
    float x[] = {1, 2, 3, 4, 5, 6, 7, 8}, add[] = {100, 200}, y[8];
    zis_pixel_shuffle(&run, &(zis_pixel_shuffle_args){.y = cube(y, 2, 2, 2),
                                                      .x = cube(x, 1, 1, 8),
                                                      .add = cube(add, 1, 1, 2),
                                                      .factor = 2});
    ASSERT_NEAR(y, 101, 205, 102, 206, 103, 207, 104, 208);
}

/* ---- runs ---- */

static void test_first_failure_sticks(void **state)
{
    (void)state;
    zis_error err = {0};
    float y[1] = {5}, v[1] = {1};
    run.where = "layers.3";
    zis_run_fail(&run, ZIS_DEVICE, "first %d", 1);
    run.where = NULL;
    zis_run_fail(&run, ZIS_ARG, "second");
    zis_fill_rows(&run, &(zis_fill_rows_args){.y = mat(y, 1, 1), .v = v});
    assert_true(y[0] == 5);
    assert_int_equal(zis_run_status(&run, &err), ZIS_DEVICE);
    assert_string_equal(err.text, "layers.3: first 1");
    zis_run_clear(&run);
    assert_int_equal(zis_run_status(&run, NULL), ZIS_OK);
}

static void test_cancel(void **state)
{
    (void)state;
    atomic_bool cancel = true;
    float y[1] = {5}, v[1] = {1};
    run.cancel = &cancel;
    zis_fill_rows(&run, &(zis_fill_rows_args){.y = mat(y, 1, 1), .v = v});
    run.cancel = NULL;
    assert_true(y[0] == 5);
    assert_int_equal(zis_run_status(&run, NULL), ZIS_CANCELLED);
    zis_run_clear(&run);
}

static void test_scratch_ends(void **state)
{
    (void)state;
    zis_arena_mark mark = zis_arena_save(&run.scratch);
    zis_tensor t = zis_run_alloc_2d(&run, ZIS_DTYPE_F32, 1 << 10, 1 << 10);
    assert_null(t.data);
    assert_int_equal(zis_run_status(&run, NULL), ZIS_NOMEM);
    zis_run_clear(&run);
    (void)zis_run_alloc_3d(&run, ZIS_DTYPE_F32, INT64_MAX, INT64_MAX, 4);
    assert_int_equal(zis_run_status(&run, NULL), ZIS_ARG);
    zis_run_clear(&run);
    zis_arena_restore(&run.scratch, mark);
}

static void test_transfers_keep_strides(void **state)
{
    (void)state;
    float device[6] = {0}, host[] = {1, 2, 3, 4}, back[4];
    zis_tensor t = {.data = device, .ndim = 2, .dim = {2, 2}, .stride = 3};
    zis_run_upload(&run, &t, host);
    zis_run_download(&run, back, &t);
    ASSERT_NEAR(device, 1, 2, 0, 3, 4, 0);
    ASSERT_NEAR(back, 1, 2, 3, 4);
}

static void test_unknown_device_names_the_known(void **state)
{
    (void)state;
    zis_run r;
    zis_error err = {0};
    assert_int_equal(zis_run_init(&r, &(zis_run_options){.device = "abacus"}, &err), ZIS_ARG);
    assert_non_null(strstr(err.text, "abacus"));
    assert_non_null(strstr(err.text, "ref"));
    zis_run_options odd = {.device = "ref", .math = ZIS_DTYPE_I8};
    assert_int_equal(zis_run_init(&r, &odd, &err), ZIS_ARG);
}

/* ---- plans ---- */

static void test_dry_run_counts_and_touches_nothing(void **state)
{
    (void)state;
    zis_run dry;
    float w[6] = {0};
    zis_weight k = {.t = mat(w, 2, 3)};
    zis_run_init_dry(&dry, &run);
    zis_arena_mark mark = zis_arena_save(&dry.scratch);
    zis_tensor x = zis_run_alloc_2d(&dry, ZIS_DTYPE_F32, 5, 3);
    zis_tensor y = zis_run_alloc_2d(&dry, ZIS_DTYPE_F32, 5, 2);
    size_t own = dry.scratch.used;
    zis_linear(&dry, &(zis_linear_args){.y = y, .x = x, .w = {&k}, .n_w = 1});
    assert_int_equal(zis_run_status(&dry, NULL), ZIS_OK);
    assert_true(dry.flops == 2 * 5 * 3 * 2);
    assert_true(dry.bytes == 6 * 4);
    assert_true(dry.scratch.peak > own); /* what ref takes for itself */
    assert_true(dry.scratch.used == own);
    zis_arena_restore(&dry.scratch, mark);
    zis_run_deinit(&dry);
}

static void expect_refusal(zis_run *dry, const char *what)
{
    zis_error err = {0};
    assert_int_equal(zis_run_status(dry, &err), ZIS_ARG);
    if (!strstr(err.text, what)) fail_msg("'%s' does not say '%s'", err.text, what);
    zis_run_clear(dry);
}

static void test_checks_refuse_what_does_not_fit(void **state)
{
    (void)state;
    zis_run dry;
    float v[64] = {0};
    zis_weight k = {.t = mat(v, 2, 3), .name = "w.weight"}, c = {.t = mat(v, 2, 2)};
    zis_run_init_dry(&dry, &run);
    zis_linear(&dry,
               &(zis_linear_args){.y = mat(v + 20, 5, 2), .x = mat(v, 5, 4), .w = {&k}, .n_w = 1});
    expect_refusal(&dry, "w.weight");
    zis_linear(&dry,
               &(zis_linear_args){.y = mat(v + 20, 5, 3), .x = mat(v, 5, 3), .w = {&k}, .n_w = 1});
    expect_refusal(&dry, "[5, 3]");
    zis_linear(&dry,
               &(zis_linear_args){.y = mat(v + 1, 5, 2), .x = mat(v, 5, 3), .w = {&k}, .n_w = 1});
    expect_refusal(&dry, "lies over");
    zis_rms_norm(&dry, &(zis_rms_norm_args){.y = mat(v, 2, 2), .x = mat(v, 2, 2), .eps = 1});
    expect_refusal(&dry, "w is missing");
    zis_attention(&dry, &(zis_attention_args){.o = mat(v, 2, 6),
                                              .q = mat(v + 12, 2, 6),
                                              .k = mat(v + 24, 2, 4),
                                              .v = mat(v + 32, 2, 4),
                                              .heads = 3,
                                              .kv_heads = 2,
                                              .head_dim = 2,
                                              .scale = 1});
    expect_refusal(&dry, "3 and 2 heads");
    zis_conv2d(&dry, &(zis_conv2d_args){
                         .y = cube(v, 1, 1, 2), .x = cube(v + 8, 1, 1, 2), .w = &c, .stride = 1});
    expect_refusal(&dry, "not 4 dims");
    zis_patchify(&dry,
                 &(zis_patchify_args){.y = mat(v, 1, 4), .x = cube(v + 8, 1, 3, 2), .patch = 2});
    expect_refusal(&dry, "patches of 2");
    /* column slices of one buffer do not meet */
    zis_tensor all = mat(v, 4, 6);
    zis_unary(&dry, &(zis_unary_args){.y = zis_tensor_col_slice(&all, 0, 3),
                                      .x = zis_tensor_col_slice(&all, 3, 3)});
    assert_int_equal(zis_run_status(&dry, NULL), ZIS_OK);
    zis_unary(&dry, &(zis_unary_args){.y = zis_tensor_col_slice(&all, 0, 3),
                                      .x = zis_tensor_col_slice(&all, 2, 3)});
    expect_refusal(&dry, "lies over");
}

static void test_trace(void **state)
{
    (void)state;
    zis_run_profile profile[ZIS_OP_COUNT] = {0};
    float x[6] = {0}, w[6] = {0}, y[4];
    zis_weight k = {.t = mat(w, 2, 3)};
    zis_run_trace(&run, profile);
    zis_linear(&run, &(zis_linear_args){.y = mat(y, 2, 2), .x = mat(x, 2, 3), .w = {&k}, .n_w = 1});
    zis_run_trace(&run, NULL);
    zis_linear(&run, &(zis_linear_args){.y = mat(y, 2, 2), .x = mat(x, 2, 3), .w = {&k}, .n_w = 1});
    assert_int_equal(profile[ZIS_OP_linear].calls, 1);
    assert_true(profile[ZIS_OP_linear].flops == 24);
    assert_true(profile[ZIS_OP_linear].seconds >= 0);
    assert_int_equal(profile[ZIS_OP_attention].calls, 0);
    assert_string_equal(zis_op_name(ZIS_OP_conv2d), "conv2d");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_linear_pair_and_stored_types),
        cmocka_unit_test(test_bf16_math_rounds_inputs),
        cmocka_unit_test(test_norms),
        cmocka_unit_test(test_qk_norm_rope),
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_patches),
        cmocka_unit_test(test_elements),
        cmocka_unit_test(test_planes),
        cmocka_unit_test(test_group_norm),
        cmocka_unit_test(test_conv),
        cmocka_unit_test(test_conv_ends),
        cmocka_unit_test(test_pixel_shuffle),
        cmocka_unit_test(test_conv_norm_prologue_and_1x1),
        cmocka_unit_test(test_first_failure_sticks),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_scratch_ends),
        cmocka_unit_test(test_transfers_keep_strides),
        cmocka_unit_test(test_unknown_device_names_the_known),
        cmocka_unit_test(test_dry_run_counts_and_touches_nothing),
        cmocka_unit_test(test_checks_refuse_what_does_not_fit),
        cmocka_unit_test(test_trace),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
