/* forward.c - captions, sizes and steps of the transformer (z-image.md 4). */
#include "models/zimage/zimage_impl.h"

#define WHO "the transformer"

static int64_t round_rows(int64_t n)
{
    return (n + ZIS_ZIMAGE_ROWS_MULTIPLE - 1) / ZIS_ZIMAGE_ROWS_MULTIPLE * ZIS_ZIMAGE_ROWS_MULTIPLE;
}

/* Caption token k stands at (1 + k, 0, 0). */
static zis_rope_position place_caption(const void *arg, int64_t row)
{
    (void)arg;
    return (zis_rope_position){{(int32_t)(1 + row), 0, 0}};
}

static void embed_caption(const zis_zimage *m,
                          zis_run *run,
                          const zis_tensor *features,
                          zis_tensor cap)
{
    int64_t n = features->dim[0];
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    zis_tensor normed = zis_run_alloc_2d(run, ZIS_DTYPE_F32, n, m->config.cap_dim);
    zis_rms_norm(
        run, &(zis_rms_norm_args){
                 .y = normed, .x = *features, .w = m->cap_norm, .eps = (float)m->config.norm_eps});
    zis_linear(run, &(zis_linear_args){.y = zis_tensor_row_slice(&cap, 0, n),
                                       .x = normed,
                                       .w = {&m->cap_embed},
                                       .n_w = 1,
                                       .bias = m->cap_embed_bias,
                                       .fine = true});
    if (cap.dim[0] > n)
        zis_fill_rows(run, &(zis_fill_rows_args){.y = zis_tensor_row_slice(&cap, n, cap.dim[0] - n),
                                                 .v = m->cap_pad});
    zis_arena_restore(&run->scratch, mark);
}

zis_status zis_zimage_prompt_make(const zis_zimage *m,
                                  zis_run *run,
                                  const zis_tensor *features,
                                  zis_zimage_prompt *out,
                                  zis_zimage_watch *watch,
                                  void *watch_arg,
                                  zis_error *err)
{
    const zis_zimage_config *c = &m->config;
    int64_t n = features->dim[0], rows = round_rows(n);
    zis_rope_table angles;
    if (features->ndim != 2 || n < 1 || features->dim[1] != c->cap_dim)
        return zis_fail(err, ZIS_ARG,
                        "the text features have a width of %lld, but the transformer takes %lld: "
                        "text encoder and transformer do not belong together",
                        (long long)features->dim[features->ndim - 1], (long long)c->cap_dim);
    if (rows + 1 >= c->axes_lens[0])
        return zis_fail(err, ZIS_ARG,
                        "the caption has %lld tokens, more than the transformer takes",
                        (long long)n);
    zis_arena_mark start = zis_arena_save(&run->scratch);
    zis_tensor cap = zis_run_alloc_2d(run, ZIS_DTYPE_F32, rows, c->dim);
    zis_status st = zis_run_status(run, err);
    if (!st)
        st = zis_rope_axes(run, c->axes_dims, c->rope_theta, rows, place_caption, NULL, &angles,
                           err);
    if (st) goto out;
    embed_caption(m, run, features, cap);
    zis_zimage_course at = {.config = c, .who = WHO, .list = "context_refiner"};
    zis_zimage_run_blocks(run, &at, m->context_refiner, c->refiner_layers, &angles, cap, NULL);
    if (watch && !run->dry && !run->status) watch(watch_arg, run, "context_refiner", &cap);
    st = zis_run_status(run, err);
out:
    if (st)
        zis_arena_restore(&run->scratch, start);
    else
        *out = (zis_zimage_prompt){.tokens = n, .cap = cap, .cos = angles.cos, .sin = angles.sin};
    return st;
}

typedef struct joint {
    int64_t across;   /* image tokens in a row */
    int64_t tokens;   /* image tokens */
    int64_t rows;     /* with padding */
    int64_t cap_rows; /* caption tokens with padding */
} joint;

static zis_rope_position place_joint(const void *arg, int64_t row)
{
    const joint *j = arg;
    if (row >= j->rows) return place_caption(NULL, row - j->rows);
    if (row >= j->tokens) return (zis_rope_position){{0, 0, 0}};
    return (zis_rope_position){
        {(int32_t)(j->cap_rows + 1), (int32_t)(row / j->across), (int32_t)(row % j->across)}};
}

zis_status zis_zimage_size_make(const zis_zimage *m,
                                zis_run *run,
                                int64_t h,
                                int64_t w,
                                const zis_zimage_prompt *prompt,
                                zis_zimage_size *out,
                                zis_error *err)
{
    const zis_zimage_config *c = &m->config;
    if (h < 1 || w < 1 || h % c->patch || w % c->patch)
        return zis_fail(err, ZIS_ARG, "latents of %lld x %lld cannot be cut into patches of %lld",
                        (long long)h, (long long)w, (long long)c->patch);
    if (h / c->patch > c->axes_lens[1] || w / c->patch > c->axes_lens[2])
        return zis_fail(
            err, ZIS_ARG,
            "latents of %lld x %lld are larger than the transformer takes (%lld x %lld)",
            (long long)h, (long long)w, (long long)(c->axes_lens[1] * c->patch),
            (long long)(c->axes_lens[2] * c->patch));
    joint j = {.across = w / c->patch, .cap_rows = prompt->cap.dim[0]};
    j.tokens = h / c->patch * j.across;
    j.rows = round_rows(j.tokens);
    zis_rope_table angles;
    zis_arena_mark start = zis_arena_save(&run->scratch);
    zis_status st = zis_rope_axes(run, c->axes_dims, c->rope_theta, j.rows + j.cap_rows,
                                  place_joint, &j, &angles, err);
    if (st) {
        zis_arena_restore(&run->scratch, start);
        return st;
    }
    *out = (zis_zimage_size){
        .h = h, .w = w, .tokens = j.tokens, .rows = j.rows, .cos = angles.cos, .sin = angles.sin};
    return ZIS_OK;
}

void zis_zimage_embed_planes(const zis_zimage *m,
                             zis_run *run,
                             const zis_weight *w,
                             const float *bias,
                             const zis_tensor *planes,
                             int64_t tokens,
                             zis_tensor x)
{
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    zis_tensor patches = zis_run_alloc_2d(run, ZIS_DTYPE_F32, tokens, w->t.dim[1]);
    zis_patchify(run,
                 &(zis_patchify_args){.y = patches, .x = *planes, .patch = (int)m->config.patch});
    zis_linear(run, &(zis_linear_args){.y = zis_tensor_row_slice(&x, 0, tokens),
                                       .x = patches,
                                       .w = {w},
                                       .n_w = 1,
                                       .bias = bias,
                                       .exact = true});
    if (x.dim[0] > tokens)
        zis_fill_rows(
            run, &(zis_fill_rows_args){.y = zis_tensor_row_slice(&x, tokens, x.dim[0] - tokens),
                                       .v = m->x_pad});
    zis_arena_restore(&run->scratch, mark);
}

/* velocity from the image rows x [Lx, D]. */
static void final_layer(const zis_zimage *m,
                        zis_run *run,
                        const float *scale,
                        zis_tensor x,
                        float sign,
                        zis_tensor velocity)
{
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    zis_tensor patches = zis_run_alloc_2d(run, ZIS_DTYPE_F32, x.dim[0], m->final_linear.t.dim[0]);
    run->where = WHO ", final layer";
    zis_layer_norm(
        run, &(zis_layer_norm_args){.y = x, .x = x, .scale = scale, .eps = ZIS_ZIMAGE_FINAL_EPS});
    zis_linear(run, &(zis_linear_args){.y = patches,
                                       .x = x,
                                       .w = {&m->final_linear},
                                       .n_w = 1,
                                       .bias = m->final_linear_bias,
                                       .exact = true});
    zis_unpatchify(run,
                   &(zis_unpatchify_args){
                       .x = velocity, .y = patches, .patch = (int)m->config.patch, .mul = sign});
    zis_finite(run, &(zis_finite_args){velocity});
    run->where = NULL;
    zis_arena_restore(&run->scratch, mark);
}

static bool is_latents(const zis_zimage *m, const zis_zimage_size *size, const zis_tensor *t)
{
    return t->ndim == 3 && t->dim[0] == m->config.in_channels && t->dim[1] == size->h &&
           t->dim[2] == size->w;
}

static bool is_rows(const zis_zimage *m, int64_t rows, const zis_tensor *t)
{
    return t->ndim == 2 && t->dim[0] == rows && t->dim[1] == m->config.dim;
}

static zis_status mismatch(zis_error *err)
{
    return zis_fail(err, ZIS_ARG,
                    "latents, size and caption of a denoising step do not belong together");
}

zis_status zis_zimage_refine(const zis_zimage *m,
                             zis_run *run,
                             const zis_zimage_times *times,
                             int64_t step,
                             const zis_zimage_size *size,
                             const zis_control_hints *control,
                             const zis_tensor *latents,
                             zis_tensor image,
                             zis_zimage_watch *watch,
                             void *watch_arg,
                             zis_error *err)
{
    if (!is_latents(m, size, latents) || !is_rows(m, size->rows, &image) || step < 0 ||
        step >= times->n)
        return mismatch(err);
    zis_rope_table angles = {zis_tensor_row_slice(&size->cos, 0, size->rows),
                             zis_tensor_row_slice(&size->sin, 0, size->rows)};
    zis_zimage_course at = {.config = &m->config,
                            .who = WHO,
                            .list = "noise_refiner",
                            .modulation = times->blocks,
                            .steps = times->n,
                            .step = step};
    zis_zimage_embed_planes(m, run, &m->x_embed, m->x_embed_bias, latents, size->tokens, image);
    zis_zimage_chain chain;
    if (control) zis_control_begin_refiner(control, run, &at, &angles, image, &chain);
    zis_zimage_run_blocks(run, &at, m->noise_refiner, m->config.refiner_layers, &angles, image,
                          control ? &chain : NULL);
    if (watch && !run->dry && !run->status) watch(watch_arg, run, "noise_refiner", &image);
    return zis_run_status(run, err);
}

/* The joint blocks over x [image ; caption], in place, and the final layer. */
static zis_status run_joint(const zis_zimage *m,
                            const zis_zimage_course *at,
                            zis_run *run,
                            const zis_zimage_times *times,
                            const zis_zimage_size *size,
                            const zis_control_hints *control,
                            zis_tensor x,
                            float sign,
                            zis_tensor velocity,
                            zis_error *err)
{
    zis_rope_table angles = {size->cos, size->sin};
    zis_zimage_chain chain;
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    if (control) zis_control_begin_layers(control, run, at, size->rows, x, &chain);
    zis_zimage_run_blocks(run, at, m->layers, m->config.layers, &angles, x,
                          control ? &chain : NULL);
    zis_arena_restore(&run->scratch, mark);
    const float *scale = (const float *)times->final_scale.data + at->step * m->config.dim;
    final_layer(m, run, scale, zis_tensor_row_slice(&x, 0, size->tokens), sign, velocity);
    return zis_run_status(run, err);
}

static zis_zimage_course joint_course(const zis_zimage *m,
                                      const zis_zimage_times *times,
                                      int64_t step,
                                      zis_zimage_watch *watch,
                                      void *watch_arg)
{
    return (zis_zimage_course){
        .config = &m->config,
        .who = WHO,
        .list = "layers",
        .modulation = times->blocks,
        .steps = times->n,
        .first = m->config.refiner_layers,
        .step = step,
        .watch = watch,
        .watch_arg = watch_arg,
    };
}

zis_status zis_zimage_join(const zis_zimage *m,
                           zis_run *run,
                           const zis_zimage_times *times,
                           int64_t step,
                           const zis_zimage_size *size,
                           const zis_zimage_prompt *prompt,
                           const zis_control_hints *control,
                           const zis_tensor *image,
                           float sign,
                           zis_tensor velocity,
                           zis_zimage_watch *watch,
                           void *watch_arg,
                           zis_error *err)
{
    int64_t cap_rows = prompt->cap.dim[0];
    if (!is_latents(m, size, &velocity) || !is_rows(m, size->rows, image) ||
        size->cos.dim[0] != size->rows + cap_rows || step < 0 || step >= times->n)
        return mismatch(err);
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    zis_tensor x = zis_run_alloc_2d(run, ZIS_DTYPE_F32, size->rows + cap_rows, m->config.dim);
    zis_status st = zis_run_status(run, err);
    if (!st) {
        zis_zimage_course at = joint_course(m, times, step, watch, watch_arg);
        zis_unary(run, &(zis_unary_args){.y = zis_tensor_row_slice(&x, 0, size->rows),
                                         .x = *image,
                                         .f = ZIS_UNARY_COPY});
        zis_unary(run, &(zis_unary_args){.y = zis_tensor_row_slice(&x, size->rows, cap_rows),
                                         .x = prompt->cap,
                                         .f = ZIS_UNARY_COPY});
        st = run_joint(m, &at, run, times, size, control, x, sign, velocity, err);
    }
    zis_arena_restore(&run->scratch, mark);
    return st;
}

zis_status zis_zimage_step(const zis_zimage *m,
                           zis_run *run,
                           const zis_zimage_times *times,
                           int64_t step,
                           const zis_zimage_size *size,
                           const zis_zimage_prompt *prompt,
                           const zis_control_hints *control,
                           const zis_tensor *latents,
                           float sign,
                           zis_tensor velocity,
                           zis_zimage_watch *watch,
                           void *watch_arg,
                           zis_error *err)
{
    int64_t cap_rows = prompt->cap.dim[0];
    if (!is_latents(m, size, &velocity) || size->cos.dim[0] != size->rows + cap_rows)
        return mismatch(err);
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    zis_tensor x = zis_run_alloc_2d(run, ZIS_DTYPE_F32, size->rows + cap_rows, m->config.dim);
    zis_status st = zis_run_status(run, err);
    /* refined where the joint blocks want it, so that nothing is copied */
    if (!st)
        st = zis_zimage_refine(m, run, times, step, size, control, latents,
                               zis_tensor_row_slice(&x, 0, size->rows), watch, watch_arg, err);
    if (!st) {
        zis_zimage_course at = joint_course(m, times, step, watch, watch_arg);
        zis_unary(run, &(zis_unary_args){.y = zis_tensor_row_slice(&x, size->rows, cap_rows),
                                         .x = prompt->cap,
                                         .f = ZIS_UNARY_COPY});
        st = run_joint(m, &at, run, times, size, control, x, sign, velocity, err);
    }
    zis_arena_restore(&run->scratch, mark);
    return st;
}
