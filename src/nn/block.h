/* block.h - the two halves that every transformer block is made of: attention of heads with
 * normalised, rotated queries and keys, and the SiLU-gated feed-forward.
 *
 * Norms before and gates behind differ by model and stay with the model; `epilogue` says whether
 * the last product replaces y or is added to it. Scratch is taken from the run and given back.
 * Threads: as the run. */
#ifndef ZIS_NN_BLOCK_H
#define ZIS_NN_BLOCK_H

#include "kernels/run.h"
#include "nn/rope.h"

typedef struct zis_block_attention {
    zis_weight q, k, v;           /* [heads * head_dim, D], [kv_heads * head_dim, D] twice */
    zis_weight out;               /* [D, heads * head_dim] */
    const float *q_norm, *k_norm; /* [head_dim] */
} zis_block_attention;

typedef struct zis_block_heads {
    int heads;
    int kv_heads;
    int head_dim;
    zis_rope_form form;
    bool causal;
    bool fine; /* where products are bfloat16: no rounding of activations in the attention half */
    float eps; /* of q_norm and k_norm */
} zis_block_heads;

/* y [L, D] (or y +=) = attention of u [L, D]; angles has L rows. */
void zis_block_attend(zis_run *run,
                      const zis_block_attention *w,
                      const zis_block_heads *h,
                      const zis_rope_table *angles,
                      zis_tensor u,
                      zis_tensor y,
                      zis_epilogue epilogue);

typedef struct zis_block_mlp {
    zis_weight gate, up; /* [F, D] each */
    zis_weight down;     /* [D, F] */
} zis_block_mlp;

/* y [L, D] (or y +=) = down(silu(gate(u)) * up(u)). */
void zis_block_feed(
    zis_run *run, const zis_block_mlp *w, zis_tensor u, zis_tensor y, zis_epilogue epilogue);

/* Lists a block's matrices among those that move to huge pages (resident.h). */
ZIS_MUST_USE zis_status zis_block_add_resident(zis_resident *r,
                                               const zis_block_attention *attention,
                                               const zis_block_mlp *mlp,
                                               zis_error *err);

#endif
