/* resize_impl.h - one resize between the files that do it: resize.c (chooses), resize_area.c (means
 * of areas), resize_taps.c (2 and 8 taps). */
#ifndef ZIS_MODELS_RESIZE_IMPL_H
#define ZIS_MODELS_RESIZE_IMPL_H

#include "models/preprocess/resize.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

/* One axis. OpenCV forms `scale` as 1 / inv, which is not always from / to. */
typedef struct zis_resize_axis {
    int from, to;
    double inv;   /* to / from */
    double scale; /* 1 / inv */
} zis_resize_axis;

/* Dense rows, channels interleaved; both sides uint8_t or (one channel only) float. */
typedef struct zis_resize_job {
    zis_resize_axis x, y;
    int channels;
    bool is_float;
    const void *src;
    void *dst;
} zis_resize_job;

/* Both factors are the whole numbers m (across) and n (down). */
zis_status zis_resize_area_whole(const zis_resize_job *job, int m, int n, zis_error *err);
/* Both axes shrink (or stay), by any factor. */
zis_status zis_resize_area_general(const zis_resize_job *job, zis_error *err);

typedef enum zis_resize_taps_kind {
    ZIS_TAPS_LINEAR,
    ZIS_TAPS_AREA, /* "area" where an axis grows: other fractions, the same two taps */
    ZIS_TAPS_LANCZOS4,
} zis_resize_taps_kind;

zis_status zis_resize_taps(const zis_resize_job *job, zis_resize_taps_kind kind, zis_error *err);

/* To nearest, halves to even, cut to 0..255. */
static inline uint8_t zis_resize_u8(float v)
{
    float r = rintf(v);
    return (uint8_t)(r < 0 ? 0 : r > 255 ? 255 : r);
}

#endif
