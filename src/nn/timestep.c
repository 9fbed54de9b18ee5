/* timestep.c - sinusoids of a time. */
#include "nn/timestep.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

#define MAX_PERIOD 10000.0

zis_status zis_timestep_embed(
    zis_run *run, const float *tau, int64_t n, int64_t width, zis_tensor *out, zis_error *err)
{
    int64_t half = width / 2;
    zis_tensor e = zis_run_alloc_2d(run, ZIS_DTYPE_F32, n, width);
    float *host = NULL;
    zis_status st = zis_run_status(run, err);
    if (st || run->dry) goto out;
    host = zis_mem_alloc((size_t)n, (size_t)width * sizeof *host);
    if (!host) {
        st = zis_fail_nomem(err, "the time embedding");
        goto out;
    }
    for (int64_t m = 0; m < half; m++) {
        /* The reference rounds the product of -ln(10000) and m before it divides. */
        float power = (float)(-log(MAX_PERIOD)) * (float)m;
        float g = (float)exp((double)(power / (float)half));
        for (int64_t i = 0; i < n; i++) {
            float a = tau[i] * g;
            host[i * width + m] = (float)cos((double)a);
            host[i * width + half + m] = (float)sin((double)a);
        }
    }
    zis_run_upload(run, &e, host);
    st = zis_run_status(run, err);
out:
    if (!st) *out = e;
    free(host);
    return st;
}
