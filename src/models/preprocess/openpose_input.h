/* openpose_input.h - a picture as the body network wants to see it (preprocessors.md 6.2).
 *
 * Stateless. Threads: any. */
#ifndef ZIS_MODELS_OPENPOSE_INPUT_H
#define ZIS_MODELS_OPENPOSE_INPUT_H

#include "models/preprocess/openpose_skeleton.h"
#include "tensor/image.h"

/* Fills planes [3, padded_height, padded_width] in the order B, G, R with v / 256 - 0.5 of the RGB
 * picture, resized to 184 rows; `size` is that of the picture (zis_openpose_skeleton_size). */
ZIS_MUST_USE zis_status zis_openpose_input(float *planes,
                                           const zis_image *rgb,
                                           const zis_openpose_size *size,
                                           zis_error *err);

#endif
