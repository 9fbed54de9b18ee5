/* dpt.h - MiDaS DPT-hybrid: how near each pixel of a picture is (preprocessors.md 5).
 *
 * A ResNet of three stages makes features and patches, a vision transformer relates these, and four
 * fusions bring all resolutions together. The ResNet multiplies a relative rounding error by some
 * hundreds, so it is computed in float32 whatever the run's math is; the rest follows the run.
 *
 *     open -> forward, ... -> close          Threads: read-only after open. */
#ifndef ZIS_MODELS_DPT_H
#define ZIS_MODELS_DPT_H

#include "formats/weights.h"
#include "kernels/run.h"

/* The file that is published (preprocessors.md 7). */
#define ZIS_DPT_FILE "dpt_hybrid-midas-501f0c75.pt"
/* Sides are multiples of this. */
#define ZIS_DPT_GRID 32

typedef struct zis_dpt zis_dpt;

/* `weights` is borrowed and must outlive the model. ZIS_FORMAT lists what is missing. */
ZIS_MUST_USE zis_status zis_dpt_create(zis_dpt **out, const zis_weights *weights, zis_error *err);
/* A .pt, .pth or .safetensors file. */
ZIS_MUST_USE zis_status zis_dpt_open(zis_dpt **out, const char *path, zis_error *err);
void zis_dpt_close(zis_dpt **m);
/* Of the weights, as stored. */
uint64_t zis_dpt_bytes(const zis_dpt *m);

/* Called with intermediate values named as in the goldens ("stem", "stage0", "block0", "F3", "G4",
 * "path4", "head0"), a row a pixel or token; may be NULL. */
typedef void zis_dpt_watch(void *arg, zis_run *run, const char *name, const zis_tensor *t);

/* planes [3, H, W]: R, G, B as v / 127.5 - 1, sides multiples of 32, else ZIS_ARG; depth [H, W],
 * not negative, larger = nearer. */
ZIS_MUST_USE zis_status zis_dpt_forward(const zis_dpt *m,
                                        zis_run *run,
                                        const zis_tensor *planes,
                                        zis_tensor depth,
                                        zis_dpt_watch *watch,
                                        void *watch_arg,
                                        zis_error *err);

#endif
