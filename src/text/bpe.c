/* bpe.c - the table of merges, and merging with a heap of (rank, position). */
#include "text/bpe.h"

#include "base/mem.h"
#include "base/os.h"

#include <stdlib.h>

#define NONE UINT32_MAX

/* A symbol of a piece, named by the position of its first byte; doubly linked by those. */
typedef struct zis_bpe_symbol {
    int32_t id;    /* -1: swallowed by a merge */
    uint32_t prev; /* NONE at the start */
    uint32_t next; /* NONE at the end */
    uint32_t rank; /* of the merge with the next one; NONE if there is none */
    int32_t merged;
} symbol;

static size_t home_of(const zis_bpe *b, int32_t left, int32_t right)
{
    uint64_t x = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) ^ b->seed;
    x *= 0x9E3779B97F4A7C15u;
    x ^= x >> 32;
    x *= b->seed | 1;
    return (size_t)(x >> 32) & (b->room - 1);
}

/* The slot that holds the pair, or the free one where it belongs. */
static zis_bpe_merge *slot_of(const zis_bpe *b, int32_t left, int32_t right)
{
    for (size_t i = home_of(b, left, right);; i = (i + 1) & (b->room - 1)) {
        zis_bpe_merge *m = &b->slots[i];
        if (m->merged < 0 || (m->left == left && m->right == right)) return m;
    }
}

static bool resize(zis_bpe *b, size_t room)
{
    zis_bpe bigger = *b;
    bigger.room = room;
    bigger.slots = zis_mem_alloc(room, sizeof *bigger.slots);
    if (!bigger.slots) return false;
    for (size_t i = 0; i < room; i++) bigger.slots[i].merged = -1;
    for (size_t i = 0; i < b->room; i++) {
        const zis_bpe_merge *m = &b->slots[i];
        if (m->merged >= 0) *slot_of(&bigger, m->left, m->right) = *m;
    }
    free(b->slots);
    *b = bigger;
    return true;
}

zis_status zis_bpe_reserve(zis_bpe *b, size_t merges)
{
    size_t room = 256;
    while (room / 4 * 3 < merges) {
        if (zis_size_mul(room, 2, &room)) return ZIS_NOMEM;
    }
    if (room <= b->room) return ZIS_OK;
    if (b->room == 0) b->seed = (uint64_t)zis_os_random() << 32 | zis_os_random();
    return resize(b, room) ? ZIS_OK : ZIS_NOMEM;
}

zis_status zis_bpe_add(zis_bpe *b, int32_t left, int32_t right, int32_t merged, uint32_t rank)
{
    zis_status st = b->count < b->room / 4 * 3 ? ZIS_OK : zis_bpe_reserve(b, b->count + 1);
    if (st) return st;
    zis_bpe_merge *m = slot_of(b, left, right);
    if (m->merged < 0) b->count++;
    *m = (zis_bpe_merge){.left = left, .right = right, .merged = merged, .rank = rank};
    return ZIS_OK;
}

void zis_bpe_deinit(zis_bpe *b)
{
    free(b->slots);
    *b = (zis_bpe){0};
}

/* A binary heap of rank << 32 | position: the least is the next pair to merge. */
static void heap_push(uint64_t *heap, size_t *n, uint64_t x)
{
    size_t i = (*n)++;
    while (i > 0 && heap[(i - 1) / 2] > x) {
        heap[i] = heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap[i] = x;
}

static uint64_t heap_pop(uint64_t *heap, size_t *n)
{
    uint64_t top = heap[0];
    uint64_t x = heap[--*n];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= *n) break;
        if (child + 1 < *n && heap[child + 1] < heap[child]) child++;
        if (heap[child] >= x) break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = x;
    return top;
}

/* Looks up the merge of the symbol at i with its right neighbour, and queues it. */
static void consider(const zis_bpe *b, symbol *s, uint32_t i, uint64_t *heap, size_t *queued)
{
    s[i].rank = NONE;
    if (s[i].next == NONE) return;
    const zis_bpe_merge *m = slot_of(b, s[i].id, s[s[i].next].id);
    if (m->merged < 0) return;
    s[i].rank = m->rank;
    s[i].merged = m->merged;
    heap_push(heap, queued, (uint64_t)m->rank << 32 | i);
}

static bool reserve(zis_bpe_work *w, size_t n)
{
    if (n <= w->room) return true;
    size_t room = w->room * 2 < n ? n : w->room * 2;
    if (room < 256) room = 256;
    /* A merge takes its entry out of the heap and puts in at most two; there are n - 1 merges. */
    uint64_t *heap = zis_mem_alloc(room, 2 * sizeof *heap);
    symbol *symbols = zis_mem_alloc(room, sizeof *symbols);
    if (!heap || !symbols) {
        free(heap);
        free(symbols);
        return false;
    }
    zis_bpe_work_free(w);
    *w = (zis_bpe_work){.symbols = symbols, .heap = heap, .room = room};
    return true;
}

void zis_bpe_work_free(zis_bpe_work *w)
{
    free(w->symbols);
    free(w->heap);
    *w = (zis_bpe_work){0};
}

zis_status zis_ids_push(zis_ids *ids, int32_t id)
{
    if (ids->n == ids->room) {
        size_t room = ids->room ? ids->room * 2 : 64;
        int32_t *data = zis_mem_resize(ids->data, room, sizeof *data);
        if (!data) return ZIS_NOMEM;
        ids->data = data;
        ids->room = room;
    }
    ids->data[ids->n++] = id;
    return ZIS_OK;
}

static void merge_all(const zis_bpe *b, symbol *s, uint32_t n, uint64_t *heap)
{
    size_t queued = 0;
    for (uint32_t i = 0; i + 1 < n; i++) consider(b, s, i, heap, &queued);
    while (queued > 0) {
        uint64_t top = heap_pop(heap, &queued);
        uint32_t i = (uint32_t)top;
        /* An entry is stale when the symbol was swallowed or has another neighbour by now. */
        if (s[i].id < 0 || s[i].rank != top >> 32) continue;
        uint32_t gone = s[i].next;
        s[i].id = s[i].merged;
        s[i].next = s[gone].next;
        s[gone].id = -1;
        if (s[i].next != NONE) s[s[i].next].prev = i;
        if (s[i].prev != NONE) consider(b, s, s[i].prev, heap, &queued);
        consider(b, s, i, heap, &queued);
    }
}

zis_status zis_bpe_encode(
    const zis_bpe *b, zis_bpe_work *work, const char *piece, size_t n, zis_ids *out)
{
    if (n == 0) return ZIS_OK;
    if (!reserve(work, n)) return ZIS_NOMEM;
    symbol *s = work->symbols;
    uint32_t count = (uint32_t)n;
    for (uint32_t i = 0; i < count; i++) {
        s[i] = (symbol){.id = b->byte_id[(unsigned char)piece[i]],
                        .prev = i == 0 ? NONE : i - 1,
                        .next = i + 1 == count ? NONE : i + 1,
                        .rank = NONE,
                        .merged = -1};
    }
    if (b->room) merge_all(b, s, count, work->heap);
    for (uint32_t i = 0; i != NONE; i = s[i].next) {
        zis_status st = zis_ids_push(out, s[i].id);
        if (st) return st;
    }
    return ZIS_OK;
}
