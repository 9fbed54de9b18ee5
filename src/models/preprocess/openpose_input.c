/* openpose_input.c - resize, pad, scale. */
#include "models/preprocess/openpose_input.h"

#include "models/preprocess/resize.h"

#include <stddef.h>

zis_status zis_openpose_input(float *planes,
                              const zis_image *rgb,
                              const zis_openpose_size *size,
                              zis_error *err)
{
    if (rgb->channels != 3)
        return zis_fail(err, ZIS_ARG, "the body network wants 3 channels, not %d", rgb->channels);
    zis_image *small = NULL;
    double k = (size->real_height + size->real_width) / (rgb->height + rgb->width);
    zis_status st = zis_resize_image(&small, rgb, size->width, size->height,
                                     k < 1 ? ZIS_RESIZE_AREA : ZIS_RESIZE_LANCZOS4, err);
    if (st) return st;
    size_t row = (size_t)size->padded_width, plane = row * (size_t)size->padded_height;
    for (size_t i = 0; i < 3 * plane; i++) planes[i] = 128 / 256.0f - 0.5f; /* the padding */
    const uint8_t *p = small->data;
    for (size_t y = 0; y < (size_t)size->height; y++)
        for (size_t x = 0; x < (size_t)size->width; x++, p += 3)
            for (size_t c = 0; c < 3; c++)
                planes[c * plane + y * row + x] = (float)p[2 - c] / 256.0f - 0.5f;
    zis_image_destroy(&small);
    return ZIS_OK;
}
