/* zimage_impl.h - the weights of a transformer and of its ControlNet, shared by the files that bind
 * them (weights.c, control.c) and those that run them (times.c, blocks.c, forward.c,
 * control_run.c).
 *
 * D width, F feed-forward width, W width of the time embedding. */
#ifndef ZIS_MODELS_ZIMAGE_IMPL_H
#define ZIS_MODELS_ZIMAGE_IMPL_H

#include "models/zimage/control.h"
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

typedef struct zis_control_proj {
    zis_weight w;   /* [D, D] */
    const float *b; /* [D] */
} zis_control_proj;

struct zis_control {
    zis_control_info info;
    zis_weights *owned;
    zis_resident *resident;
    zis_bind bind;
    int64_t *places;  /* [info.layers] main layers that get the hints */
    zis_weight embed; /* [D, P] */
    const float *embed_bias;
    zis_zimage_block *refiner; /* [n_refiner] control_noise_refiner; none in 2.0 */
    int64_t n_refiner;
    zis_zimage_block *layers;        /* [info.layers] control_layers */
    zis_control_proj *refiner_after; /* [n_refiner]; NULL in 1.0 */
    zis_control_proj *layers_after;  /* [info.layers] */
    zis_control_proj refiner_before; /* 2.1 alone */
    zis_control_proj layers_before;
};

/* ---- weights.c ---- */
/* n blocks named PREFIX0., PREFIX1., ...; NULL without memory, which the binder notes. */
zis_zimage_block *zis_zimage_bind_blocks(zis_bind *b,
                                         const char *prefix,
                                         int64_t n,
                                         bool modulated);
/* The symbols of block rows, for a feed-forward that is as wide as that of this tensor. */
void zis_zimage_define_symbols(zis_bind *b,
                               const zis_zimage_config *c,
                               const zis_weights *weights,
                               const char *feed);
ZIS_MUST_USE zis_status zis_zimage_add_resident(zis_resident *r,
                                                const zis_zimage_block *blocks,
                                                int64_t n,
                                                zis_error *err);

/* ---- times.c ---- */
/* m [n * steps, 4 D]: the modulation of n blocks at all steps. */
void zis_zimage_modulate(
    zis_run *run, const zis_zimage_block *blocks, int64_t n, zis_tensor temb, zis_tensor m);

/* ---- blocks.c ---- */
/* Where a list of blocks is: which part of the modulation, and who watches. */
typedef struct zis_zimage_course {
    const zis_zimage_config *config;
    const char *who;         /* "the transformer", for messages */
    const char *list;        /* "layers" */
    zis_tensor modulation;   /* [blocks * steps, 4 D], or no data: not modulated */
    int64_t steps, step;     /* all, and this one */
    int64_t first;           /* block of the modulation that the first of these blocks is */
    zis_zimage_watch *watch; /* of each block; may be NULL */
    void *watch_arg;
} zis_zimage_course;

/* Blocks of a ControlNet that run beside the main ones. After main block place[k] its block k moves
 * c on, and x += scale * after_k(c). So no hint waits for its turn in memory. */
typedef struct zis_zimage_chain {
    zis_zimage_course at;
    const zis_zimage_block *blocks;
    const zis_control_proj *after;
    const int64_t *places; /* NULL: k */
    int64_t n_hints;       /* that are added */
    int64_t n;             /* blocks; those without a hint run behind the last main block */
    int64_t done;
    float scale;
    zis_resident *resident; /* of these blocks, or NULL */
    zis_tensor c;           /* like x */
} zis_zimage_chain;

/* Blocks 0 .. n-1 over x [L, D], in place; chain: NULL, or what runs beside them. */
void zis_zimage_run_blocks(zis_run *run,
                           const zis_zimage_course *at,
                           const zis_zimage_block *blocks,
                           int64_t n,
                           const zis_rope_table *angles,
                           zis_tensor x,
                           zis_zimage_chain *chain);

/* ---- forward.c ---- */
/* x [>= tokens, D]: tokens of planes [C, h, w], then rows of the pad token. */
void zis_zimage_embed_planes(const zis_zimage *m,
                             zis_run *run,
                             const zis_weight *w,
                             const float *bias,
                             const zis_tensor *planes,
                             int64_t tokens,
                             zis_tensor x);

/* ---- control_run.c ---- */
/* The chain beside the noise refiner of a step; x [Lx', D] are its embedded tokens. */
void zis_control_begin_refiner(const zis_control_hints *h,
                               zis_run *run,
                               const zis_zimage_course *main,
                               const zis_rope_table *angles,
                               zis_tensor x,
                               zis_zimage_chain *chain);
/* The chain beside the joint layers, behind the refiner's; x [rows + Lc', D] = [image ; caption].
 * Takes scratch. */
void zis_control_begin_layers(const zis_control_hints *h,
                              zis_run *run,
                              const zis_zimage_course *main,
                              int64_t rows,
                              zis_tensor x,
                              zis_zimage_chain *chain);

/* Fixed by the architecture, in no configuration (z-image.md 4). */
#define ZIS_ZIMAGE_ROWS_MULTIPLE 32
#define ZIS_ZIMAGE_TIME_FREQUENCIES 256
#define ZIS_ZIMAGE_TIME_HIDDEN 1024
#define ZIS_ZIMAGE_TEMB_MAX 256
#define ZIS_ZIMAGE_QK_EPS 1e-5f
#define ZIS_ZIMAGE_FINAL_EPS 1e-6f

#endif
