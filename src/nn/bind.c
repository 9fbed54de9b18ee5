/* bind.c - the loop over a binding table. */
#include "nn/bind.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAULTS_SHOWN 6
#define FAULTS_ROOM 400

void zis_bind_init(zis_bind *b, const zis_weights *from, const char *what)
{
    *b = (zis_bind){.from = from, .what = what};
}

void zis_bind_deinit(zis_bind *b)
{
    for (size_t i = 0; i < b->n_blocks; i++) free(b->blocks[i]);
    free(b->blocks);
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

/* Appends ", <text>" or "<text>" to the list of faults, which names only the first few. */
static void note_fault(zis_bind *b, const char *text)
{
    if (b->n_missing + b->n_wrong > FAULTS_SHOWN) return;
    char *list = zis_mem_printf("%s%s%s", b->faults ? b->faults : "", b->faults ? ", " : "", text);
    if (!list) {
        b->nomem = true;
        return;
    }
    free(b->faults);
    b->faults = list;
}

static void missing(zis_bind *b, const char *name)
{
    char text[300];
    b->n_missing++;
    snprintf(text, sizeof text, "%s is missing", name);
    note_fault(b, text);
}

static void wrong(zis_bind *b, const zis_weights_entry *e, const char *expected)
{
    char text[300], shape[100];
    b->n_wrong++;
    snprintf(text, sizeof text, "%s is %s %s and not %s", e->name,
             zis_dtype_get(e->tensor.dtype)->name,
             zis_tensor_shape_text(&e->tensor, shape, sizeof shape), expected);
    note_fault(b, text);
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

static void bind_row(zis_bind *b, const zis_bind_row *row, const char *name, void *object)
{
    const zis_weights_entry *e = zis_weights_find(b->from, name);
    char *field = (char *)object + row->field;
    if (!e) {
        if (!row->optional) missing(b, name);
        return;
    }
    int64_t dim[ZIS_MAX_DIMS];
    int ndim = read_shape(&b->symbols, row->shape, dim);
    if (ndim < 0) {
        wrong(b, e, row->shape); /* a symbol that the configuration leaves undefined */
        return;
    }
    if (!fits(&e->tensor, row->kind, ndim, dim)) {
        char expected[140];
        describe_expected(expected, sizeof expected, row->kind, ndim, dim);
        wrong(b, e, expected);
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
            bind_row(b, &rows[i], name, object);
        else
            missing(b, rows[i].name);
    }
}

zis_status zis_bind_finish(zis_bind *b, zis_error *err)
{
    if (b->nomem) return zis_fail_nomem(err, b->what);
    size_t n = b->n_missing + b->n_wrong;
    if (n == 0) return ZIS_OK;
    char more[48] = "";
    if (n > FAULTS_SHOWN) snprintf(more, sizeof more, ", and %zu more", n - FAULTS_SHOWN);
    return zis_fail(err, ZIS_FORMAT,
                    "%s is not %s of this configuration (%zu tensors missing, %zu of another shape "
                    "or type): %.*s%s",
                    zis_weights_path(b->from), b->what, b->n_missing, b->n_wrong, FAULTS_ROOM,
                    b->faults ? b->faults : "", more);
}
