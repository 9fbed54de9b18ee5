/* hub_presets.h - the names that `zis fetch` knows, and which files of a repository are needed.
 *
 * Models (turbo, base) come from the table of model.h; this adds the parts that are one file of a
 * repository, and finds them in the cache.        Threads: no shared state. */
#ifndef ZIS_PIPELINE_HUB_PRESETS_H
#define ZIS_PIPELINE_HUB_PRESETS_H

#include "pipeline/hub_api.h"

#include <stdbool.h>

typedef struct zis_hub_preset {
    const char *name;   /* "controlnet" */
    const char *hub_id; /* "alibaba-pai/Z-Image-Turbo-Fun-Controlnet-Union-2.1" */
    const char *file;   /* the one file that is needed; NULL: a model, by rule */
    const char *what;   /* what it is for */
} zis_hub_preset;

/* False behind the last. */
bool zis_hub_preset_at(size_t i, zis_hub_preset *out);
bool zis_hub_preset_named(const char *name, zis_hub_preset *out);

/* New string: the file of a preset in the Hugging Face cache (refs/main, else the newest snapshot
 * that has it); ZIS_NOT_FOUND names the command that gets it. */
ZIS_MUST_USE zis_status zis_hub_preset_find(const char *name, char **path, zis_error *err);

/* Which files of the tree are wanted: take[i] for each. With patterns those that match one; without
 * a pipeline's configurations, tokenizer and safetensors, or all files that zis can read: no twins
 * in older formats, no pictures. ZIS_NOT_FOUND when that is none. */
ZIS_MUST_USE zis_status zis_hub_select(const zis_hub_tree *tree,
                                       const char *const *patterns,
                                       size_t n_patterns,
                                       const char *id,
                                       bool *take,
                                       zis_error *err);

#endif
