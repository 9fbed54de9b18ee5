/* openblas.h - a yardstick: OpenBLAS's sgemm, where the machine has the library. Loaded at run
 * time, used by the benchmark and nothing else. */
#ifndef ZIS_KERNELS_OPENBLAS_H
#define ZIS_KERNELS_OPENBLAS_H

#include <stdint.h>

typedef struct zis_openblas zis_openblas;

/* NULL where there is none. */
zis_openblas *zis_openblas_open(int threads);
/* y[m, n] = x[m, k] w[n, k]', dense float32. */
void zis_openblas_gemm(
    zis_openblas *b, float *y, const float *x, const float *w, int64_t m, int64_t n, int64_t k);
void zis_openblas_close(zis_openblas **b);

#endif
