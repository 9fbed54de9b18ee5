/* pth.c - the two containers of torch.save: a zip archive (since 1.6), and before that pickles back
 * to back with the values behind them. */
#include "formats/pth.h"

#include "base/mem.h"
#include "base/os.h"
#include "formats/pth_tensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tensors are used as they lie in the file, which is little-endian"
#endif

#define COPIES_SLACK ((uint64_t)16 << 20)
#define LEGACY_VERSION 1001

/* 0x1950a86a20f9469cfc6c, which opens a legacy file. */
static const unsigned char legacy_magic[] = {0x6C, 0xFC, 0x9C, 0x46, 0xF9,
                                             0x20, 0x6A, 0xA8, 0x50, 0x19};

struct zis_pth {
    char *path;
    zis_map map; /* zero when the bytes are the caller's */
    const unsigned char *data;
    size_t size;
    zis_pth_tensors tensors;
};

/* What lives only while the file is opened. */
typedef struct reader {
    zis_pth *f;
    zis_error *err;
    zis_pth_zip zip;
    zis_pth_objects objects;
    zis_pth_pickle pickle; /* of the object */
    uint32_t top;
} reader;

static zis_status ZIS_PRINTF(4, 5)
    bad(const reader *r, zis_status code, uint64_t at, const char *fmt, ...)
{
    zis_error inner = {0};
    va_list ap;
    va_start(ap, fmt);
    zis_failv(&inner, code, fmt, ap);
    va_end(ap);
    return zis_fail(r->err, code, "'%s': byte %" PRIu64 ": %s", r->f->path, at, inner.text);
}

bool zis_pth_probe(const unsigned char *head, size_t n)
{
    if (n >= 4 && (memcmp(head, "PK\3\4", 4) == 0 || memcmp(head, "PK\5\6", 4) == 0)) return true;
    return n >= 2 && head[0] == 0x80 && head[1] >= 2 && head[1] <= 5; /* PROTO */
}

/* ---- zip ------------------------------------------------------------------------------------- */

/* The entry FOLDER/data.pkl. */
static zis_status find_pickle(reader *r, const zis_pth_zip_entry **out)
{
    static const char end[] = "/data.pkl";
    const size_t len = sizeof end - 1;
    *out = NULL;
    for (size_t i = 0; i < r->zip.count; i++) {
        const zis_pth_zip_entry *e = &r->zip.entries[i];
        if (e->name_len <= len || memcmp(e->name + e->name_len - len, end, len) != 0 ||
            memchr(e->name, '/', e->name_len - len))
            continue;
        if (*out) return bad(r, ZIS_FORMAT, e->header, "a second data.pkl in the archive");
        *out = e;
        r->objects.root = e->name;
        r->objects.root_len = e->name_len - len;
    }
    if (*out) return ZIS_OK;
    return zis_fail(r->err, ZIS_FORMAT,
                    "'%s' is a zip archive without a data.pkl in its folder: not a torch file",
                    r->f->path);
}

/* ROOT/byteorder, which new files have, must say "little". */
static zis_status check_byte_order(reader *r)
{
    char *name = zis_mem_printf("%.*s/byteorder", (int)r->objects.root_len, r->objects.root);
    if (!name) return zis_fail_nomem(r->err, r->f->path);
    const zis_pth_zip_entry *e = zis_pth_zip_find(&r->zip, name, strlen(name));
    free(name);
    if (!e || (e->size == 6 && memcmp(r->f->data + e->begin, "little", 6) == 0)) return ZIS_OK;
    return bad(r, ZIS_UNSUPPORTED, e->begin, "the values are not little-endian");
}

static zis_status read_zip(reader *r)
{
    const zis_pth_zip_entry *e;
    zis_status st = zis_pth_zip_read(&r->zip, r->f->path, r->f->data, r->f->size, r->err);
    if (!st) st = find_pickle(r, &e);
    if (!st) st = check_byte_order(r);
    if (st) return st;
    if (e->size > ZIS_PTH_PICKLE_MAX)
        return bad(r, ZIS_UNSUPPORTED, e->begin, "a pickle of %zu bytes is far too long", e->size);
    st = zis_pth_zip_intact(&r->zip, e, r->err);
    if (st) return st;
    r->objects.zip = &r->zip;
    zis_pth_pickle_init(&r->pickle, r->f->path, r->f->data + e->begin, e->size, e->begin,
                        &r->objects);
    st = zis_pth_pickle_run(&r->pickle, &r->top, r->err);
    if (!st && r->pickle.at != e->size)
        st = bad(r, ZIS_FORMAT, e->begin + r->pickle.at, "the pickle goes on behind its STOP");
    return st;
}

/* ---- legacy ---------------------------------------------------------------------------------- */

/* Runs the pickle at *at, which moves behind it. Deinit is the caller's, also after a failure. */
static zis_status run_at(
    reader *r, size_t *at, zis_pth_pickle *p, zis_pth_objects *objects, uint32_t *top)
{
    zis_pth_pickle_init(p, r->f->path, r->f->data + *at, r->f->size - *at, *at, objects);
    zis_status st = zis_pth_pickle_run(p, top, r->err);
    if (!st) *at += p->at;
    return st;
}

typedef zis_status check_head(reader *r, const zis_pth_pickle *p, uint32_t top);

static zis_status check_magic(reader *r, const zis_pth_pickle *p, uint32_t top)
{
    const zis_pth_node *n = zis_pth_pickle_node(p, top);
    if (n->kind == ZIS_PTH_BIG && n->n == sizeof legacy_magic &&
        memcmp(zis_pth_pickle_text(p, n), legacy_magic, sizeof legacy_magic) == 0)
        return ZIS_OK;
    return zis_fail(r->err, ZIS_FORMAT,
                    "'%s' is a pickle, but not one of torch.save: it does not begin with its "
                    "magic number",
                    r->f->path);
}

static bool is_version(const zis_pth_pickle *p, uint32_t i)
{
    const zis_pth_node *n = zis_pth_pickle_node(p, i);
    return n->kind == ZIS_PTH_INT && n->v.i == LEGACY_VERSION;
}

static zis_status check_version(reader *r, const zis_pth_pickle *p, uint32_t top)
{
    if (is_version(p, top)) return ZIS_OK;
    return bad(r, ZIS_UNSUPPORTED, p->base, "the version of the container is not %d",
               LEGACY_VERSION);
}

/* The third pickle: facts of the system that wrote the file. */
static zis_status check_system(reader *r, const zis_pth_pickle *p, uint32_t top)
{
    uint32_t version = zis_pth_pickle_get(p, top, "protocol_version");
    uint32_t little = zis_pth_pickle_get(p, top, "little_endian");
    if (zis_pth_pickle_node(p, top)->kind != ZIS_PTH_DICT)
        return bad(r, ZIS_FORMAT, p->base, "the facts of the system are not a dictionary");
    if (version != ZIS_PTH_END && !is_version(p, version))
        return bad(r, ZIS_UNSUPPORTED, p->base, "the version of the container is not %d",
                   LEGACY_VERSION);
    if (little != ZIS_PTH_END && (zis_pth_pickle_node(p, little)->kind != ZIS_PTH_BOOL ||
                                  !zis_pth_pickle_node(p, little)->v.i))
        return bad(r, ZIS_UNSUPPORTED, p->base, "the values are not little-endian");
    return ZIS_OK;
}

/* The element count and the values of the storage of this key, which lie at *at. */
static zis_status read_values(reader *r, const char *key, size_t len, size_t *at)
{
    size_t i;
    uint64_t count;
    if (!zis_strmap_get(&r->objects.keys, key, len, &i))
        return bad(r, ZIS_FORMAT, *at, "the file lists a storage that no tensor has named");
    zis_pth_storage *s = &r->objects.storages[i];
    if (s->data) return bad(r, ZIS_FORMAT, *at, "storage '%.*s' is listed twice", (int)len, key);
    if (r->f->size - *at < 8)
        return bad(r, ZIS_FORMAT, *at,
                   "the file ends before storage '%.*s': cut short? fetch it again", (int)len, key);
    memcpy(&count, r->f->data + *at, 8);
    if (count != s->count)
        return bad(r, ZIS_FORMAT, *at,
                   "storage '%.*s' has %" PRIu64 " elements here, but %" PRIu64 " in the pickle",
                   (int)len, key, count, s->count);
    *at += 8;
    if (s->bytes > r->f->size - *at)
        return bad(r, ZIS_FORMAT, *at,
                   "storage '%.*s' has %" PRIu64
                   " bytes, but the file ends after %zu: cut short? fetch it again",
                   (int)len, key, s->bytes, r->f->size - *at);
    s->data = r->f->data + *at;
    *at += (size_t)s->bytes;
    return ZIS_OK;
}

/* The list of keys, and the storages in its order. */
static zis_status read_storages(reader *r, size_t at)
{
    zis_pth_pickle keys = {0};
    uint32_t top;
    size_t list = at;
    zis_status st = run_at(r, &at, &keys, NULL, &top);
    if (st) goto out;
    const zis_pth_node *n = zis_pth_pickle_node(&keys, top);
    if (n->kind != ZIS_PTH_LIST) {
        st = bad(r, ZIS_FORMAT, list, "the keys of the storages are not a list");
        goto out;
    }
    for (uint32_t c = n->n ? n->v.in.first : ZIS_PTH_END; c != ZIS_PTH_END && !st;
         c = keys.cells[c].next) {
        const zis_pth_node *key = zis_pth_pickle_node(&keys, keys.cells[c].value);
        if (key->kind == ZIS_PTH_STRING)
            st = read_values(r, zis_pth_pickle_text(&keys, key), key->n, &at);
        else
            st = bad(r, ZIS_FORMAT, list, "the key of a storage is not a string");
    }
    if (!st && at != r->f->size)
        st = bad(r, ZIS_FORMAT, at, "%zu bytes follow the last storage", r->f->size - at);
out:
    zis_pth_pickle_deinit(&keys);
    return st;
}

static zis_status read_legacy(reader *r)
{
    static check_head *const heads[] = {check_magic, check_version, check_system};
    size_t at = 0;
    zis_status st = ZIS_OK;
    for (size_t i = 0; i < sizeof heads / sizeof *heads && !st; i++) {
        zis_pth_pickle p = {0};
        uint32_t top;
        st = run_at(r, &at, &p, NULL, &top);
        if (!st) st = heads[i](r, &p, top);
        zis_pth_pickle_deinit(&p);
    }
    if (!st) st = run_at(r, &at, &r->pickle, &r->objects, &r->top);
    if (!st) st = read_storages(r, at);
    return st;
}

/* ---- handle ---------------------------------------------------------------------------------- */

static zis_status parse(zis_pth *f, zis_error *err)
{
    reader r = {.f = f, .err = err, .objects.path = f->path};
    if (!zis_pth_probe(f->data, f->size))
        return zis_fail(err, ZIS_FORMAT, "'%s' is neither a zip archive nor a pickle", f->path);
    zis_status st = f->data[0] == 'P' ? read_zip(&r) : read_legacy(&r);
    if (!st)
        st = zis_pth_tensors_collect(&f->tensors, &r.pickle, r.top, f->size + COPIES_SLACK, err);
    zis_pth_pickle_deinit(&r.pickle);
    zis_pth_objects_deinit(&r.objects);
    zis_pth_zip_deinit(&r.zip);
    return st;
}

/* Takes over the map, also on failure. */
static zis_status open_data(
    zis_pth **out, const char *name, const void *data, size_t size, zis_map *map, zis_error *err)
{
    zis_pth *f = zis_mem_zalloc(1, sizeof *f);
    char *path = zis_mem_strdup(name);
    if (!f || !path) {
        free(f);
        free(path);
        zis_os_unmap(map);
        return zis_fail_nomem(err, name);
    }
    *f = (zis_pth){.path = path, .map = *map, .data = data, .size = size};
    zis_status st = parse(f, err);
    if (!st) {
        *out = f;
        f = NULL;
    }
    zis_pth_close(&f);
    return st;
}

zis_status zis_pth_open(zis_pth **out, const char *path, zis_error *err)
{
    zis_map map = {0};
    zis_status st = zis_os_map(&map, path, err);
    if (st) return st;
    return open_data(out, path, map.data, map.size, &map, err);
}

zis_status zis_pth_open_memory(
    zis_pth **out, const char *name, const void *data, size_t size, zis_error *err)
{
    zis_map none = {0};
    return open_data(out, name, data, size, &none, err);
}

zis_status zis_pth_check(const zis_pth *f, zis_error *err)
{
    return f->map.size ? zis_os_map_check(&f->map, f->path, err) : ZIS_OK;
}

void zis_pth_close(zis_pth **handle)
{
    if (!handle || !*handle) return;
    zis_pth *f = *handle;
    zis_pth_tensors_deinit(&f->tensors);
    zis_os_unmap(&f->map);
    free(f->path);
    free(f);
    *handle = NULL;
}

size_t zis_pth_count(const zis_pth *f)
{
    return f->tensors.count;
}

const zis_pth_entry *zis_pth_at(const zis_pth *f, size_t i)
{
    return &f->tensors.entries[i];
}

const char *zis_pth_prefix(const zis_pth *f)
{
    return f->tensors.prefix;
}
