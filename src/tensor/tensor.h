/* tensor.h - a view of numbers in memory: type, up to five dims, a row stride. It owns nothing.
 *
 * Dims are listed outermost first. Rows (the last dim) are contiguous; consecutive rows lie
 * `stride` elements apart, and all outer dims follow without gaps of their own. So a column slice
 * of a matrix is a tensor, and so is a block of rows.
 * `data` is an address in the memory of the device that the tensor lives on.
 *
 * Threads: plain values. */
#ifndef ZIS_TENSOR_TENSOR_H
#define ZIS_TENSOR_TENSOR_H

#include "tensor/dtype.h"

#include <stdbool.h>

#define ZIS_MAX_DIMS 5

typedef struct zis_tensor {
    void *data;
    zis_dtype dtype;
    int ndim;
    int64_t dim[ZIS_MAX_DIMS];
    int64_t stride; /* elements from one row to the next; dim[ndim-1] when dense */
} zis_tensor;

/* Dense views; `data` may be NULL (a shape to be checked). */
zis_tensor zis_tensor_1d(void *data, zis_dtype t, int64_t a);
zis_tensor zis_tensor_2d(void *data, zis_dtype t, int64_t a, int64_t b);
zis_tensor zis_tensor_3d(void *data, zis_dtype t, int64_t a, int64_t b, int64_t c);
zis_tensor zis_tensor_4d(void *data, zis_dtype t, int64_t a, int64_t b, int64_t c, int64_t d);

/* Product of the dims (callers have checked that it fits). */
int64_t zis_tensor_count(const zis_tensor *t);
/* Bytes from the first element to behind the last, of a dense tensor. */
size_t zis_tensor_bytes(const zis_tensor *t);
/* Last dim. */
int64_t zis_tensor_cols(const zis_tensor *t);
/* Product of all dims but the last (1 for a vector). */
int64_t zis_tensor_rows(const zis_tensor *t);
bool zis_tensor_dense(const zis_tensor *t);
bool zis_tensor_same_shape(const zis_tensor *a, const zis_tensor *b);

/* Rows from .. from+n-1 of a matrix; columns from .. from+n-1 of a matrix. */
zis_tensor zis_tensor_row_slice(const zis_tensor *t, int64_t from, int64_t n);
zis_tensor zis_tensor_col_slice(const zis_tensor *t, int64_t from, int64_t n);
/* The same dense elements with other dims. */
zis_tensor zis_tensor_reshape_2d(const zis_tensor *t, int64_t a, int64_t b);
zis_tensor zis_tensor_reshape_3d(const zis_tensor *t, int64_t a, int64_t b, int64_t c);

/* Writes "[3, 4, 5]" for messages; returns buf. */
char *zis_tensor_shape_text(const zis_tensor *t, char *buf, size_t n);

#endif
