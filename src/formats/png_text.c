/* png_text.c - texts in PNG: tEXt, zTXt and iTXt. */
#include "formats/png.h"

#include "base/utf8.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

/* Keys have 1 to 79 bytes (PNG 1.2, 11.3.4.2); we allow ASCII only. */
#define KEY_MAX 79

static void put_utf8(zis_buf *out, uint32_t cp)
{
    char utf8[4];
    zis_buf_append(out, utf8, zis_utf8_encode(cp, utf8));
}

/* tEXt is Latin-1 by the standard, but some writers put UTF-8 there. */
static void from_latin1(zis_buf *out, const uint8_t *p, size_t n)
{
    if (zis_utf8_valid((const char *)p, n)) {
        zis_buf_append(out, p, n);
        return;
    }
    for (size_t i = 0; i < n; i++) put_utf8(out, p[i]);
}

static zis_status inflate(
    zis_buf *out, const char *what, const uint8_t *p, size_t n, zis_error *err)
{
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    char *plain = zis_mem_alloc(ZIS_PICTURE_TEXT_MAX, 1);
    zis_status st = ZIS_OK;
    size_t got = 0;
    if (!d || !plain) {
        st = zis_fail_nomem(err, what);
        goto out;
    }
    switch (libdeflate_zlib_decompress(d, p, n, plain, ZIS_PICTURE_TEXT_MAX, &got)) {
    case LIBDEFLATE_SUCCESS:
        zis_buf_append(out, plain, got);
        break;
    case LIBDEFLATE_INSUFFICIENT_SPACE:
        st = zis_fail(err, ZIS_FORMAT, "%s: a compressed text has more than 1 MB", what);
        break;
    default:
        st = zis_fail(err, ZIS_FORMAT, "%s: a compressed text is damaged", what);
    }
out:
    libdeflate_free_decompressor(d);
    free(plain);
    return st;
}

/* What follows the key of an iTXt: compressed?, method, language NUL, translated key NUL, text. */
static zis_status international(
    zis_buf *out, const char *what, const uint8_t *p, size_t n, zis_error *err)
{
    const uint8_t *end = p + n, *q = NULL;
    if (n >= 2) q = memchr(p + 2, 0, n - 2);
    if (q) q = memchr(q + 1, 0, (size_t)(end - q - 1));
    if (!q || p[0] > 1 || (p[0] == 1 && p[1] != 0))
        return zis_fail(err, ZIS_FORMAT, "%s: a text chunk is damaged", what);
    q++;
    if (p[0] == 1) return inflate(out, what, q, (size_t)(end - q), err);
    zis_buf_append(out, q, (size_t)(end - q));
    return ZIS_OK;
}

/* The text of one chunk, in UTF-8; `p` begins behind the key's NUL. */
static zis_status chunk_text(
    zis_buf *out, const char *what, const char *type, const uint8_t *p, size_t n, zis_error *err)
{
    if (strcmp(type, "tEXt") == 0) {
        from_latin1(out, p, n);
        return ZIS_OK;
    }
    if (strcmp(type, "iTXt") == 0) return international(out, what, p, n, err);
    if (n < 1 || p[0] != 0) /* method 0: zlib */
        return zis_fail(err, ZIS_FORMAT, "%s: a compressed text is damaged", what);
    zis_buf raw = {0};
    zis_status st = inflate(&raw, what, p + 1, n - 1, err);
    if (!st) from_latin1(out, (const uint8_t *)(raw.data ? raw.data : ""), raw.len);
    if (raw.failed) out->failed = true;
    zis_buf_free(&raw);
    return st;
}

zis_status zis_png_text_get(
    char **out, const char *what, const uint8_t *data, size_t size, const char *key, zis_error *err)
{
    zis_png_chunk c;
    size_t k = strlen(key);
    *out = NULL;
    for (size_t at = 8; zis_png_chunk_at(&c, data, size, at); at = c.next) {
        if (strcmp(c.type, "tEXt") != 0 && strcmp(c.type, "zTXt") != 0 &&
            strcmp(c.type, "iTXt") != 0)
            continue;
        if (c.n <= k || memcmp(c.data, key, k) != 0 || c.data[k] != 0) continue;
        if (!zis_png_chunk_intact(&c))
            return zis_fail(err, ZIS_FORMAT, "%s: the text '%.79s' at byte %zu is damaged", what,
                            key, c.at);
        if (c.n > ZIS_PICTURE_TEXT_MAX)
            return zis_fail(err, ZIS_FORMAT, "%s: the text '%.79s' has more than 1 MB", what, key);
        zis_buf b = {0};
        zis_buf_puts(&b, ""); /* an empty text is one */
        zis_status st = chunk_text(&b, what, c.type, c.data + k + 1, c.n - k - 1, err);
        if (!st && b.failed) st = zis_fail_nomem(err, what);
        if (!st && (memchr(b.data, 0, b.len) || !zis_utf8_valid(b.data, b.len)))
            st = zis_fail(err, ZIS_FORMAT, "%s: the text '%.79s' is not UTF-8", what, key);
        if (st) {
            zis_buf_free(&b);
            return st;
        }
        *out = b.data;
        return ZIS_OK;
    }
    return ZIS_OK;
}

/* The text in Latin-1; false when it does not fit, or when its bytes would pass for UTF-8. */
static bool to_latin1(zis_buf *out, const char *s)
{
    size_t n = strlen(s);
    bool ascii = true;
    for (size_t i = 0; i < n;) {
        uint32_t cp = 0;
        size_t len = zis_utf8_decode(s + i, n - i, &cp);
        if (len == 0 || cp > 0xFF) return false;
        ascii = ascii && cp < 0x80;
        zis_buf_putc(out, (char)cp);
        i += len;
    }
    return out->failed || ascii || !zis_utf8_valid(out->data, out->len);
}

zis_status zis_png_text_put(zis_buf *out, const zis_picture_text *text, zis_error *err)
{
    size_t k = strlen(text->key);
    bool fits = k >= 1 && k <= KEY_MAX && text->key[0] != ' ' && text->key[k - 1] != ' ';
    for (size_t i = 0; i < k; i++) fits = fits && text->key[i] >= 0x20 && text->key[i] < 0x7F;
    size_t n = strlen(text->value);
    if (!fits || !zis_utf8_valid(text->value, n) || n > ZIS_PICTURE_TEXT_MAX / 2)
        return zis_fail(err, ZIS_ARG, "the text '%.79s' cannot be written into a PNG", text->key);
    zis_buf plain = {0}, chunk = {0};
    zis_buf_append(&chunk, text->key, k + 1);
    if (to_latin1(&plain, text->value)) {
        zis_buf_append(&chunk, plain.data, plain.len);
        zis_png_chunk_put(out, "tEXt", chunk.data, chunk.len);
    } else {
        zis_buf_append(&chunk, "\0\0\0\0",
                       4); /* not compressed, method, language, translated key */
        zis_buf_append(&chunk, text->value, n);
        zis_png_chunk_put(out, "iTXt", chunk.data, chunk.len);
    }
    if (plain.failed || chunk.failed) out->failed = true;
    zis_buf_free(&plain);
    zis_buf_free(&chunk);
    return ZIS_OK;
}
