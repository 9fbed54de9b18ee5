/* attention.c - softmax(q k' * scale) v in blocks, with a running maximum and sum (online softmax,
 * Milakov and Gimelshein 2018; blocks as in FlashAttention).
 *
 * nr queries are the lanes of a panel; keys are the broadcast rows, so a score tile is [keys][nr]
 * and the softmax of a query runs down its lane without any sum across a vector. Probabilities are
 * already the panel of the second product, whose rows are the values, turned to [head_dim][keys]
 * once per head.
 *
 * Scores are float32 in either math: the exponential turns the rounding of a score into an error of
 * the probability, and float32 scores cost 1 % of a step at 256x256, 2 % at 512x512.
 *
 * Two loops for the pool: pack keys and values of all heads; then (head, group of panels). A block
 * of keys and values stays in the second-level cache while the panels of a group pass over it. */
#include "kernels/cpu/cpu.h"

#include <math.h>

/* Most keys in a block, which with its values and scores takes half of a second-level cache of 1
 * MB: whole tiles of rows, and in pairs one piece of a panel (panels.c). */
#define KEY_BLOCK 504
#define TILE 12 /* the most rows of a tile */
/* Keys that one task packs. */
#define PACK_KEYS 64
/* Most panels of queries in a task, and fewest tasks a thread. */
#define GROUP 17
#define TASKS 4

/* A panel of queries on its way over the blocks of keys: of each query's scores so far. */
typedef struct progress {
    float max[ZIS_MICRO_MAX_NR], sum[ZIS_MICRO_MAX_NR];
} progress;

/* A thread's memory. */
typedef struct work {
    unsigned char *q; /* [group] panels */
    float *s;         /* [KEY_BLOCK][nr] */
    uint16_t *p;      /* pairs of probabilities; float32 ones stay in s */
    float *o;         /* [group][head_dim][nr] */
    progress *state;  /* [group] */
} work;

typedef struct attention_job {
    const zis_micro *m;
    const zis_attention_args *a;
    zis_cpu_math math;         /* of probabilities and values; scores are always float32 */
    int64_t lq, lk, lk_padded; /* keys rounded up to an even number */
    int64_t panels;            /* of queries, a head */
    int64_t block;             /* keys in a block */
    size_t k_row, v_row;       /* bytes: a key of head_dim; a value channel of all keys */
    unsigned char *k;          /* [kv_heads][lk][k_row] */
    unsigned char *v;          /* [kv_heads][head_dim][v_row] */
    int64_t group, groups;     /* panels in a task, tasks a head */
    unsigned char *q;          /* [threads] of `work` each */
    size_t q_bytes;            /* of a panel */
    float *s;
    unsigned char *p;
    float *o;
    progress *state;
    float *turned; /* [threads][head_dim][PACK_KEYS] */
    int chunks;    /* of keys, for packing */
} attention_job;

static void pack_task(void *arg, int index, int thread)
{
    const attention_job *j = arg;
    const zis_attention_args *a = j->a;
    int64_t head = index / j->chunks, from = (int64_t)(index % j->chunks) * PACK_KEYS;
    int64_t n = zis_min64(PACK_KEYS, j->lk - from);
    int64_t d = a->head_dim;
    const float *k = (const float *)a->k.data + head * d;
    const float *v = (const float *)a->v.data + head * d;
    for (int64_t i = from; i < from + n; i++)
        memcpy(j->k + ((size_t)head * (size_t)j->lk + (size_t)i) * j->k_row, k + i * a->k.stride,
               (size_t)d * sizeof *k);
    /* values: a row for each channel */
    bool bf16 = j->math == ZIS_CPU_BF16;
    unsigned char *rows = j->v + (size_t)head * (size_t)d * j->v_row;
    float *to = bf16 ? j->turned + (int64_t)thread * d * PACK_KEYS : (float *)(void *)rows + from;
    int64_t stride = bf16 ? PACK_KEYS : (int64_t)j->v_row / 4;
    j->m->turn(to, stride, v + from * a->v.stride, a->v.stride, n, d);
    for (int64_t c = 0; c < d; c++) {
        if (bf16) {
            uint16_t *row = (uint16_t *)(void *)(rows + (size_t)c * j->v_row) + from;
            j->m->to_bf16(row, to + c * stride, ZIS_DTYPE_F32, n);
            if (from + n == j->lk && j->lk % 2) row[n] = 0;
        } else if (j->math == ZIS_CPU_ROUNDED) {
            j->m->round_bf16(to + c * stride, n);
        }
    }
}

/* Keys after a query's own are hidden: lane l is query q0 + l. */
static void hide_future(float *s, int nr, int64_t q0, int64_t k0, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t l = 0; l < nr && q0 + l < k0 + i; l++) s[i * nr + l] = -INFINITY;
}

/* Panel `at` of a group times one block of keys and values. q0: its first query. */
static void attend_block(const attention_job *j,
                         const work *w,
                         int64_t at,
                         int64_t kv,
                         int64_t q0,
                         int64_t k0,
                         int64_t n)
{
    const zis_attention_args *a = j->a;
    const zis_micro *m = j->m;
    int nr = m->nr;
    int64_t d = a->head_dim, lanes = zis_min64(nr, j->lq - q0);
    bool bf16 = j->math == ZIS_CPU_BF16;
    float *o = w->o + at * d * nr, *max = w->state[at].max, *sum = w->state[at].sum;
    float old[ZIS_MICRO_MAX_NR];
    zis_cpu_product score = {
        .r = j->k + ((size_t)kv * (size_t)j->lk + (size_t)k0) * j->k_row,
        .r_stride = (int64_t)j->k_row,
        .v = w->q + (size_t)at * j->q_bytes,
        .c = w->s,
        .rows = n,
        .steps = d,
        .vectors = zis_cpu_vectors(m, lanes),
    };
    zis_cpu_multiply(m, ZIS_CPU_F32, &score);
    if (score.vectors == 1) /* the unused vector of each row holds what lay there before */
        for (int64_t i = 0; i < n; i++) memset(w->s + i * nr + m->vl, 0, (size_t)m->vl * 4);
    if (a->causal && k0 + n > q0) hide_future(w->s, nr, q0, k0, n);
    memcpy(old, max, (size_t)nr * sizeof *max);
    m->lane_max(max, w->s, n);
    if (k0 > 0) {
        for (int l = 0; l < nr; l++) old[l] = (old[l] - max[l]) * a->scale;
        m->exp(old, old, nr);
        m->lane_scale(o, old, d);
        for (int l = 0; l < nr; l++) sum[l] *= old[l];
    }
    zis_cpu_product mix = {
        .r = j->v + (size_t)kv * (size_t)d * j->v_row + (size_t)k0 * (bf16 ? 2 : 4),
        .r_stride = (int64_t)j->v_row,
        .v = bf16 ? (const unsigned char *)w->p : (const unsigned char *)w->s,
        .c = o,
        .rows = d,
        .steps = bf16 ? (n + 1) / 2 : n,
        .vectors = score.vectors,
        .add = k0 > 0,
    };
    if (bf16) {
        m->lane_exp_bf16(w->p, w->s, max, a->scale, sum, n);
    } else {
        m->lane_exp(w->s, max, a->scale, sum, n);
        if (j->math == ZIS_CPU_ROUNDED) m->round_bf16(w->s, n * nr);
    }
    zis_cpu_multiply(m, j->math, &mix);
}

static void attend_task(void *arg, int index, int thread)
{
    const attention_job *j = arg;
    const zis_attention_args *a = j->a;
    const zis_micro *m = j->m;
    int nr = m->nr;
    int64_t head = index / j->groups, first = index % j->groups * j->group;
    int64_t panels = zis_min64(j->group, j->panels - first);
    int64_t kv = head / (a->heads / a->kv_heads), d = a->head_dim;
    work w = {
        .q = j->q + (size_t)thread * (size_t)j->group * j->q_bytes,
        .s = j->s + (int64_t)thread * KEY_BLOCK * nr,
        .p = (uint16_t *)(void *)(j->p + (size_t)thread * KEY_BLOCK * (size_t)nr * 2),
        .o = j->o + (int64_t)thread * j->group * d * nr,
        .state = j->state + (int64_t)thread * j->group,
    };
    for (int64_t i = 0; i < panels; i++) {
        int64_t q0 = (first + i) * nr;
        m->pack_f32((float *)(void *)(w.q + (size_t)i * j->q_bytes),
                    (const float *)a->q.data + q0 * a->q.stride + head * d, a->q.stride,
                    (int)zis_min64(nr, j->lq - q0), d, 1.0f);
        for (int l = 0; l < nr; l++) {
            w.state[i].max[l] = -INFINITY;
            w.state[i].sum[l] = 0;
        }
    }
    for (int64_t k0 = 0; k0 < j->lk; k0 += j->block)
        for (int64_t i = 0; i < panels; i++) {
            int64_t q0 = (first + i) * nr;
            int64_t keys = a->causal ? zis_min64(j->lk, q0 + nr) : j->lk;
            if (k0 < keys) attend_block(j, &w, i, kv, q0, k0, zis_min64(j->block, keys - k0));
        }
    for (int64_t i = 0; i < panels; i++) {
        int64_t q0 = (first + i) * nr;
        float *o = w.o + i * d * nr, *sum = w.state[i].sum;
        for (int l = 0; l < nr; l++) sum[l] = 1.0f / sum[l];
        m->lane_scale(o, sum, d);
        m->unpack((float *)a->o.data + q0 * a->o.stride + head * d, a->o.stride, o,
                  (int)zis_min64(nr, j->lq - q0), d);
    }
}

void zis_cpu_attention(zis_run *run, const zis_attention_args *a)
{
    const zis_micro *m = zis_cpu_micro(run);
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    size_t threads = (size_t)zis_pool_threads(run->pool), d = (size_t)a->head_dim;
    attention_job j = {
        .m = m,
        .a = a,
        .math = zis_cpu_math_of(run, a->exact),
        .lq = zis_tensor_rows(&a->q),
        .lk = zis_tensor_rows(&a->k),
    };
    j.lk_padded = (j.lk + 1) / 2 * 2;
    j.panels = zis_div_up(j.lq, m->nr);
    j.chunks = (int)zis_div_up(j.lk, PACK_KEYS);
    /* odd numbers of cache lines spread the rows over the sets */
    j.k_row = zis_round_up(zis_cpu_row_bytes(ZIS_CPU_F32, a->head_dim), 64) | 64;
    j.v_row = zis_round_up((size_t)j.lk_padded * (j.math == ZIS_CPU_BF16 ? 2 : 4), 64) | 64;
    j.q_bytes = zis_round_up((d + 1) * (size_t)m->nr * 4, 64);
    j.k = zis_run_alloc_bytes(run, (size_t)a->kv_heads * (size_t)j.lk * j.k_row);
    j.v = zis_run_alloc_bytes(run, (size_t)a->kv_heads * d * j.v_row);
    /* equal blocks, of whole tiles */
    int64_t blocks = zis_div_up(j.lk, KEY_BLOCK);
    j.block = zis_div_up(zis_div_up(j.lk, blocks), TILE) * TILE;
    /* equal groups, and enough of them for all threads */
    j.groups = zis_div_up(j.panels, GROUP);
    if (j.groups * a->heads < TASKS * (int64_t)threads)
        j.groups = zis_min64(zis_div_up(TASKS * (int64_t)threads, a->heads), j.panels);
    j.group = zis_div_up(j.panels, j.groups);
    j.q = zis_run_alloc_bytes(run, threads * (size_t)j.group * j.q_bytes);
    j.s = zis_run_alloc_bytes(run, threads * KEY_BLOCK * (size_t)m->nr * 4);
    j.p = zis_run_alloc_bytes(run, threads * KEY_BLOCK * (size_t)m->nr * 2);
    j.turned = zis_run_alloc_bytes(run, threads * d * PACK_KEYS * 4);
    j.o = zis_run_alloc_bytes(run, threads * (size_t)j.group * d * (size_t)m->nr * 4);
    j.state = zis_run_alloc_bytes(run, threads * (size_t)j.group * sizeof *j.state);
    if (!run->dry && run->status == ZIS_OK) {
        zis_pool_for(run->pool, a->kv_heads * j.chunks, pack_task, &j);
        zis_pool_for(run->pool, (int)(a->heads * j.groups), attend_task, &j);
    }
    zis_arena_restore(&run->scratch, mark);
}
