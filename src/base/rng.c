/* rng.c - mt19937 (Matsumoto, Nishimura 1998) and torch's normal fill on top of it.
 *
 * torch's x86 build computes ln, sin and cos with Cephes polynomials in fused float32 steps,
 * written here with fmaf: one rounding everywhere, so the result does not depend on the machine.
 * Without the instruction fmaf is a slow call, hence the second build of the same loop. */
#include "base/rng.h"

#include <math.h>
#include <string.h>

#define N 624
#define M 397
#define CHUNK 16 /* torch transforms 16 uniforms at a time: 8 radii, 8 angles */

void zis_rng_init(zis_rng *r, uint64_t seed)
{
    r->state[0] = (uint32_t)seed;
    for (uint32_t j = 1; j < N; j++) {
        uint32_t s = r->state[j - 1];
        r->state[j] = 1812433253u * (s ^ s >> 30) + j;
    }
    r->at = N;
    r->has_spare = false;
    r->spare = 0;
}

static uint32_t twist(uint32_t a, uint32_t b)
{
    uint32_t y = (a & 0x80000000u) | (b & 0x7fffffffu);
    return y >> 1 ^ (b & 1 ? 0x9908b0dfu : 0);
}

static void refill(zis_rng *r)
{
    uint32_t *s = r->state;
    int j = 0;
    for (; j < N - M; j++) s[j] = s[j + M] ^ twist(s[j], s[j + 1]);
    for (; j < N - 1; j++) s[j] = s[j + M - N] ^ twist(s[j], s[j + 1]);
    s[N - 1] = s[M - 1] ^ twist(s[N - 1], s[0]);
    r->at = 0;
}

uint32_t zis_rng_u32(zis_rng *r)
{
    if (r->at == N) refill(r);
    uint32_t y = r->state[r->at++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* ln x, 0 < x <= 1. */
ALWAYS_INLINE float ln(float x)
{
    static const float c[8] = {-1.1514610310e-1f, 1.1676998740e-1f,  -1.2420140846e-1f,
                               1.4249322787e-1f,  -1.6668057665e-1f, 2.0000714765e-1f,
                               -2.4999993993e-1f, 3.3333331174e-1f};
    x = x < 0x1p-126f ? 0x1p-126f : x;
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    float e = (float)((int)(bits >> 23) - 126);
    bits = (bits & 0x007fffffu) | 0x3f000000u;
    float m;
    memcpy(&m, &bits, sizeof m);
    bool low = m < 0.707106781186547524f;
    e = low ? e - 1.0f : e;
    x = low ? (m - 1.0f) + m : m - 1.0f;
    float z = x * x;
    float p = 7.0376836292e-2f;
    for (int i = 0; i < 8; i++) p = fmaf(p, x, c[i]);
    p *= x;
    p = fmaf(p, z, e * -2.12194440e-4f);
    p = fmaf(-z, 0.5f, p);
    x += p;
    return fmaf(e, 0.693359375f, x);
}

/* x >= 0, in radians. */
ALWAYS_INLINE void sin_cos(float x, float *sine, float *cosine)
{
    int j = (int)(x * 1.27323954473516f); /* 4 / pi: the octant, made even below */
    j = (j + 1) & ~1;
    float y = (float)j;
    x = fmaf(y, -0.78515625f, x); /* pi / 4 in three parts */
    x = fmaf(y, -2.4187564849853515625e-4f, x);
    x = fmaf(y, -3.77489497744594108e-8f, x);
    float z = x * x;
    float a = 2.443315711809948e-5f;
    a = fmaf(a, z, -1.388731625493765e-3f);
    a = fmaf(a, z, 4.166664568298827e-2f);
    a *= z;
    a = fmaf(a, z, -(z * 0.5f));
    a += 1.0f;
    float b = -1.9515295891e-4f;
    b = fmaf(b, z, 8.3321608736e-3f);
    b = fmaf(b, z, -1.6666654611e-1f);
    b *= z;
    b = fmaf(b, x, x);
    bool swap = j & 2;
    float s = swap ? a : b;
    float c = swap ? b : a;
    *sine = j & 4 ? -s : s;
    *cosine = (j - 2) & 4 ? c : -c;
}

ALWAYS_INLINE void transform(float d[CHUNK])
{
    for (int j = 0; j < CHUNK / 2; j++) {
        float s, c;
        float radius = sqrtf(-2.0f * ln(1.0f - d[j]));
        sin_cos(6.2831855f * d[j + CHUNK / 2], &s, &c);
        d[j] = radius * c + 0.0f; /* torch adds the mean: -0 becomes +0 */
        d[j + CHUNK / 2] = radius * s + 0.0f;
    }
}

static void transform_plain(float *d, size_t n)
{
    for (size_t o = 0; o + CHUNK <= n; o += CHUNK) transform(d + o);
}

#if defined(__x86_64__)
__attribute__((target("fma"))) static void transform_fma(float *d, size_t n)
{
    for (size_t o = 0; o + CHUNK <= n; o += CHUNK) transform(d + o);
}
#endif

static void transform_all(float *d, size_t n)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("fma")) {
        transform_fma(d, n);
        return;
    }
#endif
    transform_plain(d, n);
}

static void uniform(zis_rng *r, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++) out[i] = (float)(zis_rng_u32(r) & 0xffffffu) * 0x1p-24f;
}

static double uniform53(zis_rng *r)
{
    uint64_t high = zis_rng_u32(r);
    uint64_t v = high << 32 | zis_rng_u32(r);
    return (double)(v & ((UINT64_C(1) << 53) - 1)) * 0x1p-53;
}

/* One value in float64 by Box-Muller. */
static double normal_f64(zis_rng *r)
{
    if (r->has_spare) {
        r->has_spare = false;
        return r->spare;
    }
    double turn = uniform53(r);
    double u = uniform53(r);
    double radius = sqrt(-2.0 * log1p(-u));
    double theta = 2.0 * M_PI * turn;
    r->spare = radius * sin(theta);
    r->has_spare = true;
    return radius * cos(theta);
}

void zis_rng_normal_f32(zis_rng *r, float *out, size_t n)
{
    if (n < CHUNK) {
        for (size_t i = 0; i < n; i++) out[i] = (float)normal_f64(r);
        return;
    }
    uniform(r, out, n);
    transform_all(out, n);
    if (n % CHUNK) {
        /* The last 16 are drawn anew, over what the chunk before left there. */
        uniform(r, out + n - CHUNK, CHUNK);
        transform_all(out + n - CHUNK, CHUNK);
    }
}
