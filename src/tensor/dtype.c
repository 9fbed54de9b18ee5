/* dtype.c - the table of element types and the conversions to float32. */
#include "tensor/dtype.h"

static const zis_dtype_info table[ZIS_DTYPE_COUNT] = {
#define X(id, name, block, bytes) [ZIS_DTYPE_##id] = {name, block, bytes},
    ZIS_DTYPE_LIST(X)
#undef X
};

const zis_dtype_info *zis_dtype_get(zis_dtype t)
{
    return &table[t];
}

zis_dtype zis_dtype_by_name(const char *name, size_t len)
{
    for (int i = 0; i < ZIS_DTYPE_COUNT; i++) {
        if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0)
            return (zis_dtype)i;
    }
    return ZIS_DTYPE_COUNT;
}

static float from_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, 4);
    return f;
}

float zis_f16_to_f32(uint16_t v)
{
    uint32_t sign = (uint32_t)(v & 0x8000u) << 16;
    uint32_t exp = (v >> 10) & 0x1Fu;
    uint32_t man = v & 0x3FFu;
    if (exp == 0x1F) return from_bits(sign | 0x7F800000u | man << 13);
    if (exp) return from_bits(sign | (exp + 112) << 23 | man << 13);
    float f = (float)man * 0x1p-24f; /* zero and subnormals, exact */
    return sign ? -f : f;
}

uint16_t zis_f32_to_f16(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    uint16_t sign = (uint16_t)((u >> 16) & 0x8000u);
    u &= 0x7FFFFFFFu;
    if (u > 0x7F800000u) /* quiet, and never an infinity by losing the low bits */
        return (uint16_t)(sign | 0x7E00u | ((u >> 13) & 0x3FFu));
    if (u >= 0x477FF000u) return (uint16_t)(sign | 0x7C00u); /* 65520 and above round to infinity */
    if (u < 0x38800000u) {                /* below 2^-14: subnormal, unit 2^-24 */
        if (u < 0x33000000u) return sign; /* below 2^-25; 2^-25 itself ties to zero below */
        uint32_t man = (u & 0x7FFFFFu) | 0x800000u;
        uint32_t shift = 126 - (u >> 23);
        uint32_t rest = man & ((1u << shift) - 1);
        uint32_t half = 1u << (shift - 1);
        man >>= shift;
        if (rest > half || (rest == half && (man & 1u))) man++;
        return (uint16_t)(sign | man);
    }
    u += 0xFFFu + ((u >> 13) & 1u);
    return (uint16_t)(sign | ((u - (112u << 23)) >> 13));
}

/* The finite form: bias 7, no infinities, all ones is NaN. */
static float e4m3_to_f32(uint8_t v)
{
    uint32_t sign = (uint32_t)(v & 0x80u) << 24;
    uint32_t exp = (v >> 3) & 0xFu;
    uint32_t man = v & 7u;
    if ((v & 0x7Fu) == 0x7F) return from_bits(sign | 0x7FC00000u);
    if (exp) return from_bits(sign | (exp + 120) << 23 | man << 20);
    float f = (float)man * 0x1p-9f;
    return sign ? -f : f;
}

int zis_dtype_to_f32(float *dst, const void *src, zis_dtype t, size_t n)
{
    const unsigned char *p = src; /* may be unaligned */
    uint16_t h;
    double d;
    switch (t) {
    case ZIS_DTYPE_F32:
        if (n) memcpy(dst, src, n * 4);
        return 0;
    case ZIS_DTYPE_BF16:
        for (size_t i = 0; i < n; i++) {
            memcpy(&h, p + 2 * i, 2);
            dst[i] = zis_bf16_to_f32(h);
        }
        return 0;
    case ZIS_DTYPE_F16:
        for (size_t i = 0; i < n; i++) {
            memcpy(&h, p + 2 * i, 2);
            dst[i] = zis_f16_to_f32(h);
        }
        return 0;
    case ZIS_DTYPE_F64:
        for (size_t i = 0; i < n; i++) {
            memcpy(&d, p + 8 * i, 8);
            dst[i] = (float)d;
        }
        return 0;
    case ZIS_DTYPE_F8_E4M3:
        for (size_t i = 0; i < n; i++) dst[i] = e4m3_to_f32(p[i]);
        return 0;
    case ZIS_DTYPE_F8_E5M2: /* the upper half of a float16 */
        for (size_t i = 0; i < n; i++) dst[i] = zis_f16_to_f32((uint16_t)(p[i] << 8));
        return 0;
    default:
        return -1;
    }
}
