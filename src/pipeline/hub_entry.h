/* hub_entry.h - what one repository's entry of the cache holds, and how to remove it.
 *
 * Removing first looks (what would go, what that frees), then asks for every lock of the entry, so
 * that nothing is taken away under a download, then deletes. Links are never followed.
 *
 *     removal: plan -> run -> deinit        Threads: one. */
#ifndef ZIS_PIPELINE_HUB_ENTRY_H
#define ZIS_PIPELINE_HUB_ENTRY_H

#include "pipeline/hub_repo.h"

/* Downloads that were begun and not finished. */
typedef struct zis_hub_unfinished {
    int files;
    uint64_t have, size; /* bytes; size of those whose size is known */
} zis_hub_unfinished;

/* Zeros where there is no entry. ZIS_NOMEM or ZIS_OK. */
ZIS_MUST_USE zis_status zis_hub_entry_unfinished(const char *root,
                                                 const char *id,
                                                 zis_hub_unfinished *out);

typedef struct zis_hub_removal {
    zis_hub_repo repo;
    bool whole; /* the entry as a whole; else `paths` */
    char **paths;
    size_t n;
    uint64_t freed;  /* bytes on the disk that come back */
    uint64_t shared; /* bytes that another entry keeps */
} zis_hub_removal;

/* What removing takes: the whole entry, or (file not NULL) one file of it, in all its snapshots,
 * with its bytes if no other file needs them. ZIS_NOT_FOUND when it is not there. */
ZIS_MUST_USE zis_status zis_hub_removal_plan(
    zis_hub_removal *out, const char *root, const char *id, const char *file, zis_error *err);
ZIS_MUST_USE zis_status zis_hub_removal_run(const zis_hub_removal *r, zis_error *err);
void zis_hub_removal_deinit(zis_hub_removal *r);

#endif
