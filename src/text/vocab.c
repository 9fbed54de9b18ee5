/* vocab.c - symbols to ids. */
#include "text/vocab.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

/* A symbol in a message. */
#define SHOWN(s, n) zis_utf8_cut(s, n, 60), (s)

zis_status zis_vocab_init(zis_vocab *v, const char *what, size_t bytes, zis_error *err)
{
    *v = (zis_vocab){.what = what, .room = bytes};
    v->names = zis_mem_alloc(bytes, 1);
    v->taken = zis_mem_zalloc((ZIS_VOCAB_ID_MAX + 1) / 8, 1);
    if (!v->names || !v->taken) {
        zis_vocab_deinit(v);
        return zis_fail_nomem(err, what);
    }
    return ZIS_OK;
}

void zis_vocab_deinit(zis_vocab *v)
{
    zis_strmap_free(&v->ids);
    zis_buf_free(&v->pair);
    free(v->names);
    free(v->taken);
    *v = (zis_vocab){0};
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
    if (v->ids.count == ZIS_VOCAB_MAX)
        return zis_fail(err, ZIS_FORMAT, "%s: the vocabulary has more than %d symbols", v->what,
                        ZIS_VOCAB_MAX);
    if (!zis_vocab_take(v, (int32_t)id))
        return zis_fail(err, ZIS_FORMAT, "%s: symbol '%.*s' has id %lld, which another one has too",
                        v->what, SHOWN(key, n), (long long)id);
    zis_status st = zis_strmap_put(&v->ids, key, n, (size_t)id, NULL);
    if (st == ZIS_NOMEM) return zis_fail_nomem(err, v->what);
    if (st)
        return zis_fail(err, ZIS_FORMAT, "%s: symbol '%.*s' is in the vocabulary twice", v->what,
                        SHOWN(key, n));
    return ZIS_OK;
}

int32_t zis_vocab_get(const zis_vocab *v, const char *s, size_t n)
{
    size_t id;
    return zis_strmap_get(&v->ids, s, n, &id) ? (int32_t)id : -1;
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
    v->pair.len = 0;
    zis_buf_append(&v->pair, left, left_len);
    zis_buf_append(&v->pair, right, right_len);
    if (v->pair.failed) return zis_fail_nomem(err, v->what);
    const char *whole = v->pair.data;
    size_t len[3] = {left_len, right_len, left_len + right_len};
    const char *part[3] = {whole, whole + left_len, whole};
    int32_t id[3];
    for (int i = 0; i < 3; i++) {
        if (len[i] == 0)
            return zis_fail(err, ZIS_FORMAT, "%s: merge %u has an empty part", v->what, v->merges);
        id[i] = zis_vocab_get(v, part[i], len[i]);
        if (id[i] < 0)
            return zis_fail(err, ZIS_FORMAT,
                            "%s: merge %u makes '%.*s', but '%.*s' is not in the vocabulary",
                            v->what, v->merges, SHOWN(whole, len[2]), SHOWN(part[i], len[i]));
    }
    if (v->merges == ZIS_VOCAB_MAX)
        return zis_fail(err, ZIS_FORMAT, "%s has more than %d merges", v->what, ZIS_VOCAB_MAX);
    zis_status st = zis_bpe_add(b, id[0], id[1], id[2], v->merges++);
    return st ? zis_fail_nomem(err, v->what) : ZIS_OK;
}
