/* vocab.c - symbols to ids. */
#include "text/vocab.h"

#include "base/os.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

/* A symbol in a message. */
#define SHOWN(s, n) zis_utf8_cut(s, n, 60), (s)

static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 x = (unsigned __int128)a * b;
    return (uint64_t)x ^ (uint64_t)(x >> 64);
}

/* 32 bits, eight bytes at a time by folded multiplication (as in wyhash, Wang Yi 2019). */
static uint64_t hash_of(const zis_vocab *v, const char *s, size_t n)
{
    uint64_t h = v->seed[0] ^ n, w = 0;
    for (; n >= 8; s += 8, n -= 8) {
        memcpy(&w, s, 8);
        h = fold(h ^ w, v->seed[1]);
    }
    w = 0;
    for (size_t i = 0; i < n; i++) w = w << 8 | (unsigned char)s[i];
    return fold(h ^ w, v->seed[1]) >> 32;
}

zis_status zis_vocab_init(zis_vocab *v, const char *what, size_t bytes, zis_error *err)
{
    *v = (zis_vocab){.what = what, .room = bytes, .slot_room = 1024, .symbol_room = 1024};
    for (int i = 0; i < 2; i++) v->seed[i] = (uint64_t)zis_os_random() << 32 | zis_os_random() | 1;
    v->names = zis_mem_alloc(bytes, 1);
    v->symbols = zis_mem_zalloc(v->symbol_room, sizeof *v->symbols);
    v->slots = zis_mem_zalloc(v->slot_room, sizeof *v->slots);
    v->taken = zis_mem_zalloc((ZIS_VOCAB_ID_MAX + 1) / 8, 1);
    if (!v->names || !v->symbols || !v->slots || !v->taken) {
        zis_vocab_deinit(v);
        return zis_fail_nomem(err, what);
    }
    return ZIS_OK;
}

void zis_vocab_deinit(zis_vocab *v)
{
    zis_buf_free(&v->pair);
    free(v->names);
    free(v->symbols);
    free(v->slots);
    free(v->taken);
    *v = (zis_vocab){0};
}

/* The slot that holds the symbol, or the free one where it belongs. */
static uint64_t *slot_of(const zis_vocab *v, uint64_t hash, const char *s, size_t n)
{
    for (size_t i = (size_t)hash & (v->slot_room - 1);; i = (i + 1) & (v->slot_room - 1)) {
        uint64_t slot = v->slots[i];
        if (slot == 0) return &v->slots[i];
        if (slot >> 32 != hash) continue;
        const zis_vocab_symbol *e = &v->symbols[(uint32_t)slot - 1];
        if (e[1].at - e[0].at == n && memcmp(v->names + e->at, s, n) == 0) return &v->slots[i];
    }
}

static bool grow_slots(zis_vocab *v)
{
    size_t room = v->slot_room * 2;
    uint64_t *slots = zis_mem_zalloc(room, sizeof *slots);
    if (!slots) return false;
    for (size_t i = 0; i < v->slot_room; i++) {
        if (v->slots[i] == 0) continue;
        size_t k = (size_t)(v->slots[i] >> 32) & (room - 1);
        while (slots[k]) k = (k + 1) & (room - 1);
        slots[k] = v->slots[i];
    }
    free(v->slots);
    v->slots = slots;
    v->slot_room = room;
    return true;
}

static bool grow_symbols(zis_vocab *v)
{
    zis_vocab_symbol *p = zis_mem_resize(v->symbols, v->symbol_room * 2, sizeof *p);
    if (!p) return false;
    v->symbols = p;
    v->symbol_room *= 2;
    return true;
}

const char *zis_vocab_key(zis_vocab *v, const char *s, size_t n)
{
    if (n > v->room - v->used) return NULL;
    char *key = v->names + v->used;
    if (n) memcpy(key, s, n);
    v->used += n;
    return key;
}

bool zis_vocab_take(zis_vocab *v, int32_t id)
{
    uint8_t bit = (uint8_t)(1u << (id & 7));
    if (v->taken[id >> 3] & bit) return false;
    v->taken[id >> 3] |= bit;
    return true;
}

zis_status zis_vocab_put(zis_vocab *v, const char *key, size_t n, int64_t id, zis_error *err)
{
    if (id < 0 || id > ZIS_VOCAB_ID_MAX)
        return zis_fail(err, ZIS_FORMAT, "%s: symbol '%.*s' has id %lld, outside 0 to %d", v->what,
                        SHOWN(key, n), (long long)id, ZIS_VOCAB_ID_MAX);
    if (v->count == ZIS_VOCAB_MAX)
        return zis_fail(err, ZIS_FORMAT, "%s: the vocabulary has more than %d symbols", v->what,
                        ZIS_VOCAB_MAX);
    if (!zis_vocab_take(v, (int32_t)id))
        return zis_fail(err, ZIS_FORMAT, "%s: symbol '%.*s' has id %lld, which another one has too",
                        v->what, SHOWN(key, n), (long long)id);
    if ((v->count + 1 == v->symbol_room && !grow_symbols(v)) ||
        (v->count >= v->slot_room / 4 * 3 && !grow_slots(v)))
        return zis_fail_nomem(err, v->what);
    uint64_t hash = hash_of(v, key, n);
    uint64_t *slot = slot_of(v, hash, key, n);
    if (*slot)
        return zis_fail(err, ZIS_FORMAT, "%s: symbol '%.*s' is in the vocabulary twice", v->what,
                        SHOWN(key, n));
    v->symbols[v->count] = (zis_vocab_symbol){(uint32_t)(key - v->names), (int32_t)id};
    *slot = hash << 32 | ++v->count;
    v->symbols[v->count] = (zis_vocab_symbol){(uint32_t)v->used, -1};
    return ZIS_OK;
}

static int32_t id_of(const zis_vocab *v, uint64_t hash, const char *s, size_t n)
{
    uint64_t slot = *slot_of(v, hash, s, n);
    return slot ? v->symbols[(uint32_t)slot - 1].id : -1;
}

int32_t zis_vocab_get(const zis_vocab *v, const char *s, size_t n)
{
    return id_of(v, hash_of(v, s, n), s, n);
}

zis_status zis_vocab_bytes(const zis_vocab *v, zis_bpe *b, zis_error *err)
{
    /* GPT-2's map: printable bytes stand for themselves, the others follow from U+0100. */
    uint32_t next = 0x100;
    for (unsigned i = 0; i < 256; i++) {
        bool printable = (i >= 33 && i <= 126) || (i >= 161 && i <= 172) || i >= 174;
        char s[4];
        size_t n = zis_utf8_encode(printable ? i : next++, s);
        b->byte_id[i] = zis_vocab_get(v, s, n);
        if (b->byte_id[i] < 0)
            return zis_fail(err, ZIS_FORMAT,
                            "%s: the vocabulary lacks the symbol '%.*s' of byte %u; a byte-level "
                            "vocabulary has all 256",
                            v->what, (int)n, s, i);
    }
    return ZIS_OK;
}

zis_status zis_vocab_merge(zis_vocab *v,
                           zis_bpe *b,
                           const char *left,
                           size_t left_len,
                           const char *right,
                           size_t right_len,
                           zis_error *err)
{
    zis_status st;
    /* A byte-level vocabulary is its bytes and what merges make. */
    if (b->room == 0 && (st = zis_bpe_reserve(b, v->count))) return zis_fail_nomem(err, v->what);
    v->pair.len = 0;
    zis_buf_append(&v->pair, left, left_len);
    zis_buf_append(&v->pair, right, right_len);
    if (v->pair.failed) return zis_fail_nomem(err, v->what);
    const char *whole = v->pair.data;
    size_t len[3] = {left_len, right_len, left_len + right_len};
    const char *part[3] = {whole, whole + left_len, whole};
    int32_t id[3];
    uint64_t hash[3];
    for (int i = 0; i < 3; i++) { /* so that the three wait for memory together */
        hash[i] = hash_of(v, part[i], len[i]);
        __builtin_prefetch(&v->slots[hash[i] & (v->slot_room - 1)]);
    }
    for (int i = 0; i < 3; i++) {
        if (len[i] == 0)
            return zis_fail(err, ZIS_FORMAT, "%s: merge %u has an empty part", v->what, v->merges);
        id[i] = id_of(v, hash[i], part[i], len[i]);
        if (id[i] < 0)
            return zis_fail(err, ZIS_FORMAT,
                            "%s: merge %u makes '%.*s', but '%.*s' is not in the vocabulary",
                            v->what, v->merges, SHOWN(whole, len[2]), SHOWN(part[i], len[i]));
    }
    if (v->merges == ZIS_VOCAB_MAX)
        return zis_fail(err, ZIS_FORMAT, "%s has more than %d merges", v->what, ZIS_VOCAB_MAX);
    st = zis_bpe_add(b, id[0], id[1], id[2], v->merges++);
    return st ? zis_fail_nomem(err, v->what) : ZIS_OK;
}
