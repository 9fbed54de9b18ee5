/* bench.h - how fast the kernels are: each operation at the shapes of the real models, as GFLOP/s
 * and as share of the peak of its arithmetic, measured in the same run; beside OpenBLAS where that
 * library is found.
 *
 * Threads: as the run given. */
#ifndef ZIS_KERNELS_BENCH_H
#define ZIS_KERNELS_BENCH_H

#include "kernels/run.h"

typedef struct zis_bench_row {
    const char *kernel; /* "linear", "attention", "conv2d", ... */
    const char *what;   /* "qkv 256x256", ... */
    const char *math;   /* "f32" or "bf16" */
    double gflop;       /* of one call, as the direct formula counts; 0 where bytes matter */
    double gbyte;       /* moved by one call, at least */
    double seconds;     /* best of several */
    double gflops;
    double gbytes;          /* per second */
    double share_of_peak;   /* 0..; 0 where gflop is 0 */
    double openblas_gflops; /* < 0: not measured */
} zis_bench_row;

typedef void zis_bench_report(void *arg, const zis_bench_row *row);

/* Peak of the run's device in GFLOP/s over all its threads, for products of this type; 0 where the
 * device does not multiply it natively. Takes about `seconds`. */
double zis_bench_peak(zis_run *run, zis_dtype math, double seconds);

/* What shares are of, as zis_bench_peak gave it. */
typedef struct zis_bench_peaks {
    double f32, bf16;
} zis_bench_peaks;

/* All kernels in the run's math (and float32 for what ignores it). `filter` is a part of a kernel's
 * or shape's name, or NULL. The run must not be in use. */
ZIS_MUST_USE zis_status zis_bench_kernels(zis_run *run,
                                          zis_bench_peaks peaks,
                                          const char *filter,
                                          zis_bench_report *report,
                                          void *arg,
                                          zis_error *err);

#endif
