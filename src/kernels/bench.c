/* bench.c - the shapes, the clock and the comparison. */
#include "kernels/bench.h"

#include "base/mem.h"
#include "base/os.h"
#include "kernels/openblas.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RUNS 5           /* at least, after one to warm up */
#define MIN_SECONDS 0.25 /* a kernel is measured for at least this long */

typedef struct bench {
    zis_run *run;
    const char *filter;
    zis_bench_report *report;
    void *arg;
    zis_bench_peaks peaks;
    zis_openblas *blas;
    /* memory of the case at hand */
    void *blocks[16];
    size_t sizes[16];
    int n;
    zis_error *err;
    zis_status status;
} bench;

static void *take(bench *b, size_t bytes)
{
    void *p = b->status ? NULL : zis_os_pages(bytes);
    if (!p) {
        if (!b->status) b->status = zis_fail_nomem(b->err, "the benchmark");
        return NULL;
    }
    b->blocks[b->n] = p;
    b->sizes[b->n++] = bytes;
    return p;
}

static void give_back(bench *b)
{
    while (b->n) {
        b->n--;
        zis_os_pages_free(b->blocks[b->n], b->sizes[b->n]);
    }
}

/* Values in -1..1 that cost nothing to make and no kernel can profit from. */
static float *floats(bench *b, int64_t n)
{
    float *p = take(b, (size_t)n * sizeof *p);
    uint32_t s = 1;
    for (int64_t i = 0; p && i < n; i++) {
        s = s * 1664525u + 1013904223u;
        p[i] = (float)(s >> 8) / 8388608.0f - 1.0f;
    }
    return p;
}

static zis_tensor matrix(bench *b, int64_t rows, int64_t cols)
{
    return zis_tensor_2d(floats(b, rows * cols), ZIS_DTYPE_F32, rows, cols);
}

static zis_weight weight(bench *b, int64_t rows, int64_t cols)
{
    uint16_t *p = take(b, (size_t)(rows * cols) * sizeof *p);
    uint32_t s = 7;
    for (int64_t i = 0; p && i < rows * cols; i++) {
        s = s * 1664525u + 1013904223u;
        p[i] = zis_f32_to_bf16(((float)(s >> 8) / 8388608.0f - 1.0f) / sqrtf((float)cols));
    }
    zis_weight w = {.t = zis_tensor_2d(p, ZIS_DTYPE_BF16, rows, cols), .name = "bench"};
    return w;
}

static bool wanted(const bench *b, const char *kernel, const char *what)
{
    return !b->status && (!b->filter || strstr(kernel, b->filter) || strstr(what, b->filter));
}

/* Measures `call` (an operation with its arguments bound) and reports it. */
#define MEASURE(b, slot, args, row_values)                                                         \
    do {                                                                                           \
        zis_bench_row row_ = row_values;                                                           \
        zis_run dry_;                                                                              \
        zis_run_init_dry(&dry_, (b)->run);                                                         \
        zis_##slot(&dry_, args);                                                                   \
        (b)->status = zis_run_status(&dry_, (b)->err);                                             \
        if (!(b)->status) (b)->status = zis_run_reserve((b)->run, dry_.scratch.peak, (b)->err);    \
        double best_ = INFINITY, spent_ = 0;                                                       \
        for (int i_ = 0; !(b)->status && (i_ <= RUNS || spent_ < MIN_SECONDS); i_++) {             \
            double t_ = zis_os_now();                                                              \
            zis_##slot((b)->run, args);                                                            \
            t_ = zis_os_now() - t_;                                                                \
            (b)->status = zis_run_status((b)->run, (b)->err);                                      \
            if (i_ == 0) continue;                                                                 \
            spent_ += t_;                                                                          \
            if (t_ < best_) best_ = t_;                                                            \
        }                                                                                          \
        if (row_.gflop < 0) row_.gflop = dry_.flops / 1e9;                                         \
        finish(b, row_, best_);                                                                    \
    } while (0)

static void finish(bench *b, zis_bench_row row, double seconds)
{
    if (!b->status) {
        bool bf16 = !strcmp(row.math, "bf16");
        double peak = bf16 && b->peaks.bf16 > 0 ? b->peaks.bf16 : b->peaks.f32;
        row.seconds = seconds;
        row.gflops = row.gflop / seconds;
        row.gbytes = row.gbyte / seconds;
        row.share_of_peak = row.gflop > 0 ? row.gflops / peak : 0;
        b->report(b->arg, &row);
    }
    give_back(b);
}

static const char *math_name(const bench *b)
{
    return b->run->math == ZIS_DTYPE_BF16 ? "bf16" : "f32";
}

/* float32 product of the same shape by OpenBLAS, in GFLOP/s. */
static double blas_gflops(bench *b, int64_t m, int64_t n, int64_t k)
{
    if (!b->blas) return -1;
    float *x = floats(b, m * k), *w = floats(b, n * k), *y = floats(b, m * n);
    double best = INFINITY;
    for (int i = 0; y && i <= 3; i++) {
        double t = zis_os_now();
        zis_openblas_gemm(b->blas, y, x, w, m, n, k);
        t = zis_os_now() - t;
        if (i && t < best) best = t;
    }
    return b->status ? -1 : 2e-9 * (double)m * (double)n * (double)k / best;
}

static void linear(
    bench *b, const char *what, int64_t m, int64_t n, int64_t k, int n_w, zis_epilogue e)
{
    if (!wanted(b, "linear", what)) return;
    bool pair = e == ZIS_EPILOGUE_SILU_MUL;
    double blas = blas_gflops(b, m, n * n_w, k);
    give_back(b);
    zis_weight w[3];
    zis_linear_args a = {.n_w = n_w, .epilogue = e};
    for (int i = 0; i < n_w; i++) {
        w[i] = weight(b, n, k);
        a.w[i] = &w[i];
    }
    a.x = matrix(b, m, k);
    a.y = matrix(b, m, pair ? n : n * n_w);
    zis_bench_row row = {.kernel = "linear",
                         .what = what,
                         .math = math_name(b),
                         .gflop = -1,
                         .gbyte = 2e-9 * (double)(n * n_w) * (double)k,
                         .openblas_gflops = blas};
    if (!b->status) MEASURE(b, linear, &a, row);
}

static void attention(bench *b, const char *what, int64_t l, int heads, int kv, int d, bool causal)
{
    if (!wanted(b, "attention", what)) return;
    zis_tensor qkv = matrix(b, l, (int64_t)(heads + 2 * kv) * d);
    zis_attention_args a = {
        .o = matrix(b, l, (int64_t)heads * d),
        .q = zis_tensor_col_slice(&qkv, 0, (int64_t)heads * d),
        .k = zis_tensor_col_slice(&qkv, (int64_t)heads * d, (int64_t)kv * d),
        .v = zis_tensor_col_slice(&qkv, (int64_t)(heads + kv) * d, (int64_t)kv * d),
        .heads = heads,
        .kv_heads = kv,
        .head_dim = d,
        .scale = 1.0f / sqrtf((float)d),
        .causal = causal,
    };
    zis_bench_row row = {.kernel = "attention",
                         .what = what,
                         .math = math_name(b),
                         .gflop = -1,
                         .openblas_gflops = -1};
    if (!b->status) MEASURE(b, attention, &a, row);
}

static void conv(
    bench *b, const char *what, int64_t h, int64_t w, int64_t c, int64_t n, bool up, bool norm)
{
    if (!wanted(b, "conv2d", what)) return;
    int64_t s = up ? 2 : 1;
    zis_weight wt = weight(b, n, c * 9);
    wt.t = zis_tensor_4d(wt.t.data, ZIS_DTYPE_BF16, n, c, 3, 3);
    zis_tensor x = matrix(b, h * w, c), y = matrix(b, h * w * s * s, n);
    zis_conv2d_args a = {
        .y = zis_tensor_reshape_3d(&y, h * s, w * s, n),
        .x = zis_tensor_reshape_3d(&x, h, w, c),
        .w = &wt,
        .bias = floats(b, n),
        .stride = 1,
        .pad = 1,
        .upsample = up,
        .groups = norm ? 32 : 0,
        .norm_w = floats(b, c),
        .norm_b = floats(b, c),
        .eps = 1e-6f,
        .silu = norm,
    };
    zis_bench_row row = {
        .kernel = "conv2d", .what = what, .math = math_name(b), .gflop = -1, .openblas_gflops = -1};
    if (!b->status) MEASURE(b, conv2d, &a, row);
}

static void rows(bench *b, int64_t l, const char *what)
{
    zis_bench_row row = {.what = what, .math = "f32", .openblas_gflops = -1};
    int64_t d = 3840;
    if (wanted(b, "gate_residual", what)) {
        zis_gate_residual_args g = {.x = matrix(b, l, d),
                                    .y = matrix(b, l, d),
                                    .o = matrix(b, l, d),
                                    .w = floats(b, d),
                                    .gate = floats(b, d),
                                    .next_w = floats(b, d),
                                    .next_scale = floats(b, d),
                                    .eps = 1e-5f};
        row.kernel = "gate_residual";
        row.gbyte = 4e-9 * 4 * (double)l * (double)d;
        if (!b->status) MEASURE(b, gate_residual, &g, row);
    }
    if (wanted(b, "qk_norm_rope", what)) {
        zis_qk_norm_rope_args q = {.qkv = matrix(b, l, 3 * d),
                                   .heads = 30,
                                   .kv_heads = 30,
                                   .head_dim = 128,
                                   .q_w = floats(b, 128),
                                   .k_w = floats(b, 128),
                                   .eps = 1e-5f,
                                   .form = ZIS_ROPE_PAIRS,
                                   .cos = matrix(b, l, 64),
                                   .sin = matrix(b, l, 64)};
        row.kernel = "qk_norm_rope";
        row.gbyte = 4e-9 * 4 * (double)l * (double)d;
        if (!b->status) MEASURE(b, qk_norm_rope, &q, row);
    }
}

double zis_bench_peak(zis_run *run, zis_dtype math, double seconds)
{
    return run->backend->peak ? run->backend->peak(run, math, seconds) : 0;
}

zis_status zis_bench_kernels(zis_run *run,
                             zis_bench_peaks peaks,
                             const char *filter,
                             zis_bench_report *report,
                             void *arg,
                             zis_error *err)
{
    bench b = {
        .run = run, .peaks = peaks, .filter = filter, .report = report, .arg = arg, .err = err};
    b.blas = zis_openblas_open(zis_pool_threads(run->pool));
    /* the transformer at 256x256 and 512x512, 32 tokens of text; its context refiner */
    linear(&b, "qkv 256x256", 288, 3840, 3840, 3, ZIS_EPILOGUE_NONE);
    linear(&b, "out 256x256", 288, 3840, 3840, 1, ZIS_EPILOGUE_NONE);
    linear(&b, "w1 w3 256x256", 288, 10240, 3840, 2, ZIS_EPILOGUE_SILU_MUL);
    linear(&b, "w2 256x256", 288, 3840, 10240, 1, ZIS_EPILOGUE_NONE);
    linear(&b, "qkv 512x512", 1056, 3840, 3840, 3, ZIS_EPILOGUE_NONE);
    linear(&b, "w1 w3 512x512", 1056, 10240, 3840, 2, ZIS_EPILOGUE_SILU_MUL);
    linear(&b, "w2 512x512", 1056, 3840, 10240, 1, ZIS_EPILOGUE_NONE);
    /* the text encoder, 32 and 15 tokens */
    linear(&b, "gate up 32 tokens", 32, 9728, 2560, 2, ZIS_EPILOGUE_SILU_MUL);
    linear(&b, "down 32 tokens", 32, 2560, 9728, 1, ZIS_EPILOGUE_ADD);
    linear(&b, "down 15 tokens", 15, 2560, 9728, 1, ZIS_EPILOGUE_ADD);
    attention(&b, "joint 256x256", 288, 30, 30, 128, false);
    attention(&b, "joint 512x512", 1056, 30, 30, 128, false);
    attention(&b, "vae 256x256", 1024, 1, 1, 512, false);
    attention(&b, "text 32 tokens", 32, 32, 8, 128, true);
    conv(&b, "512-512 32x32", 32, 32, 512, 512, false, true);
    conv(&b, "512-512 64x64", 64, 64, 512, 512, false, true);
    conv(&b, "512-512 up 128x128", 64, 64, 512, 512, true, false);
    conv(&b, "256-256 128x128", 128, 128, 256, 256, false, true);
    conv(&b, "256-256 up 256x256", 128, 128, 256, 256, true, false);
    conv(&b, "128-128 256x256", 256, 256, 128, 128, false, true);
    conv(&b, "128-3 256x256", 256, 256, 128, 3, false, true);
    conv(&b, "64-32 256x256", 256, 256, 64, 32, false, false);
    conv(&b, "160-32 256x256", 256, 256, 160, 32, false, false);
    conv(&b, "192-64 256x256", 256, 256, 192, 64, false, false);
    conv(&b, "64-64 up 512x512", 256, 256, 64, 64, true, false);
    conv(&b, "64-64 512x512", 512, 512, 64, 64, false, false);
    rows(&b, 288, "256x256");
    rows(&b, 1056, "512x512");
    give_back(&b);
    zis_openblas_close(&b.blas);
    return b.status;
}
