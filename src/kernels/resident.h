/* resident.h - weights moved from a mapped file to huge pages, as they are first multiplied.
 *
 * A mapped file has pages of 4 KB: in a step over 12 GB of weights the processor looks up three
 * million of them, which costs a fifth of the time where a hypervisor doubles each look-up. Weights
 * that are used step after step are therefore moved once: the first product copies a block of rows
 * while it has it at hand, and the mapped pages are given back when the last row is copied. So one
 * copy is resident at any time, and nobody waits for the move.
 *
 *     create -> add, add, ... -> seal -> (runs use it) -> destroy
 *
 * Only views of mapped files may be added: their pages are dropped after the move, and come back
 * from the file when somebody reads them there. Threads: one run at a time; the tasks of one
 * product write disjoint rows. */
#ifndef ZIS_KERNELS_RESIDENT_H
#define ZIS_KERNELS_RESIDENT_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct zis_resident zis_resident;

/* Moved rows are packed where that is possible: lines of 64 bytes of twelve rows lie side by side,
 * then the next line of each, so that a product reads memory from front to back. Twelve is the most
 * rows that a tile of any instruction set takes, and divides into those of the others. */
#define ZIS_RESIDENT_GROUP 12
#define ZIS_RESIDENT_LINE 64

/* One weight: dense rows at `stored`, to be or already moved to `moved`. */
typedef struct zis_resident_entry {
    const unsigned char *stored;
    size_t rows, row_bytes;
    unsigned char *moved;
    bool packed; /* row_bytes is a multiple of a line */
    bool ready;
} zis_resident_entry;

/* Where byte `at` of a row lies from `moved` (and from `stored`, where packed is false). */
static inline size_t zis_resident_at(bool packed, size_t row_bytes, size_t row, size_t at)
{
    if (!packed) return row * row_bytes + at;
    return (row / ZIS_RESIDENT_GROUP * row_bytes + at / ZIS_RESIDENT_LINE * ZIS_RESIDENT_LINE) *
               ZIS_RESIDENT_GROUP +
           row % ZIS_RESIDENT_GROUP * ZIS_RESIDENT_LINE + at % ZIS_RESIDENT_LINE;
}

ZIS_MUST_USE zis_status zis_resident_create(zis_resident **out, zis_error *err);
/* Before seal. */
ZIS_MUST_USE zis_status zis_resident_add(
    zis_resident *r, const void *stored, size_t rows, size_t row_bytes, zis_error *err);
/* Reserves the addresses; memory is taken page by page as weights move. */
ZIS_MUST_USE zis_status zis_resident_seal(zis_resident *r, zis_error *err);
void zis_resident_destroy(zis_resident **r);

/* The entry that starts at this address; NULL if there is none, or r is NULL. */
zis_resident_entry *zis_resident_find(zis_resident *r, const void *stored);
/* Copies bytes from .. from+n-1 of a row to their place; tasks may copy disjoint parts. Where the
 * entry is packed, `from` begins a line. */
void zis_resident_move(const zis_resident_entry *e, size_t row, size_t from, size_t n);
/* All rows have been copied: marks the entry and gives the mapped pages back. */
void zis_resident_finish(zis_resident_entry *e);
/* Bytes added. */
size_t zis_resident_bytes(const zis_resident *r);

#endif
