/* openpose_draw.h - people as stick figures, to the pixel as controlnet_aux draws them
 * (preprocessors.md 6.9, 6.10).
 *
 * Threads: one at a time on a canvas. */
#ifndef ZIS_MODELS_OPENPOSE_DRAW_H
#define ZIS_MODELS_OPENPOSE_DRAW_H

#include "models/preprocess/openpose_skeleton.h"
#include "tensor/image.h"

#include <stddef.h>

/* Draws over what the canvas (3 channels, of the picture's size) holds; black when fresh from
 * zis_image_create. Joints may lie outside; ZIS_ARG for one that is not a number or further than a
 * million pixels away, and then nothing is drawn. */
ZIS_MUST_USE zis_status zis_openpose_draw(zis_image *canvas,
                                          const zis_openpose_pose *people,
                                          size_t count,
                                          zis_error *err);

#endif
