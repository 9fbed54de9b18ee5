/* rng.h - torch's CPU random generator, bit for bit (scheduler.md 5).
 *
 *     init -> normal_f32 ...             Threads: one at a time. */
#ifndef ZIS_BASE_RNG_H
#define ZIS_BASE_RNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct zis_rng {
    uint32_t state[624];
    int at;
    /* Fewer than 16 values are made in pairs: the second of a pair waits here for the next call. */
    bool has_spare;
    double spare;
} zis_rng;

/* Only the low 32 bits of the seed matter, as in torch. */
void zis_rng_init(zis_rng *r, uint64_t seed);
uint32_t zis_rng_u32(zis_rng *r);

/* torch.randn(n, dtype=float32): the fill of 16 or more, or the scalar path for fewer (5.2, 5.4,
 * polynomials of 5.5). The same bits on every machine. */
void zis_rng_normal_f32(zis_rng *r, float *out, size_t n);
/* torch-bf16-old: generation A of 5.3, values exact in bfloat16, returned as float32. n >= 16 and a
 * multiple of 16. (torch-bf16 is zis_rng_normal_f32 rounded to bfloat16.) */
void zis_rng_normal_bf16_old(zis_rng *r, float *out, size_t n);

#endif
