/* bind.c - the loop over a binding table. */
#include "nn/bind.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of a message that the list of faults may fill. */
#define FAULTS_ROOM 1800
/* Kinds of tensors of a wrong shape that are named. */
#define WRONG_SHOWN 6

void zis_bind_init(zis_bind *b, const zis_weights *from, const char *what)
{
    *b = (zis_bind){.from = from, .what = what};
}

void zis_bind_deinit(zis_bind *b)
{
    for (size_t i = 0; i < b->n_blocks; i++) free(b->blocks[i]);
    free(b->blocks);
    for (size_t i = 0; i < b->n_faults; i++) {
        free(b->faults[i].prefix);
        free(b->faults[i].detail);
        free(b->faults[i].range);
    }
    free(b->faults);
    *b = (zis_bind){0};
}

/* A block of n floats that lives as long as the binder. */
static float *take_block(zis_bind *b, size_t n)
{
    if (b->n_blocks == b->room_blocks) {
        size_t room = b->room_blocks ? 2 * b->room_blocks : 64;
        void **grown = zis_mem_resize(b->blocks, room, sizeof *grown);
        if (!grown) return NULL;
        b->blocks = grown;
        b->room_blocks = room;
    }
    float *p = zis_mem_alloc(n, sizeof *p);
    if (p) b->blocks[b->n_blocks++] = p;
    return p;
}

/* The fault that is like this one, new or known; NULL without memory. */
static zis_bind_fault *find_fault(
    zis_bind *b, const zis_bind_row *row, const char *prefix, bool missing, const char *detail)
{
    for (size_t i = b->n_faults; i > 0; i--) {
        zis_bind_fault *f = &b->faults[i - 1];
        if (f->row == row && strcmp(f->prefix, prefix) == 0 && strcmp(f->detail, detail) == 0)
            return f;
    }
    if (b->n_faults == b->room_faults) {
        size_t room = b->room_faults ? 2 * b->room_faults : 16;
        zis_bind_fault *grown = zis_mem_resize(b->faults, room, sizeof *grown);
        if (!grown) return NULL;
        b->faults = grown;
        b->room_faults = room;
    }
    zis_bind_fault f = {.row = row,
                        .prefix = zis_mem_strdup(prefix),
                        .detail = zis_mem_strdup(detail),
                        .missing = missing};
    if (!f.prefix || !f.detail) {
        free(f.prefix);
        free(f.detail);
        return NULL;
    }
    b->faults[b->n_faults] = f;
    return &b->faults[b->n_faults++];
}

static void note_fault(zis_bind *b,
                       const zis_bind_row *row,
                       const char *prefix,
                       int index,
                       bool missing,
                       const char *detail)
{
    zis_bind_fault *f = find_fault(b, row, prefix ? prefix : "", missing, detail);
    if (!f) {
        b->nomem = true;
        return;
    }
    if (f->n && f->range[f->n - 1] + 1 == index) {
        f->range[f->n - 1] = index;
        return;
    }
    if (f->n == f->room) {
        int *grown = zis_mem_resize(f->range, f->room + 8, sizeof *grown);
        if (!grown) {
            b->nomem = true;
            return;
        }
        f->range = grown;
        f->room += 8;
    }
    f->range[f->n++] = index;
    f->range[f->n++] = index;
}

static void missing(zis_bind *b, const zis_bind_row *row, const char *prefix, int index)
{
    b->n_missing++;
    note_fault(b, row, prefix, index, true, "");
}

static void wrong(zis_bind *b,
                  const zis_bind_row *row,
                  const char *prefix,
                  int index,
                  const zis_weights_entry *e,
                  const char *expected)
{
    char text[300], shape[100];
    b->n_wrong++;
    snprintf(text, sizeof text, "is %s %s and not %s", zis_dtype_get(e->tensor.dtype)->name,
             zis_tensor_shape_text(&e->tensor, shape, sizeof shape), expected);
    note_fault(b, row, prefix, index, false, text);
}

/* "layers.{0-3,7}.norm.weight", and what is wrong with it */
static void describe_fault(zis_buf *out, const zis_bind_fault *f)
{
    for (const char *p = f->row->name; *p; p++) {
        if (p[0] != '%' || !p[1]) {
            zis_buf_append(out, p, 1);
        } else if (*++p == 's') {
            zis_buf_printf(out, "%s", f->prefix);
        } else if (*p == 'd') {
            bool many = f->n > 2 || f->range[0] != f->range[1];
            if (many) zis_buf_append(out, "{", 1);
            for (size_t i = 0; i < f->n; i += 2) {
                zis_buf_printf(out, "%s%d", i ? "," : "", f->range[i]);
                if (f->range[i + 1] > f->range[i]) zis_buf_printf(out, "-%d", f->range[i + 1]);
            }
            if (many) zis_buf_append(out, "}", 1);
        } else {
            zis_buf_append(out, p - 1, 2);
        }
    }
    if (!f->missing) zis_buf_printf(out, " %s", f->detail);
}

/* The template with %s and %d filled in; false when it does not fit or holds another directive. */
static bool fill_name(char *out, size_t room, const char *name, const char *prefix, int index)
{
    size_t at = 0;
    for (const char *p = name; *p; p++) {
        int n;
        if (p[0] != '%')
            n = snprintf(out + at, room - at, "%c", *p);
        else if (*++p == 's')
            n = snprintf(out + at, room - at, "%s", prefix ? prefix : "");
        else if (*p == 'd')
            n = snprintf(out + at, room - at, "%d", index);
        else
            return false;
        if (n < 0 || (size_t)n >= room - at) return false;
        at += (size_t)n;
    }
    return at > 0;
}

/* "3*D F" with the symbols' values; returns the number of dims, or -1 for a shape that is not one
 * (an undefined symbol, too many dims). */
static int read_shape(const zis_bind_symbols *s, const char *shape, int64_t dim[ZIS_MAX_DIMS])
{
    int n = 0;
    const char *p = shape;
    while (*p) {
        if (n == ZIS_MAX_DIMS) return -1;
        int64_t product = 1;
        for (;;) {
            int64_t v = 0;
            if (*p >= 'A' && *p <= 'Z') {
                v = s->value[*p++ - 'A'];
            } else {
                while (*p >= '0' && *p <= '9' && v < INT32_MAX) v = 10 * v + (*p++ - '0');
            }
            if (v <= 0 || __builtin_mul_overflow(product, v, &product)) return -1;
            if (*p != '*') break;
            p++;
        }
        dim[n++] = product;
        if (*p == ' ')
            p++;
        else if (*p)
            return -1;
    }
    return n ? n : -1;
}

static bool is_float(zis_dtype t)
{
    float f;
    static const unsigned char zero[8];
    return zis_dtype_get(t)->block == 1 && zis_dtype_to_f32(&f, zero, t, 1) == 0;
}

static bool fits(const zis_tensor *t, zis_bind_kind kind, int ndim, const int64_t *dim)
{
    if (kind == ZIS_BIND_VECTOR) {
        bool row = t->ndim == 1 || (t->ndim == 2 && t->dim[0] == 1);
        return row && ndim == 1 && t->dim[t->ndim - 1] == dim[0] && is_float(t->dtype);
    }
    if (t->ndim != ndim) return false;
    for (int i = 0; i < ndim; i++)
        if (t->dim[i] != dim[i]) return false;
    return t->dtype == ZIS_DTYPE_F32 || t->dtype == ZIS_DTYPE_BF16 || t->dtype == ZIS_DTYPE_F16;
}

static void describe_expected(char *out, size_t room, zis_bind_kind kind, int ndim, int64_t *dim)
{
    zis_tensor t = {.ndim = ndim};
    for (int i = 0; i < ndim; i++) t.dim[i] = dim[i];
    char shape[100];
    snprintf(out, room, "%s %s", kind == ZIS_BIND_MATRIX ? "F32, BF16 or F16" : "floats",
             zis_tensor_shape_text(&t, shape, sizeof shape));
}

bool zis_bind_name(char *out, size_t room, const zis_bind_row *row, const char *prefix, int index)
{
    return fill_name(out, room, row->name, prefix, index);
}

int64_t zis_bind_length(const zis_bind *b, const zis_bind_row *row)
{
    int64_t dim[ZIS_MAX_DIMS];
    return read_shape(&b->symbols, row->shape, dim) == 1 ? dim[0] : 0;
}

static void bind_row(zis_bind *b,
                     const zis_bind_row *row,
                     const char *name,
                     const char *prefix,
                     int index,
                     void *object)
{
    const zis_weights_entry *e = zis_weights_find(b->from, name);
    char *field = (char *)object + row->field;
    if (!e) {
        if (!row->optional) missing(b, row, prefix, index);
        return;
    }
    int64_t dim[ZIS_MAX_DIMS];
    int ndim = read_shape(&b->symbols, row->shape, dim);
    if (ndim < 0) {
        wrong(b, row, prefix, index, e,
              row->shape); /* a symbol that the configuration leaves undefined */
        return;
    }
    if (!fits(&e->tensor, row->kind, ndim, dim)) {
        char expected[140];
        describe_expected(expected, sizeof expected, row->kind, ndim, dim);
        wrong(b, row, prefix, index, e, expected);
        return;
    }
    if (row->kind == ZIS_BIND_MATRIX) {
        zis_weight w = {.t = e->tensor, .name = e->name};
        memcpy(field, &w, sizeof w);
    } else {
        float *v = take_block(b, (size_t)dim[0]);
        if (!v) {
            b->nomem = true;
            return;
        }
        (void)zis_dtype_to_f32(v, e->tensor.data, e->tensor.dtype, (size_t)dim[0]);
        memcpy(field, &v, sizeof v);
    }
    b->bytes += e->bytes;
}

void zis_bind_table(
    zis_bind *b, const zis_bind_row *rows, size_t n, const char *prefix, int index, void *object)
{
    for (size_t i = 0; i < n; i++) {
        char name[256];
        if (fill_name(name, sizeof name, rows[i].name, prefix, index))
            bind_row(b, &rows[i], name, prefix, index, object);
        else
            missing(b, &rows[i], prefix, index);
    }
}

void zis_bind_end(zis_bind *b, const zis_bind_row *row, const char *prefix, int index)
{
    char name[256];
    if (!zis_bind_name(name, sizeof name, row, prefix, index) || !zis_weights_find(b->from, name))
        return;
    b->n_wrong++;
    note_fault(b, row, prefix, index, false, "lies behind the last block of the configuration");
}

zis_status zis_bind_finish(zis_bind *b, zis_error *err)
{
    if (b->nomem) return zis_fail_nomem(err, b->what);
    size_t told = 0, n = b->n_faults;
    if (b->n_missing + b->n_wrong == 0) return ZIS_OK;
    zis_buf list = {0};
    /* all that is missing, then some of what does not fit */
    for (size_t i = 0, wrongs = 0; i < 2 * n && list.len < FAULTS_ROOM; i++) {
        const zis_bind_fault *f = &b->faults[i % n];
        if (f->missing != (i < n) || (i >= n && wrongs++ >= WRONG_SHOWN)) continue;
        if (told++ == 0)
            zis_buf_printf(&list, "%s", f->missing ? "missing: " : "");
        else
            zis_buf_printf(&list, "%s", !f->missing && wrongs == 1 ? "; wrong: " : ", ");
        describe_fault(&list, f);
    }
    if (told < n) zis_buf_printf(&list, ", and %zu more of this kind", n - told);
    zis_status st =
        list.failed
            ? zis_fail_nomem(err, b->what)
            : zis_fail(err, ZIS_FORMAT,
                       "%s is not %s of this configuration (%zu tensor%s missing, %zu wrong): "
                       "%s",
                       zis_weights_path(b->from), b->what, b->n_missing,
                       b->n_missing == 1 ? "" : "s", b->n_wrong, list.data);
    zis_buf_free(&list);
    return st;
}
