/* blocks.c - the stages of encoder and decoder (vae.md 2), on pixels [h, w, C]. */
#include "models/vae/vae_impl.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

/* The twin counts only; its slots are so far apart, and from what the caller has, that maps of any
 * size do not meet. */
#define FAR ((size_t)1 << 50)

void zis_vae_maps_measure(zis_vae_maps *maps, zis_run *twin, const zis_run *like, int groups)
{
    zis_run_init_dry(twin, like);
    *maps = (zis_vae_maps){.run = twin, .groups = groups};
    (void)zis_run_alloc_bytes(twin, FAR);
    for (int i = 0; i < 3; i++) maps->slot[i] = zis_run_alloc_bytes(twin, FAR);
}

void zis_vae_maps_create(zis_vae_maps *maps, zis_run *run, const zis_vae_maps *measured)
{
    *maps = (zis_vae_maps){.run = run, .groups = measured->groups};
    for (int i = 0; i < 3; i++) maps->slot[i] = zis_run_alloc_bytes(run, measured->need[i]);
}

zis_tensor zis_vae_maps_take(zis_vae_maps *maps, int turn, int64_t h, int64_t w, int64_t c)
{
    int at = (maps->at + turn) % 3;
    zis_tensor t = zis_tensor_3d(maps->slot[at], ZIS_DTYPE_F32, h, w, c);
    size_t bytes = zis_tensor_bytes(&t);
    if (bytes > maps->need[at]) maps->need[at] = bytes;
    return t;
}

void zis_vae_maps_turn(zis_vae_maps *maps, int turn, zis_tensor x)
{
    maps->at = (maps->at + turn) % 3;
    maps->x = x;
}

void zis_vae_maps_name(zis_vae_maps *maps, const char *fmt, ...)
{
    char stage[64];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(stage, sizeof stage, fmt, ap);
    va_end(ap);
    snprintf(maps->where, sizeof maps->where, "%s, %s", maps->who ? maps->who : "the VAE", stage);
    maps->run->where = maps->where;
}

/* A convolution that keeps or doubles the size, behind a norm with SiLU where there is one. */
static zis_conv2d_args conv_of(const zis_vae_maps *maps,
                               const zis_vae_conv *c,
                               const zis_vae_norm *n)
{
    zis_conv2d_args a = {
        .x = maps->x, .w = &c->w, .bias = c->b, .stride = 1, .pad = (int)c->w.t.dim[2] / 2};
    if (n) {
        a.groups = maps->groups;
        a.norm_w = n->w;
        a.norm_b = n->b;
        a.eps = ZIS_VAE_EPS;
        a.silu = true;
    }
    return a;
}

static void run_conv(zis_vae_maps *maps, zis_conv2d_args a)
{
    int64_t h = maps->x.dim[0], w = maps->x.dim[1];
    if (a.upsample) {
        h *= 2;
        w *= 2;
    } else if (a.stride == 2) {
        h /= 2;
        w /= 2;
    }
    a.y = zis_vae_maps_take(maps, 1, h, w, a.w->t.dim[0]);
    zis_conv2d(maps->run, &a);
    zis_vae_maps_turn(maps, 1, a.y);
}

void zis_vae_run_conv(zis_vae_maps *maps, const zis_vae_conv *c)
{
    run_conv(maps, conv_of(maps, c, NULL));
}

void zis_vae_run_conv_out(zis_vae_maps *maps, const zis_vae_norm *n, const zis_vae_conv *c)
{
    run_conv(maps, conv_of(maps, c, n));
    zis_vae_maps_name(maps, "conv_out");
}

void zis_vae_run_upsample(zis_vae_maps *maps, const zis_vae_conv *c)
{
    zis_conv2d_args a = conv_of(maps, c, NULL);
    a.upsample = true;
    run_conv(maps, a);
}

/* Zeros only on the right and at the bottom. */
void zis_vae_run_downsample(zis_vae_maps *maps, const zis_vae_conv *c)
{
    zis_conv2d_args a = conv_of(maps, c, NULL);
    a.stride = 2;
    a.pad = 0;
    run_conv(maps, a);
}

void zis_vae_run_resnet(zis_vae_maps *maps, const char *name, const zis_vae_resnet *r)
{
    int64_t h = maps->x.dim[0], w = maps->x.dim[1], n = r->conv1.w.t.dim[0];
    zis_tensor x = maps->x; /* the residual, and where the sum goes */
    zis_conv2d_args first = conv_of(maps, &r->conv1, &r->norm1);
    first.y = zis_vae_maps_take(maps, 1, h, w, n);
    zis_conv2d(maps->run, &first);
    zis_vae_maps_name(maps, "%s", name);
    if (r->shortcut.w.t.data) {
        zis_conv2d_args cut = conv_of(maps, &r->shortcut, NULL);
        cut.y = zis_vae_maps_take(maps, 2, h, w, n);
        zis_conv2d(maps->run, &cut);
        zis_vae_maps_turn(maps, 2, cut.y);
        x = cut.y;
    }
    zis_conv2d_args second = conv_of(maps, &r->conv2, &r->norm2);
    second.x = first.y;
    second.add = x;
    second.y = x;
    zis_conv2d(maps->run, &second);
}

/* One head as wide as the map, over all pixels. */
void zis_vae_run_attention(zis_vae_maps *maps, const char *name, const zis_vae_attention *a)
{
    int64_t h = maps->x.dim[0], w = maps->x.dim[1], c = maps->x.dim[2];
    zis_tensor normed = zis_vae_maps_take(maps, 1, h, w, c);
    zis_tensor qkv = zis_vae_maps_take(maps, 2, h, w, 3 * c);
    zis_group_norm(maps->run, &(zis_group_norm_args){.y = normed,
                                                     .x = maps->x,
                                                     .w = a->norm.w,
                                                     .b = a->norm.b,
                                                     .groups = maps->groups,
                                                     .eps = ZIS_VAE_EPS});
    zis_vae_maps_name(maps, "%s", name);
    zis_tensor rows = zis_tensor_reshape_2d(&normed, h * w, c);
    zis_tensor three = zis_tensor_reshape_2d(&qkv, h * w, 3 * c);
    zis_linear(
        maps->run,
        &(zis_linear_args){
            .y = three, .x = rows, .w = {&a->q, &a->k, &a->v}, .n_w = 3, .bias = a->qkv_bias});
    zis_attention(maps->run, &(zis_attention_args){
                                 .o = rows, /* the normed map is not needed any more */
                                 .q = zis_tensor_col_slice(&three, 0, c),
                                 .k = zis_tensor_col_slice(&three, c, c),
                                 .v = zis_tensor_col_slice(&three, 2 * c, c),
                                 .heads = 1,
                                 .kv_heads = 1,
                                 .head_dim = (int)c,
                                 .scale = (float)(1 / sqrt((double)c)),
                             });
    zis_linear(maps->run, &(zis_linear_args){.y = zis_tensor_reshape_2d(&maps->x, h * w, c),
                                             .x = rows,
                                             .w = {&a->out},
                                             .n_w = 1,
                                             .bias = a->out_bias,
                                             .epilogue = ZIS_EPILOGUE_ADD});
}
