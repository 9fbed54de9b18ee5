/* weights_memory.c - a checkpoint in memory: one block of pages, tensors laid out in order. */
#include "base/mem.h"
#include "base/os.h"
#include "formats/weights_impl.h"

#include <stdlib.h>
#include <string.h>

#define ALIGN 64

typedef struct memory {
    unsigned char *pages;
    size_t size;
    zis_weights_entry *entries; /* names are owned */
    size_t count;
} memory;

static void close_memory(void **handle)
{
    memory *m = *handle;
    if (!m) return;
    for (size_t i = 0; i < m->count; i++) free((char *)m->entries[i].name);
    free(m->entries);
    if (m->pages) zis_os_pages_free(m->pages, m->size);
    free(m);
    *handle = NULL;
}

static size_t count(const void *handle)
{
    return ((const memory *)handle)->count;
}

static void at(const void *handle, size_t i, zis_weights_entry *out)
{
    const zis_weights_entry *e = &((const memory *)handle)->entries[i];
    out->name = e->name;
    out->tensor = e->tensor;
    out->bytes = e->bytes;
}

static const char *meta(const void *handle, const char *key)
{
    (void)handle;
    (void)key;
    return NULL;
}

static zis_status check(const void *handle, zis_error *err)
{
    (void)handle;
    (void)err;
    return ZIS_OK; /* memory cannot be cut short */
}

static const zis_container container = {
    .name = "memory",
    .close = close_memory,
    .count = count,
    .at = at,
    .meta = meta,
    .check = check,
};

/* Bytes of a tensor; true when the shape is absurd. */
static bool bytes_of(const zis_weights_spec *s, size_t *bytes)
{
    const zis_dtype_info *d = zis_dtype_get(s->dtype);
    size_t n = 1;
    if (s->ndim < 0 || s->ndim > ZIS_MAX_DIMS) return true;
    for (int i = 0; i < s->ndim; i++)
        if (s->dim[i] < 0 || zis_size_mul(n, (size_t)s->dim[i], &n)) return true;
    if (n % (size_t)d->block || zis_size_mul(n / (size_t)d->block, (size_t)d->bytes, &n))
        return true;
    if (n > (size_t)INT64_MAX - ALIGN) return true;
    *bytes = n;
    return false;
}

static zis_status fill(
    memory *m, const char *what, const zis_weights_spec *specs, size_t n, zis_error *err)
{
    size_t size = 0;
    for (size_t i = 0; i < n; i++) {
        size_t bytes;
        if (bytes_of(&specs[i], &bytes) || zis_size_add(size, zis_round_up(bytes, ALIGN), &size))
            return zis_fail(err, ZIS_ARG, "%s: tensor '%.100s' is too large", what, specs[i].name);
    }
    m->entries = zis_mem_zalloc(n, sizeof *m->entries);
    m->size = size ? size : ALIGN;
    m->pages = zis_os_pages(m->size);
    if (!m->entries || !m->pages)
        return zis_fail(err, ZIS_NOMEM, "out of memory for the %.1f MB of %s", (double)size / 1e6,
                        what);
    size_t from = 0;
    for (size_t i = 0; i < n; i++) {
        const zis_weights_spec *s = &specs[i];
        zis_tensor t = {.data = m->pages + from, .dtype = s->dtype, .ndim = s->ndim, .stride = 1};
        for (int k = 0; k < s->ndim; k++) t.dim[k] = s->dim[k];
        if (s->ndim) t.stride = s->dim[s->ndim - 1];
        char *name = zis_mem_strdup(s->name);
        if (!name) return zis_fail_nomem(err, what);
        m->entries[i] = (zis_weights_entry){.name = name, .tensor = t};
        m->entries[i].bytes = zis_tensor_bytes(&t);
        m->count = i + 1;
        from += zis_round_up(m->entries[i].bytes, ALIGN);
    }
    return ZIS_OK;
}

zis_status zis_weights_create_memory(
    zis_weights **out, const char *name, const zis_weights_spec *specs, size_t n, zis_error *err)
{
    zis_status st = ZIS_NOMEM;
    memory *m = zis_mem_zalloc(1, sizeof *m);
    zis_weights *w = zis_mem_zalloc(1, sizeof *w);
    if (!m || !w) goto nomem;
    w->path = zis_mem_strdup(name);
    w->sources = zis_mem_zalloc(1, sizeof *w->sources);
    if (!w->path || !w->sources) goto nomem;
    w->sources[0].path = zis_mem_strdup(name);
    if (!w->sources[0].path) goto nomem;
    w->sources[0].format = &container;
    w->sources[0].handle = m;
    w->n_sources = 1;
    zis_status filled = fill(m, name, specs, n, err);
    m = NULL; /* belongs to w */
    st = filled ? filled : zis_weights_take_entries(w, 0, err);
    if (!st) {
        *out = w;
        w = NULL;
    }
    goto out;
nomem:
    zis_fail_nomem(err, name);
out:
    if (w && w->n_sources == 0 && w->sources) free(w->sources[0].path);
    zis_weights_close(&w);
    free(m);
    return st;
}
