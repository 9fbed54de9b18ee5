/* micro_rows.h - second half of micro_impl.h: norms, attention lanes, convolution transforms, and
 * the table. Included by micro_impl.h's includers only, after it. */

/* ---- elementwise ------------------------------------------------------------------------------
 */
static void silu(float *y, const float *x, int64_t n)
{
    int64_t i = 0;
    for (; i + VL <= n; i += VL) store(y + i, silu_v(load(x + i)));
    if (i < n) store_part(y + i, silu_v(load_part(x + i, n - i, 0)), n - i);
}

static void gelu(float *y, const float *x, int64_t n)
{
    int64_t i = 0;
    for (; i + VL <= n; i += VL) store(y + i, gelu_v(load(x + i)));
    if (i < n) store_part(y + i, gelu_v(load_part(x + i, n - i, 0)), n - i);
}

/* NaN stays NaN: a fault upstream must stay visible. */
ALWAYS vf relu_v(vf x)
{
    vf zero = {0};
    return select_f(x < zero, zero, x);
}

static void relu(float *y, const float *x, int64_t n)
{
    int64_t i = 0;
    for (; i + VL <= n; i += VL) store(y + i, relu_v(load(x + i)));
    if (i < n) store_part(y + i, relu_v(load_part(x + i, n - i, 0)), n - i);
}

static void add_rows(float *y, const float *a, const float *b, bool with_relu, int64_t n)
{
    int64_t i = 0;
    for (; i + VL <= n; i += VL) {
        vf v = load(a + i) + load(b + i);
        store(y + i, with_relu ? relu_v(v) : v);
    }
    if (i < n) {
        vf v = load_part(a + i, n - i, 0) + load_part(b + i, n - i, 0);
        store_part(y + i, with_relu ? relu_v(v) : v, n - i);
    }
}

static void max_rows(float *y, const float *x, int64_t n)
{
    int64_t i = 0;
    for (; i + VL <= n; i += VL) {
        vf a = load(y + i), b = load(x + i);
        store(y + i, select_f((b > a) | (b != b), b, a));
    }
    for (; i < n; i++)
        if (x[i] > y[i] || x[i] != x[i]) y[i] = x[i];
}

static void mix(float *y, const float *a, const float *b, float t, int64_t n)
{
    float u = 1.0f - t;
    int64_t i = 0;
    for (; i + VL <= n; i += VL) store(y + i, load(a + i) * u + load(b + i) * t);
    for (; i < n; i++) y[i] = a[i] * u + b[i] * t;
}

static void silu_mul(float *y, const float *a, const float *b, int64_t n)
{
    int64_t i = 0;
    for (; i + VL <= n; i += VL) store(y + i, silu_v(load(a + i)) * load(b + i));
    if (i < n)
        store_part(y + i, silu_v(load_part(a + i, n - i, 0)) * load_part(b + i, n - i, 0), n - i);
}

static void add_scalar_rows(float *c, const float *bias, int64_t rows)
{
    for (int64_t i = 0; i < rows; i++) {
        store(c + i * NR, load(c + i * NR) + bias[i]);
        store(c + i * NR + VL, load(c + i * NR + VL) + bias[i]);
    }
}

static void add_scaled(float *y, const float *x, float mul, int64_t n)
{
    int64_t i = 0;
    for (; i + VL <= n; i += VL) store(y + i, load(y + i) + mul * load(x + i));
    for (; i < n; i++) y[i] += mul * x[i];
}

/* `width` vectors of the sum, in registers. */
ALWAYS void sum_rows_part(
    float *y, const float *x, int64_t stride, const float *mul, int64_t rows, const int width)
{
    vf s[8] = {{0}};
    for (int64_t r = 0; r < rows; r++, x += stride)
        for (int i = 0; i < width; i++) s[i] += mul[r] * load(x + i * VL);
    for (int i = 0; i < width; i++) store(y + i * VL, s[i]);
}

static void sum_rows(
    float *y, const float *x, int64_t stride, const float *mul, int64_t rows, int64_t n)
{
    int64_t i = 0;
    for (; i + 8 * VL <= n; i += 8 * VL) sum_rows_part(y + i, x + i, stride, mul, rows, 8);
    for (; i + VL <= n; i += VL) sum_rows_part(y + i, x + i, stride, mul, rows, 1);
    for (; i < n; i++) {
        float s = 0;
        for (int64_t r = 0; r < rows; r++) s += mul[r] * x[r * stride + i];
        y[i] = s;
    }
}

static void add_product(float *y, const float *a, const float *b, float mul, int64_t n)
{
    int64_t i = 0;
    for (; i + VL <= n; i += VL) store(y + i, load(y + i) + mul * (load(a + i) * load(b + i)));
    for (; i < n; i++) y[i] += mul * (a[i] * b[i]);
}

static void exp_rows(float *y, const float *x, int64_t n)
{
    int64_t i = 0;
    for (; i + VL <= n; i += VL) store(y + i, exp_v(load(x + i)));
    if (i < n) store_part(y + i, exp_v(load_part(x + i, n - i, 0)), n - i);
}

/* ---- norms ------------------------------------------------------------------------------------
 */
/* Four sums side by side hide the latency and halve the rounding error. */
ALWAYS float sum_squares(const float *x, int64_t n)
{
    vf s[4] = {{0}};
    int64_t i = 0;
    for (; i + 4 * VL <= n; i += 4 * VL)
        for (int j = 0; j < 4; j++) {
            vf v = load(x + i + j * VL);
            s[j] += v * v;
        }
    for (; i + VL <= n; i += VL) {
        vf v = load(x + i);
        s[0] += v * v;
    }
    if (i < n) {
        vf v = load_part(x + i, n - i, 0);
        s[1] += v * v;
    }
    return sum_f((s[0] + s[1]) + (s[2] + s[3]));
}

static float sum_squares_row(const float *x, int64_t n)
{
    return sum_squares(x, n);
}

static float rms_norm(
    float *y, const float *x, const float *w, const float *scale, float eps, int64_t n)
{
    float sum = sum_squares(x, n), r = 1.0f / sqrtf(sum / (float)n + eps);
    int64_t i = 0;
    if (scale) {
        for (; i + VL <= n; i += VL) store(y + i, load(x + i) * r * load(w + i) * load(scale + i));
        for (; i < n; i++) y[i] = x[i] * r * w[i] * scale[i];
    } else {
        for (; i + VL <= n; i += VL) store(y + i, load(x + i) * r * load(w + i));
        for (; i < n; i++) y[i] = x[i] * r * w[i];
    }
    return sum;
}

static float gate_residual(
    float *x, const float *o, const float *w, const float *gate, float eps, int64_t n)
{
    float sum = sum_squares(o, n), r = 1.0f / sqrtf(sum / (float)n + eps);
    int64_t i = 0;
    if (gate) {
        for (; i + VL <= n; i += VL)
            store(x + i, load(x + i) + load(gate + i) * (load(o + i) * r * load(w + i)));
        for (; i < n; i++) x[i] += gate[i] * (o[i] * r * w[i]);
    } else {
        for (; i + VL <= n; i += VL) store(x + i, load(x + i) + load(o + i) * r * load(w + i));
        for (; i < n; i++) x[i] += o[i] * r * w[i];
    }
    return sum;
}

static float layer_norm(
    float *y, const float *x, const float *scale, const float *bias, float eps, int64_t n)
{
    vf s = {0}, q = {0};
    int64_t i = 0;
    for (; i + VL <= n; i += VL) s += load(x + i);
    if (i < n) s += load_part(x + i, n - i, 0);
    float mean = sum_f(s) / (float)n;
    for (i = 0; i + VL <= n; i += VL) {
        vf d = load(x + i) - mean;
        q += d * d;
    }
    if (i < n) {
        vf d = load_part(x + i, n - i, mean) - mean;
        q += d * d;
    }
    float sum = sum_f(q), r = 1.0f / sqrtf(sum / (float)n + eps);
    for (i = 0; i + VL <= n; i += VL) {
        vf v = (load(x + i) - mean) * r;
        if (scale) v *= load(scale + i);
        store(y + i, bias ? v + load(bias + i) : v);
    }
    for (; i < n; i++)
        y[i] = (x[i] - mean) * r * (scale ? scale[i] : 1.0f) + (bias ? bias[i] : 0.0f);
    return sum;
}

static void norm_rope(float *x,
                      const float *w,
                      const float *cos,
                      const float *sin,
                      float eps,
                      int heads,
                      int dim,
                      bool halves)
{
    int half = dim / 2;
    for (int h = 0; h < heads; h++, x += dim) {
        float r = 1.0f / sqrtf(sum_squares(x, dim) / (float)dim + eps);
        int m = 0;
        if (halves) {
            for (; m + VL <= half; m += VL) {
                vf a = load(x + m) * r * load(w + m);
                vf b = load(x + half + m) * r * load(w + half + m);
                vf c = load(cos + m), s = load(sin + m);
                store(x + m, a * c - b * s);
                store(x + half + m, b * c + a * s);
            }
            for (; m < half; m++) {
                float a = x[m] * r * w[m], b = x[half + m] * r * w[half + m];
                x[m] = a * cos[m] - b * sin[m];
                x[half + m] = b * cos[m] + a * sin[m];
            }
        } else {
            for (; m + VL <= half; m += VL) {
                vf p = load(x + 2 * m) * r * load(w + 2 * m);
                vf q = load(x + 2 * m + VL) * r * load(w + 2 * m + VL);
                vf c = load(cos + m), s = load(sin + m);
                /* [re im re im ...]: cosines doubled, sines doubled with signs, pairs swapped */
                vf c0 = LOW(c, c), c1 = HIGH(c, c);
                vf s0 = LOW(-s, s), s1 = HIGH(-s, s);
#if VL == 4
#define SWAP(a) __builtin_shufflevector(a, a, 1, 0, 3, 2)
#elif VL == 8
#define SWAP(a) __builtin_shufflevector(a, a, 1, 0, 3, 2, 5, 4, 7, 6)
#else
#define SWAP(a) __builtin_shufflevector(a, a, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)
#endif
                store(x + 2 * m, p * c0 + SWAP(p) * s0);
                store(x + 2 * m + VL, q * c1 + SWAP(q) * s1);
            }
            for (; m < half; m++) {
                float a = x[2 * m] * r * w[2 * m], b = x[2 * m + 1] * r * w[2 * m + 1];
                x[2 * m] = a * cos[m] - b * sin[m];
                x[2 * m + 1] = a * sin[m] + b * cos[m];
            }
        }
    }
}

/* ---- attention, one query a lane ----------------------------------------------------------------
 */
static void lane_max(float *max, const float *s, int64_t keys)
{
    vf m0 = load(max), m1 = load(max + VL);
    for (int64_t i = 0; i < keys; i++) {
        m0 = max_f(m0, load(s + i * NR));
        m1 = max_f(m1, load(s + i * NR + VL));
    }
    store(max, m0);
    store(max + VL, m1);
}

static void lane_exp(float *s, const float *max, float scale, float *sum, int64_t keys)
{
    for (int half = 0; half < NR; half += VL) {
        vf m = load(max + half), t = load(sum + half);
        for (int64_t i = 0; i < keys; i++) {
            vf e = exp_negative_v((load(s + i * NR + half) - m) * scale, false);
            t += e;
            store(s + i * NR + half, e);
        }
        store(sum + half, t);
    }
}

static void lane_exp_bf16(
    uint16_t *p, float *s, const float *max, float scale, float *sum, int64_t keys)
{
    for (int half = 0; half < NR; half += VL) {
        vf m = load(max + half), t = load(sum + half);
        for (int64_t i = 0; i < keys; i += 2) {
            vf a = exp_negative_v((load(s + i * NR + half) - m) * scale, true);
            vf b = {0};
            if (i + 1 < keys) b = exp_negative_v((load(s + (i + 1) * NR + half) - m) * scale, true);
            vu lo = bf16_bits(a), hi = bf16_bits(b);
            /* the sum of what is multiplied, so that the weights still add up to 1 */
            t += as_f(lo) + as_f(hi);
            *(vu_mem *)(p + (i / 2 * NR + half) * 2) = (lo >> 16) | hi;
        }
        store(sum + half, t);
    }
}

static void lane_scale(float *c, const float *f, int64_t rows)
{
    vf f0 = load(f), f1 = load(f + VL);
    for (int64_t i = 0; i < rows; i++) {
        store(c + i * NR, load(c + i * NR) * f0);
        store(c + i * NR + VL, load(c + i * NR + VL) * f1);
    }
}

/* ---- group norm
 * ------------------------------------------------------------------------------------ */
static void norm_apply(
    float *y, const float *x, const float *a, const float *b, bool with_silu, int64_t n)
{
    int64_t i = 0;
    if (with_silu) {
        for (; i + VL <= n; i += VL) store(y + i, silu_v(load(x + i) * load(a + i) + load(b + i)));
        if (i < n)
            store_part(y + i,
                       silu_v(load_part(x + i, n - i, 0) * load_part(a + i, n - i, 0) +
                              load_part(b + i, n - i, 0)),
                       n - i);
    } else {
        for (; i + VL <= n; i += VL) store(y + i, load(x + i) * load(a + i) + load(b + i));
        for (; i < n; i++) y[i] = x[i] * a[i] + b[i];
    }
}

/* Eight rows at a time in float32, which keeps some 1e-7 of each sum; the eights add up in double.
 */
static void moments(double *sum, double *sq, const float *x, int64_t rows, int64_t n)
{
    for (int64_t from = 0; from < rows; from += 8) {
        int64_t to = from + 8 < rows ? from + 8 : rows;
        int64_t i = 0;
        for (; i + VL <= n; i += VL) {
            vf s = {0}, q = {0};
            for (int64_t r = from; r < to; r++) {
                vf v = load(x + r * n + i);
                s += v;
                q += v * v;
            }
            float part[2][VL];
            store(part[0], s);
            store(part[1], q);
            for (int l = 0; l < VL; l++) {
                sum[i + l] += (double)part[0][l];
                sq[i + l] += (double)part[1][l];
            }
        }
        for (; i < n; i++)
            for (int64_t r = from; r < to; r++) {
                double v = (double)x[r * n + i];
                sum[i] += v;
                sq[i] += v * v;
            }
    }
}

#include "kernels/cpu/micro_wino.h"

/* ---- the table
 * --------------------------------------------------------------------------------------- */
#define MICRO_TABLE(isa_name)                                                                      \
    .isa = isa_name, .vl = VL, .mr = MR, .nr = NR, .gemm_f32 = gemm_f32, .peak_f32 = peak_f32,     \
    .to_f32 = to_f32, .to_lines = to_lines, .to_bf16 = to_bf16, .round_bf16 = round_bf16,          \
    .rest_bf16 = rest_bf16, .pack_f32 = pack_f32, .pack_bf16 = pack_bf16, .unpack = unpack,        \
    .unpack_add = unpack_add, .silu = silu, .gelu = gelu, .relu = relu, .add = add_rows,           \
    .max = max_rows, .mix = mix, .silu_mul = silu_mul, .add_scalar_rows = add_scalar_rows,         \
    .add_scaled = add_scaled, .sum_rows = sum_rows, .add_product = add_product, .turn = turn,      \
    .rms_norm = rms_norm, .sum_squares = sum_squares_row, .gate_residual = gate_residual,          \
    .layer_norm = layer_norm, .norm_rope = norm_rope, .lane_max = lane_max, .lane_exp = lane_exp,  \
    .lane_exp_bf16 = lane_exp_bf16, .lane_scale = lane_scale, .exp = exp_rows,                     \
    .norm_apply = norm_apply, .moments = moments, .finish = finish, .winograd = WINOGRAD_TABLE
