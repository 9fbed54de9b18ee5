/* canny.h - Canny's edges in whole numbers, exactly OpenCV's (aperture 3, L1 norm;
 * preprocessors.md 4).
 *
 * Stateless. Memory: the result, the grey picture, and 4 bytes an edge pixel that is waiting to be
 * followed. Threads: any. */
#ifndef ZIS_MODELS_CANNY_H
#define ZIS_MODELS_CANNY_H

#include "base/status.h"
#include "tensor/image.h"

#include <stdbool.h>

typedef struct zis_canny_options {
    int low, high; /* of |dx| + |dy|, both exceeded strictly; swapped when low > high */
    bool color;    /* each pixel by its steepest channel, instead of the grey */
} zis_canny_options;

/* What the application asks for. */
#define ZIS_CANNY_DEFAULT ((zis_canny_options){.low = 100, .high = 200})

/* A new picture of one channel: 255 at edges, else 0. An alpha channel is left out of account. */
ZIS_MUST_USE zis_status zis_canny(zis_image **out,
                                  const zis_image *in,
                                  const zis_canny_options *o,
                                  zis_error *err);

#endif
