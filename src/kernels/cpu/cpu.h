/* cpu.h - the CPU backend: the operations of ops.h over micro-kernels and a thread pool.
 *
 * One file a group of operations (linear.c, attention.c, conv.c, rows.c); this header is what they
 * share. Scratch comes from the run, so a dry run counts it; every operation allocates first, then
 * returns if the run is dry. Results do not depend on the number of threads. */
#ifndef ZIS_KERNELS_CPU_CPU_H
#define ZIS_KERNELS_CPU_CPU_H

#include "base/mem.h"
#include "kernels/cpu/micro.h"
#include "kernels/run.h"

extern const zis_backend zis_backend_cpu;

static inline const zis_micro *zis_cpu_micro(const zis_run *run)
{
    return run->micro;
}

/* How products are computed under the run's math on this micro-kernel. */
typedef enum zis_cpu_math {
    ZIS_CPU_F32,     /* float32 throughout */
    ZIS_CPU_BF16,    /* native products of bfloat16 pairs */
    ZIS_CPU_ROUNDED, /* inputs rounded to bfloat16, multiplied as float32 */
} zis_cpu_math;

static inline zis_cpu_math zis_cpu_math_of(const zis_run *run, bool exact)
{
    if (exact || run->math != ZIS_DTYPE_BF16) return ZIS_CPU_F32;
    return zis_cpu_micro(run)->native_bf16 ? ZIS_CPU_BF16 : ZIS_CPU_ROUNDED;
}

/* Panels of a matrix x [rows, k] for products: nr rows a panel, in the math's type. */
typedef struct zis_cpu_panels {
    unsigned char *data;
    size_t panel_bytes;
    int64_t n;     /* panels */
    int64_t rows;  /* of x */
    int64_t k;     /* elements, as given */
    int64_t steps; /* k of the micro-kernel: elements or pairs */
    zis_cpu_math math;
} zis_cpu_panels;

/* Takes scratch; the data is filled by zis_cpu_panels_fill. */
zis_cpu_panels zis_cpu_panels_alloc(zis_run *run, int64_t rows, int64_t k, zis_cpu_math math);
/* Packs x [rows, k] with the given row stride, scaled by mul; threaded. */
void zis_cpu_panels_fill(
    zis_run *run, const zis_cpu_panels *p, const float *x, int64_t stride, float mul);

/* One panel, or a piece of it: at most nr rows of x, k columns. */
void zis_cpu_panel_pack(const zis_micro *m,
                        zis_cpu_math math,
                        void *to,
                        const float *x,
                        int64_t stride,
                        int rows,
                        int64_t k,
                        float mul);

/* Bytes of one element of the broadcast rows (R) in this math, and of a padded row of k. */
size_t zis_cpu_row_bytes(zis_cpu_math math, int64_t k);
/* Widens or rounds one stored row of k elements into R's form. */
void zis_cpu_row(
    const zis_micro *m, zis_cpu_math math, void *dst, const void *src, zis_dtype t, int64_t k);

/* C[rows][nr] (+)= R V over all steps in cache-sized pieces of k. */
typedef struct zis_cpu_product {
    const unsigned char *r;         /* the first row, at the first step */
    const unsigned char *ahead;     /* or NULL */
    const unsigned char *v;         /* panel */
    float *c;                       /* [rows][nr] */
    int64_t r_stride, ahead_stride; /* bytes from row to row, of dense rows */
    bool r_packed, ahead_packed;    /* rows lie as packed ones (resident.h); strides say how long */
    int64_t row;                    /* number of the first packed row in its matrix */
    int64_t ahead_row;
    int64_t rows, steps;
    int vectors;
    bool add;
    bool once; /* packed rows are read this once, and no hardware foresees their lines */
} zis_cpu_product;
void zis_cpu_multiply(const zis_micro *m, zis_cpu_math math, const zis_cpu_product *p);

/* 1 or 2: vectors of a panel that hold `rows` rows. */
static inline int zis_cpu_vectors(const zis_micro *m, int64_t rows)
{
    return rows <= m->vl ? 1 : 2;
}

static inline int64_t zis_min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t zis_div_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

#define X(slot, args) void zis_cpu_##slot(zis_run *run, const args *a);
ZIS_OPS_LIST(X)
#undef X

#endif
