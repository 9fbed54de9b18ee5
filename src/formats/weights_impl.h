/* weights_impl.h - what a zis_weights is made of; for the files of this folder that make one
 * (weights.c from files, weights_memory.c from memory). All others see weights.h only.
 *
 * Threads: read-only once handed out. */
#ifndef ZIS_FORMATS_WEIGHTS_IMPL_H
#define ZIS_FORMATS_WEIGHTS_IMPL_H

#include "base/strmap.h"
#include "formats/weights.h"

struct zis_weights {
    char *path;                 /* owned; as given by the caller */
    const char *format;         /* a literal: "safetensors", "memory" */
    zis_weights_entry *entries; /* owned array; names and data belong to `source` */
    size_t count;
    zis_strmap index; /* name -> entry */
    uint64_t bytes;   /* of all tensors */
    /* What entries borrow from: shards, a block of memory. Released by zis_weights_close through
     * `release`, which accepts NULL. */
    void *source;
    void (*release)(void *source);
    const char *(*meta)(const void *source, const char *key); /* NULL: no metadata */
};

#endif
