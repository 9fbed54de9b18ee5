/* hubcache.h - read the Hugging Face cache as the Python client lays it out (hub.md 2).
 *
 * Nothing is written or fetched. Links are followed only when they end inside the cache.
 * Threads: no shared state; reads HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, HOME. */
#ifndef ZIS_PIPELINE_HUBCACHE_H
#define ZIS_PIPELINE_HUBCACHE_H

#include "base/status.h"

#include <stdbool.h>

/* New string: the folder that holds models--ORG--NAME; NULL when no home is known or without
 * memory. It need not exist. */
char *zis_hubcache_root(void);

/* True for "ORG/NAME" of letters, digits, '-', '_' and '.'. */
bool zis_hubcache_is_id(const char *text);
/* New string "models--ORG--NAME"; NULL without memory. */
char *zis_hubcache_repo_name(const char *id);
/* New string "ORG/NAME" from a folder's name, split at the first "--"; NULL if it is no such name
 * (or without memory). */
char *zis_hubcache_id_of(const char *repo_name);

/* New string: the snapshot folder of a repository's folder: refs/main, or the newest. ZIS_NOT_FOUND
 * when it has none. */
ZIS_MUST_USE zis_status zis_hubcache_snapshot(char **out, const char *repo, zis_error *err);

/* Every file below `folder` (two levels) that is a link must end inside `root`; one whose blob is
 * missing is named, with the command that fetches it again. */
ZIS_MUST_USE zis_status zis_hubcache_check(const char *folder,
                                           const char *root,
                                           const char *id,
                                           zis_error *err);

#endif
