/* models.h - the second half of `zis models`.
 *
 * Threads: the main thread only. */
#ifndef ZIS_CLI_MODELS_H
#define ZIS_CLI_MODELS_H

#include "base/status.h"

#include <stdbool.h>

/* Removes what a preset or a Hub id has in the cache; yes: without asking. ZIS_CANCELLED when the
 * person says no, ZIS_ARG when there is nobody to ask. */
ZIS_MUST_USE zis_status zis_models_rm(const char *name, bool yes, bool json, zis_error *err);

#endif
