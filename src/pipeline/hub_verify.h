/* hub_verify.h - hashes downloads while they grow, in a thread of its own.
 *
 * The thread reads what lies without a hole at a file's start, so hashing costs no time after the
 * last byte, and flushes now and then, so that a power cut costs little. Memory is one buffer.
 *
 *     create -> add a check for each blob -> state ... remove -> destroy
 *
 * Threads: all functions by one (the caller's); `wake` is called by the other. */
#ifndef ZIS_PIPELINE_HUB_VERIFY_H
#define ZIS_PIPELINE_HUB_VERIFY_H

#include "pipeline/hub_blob.h"
#include "pipeline/hub_hash.h"

typedef enum zis_hub_check_state {
    ZIS_HUB_CHECK_RUNNING,
    ZIS_HUB_CHECK_RIGHT,
    ZIS_HUB_CHECK_WRONG, /* all bytes are there, and they are others */
    ZIS_HUB_CHECK_FAILED /* the disk; the error says how */
} zis_hub_check_state;

typedef struct zis_hub_verify zis_hub_verify;
typedef struct zis_hub_check zis_hub_check;

ZIS_MUST_USE zis_status zis_hub_verify_create(zis_hub_verify **out,
                                              const zis_hub_lib *lib,
                                              void (*wake)(void *arg),
                                              void *arg,
                                              zis_error *err);
/* All checks must have been removed. Accepts NULL and a pointer to NULL. */
void zis_hub_verify_destroy(zis_hub_verify **v);

/* The blob must stay open until the check is removed. */
ZIS_MUST_USE zis_status zis_hub_verify_add(zis_hub_verify *v,
                                           zis_hub_check **out,
                                           zis_hub_blob *blob,
                                           const char *etag,
                                           uint64_t size,
                                           zis_error *err);
/* Waits until the thread lets go of it. Accepts a pointer to NULL. */
void zis_hub_verify_remove(zis_hub_verify *v, zis_hub_check **check);
/* There may be more to read. */
void zis_hub_verify_poke(zis_hub_verify *v);
/* *found (if not NULL): the hash that was computed, once it is WRONG; borrowed from the check. */
zis_hub_check_state zis_hub_verify_state(zis_hub_verify *v,
                                         zis_hub_check *check,
                                         const char **found,
                                         zis_error *err);

#endif
