/* The generator against torch's values (scheduler.md 5). The hashes stand for the SHA-256 sums of
 * 5.3, checked when they were written down. */
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX_N (16u * 128u * 128u)

static uint64_t hash(const void *data, size_t n)
{
    const unsigned char *p = data;
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

static uint16_t to_bf16(float f)
{
    uint32_t b;
    memcpy(&b, &f, sizeof b);
    return (uint16_t)((b + 0x7fffu + (b >> 16 & 1)) >> 16);
}

static float *draw(uint64_t seed, size_t n, bool old)
{
    float *v = malloc(MAX_N * sizeof *v);
    assert_non_null(v);
    zis_rng r;
    zis_rng_init(&r, seed);
    if (old) {
        zis_rng_normal_bf16_old(&r, v, n);
    } else {
        zis_rng_normal_f32(&r, v, n);
    }
    return v;
}

static uint64_t hash_bf16(const float *v, size_t n)
{
    uint16_t *b = malloc(n * sizeof *b);
    assert_non_null(b);
    for (size_t i = 0; i < n; i++) b[i] = to_bf16(v[i]);
    uint64_t h = hash(b, n * sizeof *b);
    free(b);
    return h;
}

static void test_engine(void **state)
{
    (void)state;
    zis_rng r;
    zis_rng_init(&r, 5489);
    uint32_t v = 0;
    for (int i = 0; i < 10000; i++) v = zis_rng_u32(&r);
    assert_int_equal(v, 4123659995u); /* the C++ standard's check value */
    zis_rng_init(&r, 42);
    v = zis_rng_u32(&r);
    zis_rng_init(&r, (UINT64_C(7) << 32) + 42);
    assert_int_equal(zis_rng_u32(&r), v);
}

static void test_f32(void **state)
{
    (void)state;
    static const float first[8] = {0x1.ed4a52p+0f,  0x1.7cbea6p+0f, 0x1.cd2acep-1f,
                                   -0x1.0d81b6p+1f, 0x1.5b59aap-1f, -0x1.3c0b22p+0f,
                                   -0x1.60cf0cp-5f, -0x1.9acb74p+0f};
    float *v = draw(42, MAX_N, false);
    assert_memory_equal(v, first, sizeof first);
    assert_int_equal(hash(v, MAX_N * sizeof *v), 0xb2f5a60dde6ecb89u);
    assert_int_equal(hash_bf16(v, 16 * 48 * 48), 0x5a4b50aa37548d6bu);
    free(v);
    static const float zero[16] = {-1.1258f, -1.1524f, -0.2506f, -0.4339f, 0.8487f, 0.6920f,
                                   -0.3160f, -2.1152f, 0.3223f,  -1.2633f, 0.3500f, 0.3081f,
                                   0.1198f,  1.2377f,  1.1168f,  -0.2473f};
    v = draw(0, 16, false);
    for (int i = 0; i < 16; i++) assert_float_equal(v[i], zero[i], 6e-5f);
    free(v);
}

/* A length that is no multiple of 16 draws its last 16 values anew: those of the values that stand
 * 16 draws further on in a longer run. */
static void test_f32_tail(void **state)
{
    (void)state;
    float *whole = draw(1, 112, false);
    float *v = draw(1, 100, false);
    assert_memory_equal(v, whole, 84 * sizeof *v);
    zis_rng r;
    zis_rng_init(&r, 1);
    for (int i = 0; i < 100; i++) (void)zis_rng_u32(&r);
    float tail[16];
    zis_rng_normal_f32(&r, tail, 16);
    assert_memory_equal(v + 84, tail, sizeof tail);
    free(v);
    free(whole);
}

static void test_scalar(void **state)
{
    (void)state;
    static const float zero[4] = {1.5410f, -0.2934f, -2.1788f, 0.5684f};
    static const float other[4] = {0.3367f, 0.1288f, 0.2345f, 0.2303f};
    float *a = draw(0, 4, false), *b = draw(42, 4, false);
    for (int i = 0; i < 4; i++) {
        assert_float_equal(a[i], zero[i], 6e-5f);
        assert_float_equal(b[i], other[i], 6e-5f);
    }
    /* The second of a pair waits for the next call. */
    zis_rng r;
    zis_rng_init(&r, 42);
    float v[4];
    for (int i = 0; i < 4; i++) zis_rng_normal_f32(&r, v + i, 1);
    assert_memory_equal(v, b, sizeof v);
    zis_rng_normal_f32(&r, v, 1);
    zis_rng_init(&r, 42);
    zis_rng_normal_f32(&r, v, 3);
    assert_memory_equal(v, b, 3 * sizeof *v);
    zis_rng_normal_f32(&r, v, 0);
    free(a);
    free(b);
}

static void test_bf16_old(void **state)
{
    (void)state;
    static const float first[16] = {-0.80859375f,
                                    -1.53125f,
                                    0.40625f,
                                    0.171875f,
                                    -0.2470703125f,
                                    0.2041015625f,
                                    -0.87890625f,
                                    -0.38671875f,
                                    0.6015625f,
                                    0.267578125f,
                                    -0.8515625f,
                                    -0.2890625f,
                                    1,
                                    -0.78125f,
                                    1.375f,
                                    0.11865234375f};
    static const float zero[8] = {1.4609375f,   0.291015625f, 0.9609375f, 1.5703125f,
                                  0.494140625f, -1.515625f,   -0.25f,     0.57421875f};
    float *v = draw(42, MAX_N, true);
    assert_memory_equal(v, first, sizeof first);
    assert_int_equal(hash_bf16(v, MAX_N), 0xda2c7ae517cef678u);
    for (size_t i = 0; i < MAX_N; i++) {
        uint32_t b;
        memcpy(&b, v + i, sizeof b);
        assert_int_equal(b & 0xffff, 0);
        assert_true(b != 0x80000000u);
        assert_true(v[i] <= 3.328125f && v[i] >= -3.328125f);
    }
    free(v);
    v = draw(42, 16 * 48 * 48, true);
    assert_int_equal(hash_bf16(v, 16 * 48 * 48), 0x5effe062eabf0e48u);
    free(v);
    v = draw(0, MAX_N, true);
    assert_memory_equal(v, zero, sizeof zero);
    assert_int_equal(hash_bf16(v, MAX_N), 0x126656b8a4a195a0u);
    free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_engine),   cmocka_unit_test(test_f32),
        cmocka_unit_test(test_f32_tail), cmocka_unit_test(test_scalar),
        cmocka_unit_test(test_bf16_old),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
