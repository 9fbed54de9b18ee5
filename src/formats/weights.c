/* weights.c - one name space over the files of a checkpoint. */
#include "formats/weights.h"

#include "base/mem.h"
#include "base/os.h"
#include "base/utf8.h"
#include "formats/weights_impl.h"
#include "formats/weights_index.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN(s) zis_utf8_cut((s), strlen(s), 100), (s)

zis_status zis_weights_take_entries(zis_weights *w, size_t from, zis_error *err)
{
    const zis_weights_source *s = &w->sources[from];
    size_t n = s->format->count(s->handle);
    if (n > w->room - w->count) {
        size_t room = w->count + n;
        zis_weights_entry *e = zis_mem_resize(w->entries, room, sizeof *e);
        if (!e) return zis_fail_nomem(err, w->path);
        w->entries = e;
        size_t *o = zis_mem_resize(w->owner, room, sizeof *o);
        if (!o) return zis_fail_nomem(err, w->path);
        w->owner = o;
        w->room = room;
    }
    for (size_t i = 0; i < n; i++) {
        zis_weights_entry e = {.file = s->path};
        size_t other = 0;
        s->format->at(s->handle, i, &e);
        zis_status st = zis_strmap_put(&w->names, e.name, strlen(e.name), w->count, &other);
        if (st == ZIS_NOMEM) return zis_fail_nomem(err, w->path);
        if (st)
            return zis_fail(err, ZIS_FORMAT, "tensor '%.*s' is in '%s' and also in '%s'",
                            SHOWN(e.name), w->entries[other].file, s->path);
        w->owner[w->count] = from;
        w->entries[w->count++] = e;
        w->bytes += e.bytes;
    }
    return ZIS_OK;
}

/* Opens one more file; w->sources has room. */
static zis_status add_file(zis_weights *w, const char *path, zis_error *err)
{
    zis_weights_source s = {0};
    zis_status st = zis_container_find(&s.format, path, err);
    if (st) return st;
    s.path = zis_mem_strdup(path);
    if (!s.path) return zis_fail_nomem(err, path);
    st = s.format->open(&s.handle, path, err);
    if (st) {
        free(s.path);
        return st;
    }
    w->sources[w->n_sources++] = s;
    return zis_weights_take_entries(w, w->n_sources - 1, err);
}

static zis_status open_single(zis_weights *w, const char *path, zis_error *err)
{
    w->sources = zis_mem_zalloc(1, sizeof *w->sources);
    return w->sources ? add_file(w, path, err) : zis_fail_nomem(err, path);
}

static zis_status missing_shards(const zis_weights_index *x,
                                 char *const *paths,
                                 const char *folder,
                                 zis_error *err)
{
    zis_buf list = {.cap = 4096};
    size_t missing = 0;
    for (size_t i = 0; i < x->n_shards; i++) {
        if (zis_os_is_file(paths[i])) continue;
        if (!list.failed) zis_buf_printf(&list, "%s%s", missing ? ", " : "", x->shards[i]);
        missing++;
    }
    zis_status st = ZIS_OK;
    if (missing)
        st = zis_fail(err, ZIS_NOT_FOUND,
                      "%zu of the %zu files that the index names are missing in '%s': %s", missing,
                      x->n_shards, folder, list.data ? list.data : "");
    zis_buf_free(&list);
    return st;
}

/* Every tensor of the index must lie in the file that the index says. */
static zis_status check_index(const zis_weights *w, const zis_weights_index *x, zis_error *err)
{
    size_t missing = 0, first = 0;
    for (size_t i = 0; i < x->n_items; i++) {
        const zis_weights_index_item *item = &x->items[i];
        size_t at;
        if (zis_strmap_get(&w->names, item->name, strlen(item->name), &at)) {
            if (w->owner[at] == item->shard) continue;
            return zis_fail(err, ZIS_FORMAT,
                            "tensor '%.*s' should be in '%s', as the index says, but is in '%s'",
                            SHOWN(item->name), x->shards[item->shard], w->entries[at].file);
        }
        if (missing++ == 0) first = i;
    }
    if (missing == 0) return ZIS_OK;
    return zis_fail(err, ZIS_FORMAT,
                    "'%s' lists %zu tensors that its files do not hold; the first is '%.*s', which "
                    "should be in '%s'",
                    x->path, missing, SHOWN(x->items[first].name),
                    x->shards[x->items[first].shard]);
}

static zis_status open_index(zis_weights *w, const char *path, const char *folder, zis_error *err)
{
    zis_weights_index *x = NULL;
    char **paths = NULL;
    zis_status st = zis_weights_index_read(&x, path, err);
    if (st) goto out;
    w->sources = zis_mem_zalloc(x->n_shards, sizeof *w->sources);
    paths = zis_mem_zalloc(x->n_shards, sizeof *paths);
    for (size_t i = 0; i < x->n_shards && w->sources && paths; i++)
        if (!(paths[i] = zis_os_join(folder, x->shards[i]))) break;
    if (!w->sources || !paths || !paths[x->n_shards - 1]) {
        st = zis_fail_nomem(err, path);
        goto out;
    }
    st = missing_shards(x, paths, folder, err);
    for (size_t i = 0; i < x->n_shards && !st; i++) st = add_file(w, paths[i], err);
    if (!st) st = check_index(w, x, err);
out:
    for (size_t i = 0; paths && i < x->n_shards; i++) free(paths[i]);
    free(paths);
    zis_weights_index_destroy(&x);
    return st;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n > k && strcmp(s + n - k, end) == 0;
}

/* The file of a folder to open, by what its files are called: the usual names first, then the only
 * one with a fitting ending. *pick stays NULL when none fits, or when *several has names. */
static void pick_file(char *const *names, size_t n, const char **pick, zis_buf *several)
{
    static const char *const usual[] = {
        "diffusion_pytorch_model.safetensors.index.json",
        "model.safetensors.index.json",
        "diffusion_pytorch_model.safetensors",
        "model.safetensors",
    };
    static const char *const endings[][5] = {
        {".safetensors.index.json"},
        {".safetensors"},
        {".pth", ".pt", ".bin", ".ckpt", ".gguf"},
    };
    for (size_t u = 0; u < sizeof usual / sizeof *usual; u++)
        for (size_t i = 0; i < n; i++)
            if (strcmp(names[i], usual[u]) == 0) {
                *pick = names[i];
                return;
            }
    for (size_t e = 0; e < sizeof endings / sizeof *endings; e++) {
        size_t found = 0;
        for (size_t i = 0; i < n; i++) {
            bool fits = false;
            for (size_t k = 0; k < 5 && endings[e][k]; k++)
                fits = fits || ends_with(names[i], endings[e][k]);
            if (!fits) continue;
            if (found++ == 0) *pick = names[i];
            zis_buf_printf(several, "%s%s", found > 1 ? ", " : "", names[i]);
        }
        if (found == 1) {
            several->len = 0;
            return;
        }
        if (found > 1) {
            *pick = NULL;
            return;
        }
    }
}

static zis_status open_folder(zis_weights *w, const char *folder, zis_error *err)
{
    char **names = NULL, *path = NULL;
    const char *pick = NULL;
    size_t n = 0;
    zis_buf several = {.cap = 4096};
    zis_status st = zis_os_list(&names, &n, folder, err);
    if (st) return st;
    pick_file(names, n, &pick, &several);
    if (!pick && several.len) {
        st = strstr(several.data, "-of-")
                 ? zis_fail(err, ZIS_FORMAT,
                            "'%s' holds parts of a checkpoint without their index (a file "
                            "*.safetensors.index.json, which comes with them): %s",
                            folder, several.data)
                 : zis_fail(err, ZIS_ARG, "'%s' holds several weight files, name one of them: %s",
                            folder, several.data);
        goto out;
    }
    if (!pick) {
        st = zis_fail(err, ZIS_NOT_FOUND,
                      "no weights in '%s': looked for diffusion_pytorch_model.safetensors, "
                      "model.safetensors, their .index.json, and any other .safetensors",
                      folder);
        goto out;
    }
    path = zis_os_join(folder, pick);
    if (!path)
        st = zis_fail_nomem(err, folder);
    else if (ends_with(pick, ".index.json"))
        st = open_index(w, path, folder, err);
    else
        st = open_single(w, path, err);
out:
    free(path);
    zis_buf_free(&several);
    zis_os_list_free(names, n);
    return st;
}

/* An index named directly, or a file of tensors. */
static zis_status open_file(zis_weights *w, const char *path, zis_error *err)
{
    if (!ends_with(path, ".index.json")) return open_single(w, path, err);
    const char *slash = strrchr(path, '/');
    char *folder = slash == path ? zis_mem_strdup("/")
                   : slash       ? zis_mem_strndup(path, (size_t)(slash - path))
                                 : zis_mem_strdup(".");
    zis_status st = folder ? open_index(w, path, folder, err) : zis_fail_nomem(err, path);
    free(folder);
    return st;
}

zis_status zis_weights_open(zis_weights **out, const char *path, zis_error *err)
{
    zis_weights *w = zis_mem_zalloc(1, sizeof *w);
    if (!w) return zis_fail_nomem(err, path);
    zis_status st;
    w->path = zis_mem_strdup(path);
    if (!w->path)
        st = zis_fail_nomem(err, path);
    else if (zis_os_is_dir(path))
        st = open_folder(w, path, err);
    else
        st = open_file(w, path, err);
    if (!st) {
        *out = w;
        w = NULL;
    }
    zis_weights_close(&w);
    return st;
}

zis_status zis_weights_check(const zis_weights *w, zis_error *err)
{
    for (size_t i = 0; i < w->n_sources; i++) {
        zis_status st = w->sources[i].format->check(w->sources[i].handle, err);
        if (st) return st;
    }
    return ZIS_OK;
}

void zis_weights_close(zis_weights **weights)
{
    if (!weights || !*weights) return;
    zis_weights *w = *weights;
    for (size_t i = 0; i < w->n_sources; i++) {
        w->sources[i].format->close(&w->sources[i].handle);
        free(w->sources[i].path);
    }
    free(w->sources);
    zis_strmap_free(&w->names);
    free(w->entries);
    free(w->owner);
    free(w->path);
    free(w);
    *weights = NULL;
}

size_t zis_weights_count(const zis_weights *w)
{
    return w->count;
}

const zis_weights_entry *zis_weights_at(const zis_weights *w, size_t i)
{
    return &w->entries[i];
}

const zis_weights_entry *zis_weights_find(const zis_weights *w, const char *name)
{
    size_t i;
    return zis_strmap_get(&w->names, name, strlen(name), &i) ? &w->entries[i] : NULL;
}

const char *zis_weights_meta(const zis_weights *w, const char *key)
{
    for (size_t i = 0; i < w->n_sources; i++) {
        const char *value = w->sources[i].format->meta(w->sources[i].handle, key);
        if (value) return value;
    }
    return NULL;
}

const char *zis_weights_path(const zis_weights *w)
{
    return w->path;
}

const char *zis_weights_format(const zis_weights *w)
{
    return w->n_sources ? w->sources[0].format->name : "";
}

uint64_t zis_weights_bytes(const zis_weights *w)
{
    return w->bytes;
}
