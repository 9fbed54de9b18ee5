/* window.c - pooling and bilinear enlarging (one row of outputs a task, channels in vectors), and
 * pixels out of channels. */
#include "kernels/cpu/cpu.h"

#include <math.h>

/* ---- max_pool ------------------------------------------------------------------------------- */
typedef struct pool_job {
    const zis_micro *m;
    const zis_max_pool_args *a;
} pool_job;

static void pool_row(void *arg, int i, int thread)
{
    const pool_job *j = arg;
    const zis_max_pool_args *a = j->a;
    int64_t h = a->x.dim[0], w = a->x.dim[1], c = a->x.dim[2];
    int64_t top = (int64_t)i * a->stride - a->pad;
    (void)thread;
    for (int64_t x = 0; x < a->y.dim[1]; x++) {
        float *y = (float *)a->y.data + (i * a->y.dim[1] + x) * c;
        int64_t left = x * a->stride - a->pad;
        bool first = true;
        for (int64_t sy = top < 0 ? 0 : top; sy < zis_min64(h, top + a->k); sy++)
            for (int64_t sx = left < 0 ? 0 : left; sx < zis_min64(w, left + a->k); sx++) {
                const float *from = (const float *)a->x.data + (sy * w + sx) * c;
                if (first)
                    memcpy(y, from, (size_t)c * sizeof *y);
                else
                    j->m->max(y, from, c);
                first = false;
            }
    }
}

void zis_cpu_max_pool(zis_run *run, const zis_max_pool_args *a)
{
    if (run->dry || run->status) return;
    pool_job j = {zis_cpu_micro(run), a};
    zis_pool_for(run->pool, (int)a->y.dim[0], pool_row, &j);
}

/* ---- bilinear ------------------------------------------------------------------------------- */
typedef struct bilinear_job {
    const zis_micro *m;
    const zis_bilinear_args *a;
    float *rows; /* [threads][W * C] */
} bilinear_job;

/* Input lo, and how far output i lies towards the next one. */
typedef struct point {
    int64_t lo, hi;
    float t;
} point;

static point point_of(int64_t i, int64_t out, int64_t n, bool corners)
{
    double at = 0;
    if (!corners)
        at = fmax(((double)i + 0.5) * (double)n / (double)out - 0.5, 0);
    else if (out > 1)
        at = (double)i * (double)(n - 1) / (double)(out - 1);
    int64_t lo = zis_min64((int64_t)at, n - 1);
    return (point){lo, zis_min64(lo + 1, n - 1), (float)(at - (double)lo)};
}

/* The two rows first, which are narrower; then the columns. */
static void bilinear_row(void *arg, int i, int thread)
{
    const bilinear_job *j = arg;
    const zis_bilinear_args *a = j->a;
    int64_t h = a->x.dim[0], w = a->x.dim[1], c = a->x.dim[2];
    point p = point_of(i, a->y.dim[0], h, a->corners);
    const float *x = a->x.data;
    float *row = j->rows + thread * w * c;
    j->m->mix(row, x + p.lo * w * c, x + p.hi * w * c, p.t, w * c);
    for (int64_t k = 0; k < a->y.dim[1]; k++) {
        point q = point_of(k, a->y.dim[1], w, a->corners);
        j->m->mix((float *)a->y.data + (i * a->y.dim[1] + k) * c, row + q.lo * c, row + q.hi * c,
                  q.t, c);
    }
}

void zis_cpu_bilinear(zis_run *run, const zis_bilinear_args *a)
{
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    size_t line = (size_t)(a->x.dim[1] * a->x.dim[2]) * sizeof(float);
    bilinear_job j = {zis_cpu_micro(run), a, NULL};
    j.rows = zis_run_alloc_bytes(run, (size_t)zis_pool_threads(run->pool) * line);
    if (!run->dry && !run->status) zis_pool_for(run->pool, (int)a->y.dim[0], bilinear_row, &j);
    zis_arena_restore(&run->scratch, mark);
}

/* ---- pixel_shuffle -------------------------------------------------------------------------- */
/* One row of x: r rows of y. */
static void shuffle_row(void *arg, int i, int thread)
{
    const zis_pixel_shuffle_args *a = arg;
    int64_t r = a->factor, w = a->x.dim[1], n = a->y.dim[2];
    const float *x = (const float *)a->x.data + i * w * a->x.dim[2];
    const float *add = a->add.data ? (const float *)a->add.data + i * w * n : NULL;
    (void)thread;
    for (int64_t di = 0; di < r; di++) {
        float *y = (float *)a->y.data + (i * r + di) * r * w * n;
        for (int64_t j = 0; j < w; j++)
            for (int64_t dj = 0; dj < r; dj++)
                for (int64_t c = 0; c < n; c++) {
                    float v = x[j * a->x.dim[2] + (c * r + di) * r + dj];
                    *y++ = add ? v + add[j * n + c] : v;
                }
    }
}

void zis_cpu_pixel_shuffle(zis_run *run, const zis_pixel_shuffle_args *a)
{
    if (run->dry || run->status) return;
    zis_pool_for(run->pool, (int)a->x.dim[0], shuffle_row, (void *)a);
}
