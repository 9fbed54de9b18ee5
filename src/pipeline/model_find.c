/* From a name to folders: presets, the Hugging Face cache, siblings. */
#include "base/mem.h"
#include "base/os.h"
#include "pipeline/hubcache.h"
#include "pipeline/model_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Where each part is looked for, and the file whose presence says that it is there. */
static const struct {
    const char *name;
    const char *file[2];
    const char *flag;
    const char *what;
} parts[ZIS_PART_COUNT] = {
    [ZIS_PART_TRANSFORMER] = {"transformer", {"config.json", NULL}, "--model", "transformer"},
    [ZIS_PART_TEXT_ENCODER] = {"text_encoder",
                               {"config.json", NULL},
                               "--text-encoder",
                               "text encoder"},
    [ZIS_PART_VAE] = {"vae", {"config.json", NULL}, "--vae", "VAE"},
    [ZIS_PART_TOKENIZER] = {"tokenizer",
                            {"tokenizer.json", "vocab.json"},
                            "--tokenizer",
                            "tokenizer"},
};

typedef struct finder {
    const zis_model_query *q;
    zis_model_set set;
    zis_buf looked; /* places, for the message */
    char *cache;    /* root of the Hugging Face cache, or NULL */
    bool in_cache;  /* the folder is a snapshot */
    char *beside;   /* folder named by _zis.parts, or NULL */
    int64_t cap_dim;
    bool nomem;
} finder;

const char *zis_model_part_name(zis_model_part part)
{
    return parts[part].name;
}

void zis_model_set_deinit(zis_model_set *set)
{
    free(set->name);
    free(set->hub_id);
    free(set->folder);
    for (int i = 0; i < ZIS_PART_COUNT; i++) free(set->path[i]);
    free(set->example);
    *set = (zis_model_set){0};
}

static void looked_at(finder *f, const char *place)
{
    zis_buf_printf(&f->looked, "%s%s", f->looked.len ? ", " : "", place);
    f->nomem = f->nomem || f->looked.failed;
}

static const char *places(const finder *f)
{
    return f->looked.len ? f->looked.data : "nowhere";
}

/* Moves a new string into place; NULL is a failed allocation. */
static bool keep(finder *f, char **to, char *s)
{
    if (!s) {
        f->nomem = true;
        return false;
    }
    free(*to);
    *to = s;
    return true;
}

/* ---- the folder ---------------------------------------------------------------------------- */

static zis_status find_embedded(finder *f, const zis_model_preset *p, zis_error *err)
{
    for (int i = 0; i < 3; i++) {
        char *root = zis_model_embedded_root_at(i);
        bool unset = root && !*root;
        char *path = root && !unset ? zis_os_join(root, p->folder) : NULL;
        free(root);
        if (unset) continue;
        if (!path) return zis_fail_nomem(err, p->name);
        if (zis_os_is_dir(path)) {
            keep(f, &f->set.folder, path);
            return ZIS_OK;
        }
        looked_at(f, path);
        free(path);
    }
    return zis_fail(err, ZIS_NOT_FOUND,
                    "the model '%s' that ships with zis is not there; set ZIS_MODELS to the folder "
                    "that holds '%s'; looked in %s",
                    p->name, p->folder, places(f));
}

static zis_status find_cached(finder *f, const char *id, zis_error *err)
{
    char *repo_name = zis_hubcache_repo_name(id);
    char *repo = repo_name && f->cache ? zis_os_join(f->cache, repo_name) : NULL;
    char *folder = NULL;
    zis_status st = ZIS_OK;
    if (f->cache && !repo) {
        st = zis_fail_nomem(err, id);
        goto out;
    }
    st = repo ? zis_hubcache_snapshot(&folder, repo, NULL) : ZIS_NOT_FOUND;
    if (st == ZIS_NOMEM) {
        st = zis_fail_nomem(err, id);
        goto out;
    }
    if (st) {
        st =
            zis_fail(err, ZIS_NOT_FOUND,
                     "the model %s is not downloaded; `zis fetch %s` gets it, then "
                     "`zis generate -m %s \"...\"` draws (with --fetch it does both); looked in %s",
                     id, zis_model_fetch_name(id), zis_model_fetch_name(id),
                     repo ? repo : "no Hugging Face cache (HF_HOME and HOME are not set)");
        goto out;
    }
    st = zis_hubcache_check(folder, f->cache, zis_model_fetch_name(id), err);
    if (st) goto out;
    keep(f, &f->set.folder, folder);
    folder = NULL;
    f->in_cache = true;
    keep(f, &f->set.hub_id, zis_mem_strdup(id));
out:
    free(repo_name);
    free(repo);
    free(folder);
    return st;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* New string: the path without closing slashes. */
static char *trimmed(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    return zis_mem_strndup(path, n);
}

/* New string: the folder above. */
static char *parent_of(const char *path)
{
    return zis_os_join(path, "..");
}

/* A folder that a person named: a cache entry, or as it is. */
static zis_status find_folder(finder *f, const char *given, zis_error *err)
{
    char *path = trimmed(given);
    if (!path) return zis_fail_nomem(err, given);
    char *id = zis_hubcache_id_of(base_name(path));
    zis_status st = ZIS_OK;
    if (!id) {
        keep(f, &f->set.folder, path);
        return ZIS_OK;
    }
    char *snapshot = NULL;
    char *root = parent_of(path);
    st = root ? zis_hubcache_snapshot(&snapshot, path, err) : zis_fail_nomem(err, path);
    if (!st) st = zis_hubcache_check(snapshot, root, zis_model_fetch_name(id), err);
    if (!st) {
        keep(f, &f->set.folder, snapshot);
        keep(f, &f->set.hub_id, id);
        snapshot = NULL;
        id = NULL;
        f->in_cache = true;
    }
    free(snapshot);
    free(root);
    free(id);
    free(path);
    return st;
}

static zis_status find_model_folder(finder *f, zis_error *err)
{
    const char *name = f->q->model;
    const zis_model_preset *p = zis_model_preset_named(name);
    if (p) return p->hub_id ? find_cached(f, p->hub_id, err) : find_embedded(f, p, err);
    if (zis_os_is_dir(name)) return find_folder(f, name, err);
    if (zis_os_is_file(name))
        return zis_fail(err, ZIS_UNSUPPORTED,
                        "'%s' is a file; a model is a folder in the diffusers layout "
                        "(transformer/, text_encoder/, vae/, tokenizer/), a preset or a Hub id",
                        name);
    if (zis_hubcache_is_id(name)) return find_cached(f, name, err);
    return zis_fail(err, ZIS_NOT_FOUND,
                    "there is no model '%s': it is no folder, no Hub id (ORG/NAME) and none of the "
                    "presets nano, nano-turbo, nano-base, turbo, base; see `zis models`",
                    name);
}

/* ---- parts --------------------------------------------------------------------------------- */

static bool part_is_in(finder *f, const char *folder, zis_model_part part)
{
    bool there = false;
    for (int i = 0; i < 2 && parts[part].file[i] && !there; i++) {
        char *path = zis_os_join(folder, parts[part].file[i]);
        there = path && zis_os_is_file(path);
        f->nomem = f->nomem || !path;
        free(path);
    }
    return there;
}

/* Takes folder/PART when it is there. */
static bool try_folder(finder *f, const char *folder, zis_model_part part)
{
    char *path = zis_os_join(folder, parts[part].name);
    if (!path) {
        f->nomem = true;
        return false;
    }
    if (part_is_in(f, path, part)) return keep(f, &f->set.path[part], path);
    looked_at(f, path);
    free(path);
    return false;
}

/* Whether the parts of another model fit: both transformers read features of the same width. */
static bool fits(finder *f, const char *folder)
{
    int64_t other = 0;
    bool ok =
        zis_model_config_peek(&other, folder, "text_encoder/config.json", "hidden_size", 1 << 20);
    if (ok && !other)
        ok = zis_model_config_peek(&other, folder, "transformer/config.json", "cap_feat_dim",
                                   1 << 20);
    f->nomem = f->nomem || !ok;
    return ok && other == f->cap_dim;
}

static bool try_siblings(finder *f, zis_model_part part)
{
    char **names = NULL;
    size_t n = 0;
    bool found = false;
    if (f->in_cache) return false;
    char *above = parent_of(f->set.folder);
    zis_status st = above ? zis_os_list(&names, &n, above, NULL) : ZIS_NOMEM;
    if (st) {
        f->nomem = f->nomem || st == ZIS_NOMEM;
        free(above);
        return false;
    }
    for (size_t i = 0; i < n && !found; i++) {
        if (names[i][0] == '.') continue;
        char *folder = zis_os_join(above, names[i]);
        char *path = folder ? zis_os_join(folder, parts[part].name) : NULL;
        f->nomem = f->nomem || !path;
        if (path && part_is_in(f, path, part) && fits(f, folder)) {
            found = keep(f, &f->set.path[part], path);
            path = NULL;
        }
        free(path);
        free(folder);
    }
    if (!found) {
        char *note = zis_mem_printf("%s/*/%s", above, parts[part].name);
        if (note) looked_at(f, note);
        free(note);
    }
    zis_os_list_free(names, n);
    free(above);
    return found;
}

static bool try_cache(finder *f, zis_model_part part)
{
    bool found = false;
    for (size_t i = 0; zis_model_preset_at(i) && f->cache && !found; i++) {
        if (!zis_model_preset_at(i)->hub_id) continue;
        char *repo_name = zis_hubcache_repo_name(zis_model_preset_at(i)->hub_id);
        char *repo = repo_name ? zis_os_join(f->cache, repo_name) : NULL;
        char *snapshot = NULL;
        zis_status st = repo ? zis_hubcache_snapshot(&snapshot, repo, NULL) : ZIS_NOMEM;
        bool usable = !st && fits(f, snapshot);
        if (usable) st = zis_hubcache_check(snapshot, f->cache, zis_model_preset_at(i)->name, NULL);
        f->nomem = f->nomem || st == ZIS_NOMEM;
        if (usable && !st)
            found = try_folder(f, snapshot, part);
        else if (repo)
            looked_at(f, repo);
        free(snapshot);
        free(repo);
        free(repo_name);
    }
    return found;
}

static zis_status find_part(finder *f, zis_model_part part, zis_error *err)
{
    const char *given = f->q->path[part];
    f->looked.len = 0;
    if (given) {
        bool there = part_is_in(f, given, part);
        if (f->nomem) return zis_fail_nomem(err, "the search for the model");
        if (!there)
            return zis_fail(err, ZIS_NOT_FOUND, "%s: '%s' is no folder with %s of a %s",
                            parts[part].flag, given, parts[part].file[0], parts[part].what);
        keep(f, &f->set.path[part], zis_mem_strdup(given));
        return ZIS_OK;
    }
    if (try_folder(f, f->set.folder, part)) return ZIS_OK;
    if (f->beside && try_folder(f, f->beside, part)) return ZIS_OK;
    if (part != ZIS_PART_TRANSFORMER && (try_siblings(f, part) || try_cache(f, part)))
        return ZIS_OK;
    if (f->nomem) return zis_fail_nomem(err, "the search for the model");
    const char *id = f->set.hub_id ? f->set.hub_id : "Tongyi-MAI/Z-Image-Turbo";
    return zis_fail(
        err, ZIS_NOT_FOUND,
        "the model '%s' lacks its %s (%s/%s); `zis fetch %s` gets one, or give %s PATH; "
        "looked in %s",
        f->q->model, parts[part].what, parts[part].name, parts[part].file[0],
        zis_model_fetch_name(id), parts[part].flag, places(f));
}

static zis_status find_all(finder *f, zis_error *err)
{
    errno = 0;
    f->cache = zis_hubcache_root();
    if (!f->cache && errno == ENOMEM) return zis_fail_nomem(err, "the search for the model");
    zis_status st = find_model_folder(f, err);
    if (!st && !f->set.folder) st = zis_fail_nomem(err, "the search for the model");
    if (!st) st = zis_model_config_read(&f->set, &f->beside, err);
    if (!st) st = find_part(f, ZIS_PART_TRANSFORMER, err);
    if (st) return st;
    if (!f->set.path[ZIS_PART_TRANSFORMER]) return zis_fail_nomem(err, "the search for the model");
    f->cap_dim = 2560;
    if (!zis_model_config_peek(&f->cap_dim, f->set.path[ZIS_PART_TRANSFORMER], "config.json",
                               "cap_feat_dim", 1 << 20))
        f->nomem = true;
    for (int part = ZIS_PART_TRANSFORMER + 1; part < ZIS_PART_COUNT && !st; part++)
        st = find_part(f, (zis_model_part)part, err);
    if (st) return st;
    if (f->nomem) return zis_fail_nomem(err, "the search for the model");
    st = zis_model_config_settle(&f->set, err);
    if (st) return st;
    if (!f->set.name) {
        const char *name = f->set.hub_id ? f->set.hub_id : base_name(f->set.folder);
        keep(f, &f->set.name, zis_mem_strdup(name));
    }
    return f->nomem ? zis_fail_nomem(err, "the search for the model") : ZIS_OK;
}

zis_status zis_model_find(zis_model_set *out, const zis_model_query *q, zis_error *err)
{
    finder f = {.q = q};
    zis_status st = find_all(&f, err);
    if (st)
        zis_model_set_deinit(&f.set);
    else
        *out = f.set;
    zis_buf_free(&f.looked);
    free(f.cache);
    free(f.beside);
    return st;
}
