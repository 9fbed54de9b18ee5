/* weights_index.h - the shard index of a checkpoint (*.index.json): which tensor lies in which
 * file.
 *
 * The names of files are untrusted: they must be plain names in the index's own folder.
 *
 *     read -> shards, names -> destroy        Threads: read-only after read. */
#ifndef ZIS_FORMATS_WEIGHTS_INDEX_H
#define ZIS_FORMATS_WEIGHTS_INDEX_H

#include "base/status.h"

#include <stddef.h>

typedef struct zis_weights_index_item {
    const char *name; /* of the tensor */
    size_t shard;
} zis_weights_index_item;

typedef struct zis_weights_index {
    char *path;
    char **shards; /* unique, sorted */
    size_t n_shards;
    zis_weights_index_item *items; /* in the order of the file, names unique */
    size_t n_items;
    char *strings;
} zis_weights_index;

ZIS_MUST_USE zis_status zis_weights_index_read(zis_weights_index **out,
                                               const char *path,
                                               zis_error *err);
/* The same on a text in memory (borrowed during the call); `path` is used in messages. */
ZIS_MUST_USE zis_status zis_weights_index_parse(
    zis_weights_index **out, const char *path, const char *text, size_t size, zis_error *err);
/* Accepts NULL and a pointer to NULL; sets *x to NULL. */
void zis_weights_index_destroy(zis_weights_index **x);

#endif
