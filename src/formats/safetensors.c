/* safetensors.c - the reader: rules 1 to 7 of the format, each checked before a view exists. */
#include "formats/safetensors.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/strmap.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tensors are used as they lie in the file, which is little-endian"
#endif

#define HEADER_MAX 100000000u
/* Larger numbers do not survive readers that hold them as doubles. */
#define NUMBER_MAX ((int64_t)1 << 53)

typedef struct meta {
    const char *key;
    const char *value;
} meta;

/* While the header is read, names lie in a buffer that moves: positions instead of pointers. */
typedef struct draft {
    zis_safetensors_entry entry;
    size_t name;
    size_t at; /* byte of the file where the member begins */
    uint64_t begin, end;
} draft;

struct zis_safetensors {
    char *path;
    zis_map map; /* zero when the bytes are the caller's */
    const unsigned char *data;
    size_t size;
    zis_safetensors_entry *entries;
    size_t count;
    zis_strmap names;
    meta *metas;
    size_t meta_count;
    zis_strmap meta_keys;
    char *strings; /* names, keys and values */
};

typedef struct reader {
    zis_safetensors *st;
    zis_json json;
    zis_error *err;
    uint64_t data_start; /* 8 + N */
    zis_buf strings;
    draft *drafts;
    size_t count, room;
    size_t (*metas)[2]; /* positions of key and value */
    size_t meta_count, meta_room;
    bool meta_seen;
} reader;

/* The start of a name for a message. */
#define SHOWN(s, n) zis_utf8_cut((s), (n), 100), (s)

static zis_status nomem(reader *r)
{
    return zis_fail_nomem(r->err, r->st->path);
}

static zis_status tensor_failv(
    reader *r, zis_status code, const draft *d, size_t at, const char *fmt, va_list ap)
{
    zis_error inner = {0};
    zis_failv(&inner, code, fmt, ap);
    const char *name = r->strings.data + d->name;
    return zis_fail(r->err, code, "'%s': tensor '%.*s' (byte %zu): %s", r->st->path,
                    SHOWN(name, strlen(name)), at + 8, inner.text);
}

/* A failure in the member of tensor `d`, at a token. */
static zis_status ZIS_PRINTF(4, 5)
    bad(reader *r, const draft *d, const zis_json_token *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    zis_status st = tensor_failv(r, ZIS_FORMAT, d, t->at, fmt, ap);
    va_end(ap);
    return st;
}

/* The same for what is valid but not for us. */
static zis_status ZIS_PRINTF(4, 5)
    unsupported(reader *r, const draft *d, const zis_json_token *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    zis_status st = tensor_failv(r, ZIS_UNSUPPORTED, d, t->at, fmt, ap);
    va_end(ap);
    return st;
}

static zis_status next(reader *r, zis_json_token *t)
{
    return zis_json_next(&r->json, t, r->err);
}

/* Copies a token's text to the strings, NUL-terminated; *pos is where it begins. */
static zis_status keep(reader *r, const zis_json_token *t, size_t *pos)
{
    size_t at = r->strings.len;
    zis_buf_append(&r->strings, t->text, t->len);
    zis_buf_putc(&r->strings, '\0');
    if (r->strings.failed) return nomem(r);
    *pos = at;
    return ZIS_OK;
}

/* Names are printed and turned into messages: no control characters (C0, DEL, C1). The parser has
 * checked the UTF-8. */
static zis_status check_name(reader *r, const zis_json_token *t, const char *what)
{
    for (size_t i = 0; i < t->len;) {
        uint32_t cp;
        size_t n = zis_utf8_decode(t->text + i, t->len - i, &cp);
        if (n == 0 || cp < 0x20 || (cp >= 0x7F && cp < 0xA0))
            return zis_fail(r->err, ZIS_FORMAT,
                            "'%s': the %s at byte %zu holds a control character", r->st->path, what,
                            t->at + 8);
        i += n;
    }
    return ZIS_OK;
}

/* A plain non-negative integer: digits and nothing else. */
static zis_status read_number(
    reader *r, const draft *d, const zis_json_token *t, const char *what, int64_t *out)
{
    int64_t v;
    if (t->type != ZIS_JSON_NUMBER || t->text[0] == '-' ||
        zis_json_int(&r->json, t, &v, NULL) != ZIS_OK || v > NUMBER_MAX)
        return bad(r, d, t, "%s must be a plain whole number from 0 to 2^53", what);
    *out = v;
    return ZIS_OK;
}

static zis_status read_dtype(reader *r, draft *d)
{
    /* known, but their elements do not fill bytes of their own or have no sign and fraction */
    static const char *const known[] = {"F4", "F6_E2M3", "F6_E3M2", "F8_E8M0"};
    zis_json_token t;
    zis_status st = next(r, &t);
    if (st) return st;
    if (t.type != ZIS_JSON_STRING) return bad(r, d, &t, "'dtype' must be a string");
    d->entry.tensor.dtype = zis_dtype_by_name(t.text, t.len);
    if (d->entry.tensor.dtype != ZIS_DTYPE_COUNT) return ZIS_OK;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!zis_json_is(&t, known[i])) continue;
        return unsupported(
            r, d, &t, "its type %s is not supported; use a file of bf16, f16, f32 or 8-bit weights",
            known[i]);
    }
    return bad(r, d, &t, "unknown type '%.*s'", SHOWN(t.text, t.len));
}

static zis_status read_shape(reader *r, draft *d)
{
    zis_tensor *x = &d->entry.tensor;
    zis_json_token t;
    zis_status st = next(r, &t);
    if (st) return st;
    if (t.type != ZIS_JSON_ARRAY_BEGIN) return bad(r, d, &t, "'shape' must be a list");
    x->ndim = 0;
    for (;;) {
        st = next(r, &t);
        if (st) return st;
        if (t.type == ZIS_JSON_ARRAY_END) return ZIS_OK;
        if (x->ndim == ZIS_MAX_DIMS)
            return unsupported(r, d, &t, "it has more than %d dimensions, which is not supported",
                               ZIS_MAX_DIMS);
        st = read_number(r, d, &t, "a dimension", &x->dim[x->ndim]);
        if (st) return st;
        x->ndim++;
    }
}

static zis_status read_offsets(reader *r, draft *d)
{
    int64_t v[2];
    zis_json_token t;
    zis_status st = next(r, &t);
    if (st) return st;
    if (t.type != ZIS_JSON_ARRAY_BEGIN) return bad(r, d, &t, "'data_offsets' must be a list");
    for (int i = 0; i < 2; i++) {
        st = next(r, &t);
        if (st) return st;
        if (t.type == ZIS_JSON_ARRAY_END) return bad(r, d, &t, "'data_offsets' needs two numbers");
        st = read_number(r, d, &t, "an offset", &v[i]);
        if (st) return st;
    }
    st = next(r, &t);
    if (st) return st;
    if (t.type != ZIS_JSON_ARRAY_END)
        return bad(r, d, &t, "'data_offsets' has more than two numbers");
    d->begin = (uint64_t)v[0];
    d->end = (uint64_t)v[1];
    return ZIS_OK;
}

/* Rule 4. Zero dims count as one in the overflow check, so that no order of multiplication wraps
 * later. */
static zis_status check_size(reader *r, draft *d, const zis_json_token *t)
{
    zis_tensor *x = &d->entry.tensor;
    int64_t room = zis_dtype_get(x->dtype)->bytes;
    bool empty = false;
    for (int i = 0; i < x->ndim; i++) {
        if (x->dim[i] == 0)
            empty = true;
        else if (__builtin_mul_overflow(room, x->dim[i], &room))
            return bad(r, d, t, "its shape is too large");
    }
    uint64_t want = empty ? 0 : (uint64_t)room;
    if (d->begin > d->end)
        return bad(r, d, t, "it begins at %" PRIu64 ", behind its end at %" PRIu64, d->begin,
                   d->end);
    if (d->end - d->begin != want) {
        char shape[96];
        return bad(r, d, t, "shape %s of %s needs %" PRIu64 " bytes, but its offsets give %" PRIu64,
                   zis_tensor_shape_text(x, shape, sizeof shape), zis_dtype_get(x->dtype)->name,
                   want, d->end - d->begin);
    }
    uint64_t data = r->st->size - r->data_start;
    if (d->end > data)
        return bad(r, d, t,
                   "it ends at byte %" PRIu64 " of the data, but the file has only %" PRIu64
                   ": cut short? fetch it again",
                   d->end, data);
    x->stride = x->ndim ? x->dim[x->ndim - 1] : 1;
    return ZIS_OK;
}

/* Rule 3: the member whose key is `name`. */
static zis_status read_tensor(reader *r, const zis_json_token *name)
{
    enum { DTYPE = 1, SHAPE = 2, OFFSETS = 4 };
    static const struct {
        const char *key;
        int bit;
        zis_status (*read)(reader *, draft *);
    } fields[] = {
        {"dtype", DTYPE, read_dtype},
        {"shape", SHAPE, read_shape},
        {"data_offsets", OFFSETS, read_offsets},
    };
    zis_json_token t, start = *name;
    draft d = {.at = name->at + 8};
    int seen = 0;
    zis_status st = check_name(r, name, "tensor name");
    if (!st) st = keep(r, name, &d.name);
    if (!st) st = next(r, &t);
    if (st) return st;
    if (t.type != ZIS_JSON_OBJECT_BEGIN) return bad(r, &d, &t, "expected an object");
    for (;;) {
        st = next(r, &t);
        if (st) return st;
        if (t.type == ZIS_JSON_OBJECT_END) break;
        size_t f = 0;
        while (f < 3 && !zis_json_is(&t, fields[f].key)) f++;
        if (f == 3) { /* of a later version */
            st = zis_json_skip(&r->json, &t, r->err);
        } else if (seen & fields[f].bit) {
            return bad(r, &d, &t, "'%s' is there twice", fields[f].key);
        } else {
            seen |= fields[f].bit;
            st = fields[f].read(r, &d);
        }
        if (st) return st;
    }
    for (size_t f = 0; f < 3; f++)
        if (!(seen & fields[f].bit)) return bad(r, &d, &start, "'%s' is missing", fields[f].key);
    st = check_size(r, &d, &start);
    if (st) return st;
    if (r->count == r->room) {
        size_t room = r->room ? r->room * 2 : 64;
        draft *p = zis_mem_resize(r->drafts, room, sizeof *p);
        if (!p) return nomem(r);
        r->drafts = p;
        r->room = room;
    }
    r->drafts[r->count++] = d;
    return ZIS_OK;
}

static zis_status read_meta(reader *r, const zis_json_token *name)
{
    zis_json_token t;
    zis_status st;
    if (r->meta_seen)
        return zis_fail(r->err, ZIS_FORMAT, "'%s': __metadata__ is there twice (byte %zu)",
                        r->st->path, name->at + 8);
    r->meta_seen = true;
    st = next(r, &t);
    if (st) return st;
    if (t.type != ZIS_JSON_OBJECT_BEGIN)
        return zis_fail(r->err, ZIS_FORMAT, "'%s': __metadata__ (byte %zu) must be an object",
                        r->st->path, t.at + 8);
    for (;;) {
        size_t pos[2];
        st = next(r, &t);
        if (st || t.type == ZIS_JSON_OBJECT_END) return st;
        st = check_name(r, &t, "metadata key");
        if (!st) st = keep(r, &t, &pos[0]);
        if (!st) st = next(r, &t);
        if (st) return st;
        if (t.type != ZIS_JSON_STRING || memchr(t.text, '\0', t.len))
            return zis_fail(
                r->err, ZIS_FORMAT,
                "'%s': __metadata__ may hold only strings without NUL, but '%.*s' (byte "
                "%zu) is not one",
                r->st->path, SHOWN(r->strings.data + pos[0], strlen(r->strings.data + pos[0])),
                t.at + 8);
        st = keep(r, &t, &pos[1]);
        if (st) return st;
        if (r->meta_count == r->meta_room) {
            size_t room = r->meta_room ? r->meta_room * 2 : 8;
            void *p = zis_mem_resize(r->metas, room, sizeof *r->metas);
            if (!p) return nomem(r);
            r->metas = p;
            r->meta_room = room;
        }
        memcpy(r->metas[r->meta_count++], pos, sizeof pos);
    }
}

static zis_status read_header(reader *r)
{
    zis_json_token t;
    zis_status st = next(r, &t);
    if (st) return st;
    for (;;) {
        st = next(r, &t);
        if (st || t.type == ZIS_JSON_END) return st;
        if (t.type == ZIS_JSON_OBJECT_END) continue; /* the outermost; checks what follows */
        st = zis_json_is(&t, "__metadata__") ? read_meta(r, &t) : read_tensor(r, &t);
        if (st) return st;
    }
}

static int by_offset(const void *a, const void *b)
{
    const draft *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end) return x->end < y->end ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at; /* empty tensors at one place: in header order */
}

/* Rule 5: the data is covered exactly, in order. */
static zis_status check_layout(reader *r)
{
    const char *names = r->strings.data;
    uint64_t at = 0, data = r->st->size - r->data_start;
    if (r->count) qsort(r->drafts, r->count, sizeof *r->drafts, by_offset);
    for (size_t i = 0; i < r->count; i++) {
        const draft *d = &r->drafts[i];
        if (d->begin != at)
            return zis_fail(r->err, ZIS_FORMAT,
                            "'%s': tensor '%.*s' begins at byte %" PRIu64
                            " of the data, but what lies before ends at %" PRIu64 " (%s)",
                            r->st->path, SHOWN(names + d->name, strlen(names + d->name)), d->begin,
                            at, d->begin > at ? "a hole" : "they overlap");
        at = d->end;
    }
    if (at != data)
        return zis_fail(r->err, ZIS_FORMAT,
                        "'%s': the tensors end at byte %" PRIu64
                        " of the data, but the file has %" PRIu64 " bytes of data",
                        r->st->path, at, data);
    return ZIS_OK;
}

static zis_status twice(reader *r, const char *what, const char *name)
{
    return zis_fail(r->err, ZIS_FORMAT, "'%s': the %s '%.*s' is there twice", r->st->path, what,
                    SHOWN(name, strlen(name)));
}

/* Moves what was read into the handle: pointers become final, names must be unique. */
static zis_status settle(reader *r)
{
    zis_safetensors *st = r->st;
    st->strings = r->strings.data;
    r->strings = (zis_buf){0};
    st->entries = zis_mem_zalloc(r->count, sizeof *st->entries);
    st->metas = zis_mem_zalloc(r->meta_count, sizeof *st->metas);
    if (!st->entries || !st->metas) return nomem(r);
    for (size_t i = 0; i < r->count; i++) {
        const draft *d = &r->drafts[i];
        zis_safetensors_entry *e = &st->entries[i];
        *e = d->entry;
        e->name = st->strings + d->name;
        e->offset = r->data_start + d->begin;
        e->bytes = d->end - d->begin;
        e->tensor.data = (void *)(uintptr_t)(st->data + e->offset);
        zis_status s = zis_strmap_put(&st->names, e->name, strlen(e->name), i, NULL);
        if (s) return s == ZIS_NOMEM ? nomem(r) : twice(r, "tensor", e->name);
        st->count++;
    }
    for (size_t i = 0; i < r->meta_count; i++) {
        meta *m = &st->metas[i];
        m->key = st->strings + r->metas[i][0];
        m->value = st->strings + r->metas[i][1];
        zis_status s = zis_strmap_put(&st->meta_keys, m->key, strlen(m->key), i, NULL);
        if (s) return s == ZIS_NOMEM ? nomem(r) : twice(r, "metadata key", m->key);
        st->meta_count++;
    }
    return ZIS_OK;
}

/* Rules 1 and 2, then the rest. */
static zis_status parse(zis_safetensors *st, zis_error *err)
{
    if (st->size < 8)
        return zis_fail(err, ZIS_FORMAT,
                        "'%s' has only %zu bytes: not a safetensors file, or not fetched whole",
                        st->path, st->size);
    uint64_t n;
    memcpy(&n, st->data, 8);
    if (n > HEADER_MAX)
        return zis_fail(
            err, ZIS_FORMAT,
            "'%s' is not a safetensors file: its first 8 bytes give a header of %" PRIu64
            " bytes (at most %u)",
            st->path, n, HEADER_MAX);
    if (n > st->size - 8)
        return zis_fail(err, ZIS_FORMAT,
                        "'%s': the header should have %" PRIu64
                        " bytes, but the file ends after %zu"
                        ": cut short? fetch it again",
                        st->path, n, st->size - 8);
    if (n == 0 || st->data[8] != '{')
        return zis_fail(err, ZIS_FORMAT,
                        "'%s' is not a safetensors file: byte 8 is not the '{' of a header",
                        st->path);
    char *what = zis_mem_printf("'%s': header", st->path);
    if (!what) return zis_fail_nomem(err, st->path);
    reader r = {.st = st, .err = err, .data_start = 8 + n};
    zis_json_init(&r.json, what, st->data + 8, (size_t)n);
    zis_status s = read_header(&r);
    if (!s) s = check_layout(&r);
    if (!s) s = settle(&r);
    zis_json_deinit(&r.json);
    zis_buf_free(&r.strings);
    free(r.drafts);
    free(r.metas);
    free(what);
    return s;
}

/* Takes over the map, also on failure. */
static zis_status open_data(zis_safetensors **out,
                            const char *name,
                            const void *data,
                            size_t size,
                            zis_map *map,
                            zis_error *err)
{
    zis_status s = ZIS_NOMEM;
    zis_safetensors *st = zis_mem_zalloc(1, sizeof *st);
    char *path = zis_mem_strdup(name);
    if (!st || !path) {
        free(st);
        free(path);
        zis_os_unmap(map);
        return zis_fail_nomem(err, name);
    }
    *st = (zis_safetensors){.path = path, .map = *map, .data = data, .size = size};
    s = parse(st, err);
    if (!s) {
        *out = st;
        st = NULL;
    }
    zis_safetensors_close(&st);
    return s;
}

zis_status zis_safetensors_open(zis_safetensors **out, const char *path, zis_error *err)
{
    zis_map map = {0};
    zis_status st = zis_os_map(&map, path, err);
    if (st) return st;
    return open_data(out, path, map.data, map.size, &map, err);
}

zis_status zis_safetensors_open_memory(
    zis_safetensors **out, const char *name, const void *data, size_t size, zis_error *err)
{
    zis_map none = {0};
    return open_data(out, name, data, size, &none, err);
}

zis_status zis_safetensors_check(const zis_safetensors *st, zis_error *err)
{
    return st->map.size ? zis_os_map_check(&st->map, st->path, err) : ZIS_OK;
}

void zis_safetensors_close(zis_safetensors **handle)
{
    if (!handle || !*handle) return;
    zis_safetensors *st = *handle;
    zis_strmap_free(&st->names);
    zis_strmap_free(&st->meta_keys);
    free(st->entries);
    free(st->metas);
    free(st->strings);
    zis_os_unmap(&st->map);
    free(st->path);
    free(st);
    *handle = NULL;
}

size_t zis_safetensors_count(const zis_safetensors *st)
{
    return st->count;
}

const zis_safetensors_entry *zis_safetensors_at(const zis_safetensors *st, size_t i)
{
    return &st->entries[i];
}

const zis_safetensors_entry *zis_safetensors_find(const zis_safetensors *st, const char *name)
{
    size_t i;
    return zis_strmap_get(&st->names, name, strlen(name), &i) ? &st->entries[i] : NULL;
}

const char *zis_safetensors_meta(const zis_safetensors *st, const char *key)
{
    size_t i;
    return zis_strmap_get(&st->meta_keys, key, strlen(key), &i) ? st->metas[i].value : NULL;
}

size_t zis_safetensors_meta_count(const zis_safetensors *st)
{
    return st->meta_count;
}

void zis_safetensors_meta_at(const zis_safetensors *st,
                             size_t i,
                             const char **key,
                             const char **value)
{
    *key = st->metas[i].key;
    *value = st->metas[i].value;
}

const char *zis_safetensors_path(const zis_safetensors *st)
{
    return st->path;
}
