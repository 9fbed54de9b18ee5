/* attention.c - heads: their norm and rotation, and softmax(q k') v. */
#include "kernels/ref/ref.h"

#include <math.h>

static void norm_rope_head(float *u, const zis_qk_norm_rope_args *a, const float *w, int64_t row)
{
    int64_t half = a->head_dim / 2;
    const float *cs = zis_ref_row(&a->cos, row), *sn = zis_ref_row(&a->sin, row);
    bool pairs = a->form == ZIS_ROPE_PAIRS;
    double r = 1 / sqrt(zis_ref_dot(u, u, a->head_dim) / (double)a->head_dim + (double)a->eps);
    for (int64_t m = 0; m < half; m++) {
        int64_t p = pairs ? 2 * m : m, q = pairs ? 2 * m + 1 : m + half;
        double re = (double)u[p] * r * (double)w[p], im = (double)u[q] * r * (double)w[q];
        u[p] = (float)(re * (double)cs[m] - im * (double)sn[m]);
        u[q] = (float)(re * (double)sn[m] + im * (double)cs[m]);
    }
}

void zis_ref_qk_norm_rope(zis_run *run, const zis_qk_norm_rope_args *a)
{
    if (run->dry) return;
    for (int64_t i = 0; i < a->qkv.dim[0]; i++)
        for (int h = 0; h < a->heads + a->kv_heads; h++)
            norm_rope_head(zis_ref_row(&a->qkv, i) + (int64_t)h * a->head_dim, a,
                           h < a->heads ? a->q_w : a->k_w, i);
}

typedef struct job {
    const zis_attention_args *a;
    double *p; /* [threads, Lk]: one row of probabilities */
    bool round;
} job;

/* One row of one head; index = head * Lq + row. */
static void query(void *arg, int index, int thread)
{
    const job *j = arg;
    const zis_attention_args *a = j->a;
    int64_t h = index / a->q.dim[0], i = index % a->q.dim[0], d = a->head_dim;
    int64_t kv = h / (a->heads / a->kv_heads);
    int64_t keys = a->causal ? i + 1 : a->k.dim[0];
    const float *q = zis_ref_row(&a->q, i) + h * d;
    float *o = zis_ref_row(&a->o, i) + h * d;
    double *p = j->p + (int64_t)thread * a->k.dim[0];
    double top = -INFINITY, sum = 0;
    for (int64_t t = 0; t < keys; t++) {
        const float *k = zis_ref_row(&a->k, t) + kv * d;
        double s = 0;
        for (int64_t c = 0; c < d; c++) s += (double)q[c] * (double)k[c];
        p[t] = s * (double)a->scale;
        if (p[t] > top) top = p[t];
    }
    for (int64_t t = 0; t < keys; t++) {
        p[t] = exp(p[t] - top);
        sum += p[t];
        p[t] = j->round ? (double)zis_ref_round((float)p[t], true) : p[t];
    }
    for (int64_t c = 0; c < d; c++) {
        double s = 0;
        for (int64_t t = 0; t < keys; t++)
            s += p[t] * (double)zis_ref_round((zis_ref_row(&a->v, t) + kv * d)[c], j->round);
        o[c] = (float)(s / sum);
    }
}

void zis_ref_attention(zis_run *run, const zis_attention_args *a)
{
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    zis_tensor p = zis_run_alloc_2d(run, ZIS_DTYPE_F64, zis_pool_threads(run->pool), a->k.dim[0]);
    if (!run->dry && !run->status) {
        job j = {a, p.data, run->math == ZIS_DTYPE_BF16 && !a->exact};
        zis_pool_for(run->pool, (int)(a->heads * a->q.dim[0]), query, &j);
    }
    zis_arena_restore(&run->scratch, mark);
}
