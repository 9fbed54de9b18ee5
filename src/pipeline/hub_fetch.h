/* hub_fetch.h - carry plans out: every missing byte once, into the Hugging Face cache.
 *
 * Several files and several parts of large files come at once. Whatever happens - a broken
 * connection, Ctrl-C, kill -9, a power cut - the next call goes on where this one stopped. A file
 * gets its name only when its size and hash are right; refs are written when all files are there.
 *
 * Threads: one, which `hooks` are called from; a second one hashes. */
#ifndef ZIS_PIPELINE_HUB_FETCH_H
#define ZIS_PIPELINE_HUB_FETCH_H

#include "pipeline/hub_plan.h"

/* ZIS_IO, ZIS_NOT_FOUND, ZIS_FORMAT with the sentence; ZIS_CANCELLED after the session's cancel
 * flag was set. */
ZIS_MUST_USE zis_status zis_hub_fetch(zis_hub_http *http,
                                      const zis_hub_plan *plans,
                                      size_t n,
                                      zis_error *err);

/* Config, session, plan and fetch in one call, for those who only want the model to be there. */
ZIS_MUST_USE zis_status zis_hub_fetch_one(const zis_hub_want *want,
                                          const zis_hub_hooks *hooks,
                                          const atomic_bool *cancel,
                                          zis_error *err);

#endif
