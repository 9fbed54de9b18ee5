/* loaded.h - models and ControlNets that stay open between jobs, as many as memory holds.
 *
 * Opening maps files and takes next to no memory; what a job touches stays with the process. So
 * room is made before each job: of the models that it does not use, those used longest ago are
 * closed, with their ControlNets, until the weights of the rest are within the limit. Parts that
 * models share (text encoder, VAE) count once. A job's own model is never closed: one that is too
 * large alone is left to the system's paging.
 *
 *     create -> model, control, make_room, (run), model, ... -> destroy
 *
 * Threads: one at a time. */
#ifndef ZIS_STUDIO_LOADED_H
#define ZIS_STUDIO_LOADED_H

#include "models/zimage/control.h"
#include "pipeline/encoded.h"
#include "pipeline/features.h"
#include "pipeline/model.h"

typedef struct zis_loaded zis_loaded;

/* limit: bytes of weights; 0: nine tenths of the memory that the process may use. The caches are
 * borrowed, and forget what a model made that is closed. */
ZIS_MUST_USE zis_status zis_loaded_create(
    zis_loaded **out, uint64_t limit, zis_features *features, zis_encoded *encoded, zis_error *err);
void zis_loaded_destroy(zis_loaded **l);

/* The request's model, opened if it is not; borrowed until the next make_room with another. */
ZIS_MUST_USE zis_status zis_loaded_model(zis_loaded *l,
                                         const zis_request *r,
                                         zis_model **out,
                                         zis_error *err);
/* The request's ControlNet for this model; *out stays NULL where the request asks for none. */
ZIS_MUST_USE zis_status zis_loaded_control(zis_loaded *l,
                                           const zis_request *r,
                                           const zis_model *model,
                                           const zis_control **out,
                                           zis_error *err);
/* Closes what does not fit beside these two; control may be NULL. */
void zis_loaded_make_room(zis_loaded *l, const zis_model *model, const zis_control *control);

/* How many models are open, the i-th of them (the last one was used last; borrowed), and bytes of
 * all weights. */
size_t zis_loaded_count(const zis_loaded *l);
const zis_model *zis_loaded_at(const zis_loaded *l, size_t i);
uint64_t zis_loaded_bytes(const zis_loaded *l);

#endif
