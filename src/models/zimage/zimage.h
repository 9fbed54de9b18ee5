/* zimage.h - the Z-Image transformer (S3-DiT): latents and text features to velocity (z-image.md).
 *
 * What does not depend on the time step is computed once: a `prompt` (caption embedding and context
 * refiner), a `size` (positions and RoPE tables), `times` (all modulation vectors of all steps in
 * one product). A step then runs patchify, noise refiner, joint blocks and the final layer.
 *
 *     open -> times, then per prompt: prompt, size -> step, step, ... -> close
 *
 * times, prompt and size live in the run's scratch, above the mark at which they were made; the
 * caller restores the mark when it is done with them. Threads: read-only after open. */
#ifndef ZIS_MODELS_ZIMAGE_H
#define ZIS_MODELS_ZIMAGE_H

#include "base/json.h"
#include "formats/weights.h"
#include "kernels/run.h"
#include "nn/lora.h"

typedef struct zis_zimage_config {
    int64_t dim, layers, refiner_layers, heads, in_channels, cap_dim, patch;
    int64_t axes_dims[3];
    int64_t axes_lens[3];
    double norm_eps, rope_theta, t_scale;
} zis_zimage_config;

typedef struct zis_zimage zis_zimage;

ZIS_MUST_USE zis_status zis_zimage_config_read(zis_zimage_config *out,
                                               const zis_json_doc *doc,
                                               zis_error *err);
/* `weights` is borrowed and must outlive the model. */
ZIS_MUST_USE zis_status zis_zimage_create(zis_zimage **out,
                                          const zis_zimage_config *config,
                                          const zis_weights *weights,
                                          zis_error *err);
ZIS_MUST_USE zis_status zis_zimage_open(zis_zimage **out, const char *folder, zis_error *err);
void zis_zimage_close(zis_zimage **m);
const zis_zimage_config *zis_zimage_get_config(const zis_zimage *m);
uint64_t zis_zimage_bytes(const zis_zimage *m);
/* For a run of many steps: the blocks' matrices, which move to huge pages as they are multiplied
 * (resident.h). NULL where they stay mapped: a small model, weights that the caller keeps, or a
 * machine with less than 1.5 times their memory. Belongs to the model; one run at a time. */
zis_resident *zis_zimage_resident(const zis_zimage *m);

/* Every module that a LoRA can change, by all names of lora.md 3; finished. The list borrows from
 * the model; it is the caller's to deinit, also on failure. */
ZIS_MUST_USE zis_status zis_zimage_targets(zis_zimage *m, zis_lora_targets *out, zis_error *err);

/* Modulation of n steps. */
typedef struct zis_zimage_times {
    int64_t n;
    zis_tensor temb; /* [n, min(dim, 256)] */
    /* [n_blocks * n, 4 * dim]: row b * n + i is block b at step i, as 1 + scale, tanh(gate) of the
     * attention, then of the feed-forward; the noise refiner's blocks come first. */
    zis_tensor blocks;
    int64_t n_blocks;       /* refiner_layers + layers */
    zis_tensor final_scale; /* [n, dim]: 1 + scale */
} zis_zimage_times;

/* tau[i] on the scale 0..1000 (1000 * (1 - sigma)). */
ZIS_MUST_USE zis_status zis_zimage_times_make(const zis_zimage *m,
                                              zis_run *run,
                                              const float *tau,
                                              int64_t n,
                                              zis_zimage_times *out,
                                              zis_error *err);

/* Called with intermediate values named as in the goldens ("temb", "noise_refiner",
 * "context_refiner", "layers.K"); may be NULL. */
typedef void zis_zimage_watch(void *arg, zis_run *run, const char *name, const zis_tensor *t);

/* The caption after its refiner, padded to a multiple of 32 rows. */
typedef struct zis_zimage_prompt {
    int64_t tokens;      /* before padding */
    zis_tensor cap;      /* [Lc', dim] */
    zis_tensor cos, sin; /* [Lc', head_dim / 2] */
} zis_zimage_prompt;

/* features [Lc, cap_dim], 1 <= Lc. */
ZIS_MUST_USE zis_status zis_zimage_prompt_make(const zis_zimage *m,
                                               zis_run *run,
                                               const zis_tensor *features,
                                               zis_zimage_prompt *out,
                                               zis_zimage_watch *watch,
                                               void *watch_arg,
                                               zis_error *err);

/* Positions of the image tokens for latents of h x w behind a caption of cap_rows (padded) rows,
 * and of the joint sequence [image ; caption]. */
typedef struct zis_zimage_size {
    int64_t h, w;
    int64_t tokens;      /* Lx */
    int64_t rows;        /* Lx', a multiple of 32 */
    zis_tensor cos, sin; /* [Lx' + Lc', head_dim / 2]; the first Lx' rows serve the noise refiner */
} zis_zimage_size;

ZIS_MUST_USE zis_status zis_zimage_size_make(const zis_zimage *m,
                                             zis_run *run,
                                             int64_t h,
                                             int64_t w,
                                             const zis_zimage_prompt *prompt,
                                             zis_zimage_size *out,
                                             zis_error *err);

/* A ControlNet that takes part in the steps (control.h). */
typedef struct zis_control_hints zis_control_hints;

/* The first part of a step, in which the caption has no say: image [rows, dim] = the latents'
 * tokens after the noise refiner. Two passes with captions of the same padded length share it.
 * control: NULL, or the ControlNet of this step, in both parts. */
ZIS_MUST_USE zis_status zis_zimage_refine(const zis_zimage *m,
                                          zis_run *run,
                                          const zis_zimage_times *times,
                                          int64_t step,
                                          const zis_zimage_size *size,
                                          const zis_control_hints *control,
                                          const zis_tensor *latents,
                                          zis_tensor image,
                                          zis_zimage_watch *watch,
                                          void *watch_arg,
                                          zis_error *err);
/* The second part: velocity from the refined image (which is only read) and the caption. */
ZIS_MUST_USE zis_status zis_zimage_join(const zis_zimage *m,
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
                                        zis_error *err);
/* Both. velocity [C, h, w] = sign * the model's raw output for latents [C, h, w] at step `step` of
 * times. sign -1 gives the velocity that the sampler adds (z-image.md 4.8). */
ZIS_MUST_USE zis_status zis_zimage_step(const zis_zimage *m,
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
                                        zis_error *err);

#endif
