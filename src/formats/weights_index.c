/* weights_index.c - reads {"metadata": {...}, "weight_map": {tensor: file}}. */
#include "formats/weights_index.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/strmap.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

#define SHARDS_MAX 1000
#define TEXT_MAX ((size_t)100 << 20)

/* A member of weight_map while the strings still move. */
typedef struct pair {
    size_t name, file; /* positions in the strings */
    size_t at;
} pair;

typedef struct reader {
    zis_json json;
    zis_error *err;
    zis_buf strings;
    pair *pairs;
    size_t count, room;
} reader;

/* A name that cannot lead out of the folder, on any system. */
static bool plain_file_name(const zis_json_token *t)
{
    if (t->len == 0 || t->len > 255) return false;
    if (t->text[0] == '.' && (t->len == 1 || (t->len == 2 && t->text[1] == '.'))) return false;
    for (size_t i = 0; i < t->len; i++) {
        unsigned char c = (unsigned char)t->text[i];
        if (c < 0x20 || c == 0x7F || c == '/' || c == '\\' || c == ':') return false;
    }
    return true;
}

static zis_status keep(reader *r, const zis_json_token *t, size_t *pos)
{
    *pos = r->strings.len;
    zis_buf_append(&r->strings, t->text, t->len);
    zis_buf_putc(&r->strings, '\0');
    return r->strings.failed ? zis_fail_nomem(r->err, r->json.what) : ZIS_OK;
}

static zis_status read_pair(reader *r, const zis_json_token *key)
{
    zis_json_token t = *key;
    pair p = {.at = key->at};
    if (memchr(t.text, '\0', t.len))
        return zis_json_fail(&r->json, &t, r->err, "a tensor name holds a NUL");
    zis_status st = keep(r, &t, &p.name);
    if (!st) st = zis_json_next(&r->json, &t, r->err);
    if (st) return st;
    if (t.type != ZIS_JSON_STRING)
        return zis_json_fail(&r->json, &t, r->err, "expected the name of a file");
    if (!plain_file_name(&t))
        return zis_json_fail(&r->json, &t, r->err,
                             "'%.*s' is not the plain name of a file in this folder",
                             zis_utf8_cut(t.text, t.len, 100), t.text);
    st = keep(r, &t, &p.file);
    if (st) return st;
    if (r->count == r->room) {
        size_t room = r->room ? r->room * 2 : 256;
        pair *more = zis_mem_resize(r->pairs, room, sizeof *more);
        if (!more) return zis_fail_nomem(r->err, r->json.what);
        r->pairs = more;
        r->room = room;
    }
    r->pairs[r->count++] = p;
    return ZIS_OK;
}

static zis_status read_text(reader *r)
{
    zis_json_token t;
    bool seen = false;
    zis_status st = zis_json_next(&r->json, &t, r->err);
    if (st) return st;
    if (t.type != ZIS_JSON_OBJECT_BEGIN)
        return zis_json_fail(&r->json, &t, r->err, "expected an object");
    for (;;) {
        st = zis_json_next(&r->json, &t, r->err);
        if (st) return st;
        if (t.type == ZIS_JSON_END) break;
        if (t.type == ZIS_JSON_OBJECT_END) continue;
        if (!zis_json_is(&t, "weight_map")) {
            st = zis_json_skip(&r->json, &t, r->err);
            if (st) return st;
            continue;
        }
        if (seen) return zis_json_fail(&r->json, &t, r->err, "'weight_map' is there twice");
        seen = true;
        st = zis_json_next(&r->json, &t, r->err);
        if (st) return st;
        if (t.type != ZIS_JSON_OBJECT_BEGIN)
            return zis_json_fail(&r->json, &t, r->err, "'weight_map' must be an object");
        for (;;) {
            st = zis_json_next(&r->json, &t, r->err);
            if (st) return st;
            if (t.type == ZIS_JSON_OBJECT_END) break;
            st = read_pair(r, &t);
            if (st) return st;
        }
    }
    if (r->count == 0)
        return zis_fail(r->err, ZIS_FORMAT,
                        "%s: 'weight_map' is missing or empty: not a shard index", r->json.what);
    return ZIS_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Unique, sorted shard names; `ids` then gives their places. */
static zis_status collect_shards(zis_weights_index *x, const reader *r, zis_strmap *ids)
{
    x->shards = zis_mem_alloc(SHARDS_MAX, sizeof *x->shards);
    if (!x->shards) return zis_fail_nomem(r->err, x->path);
    for (size_t i = 0; i < r->count; i++) {
        char *file = x->strings + r->pairs[i].file;
        zis_status st = zis_strmap_put(ids, file, strlen(file), 0, NULL);
        if (st == ZIS_NOMEM) return zis_fail_nomem(r->err, x->path);
        if (st) continue; /* known */
        if (x->n_shards == SHARDS_MAX)
            return zis_fail(r->err, ZIS_FORMAT, "'%s' names more than %d files", x->path,
                            SHARDS_MAX);
        x->shards[x->n_shards++] = file;
    }
    qsort(x->shards, x->n_shards, sizeof *x->shards, by_name);
    zis_strmap_free(ids);
    for (size_t i = 0; i < x->n_shards; i++)
        if (zis_strmap_put(ids, x->shards[i], strlen(x->shards[i]), i, NULL))
            return zis_fail_nomem(r->err, x->path);
    return ZIS_OK;
}

static zis_status settle(zis_weights_index *x, reader *r)
{
    zis_strmap ids = {0}, names = {0};
    x->strings = r->strings.data;
    r->strings = (zis_buf){0};
    zis_status st = collect_shards(x, r, &ids);
    if (st) goto out;
    st = ZIS_NOMEM;
    x->items = zis_mem_alloc(r->count, sizeof *x->items);
    if (!x->items) {
        zis_fail_nomem(r->err, x->path);
        goto out;
    }
    for (size_t i = 0; i < r->count; i++) {
        const pair *p = &r->pairs[i];
        const char *name = x->strings + p->name, *file = x->strings + p->file;
        zis_weights_index_item item = {.name = name};
        zis_strmap_get(&ids, file, strlen(file), &item.shard);
        st = zis_strmap_put(&names, name, strlen(name), i, NULL);
        if (st == ZIS_NOMEM) {
            zis_fail_nomem(r->err, x->path);
            goto out;
        }
        if (st) {
            st = zis_fail(r->err, ZIS_FORMAT, "'%s': byte %zu: tensor '%.*s' is there twice",
                          x->path, p->at, zis_utf8_cut(name, strlen(name), 100), name);
            goto out;
        }
        x->items[x->n_items++] = item;
    }
    st = ZIS_OK;
out:
    zis_strmap_free(&ids);
    zis_strmap_free(&names);
    return st;
}

zis_status zis_weights_index_parse(
    zis_weights_index **out, const char *path, const char *text, size_t size, zis_error *err)
{
    reader r = {.err = err};
    zis_status st = ZIS_OK;
    zis_weights_index *x = zis_mem_zalloc(1, sizeof *x);
    char *what = zis_mem_printf("'%s'", path);
    if (x) x->path = zis_mem_strdup(path);
    if (!x || !x->path || !what) {
        st = zis_fail_nomem(err, path);
        goto out;
    }
    zis_json_init(&r.json, what, text, size);
    st = read_text(&r);
    if (!st) st = settle(x, &r);
    if (st) goto out;
    *out = x;
    x = NULL;
out:
    zis_weights_index_destroy(&x);
    zis_json_deinit(&r.json);
    zis_buf_free(&r.strings);
    free(r.pairs);
    free(what);
    return st;
}

zis_status zis_weights_index_read(zis_weights_index **out, const char *path, zis_error *err)
{
    char *text = NULL;
    size_t size = 0;
    zis_status st = zis_os_read_file(&text, &size, path, TEXT_MAX, err);
    if (!st) st = zis_weights_index_parse(out, path, text, size, err);
    free(text);
    return st;
}

void zis_weights_index_destroy(zis_weights_index **index)
{
    if (!index || !*index) return;
    zis_weights_index *x = *index;
    free(x->path);
    free(x->shards);
    free(x->items);
    free(x->strings);
    free(x);
    *index = NULL;
}
