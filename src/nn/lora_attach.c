/* lora_attach.c - values looked at and, where kernels want it, widened; pointers set and put back.
 */
#include "base/utf8.h"
#include "nn/lora_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- values --------------------------------------------------------------------------------- */

static bool finite_words(const unsigned char *p, int64_t n, uint16_t exponent)
{
    unsigned bad = 0;
    for (int64_t i = 0; i < n; i++) {
        uint16_t v;
        memcpy(&v, p + 2 * i, 2);
        bad |= (v & exponent) == exponent;
    }
    return !bad;
}

static bool is_finite(const zis_tensor *t)
{
    const unsigned char *p = t->data;
    int64_t n = zis_tensor_count(t), size = zis_dtype_get(t->dtype)->bytes;
    if (t->dtype == ZIS_DTYPE_BF16) return finite_words(p, n, 0x7F80);
    if (t->dtype == ZIS_DTYPE_F16) return finite_words(p, n, 0x7C00);
    for (int64_t i = 0; i < n; i++) {
        float f = 0;
        (void)zis_dtype_to_f32(&f, p + i * size, t->dtype, 1);
        if (!isfinite(f)) return false;
    }
    return true;
}

/* A block of n floats that lives as long as the file. */
static float *take_block(zis_lora *l, size_t n)
{
    if (l->n_owned == l->room_owned) {
        size_t room = l->room_owned ? 2 * l->room_owned : 64;
        float **grown = zis_mem_resize(l->owned, room, sizeof *grown);
        if (!grown) return NULL;
        l->owned = grown;
        l->room_owned = room;
    }
    float *p = zis_mem_alloc(n, sizeof *p);
    if (p) l->owned[l->n_owned++] = p;
    return p;
}

/* Checks one part and makes it float32, unless it may stay as stored. */
static zis_status load_part(
    zis_lora *l, const zis_lora_change *c, zis_tensor *t, bool stored, zis_error *err)
{
    if (!t->data) return ZIS_OK;
    if (!is_finite(t))
        return zis_fail(err, ZIS_FORMAT,
                        "'%.*s': the module of %.*s holds values that are not finite (NaN or "
                        "infinite); the file is damaged, or its training failed",
                        ZIS_LORA_SHOWN(l->path), ZIS_LORA_SHOWN(c->name));
    bool aligned = (uintptr_t)t->data % sizeof(float) == 0;
    if (t->dtype == ZIS_DTYPE_F32 && (stored || aligned)) return ZIS_OK;
    if (stored && (t->dtype == ZIS_DTYPE_BF16 || t->dtype == ZIS_DTYPE_F16)) return ZIS_OK;
    size_t n = (size_t)zis_tensor_count(t);
    float *p = take_block(l, n);
    if (!p) return zis_fail_nomem(err, l->path);
    (void)zis_dtype_to_f32(p, t->data, t->dtype, n);
    t->data = p;
    t->dtype = ZIS_DTYPE_F32;
    return ZIS_OK;
}

/* c = left right of LoKr, in double sums. */
static zis_status multiply_outer(zis_lora *l, zis_lora_change *c, zis_error *err)
{
    zis_status st = load_part(l, c, &c->left, false, err);
    if (!st) st = load_part(l, c, &c->right, false, err);
    if (st || !c->left.data) return st;
    int64_t n = c->left.dim[0], r = c->left.dim[1], k = c->right.dim[1];
    float *p = take_block(l, (size_t)(n * k));
    if (!p) return zis_fail_nomem(err, l->path);
    const float *left = c->left.data, *right = c->right.data;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < k; j++) {
            double s = 0;
            for (int64_t d = 0; d < r; d++) s += (double)left[i * r + d] * (double)right[d * k + j];
            p[i * k + j] = (float)s;
        }
    c->delta.c = zis_tensor_2d(p, ZIS_DTYPE_F32, n, k);
    return ZIS_OK;
}

zis_status zis_lora_load(zis_lora *l, zis_error *err)
{
    if (l->loaded) return ZIS_OK;
    zis_status st = zis_weights_check(l->weights, err);
    for (size_t i = 0; i < l->n && !st; i++) {
        zis_lora_change *c = &l->changes[i];
        zis_delta *d = &c->delta;
        bool stored = d->kind == ZIS_DELTA_LOW_RANK || d->kind == ZIS_DELTA_FULL;
        st = load_part(l, c, &d->a, stored, err);
        if (!st)
            st = load_part(l, c, &d->b, stored || (d->kind == ZIS_DELTA_KRON && !d->a.data), err);
        if (!st) st = load_part(l, c, &d->c, false, err);
        if (!st) st = load_part(l, c, &d->d, false, err);
        if (!st) st = multiply_outer(l, c, err);
    }
    if (!st) l->loaded = true;
    return st;
}

/* ---- attaching ------------------------------------------------------------------------------ */

/* A target as it was. */
typedef struct saved {
    zis_lora_target target; /* borrowed pointers */
    zis_weight w;
    const float *vector;
} saved;

struct zis_lora_attachment {
    saved *saved;
    size_t n_saved;
    zis_delta *deltas;
    float **vectors; /* changed ones */
    size_t n_vectors;
};

void zis_lora_detach(zis_lora_attachment **pointer)
{
    zis_lora_attachment *a = pointer ? *pointer : NULL;
    if (!a) return;
    for (size_t i = 0; i < a->n_saved; i++) {
        const saved *s = &a->saved[i];
        if (s->target.w) *s->target.w = s->w;
        if (s->target.vector) *s->target.vector = s->vector;
    }
    for (size_t i = 0; i < a->n_vectors; i++) free(a->vectors[i]);
    free(a->vectors);
    free(a->saved);
    free(a->deltas);
    free(a);
    *pointer = NULL;
}

/* All files' changes, walked in order. */
typedef struct walk {
    zis_lora *const *loras;
    const double *strengths;
    size_t n;
    size_t file, at;
    double strength;
} walk;

static const zis_lora_change *next_change(walk *w)
{
    for (; w->file < w->n; w->file++, w->at = 0) {
        const zis_lora *l = w->loras[w->file];
        w->strength = w->strengths[w->file];
        if (w->strength == 0 || w->at >= l->n) continue;
        return &l->changes[w->at++];
    }
    return NULL;
}

static bool is_vector(const zis_lora_change *c)
{
    return c->kind == ZIS_LORA_CHANGE_VECTOR || c->kind == ZIS_LORA_CHANGE_SET_VECTOR;
}

/* vector = set, or vector + strength * difference */
static zis_status change_vector(zis_lora_attachment *a,
                                const zis_lora_target *t,
                                const zis_lora_change *c,
                                double strength,
                                zis_error *err)
{
    size_t n = (size_t)t->length;
    float *v = zis_mem_alloc(n, sizeof *v);
    if (!v) return zis_fail_nomem(err, t->name);
    a->vectors[a->n_vectors++] = v;
    (void)zis_dtype_to_f32(v, c->delta.b.data, c->delta.b.dtype, n);
    if (c->kind == ZIS_LORA_CHANGE_VECTOR)
        for (size_t i = 0; i < n; i++)
            v[i] = (float)((double)(*t->vector)[i] + strength * (double)v[i]);
    *t->vector = v;
    return ZIS_OK;
}

/* Counts deltas by target (first[i + 1]) and vectors; then first[i] is where those of target i
 * begin. */
static size_t count_changes(walk w, size_t *first, size_t n_targets, size_t *vectors)
{
    const zis_lora_change *c;
    *vectors = 0;
    while ((c = next_change(&w))) {
        *vectors += is_vector(c);
        first[c->target + 1] += c->kind == ZIS_LORA_CHANGE_DELTA;
    }
    for (size_t i = 0; i < n_targets; i++) first[i + 1] += first[i];
    return first[n_targets];
}

static void save_all(zis_lora_attachment *a, const zis_lora_targets *t)
{
    for (size_t i = 0; i < t->n; i++) {
        const zis_lora_target *target = &t->list[i];
        saved *s = &a->saved[a->n_saved++];
        s->target = *target;
        if (target->w) s->w = *target->w;
        if (target->vector) s->vector = *target->vector;
    }
}

static zis_status apply(
    zis_lora_attachment *a, const zis_lora_targets *t, walk w, const size_t *first, zis_error *err)
{
    const zis_lora_change *c;
    zis_status st = ZIS_OK;
    while (!st && (c = next_change(&w))) {
        const zis_lora_target *target = &t->list[c->target];
        if (is_vector(c)) {
            st = change_vector(a, target, c, w.strength, err);
            continue;
        }
        if (c->kind == ZIS_LORA_CHANGE_SET) {
            target->w->t = c->delta.b;
            continue;
        }
        zis_delta *d = &a->deltas[first[c->target] + (size_t)target->w->deltas];
        *d = c->delta;
        d->scale = (float)((double)d->scale * w.strength);
        target->w->delta = &a->deltas[first[c->target]];
        target->w->deltas++;
    }
    return st;
}

zis_status zis_lora_attach(zis_lora_attachment **out,
                           const zis_lora_targets *t,
                           zis_lora *const *loras,
                           const double *strengths,
                           size_t n,
                           zis_error *err)
{
    walk w = {.loras = loras, .strengths = strengths, .n = n};
    zis_status st = ZIS_OK;
    for (size_t i = 0; i < n && !st; i++)
        if (strengths[i] != 0) st = zis_lora_load(loras[i], err);
    if (st) return st;
    size_t vectors = 0, *first = zis_mem_zalloc(t->n + 1, sizeof *first);
    zis_lora_attachment *a = zis_mem_zalloc(1, sizeof *a);
    if (!first || !a) {
        st = zis_fail_nomem(err, "the LoRAs");
        goto out;
    }
    size_t deltas = count_changes(w, first, t->n, &vectors);
    a->saved = zis_mem_alloc(t->n, sizeof *a->saved);
    a->deltas = zis_mem_alloc(deltas, sizeof *a->deltas);
    a->vectors = zis_mem_alloc(vectors, sizeof *a->vectors);
    if (!a->saved || !a->deltas || !a->vectors) {
        st = zis_fail_nomem(err, "the LoRAs");
        goto out;
    }
    save_all(a, t);
    st = apply(a, t, w, first, err);
    if (!st) {
        *out = a;
        a = NULL;
    }
out:
    zis_lora_detach(&a);
    free(first);
    return st;
}
