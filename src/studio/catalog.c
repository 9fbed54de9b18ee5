/* Presets, the Hugging Face cache, and the folders of small files. */
#include "studio/catalog.h"

#include "base/mem.h"
#include "base/os.h"
#include "formats/weights.h"
#include "pipeline/control_find.h"
#include "pipeline/hubcache.h"
#include "pipeline/loras.h"
#include "pipeline/model.h"
#include "pipeline/preprocess.h"
#include "pipeline/recognise.h"
#include "pipeline/upscaler_find.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct zis_catalog {
    zis_catalog_entry *list;
    size_t n;
};

static const struct {
    const char *singular, *ending;
} kinds[ZIS_CATALOG_KINDS] = {
    [ZIS_CATALOG_MODEL] = {"model", NULL},
    [ZIS_CATALOG_LORA] = {"LoRA", ".safetensors"},
    [ZIS_CATALOG_CONTROL_NET] = {"ControlNet", NULL},
    [ZIS_CATALOG_UPSCALER] = {"upscaler", NULL},
    [ZIS_CATALOG_PREPROCESSOR] = {"preprocessor", NULL},
};

/* ---- life ---------------------------------------------------------------------------------- */

static void free_entry(zis_catalog_entry *e)
{
    free(e->name);
    free(e->hub_id);
    free(e->what);
    free(e->path);
    free(e->fetch);
    free(e->missing);
    free(e->example);
}

void zis_catalog_close(zis_catalog **out)
{
    if (!out || !*out) return;
    zis_catalog *c = *out;
    for (size_t i = 0; i < c->n; i++) free_entry(&c->list[i]);
    free(c->list);
    free(c);
    *out = NULL;
}

static zis_status no_memory(zis_error *err)
{
    return zis_fail_nomem(err, "the list of models");
}

/* Takes the entry, also when it fails. */
static zis_status add(zis_catalog *c, zis_catalog_entry *e, zis_error *err)
{
    zis_catalog_entry *list = NULL;
    if (e->name && e->what) list = zis_mem_resize(c->list, c->n + 1, sizeof *list);
    if (!list) {
        free_entry(e);
        return no_memory(err);
    }
    c->list = list;
    list[c->n++] = *e;
    return ZIS_OK;
}

static bool known(const zis_catalog *c, zis_catalog_kind kind, const char *name)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->list[i].kind == kind && strcmp(c->list[i].name, name) == 0) return true;
    return false;
}

/* ---- models -------------------------------------------------------------------------------- */

static void measure(zis_catalog_entry *e, const zis_model_set *set)
{
    for (int part = 0; part < ZIS_PART_TOKENIZER; part++) {
        zis_weights *w = NULL;
        if (zis_weights_open(&w, set->path[part], NULL) != ZIS_OK) continue;
        zis_recognised r = zis_recognise(w);
        if (part == ZIS_PART_TRANSFORMER && r.dtype != ZIS_DTYPE_COUNT)
            e->type = zis_dtype_get(r.dtype)->name;
        e->bytes += zis_weights_bytes(w);
        zis_weights_close(&w);
    }
}

/* name: as it is looked for; shown: as it is listed, or NULL: by its own name. */
static zis_status add_model(zis_catalog *c,
                            const char *name,
                            const char *shown,
                            const char *hub_id,
                            const char *what,
                            uint64_t download,
                            bool with_size,
                            zis_error *err)
{
    zis_model_set set = {0};
    zis_error why = {0};
    zis_status st = zis_model_find(&set, &(zis_model_query){.model = name}, &why);
    if (st == ZIS_NOMEM) return no_memory(err);
    zis_catalog_entry e = {
        .kind = ZIS_CATALOG_MODEL,
        .name = zis_mem_strdup(shown      ? shown
                               : set.name ? set.name
                                          : name),
        .hub_id = hub_id ? zis_mem_strdup(hub_id) : NULL,
        .what = zis_mem_strdup(what),
        .present = st == ZIS_OK,
    };
    if (!st) {
        e.path = zis_mem_strdup(set.folder ? set.folder : name);
        e.turbo = set.turbo;
        e.embedded = !hub_id;
        e.defaults = set.defaults;
        e.size_lo = set.size_lo;
        e.size_hi = set.size_hi;
        e.example = set.example ? zis_mem_strdup(set.example) : NULL;
        if (with_size) measure(&e, &set);
    } else {
        e.missing = zis_mem_strdup(why.text);
        e.bytes = download;
        if (hub_id) e.fetch = zis_mem_printf("zis fetch %s", shown ? shown : name);
        e.turbo = strcasestr(name, "turbo") != NULL;
    }
    zis_model_set_deinit(&set);
    if (e.name && known(c, ZIS_CATALOG_MODEL, e.name)) {
        free_entry(&e);
        return ZIS_OK;
    }
    return add(c, &e, err);
}

static bool is_preset(const char *id)
{
    for (size_t i = 0; zis_model_preset_at(i); i++) {
        const char *hub_id = zis_model_preset_at(i)->hub_id;
        if (hub_id && strcmp(hub_id, id) == 0) return true;
    }
    return false;
}

static zis_status add_cached(zis_catalog *c, bool with_size, zis_error *err)
{
    char **names = NULL;
    size_t n = 0;
    zis_status st = ZIS_OK;
    char *root = zis_hubcache_root();
    if (!root || zis_os_list(&names, &n, root, NULL) != ZIS_OK) {
        free(root);
        return ZIS_OK;
    }
    for (size_t i = 0; i < n && !st; i++) {
        char *id = zis_hubcache_id_of(names[i]);
        char *repo = id ? zis_os_join(root, names[i]) : NULL;
        if (repo && !is_preset(id) && zis_model_is_family(repo))
            st = add_model(c, id, id, id, "in the Hugging Face cache", 0, with_size, err);
        free(repo);
        free(id);
    }
    zis_os_list_free(names, n);
    free(root);
    return st;
}

static zis_status add_models(zis_catalog *c, const zis_catalog_options *o, zis_error *err)
{
    zis_status st = ZIS_OK;
    for (size_t i = 0; zis_model_preset_at(i) && !st; i++) {
        const zis_model_preset *p = zis_model_preset_at(i);
        if (!p->alias)
            st = add_model(c, p->name, p->name, p->hub_id, p->what, p->bytes, o->measure, err);
    }
    if (!st) st = add_cached(c, o->measure, err);
    if (!st && o->model && !zis_model_preset_named(o->model))
        st = add_model(c, o->model, NULL, NULL, "the model that the server was started with", 0,
                       o->measure, err);
    return st;
}

/* ---- small files --------------------------------------------------------------------------- */

static zis_status add_folder(zis_catalog *c,
                             zis_catalog_kind kind,
                             const char *folder,
                             zis_error *err)
{
    char **names = NULL;
    size_t n = 0, tail = strlen(kinds[kind].ending);
    zis_status st = ZIS_OK;
    if (zis_os_list(&names, &n, folder, NULL) != ZIS_OK) return ZIS_OK;
    for (size_t i = 0; i < n && !st; i++) {
        size_t len = strlen(names[i]);
        struct stat sb;
        if (len <= tail || strcmp(names[i] + len - tail, kinds[kind].ending) != 0) continue;
        zis_catalog_entry e = {
            .kind = kind,
            .name = zis_mem_strndup(names[i], len - tail),
            .what = zis_mem_strdup(""),
            .path = zis_os_join(folder, names[i]),
            .present = true,
        };
        if (e.path && stat(e.path, &sb) == 0) e.bytes = (uint64_t)sb.st_size;
        if (!e.path || (e.name && known(c, kind, e.name)))
            free_entry(&e);
        else
            st = add(c, &e, err);
    }
    zis_os_list_free(names, n);
    return st;
}

/* Of the usual folders (loras.h), then of those that the server was given. */
static zis_status add_loras(zis_catalog *c, const char *const *folders, zis_error *err)
{
    zis_loras_found *list = NULL;
    size_t n = 0;
    zis_status st = zis_loras_list(&list, &n, NULL, err);
    for (size_t i = 0; i < n && !st; i++) {
        zis_catalog_entry e = {
            .kind = ZIS_CATALOG_LORA,
            .name = zis_mem_strdup(list[i].name),
            .what = zis_mem_strdup(""),
            .path = zis_mem_strdup(list[i].path),
            .present = true,
            .bytes = list[i].bytes,
        };
        st = add(c, &e, err);
    }
    zis_loras_list_free(list, n);
    for (; folders && *folders && !st; folders++)
        st = add_folder(c, ZIS_CATALOG_LORA, *folders, err);
    return st;
}

/* Those that are here, and the one that the application uses. */
static zis_status add_control_nets(zis_catalog *c, zis_error *err)
{
    zis_status st = ZIS_OK;
    bool offered = false, nomem = false;
    for (size_t i = 0; zis_control_preset_at(i) && !st; i++) {
        const zis_control_preset *p = zis_control_preset_at(i);
        char *path = zis_control_preset_path(p, &nomem);
        struct stat sb;
        if (nomem) return no_memory(err);
        if (!path && (offered || !p->hub_id)) continue;
        offered = offered || p->hub_id;
        zis_catalog_entry e = {
            .kind = ZIS_CATALOG_CONTROL_NET,
            .name = zis_mem_strdup(p->name),
            .what = zis_mem_strdup(p->what),
            .path = path,
            .present = path != NULL,
            .embedded = !p->hub_id,
            .turbo = !p->base,
        };
        if (path && stat(path, &sb) == 0) e.bytes = (uint64_t)sb.st_size;
        if (!path) e.fetch = zis_mem_strdup("zis fetch controlnet");
        if (!path)
            e.missing =
                zis_mem_printf("the ControlNet %s is not downloaded; `zis fetch controlnet` "
                               "gets it",
                               p->name);
        st = add(c, &e, err);
    }
    return st;
}

static zis_status add_upscalers(zis_catalog *c, zis_error *err)
{
    zis_status st = ZIS_OK;
    for (size_t i = 0; zis_upscaler_preset_at(i) && !st; i++) {
        const zis_upscaler_preset *p = zis_upscaler_preset_at(i);
        zis_error why = {0};
        char *path = NULL;
        struct stat sb;
        zis_status found = zis_upscaler_find(&path, p->name, &why);
        if (found == ZIS_NOMEM) return no_memory(err);
        zis_catalog_entry e = {
            .kind = ZIS_CATALOG_UPSCALER,
            .name = zis_mem_strdup(p->name),
            .what = zis_mem_strdup(p->what),
            .path = path,
            .present = found == ZIS_OK,
        };
        if (path && stat(path, &sb) == 0) e.bytes = (uint64_t)sb.st_size;
        if (found) e.missing = zis_mem_strdup(why.text);
        if (found && p->hub_id) e.fetch = zis_mem_strdup("zis fetch upscaler");
        st = add(c, &e, err);
    }
    return st;
}

static zis_status add_preprocessors(zis_catalog *c, zis_error *err)
{
    zis_status st = ZIS_OK;
    for (int i = 0; zis_preprocess_get(i) && !st; i++) {
        const zis_preprocess_info *p = zis_preprocess_get(i);
        zis_error why = {0};
        char *path = NULL;
        zis_status found = zis_preprocess_find(i, &path, &why);
        zis_catalog_entry e = {
            .kind = ZIS_CATALOG_PREPROCESSOR,
            .name = zis_mem_strdup(p->name),
            .what = zis_mem_strdup(p->help),
            .path = path,
            .present = found == ZIS_OK,
        };
        if (found == ZIS_NOMEM) {
            free_entry(&e);
            return no_memory(err);
        }
        if (found) e.missing = zis_mem_strdup(why.text);
        if (found) e.fetch = zis_mem_printf("zis fetch %s", p->name);
        st = add(c, &e, err);
    }
    return st;
}

/* ---- the whole ----------------------------------------------------------------------------- */

zis_status zis_catalog_open(zis_catalog **out, const zis_catalog_options *o, zis_error *err)
{
    zis_catalog *c = zis_mem_zalloc(1, sizeof *c);
    if (!c) return no_memory(err);
    zis_status st = add_models(c, o, err);
    if (!st) st = add_loras(c, o->lora_folders, err);
    if (!st) st = add_control_nets(c, err);
    if (!st) st = add_upscalers(c, err);
    if (!st) st = add_preprocessors(c, err);
    if (st)
        zis_catalog_close(&c);
    else
        *out = c;
    return st;
}

const zis_catalog_entry *zis_catalog_at(const zis_catalog *c, size_t i)
{
    return i < c->n ? &c->list[i] : NULL;
}

zis_status zis_catalog_named(const zis_catalog *c,
                             zis_catalog_kind kind,
                             const char *name,
                             const zis_catalog_entry **out,
                             zis_error *err)
{
    zis_buf all = {0};
    if (kind == ZIS_CATALOG_MODEL && strcmp(name, "nano") == 0) name = "nano-turbo";
    for (size_t i = 0; i < c->n; i++) {
        const zis_catalog_entry *e = &c->list[i];
        if (e->kind != kind) continue;
        if (strcmp(e->name, name) == 0 || (e->hub_id && strcmp(e->hub_id, name) == 0)) {
            zis_buf_free(&all);
            *out = e;
            return ZIS_OK;
        }
        zis_buf_printf(&all, "%s%s", all.len ? ", " : "", e->name);
    }
    zis_status st = zis_fail(err, ZIS_NOT_FOUND, "there is no %s '%.60s'; there are: %s",
                             kinds[kind].singular, name, all.len ? all.data : "none");
    zis_buf_free(&all);
    return st;
}
