/* conv.c - convolutions and group norms: picks the way, prepares norm and strips. */
#include "kernels/cpu/conv.h"

#include <float.h>
#include <math.h>

/* ---- group norm
 * ---------------------------------------------------------------------------------- */
#define MAX_CHUNKS 64

typedef struct moments_job {
    const zis_micro *m;
    const float *x;
    int64_t pixels, c, piece;
    double *sums; /* [chunks][2][c] */
} moments_job;

static void moments_task(void *arg, int index, int thread)
{
    (void)thread;
    const moments_job *j = arg;
    double *sum = j->sums + (int64_t)index * 2 * j->c;
    int64_t from = index * j->piece, to = zis_min64(j->pixels, from + j->piece);
    for (int64_t i = 0; i < 2 * j->c; i++) sum[i] = 0;
    j->m->moments(sum, sum + j->c, j->x + from * j->c, to - from, j->c);
}

/* Sums are taken in double over pieces that do not depend on the number of threads. */
void zis_cpu_group_factors(zis_run *run,
                           const zis_tensor *x,
                           const float *w,
                           const float *b,
                           int groups,
                           float eps,
                           float *factor,
                           float *shift)
{
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    moments_job j = {zis_cpu_micro(run), x->data, x->dim[0] * x->dim[1], x->dim[2], 0, NULL};
    j.piece = zis_div_up(j.pixels, MAX_CHUNKS);
    int64_t chunks = zis_div_up(j.pixels, j.piece);
    j.sums = zis_run_alloc_bytes(run, sizeof(double) * 2 * (size_t)j.c * (size_t)chunks);
    if (!run->dry && !run->status) {
        zis_pool_for(run->pool, (int)chunks, moments_task, &j);
        int64_t per = j.c / groups;
        bool bad = false; /* the guard of ops.h */
        for (int64_t g = 0; g < groups; g++) {
            double sum = 0, sq = 0, count = (double)(per * j.pixels);
            for (int64_t i = 0; i < chunks; i++)
                for (int64_t c = g * per; c < (g + 1) * per; c++) {
                    sum += j.sums[i * 2 * j.c + c];
                    sq += j.sums[i * 2 * j.c + j.c + c];
                }
            double mean = sum / count, var = sq / count - mean * mean;
            double r = 1.0 / sqrt((var > 0 ? var : 0) + (double)eps);
            bad = bad || !(sq <= (double)FLT_MAX);
            for (int64_t c = g * per; c < (g + 1) * per; c++) {
                double f = r * (double)w[c];
                factor[c] = (float)f;
                shift[c] = (float)((double)b[c] - mean * f);
            }
        }
        if (bad) zis_run_fail_numeric(run);
    }
    zis_arena_restore(&run->scratch, mark);
}

typedef struct apply_job {
    const zis_micro *m;
    const zis_group_norm_args *a;
    const float *factor, *shift;
    int64_t w, c;
} apply_job;

static void apply_task(void *arg, int index, int thread)
{
    (void)thread;
    const apply_job *j = arg;
    for (int64_t i = 0; i < j->w; i++) {
        int64_t at = (index * j->w + i) * j->c;
        float *y = (float *)j->a->y.data + at;
        j->m->norm_apply(y, (const float *)j->a->x.data + at, j->factor, j->shift, j->a->silu,
                         j->c);
        if (j->a->add.data)
            j->m->add(y, y, (const float *)j->a->add.data + at, j->a->relu, j->c);
        else if (j->a->relu)
            j->m->relu(y, y, j->c);
    }
}

void zis_cpu_group_norm(zis_run *run, const zis_group_norm_args *a)
{
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    size_t bytes = (size_t)a->x.dim[2] * sizeof(float);
    float *factor = zis_run_alloc_bytes(run, bytes), *shift = zis_run_alloc_bytes(run, bytes);
    zis_cpu_group_factors(run, &a->x, a->w, a->b, a->groups, a->eps, factor, shift);
    if (!run->dry && !run->status) {
        apply_job j = {zis_cpu_micro(run), a, factor, shift, a->x.dim[1], a->x.dim[2]};
        zis_pool_for(run->pool, (int)a->x.dim[0], apply_task, &j);
    }
    zis_arena_restore(&run->scratch, mark);
}

/* ---- strips
 * --------------------------------------------------------------------------------------- */
typedef struct strip_job {
    const zis_conv *v;
    int64_t first;
} strip_job;

static void strip_task(void *arg, int index, int thread)
{
    (void)thread;
    const strip_job *j = arg;
    const zis_conv *v = j->v;
    int64_t c = v->c, y = j->first + index, pad = v->a->pad;
    float *to = v->strip + index * v->strip_cols * c;
    if (y < 0 || y >= v->h * v->up) {
        memset(to, 0, (size_t)(v->strip_cols * c) * sizeof *to);
        return;
    }
    int64_t apart = v->a->x.stride;
    const float *from = (const float *)v->a->x.data + y / v->up * v->w * apart;
    int64_t inside = zis_min64(v->strip_cols - pad, v->w * v->up);
    memset(to, 0, (size_t)(pad * c) * sizeof *to);
    to += pad * c;
    for (int64_t x = 0; x < inside; x += v->up, to += v->up * c, from += apart) {
        if (v->norm_a)
            v->m->norm_apply(to, from, v->norm_a, v->norm_b, v->a->silu, c);
        else if (!v->a->relu)
            memcpy(to, from, (size_t)c * sizeof *to);
        if (v->a->relu) v->m->relu(to, v->norm_a ? to : from, c);
        if (v->up == 2 && x + 1 < inside) memcpy(to + c, to, (size_t)c * sizeof *to);
    }
    to = v->strip + index * v->strip_cols * c + (pad + inside) * c;
    memset(to, 0, (size_t)((v->strip_cols - pad - inside) * c) * sizeof *to);
}

void zis_cpu_strip_fill(zis_run *run, const zis_conv *v, int64_t first, int64_t rows)
{
    strip_job j = {v, first};
    zis_pool_for(run->pool, (int)rows, strip_task, &j);
}

/* ---- the operation
 * ----------------------------------------------------------------------------------- */
#define MIN_PRODUCT_OUTPUTS 8

/* A 1x1 convolution is a product of pixels and weights; x is rectified aside. */
static void conv_1x1(zis_run *run, const zis_conv *v)
{
    const zis_conv2d_args *a = v->a;
    zis_weight w = *a->w;
    zis_tensor x = zis_tensor_reshape_2d(&a->x, v->h * v->w, v->c);
    if (a->relu) {
        zis_tensor u = zis_run_alloc_2d(run, ZIS_DTYPE_F32, v->h * v->w, v->c);
        zis_cpu_unary(run, &(zis_unary_args){.y = u, .x = x, .f = ZIS_UNARY_RELU});
        x = u;
    }
    w.t = zis_tensor_2d(a->w->t.data, a->w->t.dtype, v->n, v->c);
    zis_linear_args l = {
        .y = zis_tensor_reshape_2d(&a->y, v->h * v->w, v->n),
        .x = x,
        .w = {&w},
        .n_w = 1,
        .bias = a->bias,
        .epilogue = a->add.data ? ZIS_EPILOGUE_ADD : ZIS_EPILOGUE_NONE,
        .exact = a->exact,
    };
    if (a->add.data && a->add.data != a->y.data) {
        zis_unary_args copy = {
            .y = l.y, .x = zis_tensor_reshape_2d(&a->add, v->h * v->w, v->n), .f = ZIS_UNARY_COPY};
        zis_cpu_unary(run, &copy);
    }
    zis_cpu_linear(run, &l);
}

/* Whether the product of conv_1x1 is all there is to do; its tiles would be nearly empty with few
 * outputs. */
static bool is_product(const zis_conv2d_args *a)
{
    return a->w->t.dim[2] == 1 && a->w->t.dim[0] >= MIN_PRODUCT_OUTPUTS && a->stride == 1 &&
           !a->upsample && !a->groups && a->pad == 0 && a->y.dim[0] == a->x.dim[0] &&
           zis_tensor_dense(&a->x) && zis_tensor_dense(&a->y) &&
           (!a->add.data || zis_tensor_dense(&a->add)) && !a->more.data &&
           a->activation == ZIS_ACTIVATION_NONE && (a->scale == 0 || a->scale == 1) &&
           (a->add_scale == 0 || a->add_scale == 1);
}

static zis_micro_finish finish_of(const zis_conv2d_args *a)
{
    return (zis_micro_finish){
        .bias = a->bias,
        .slopes = a->activation == ZIS_ACTIVATION_PRELU ? a->slopes : NULL,
        .slope = a->activation == ZIS_ACTIVATION_RELU    ? 0
                 : a->activation == ZIS_ACTIVATION_LEAKY ? a->slope
                                                         : 1,
        .scale = a->scale != 0 ? a->scale : 1,
        .add_scale = a->add_scale != 0 ? a->add_scale : 1,
    };
}

zis_micro_finish zis_cpu_conv_finish(const zis_conv *v, int64_t n0)
{
    zis_micro_finish f = v->finish;
    if (f.bias) f.bias += n0;
    if (f.slopes) f.slopes += n0;
    return f;
}

void zis_cpu_conv2d(zis_run *run, const zis_conv2d_args *a)
{
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    zis_conv v = {
        .m = zis_cpu_micro(run),
        .a = a,
        .h = a->x.dim[0],
        .w = a->x.dim[1],
        .c = a->x.dim[2],
        .out_h = a->y.dim[0],
        .out_w = a->y.dim[1],
        .n = a->y.dim[2],
        .k = a->w->t.dim[2],
        .up = a->upsample ? 2 : 1,
        .finish = finish_of(a),
    };
    if (is_product(a)) {
        conv_1x1(run, &v);
        zis_arena_restore(&run->scratch, mark);
        return;
    }
    if (a->groups) {
        size_t bytes = (size_t)v.c * sizeof(float);
        float *factor = zis_run_alloc_bytes(run, bytes), *shift = zis_run_alloc_bytes(run, bytes);
        zis_cpu_group_factors(run, &a->x, a->norm_w, a->norm_b, a->groups, a->eps, factor, shift);
        v.norm_a = factor;
        v.norm_b = shift;
    }
    bool winograd = v.k == 3 && a->stride == 1 && v.c >= 8 && !a->exact;
    if (winograd && zis_cpu_conv_tiles_fit(&v))
        zis_cpu_conv_tiles(run, &v, zis_cpu_winograd_kind(&v));
    else if (winograd)
        zis_cpu_conv_winograd(run, &v);
    else
        zis_cpu_conv_direct(run, &v);
    zis_arena_restore(&run->scratch, mark);
}
