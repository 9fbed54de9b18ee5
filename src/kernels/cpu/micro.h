/* micro.h - the CPU backend's inner loops, one table an instruction set.
 *
 * Everything that is worth vector instructions sits here; threads, blocking and shapes are the
 * business of linear.c, attention.c, conv.c and rows.c, which are written once. The loops are
 * written once, too: micro_impl.h is compiled for each instruction set with its vector length;
 * what an instruction set does in its own way (bfloat16 products) replaces slots afterwards.
 *
 * One product serves all: a tile C[rows][nr] of float32 gains
 *     C[i][j] += sum over k of R[i][k] * V[k][j],
 * R row-major with any stride (its elements are broadcast), V a panel of nr = 2 * vl lanes. In
 * linear, R is weights and V tokens; in attention R is keys (then values) and V queries (then
 * probabilities); in convolutions R is pixels or tiles and V weights.
 *
 * Threads: constant tables. */
#ifndef ZIS_KERNELS_CPU_MICRO_H
#define ZIS_KERNELS_CPU_MICRO_H

#include "tensor/dtype.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZIS_MICRO_MAX_VL 16
#define ZIS_MICRO_MAX_NR (2 * ZIS_MICRO_MAX_VL)

/* A product of tiles; k counts elements (f32) or pairs of elements (bf16). */
typedef struct zis_micro_gemm {
    const void *r;        /* rows of float or uint16_t */
    const void *v;        /* [k][nr] float, or [k][nr][2] uint16_t */
    float *c;             /* [rows][nr] */
    const void *ahead;    /* rows to be fetched into the cache meanwhile, or NULL */
    int64_t r_stride;     /* bytes from one row of r to the next */
    int64_t r_line;       /* bytes from 64 bytes of a row to its next: 64 where rows are dense */
    bool r_near;          /* fetch the next line of each row into the first-level cache */
    int64_t ahead_stride; /* the same for ahead, which has as many bytes in each row as r */
    int64_t ahead_line;
    const void *v_ahead; /* what of the panel comes next, to be fetched meanwhile, or NULL: */
    int v_lines;         /* cache lines of it for each 16 steps of k */
    int64_t k;
    int rows;    /* 1 .. mr */
    int vectors; /* 1 or 2: lanes of the panel that are wanted, in vectors */
    bool add;    /* C += instead of C = */
} zis_micro_gemm;

/* Elements 0..n) of a few rows, from where they lie, to lines of 16 float32: element e of row i to
 * dst[(e / 16 * group + i) * 16 + e % 16]. */
typedef struct zis_micro_lines {
    float *dst;
    const void *src;
    int64_t src_row;  /* bytes from one row to the next */
    int64_t src_line; /* bytes from 64 bytes of a row to its next: 64 where rows are dense */
    int64_t n;
    int rows;  /* 1 .. group */
    int group; /* rows whose lines lie side by side */
} zis_micro_lines;

/* What becomes of the sums of a convolution (ops.h): with v = sum + bias,
 * y = (v > 0 ? v : slope * v) * scale + add_scale * add + more. */
typedef struct zis_micro_finish {
    const float *bias;   /* [n] or NULL */
    const float *slopes; /* [n] or NULL: slope for all */
    float slope;         /* 1: no activation */
    float scale, add_scale;
} zis_micro_finish;

/* Pixels somewhere: element (i, j, c) is data[at + i * row + j * pixel + c]. */
typedef struct zis_micro_pixels {
    float *data; /* NULL: none */
    int64_t at, row, pixel;
} zis_micro_pixels;

/* Where a tile of Winograd's outputs goes: pixels (i, j) with top <= i < bottom, left <= j < right;
 * the other ones lie outside the picture. */
typedef struct zis_micro_wino_out {
    zis_micro_pixels y, add, more;
    zis_micro_finish finish;
    int top, bottom, left, right;
} zis_micro_wino_out;

/* F(outputs, 3) in two dimensions, channels contiguous (micro_wino.h). */
typedef struct zis_micro_winograd {
    int points;  /* a tile reads points x points pixels; as many planes */
    int outputs; /* and makes outputs x outputs */
    /* Pixels d[i * row + j * pixel + c] -> v[(i * points + j) * plane + c], c < n. */
    void (*input)(float *v, int64_t plane, const float *d, int64_t row, int64_t pixel, int64_t n);
    void (*output)(const zis_micro_wino_out *o, const float *m, int64_t plane, int64_t n);
    /* One row of planes: g[9][n] (3x3 taps, n lanes, a multiple of vl) -> u + j * plane, j <
     * points. parity: of the output rows and columns, 2 * py + px; only for the folded kind. */
    void (*weight)(float *u, int64_t plane, const float *g, int64_t n, int row, int parity);
} zis_micro_winograd;

typedef enum zis_micro_wino_kind {
    ZIS_WINO_4,      /* F(4x4, 3x3) */
    ZIS_WINO_6,      /* F(6x6, 3x3) */
    ZIS_WINO_FOLDED, /* four F(5x5, 2x2), one a parity: of the picture before it is doubled */
    ZIS_WINO_COUNT
} zis_micro_wino_kind;

typedef struct zis_micro {
    const char *isa;
    int vl; /* floats in a vector */
    int mr; /* most rows of a tile */
    int nr; /* lanes of a panel, 2 * vl */
    bool native_bf16;

    void (*gemm_f32)(const zis_micro_gemm *g);
    void (*gemm_bf16)(const zis_micro_gemm *g); /* NULL where products of bf16 are not native */

    /* Products on registers alone, `rounds` times: the peak of the arithmetic, for the benchmark.
     * Returns the floating point operations done. peak_bf16 is NULL like gemm_bf16. */
    double (*peak_f32)(int64_t rounds);
    double (*peak_bf16)(int64_t rounds);

    /* n elements of F32, F16 or BF16 to float32; or to bfloat16, nearest even. */
    void (*to_f32)(float *dst, const void *src, zis_dtype t, int64_t n);
    void (*to_bf16)(uint16_t *dst, const void *src, zis_dtype t, int64_t n);
    void (*to_lines)(const zis_micro_lines *l, zis_dtype t);
    /* n floats, rounded to bfloat16 but kept as float32. */
    void (*round_bf16)(float *x, int64_t n);
    /* y = x - round_bf16(x): what rounding loses. */
    void (*rest_bf16)(float *y, const float *x, int64_t n);

    /* Panel of `rows` (<= nr; the rest zeros) rows x[i][0..k), i a lane: v[kk][i]. `mul` scales. */
    void (*pack_f32)(float *v, const float *x, int64_t stride, int rows, int64_t k, float mul);
    /* Pairs: v[kk / 2][i][kk % 2]; an odd k is filled up with zeros. */
    void (*pack_bf16)(uint16_t *v, const float *x, int64_t stride, int rows, int64_t k, float mul);
    /* y[i][j] = c[j][i] for i < rows <= nr, j < cols: a tile back to rows of tokens. */
    void (*unpack)(float *y, int64_t stride, const float *c, int rows, int64_t cols);
    /* The same plus y: y[i][j] += c[j][i]. */
    void (*unpack_add)(float *y, int64_t stride, const float *c, int rows, int64_t cols);

    /* y[j][i] = x[i][j], i < rows, j < cols: any strides. */
    void (*turn)(
        float *y, int64_t y_stride, const float *x, int64_t x_stride, int64_t rows, int64_t cols);

    /* Elementwise over n floats. */
    void (*silu)(float *y, const float *x, int64_t n);
    void (*gelu)(float *y, const float *x, int64_t n);
    void (*relu)(float *y, const float *x, int64_t n);                           /* max(x, 0) */
    void (*add)(float *y, const float *a, const float *b, bool relu, int64_t n); /* a + b, relu? */
    void (*max)(float *y, const float *x, int64_t n); /* y = max(y, x); NaN wins */
    void (*mix)(float *y, const float *a, const float *b, float t, int64_t n); /* a (1-t) + b t */
    void (*silu_mul)(float *y, const float *a, const float *b, int64_t n);     /* silu(a) * b */
    void (*add_scalar_rows)(float *c, const float *bias, int64_t rows); /* c[i][0..nr) += bias[i] */
    void (*add_scaled)(float *y, const float *x, float mul, int64_t n); /* y += mul * x */
    /* y = sum over i < rows of mul[i] * x[i * stride ..] */
    void (*sum_rows)(
        float *y, const float *x, int64_t stride, const float *mul, int64_t rows, int64_t n);
    /* y += mul * (a * b), element by element */
    void (*add_product)(float *y, const float *a, const float *b, float mul, int64_t n);

    /* Rows of n: see ops.h. scale may be NULL. Each returns its sum of squares, of x, of o, of the
     * distances from the mean: it is not finite when one of the values was not. */
    float (*rms_norm)(
        float *y, const float *x, const float *w, const float *scale, float eps, int64_t n);
    float (*gate_residual)(
        float *x, const float *o, const float *w, const float *gate, float eps, int64_t n);
    float (*layer_norm)(
        float *y, const float *x, const float *scale, const float *bias, float eps, int64_t n);
    float (*sum_squares)(const float *x, int64_t n);
    /* One row of heads: x[h * dim ..]; cos, sin of dim / 2; pairs or halves. */
    void (*norm_rope)(float *x,
                      const float *w,
                      const float *cos,
                      const float *sin,
                      float eps,
                      int heads,
                      int dim,
                      bool halves);

    /* Attention: s[keys][nr], one query a lane. max[lane] = max(max[lane], max over keys). */
    void (*lane_max)(float *max, const float *s, int64_t keys);
    /* s = exp((s - max) * scale), sum[lane] += sum over keys. In place as float32; s <= max. */
    void (*lane_exp)(float *s, const float *max, float scale, float *sum, int64_t keys);
    /* The same into pairs of bfloat16, p[key / 2][lane][key % 2]; odd keys are filled with 0. */
    void (*lane_exp_bf16)(
        uint16_t *p, float *s, const float *max, float scale, float *sum, int64_t keys);
    /* c[i][lane] *= f[lane] over rows. */
    void (*lane_scale)(float *c, const float *f, int64_t rows);
    void (*exp)(float *y, const float *x, int64_t n);

    /* y = x * a + b per channel, then SiLU if wanted. */
    void (*norm_apply)(
        float *y, const float *x, const float *a, const float *b, bool silu, int64_t n);
    /* sum[c] += x[r][c], sq[c] += x[r][c]^2 over `rows` dense rows of n channels. */
    void (*moments)(double *sum, double *sq, const float *x, int64_t rows, int64_t n);

    /* One pixel of n channels; add and more may be NULL. */
    void (*finish)(float *y,
                   const float *sums,
                   const float *add,
                   const float *more,
                   const zis_micro_finish *f,
                   int64_t n);
    zis_micro_winograd winograd[ZIS_WINO_COUNT];
} zis_micro;

extern const zis_micro zis_micro_c;
#if defined(__x86_64__)
extern const zis_micro zis_micro_avx2;
extern const zis_micro zis_micro_avx512;
extern const zis_micro zis_micro_avx512bf16;
#endif

/* The tables that this machine can run, best first: fills list (room for 8), returns the count. */
int zis_micro_list(const zis_micro **list);
/* The best one that is no better than `limit` (NULL: the best); NULL when the name is unknown or
 * this machine lacks it. */
const zis_micro *zis_micro_pick(const char *limit);

#endif
