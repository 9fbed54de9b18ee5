/* A shard index of any bytes: no name may lead out of the folder. */
#include "formats/weights_index.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    zis_weights_index *x = NULL;
    zis_error err;
    if (zis_weights_index_parse(&x, "fuzz", (const char *)data, size, &err)) return 0;
    for (size_t i = 0; i < x->n_shards; i++) {
        const char *s = x->shards[i];
        if (!*s || strchr(s, '/') || strchr(s, '\\') || !strcmp(s, ".") || !strcmp(s, ".."))
            abort();
        if (i && strcmp(x->shards[i - 1], s) >= 0) abort();
    }
    for (size_t i = 0; i < x->n_items; i++)
        if (x->items[i].shard >= x->n_shards) abort();
    zis_weights_index_destroy(&x);
    return 0;
}
