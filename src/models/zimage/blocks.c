/* blocks.c - lists of transformer blocks (z-image.md 4.7), alone or with a ControlNet's beside them
 * (controlnet.md 4). */
#include "models/zimage/zimage_impl.h"

#include <stdio.h>

/* Scale and gate of one block at one step; all NULL without modulation. */
typedef struct modulation {
    const float *scale_attention, *gate_attention; /* [D] each */
    const float *scale_feed, *gate_feed;
} modulation;

static modulation modulation_of(const zis_zimage_course *at, int64_t block)
{
    if (!at->modulation.data) return (modulation){0};
    int64_t d = at->config->dim;
    const float *row =
        (const float *)at->modulation.data + ((at->first + block) * at->steps + at->step) * 4 * d;
    return (modulation){row, row + d, row + 2 * d, row + 3 * d};
}

#define NAME_ROOM 64

/* "layers.3", "the transformer, layers.3" */
static void put_name(char *name, const char *who, const zis_zimage_course *at, int64_t block)
{
    snprintf(name, NAME_ROOM, "%s%s%s.%d", who, *who ? ", " : "", at->list, (int)block);
}

/* Two buffers of x's shape, which all blocks of a list share. */
typedef struct room {
    zis_tensor u; /* normed input of the next product */
    zis_tensor o; /* what comes out */
} room;

static void norm_first(zis_run *run,
                       const zis_zimage_course *at,
                       const zis_zimage_block *b,
                       int64_t i,
                       zis_tensor x,
                       const room *r)
{
    zis_rms_norm(run, &(zis_rms_norm_args){.y = r->u,
                                           .x = x,
                                           .w = b->attention_norm1,
                                           .scale = modulation_of(at, i).scale_attention,
                                           .eps = (float)at->config->norm_eps});
}

/* Block i of the list over x, whose first norm lies in r->u. next: the block whose first norm is to
 * be left there, computed by the last residual sum, which has the row at hand; or NULL. */
static void run_block(zis_run *run,
                      const zis_zimage_course *at,
                      const zis_zimage_block *b,
                      int64_t i,
                      const zis_zimage_block *next,
                      const zis_rope_table *angles,
                      zis_tensor x,
                      const room *r)
{
    const zis_zimage_config *c = at->config;
    zis_block_heads heads = {
        .heads = (int)c->heads,
        .kv_heads = (int)c->heads,
        .head_dim = (int)(c->dim / c->heads),
        .form = ZIS_ROPE_PAIRS,
        .fine = !at->modulation.data, /* the caption: once a prompt, and every step follows it */
        .eps = ZIS_ZIMAGE_QK_EPS,
    };
    float eps = (float)c->norm_eps;
    modulation mod = modulation_of(at, i);
    zis_block_attend(run, &b->attention, &heads, angles, r->u, r->o, ZIS_EPILOGUE_NONE);
    zis_gate_residual(run, &(zis_gate_residual_args){
                               .x = x,
                               .y = r->u,
                               .o = r->o,
                               .w = b->attention_norm2,
                               .gate = mod.gate_attention,
                               .next_w = b->ffn_norm1,
                               .next_scale = mod.scale_feed,
                               .eps = eps,
                           });
    zis_block_feed(run, &b->mlp, r->u, r->o, ZIS_EPILOGUE_NONE);
    zis_gate_residual_args last = {
        .x = x, .o = r->o, .w = b->ffn_norm2, .gate = mod.gate_feed, .eps = eps};
    if (next) {
        last.y = r->u;
        last.next_w = next->attention_norm1;
        last.next_scale = modulation_of(at, i + 1).scale_attention;
    }
    zis_gate_residual(run, &last);
}

/* ---- beside ---- */

static bool hint_follows(const zis_zimage_chain *chain, int64_t block)
{
    if (!chain || chain->done >= chain->n_hints) return false;
    return (chain->places ? chain->places[chain->done] : chain->done) == block;
}

/* The chain's next block. u and o are free: no norm waits in them behind a block with a hint. */
static void advance(zis_run *run,
                    zis_zimage_chain *chain,
                    const zis_rope_table *angles,
                    const room *r)
{
    const zis_zimage_block *b = &chain->blocks[chain->done];
    zis_resident *main = run->resident;
    const char *where = run->where;
    char name[NAME_ROOM];
    put_name(name, chain->at.who, &chain->at, chain->done);
    run->where = name;
    run->resident = chain->resident;
    norm_first(run, &chain->at, b, chain->done, chain->c, r);
    run_block(run, &chain->at, b, chain->done, NULL, angles, chain->c, r);
    run->resident = main;
    run->where = where;
}

/* x += scale * after(c) */
static void add_hint(zis_run *run, const zis_zimage_chain *chain, zis_tensor x, const room *r)
{
    const zis_control_proj *after = &chain->after[chain->done];
    zis_linear(run, &(zis_linear_args){
                        .y = r->o, .x = chain->c, .w = {&after->w}, .n_w = 1, .bias = after->b});
    char name[NAME_ROOM];
    const char *where = run->where;
    snprintf(name, sizeof name, "%s, %s.%d, its hint", chain->at.who, chain->at.list,
             (int)chain->done);
    run->where = name;
    zis_finite(run, &(zis_finite_args){r->o});
    run->where = where;
    if (chain->at.watch && !run->dry) {
        snprintf(name, sizeof name, "hint.%d", (int)chain->done);
        chain->at.watch(chain->at.watch_arg, run, name, &r->o);
    }
    zis_affine(run, &(zis_affine_args){.y = x, .x = x, .z = r->o, .a = 1, .b = chain->scale});
}

/* ---- all ---- */

void zis_zimage_run_blocks(zis_run *run,
                           const zis_zimage_course *at,
                           const zis_zimage_block *blocks,
                           int64_t n,
                           const zis_rope_table *angles,
                           zis_tensor x,
                           zis_zimage_chain *chain)
{
    char name[NAME_ROOM], where[NAME_ROOM];
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    const room r = {zis_run_alloc_2d(run, ZIS_DTYPE_F32, x.dim[0], x.dim[1]),
                    zis_run_alloc_2d(run, ZIS_DTYPE_F32, x.dim[0], x.dim[1])};
    bool normed = false;
    run->where = where;
    for (int64_t i = 0; i < n && !zis_run_stopped(run); i++) {
        put_name(name, "", at, i);
        put_name(where, at->who, at, i);
        bool hint = hint_follows(chain, i);
        if (!normed) norm_first(run, at, &blocks[i], i, x, &r);
        normed = !hint && i + 1 < n;
        run_block(run, at, &blocks[i], i, normed ? &blocks[i + 1] : NULL, angles, x, &r);
        if (hint) {
            advance(run, chain, angles, &r);
            add_hint(run, chain, x, &r);
            chain->done++;
        }
        if (at->watch && !run->dry) at->watch(at->watch_arg, run, name, &x);
    }
    for (; chain && chain->done < chain->n && !zis_run_stopped(run); chain->done++)
        advance(run, chain, angles, &r);
    run->where = NULL;
    zis_arena_restore(&run->scratch, mark);
}
