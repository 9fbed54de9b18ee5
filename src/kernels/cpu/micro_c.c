/* micro_c.c - the inner loops for any machine: vectors of four floats, as plain C has them. */
#define VL 4
#define MR 6
#include "kernels/cpu/micro_impl.h"
/* second half */
#include "kernels/cpu/micro_rows.h"

const zis_micro zis_micro_c = {MICRO_TABLE("c")};
