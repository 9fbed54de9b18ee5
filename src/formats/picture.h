/* picture.h - pictures in and out: PNG, JPEG, WebP.
 *
 * Input is hostile: the kind is found by content, sides and area are checked before anything is
 * allocated, limits hold for every chunk and scan. What comes back is 8-bit RGB or, where the file
 * has transparency, RGBA; grey, palette and 16-bit files are widened or cut to that; the EXIF
 * orientation is applied. Output carries a recipe.
 *
 * Kinds are rows of a table. Threads: no shared state. */
#ifndef ZIS_FORMATS_PICTURE_H
#define ZIS_FORMATS_PICTURE_H

#include "base/mem.h"
#include "base/status.h"
#include "tensor/image.h"

/* Bytes of a picture file that are accepted. */
#define ZIS_PICTURE_MAX_BYTES (256u << 20)

/* Text that travels in a picture: key -> UTF-8. In PNG: tEXt (Latin-1) or iTXt; in JPEG and WebP
 * only `parameters`, as EXIF UserComment. */
typedef struct zis_picture_text {
    const char *key;
    const char *value;
} zis_picture_text;

ZIS_MUST_USE zis_status zis_picture_read(zis_image **out, const char *path, zis_error *err);
/* `what` names the bytes in messages. */
ZIS_MUST_USE zis_status zis_picture_decode(
    zis_image **out, const char *what, const void *data, size_t size, zis_error *err);
/* Sides of the decoded (turned) picture from the file's header alone; refuses what decode would
 * refuse because of its size. */
ZIS_MUST_USE zis_status zis_picture_size(
    int *width, int *height, const char *what, const void *data, size_t size, zis_error *err);
/* RGBA over white to RGB, grey to RGB; *img is replaced. RGB stays. */
ZIS_MUST_USE zis_status zis_picture_to_rgb(zis_image **img, zis_error *err);

/* The value of a text key of a PNG (tEXt, zTXt, iTXt), or of the EXIF UserComment for the key
 * "parameters" of a JPEG or WebP; *out is a new string, NULL (and ZIS_OK) when there is none. */
ZIS_MUST_USE zis_status zis_picture_text_get(
    char **out, const char *what, const void *data, size_t size, const char *key, zis_error *err);

typedef enum zis_picture_kind {
    ZIS_PICTURE_PNG,
    ZIS_PICTURE_JPEG,
    ZIS_PICTURE_WEBP,
} zis_picture_kind;

/* By the ending of a file name; ZIS_ARG with the list of endings when none fits. */
ZIS_MUST_USE zis_status zis_picture_kind_of(zis_picture_kind *out,
                                            const char *path,
                                            zis_error *err);
/* Appends the encoded file to out. PNG is lossless; JPEG quality 92 4:4:4, WebP quality 90. */
ZIS_MUST_USE zis_status zis_picture_encode(zis_buf *out,
                                           const zis_image *img,
                                           zis_picture_kind kind,
                                           const zis_picture_text *texts,
                                           size_t n_texts,
                                           zis_error *err);

#endif
