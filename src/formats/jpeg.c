/* jpeg.c - JPEG in and out by TurboJPEG; a walk over the markers before it finds EXIF, truncation
 * and scan bombs. */
#include "formats/exif.h"
#include "formats/picture_kind.h"

#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

/* Progressive files have about ten scans, and every scan costs a pass over the picture. */
#define SCANS_MAX 100
#define SCAN_PIXELS_MAX ((int64_t)1000 * 1000 * 1000)
#define QUALITY 92

enum { SOI = 0xD8, EOI = 0xD9, SOS = 0xDA, RST0 = 0xD0, RST7 = 0xD7, TEM = 0x01, APP0 = 0xE0 };
enum { APP1 = 0xE1, APP14 = 0xEE };

/* What the markers say. */
typedef struct outline {
    const uint8_t *exif;
    size_t exif_n;
    int scans;
    bool adobe;
    bool complete; /* an end marker was there */
} outline;

static size_t next_marker(const uint8_t *data, size_t size, size_t at)
{
    for (;;) {
        const uint8_t *p = at < size ? memchr(data + at, 0xFF, size - at) : NULL;
        if (!p) return size;
        at = (size_t)(p - data) + 1;
        while (at < size && data[at] == 0xFF) at++;
        if (at < size && data[at] != 0 && !(data[at] >= RST0 && data[at] <= RST7)) return at;
    }
}

static outline walk(const uint8_t *data, size_t size)
{
    outline o = {0};
    size_t at = next_marker(data, size, 0);
    while (at < size) {
        int marker = data[at++];
        if (marker == EOI) {
            o.complete = true;
            break;
        }
        if (marker != SOI && marker != TEM) {
            if (size - at < 2) break;
            size_t n = (size_t)data[at] << 8 | data[at + 1]; /* counts itself */
            if (n < 2 || n > size - at) break;
            const uint8_t *body = data + at + 2;
            if (marker == APP1 && !o.exif && n >= 8 && memcmp(body, "Exif\0\0", 6) == 0) {
                o.exif = body;
                o.exif_n = n - 2;
            }
            if (marker == APP14 && n >= 14 && memcmp(body, "Adobe", 5) == 0) o.adobe = true;
            if (marker == SOS) o.scans++;
            at += n;
        }
        at = next_marker(data, size, at);
    }
    return o;
}

static bool probe(const uint8_t *data, size_t size)
{
    return size >= 3 && data[0] == 0xFF && data[1] == SOI && data[2] == 0xFF;
}

static void find_exif(const uint8_t **block, size_t *n, const uint8_t *data, size_t size)
{
    outline o = walk(data, size);
    *block = o.exif;
    *n = o.exif_n;
}

static zis_status damaged(const char *what, tjhandle tj, zis_error *err)
{
    const char *why = tjGetErrorStr2(tj);
    if (strstr(why, "emory")) return zis_fail_nomem(err, what);
    return zis_fail(err, ZIS_FORMAT, "%s: the JPEG cannot be read (%s)", what, why);
}

static zis_status read_header(tjhandle tj,
                              int *w,
                              int *h,
                              int *space,
                              const char *what,
                              const uint8_t *data,
                              size_t size,
                              zis_error *err)
{
    int subsampling;
    if (tjDecompressHeader3(tj, data, (unsigned long)size, w, h, &subsampling, space) != 0)
        return damaged(what, tj, err);
    return ZIS_OK;
}

static zis_status read_size(
    int *width, int *height, const char *what, const uint8_t *data, size_t size, zis_error *err)
{
    int space;
    tjhandle tj = tjInitDecompress();
    if (!tj) return zis_fail_nomem(err, what);
    zis_status st = read_header(tj, width, height, &space, what, data, size, err);
    tjDestroy(tj);
    return st;
}

/* Whether the decoder's complaint means lost pixels. It goes on after warnings; some are harmless.
 */
static bool lost_pixels(tjhandle tj)
{
    if (tjGetErrorCode(tj) == TJERR_FATAL) return true;
    const char *why = tjGetErrorStr2(tj);
    return (strstr(why, "Corrupt JPEG data") && !strstr(why, "extraneous")) ||
           strstr(why, "Premature end");
}

/* Four inks to light. Adobe's files, which are nearly all, hold them inverted. */
static void from_cmyk(uint8_t *rgb, const uint8_t *cmyk, size_t n, bool inverted)
{
    for (size_t i = 0; i < n; i++, cmyk += 4, rgb += 3) {
        unsigned k = inverted ? cmyk[3] : 255u - cmyk[3];
        for (int c = 0; c < 3; c++) {
            unsigned v = inverted ? cmyk[c] : 255u - cmyk[c];
            rgb[c] = (uint8_t)((v * k + 127) / 255);
        }
    }
}

static zis_status decode(
    zis_image **out, const char *what, const uint8_t *data, size_t size, zis_error *err)
{
    int w = 0, h = 0, space = 0;
    zis_image *img = NULL;
    uint8_t *inks = NULL;
    outline o = walk(data, size);
    zis_status st = ZIS_OK;
    tjhandle tj = tjInitDecompress();
    if (!tj) return zis_fail_nomem(err, what);
    st = read_header(tj, &w, &h, &space, what, data, size, err);
    if (st) goto out;
    if (!o.complete) {
        st = zis_fail(err, ZIS_FORMAT, "%s: the JPEG ends early after %zu bytes", what, size);
        goto out;
    }
    if (o.scans > SCANS_MAX || (int64_t)w * h * o.scans > SCAN_PIXELS_MAX) {
        st = zis_fail(err, ZIS_FORMAT, "%s: %d scans of %d x %d pixels are too many for a JPEG",
                      what, o.scans, w, h);
        goto out;
    }
    st = zis_image_create(&img, w, h, 3, err);
    if (st) goto out;
    bool cmyk = space == TJCS_CMYK || space == TJCS_YCCK;
    size_t n = (size_t)w * (size_t)h;
    if (cmyk && !(inks = zis_mem_alloc(n, 4))) {
        st = zis_fail_nomem(err, what);
        goto out;
    }
    if (tjDecompress2(tj, data, (unsigned long)size, cmyk ? inks : img->data, w, 0, h,
                      cmyk ? TJPF_CMYK : TJPF_RGB, TJFLAG_LIMITSCANS | TJFLAG_ACCURATEDCT) != 0 &&
        lost_pixels(tj)) {
        st = damaged(what, tj, err);
        goto out;
    }
    if (cmyk) from_cmyk(img->data, inks, n, o.adobe);
    *out = img;
    img = NULL;
out:
    free(inks);
    zis_image_destroy(&img);
    tjDestroy(tj);
    return st;
}

/* Puts the recipe behind the first segment (JFIF's APP0), where readers look for it. */
static zis_status put_with_exif(
    zis_buf *out, const uint8_t *file, size_t n, const char *text, zis_error *err)
{
    zis_buf exif = {0};
    zis_status st = ZIS_OK;
    size_t head = 2;
    if (n >= 6 && file[2] == 0xFF && file[3] == APP0) head = 4 + ((size_t)file[4] << 8 | file[5]);
    zis_buf_append(&exif, "Exif\0\0", 6);
    zis_exif_comment_put(&exif, text);
    size_t len = exif.len + 2;
    if (exif.failed) {
        st = zis_fail_nomem(err, "writing a JPEG");
    } else if (len > 0xFFFF) {
        st = zis_fail(err, ZIS_ARG,
                      "the recipe is too long for a JPEG (64 KB); write a PNG or leave it out");
    } else {
        const uint8_t segment[4] = {0xFF, APP1, (uint8_t)(len >> 8), (uint8_t)len};
        zis_buf_append(out, file, head);
        zis_buf_append(out, segment, 4);
        zis_buf_append(out, exif.data, exif.len);
        zis_buf_append(out, file + head, n - head);
    }
    zis_buf_free(&exif);
    return st;
}

static zis_status encode_pixels(zis_buf *out,
                                const zis_image *img,
                                const char *text,
                                zis_error *err)
{
    unsigned char *file = NULL;
    unsigned long n = 0;
    bool grey = img->channels == 1;
    zis_status st = ZIS_OK;
    tjhandle tj = tjInitCompress();
    if (!tj) return zis_fail_nomem(err, "writing a JPEG");
    if (tjCompress2(tj, img->data, img->width, 0, img->height, grey ? TJPF_GRAY : TJPF_RGB, &file,
                    &n, grey ? TJSAMP_GRAY : TJSAMP_444, QUALITY, TJFLAG_ACCURATEDCT) != 0)
        st = zis_fail(err, strstr(tjGetErrorStr2(tj), "emory") ? ZIS_NOMEM : ZIS_ARG,
                      "cannot write a JPEG of %d x %d pixels: %s", img->width, img->height,
                      tjGetErrorStr2(tj));
    else if (text)
        st = put_with_exif(out, file, n, text, err);
    else
        zis_buf_append(out, file, n);
    tjFree(file);
    tjDestroy(tj);
    return st;
}

static zis_status encode(zis_buf *out,
                         const zis_image *img,
                         const zis_picture_text *texts,
                         size_t n_texts,
                         zis_error *err)
{
    const char *text = zis_picture_parameters(texts, n_texts);
    if (img->channels != 4) return encode_pixels(out, img, text, err);
    zis_image *rgb = NULL; /* JPEG has no transparency */
    zis_status st = zis_image_create(&rgb, img->width, img->height, 4, err);
    if (st) return st;
    memcpy(rgb->data, img->data, (size_t)img->width * (size_t)img->height * 4);
    st = zis_picture_to_rgb(&rgb, err);
    if (!st) st = encode_pixels(out, rgb, text, err);
    zis_image_destroy(&rgb);
    return st;
}

const zis_picture_format zis_jpeg_format = {
    .name = "JPEG",
    .endings = {".jpg", ".jpeg"},
    .probe = probe,
    .size = read_size,
    .decode = decode,
    .exif = find_exif,
    .encode = encode,
};
