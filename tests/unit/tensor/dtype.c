/* Element types: the table, and conversions over all values of the 16- and 8-bit types. */
#include "tensor/dtype.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_table(void **state)
{
    (void)state;
    for (int i = 0; i < ZIS_DTYPE_COUNT; i++) {
        const zis_dtype_info *d = zis_dtype_get((zis_dtype)i);
        assert_non_null(d->name);
        assert_true(d->block > 0 && d->bytes > 0);
        assert_int_equal(zis_dtype_by_name(d->name, strlen(d->name)), i);
    }
    assert_int_equal(zis_dtype_by_name("BF16x", 4), ZIS_DTYPE_BF16);
    assert_int_equal(zis_dtype_by_name("bf16", 4), ZIS_DTYPE_COUNT);
    assert_int_equal(zis_dtype_by_name("BF1", 3), ZIS_DTYPE_COUNT);
    assert_int_equal(zis_dtype_by_name("", 0), ZIS_DTYPE_COUNT);
}

/* The value of an IEEE-like format, from its definition. */
static double defined(unsigned v, int exp_bits, int man_bits)
{
    int bias = (1 << (exp_bits - 1)) - 1;
    int e = (int)(v >> man_bits) & ((1 << exp_bits) - 1);
    int m = (int)v & ((1 << man_bits) - 1);
    double sign = v >> (exp_bits + man_bits) & 1 ? -1 : 1;
    if (e == 0) return sign * ldexp(m, 1 - bias - man_bits);
    return sign * ldexp((1 << man_bits) + m, e - bias - man_bits);
}

static void test_half(void **state)
{
    (void)state;
    for (unsigned v = 0; v < 65536; v++) {
        float f = zis_f16_to_f32((uint16_t)v);
        if ((v & 0x7C00) == 0x7C00) {
            assert_true(v & 0x3FF ? isnan(f) : isinf(f));
            assert_int_equal(!!signbit(f), v >> 15);
        } else {
            assert_true((double)f == defined(v, 5, 10));
        }
        uint16_t back = zis_f32_to_f16(f);
        if (isnan(f))
            assert_true((back & 0x7C00) == 0x7C00 && (back & 0x3FF));
        else
            assert_int_equal(back, v);
    }
}

/* Between two neighbours: below the middle down, above it up, on it to the even one. */
static void test_half_rounding(void **state)
{
    (void)state;
    for (unsigned v = 0; v < 0x7C00; v++) {
        float a = zis_f16_to_f32((uint16_t)v);
        float b = v == 0x7BFF ? 65536.0f : zis_f16_to_f32((uint16_t)(v + 1));
        float middle = (a + b) / 2; /* exact */
        uint16_t even = (uint16_t)(v & 1 ? v + 1 : v);
        assert_int_equal(zis_f32_to_f16(middle), even);
        assert_int_equal(zis_f32_to_f16(nextafterf(middle, 0)), v);
        assert_int_equal(zis_f32_to_f16(nextafterf(middle, 1e9f)), v + 1);
        assert_int_equal(zis_f32_to_f16(-middle), even | 0x8000);
    }
    assert_int_equal(zis_f32_to_f16(1e30f), 0x7C00);
    assert_int_equal(zis_f32_to_f16(1e-30f), 0);
    assert_int_equal(zis_f32_to_f16(-1e-45f), 0x8000);
}

static void test_bf16(void **state)
{
    (void)state;
    for (unsigned v = 0; v < 65536; v++) {
        float f = zis_bf16_to_f32((uint16_t)v);
        uint16_t back = zis_f32_to_bf16(f);
        if (isnan(f))
            assert_true(isnan(zis_bf16_to_f32(back)));
        else
            assert_int_equal(back, v);
    }
    assert_int_equal(zis_f32_to_bf16(1.00390625f), 0x3F80); /* tie, to even */
    assert_int_equal(zis_f32_to_bf16(1.01171875f), 0x3F82); /* tie, to even */
    assert_int_equal(zis_f32_to_bf16(nextafterf(1.00390625f, 2)), 0x3F81);
    assert_int_equal(zis_f32_to_bf16(3.4028235e38f), 0x7F80);
}

static void test_to_f32(void **state)
{
    (void)state;
    unsigned char raw[1 + 8 * 4];
    float out[4] = {0};
    unsigned char *p = raw + 1; /* unaligned */
    const float f32[4] = {1, -2, 0.5f, 3};
    memcpy(p, f32, sizeof f32);
    assert_int_equal(zis_dtype_to_f32(out, p, ZIS_DTYPE_F32, 4), 0);
    assert_memory_equal(out, f32, sizeof f32);
    const double f64[4] = {1, -2, 0.5, 3};
    memcpy(p, f64, sizeof f64);
    memset(out, 0, sizeof out);
    assert_int_equal(zis_dtype_to_f32(out, p, ZIS_DTYPE_F64, 4), 0);
    assert_memory_equal(out, f32, sizeof f32);
    for (int i = 0; i < 4; i++) {
        uint16_t h = zis_f32_to_f16(f32[i]);
        memcpy(p + 2 * i, &h, 2);
    }
    memset(out, 0, sizeof out);
    assert_int_equal(zis_dtype_to_f32(out, p, ZIS_DTYPE_F16, 4), 0);
    assert_memory_equal(out, f32, sizeof f32);
    for (int i = 0; i < 4; i++) {
        uint16_t h = zis_f32_to_bf16(f32[i]);
        memcpy(p + 2 * i, &h, 2);
    }
    memset(out, 0, sizeof out);
    assert_int_equal(zis_dtype_to_f32(out, p, ZIS_DTYPE_BF16, 4), 0);
    assert_memory_equal(out, f32, sizeof f32);
    assert_int_equal(zis_dtype_to_f32(out, p, ZIS_DTYPE_I32, 4), -1);
}

static void test_fp8(void **state)
{
    (void)state;
    for (unsigned v = 0; v < 256; v++) {
        uint8_t b = (uint8_t)v;
        float f = 0;
        assert_int_equal(zis_dtype_to_f32(&f, &b, ZIS_DTYPE_F8_E4M3, 1), 0);
        if ((v & 0x7F) == 0x7F)
            assert_true(isnan(f));
        else
            assert_true((double)f == defined(v, 4, 3));
        assert_int_equal(zis_dtype_to_f32(&f, &b, ZIS_DTYPE_F8_E5M2, 1), 0);
        if ((v & 0x7C) != 0x7C)
            assert_true((double)f == defined(v, 5, 2));
        else
            assert_true(v & 3 ? isnan(f) : isinf(f));
    }
    float f;
    assert_int_equal(zis_dtype_to_f32(&f, "\x7e", ZIS_DTYPE_F8_E4M3, 1), 0);
    assert_true(f == 448);
    assert_int_equal(zis_dtype_to_f32(&f, "\x7b", ZIS_DTYPE_F8_E5M2, 1), 0);
    assert_true(f == 57344);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),         cmocka_unit_test(test_half),
        cmocka_unit_test(test_half_rounding), cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_to_f32),        cmocka_unit_test(test_fp8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
