/* pth_zip.h - the directory of a zip archive as torch.save writes it, every entry checked.
 *
 * Entries are stored, never compressed: each is a range of the archive's bytes. Checked before any
 * is handed out: the end record (zip64 too; nothing may follow it), one disk, no encryption, the
 * local header against the directory, ranges within the file that do not overlap, names once.
 * Checksums are checked on demand, since that reads all bytes.
 *
 *     {0} -> read -> find, intact, ... -> deinit     Entries borrow from the bytes. Threads:
 * read-only after read. */
#ifndef ZIS_FORMATS_PTH_ZIP_H
#define ZIS_FORMATS_PTH_ZIP_H

#include "base/status.h"
#include "base/strmap.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct zis_pth_zip_entry {
    const char *name; /* not NUL-terminated */
    size_t name_len;
    size_t header; /* where the local header begins */
    size_t begin;  /* of the data in the file */
    size_t size;
    uint32_t crc;
} zis_pth_zip_entry;

typedef struct zis_pth_zip {
    const char *path; /* for messages */
    const unsigned char *data;
    size_t size;
    zis_pth_zip_entry *entries;
    size_t count;
    zis_strmap names;
} zis_pth_zip;

/* `path` and `data` are borrowed. On failure the zip needs deinit too. */
ZIS_MUST_USE zis_status
zis_pth_zip_read(zis_pth_zip *zip, const char *path, const void *data, size_t size, zis_error *err);
void zis_pth_zip_deinit(zis_pth_zip *zip);
/* NULL when there is no such entry. */
const zis_pth_zip_entry *zis_pth_zip_find(const zis_pth_zip *zip, const char *name, size_t len);
/* ZIS_FORMAT when the entry's bytes do not have its checksum. */
ZIS_MUST_USE zis_status zis_pth_zip_intact(const zis_pth_zip *zip,
                                           const zis_pth_zip_entry *e,
                                           zis_error *err);

#endif
