/* arena.c - scratch memory with marks. */
#include "base/arena.h"

#include "base/mem.h"
#include "base/os.h"

#include <stdint.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

void zis_arena_init_counting(zis_arena *a)
{
    *a = (zis_arena){.limit = SIZE_MAX};
}

zis_status zis_arena_init(zis_arena *a, size_t bytes, zis_error *err)
{
    bytes = zis_round_up(bytes ? bytes : 1, ZIS_ARENA_ALIGN);
    unsigned char *p = zis_os_pages(bytes);
    if (!p)
        return zis_fail(err, ZIS_NOMEM, "out of memory for %.0f MB of working memory",
                        (double)bytes / 1e6);
    *a = (zis_arena){.base = p, .limit = bytes};
    ASAN_POISON_MEMORY_REGION(p, bytes);
    return ZIS_OK;
}

void zis_arena_deinit(zis_arena *a)
{
    if (a->base) {
        ASAN_UNPOISON_MEMORY_REGION(a->base, a->limit);
        zis_os_pages_free(a->base, a->limit);
    }
    *a = (zis_arena){0};
}

void *zis_arena_alloc(zis_arena *a, size_t bytes)
{
    size_t want, end;
    if (zis_size_add(bytes ? bytes : 1, ZIS_ARENA_ALIGN - 1, &want)) return NULL;
    want = want / ZIS_ARENA_ALIGN * ZIS_ARENA_ALIGN;
    if (zis_size_add(a->used, want, &end) || end > a->limit) return NULL;
    size_t at = a->used;
    a->used = end;
    if (end > a->peak) a->peak = end;
    if (!a->base) return (void *)(uintptr_t)(at + ZIS_ARENA_ALIGN);
    ASAN_UNPOISON_MEMORY_REGION(a->base + at, bytes);
    return a->base + at;
}

zis_arena_mark zis_arena_save(const zis_arena *a)
{
    return a->used;
}

void zis_arena_restore(zis_arena *a, zis_arena_mark mark)
{
    if (a->base) ASAN_POISON_MEMORY_REGION(a->base + mark, a->used - mark);
    a->used = mark;
}
