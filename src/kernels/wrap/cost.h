/* cost.h - what an operation costs by its shapes: FLOPs of the direct formula (2 for a product and
 * its sum; products of matrices only) and bytes of weights read.
 *
 * Threads: pure functions. */
#ifndef ZIS_KERNELS_WRAP_COST_H
#define ZIS_KERNELS_WRAP_COST_H

#include "kernels/ops.h"

typedef struct zis_cost {
    double flops;
    double bytes;
} zis_cost;

#define X(slot, args) zis_cost zis_cost_##slot(const args *a);
ZIS_OPS_LIST(X)
#undef X

#endif
