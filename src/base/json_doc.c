/* json_doc.c - a small JSON document as a flat map from paths to scalars. */
#include "base/json.h"

#include "base/strmap.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX (64u << 10)
/* Long keys above many values multiply: the paths together may hold this much. */
#define PATHS_MAX (4u << 20)

typedef struct entry {
    zis_json_type type;
    size_t at;
    size_t path_len;
    size_t text_len; /* of a string or number */
    bool gone;       /* belonged to a value whose key came again */
    char bytes[];    /* path, NUL, text, NUL */
} entry;

struct zis_json_doc {
    char *what;
    entry **entries;
    size_t count;
    size_t room;
    size_t path_bytes;
    zis_strmap map;
    bool object; /* the whole text is one */
};

/* One open object or array. */
typedef struct level {
    size_t prefix; /* bytes of the path that name the container */
    int64_t items; /* of an array; -1: an object */
} level;

static const char *text_of(const entry *e)
{
    return e->bytes + e->path_len + 1;
}

#define SHOWN_PATH(e) zis_utf8_cut((e)->bytes, (e)->path_len, 80), (e)->bytes

/* A key came again: what was below its first value is no longer said. */
static void forget_below(zis_json_doc *doc, const char *path, size_t len)
{
    for (size_t i = 0; i < doc->count; i++) {
        entry *e = doc->entries[i];
        if (e->path_len > len && e->bytes[len] == '.' && memcmp(e->bytes, path, len) == 0)
            e->gone = true;
    }
}

static zis_status add(zis_json_doc *doc,
                      const zis_json *j,
                      const zis_buf *path,
                      const zis_json_token *t,
                      zis_error *err)
{
    size_t len = path->len;
    size_t text_len = t->type == ZIS_JSON_STRING || t->type == ZIS_JSON_NUMBER ? t->len : 0;
    doc->path_bytes += len;
    if (doc->path_bytes > PATHS_MAX) return zis_json_fail(j, t, err, "too many long keys");
    if (doc->count == doc->room) {
        size_t room = doc->room ? doc->room * 2 : 32;
        entry **p = zis_mem_resize(doc->entries, room, sizeof *p);
        if (!p) return zis_fail_nomem(err, doc->what);
        doc->entries = p;
        doc->room = room;
    }
    entry *e = zis_mem_alloc(sizeof *e + len + text_len + 2, 1);
    if (!e) return zis_fail_nomem(err, doc->what);
    *e = (entry){.type = t->type, .at = t->at, .path_len = len, .text_len = text_len};
    if (len) memcpy(e->bytes, path->data, len);
    e->bytes[len] = '\0';
    if (text_len) memcpy(e->bytes + len + 1, t->text, text_len);
    e->bytes[len + 1 + text_len] = '\0';
    size_t old;
    zis_status st = zis_strmap_put(&doc->map, e->bytes, len, doc->count, &old);
    if (st == ZIS_NOMEM) {
        free(e);
        return zis_fail_nomem(err, doc->what);
    }
    doc->entries[doc->count++] = e;
    if (st) { /* the last one counts; the map's key lies in the first */
        if (!doc->entries[old]->gone) forget_below(doc, e->bytes, len);
        doc->entries[doc->count - 1] = doc->entries[old];
        doc->entries[old] = e;
    }
    return ZIS_OK;
}

/* The number of elements of an array that has just ended, as "<path>.#". */
static zis_status add_length(zis_json_doc *doc,
                             const zis_json *j,
                             zis_buf *path,
                             bool root,
                             int64_t items,
                             size_t at,
                             zis_error *err)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%" PRId64, items);
    zis_json_token t = {.type = ZIS_JSON_NUMBER, .text = digits, .len = (size_t)n, .at = at};
    zis_buf_puts(path, root ? "#" : ".#");
    if (path->failed) return zis_fail_nomem(err, doc->what);
    return add(doc, j, path, &t, err);
}

static zis_status parse(zis_json_doc *doc, zis_json *j, zis_buf *path, zis_error *err)
{
    level levels[ZIS_JSON_DEPTH + 1] = {{.prefix = 0, .items = -1}};
    int depth = 0;
    zis_json_token t;
    zis_status st;
    zis_buf_puts(path, "");
    for (;;) {
        level *top = &levels[depth];
        st = zis_json_next(j, &t, err);
        if (st || t.type == ZIS_JSON_END) return st;
        if (t.type == ZIS_JSON_KEY) {
            path->len = top->prefix;
            if (depth > 1) zis_buf_putc(path, '.');
            zis_buf_append(path, t.text, t.len);
            if (path->failed) return zis_fail_nomem(err, doc->what);
            continue;
        }
        if (t.type == ZIS_JSON_OBJECT_END || t.type == ZIS_JSON_ARRAY_END) {
            path->len = top->prefix;
            if (t.type == ZIS_JSON_ARRAY_END) {
                st = add_length(doc, j, path, depth == 1, top->items, t.at, err);
                if (st) return st;
            }
            depth--;
            continue;
        }
        if (top->items >= 0) {
            path->len = top->prefix;
            zis_buf_printf(path, depth > 1 ? ".%" PRId64 : "%" PRId64, top->items);
            top->items++;
        }
        if (path->failed) return zis_fail_nomem(err, doc->what);
        if (depth == 0) doc->object = t.type == ZIS_JSON_OBJECT_BEGIN;
        bool container = t.type == ZIS_JSON_OBJECT_BEGIN || t.type == ZIS_JSON_ARRAY_BEGIN;
        if (!container || depth > 0) { /* the root itself has no path */
            st = add(doc, j, path, &t, err);
            if (st) return st;
        }
        if (container) {
            levels[++depth] =
                (level){.prefix = path->len, .items = t.type == ZIS_JSON_ARRAY_BEGIN ? 0 : -1};
        }
    }
}

zis_status zis_json_doc_parse(
    zis_json_doc **out, const char *what, const void *data, size_t size, zis_error *err)
{
    if (size > TEXT_MAX)
        return zis_fail(err, ZIS_FORMAT,
                        "%s has %zu bytes: more than the %u KB that a configuration may have", what,
                        size, TEXT_MAX >> 10);
    zis_json j;
    zis_buf path = {0};
    zis_status st = ZIS_NOMEM;
    zis_json_doc *doc = zis_mem_zalloc(1, sizeof *doc);
    zis_json_init(&j, what, data, size);
    if (doc) doc->what = zis_mem_strdup(what);
    if (!doc || !doc->what) {
        zis_fail_nomem(err, what);
        goto out;
    }
    st = parse(doc, &j, &path, err);
    if (st) goto out;
    *out = doc;
    doc = NULL;
out:
    zis_json_doc_destroy(&doc);
    zis_buf_free(&path);
    zis_json_deinit(&j);
    return st;
}

void zis_json_doc_destroy(zis_json_doc **doc)
{
    if (!doc || !*doc) return;
    zis_json_doc *d = *doc;
    for (size_t i = 0; i < d->count; i++) free(d->entries[i]);
    free(d->entries);
    zis_strmap_free(&d->map);
    free(d->what);
    free(d);
    *doc = NULL;
}

static const entry *find(const zis_json_doc *doc, const char *path)
{
    size_t i;
    if (!zis_strmap_get(&doc->map, path, strlen(path), &i)) return NULL;
    return doc->entries[i]->gone ? NULL : doc->entries[i];
}

/* The entry, or NULL when the typed getters shall leave their output alone. */
static const entry *find_value(const zis_json_doc *doc, const char *path)
{
    const entry *e = find(doc, path);
    return e && e->type != ZIS_JSON_NULL ? e : NULL;
}

zis_status zis_json_doc_want_object(const zis_json_doc *doc, zis_error *err)
{
    if (doc->object) return ZIS_OK;
    return zis_fail(err, ZIS_FORMAT, "'%s' holds no JSON object, which a configuration is",
                    doc->what);
}

bool zis_json_doc_has(const zis_json_doc *doc, const char *path)
{
    return find(doc, path) != NULL;
}

/* What an entry holds, for messages. */
static const char *shown(const entry *e, char *buf, size_t n)
{
    switch (e->type) {
    case ZIS_JSON_NUMBER:
        snprintf(buf, n, "%s", text_of(e));
        return buf;
    case ZIS_JSON_STRING:
        snprintf(buf, n, "\"%.*s\"", zis_utf8_cut(text_of(e), e->text_len, 40), text_of(e));
        return buf;
    case ZIS_JSON_TRUE:
        return "true";
    case ZIS_JSON_FALSE:
        return "false";
    case ZIS_JSON_OBJECT_BEGIN:
        return "an object";
    case ZIS_JSON_ARRAY_BEGIN:
        return "a list";
    default:
        return "null";
    }
}

static zis_status ZIS_PRINTF(4, 5)
    wrong(const zis_json_doc *doc, const entry *e, zis_error *err, const char *fmt, ...)
{
    zis_error expected = {0};
    char value[64];
    va_list ap;
    va_start(ap, fmt);
    zis_failv(&expected, ZIS_FORMAT, fmt, ap);
    va_end(ap);
    return zis_fail(err, ZIS_FORMAT, "%s: byte %zu: '%.*s' is %s, expected %s", doc->what, e->at,
                    SHOWN_PATH(e), shown(e, value, sizeof value), expected.text);
}

zis_status zis_json_doc_int(
    const zis_json_doc *doc, const char *path, int64_t lo, int64_t hi, int64_t *out, zis_error *err)
{
    const entry *e = find_value(doc, path);
    if (!e) return ZIS_OK;
    zis_json j = {.what = doc->what};
    zis_json_token t = {.type = e->type, .text = text_of(e), .len = e->text_len, .at = e->at};
    int64_t v;
    if (zis_json_int(&j, &t, &v, NULL) || v < lo || v > hi)
        return wrong(doc, e, err, "a whole number from %" PRId64 " to %" PRId64, lo, hi);
    *out = v;
    return ZIS_OK;
}

zis_status zis_json_doc_double(
    const zis_json_doc *doc, const char *path, double lo, double hi, double *out, zis_error *err)
{
    const entry *e = find_value(doc, path);
    if (!e) return ZIS_OK;
    zis_json j = {.what = doc->what};
    zis_json_token t = {.type = e->type, .text = text_of(e), .len = e->text_len, .at = e->at};
    double v;
    zis_status st = zis_json_double(&j, &t, &v, NULL);
    if (st == ZIS_NOMEM) return zis_fail_nomem(err, doc->what);
    if (st || !(v >= lo && v <= hi)) return wrong(doc, e, err, "a number from %g to %g", lo, hi);
    *out = v;
    return ZIS_OK;
}

zis_status zis_json_doc_bool(const zis_json_doc *doc, const char *path, bool *out, zis_error *err)
{
    const entry *e = find_value(doc, path);
    if (!e) return ZIS_OK;
    if (e->type != ZIS_JSON_TRUE && e->type != ZIS_JSON_FALSE)
        return wrong(doc, e, err, "true or false");
    *out = e->type == ZIS_JSON_TRUE;
    return ZIS_OK;
}

const char *zis_json_doc_string(const zis_json_doc *doc, const char *path)
{
    const entry *e = find(doc, path);
    if (!e || e->type != ZIS_JSON_STRING) return NULL;
    return strlen(text_of(e)) == e->text_len ? text_of(e) : NULL;
}
