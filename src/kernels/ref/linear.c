/* linear.c - products of rows with a matrix of weights. */
#include "kernels/ref/ref.h"

#include <math.h>

typedef struct job {
    const zis_linear_args *a;
    const float *x; /* [M, K], dense, rounded as the math says */
    float *rows;    /* [threads, 2, K]: widened rows of weights */
    bool round;
} job;

/* Row n of the weights that stand side by side. */
static void widen(const job *j, int64_t n, float *out)
{
    const zis_linear_args *a = j->a;
    int i = 0;
    for (; i + 1 < a->n_w && n >= a->w[i]->t.dim[0]; i++) n -= a->w[i]->t.dim[0];
    int64_t k = a->x.dim[1];
    for (int64_t c = 0; c < k; c++) out[c] = zis_ref_weight(a->w[i], n * k + c, j->round);
}

static double silu(double v)
{
    return v / (1 + exp(-v));
}

/* One column of y. */
static void column(void *arg, int n, int thread)
{
    const job *j = arg;
    const zis_linear_args *a = j->a;
    int64_t k = a->x.dim[1];
    float *w0 = j->rows + (int64_t)thread * 2 * k, *w1 = w0 + k;
    bool pair = a->epilogue == ZIS_EPILOGUE_SILU_MUL;
    widen(j, n, w0);
    if (pair) widen(j, n + a->y.dim[1], w1);
    for (int64_t m = 0; m < a->x.dim[0]; m++) {
        const float *x = j->x + m * k;
        float *y = zis_ref_row(&a->y, m) + n;
        double v = zis_ref_dot(x, w0, k) + (a->bias ? (double)a->bias[n] : 0);
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
            v = silu(v) * zis_ref_dot(x, w1, k);
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
    if (!run->dry && !run->status) {
        job j = {a, x.data, rows.data, run->math == ZIS_DTYPE_BF16 && !a->exact && !a->fine};
        for (int64_t i = 0; i < m; i++)
            for (int64_t c = 0; c < k; c++)
                zis_ref_row(&x, i)[c] = zis_ref_round(zis_ref_row(&a->x, i)[c], j.round);
        zis_pool_for(run->pool, (int)a->y.dim[1], column, &j);
    }
    zis_arena_restore(&run->scratch, mark);
}
