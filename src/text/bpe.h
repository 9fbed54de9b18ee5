/* bpe.h - byte pair merging of one piece of text, by rank, as huggingface/tokenizers does it.
 *
 * A piece starts as one symbol per byte. Of all adjacent pairs that have a merge, the one of lowest
 * rank (the leftmost of several) is merged, until none has. That is also the order in which a pair
 * made by a merge competes: at once, ahead of further places of the pair just merged if its rank is
 * lower.
 *
 *     {0} -> (reserve) -> add ... -> encode ... -> deinit
 *
 * Threads: the model is read-only after the last add; each thread has its own work and ids. */
#ifndef ZIS_TEXT_BPE_H
#define ZIS_TEXT_BPE_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct zis_bpe_merge {
    int32_t left, right; /* ids */
    int32_t merged;      /* -1: a free slot */
    uint32_t rank;
} zis_bpe_merge;

typedef struct zis_bpe {
    int32_t byte_id[256];
    zis_bpe_merge *slots; /* open addressing, at most three quarters full */
    size_t room;          /* a power of two, or 0 */
    size_t count;
    uint64_t seed; /* secret, so that ids chosen by a hostile file cannot make long chains */
} zis_bpe;

/* Token ids that grow. */
typedef struct zis_ids {
    int32_t *data; /* owner frees */
    size_t n;
    size_t room;
} zis_ids;

/* Memory that pieces use one after the other. */
typedef struct zis_bpe_work {
    struct zis_bpe_symbol *symbols;
    uint64_t *heap;
    size_t room; /* bytes of a piece that fit */
} zis_bpe_work;

/* Makes room for so many merges at once; only for speed. */
ZIS_MUST_USE zis_status zis_bpe_reserve(zis_bpe *b, size_t merges);
/* A merge of two symbols, ids >= 0. A second merge of the same pair replaces the first. ZIS_NOMEM
 * without memory. */
ZIS_MUST_USE zis_status
zis_bpe_add(zis_bpe *b, int32_t left, int32_t right, int32_t merged, uint32_t rank);
void zis_bpe_deinit(zis_bpe *b);

/* Appends the ids of a piece of at most 2^31 - 1 bytes. Only ZIS_NOMEM can happen. */
ZIS_MUST_USE zis_status
zis_bpe_encode(const zis_bpe *b, zis_bpe_work *work, const char *piece, size_t n, zis_ids *out);
void zis_bpe_work_free(zis_bpe_work *work);

ZIS_MUST_USE zis_status zis_ids_push(zis_ids *ids, int32_t id);

#endif
