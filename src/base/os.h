/* os.h - the only door to the platform: mapped files, whole files, clock, memory, paths.
 *
 * A mapping is read-only and lives from zis_os_map to zis_os_unmap. Files are never read whole
 * unless the caller names a limit. Threads: all functions may be called from any thread. */
#ifndef ZIS_BASE_OS_H
#define ZIS_BASE_OS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct zis_map {
    const unsigned char *data;
    size_t size;
} zis_map;

/* Maps a regular file; devices, FIFOs and folders are refused. Empty files map to {"", 0}. */
ZIS_MUST_USE zis_status zis_os_map(zis_map *out, const char *path, zis_error *err);
/* Accepts a zeroed map. */
void zis_os_unmap(zis_map *m);
/* Whether [data, data + n) can still be read: a file cut short under its mapping would end the
 * process (SIGBUS). Looks at the file's present size through the descriptor-less path given. */
ZIS_MUST_USE zis_status zis_os_map_check(const zis_map *m, const char *path, zis_error *err);
/* Asks for the pages ahead of their use; only a hint. */
void zis_os_map_prefetch(const void *data, size_t n);
/* Gives the whole pages of this part of a mapping back; they are read from the file again when they
 * are touched. Only for mapped files. */
void zis_os_map_forget(const void *data, size_t n);

/* The whole of a small regular file (at most `limit` bytes) as a new NUL-terminated block that the
 * caller frees. */
ZIS_MUST_USE zis_status
zis_os_read_file(char **out, size_t *size, const char *path, size_t limit, zis_error *err);

/* Anonymous, zeroed, page-aligned memory with huge pages asked for; for scratch. NULL if none. */
void *zis_os_pages(size_t bytes);
void zis_os_pages_free(void *p, size_t bytes);

/* Monotonic seconds. */
double zis_os_now(void);
/* Seconds since 1970, by the wall clock. */
double zis_os_wall(void);
/* CPUs that this process may run on, at least 1. */
int zis_os_cpus(void);
/* Most memory that the process has had resident so far, in bytes; 0 where unknown. */
uint64_t zis_os_peak_rss(void);
/* Bytes of memory that the process may use at most: of the machine, or of its control group; 0
 * where unknown. */
uint64_t zis_os_memory(void);
/* Random 32 bits for a seed. */
uint32_t zis_os_random(void);

bool zis_os_is_dir(const char *path);
bool zis_os_is_file(const char *path);
/* False when nothing is there; *bytes is untouched then. */
bool zis_os_file_size(const char *path, uint64_t *bytes);
/* Why something could not be written, by its errno, and what to do about a full disk. */
const char *zis_os_why(int e);
/* Makes the folder and those above it that are missing. */
ZIS_MUST_USE zis_status zis_os_make_folders(const char *path, zis_error *err);
/* Flushes a folder, so that names in it that were made or renamed survive a power cut; only a hint
 * where the file system does not know it. */
void zis_os_sync_folder(const char *path);
/* New string "a/b"; NULL without memory. */
char *zis_os_join(const char *a, const char *b);
/* New string: the path without links, "." and ".."; NULL when nothing is there. */
char *zis_os_real_path(const char *path);
/* When the file or folder was last changed, in seconds since 1970; 0 if unknown. */
double zis_os_changed(const char *path);
/* Bytes of a file; 0 if unknown. */
uint64_t zis_os_size(const char *path);
/* New string: the folder that holds the running program; NULL if unknown. */
char *zis_os_exe_dir(void);
/* Names in a folder, sorted, without "." and ".."; free with zis_os_list_free. */
ZIS_MUST_USE zis_status zis_os_list(char ***names, size_t *n, const char *path, zis_error *err);
void zis_os_list_free(char **names, size_t n);

/* Makes the folder and those above it that are missing, for this user alone; one that is there
 * already is left as it is. */
ZIS_MUST_USE zis_status zis_os_make_dirs(const char *path, zis_error *err);

/* New string: a name beside `path` for what will take its place, or NULL (no memory). Of a name as
 * long as names may be the end makes room. */
char *zis_os_temporary(const char *path);

/* Writes a file so that a reader sees the old one or the whole new one: to a temporary name in the
 * same folder, flushed, then renamed. Nothing is left behind on failure. Devices and pipes that
 * exist under this name (/dev/null, /dev/stdout) are written to directly. */
ZIS_MUST_USE zis_status zis_os_write_file(const char *path,
                                          const void *data,
                                          size_t n,
                                          zis_error *err);

#endif
