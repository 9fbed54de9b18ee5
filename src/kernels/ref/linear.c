/* linear.c - products of rows with a matrix of weights. */
#include "kernels/ref/ref.h"

#include <math.h>

typedef struct job {
    const zis_linear_args *a;
    const float *x;  /* [M, K], dense, rounded as the math says */
    float *rows;     /* [threads, 2, K]: widened rows of weights */
    float *low[3];   /* of each weight [M, R]: scale * x a' of its low-rank deltas side by side */
    int64_t rank[3]; /* R */
    bool round;
} job;

/* Element `at` of a dense part of a delta. */
static double part(const zis_tensor *t, int64_t at)
{
    float f = 0;
    size_t size = (size_t)zis_dtype_get(t->dtype)->bytes;
    (void)zis_dtype_to_f32(&f, (const char *)t->data + (size_t)at * size, t->dtype, 1);
    return (double)f;
}

/* Element (i, j) of b a. */
static double product(const zis_tensor *b, const zis_tensor *a, int64_t i, int64_t j)
{
    double s = 0;
    for (int64_t r = 0; r < a->dim[0]; r++)
        s += part(b, i * b->dim[1] + r) * part(a, r * a->dim[1] + j);
    return s;
}

/* Element (i, j) of D, of the kinds that are added to the matrix. */
static double delta_at(const zis_delta *d, int64_t i, int64_t j)
{
    const zis_tensor *last = d->a.data ? &d->a : &d->b;
    switch (d->kind) {
    case ZIS_DELTA_LOW_RANK:
        break;
    case ZIS_DELTA_FULL:
        return part(&d->b, i * d->b.dim[1] + j);
    case ZIS_DELTA_HADAMARD:
        return product(&d->b, &d->a, i, j) * product(&d->d, &d->c, i, j);
    case ZIS_DELTA_KRON: {
        int64_t p = d->b.dim[0], q = last->dim[1], row = i + d->row;
        double inner =
            d->a.data ? product(&d->b, &d->a, row % p, j % q) : part(&d->b, row % p * q + j % q);
        return part(&d->c, row / p * d->c.dim[1] + j / q) * inner;
    }
    }
    return 0;
}

/* Row n of a weight with its deltas. */
static void widen_row(const zis_weight *w, int64_t n, bool round, float *out)
{
    int64_t k = w->t.dim[1];
    for (int64_t c = 0; c < k; c++) {
        double v = (double)zis_ref_weight(w, n * w->t.stride + c, false);
        for (int i = 0; i < w->deltas; i++)
            if (w->delta[i].kind != ZIS_DELTA_LOW_RANK)
                v += (double)w->delta[i].scale * delta_at(&w->delta[i], n, c);
        out[c] = zis_ref_round((float)v, round);
    }
}

/* Sum over the low-rank deltas of weight i, at token m and row n. */
static double low_rank(const job *j, int i, int64_t m, int64_t n)
{
    const zis_weight *w = j->a->w[i];
    double s = 0;
    if (!j->rank[i]) return 0;
    const float *t = j->low[i] + m * j->rank[i];
    for (int d = 0; d < w->deltas; d++) {
        const zis_tensor *b = &w->delta[d].b;
        if (w->delta[d].kind != ZIS_DELTA_LOW_RANK) continue;
        int64_t r = b->dim[1];
        for (int64_t c = 0; c < r; c++)
            s += (double)*t++ * (double)zis_ref_round((float)part(b, n * r + c), j->round);
    }
    return s;
}

/* t [M, R] of weight i. */
static void project(const job *j, int i)
{
    const zis_weight *w = j->a->w[i];
    int64_t k = w->t.dim[1], at = 0;
    for (int d = 0; d < w->deltas; d++) {
        const zis_delta *x = &w->delta[d];
        if (x->kind != ZIS_DELTA_LOW_RANK) continue;
        for (int64_t r = 0; r < x->a.dim[0]; r++, at++)
            for (int64_t m = 0; m < j->a->x.dim[0]; m++) {
                double s = 0;
                for (int64_t c = 0; c < k; c++)
                    s += (double)j->x[m * k + c] *
                         (double)zis_ref_round((float)part(&x->a, r * k + c), j->round);
                j->low[i][m * j->rank[i] + at] =
                    zis_ref_round((float)((double)x->scale * s), j->round);
            }
    }
}

/* Which of the weights that stand side by side row *n belongs to; *n becomes its row there. */
static int weight_of(const zis_linear_args *a, int64_t *n)
{
    int i = 0;
    for (; i + 1 < a->n_w && *n >= a->w[i]->t.dim[0]; i++) *n -= a->w[i]->t.dim[0];
    return i;
}

static double silu(double v)
{
    return v / (1 + exp(-v));
}

/* One column of y. */
static void column(void *arg, int index, int thread)
{
    const job *j = arg;
    const zis_linear_args *a = j->a;
    int64_t k = a->x.dim[1], n = index;
    float *w0 = j->rows + (int64_t)thread * 2 * k, *w1 = w0 + k;
    bool pair = a->epilogue == ZIS_EPILOGUE_SILU_MUL;
    int i = weight_of(a, &n);
    widen_row(a->w[i], n, j->round, w0);
    if (pair) widen_row(a->w[1], n, j->round, w1);
    for (int64_t m = 0; m < a->x.dim[0]; m++) {
        const float *x = j->x + m * k;
        float *y = zis_ref_row(&a->y, m) + index;
        double v =
            zis_ref_dot(x, w0, k) + low_rank(j, i, m, n) + (a->bias ? (double)a->bias[index] : 0);
        switch (a->epilogue) {
        case ZIS_EPILOGUE_NONE:
            break;
        case ZIS_EPILOGUE_ADD:
            v += (double)*y;
            break;
        case ZIS_EPILOGUE_SILU:
            v = silu(v);
            break;
        case ZIS_EPILOGUE_GELU:
            v = zis_ref_gelu(v);
            break;
        case ZIS_EPILOGUE_SILU_MUL:
            v = silu(v) * (zis_ref_dot(x, w1, k) + low_rank(j, 1, m, n));
            break;
        }
        *y = (float)v;
    }
}

void zis_ref_linear(zis_run *run, const zis_linear_args *a)
{
    int64_t m = a->x.dim[0], k = a->x.dim[1];
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    zis_tensor x = zis_run_alloc_2d(run, ZIS_DTYPE_F32, m, k);
    zis_tensor rows = zis_run_alloc_2d(run, ZIS_DTYPE_F32, 2 * zis_pool_threads(run->pool), k);
    job j = {.a = a, .round = run->math == ZIS_DTYPE_BF16 && !a->exact && !a->fine};
    for (int i = 0; i < a->n_w; i++) {
        for (int d = 0; d < a->w[i]->deltas; d++)
            if (a->w[i]->delta[d].kind == ZIS_DELTA_LOW_RANK)
                j.rank[i] += a->w[i]->delta[d].a.dim[0];
        if (j.rank[i]) j.low[i] = zis_run_alloc_2d(run, ZIS_DTYPE_F32, m, j.rank[i]).data;
    }
    if (!run->dry && !run->status) {
        j.x = x.data;
        j.rows = rows.data;
        for (int64_t i = 0; i < m; i++)
            for (int64_t c = 0; c < k; c++)
                zis_ref_row(&x, i)[c] = zis_ref_round(zis_ref_row(&a->x, i)[c], j.round);
        for (int i = 0; i < a->n_w; i++)
            if (j.rank[i]) project(&j, i);
        zis_pool_for(run->pool, (int)a->y.dim[1], column, &j);
    }
    zis_arena_restore(&run->scratch, mark);
}
