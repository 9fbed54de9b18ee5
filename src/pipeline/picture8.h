/* picture8.h - from the decoder's numbers to 8-bit pixels and back (vae.md 5, product.md 8).
 *
 * Threads: as the run. */
#ifndef ZIS_PIPELINE_PICTURE8_H
#define ZIS_PIPELINE_PICTURE8_H

#include "kernels/run.h"
#include "tensor/image.h"

/* Fills the RGB picture with the top-left part of planes [3, H, W] (about -1..1) on the run's
 * device: clamped, rounded to nearest. A value that is not a number is ZIS_NUMERIC. */
ZIS_MUST_USE zis_status zis_picture8_from_planes(zis_image *out,
                                                 zis_run *run,
                                                 const zis_tensor *planes,
                                                 zis_error *err);

/* The way in: planes [3, H, W] on the host from an RGB picture of at most that size, v * 2/255 - 1
 * with 2/255 in float32; it grows to the right and the bottom by repeating its edge. Where the mask
 * (1 channel, of the picture's size; NULL: nowhere) is 128 or more, and image NULL everywhere, the
 * planes are 0, which is mid grey. */
void zis_picture8_to_planes(
    float *planes, int height, int width, const zis_image *image, const zis_image *mask);
/* The kept pixels of a masked picture, as they were: out = old + (out - old) * mask / 255, rounded
 * to nearest. All of one size; mask has 1 channel, the others 3. */
void zis_picture8_keep(zis_image *out, const zis_image *old, const zis_image *mask);

#endif
