/* upscaler_find.h - the file of an upscaler, by name or path, or the one that fits the model.
 *
 * Threads: no shared state; reads ZIS_MODELS and what hubcache.h reads. */
#ifndef ZIS_PIPELINE_UPSCALER_FIND_H
#define ZIS_PIPELINE_UPSCALER_FIND_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

/* A name that needs no path. */
typedef struct zis_upscaler_preset {
    const char *name;   /* "x4plus" */
    const char *hub_id; /* or NULL: ships with zis */
    const char *file;   /* in the repository, or below the embedded models */
    const char *what;
} zis_upscaler_preset;

/* NULL behind the last. */
const zis_upscaler_preset *zis_upscaler_preset_at(size_t i);
/* NULL when no preset has this name. */
const zis_upscaler_preset *zis_upscaler_preset_named(const char *name);
/* The preset for a picture that a model of the embedded family refines, or another one. */
const zis_upscaler_preset *zis_upscaler_preset_for(bool embedded);

/* *out: new string, a file. name: a preset's, or a file. ZIS_NOT_FOUND names the file, every place
 * where it was looked for, and how to get it. */
ZIS_MUST_USE zis_status zis_upscaler_find(char **out, const char *name, zis_error *err);

#endif
