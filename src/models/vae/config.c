/* config.c - the configuration of the autoencoder. */
#include "models/vae/vae.h"

#include <stdio.h>
#include <string.h>

#define WHAT "the VAE's config.json"

static zis_status check_supported(const zis_json_doc *doc, const zis_vae_config *c, zis_error *err)
{
    int64_t out_channels = c->channels;
    bool quant = false, post_quant = false, attention = true;
    zis_status st = zis_json_doc_int(doc, "out_channels", 1, 64, &out_channels, err);
    if (!st) st = zis_json_doc_bool(doc, "use_quant_conv", &quant, err);
    if (!st) st = zis_json_doc_bool(doc, "use_post_quant_conv", &post_quant, err);
    if (!st) st = zis_json_doc_bool(doc, "mid_block_add_attention", &attention, err);
    if (st) return st;
    const char *act = zis_json_doc_string(doc, "act_fn");
    if (quant || post_quant || !attention || (act && strcmp(act, "silu") != 0))
        return zis_fail(err, ZIS_UNSUPPORTED,
                        WHAT " is not of the FLUX family: quant convolutions, no attention in the "
                             "middle, or an activation other than 'silu'");
    if (out_channels != c->channels)
        return zis_fail(err, ZIS_UNSUPPORTED,
                        WHAT " has %d channels in and %d out; both must be the same",
                        (int)c->channels, (int)out_channels);
    return ZIS_OK;
}

static zis_status read_widths(zis_vae_config *c, const zis_json_doc *doc, zis_error *err)
{
    zis_status st =
        zis_json_doc_int(doc, "block_out_channels.#", 1, ZIS_VAE_MAX_LEVELS, &c->levels, err);
    for (int i = 0; i < (int)c->levels && !st; i++) {
        char key[32];
        snprintf(key, sizeof key, "block_out_channels.%d", i);
        st = zis_json_doc_int(doc, key, 1, 1 << 14, &c->width[i], err);
        if (!st && c->width[i] % c->groups)
            st = zis_fail(err, ZIS_FORMAT,
                          WHAT " has a width of %d, which is no multiple of the %d "
                               "groups of its norms",
                          (int)c->width[i], (int)c->groups);
    }
    return st;
}

zis_status zis_vae_config_read(zis_vae_config *out, const zis_json_doc *doc, zis_error *err)
{
    zis_vae_config c = {
        .channels = 3,
        .latent_channels = 16,
        .levels = 4,
        .width = {128, 256, 512, 512},
        .layers_per_block = 2,
        .groups = 32,
        .scaling = 0.3611,
        .shift = 0.1159,
        .sample_size = 1024,
    };
    zis_status st = zis_json_doc_int(doc, "in_channels", 1, 64, &c.channels, err);
    if (!st) st = zis_json_doc_int(doc, "latent_channels", 1, 1024, &c.latent_channels, err);
    if (!st) st = zis_json_doc_int(doc, "layers_per_block", 1, 64, &c.layers_per_block, err);
    if (!st) st = zis_json_doc_int(doc, "norm_num_groups", 1, 1 << 14, &c.groups, err);
    if (!st) st = zis_json_doc_int(doc, "sample_size", 1, 1 << 16, &c.sample_size, err);
    if (!st) st = zis_json_doc_double(doc, "scaling_factor", 1e-6, 1e6, &c.scaling, err);
    if (!st) st = zis_json_doc_double(doc, "shift_factor", -1e6, 1e6, &c.shift, err);
    if (!st) st = read_widths(&c, doc, err);
    if (!st) st = check_supported(doc, &c, err);
    if (!st) *out = c;
    return st;
}
