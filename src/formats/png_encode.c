/* png_encode.c - PNG out: own filters and libdeflate, three times as fast as libpng at the same
 * size. */
#include "formats/png.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

/* Above level 6 the time doubles for less than a percent. */
#define LEVEL 6

enum { NONE, SUB, UP, AVERAGE, PAETH, FILTERS };

/* Rows are worked on in blocks of constant size, which is what compilers turn into vectors without
 * being asked for more than -O2. */
#define BLOCK 32
#define FOR_ROW(n)                                                                                 \
    for (size_t i = 0; i < (n); i += BLOCK)                                                        \
        for (size_t k = i; k < i + BLOCK; k++)

/* x: a row, a: its left neighbours, b: the row above, c: left of that. All are read and out is
 * written up to the next multiple of BLOCK. */
static void row_sub(uint8_t *restrict out, const uint8_t *x, const uint8_t *a, size_t n)
{
    FOR_ROW(n) out[k] = (uint8_t)(x[k] - a[k]);
}

static void row_average(
    uint8_t *restrict out, const uint8_t *x, const uint8_t *a, const uint8_t *b, size_t n)
{
    /* (a + b) / 2 without a ninth bit */
    FOR_ROW(n) out[k] = (uint8_t)(x[k] - ((a[k] & b[k]) + ((a[k] ^ b[k]) >> 1)));
}

static void row_paeth(uint8_t *restrict out,
                      const uint8_t *x,
                      const uint8_t *a,
                      const uint8_t *b,
                      const uint8_t *c,
                      size_t n)
{
    FOR_ROW(n)
    {
        int16_t da = (int16_t)(b[k] - c[k]), db = (int16_t)(a[k] - c[k]);
        int16_t dc = (int16_t)(da + db);
        int16_t pa = (int16_t)(da < 0 ? -da : da), pb = (int16_t)(db < 0 ? -db : db);
        int16_t pc = (int16_t)(dc < 0 ? -dc : dc);
        int16_t best = pb <= pc ? b[k] : c[k];
        best = pa <= pb && pa <= pc ? a[k] : best;
        out[k] = (uint8_t)(x[k] - best);
    }
}

/* Sum of the bytes read as signed: small for rows that compress well (libpng's heuristic). */
static uint32_t cost_of(const uint8_t *p, size_t n)
{
    uint32_t sum = 0;
    size_t whole = n / BLOCK * BLOCK;
    FOR_ROW(whole) sum += p[k] < 128 ? p[k] : (uint8_t)-p[k];
    for (size_t i = whole; i < n; i++) sum += p[i] < 128 ? p[i] : (uint8_t)-p[i];
    return sum;
}

/* All rows, each behind the number of its filter. `raw` has height * (row + 1) bytes. */
static bool filter_rows(uint8_t *raw, const zis_image *img)
{
    size_t bpp = (size_t)img->channels, row = (size_t)img->width * bpp;
    size_t room = zis_round_up(row, BLOCK);
    /* two rows and the neighbours before them, then what the filters make of one row; zeroed: the
     * row above the first, and the pixels left of each */
    uint8_t *lines = zis_mem_zalloc(FILTERS + 2, BLOCK + room);
    if (!lines) return false;
    uint8_t *x = lines + BLOCK, *b = x + room + BLOCK, *out[FILTERS];
    for (int f = SUB; f < FILTERS; f++) out[f] = b + (size_t)f * (room + BLOCK);
    for (int y = 0; y < img->height; y++, raw += row + 1) {
        memcpy(x, img->data + (size_t)y * row, row);
        out[NONE] = x;
        row_sub(out[SUB], x, x - bpp, row);
        row_sub(out[UP], x, b, row);
        row_average(out[AVERAGE], x, x - bpp, b, row);
        row_paeth(out[PAETH], x, x - bpp, b, b - bpp, row);
        int best = NONE;
        uint32_t least = UINT32_MAX;
        for (int f = NONE; f < FILTERS; f++) {
            uint32_t cost = cost_of(out[f], row);
            if (cost >= least) continue;
            least = cost;
            best = f;
        }
        raw[0] = (uint8_t)best;
        memcpy(raw + 1, out[best], row);
        uint8_t *above = x;
        x = b;
        b = above;
    }
    free(lines);
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
