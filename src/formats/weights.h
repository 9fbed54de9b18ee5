/* weights.h - named tensors of a checkpoint, whatever it is stored in.
 *
 * A checkpoint is one file, or a folder with a shard index or a single file
 * (`diffusion_pytorch_model.safetensors`, `model.safetensors`, or their `.index.json`). Formats are
 * rows of a table (container.h).
 *
 *     open -> find, at, ... -> close       Views borrow from the handle. Threads: read-only. */
#ifndef ZIS_FORMATS_WEIGHTS_H
#define ZIS_FORMATS_WEIGHTS_H

#include "base/status.h"
#include "tensor/tensor.h"

#include <stdbool.h>

typedef struct zis_weights zis_weights;

typedef struct zis_weights_entry {
    const char *name;  /* borrowed */
    const char *file;  /* path of the file that holds it; borrowed */
    zis_tensor tensor; /* as stored; data is read-only and may be unaligned */
    uint64_t bytes;
} zis_weights_entry;

/* `path`: a file, an index, or a folder. Files are recognised by their content. Every shard of an
 * index must exist in that very folder and hold what the index says; all missing shards are named
 * at once. What shards hold beyond the index is taken too; a name that two shards hold is refused.
 */
ZIS_MUST_USE zis_status zis_weights_open(zis_weights **out, const char *path, zis_error *err);
/* ZIS_IO when one of the files has been cut short since open; views must not be read then
 * (safetensors.h says why). */
ZIS_MUST_USE zis_status zis_weights_check(const zis_weights *w, zis_error *err);
/* Accepts NULL and a pointer to NULL; sets *w to NULL. */
void zis_weights_close(zis_weights **w);

/* A tensor to be made in memory. */
typedef struct zis_weights_spec {
    const char *name; /* borrowed during the call only */
    zis_dtype dtype;
    int ndim;
    int64_t dim[ZIS_MAX_DIMS];
    bool zero; /* synthetic values are 0 (synth.h) */
} zis_weights_spec;

/* A checkpoint in memory, zeroed, to be filled through zis_weights_at(...)->tensor.data (each
 * tensor starts on a multiple of 64 bytes). `name` stands for the path in messages. */
ZIS_MUST_USE zis_status zis_weights_create_memory(
    zis_weights **out, const char *name, const zis_weights_spec *specs, size_t n, zis_error *err);

size_t zis_weights_count(const zis_weights *w);
const zis_weights_entry *zis_weights_at(const zis_weights *w, size_t i);
/* NULL if absent. O(1). */
const zis_weights_entry *zis_weights_find(const zis_weights *w, const char *name);
/* A text of the files' metadata (the first file that has it), or NULL. Borrowed. */
const char *zis_weights_meta(const zis_weights *w, const char *key);
const char *zis_weights_path(const zis_weights *w);
/* "safetensors", "torch". */
const char *zis_weights_format(const zis_weights *w);
/* Of all tensors together. */
uint64_t zis_weights_bytes(const zis_weights *w);

#endif
