/* trace.c - the table that times each operation on its way to the device. */
#include "base/os.h"
#include "kernels/wrap/cost.h"
#include "kernels/wrap/wrap.h"

#define X(slot, args)                                                                              \
    static void trace_##slot(zis_run *run, const args *a)                                          \
    {                                                                                              \
        double start = zis_os_now();                                                               \
        run->ops = run->inner;                                                                     \
        run->inner->slot(run, a);                                                                  \
        run->ops = &zis_ops_trace;                                                                 \
        zis_cost cost = zis_cost_##slot(a);                                                        \
        run->flops += cost.flops;                                                                  \
        run->bytes += cost.bytes;                                                                  \
        zis_run_profile *p = &run->profile[ZIS_OP_##slot];                                         \
        p->seconds += zis_os_now() - start;                                                        \
        p->flops += cost.flops;                                                                    \
        p->bytes += cost.bytes;                                                                    \
        p->calls++;                                                                                \
    }
ZIS_OPS_LIST(X)
#undef X

const zis_ops zis_ops_trace = {.name = "trace",
#define X(slot, args) .slot = trace_##slot,
                               ZIS_OPS_LIST(X)
#undef X
};
