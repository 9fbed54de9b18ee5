/* hub_plan.h - what a download will do: the files of one commit, and which of them are here.
 *
 *     make -> look (dry run), or hub_fetch.h -> deinit
 *
 * Making a plan asks the Hub for names, sizes and hashes; nothing is written.
 * Threads: one. */
#ifndef ZIS_PIPELINE_HUB_PLAN_H
#define ZIS_PIPELINE_HUB_PLAN_H

#include "pipeline/hub_http.h"
#include "pipeline/hub_repo.h"

/* What somebody wants. All borrowed. */
typedef struct zis_hub_want {
    const char *id;             /* "ORG/NAME" */
    const char *revision;       /* branch, tag or commit; NULL: main */
    const char *const *pattern; /* names with * and ?; none: what is needed, by rule */
    size_t n_patterns;
} zis_hub_want;

typedef enum zis_hub_state {
    ZIS_HUB_MISSING,
    ZIS_HUB_PRESENT, /* in this repository's entry */
    ZIS_HUB_SHARED   /* the same bytes are in another entry, or come with an earlier plan */
} zis_hub_state;

/* "missing", "present", "shared" */
const char *zis_hub_state_name(zis_hub_state state);

typedef struct zis_hub_item {
    const zis_hub_file *file;
    zis_hub_state state;
    bool damaged;  /* there, but with another hash (only looked at with `verify`) */
    uint64_t have; /* of a missing file: bytes of an unfinished download */
} zis_hub_item;

typedef struct zis_hub_plan {
    zis_hub_repo repo;
    char *revision;
    char commit[ZIS_HUB_COMMIT + 1];
    zis_hub_tree tree;
    zis_hub_item *items; /* the files that are wanted */
    size_t n;
    uint64_t bytes;   /* of all items */
    uint64_t missing; /* still to be downloaded */
} zis_hub_plan;

/* `earlier`: plans that will be carried out before; what they bring is shared. */
ZIS_MUST_USE zis_status zis_hub_plan_make(zis_hub_plan *out,
                                          zis_hub_http *http,
                                          const zis_hub_want *want,
                                          const zis_hub_plan *earlier,
                                          size_t n_earlier,
                                          zis_error *err);
/* Accepts a zeroed one. */
void zis_hub_plan_deinit(zis_hub_plan *p);

/* New string: the folder of the snapshot; NULL without memory. */
char *zis_hub_plan_snapshot(const zis_hub_plan *p);

#endif
