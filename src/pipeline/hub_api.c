/* The Hub's answers and header lines, without a network in sight. */
#include "pipeline/hub_api.h"

#include "base/json.h"
#include "base/strmap.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- names --------------------------------------------------------------------------------- */

bool zis_hub_api_is_hex(const char *s, size_t n)
{
    return strspn(s, "0123456789abcdef") == n && s[n] == '\0';
}

static bool is_part(const char *s, size_t n)
{
    if (n == 0 || n > 255) return false;
    return !(s[0] == '.' && (n == 1 || (n == 2 && s[1] == '.')));
}

bool zis_hub_api_is_path(const char *path, size_t n)
{
    size_t start = 0;
    if (n == 0 || n > 1024) return false;
    for (size_t i = 0; i < n;) {
        uint32_t cp = 0;
        size_t len = zis_utf8_decode(path + i, n - i, &cp);
        if (!len || cp < 0x20 || (cp >= 0x7F && cp < 0xA0) || cp == '\\') return false;
        if (cp == '/') {
            if (!is_part(path + start, i - start)) return false;
            start = i + 1;
        }
        i += len;
    }
    return is_part(path + start, n - start);
}

void zis_hub_api_escape(zis_buf *out, const char *text, bool keep_slash)
{
    for (const char *s = text; *s; s++) {
        unsigned char c = (unsigned char)*s;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     strchr("-_.~", c) || (c == '/' && keep_slash);
        if (plain)
            zis_buf_putc(out, *s);
        else
            zis_buf_printf(out, "%%%02X", c);
    }
}

/* Greedy with one point to go back to: linear for each star. */
static bool match(const char *p, const char *s)
{
    const char *star = NULL, *from = NULL;
    while (*s) {
        if (*p == '*') {
            star = p++;
            from = s;
        } else if (*p == '?' || *p == *s) {
            p++;
            s++;
        } else if (star) {
            p = star + 1;
            s = ++from;
        } else {
            return false;
        }
    }
    while (*p == '*') p++;
    return !*p;
}

bool zis_hub_api_match(const char *pattern, const char *path)
{
    if (match(pattern, path)) return true;
    const char *slash = strrchr(path, '/');
    return slash && !strchr(pattern, '/') && match(pattern, slash + 1);
}

/* ---- JSON ---------------------------------------------------------------------------------- */

zis_status zis_hub_api_revision(
    char commit[ZIS_HUB_COMMIT + 1], const char *what, const void *text, size_t n, zis_error *err)
{
    zis_json j;
    zis_json_token t;
    char found[ZIS_HUB_COMMIT + 1] = "";
    zis_json_init(&j, what, text, n);
    zis_status st = zis_json_next(&j, &t, err);
    if (!st && t.type != ZIS_JSON_OBJECT_BEGIN)
        st = zis_json_fail(&j, &t, err, "an object was expected");
    while (!st) {
        st = zis_json_next(&j, &t, err);
        if (st || t.type == ZIS_JSON_OBJECT_END) break;
        bool sha = zis_json_is(&t, "sha");
        if (!sha) {
            st = zis_json_skip(&j, &t, err);
            continue;
        }
        st = zis_json_next(&j, &t, err);
        if (st) break;
        if (t.type != ZIS_JSON_STRING || t.len != ZIS_HUB_COMMIT || *found)
            st = zis_json_fail(&j, &t, err, "the commit (\"sha\") must be 40 hexadecimal digits");
        else
            memcpy(found, t.text, ZIS_HUB_COMMIT);
    }
    if (!st) st = zis_json_next(&j, &t, err); /* nothing may follow */
    zis_json_deinit(&j);
    if (st) return st;
    if (!zis_hub_api_is_hex(found, ZIS_HUB_COMMIT))
        return zis_fail(err, ZIS_FORMAT, "%s: no commit (\"sha\") of 40 hexadecimal digits", what);
    memcpy(commit, found, sizeof found);
    return ZIS_OK;
}

/* One entry as it is read. */
typedef struct entry {
    zis_hub_file file;
    bool has_path, has_size, is_file, has_type;
    char oid[ZIS_HUB_SHA256 + 1];
    char lfs_oid[ZIS_HUB_SHA256 + 1];
    uint64_t lfs_size;
    bool has_lfs, has_lfs_size;
} entry;

static zis_status read_hex(zis_json *j, char out[ZIS_HUB_SHA256 + 1], size_t digits, zis_error *err)
{
    zis_json_token t;
    zis_status st = zis_json_next(j, &t, err);
    if (st) return st;
    char hex[ZIS_HUB_SHA256 + 1] = "";
    if (t.type == ZIS_JSON_STRING && t.len == digits) memcpy(hex, t.text, digits);
    if (!zis_hub_api_is_hex(hex, digits))
        return zis_json_fail(j, &t, err, "a hash (\"oid\") of %zu hexadecimal digits was expected",
                             digits);
    memcpy(out, hex, sizeof hex);
    return ZIS_OK;
}

static zis_status read_size(zis_json *j, uint64_t *out, zis_error *err)
{
    zis_json_token t;
    int64_t v = 0;
    zis_status st = zis_json_next(j, &t, err);
    if (!st && t.type != ZIS_JSON_NUMBER)
        st = zis_json_fail(j, &t, err, "a size in bytes was expected");
    if (!st) st = zis_json_int(j, &t, &v, err);
    if (st) return st;
    if (v < 0 || (uint64_t)v > ZIS_HUB_MAX_FILE)
        return zis_json_fail(j, &t, err, "a file of %" PRId64 " bytes is not believed", v);
    *out = (uint64_t)v;
    return ZIS_OK;
}

static zis_status read_lfs(zis_json *j, entry *e, zis_error *err)
{
    zis_json_token t;
    zis_status st = zis_json_next(j, &t, err);
    if (st || t.type == ZIS_JSON_NULL) return st;
    if (t.type != ZIS_JSON_OBJECT_BEGIN) return zis_json_fail(j, &t, err, "\"lfs\" is no object");
    e->has_lfs = true;
    for (;;) {
        st = zis_json_next(j, &t, err);
        if (st || t.type == ZIS_JSON_OBJECT_END) return st;
        if (zis_json_is(&t, "oid")) {
            st = read_hex(j, e->lfs_oid, ZIS_HUB_SHA256, err);
        } else if (zis_json_is(&t, "size")) {
            st = read_size(j, &e->lfs_size, err);
            e->has_lfs_size = true;
        } else {
            st = zis_json_skip(j, &t, err);
        }
        if (st) return st;
    }
}

static zis_status read_path(zis_json *j, entry *e, zis_error *err)
{
    zis_json_token t;
    zis_status st = zis_json_next(j, &t, err);
    if (st) return st;
    if (t.type != ZIS_JSON_STRING || !zis_hub_api_is_path(t.text, t.len))
        return zis_json_fail(j, &t, err, "'%.*s' is no name of a file that may be written",
                             t.type == ZIS_JSON_STRING ? (int)zis_utf8_cut(t.text, t.len, 120) : 0,
                             t.type == ZIS_JSON_STRING ? t.text : "");
    free(e->file.path);
    e->file.path = zis_mem_strndup(t.text, t.len);
    return e->file.path ? ZIS_OK : zis_fail_nomem(err, "the list of files");
}

static zis_status read_entry(zis_json *j, entry *e, zis_error *err)
{
    zis_json_token t;
    for (;;) {
        zis_status st = zis_json_next(j, &t, err);
        if (st || t.type == ZIS_JSON_OBJECT_END) return st;
        if (zis_json_is(&t, "path")) {
            st = read_path(j, e, err);
        } else if (zis_json_is(&t, "size")) {
            st = read_size(j, &e->file.size, err);
            e->has_size = true;
        } else if (zis_json_is(&t, "oid")) {
            st = read_hex(j, e->oid, ZIS_HUB_COMMIT, err);
        } else if (zis_json_is(&t, "lfs")) {
            st = read_lfs(j, e, err);
        } else if (zis_json_is(&t, "type")) {
            st = zis_json_next(j, &t, err);
            e->is_file = !st && t.type == ZIS_JSON_STRING && zis_json_is(&t, "file");
            e->has_type = true;
        } else {
            st = zis_json_skip(j, &t, err);
        }
        if (st) return st;
    }
}

static zis_status add_entry(zis_hub_tree *tree, const zis_json *j, entry *e, zis_error *err)
{
    if (!e->has_type || !e->is_file) return ZIS_OK; /* folders, and what is yet to be invented */
    if (!e->file.path || !e->has_size || !(e->has_lfs ? *e->lfs_oid : *e->oid))
        return zis_fail(err, ZIS_FORMAT, "%s: a file without path, size or hash before byte %zu",
                        j->what, j->pos);
    if (e->has_lfs) {
        memcpy(e->file.etag, e->lfs_oid, sizeof e->lfs_oid);
        if (e->has_lfs_size) e->file.size = e->lfs_size;
    } else {
        memcpy(e->file.etag, e->oid, sizeof e->oid);
    }
    if (tree->n >= ZIS_HUB_MAX_FILES)
        return zis_fail(err, ZIS_FORMAT, "%s: more than %d files", j->what, ZIS_HUB_MAX_FILES);
    if (tree->n == tree->room) {
        size_t room = tree->room ? tree->room * 2 : 32;
        zis_hub_file *files = zis_mem_resize(tree->files, room, sizeof *files);
        if (!files) return zis_fail_nomem(err, "the list of files");
        tree->files = files;
        tree->room = room;
    }
    tree->files[tree->n++] = e->file;
    e->file.path = NULL;
    return ZIS_OK;
}

zis_status zis_hub_api_tree(
    zis_hub_tree *tree, const char *what, const void *text, size_t n, zis_error *err)
{
    zis_json j;
    zis_json_token t;
    zis_json_init(&j, what, text, n);
    zis_status st = zis_json_next(&j, &t, err);
    if (!st && t.type != ZIS_JSON_ARRAY_BEGIN)
        st = zis_json_fail(&j, &t, err, "a list of files was expected");
    while (!st) {
        st = zis_json_next(&j, &t, err);
        if (st || t.type == ZIS_JSON_ARRAY_END) break;
        if (t.type != ZIS_JSON_OBJECT_BEGIN) {
            st = zis_json_fail(&j, &t, err, "an entry must be an object");
            break;
        }
        entry e = {0};
        st = read_entry(&j, &e, err);
        if (!st) st = add_entry(tree, &j, &e, err);
        free(e.file.path);
    }
    if (!st) st = zis_json_next(&j, &t, err);
    zis_json_deinit(&j);
    return st;
}

zis_status zis_hub_api_tree_check(const zis_hub_tree *tree, zis_error *err)
{
    zis_strmap names = {0};
    zis_status st = ZIS_OK;
    for (size_t i = 0; i < tree->n && !st; i++) {
        const char *path = tree->files[i].path;
        st = zis_strmap_put(&names, path, strlen(path), i, NULL);
        if (st == ZIS_NOMEM)
            st = zis_fail_nomem(err, "the list of files");
        else if (st)
            st = zis_fail(err, ZIS_FORMAT, "the Hub lists '%.200s' twice", path);
    }
    for (size_t i = 0; i < tree->n && !st; i++) {
        const char *path = tree->files[i].path;
        for (const char *s = strchr(path, '/'); s && !st; s = strchr(s + 1, '/')) {
            size_t at;
            if (zis_strmap_get(&names, path, (size_t)(s - path), &at))
                st = zis_fail(err, ZIS_FORMAT, "the Hub lists '%.200s' as a file and as a folder",
                              tree->files[at].path);
        }
    }
    zis_strmap_free(&names);
    return st;
}

void zis_hub_tree_deinit(zis_hub_tree *tree)
{
    for (size_t i = 0; i < tree->n; i++) free(tree->files[i].path);
    free(tree->files);
    *tree = (zis_hub_tree){0};
}

/* ---- headers ------------------------------------------------------------------------------- */

/* Copies a value when it fits and holds printable ASCII alone. */
static void keep(char *to, size_t room, const char *s, size_t n)
{
    to[0] = '\0';
    if (n >= room) return;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 0x20 || (unsigned char)s[i] > 0x7E) return;
    memcpy(to, s, n);
    to[n] = '\0';
}

static void keep_etag(char *to, size_t room, const char *s, size_t n)
{
    if (n > 2 && s[0] == 'W' && s[1] == '/') s += 2, n -= 2;
    if (n >= 2 && s[0] == '"' && s[n - 1] == '"') s++, n -= 2;
    keep(to, room, s, n);
}

/* Digits up to `end`, behind which `after` must stand. */
static bool number(const char **s, const char *end, char after, uint64_t *out)
{
    uint64_t v = 0;
    const char *p = *s;
    for (; p < end && *p >= '0' && *p <= '9'; p++) {
        if (v > ZIS_HUB_MAX_FILE * 2) return false;
        v = v * 10 + (uint64_t)(*p - '0');
    }
    if (p == *s || (after ? p == end || *p != after : p != end)) return false;
    *out = v;
    *s = after ? p + 1 : p;
    return true;
}

static void keep_range(zis_hub_head *h, const char *s, size_t n)
{
    const char *end = s + n;
    if (n < 6 || strncasecmp(s, "bytes ", 6) != 0) return;
    s += 6;
    h->has_range = number(&s, end, '-', &h->from) && number(&s, end, '/', &h->to) &&
                   number(&s, end, '\0', &h->total) && h->from <= h->to && h->to < h->total;
}

/* <URL>; rel="next", among others. */
static void keep_next(zis_hub_head *h, const char *s, size_t n)
{
    const char *end = s + n;
    while (s < end) {
        const char *open = memchr(s, '<', (size_t)(end - s));
        const char *close = open ? memchr(open, '>', (size_t)(end - open)) : NULL;
        if (!close) return;
        const char *rest = close + 1;
        const char *stop = memchr(rest, '<', (size_t)(end - rest));
        size_t len = (size_t)((stop ? stop : end) - rest);
        if (memmem(rest, len, "rel=\"next\"", 10) || memmem(rest, len, "rel=next", 8)) {
            keep(h->next, sizeof h->next, open + 1, (size_t)(close - open - 1));
            return;
        }
        s = rest + len;
    }
}

void zis_hub_api_header(zis_hub_head *head, const char *line, size_t n)
{
    while (n && (line[n - 1] == '\r' || line[n - 1] == '\n' || line[n - 1] == ' ')) n--;
    if (n >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        *head = (zis_hub_head){0};
        return;
    }
    const char *colon = memchr(line, ':', n);
    if (!colon) return;
    size_t name = (size_t)(colon - line);
    const char *v = colon + 1;
    size_t len = n - name - 1;
    while (len && (*v == ' ' || *v == '\t')) v++, len--;
#define IS(text) (name == sizeof text - 1 && strncasecmp(line, text, name) == 0)
    if (IS("etag")) {
        keep_etag(head->etag, sizeof head->etag, v, len);
        if (len && *v == '"') keep(head->validator, sizeof head->validator, v, len);
    } else if (IS("x-linked-etag")) {
        keep_etag(head->linked_etag, sizeof head->linked_etag, v, len);
    } else if (IS("x-repo-commit")) {
        keep(head->commit, sizeof head->commit, v, len);
    } else if (IS("x-error-code")) {
        keep(head->code, sizeof head->code, v, len);
    } else if (IS("x-error-message")) {
        keep(head->message, sizeof head->message, v, len);
    } else if (IS("content-range")) {
        keep_range(head, v, len);
    } else if (IS("link")) {
        keep_next(head, v, len);
    }
#undef IS
}
