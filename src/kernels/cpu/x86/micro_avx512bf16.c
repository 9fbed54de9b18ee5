/* micro_avx512bf16.c - AVX-512 with products of bfloat16 pairs (vdpbf16ps, float32 sums). */
#define VL 16
#define MR 12
#include "kernels/cpu/micro_impl.h"
/* second half */
#include "kernels/cpu/micro_rows.h"

ALWAYS void dot_step(
    vf (*acc)[2], const char *const *r, int64_t stride, const char *v, int rows, int vectors)
{
    __m512i b0 = _mm512_loadu_si512(v);
    __m512i b1 = vectors > 1 ? _mm512_loadu_si512(v + VL * 4) : b0;
    __asm__("" : "+v"(b0), "+v"(b1));
    for (int i = 0; i < rows; i++) {
        int32_t pair;
        memcpy(&pair, ROW_AT(r, i, stride), 4);
        __m512bh a = (__m512bh)_mm512_set1_epi32(pair);
        acc[i][0] = (vf)_mm512_dpbf16_ps((__m512)acc[i][0], a, (__m512bh)b0);
        if (vectors > 1) acc[i][1] = (vf)_mm512_dpbf16_ps((__m512)acc[i][1], a, (__m512bh)b1);
    }
}

static void gemm_bf16(const zis_micro_gemm *g)
{
    ROWS_SWITCH(dot_step, g);
}

static double peak_bf16(int64_t rounds)
{
    const __m512 zero = _mm512_setzero_ps();
    const __m512bh x = (__m512bh)_mm512_set1_epi32(0x3F803F80);
#define LINK(a) _mm512_dpbf16_ps(a, x, x)
    PEAK_CHAINS(__m512, LINK)
#undef LINK
    return (double)rounds * 12 * VL * 4;
}

const zis_micro zis_micro_avx512bf16 = {MICRO_TABLE("avx512bf16"), .native_bf16 = true,
                                        .gemm_bf16 = gemm_bf16, .peak_bf16 = peak_bf16};
