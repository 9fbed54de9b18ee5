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

#endif
