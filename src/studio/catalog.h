/* catalog.h - what there is to choose from, by names that need no path: models, LoRAs, ControlNets.
 *
 * A request over the network may name what is listed here and nothing else, so no path of a
 * stranger reaches the file system.
 *
 *     open -> at, named, ... -> close          Threads: read-only after open. */
#ifndef ZIS_STUDIO_CATALOG_H
#define ZIS_STUDIO_CATALOG_H

#include "pipeline/model.h"

typedef enum zis_catalog_kind {
    ZIS_CATALOG_MODEL,
    ZIS_CATALOG_LORA,
    ZIS_CATALOG_CONTROL_NET,
    ZIS_CATALOG_UPSCALER,
    ZIS_CATALOG_PREPROCESSOR,
    ZIS_CATALOG_KINDS
} zis_catalog_kind;

typedef struct zis_catalog_entry {
    zis_catalog_kind kind;
    char *name;    /* what a request says */
    char *hub_id;  /* or NULL */
    char *what;    /* what it is for; never NULL */
    char *path;    /* file or folder; NULL: it is not here, or needs none */
    char *fetch;   /* command that gets it, or NULL */
    char *missing; /* the sentence that says why it is not here, or NULL */
    bool present;
    uint64_t bytes;   /* 0: not known */
    const char *type; /* of the weights ("bf16"), or NULL */
    /* of models */
    bool turbo;
    bool embedded; /* of the nano family */
    zis_request_defaults defaults;
    int size_lo, size_hi;
    char *example; /* or NULL */
} zis_catalog_entry;

typedef struct zis_catalog zis_catalog;

typedef struct zis_catalog_options {
    const char *model;               /* listed, too, under its own name; or NULL */
    const char *const *lora_folders; /* ended by NULL; or NULL */
    bool measure;                    /* open what is there: bytes and types */
} zis_catalog_options;

ZIS_MUST_USE zis_status zis_catalog_open(zis_catalog **out,
                                         const zis_catalog_options *o,
                                         zis_error *err);
void zis_catalog_close(zis_catalog **c);
/* NULL behind the last. */
const zis_catalog_entry *zis_catalog_at(const zis_catalog *c, size_t i);
/* By name or Hub id ("nano" means nano-turbo); ZIS_NOT_FOUND with a sentence that lists what there
 * is, or why the thing is not here. */
ZIS_MUST_USE zis_status zis_catalog_named(const zis_catalog *c,
                                          zis_catalog_kind kind,
                                          const char *name,
                                          const zis_catalog_entry **out,
                                          zis_error *err);

#endif
