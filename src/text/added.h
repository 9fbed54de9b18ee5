/* added.h - the added tokens: texts that are ids of their own, cut out of the raw text first.
 *
 *     {0} -> put ... -> seal -> next ... -> deinit        Threads: read-only after seal. */
#ifndef ZIS_TEXT_ADDED_H
#define ZIS_TEXT_ADDED_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZIS_ADDED_MAX 16384     /* tokens */
#define ZIS_ADDED_TEXT_MAX 1024 /* bytes of one */

typedef struct zis_added_token {
    char *text;
    size_t len;
    int32_t id;
} zis_added_token;

typedef struct zis_added {
    zis_added_token *tokens; /* sorted by seal */
    size_t n;
    size_t room;
    bool first[256]; /* bytes that a token starts with */
} zis_added;

/* A place in a text. */
typedef struct zis_added_match {
    size_t at;
    size_t len;
    int32_t id;
} zis_added_match;

/* Adds a token (a copy of s). `what` is the file, for messages. */
ZIS_MUST_USE zis_status
zis_added_put(zis_added *a, const char *what, const char *s, int32_t id, zis_error *err);
/* Sorts; fails when a text is there twice. */
ZIS_MUST_USE zis_status zis_added_seal(zis_added *a, const char *what, zis_error *err);
void zis_added_deinit(zis_added *a);

/* The leftmost token in s[from, n), of those that start there the longest; false if there is none.
 */
bool zis_added_next(const zis_added *a, const char *s, size_t from, size_t n, zis_added_match *out);
/* True when there is a token of this text. */
bool zis_added_has(const zis_added *a, const char *s);

#endif
