/* control_run.c - a ControlNet at work (controlnet.md 4).
 *
 * The hints for all layers depend on the stream before the layers alone, so its blocks may run
 * beside the main ones, each when its hint is wanted (blocks.c). */
#include "models/zimage/zimage_impl.h"

static void project(
    zis_run *run, zis_tensor y, zis_tensor x, const zis_control_proj *p, zis_epilogue epilogue)
{
    zis_linear(run,
               &(zis_linear_args){
                   .y = y, .x = x, .w = {&p->w}, .n_w = 1, .bias = p->b, .epilogue = epilogue});
}

/* Blocks in the order of the modulation: the refiner's, then the layers. */
static int64_t block_count(const zis_control *c)
{
    return c->n_refiner + c->info.layers;
}

static void modulate(const zis_control *c, zis_run *run, zis_tensor temb, zis_tensor blocks)
{
    int64_t n = temb.dim[0], first = c->n_refiner;
    if (first) zis_zimage_modulate(run, c->refiner, first, temb, blocks);
    zis_zimage_modulate(run, c->layers, c->info.layers, temb,
                        zis_tensor_row_slice(&blocks, first * n, c->info.layers * n));
}

/* The context's tokens, as the first block wants them but for the main stream. */
static void embed(const zis_control *c,
                  const zis_zimage *main,
                  zis_run *run,
                  const zis_zimage_size *size,
                  const zis_tensor *context,
                  zis_tensor tokens)
{
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    bool projected = c->info.version != ZIS_CONTROL_1_0;
    zis_tensor e =
        projected ? zis_run_alloc_2d(run, ZIS_DTYPE_F32, size->rows, main->config.dim) : tokens;
    zis_zimage_embed_planes(main, run, &c->embed, c->embed_bias, context, size->tokens, e);
    if (projected)
        project(run, tokens, e,
                c->info.version == ZIS_CONTROL_2_1 ? &c->refiner_before : &c->layers_before,
                ZIS_EPILOGUE_NONE);
    zis_arena_restore(&run->scratch, mark);
}

zis_status zis_control_hints_make(const zis_control *c,
                                  const zis_zimage *main,
                                  zis_run *run,
                                  const zis_zimage_times *times,
                                  const zis_zimage_size *size,
                                  const zis_tensor *context,
                                  float scale,
                                  zis_control_hints *out,
                                  zis_error *err)
{
    int64_t d = main->config.dim;
    if (context->ndim != 3 || context->dim[0] != c->info.channels || context->dim[1] != size->h ||
        context->dim[2] != size->w)
        return zis_fail(err, ZIS_ARG, "the control context and the latents differ in size");
    zis_arena_mark start = zis_arena_save(&run->scratch);
    zis_control_hints h = {.net = c, .steps = times->n, .scale = scale};
    h.blocks = zis_run_alloc_2d(run, ZIS_DTYPE_F32, block_count(c) * times->n, 4 * d);
    h.tokens = zis_run_alloc_2d(run, ZIS_DTYPE_F32, size->rows, d);
    h.image = zis_run_alloc_2d(run, ZIS_DTYPE_F32, size->rows, d);
    zis_status st = zis_run_status(run, err);
    if (!st) {
        modulate(c, run, times->temb, h.blocks);
        embed(c, main, run, size, context, h.tokens);
        st = zis_run_status(run, err);
    }
    if (st)
        zis_arena_restore(&run->scratch, start);
    else
        *out = h;
    return st;
}

static zis_zimage_course course_of(const zis_control_hints *h,
                                   const zis_zimage_course *main,
                                   bool layers)
{
    return (zis_zimage_course){
        .config = main->config,
        .who = "the ControlNet",
        .list = layers ? "control_layers" : "control_noise_refiner",
        .modulation = h->blocks,
        .steps = h->steps,
        .step = main->step,
        .first = layers ? h->net->n_refiner : 0,
    };
}

void zis_control_begin_refiner(const zis_control_hints *h,
                               zis_run *run,
                               const zis_zimage_course *main,
                               const zis_rope_table *angles,
                               zis_tensor x,
                               zis_zimage_chain *chain)
{
    const zis_control *c = h->net;
    bool layers = c->info.version == ZIS_CONTROL_2_0;
    zis_resident *resident = h->resident ? c->resident : NULL;
    *chain = (zis_zimage_chain){
        .at = course_of(h, main, layers),
        .scale = h->scale,
        .resident = resident,
        .c = h->image,
    };
    if (c->info.version == ZIS_CONTROL_1_0) { /* a refiner of its own, without hints */
        zis_resident *before = run->resident;
        zis_unary(run, &(zis_unary_args){.y = h->image, .x = h->tokens, .f = ZIS_UNARY_COPY});
        run->resident = resident;
        zis_zimage_run_blocks(run, &chain->at, c->refiner, c->n_refiner, angles, h->image, NULL);
        run->resident = before;
        return;
    }
    zis_affine(run, &(zis_affine_args){.y = h->image, .x = h->tokens, .z = x, .a = 1, .b = 1});
    chain->blocks = layers ? c->layers : c->refiner;
    chain->after = layers ? c->layers_after : c->refiner_after;
    chain->n = layers ? c->info.layers : c->n_refiner;
    chain->n_hints =
        chain->n < main->config->refiner_layers ? chain->n : main->config->refiner_layers;
}

void zis_control_begin_layers(const zis_control_hints *h,
                              zis_run *run,
                              const zis_zimage_course *main,
                              int64_t rows,
                              zis_tensor x,
                              zis_zimage_chain *chain)
{
    const zis_control *c = h->net;
    int64_t cap_rows = x.dim[0] - rows;
    zis_tensor start = zis_run_alloc_2d(run, ZIS_DTYPE_F32, x.dim[0], x.dim[1]);
    /* before([refined ; caption]) + x */
    zis_unary(run, &(zis_unary_args){.y = start, .x = x, .f = ZIS_UNARY_COPY});
    project(run, zis_tensor_row_slice(&start, 0, rows), h->image, &c->layers_before,
            ZIS_EPILOGUE_ADD);
    project(run, zis_tensor_row_slice(&start, rows, cap_rows),
            zis_tensor_row_slice(&x, rows, cap_rows), &c->layers_before, ZIS_EPILOGUE_ADD);
    *chain = (zis_zimage_chain){
        .at = course_of(h, main, true),
        .blocks = c->layers,
        .after = c->layers_after,
        .places = c->places,
        .n_hints = c->info.layers,
        .n = c->info.layers,
        .scale = h->scale,
        .resident = h->resident ? c->resident : NULL,
        .c = start,
    };
    chain->at.watch = main->watch;
    chain->at.watch_arg = main->watch_arg;
}
