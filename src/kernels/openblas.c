/* openblas.c - dlopen of the yardstick. */
#include "kernels/openblas.h"

#include "base/mem.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/* CBLAS: row major, no transpose, transpose. */
enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };

typedef void gemm_fn(int,
                     int,
                     int,
                     int,
                     int,
                     int,
                     float,
                     const float *,
                     int,
                     const float *,
                     int,
                     float,
                     float *,
                     int);

struct zis_openblas {
    void *lib;
    gemm_fn *gemm;
};

zis_openblas *zis_openblas_open(int threads)
{
    zis_openblas *b = zis_mem_zalloc(1, sizeof *b);
    if (!b) return NULL;
    b->lib = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    void *gemm = b->lib ? dlsym(b->lib, "cblas_sgemm") : NULL;
    void *set = b->lib ? dlsym(b->lib, "openblas_set_num_threads") : NULL;
    if (!gemm || !set) {
        zis_openblas_close(&b);
        return NULL;
    }
    void (*set_threads)(int);
    memcpy(&b->gemm, &gemm, sizeof gemm); /* ISO C knows no cast from object to function */
    memcpy(&set_threads, &set, sizeof set);
    set_threads(threads);
    return b;
}

void zis_openblas_gemm(
    zis_openblas *b, float *y, const float *x, const float *w, int64_t m, int64_t n, int64_t k)
{
    b->gemm(ROW_MAJOR, NO_TRANS, TRANS, (int)m, (int)n, (int)k, 1, x, (int)k, w, (int)k, 0, y,
            (int)n);
}

void zis_openblas_close(zis_openblas **b)
{
    if (!*b) return;
    if ((*b)->lib) dlclose((*b)->lib);
    free(*b);
    *b = NULL;
}
