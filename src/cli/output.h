/* output.h - where pictures and answers go: named files, standard output, the terminal.
 *
 * Threads: the main thread only. */
#ifndef ZIS_CLI_OUTPUT_H
#define ZIS_CLI_OUTPUT_H

#include "base/mem.h"
#include "formats/picture.h"

/* Checks a name pattern before any work: a known ending, a folder that can be written to, at most
 * one %d (%03d). "-" is standard output: a PNG, one picture. */
ZIS_MUST_USE zis_status zis_output_check(const char *pattern,
                                         int pictures,
                                         zis_picture_kind *kind,
                                         zis_error *err);
/* New string: the name of picture `index` of `pictures`: %d counts from 0; without it the second
 * is NAME_2.png. */
char *zis_output_name(const char *pattern, int index, int pictures);

/* All bytes to standard output, at once. */
ZIS_MUST_USE zis_status zis_output_stdout(const void *data, size_t n, zis_error *err);
/* What printf has collected; says so when nobody reads it. */
ZIS_MUST_USE zis_status zis_output_flush(zis_error *err);

/* "12.3 GB", "167 MB", "12 kB" */
void zis_output_size(char *buf, size_t n, uint64_t bytes);

/* Shows a PNG on the terminal (kitty's or iTerm2's protocol). */
ZIS_MUST_USE zis_status zis_output_show(const void *png, size_t n, zis_error *err);

#endif
