/* control_find.c - presets, folders beside the model, the Hugging Face cache. */
#include "pipeline/control_find.h"

#include "base/mem.h"
#include "base/os.h"
#include "pipeline/hubcache.h"
#include "pipeline/model_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TURBO_21 "alibaba-pai/Z-Image-Turbo-Fun-Controlnet-Union-2.1"
#define TURBO_20 "alibaba-pai/Z-Image-Turbo-Fun-Controlnet-Union-2.0"
#define TURBO_10 "alibaba-pai/Z-Image-Turbo-Fun-Controlnet-Union"
#define BASE_21 "alibaba-pai/Z-Image-Fun-Controlnet-Union-2.1"
#define FILE_OF(rest) "Z-Image-Turbo-Fun-Controlnet-" rest ".safetensors"

/* What the application uses comes first (files.md 1), then the newer, then the smaller. */
static const zis_control_preset presets[] = {
    {"nano-controlnet", NULL, "nano/controlnet/nano-controlnet-union-2.1.safetensors",
     "tiny, ships with zis: edges", false, false},
    {"controlnet-2.1-8steps", TURBO_21, FILE_OF("Union-2.1-8steps"),
     "edges, depth, pose, straight lines", false, false},
    {"controlnet-2.1-2602-8steps", TURBO_21, FILE_OF("Union-2.1-2602-8steps"),
     "and scribbles, grey", false, false},
    {"controlnet-2.1-2601-8steps", TURBO_21, FILE_OF("Union-2.1-2601-8steps"), "and scribbles",
     false, false},
    {"controlnet-2.1", TURBO_21, FILE_OF("Union-2.1"), "needs about 25 steps", false, false},
    {"controlnet-2.1-lite-2602-8steps", TURBO_21, FILE_OF("Union-2.1-lite-2602-8steps"),
     "a third of the size", false, false},
    {"controlnet-2.1-lite-2601-8steps", TURBO_21, FILE_OF("Union-2.1-lite-2601-8steps"),
     "a third of the size", false, false},
    {"controlnet-2.0", TURBO_20, FILE_OF("Union-2.0"), "the version before", false, false},
    {"controlnet-1.0", TURBO_10, FILE_OF("Union"), "the first version", false, false},
    {"controlnet-tile-2.1-8steps", TURBO_21, FILE_OF("Tile-2.1-8steps"), "adds detail to a picture",
     false, true},
    {"controlnet-tile-2.1-lite-2601-8steps", TURBO_21, FILE_OF("Tile-2.1-lite-2601-8steps"),
     "adds detail to a picture, a third of the size", false, true},
    {"controlnet-base-2.1", BASE_21, "Z-Image-Fun-Controlnet-Union-2.1.safetensors",
     "edges, depth, pose, straight lines; for the model base", true, false},
};

const zis_control_preset *zis_control_preset_at(size_t i)
{
    return i < sizeof presets / sizeof *presets ? &presets[i] : NULL;
}

typedef struct finder {
    const zis_model *model;
    zis_buf looked; /* places, for the message */
    char *found;
    bool nomem;
} finder;

static void looked_at(finder *f, const char *place)
{
    zis_buf_printf(&f->looked, "%s%s", f->looked.len ? ", " : "", place);
    f->nomem = f->nomem || f->looked.failed;
}

/* ---- the cache ----------------------------------------------------------------------------- */

/* New string: the snapshot folder of a repository, or NULL. */
static char *snapshot_of(const char *hub_id, bool *nomem)
{
    char *folder = NULL;
    errno = 0;
    char *root = zis_hubcache_root();
    if (!root) {
        *nomem = *nomem || errno == ENOMEM;
        return NULL;
    }
    char *name = zis_hubcache_repo_name(hub_id);
    char *repo = name ? zis_os_join(root, name) : NULL;
    zis_status st = repo ? zis_hubcache_snapshot(&folder, repo, NULL) : ZIS_NOMEM;
    *nomem = *nomem || st == ZIS_NOMEM;
    free(repo);
    free(name);
    free(root);
    return folder;
}

/* New string: folder/name if that is a file, or NULL. */
static char *file_in(const char *folder, const char *name, bool *nomem)
{
    char *path = zis_os_join(folder, name);
    if (!path) *nomem = true;
    if (path && zis_os_is_file(path)) return path;
    free(path);
    return NULL;
}

char *zis_control_preset_path(const zis_control_preset *p, bool *nomem)
{
    char *path = NULL;
    if (p->hub_id) {
        char *folder = snapshot_of(p->hub_id, nomem);
        if (folder) path = file_in(folder, p->file, nomem);
        free(folder);
        return path;
    }
    for (int i = 0; i < 3 && !path; i++) {
        char *root = zis_model_embedded_root_at(i);
        if (!root) *nomem = true;
        if (root && *root) path = file_in(root, p->file, nomem);
        free(root);
    }
    return path;
}

/* ---- what fits ----------------------------------------------------------------------------- */

/* Whether the file is a ControlNet of the transformer's width. */
static bool fits(finder *f, const char *path)
{
    zis_weights *w = NULL;
    zis_control_info info = {0};
    const zis_zimage_config *c = zis_zimage_get_config(f->model->transformer);
    zis_status st = zis_weights_open(&w, path, NULL);
    if (!st) st = zis_control_recognise(&info, w, NULL);
    zis_weights_close(&w);
    f->nomem = f->nomem || st == ZIS_NOMEM;
    return !st && info.dim == c->dim && info.layers <= c->layers;
}

/* The first file of the folder that fits. */
static bool try_folder(finder *f, const char *folder)
{
    char **names = NULL;
    size_t n = 0;
    zis_status st = zis_os_list(&names, &n, folder, NULL);
    f->nomem = f->nomem || st == ZIS_NOMEM;
    looked_at(f, folder);
    for (size_t i = 0; !st && i < n && !f->found && !f->nomem; i++) {
        const char *dot = strrchr(names[i], '.');
        if (!dot || strcmp(dot, ".safetensors") != 0) continue;
        char *path = file_in(folder, names[i], &f->nomem);
        if (path && fits(f, path)) {
            f->found = path;
            path = NULL;
        }
        free(path);
    }
    zis_os_list_free(names, n);
    return f->found != NULL;
}

static bool try_below(finder *f, const char *folder, const char *name)
{
    char *path = zis_os_join(folder, name);
    if (!path) f->nomem = true;
    bool there = path && zis_os_is_dir(path);
    bool found = there && try_folder(f, path);
    if (path && !there) looked_at(f, path); /* the other way round try_folder does */
    free(path);
    return found;
}

static bool try_preset(finder *f, const zis_control_preset *p)
{
    char *path = zis_control_preset_path(p, &f->nomem);
    if (path && fits(f, path)) {
        f->found = path;
        return true;
    }
    free(path);
    return false;
}

static zis_status find_for_model(finder *f, zis_error *err)
{
    const zis_model_set *set = &f->model->set;
    bool found = set->folder && (try_below(f, set->folder, "controlnet") ||
                                 try_below(f, set->folder, "../controlnet"));
    for (size_t i = 0; zis_control_preset_at(i) && !found && !f->nomem; i++)
        if (!presets[i].on_demand && (!presets[i].hub_id || presets[i].base == !set->turbo))
            found = try_preset(f, &presets[i]);
    if (f->nomem) return zis_fail_nomem(err, "the search for a ControlNet");
    if (found) return ZIS_OK;
    return zis_fail(err, ZIS_NOT_FOUND,
                    "there is no ControlNet for the model '%s': `zis fetch controlnet` gets %s "
                    "(6.7 GB), or give --control-net FILE; looked in %s and the Hugging Face cache",
                    set->name ? set->name : "", FILE_OF("Union-2.1-8steps"),
                    f->looked.len ? f->looked.data : "the embedded models");
}

/* ---- by name ------------------------------------------------------------------------------- */

static zis_status find_preset(finder *f, const zis_control_preset *p, zis_error *err)
{
    f->found = zis_control_preset_path(p, &f->nomem);
    if (f->found) return ZIS_OK;
    if (f->nomem) return zis_fail_nomem(err, "the search for a ControlNet");
    return zis_fail(err, ZIS_NOT_FOUND,
                    "the ControlNet '%s' is not here: %s of %s; `zis fetch %s` gets it", p->name,
                    p->file, p->hub_id ? p->hub_id : "the models that ship with zis",
                    p->hub_id ? p->hub_id : p->name);
}

static zis_status find_given(finder *f, const char *given, zis_error *err)
{
    for (size_t i = 0; zis_control_preset_at(i); i++)
        if (strcmp(presets[i].name, given) == 0) return find_preset(f, &presets[i], err);
    if (zis_os_is_file(given)) {
        f->found = zis_mem_strdup(given);
        return f->found ? ZIS_OK : zis_fail_nomem(err, given);
    }
    char *folder = zis_os_is_dir(given)        ? zis_mem_strdup(given)
                   : zis_hubcache_is_id(given) ? snapshot_of(given, &f->nomem)
                                               : NULL;
    bool found = folder && try_folder(f, folder);
    bool there = folder != NULL;
    free(folder);
    if (f->nomem) return zis_fail_nomem(err, "the search for a ControlNet");
    if (found) return ZIS_OK;
    if (there)
        return zis_fail(err, ZIS_NOT_FOUND,
                        "'%s' holds no ControlNet (.safetensors) that fits this model", given);
    return zis_fail(err, ZIS_NOT_FOUND,
                    "there is no ControlNet '%s': it is no file, no folder, no downloaded Hub id "
                    "and no name that `zis models` lists",
                    given);
}

zis_status zis_control_find(char **out, const char *given, const zis_model *model, zis_error *err)
{
    finder f = {.model = model};
    zis_status st = given ? find_given(&f, given, err) : find_for_model(&f, err);
    if (!st) {
        *out = f.found;
        f.found = NULL;
    }
    free(f.found);
    zis_buf_free(&f.looked);
    return st;
}
