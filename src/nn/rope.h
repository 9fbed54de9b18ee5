/* rope.h - tables of angles for rotary positions: cos and sin [rows, head_dim / 2] in a run's
 * scratch.
 *
 * Two ways to make angles, each rounded as its model does; a dry run only takes the scratch.
 * Threads: as the run. */
#ifndef ZIS_NN_ROPE_H
#define ZIS_NN_ROPE_H

#include "kernels/run.h"

typedef struct zis_rope_table {
    zis_tensor cos; /* [rows, head_dim / 2] */
    zis_tensor sin;
} zis_rope_table;

#define ZIS_ROPE_AXES 3

/* Where a token is on the three axes. */
typedef struct zis_rope_position {
    int32_t at[ZIS_ROPE_AXES];
} zis_rope_position;

/* Axis a has dims[a] / 2 angles, position * theta^(-2m / dims[a]) in float64, rounded to float32
 * before cos and sin (z-image.md 4.5). Rows come from `place`, called with 0 .. rows - 1. */
ZIS_MUST_USE zis_status zis_rope_axes(zis_run *run,
                                      const int64_t dims[ZIS_ROPE_AXES],
                                      double theta,
                                      int64_t rows,
                                      zis_rope_position (*place)(const void *arg, int64_t row),
                                      const void *arg,
                                      zis_rope_table *out,
                                      zis_error *err);

/* Row r: r * theta^(-2m / head_dim), the power and the product rounded to float32
 * (text-encoder.md 3). */
ZIS_MUST_USE zis_status zis_rope_line(zis_run *run,
                                      int64_t head_dim,
                                      double theta,
                                      int64_t rows,
                                      zis_rope_table *out,
                                      zis_error *err);

#endif
