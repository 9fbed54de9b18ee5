/* utf8.h - one code point at a time, strictly (RFC 3629): no overlong forms, no surrogates, nothing
 * above U+10FFFF.
 *
 * Threads: pure functions. */
#ifndef ZIS_BASE_UTF8_H
#define ZIS_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The code point at the start of s[0, n) and its length in bytes (1 to 4); 0 when the bytes are not
 * UTF-8 or n is 0. *cp is untouched then. */
static inline size_t zis_utf8_decode(const char *s, size_t n, uint32_t *cp)
{
    const unsigned char *p = (const unsigned char *)s;
    if (n == 0) return 0;
    if (p[0] < 0x80) {
        *cp = p[0];
        return 1;
    }
    if (p[0] < 0xC2 || p[0] > 0xF4) return 0;
    size_t len = p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    if (n < len) return 0;
    uint32_t v = p[0] & (0x7Fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xC0u) != 0x80u) return 0;
        v = v << 6 | (p[i] & 0x3Fu);
    }
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (v < least[len] || v > 0x10FFFF || (v >= 0xD800 && v <= 0xDFFF)) return 0;
    *cp = v;
    return len;
}

/* Writes a code point (at most U+10FFFF) as 1 to 4 bytes; returns how many. */
static inline size_t zis_utf8_encode(uint32_t cp, char out[4])
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    size_t len = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--) {
        out[i] = (char)(0x80u | (cp & 0x3Fu));
        cp >>= 6;
    }
    static const unsigned char lead[5] = {0, 0, 0xC0, 0xE0, 0xF0};
    out[0] = (char)(lead[len] | cp);
    return len;
}

static inline bool zis_utf8_valid(const char *s, size_t n)
{
    uint32_t cp;
    for (size_t i = 0; i < n;) {
        size_t len = zis_utf8_decode(s + i, n - i, &cp);
        if (len == 0) return false;
        i += len;
    }
    return true;
}

/* The most bytes of s[0, n), at most `most`, that do not end inside a code point: for quoting names
 * in messages with "%.*s". */
static inline int zis_utf8_cut(const char *s, size_t n, int most)
{
    if (n <= (size_t)most) return (int)n;
    while (most > 0 && ((unsigned char)s[most] & 0xC0u) == 0x80u) most--;
    return most;
}

#endif
