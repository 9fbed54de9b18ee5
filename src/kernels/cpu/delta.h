/* delta.h - what attached deltas (ops.h) add to a product, for linear.c.
 *
 * Low rank: t = scale * x a' is computed first, for all deltas of a weight side by side, and packed
 * into panels; its R columns then follow the last slice of k, with rows of b as weights. So bias
 * and epilogue see one sum, and nothing of the size of y is read twice. At rank 16 and a width of
 * 3840 these are 0.8 % of the product's FLOPs.
 * All other kinds are added to the rows of the matrix while these are widened for the product:
 * work for each weight, not for each token.
 *
 *     low_alloc (also in a dry run) -> low_project -> low_rows, delta_add from the tasks
 *
 * Threads: low_rows and delta_add from any task, into its own memory. */
#ifndef ZIS_KERNELS_CPU_DELTA_H
#define ZIS_KERNELS_CPU_DELTA_H

#include "kernels/cpu/cpu.h"

/* The low-rank deltas of one weight; scratch of the run. */
typedef struct zis_cpu_low {
    int64_t rank;          /* R, of all of them; 0: there are none */
    zis_cpu_panels panels; /* t [M, R] */
    zis_cpu_panels rest;   /* of `fine` products: what rounding t lost */
    bool fine;
    unsigned char *a; /* [R][a_bytes]: rows of all a as the math has them */
    size_t a_bytes;
    size_t b_bytes; /* of a row of all b side by side */
    float *tiles;   /* [threads][2][R][nr] */
} zis_cpu_low;

/* Takes scratch for x [rows, k]; when the weight has no low-rank deltas, rank stays 0. */
void zis_cpu_low_alloc(zis_run *run,
                       zis_cpu_low *low,
                       const zis_weight *w,
                       int64_t rows,
                       zis_cpu_math math,
                       bool fine);
/* t from the packed x; rest: of x, where fine. */
void zis_cpu_low_project(zis_run *run,
                         const zis_cpu_low *low,
                         const zis_weight *w,
                         const zis_cpu_panels *x,
                         const zis_cpu_panels *rest);
/* Rows row .. row + n - 1 of all b side by side, b_bytes apart. */
void zis_cpu_low_rows(const zis_micro *m,
                      const zis_cpu_low *low,
                      const zis_weight *w,
                      int64_t row,
                      int64_t n,
                      unsigned char *to);

/* Whether some delta is added to the matrix itself. */
bool zis_cpu_delta_in_matrix(const zis_weight *w);
/* out[0 .. n) += columns from .. from + n - 1 of row `row` of these deltas; tmp: 2 * n floats. */
void zis_cpu_delta_add(const zis_micro *m,
                       const zis_weight *w,
                       int64_t row,
                       int64_t from,
                       int64_t n,
                       float *out,
                       float *tmp);

#endif
