/* picture_kind.h - what a kind of picture must be able to do; picture.c knows no other.
 *
 * A kind is one const row, named in the table of picture.c. To add one: docs/add-a-format.md.
 * The callers have checked the number of bytes, and before decode the size. Threads: constants. */
#ifndef ZIS_FORMATS_PICTURE_KIND_H
#define ZIS_FORMATS_PICTURE_KIND_H

#include "formats/picture.h"

#include <stdbool.h>

/* Text in a picture may have this many bytes. */
#define ZIS_PICTURE_TEXT_MAX ((size_t)1 << 20)

typedef struct zis_picture_format {
    const char *name;
    const char *endings[3]; /* of file names, lower case, with the point */
    bool (*probe)(const uint8_t *data, size_t size);
    /* From the header, without decoding. */
    zis_status (*size)(int *width,
                       int *height,
                       const char *what,
                       const uint8_t *data,
                       size_t size,
                       zis_error *err);
    /* As stored, not turned yet: 3 or 4 channels. */
    zis_status (*decode)(
        zis_image **out, const char *what, const uint8_t *data, size_t size, zis_error *err);
    /* The EXIF block (a TIFF, perhaps behind "Exif\0\0"), borrowed; NULL and 0 when there is none.
     */
    void (*exif)(const uint8_t **block, size_t *n, const uint8_t *data, size_t size);
    /* NULL: texts lie in EXIF only. */
    zis_status (*text)(char **out,
                       const char *what,
                       const uint8_t *data,
                       size_t size,
                       const char *key,
                       zis_error *err);
    /* Appends; what it appended before a failure is dropped by the caller. */
    zis_status (*encode)(zis_buf *out,
                         const zis_image *img,
                         const zis_picture_text *texts,
                         size_t n_texts,
                         zis_error *err);
} zis_picture_format;

extern const zis_picture_format zis_png_format;
extern const zis_picture_format zis_jpeg_format;
extern const zis_picture_format zis_webp_format;

/* The value of "parameters" among the texts, or NULL: what EXIF carries. */
const char *zis_picture_parameters(const zis_picture_text *texts, size_t n);

#endif
