/* forward.c - captions, sizes and steps of the transformer (z-image.md 4). */
#include "models/zimage/zimage_impl.h"

#include <stdio.h>

/* Scale and gate of one block at one step; all NULL without modulation. */
typedef struct modulation {
    const float *scale_attention, *gate_attention; /* [D] each */
    const float *scale_feed, *gate_feed;
} modulation;

/* Where a run of blocks is: which of the times' blocks, and who watches. */
typedef struct course {
    const zis_zimage *m;
    const char *list;              /* "layers" */
    const zis_zimage_times *times; /* NULL: no modulation */
    int64_t first;                 /* block of times that the first of these blocks is */
    int64_t step;
    zis_zimage_watch *watch; /* of each block; may be NULL */
    void *watch_arg;
} course;

static int64_t round_rows(int64_t n)
{
    return (n + ZIS_ZIMAGE_ROWS_MULTIPLE - 1) / ZIS_ZIMAGE_ROWS_MULTIPLE * ZIS_ZIMAGE_ROWS_MULTIPLE;
}

static modulation modulation_of(const course *at, int64_t block)
{
    const zis_zimage_times *t = at->times;
    if (!t) return (modulation){0};
    int64_t d = at->m->config.dim;
    const float *row =
        (const float *)t->blocks.data + ((at->first + block) * t->n + at->step) * 4 * d;
    return (modulation){row, row + d, row + 2 * d, row + 3 * d};
}

/* Blocks 0 .. n-1 over x [L, D], in place. Each norm but the first is computed by the residual sum
 * before it, which has the row at hand. */
static void run_blocks(zis_run *run,
                       const course *at,
                       const zis_zimage_block *blocks,
                       int64_t n,
                       const zis_rope_table *angles,
                       zis_tensor x)
{
    const zis_zimage_config *c = &at->m->config;
    zis_block_heads heads = {
        .heads = (int)c->heads,
        .kv_heads = (int)c->heads,
        .head_dim = (int)(c->dim / c->heads),
        .form = ZIS_ROPE_PAIRS,
        .fine = !at->times, /* the caption: once a prompt, and every step follows it */
        .eps = ZIS_ZIMAGE_QK_EPS,
    };
    float eps = (float)c->norm_eps;
    char name[40];
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    zis_tensor u = zis_run_alloc_2d(run, ZIS_DTYPE_F32, x.dim[0], c->dim);
    zis_tensor o = zis_run_alloc_2d(run, ZIS_DTYPE_F32, x.dim[0], c->dim);
    run->where = name;
    for (int64_t i = 0; i < n && !zis_run_stopped(run); i++) {
        const zis_zimage_block *b = &blocks[i];
        modulation mod = modulation_of(at, i);
        snprintf(name, sizeof name, "%s.%d", at->list, (int)i);
        if (i == 0)
            zis_rms_norm(run, &(zis_rms_norm_args){.y = u,
                                                   .x = x,
                                                   .w = b->attention_norm1,
                                                   .scale = mod.scale_attention,
                                                   .eps = eps});
        zis_block_attend(run, &b->attention, &heads, angles, u, o, ZIS_EPILOGUE_NONE);
        zis_gate_residual(run, &(zis_gate_residual_args){
                                   .x = x,
                                   .y = u,
                                   .o = o,
                                   .w = b->attention_norm2,
                                   .gate = mod.gate_attention,
                                   .next_w = b->ffn_norm1,
                                   .next_scale = mod.scale_feed,
                                   .eps = eps,
                               });
        zis_block_feed(run, &b->mlp, u, o, ZIS_EPILOGUE_NONE);
        zis_gate_residual_args last = {
            .x = x, .o = o, .w = b->ffn_norm2, .gate = mod.gate_feed, .eps = eps};
        if (i + 1 < n) {
            last.y = u;
            last.next_w = blocks[i + 1].attention_norm1;
            last.next_scale = modulation_of(at, i + 1).scale_attention;
        }
        zis_gate_residual(run, &last);
        if (at->watch && !run->dry) at->watch(at->watch_arg, run, name, &x);
    }
    run->where = NULL;
    zis_arena_restore(&run->scratch, mark);
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
    course at = {.m = m, .list = "context_refiner"};
    run_blocks(run, &at, m->context_refiner, c->refiner_layers, &angles, cap);
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

/* x [Lx', D] = image tokens of the latents. */
static void embed_image(
    const zis_zimage *m, zis_run *run, const zis_tensor *latents, int64_t tokens, zis_tensor x)
{
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    zis_tensor patches = zis_run_alloc_2d(run, ZIS_DTYPE_F32, tokens, m->x_embed.t.dim[1]);
    zis_patchify(run,
                 &(zis_patchify_args){.y = patches, .x = *latents, .patch = (int)m->config.patch});
    zis_linear(run, &(zis_linear_args){.y = zis_tensor_row_slice(&x, 0, tokens),
                                       .x = patches,
                                       .w = {&m->x_embed},
                                       .n_w = 1,
                                       .bias = m->x_embed_bias,
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
    course at = {.m = m, .list = "noise_refiner", .times = times, .step = step};
    embed_image(m, run, latents, size->tokens, image);
    run_blocks(run, &at, m->noise_refiner, m->config.refiner_layers, &angles, image);
    if (watch && !run->dry && !run->status) watch(watch_arg, run, "noise_refiner", &image);
    return zis_run_status(run, err);
}

/* The joint blocks over x [image ; caption], in place, and the final layer. */
static zis_status run_joint(const course *at,
                            zis_run *run,
                            const zis_zimage_size *size,
                            zis_tensor x,
                            float sign,
                            zis_tensor velocity,
                            zis_error *err)
{
    const zis_zimage *m = at->m;
    zis_rope_table angles = {size->cos, size->sin};
    run_blocks(run, at, m->layers, m->config.layers, &angles, x);
    const float *scale = (const float *)at->times->final_scale.data + at->step * m->config.dim;
    final_layer(m, run, scale, zis_tensor_row_slice(&x, 0, size->tokens), sign, velocity);
    return zis_run_status(run, err);
}

static course joint_course(const zis_zimage *m,
                           const zis_zimage_times *times,
                           int64_t step,
                           zis_zimage_watch *watch,
                           void *watch_arg)
{
    return (course){
        .m = m,
        .list = "layers",
        .times = times,
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
        course at = joint_course(m, times, step, watch, watch_arg);
        zis_unary(run, &(zis_unary_args){.y = zis_tensor_row_slice(&x, 0, size->rows),
                                         .x = *image,
                                         .f = ZIS_UNARY_COPY});
        zis_unary(run, &(zis_unary_args){.y = zis_tensor_row_slice(&x, size->rows, cap_rows),
                                         .x = prompt->cap,
                                         .f = ZIS_UNARY_COPY});
        st = run_joint(&at, run, size, x, sign, velocity, err);
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
        st = zis_zimage_refine(m, run, times, step, size, latents,
                               zis_tensor_row_slice(&x, 0, size->rows), watch, watch_arg, err);
    if (!st) {
        course at = joint_course(m, times, step, watch, watch_arg);
        zis_unary(run, &(zis_unary_args){.y = zis_tensor_row_slice(&x, size->rows, cap_rows),
                                         .x = prompt->cap,
                                         .f = ZIS_UNARY_COPY});
        st = run_joint(&at, run, size, x, sign, velocity, err);
    }
    zis_arena_restore(&run->scratch, mark);
    return st;
}
