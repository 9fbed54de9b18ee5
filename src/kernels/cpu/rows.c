/* rows.c - operations that go row by row or element by element, shared among the threads. */
#include "kernels/cpu/cpu.h"

#include <math.h>

/* Runs f(arg, from, to) over n rows in pieces of about `bytes_per_row` * rows = 64 KB, so that a
 * piece is worth handing out. */
typedef void rows_fn(const void *arg, int64_t from, int64_t to);

typedef struct rows_job {
    rows_fn *f;
    const void *arg;
    int64_t n, piece;
} rows_job;

static void rows_task(void *arg, int index, int thread)
{
    (void)thread;
    const rows_job *j = arg;
    j->f(j->arg, index * j->piece, zis_min64(j->n, (index + 1) * j->piece));
}

static void over_rows(zis_run *run, int64_t n, int64_t floats_per_row, rows_fn *f, const void *arg)
{
    if (run->dry || run->status) return;
    rows_job j = {f, arg, n, 16384 / (floats_per_row > 0 ? floats_per_row : 1)};
    if (j.piece < 1) j.piece = 1;
    zis_pool_for(run->pool, (int)zis_div_up(n, j.piece), rows_task, &j);
}

static float *row(const zis_tensor *t, int64_t i)
{
    return (float *)t->data + i * t->stride;
}

/* Each operation's job is its arguments and the micro-kernels; `bad` where it looks for values that
 * are no numbers. */
#define JOB(args)                                                                                  \
    struct {                                                                                       \
        const zis_micro *m;                                                                        \
        const args *a;                                                                             \
        atomic_bool *bad;                                                                          \
    }

/* The sum that a row's norm needs anyway tells whether the row is sound (ops.h). */
static void judge(atomic_bool *bad, float sum)
{
    if (!isfinite(sum)) atomic_store_explicit(bad, true, memory_order_relaxed);
}

static void settle(zis_run *run, atomic_bool *bad)
{
    if (atomic_load_explicit(bad, memory_order_relaxed)) zis_run_fail_numeric(run);
}

typedef JOB(zis_rms_norm_args) rms_norm_job;

static void rms_norm_rows(const void *arg, int64_t from, int64_t to)
{
    const rms_norm_job *j = arg;
    const zis_rms_norm_args *a = j->a;
    for (int64_t i = from; i < to; i++)
        judge(j->bad, j->m->rms_norm(row(&a->y, i), row(&a->x, i), a->w, a->scale, a->eps,
                                     zis_tensor_cols(&a->x)));
}

void zis_cpu_rms_norm(zis_run *run, const zis_rms_norm_args *a)
{
    atomic_bool bad = false;
    rms_norm_job j = {zis_cpu_micro(run), a, &bad};
    over_rows(run, zis_tensor_rows(&a->x), zis_tensor_cols(&a->x), rms_norm_rows, &j);
    settle(run, &bad);
}

typedef JOB(zis_gate_residual_args) gate_residual_job;

static void gate_residual_rows(const void *arg, int64_t from, int64_t to)
{
    const gate_residual_job *j = arg;
    const zis_gate_residual_args *a = j->a;
    int64_t n = zis_tensor_cols(&a->x);
    for (int64_t i = from; i < to; i++) {
        float *x = row(&a->x, i);
        float sum = j->m->gate_residual(x, row(&a->o, i), a->w, a->gate, a->eps, n);
        /* o may be sound, and its weights not */
        sum += a->y.data ? j->m->rms_norm(row(&a->y, i), x, a->next_w, a->next_scale, a->eps, n)
                         : j->m->sum_squares(x, n);
        judge(j->bad, sum);
    }
}

void zis_cpu_gate_residual(zis_run *run, const zis_gate_residual_args *a)
{
    atomic_bool bad = false;
    gate_residual_job j = {zis_cpu_micro(run), a, &bad};
    over_rows(run, zis_tensor_rows(&a->x), zis_tensor_cols(&a->x), gate_residual_rows, &j);
    settle(run, &bad);
}

typedef JOB(zis_layer_norm_args) layer_norm_job;

static void layer_norm_rows(const void *arg, int64_t from, int64_t to)
{
    const layer_norm_job *j = arg;
    const zis_layer_norm_args *a = j->a;
    for (int64_t i = from; i < to; i++)
        judge(j->bad, j->m->layer_norm(row(&a->y, i), row(&a->x, i), a->scale, a->bias, a->eps,
                                       zis_tensor_cols(&a->x)));
}

void zis_cpu_layer_norm(zis_run *run, const zis_layer_norm_args *a)
{
    atomic_bool bad = false;
    layer_norm_job j = {zis_cpu_micro(run), a, &bad};
    over_rows(run, zis_tensor_rows(&a->x), zis_tensor_cols(&a->x), layer_norm_rows, &j);
    settle(run, &bad);
}

typedef JOB(zis_finite_args) finite_job;

static void finite_rows(const void *arg, int64_t from, int64_t to)
{
    const finite_job *j = arg;
    for (int64_t i = from; i < to; i++)
        judge(j->bad, j->m->sum_squares(row(&j->a->x, i), zis_tensor_cols(&j->a->x)));
}

void zis_cpu_finite(zis_run *run, const zis_finite_args *a)
{
    atomic_bool bad = false;
    finite_job j = {zis_cpu_micro(run), a, &bad};
    over_rows(run, zis_tensor_rows(&a->x), zis_tensor_cols(&a->x), finite_rows, &j);
    settle(run, &bad);
}

typedef JOB(zis_qk_norm_rope_args) qk_norm_rope_job;

static void qk_norm_rope_rows(const void *arg, int64_t from, int64_t to)
{
    const qk_norm_rope_job *j = arg;
    const zis_qk_norm_rope_args *a = j->a;
    bool halves = a->form == ZIS_ROPE_HALVES;
    for (int64_t i = from; i < to; i++) {
        float *q = row(&a->qkv, i), *k = q + (int64_t)a->heads * a->head_dim;
        const float *c = row(&a->cos, i), *s = row(&a->sin, i);
        j->m->norm_rope(q, a->q_w, c, s, a->eps, a->heads, a->head_dim, halves);
        j->m->norm_rope(k, a->k_w, c, s, a->eps, a->kv_heads, a->head_dim, halves);
    }
}

void zis_cpu_qk_norm_rope(zis_run *run, const zis_qk_norm_rope_args *a)
{
    qk_norm_rope_job j = {zis_cpu_micro(run), a, NULL};
    over_rows(run, zis_tensor_rows(&a->qkv), zis_tensor_cols(&a->qkv), qk_norm_rope_rows, &j);
}

typedef JOB(zis_embed_rows_args) embed_rows_job;

static void embed_rows_rows(const void *arg, int64_t from, int64_t to)
{
    const embed_rows_job *j = arg;
    const zis_tensor *t = &j->a->table->t;
    const int32_t *ids = j->a->ids.data;
    size_t bytes = (size_t)zis_dtype_get(t->dtype)->bytes;
    for (int64_t i = from; i < to; i++)
        j->m->to_f32(row(&j->a->y, i),
                     (const char *)t->data + (size_t)ids[i] * (size_t)t->stride * bytes, t->dtype,
                     zis_tensor_cols(t));
}

void zis_cpu_embed_rows(zis_run *run, const zis_embed_rows_args *a)
{
    embed_rows_job j = {zis_cpu_micro(run), a, NULL};
    over_rows(run, zis_tensor_rows(&a->y), zis_tensor_cols(&a->y), embed_rows_rows, &j);
}

typedef JOB(zis_unary_args) unary_job;

static void unary_rows(const void *arg, int64_t from, int64_t to)
{
    const unary_job *j = arg;
    int64_t n = zis_tensor_cols(&j->a->x);
    for (int64_t i = from; i < to; i++) {
        float *y = row(&j->a->y, i);
        const float *x = row(&j->a->x, i);
        switch (j->a->f) {
        case ZIS_UNARY_COPY:
            if (y != x) memcpy(y, x, (size_t)n * sizeof *y);
            break;
        case ZIS_UNARY_SILU:
            j->m->silu(y, x, n);
            break;
        case ZIS_UNARY_TANH:
            for (int64_t c = 0; c < n; c++) y[c] = tanhf(x[c]);
            break;
        case ZIS_UNARY_ADD_ONE:
            for (int64_t c = 0; c < n; c++) y[c] = 1.0f + x[c];
            break;
        case ZIS_UNARY_RELU:
            j->m->relu(y, x, n);
            break;
        case ZIS_UNARY_GELU:
            j->m->gelu(y, x, n);
            break;
        }
    }
}

void zis_cpu_unary(zis_run *run, const zis_unary_args *a)
{
    unary_job j = {zis_cpu_micro(run), a, NULL};
    over_rows(run, zis_tensor_rows(&a->x), zis_tensor_cols(&a->x), unary_rows, &j);
}

static void fill_rows_rows(const void *arg, int64_t from, int64_t to)
{
    const zis_fill_rows_args *a = arg;
    for (int64_t i = from; i < to; i++)
        memcpy(row(&a->y, i), a->v, (size_t)zis_tensor_cols(&a->y) * sizeof(float));
}

void zis_cpu_fill_rows(zis_run *run, const zis_fill_rows_args *a)
{
    over_rows(run, zis_tensor_rows(&a->y), zis_tensor_cols(&a->y), fill_rows_rows, a);
}

static void affine_rows(const void *arg, int64_t from, int64_t to)
{
    const zis_affine_args *a = arg;
    int64_t n = zis_tensor_cols(&a->x);
    for (int64_t i = from; i < to; i++) {
        float *y = row(&a->y, i);
        const float *x = row(&a->x, i), *z = a->z.data ? row(&a->z, i) : NULL;
        for (int64_t c = 0; c < n; c++) {
            float v = a->a * x[c];
            if (z) v += a->b * z[c];
            y[c] = v + a->c;
        }
    }
}

void zis_cpu_affine(zis_run *run, const zis_affine_args *a)
{
    over_rows(run, zis_tensor_rows(&a->x), zis_tensor_cols(&a->x), affine_rows, a);
}

static void guide_rows(const void *arg, int64_t from, int64_t to)
{
    const zis_guide_args *a = arg;
    int64_t n = zis_tensor_cols(&a->pos);
    for (int64_t i = from; i < to; i++) {
        float *y = row(&a->y, i);
        const float *pos = row(&a->pos, i), *neg = row(&a->neg, i);
        for (int64_t c = 0; c < n; c++) y[c] = neg[c] + a->s * (pos[c] - neg[c]);
    }
}

void zis_cpu_guide(zis_run *run, const zis_guide_args *a)
{
    over_rows(run, zis_tensor_rows(&a->pos), zis_tensor_cols(&a->pos), guide_rows, a);
}

static void mix_rows(const void *arg, int64_t from, int64_t to)
{
    const zis_mix_args *a = arg;
    int64_t n = zis_tensor_cols(&a->y);
    for (int64_t i = from; i < to; i++) {
        float *y = row(&a->y, i);
        const float *x = row(&a->x, i), *z = row(&a->z, i), *m = row(&a->m, i);
        for (int64_t c = 0; c < n; c++) y[c] = (1.0f - m[c]) * x[c] + m[c] * z[c];
    }
}

void zis_cpu_mix(zis_run *run, const zis_mix_args *a)
{
    over_rows(run, zis_tensor_rows(&a->y), zis_tensor_cols(&a->y), mix_rows, a);
}

/* ---- layout: small tensors, one row of pixels or one token at a time
 * ------------------------------ */
static void patchify_rows(const void *arg, int64_t from, int64_t to)
{
    const zis_patchify_args *a = arg;
    int64_t c_n = a->x.dim[0], h = a->x.dim[1], w = a->x.dim[2], p = a->patch;
    int64_t wt = w / p, last = h / p * wt - 1;
    const float *x = a->x.data;
    for (int64_t t = from; t < to; t++) {
        int64_t token = zis_min64(t, last), i = token / wt * p, j = token % wt * p;
        float *y = row(&a->y, t);
        for (int64_t ph = 0; ph < p; ph++)
            for (int64_t pw = 0; pw < p; pw++)
                for (int64_t c = 0; c < c_n; c++) *y++ = x[(c * h + i + ph) * w + j + pw];
    }
}

void zis_cpu_patchify(zis_run *run, const zis_patchify_args *a)
{
    over_rows(run, zis_tensor_rows(&a->y), zis_tensor_cols(&a->y), patchify_rows, a);
}

static void unpatchify_rows(const void *arg, int64_t from, int64_t to)
{
    const zis_unpatchify_args *a = arg;
    int64_t c_n = a->x.dim[0], h = a->x.dim[1], w = a->x.dim[2], p = a->patch;
    float *x = a->x.data;
    for (int64_t t = from; t < to; t++) {
        int64_t i = t / (w / p) * p, j = t % (w / p) * p;
        const float *y = row(&a->y, t);
        for (int64_t ph = 0; ph < p; ph++)
            for (int64_t pw = 0; pw < p; pw++)
                for (int64_t c = 0; c < c_n; c++) x[(c * h + i + ph) * w + j + pw] = *y++ * a->mul;
    }
}

void zis_cpu_unpatchify(zis_run *run, const zis_unpatchify_args *a)
{
    int64_t tokens = a->x.dim[1] / a->patch * (a->x.dim[2] / a->patch);
    over_rows(run, tokens, zis_tensor_cols(&a->y), unpatchify_rows, a);
}

static void planes_to_pixels_rows(const void *arg, int64_t from, int64_t to)
{
    const zis_planes_args *a = arg;
    int64_t w = a->y.dim[1], c_n = a->y.dim[2], area = a->y.dim[0] * w;
    for (int64_t i = from; i < to; i++)
        for (int64_t c = 0; c < c_n; c++) {
            const float *x = (const float *)a->x.data + c * area + i * w;
            float *y = (float *)a->y.data + i * w * c_n + c;
            for (int64_t j = 0; j < w; j++) y[j * c_n] = x[j] * a->mul + a->add;
        }
}

void zis_cpu_planes_to_pixels(zis_run *run, const zis_planes_args *a)
{
    over_rows(run, a->y.dim[0], a->y.dim[1] * a->y.dim[2], planes_to_pixels_rows, a);
}

static void pixels_to_planes_rows(const void *arg, int64_t from, int64_t to)
{
    const zis_planes_args *a = arg;
    int64_t w = a->x.dim[1], c_n = a->x.dim[2], area = a->x.dim[0] * w;
    for (int64_t i = from; i < to; i++)
        for (int64_t c = 0; c < c_n; c++) {
            const float *x = (const float *)a->x.data + i * w * c_n + c;
            float *y = (float *)a->y.data + c * area + i * w;
            for (int64_t j = 0; j < w; j++) y[j] = x[j * c_n] * a->mul + a->add;
        }
}

void zis_cpu_pixels_to_planes(zis_run *run, const zis_planes_args *a)
{
    over_rows(run, a->x.dim[0], a->x.dim[1] * a->x.dim[2], pixels_to_planes_rows, a);
}
