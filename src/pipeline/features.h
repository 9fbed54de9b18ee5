/* features.h - what the text encoder made of a prompt, kept for the next run with the same one.
 *
 * A small list, latest use first; the key is the text encoder and the token ids, so two models that
 * share the encoder share the entries.
 *
 *     create -> get or put, ... -> destroy        Threads: one at a time. */
#ifndef ZIS_PIPELINE_FEATURES_H
#define ZIS_PIPELINE_FEATURES_H

#include "base/status.h"

#include <stdint.h>

typedef struct zis_features zis_features;

/* Keeps the latest `room` prompts; at least 2, for a prompt and its negative one. */
ZIS_MUST_USE zis_status zis_features_create(zis_features **out, int room, zis_error *err);
void zis_features_destroy(zis_features **f);

/* [n, width] float32, or NULL if it is not kept. Borrowed: stays in place until `room` other
 * prompts were used or put. */
const float *zis_features_get(zis_features *f, const void *encoder, const int32_t *ids, int64_t n);
/* Moves in `data` (a heap block); on failure it stays the caller's. */
ZIS_MUST_USE zis_status zis_features_put(zis_features *f,
                                         const void *encoder,
                                         const int32_t *ids,
                                         int64_t n,
                                         float *data,
                                         zis_error *err);
/* How many were ever put. */
long zis_features_made(const zis_features *f);
/* Forgets what `encoder` made, before it is closed: another may get its address. */
void zis_features_forget(zis_features *f, const void *encoder);

#endif
