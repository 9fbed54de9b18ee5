/* vae.c - the walks through decoder and encoder, and the scale of latents (vae.md 2, 4). */
#include "models/vae/vae_impl.h"

#include <stdio.h>

#define SIDE_MAX ((int64_t)1 << 20) /* keeps all products of sizes far from overflow */

static void walk_middle(zis_vae_maps *maps, const zis_vae_half *half)
{
    zis_vae_run_resnet(maps, "mid_block.resnets.0", &half->mid[0]);
    zis_vae_run_attention(maps, "mid_block.attentions.0", &half->attention);
    zis_vae_run_resnet(maps, "mid_block.resnets.1", &half->mid[1]);
}

static void walk_resnets(zis_vae_maps *maps, const zis_vae_half *half, const char *blocks, int i)
{
    for (int r = 0; r < half->n_resnets; r++) {
        char name[48];
        snprintf(name, sizeof name, "%s.%d.resnets.%d", blocks, i, r);
        zis_vae_run_resnet(maps, name, &half->levels[i].resnets[r]);
    }
}

static void walk_decoder(zis_vae_maps *maps, const zis_vae *m, const zis_tensor *latents)
{
    const zis_vae_half *d = &m->decoder;
    int levels = (int)m->config.levels;
    zis_tensor x = zis_vae_maps_take(maps, 0, latents->dim[1], latents->dim[2], latents->dim[0]);
    zis_planes_to_pixels(maps->run, &(zis_planes_args){.y = x, .x = *latents, .mul = 1});
    zis_vae_maps_turn(maps, 0, x);
    zis_vae_maps_name(maps, "conv_in");
    zis_vae_run_conv(maps, &d->conv_in);
    walk_middle(maps, d);
    for (int i = 0; i < levels; i++) {
        walk_resnets(maps, d, "up_blocks", i);
        if (i + 1 == levels) break;
        /* no norm between the two tells which */
        zis_vae_maps_name(maps, "up_blocks.%d.resnets.%d or upsamplers.0", i, d->n_resnets - 1);
        zis_vae_run_upsample(maps, &d->levels[i].resample);
    }
    zis_vae_run_conv_out(maps, &d->norm_out, &d->conv_out);
}

static void walk_encoder(zis_vae_maps *maps, const zis_vae *m, const zis_tensor *image)
{
    const zis_vae_half *e = &m->encoder;
    int levels = (int)m->config.levels;
    zis_tensor x = zis_vae_maps_take(maps, 0, image->dim[1], image->dim[2], image->dim[0]);
    zis_planes_to_pixels(maps->run, &(zis_planes_args){.y = x, .x = *image, .mul = 1});
    zis_vae_maps_turn(maps, 0, x);
    zis_vae_maps_name(maps, "conv_in");
    zis_vae_run_conv(maps, &e->conv_in);
    for (int i = 0; i < levels; i++) {
        walk_resnets(maps, e, "down_blocks", i);
        if (i + 1 == levels) break;
        zis_vae_maps_name(maps, "down_blocks.%d.resnets.%d or downsamplers.0", i, e->n_resnets - 1);
        zis_vae_run_downsample(maps, &e->levels[i].resample);
    }
    walk_middle(maps, e);
    zis_vae_run_conv_out(maps, &e->norm_out, &e->conv_out);
}

/* Walks twice: dry, to learn how large the slots must be, then for good. */
static zis_status walk(const zis_vae *m,
                       zis_run *run,
                       void (*through)(zis_vae_maps *, const zis_vae *, const zis_tensor *),
                       const char *who,
                       const zis_tensor *in,
                       zis_tensor out,
                       zis_error *err)
{
    zis_run twin;
    zis_vae_maps measured, maps;
    zis_vae_maps_measure(&measured, &twin, run, (int)m->config.groups);
    through(&measured, m, in);
    zis_status st = zis_run_status(&twin, err);
    if (st) return st;
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    run->where = who;
    zis_vae_maps_create(&maps, run, &measured);
    maps.who = who;
    if (!run->status) {
        through(&maps, m, in);
        zis_pixels_to_planes(run, &(zis_planes_args){.y = out, .x = maps.x, .mul = 1});
        zis_finite(run, &(zis_finite_args){out});
    }
    run->where = NULL;
    zis_arena_restore(&run->scratch, mark);
    return zis_run_status(run, err);
}

static bool planes(const zis_tensor *t, int64_t channels)
{
    return t->ndim == 3 && t->dim[0] == channels && t->dim[1] >= 1 && t->dim[2] >= 1 &&
           t->dim[1] <= SIDE_MAX && t->dim[2] <= SIDE_MAX;
}

zis_status zis_vae_decode(
    const zis_vae *m, zis_run *run, const zis_tensor *latents, zis_tensor image, zis_error *err)
{
    int64_t f = zis_vae_factor(m);
    if (!m->decoder.levels) return zis_fail(err, ZIS_ARG, "the VAE was opened without its decoder");
    if (!planes(latents, m->config.latent_channels) || !planes(&image, m->config.channels) ||
        image.dim[1] != latents->dim[1] * f || image.dim[2] != latents->dim[2] * f)
        return zis_fail(err, ZIS_ARG, "latents and picture of a VAE decode do not belong together");
    return walk(m, run, walk_decoder, "the VAE's decoder", latents, image, err);
}

zis_status zis_vae_encode(
    const zis_vae *m, zis_run *run, const zis_tensor *image, zis_tensor mean, zis_error *err)
{
    int64_t f = zis_vae_factor(m);
    if (!m->encoder.levels)
        return zis_fail(err, ZIS_UNSUPPORTED,
                        "this VAE has a decoder alone: pictures cannot be turned into latents");
    if (!planes(image, m->config.channels) || !planes(&mean, m->config.latent_channels) ||
        image->dim[1] / f != mean.dim[1] || image->dim[2] / f != mean.dim[2])
        return zis_fail(err, ZIS_ARG, "picture and latents of a VAE encode do not belong together");
    return walk(m, run, walk_encoder, "the VAE's encoder", image, mean, err);
}

void zis_vae_unscale(const zis_vae *m, zis_run *run, zis_tensor y, const zis_tensor *x)
{
    zis_affine(run, &(zis_affine_args){.y = y,
                                       .x = *x,
                                       .a = (float)(1 / m->config.scaling),
                                       .c = (float)m->config.shift});
}

void zis_vae_scale(const zis_vae *m, zis_run *run, zis_tensor y, const zis_tensor *x)
{
    /* shift first, as the reference does: the difference is small against the product of both */
    zis_affine(run, &(zis_affine_args){.y = y, .x = *x, .a = 1, .c = -(float)m->config.shift});
    zis_affine(run, &(zis_affine_args){.y = y, .x = y, .a = (float)m->config.scaling});
}
