/* loras_find.c - the folders in which LoRAs are known by name. */
#include "base/os.h"
#include "pipeline/loras.h"
#include "pipeline/model_impl.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH 2 /* folders below a folder of LoRAs */
#define MOST 10000

static const char *const endings[] = {".safetensors", ".pth", ".pt", ".ckpt", ".bin"};

typedef struct finder {
    zis_loras_found *list;
    size_t n, room;
    zis_buf looked; /* folders, for the message */
    char **seen;    /* the same, owned */
    size_t n_seen;
    bool nomem;
} finder;

void zis_loras_list_free(zis_loras_found *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(list[i].name);
        free(list[i].path);
    }
    free(list);
}

size_t zis_loras_stem(const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t k = strlen(endings[i]);
        if (n > k && strcmp(name + n - k, endings[i]) == 0) return n - k;
    }
    return 0;
}

static bool known(const finder *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->list[i].name, name) == 0) return true;
    return false;
}

/* Takes the path; prefix: "" or "style/". */
static void add_file(finder *f, const char *prefix, const char *file, size_t stem, char *path)
{
    char *name = zis_mem_printf("%s%.*s", prefix, (int)stem, file);
    if (f->n == f->room) {
        size_t room = f->room ? 2 * f->room : 32;
        zis_loras_found *grown = zis_mem_resize(f->list, room, sizeof *grown);
        if (grown) {
            f->list = grown;
            f->room = room;
        }
    }
    if (!name || f->n == f->room)
        f->nomem = true;
    else if (!known(f, name)) {
        f->list[f->n++] = (zis_loras_found){name, path, zis_os_size(path)};
        return;
    }
    free(name);
    free(path);
}

static void add_folder(finder *f, const char *folder, const char *prefix, int depth)
{
    char **names = NULL;
    size_t n = 0;
    zis_status st = zis_os_list(&names, &n, folder, NULL);
    f->nomem = f->nomem || st == ZIS_NOMEM;
    if (st) return;
    for (size_t i = 0; i < n && f->n < MOST && !f->nomem; i++) {
        char *path = zis_os_join(folder, names[i]);
        size_t stem = zis_loras_stem(names[i]);
        if (!path) {
            f->nomem = true;
        } else if (zis_os_is_dir(path)) {
            char *inner = depth > 0 ? zis_mem_printf("%s%s/", prefix, names[i]) : NULL;
            if (inner) add_folder(f, path, inner, depth - 1);
            f->nomem = f->nomem || (depth > 0 && !inner);
            free(inner);
            free(path);
        } else if (stem) {
            add_file(f, prefix, names[i], stem, path);
        } else {
            free(path);
        }
    }
    zis_os_list_free(names, n);
}

static void forget_folders(finder *f)
{
    zis_buf_free(&f->looked);
    for (size_t i = 0; i < f->n_seen; i++) free(f->seen[i]);
    free(f->seen);
}

/* A folder of LoRAs, if it is there; once, though a model's may be the embedded ones', too. */
static void look(finder *f, const char *folder)
{
    if (!folder || !*folder || !zis_os_is_dir(folder)) return;
    char *path = zis_os_real_path(folder); /* "turbo/../lora" would be told */
    if (!path) path = zis_mem_strdup(folder);
    bool again = false;
    for (size_t i = 0; path && i < f->n_seen; i++) again = again || !strcmp(f->seen[i], path);
    if (again) {
        free(path);
        return;
    }
    char **seen = zis_mem_resize(f->seen, f->n_seen + 1, sizeof *seen);
    if (seen) f->seen = seen;
    if (!seen || !path) {
        f->nomem = true;
        free(path);
        return;
    }
    seen[f->n_seen++] = path;
    zis_buf_printf(&f->looked, "%s%s", f->looked.len ? ", " : "", path);
    add_folder(f, path, "", DEPTH);
}

/* `lora` and `loras` of a folder. */
static void look_in(finder *f, const char *folder)
{
    static const char *const names[] = {"lora", "loras"};
    for (int i = 0; i < 2; i++) {
        char *path = zis_os_join(folder, names[i]);
        if (!path) f->nomem = true;
        look(f, path);
        free(path);
    }
}

/* Of a folder of models: of the folder itself, and of each family in it. */
static void look_in_models(finder *f, const char *root)
{
    char **names = NULL;
    size_t n = 0;
    look_in(f, root);
    zis_status st = zis_os_list(&names, &n, root, NULL);
    f->nomem = f->nomem || st == ZIS_NOMEM;
    for (size_t i = 0; i < n && !st; i++) {
        char *family = zis_os_join(root, names[i]);
        if (!family)
            f->nomem = true;
        else if (zis_os_is_dir(family))
            look_in(f, family);
        free(family);
    }
    zis_os_list_free(names, n);
}

/* The first folder of embedded models that is there. */
static void look_in_embedded(finder *f)
{
    for (int i = 0; i < 3; i++) {
        char *root = zis_model_embedded_root_at(i);
        bool there = root && *root && zis_os_is_dir(root);
        if (there) look_in_models(f, root);
        f->nomem = f->nomem || !root;
        free(root);
        if (there) return;
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const zis_loras_found *)a)->name, ((const zis_loras_found *)b)->name);
}

static zis_status look_everywhere(finder *f, const char *model_folder, zis_error *err)
{
    const char *env = getenv("ZIS_LORAS");
    char *folders = zis_mem_strdup(env ? env : ""), *at = NULL;
    if (!folders) f->nomem = true;
    for (char *s = folders ? strtok_r(folders, ":", &at) : NULL; s; s = strtok_r(NULL, ":", &at))
        look(f, s);
    free(folders);
    if (model_folder) {
        char *above = zis_os_join(model_folder, "..");
        look_in(f, model_folder);
        if (above)
            look_in(f, above);
        else
            f->nomem = true;
        free(above);
    }
    look_in_embedded(f);
    if (f->nomem || f->looked.failed) return zis_fail_nomem(err, "the list of LoRAs");
    if (f->n) qsort(f->list, f->n, sizeof *f->list, by_name);
    return ZIS_OK;
}

zis_status zis_loras_list(zis_loras_found **out,
                          size_t *n,
                          const char *model_folder,
                          zis_error *err)
{
    finder f = {0};
    zis_status st = look_everywhere(&f, model_folder, err);
    forget_folders(&f);
    if (st) {
        zis_loras_list_free(f.list, f.n);
        return st;
    }
    *out = f.list;
    *n = f.n;
    return ZIS_OK;
}

zis_status zis_loras_find(
    char **path, const char *name, const char *model_folder, bool names_only, zis_error *err)
{
    finder f = {0};
    char *found = NULL;
    if (!names_only && zis_os_is_file(name)) {
        found = zis_mem_strdup(name);
        if (!found) return zis_fail_nomem(err, name);
        *path = found;
        return ZIS_OK;
    }
    zis_status st = look_everywhere(&f, model_folder, err);
    size_t stem = zis_loras_stem(name), len = strlen(name);
    for (size_t i = 0; i < f.n && !st && !found; i++) {
        const char *known_as = f.list[i].name;
        bool same =
            strcmp(known_as, name) == 0 ||
            (stem && strlen(known_as) == stem && strncmp(known_as, name, stem) == 0 &&
             len <= strlen(f.list[i].path) &&
             strcmp(f.list[i].path + strlen(f.list[i].path) - (len - stem), name + stem) == 0);
        if (!same) continue;
        found = f.list[i].path;
        f.list[i].path = NULL;
    }
    if (!st && !found)
        st = zis_fail(err, ZIS_NOT_FOUND,
                      "there is no LoRA '%.100s'%s; looked in: %s (ZIS_LORAS names more folders, "
                      "`zis models` lists what is there)",
                      name, names_only ? "" : ": no such file, nor one of this name",
                      f.looked.len ? f.looked.data : "no folder, since none is there");
    forget_folders(&f);
    zis_loras_list_free(f.list, f.n);
    if (!st) *path = found;
    return st;
}
