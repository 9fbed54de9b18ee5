/* exif.h - the two things that we read from EXIF (which way is up, the user's comment) and the one
 * that we write.
 *
 * The block is a TIFF structure, perhaps behind "Exif\0\0"; it is untrusted, and what is broken
 * counts as absent. Threads: pure functions. */
#ifndef ZIS_FORMATS_EXIF_H
#define ZIS_FORMATS_EXIF_H

#include "base/mem.h"
#include "base/status.h"
#include "tensor/image.h"

/* 1 to 8 as in the EXIF standard; 1 (upright) when absent. */
int zis_exif_orientation(const uint8_t *block, size_t n);
/* Turns and mirrors *img (which is replaced) so that it is upright. */
ZIS_MUST_USE zis_status zis_exif_turn(zis_image **img, int orientation, zis_error *err);

/* UserComment as a new UTF-8 string; NULL (and ZIS_OK) when absent. Understands ASCII and UNICODE
 * (UTF-16 in either byte order). */
ZIS_MUST_USE zis_status
zis_exif_comment_get(char **out, const char *what, const uint8_t *block, size_t n, zis_error *err);
/* Appends a TIFF block that holds UserComment alone, as A1111 (piexif) writes it: big-endian,
 * "UNICODE", UTF-16. */
void zis_exif_comment_put(zis_buf *out, const char *utf8);

#endif
