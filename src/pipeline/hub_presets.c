/* Names for people, rules for files. */
#include "pipeline/hub_presets.h"

#include "base/os.h"
#include "pipeline/hubcache.h"
#include "pipeline/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Each is one file; files.md 1, preprocessors. */
static const zis_hub_preset parts[] = {
    {"controlnet", "alibaba-pai/Z-Image-Turbo-Fun-Controlnet-Union-2.1",
     "Z-Image-Turbo-Fun-Controlnet-Union-2.1-8steps.safetensors",
     "edges, depth or a pose that a picture of turbo follows"},
    {"depth", "lllyasviel/Annotators", "dpt_hybrid-midas-501f0c75.pt",
     "depth of a picture, for controlnet"},
    {"pose", "lllyasviel/Annotators", "body_pose_model.pth", "pose of people, for controlnet"},
    {"upscaler", "lllyasviel/Annotators", "RealESRGAN_x4plus.pth", "pictures four times larger"},
};

bool zis_hub_preset_at(size_t i, zis_hub_preset *out)
{
    for (size_t k = 0; zis_model_preset_at(k); k++) {
        const zis_model_preset *m = zis_model_preset_at(k);
        if (!m->hub_id || m->alias) continue;
        if (i-- > 0) continue;
        *out = (zis_hub_preset){m->name, m->hub_id, NULL, m->what};
        return true;
    }
    if (i >= sizeof parts / sizeof *parts) return false;
    *out = parts[i];
    return true;
}

bool zis_hub_preset_named(const char *name, zis_hub_preset *out)
{
    zis_hub_preset p;
    for (size_t i = 0; zis_hub_preset_at(i, &p); i++) {
        if (strcmp(p.name, name) != 0) continue;
        *out = p;
        return true;
    }
    return false;
}

/* A file of a snapshot whose bytes are there; *out stays NULL when they are not. */
static zis_status look(char **out, const char *snapshot, const char *file)
{
    char *path = zis_os_join(snapshot, file);
    if (!path) return ZIS_NOMEM;
    if (zis_os_is_file(path))
        *out = path;
    else
        free(path);
    return ZIS_OK;
}

static zis_status look_everywhere(char **out, const char *repo, const char *file)
{
    char *snapshot = NULL, *dir = NULL, **names = NULL;
    size_t n = 0;
    zis_status st = zis_hubcache_snapshot(&snapshot, repo, NULL);
    if (!st) st = look(out, snapshot, file);
    free(snapshot);
    if (st == ZIS_NOMEM || *out) return st;
    dir = zis_os_join(repo, "snapshots");
    st = dir ? zis_os_list(&names, &n, dir, NULL) : ZIS_NOMEM;
    for (size_t i = 0; i < n && !st && !*out; i++) {
        char *path = zis_os_join(dir, names[i]);
        st = path ? look(out, path, file) : ZIS_NOMEM;
        free(path);
    }
    zis_os_list_free(names, n);
    free(dir);
    return st == ZIS_NOMEM ? st : ZIS_OK;
}

zis_status zis_hub_preset_find(const char *name, char **path, zis_error *err)
{
    zis_hub_preset p;
    char *found = NULL;
    if (!zis_hub_preset_named(name, &p) || !p.file)
        return zis_fail(err, ZIS_ARG, "'%s' is none of controlnet, depth, pose, upscaler", name);
    errno = 0;
    char *root = zis_hubcache_root();
    if (!root && errno == ENOMEM) return zis_fail_nomem(err, name);
    char *repo_name = zis_hubcache_repo_name(p.hub_id);
    char *repo = repo_name ? zis_os_join(root ? root : "", repo_name) : NULL;
    zis_status st = repo ? look_everywhere(&found, repo, p.file) : ZIS_NOMEM;
    if (st)
        st = zis_fail_nomem(err, name);
    else if (!found)
        st = zis_fail(err, ZIS_NOT_FOUND, "'%s' is not downloaded; `zis fetch %s` gets it", p.file,
                      name);
    else
        *path = found;
    free(repo);
    free(repo_name);
    free(root);
    return st;
}

/* ---- which files --------------------------------------------------------------------------- */

static bool ends(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && strcmp(s + n - k, end) == 0;
}

static bool in_folder(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    return strncmp(path, folder, n) == 0 && path[n] == '/' && !strchr(path + n + 1, '/');
}

/* Weights in another precision beside the main ones: model.fp16.safetensors. */
static bool is_variant(const char *path)
{
    return strstr(path, ".fp16.") || strstr(path, ".bf16.") || strstr(path, ".fp32.") ||
           strstr(path, ".non_ema.") || strstr(path, ".fp16-") || strstr(path, ".bf16-");
}

/* What a pipeline in the diffusers layout needs. */
static bool pipeline_needs(const char *path)
{
    static const char *const folders[] = {"transformer", "text_encoder", "vae"};
    if (strcmp(path, "model_index.json") == 0) return true;
    if (in_folder(path, "scheduler")) return ends(path, ".json");
    if (in_folder(path, "tokenizer")) return ends(path, ".json") || ends(path, ".txt");
    for (int i = 0; i < 3; i++)
        if (in_folder(path, folders[i]))
            return (ends(path, ".json") || ends(path, ".safetensors")) && !is_variant(path);
    return false;
}

static bool is_weights(const char *path)
{
    return ends(path, ".safetensors") || ends(path, ".gguf");
}

static bool readable(const char *path)
{
    return is_weights(path) || ends(path, ".json") || ends(path, "merges.txt") ||
           ends(path, "vocab.txt");
}

static bool is_pickle(const char *path)
{
    return ends(path, ".pth") || ends(path, ".pt");
}

static bool any(const zis_hub_tree *tree, bool (*is)(const char *path))
{
    for (size_t i = 0; i < tree->n; i++)
        if (is(tree->files[i].path)) return true;
    return false;
}

static bool is_index(const char *path)
{
    return strcmp(path, "model_index.json") == 0;
}

static bool matches(const char *path, const char *const *patterns, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (zis_hub_api_match(patterns[i], path)) return true;
    return false;
}

zis_status zis_hub_select(const zis_hub_tree *tree,
                          const char *const *patterns,
                          size_t n_patterns,
                          const char *id,
                          bool *take,
                          zis_error *err)
{
    bool pipeline = any(tree, is_index);
    bool weights = any(tree, is_weights);
    size_t n = 0;
    for (size_t i = 0; i < tree->n; i++) {
        const char *path = tree->files[i].path;
        if (n_patterns)
            take[i] = matches(path, patterns, n_patterns);
        else if (pipeline)
            take[i] = pipeline_needs(path);
        else
            take[i] = readable(path) || (!weights && is_pickle(path));
        n += take[i];
    }
    if (n) return ZIS_OK;
    if (n_patterns)
        return zis_fail(err, ZIS_NOT_FOUND,
                        "%s has no file that matches '%.100s'; it has %zu files%s%.100s", id,
                        patterns[0], tree->n, tree->n ? ", such as " : "",
                        tree->n ? tree->files[0].path : "");
    return zis_fail(err, ZIS_NOT_FOUND,
                    "%s has no files that zis reads; name some: zis fetch '%s:*.safetensors'", id,
                    id);
}
