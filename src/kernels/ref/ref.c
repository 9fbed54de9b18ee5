/* ref.c - the table of the oracle. */
#include "kernels/ref/ref.h"

#include <math.h>

float zis_ref_weight(const zis_weight *w, int64_t at, bool round)
{
    float f = 0;
    size_t size = (size_t)zis_dtype_get(w->t.dtype)->bytes;
    (void)zis_dtype_to_f32(&f, (const char *)w->t.data + (size_t)at * size, w->t.dtype, 1);
    return zis_ref_round(f, round);
}

float zis_ref_round(float x, bool round)
{
    return round ? zis_bf16_to_f32(zis_f32_to_bf16(x)) : x;
}

double zis_ref_gelu(double v)
{
    return v / 2 * erfc(-v * 0.70710678118654752440);
}

double zis_ref_dot(const float *a, const float *b, int64_t n)
{
    double s[4] = {0}; /* four chains, so that one addition need not wait for the last */
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int j = 0; j < 4; j++) s[j] += (double)a[i + j] * (double)b[i + j];
    for (; i < n; i++) s[0] += (double)a[i] * (double)b[i];
    return (s[0] + s[1]) + (s[2] + s[3]);
}

static zis_status init(zis_run *run, const char *limit, zis_error *err)
{
    (void)run;
    (void)limit; /* plain C is the lowest already */
    (void)err;
    return ZIS_OK;
}

static bool native_bf16(const zis_run *run)
{
    (void)run;
    return false;
}

static const char *isa(const zis_run *run)
{
    (void)run;
    return "c";
}

static const zis_ops ops = {.name = "ref",
#define X(slot, args) .slot = zis_ref_##slot,
                            ZIS_OPS_LIST(X)
#undef X
};

const zis_backend zis_backend_ref = {
    .name = "ref",
    .ops = &ops,
    .init = init,
    .native_bf16 = native_bf16,
    .isa = isa,
};
