/* nfc.c - decompose, order, compose (UAX #15), segment by segment.
 *
 * libutf8proc decomposes one code point and composes a sequence; ordering is done here, since its
 * own takes quadratic time for long runs of marks. */
#include "text/nfc.h"

#include "base/utf8.h"
#include "text/unicode.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define OPTIONS (UTF8PROC_STABLE | UTF8PROC_COMPOSE)
/* The longest canonical decomposition: U+1F82 and its like. */
#define DECOMPOSED_MAX 4
/* Below U+0300 every code point is a starter that no later one changes but by composition. Its
 * UTF-8 starts with a byte below this. */
#define MARK_LEAD 0xCC

typedef struct points {
    int32_t *cp;
    size_t n;
    size_t room;
} points;

static bool reserve(points *p, size_t n)
{
    if (n <= p->room) return true;
    size_t room = p->room ? p->room * 2 : 256;
    if (room < n) room = n;
    int32_t *cp = zis_mem_resize(p->cp, room, sizeof *cp);
    if (!cp) return false;
    p->cp = cp;
    p->room = room;
    return true;
}

static unsigned combining_class(int32_t cp)
{
    return (unsigned)utf8proc_get_property(cp)->combining_class;
}

static void sort_few(int32_t *cp, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        int32_t x = cp[i];
        unsigned c = combining_class(x);
        size_t j = i;
        for (; j > 0 && combining_class(cp[j - 1]) > c; j--) cp[j] = cp[j - 1];
        cp[j] = x;
    }
}

/* Stable, by counting. */
static bool sort_many(int32_t *cp, size_t n, points *spare)
{
    size_t start[256] = {0};
    if (!reserve(spare, n)) return false;
    for (size_t i = 0; i < n; i++) start[combining_class(cp[i])]++;
    size_t sum = 0;
    for (int c = 0; c < 256; c++) {
        size_t count = start[c];
        start[c] = sum;
        sum += count;
    }
    for (size_t i = 0; i < n; i++) spare->cp[start[combining_class(cp[i])]++] = cp[i];
    memcpy(cp, spare->cp, n * sizeof *cp);
    return true;
}

/* Puts each run of marks into the order of their combining classes. */
static bool order(points *p, points *spare)
{
    for (size_t i = 0; i < p->n;) {
        size_t end = i;
        while (end < p->n && combining_class(p->cp[end]) > 0) end++;
        if (end - i > 16) {
            if (!sort_many(p->cp + i, end - i, spare)) return false;
        } else if (end - i > 1) {
            sort_few(p->cp + i, end - i);
        }
        i = end + 1;
    }
    return true;
}

static bool flush(zis_buf *out, points *p, points *spare)
{
    if (p->n == 0) return true;
    if (!order(p, spare)) return false;
    utf8proc_ssize_t n = utf8proc_normalize_utf32(p->cp, (utf8proc_ssize_t)p->n, OPTIONS);
    if (n < 0) return false; /* cannot happen: every code point is valid */
    for (utf8proc_ssize_t i = 0; i < n; i++) {
        char bytes[4];
        zis_buf_append(out, bytes, zis_utf8_encode((uint32_t)p->cp[i], bytes));
    }
    p->n = 0;
    return true;
}

/* Normalises from s[i] until a code point that nothing before it can change; *i is moved there. */
static bool segment(zis_buf *out, const char *s, size_t n, size_t *i, points *p, points *spare)
{
    size_t k = *i;
    while (k < n) {
        uint32_t cp = 0;
        size_t len = zis_utf8_decode(s + k, n - k, &cp);
        if (len == 0) return false; /* the caller has checked the text */
        if (k > *i && cp < 0x300) break;
        if (zis_unicode_is_wall(cp)) {
            if (!flush(out, p, spare)) return false;
            zis_buf_append(out, s + k, len);
        } else {
            if (!reserve(p, p->n + DECOMPOSED_MAX)) return false;
            utf8proc_ssize_t got = utf8proc_decompose_char((utf8proc_int32_t)cp, p->cp + p->n,
                                                           DECOMPOSED_MAX, OPTIONS, NULL);
            if (got < 0 || got > DECOMPOSED_MAX) return false;
            p->n += (size_t)got;
        }
        k += len;
    }
    *i = k;
    return flush(out, p, spare);
}

bool zis_nfc_is_plain(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)s[i] >= MARK_LEAD) return false;
    }
    return true;
}

void zis_nfc_append(zis_buf *out, const char *s, size_t n)
{
    points p = {0}, spare = {0};
    for (size_t i = 0; i < n;) {
        size_t k = i;
        while (k < n && (unsigned char)s[k] < MARK_LEAD) k++;
        if (k < n) {
            /* The last code point of the plain run may take part in what follows. */
            while (k > i && ((unsigned char)s[--k] & 0xC0) == 0x80) continue;
        }
        zis_buf_append(out, s + i, k - i);
        i = k;
        if (i < n && !segment(out, s, n, &i, &p, &spare)) {
            out->failed = true;
            break;
        }
    }
    free(p.cp);
    free(spare.cp);
}
