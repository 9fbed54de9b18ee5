/* model_impl.h - what the files that find a model share; all others see model.h.
 *
 * Threads: no shared state. */
#ifndef ZIS_PIPELINE_MODEL_IMPL_H
#define ZIS_PIPELINE_MODEL_IMPL_H

#include "pipeline/model.h"

/* The word that `zis fetch` knows a Hub id by: a preset, or the id. Borrowed. */
const char *zis_model_fetch_name(const char *hub_id);
/* New string: the i-th place that may hold the embedded models, "" when it is not set or not known;
 * NULL behind the last, or without memory. */
char *zis_model_embedded_root_at(int i);

/* What model_index.json says about itself, into set->name, example, sizes, preview, and defaults;
 * numbers that it does not give become 0, cfg -1. *beside: new string, the folder of _zis.parts, or
 * NULL. Without a model_index.json nothing is said. */
ZIS_MUST_USE zis_status zis_model_config_read(zis_model_set *set, char **beside, zis_error *err);
/* The rest of the defaults by the rules of product.md 9, once the parts are known. */
ZIS_MUST_USE zis_status zis_model_config_settle(zis_model_set *set, zis_error *err);
/* An integer of the file folder/name from 1 to hi; *out is untouched when file or key are missing
 * or broken. False: without memory. */
bool zis_model_config_peek(
    int64_t *out, const char *folder, const char *name, const char *key, int64_t hi);

#endif
