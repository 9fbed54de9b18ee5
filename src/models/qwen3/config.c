/* config.c - the configuration of a Qwen3 text encoder. */
#include "models/qwen3/qwen3.h"

#include <string.h>

/* What the forward pass does not do must not be asked for. */
static zis_status check_supported(const zis_json_doc *doc, zis_error *err)
{
    bool bias = false;
    zis_status st = zis_json_doc_bool(doc, "attention_bias", &bias, err);
    if (st) return st;
    if (bias)
        return zis_fail(err, ZIS_UNSUPPORTED,
                        "the text encoder's config.json asks for biases in attention "
                        "('attention_bias'), which Qwen3 does not have");
    const char *act = zis_json_doc_string(doc, "hidden_act");
    if (act && strcmp(act, "silu") != 0)
        return zis_fail(err, ZIS_UNSUPPORTED,
                        "the text encoder's config.json asks for the activation '%.40s'; only "
                        "'silu' is known",
                        act);
    static const char *const rope[] = {
        "rope_scaling.rope_type",
        "rope_scaling.type",
        "rope_parameters.rope_type",
    };
    for (size_t i = 0; i < sizeof rope / sizeof *rope; i++) {
        const char *type = zis_json_doc_string(doc, rope[i]);
        if (type && strcmp(type, "default") != 0)
            return zis_fail(err, ZIS_UNSUPPORTED,
                            "the text encoder's config.json asks for scaled positions "
                            "('%s' = '%.40s'); only the default is known",
                            rope[i], type);
    }
    return ZIS_OK;
}

zis_status zis_qwen3_config_read(zis_qwen3_config *out, const zis_json_doc *doc, zis_error *err)
{
    zis_qwen3_config c = {
        .hidden = 2560,
        .layers = 36,
        .heads = 32,
        .kv_heads = 8,
        .head_dim = 128,
        .intermediate = 9728,
        .vocab = 151936,
        .eps = 1e-6,
        .rope_theta = 1e6,
    };
    /* Limits are generous for any model of this kind and keep all products far from overflow. */
    const struct {
        const char *key;
        int64_t hi;
        int64_t *value;
    } ints[] = {
        {"hidden_size", 1 << 16, &c.hidden},     {"num_hidden_layers", 1024, &c.layers},
        {"num_attention_heads", 1024, &c.heads}, {"num_key_value_heads", 1024, &c.kv_heads},
        {"head_dim", 1024, &c.head_dim},         {"intermediate_size", 1 << 20, &c.intermediate},
        {"vocab_size", 1 << 24, &c.vocab},
    };
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) {
        zis_status st = zis_json_doc_int(doc, ints[i].key, 1, ints[i].hi, ints[i].value, err);
        if (st) return st;
    }
    zis_status st = zis_json_doc_double(doc, "rms_norm_eps", 1e-12, 1, &c.eps, err);
    if (!st) st = zis_json_doc_double(doc, "rope_theta", 1, 1e12, &c.rope_theta, err);
    if (!st)
        st = zis_json_doc_double(doc, "rope_parameters.rope_theta", 1, 1e12, &c.rope_theta, err);
    if (!st) st = check_supported(doc, err);
    if (st) return st;
    if (c.heads % c.kv_heads)
        return zis_fail(err, ZIS_FORMAT,
                        "the text encoder's config.json has %d attention heads, which %d key-value "
                        "heads cannot share evenly",
                        (int)c.heads, (int)c.kv_heads);
    if (c.head_dim % 2)
        return zis_fail(err, ZIS_FORMAT,
                        "the text encoder's config.json has a head_dim of %d; it must be even",
                        (int)c.head_dim);
    *out = c;
    return ZIS_OK;
}
