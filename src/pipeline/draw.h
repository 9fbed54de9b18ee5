/* draw.h - a request becomes a picture, one at a time: the stages in order.
 *
 *     prompt -> ids -> features (kept for the same prompt) -> noise -> steps -> decode -> 8 bits
 *     picture to start from, mask -> latents (kept for the same picture) --^
 *     control map, masked picture -> control context (controlnet.md 3) ----^
 *
 * The pixels that a mask keeps are the picture's own in the result, bit for bit.
 *
 * Everything is planned by dry runs of the same code before any work: scratch is taken once, for
 * the largest stage, and nothing is allocated inside a step.
 *
 *     zis_features_create -> zis_draw_run, ... -> zis_features_destroy
 *     zis_draw_result_deinit after each run
 *
 * Threads: one run at a time on one zis_run; models are read-only. */
#ifndef ZIS_PIPELINE_DRAW_H
#define ZIS_PIPELINE_DRAW_H

#include "kernels/run.h"
#include "models/zimage/control.h"
#include "pipeline/encoded.h"
#include "pipeline/features.h"
#include "pipeline/inputs.h"
#include "pipeline/model.h"
#include "pipeline/request.h"
#include "tensor/image.h"

/* Stages in their order; also the rows of a plan. */
typedef enum zis_stage {
    ZIS_STAGE_TEXT,    /* text encoder, both prompts */
    ZIS_STAGE_ENCODE,  /* picture to start from, to latents */
    ZIS_STAGE_CONTROL, /* control picture, to latents */
    ZIS_STAGE_EMBED,   /* times, caption refiner, positions: once a picture */
    ZIS_STAGE_DENOISE, /* all steps */
    ZIS_STAGE_DECODE,
    ZIS_STAGE_COUNT
} zis_stage;

const char *zis_stage_name(zis_stage stage); /* "text", "encode", ... */

typedef struct zis_progress {
    zis_stage stage;
    int step, of;        /* done and all within the stage */
    double fraction;     /* of the stage, 0 to 1: moves within a step, too */
    double seconds_left; /* of the whole picture; < 0: not known yet */
} zis_progress;

/* Callbacks; any may be NULL. They come from the thread that runs and must not call back into the
 * run. */
typedef struct zis_draw_hooks {
    void *arg;
    void (*progress)(void *arg, const zis_progress *p);
    /* After each step but the last: the latents as a small picture (preview.h); borrowed. */
    void (*preview)(void *arg, const zis_image *image, int step, int of);
} zis_draw_hooks;

/* What a run will need and do; filled without running. */
typedef struct zis_draw_plan {
    size_t scratch[ZIS_STAGE_COUNT]; /* bytes; EMBED is part of DENOISE */
    double flops[ZIS_STAGE_COUNT];   /* of matrix products and convolutions, directly counted */
    double bytes[ZIS_STAGE_COUNT];   /* of weights read */
    size_t scratch_most;             /* what is reserved */
    int width, height;               /* padded to the grid */
    int steps;                       /* that are run */
} zis_draw_plan;

enum {
    ZIS_KEEP_LATENTS = 1, /* result.latents */
    ZIS_KEEP_PLANES = 2,  /* result.planes */
};

typedef struct zis_draw_job {
    const zis_control *control; /* opened for this model, or NULL: nothing is controlled */
    const zis_model *model;     /* tokenizer, text encoder, transformer, VAE */
    const zis_request *request; /* complete and checked; seed >= 0; batch is not looked at */
    zis_features *features;     /* kept prompts, or NULL */
    const zis_inputs *inputs;   /* made of this request, or NULL: made here, without preprocessor */
    zis_encoded *encoded;       /* kept pictures, or NULL */
    const zis_draw_hooks *hooks; /* or NULL */
    unsigned keep;               /* ZIS_KEEP_... */
} zis_draw_job;

typedef struct zis_draw_result {
    zis_image *image; /* RGB, of the size asked for */
    int latent_channels, latent_height, latent_width;
    float *latents; /* [C, h, w] after the last step, scaled; of the padded size */
    int plane_height, plane_width;
    float *planes; /* [3, H, W] as the decoder gives it, not clamped; of the padded size */
    double seconds[ZIS_STAGE_COUNT];
    size_t prompt_tokens;          /* with the template, before the cut at 512 */
    size_t negative_prompt_tokens; /* 0: not used */
    zis_draw_plan plan;
} zis_draw_result;

/* *out is overwritten; untouched on failure. `run` is given back clear of scratch and failures. */
ZIS_MUST_USE zis_status zis_draw_run(const zis_draw_job *job,
                                     zis_run *run,
                                     zis_draw_result *out,
                                     zis_error *err);
void zis_draw_result_deinit(zis_draw_result *r);

/* The plan alone, for prompts of so many tokens (negative: 0 = no guidance); control may be NULL.
 */
ZIS_MUST_USE zis_status zis_draw_plan_make(const zis_model *model,
                                           const zis_control *control,
                                           const zis_run *like,
                                           const zis_request *request,
                                           int64_t tokens,
                                           int64_t negative_tokens,
                                           zis_draw_plan *out,
                                           zis_error *err);

#endif
