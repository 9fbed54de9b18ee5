/* lora_keys.c - the words of all layouts. */
#include "nn/lora_keys.h"

#include <string.h>

/* What follows the module. `open`: ".weight", ".NAME.weight" (an adapter's name) or nothing may
 * follow; else the key ends there. */
static const struct {
    const char *word;
    zis_lora_role role;
    bool open;
    bool dots;
} words[] = {
    {".lora_A", ZIS_LORA_DOWN, true, false},
    {".lora_B", ZIS_LORA_UP, true, false},
    {".lora_down", ZIS_LORA_DOWN, true, false},
    {".lora_up", ZIS_LORA_UP, true, false},
    {".lora.down", ZIS_LORA_DOWN, true, true},
    {".lora.up", ZIS_LORA_UP, true, true},
    {".lora_linear_layer.down", ZIS_LORA_DOWN, true, false},
    {".lora_linear_layer.up", ZIS_LORA_UP, true, false},
    {".alpha", ZIS_LORA_ALPHA, false, false},
    {".diff", ZIS_LORA_DIFF, false, false},
    {".diff_b", ZIS_LORA_DIFF_B, false, false},
    {".set_weight", ZIS_LORA_SET, false, false},
    {".hada_w1_a", ZIS_LORA_HADA_W1_A, true, false},
    {".hada_w1_b", ZIS_LORA_HADA_W1_B, true, false},
    {".hada_w2_a", ZIS_LORA_HADA_W2_A, true, false},
    {".hada_w2_b", ZIS_LORA_HADA_W2_B, true, false},
    {".lokr_w1", ZIS_LORA_LOKR_W1, true, false},
    {".lokr_w1_a", ZIS_LORA_LOKR_W1_A, true, false},
    {".lokr_w1_b", ZIS_LORA_LOKR_W1_B, true, false},
    {".lokr_w2", ZIS_LORA_LOKR_W2, true, false},
    {".lokr_w2_a", ZIS_LORA_LOKR_W2_A, true, false},
    {".lokr_w2_b", ZIS_LORA_LOKR_W2_B, true, false},
    {".hada_t1", ZIS_LORA_TUCKER, true, false},
    {".hada_t2", ZIS_LORA_TUCKER, true, false},
    {".lokr_t2", ZIS_LORA_TUCKER, true, false},
    {".lora_mid", ZIS_LORA_TUCKER, true, false},
    {".dora_scale", ZIS_LORA_DORA, true, false},
    {".lora_magnitude_vector", ZIS_LORA_DORA, true, false},
};
#define N_WORDS (sizeof words / sizeof *words)

/* Longer ones first: "model." is the start of others. */
static const struct {
    const char *text;
    bool underscores;
} prefixes[] = {
    {"base_model.model.", false},
    {"model.diffusion_model.", false},
    {"model.transformer.", false},
    {"diffusion_model.", false},
    {"transformer.", false},
    {"dit.", false},
    {"model.", false},
    {"lora_unet_", true},
    {"lycoris_", true},
    {"lora_transformer_", true},
};

/* "", ".weight", ".NAME", ".NAME.weight" */
static bool is_tail(const char *s)
{
    if (!*s) return true;
    if (*s != '.') return false;
    if (strcmp(s, ".weight") == 0) return true;
    const char *dot = strchr(s + 1, '.');
    return s[1] && (!dot || (dot > s + 1 && strcmp(dot, ".weight") == 0));
}

bool zis_lora_key_read(zis_lora_key *out, const char *key)
{
    for (size_t i = 0; i < N_WORDS; i++) {
        size_t n = strlen(words[i].word);
        for (const char *at = strstr(key, words[i].word); at; at = strstr(at + 1, words[i].word)) {
            if (at == key || !(words[i].open ? is_tail(at + n) : !at[n])) continue;
            size_t module = (size_t)(at - key);
            /* "X.lora.alpha" is also "X.lora" + ".alpha" */
            if (words[i].role == ZIS_LORA_ALPHA && module > 5 && strncmp(at - 5, ".lora", 5) == 0)
                module -= 5;
            *out = (zis_lora_key){module, words[i].role, words[i].dots};
            return true;
        }
    }
    return false;
}

const char *zis_lora_skip_prefix(const char *name, bool *underscores)
{
    *underscores = false;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        size_t n = strlen(prefixes[i].text);
        if (strncmp(name, prefixes[i].text, n) != 0) continue;
        *underscores = prefixes[i].underscores;
        return name + n;
    }
    return name;
}
