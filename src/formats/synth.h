/* synth.h - synthetic checkpoints: the values of any tensor from its name alone
 * (synthetic-weights.md), and the names and shapes of the published models.
 *
 * Values are made in vectors, on all threads: a real-size checkpoint in well under a minute of
 * computing.
 *
 *     list_create -> specs -> zis_weights_create_memory -> zis_synth_fill      (in memory)
 *     list_create -> zis_synth_write                                           (to a file)
 *
 * Threads: no shared state; the pool serves one call at a time. */
#ifndef ZIS_FORMATS_SYNTH_H
#define ZIS_FORMATS_SYNTH_H

#include "base/thread.h"
#include "formats/weights.h"

#include <stdatomic.h>

/* How one tensor's values follow from their index. */
typedef struct zis_synth_recipe {
    uint64_t key;
    float mean, amp;
    zis_dtype dtype;
} zis_synth_recipe;

/* Integer tensors are 0, and those of a spec that says so. ZIS_UNSUPPORTED for types other than
 * F32, BF16, F16 and integers. */
ZIS_MUST_USE zis_status zis_synth_recipe_of(zis_synth_recipe *out,
                                            const zis_weights_spec *spec,
                                            uint64_t seed,
                                            zis_error *err);
/* Values first .. first + n - 1 of the tensor, as stored; dst may be unaligned. */
void zis_synth_values(const zis_synth_recipe *r, uint64_t first, size_t n, void *dst);

/* Fills every tensor of a checkpoint made by zis_weights_create_memory. */
ZIS_MUST_USE zis_status zis_synth_fill(zis_weights *w,
                                       uint64_t seed,
                                       zis_pool *pool,
                                       zis_error *err);

/* Parts whose real names and shapes are known. */
typedef enum zis_synth_part {
    ZIS_SYNTH_TRANSFORMER, /* 521 tensors, Turbo and Base alike */
    ZIS_SYNTH_TEXT_ENCODER,
    ZIS_SYNTH_VAE,
    ZIS_SYNTH_DEPTH,       /* MiDaS DPT-hybrid, of the preprocessors */
    ZIS_SYNTH_POSE,        /* OpenPose's body network */
    ZIS_SYNTH_CONTROL_1_0, /* ControlNets (controlnet.md 1, 2) */
    ZIS_SYNTH_CONTROL_2_0,
    ZIS_SYNTH_CONTROL_2_1,
    ZIS_SYNTH_CONTROL_LITE, /* 2.1 with three layers */
    ZIS_SYNTH_ESRGAN,       /* RealESRGAN_x4plus */
    ZIS_SYNTH_SRVGG,        /* realesr-general-x4v3 */
    ZIS_SYNTH_PART_COUNT
} zis_synth_part;

typedef struct zis_synth_part_info {
    const char *folder; /* "transformer": in the diffusers layout; NULL: a file of its own */
    const char *file;   /* "diffusion_pytorch_model.safetensors" */
    const char *config; /* text of config.json, or NULL */
    zis_dtype dtype;    /* as published, or as most people store it */
} zis_synth_part_info;

const zis_synth_part_info *zis_synth_part_get(zis_synth_part part);

typedef struct zis_synth_list {
    zis_weights_spec *specs; /* names are owned by the list */
    size_t count;
    size_t room;
} zis_synth_list;

/* All tensors of a part, with that type. */
ZIS_MUST_USE zis_status zis_synth_list_create(zis_synth_list **out,
                                              zis_synth_part part,
                                              zis_dtype dtype,
                                              zis_error *err);
void zis_synth_list_destroy(zis_synth_list **list);

/* done of total bytes are in the file. */
typedef void zis_synth_progress(void *arg, uint64_t done, uint64_t total);

/* Writes one safetensors file; `cancel` and `progress` may be NULL. Nothing is left behind on
 * failure or when cancelled. */
ZIS_MUST_USE zis_status zis_synth_write(const char *path,
                                        const zis_weights_spec *specs,
                                        size_t n,
                                        uint64_t seed,
                                        zis_pool *pool,
                                        const atomic_bool *cancel,
                                        zis_synth_progress *progress,
                                        void *progress_arg,
                                        zis_error *err);

#endif
