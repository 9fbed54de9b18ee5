/* added.c - a sorted list that is narrowed byte by byte, like the walk down a trie. */
#include "text/added.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

zis_status zis_added_put(zis_added *a, const char *what, const char *s, int32_t id, zis_error *err)
{
    size_t len = strlen(s);
    if (len == 0)
        return zis_fail(err, ZIS_FORMAT, "%s: the added token with id %d has no text", what, id);
    if (len > ZIS_ADDED_TEXT_MAX)
        return zis_fail(err, ZIS_FORMAT,
                        "%s: the added token with id %d has %zu bytes, more than "
                        "%d",
                        what, id, len, ZIS_ADDED_TEXT_MAX);
    if (a->n == ZIS_ADDED_MAX)
        return zis_fail(err, ZIS_FORMAT, "%s has more than %d added tokens", what, ZIS_ADDED_MAX);
    if (a->n == a->room) {
        size_t room = a->room ? a->room * 2 : 32;
        zis_added_token *p = zis_mem_resize(a->tokens, room, sizeof *p);
        if (!p) return zis_fail_nomem(err, what);
        a->tokens = p;
        a->room = room;
    }
    char *text = zis_mem_strndup(s, len);
    if (!text) return zis_fail_nomem(err, what);
    a->tokens[a->n++] = (zis_added_token){.text = text, .len = len, .id = id};
    a->first[(unsigned char)*text] = true;
    return ZIS_OK;
}

static int compare(const void *a, const void *b)
{
    const zis_added_token *x = a, *y = b;
    return strcmp(x->text, y->text);
}

zis_status zis_added_seal(zis_added *a, const char *what, zis_error *err)
{
    if (a->n == 0) return ZIS_OK;
    qsort(a->tokens, a->n, sizeof *a->tokens, compare);
    for (size_t i = 1; i < a->n; i++) {
        if (compare(&a->tokens[i - 1], &a->tokens[i]) == 0)
            return zis_fail(err, ZIS_FORMAT, "%s: the added token '%.*s' is there twice", what,
                            zis_utf8_cut(a->tokens[i].text, a->tokens[i].len, 60),
                            a->tokens[i].text);
    }
    return ZIS_OK;
}

void zis_added_deinit(zis_added *a)
{
    for (size_t i = 0; i < a->n; i++) free(a->tokens[i].text);
    free(a->tokens);
    *a = (zis_added){0};
}

/* The first token in [lo, hi) whose byte at `depth` is not below c; all share the bytes before. A
 * token that ends there counts as byte 0: tokens hold no NUL. */
static size_t lower_bound(const zis_added *a, size_t lo, size_t hi, size_t depth, unsigned c)
{
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if ((unsigned char)a->tokens[mid].text[depth] < c) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

/* The longest token at the start of s, or NULL. */
static const zis_added_token *longest(const zis_added *a, const char *s, size_t n)
{
    const zis_added_token *found = NULL;
    size_t lo = 0, hi = a->n;
    for (size_t depth = 0; depth < n; depth++) {
        unsigned c = (unsigned char)s[depth];
        if (c == 0) break;
        lo = lower_bound(a, lo, hi, depth, c);
        hi = lower_bound(a, lo, hi, depth, c + 1);
        if (lo == hi) break;
        if (a->tokens[lo].len == depth + 1) found = &a->tokens[lo];
    }
    return found;
}

bool zis_added_next(const zis_added *a, const char *s, size_t from, size_t n, zis_added_match *out)
{
    for (size_t i = from; i < n; i++) {
        if (!a->first[(unsigned char)s[i]]) continue;
        const zis_added_token *t = longest(a, s + i, n - i);
        if (t) {
            *out = (zis_added_match){.at = i, .len = t->len, .id = t->id};
            return true;
        }
    }
    return false;
}

bool zis_added_has(const zis_added *a, const char *s)
{
    size_t len = strlen(s);
    const zis_added_token *t = longest(a, s, len);
    return t && t->len == len;
}
