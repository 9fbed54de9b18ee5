/* safetensors.h - read weights from one .safetensors file.
 *
 * The file is mapped, never copied or read whole: each view borrows from the handle and dies with
 * it. The header is untrusted: every rule of the format is checked before any view exists
 * (lengths, offsets without holes or overlap, shapes times type sizes, unique printable names).
 *
 * A file that another program replaces (by renaming) stays readable here. One that is cut short in
 * place while it is mapped is not: reading a lost page ends the process (SIGBUS). Call check before
 * a long read; it turns that into an error but for the moments in between.
 *
 *     open -> find, at, meta, ... -> close
 *
 * Threads: read-only after open; views may be used from any thread. */
#ifndef ZIS_FORMATS_SAFETENSORS_H
#define ZIS_FORMATS_SAFETENSORS_H

#include "base/status.h"
#include "tensor/tensor.h"

typedef struct zis_safetensors zis_safetensors;

/* One tensor of a file. Shapes of more than five dims are refused. `tensor.data` points into the
 * mapping and may be unaligned; it must not be written to. */
typedef struct zis_safetensors_entry {
    const char *name; /* NUL-terminated UTF-8 without control characters; borrowed */
    zis_tensor tensor;
    uint64_t offset; /* of the first byte in the file */
    uint64_t bytes;
} zis_safetensors_entry;

/* On failure *out stays NULL and err names the file and the offending tensor. */
ZIS_MUST_USE zis_status zis_safetensors_open(zis_safetensors **out,
                                             const char *path,
                                             zis_error *err);
/* The same on bytes in memory (fuzzing, tests); data is borrowed. `name` is used in messages. */
ZIS_MUST_USE zis_status zis_safetensors_open_memory(
    zis_safetensors **out, const char *name, const void *data, size_t size, zis_error *err);
/* ZIS_IO when the file has been cut short since open; its views must not be read then. */
ZIS_MUST_USE zis_status zis_safetensors_check(const zis_safetensors *st, zis_error *err);
/* Accepts NULL and a pointer to NULL; sets *st to NULL. */
void zis_safetensors_close(zis_safetensors **st);

size_t zis_safetensors_count(const zis_safetensors *st);
/* In file order; i < count. Borrowed until close. */
const zis_safetensors_entry *zis_safetensors_at(const zis_safetensors *st, size_t i);
/* NULL if no tensor has this name. Hashed: O(1). */
const zis_safetensors_entry *zis_safetensors_find(const zis_safetensors *st, const char *name);
/* A value of __metadata__ (NUL-terminated, borrowed), or NULL. */
const char *zis_safetensors_meta(const zis_safetensors *st, const char *key);
/* The pairs of __metadata__ in file order; i < meta_count. Borrowed. */
size_t zis_safetensors_meta_count(const zis_safetensors *st);
void zis_safetensors_meta_at(const zis_safetensors *st,
                             size_t i,
                             const char **key,
                             const char **value);
const char *zis_safetensors_path(const zis_safetensors *st);

/* Writing: declare all tensors, then stream their bytes in that order; a temporary file is renamed
 * at the end, so that no half-written file is ever seen under the name.
 *     create -> add ... -> write ... -> finish (or destroy to give up)
 * Tensors are laid out in the order of the calls (wide types first keeps all aligned); write may be
 * called with any piece sizes. The data starts at a multiple of 64 bytes. */
typedef struct zis_safetensors_writer zis_safetensors_writer;
ZIS_MUST_USE zis_status zis_safetensors_writer_create(zis_safetensors_writer **out,
                                                      const char *path,
                                                      zis_error *err);
ZIS_MUST_USE zis_status zis_safetensors_writer_add(zis_safetensors_writer *w,
                                                   const char *name,
                                                   zis_dtype dtype,
                                                   int ndim,
                                                   const int64_t *dims,
                                                   zis_error *err);
ZIS_MUST_USE zis_status zis_safetensors_writer_meta(zis_safetensors_writer *w,
                                                    const char *key,
                                                    const char *value,
                                                    zis_error *err);
ZIS_MUST_USE zis_status zis_safetensors_writer_write(zis_safetensors_writer *w,
                                                     const void *data,
                                                     size_t n,
                                                     zis_error *err);
/* Checks that all declared bytes came, flushes, renames. */
ZIS_MUST_USE zis_status zis_safetensors_writer_finish(zis_safetensors_writer *w, zis_error *err);
/* Removes the temporary file if finish has not succeeded; sets *w to NULL. */
void zis_safetensors_writer_destroy(zis_safetensors_writer **w);

#endif
