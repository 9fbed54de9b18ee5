/* webp.c - WebP in and out by libwebp; the RIFF chunks around it by own hand. */
#include "formats/exif.h"
#include "formats/picture_kind.h"

#include <stdlib.h>
#include <string.h>
#include <webp/decode.h>
#include <webp/encode.h>

#define QUALITY 90.0f

/* Bits of the first byte of VP8X. */
enum { HAS_ALPHA = 0x10, HAS_EXIF = 0x08 };

typedef struct chunk {
    const uint8_t *type; /* four letters */
    const uint8_t *data;
    size_t n;
    size_t next;
} chunk;

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

/* Chunks follow the 12 bytes of "RIFF", size, "WEBP"; odd ones are padded. */
static bool chunk_at(chunk *out, const uint8_t *data, size_t size, size_t at)
{
    if (at > size || size - at < 8) return false;
    size_t n = get32(data + at + 4);
    if (n > size - at - 8) return false;
    *out = (chunk){data + at, data + at + 8, n, at + 8 + n + n % 2};
    return true;
}

static bool probe(const uint8_t *data, size_t size)
{
    return size >= 12 && memcmp(data, "RIFF", 4) == 0 && memcmp(data + 8, "WEBP", 4) == 0;
}

static void find_exif(const uint8_t **block, size_t *n, const uint8_t *data, size_t size)
{
    chunk c;
    *block = NULL;
    *n = 0;
    for (size_t at = 12; chunk_at(&c, data, size, at); at = c.next) {
        if (memcmp(c.type, "EXIF", 4) != 0) continue;
        *block = c.data;
        *n = c.n;
        return;
    }
}

static zis_status failed(const char *what, VP8StatusCode code, zis_error *err)
{
    if (code == VP8_STATUS_OUT_OF_MEMORY) return zis_fail_nomem(err, what);
    const char *why = code == VP8_STATUS_NOT_ENOUGH_DATA       ? "it ends early"
                      : code == VP8_STATUS_UNSUPPORTED_FEATURE ? "unsupported feature"
                                                               : "damaged data";
    return zis_fail(err, ZIS_FORMAT, "%s: the WebP cannot be read (%s)", what, why);
}

static zis_status read_features(
    WebPBitstreamFeatures *f, const char *what, const uint8_t *data, size_t size, zis_error *err)
{
    VP8StatusCode code = WebPGetFeatures(data, size, f);
    if (code != VP8_STATUS_OK) return failed(what, code, err);
    if ((size_t)get32(data + 4) > size - 8) return failed(what, VP8_STATUS_NOT_ENOUGH_DATA, err);
    if (f->has_animation)
        return zis_fail(err, ZIS_UNSUPPORTED,
                        "%s is an animated WebP, which is not accepted; use a still picture", what);
    return ZIS_OK;
}

static zis_status read_size(
    int *width, int *height, const char *what, const uint8_t *data, size_t size, zis_error *err)
{
    WebPBitstreamFeatures f;
    zis_status st = read_features(&f, what, data, size, err);
    if (st) return st;
    *width = f.width;
    *height = f.height;
    return ZIS_OK;
}

static zis_status decode(
    zis_image **out, const char *what, const uint8_t *data, size_t size, zis_error *err)
{
    zis_image *img = NULL;
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return zis_fail(err, ZIS_UNSUPPORTED, "the WebP library has another version than expected");
    zis_status st = read_features(&config.input, what, data, size, err);
    if (st) return st;
    int channels = config.input.has_alpha ? 4 : 3;
    st = zis_image_create(&img, config.input.width, config.input.height, channels, err);
    if (st) return st;
    config.output.colorspace = channels == 4 ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = img->data;
    config.output.u.RGBA.stride = img->width * channels;
    config.output.u.RGBA.size = (size_t)img->width * (size_t)img->height * (size_t)channels;
    VP8StatusCode code = WebPDecode(data, size, &config);
    WebPFreeDecBuffer(&config.output);
    if (code == VP8_STATUS_OK) {
        *out = img;
        img = NULL;
    } else {
        st = failed(what, code, err);
    }
    zis_image_destroy(&img);
    return st;
}

static void put32(zis_buf *b, size_t v)
{
    const uint8_t p[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
    zis_buf_append(b, p, 4);
}

/* The file again with EXIF at its end, which needs the extended header VP8X in front. */
static void put_with_exif(
    zis_buf *out, const uint8_t *file, size_t n, const zis_image *img, const char *text)
{
    zis_buf exif = {0};
    chunk first;
    zis_exif_comment_put(&exif, text);
    bool extended = chunk_at(&first, file, n, 12) && memcmp(first.type, "VP8X", 4) == 0;
    size_t body = extended ? first.next : 12; /* the chunks that stay as they are */
    uint8_t x[10] = {0};
    if (extended) {
        memcpy(x, first.data, sizeof x);
    } else {
        unsigned w = (unsigned)img->width - 1, h = (unsigned)img->height - 1;
        for (int i = 0; i < 3; i++) {
            x[4 + i] = (uint8_t)(w >> 8 * i);
            x[7 + i] = (uint8_t)(h >> 8 * i);
        }
        if (img->channels == 4) x[0] |= HAS_ALPHA;
    }
    x[0] |= HAS_EXIF;
    zis_buf_append(out, "RIFF", 4);
    put32(out, 4 + 8 + sizeof x + (n - body) + 8 + exif.len + exif.len % 2);
    zis_buf_append(out, "WEBPVP8X", 8);
    put32(out, sizeof x);
    zis_buf_append(out, x, sizeof x);
    zis_buf_append(out, file + body, n - body);
    zis_buf_append(out, "EXIF", 4);
    put32(out, exif.len);
    zis_buf_append(out, exif.data, exif.len);
    if (exif.len % 2) zis_buf_putc(out, 0);
    if (exif.failed) out->failed = true;
    zis_buf_free(&exif);
}

static zis_status encode_pixels(zis_buf *out,
                                const zis_image *img,
                                const char *text,
                                zis_error *err)
{
    uint8_t *file = NULL;
    if (img->width > WEBP_MAX_DIMENSION || img->height > WEBP_MAX_DIMENSION)
        return zis_fail(err, ZIS_ARG,
                        "a WebP of %d x %d pixels is not possible (at most %d a side); write a PNG",
                        img->width, img->height, WEBP_MAX_DIMENSION);
    size_t n = (img->channels == 4 ? WebPEncodeRGBA : WebPEncodeRGB)(
        img->data, img->width, img->height, img->width * img->channels, QUALITY, &file);
    if (n == 0) {
        WebPFree(file);
        return zis_fail_nomem(err, "writing a WebP"); /* the only reason left */
    }
    if (text)
        put_with_exif(out, file, n, img, text);
    else
        zis_buf_append(out, file, n);
    WebPFree(file);
    return ZIS_OK;
}

static zis_status encode(zis_buf *out,
                         const zis_image *img,
                         const zis_picture_text *texts,
                         size_t n_texts,
                         zis_error *err)
{
    const char *text = zis_picture_parameters(texts, n_texts);
    if (img->channels != 1) return encode_pixels(out, img, text, err);
    zis_image *rgb = NULL; /* WebP has no grey */
    zis_status st = zis_image_create(&rgb, img->width, img->height, 1, err);
    if (st) return st;
    memcpy(rgb->data, img->data, (size_t)img->width * (size_t)img->height);
    st = zis_picture_to_rgb(&rgb, err);
    if (!st) st = encode_pixels(out, rgb, text, err);
    zis_image_destroy(&rgb);
    return st;
}

const zis_picture_format zis_webp_format = {
    .name = "WebP",
    .endings = {".webp"},
    .probe = probe,
    .size = read_size,
    .decode = decode,
    .exif = find_exif,
    .encode = encode,
};
