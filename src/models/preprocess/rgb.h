/* rgb.h - any 8-bit picture to three channels and to grey, as the preprocessors want it.
 *
 * Stateless. Threads: any. */
#ifndef ZIS_MODELS_RGB_H
#define ZIS_MODELS_RGB_H

#include "base/status.h"
#include "tensor/image.h"

/* A new picture R, G, B: grey is repeated, alpha is laid on white (preprocessors.md 2.1). */
ZIS_MUST_USE zis_status zis_rgb_from_image(zis_image **out, const zis_image *in, zis_error *err);

/* The grey of a pixel, by OpenCV's whole numbers (preprocessors.md 4.1). */
static inline uint8_t zis_rgb_grey(const uint8_t *rgb)
{
    return (uint8_t)((9798u * rgb[0] + 19235u * rgb[1] + 3735u * rgb[2] + 16384u) >> 15);
}

#endif
