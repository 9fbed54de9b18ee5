/* recipe.h - the request inside its picture, and back.
 *
 * Two forms: the A1111 `parameters` text that other tools read (PNG, and EXIF of JPEG and WebP),
 * and a JSON object under the key `zis` (PNG) that is exact. Both are views of the field table.
 *
 * Threads: no shared state. */
#ifndef ZIS_PIPELINE_RECIPE_H
#define ZIS_PIPELINE_RECIPE_H

#include "pipeline/request.h"

#define ZIS_RECIPE_KEY_A1111 "parameters"
#define ZIS_RECIPE_KEY_JSON "zis"

typedef struct zis_recipe {
    char *parameters;
    char *json;
} zis_recipe;

/* r: the request of this one picture as it was run (seed drawn, dtype chosen). */
ZIS_MUST_USE zis_status zis_recipe_make(zis_recipe *out,
                                        const zis_request *r,
                                        const char *device,
                                        zis_error *err);
void zis_recipe_deinit(zis_recipe *recipe);

/* Sets the fields that the picture's recipe gives. ZIS_NOT_FOUND when it carries none. On failure
 * some may be set. */
ZIS_MUST_USE zis_status zis_recipe_read(zis_request *r, const char *path, zis_error *err);

/* From an A1111 text, of ours or of another tool; what another tool says about models, samplers and
 * generators that are not known here is passed over. `what` names the text in messages. */
ZIS_MUST_USE zis_status zis_recipe_parse(zis_request *r,
                                         const char *what,
                                         const char *parameters,
                                         zis_error *err);

#endif
