/* lora_keys.h - what a key of a LoRA file says: which module, and which part of its change.
 *
 * The layouts in the wild (lora.md 3) differ in the words behind the module and in the prefix
 * before it. Words are rows of a table in lora_keys.c (docs/add-a-lora-layout.md).
 *
 * Threads: pure functions. */
#ifndef ZIS_NN_LORA_KEYS_H
#define ZIS_NN_LORA_KEYS_H

#include <stdbool.h>
#include <stddef.h>

/* Parts of one module's change. */
typedef enum zis_lora_role {
    ZIS_LORA_DOWN, /* A [r, K] */
    ZIS_LORA_UP,   /* B [N, r] */
    ZIS_LORA_ALPHA,
    ZIS_LORA_DIFF, /* [N, K], or [n] of a norm */
    ZIS_LORA_DIFF_B,
    ZIS_LORA_SET, /* replaces the weight */
    ZIS_LORA_HADA_W1_A,
    ZIS_LORA_HADA_W1_B,
    ZIS_LORA_HADA_W2_A,
    ZIS_LORA_HADA_W2_B,
    ZIS_LORA_LOKR_W1,
    ZIS_LORA_LOKR_W1_A,
    ZIS_LORA_LOKR_W1_B,
    ZIS_LORA_LOKR_W2,
    ZIS_LORA_LOKR_W2_A,
    ZIS_LORA_LOKR_W2_B,
    ZIS_LORA_TUCKER, /* of convolutions: refused */
    ZIS_LORA_DORA,   /* a magnitude: left out, and said so */
    ZIS_LORA_ROLES,
} zis_lora_role;

/* The module is the first `module` bytes of the key. */
typedef struct zis_lora_key {
    size_t module;
    zis_lora_role role;
    bool dots; /* written as "lora.down": such files repeat q, k, v as qkv */
} zis_lora_key;

/* False for a key that is no part of a LoRA. */
bool zis_lora_key_read(zis_lora_key *out, const char *key);

/* Behind the prefix that stands before a module's name; the same pointer when there is none (left).
 * *underscores: dots of the name are written as underscores from here on. */
const char *zis_lora_skip_prefix(const char *name, bool *underscores);

#endif
