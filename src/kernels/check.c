/* check.c - the demands of every operation. */
#include "kernels/check.h"

#include <inttypes.h>
#include <stdio.h>

/* Text of a shape that lives to the end of the block that names it. */
#define SHAPE(t) zis_tensor_shape_text((t), (char[96]){0}, 96)

static bool bad(zis_run *run, const char *fmt, ...) ZIS_PRINTF(2, 3);
static bool bad(zis_run *run, const char *fmt, ...)
{
    char text[360];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    zis_run_fail(run, ZIS_ARG, "%s", text);
    return false;
}

/* A tensor with data, ndim dims of at least 1, rows that do not overlap. */
static bool tensor_of(
    zis_run *run, const char *op, const char *name, const zis_tensor *t, zis_dtype type, int ndim)
{
    if (t->ndim != ndim)
        return bad(run, "%s: %s has the shape %s, not %d dims", op, name, SHAPE(t), ndim);
    for (int i = 0; i < ndim; i++)
        if (t->dim[i] < 1) return bad(run, "%s: %s has the empty shape %s", op, name, SHAPE(t));
    if (t->dtype != type)
        return bad(run, "%s: %s is of type %s, not %s", op, name, zis_dtype_get(t->dtype)->name,
                   zis_dtype_get(type)->name);
    if (!t->data) return bad(run, "%s: %s %s has no data", op, name, SHAPE(t));
    if (zis_tensor_rows(t) > 1 && t->stride < zis_tensor_cols(t))
        return bad(run, "%s: rows of %s %s lie %" PRId64 " apart", op, name, SHAPE(t), t->stride);
    return true;
}

static bool matrix(zis_run *run, const char *op, const char *name, const zis_tensor *t)
{
    return tensor_of(run, op, name, t, ZIS_DTYPE_F32, 2);
}

static bool cube(zis_run *run, const char *op, const char *name, const zis_tensor *t)
{
    if (!tensor_of(run, op, name, t, ZIS_DTYPE_F32, 3)) return false;
    if (!zis_tensor_dense(t)) return bad(run, "%s: %s %s must be dense", op, name, SHAPE(t));
    return true;
}

/* A picture whose pixels may lie any distance apart. */
static bool pixels(zis_run *run, const char *op, const char *name, const zis_tensor *t)
{
    return tensor_of(run, op, name, t, ZIS_DTYPE_F32, 3);
}

static bool vector(zis_run *run, const char *op, const char *name, const float *v)
{
    return v ? true : bad(run, "%s: %s is missing", op, name);
}

static bool same(zis_run *run, const char *op, const zis_tensor *a, const zis_tensor *b)
{
    if (zis_tensor_same_shape(a, b)) return true;
    return bad(run, "%s: the shapes %s and %s differ", op, SHAPE(a), SHAPE(b));
}

static bool positive(zis_run *run, const char *op, const char *name, float v)
{
    return v > 0 ? true : bad(run, "%s: %s is %g", op, name, (double)v);
}

/* True when some element belongs to both. Exact for views with the same stride (column slices of
 * one buffer), careful for others. */
static bool overlap(const zis_tensor *a, const zis_tensor *b)
{
    int64_t as = zis_dtype_get(a->dtype)->bytes, bs = zis_dtype_get(b->dtype)->bytes;
    int64_t arow = zis_tensor_cols(a) * as, brow = zis_tensor_cols(b) * bs;
    int64_t astep = a->stride * as, bstep = b->stride * bs;
    intptr_t a0 = (intptr_t)a->data, b0 = (intptr_t)b->data;
    intptr_t a1 = a0 + (zis_tensor_rows(a) - 1) * astep + arow;
    intptr_t b1 = b0 + (zis_tensor_rows(b) - 1) * bstep + brow;
    if (a1 <= b0 || b1 <= a0) return false;
    if (astep != bstep || astep == 0) return true;
    int64_t d = (b0 - a0) % astep;
    if (d < 0) d += astep;
    return d < arow || d + brow > astep;
}

static bool apart(zis_run *run, const char *op, const zis_tensor *y, const zis_tensor *x)
{
    return overlap(y, x) ? bad(run, "%s: the output lies over an input", op) : true;
}

/* In place or apart, but not shifted. */
static bool same_or_apart(zis_run *run, const char *op, const zis_tensor *y, const zis_tensor *x)
{
    if (y->data == x->data && (y->stride == x->stride || zis_tensor_rows(y) == 1)) return true;
    return apart(run, op, y, x);
}

static bool weight(zis_run *run, const char *op, const zis_weight *w, int ndim)
{
    if (!w) return bad(run, "%s: a weight is missing", op);
    const char *name = w->name ? w->name : "the weight";
    if (w->t.ndim != ndim)
        return bad(run, "%s: %s has the shape %s, not %d dims", op, name, SHAPE(&w->t), ndim);
    for (int i = 0; i < ndim; i++)
        if (w->t.dim[i] < 1) return bad(run, "%s: %s has the shape %s", op, name, SHAPE(&w->t));
    if (w->t.dtype != ZIS_DTYPE_F32 && w->t.dtype != ZIS_DTYPE_BF16 && w->t.dtype != ZIS_DTYPE_F16)
        return bad(run, "%s: %s is stored as %s; products take F32, BF16 and F16", op, name,
                   zis_dtype_get(w->t.dtype)->name);
    if (!w->t.data) return bad(run, "%s: %s has no data", op, name);
    return true;
}

/* Weights of all but `linear`. */
static bool plain_weight(zis_run *run, const char *op, const zis_weight *w, int ndim)
{
    if (!weight(run, op, w, ndim)) return false;
    return w->deltas ? bad(run, "%s: takes no weight with deltas", op) : true;
}

static bool stored_float(zis_dtype t)
{
    return t == ZIS_DTYPE_F32 || t == ZIS_DTYPE_BF16 || t == ZIS_DTYPE_F16;
}

/* A dense matrix [rows, cols] of a delta; cols < 0: any. */
static bool delta_part(zis_run *run, const zis_tensor *t, int64_t rows, int64_t cols, bool f32)
{
    bool fits = t->data && t->ndim == 2 && t->dim[0] == rows && t->dim[1] > 0 &&
                (cols < 0 || t->dim[1] == cols) && zis_tensor_dense(t) &&
                (f32 ? t->dtype == ZIS_DTYPE_F32 : stored_float(t->dtype));
    return fits ? true : bad(run, "linear: a delta's part %s does not fit its weight", SHAPE(t));
}

/* b [n, r] and a [r, k] */
static bool delta_pair(
    zis_run *run, const zis_tensor *b, const zis_tensor *a, int64_t n, int64_t k, bool f32)
{
    return delta_part(run, b, n, -1, f32) && delta_part(run, a, b->dim[1], k, f32);
}

static bool kron_delta(zis_run *run, const zis_delta *d, int64_t n, int64_t k)
{
    const zis_tensor *last = d->a.data ? &d->a : &d->b;
    int64_t rows, cols;
    if (d->b.ndim != 2 || d->c.ndim != 2 || last->ndim != 2)
        return bad(run, "linear: a delta's part %s does not fit its weight", SHAPE(&d->b));
    if (!delta_part(run, &d->b, d->b.dim[0], -1, d->a.data != NULL) ||
        !delta_part(run, &d->c, d->c.dim[0], -1, true) ||
        (d->a.data && !delta_part(run, &d->a, d->b.dim[1], -1, true)))
        return false;
    if (__builtin_mul_overflow(d->c.dim[0], d->b.dim[0], &rows) ||
        __builtin_mul_overflow(d->c.dim[1], last->dim[1], &cols) || cols != k || d->row < 0 ||
        d->row > rows - n)
        return bad(run, "linear: the delta's Kronecker product of %s and %s does not fit",
                   SHAPE(&d->c), SHAPE(&d->b));
    return true;
}

static bool deltas(zis_run *run, const zis_weight *w)
{
    int64_t n = w->t.dim[0], k = w->t.dim[1];
    bool good = true;
    for (int i = 0; i < w->deltas && good; i++) {
        const zis_delta *d = &w->delta[i];
        switch (d->kind) {
        case ZIS_DELTA_LOW_RANK:
            good = delta_pair(run, &d->b, &d->a, n, k, false);
            break;
        case ZIS_DELTA_FULL:
            good = delta_part(run, &d->b, n, k, false);
            break;
        case ZIS_DELTA_HADAMARD:
            good = delta_pair(run, &d->b, &d->a, n, k, true) &&
                   delta_pair(run, &d->d, &d->c, n, k, true);
            break;
        case ZIS_DELTA_KRON:
            good = kron_delta(run, d, n, k);
            break;
        }
    }
    return good;
}

bool zis_check_linear(zis_run *run, const zis_linear_args *a)
{
    const char *op = "linear";
    if (!matrix(run, op, "y", &a->y) || !matrix(run, op, "x", &a->x)) return false;
    bool pair = a->epilogue == ZIS_EPILOGUE_SILU_MUL;
    if (a->n_w < 1 || a->n_w > 3 || (pair && a->n_w != 2))
        return bad(run, "linear: %d weights", a->n_w);
    if (pair && a->bias) return bad(run, "linear: a bias does not go with SiLU(a) * b");
    int64_t n = 0;
    for (int i = 0; i < a->n_w; i++) {
        if (!weight(run, op, a->w[i], 2) || !deltas(run, a->w[i])) return false;
        if (a->w[i]->t.dim[1] != a->x.dim[1])
            return bad(run, "linear: x %s does not fit %s %s", SHAPE(&a->x),
                       a->w[i]->name ? a->w[i]->name : "the weight", SHAPE(&a->w[i]->t));
        n += a->w[i]->t.dim[0];
    }
    if (pair) {
        n /= 2;
        if (a->w[0]->t.dim[0] != a->w[1]->t.dim[0])
            return bad(run, "linear: the pair has %s and %s", SHAPE(&a->w[0]->t),
                       SHAPE(&a->w[1]->t));
    }
    if (a->y.dim[0] != a->x.dim[0] || a->y.dim[1] != n)
        return bad(run, "linear: y is %s where x %s gives %" PRId64 " columns", SHAPE(&a->y),
                   SHAPE(&a->x), n);
    return apart(run, op, &a->y, &a->x);
}

bool zis_check_rms_norm(zis_run *run, const zis_rms_norm_args *a)
{
    const char *op = "rms_norm";
    return matrix(run, op, "y", &a->y) && matrix(run, op, "x", &a->x) &&
           same(run, op, &a->y, &a->x) && same_or_apart(run, op, &a->y, &a->x) &&
           vector(run, op, "w", a->w) && positive(run, op, "eps", a->eps);
}

bool zis_check_gate_residual(zis_run *run, const zis_gate_residual_args *a)
{
    const char *op = "gate_residual";
    if (!matrix(run, op, "x", &a->x) || !matrix(run, op, "o", &a->o) ||
        !same(run, op, &a->x, &a->o) || !apart(run, op, &a->x, &a->o) ||
        !vector(run, op, "w", a->w) || !positive(run, op, "eps", a->eps))
        return false;
    if (!a->y.data) return true;
    return matrix(run, op, "y", &a->y) && same(run, op, &a->y, &a->x) &&
           apart(run, op, &a->y, &a->x) && apart(run, op, &a->y, &a->o) &&
           vector(run, op, "next_w", a->next_w);
}

bool zis_check_layer_norm(zis_run *run, const zis_layer_norm_args *a)
{
    const char *op = "layer_norm";
    return matrix(run, op, "y", &a->y) && matrix(run, op, "x", &a->x) &&
           same(run, op, &a->y, &a->x) && same_or_apart(run, op, &a->y, &a->x) &&
           positive(run, op, "eps", a->eps);
}

bool zis_check_qk_norm_rope(zis_run *run, const zis_qk_norm_rope_args *a)
{
    const char *op = "qk_norm_rope";
    if (!matrix(run, op, "qkv", &a->qkv) || !matrix(run, op, "cos", &a->cos) ||
        !matrix(run, op, "sin", &a->sin))
        return false;
    if (a->heads < 1 || a->kv_heads < 1 || a->head_dim < 2 || a->head_dim % 2)
        return bad(run, "qk_norm_rope: %d and %d heads of %d", a->heads, a->kv_heads, a->head_dim);
    int64_t width = ((int64_t)a->heads + 2 * (int64_t)a->kv_heads) * a->head_dim;
    if (a->qkv.dim[1] != width)
        return bad(run, "qk_norm_rope: rows of %s should have %" PRId64 " values", SHAPE(&a->qkv),
                   width);
    if (!same(run, op, &a->cos, &a->sin)) return false;
    if (a->cos.dim[0] != a->qkv.dim[0] || a->cos.dim[1] != a->head_dim / 2)
        return bad(run, "qk_norm_rope: angles %s do not fit %s", SHAPE(&a->cos), SHAPE(&a->qkv));
    return apart(run, op, &a->qkv, &a->cos) && apart(run, op, &a->qkv, &a->sin) &&
           vector(run, op, "q_w", a->q_w) && vector(run, op, "k_w", a->k_w) &&
           positive(run, op, "eps", a->eps);
}

bool zis_check_attention(zis_run *run, const zis_attention_args *a)
{
    const char *op = "attention";
    if (!matrix(run, op, "o", &a->o) || !matrix(run, op, "q", &a->q) ||
        !matrix(run, op, "k", &a->k) || !matrix(run, op, "v", &a->v) ||
        !same(run, op, &a->o, &a->q) || !same(run, op, &a->k, &a->v))
        return false;
    if (a->heads < 1 || a->kv_heads < 1 || a->head_dim < 1 || a->heads % a->kv_heads)
        return bad(run, "attention: %d and %d heads of %d", a->heads, a->kv_heads, a->head_dim);
    if (a->q.dim[1] != (int64_t)a->heads * a->head_dim ||
        a->k.dim[1] != (int64_t)a->kv_heads * a->head_dim)
        return bad(run, "attention: q %s and k %s are not %d and %d heads of %d", SHAPE(&a->q),
                   SHAPE(&a->k), a->heads, a->kv_heads, a->head_dim);
    if (a->causal && a->q.dim[0] != a->k.dim[0])
        return bad(run, "attention: %s and %s cannot be causal", SHAPE(&a->q), SHAPE(&a->k));
    return apart(run, op, &a->o, &a->q) && apart(run, op, &a->o, &a->k) &&
           apart(run, op, &a->o, &a->v) && positive(run, op, "scale", a->scale);
}

bool zis_check_embed_rows(zis_run *run, const zis_embed_rows_args *a)
{
    const char *op = "embed_rows";
    if (!matrix(run, op, "y", &a->y) || !plain_weight(run, op, a->table, 2) ||
        !tensor_of(run, op, "ids", &a->ids, ZIS_DTYPE_I32, 1))
        return false;
    if (a->y.dim[0] != a->ids.dim[0] || a->y.dim[1] != a->table->t.dim[1])
        return bad(run, "embed_rows: y is %s for ids %s of a table %s", SHAPE(&a->y),
                   SHAPE(&a->ids), SHAPE(&a->table->t));
    return apart(run, op, &a->y, &a->ids);
}

bool zis_check_fill_rows(zis_run *run, const zis_fill_rows_args *a)
{
    return matrix(run, "fill_rows", "y", &a->y) && vector(run, "fill_rows", "v", a->v);
}

/* tokens [>= Ht*Wt, p*p*C] and planes [C, h, w] belong together. */
static bool patches(
    zis_run *run, const char *op, const zis_tensor *tokens, const zis_tensor *planes, int p)
{
    if (!matrix(run, op, "y", tokens) || !cube(run, op, "x", planes)) return false;
    if (p < 1 || planes->dim[1] % p || planes->dim[2] % p)
        return bad(run, "%s: planes %s cannot be cut into patches of %d", op, SHAPE(planes), p);
    int64_t n = planes->dim[1] / p * (planes->dim[2] / p);
    if (tokens->dim[0] < n || tokens->dim[1] != planes->dim[0] * p * p)
        return bad(run, "%s: tokens %s do not fit planes %s", op, SHAPE(tokens), SHAPE(planes));
    return apart(run, op, tokens, planes);
}

bool zis_check_patchify(zis_run *run, const zis_patchify_args *a)
{
    return patches(run, "patchify", &a->y, &a->x, a->patch);
}

bool zis_check_unpatchify(zis_run *run, const zis_unpatchify_args *a)
{
    return patches(run, "unpatchify", &a->y, &a->x, a->patch);
}

bool zis_check_unary(zis_run *run, const zis_unary_args *a)
{
    const char *op = "unary";
    return matrix(run, op, "y", &a->y) && matrix(run, op, "x", &a->x) &&
           same(run, op, &a->y, &a->x) && same_or_apart(run, op, &a->y, &a->x);
}

/* Element by element, of any dims: an F32 tensor of y's shape, in place or apart. */
static bool element(
    zis_run *run, const char *op, const char *name, const zis_tensor *y, const zis_tensor *x)
{
    return tensor_of(run, op, name, x, ZIS_DTYPE_F32, y->ndim) && same(run, op, y, x) &&
           same_or_apart(run, op, y, x);
}

bool zis_check_affine(zis_run *run, const zis_affine_args *a)
{
    const char *op = "affine";
    return element(run, op, "y", &a->y, &a->y) && element(run, op, "x", &a->y, &a->x) &&
           (!a->z.data || element(run, op, "z", &a->y, &a->z));
}

bool zis_check_guide(zis_run *run, const zis_guide_args *a)
{
    const char *op = "guide";
    return element(run, op, "y", &a->y, &a->y) && element(run, op, "pos", &a->y, &a->pos) &&
           element(run, op, "neg", &a->y, &a->neg);
}

bool zis_check_mix(zis_run *run, const zis_mix_args *a)
{
    const char *op = "mix";
    return element(run, op, "y", &a->y, &a->y) && element(run, op, "x", &a->y, &a->x) &&
           element(run, op, "z", &a->y, &a->z) && element(run, op, "m", &a->y, &a->m);
}

bool zis_check_finite(zis_run *run, const zis_finite_args *a)
{
    return element(run, "finite", "x", &a->x, &a->x);
}

static bool planes_and_pixels(zis_run *run,
                              const char *op,
                              const zis_tensor *y,
                              const zis_tensor *x,
                              const zis_tensor *planes,
                              const zis_tensor *pixels)
{
    if (!cube(run, op, "y", y) || !cube(run, op, "x", x)) return false;
    if (planes->dim[0] != pixels->dim[2] || planes->dim[1] != pixels->dim[0] ||
        planes->dim[2] != pixels->dim[1])
        return bad(run, "%s: planes %s and pixels %s do not fit", op, SHAPE(planes), SHAPE(pixels));
    return apart(run, op, y, x);
}

bool zis_check_planes_to_pixels(zis_run *run, const zis_planes_args *a)
{
    return planes_and_pixels(run, "planes_to_pixels", &a->y, &a->x, &a->x, &a->y);
}

bool zis_check_pixels_to_planes(zis_run *run, const zis_planes_args *a)
{
    return planes_and_pixels(run, "pixels_to_planes", &a->y, &a->x, &a->y, &a->x);
}

static bool groups_fit(
    zis_run *run, const char *op, int64_t channels, int groups, const float *w, const float *b)
{
    if (groups < 1 || channels % groups)
        return bad(run, "%s: %" PRId64 " channels cannot form %d groups", op, channels, groups);
    return vector(run, op, "the norm's weight", w) && vector(run, op, "the norm's bias", b);
}

static bool one_activation(zis_run *run, const char *op, bool silu, bool relu)
{
    return silu && relu ? bad(run, "%s: SiLU and ReLU exclude each other", op) : true;
}

static bool residual_fits(zis_run *run, const zis_group_norm_args *a)
{
    const char *op = "group_norm";
    if (!a->add.data) return true;
    if (a->silu) return bad(run, "group_norm: SiLU does not go with a residual");
    return cube(run, op, "add", &a->add) && same(run, op, &a->add, &a->y) &&
           apart(run, op, &a->y, &a->add);
}

bool zis_check_group_norm(zis_run *run, const zis_group_norm_args *a)
{
    const char *op = "group_norm";
    return cube(run, op, "y", &a->y) && cube(run, op, "x", &a->x) && same(run, op, &a->y, &a->x) &&
           same_or_apart(run, op, &a->y, &a->x) &&
           groups_fit(run, op, a->x.dim[2], a->groups, a->w, a->b) &&
           positive(run, op, "eps", a->eps) && one_activation(run, op, a->silu, a->relu) &&
           residual_fits(run, a);
}

/* Rows of the output: all, or some from `skip` on. */
static bool conv_rows(const zis_conv2d_args *a)
{
    int64_t all = a->upsample ? 2 * a->x.dim[0] : a->x.dim[0];
    return a->skip >= 0 && a->skip < all && a->y.dim[0] <= all - a->skip;
}

static bool residual(zis_run *run, const char *name, const zis_tensor *y, const zis_tensor *add)
{
    const char *op = "conv2d";
    if (!add->data) return true;
    return pixels(run, op, name, add) && same(run, op, add, y) && same_or_apart(run, op, y, add);
}

/* Sides of the output that the window can make of n input rows. */
static bool conv_side(int64_t out, int64_t n, const zis_conv2d_args *a)
{
    if (a->stride == 1) return out == (a->upsample ? 2 * n : n);
    return out == n / 2 || out == (n + 1) / 2;
}

bool zis_check_conv2d(zis_run *run, const zis_conv2d_args *a)
{
    const char *op = "conv2d";
    if (!pixels(run, op, "y", &a->y) || !pixels(run, op, "x", &a->x) ||
        !plain_weight(run, op, a->w, 4))
        return false;
    if (a->groups && !zis_tensor_dense(&a->x))
        return bad(run, "conv2d: x %s must be dense to be normalised", SHAPE(&a->x));
    const int64_t *w = a->w->t.dim;
    int64_t k = w[2];
    if (k % 2 == 0 || k > 7 || w[3] != k || a->pad < 0 || a->pad >= k)
        return bad(run, "conv2d: no kernel %s with %d rows of padding", SHAPE(&a->w->t), a->pad);
    if (!(a->stride == 1 || (a->stride == 2 && !a->upsample)))
        return bad(run, "conv2d: no stride of %d here", a->stride);
    bool rows = a->stride == 1 ? conv_rows(a) : !a->skip && conv_side(a->y.dim[0], a->x.dim[0], a);
    if (w[1] != a->x.dim[2] || w[0] != a->y.dim[2] || !rows ||
        !conv_side(a->y.dim[1], a->x.dim[1], a))
        return bad(run, "conv2d: x %s and kernel %s do not give y %s from row %d on", SHAPE(&a->x),
                   SHAPE(&a->w->t), SHAPE(&a->y), a->skip);
    if (a->activation == ZIS_ACTIVATION_PRELU && !vector(run, op, "the slopes", a->slopes))
        return false;
    if (a->groups && (!groups_fit(run, op, w[1], a->groups, a->norm_w, a->norm_b) ||
                      !positive(run, op, "eps", a->eps)))
        return false;
    if (a->silu && !a->groups) return bad(run, "conv2d: SiLU comes only behind a norm");
    if (!one_activation(run, op, a->silu, a->relu)) return false;
    return apart(run, op, &a->y, &a->x) && residual(run, "add", &a->y, &a->add) &&
           residual(run, "more", &a->y, &a->more);
}

/* Windows of k that begin inside, the last at a pixel at least. */
static bool pool_side(int64_t out, int64_t n, const zis_max_pool_args *a)
{
    return (out - 1) * a->stride - a->pad < n;
}

bool zis_check_max_pool(zis_run *run, const zis_max_pool_args *a)
{
    const char *op = "max_pool";
    if (!cube(run, op, "y", &a->y) || !cube(run, op, "x", &a->x)) return false;
    if (a->k < 1 || a->k > 64 || a->stride < 1 || a->stride > 64 || a->pad < 0 || a->pad >= a->k)
        return bad(run, "max_pool: no windows of %d, %d apart, with %d rows of padding", a->k,
                   a->stride, a->pad);
    if (a->y.dim[2] != a->x.dim[2] || !pool_side(a->y.dim[0], a->x.dim[0], a) ||
        !pool_side(a->y.dim[1], a->x.dim[1], a))
        return bad(run, "max_pool: x %s does not give y %s", SHAPE(&a->x), SHAPE(&a->y));
    return apart(run, op, &a->y, &a->x);
}

bool zis_check_bilinear(zis_run *run, const zis_bilinear_args *a)
{
    const char *op = "bilinear";
    if (!cube(run, op, "y", &a->y) || !cube(run, op, "x", &a->x)) return false;
    if (a->y.dim[2] != a->x.dim[2])
        return bad(run, "bilinear: x %s does not give y %s", SHAPE(&a->x), SHAPE(&a->y));
    return apart(run, op, &a->y, &a->x);
}

bool zis_check_pixel_shuffle(zis_run *run, const zis_pixel_shuffle_args *a)
{
    const char *op = "pixel_shuffle";
    if (!cube(run, op, "y", &a->y) || !cube(run, op, "x", &a->x)) return false;
    int64_t r = a->factor;
    if (r < 1 || r > 64 || a->y.dim[0] != r * a->x.dim[0] || a->y.dim[1] != r * a->x.dim[1] ||
        a->x.dim[2] != r * r * a->y.dim[2])
        return bad(run, "pixel_shuffle: x %s does not give y %s by a factor of %d", SHAPE(&a->x),
                   SHAPE(&a->y), a->factor);
    if (!apart(run, op, &a->y, &a->x)) return false;
    if (!a->add.data) return true;
    if (!cube(run, op, "add", &a->add) || !apart(run, op, &a->y, &a->add)) return false;
    return (a->add.dim[0] == a->x.dim[0] && a->add.dim[1] == a->x.dim[1] &&
            a->add.dim[2] == a->y.dim[2]) ||
           bad(run, "pixel_shuffle: add %s does not fit x %s", SHAPE(&a->add), SHAPE(&a->x));
}
