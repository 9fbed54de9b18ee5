/* rope.c - angles, cosines and sines of positions, made on the host. */
#include "nn/rope.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

/* Both tables on the host while they are filled. */
typedef struct host_table {
    float *cos;
    float *sin;
} host_table;

static zis_status host_create(host_table *t, int64_t rows, int64_t half, zis_error *err)
{
    size_t n;
    *t = (host_table){0};
    if (zis_size_mul((size_t)rows, (size_t)half, &n)) return zis_fail_nomem(err, "the angles");
    t->cos = zis_mem_alloc(n, sizeof(float));
    t->sin = zis_mem_alloc(n, sizeof(float));
    return t->cos && t->sin ? ZIS_OK : zis_fail_nomem(err, "the angles");
}

static void host_destroy(host_table *t)
{
    free(t->cos);
    free(t->sin);
}

/* cos and sin of a float32 angle, correctly rounded but for ties that double cannot see. */
static void put(host_table *t, int64_t at, float angle)
{
    t->cos[at] = (float)cos((double)angle);
    t->sin[at] = (float)sin((double)angle);
}

static zis_status device_create(
    zis_run *run, int64_t rows, int64_t half, zis_rope_table *out, zis_error *err)
{
    out->cos = zis_run_alloc_2d(run, ZIS_DTYPE_F32, rows, half);
    out->sin = zis_run_alloc_2d(run, ZIS_DTYPE_F32, rows, half);
    return zis_run_status(run, err);
}

zis_status zis_rope_axes(zis_run *run,
                         const int64_t dims[ZIS_ROPE_AXES],
                         double theta,
                         int64_t rows,
                         zis_rope_position (*place)(const void *arg, int64_t row),
                         const void *arg,
                         zis_rope_table *out,
                         zis_error *err)
{
    int64_t half = (dims[0] + dims[1] + dims[2]) / 2;
    zis_rope_table t;
    host_table host = {0};
    zis_status st = device_create(run, rows, half, &t, err);
    if (st || run->dry) goto out;
    st = host_create(&host, rows, half, err);
    if (st) goto out;
    int64_t from = 0;
    for (int a = 0; a < ZIS_ROPE_AXES; from += dims[a++] / 2)
        for (int64_t m = 0; m < dims[a] / 2; m++) {
            double f = pow(theta, -2.0 * (double)m / (double)dims[a]);
            for (int64_t r = 0; r < rows; r++)
                put(&host, r * half + from + m, (float)((double)place(arg, r).at[a] * f));
        }
    zis_run_upload(run, &t.cos, host.cos);
    zis_run_upload(run, &t.sin, host.sin);
    st = zis_run_status(run, err);
out:
    if (!st) *out = t;
    host_destroy(&host);
    return st;
}

zis_status zis_rope_line(
    zis_run *run, int64_t head_dim, double theta, int64_t rows, zis_rope_table *out, zis_error *err)
{
    int64_t half = head_dim / 2;
    zis_rope_table t;
    host_table host = {0};
    zis_status st = device_create(run, rows, half, &t, err);
    if (st || run->dry) goto out;
    st = host_create(&host, rows, half, err);
    if (st) goto out;
    for (int64_t m = 0; m < half; m++) {
        float f = (float)pow(theta, -2.0 * (double)m / (double)head_dim);
        for (int64_t r = 0; r < rows; r++) put(&host, r * half + m, (float)r * f);
    }
    zis_run_upload(run, &t.cos, host.cos);
    zis_run_upload(run, &t.sin, host.sin);
    st = zis_run_status(run, err);
out:
    if (!st) *out = t;
    host_destroy(&host);
    return st;
}
