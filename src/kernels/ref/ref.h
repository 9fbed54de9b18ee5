/* ref.h - the backend that is the oracle: every operation in plain C, as its formula reads, sums in
 * double. Slow, small, obviously right. All other backends are held to it.
 *
 * BF16 math rounds the inputs of products to bfloat16 and changes nothing else. */
#ifndef ZIS_KERNELS_REF_REF_H
#define ZIS_KERNELS_REF_REF_H

#include "kernels/run.h"

extern const zis_backend zis_backend_ref;

#define X(slot, args) void zis_ref_##slot(zis_run *run, const args *a);
ZIS_OPS_LIST(X)
#undef X

/* Row i of a float32 matrix (or of the matrix that the outer dims of a cube form). */
static inline float *zis_ref_row(const zis_tensor *t, int64_t i)
{
    return (float *)t->data + i * t->stride;
}

/* Element at `at` of a stored weight, as the run's math sees it. */
float zis_ref_weight(const zis_weight *w, int64_t at, bool round);
/* x, or x rounded to bfloat16. */
float zis_ref_round(float x, bool round);
double zis_ref_gelu(double v);
/* max(v, 0); what is not a number stays so. */
static inline double zis_ref_relu(double v)
{
    return v < 0 ? 0 : v;
}
/* Sum of a[i] * b[i] in double. */
double zis_ref_dot(const float *a, const float *b, int64_t n);

#endif
