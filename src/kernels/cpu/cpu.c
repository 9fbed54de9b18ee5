/* cpu.c - the CPU backend's table. */
#include "kernels/cpu/cpu.h"

#include "base/os.h"

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

typedef struct peak_job {
    double (*loop)(int64_t rounds);
} peak_job;

static void peak_task(void *arg, int index, int thread)
{
    (void)index;
    (void)thread;
    const peak_job *j = arg;
    j->loop(1000000);
}

/* The fastest of many short rounds on all threads at once: what the machine can do when nobody else
 * is on it. */
static double peak(zis_run *run, zis_dtype math, double seconds)
{
    const zis_micro *m = zis_cpu_micro(run);
    peak_job j = {math == ZIS_DTYPE_BF16 ? m->peak_bf16 : m->peak_f32};
    if (!j.loop) return 0;
    int threads = zis_pool_threads(run->pool);
    double flops = j.loop(1) * 1e6 * threads, best = 0;
    for (double spent = 0; spent < seconds;) {
        double t = zis_os_now();
        zis_pool_for(run->pool, threads, peak_task, &j);
        t = zis_os_now() - t;
        spent += t;
        if (flops / t > best) best = flops / t;
    }
    return best / 1e9;
}

const zis_backend zis_backend_cpu = {
    .name = "cpu", .ops = &ops, .init = init, .native_bf16 = native_bf16, .isa = isa, .peak = peak};
