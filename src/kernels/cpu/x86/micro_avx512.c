/* micro_avx512.c - AVX-512: sixteen floats, 24 accumulators of the 32 registers. */
#define VL 16
#define MR 12
#include "kernels/cpu/micro_impl.h"
/* second half */
#include "kernels/cpu/micro_rows.h"

const zis_micro zis_micro_avx512 = {MICRO_TABLE("avx512")};
