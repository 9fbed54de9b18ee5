/* vocab.h - the vocabulary while a tokenizer is being read: symbols to ids, checked.
 *
 * Symbols are kept as the file spells them: bytes mapped to printable characters. Once the merges
 * are ids, the vocabulary is not needed any more.
 *
 *     {0} -> init -> (key, put) ... -> bytes, merge, ... -> deinit       Threads: one at a time. */
#ifndef ZIS_TEXT_VOCAB_H
#define ZIS_TEXT_VOCAB_H

#include "base/mem.h"
#include "base/status.h"
#include "text/bpe.h"

/* Generous bounds (the Qwen vocabulary has 151,643 entries), so that a hostile file cannot take
 * much memory. */
#define ZIS_VOCAB_MAX (1 << 20)
#define ZIS_VOCAB_ID_MAX ((1 << 24) - 1)

typedef struct zis_vocab_symbol {
    uint32_t at; /* where in `names`; it ends where the next one starts */
    int32_t id;
} zis_vocab_symbol;

/* The table is kept small (8 bytes a slot), since looking up 450,000 parts of merges costs what
 * waiting for memory costs. The hash has a secret seed against names made to collide. */
typedef struct zis_vocab {
    const char *what; /* the file, for messages; borrowed */
    char *names;      /* the bytes of all symbols */
    size_t used, room;
    zis_vocab_symbol *symbols; /* and one more that ends the last */
    size_t count, symbol_room;
    uint64_t *slots; /* open addressing: hash << 32 | index + 1; 0: free */
    size_t slot_room;
    uint64_t seed[2];
    uint8_t *taken; /* one bit for each id */
    uint32_t merges;
    zis_buf pair;
} zis_vocab;

/* `bytes`: as much as all symbols together can have, e.g. the size of the file; less than 4 GB. */
ZIS_MUST_USE zis_status zis_vocab_init(zis_vocab *v,
                                       const char *what,
                                       size_t bytes,
                                       zis_error *err);
void zis_vocab_deinit(zis_vocab *v);

/* Keeps a copy of a symbol until `put`. NULL when there are more bytes than init was told. */
const char *zis_vocab_key(zis_vocab *v, const char *s, size_t n);
/* Gives an id to the symbol last kept. Fails when either is taken or the id is out of bounds. */
ZIS_MUST_USE zis_status
zis_vocab_put(zis_vocab *v, const char *key, size_t n, int64_t id, zis_error *err);
/* The symbol's id, or -1. */
int32_t zis_vocab_get(const zis_vocab *v, const char *s, size_t n);
/* Takes an id that is not in the vocabulary (of an added token): false if it is taken already. */
bool zis_vocab_take(zis_vocab *v, int32_t id);

/* Fills b->byte_id; fails when a byte has no symbol. */
ZIS_MUST_USE zis_status zis_vocab_bytes(const zis_vocab *v, zis_bpe *b, zis_error *err);
/* Adds the next merge to b. Fails when the parts or the result are not in the vocabulary. */
ZIS_MUST_USE zis_status zis_vocab_merge(zis_vocab *v,
                                        zis_bpe *b,
                                        const char *left,
                                        size_t left_len,
                                        const char *right,
                                        size_t right_len,
                                        zis_error *err);

#endif
