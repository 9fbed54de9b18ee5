/* resident.c - the list of moved weights. */
#include "kernels/resident.h"

#include "base/mem.h"
#include "base/os.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct zis_resident {
    zis_resident_entry *list; /* sorted by address after seal */
    size_t n, room;
    unsigned char *memory;
    size_t bytes; /* of memory */
};

zis_status zis_resident_create(zis_resident **out, zis_error *err)
{
    zis_resident *r = zis_mem_zalloc(1, sizeof *r);
    if (!r) return zis_fail_nomem(err, "the list of weights");
    *out = r;
    return ZIS_OK;
}

zis_status zis_resident_add(
    zis_resident *r, const void *stored, size_t rows, size_t row_bytes, zis_error *err)
{
    if (r->n == r->room) {
        size_t room = r->room ? 2 * r->room : 64;
        zis_resident_entry *p = zis_mem_resize(r->list, room, sizeof *p);
        if (!p) return zis_fail_nomem(err, "the list of weights");
        r->list = p;
        r->room = room;
    }
    r->list[r->n++] = (zis_resident_entry){.stored = stored,
                                           .rows = rows,
                                           .row_bytes = row_bytes,
                                           .packed = row_bytes % ZIS_RESIDENT_LINE == 0};
    return ZIS_OK;
}

static int by_address(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t)((const zis_resident_entry *)a)->stored;
    uintptr_t y = (uintptr_t)((const zis_resident_entry *)b)->stored;
    return x < y ? -1 : x > y;
}

/* Groups of packed rows are whole. */
static size_t room_of(const zis_resident_entry *e)
{
    size_t rows = e->packed ? zis_round_up(e->rows, ZIS_RESIDENT_GROUP) : e->rows;
    return zis_round_up(rows * e->row_bytes, 4096);
}

zis_status zis_resident_seal(zis_resident *r, zis_error *err)
{
    size_t total = 0;
    if (r->n) qsort(r->list, r->n, sizeof *r->list, by_address);
    for (size_t i = 0; i < r->n; i++) total += room_of(&r->list[i]);
    r->memory = zis_os_pages(total);
    if (!r->memory)
        return zis_fail(err, ZIS_NOMEM, "out of memory for %.1f GB of weights in huge pages",
                        (double)total / 1e9);
    r->bytes = total;
    size_t at = 0;
    for (size_t i = 0; i < r->n; i++) {
        r->list[i].moved = r->memory + at;
        at += room_of(&r->list[i]);
    }
    return ZIS_OK;
}

void zis_resident_destroy(zis_resident **r)
{
    if (!*r) return;
    zis_os_pages_free((*r)->memory, (*r)->bytes);
    free((*r)->list);
    free(*r);
    *r = NULL;
}

zis_resident_entry *zis_resident_find(zis_resident *r, const void *stored)
{
    zis_resident_entry key = {.stored = stored};
    return r && r->n ? bsearch(&key, r->list, r->n, sizeof key, by_address) : NULL;
}

void zis_resident_move(const zis_resident_entry *e, size_t row, size_t from, size_t n)
{
    const unsigned char *src = e->stored + row * e->row_bytes + from;
    unsigned char *to = e->moved + zis_resident_at(e->packed, e->row_bytes, row, from);
    if (!e->packed) {
        memcpy(to, src, n);
        return;
    }
    for (size_t at = 0; at < n;
         at += ZIS_RESIDENT_LINE, to += ZIS_RESIDENT_LINE * ZIS_RESIDENT_GROUP)
        memcpy(to, src + at, n - at < ZIS_RESIDENT_LINE ? n - at : ZIS_RESIDENT_LINE);
}

void zis_resident_finish(zis_resident_entry *e)
{
    e->ready = true;
    zis_os_map_forget(e->stored, e->rows * e->row_bytes);
}

size_t zis_resident_bytes(const zis_resident *r)
{
    return r->bytes;
}
