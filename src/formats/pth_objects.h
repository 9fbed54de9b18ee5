/* pth_objects.h - the globals that a torch file may name, and what they stand for here: storages
 * (runs of values) and views of them (tensors).
 *
 * A view is checked when it is made: every element that its strides can reach lies in its storage.
 *
 *     {0} with path and perhaps zip -> used by the pickle machine -> deinit
 * Threads: one at a time. */
#ifndef ZIS_FORMATS_PTH_OBJECTS_H
#define ZIS_FORMATS_PTH_OBJECTS_H

#include "formats/pth_zip.h"
#include "tensor/tensor.h"

typedef struct zis_pth_pickle zis_pth_pickle;

/* Values of one type; shared by all tensors that view it. */
typedef struct zis_pth_storage {
    const char *key; /* borrowed from the pickle's bytes */
    size_t key_len;
    zis_dtype dtype;
    uint64_t count;                 /* elements */
    uint64_t bytes;                 /* count times the type's size */
    const zis_pth_zip_entry *entry; /* NULL: legacy container */
    const unsigned char *data;      /* NULL until the legacy container has told where it lies */
    bool intact;                    /* the checksum has been looked at */
} zis_pth_storage;

/* The part of a storage that a persistent id names (all of it, but in old legacy files). */
typedef struct zis_pth_window {
    size_t storage;
    uint64_t start, count;
} zis_pth_window;

/* Element (i0, i1, ...) lies at offset + sum(i * stride) in the storage. */
typedef struct zis_pth_view {
    size_t storage;
    uint64_t offset;
    uint64_t count; /* elements of the tensor */
    int ndim;
    int64_t dim[ZIS_MAX_DIMS];
    int64_t stride[ZIS_MAX_DIMS];
    uint64_t at; /* byte of the file that made it, for messages */
} zis_pth_view;

typedef struct zis_pth_objects {
    const char *path;
    const zis_pth_zip *zip; /* NULL: legacy container */
    const char *root;       /* the archive's folder */
    size_t root_len;
    zis_pth_storage *storages;
    zis_pth_window *windows;
    zis_pth_view *views;
    size_t n_storages, n_windows, n_views;
    size_t storages_room, windows_room, views_room;
    zis_strmap keys; /* of storages */
} zis_pth_objects;

void zis_pth_objects_deinit(zis_pth_objects *o);

/* GLOBAL: the row of the allowed ones. */
ZIS_MUST_USE zis_status zis_pth_objects_global(zis_pth_pickle *p,
                                               const char *module,
                                               size_t module_len,
                                               const char *name,
                                               size_t name_len,
                                               int64_t *row);
/* BINPERSID: the storage that node `id` names. */
ZIS_MUST_USE zis_status zis_pth_objects_persist(zis_pth_pickle *p, uint32_t id, uint32_t *out);
/* REDUCE: node `function` called with node `args`. */
ZIS_MUST_USE zis_status zis_pth_objects_call(zis_pth_pickle *p,
                                             uint32_t function,
                                             uint32_t args,
                                             uint32_t *out);

#endif
