/* backends.c - the devices, one row each. */
#include "kernels/cpu/cpu.h"
#include "kernels/ref/ref.h"
#include "kernels/run.h"

#include <string.h>

static const zis_backend *const table[] = {
    &zis_backend_cpu,
    &zis_backend_ref,
    NULL,
};

const zis_backend *zis_backend_at(size_t i)
{
    return i < sizeof table / sizeof *table ? table[i] : NULL;
}

const zis_backend *zis_backend_find(const char *name)
{
    for (const zis_backend *const *b = table; *b; b++)
        if (strcmp((*b)->name, name) == 0) return *b;
    return NULL;
}
