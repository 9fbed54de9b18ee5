/* dpt_impl.h - the weights of DPT-hybrid, shared by weights.c (binds), backbone.c and dpt.c. */
#ifndef ZIS_MODELS_DPT_IMPL_H
#define ZIS_MODELS_DPT_IMPL_H

#include "models/dpt/dpt.h"
#include "nn/bind.h"

#define ZIS_DPT_STAGES 3
#define ZIS_DPT_MAX_BLOCKS 9 /* of a stage */
#define ZIS_DPT_LAYERS 12    /* of the transformer */
#define ZIS_DPT_WIDTH 768
#define ZIS_DPT_HEADS 12
#define ZIS_DPT_SIDE 24 /* of the grid that positions were learned on */
#define ZIS_DPT_FUSED 256
#define ZIS_DPT_GROUPS 32 /* of every group norm */

typedef struct zis_dpt_affine {
    const float *w, *b;
} zis_dpt_affine;

/* A convolution or a linear layer. */
typedef struct zis_dpt_layer {
    zis_weight w;
    const float *b; /* NULL: none */
} zis_dpt_layer;

typedef struct zis_dpt_block {
    zis_weight conv[3]; /* standardised */
    zis_dpt_affine norm[3];
    zis_weight down; /* of a stage's first block */
    zis_dpt_affine down_norm;
} zis_dpt_block;

/* What differs between the stages (preprocessors.md 5.2). */
typedef struct zis_dpt_stage {
    int blocks;
    int64_t in, mid, out; /* channels */
    int stride;           /* of the first block */
} zis_dpt_stage;
extern const zis_dpt_stage zis_dpt_stages[ZIS_DPT_STAGES];

typedef struct zis_dpt_attention {
    zis_dpt_affine norm1, norm2;
    zis_dpt_layer qkv, proj, fc1, fc2;
} zis_dpt_attention;

/* Tokens back to pixels. */
typedef struct zis_dpt_readout {
    zis_dpt_layer project; /* [D, 2 D]: of the token and of the class token */
    zis_dpt_layer out;     /* 1x1 */
    zis_dpt_layer down;    /* 3x3, stride 2; of the last only */
} zis_dpt_readout;

typedef struct zis_dpt_fusion {
    zis_dpt_layer in;         /* 3x3, no bias */
    zis_dpt_layer unit[2][2]; /* residual units, each of two 3x3; the last fusion lacks the first */
    zis_dpt_layer out;        /* 1x1 */
} zis_dpt_fusion;

struct zis_dpt {
    zis_weights *owned; /* NULL when the caller keeps them */
    zis_bind bind;
    float *standard; /* weights of the backbone, one behind the other; owned */
    zis_weight stem;
    zis_dpt_affine stem_norm;
    zis_dpt_block block[ZIS_DPT_STAGES][ZIS_DPT_MAX_BLOCKS];
    zis_dpt_layer patch; /* [D, 1024, 1, 1] */
    zis_weight class_token, position;
    float *first;     /* [D]: class token and its position; owned */
    float *positions; /* [24 * 24, D]; owned */
    zis_dpt_attention layer[ZIS_DPT_LAYERS];
    zis_dpt_readout readout[2];
    zis_dpt_fusion fusion[4]; /* 0: the finest */
    zis_dpt_layer head[3];
};

/* A forward pass on its way. */
typedef struct zis_dpt_pass {
    const zis_dpt *m;
    zis_run *run;
    int64_t h, w; /* of the picture */
    zis_dpt_watch *watch;
    void *watch_arg;
} zis_dpt_pass;

static inline void zis_dpt_show(const zis_dpt_pass *p, const char *name, const zis_tensor *t)
{
    if (p->watch && !p->run->dry) p->watch(p->watch_arg, p->run, name, t);
}

/* backbone.c: the outputs of the three stages, [h/4, w/4, 256] to [h/16, w/16, 1024], in scratch.
 */
void zis_dpt_run_backbone(const zis_dpt_pass *p,
                          const zis_tensor *planes,
                          zis_tensor stage[ZIS_DPT_STAGES]);

#endif
