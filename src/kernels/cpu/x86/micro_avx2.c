/* micro_avx2.c - AVX2 and FMA: eight floats, 12 accumulators of the 16 registers. */
#define VL 8
#define MR 6
#include "kernels/cpu/micro_impl.h"
/* second half */
#include "kernels/cpu/micro_rows.h"

const zis_micro zis_micro_avx2 = {MICRO_TABLE("avx2")};
