/* weights_impl.h - what a zis_weights is made of; for the files of this folder that make one
 * (weights.c from files, weights_memory.c in memory). All others see weights.h only.
 *
 * Threads: read-only once handed out. */
#ifndef ZIS_FORMATS_WEIGHTS_IMPL_H
#define ZIS_FORMATS_WEIGHTS_IMPL_H

#include "base/strmap.h"
#include "formats/container.h"

/* One file, or one block of memory. */
typedef struct zis_weights_source {
    const zis_container *format;
    void *handle;
    char *path;
} zis_weights_source;

struct zis_weights {
    char *path;
    zis_weights_source *sources;
    size_t n_sources;
    zis_weights_entry *entries;
    size_t *owner; /* of each entry: its source */
    size_t count, room;
    zis_strmap names;
    uint64_t bytes;
};

/* Lists the tensors of source `from` among the entries. */
ZIS_MUST_USE zis_status zis_weights_take_entries(zis_weights *w, size_t from, zis_error *err);

#endif
