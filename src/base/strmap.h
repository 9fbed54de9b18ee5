/* strmap.h - byte strings to numbers, hashed with a secret seed, so that names chosen by a hostile
 * file cannot slow the look-up down.
 *
 * Keys are borrowed: their bytes must stay in place while the map lives. Nothing is ever removed.
 *
 *     {0} -> put ... -> get ... -> free        Threads: get may be shared after the last put. */
#ifndef ZIS_BASE_STRMAP_H
#define ZIS_BASE_STRMAP_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct zis_strmap_slot {
    const char *key; /* NULL: free */
    size_t len;
    size_t value;
    uint64_t hash;
} zis_strmap_slot;

typedef struct zis_strmap {
    zis_strmap_slot *slots;
    size_t room; /* a power of two, or 0 */
    size_t count;
    uint64_t seed[2];
} zis_strmap;

/* Adds a key. When it is there already, its value stays, *old (may be NULL) is set to it and
 * ZIS_ARG comes back; ZIS_NOMEM without memory. */
ZIS_MUST_USE zis_status
zis_strmap_put(zis_strmap *m, const char *key, size_t len, size_t value, size_t *old);
/* False when the key is absent; *value is untouched then. */
bool zis_strmap_get(const zis_strmap *m, const char *key, size_t len, size_t *value);
void zis_strmap_free(zis_strmap *m);

#endif
