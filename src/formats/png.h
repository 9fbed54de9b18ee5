/* png.h - the chunks of a PNG file: what its reader, its writer and its texts share.
 *
 * Threads: pure functions. */
#ifndef ZIS_FORMATS_PNG_H
#define ZIS_FORMATS_PNG_H

#include "formats/picture_kind.h"

#define ZIS_PNG_SIGNATURE "\x89PNG\r\n\x1a\n"

typedef struct zis_png_chunk {
    char type[5]; /* four letters and a NUL */
    const uint8_t *data;
    size_t n;
    size_t at;   /* of the length field in the file */
    size_t next; /* where the following chunk begins */
} zis_png_chunk;

/* The chunk at `at` (8 for the first); false when no whole chunk lies there. */
bool zis_png_chunk_at(zis_png_chunk *out, const uint8_t *data, size_t size, size_t at);
/* Whether the checksum is right. */
bool zis_png_chunk_intact(const zis_png_chunk *c);
/* Appends a chunk. */
void zis_png_chunk_put(zis_buf *out, const char *type, const void *data, size_t n);

/* png_encode.c */
zis_status zis_png_encode(zis_buf *out,
                          const zis_image *img,
                          const zis_picture_text *texts,
                          size_t n_texts,
                          zis_error *err);

/* png_text.c: the value of a key, NULL when absent. */
zis_status zis_png_text_get(char **out,
                            const char *what,
                            const uint8_t *data,
                            size_t size,
                            const char *key,
                            zis_error *err);
/* Appends the chunk of one text: tEXt where Latin-1 says it without doubt, else iTXt. */
zis_status zis_png_text_put(zis_buf *out, const zis_picture_text *text, zis_error *err);

#endif
