/* unicode.c - libutf8proc's categories plus what Unicode 16.0 added, and the walls of NFC. */
#include "text/unicode.h"

#include <stddef.h>
#include <utf8proc.h>

typedef struct range {
    uint32_t first, last;
} range;

/* Letters and numbers of Unicode 16.0 that 14.0 lacks; those that 15.0 has do no harm here. */
static const range letters[] = {
    {0x1C89, 0x1C8A},   {0xA7CB, 0xA7CD},   {0xA7DA, 0xA7DC},   {0x105C0, 0x105F3},
    {0x10D4A, 0x10D65}, {0x10D6F, 0x10D85}, {0x10EC2, 0x10EC4}, {0x1123F, 0x11240},
    {0x11380, 0x11389}, {0x1138B, 0x1138B}, {0x1138E, 0x1138E}, {0x11390, 0x113B5},
    {0x113B7, 0x113B7}, {0x113D1, 0x113D1}, {0x113D3, 0x113D3}, {0x11BC0, 0x11BE0},
    {0x11F02, 0x11F02}, {0x11F04, 0x11F10}, {0x11F12, 0x11F33}, {0x1342F, 0x1342F},
    {0x13441, 0x13446}, {0x13460, 0x143FA}, {0x16100, 0x1611D}, {0x16D40, 0x16D6C},
    {0x18CFF, 0x18CFF}, {0x1B132, 0x1B132}, {0x1B155, 0x1B155}, {0x1DF25, 0x1DF2A},
    {0x1E030, 0x1E06D}, {0x1E4D0, 0x1E4EB}, {0x1E5D0, 0x1E5ED}, {0x1E5F0, 0x1E5F0},
    {0x2B739, 0x2B739}, {0x2EBF0, 0x2EE5D}, {0x31350, 0x323AF},
};

static const range numbers[] = {
    {0x10D40, 0x10D49}, {0x116D0, 0x116E3}, {0x11BF0, 0x11BF9}, {0x11F50, 0x11F59},
    {0x16130, 0x16139}, {0x16D70, 0x16D79}, {0x1CCF0, 0x1CCF9}, {0x1D2C0, 0x1D2D3},
    {0x1E4F0, 0x1E4F9}, {0x1E5F1, 0x1E5FA},
};

/* Code points newer than Unicode 9.0 that 15.0 gives a combining class, a decomposition or a
 * composition. */
static const range walls[] = {
    {0x07FD, 0x07FD},   {0x0898, 0x089F},   {0x08CA, 0x08D3},   {0x09FE, 0x09FE},
    {0x0C3C, 0x0C3C},   {0x0D3B, 0x0D3C},   {0x0EBA, 0x0EBA},   {0x1715, 0x1715},
    {0x1ABF, 0x1ACE},   {0x1DF6, 0x1DFA},   {0xA82C, 0xA82C},   {0x10D24, 0x10D27},
    {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF}, {0x10F46, 0x10F50}, {0x10F82, 0x10F85},
    {0x11070, 0x11070}, {0x1133B, 0x1133B}, {0x1145E, 0x1145E}, {0x11839, 0x1183A},
    {0x11938, 0x11938}, {0x1193D, 0x1193E}, {0x11943, 0x11943}, {0x119E0, 0x119E0},
    {0x11A34, 0x11A34}, {0x11A47, 0x11A47}, {0x11A99, 0x11A99}, {0x11D42, 0x11D42},
    {0x11D44, 0x11D45}, {0x11D97, 0x11D97}, {0x11F41, 0x11F42}, {0x16FF0, 0x16FF1},
    {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF},
    {0x1E4EC, 0x1E4EF},
};

static bool in_ranges(const range *r, size_t n, uint32_t cp)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (r[mid].last < cp) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo < n && r[lo].first <= cp;
}

#define IN(table, cp) in_ranges(table, sizeof(table) / sizeof(table)[0], cp)

zis_unicode_class zis_unicode_classify(uint32_t cp)
{
    static const unsigned char ascii[128] = {
        ['\t'] = ZIS_UNICODE_SPACE,         ['\v'] = ZIS_UNICODE_SPACE,
        ['\f'] = ZIS_UNICODE_SPACE,         [' '] = ZIS_UNICODE_SPACE,
        ['\n'] = ZIS_UNICODE_NEWLINE,       ['\r'] = ZIS_UNICODE_NEWLINE,
        ['0' ... '9'] = ZIS_UNICODE_NUMBER, ['A' ... 'Z'] = ZIS_UNICODE_LETTER,
        ['a' ... 'z'] = ZIS_UNICODE_LETTER,
    };
    if (cp < 128) return (zis_unicode_class)ascii[cp];
    if (cp == 0x85 || cp == 0xA0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200A) ||
        cp == 0x2028 || cp == 0x2029 || cp == 0x202F || cp == 0x205F || cp == 0x3000)
        return ZIS_UNICODE_SPACE;
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return ZIS_UNICODE_LETTER;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return ZIS_UNICODE_NUMBER;
    case UTF8PROC_CATEGORY_CN:
        if (IN(letters, cp)) return ZIS_UNICODE_LETTER;
        return IN(numbers, cp) ? ZIS_UNICODE_NUMBER : ZIS_UNICODE_OTHER;
    default:
        return ZIS_UNICODE_OTHER;
    }
}

bool zis_unicode_is_wall(uint32_t cp)
{
    /* Two starters beyond the table. U+11A7 is the place before the first Hangul trailing
     * consonant and composes with nothing, but libutf8proc drops it after a syllable that ends in a
     * vowel. U+11930 (Unicode 13.0) composes with U+11935 there. */
    return cp >= walls[0].first && (cp == 0x11A7 || cp == 0x11930 || IN(walls, cp));
}
