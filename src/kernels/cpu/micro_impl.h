/* micro_impl.h - the inner loops, written once in vectors of VL floats.
 *
 * Included by micro_c.c and by one file an instruction set, each of which sets
 *     VL     floats in a vector (4, 8, 16)
 *     MR     rows of a product's tile (accumulators: 2 * MR vectors)
 *     NAME   suffix of the table
 * and is compiled with the flags of its instruction set. Vectors are those of gcc and clang, which
 * become instructions of whatever the file is compiled for. Loads and stores go through memcpy-like
 * unaligned vector types, since weights lie in files at any alignment. */
#include "kernels/cpu/micro.h"

#include <math.h>
#include <string.h>

#if defined(__F16C__)
#include <immintrin.h>
#endif

typedef float vf __attribute__((vector_size(VL * 4)));
typedef int32_t vi __attribute__((vector_size(VL * 4)));
typedef uint32_t vu __attribute__((vector_size(VL * 4)));
typedef uint16_t vh __attribute__((vector_size(VL * 2)));
typedef float vf_mem __attribute__((vector_size(VL * 4), aligned(1), may_alias));
typedef uint32_t vu_mem __attribute__((vector_size(VL * 4), aligned(1), may_alias));
typedef uint16_t vh_mem __attribute__((vector_size(VL * 2), aligned(1), may_alias));
typedef float f_mem __attribute__((aligned(1), may_alias));

#define NR (2 * VL)
#define LINE 64 /* bytes in a cache line */
#define ALWAYS static inline __attribute__((always_inline))

ALWAYS vf load(const float *p)
{
    return *(const vf_mem *)p;
}

ALWAYS void store(float *p, vf v)
{
    *(vf_mem *)p = v;
}

ALWAYS vf splat(float f)
{
    return f - (vf){0};
}

ALWAYS vf as_f(vu u)
{
    return (vf)u;
}

ALWAYS vf select_f(vi mask, vf a, vf b)
{
    return (vf)(((vi)a & mask) | ((vi)b & ~mask));
}

ALWAYS vf max_f(vf a, vf b)
{
#if VL == 16 && defined(__AVX512F__)
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif VL == 8 && defined(__AVX__)
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#else
    return select_f(a > b, a, b);
#endif
}

ALWAYS float sum_f(vf v)
{
    float t[VL];
    store(t, v);
    for (int n = VL / 2; n; n /= 2)
        for (int i = 0; i < n; i++) t[i] += t[i + n];
    return t[0];
}

/* The tail of a row as a whole vector: missing lanes are `fill`. */
ALWAYS vf load_part(const float *p, int64_t n, float fill)
{
    float t[VL];
    for (int i = 0; i < VL; i++) t[i] = i < n ? p[i] : fill;
    return load(t);
}

ALWAYS void store_part(float *p, vf v, int64_t n)
{
    float t[VL];
    store(t, v);
    for (int i = 0; i < VL && i < n; i++) p[i] = t[i];
}

/* ---- exp: 2^n * p(r), |r| <= ln 2 / 2, degree 6 (Cephes expf); below 1 ulp of float32 in the
 * range, 0 below -87.3, NaN stays NaN
 * ---------------------------------------------------------------- */
ALWAYS vf exp_v(vf x)
{
    const vf magic = splat(12582912.0f); /* 1.5 * 2^23: adding it rounds to an integer */
    vf lo = splat(-87.33654f), hi = splat(88.3762626f);
    vi low = x < lo;
    vf y = select_f(low, lo, x);
    y = select_f(y > hi, hi, y);
    vf t = y * splat(1.44269504088896341f) + magic;
    vf n = t - magic;
    vf r = y - n * splat(0.693359375f);
    r = r - n * splat(-2.12194440e-4f);
    vf p = splat(1.9875691500e-4f);
    p = p * r + splat(1.3981999507e-3f);
    p = p * r + splat(8.3334519073e-3f);
    p = p * r + splat(4.1665795894e-2f);
    p = p * r + splat(1.6666665459e-1f);
    p = p * r + splat(5.0000001201e-1f);
    p = p * (r * r) + r + splat(1.0f);
    vi e = ((vi)t << 23) + 0x3F800000; /* the low bits of t hold n */
    vf v = p * (vf)e;
    return (vf)((vi)v & ~low);
}

/* exp of x <= 0, for softmax: exp(-87.3) stands for all that is smaller, -inf included. Degree 5 is
 * enough for probabilities that become bfloat16 (relative error 2e-7 against 3e-8). */
ALWAYS vf exp_negative_v(vf x, bool rough)
{
    const vf magic = splat(12582912.0f);
    vf y = max_f(splat(-87.33654f), x); /* a NaN in the second place stays */
    vf t = y * splat(1.44269504088896341f) + magic;
    vf n = t - magic;
    vf r = y - n * splat(0.693359375f);
    r = r - n * splat(-2.12194440e-4f);
    vf p;
    if (rough) {
        p = splat(8.3333333e-3f) * r + splat(4.1666667e-2f);
        p = p * r + splat(1.6666667e-1f);
    } else {
        p = splat(1.9875691500e-4f) * r + splat(1.3981999507e-3f);
        p = p * r + splat(8.3334519073e-3f);
        p = p * r + splat(4.1665795894e-2f);
        p = p * r + splat(1.6666665459e-1f);
    }
    p = p * r + splat(5.0000001201e-1f);
    p = p * (r * r) + r + splat(1.0f);
    return (vf)((vi)p + ((vi)t << 23)); /* times 2^n */
}

ALWAYS vf silu_v(vf x)
{
    return x / (splat(1.0f) + exp_v(-x));
}

/* x Phi(x), with Phi(-t) = exp(-t^2 / 2) P(1 / (1 + 0.4 t / sqrt(2))) / 2 for t > 0: P is our own
 * Chebyshev fit of erfc(u) exp(u^2) in s = 1 / (1 + 0.4 u), to 4e-9 for u up to 4.5; together
 * within 9e-8 of the exact value. */
ALWAYS vf gelu_v(vf x)
{
    const vf zero = splat(0.0f), one = splat(1.0f);
    vi negative = x < zero;
    vf u = select_f(negative, -x, x) * splat(0.70710678118654752f);
    vf s = one / (one + splat(0.4f) * u);
    vf p = splat(0.0866902843f);
    p = p * s + splat(-0.459285319f);
    p = p * s + splat(0.829467118f);
    p = p * s + splat(-0.555943489f);
    p = p * s + splat(0.548270643f);
    p = p * s + splat(0.0728868619f);
    p = p * s + splat(0.255898982f);
    p = p * s + splat(0.221797496f);
    p = p * s + splat(0.000217440058f);
    vf q = splat(0.5f) * exp_v(-(u * u)) * p;
    return x * select_f(negative, q, one - q);
}

/* ---- bfloat16 ------------------------------------------------------------------------------- */
/* Bits of the rounded value in the upper half; NaN stays a NaN. */
ALWAYS vu bf16_bits(vf x)
{
    vu u = (vu)x;
    vu r = u + 0x7FFFu + ((u >> 16) & 1u);
    vi nan = x != x;
    return (((vu)nan & (u | 0x400000u)) | (~(vu)nan & r)) & 0xFFFF0000u;
}

ALWAYS vf load_any(const void *src, zis_dtype t, int64_t at)
{
    if (t == ZIS_DTYPE_F32) return load((const float *)src + at);
    vh h = *(const vh_mem *)((const uint16_t *)src + at);
    if (t == ZIS_DTYPE_BF16) return as_f(__builtin_convertvector(h, vu) << 16);
#if defined(__F16C__) && VL == 8
    return (vf)_mm256_cvtph_ps((__m128i)h);
#elif defined(__F16C__) && VL == 16
    return (vf)_mm512_cvtph_ps((__m256i)h);
#else
    float f[VL];
    for (int i = 0; i < VL; i++) f[i] = zis_f16_to_f32(h[i]);
    return load(f);
#endif
}

ALWAYS float load_one(const void *src, zis_dtype t, int64_t at)
{
    if (t == ZIS_DTYPE_F32) return ((const f_mem *)src)[at];
    uint16_t h;
    memcpy(&h, (const char *)src + at * 2, 2);
    return t == ZIS_DTYPE_BF16 ? zis_bf16_to_f32(h) : zis_f16_to_f32(h);
}

ALWAYS void to_f32_typed(float *dst, const void *src, zis_dtype t, int64_t n)
{
    int64_t i = 0;
    for (; i + VL <= n; i += VL) store(dst + i, load_any(src, t, i));
    for (; i < n; i++) dst[i] = load_one(src, t, i);
}

static void to_f32(float *dst, const void *src, zis_dtype t, int64_t n)
{
    if (t == ZIS_DTYPE_F32)
        memcpy(dst, src, (size_t)n * 4);
    else if (t == ZIS_DTYPE_BF16)
        to_f32_typed(dst, src, ZIS_DTYPE_BF16, n);
    else
        to_f32_typed(dst, src, ZIS_DTYPE_F16, n);
}

/* Lines of 16 float32 of several rows, beside each other: a dozen rows' lines are read from as many
 * places, and written to one. */
ALWAYS void to_lines_typed(const zis_micro_lines *l, zis_dtype t, int size)
{
    for (int64_t e = 0; e < l->n; e += LINE / 4) {
        int64_t n = l->n - e, at = e * size;
        const char *src = (const char *)l->src + at / LINE * l->src_line + at % LINE;
        float *dst = l->dst + e * l->group;
        for (int i = 0; i < l->rows; i++, src += l->src_row, dst += LINE / 4) {
            if (n >= LINE / 4)
                for (int j = 0; j < LINE / 4; j += VL) store(dst + j, load_any(src, t, j));
            else
                for (int j = 0; j < n; j++) dst[j] = load_one(src, t, j);
        }
    }
}

static void to_lines(const zis_micro_lines *l, zis_dtype t)
{
    if (t == ZIS_DTYPE_F32)
        to_lines_typed(l, ZIS_DTYPE_F32, 4);
    else if (t == ZIS_DTYPE_BF16)
        to_lines_typed(l, ZIS_DTYPE_BF16, 2);
    else
        to_lines_typed(l, ZIS_DTYPE_F16, 2);
}

ALWAYS void to_bf16_typed(uint16_t *dst, const void *src, zis_dtype t, int64_t n)
{
    int64_t i = 0;
    for (; i + VL <= n; i += VL)
        *(vh_mem *)(dst + i) = __builtin_convertvector(bf16_bits(load_any(src, t, i)) >> 16, vh);
    for (; i < n; i++) dst[i] = zis_f32_to_bf16(load_one(src, t, i));
}

static void to_bf16(uint16_t *dst, const void *src, zis_dtype t, int64_t n)
{
    if (t == ZIS_DTYPE_BF16)
        memcpy(dst, src, (size_t)n * 2);
    else if (t == ZIS_DTYPE_F32)
        to_bf16_typed(dst, src, ZIS_DTYPE_F32, n);
    else
        to_bf16_typed(dst, src, ZIS_DTYPE_F16, n);
}

static void round_bf16(float *x, int64_t n)
{
    int64_t i = 0;
    for (; i + VL <= n; i += VL) store(x + i, as_f(bf16_bits(load(x + i))));
    for (; i < n; i++) x[i] = zis_bf16_to_f32(zis_f32_to_bf16(x[i]));
}

static void rest_bf16(float *y, const float *x, int64_t n)
{
    int64_t i = 0;
    for (; i + VL <= n; i += VL) {
        vf v = load(x + i);
        store(y + i, v - as_f(bf16_bits(v)));
    }
    for (; i < n; i++) y[i] = x[i] - zis_bf16_to_f32(zis_f32_to_bf16(x[i]));
}

/* ---- transposes ------------------------------------------------------------------------------ */
#if VL == 4
#define LOW(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define HIGH(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#elif VL == 8
#define LOW(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define HIGH(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#else
#define LOW(a, b)                                                                                  \
    __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define HIGH(a, b)                                                                                 \
    __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#endif

/* a[VL] as a matrix, transposed in place: log2 VL rounds of interleaving halves. */
ALWAYS void transpose(vf *a)
{
    for (int round = 1; round < VL; round *= 2) {
        vf b[VL];
        for (int i = 0; i < VL / 2; i++) {
            b[2 * i] = LOW(a[i], a[i + VL / 2]);
            b[2 * i + 1] = HIGH(a[i], a[i + VL / 2]);
        }
        for (int i = 0; i < VL; i++) a[i] = b[i];
    }
}

static void pack_f32(float *v, const float *x, int64_t stride, int rows, int64_t k, float mul)
{
    for (int half = 0; half < 2; half++) {
        int from = half * VL, n = rows - from;
        n = n < 0 ? 0 : n > VL ? VL : n;
        int64_t kk = 0;
        for (; kk + VL <= k; kk += VL) {
            vf a[VL];
            for (int i = 0; i < VL; i++)
                a[i] = i < n ? load(x + (from + i) * stride + kk) * mul : (vf){0};
            transpose(a);
            for (int i = 0; i < VL; i++) store(v + (kk + i) * NR + from, a[i]);
        }
        for (; kk < k; kk++)
            for (int i = 0; i < VL; i++)
                v[kk * NR + from + i] = i < n ? x[(from + i) * stride + kk] * mul : 0.0f;
    }
}

/* VL pairs of bfloat16 from 2 * VL floats. */
ALWAYS vu pair_bits(vf even_odd_lo, vf even_odd_hi)
{
#if defined(__AVX512BF16__) && VL == 16
    return (vu)_mm512_cvtne2ps_pbh((__m512)even_odd_hi, (__m512)even_odd_lo);
#else
    vh lo = __builtin_convertvector(bf16_bits(even_odd_lo) >> 16, vh);
    vh hi = __builtin_convertvector(bf16_bits(even_odd_hi) >> 16, vh);
    vu out;
    memcpy(&out, &lo, sizeof lo);
    memcpy((char *)&out + sizeof lo, &hi, sizeof hi);
    return out;
#endif
}

static void pack_bf16(uint16_t *v, const float *x, int64_t stride, int rows, int64_t k, float mul)
{
    for (int half = 0; half < 2; half++) {
        int from = half * VL, n = rows - from;
        n = n < 0 ? 0 : n > VL ? VL : n;
        int64_t kk = 0;
        for (; kk + 2 * VL <= k; kk += 2 * VL) {
            vf a[VL];
            for (int i = 0; i < VL; i++) {
                const float *row = x + (from + i) * stride + kk;
                a[i] = i < n ? (vf)pair_bits(load(row) * mul, load(row + VL) * mul) : (vf){0};
            }
            transpose(a);
            for (int i = 0; i < VL; i++) store((float *)(v + ((kk / 2 + i) * NR + from) * 2), a[i]);
        }
        for (; kk < k; kk++)
            for (int i = 0; i < VL; i++)
                v[(kk / 2 * NR + from + i) * 2 + kk % 2] =
                    i < n ? zis_f32_to_bf16(x[(from + i) * stride + kk] * mul) : 0;
        if (k % 2)
            for (int i = 0; i < VL; i++) v[(k / 2 * NR + from + i) * 2 + 1] = 0;
    }
}

ALWAYS void unpack_impl(float *y, int64_t stride, const float *c, int rows, int64_t cols, bool add)
{
    for (int half = 0; half < 2; half++) {
        int from = half * VL, n = rows - from;
        if (n <= 0) return;
        n = n > VL ? VL : n;
        int64_t j = 0;
        for (; j + VL <= cols; j += VL) {
            vf a[VL];
            for (int i = 0; i < VL; i++) a[i] = load(c + (j + i) * NR + from);
            transpose(a);
            for (int i = 0; i < n; i++) {
                float *to = y + (from + i) * stride + j;
                store(to, add ? load(to) + a[i] : a[i]);
            }
        }
        for (; j < cols; j++)
            for (int i = 0; i < n; i++) {
                float *to = y + (from + i) * stride + j;
                *to = add ? *to + c[j * NR + from + i] : c[j * NR + from + i];
            }
    }
}

static void turn(
    float *y, int64_t y_stride, const float *x, int64_t x_stride, int64_t rows, int64_t cols)
{
    int64_t i = 0;
    for (; i + VL <= rows; i += VL) {
        int64_t j = 0;
        for (; j + VL <= cols; j += VL) {
            vf a[VL];
            for (int l = 0; l < VL; l++) a[l] = load(x + (i + l) * x_stride + j);
            transpose(a);
            for (int l = 0; l < VL; l++) store(y + (j + l) * y_stride + i, a[l]);
        }
        for (; j < cols; j++)
            for (int l = 0; l < VL; l++) y[j * y_stride + i + l] = x[(i + l) * x_stride + j];
    }
    for (; i < rows; i++)
        for (int64_t j = 0; j < cols; j++) y[j * y_stride + i] = x[i * x_stride + j];
}

static void unpack(float *y, int64_t stride, const float *c, int rows, int64_t cols)
{
    unpack_impl(y, stride, c, rows, cols, false);
}

static void unpack_add(float *y, int64_t stride, const float *c, int rows, int64_t cols)
{
    unpack_impl(y, stride, c, rows, cols, true);
}

/* ---- the product ------------------------------------------------------------------------------
 */
#if defined(__AVX512F__)
#define PIN(v) "+v"(v) /* any of 32 registers */
#else
#define PIN(v) "+x"(v)
#endif
/* Steps of k in a row without a branch. Sanitizers check each load: 24 tiles of 16 steps would take
 * minutes to compile. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNROLL 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNROLL 1
#endif
#endif
#ifndef UNROLL
#define UNROLL 4
#endif
#define PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define UNROLLED(n) PRAGMA(clang loop unroll_count(n))
#define NOT_UNROLLED PRAGMA(clang loop unroll(disable))
#else
#define UNROLLED(n) PRAGMA(GCC unroll n)
#define NOT_UNROLLED PRAGMA(GCC unroll 1)
#endif

/* Address of row i: rows go in threes from a base each, so that four bases, the stride and its
 * double reach twelve rows without more registers. */
#define ROW_AT(base, i, stride) ((base)[(i) / 3] + ((i) % 3) * (stride))

/* acc + a * b. With 16 registers, twelve of them sums, gcc 12 moves sums to the stack and back in
 * each step; an operand that must be in a register, and changes there, keeps it out of that. */
ALWAYS vf fma_add(vf acc, vf a, vf b)
{
#if VL == 8 && defined(__FMA__)
    __asm__("vfmadd231ps %2, %1, %0" : "+x"(acc) : "x"(a), "x"(b));
    return acc;
#else
    return acc + a * b;
#endif
}

/* One step of k: row i's four bytes times the panel's, into acc[i]. */
ALWAYS void fma_step(
    vf (*acc)[2], const char *const *r, int64_t stride, const char *v, int rows, int vectors)
{
    const float *b = (const float *)v;
    vf b0 = load(b), b1 = vectors > 1 ? load(b + VL) : b0;
    /* keeps the loads out of the products: without it gcc loads each operand again */
    __asm__("" : PIN(b0), PIN(b1));
    for (int i = 0; i < rows; i++) {
        vf a = splat(*(const f_mem *)ROW_AT(r, i, stride));
        acc[i][0] = fma_add(acc[i][0], a, b0);
        if (vectors > 1) acc[i][1] = fma_add(acc[i][1], a, b1);
    }
}

/* A tile of any product whose elements, or pairs of them, take four bytes: `step` is compiled in.
 */
ALWAYS void gemm_tile(const zis_micro_gemm *g,
                      const int rows,
                      const int vectors,
                      void (*step)(vf (*)[2], const char *const *, int64_t, const char *, int, int))
{
    vf acc[MR][2];
    const char *r[4];
    const char *v = g->v;
    const int64_t stride = g->r_stride, skip = g->r_line - LINE;
    for (int i = 0; i < 4; i++) r[i] = (const char *)g->r + 3 * i * stride;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < vectors; j++)
            acc[i][j] = g->add ? load(g->c + i * NR + j * VL) : (vf){0};
    const char *ahead = g->ahead, *v_ahead = g->v_ahead;
    int64_t k = g->k;
    for (; k >= LINE / 4; k -= LINE / 4) {
        if (g->r_near)
            for (int i = 0; i < rows; i++)
                __builtin_prefetch(ROW_AT(r, i, stride) + LINE + skip, 0, 3);
        if (ahead) {
            for (int i = 0; i < rows; i++) __builtin_prefetch(ahead + i * g->ahead_stride, 0, 2);
            ahead += g->ahead_line;
        }
        if (v_ahead) {
            for (int i = 0; i < g->v_lines; i++) __builtin_prefetch(v_ahead + i * LINE, 0, 2);
            v_ahead += g->v_lines * LINE;
        }
        NOT_UNROLLED
        for (int part = 0; part < LINE / 4 / UNROLL; part++) {
            UNROLLED(UNROLL)
            for (int u = 0; u < UNROLL; u++) {
                step(acc, r, stride, v, rows, vectors);
                v += NR * 4;
                for (int i = 0; 3 * i < rows; i++) r[i] += 4;
            }
        }
        for (int i = 0; 3 * i < rows; i++) r[i] += skip;
    }
    for (; k > 0; k--) {
        step(acc, r, stride, v, rows, vectors);
        v += NR * 4;
        for (int i = 0; 3 * i < rows; i++) r[i] += 4;
    }
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < vectors; j++) store(g->c + i * NR + j * VL, acc[i][j]);
}

/* Twelve independent chains: enough to fill two pipes of five cycles. `f` makes one link. */
#define PEAK_CHAINS(type, f)                                                                       \
    type a0 = zero, a1 = zero, a2 = zero, a3 = zero, a4 = zero, a5 = zero;                         \
    type b0 = zero, b1 = zero, b2 = zero, b3 = zero, b4 = zero, b5 = zero;                         \
    for (int64_t r = 0; r < rounds; r++) {                                                         \
        a0 = f(a0), a1 = f(a1), a2 = f(a2), a3 = f(a3), a4 = f(a4), a5 = f(a5);                    \
        b0 = f(b0), b1 = f(b1), b2 = f(b2), b3 = f(b3), b4 = f(b4), b5 = f(b5);                    \
        __asm__ volatile("" : "+x"(a0), "+x"(a1), "+x"(a2), "+x"(a3), "+x"(a4), "+x"(a5));         \
        __asm__ volatile("" : "+x"(b0), "+x"(b1), "+x"(b2), "+x"(b3), "+x"(b4), "+x"(b5));         \
    }

static double peak_f32(int64_t rounds)
{
    const vf zero = {0}, x = splat(0.5f);
#define LINK(a) (a * x + x)
    PEAK_CHAINS(vf, LINK)
#undef LINK
    return (double)rounds * 12 * VL * 2;
}

/* One compiled tile for each number of rows. */
#define ROWS_SWITCH(step, g)                                                                       \
    do {                                                                                           \
        if ((g)->vectors > 1) {                                                                    \
            switch ((g)->rows) {                                                                   \
                ROWS_CASES(step, g, 2)                                                             \
            }                                                                                      \
        } else {                                                                                   \
            switch ((g)->rows) {                                                                   \
                ROWS_CASES(step, g, 1)                                                             \
            }                                                                                      \
        }                                                                                          \
    } while (0)
#define ROWS_CASE(step, g, n, vec)                                                                 \
    case n:                                                                                        \
        gemm_tile(g, n, vec, step);                                                                \
        break;
#if MR == 12
#define ROWS_CASES(step, g, vec)                                                                   \
    ROWS_CASE(step, g, 1, vec)                                                                     \
    ROWS_CASE(step, g, 2, vec)                                                                     \
    ROWS_CASE(step, g, 3, vec)                                                                     \
    ROWS_CASE(step, g, 4, vec)                                                                     \
    ROWS_CASE(step, g, 5, vec)                                                                     \
    ROWS_CASE(step, g, 6, vec)                                                                     \
    ROWS_CASE(step, g, 7, vec)                                                                     \
    ROWS_CASE(step, g, 8, vec)                                                                     \
    ROWS_CASE(step, g, 9, vec)                                                                     \
    ROWS_CASE(step, g, 10, vec)                                                                    \
    ROWS_CASE(step, g, 11, vec)                                                                    \
    ROWS_CASE(step, g, 12, vec)
#else
#define ROWS_CASES(step, g, vec)                                                                   \
    ROWS_CASE(step, g, 1, vec)                                                                     \
    ROWS_CASE(step, g, 2, vec)                                                                     \
    ROWS_CASE(step, g, 3, vec)                                                                     \
    ROWS_CASE(step, g, 4, vec)                                                                     \
    ROWS_CASE(step, g, 5, vec)                                                                     \
    ROWS_CASE(step, g, 6, vec)
#endif

static void gemm_f32(const zis_micro_gemm *g)
{
    ROWS_SWITCH(fma_step, g);
}
