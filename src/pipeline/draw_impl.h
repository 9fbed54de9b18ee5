/* draw_impl.h - one picture in the making, shared by draw.c (stages), draw_plan.c (sizes and dry
 * runs) and draw_parts.c (what a stage does on the device).
 *
 * Threads: as the run. */
#ifndef ZIS_PIPELINE_DRAW_IMPL_H
#define ZIS_PIPELINE_DRAW_IMPL_H

#include "pipeline/denoise.h"
#include "pipeline/draw.h"
#include "pipeline/preview.h"

/* Token ids of one prompt. */
typedef struct zis_draw_text {
    int32_t *ids;
    size_t n, total; /* after and before the cut at 512 */
} zis_draw_text;

typedef struct zis_draw_maker {
    const zis_draw_job *job;
    const zis_model *model;
    const zis_request *request;
    const zis_control *control; /* or NULL */
    zis_run *run;
    zis_draw_text prompt, negative; /* negative.n = 0: no guidance */
    zis_features *features;
    zis_features *own_features; /* when the job brings none */
    zis_encoded *encoded;
    zis_encoded *own_encoded;
    const zis_inputs *inputs;
    zis_inputs own_inputs;
    zis_denoise_text features_of[2];
    float *sigmas; /* of the steps that are run */
    int steps;     /* that are run: fewer than asked for under diffusers' rule */
    float *latents;
    const float *x0;        /* [C, h, w] latents of the picture to start from, or NULL; borrowed */
    float *mask;            /* [h, w] what is painted anew, or NULL */
    float *context;         /* [channels, h, w] of the control, or NULL */
    int64_t channels, h, w; /* of the latents */
    int width, height;      /* padded */
    double started;         /* of the loop over the steps */
    zis_image *preview;     /* or NULL */
    zis_preview_fit fit;
    zis_draw_result out;
} zis_draw_maker;

/* ---- draw_plan.c ---- */
/* Pictures grow to whole tokens, to the right and the bottom (product.md 9). */
ZIS_MUST_USE zis_status zis_draw_set_sizes(zis_draw_maker *m, zis_error *err);
ZIS_MUST_USE zis_status zis_draw_make_sigmas(zis_draw_maker *m, zis_error *err);
/* Dry runs of all stages, for prompts of so many tokens (0: not used). */
ZIS_MUST_USE zis_status zis_draw_plan_all(const zis_draw_maker *m,
                                          const zis_run *like,
                                          const int64_t tokens[2],
                                          zis_draw_plan *out,
                                          zis_error *err);
/* Takes what the plan asks for. */
ZIS_MUST_USE zis_status zis_draw_reserve(zis_draw_maker *m, zis_error *err);

/* ---- draw_parts.c: each works dry, too; then host pointers may be NULL ---- */
zis_denoise_args zis_draw_denoise_args(const zis_draw_maker *m);
/* out [n, hidden]: features of n ids. */
ZIS_MUST_USE zis_status zis_draw_encode_text(const zis_model *model,
                                             zis_run *run,
                                             const int32_t *ids,
                                             int64_t n,
                                             float *out,
                                             zis_error *err);
/* out [C, h, w]: scaled latents of planes [3, H, W]. */
ZIS_MUST_USE zis_status zis_draw_encode_planes(
    const zis_draw_maker *m, zis_run *run, const float *planes, float *out, zis_error *err);
/* planes: [3, H, W] on the host or NULL; image: takes the crop, or NULL. */
ZIS_MUST_USE zis_status zis_draw_decode(
    const zis_draw_maker *m, zis_run *run, float *planes, zis_image *image, zis_error *err);
/* Kept latents of the picture (NULL: mid grey), grey where the mask says so (NULL: nowhere), made
 * now if need be. */
ZIS_MUST_USE zis_status zis_draw_latents_of(
    zis_draw_maker *m, zis_image *image, zis_image *mask, const float **out, zis_error *err);
/* m->context: control latents, and from 2.0 on the mask and the masked picture (controlnet.md 3).
 */
ZIS_MUST_USE zis_status zis_draw_make_context(zis_draw_maker *m, zis_error *err);
/* How many pictures that encodes at most. */
int zis_draw_context_pictures(const zis_draw_maker *m);
/* A new block [h, w]: the most that any pixel of a latent's cell is to be painted anew, 0 to 1. */
ZIS_MUST_USE zis_status zis_draw_latent_mask(const zis_draw_maker *m,
                                             const zis_image *mask,
                                             float **out,
                                             zis_error *err);

#endif
