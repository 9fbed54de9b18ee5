/* cpu.c - the CPU backend's table. */
#include "kernels/cpu/cpu.h"

static const zis_ops ops = {.name = "cpu",
#define X(slot, args) .slot = zis_cpu_##slot,
                            ZIS_OPS_LIST(X)
#undef X
};

static zis_status init(zis_run *run, const char *limit, zis_error *err)
{
    const zis_micro *m = zis_micro_pick(limit);
    if (!m) {
        const zis_micro *list[8];
        int n = zis_micro_list(list);
        char names[80] = "";
        for (int i = n - 1; i >= 0; i--) {
            strncat(names, list[i]->isa, sizeof names - strlen(names) - 1);
            if (i) strncat(names, ", ", sizeof names - strlen(names) - 1);
        }
        return zis_fail(err, ZIS_ARG,
                        "ZIS_CPU=%s is not an instruction set of this machine; it has: %s",
                        limit ? limit : "", names);
    }
    run->micro = m;
    return ZIS_OK;
}

static bool native_bf16(const zis_run *run)
{
    return zis_cpu_micro(run)->native_bf16;
}

static const char *isa(const zis_run *run)
{
    return zis_cpu_micro(run)->isa;
}

const zis_backend zis_backend_cpu = {
    .name = "cpu", .ops = &ops, .init = init, .native_bf16 = native_bf16, .isa = isa};
