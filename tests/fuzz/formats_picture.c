/* A picture file of any bytes. PNG is tried a second time with its checksums made right, since no
 * mutation would survive them. What is decoded is written as PNG and must come back. */
#include "formats/picture.h"
#include "formats/png.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Larger ones only cost time. */
#define PIXELS_MAX (256 * 256)

static void round_trip(const zis_image *img)
{
    zis_error err;
    zis_buf b = {0};
    zis_image *back = NULL;
    size_t n = (size_t)img->width * (size_t)img->height * (size_t)img->channels;
    if (zis_picture_encode(&b, img, ZIS_PICTURE_PNG, NULL, 0, &err)) abort();
    if (zis_picture_decode(&back, "fuzz", b.data, b.len, &err)) abort();
    if (back->channels != img->channels || memcmp(back->data, img->data, n) != 0) abort();
    zis_image_destroy(&back);
    zis_buf_free(&b);
}

static void one(const uint8_t *data, size_t size)
{
    static const char *const keys[] = {"parameters", "zis"};
    zis_error err;
    zis_image *img = NULL;
    int w, h;
    for (int i = 0; i < 2; i++) {
        char *text = NULL;
        if (zis_picture_text_get(&text, "fuzz", data, size, keys[i], &err) && text) abort();
        free(text);
    }
    if (zis_picture_size(&w, &h, "fuzz", data, size, &err) || w * h > PIXELS_MAX) return;
    if (zis_picture_decode(&img, "fuzz", data, size, &err)) return;
    if (img->width != w || img->height != h || (img->channels != 3 && img->channels != 4)) abort();
    round_trip(img);
    if (zis_picture_to_rgb(&img, &err)) abort();
    zis_image_destroy(&img);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    one(data, size);
    if (size < 8 || memcmp(data, ZIS_PNG_SIGNATURE, 8) != 0) return 0;
    uint8_t *copy = malloc(size);
    if (!copy) return 0;
    memcpy(copy, data, size);
    zis_png_chunk c;
    for (size_t at = 8; zis_png_chunk_at(&c, copy, size, at); at = c.next) {
        uint32_t crc = libdeflate_crc32(0, copy + at + 4, c.n + 4);
        for (int i = 0; i < 4; i++) copy[c.next - 4 + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
    }
    one(copy, size);
    free(copy);
    return 0;
}
