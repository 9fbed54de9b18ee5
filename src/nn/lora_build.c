/* lora_build.c - from the parts of one module to what the kernels add (lora.md 1). */
#include "base/utf8.h"
#include "nn/lora_impl.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Most elements of LoKr's small factor when it is itself a product (made in float32): the factors
 * that trainers choose have a few hundred. */
#define KRON_OUTER_MOST (1 << 16)

/* One module on its way. */
typedef struct build {
    zis_lora *lora;
    const zis_lora_targets *t;
    const zis_lora_name *name;
    const zis_lora_module *m;
    const zis_lora_peft *peft;
    int64_t rows, cols; /* of all its targets' matrices, one above the other; 0: a norm */
    zis_error *err;
} build;

static const char *shown_name(const build *b)
{
    return b->t->list[b->name->target[0]].name;
}

static zis_status wrong_shape(const build *b, const zis_weights_entry *e, const char *expected)
{
    char shape[100];
    return zis_fail(b->err, ZIS_FORMAT,
                    "'%.*s': %.*s has the shape %s and not %s, which %s of this model needs; the "
                    "LoRA was made for another model",
                    ZIS_LORA_SHOWN(b->lora->path), ZIS_LORA_SHOWN(e->name),
                    zis_tensor_shape_text(&e->tensor, shape, sizeof shape), expected,
                    shown_name(b));
}

/* A matrix of these sides; a side < 0 may have any positive size. */
static zis_status check_matrix(const build *b, zis_lora_role role, int64_t rows, int64_t cols)
{
    const zis_weights_entry *e = b->m->part[role];
    char expected[80], sides[2][24];
    snprintf(sides[0], 24, rows < 0 ? "any" : "%" PRId64, rows);
    snprintf(sides[1], 24, cols < 0 ? "any" : "%" PRId64, cols);
    snprintf(expected, sizeof expected, "[%s, %s]", sides[0], sides[1]);
    const zis_tensor *t = &e->tensor;
    bool fits = t->ndim == 2 && t->dim[0] > 0 && t->dim[1] > 0 && (rows < 0 || t->dim[0] == rows) &&
                (cols < 0 || t->dim[1] == cols);
    return fits ? ZIS_OK : wrong_shape(b, e, expected);
}

/* All of these parts, or an error that names the first that lacks. */
static zis_status need(const build *b, const zis_lora_role *roles, int n)
{
    static const char *const words[ZIS_LORA_ROLES] = {
        [ZIS_LORA_DOWN] = "A (down)",       [ZIS_LORA_UP] = "B (up)",
        [ZIS_LORA_HADA_W1_A] = "hada_w1_a", [ZIS_LORA_HADA_W1_B] = "hada_w1_b",
        [ZIS_LORA_HADA_W2_A] = "hada_w2_a", [ZIS_LORA_HADA_W2_B] = "hada_w2_b",
        [ZIS_LORA_LOKR_W1] = "lokr_w1",     [ZIS_LORA_LOKR_W1_A] = "lokr_w1_a",
        [ZIS_LORA_LOKR_W1_B] = "lokr_w1_b", [ZIS_LORA_LOKR_W2] = "lokr_w2",
        [ZIS_LORA_LOKR_W2_A] = "lokr_w2_a", [ZIS_LORA_LOKR_W2_B] = "lokr_w2_b",
    };
    for (int i = 0; i < n; i++)
        if (!b->m->part[roles[i]])
            return zis_fail(b->err, ZIS_FORMAT,
                            "'%.*s': the module %.*s has no %s; the file is not complete",
                            ZIS_LORA_SHOWN(b->lora->path), (int)(b->m->len < 100 ? b->m->len : 100),
                            b->m->name, words[roles[i]]);
    return ZIS_OK;
}

/* Its rank may not be above the longer side of the matrix: no trainer makes that, and its products
 * would cost more than the matrix itself. */
static zis_status check_rank(const build *b, zis_lora_role role, int64_t rank)
{
    int64_t most = b->rows > b->cols ? b->rows : b->cols;
    if (rank <= most) return ZIS_OK;
    return zis_fail(b->err, ZIS_FORMAT,
                    "'%.*s': %.*s has a rank of %" PRId64 ", more than the %" PRId64
                    " that its matrix has at most",
                    ZIS_LORA_SHOWN(b->lora->path), ZIS_LORA_SHOWN(b->m->part[role]->name), rank,
                    most);
}

/* The one number of an alpha. */
static zis_status read_alpha(const build *b, double *out)
{
    const zis_weights_entry *e = b->m->part[ZIS_LORA_ALPHA];
    float v = 0;
    if (zis_tensor_count(&e->tensor) != 1) return wrong_shape(b, e, "[]");
    if (zis_dtype_to_f32(&v, e->tensor.data, e->tensor.dtype, 1) || !isfinite(v))
        return zis_fail(b->err, ZIS_FORMAT, "'%.*s': %.*s is no finite number",
                        ZIS_LORA_SHOWN(b->lora->path), ZIS_LORA_SHOWN(e->name));
    *out = (double)v;
    return ZIS_OK;
}

/* alpha / rank; 1 without alpha. */
static zis_status scale_of(const build *b, int64_t rank, bool peft, float *out)
{
    double scale = 1;
    zis_status st = ZIS_OK;
    if (b->m->part[ZIS_LORA_ALPHA]) {
        st = read_alpha(b, &scale);
        scale /= (double)rank;
    } else if (peft) {
        st = zis_lora_peft_scale(b->peft, shown_name(b), rank, &scale, b->err);
    }
    if (!st) *out = (float)scale;
    return st;
}

static zis_status add_change(const build *b, const zis_lora_change *c)
{
    zis_lora *l = b->lora;
    if (l->n == l->room) {
        size_t room = l->room ? 2 * l->room : 128;
        zis_lora_change *grown = zis_mem_resize(l->changes, room, sizeof *grown);
        if (!grown) return zis_fail_nomem(b->err, l->path);
        l->changes = grown;
        l->room = room;
    }
    l->changes[l->n++] = *c;
    return ZIS_OK;
}

/* The change for each target: its rows of what has rows of all of them. */
static zis_status add_rows(const build *b, const zis_lora_change *all)
{
    int64_t from = 0;
    zis_status st = ZIS_OK;
    for (int i = 0; i < b->name->targets && !st; i++) {
        zis_lora_change c = *all;
        int64_t n = b->t->list[b->name->target[i]].w->t.dim[0];
        c.target = b->name->target[i];
        if (c.delta.kind == ZIS_DELTA_KRON)
            c.delta.row = from;
        else
            c.delta.b = zis_tensor_row_slice(&all->delta.b, from, n);
        if (c.delta.kind == ZIS_DELTA_HADAMARD)
            c.delta.d = zis_tensor_row_slice(&all->delta.d, from, n);
        st = add_change(b, &c);
        from += n;
    }
    return st;
}

static zis_status build_low_rank(const build *b)
{
    static const zis_lora_role roles[] = {ZIS_LORA_DOWN, ZIS_LORA_UP};
    zis_status st = need(b, roles, 2);
    if (st) return st;
    zis_lora_change c = {.name = b->m->part[ZIS_LORA_DOWN]->name};
    c.delta = (zis_delta){.kind = ZIS_DELTA_LOW_RANK,
                          .a = b->m->part[ZIS_LORA_DOWN]->tensor,
                          .b = b->m->part[ZIS_LORA_UP]->tensor};
    st = check_matrix(b, ZIS_LORA_DOWN, -1, b->cols);
    if (!st) st = check_matrix(b, ZIS_LORA_UP, b->rows, c.delta.a.dim[0]);
    if (!st) st = check_rank(b, ZIS_LORA_DOWN, c.delta.a.dim[0]);
    if (!st) st = scale_of(b, c.delta.a.dim[0], true, &c.delta.scale);
    return st ? st : add_rows(b, &c);
}

static zis_status build_hadamard(const build *b)
{
    static const zis_lora_role roles[] = {ZIS_LORA_HADA_W1_A, ZIS_LORA_HADA_W1_B,
                                          ZIS_LORA_HADA_W2_A, ZIS_LORA_HADA_W2_B};
    zis_status st = need(b, roles, 4);
    if (st) return st;
    const zis_weights_entry *const *p = b->m->part;
    zis_lora_change c = {.name = p[ZIS_LORA_HADA_W1_A]->name};
    c.delta = (zis_delta){
        .kind = ZIS_DELTA_HADAMARD,
        .b = p[ZIS_LORA_HADA_W1_A]->tensor,
        .a = p[ZIS_LORA_HADA_W1_B]->tensor,
        .d = p[ZIS_LORA_HADA_W2_A]->tensor,
        .c = p[ZIS_LORA_HADA_W2_B]->tensor,
    };
    st = check_matrix(b, ZIS_LORA_HADA_W1_B, -1, b->cols);
    if (!st) st = check_matrix(b, ZIS_LORA_HADA_W1_A, b->rows, c.delta.a.dim[0]);
    if (!st) st = check_matrix(b, ZIS_LORA_HADA_W2_B, -1, b->cols);
    if (!st) st = check_matrix(b, ZIS_LORA_HADA_W2_A, b->rows, c.delta.c.dim[0]);
    if (!st) st = check_rank(b, ZIS_LORA_HADA_W1_B, c.delta.a.dim[0]);
    if (!st) st = check_rank(b, ZIS_LORA_HADA_W2_B, c.delta.c.dim[0]);
    if (!st) st = scale_of(b, c.delta.a.dim[0], false, &c.delta.scale);
    return st ? st : add_rows(b, &c);
}

/* One factor of LoKr: whole, or as two whose product it is. Its sides. */
static zis_status kron_factor(
    const build *b, zis_lora_role whole, bool *product, int64_t *rows, int64_t *cols)
{
    const zis_lora_role left = whole + 1, right = whole + 2;
    const zis_lora_role both[] = {left, right};
    *product = !b->m->part[whole];
    zis_status st = need(b, *product ? both : &whole, *product ? 2 : 1);
    if (st) return st;
    st = check_matrix(b, *product ? left : whole, -1, -1);
    if (st) return st;
    *rows = b->m->part[*product ? left : whole]->tensor.dim[0];
    if (!*product) {
        *cols = b->m->part[whole]->tensor.dim[1];
        return ZIS_OK;
    }
    st = check_matrix(b, right, b->m->part[left]->tensor.dim[1], -1);
    if (!st) *cols = b->m->part[right]->tensor.dim[1];
    return st ? st : check_rank(b, right, b->m->part[right]->tensor.dim[0]);
}

static zis_status build_kron(const build *b)
{
    const zis_weights_entry *const *p = b->m->part;
    bool outer = false, inner = false;
    int64_t n1 = 0, k1 = 0, n2 = 0, k2 = 0, rows, cols;
    zis_lora_change c = {.delta = {.kind = ZIS_DELTA_KRON, .scale = 1}};
    zis_status st = kron_factor(b, ZIS_LORA_LOKR_W1, &outer, &n1, &k1);
    if (!st) st = kron_factor(b, ZIS_LORA_LOKR_W2, &inner, &n2, &k2);
    if (st) return st;
    const zis_weights_entry *shown = p[outer ? ZIS_LORA_LOKR_W1_A : ZIS_LORA_LOKR_W1];
    c.name = shown->name;
    if (__builtin_mul_overflow(n1, n2, &rows) || __builtin_mul_overflow(k1, k2, &cols) ||
        rows != b->rows || cols != b->cols)
        return zis_fail(b->err, ZIS_FORMAT,
                        "'%.*s': %.*s and its other factor make no matrix of %" PRId64 " x %" PRId64
                        ", which %s of this model needs; the LoRA was made for another model",
                        ZIS_LORA_SHOWN(b->lora->path), ZIS_LORA_SHOWN(shown->name), b->rows,
                        b->cols, shown_name(b));
    if (outer && n1 > KRON_OUTER_MOST / k1)
        return zis_fail(b->err, ZIS_UNSUPPORTED,
                        "'%.*s': the first factor of %.*s has %" PRId64 " x %" PRId64
                        " values; LoKr keeps it small (at most %d values here)",
                        ZIS_LORA_SHOWN(b->lora->path), ZIS_LORA_SHOWN(shown->name), n1, k1,
                        KRON_OUTER_MOST);
    if (outer) {
        c.left = p[ZIS_LORA_LOKR_W1_A]->tensor;
        c.right = p[ZIS_LORA_LOKR_W1_B]->tensor;
    } else {
        c.delta.c = p[ZIS_LORA_LOKR_W1]->tensor;
    }
    c.delta.b = p[inner ? ZIS_LORA_LOKR_W2_A : ZIS_LORA_LOKR_W2]->tensor;
    if (inner) c.delta.a = p[ZIS_LORA_LOKR_W2_B]->tensor;
    /* of whole matrices alpha says nothing */
    if (inner)
        st = scale_of(b, c.delta.a.dim[0], false, &c.delta.scale);
    else if (outer)
        st = scale_of(b, c.right.dim[0], false, &c.delta.scale);
    return st ? st : add_rows(b, &c);
}

/* .diff and .set_weight, of a matrix or a norm. */
static zis_status build_full(const build *b, zis_lora_role role)
{
    const zis_weights_entry *e = b->m->part[role];
    bool set = role == ZIS_LORA_SET, norm = b->rows == 0;
    zis_lora_change c = {
        .name = e->name,
        .delta = {.kind = ZIS_DELTA_FULL, .scale = 1, .b = e->tensor},
    };
    if (norm) {
        const zis_lora_target *t = &b->t->list[b->name->target[0]];
        char expected[40];
        snprintf(expected, sizeof expected, "[%" PRId64 "]", t->length);
        if (zis_tensor_count(&e->tensor) != t->length || zis_tensor_cols(&e->tensor) != t->length)
            return wrong_shape(b, e, expected);
        c.target = b->name->target[0];
        c.kind = set ? ZIS_LORA_CHANGE_SET_VECTOR : ZIS_LORA_CHANGE_VECTOR;
        return add_change(b, &c);
    }
    c.kind = set ? ZIS_LORA_CHANGE_SET : ZIS_LORA_CHANGE_DELTA;
    zis_status st = check_matrix(b, role, b->rows, b->cols);
    return st ? st : add_rows(b, &c);
}

/* Only of modules with a bias, which are never fused. */
static zis_status build_bias(const build *b)
{
    const zis_weights_entry *e = b->m->part[ZIS_LORA_DIFF_B];
    const zis_lora_target *t = &b->t->list[b->name->target[0]];
    char expected[40];
    snprintf(expected, sizeof expected, "[%" PRId64 "]", t->length);
    if (e->tensor.ndim != 1 || e->tensor.dim[0] != t->length) return wrong_shape(b, e, expected);
    return add_change(b, &(zis_lora_change){
                             .target = b->name->target[0],
                             .kind = ZIS_LORA_CHANGE_VECTOR,
                             .delta = {.kind = ZIS_DELTA_FULL, .scale = 1, .b = e->tensor},
                             .name = e->name,
                         });
}

static zis_status check_types(const build *b)
{
    for (int i = 0; i < ZIS_LORA_ROLES; i++) {
        const zis_weights_entry *e = b->m->part[i];
        static const unsigned char zero[8];
        float ignored;
        if (i == ZIS_LORA_TUCKER && e)
            return zis_fail(b->err, ZIS_UNSUPPORTED,
                            "'%.*s': %.*s belongs to a convolution, and this model has none; the "
                            "LoRA was made for another model",
                            ZIS_LORA_SHOWN(b->lora->path), ZIS_LORA_SHOWN(e->name));
        if (e && zis_dtype_to_f32(&ignored, zero, e->tensor.dtype, 1))
            return zis_fail(b->err, ZIS_FORMAT,
                            "'%.*s': %.*s is of type %s; the parts of a LoRA are floats",
                            ZIS_LORA_SHOWN(b->lora->path), ZIS_LORA_SHOWN(e->name),
                            zis_dtype_get(e->tensor.dtype)->name);
    }
    return ZIS_OK;
}

zis_status zis_lora_build(zis_lora *lora,
                          const zis_lora_targets *t,
                          const zis_lora_name *name,
                          const zis_lora_module *m,
                          const zis_lora_peft *peft,
                          zis_error *err)
{
    build b = {.lora = lora, .t = t, .name = name, .m = m, .peft = peft, .err = err};
    for (int i = 0; i < name->targets; i++) {
        const zis_weight *w = t->list[name->target[i]].w;
        b.rows += w ? w->t.dim[0] : 0;
        b.cols = w ? w->t.dim[1] : 0;
    }
    zis_status st = check_types(&b);
    bool hada = false, lokr = false;
    for (int i = ZIS_LORA_HADA_W1_A; i <= ZIS_LORA_HADA_W2_B; i++) hada = hada || m->part[i];
    for (int i = ZIS_LORA_LOKR_W1; i <= ZIS_LORA_LOKR_W2_B; i++) lokr = lokr || m->part[i];
    bool low = m->part[ZIS_LORA_DOWN] || m->part[ZIS_LORA_UP];
    if (!st && b.rows == 0 && (low || hada || lokr))
        st = zis_fail(err, ZIS_FORMAT,
                      "'%.*s': it holds factors of a matrix for %s, which is a norm in this model; "
                      "the LoRA was made for another model",
                      ZIS_LORA_SHOWN(lora->path), shown_name(&b));
    if (!st && low) st = build_low_rank(&b);
    if (!st && hada) st = build_hadamard(&b);
    if (!st && lokr) st = build_kron(&b);
    if (!st && m->part[ZIS_LORA_DIFF]) st = build_full(&b, ZIS_LORA_DIFF);
    if (!st && m->part[ZIS_LORA_SET]) st = build_full(&b, ZIS_LORA_SET);
    if (!st && m->part[ZIS_LORA_DIFF_B]) st = build_bias(&b);
    return st;
}
