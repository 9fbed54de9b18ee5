/* zimage_impl.h - the weights of a transformer, shared by weights.c (binds) and forward.c (runs).
 *
 * D width, F feed-forward width, W width of the time embedding. */
#ifndef ZIS_MODELS_ZIMAGE_IMPL_H
#define ZIS_MODELS_ZIMAGE_IMPL_H

#include "models/zimage/zimage.h"
#include "nn/bind.h"
#include "nn/block.h"

typedef struct zis_zimage_block {
    zis_block_attention attention;
    zis_block_mlp mlp;
    const float *attention_norm1, *attention_norm2; /* [D]: before, and on what comes out */
    const float *ffn_norm1, *ffn_norm2;             /* [D] */
    zis_weight modulation;                          /* [4 D, W]; not in the context refiner */
    const float *modulation_bias;                   /* [4 D] */
} zis_zimage_block;

struct zis_zimage {
    zis_zimage_config config;
    zis_weights *owned;     /* NULL when the caller keeps them */
    zis_resident *resident; /* of the blocks that run in every step; NULL: they stay mapped */
    zis_bind bind;
    int64_t temb_width; /* W */
    zis_weight x_embed;
    const float *x_embed_bias;
    const float *x_pad, *cap_pad; /* [D] */
    const float *cap_norm;        /* [cap_dim] */
    zis_weight cap_embed;
    const float *cap_embed_bias;
    zis_weight t_mlp0, t_mlp2;
    const float *t_mlp0_bias, *t_mlp2_bias;
    zis_weight final_modulation, final_linear;
    const float *final_modulation_bias, *final_linear_bias;
    zis_zimage_block *noise_refiner;   /* [refiner_layers] */
    zis_zimage_block *context_refiner; /* [refiner_layers] */
    zis_zimage_block *layers;          /* [layers] */
};

/* Binding tables, of weights.c: of the model, of every block, of blocks with modulation. Their
 * names take the list of blocks ("layers.") for %s, and for %d the block or, in the model's, the
 * patch. */
typedef struct zis_zimage_rows {
    const zis_bind_row *rows;
    size_t n;
} zis_zimage_rows;
extern const zis_zimage_rows zis_zimage_model_rows, zis_zimage_block_rows,
    zis_zimage_modulation_rows;

/* Fixed by the architecture, in no configuration (z-image.md 4). */
#define ZIS_ZIMAGE_ROWS_MULTIPLE 32
#define ZIS_ZIMAGE_TIME_FREQUENCIES 256
#define ZIS_ZIMAGE_TIME_HIDDEN 1024
#define ZIS_ZIMAGE_TEMB_MAX 256
#define ZIS_ZIMAGE_QK_EPS 1e-5f
#define ZIS_ZIMAGE_FINAL_EPS 1e-6f

#endif
