/* tensor.c - shapes and slices. */
#include "tensor/tensor.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

static zis_tensor make(void *data, zis_dtype t, int ndim, const int64_t *dim)
{
    zis_tensor r = {.data = data, .dtype = t, .ndim = ndim, .stride = 1};
    for (int i = 0; i < ndim; i++) r.dim[i] = dim[i];
    if (ndim) r.stride = dim[ndim - 1];
    return r;
}

zis_tensor zis_tensor_1d(void *data, zis_dtype t, int64_t a)
{
    return make(data, t, 1, (const int64_t[]){a});
}

zis_tensor zis_tensor_2d(void *data, zis_dtype t, int64_t a, int64_t b)
{
    return make(data, t, 2, (const int64_t[]){a, b});
}

zis_tensor zis_tensor_3d(void *data, zis_dtype t, int64_t a, int64_t b, int64_t c)
{
    return make(data, t, 3, (const int64_t[]){a, b, c});
}

zis_tensor zis_tensor_4d(void *data, zis_dtype t, int64_t a, int64_t b, int64_t c, int64_t d)
{
    return make(data, t, 4, (const int64_t[]){a, b, c, d});
}

int64_t zis_tensor_count(const zis_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->ndim; i++) n *= t->dim[i];
    return n;
}

size_t zis_tensor_bytes(const zis_tensor *t)
{
    const zis_dtype_info *d = zis_dtype_get(t->dtype);
    return (size_t)(zis_tensor_count(t) / d->block) * (size_t)d->bytes;
}

int64_t zis_tensor_cols(const zis_tensor *t)
{
    return t->ndim ? t->dim[t->ndim - 1] : 1;
}

int64_t zis_tensor_rows(const zis_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i + 1 < t->ndim; i++) n *= t->dim[i];
    return n;
}

bool zis_tensor_dense(const zis_tensor *t)
{
    return t->stride == zis_tensor_cols(t) || zis_tensor_rows(t) <= 1;
}

bool zis_tensor_same_shape(const zis_tensor *a, const zis_tensor *b)
{
    if (a->ndim != b->ndim) return false;
    for (int i = 0; i < a->ndim; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

/* Elements ahead; the position lies at the start of a block. Addresses of other devices are only
 * counted, never read. */
static void *advance(const zis_tensor *t, int64_t elements)
{
    const zis_dtype_info *d = zis_dtype_get(t->dtype);
    assert(elements % d->block == 0);
    if (!t->data) return NULL;
    return (unsigned char *)t->data + elements / d->block * d->bytes;
}

zis_tensor zis_tensor_row_slice(const zis_tensor *t, int64_t from, int64_t n)
{
    assert(t->ndim == 2 && from >= 0 && n >= 0 && from + n <= t->dim[0]);
    zis_tensor r = *t;
    r.data = advance(t, from * t->stride);
    r.dim[0] = n;
    return r;
}

zis_tensor zis_tensor_col_slice(const zis_tensor *t, int64_t from, int64_t n)
{
    assert(t->ndim == 2 && from >= 0 && n >= 0 && from + n <= t->dim[1]);
    zis_tensor r = *t;
    r.data = advance(t, from);
    r.dim[1] = n;
    return r;
}

zis_tensor zis_tensor_reshape_2d(const zis_tensor *t, int64_t a, int64_t b)
{
    assert(zis_tensor_dense(t) && a * b == zis_tensor_count(t));
    return zis_tensor_2d(t->data, t->dtype, a, b);
}

zis_tensor zis_tensor_reshape_3d(const zis_tensor *t, int64_t a, int64_t b, int64_t c)
{
    assert(zis_tensor_dense(t) && a * b * c == zis_tensor_count(t));
    return zis_tensor_3d(t->data, t->dtype, a, b, c);
}

char *zis_tensor_shape_text(const zis_tensor *t, char *buf, size_t n)
{
    size_t at = 0;
    if (n == 0) return buf;
    buf[0] = '\0';
    for (int i = 0; i <= t->ndim; i++) {
        int w;
        if (i < t->ndim)
            w = snprintf(buf + at, n - at, "%s%" PRId64, i ? ", " : "[", t->dim[i]);
        else
            w = snprintf(buf + at, n - at, "%s", t->ndim ? "]" : "[]");
        if (w < 0 || (size_t)w >= n - at) break;
        at += (size_t)w;
    }
    return buf;
}
