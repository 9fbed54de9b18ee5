/* From a name to a file. */
#include "pipeline/upscaler_find.h"

#include "base/mem.h"
#include "base/os.h"
#include "pipeline/model_impl.h"
#include "pipeline/weights_find.h"

#include <stdlib.h>
#include <string.h>

static const zis_upscaler_preset presets[] = {
    {"nano", NULL, "nano/upscaler/nano_x4.pth", "tiny, ships with zis: glossy objects"},
    {"x4plus", "lllyasviel/Annotators", "RealESRGAN_x4plus.pth", "Real-ESRGAN, for photographs"},
};

const zis_upscaler_preset *zis_upscaler_preset_at(size_t i)
{
    return i < sizeof presets / sizeof *presets ? &presets[i] : NULL;
}

const zis_upscaler_preset *zis_upscaler_preset_named(const char *name)
{
    for (size_t i = 0; zis_upscaler_preset_at(i); i++)
        if (strcmp(presets[i].name, name) == 0) return &presets[i];
    return NULL;
}

const zis_upscaler_preset *zis_upscaler_preset_for(bool embedded)
{
    return &presets[embedded ? 0 : 1];
}

static zis_status find_embedded(char **out, const zis_upscaler_preset *p, zis_error *err)
{
    zis_buf looked = {0};
    zis_status st = ZIS_NOT_FOUND;
    for (int i = 0; i < 3 && st == ZIS_NOT_FOUND; i++) {
        char *root = zis_model_embedded_root_at(i);
        char *path = root && *root ? zis_os_join(root, p->file) : NULL;
        if (!root || (*root && !path))
            st = zis_fail_nomem(err, "the search for the upscaler");
        else if (path && zis_os_is_file(path)) {
            *out = path;
            path = NULL;
            st = ZIS_OK;
        } else if (path) {
            zis_buf_printf(&looked, "%s%s", looked.len ? ", " : "", path);
        }
        free(root);
        free(path);
    }
    if (st == ZIS_NOT_FOUND)
        st = looked.failed
                 ? zis_fail_nomem(err, "the search for the upscaler")
                 : zis_fail(err, ZIS_NOT_FOUND,
                            "the upscaler '%s' that ships with zis is not there; set ZIS_MODELS to "
                            "the folder that holds '%s'; looked in %s",
                            p->name, p->file, looked.len ? looked.data : "no folder");
    zis_buf_free(&looked);
    return st;
}

zis_status zis_upscaler_find(char **out, const char *name, zis_error *err)
{
    const zis_upscaler_preset *p = zis_upscaler_preset_named(name);
    if (p && !p->hub_id) return find_embedded(out, p, err);
    if (p) {
        const zis_weights_query q = {
            .what = "upscaling",
            .file = p->file,
            .repo = p->hub_id,
            .fetch = "upscaler",
            .flag = "--upscaler",
        };
        return zis_weights_find_file(out, &q, err);
    }
    if (!zis_os_is_file(name))
        return zis_fail(err, ZIS_NOT_FOUND,
                        "there is no upscaler '%.200s': it is no file and none of nano, x4plus",
                        name);
    *out = zis_mem_strdup(name);
    return *out ? ZIS_OK : zis_fail_nomem(err, name);
}
