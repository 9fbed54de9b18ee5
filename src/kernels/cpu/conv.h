/* conv.h - what the kinds of convolution share: geometry, norm factors, and the strip, a band of
 * input rows with the zeros around it, normalised, in float32. */
#ifndef ZIS_KERNELS_CPU_CONV_H
#define ZIS_KERNELS_CPU_CONV_H

#include "kernels/cpu/cpu.h"

typedef struct zis_conv {
    const zis_micro *m;
    const zis_conv2d_args *a;
    int64_t h, w, c; /* of x */
    int64_t out_h, out_w, n;
    int64_t k;           /* 1, 3, 5 or 7 */
    int up;              /* 1 or 2 */
    const float *norm_a; /* [c] factor and shift of the fused norm, or NULL */
    const float *norm_b;
    zis_micro_finish finish; /* of all channels */
    float *strip;            /* [strip_rows][strip_cols][c] */
    int64_t strip_rows, strip_cols;
} zis_conv;

/* Factor and shift per channel of a group norm: y = x * a + b. a, b: [C] each, scratch. */
void zis_cpu_group_factors(zis_run *run,
                           const zis_tensor *x,
                           const float *w,
                           const float *b,
                           int groups,
                           float eps,
                           float *factor,
                           float *shift);

/* Fills the strip with the (upsampled, normalised) rows first .. first + strip_rows - 1 and columns
 * -pad .. strip_cols - pad - 1; what lies outside the picture is zero. Threaded. */
void zis_cpu_strip_fill(zis_run *run, const zis_conv *v, int64_t first, int64_t rows);

/* Of the channels from n0 on. */
zis_micro_finish zis_cpu_conv_finish(const zis_conv *v, int64_t n0);

/* The pixels of a picture (or none) from (row, col) on, every `apart` rows and columns, the
 * channels from n0 on. The first may lie outside. */
static inline zis_micro_pixels zis_cpu_conv_pixels(
    const zis_tensor *t, int64_t row, int64_t col, int64_t apart, int64_t n0)
{
    return (zis_micro_pixels){
        .data = t->data,
        .at = (row * t->dim[1] + col) * t->stride + n0,
        .row = apart * t->dim[1] * t->stride,
        .pixel = apart * t->stride,
    };
}

/* 3x3, stride 1, not exact, by Winograd: float32 whatever the math. */
void zis_cpu_conv_winograd(zis_run *run, zis_conv *v);
/* The kind with the fewest products. */
zis_micro_wino_kind zis_cpu_winograd_kind(const zis_conv *v);
/* The same for few channels (conv_tiles.c), where these fit. */
bool zis_cpu_conv_tiles_fit(const zis_conv *v);
void zis_cpu_conv_tiles(zis_run *run, zis_conv *v, zis_micro_wino_kind kind);
/* Any kernel and stride, by products of gathered pixels. */
void zis_cpu_conv_direct(zis_run *run, zis_conv *v);

#endif
