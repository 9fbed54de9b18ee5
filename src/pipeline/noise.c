#include "pipeline/noise.h"

#include "base/rng.h"
#include "pipeline/request.h"
#include "tensor/dtype.h"

void zis_noise_fill(float *out, size_t n, int64_t seed, int kind)
{
    zis_rng rng;
    zis_rng_init(&rng, (uint64_t)seed);
    if (kind == ZIS_RNG_TORCH_BF16_OLD) {
        zis_rng_normal_bf16_old(&rng, out, n);
        return;
    }
    zis_rng_normal_f32(&rng, out, n);
    if (kind != ZIS_RNG_TORCH_BF16) return;
    for (size_t i = 0; i < n; i++) out[i] = zis_bf16_to_f32(zis_f32_to_bf16(out[i]));
}
