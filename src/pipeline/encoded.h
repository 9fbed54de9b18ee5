/* encoded.h - what the VAE made of a picture, kept for the next run with the same one.
 *
 * The pictures of a batch start from the same one, and the grey picture of a ControlNet depends on
 * the size alone. The key is the VAE, the pictures (which are shared while they are in the list, so
 * that an address means one picture) and the size. Latest use first.
 *
 *     create -> get or put, ... -> destroy        Threads: one at a time. */
#ifndef ZIS_PIPELINE_ENCODED_H
#define ZIS_PIPELINE_ENCODED_H

#include "base/status.h"
#include "tensor/image.h"

#include <stdbool.h>

typedef struct zis_encoded zis_encoded;

typedef struct zis_encoded_key {
    const void *vae;
    zis_image *image;  /* NULL: mid grey */
    zis_image *mask;   /* where it is 128 or more the picture is mid grey; or NULL */
    int width, height; /* padded */
} zis_encoded_key;

ZIS_MUST_USE zis_status zis_encoded_create(zis_encoded **out, int room, zis_error *err);
void zis_encoded_destroy(zis_encoded **e);

/* Latents [C, h, w], scaled, or NULL. Borrowed: in place until `room` others were used or put. */
const float *zis_encoded_get(zis_encoded *e, const zis_encoded_key *key);
/* Moves in `latents` (a heap block). */
void zis_encoded_put(zis_encoded *e, const zis_encoded_key *key, float *latents);
/* Forgets what this VAE made, before it is closed: another may get its address. */
void zis_encoded_forget(zis_encoded *e, const void *vae);

#endif
