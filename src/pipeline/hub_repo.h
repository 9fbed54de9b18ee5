/* hub_repo.h - write one repository of the Hugging Face cache (hub.md 2): folders, links, refs.
 *
 * The order that makes it safe at every moment: blobs (hub_blob.h), then the snapshot's links, each
 * to a temporary name and renamed, then refs last. Names must have passed zis_hub_api_is_path and
 * zis_hub_api_is_hex; every name made here stays below the cache's root.
 *
 *     init -> use -> deinit        Threads: one at a time; other processes are welcome. */
#ifndef ZIS_PIPELINE_HUB_REPO_H
#define ZIS_PIPELINE_HUB_REPO_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct zis_hub_repo {
    const char *root; /* of the cache; borrowed */
    char *id;         /* "ORG/NAME" */
    char *dir;        /* ROOT/models--ORG--NAME */
    char *locks;      /* ROOT/.locks/models--ORG--NAME */
} zis_hub_repo;

/* Writes nothing. */
ZIS_MUST_USE zis_status zis_hub_repo_init(zis_hub_repo *r,
                                          const char *root,
                                          const char *id,
                                          zis_error *err);
void zis_hub_repo_deinit(zis_hub_repo *r);

/* The folders, and CACHEDIR.TAG in the root. */
ZIS_MUST_USE zis_status zis_hub_repo_make(const zis_hub_repo *r, zis_error *err);

/* New string ROOT/models--ORG--NAME/blobs/ETAG; NULL without memory. */
char *zis_hub_repo_blob(const zis_hub_repo *r, const char *etag);
/* Whether the blob is there with this size (a link into the cache's shared store counts). */
ZIS_MUST_USE zis_status zis_hub_repo_has_blob(const zis_hub_repo *r,
                                              const char *etag,
                                              uint64_t size,
                                              bool *out);
/* Whether the snapshot holds the file with this size; where links are impossible it is a file of
 * its own, without a blob. */
ZIS_MUST_USE zis_status zis_hub_repo_has_file(
    const zis_hub_repo *r, const char *commit, const char *path, uint64_t size, bool *out);

/* New string: a blob of this name and size in another repository of the cache; NULL when there is
 * none. */
ZIS_MUST_USE zis_status zis_hub_repo_find_twin(const zis_hub_repo *r,
                                               const char *etag,
                                               uint64_t size,
                                               char **out);
/* Makes the twin ours, too: one more name of the same bytes (a hard link), so that either entry may
 * be deleted. *done false when the file system cannot. */
ZIS_MUST_USE zis_status zis_hub_repo_take_twin(
    const zis_hub_repo *r, const char *etag, const char *twin, bool *done, zis_error *err);

/* snapshots/COMMIT/PATH -> ../../blobs/ETAG. What is right already is left as it is. */
ZIS_MUST_USE zis_status zis_hub_repo_link(
    const zis_hub_repo *r, const char *commit, const char *path, const char *etag, zis_error *err);
/* refs/REVISION. */
ZIS_MUST_USE zis_status zis_hub_repo_set_ref(const zis_hub_repo *r,
                                             const char *revision,
                                             const char *commit,
                                             zis_error *err);

/* Bytes that may still be written to the disk of the root, which need not exist yet; UINT64_MAX
 * where unknown. */
uint64_t zis_hub_repo_free_space(const char *root);

#endif
