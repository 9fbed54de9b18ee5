/* hub_hash.h - the hashes that name blobs: SHA-256, or git's SHA-1 of "blob SIZE\0" and the bytes.
 *
 *     init -> update ... -> final -> deinit        Threads: one at a time. */
#ifndef ZIS_PIPELINE_HUB_HASH_H
#define ZIS_PIPELINE_HUB_HASH_H

#include "pipeline/hub_lib.h"

#include <stddef.h>
#include <stdint.h>

typedef struct zis_hub_hash {
    const zis_hub_lib *lib;
    EVP_MD_CTX *ctx;
} zis_hub_hash;

/* The kind follows from the length of the etag: 64 digits SHA-256, else git's. */
ZIS_MUST_USE zis_status zis_hub_hash_init(
    zis_hub_hash *h, const zis_hub_lib *lib, const char *etag, uint64_t size, zis_error *err);
/* False when OpenSSL fails. */
bool zis_hub_hash_update(zis_hub_hash *h, const void *data, size_t n);
/* 40 or 64 digits and a NUL. */
bool zis_hub_hash_final(zis_hub_hash *h, char out[65]);
void zis_hub_hash_deinit(zis_hub_hash *h);

#endif
