/* dpt.c - tokens, transformer, reassembly and fusion (preprocessors.md 5.5 to 5.9). */
#include "models/dpt/dpt_impl.h"

#include <math.h>
#include <stdio.h>

#define D ZIS_DPT_WIDTH
#define EPS 1e-6f /* of the layer norms */

static zis_tensor map(zis_run *run, int64_t h, int64_t w, int64_t c)
{
    return zis_run_alloc_3d(run, ZIS_DTYPE_F32, h, w, c);
}

static zis_tensor flat(const zis_tensor *t)
{
    return zis_tensor_reshape_2d(t, t->dim[0] * t->dim[1], t->dim[2]);
}

/* ---- transformer ---------------------------------------------------------------------------- */

/* exact: of the few products between transformer and fusion, which cost little and would lose as
 * much as the whole transformer. */
static void linear(zis_run *run,
                   const zis_weight *w,
                   const float *bias,
                   zis_tensor x,
                   zis_tensor y,
                   zis_epilogue epilogue,
                   bool exact)
{
    zis_linear(run, &(zis_linear_args){.y = y,
                                       .x = x,
                                       .w = {w},
                                       .n_w = 1,
                                       .bias = bias,
                                       .epilogue = epilogue,
                                       .exact = exact});
}

/* The weight of a 1x1 convolution as a matrix. */
static zis_weight matrix_of(const zis_weight *w)
{
    zis_weight m = *w;
    m.t = zis_tensor_2d(w->t.data, w->t.dtype, w->t.dim[0], w->t.dim[1]);
    return m;
}

static void norm(zis_run *run, const zis_dpt_affine *n, zis_tensor x, zis_tensor y)
{
    zis_layer_norm(run,
                   &(zis_layer_norm_args){.y = y, .x = x, .scale = n->w, .bias = n->b, .eps = EPS});
}

/* t [1 + h w, D]: class token and patches, each with its position; the learned grid of positions is
 * resized to that of the patches. */
static void make_tokens(const zis_dpt_pass *p, const zis_tensor *patches, zis_tensor t)
{
    zis_run *run = p->run;
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    int64_t h = patches->dim[0], w = patches->dim[1];
    zis_tensor first = zis_tensor_row_slice(&t, 0, 1), rest = zis_tensor_row_slice(&t, 1, h * w);
    zis_tensor learned = map(run, ZIS_DPT_SIDE, ZIS_DPT_SIDE, D);
    zis_weight patch = matrix_of(&p->m->patch.w);
    zis_run_upload(run, &first, p->m->first);
    zis_run_upload(run, &learned, p->m->positions);
    zis_bilinear(run,
                 &(zis_bilinear_args){.y = zis_tensor_reshape_3d(&rest, h, w, D), .x = learned});
    linear(run, &patch, p->m->patch.b, flat(patches), rest, ZIS_EPILOGUE_ADD, true);
    zis_arena_restore(&run->scratch, mark);
}

static void run_layer(zis_run *run, const zis_dpt_attention *l, zis_tensor t)
{
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    int64_t n = t.dim[0];
    zis_tensor u = zis_run_alloc_2d(run, ZIS_DTYPE_F32, n, D);
    /* one after the other, they share it; rows that were a multiple of a page apart would fall into
     * the same cache sets */
    zis_tensor room = zis_run_alloc_2d(run, ZIS_DTYPE_F32, n, 4 * D + 16);
    zis_tensor wide = zis_tensor_col_slice(&room, 0, 4 * D);
    zis_tensor qkv = zis_tensor_col_slice(&room, 0, 3 * D);
    norm(run, &l->norm1, t, u);
    linear(run, &l->qkv.w, l->qkv.b, u, qkv, ZIS_EPILOGUE_NONE, false);
    zis_attention(run, &(zis_attention_args){.o = u,
                                             .q = zis_tensor_col_slice(&qkv, 0, D),
                                             .k = zis_tensor_col_slice(&qkv, D, D),
                                             .v = zis_tensor_col_slice(&qkv, 2 * D, D),
                                             .heads = ZIS_DPT_HEADS,
                                             .kv_heads = ZIS_DPT_HEADS,
                                             .head_dim = D / ZIS_DPT_HEADS,
                                             .scale = 1 / sqrtf(D / ZIS_DPT_HEADS)});
    linear(run, &l->proj.w, l->proj.b, u, t, ZIS_EPILOGUE_ADD, false);
    norm(run, &l->norm2, t, u);
    linear(run, &l->fc1.w, l->fc1.b, u, wide, ZIS_EPILOGUE_GELU, false);
    linear(run, &l->fc2.w, l->fc2.b, wide, t, ZIS_EPILOGUE_ADD, false);
    zis_arena_restore(&run->scratch, mark);
}

/* y [h, w, D] = 1x1 of gelu(project of each patch with the class token beside it): the class
 * token's half of the product is the same for all and enters as their bias. */
static void run_readout(zis_run *run, const zis_dpt_readout *r, zis_tensor t, zis_tensor y)
{
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    zis_weight of_patch = r->project.w, of_class = r->project.w, out = matrix_of(&r->out.w);
    of_patch.t = zis_tensor_col_slice(&r->project.w.t, 0, D);
    of_class.t = zis_tensor_col_slice(&r->project.w.t, D, D);
    zis_tensor common = zis_run_alloc_2d(run, ZIS_DTYPE_F32, 1, D);
    zis_tensor u = zis_run_alloc_2d(run, ZIS_DTYPE_F32, t.dim[0] - 1, D);
    linear(run, &of_class, r->project.b, zis_tensor_row_slice(&t, 0, 1), common, ZIS_EPILOGUE_NONE,
           true);
    linear(run, &of_patch, common.data, zis_tensor_row_slice(&t, 1, t.dim[0] - 1), u,
           ZIS_EPILOGUE_GELU, true);
    linear(run, &out, r->out.b, u, flat(&y), ZIS_EPILOGUE_NONE, true);
    zis_arena_restore(&run->scratch, mark);
}

/* ---- fusion --------------------------------------------------------------------------------- */

static void conv(
    zis_run *run, const zis_dpt_layer *l, zis_tensor x, zis_tensor y, zis_conv2d_args a)
{
    a.y = y;
    a.x = x;
    a.w = &l->w;
    a.bias = l->b;
    a.pad = (int)l->w.t.dim[2] / 2;
    if (a.stride == 0) a.stride = 1;
    zis_conv2d(run, &a);
}

#define PLAIN ((zis_conv2d_args){0})
#define RECTIFIED ((zis_conv2d_args){.relu = true})

/* y = x + conv(relu(conv(relu(x)))) */
static void run_unit(zis_run *run, const zis_dpt_layer unit[2], zis_tensor x, zis_tensor y)
{
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    zis_tensor u = map(run, x.dim[0], x.dim[1], x.dim[2]);
    conv(run, &unit[0], x, u, RECTIFIED);
    conv(run, &unit[1], u, y, (zis_conv2d_args){.relu = true, .add = x});
    zis_arena_restore(&run->scratch, mark);
}

/* path [2 h, 2 w, S] from feature [h, w, C] and the coarser path (no data: none). The published
 * order enlarges before the last 1x1; the two commute, and this way round costs a quarter. */
static void run_fusion(const zis_dpt_pass *p,
                       int level,
                       const zis_tensor *feature,
                       zis_tensor coarser,
                       zis_tensor path)
{
    zis_run *run = p->run;
    const zis_dpt_fusion *f = &p->m->fusion[level];
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    int64_t h = feature->dim[0], w = feature->dim[1];
    zis_tensor g = map(run, h, w, ZIS_DPT_FUSED), y = map(run, h, w, ZIS_DPT_FUSED);
    char name[16];
    conv(run, &f->in, *feature, g, PLAIN);
    snprintf(name, sizeof name, "G%d", level + 1);
    zis_dpt_show(p, name, &g);
    if (coarser.data) {
        run_unit(run, f->unit[0], g, y);
        zis_affine(run, &(zis_affine_args){.y = g, .x = coarser, .z = y, .a = 1, .b = 1});
    }
    run_unit(run, f->unit[1], g, y);
    conv(run, &f->out, y, g, (zis_conv2d_args){.exact = true});
    zis_bilinear(run, &(zis_bilinear_args){.y = path, .x = g, .corners = true});
    snprintf(name, sizeof name, "path%d", level + 1);
    zis_dpt_show(p, name, &path);
    zis_arena_restore(&run->scratch, mark);
}

/* depth [H, W] from path [H/2, W/2, S]. */
static void run_head(const zis_dpt_pass *p, zis_tensor path, zis_tensor depth)
{
    zis_run *run = p->run;
    const zis_dpt_layer *l = p->m->head;
    zis_tensor small = map(run, p->h / 2, p->w / 2, 128), large = map(run, p->h, p->w, 128);
    zis_tensor last = map(run, p->h, p->w, 32);
    conv(run, &l[0], path, small, PLAIN);
    zis_dpt_show(p, "head0", &small);
    zis_bilinear(run, &(zis_bilinear_args){.y = large, .x = small, .corners = true});
    conv(run, &l[1], large, last, PLAIN);
    conv(run, &l[2], last, zis_tensor_reshape_3d(&depth, p->h, p->w, 1), RECTIFIED);
    zis_unary(run, &(zis_unary_args){.y = depth, .x = depth, .f = ZIS_UNARY_RELU});
}

/* ---- all ------------------------------------------------------------------------------------ */

/* The features at 1/4, 1/8, 1/16 and 1/32 of the picture's size. */
static void run_features(const zis_dpt_pass *p, const zis_tensor *planes, zis_tensor feature[4])
{
    zis_run *run = p->run;
    int64_t h = p->h / 16, w = p->w / 16;
    feature[2] = map(run, h, w, D);
    feature[3] = map(run, h / 2, w / 2, D);
    zis_tensor stage[ZIS_DPT_STAGES];
    zis_dpt_run_backbone(p, planes, stage);
    feature[0] = stage[0];
    feature[1] = stage[1];
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    zis_tensor t = zis_run_alloc_2d(run, ZIS_DTYPE_F32, 1 + h * w, D), last = map(run, h, w, D);
    make_tokens(p, &stage[2], t);
    for (int i = 0; i < ZIS_DPT_LAYERS; i++) {
        char name[16];
        run_layer(run, &p->m->layer[i], t);
        snprintf(name, sizeof name, "block%d", i);
        zis_dpt_show(p, name, &t);
        if (i == 8) run_readout(run, &p->m->readout[0], t, feature[2]);
    }
    run_readout(run, &p->m->readout[1], t, last);
    conv(run, &p->m->readout[1].down, last, feature[3], (zis_conv2d_args){.stride = 2});
    zis_arena_restore(&run->scratch, mark);
    zis_dpt_show(p, "F3", &feature[2]);
    zis_dpt_show(p, "F4", &feature[3]);
}

zis_status zis_dpt_forward(const zis_dpt *m,
                           zis_run *run,
                           const zis_tensor *planes,
                           zis_tensor depth,
                           zis_dpt_watch *watch,
                           void *watch_arg,
                           zis_error *err)
{
    char shape[100];
    zis_dpt_pass p = {m, run, planes->dim[1], planes->dim[2], watch, watch_arg};
    if (planes->ndim != 3 || planes->dim[0] != 3 || p.h < ZIS_DPT_GRID || p.w < ZIS_DPT_GRID ||
        p.h % ZIS_DPT_GRID || p.w % ZIS_DPT_GRID)
        return zis_fail(err, ZIS_ARG,
                        "the depth network takes 3 planes with sides that are multiples of %d, not "
                        "%s",
                        ZIS_DPT_GRID, zis_tensor_shape_text(planes, shape, sizeof shape));
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    run->where = "the depth network";
    zis_tensor feature[4], path = {0};
    run_features(&p, planes, feature);
    for (int level = 3; level >= 0; level--) {
        zis_tensor next =
            map(run, 2 * feature[level].dim[0], 2 * feature[level].dim[1], ZIS_DPT_FUSED);
        run_fusion(&p, level, &feature[level], path, next);
        path = next;
    }
    run_head(&p, path, depth);
    run->where = NULL;
    zis_arena_restore(&run->scratch, mark);
    return zis_run_status(run, err);
}
