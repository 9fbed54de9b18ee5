/* noise.h - the noise that a picture starts from (scheduler.md 5).
 *
 * Threads: pure functions. */
#ifndef ZIS_PIPELINE_NOISE_H
#define ZIS_PIPELINE_NOISE_H

#include <stddef.h>
#include <stdint.h>

/* out[0 .. n-1] as torch draws it for a tensor of n elements from a generator seeded with `seed`;
 * kind: zis_rng_kind (request.h). n is a multiple of 16. */
void zis_noise_fill(float *out, size_t n, int64_t seed, int kind);

#endif
