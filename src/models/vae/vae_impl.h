/* vae_impl.h - the weights of the autoencoder, shared by weights.c (binds), decode.c and encode.c.
 */
#ifndef ZIS_MODELS_VAE_IMPL_H
#define ZIS_MODELS_VAE_IMPL_H

#include "models/vae/vae.h"
#include "nn/bind.h"

#define ZIS_VAE_EPS 1e-6f /* of every group norm (vae.md 1) */
#define ZIS_VAE_MAX_RESNETS 65

typedef struct zis_vae_norm {
    const float *w, *b; /* [C] */
} zis_vae_norm;

typedef struct zis_vae_conv {
    zis_weight w;   /* [N, C, k, k] */
    const float *b; /* [N] */
} zis_vae_conv;

typedef struct zis_vae_resnet {
    zis_vae_norm norm1, norm2;
    zis_vae_conv conv1, conv2;
    zis_vae_conv shortcut; /* no data where the widths agree */
} zis_vae_resnet;

typedef struct zis_vae_attention {
    zis_vae_norm norm;
    zis_weight q, k, v, out;
    const float *q_bias, *k_bias, *v_bias, *out_bias; /* [C] */
    float *qkv_bias;                                  /* [3 C], one after the other; owned */
} zis_vae_attention;

/* One resolution: resnets, then a change of resolution but at the last level. */
typedef struct zis_vae_level {
    zis_vae_resnet resnets[ZIS_VAE_MAX_RESNETS];
    zis_vae_conv resample;
} zis_vae_level;

/* Encoder or decoder: the same parts in another order. */
typedef struct zis_vae_half {
    zis_vae_conv conv_in, conv_out;
    zis_vae_norm norm_out;
    zis_vae_resnet mid[2];
    zis_vae_attention attention;
    zis_vae_level *levels; /* [levels], in the order of execution; NULL: not bound */
    int n_resnets;         /* of each level */
} zis_vae_half;

struct zis_vae {
    zis_vae_config config;
    zis_weights *owned; /* NULL when the caller keeps them */
    zis_bind bind;
    zis_vae_half encoder, decoder;
};

/* blocks.c: the stages that both halves are made of. Feature maps lie in three slots of scratch
 * that take turns, so that a resnet runs in place and never more than three maps are alive. */
typedef struct zis_vae_maps {
    zis_run *run;
    int groups;
    void *slot[3];
    size_t need[3];  /* bytes that each slot had to hold so far */
    int at;          /* slot of the present map */
    zis_tensor x;    /* [h, w, C], the present map */
    const char *who; /* "the VAE's decoder" */
    char where[96];  /* the stage that makes what the next norm looks at */
} zis_vae_maps;

/* Measures with a dry twin, then takes the slots from the run: call `walk` between the two.
 *     begin -> walk(maps) -> settle -> walk(maps) */
void zis_vae_maps_measure(zis_vae_maps *maps, zis_run *twin, const zis_run *like, int groups);
/* The real maps, with slots as large as the measured ones were. */
void zis_vae_maps_create(zis_vae_maps *maps, zis_run *run, const zis_vae_maps *measured);

/* A map of the given shape in another slot (1 or 2 turns away). */
zis_tensor zis_vae_maps_take(zis_vae_maps *maps, int turn, int64_t h, int64_t w, int64_t c);
/* What take(turn) gave becomes the present map. */
void zis_vae_maps_turn(zis_vae_maps *maps, int turn, zis_tensor x);

/* The stage that comes, as the checkpoint calls it ("up_blocks.1.resnets.0"), for messages. A norm
 * at its start still looks at what the stage before it made: so resnets and attention, which have
 * one, take their name along. */
void zis_vae_maps_name(zis_vae_maps *maps, const char *fmt, ...) ZIS_PRINTF(2, 3);

void zis_vae_run_conv(zis_vae_maps *maps, const zis_vae_conv *c); /* 3x3 */
void zis_vae_run_conv_out(zis_vae_maps *maps, const zis_vae_norm *n, const zis_vae_conv *c);
void zis_vae_run_upsample(zis_vae_maps *maps, const zis_vae_conv *c); /* nearest x2, then 3x3 */
void zis_vae_run_downsample(zis_vae_maps *maps, const zis_vae_conv *c);
void zis_vae_run_resnet(zis_vae_maps *maps, const char *name, const zis_vae_resnet *r);
void zis_vae_run_attention(zis_vae_maps *maps, const char *name, const zis_vae_attention *a);

#endif
