/* Names that need no path, and where the embedded family lies. */
#include "base/mem.h"
#include "base/os.h"
#include "pipeline/hubcache.h"
#include "pipeline/model_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const zis_model_preset presets[] = {
    {"nano", NULL, "nano/turbo", "the default", true, 0},
    {"nano-turbo", NULL, "nano/turbo",
     "tiny, ships with zis: glossy emoji-like objects at 256x256 in 8 steps", false, 0},
    {"nano-base", NULL, "nano/base",
     "tiny, ships with zis: the undistilled nano, with guidance and negative prompts", false, 0},
    {"turbo", "Tongyi-MAI/Z-Image-Turbo", NULL, "pictures of anything in 8 steps", false,
     UINT64_C(32832238038)}, /* its transformer is float32; files.md 1 */
    {"base", "Tongyi-MAI/Z-Image", NULL, "pictures of anything, with guidance, 25 steps", false,
     UINT64_C(20522420566)},
};

const zis_model_preset *zis_model_preset_at(size_t i)
{
    return i < sizeof presets / sizeof presets[0] ? &presets[i] : NULL;
}

const zis_model_preset *zis_model_preset_named(const char *name)
{
    for (size_t i = 0; zis_model_preset_at(i); i++)
        if (strcmp(presets[i].name, name) == 0) return &presets[i];
    return NULL;
}

char *zis_model_embedded_root_at(int i)
{
    static const char *const below[] = {"../models", "../share/z-image-studio/models"};
    const char *env = getenv("ZIS_MODELS");
    if (i == 0) return zis_mem_strdup(env && *env ? env : "");
    if (i > 2) return NULL;
    errno = 0;
    char *exe = zis_os_exe_dir();
    char *root = exe ? zis_os_join(exe, below[i - 1]) : NULL;
    if (!exe && errno != ENOMEM) root = zis_mem_strdup(""); /* no /proc here */
    free(exe);
    return root;
}

char *zis_model_embedded_root(void)
{
    for (int i = 0; i < 3; i++) {
        char *root = zis_model_embedded_root_at(i);
        if (root && *root && zis_os_is_dir(root)) return root;
        free(root);
    }
    return NULL;
}

const char *zis_model_fetch_name(const char *id)
{
    for (size_t i = 0; zis_model_preset_at(i); i++)
        if (presets[i].hub_id && strcmp(presets[i].hub_id, id) == 0) return presets[i].name;
    return id;
}

char *zis_model_cached_hint(void)
{
    char *hint = NULL;
    char *root = zis_hubcache_root();
    for (size_t i = 0; root && zis_model_preset_at(i) && !hint; i++) {
        if (!presets[i].hub_id) continue;
        char *repo_name = zis_hubcache_repo_name(presets[i].hub_id);
        char *repo = repo_name ? zis_os_join(root, repo_name) : NULL;
        char *snapshot = NULL;
        if (repo && zis_hubcache_snapshot(&snapshot, repo, NULL) == ZIS_OK)
            hint = zis_mem_strdup(presets[i].hub_id);
        free(snapshot);
        free(repo);
        free(repo_name);
    }
    free(root);
    return hint;
}
