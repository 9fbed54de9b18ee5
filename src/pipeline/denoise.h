/* denoise.h - from noise to clean latents: the loop over the steps, with guidance.
 *
 * What does not depend on the step (times, caption, positions) is made before the loop; the passes
 * with and without the prompt share it where they can. Run dry, it counts one step of the loop, and
 * one under control if there are such.
 *
 * Threads: as the run. */
#ifndef ZIS_PIPELINE_DENOISE_H
#define ZIS_PIPELINE_DENOISE_H

#include "kernels/run.h"
#include "models/zimage/control.h"

/* Features of a prompt on the host. */
typedef struct zis_denoise_text {
    const float *features; /* [n, cap_dim]; not read by a dry run */
    int64_t n;             /* 0: this text is not used */
} zis_denoise_text;

/* A ControlNet and the steps in which it takes part. */
typedef struct zis_denoise_control {
    const zis_control *net; /* NULL: none */
    const float *context;   /* [channels, h, w] on the host; not read by a dry run */
    float scale;            /* of its hints; at 0 it is not run */
    int first, end;         /* steps first .. end - 1 */
} zis_denoise_control;

typedef struct zis_denoise_args {
    const zis_zimage *model;
    zis_denoise_text prompt;
    zis_denoise_text negative; /* n = 0: one pass, no guidance */
    int64_t h, w;              /* of the latents */
    const float *sigmas;       /* [steps] */
    int steps;
    int sampler; /* zis_sampler_id */
    float cfg;
    zis_denoise_control control;
    /* Inpainting: the picture's scaled latents [C, h, w], and the part that is painted anew [h, w],
     * 0 (kept) to 1. What is kept ends at x0 (scheduler.md 6). */
    bool masked;
    const float *x0; /* not read by a dry run, like mask */
    const float *mask;
    /* After each block: so many steps are done (0: all is prepared); may be NULL. */
    void (*progress)(void *arg, double done);
    /* With each evaluation but the last: the clean picture as it looks now, x0 = z - sigma v
     * (vae.md 7), [C, h, w] on the host, when `step` steps are done; may be NULL. */
    void (*preview)(void *arg, int step, const float *x0);
    void *arg;
} zis_denoise_args;

/* What a dry run counted: the work before the loop, one step, and one step under control. */
typedef struct zis_denoise_cost {
    double embed_flops, embed_bytes;
    double step_flops, step_bytes;
    double control_flops, control_bytes;
} zis_denoise_cost;

/* latents [C, h, w] on the host: noise (or a noisy picture) in, clean latents out; NULL in a dry
 * run. Scratch is given back. cost may be NULL. */
ZIS_MUST_USE zis_status zis_denoise_run(zis_run *run,
                                        const zis_denoise_args *a,
                                        float *latents,
                                        zis_denoise_cost *cost,
                                        zis_error *err);

#endif
