/* conv_direct.c - convolution with any stride and few channels: pixels are gathered into rows of
 * k * k * C values (tap by tap, channels contiguous) and multiplied with panels of weights.
 *
 * Used where Winograd does not fit: stride 2, and the ends of the network with 3 channels. */
#include "kernels/cpu/conv.h"

#define OUT_ROWS 4 /* output rows in a strip */

typedef struct direct_job {
    const zis_conv *v;
    zis_cpu_math math;
    zis_cpu_panels w;    /* [n panels] of k * k * c */
    int64_t taps;        /* k * k * c */
    int64_t first, rows; /* output rows of this strip */
    int64_t blocks_x;    /* blocks of mr pixels in a row */
    size_t row_bytes;
    size_t own; /* bytes of scratch a thread */
    unsigned char *scratch;
} direct_job;

/* One panel of weights: [n, c, k, k] as stored to rows of taps, then packed. */
static void weight_task(void *arg, int index, int thread)
{
    const direct_job *j = arg;
    const zis_conv *v = j->v;
    const zis_micro *m = v->m;
    const zis_tensor *w = &v->a->w->t;
    size_t bytes = (size_t)zis_dtype_get(w->dtype)->bytes;
    int64_t kk = v->k * v->k, n0 = (int64_t)index * m->nr;
    int lanes = (int)zis_min64(m->nr, v->n - n0);
    float *stored = (float *)(void *)(j->scratch + (size_t)thread * j->own);
    float *rows = stored + j->taps;
    for (int l = 0; l < lanes; l++) {
        m->to_f32(stored, (const char *)w->data + (size_t)((n0 + l) * j->taps) * bytes, w->dtype,
                  j->taps);
        m->turn(rows + l * j->taps, v->c, stored, kk, v->c, kk);
    }
    void *to = j->w.data + (size_t)index * j->w.panel_bytes;
    if (j->math == ZIS_CPU_BF16) {
        m->pack_bf16(to, rows, j->taps, lanes, j->taps, 1.0f);
    } else {
        m->pack_f32(to, rows, j->taps, lanes, j->taps, 1.0f);
        if (j->math == ZIS_CPU_ROUNDED) m->round_bf16(to, j->taps * m->nr);
    }
}

/* The channels from n0 on of a pixel, or NULL. */
static const float *channels_at(const zis_tensor *t, int64_t pixel, int64_t n0)
{
    return t->data ? (const float *)t->data + pixel * t->stride + n0 : NULL;
}

static void pixels_task(void *arg, int index, int thread)
{
    const direct_job *j = arg;
    const zis_conv *v = j->v;
    const zis_conv2d_args *a = v->a;
    const zis_micro *m = v->m;
    int64_t oy = index / j->blocks_x, x0 = index % j->blocks_x * m->mr;
    int64_t pixels = zis_min64(m->mr, v->out_w - x0);
    float *line = (float *)(void *)(j->scratch + (size_t)thread * j->own);
    float *tile = line + zis_round_up((size_t)j->taps, 16);
    unsigned char *rows = (unsigned char *)(tile + m->mr * m->nr);
    for (int64_t p = 0; p < pixels; p++) {
        int64_t sx = (x0 + p) * a->stride;
        for (int64_t dy = 0; dy < v->k; dy++)
            memcpy(line + dy * v->k * v->c,
                   v->strip + ((oy * a->stride + dy) * v->strip_cols + sx) * v->c,
                   (size_t)(v->k * v->c) * sizeof *line);
        zis_cpu_row(m, j->math, rows + (size_t)p * j->row_bytes, line, ZIS_DTYPE_F32, j->taps);
    }
    for (int64_t n0 = 0; n0 < v->n; n0 += m->nr) {
        int64_t n = zis_min64(m->nr, v->n - n0);
        zis_cpu_product product = {
            .r = rows,
            .r_stride = (int64_t)j->row_bytes,
            .v = j->w.data + (size_t)(n0 / m->nr) * j->w.panel_bytes,
            .c = tile,
            .rows = pixels,
            .steps = j->w.steps,
            .vectors = zis_cpu_vectors(m, n),
        };
        zis_cpu_multiply(m, j->math, &product);
        zis_micro_finish finish = zis_cpu_conv_finish(v, n0);
        for (int64_t p = 0; p < pixels; p++) {
            int64_t at = (j->first + oy) * v->out_w + x0 + p;
            m->finish((float *)a->y.data + at * a->y.stride + n0, tile + p * m->nr,
                      channels_at(&a->add, at, n0), channels_at(&a->more, at, n0), &finish, n);
        }
    }
}

void zis_cpu_conv_direct(zis_run *run, zis_conv *v)
{
    const zis_micro *m = v->m;
    size_t threads = (size_t)zis_pool_threads(run->pool);
    direct_job j = {.v = v, .math = zis_cpu_math_of(run, v->a->exact), .taps = v->k * v->k * v->c};
    j.blocks_x = zis_div_up(v->out_w, m->mr);
    j.row_bytes = zis_round_up(zis_cpu_row_bytes(j.math, j.taps), 64) | 64;
    j.w = zis_cpu_panels_alloc(run, v->n, j.taps, j.math);
    size_t weights = (size_t)j.taps * (size_t)(m->nr + 1) * 4;
    size_t pixels = (zis_round_up((size_t)j.taps, 16) + (size_t)(m->mr * m->nr)) * 4 +
                    (size_t)m->mr * j.row_bytes;
    j.own = zis_round_up(weights > pixels ? weights : pixels, 64);
    j.scratch = zis_run_alloc_bytes(run, threads * j.own);
    int64_t stride = v->a->stride;
    v->strip_rows = (OUT_ROWS - 1) * stride + v->k;
    v->strip_cols = (v->out_w - 1) * stride + v->k;
    v->strip = zis_run_alloc_bytes(run, (size_t)(v->strip_rows * v->strip_cols * v->c) * 4);
    if (run->dry || run->status) return;
    zis_pool_for(run->pool, (int)j.w.n, weight_task, &j);
    for (j.first = 0; j.first < v->out_h && !zis_run_stopped(run); j.first += OUT_ROWS) {
        j.rows = zis_min64(OUT_ROWS, v->out_h - j.first);
        zis_cpu_strip_fill(run, v, (j.first + v->a->skip) * stride - v->a->pad,
                           (j.rows - 1) * stride + v->k);
        zis_pool_for(run->pool, (int)(j.rows * j.blocks_x), pixels_task, &j);
    }
}
