/* png.c - PNG in: chunks by own hand, pixels by libpng. Its setjmp stays inside this file. */
#include "formats/png.h"

#include <libdeflate.h>
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#define ROW_SLACK (128u << 10)

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

bool zis_png_chunk_at(zis_png_chunk *out, const uint8_t *data, size_t size, size_t at)
{
    if (at > size || size - at < 12) return false;
    size_t n = get32(data + at);
    if (n > size - at - 12) return false;
    *out = (zis_png_chunk){.data = data + at + 8, .n = n, .at = at, .next = at + 12 + n};
    memcpy(out->type, data + at + 4, 4);
    return true;
}

bool zis_png_chunk_intact(const zis_png_chunk *c)
{
    return libdeflate_crc32(0, c->data - 4, c->n + 4) == get32(c->data + c->n);
}

void zis_png_chunk_put(zis_buf *out, const char *type, const void *data, size_t n)
{
    uint32_t crc = libdeflate_crc32(libdeflate_crc32(0, type, 4), data, n);
    const uint8_t head[8] = {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8),
                             (uint8_t)n,         (uint8_t)type[0],   (uint8_t)type[1],
                             (uint8_t)type[2],   (uint8_t)type[3]};
    const uint8_t tail[4] = {(uint8_t)(crc >> 24), (uint8_t)(crc >> 16), (uint8_t)(crc >> 8),
                             (uint8_t)crc};
    zis_buf_append(out, head, sizeof head);
    zis_buf_append(out, data, n);
    zis_buf_append(out, tail, sizeof tail);
}

static bool probe(const uint8_t *data, size_t size)
{
    return size >= 8 && memcmp(data, ZIS_PNG_SIGNATURE, 8) == 0;
}

static zis_status read_size(
    int *width, int *height, const char *what, const uint8_t *data, size_t size, zis_error *err)
{
    zis_png_chunk c;
    if (!zis_png_chunk_at(&c, data, size, 8) || strcmp(c.type, "IHDR") != 0 || c.n != 13)
        return zis_fail(err, ZIS_FORMAT, "%s: the PNG has no whole header", what);
    uint32_t w = get32(c.data), h = get32(c.data + 4);
    if (w > INT32_MAX || h > INT32_MAX)
        return zis_fail(err, ZIS_FORMAT, "%s: the PNG has an impossible size", what);
    *width = (int)w;
    *height = (int)h;
    return ZIS_OK;
}

static void find_exif(const uint8_t **block, size_t *n, const uint8_t *data, size_t size)
{
    zis_png_chunk c;
    *block = NULL;
    *n = 0;
    for (size_t at = 8; zis_png_chunk_at(&c, data, size, at); at = c.next) {
        if (strcmp(c.type, "eXIf") != 0 || !zis_png_chunk_intact(&c)) continue;
        *block = c.data;
        *n = c.n;
        return;
    }
}

/* What the callbacks of libpng and the frames around setjmp share; lives in a frame that longjmp
 * does not leave. */
typedef struct job {
    png_structp png;
    png_infop info;
    const uint8_t *data;
    size_t size, at;
    size_t budget; /* bytes that may be read before the next row */
    zis_image *img;
    const char *what;
    zis_error *err;
    zis_status status;
    char message[96];
} job;

static void on_error(png_structp png, png_const_charp message)
{
    job *j = png_get_error_ptr(png);
    snprintf(j->message, sizeof j->message, "%s", message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void on_read(png_structp png, png_bytep to, size_t n)
{
    job *j = png_get_io_ptr(png);
    if (n > j->size - j->at) png_error(png, "the file ends early");
    if (n > j->budget) png_error(png, "more data than the picture has");
    j->budget -= n;
    memcpy(to, j->data + j->at, n);
    j->at += n;
}

/* Only what changes pixels is looked at; the rest would be surface without use. */
static void set_limits(png_structp png)
{
    static const png_byte skipped[] = "bKGD\0cHRM\0eXIf\0gAMA\0hIST\0iCCP\0iTXt\0oFFs\0pCAL\0pHYs\0"
                                      "sBIT\0sCAL\0sPLT\0sRGB\0tEXt\0tIME\0zTXt";
    png_set_user_limits(png, 65535, 65535);
    png_set_chunk_cache_max(png, 16);
    png_set_chunk_malloc_max(png, 1u << 20);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, 0);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, skipped, (int)(sizeof skipped / 5));
}

/* False: libpng has jumped, or j->status says why. Nothing here is held in local variables. */
static bool read_header(job *j)
{
    if (setjmp(png_jmpbuf(j->png))) return false;
    set_limits(j->png);
    png_set_read_fn(j->png, j, on_read);
    png_read_info(j->png, j->info);
    png_set_expand(j->png); /* palette, grey below 8 bits, tRNS */
    png_set_scale_16(j->png);
    png_set_gray_to_rgb(j->png);
    png_set_interlace_handling(j->png);
    png_read_update_info(j->png, j->info);
    int channels = png_get_channels(j->png, j->info);
    if (png_get_bit_depth(j->png, j->info) != 8 || (channels != 3 && channels != 4))
        png_error(j->png, "unexpected layout of the pixels");
    j->status = zis_image_create(&j->img, (int)png_get_image_width(j->png, j->info),
                                 (int)png_get_image_height(j->png, j->info), channels, j->err);
    return j->status == ZIS_OK;
}

/* Behind the last row libpng inflates whatever the file still holds, a thousand times its size. So
 * a row may read what it needs at most: 8 bytes a pixel, hardly compressed, and some chunks. */
static void read_rows(job *j, int passes)
{
    size_t row = (size_t)j->img->width * (size_t)j->img->channels;
    for (int p = 0; p < passes; p++)
        for (int y = 0; y < j->img->height; y++) {
            j->budget = 16 * (size_t)j->img->width + ROW_SLACK;
            png_read_row(j->png, j->img->data + (size_t)y * row, NULL);
        }
    j->budget = SIZE_MAX;
}

static bool read_pixels(job *j)
{
    if (setjmp(png_jmpbuf(j->png))) return false;
    bool interlaced = png_get_interlace_type(j->png, j->info) != PNG_INTERLACE_NONE;
    read_rows(j, interlaced ? PNG_INTERLACE_ADAM7_PASSES : 1);
    png_read_end(j->png, NULL);
    return true;
}

static zis_status decode(
    zis_image **out, const char *what, const uint8_t *data, size_t size, zis_error *err)
{
    job j = {.data = data, .size = size, .budget = SIZE_MAX, .what = what, .err = err};
    j.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &j, on_error, on_warning);
    j.info = j.png ? png_create_info_struct(j.png) : NULL;
    if (!j.info) {
        png_destroy_read_struct(&j.png, NULL, NULL);
        return zis_fail_nomem(err, what);
    }
    zis_status st = ZIS_OK;
    if (read_header(&j) && read_pixels(&j)) {
        *out = j.img;
        j.img = NULL;
    } else if (j.status) {
        st = j.status;
    } else if (strstr(j.message, "emory")) { /* "Out of memory", "Insufficient memory" */
        st = zis_fail_nomem(err, what);
    } else {
        st = zis_fail(err, ZIS_FORMAT, "%s: the PNG is damaged (%s)", what, j.message);
    }
    zis_image_destroy(&j.img);
    png_destroy_read_struct(&j.png, &j.info, NULL);
    return st;
}

const zis_picture_format zis_png_format = {
    .name = "PNG",
    .endings = {".png"},
    .probe = probe,
    .size = read_size,
    .decode = decode,
    .exif = find_exif,
    .text = zis_png_text_get,
    .encode = zis_png_encode,
};
