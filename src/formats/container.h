/* container.h - what a container of weights must be able to do; weights.c knows no other.
 *
 * A container is one const row of the table in container.c. To add one: docs/add-a-format.md.
 * Threads: rows are constants; a handle is read-only after open. */
#ifndef ZIS_FORMATS_CONTAINER_H
#define ZIS_FORMATS_CONTAINER_H

#include "formats/weights.h"

#include <stdbool.h>

typedef struct zis_container {
    const char *name;
    /* By the file's first bytes (all of them when it is shorter than 4 KB), never by its name. */
    bool (*probe)(const unsigned char *head, size_t n);
    /* For what is recognised but not read: what it is and what to do; the rest is NULL then. */
    const char *refusal;
    zis_status (*open)(void **handle, const char *path, zis_error *err);
    void (*close)(void **handle);
    size_t (*count)(const void *handle);
    /* Fills name, tensor and bytes; borrowed from the handle. Names are unique in a file. */
    void (*at)(const void *handle, size_t i, zis_weights_entry *out);
    const char *(*meta)(const void *handle, const char *key);
    zis_status (*check)(const void *handle, zis_error *err);
} zis_container;

/* The row that recognises the file; ZIS_UNSUPPORTED for a recognised refusal, ZIS_FORMAT for
 * unknown content. */
ZIS_MUST_USE zis_status zis_container_find(const zis_container **out,
                                           const char *path,
                                           zis_error *err);

#endif
