/* dtype.h - the types that a tensor's elements can have: size and name, one table.
 *
 * Types of blocks (GGUF) count `block` elements in `bytes` bytes; for all others block = 1.
 * Threads: constants only. */
#ifndef ZIS_TENSOR_DTYPE_H
#define ZIS_TENSOR_DTYPE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* id, safetensors name, elements a block, bytes a block */
#define ZIS_DTYPE_LIST(X)                                                                          \
    X(F32, "F32", 1, 4)                                                                            \
    X(F16, "F16", 1, 2)                                                                            \
    X(BF16, "BF16", 1, 2)                                                                          \
    X(F64, "F64", 1, 8)                                                                            \
    X(F8_E4M3, "F8_E4M3", 1, 1)                                                                    \
    X(F8_E5M2, "F8_E5M2", 1, 1)                                                                    \
    X(I64, "I64", 1, 8)                                                                            \
    X(I32, "I32", 1, 4)                                                                            \
    X(I16, "I16", 1, 2)                                                                            \
    X(I8, "I8", 1, 1)                                                                              \
    X(U64, "U64", 1, 8)                                                                            \
    X(U32, "U32", 1, 4)                                                                            \
    X(U16, "U16", 1, 2)                                                                            \
    X(U8, "U8", 1, 1)                                                                              \
    X(BOOL, "BOOL", 1, 1)                                                                          \
    X(C64, "C64", 1, 8)

typedef enum zis_dtype {
#define X(id, name, block, bytes) ZIS_DTYPE_##id,
    ZIS_DTYPE_LIST(X)
#undef X
        ZIS_DTYPE_COUNT
} zis_dtype;

typedef struct zis_dtype_info {
    const char *name;
    int block;
    int bytes;
} zis_dtype_info;

/* Never NULL for a value of the enum. */
const zis_dtype_info *zis_dtype_get(zis_dtype t);
/* ZIS_DTYPE_COUNT when no type has this name (as in safetensors, case matters). */
zis_dtype zis_dtype_by_name(const char *name, size_t len);

/* Exact widening, and rounding to nearest even; NaN stays NaN. */
static inline float zis_bf16_to_f32(uint16_t v)
{
    uint32_t u = (uint32_t)v << 16;
    float f;
    memcpy(&f, &u, 4);
    return f;
}

static inline uint16_t zis_f32_to_bf16(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    if ((u & 0x7FFFFFFFu) > 0x7F800000u) return (uint16_t)((u >> 16) | 0x40u);
    u += 0x7FFFu + ((u >> 16) & 1u);
    return (uint16_t)(u >> 16);
}

float zis_f16_to_f32(uint16_t v);
uint16_t zis_f32_to_f16(float f);

/* n elements of a float type (F32, F16, BF16, F64, F8) to float32. Returns 0, or -1 for another
 * type. */
int zis_dtype_to_f32(float *dst, const void *src, zis_dtype t, size_t n);

#endif
