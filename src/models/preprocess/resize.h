/* resize.h - pictures and maps to another size, exactly as OpenCV and Pillow do it.
 *
 * 8-bit results are equal byte for byte to cv2.resize (4.6 to 5.0, x86-64; preprocessors.md 3) and
 * to Pillow's LANCZOS (upscale.md 4); float results to the last bits. Nothing here depends on the
 * machine, as long as products and sums are not contracted.
 *
 * Stateless. Threads: any, on pictures of their own. */
#ifndef ZIS_MODELS_RESIZE_H
#define ZIS_MODELS_RESIZE_H

#include "base/status.h"
#include "tensor/image.h"

typedef enum zis_resize_method {
    ZIS_RESIZE_AREA,     /* means of areas; where an axis grows, a kind of linear */
    ZIS_RESIZE_LANCZOS4, /* 8 taps, also when shrinking */
    ZIS_RESIZE_LINEAR,   /* 2 taps, also when shrinking */
} zis_resize_method;

/* cv2.resize; the new picture has the old one's channels. ZIS_ARG for a size that no picture may
 * have. */
ZIS_MUST_USE zis_status zis_resize_image(zis_image **out,
                                         const zis_image *in,
                                         int width,
                                         int height,
                                         zis_resize_method method,
                                         zis_error *err);
/* The same for one plane of floats: `out` [height, width], dense; they may not overlap. */
ZIS_MUST_USE zis_status zis_resize_plane(float *out,
                                         int width,
                                         int height,
                                         const float *in,
                                         int in_width,
                                         int in_height,
                                         zis_resize_method method,
                                         zis_error *err);

/* The size at which the detectors look at a picture: the shorter side becomes `resolution`, both
 * sides multiples of 64 (preprocessors.md 2.2). ZIS_ARG when that leaves nothing or too much. */
ZIS_MUST_USE zis_status zis_resize_detect_size(
    int *width, int *height, int in_width, int in_height, int resolution, zis_error *err);
/* The picture at that size: lanczos4 when it grows, else area. */
ZIS_MUST_USE zis_status zis_resize_detect(zis_image **out,
                                          const zis_image *in,
                                          int resolution,
                                          zis_error *err);

/* Pillow's Image.resize(size, LANCZOS), horizontally first, channels apart (no premultiplying). */
ZIS_MUST_USE zis_status
zis_resize_pillow(zis_image **out, const zis_image *in, int width, int height, zis_error *err);
/* The same in two halves, for a picture too large to be held: bands of its rows are made narrower
 * one by one and put into `wide` (the new width, all old rows) from row `first` on; then `wide` is
 * brought to its height. */
ZIS_MUST_USE zis_status zis_resize_pillow_across(zis_image *wide,
                                                 int first,
                                                 const zis_image *band,
                                                 zis_error *err);
ZIS_MUST_USE zis_status zis_resize_pillow_down(zis_image **out,
                                               const zis_image *wide,
                                               int height,
                                               zis_error *err);
/* The same to (w/2, h/2); ZIS_ARG when a side is 1. */
ZIS_MUST_USE zis_status zis_resize_half(zis_image **out, const zis_image *in, zis_error *err);

#endif
