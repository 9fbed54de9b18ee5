/* micro.c - which tables this machine can run. A new instruction set is one file and one row. */
#include "kernels/cpu/micro.h"

static bool any(void)
{
    return true;
}

#if defined(__x86_64__)
/* Half floats (F16C) have no name in clang 14's list; every CPU with AVX2 and FMA has them. */
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

static bool has_avx512bf16(void)
{
    return has_avx512() && __builtin_cpu_supports("avx512bf16");
}
#endif

/* Best first. */
static const struct {
    const zis_micro *micro;
    bool (*probe)(void);
} tables[] = {
#if defined(__x86_64__)
    {&zis_micro_avx512bf16, has_avx512bf16},
    {&zis_micro_avx512, has_avx512},
    {&zis_micro_avx2, has_avx2},
#endif
    {&zis_micro_c, any},
};

int zis_micro_list(const zis_micro **list)
{
    int n = 0;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (tables[i].probe()) list[n++] = tables[i].micro;
    return n;
}

const zis_micro *zis_micro_pick(const char *limit)
{
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        if (limit && strcmp(limit, tables[i].micro->isa) != 0) continue;
        if (tables[i].probe()) return tables[i].micro;
        if (limit) return NULL;
    }
    return NULL;
}
