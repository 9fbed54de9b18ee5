/* exif.c - a walk through the TIFF directories of EXIF 2.3. */
#include "formats/exif.h"

#include "base/utf8.h"
#include "formats/picture_kind.h"

#include <stdlib.h>
#include <string.h>

enum { TAG_ORIENTATION = 0x0112, TAG_EXIF_IFD = 0x8769, TAG_USER_COMMENT = 0x9286 };
enum { TYPE_SHORT = 3, TYPE_LONG = 4, TYPE_UNDEFINED = 7 };
/* A directory entry: tag, type, count, value or offset. */
enum { ENTRY = 12 };

typedef struct tiff {
    const uint8_t *p;
    size_t n;
    bool big; /* "MM" */
} tiff;

typedef struct field {
    uint32_t type;
    uint32_t count;
    size_t value; /* offset of the entry's value field */
} field;

/* Offsets have been checked. */
static uint32_t get16(const tiff *t, size_t at)
{
    const uint8_t *p = t->p + at;
    return t->big ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static uint32_t get32(const tiff *t, size_t at)
{
    return t->big ? get16(t, at) << 16 | get16(t, at + 2) : get16(t, at + 2) << 16 | get16(t, at);
}

static bool open_tiff(tiff *t, const uint8_t *block, size_t n)
{
    if (n >= 6 && memcmp(block, "Exif\0\0", 6) == 0) {
        block += 6;
        n -= 6;
    }
    if (n < 8) return false;
    *t = (tiff){.p = block, .n = n, .big = block[0] == 'M'};
    if (memcmp(block, "MM", 2) != 0 && memcmp(block, "II", 2) != 0) return false;
    return get16(t, 2) == 42;
}

static bool find(const tiff *t, size_t directory, uint32_t tag, field *out)
{
    if (directory > t->n || t->n - directory < 2) return false;
    size_t entries = get16(t, directory);
    size_t room = (t->n - directory - 2) / ENTRY;
    if (entries > room) entries = room;
    for (size_t i = 0; i < entries; i++) {
        size_t at = directory + 2 + i * ENTRY;
        if (get16(t, at) != tag) continue;
        *out = (field){get16(t, at + 2), get32(t, at + 4), at + 8};
        return true;
    }
    return false;
}

int zis_exif_orientation(const uint8_t *block, size_t n)
{
    tiff t;
    field f;
    if (!open_tiff(&t, block, n) || !find(&t, get32(&t, 4), TAG_ORIENTATION, &f)) return 1;
    if (f.count != 1 || (f.type != TYPE_SHORT && f.type != TYPE_LONG)) return 1;
    uint32_t v = f.type == TYPE_SHORT ? get16(&t, f.value) : get32(&t, f.value);
    return v >= 1 && v <= 8 ? (int)v : 1;
}

zis_status zis_exif_turn(zis_image **img, int orientation, zis_error *err)
{
    if (orientation <= 1) return ZIS_OK;
    const zis_image *src = *img;
    ptrdiff_t c = src->channels, row = c * src->width;
    ptrdiff_t right = c * (src->width - 1), bottom = row * (src->height - 1);
    /* where the upright picture's first pixel lies, and the steps to its right and lower neighbour
     */
    const struct {
        ptrdiff_t first, across, down;
    } walks[9] = {
        [2] = {right, -c, row}, [3] = {right + bottom, -c, -row}, [4] = {bottom, c, -row},
        [5] = {0, row, c},      [6] = {bottom, -row, c},          [7] = {right + bottom, -row, -c},
        [8] = {right, row, -c},
    };
    bool swap = orientation >= 5;
    zis_image *dst = NULL;
    zis_status st = zis_image_create(&dst, swap ? src->height : src->width,
                                     swap ? src->width : src->height, src->channels, err);
    if (st) return st;
    uint8_t *to = dst->data;
    for (int y = 0; y < dst->height; y++) {
        const uint8_t *from = src->data + walks[orientation].first + y * walks[orientation].down;
        for (int x = 0; x < dst->width; x++) {
            for (ptrdiff_t k = 0; k < c; k++) to[k] = from[k];
            to += c;
            if (x + 1 < dst->width) from += walks[orientation].across;
        }
    }
    zis_image_destroy(img);
    *img = dst;
    return ZIS_OK;
}

/* Which byte order UTF-16 has: the mark if there is one, else where the zero bytes of Latin letters
 * lie (some writers ignore the order of the block), else the block's. */
static bool utf16_big(const uint8_t *p, size_t n, bool block_big)
{
    if (n >= 2 && p[0] == 0xFE && p[1] == 0xFF) return true;
    if (n >= 2 && p[0] == 0xFF && p[1] == 0xFE) return false;
    size_t first = 0, second = 0;
    for (size_t i = 0; i + 1 < n; i += 2) {
        first += p[i] == 0 && p[i + 1] != 0;
        second += p[i] != 0 && p[i + 1] == 0;
    }
    return first == second ? block_big : first > second;
}

static void put_utf8(zis_buf *out, uint32_t cp)
{
    char utf8[4];
    zis_buf_append(out, utf8, zis_utf8_encode(cp, utf8));
}

/* Lone surrogates become U+FFFD. */
static void from_utf16(zis_buf *out, const uint8_t *p, size_t n, bool big)
{
    tiff t = {.p = p, .n = n / 2 * 2, .big = big};
    for (size_t i = 0; i + 1 < n; i += 2) {
        uint32_t cp = get16(&t, i);
        if (cp == 0) break;
        if (i == 0 && cp == 0xFEFF) continue;
        if (cp >= 0xD800 && cp < 0xDC00 && i + 3 < n) {
            uint32_t lo = get16(&t, i + 2);
            if (lo >= 0xDC00 && lo < 0xE000) {
                cp = 0x10000 + ((cp - 0xD800) << 10) + (lo - 0xDC00);
                i += 2;
            }
        }
        put_utf8(out, cp >= 0xD800 && cp < 0xE000 ? 0xFFFD : cp);
    }
}

/* "ASCII" in the wild is ASCII, UTF-8 or Latin-1. */
static void from_bytes(zis_buf *out, const uint8_t *p, size_t n)
{
    const uint8_t *nul = memchr(p, 0, n);
    if (nul) n = (size_t)(nul - p);
    if (zis_utf8_valid((const char *)p, n)) {
        zis_buf_append(out, p, n);
        return;
    }
    for (size_t i = 0; i < n; i++) put_utf8(out, p[i]);
}

zis_status zis_exif_comment_get(
    char **out, const char *what, const uint8_t *block, size_t n, zis_error *err)
{
    tiff t;
    field f;
    *out = NULL;
    if (!open_tiff(&t, block, n) || !find(&t, get32(&t, 4), TAG_EXIF_IFD, &f)) return ZIS_OK;
    if (f.type != TYPE_LONG || !find(&t, get32(&t, f.value), TAG_USER_COMMENT, &f)) return ZIS_OK;
    if (f.type != TYPE_UNDEFINED || f.count <= 8) return ZIS_OK;
    size_t at = get32(&t, f.value), len = f.count;
    if (at > t.n || len > t.n - at) return ZIS_OK;
    if (len > ZIS_PICTURE_TEXT_MAX)
        return zis_fail(err, ZIS_FORMAT, "%s: the EXIF comment has more than 1 MB", what);
    const uint8_t *code = t.p + at, *text = code + 8;
    len -= 8;
    zis_buf b = {0};
    if (memcmp(code, "UNICODE\0", 8) == 0)
        from_utf16(&b, text, len, utf16_big(text, len, t.big));
    else if (memcmp(code, "ASCII\0\0\0", 8) == 0 || memcmp(code, "\0\0\0\0\0\0\0\0", 8) == 0)
        from_bytes(&b, text, len);
    if (b.failed) {
        zis_buf_free(&b);
        return zis_fail_nomem(err, what);
    }
    if (b.len == 0) zis_buf_free(&b); /* an empty comment is none */
    *out = b.data;
    return ZIS_OK;
}

static void put16(zis_buf *b, uint32_t v)
{
    zis_buf_putc(b, (char)(v >> 8));
    zis_buf_putc(b, (char)v);
}

static void put32(zis_buf *b, uint32_t v)
{
    put16(b, v >> 16);
    put16(b, v & 0xFFFF);
}

void zis_exif_comment_put(zis_buf *out, const char *utf8)
{
    enum { IFD0 = 8, DIRECTORY = 2 + ENTRY + 4, EXIF_IFD = IFD0 + DIRECTORY };
    zis_buf text = {0};
    size_t n = strlen(utf8);
    for (size_t i = 0; i < n;) {
        uint32_t cp = 0xFFFD;
        size_t len = zis_utf8_decode(utf8 + i, n - i, &cp);
        i += len ? len : 1;
        if (cp >= 0x10000) {
            put16(&text, 0xD800 + ((cp - 0x10000) >> 10));
            cp = 0xDC00 + (cp & 0x3FF);
        }
        put16(&text, cp);
    }
    zis_buf_append(out, "MM\0*", 4);
    put32(out, IFD0);
    put16(out, 1);
    put16(out, TAG_EXIF_IFD);
    put16(out, TYPE_LONG);
    put32(out, 1);
    put32(out, EXIF_IFD);
    put32(out, 0); /* no further directory */
    put16(out, 1);
    put16(out, TAG_USER_COMMENT);
    put16(out, TYPE_UNDEFINED);
    put32(out, (uint32_t)(8 + text.len));
    put32(out, EXIF_IFD + DIRECTORY);
    put32(out, 0);
    zis_buf_append(out, "UNICODE\0", 8);
    zis_buf_append(out, text.data, text.len);
    if (text.failed) out->failed = true;
    zis_buf_free(&text);
}
