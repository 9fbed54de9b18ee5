/* outfile.h - a large file written piece by piece, seen under its name only when whole.
 *
 * The bytes go to a temporary name in the same folder in large pieces; finish flushes and renames.
 * Whatever fails, destroy leaves nothing behind. Devices and pipes that exist under the name
 * (/dev/null) are written to directly. For files that fit into memory: zis_os_write_file.
 *
 *     create -> (reserve) -> write ... -> finish -> destroy       Threads: one at a time. */
#ifndef ZIS_BASE_OUTFILE_H
#define ZIS_BASE_OUTFILE_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct zis_outfile zis_outfile;

ZIS_MUST_USE zis_status zis_outfile_create(zis_outfile **out, const char *path, zis_error *err);
/* Takes the disk space of the whole file at once, so that a full disk is known now; where the file
 * system cannot, nothing happens. */
ZIS_MUST_USE zis_status zis_outfile_reserve(zis_outfile *f, uint64_t bytes, zis_error *err);
ZIS_MUST_USE zis_status zis_outfile_write(zis_outfile *f,
                                          const void *data,
                                          size_t n,
                                          zis_error *err);
/* After this the file is there; only destroy may follow. */
ZIS_MUST_USE zis_status zis_outfile_finish(zis_outfile *f, zis_error *err);
/* Removes the temporary file unless finish has succeeded. Accepts NULL and a pointer to NULL. */
void zis_outfile_destroy(zis_outfile **f);

#endif
