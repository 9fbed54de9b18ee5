/* split.c - the scanner. The alternatives of the pattern are numbered 1 to 7 in their order. */
#include "text/split.h"

#include "base/utf8.h"
#include "text/unicode.h"

const char zis_split_pattern[] =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+"
    "[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/* The class of the code point at s[i] and, in *next, where it ends. */
static zis_unicode_class step(const char *s, size_t n, size_t i, size_t *next)
{
    uint32_t cp = 0;
    size_t k = zis_utf8_decode(s + i, n - i, &cp);
    *next = i + (k ? k : 1); /* the caller has checked the text; never stand still all the same */
    return zis_unicode_classify(cp);
}

/* Where the run of one class that starts at s[i] ends. */
static size_t run(const char *s, size_t n, size_t i, zis_unicode_class c)
{
    size_t next;
    while (i < n && step(s, n, i, &next) == c) i = next;
    return i;
}

/* Bytes of what follows an apostrophe in alternative 1; 0 if nothing does. */
static size_t contraction(const char *s, size_t n)
{
    if (n == 0) return 0;
    char a = (char)(s[0] | 0x20);
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 1;
    if (n < 2) return 0;
    char b = (char)(s[1] | 0x20);
    if ((a == 'r' || a == 'v') && b == 'e') return 2;
    if (a == 'l' && b == 'l') return 2;
    /* U+017F, the long s, is an s where case does not count. */
    if (s[0] == '\xC5' && s[1] == '\xBF') return 2;
    return 0;
}

/* Alternatives 5 to 7 for the run of white space at the start. */
static size_t white(const char *s, size_t n)
{
    size_t end = 0, last = 0, newline = 0, next;
    while (end < n) {
        zis_unicode_class c = step(s, n, end, &next);
        if (c != ZIS_UNICODE_SPACE && c != ZIS_UNICODE_NEWLINE) break;
        if (c == ZIS_UNICODE_NEWLINE) newline = next;
        last = end;
        end = next;
    }
    if (newline) return newline;
    /* Before a visible character the last white space is left to the next piece. */
    return end == n || last == 0 ? end : last;
}

size_t zis_split_next(const char *s, size_t n)
{
    size_t i, j;
    zis_unicode_class c = step(s, n, 0, &i);
    if (s[0] == '\'') { /* 1 */
        j = contraction(s + 1, n - 1);
        if (j) return 1 + j;
    }
    if (c == ZIS_UNICODE_NUMBER) return i;               /* 3 */
    if (c == ZIS_UNICODE_LETTER) return run(s, n, i, c); /* 2 */
    if (c != ZIS_UNICODE_NEWLINE) {
        j = run(s, n, i, ZIS_UNICODE_LETTER); /* 2 with a leading character */
        if (j > i) return j;
    }
    j = c == ZIS_UNICODE_OTHER || s[0] == ' ' ? run(s, n, i, ZIS_UNICODE_OTHER) : i;
    if (c == ZIS_UNICODE_OTHER || j > i) return run(s, n, j, ZIS_UNICODE_NEWLINE); /* 4 */
    return white(s, n);
}
