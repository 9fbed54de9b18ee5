/* weights.c - binds the transformer's tensors (z-image.md 2). */
#include "models/zimage/zimage_impl.h"

#include "base/mem.h"
#include "base/os.h"
#include "nn/folder.h"

#include <stddef.h>
#include <stdlib.h>

#define COUNT(rows) (sizeof(rows) / sizeof *(rows))

/* D width, F feed-forward width, H head_dim, W temb width, P patch^2 * channels, C caption width;
 * %d is the patch size. */
#define ROW(name, kind, shape, field)                                                              \
    {                                                                                              \
        name, ZIS_BIND_##kind, shape, offsetof(zis_zimage, field), false                           \
    }
static const zis_bind_row model_rows[] = {
    ROW("all_x_embedder.%d-1.weight", MATRIX, "D P", x_embed),
    ROW("all_x_embedder.%d-1.bias", VECTOR, "D", x_embed_bias),
    ROW("t_embedder.mlp.0.weight", MATRIX, "1024 256", t_mlp0),
    ROW("t_embedder.mlp.0.bias", VECTOR, "1024", t_mlp0_bias),
    ROW("t_embedder.mlp.2.weight", MATRIX, "W 1024", t_mlp2),
    ROW("t_embedder.mlp.2.bias", VECTOR, "W", t_mlp2_bias),
    ROW("cap_embedder.0.weight", VECTOR, "C", cap_norm),
    ROW("cap_embedder.1.weight", MATRIX, "D C", cap_embed),
    ROW("cap_embedder.1.bias", VECTOR, "D", cap_embed_bias),
    ROW("x_pad_token", VECTOR, "D", x_pad),
    ROW("cap_pad_token", VECTOR, "D", cap_pad),
    ROW("all_final_layer.%d-1.adaLN_modulation.1.weight", MATRIX, "D W", final_modulation),
    ROW("all_final_layer.%d-1.adaLN_modulation.1.bias", VECTOR, "D", final_modulation_bias),
    ROW("all_final_layer.%d-1.linear.weight", MATRIX, "P D", final_linear),
    ROW("all_final_layer.%d-1.linear.bias", VECTOR, "P", final_linear_bias),
};
#undef ROW

/* %s is the list of blocks ("layers."), %d the block. */
#define ROW(name, kind, shape, field)                                                              \
    {                                                                                              \
        "%s%d." name, ZIS_BIND_##kind, shape, offsetof(zis_zimage_block, field), false             \
    }
static const zis_bind_row block_rows[] = {
    ROW("attention.to_q.weight", MATRIX, "D D", attention.q),
    ROW("attention.to_k.weight", MATRIX, "D D", attention.k),
    ROW("attention.to_v.weight", MATRIX, "D D", attention.v),
    ROW("attention.to_out.0.weight", MATRIX, "D D", attention.out),
    ROW("attention.norm_q.weight", VECTOR, "H", attention.q_norm),
    ROW("attention.norm_k.weight", VECTOR, "H", attention.k_norm),
    ROW("feed_forward.w1.weight", MATRIX, "F D", mlp.gate),
    ROW("feed_forward.w3.weight", MATRIX, "F D", mlp.up),
    ROW("feed_forward.w2.weight", MATRIX, "D F", mlp.down),
    ROW("attention_norm1.weight", VECTOR, "D", attention_norm1),
    ROW("attention_norm2.weight", VECTOR, "D", attention_norm2),
    ROW("ffn_norm1.weight", VECTOR, "D", ffn_norm1),
    ROW("ffn_norm2.weight", VECTOR, "D", ffn_norm2),
};
static const zis_bind_row modulation_rows[] = {
    ROW("adaLN_modulation.0.weight", MATRIX, "4*D W", modulation),
    ROW("adaLN_modulation.0.bias", VECTOR, "4*D", modulation_bias),
};
#undef ROW

const zis_zimage_rows zis_zimage_model_rows = {model_rows, COUNT(model_rows)};
const zis_zimage_rows zis_zimage_block_rows = {block_rows, COUNT(block_rows)};
const zis_zimage_rows zis_zimage_modulation_rows = {modulation_rows, COUNT(modulation_rows)};

/* The feed-forward width is the file's; without the tensor, what the published code would make. */
static int64_t feed_width(const zis_zimage_config *c, const zis_weights *w, const char *feed)
{
    const zis_weights_entry *e = zis_weights_find(w, feed);
    if (e && e->tensor.ndim == 2 && e->tensor.dim[0] > 0) return e->tensor.dim[0];
    return (int64_t)((double)c->dim / 3 * 8);
}

void zis_zimage_define_symbols(zis_bind *b,
                               const zis_zimage_config *c,
                               const zis_weights *weights,
                               const char *feed)
{
    int64_t *v = b->symbols.value;
    v['D' - 'A'] = c->dim;
    v['F' - 'A'] = feed_width(c, weights, feed);
    v['H' - 'A'] = c->dim / c->heads;
    v['W' - 'A'] = c->dim < ZIS_ZIMAGE_TEMB_MAX ? c->dim : ZIS_ZIMAGE_TEMB_MAX;
    v['P' - 'A'] = c->patch * c->patch * c->in_channels;
    v['C' - 'A'] = c->cap_dim;
}

zis_zimage_block *zis_zimage_bind_blocks(zis_bind *b, const char *list, int64_t n, bool modulated)
{
    zis_zimage_block *blocks = zis_mem_zalloc((size_t)n, sizeof *blocks);
    if (!blocks) {
        b->nomem = true;
        return NULL;
    }
    for (int i = 0; i < (int)n; i++) {
        zis_bind_table(b, block_rows, COUNT(block_rows), list, i, &blocks[i]);
        if (modulated)
            zis_bind_table(b, modulation_rows, COUNT(modulation_rows), list, i, &blocks[i]);
    }
    return blocks;
}

zis_status zis_zimage_create(zis_zimage **out,
                             const zis_zimage_config *config,
                             const zis_weights *weights,
                             zis_error *err)
{
    zis_zimage *m = zis_mem_zalloc(1, sizeof *m);
    if (!m) return zis_fail_nomem(err, "the transformer");
    m->config = *config;
    m->temb_width = config->dim < ZIS_ZIMAGE_TEMB_MAX ? config->dim : ZIS_ZIMAGE_TEMB_MAX;
    zis_bind_init(&m->bind, weights, "a Z-Image transformer");
    zis_zimage_define_symbols(&m->bind, config, weights, "layers.0.feed_forward.w1.weight");
    zis_bind_table(&m->bind, model_rows, COUNT(model_rows), "", (int)config->patch, m);
    m->noise_refiner =
        zis_zimage_bind_blocks(&m->bind, "noise_refiner.", config->refiner_layers, true);
    m->context_refiner =
        zis_zimage_bind_blocks(&m->bind, "context_refiner.", config->refiner_layers, false);
    m->layers = zis_zimage_bind_blocks(&m->bind, "layers.", config->layers, true);
    zis_bind_end(&m->bind, block_rows, "noise_refiner.", (int)config->refiner_layers);
    zis_bind_end(&m->bind, block_rows, "context_refiner.", (int)config->refiner_layers);
    zis_bind_end(&m->bind, block_rows, "layers.", (int)config->layers);
    zis_status st = zis_bind_finish(&m->bind, err);
    if (!st) {
        *out = m;
        m = NULL;
    }
    zis_zimage_close(&m);
    return st;
}

/* Below this the look-ups of pages cost nothing that could be seen. */
#define RESIDENT_LEAST (1u << 30)

zis_status zis_zimage_add_resident(zis_resident *r,
                                   const zis_zimage_block *blocks,
                                   int64_t n,
                                   zis_error *err)
{
    zis_status st = ZIS_OK;
    for (int64_t i = 0; i < n && !st; i++)
        st = zis_block_add_resident(r, &blocks[i].attention, &blocks[i].mlp, err);
    return st;
}

/* Only addresses are reserved here. Without them the weights stay mapped, which is slower and no
 * failure. */
static void make_resident(zis_zimage *m)
{
    uint64_t memory = zis_os_memory();
    if (m->bind.bytes < RESIDENT_LEAST || (memory && memory < m->bind.bytes / 2 * 3)) return;
    zis_resident *r = NULL;
    zis_status st = zis_resident_create(&r, NULL);
    if (!st) st = zis_zimage_add_resident(r, m->noise_refiner, m->config.refiner_layers, NULL);
    if (!st) st = zis_zimage_add_resident(r, m->layers, m->config.layers, NULL);
    if (!st) st = zis_resident_seal(r, NULL);
    if (st) zis_resident_destroy(&r);
    m->resident = r;
}

zis_resident *zis_zimage_resident(const zis_zimage *m)
{
    return m->resident;
}

zis_status zis_zimage_open(zis_zimage **out, const char *folder, zis_error *err)
{
    zis_json_doc *doc = NULL;
    zis_weights *weights = NULL;
    zis_zimage_config config;
    zis_zimage *m = NULL;
    zis_status st = zis_folder_open(&doc, &weights, folder, err);
    if (!st) st = zis_zimage_config_read(&config, doc, err);
    if (!st) st = zis_zimage_create(&m, &config, weights, err);
    if (!st) {
        m->owned = weights;
        weights = NULL;
        make_resident(m);
        *out = m;
    }
    zis_weights_close(&weights);
    zis_json_doc_destroy(&doc);
    return st;
}

void zis_zimage_close(zis_zimage **model)
{
    zis_zimage *m = *model;
    if (!m) return;
    zis_bind_deinit(&m->bind);
    zis_resident_destroy(&m->resident);
    zis_weights_close(&m->owned);
    free(m->noise_refiner);
    free(m->context_refiner);
    free(m->layers);
    free(m);
    *model = NULL;
}

const zis_zimage_config *zis_zimage_get_config(const zis_zimage *m)
{
    return &m->config;
}

uint64_t zis_zimage_bytes(const zis_zimage *m)
{
    return m->bind.bytes;
}
