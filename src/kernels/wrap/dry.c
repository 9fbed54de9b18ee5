/* dry.c - the table that executes nothing: shapes are checked, costs added up, scratch counted.
 *
 * The inner operation is still called, with run->dry set: it takes its own scratch, so that the
 * arena's peak is the true one, and returns before it touches data. */
#include "kernels/check.h"
#include "kernels/wrap/cost.h"
#include "kernels/wrap/wrap.h"

#define X(slot, args)                                                                              \
    static void dry_##slot(zis_run *run, const args *a)                                            \
    {                                                                                              \
        if (!zis_check_##slot(run, a)) return;                                                     \
        zis_cost cost = zis_cost_##slot(a);                                                        \
        run->flops += cost.flops;                                                                  \
        run->bytes += cost.bytes;                                                                  \
        run->ops = run->inner;                                                                     \
        run->inner->slot(run, a);                                                                  \
        run->ops = &zis_ops_dry;                                                                   \
    }
ZIS_OPS_LIST(X)
#undef X

const zis_ops zis_ops_dry = {.name = "dry",
#define X(slot, args) .slot = dry_##slot,
                             ZIS_OPS_LIST(X)
#undef X
};
