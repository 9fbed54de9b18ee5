/* block.c - attention and feed-forward of a transformer block. */
#include "nn/block.h"

#include <math.h>

void zis_block_attend(zis_run *run,
                      const zis_block_attention *w,
                      const zis_block_heads *h,
                      const zis_rope_table *angles,
                      zis_tensor u,
                      zis_tensor y,
                      zis_epilogue epilogue)
{
    int64_t rows = u.dim[0];
    int64_t q_width = (int64_t)h->heads * h->head_dim,
            kv_width = (int64_t)h->kv_heads * h->head_dim;
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    zis_tensor qkv = zis_run_alloc_2d(run, ZIS_DTYPE_F32, rows, q_width + 2 * kv_width);
    zis_tensor o = zis_run_alloc_2d(run, ZIS_DTYPE_F32, rows, q_width);
    zis_linear(run, &(zis_linear_args){
                        .y = qkv, .x = u, .w = {&w->q, &w->k, &w->v}, .n_w = 3, .fine = h->fine});
    zis_qk_norm_rope(run, &(zis_qk_norm_rope_args){
                              .qkv = qkv,
                              .heads = h->heads,
                              .kv_heads = h->kv_heads,
                              .head_dim = h->head_dim,
                              .q_w = w->q_norm,
                              .k_w = w->k_norm,
                              .eps = h->eps,
                              .form = h->form,
                              .cos = angles->cos,
                              .sin = angles->sin,
                          });
    zis_attention(run, &(zis_attention_args){
                           .o = o,
                           .q = zis_tensor_col_slice(&qkv, 0, q_width),
                           .k = zis_tensor_col_slice(&qkv, q_width, kv_width),
                           .v = zis_tensor_col_slice(&qkv, q_width + kv_width, kv_width),
                           .heads = h->heads,
                           .kv_heads = h->kv_heads,
                           .head_dim = h->head_dim,
                           .scale = (float)(1 / sqrt((double)h->head_dim)),
                           .causal = h->causal,
                           .exact = h->fine,
                       });
    zis_linear(
        run, &(zis_linear_args){
                 .y = y, .x = o, .w = {&w->out}, .n_w = 1, .epilogue = epilogue, .fine = h->fine});
    zis_arena_restore(&run->scratch, mark);
}

void zis_block_feed(
    zis_run *run, const zis_block_mlp *w, zis_tensor u, zis_tensor y, zis_epilogue epilogue)
{
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    zis_tensor f = zis_run_alloc_2d(run, ZIS_DTYPE_F32, u.dim[0], w->gate.t.dim[0]);
    zis_linear(
        run,
        &(zis_linear_args){
            .y = f, .x = u, .w = {&w->gate, &w->up}, .n_w = 2, .epilogue = ZIS_EPILOGUE_SILU_MUL});
    zis_linear(run,
               &(zis_linear_args){.y = y, .x = f, .w = {&w->down}, .n_w = 1, .epilogue = epilogue});
    zis_arena_restore(&run->scratch, mark);
}

zis_status zis_block_add_resident(zis_resident *r,
                                  const zis_block_attention *attention,
                                  const zis_block_mlp *mlp,
                                  zis_error *err)
{
    const zis_weight *list[] = {&attention->q, &attention->k, &attention->v, &attention->out,
                                &mlp->gate,    &mlp->up,      &mlp->down};
    zis_status st = ZIS_OK;
    for (size_t k = 0; k < sizeof list / sizeof *list && !st; k++) {
        size_t rows = (size_t)zis_tensor_rows(&list[k]->t);
        st = zis_resident_add(r, list[k]->t.data, rows, zis_tensor_bytes(&list[k]->t) / rows, err);
    }
    return st;
}
