/* times.c - what of the transformer depends on the time alone: the modulation of all blocks at all
 * steps (z-image.md 4.6, 4.7, 7).
 *
 * These products are tiny and multiply everything, so they are always exact. */
#include "models/zimage/zimage_impl.h"

#include "nn/timestep.h"

/* y = x w' + bias */
static void exact_linear(
    zis_run *run, zis_tensor y, zis_tensor x, const zis_weight *w, const float *bias)
{
    zis_linear(run,
               &(zis_linear_args){.y = y, .x = x, .w = {w}, .n_w = 1, .bias = bias, .exact = true});
}

static void in_place(zis_run *run, zis_tensor y, zis_unary_fn f)
{
    zis_unary(run, &(zis_unary_args){.y = y, .x = y, .f = f});
}

/* m [n, 4 D]: scale, gate, scale, gate as the linear gives them. */
static void modulate_block(zis_run *run, const zis_zimage_block *b, zis_tensor temb, zis_tensor m)
{
    int64_t d = m.dim[1] / 4;
    exact_linear(run, m, temb, &b->modulation, b->modulation_bias);
    for (int i = 0; i < 4; i++)
        in_place(run, zis_tensor_col_slice(&m, i * d, d),
                 i % 2 ? ZIS_UNARY_TANH : ZIS_UNARY_ADD_ONE);
}

void zis_zimage_modulate(
    zis_run *run, const zis_zimage_block *blocks, int64_t n, zis_tensor temb, zis_tensor m)
{
    int64_t steps = temb.dim[0];
    for (int64_t i = 0; i < n; i++)
        modulate_block(run, &blocks[i], temb, zis_tensor_row_slice(&m, i * steps, steps));
}

static zis_status embed(
    const zis_zimage *m, zis_run *run, const float *tau, zis_tensor temb, zis_error *err)
{
    zis_tensor e;
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    zis_status st = zis_timestep_embed(run, tau, temb.dim[0], ZIS_ZIMAGE_TIME_FREQUENCIES, &e, err);
    if (st) goto out;
    zis_tensor h = zis_run_alloc_2d(run, ZIS_DTYPE_F32, temb.dim[0], ZIS_ZIMAGE_TIME_HIDDEN);
    zis_linear(run, &(zis_linear_args){.y = h,
                                       .x = e,
                                       .w = {&m->t_mlp0},
                                       .n_w = 1,
                                       .bias = m->t_mlp0_bias,
                                       .epilogue = ZIS_EPILOGUE_SILU,
                                       .exact = true});
    exact_linear(run, temb, h, &m->t_mlp2, m->t_mlp2_bias);
    st = zis_run_status(run, err);
out:
    zis_arena_restore(&run->scratch, mark);
    return st;
}

zis_status zis_zimage_times_make(const zis_zimage *m,
                                 zis_run *run,
                                 const float *tau,
                                 int64_t n,
                                 zis_zimage_times *out,
                                 zis_error *err)
{
    const zis_zimage_config *c = &m->config;
    zis_arena_mark start = zis_arena_save(&run->scratch);
    if (n < 1 || n > 1 << 20)
        return zis_fail(err, ZIS_ARG, "a picture cannot be made in %lld steps", (long long)n);
    zis_zimage_times t = {.n = n, .n_blocks = c->refiner_layers + c->layers};
    t.temb = zis_run_alloc_2d(run, ZIS_DTYPE_F32, n, m->temb_width);
    t.blocks = zis_run_alloc_2d(run, ZIS_DTYPE_F32, t.n_blocks * n, 4 * c->dim);
    t.final_scale = zis_run_alloc_2d(run, ZIS_DTYPE_F32, n, c->dim);
    zis_status st = zis_run_status(run, err);
    if (!st) st = embed(m, run, tau, t.temb, err);
    if (st) goto out;
    if (c->refiner_layers)
        zis_zimage_modulate(run, m->noise_refiner, c->refiner_layers, t.temb, t.blocks);
    zis_zimage_modulate(run, m->layers, c->layers, t.temb,
                        zis_tensor_row_slice(&t.blocks, c->refiner_layers * n, c->layers * n));
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    zis_tensor s = zis_run_alloc_2d(run, ZIS_DTYPE_F32, n, m->temb_width);
    zis_unary(run, &(zis_unary_args){.y = s, .x = t.temb, .f = ZIS_UNARY_SILU});
    exact_linear(run, t.final_scale, s, &m->final_modulation, m->final_modulation_bias);
    in_place(run, t.final_scale, ZIS_UNARY_ADD_ONE);
    zis_arena_restore(&run->scratch, mark);
    st = zis_run_status(run, err);
out:
    if (st)
        zis_arena_restore(&run->scratch, start);
    else
        *out = t;
    return st;
}
