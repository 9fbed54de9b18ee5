/* picture.c - finds the kind by content, checks sizes, turns pictures upright. */
#include "formats/picture.h"

#include "base/os.h"
#include "formats/exif.h"
#include "formats/picture_kind.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const zis_picture_format *const kinds[] = {
    [ZIS_PICTURE_PNG] = &zis_png_format,
    [ZIS_PICTURE_JPEG] = &zis_jpeg_format,
    [ZIS_PICTURE_WEBP] = &zis_webp_format,
};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* The longest side that every kind and every reader can handle. */
#define SIDE_MAX 65535

/* Kinds that people will try, for a message that says more than "unknown". */
static const struct {
    const char *name;
    size_t at;
    const char *magic;
    size_t n;
} refused[] = {
    {"a GIF", 0, "GIF8", 4},      {"a BMP", 0, "BM", 2},           {"a TIFF", 0, "II*\0", 4},
    {"a TIFF", 0, "MM\0*", 4},    {"an AVIF", 4, "ftypavif", 8},   {"a HEIC", 4, "ftypheic", 8},
    {"a HEIC", 4, "ftypmif1", 8}, {"a JPEG XL", 0, "\xFF\x0A", 2}, {"a JPEG XL", 4, "JXL \r\n", 6},
    {"an SVG", 0, "<svg", 4},     {"a PDF", 0, "%PDF", 4},
};

static zis_status find_kind(const zis_picture_format **out,
                            const char *what,
                            const uint8_t *data,
                            size_t size,
                            zis_error *err)
{
    for (size_t i = 0; i < KINDS; i++) {
        if (!kinds[i]->probe(data, size)) continue;
        *out = kinds[i];
        return ZIS_OK;
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        if (size < refused[i].at + refused[i].n) continue;
        if (memcmp(data + refused[i].at, refused[i].magic, refused[i].n) != 0) continue;
        return zis_fail(err, ZIS_UNSUPPORTED,
                        "%s is %s, which is not accepted; use PNG, JPEG or WebP", what,
                        refused[i].name);
    }
    if (size == 0) return zis_fail(err, ZIS_FORMAT, "%s is empty", what);
    return zis_fail(err, ZIS_FORMAT, "%s is no picture that is known here; use PNG, JPEG or WebP",
                    what);
}

zis_status zis_picture_size(
    int *width, int *height, const char *what, const void *data, size_t size, zis_error *err)
{
    const zis_picture_format *kind;
    int w = 0, h = 0;
    if (size > ZIS_PICTURE_MAX_BYTES)
        return zis_fail(err, ZIS_FORMAT, "%s has %zu bytes; at most %u MB are accepted", what, size,
                        ZIS_PICTURE_MAX_BYTES >> 20);
    zis_status st = find_kind(&kind, what, data, size, err);
    if (!st) st = kind->size(&w, &h, what, data, size, err);
    if (st) return st;
    if (w < 1 || h < 1)
        return zis_fail(err, ZIS_FORMAT, "%s: a size of %d x %d is impossible", what, w, h);
    if (w > SIDE_MAX || h > SIDE_MAX || (int64_t)w * h > ZIS_IMAGE_MAX_PIXELS)
        return zis_fail(err, ZIS_FORMAT,
                        "%s: %d x %d pixels are too many (at most %d megapixels, %d a side)", what,
                        w, h, ZIS_IMAGE_MAX_PIXELS / 1000000, SIDE_MAX);
    const uint8_t *block;
    size_t n;
    kind->exif(&block, &n, data, size);
    bool swap = zis_exif_orientation(block, n) >= 5;
    *width = swap ? h : w;
    *height = swap ? w : h;
    return ZIS_OK;
}

zis_status zis_picture_decode(
    zis_image **out, const char *what, const void *data, size_t size, zis_error *err)
{
    const zis_picture_format *kind = NULL;
    zis_image *img = NULL;
    const uint8_t *block;
    size_t n;
    int w, h;
    zis_status st = zis_picture_size(&w, &h, what, data, size, err);
    if (!st) st = find_kind(&kind, what, data, size, err);
    if (!st) st = kind->decode(&img, what, data, size, err);
    if (st) goto out;
    kind->exif(&block, &n, data, size);
    st = zis_exif_turn(&img, zis_exif_orientation(block, n), err);
    if (st) goto out;
    *out = img;
    img = NULL;
out:
    zis_image_destroy(&img);
    return st;
}

zis_status zis_picture_read(zis_image **out, const char *path, zis_error *err)
{
    char *data = NULL;
    size_t size = 0;
    /* read, not mapped: a file cut short meanwhile must not end the process */
    zis_status st = zis_os_read_file(&data, &size, path, ZIS_PICTURE_MAX_BYTES, err);
    if (st) return st;
    char *what = zis_mem_printf("'%s'", path);
    st = what ? zis_picture_decode(out, what, data, size, err) : zis_fail_nomem(err, path);
    free(what);
    free(data);
    return st;
}

zis_status zis_picture_to_rgb(zis_image **img, zis_error *err)
{
    const zis_image *src = *img;
    if (src->channels == 3) return ZIS_OK;
    zis_image *dst = NULL;
    zis_status st = zis_image_create(&dst, src->width, src->height, 3, err);
    if (st) return st;
    size_t n = (size_t)src->width * (size_t)src->height;
    const uint8_t *s = src->data;
    uint8_t *d = dst->data;
    if (src->channels == 1) {
        for (size_t i = 0; i < n; i++, d += 3) d[0] = d[1] = d[2] = s[i];
    } else {
        for (size_t i = 0; i < n; i++, s += 4, d += 3) {
            unsigned a = s[3], white = 255 * (255 - a) + 127; /* 127: rounds to nearest */
            for (int k = 0; k < 3; k++) d[k] = (uint8_t)((s[k] * a + white) / 255);
        }
    }
    zis_image_destroy(img);
    *img = dst;
    return ZIS_OK;
}

const char *zis_picture_parameters(const zis_picture_text *texts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(texts[i].key, "parameters") == 0) return texts[i].value;
    return NULL;
}

zis_status zis_picture_text_get(
    char **out, const char *what, const void *data, size_t size, const char *key, zis_error *err)
{
    const zis_picture_format *kind = NULL;
    const uint8_t *block;
    size_t n;
    char *text = NULL;
    zis_status st = find_kind(&kind, what, data, size, err);
    if (!st && kind->text) {
        st = kind->text(&text, what, data, size, key, err);
    } else if (!st && strcmp(key, "parameters") == 0) {
        kind->exif(&block, &n, data, size);
        st = zis_exif_comment_get(&text, what, block, n, err);
    }
    if (!st) *out = text;
    return st;
}

zis_status zis_picture_kind_of(zis_picture_kind *out, const char *path, zis_error *err)
{
    size_t n = strlen(path);
    for (size_t i = 0; i < KINDS; i++) {
        for (size_t e = 0; e < 3 && kinds[i]->endings[e]; e++) {
            size_t k = strlen(kinds[i]->endings[e]);
            if (n < k || strcasecmp(path + n - k, kinds[i]->endings[e]) != 0) continue;
            *out = (zis_picture_kind)i;
            return ZIS_OK;
        }
    }
    return zis_fail(
        err, ZIS_ARG,
        "'%s' has no ending of a picture that can be written: .png, .jpg, .jpeg or .webp", path);
}

zis_status zis_picture_encode(zis_buf *out,
                              const zis_image *img,
                              zis_picture_kind kind,
                              const zis_picture_text *texts,
                              size_t n_texts,
                              zis_error *err)
{
    zis_buf file = {0};
    zis_status st = kinds[kind]->encode(&file, img, texts, n_texts, err);
    if (!st && file.failed) st = zis_fail_nomem(err, "the encoded picture");
    if (!st) {
        size_t before = out->len;
        zis_buf_append(out, file.data, file.len);
        if (out->failed || out->len != before + file.len)
            st = zis_fail(err, ZIS_NOMEM, "no room for the encoded picture of %zu bytes", file.len);
    }
    zis_buf_free(&file);
    return st;
}
