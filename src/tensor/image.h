/* image.h - an 8-bit picture: what picture formats read and the pipeline returns.
 *
 *     create -> fill -> destroy          Threads: plain data.
 *
 * A picture that is not changed any more may have several owners: each holds a share and destroys
 * it; any thread may be the last. */
#ifndef ZIS_TENSOR_IMAGE_H
#define ZIS_TENSOR_IMAGE_H

#include "base/status.h"

#include <stdatomic.h>
#include <stdint.h>

/* Most pixels that any reader accepts: 64 megapixels (dependencies: decode hardening). */
#define ZIS_IMAGE_MAX_PIXELS (64 * 1000 * 1000)

typedef struct zis_image {
    int width;
    int height;
    int channels;      /* 1 grey, 3 RGB, 4 RGBA */
    uint8_t *data;     /* rows without padding, channels interleaved */
    atomic_int shares; /* owners beside the first */
} zis_image;

/* Heap block of width x height, zeroed. ZIS_ARG when a side is < 1 or the area is too large. */
ZIS_MUST_USE zis_status
zis_image_create(zis_image **out, int width, int height, int channels, zis_error *err);
/* The same picture for one more owner; NULL for NULL. Nobody may change it from now on. */
zis_image *zis_image_share(zis_image *img);
/* Frees it with its last owner. Accepts NULL and a pointer to NULL; sets *img to NULL. */
void zis_image_destroy(zis_image **img);

#endif
