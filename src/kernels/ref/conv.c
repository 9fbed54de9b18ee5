/* conv.c - convolution over pixels, with its norm, its upsampling and its residual. */
#include "kernels/ref/ref.h"

typedef struct job {
    const zis_conv2d_args *a;
    const float *u; /* [H, W, C]: normalised, rounded */
    const float *w; /* [N, k, k, C] */
} job;

static double act(const zis_conv2d_args *a, int64_t n, double v)
{
    switch (a->activation) {
    case ZIS_ACTIVATION_NONE:
        return v;
    case ZIS_ACTIVATION_RELU:
        return v > 0 ? v : 0 * v; /* NaN stays NaN */
    case ZIS_ACTIVATION_LEAKY:
        return v > 0 ? v : (double)a->slope * v;
    case ZIS_ACTIVATION_PRELU:
        return v > 0 ? v : (double)a->slopes[n] * v;
    }
    return v;
}

/* Element n of pixel (i, x). */
static double residual(const zis_tensor *t, int64_t i, int64_t x, int64_t n)
{
    return (double)((const float *)t->data)[(i * t->dim[1] + x) * t->stride + n];
}

/* One row of output pixels. */
static void row(void *arg, int i, int thread)
{
    const job *j = arg;
    const zis_conv2d_args *a = j->a;
    int64_t up = a->upsample ? 2 : 1, k = a->w->t.dim[2];
    int64_t h = a->x.dim[0] * up, w = a->x.dim[1] * up, c = a->x.dim[2];
    (void)thread;
    for (int64_t x = 0; x < a->y.dim[1]; x++)
        for (int64_t n = 0; n < a->y.dim[2]; n++) {
            double s = a->bias ? (double)a->bias[n] : 0;
            for (int64_t dy = 0; dy < k; dy++)
                for (int64_t dx = 0; dx < k; dx++) {
                    int64_t py = ((int64_t)i + a->skip) * a->stride + dy - a->pad;
                    int64_t px = x * a->stride + dx - a->pad;
                    if (py < 0 || py >= h || px < 0 || px >= w) continue;
                    const float *u = j->u + (py / up * a->x.dim[1] + px / up) * c;
                    s += zis_ref_dot(u, j->w + ((n * k + dy) * k + dx) * c, c);
                }
            s = act(a, n, s) * (a->scale != 0 ? (double)a->scale : 1);
            if (a->add.data)
                s += residual(&a->add, i, x, n) * (a->add_scale != 0 ? (double)a->add_scale : 1);
            if (a->more.data) s += residual(&a->more, i, x, n);
            ((float *)a->y.data)[((int64_t)i * a->y.dim[1] + x) * a->y.stride + n] = (float)s;
        }
}

void zis_ref_conv2d(zis_run *run, const zis_conv2d_args *a)
{
    bool round = run->math == ZIS_DTYPE_BF16 && !a->exact;
    int64_t n = a->w->t.dim[0], c = a->w->t.dim[1], kk = a->w->t.dim[2] * a->w->t.dim[3];
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    zis_tensor u = zis_run_alloc_3d(run, ZIS_DTYPE_F32, a->x.dim[0], a->x.dim[1], c);
    zis_tensor w = zis_run_alloc_3d(run, ZIS_DTYPE_F32, n, kk, c);
    if (!run->dry && !run->status) {
        float *pu = u.data, *pw = w.data;
        if (a->groups) {
            zis_group_norm_args norm = {u,      a->x,    a->norm_w, a->norm_b, a->groups,
                                        a->eps, a->silu, a->relu,   {0}};
            zis_ref_group_norm(run, &norm);
        } else {
            for (int64_t i = 0; i < zis_tensor_rows(&u); i++)
                for (int64_t j = 0; j < c; j++) pu[i * c + j] = zis_ref_row(&a->x, i)[j];
        }
        for (int64_t i = 0; i < zis_tensor_count(&u); i++) {
            float v = a->relu ? (float)zis_ref_relu((double)pu[i]) : pu[i];
            pu[i] = zis_ref_round(v, round);
        }
        for (int64_t i = 0; i < n; i++)
            for (int64_t t = 0; t < kk; t++)
                for (int64_t ch = 0; ch < c; ch++)
                    pw[(i * kk + t) * c + ch] = zis_ref_weight(a->w, (i * c + ch) * kk + t, round);
        job j = {a, pu, pw};
        zis_pool_for(run->pool, (int)a->y.dim[0], row, &j);
    }
    zis_arena_restore(&run->scratch, mark);
}
