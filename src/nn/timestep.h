/* timestep.h - times as vectors of cosines and sines (z-image.md 4.6).
 *
 * Threads: as the run. */
#ifndef ZIS_NN_TIMESTEP_H
#define ZIS_NN_TIMESTEP_H

#include "kernels/run.h"

/* *out = [n, width] in the run's scratch: cos(tau * g_m), then sin(tau * g_m), m < width / 2,
 * g_m = 10000^(-2m / width). g_m is rounded once to float32 and so is the angle. A dry run does not
 * read tau. */
ZIS_MUST_USE zis_status zis_timestep_embed(
    zis_run *run, const float *tau, int64_t n, int64_t width, zis_tensor *out, zis_error *err);

#endif
