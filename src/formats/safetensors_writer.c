/* safetensors_writer.c - declare, then stream. The header is written with the first bytes. */
#include "formats/safetensors.h"

#include "base/mem.h"
#include "base/outfile.h"
#include "base/strmap.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_MAX 100000000u
/* The data starts at a multiple of this, as vector loads and GPUs like it. */
#define DATA_ALIGN 64u
/* Larger offsets do not survive readers that hold them as doubles. */
#define DATA_MAX ((uint64_t)1 << 53)

struct zis_safetensors_writer {
    char *path;
    zis_outfile *file;
    zis_buf members; /* of the tensors: ,"name":{...},"name":{...} */
    zis_buf metas;   /* of __metadata__, in the same form */
    zis_strmap names;
    zis_strmap keys;
    char **strings; /* what the maps borrow */
    size_t n_strings, room;
    uint64_t declared;
    uint64_t written;
    bool started; /* the header is out */
};

zis_status zis_safetensors_writer_create(zis_safetensors_writer **out,
                                         const char *path,
                                         zis_error *err)
{
    zis_safetensors_writer *w = zis_mem_zalloc(1, sizeof *w);
    if (!w) return zis_fail_nomem(err, path);
    w->members.cap = w->metas.cap = HEADER_MAX;
    w->path = zis_mem_strdup(path);
    zis_status st = w->path ? zis_outfile_create(&w->file, path, err) : zis_fail_nomem(err, path);
    if (!st) {
        *out = w;
        w = NULL;
    }
    zis_safetensors_writer_destroy(&w);
    return st;
}

static void put_string(zis_buf *b, const char *s)
{
    zis_buf_putc(b, '"');
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            zis_buf_printf(b, "\\%c", c);
        else if (c < 0x20)
            zis_buf_printf(b, "\\u%04x", c);
        else
            zis_buf_putc(b, (char)c);
    }
    zis_buf_putc(b, '"');
}

static bool printable(const char *s)
{
    size_t len = strlen(s);
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        size_t n = zis_utf8_decode(s + i, len - i, &cp);
        if (n == 0 || cp < 0x20 || (cp >= 0x7F && cp < 0xA0)) return false;
        i += n;
    }
    return true;
}

static zis_status check_open(const zis_safetensors_writer *w, zis_error *err)
{
    if (!w->started) return ZIS_OK;
    return zis_fail(err, ZIS_ARG, "cannot add to '%s': its header is written already", w->path);
}

/* Remembers a name; refuses what the reader would refuse. */
static zis_status claim(
    zis_safetensors_writer *w, zis_strmap *map, const char *what, const char *name, zis_error *err)
{
    size_t len = strlen(name);
    if (!printable(name))
        return zis_fail(err, ZIS_ARG,
                        "cannot write '%s': a %s holds control characters or is not UTF-8", w->path,
                        what);
    if (w->n_strings == w->room) {
        size_t room = w->room ? w->room * 2 : 64;
        char **p = zis_mem_resize(w->strings, room, sizeof *p);
        if (!p) return zis_fail_nomem(err, w->path);
        w->strings = p;
        w->room = room;
    }
    char *copy = zis_mem_strndup(name, len);
    if (!copy) return zis_fail_nomem(err, w->path);
    zis_status st = zis_strmap_put(map, copy, len, 0, NULL);
    if (st) {
        free(copy);
        if (st == ZIS_NOMEM) return zis_fail_nomem(err, w->path);
        return zis_fail(err, ZIS_ARG, "cannot write '%s': the %s '%.*s' is there twice", w->path,
                        what, zis_utf8_cut(name, len, 100), name);
    }
    w->strings[w->n_strings++] = copy;
    return ZIS_OK;
}

static zis_status header_failed(const zis_safetensors_writer *w, const zis_buf *b, zis_error *err)
{
    if (b->len > HEADER_MAX / 2)
        return zis_fail(err, ZIS_ARG, "cannot write '%s': its header has more than %u bytes",
                        w->path, HEADER_MAX);
    return zis_fail_nomem(err, w->path);
}

zis_status zis_safetensors_writer_add(zis_safetensors_writer *w,
                                      const char *name,
                                      zis_dtype dtype,
                                      int ndim,
                                      const int64_t *dims,
                                      zis_error *err)
{
    zis_status st = check_open(w, err);
    if (st) return st;
    if ((unsigned)dtype >= ZIS_DTYPE_COUNT || zis_dtype_get(dtype)->block != 1 || ndim < 0 ||
        ndim > ZIS_MAX_DIMS)
        return zis_fail(
            err, ZIS_ARG,
            "cannot write '%s': tensor '%.*s' has a type or shape that safetensors does "
            "not hold",
            w->path, zis_utf8_cut(name, strlen(name), 100), name);
    int64_t bytes = zis_dtype_get(dtype)->bytes;
    bool fits = strcmp(name, "__metadata__") != 0, empty = false;
    for (int i = 0; i < ndim; i++) {
        if (dims[i] == 0)
            empty = true;
        else if (dims[i] < 0 || __builtin_mul_overflow(bytes, dims[i], &bytes))
            fits = false;
    }
    if (empty && fits) bytes = 0;
    if (!fits || (uint64_t)bytes > DATA_MAX - w->declared)
        return zis_fail(err, ZIS_ARG,
                        "cannot write '%s': tensor '%.*s' has an impossible name or shape", w->path,
                        zis_utf8_cut(name, strlen(name), 100), name);
    st = claim(w, &w->names, "tensor name", name, err);
    if (st) return st;
    zis_buf *b = &w->members;
    zis_buf_putc(b, ',');
    put_string(b, name);
    zis_buf_printf(b, ":{\"dtype\":\"%s\",\"shape\":[", zis_dtype_get(dtype)->name);
    for (int i = 0; i < ndim; i++) zis_buf_printf(b, "%s%" PRId64, i ? "," : "", dims[i]);
    zis_buf_printf(b, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", w->declared,
                   w->declared + (uint64_t)bytes);
    if (b->failed) return header_failed(w, b, err);
    w->declared += (uint64_t)bytes;
    return ZIS_OK;
}

zis_status zis_safetensors_writer_meta(zis_safetensors_writer *w,
                                       const char *key,
                                       const char *value,
                                       zis_error *err)
{
    zis_status st = check_open(w, err);
    if (st) return st;
    if (!zis_utf8_valid(value, strlen(value)))
        return zis_fail(err, ZIS_ARG, "cannot write '%s': a metadata value is not UTF-8", w->path);
    st = claim(w, &w->keys, "metadata key", key, err);
    if (st) return st;
    zis_buf_putc(&w->metas, ',');
    put_string(&w->metas, key);
    zis_buf_putc(&w->metas, ':');
    put_string(&w->metas, value);
    return w->metas.failed ? header_failed(w, &w->metas, err) : ZIS_OK;
}

static zis_status start(zis_safetensors_writer *w, zis_error *err)
{
    zis_buf b = {.cap = HEADER_MAX + 8};
    zis_status st = ZIS_OK;
    zis_buf_append(&b, "\0\0\0\0\0\0\0\0{", 9);
    if (w->metas.len) {
        zis_buf_puts(&b, "\"__metadata__\":{");
        zis_buf_append(&b, w->metas.data + 1, w->metas.len - 1); /* without the first comma */
        zis_buf_puts(&b, w->members.len ? "}," : "}");
    }
    if (w->members.len) zis_buf_append(&b, w->members.data + 1, w->members.len - 1);
    zis_buf_putc(&b, '}');
    while (!b.failed && b.len % DATA_ALIGN) zis_buf_putc(&b, ' ');
    if (b.failed || w->members.failed || w->metas.failed) {
        st = header_failed(w, &b, err);
        goto out;
    }
    uint64_t n = b.len - 8;
    for (int i = 0; i < 8; i++) b.data[i] = (char)(n >> (8 * i));
    st = zis_outfile_reserve(w->file, b.len + w->declared, err);
    if (!st) st = zis_outfile_write(w->file, b.data, b.len, err);
    w->started = !st;
out:
    zis_buf_free(&b);
    return st;
}

zis_status zis_safetensors_writer_write(zis_safetensors_writer *w,
                                        const void *data,
                                        size_t n,
                                        zis_error *err)
{
    if (n > w->declared - w->written)
        return zis_fail(err, ZIS_ARG,
                        "cannot write '%s': more bytes came than the %" PRIu64 " of its tensors",
                        w->path, w->declared);
    zis_status st = w->started ? ZIS_OK : start(w, err);
    if (!st) st = zis_outfile_write(w->file, data, n, err);
    if (!st) w->written += n;
    return st;
}

zis_status zis_safetensors_writer_finish(zis_safetensors_writer *w, zis_error *err)
{
    if (w->written != w->declared)
        return zis_fail(err, ZIS_ARG,
                        "cannot write '%s': its tensors have %" PRIu64 " bytes, but only %" PRIu64
                        " came",
                        w->path, w->declared, w->written);
    zis_status st = w->started ? ZIS_OK : start(w, err);
    return st ? st : zis_outfile_finish(w->file, err);
}

void zis_safetensors_writer_destroy(zis_safetensors_writer **writer)
{
    if (!writer || !*writer) return;
    zis_safetensors_writer *w = *writer;
    zis_outfile_destroy(&w->file);
    zis_buf_free(&w->members);
    zis_buf_free(&w->metas);
    zis_strmap_free(&w->names);
    zis_strmap_free(&w->keys);
    for (size_t i = 0; i < w->n_strings; i++) free(w->strings[i]);
    free(w->strings);
    free(w->path);
    free(w);
    *writer = NULL;
}
