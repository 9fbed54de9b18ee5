/* strmap.c - open addressing with linear probing, SipHash-1-3 (Aumasson, Bernstein 2012). */
#include "base/strmap.h"

#include "base/mem.h"
#include "base/os.h"

#include <stdlib.h>
#include <string.h>

static uint64_t rotl(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

static uint64_t hash_of(const zis_strmap *m, const char *key, size_t len)
{
    uint64_t v[4] = {m->seed[0] ^ 0x736f6d6570736575u, m->seed[1] ^ 0x646f72616e646f6du,
                     m->seed[0] ^ 0x6c7967656e657261u, m->seed[1] ^ 0x7465646279746573u};
    uint64_t w;
    size_t i = 0;
    for (; len - i >= 8; i += 8) {
        memcpy(&w, key + i, 8);
        v[3] ^= w;
        sip_round(v);
        v[0] ^= w;
    }
    w = 0;
    if (len > i) memcpy(&w, key + i, len - i);
    w ^= (uint64_t)len << 56;
    v[3] ^= w;
    sip_round(v);
    v[0] ^= w;
    v[2] ^= 0xff;
    for (int r = 0; r < 3; r++) sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The slot that holds the key, or the free one where it belongs. */
static zis_strmap_slot *slot_of(const zis_strmap *m, uint64_t hash, const char *key, size_t len)
{
    for (size_t i = (size_t)hash & (m->room - 1);; i = (i + 1) & (m->room - 1)) {
        zis_strmap_slot *s = &m->slots[i];
        if (!s->key) return s;
        if (s->hash == hash && s->len == len && memcmp(s->key, key, len) == 0) return s;
    }
}

static bool grow(zis_strmap *m)
{
    zis_strmap bigger = *m;
    if (zis_size_mul(m->room ? m->room : 8, 2, &bigger.room)) return false;
    bigger.slots = zis_mem_zalloc(bigger.room, sizeof *bigger.slots);
    if (!bigger.slots) return false;
    for (size_t i = 0; i < m->room; i++) {
        const zis_strmap_slot *s = &m->slots[i];
        if (s->key) *slot_of(&bigger, s->hash, s->key, s->len) = *s;
    }
    free(m->slots);
    *m = bigger;
    return true;
}

zis_status zis_strmap_put(zis_strmap *m, const char *key, size_t len, size_t value, size_t *old)
{
    if (m->room == 0) {
        for (int i = 0; i < 2; i++) m->seed[i] = (uint64_t)zis_os_random() << 32 | zis_os_random();
    }
    if (m->count >= m->room / 2 && !grow(m)) return ZIS_NOMEM;
    uint64_t hash = hash_of(m, key, len);
    zis_strmap_slot *s = slot_of(m, hash, key, len);
    if (s->key) {
        if (old) *old = s->value;
        return ZIS_ARG;
    }
    *s = (zis_strmap_slot){.key = key, .len = len, .value = value, .hash = hash};
    m->count++;
    return ZIS_OK;
}

bool zis_strmap_get(const zis_strmap *m, const char *key, size_t len, size_t *value)
{
    if (m->room == 0) return false;
    const zis_strmap_slot *s = slot_of(m, hash_of(m, key, len), key, len);
    if (!s->key) return false;
    *value = s->value;
    return true;
}

void zis_strmap_free(zis_strmap *m)
{
    free(m->slots);
    *m = (zis_strmap){0};
}
