/* arena.h - scratch memory with marks: allocate upwards, restore to a mark.
 *
 * An arena without memory (base NULL, limit SIZE_MAX) only counts: that is how a dry run learns
 * how much the real one needs. Offsets are multiples of 64. Under AddressSanitizer what lies above
 * `used` is poisoned.
 *
 *     init or counting -> alloc, save, restore, ... -> deinit      Threads: one at a time. */
#ifndef ZIS_BASE_ARENA_H
#define ZIS_BASE_ARENA_H

#include "base/status.h"

#include <stddef.h>

typedef struct zis_arena {
    unsigned char *base; /* NULL: counting only */
    size_t limit;
    size_t used;
    size_t peak;
} zis_arena;

typedef size_t zis_arena_mark;

#define ZIS_ARENA_ALIGN 64u

void zis_arena_init_counting(zis_arena *a);
/* Takes memory from the system (huge pages where it gives them). */
ZIS_MUST_USE zis_status zis_arena_init(zis_arena *a, size_t bytes, zis_error *err);
void zis_arena_deinit(zis_arena *a);

/* NULL when full. A counting arena returns addresses that must not be touched (never NULL). */
void *zis_arena_alloc(zis_arena *a, size_t bytes);
zis_arena_mark zis_arena_save(const zis_arena *a);
void zis_arena_restore(zis_arena *a, zis_arena_mark mark);

#endif
