/* micro_avx512bf16.c - AVX-512 with products of bfloat16 pairs (vdpbf16ps, float32 sums). */
#define VL 16
#define MR 12
#include "kernels/cpu/micro_impl.h"
/* second half */
#include "kernels/cpu/micro_rows.h"

ALWAYS void dot_step(
    __m512 (*acc)[2], const char *const *r, int64_t stride, const char *v, int rows, int vectors)
{
    __m512i b0 = _mm512_loadu_si512(v);
    __m512i b1 = vectors > 1 ? _mm512_loadu_si512(v + VL * 4) : b0;
    __asm__("" : "+v"(b0), "+v"(b1));
    for (int i = 0; i < rows; i++) {
        int32_t pair;
        memcpy(&pair, ROW_AT(r, i, stride), 4);
        __m512i a = _mm512_set1_epi32(pair);
        acc[i][0] = _mm512_dpbf16_ps(acc[i][0], (__m512bh)a, (__m512bh)b0);
        if (vectors > 1) acc[i][1] = _mm512_dpbf16_ps(acc[i][1], (__m512bh)a, (__m512bh)b1);
    }
}

ALWAYS void gemm_bf16_tile(const zis_micro_gemm *g, const int rows, const int vectors)
{
    __m512 acc[MR][2];
    const char *r[4];
    const char *v = g->v;
    const int64_t stride = g->r_stride, skip = g->r_line - LINE;
    for (int i = 0; i < 4; i++) r[i] = (const char *)g->r + 3 * i * stride;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < vectors; j++)
            acc[i][j] = g->add ? _mm512_loadu_ps(g->c + i * NR + j * VL) : _mm512_setzero_ps();
    const char *ahead = g->ahead, *v_ahead = g->v_ahead;
    int64_t k = g->k;
    for (; k >= LINE / 4; k -= LINE / 4) {
        if (g->r_near)
            for (int i = 0; i < rows; i++)
                __builtin_prefetch(ROW_AT(r, i, stride) + LINE + skip, 0, 3);
        if (ahead) {
            for (int i = 0; i < rows; i++) __builtin_prefetch(ahead + i * g->ahead_stride, 0, 2);
            ahead += g->ahead_line;
        }
        if (v_ahead) {
            for (int i = 0; i < g->v_lines; i++) __builtin_prefetch(v_ahead + i * LINE, 0, 2);
            v_ahead += g->v_lines * LINE;
        }
        NOT_UNROLLED
        for (int part = 0; part < LINE / 4 / UNROLL; part++) {
            UNROLLED(UNROLL)
            for (int u = 0; u < UNROLL; u++) {
                dot_step(acc, r, stride, v, rows, vectors);
                v += NR * 4;
                for (int i = 0; 3 * i < rows; i++) r[i] += 4;
            }
        }
        for (int i = 0; 3 * i < rows; i++) r[i] += skip;
    }
    for (; k > 0; k--) {
        dot_step(acc, r, stride, v, rows, vectors);
        v += NR * 4;
        for (int i = 0; 3 * i < rows; i++) r[i] += 4;
    }
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < vectors; j++) _mm512_storeu_ps(g->c + i * NR + j * VL, acc[i][j]);
}

static void gemm_bf16(const zis_micro_gemm *g)
{
    ROWS_SWITCH(gemm_bf16_tile, g);
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
