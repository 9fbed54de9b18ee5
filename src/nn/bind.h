/* bind.h - one table binds all weights of a model: names, shapes, fields.
 *
 * A row names a tensor by template ("layers.%d.attention.to_q.weight"), the field of the model's
 * struct that receives it, and its shape in symbols. zis_bind_table binds every row, checks every
 * shape, and lists everything that is missing or wrong at once. Matrices and convolution kernels
 * stay views of the mapped file; vectors (1-D, or [1, n]) are widened to float32 in the binder's
 * memory, which lives as long as the model.
 *
 *     init (checkpoint, symbols) -> table, table, ... -> finish -> (model lives) -> deinit
 *
 * Threads: one at a time. */
#ifndef ZIS_NN_BIND_H
#define ZIS_NN_BIND_H

#include "base/status.h"
#include "formats/weights.h"
#include "kernels/ops.h"

#include <stddef.h>

typedef enum zis_bind_kind {
    ZIS_BIND_MATRIX, /* field: zis_weight */
    ZIS_BIND_VECTOR, /* field: const float *; 1-D or [1, n] in the file */
} zis_bind_kind;

/* shape: dims separated by spaces, each a symbol letter defined for the bind, a number, or a
 * product such as "3*D"; e.g. "F D", "N C 3 3", "D". */
typedef struct zis_bind_row {
    const char *name; /* with %d where a block index goes, %s where the prefix goes first */
    zis_bind_kind kind;
    const char *shape;
    size_t field; /* offsetof in the struct given */
    bool optional;
} zis_bind_row;

/* One-letter symbols 'A'..'Z' -> value; 0 = undefined. */
typedef struct zis_bind_symbols {
    int64_t value[26];
} zis_bind_symbols;

/* What is wrong with one row's tensors, in one or more blocks. */
typedef struct zis_bind_fault {
    const zis_bind_row *row;
    bool missing;
    char *prefix;   /* as zis_bind_table was given it */
    char *detail;   /* "is missing", "is F32 [3] and not ..." */
    int *range;     /* first and last index of each run of blocks, in pairs */
    size_t n, room; /* numbers in range */
} zis_bind_fault;

typedef struct zis_bind {
    const zis_weights *from;
    const char *what; /* "the Z-Image transformer"; for messages; borrowed */
    zis_bind_symbols symbols;
    /* owned: vectors, names, and the running list of faults */
    void **blocks;
    size_t n_blocks, room_blocks;
    zis_bind_fault *faults;
    size_t n_faults, room_faults;
    size_t n_missing, n_wrong;
    uint64_t bytes; /* of all tensors bound, as stored */
    bool nomem;
} zis_bind;

void zis_bind_init(zis_bind *b, const zis_weights *from, const char *what);
/* Frees the vectors and names that were bound. */
void zis_bind_deinit(zis_bind *b);
/* Binds n rows into `object`; prefix and index fill the name templates. Faults are collected. */
void zis_bind_table(
    zis_bind *b, const zis_bind_row *rows, size_t n, const char *prefix, int index, void *object);
/* The list of blocks ends before this index: a fault if the file has the row's tensor there, for a
 * model without its last blocks draws, but no picture. */
void zis_bind_end(zis_bind *b, const zis_bind_row *row, const char *prefix, int index);
/* The name of a row's tensor; false when it does not fit. */
bool zis_bind_name(char *out, size_t room, const zis_bind_row *row, const char *prefix, int index);
/* The length of a vector of this row's shape; 0 when it has not one dim. */
int64_t zis_bind_length(const zis_bind *b, const zis_bind_row *row);
/* ZIS_FORMAT with the list of all that is missing or of the wrong shape, blocks with the same fault
 * told together ("missing: layers.{3-5,9}.norm.weight"), or ZIS_OK. */
ZIS_MUST_USE zis_status zis_bind_finish(zis_bind *b, zis_error *err);

#endif
