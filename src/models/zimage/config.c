/* config.c - the configuration of a Z-Image transformer. */
#include "models/zimage/zimage.h"

#include <stdio.h>

#define WHAT "the transformer's config.json"

static zis_status check_supported(const zis_json_doc *doc, int64_t heads, zis_error *err)
{
    int64_t kv_heads = heads, f_patch = 1, siglip = 0;
    bool qk_norm = true;
    zis_status st = zis_json_doc_int(doc, "n_kv_heads", 1, 1 << 16, &kv_heads, err);
    if (!st) st = zis_json_doc_int(doc, "all_f_patch_size.0", 1, 64, &f_patch, err);
    if (!st) st = zis_json_doc_int(doc, "siglip_feat_dim", 1, 1 << 20, &siglip, err);
    if (!st) st = zis_json_doc_bool(doc, "qk_norm", &qk_norm, err);
    if (st) return st;
    if (siglip)
        return zis_fail(err, ZIS_UNSUPPORTED,
                        WHAT " is of Z-Image-Omni ('siglip_feat_dim' is set), which is not known");
    if (kv_heads != heads || f_patch != 1 || !qk_norm)
        return zis_fail(err, ZIS_UNSUPPORTED,
                        WHAT
                        " asks for shared key-value heads, video patches or attention without "
                        "its norm ('n_kv_heads', 'all_f_patch_size', 'qk_norm'), which Z-Image "
                        "does not have");
    return ZIS_OK;
}

static zis_status check_sums(const zis_zimage_config *c, zis_error *err)
{
    if (c->dim % c->heads)
        return zis_fail(err, ZIS_FORMAT, WHAT " has a width of %d that %d heads cannot share",
                        (int)c->dim, (int)c->heads);
    int64_t sum = 0;
    for (int a = 0; a < 3; a++) {
        if (c->axes_dims[a] % 2)
            return zis_fail(err, ZIS_FORMAT, WHAT " has an odd number in axes_dims: %d",
                            (int)c->axes_dims[a]);
        sum += c->axes_dims[a];
    }
    if (sum != c->dim / c->heads)
        return zis_fail(err, ZIS_FORMAT,
                        WHAT " has axes_dims that add up to %d, but a head has %d values (%d / %d)",
                        (int)sum, (int)(c->dim / c->heads), (int)c->dim, (int)c->heads);
    return ZIS_OK;
}

zis_status zis_zimage_config_read(zis_zimage_config *out, const zis_json_doc *doc, zis_error *err)
{
    zis_zimage_config c = {
        .dim = 3840,
        .layers = 30,
        .refiner_layers = 2,
        .heads = 30,
        .in_channels = 16,
        .cap_dim = 2560,
        .patch = 2,
        .axes_dims = {32, 48, 48},
        .axes_lens = {1536, 512, 512},
        .norm_eps = 1e-5,
        .rope_theta = 256,
        .t_scale = 1000,
    };
    /* Limits are generous for any model of this kind and keep all products far from overflow. */
    const struct {
        const char *key;
        int64_t lo, hi;
        int64_t *value;
    } ints[] = {
        {"dim", 2, 1 << 16, &c.dim},
        {"n_layers", 1, 1024, &c.layers},
        {"n_refiner_layers", 0, 1024, &c.refiner_layers},
        {"n_heads", 1, 1024, &c.heads},
        {"in_channels", 1, 1024, &c.in_channels},
        {"cap_feat_dim", 1, 1 << 16, &c.cap_dim},
        {"all_patch_size.0", 1, 16, &c.patch},
        {"axes_dims.0", 2, 1024, &c.axes_dims[0]},
        {"axes_dims.1", 2, 1024, &c.axes_dims[1]},
        {"axes_dims.2", 2, 1024, &c.axes_dims[2]},
        {"axes_lens.0", 1, 1 << 20, &c.axes_lens[0]},
        {"axes_lens.1", 1, 1 << 20, &c.axes_lens[1]},
        {"axes_lens.2", 1, 1 << 20, &c.axes_lens[2]},
    };
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) {
        zis_status st =
            zis_json_doc_int(doc, ints[i].key, ints[i].lo, ints[i].hi, ints[i].value, err);
        if (st) return st;
    }
    int64_t axes = 3, lens = 3;
    zis_status st = zis_json_doc_int(doc, "axes_dims.#", 3, 3, &axes, err);
    if (!st) st = zis_json_doc_int(doc, "axes_lens.#", 3, 3, &lens, err);
    if (!st) st = zis_json_doc_double(doc, "norm_eps", 1e-12, 1, &c.norm_eps, err);
    if (!st) st = zis_json_doc_double(doc, "rope_theta", 1, 1e12, &c.rope_theta, err);
    if (!st) st = zis_json_doc_double(doc, "t_scale", 1e-3, 1e9, &c.t_scale, err);
    if (!st) st = check_supported(doc, c.heads, err);
    if (!st) st = check_sums(&c, err);
    if (st) return st;
    *out = c;
    return ZIS_OK;
}
