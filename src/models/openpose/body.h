/* body.h - OpenPose's body network: a picture to maps of joints and of directions along limbs
 * (preprocessors.md 6.3).
 *
 *     open -> forward, ... -> close          Threads: read-only after open. */
#ifndef ZIS_MODELS_BODY_H
#define ZIS_MODELS_BODY_H

#include "formats/weights.h"
#include "kernels/run.h"

/* The file that its authors published, and where (preprocessors.md 7). */
#define ZIS_BODY_FILE "body_pose_model.pth"

typedef struct zis_body zis_body;

/* `weights` is borrowed and must outlive the model. ZIS_FORMAT lists what is missing. */
ZIS_MUST_USE zis_status zis_body_create(zis_body **out, const zis_weights *weights, zis_error *err);
/* A .pth, .pt or .safetensors file. */
ZIS_MUST_USE zis_status zis_body_open(zis_body **out, const char *path, zis_error *err);
void zis_body_close(zis_body **m);
/* Of the weights, as stored. */
uint64_t zis_body_bytes(const zis_body *m);

/* Called with intermediate values named as in the goldens ("model0", "model1_1", ...), a row a
 * pixel; may be NULL. */
typedef void zis_body_watch(void *arg, zis_run *run, const char *name, const zis_tensor *t);

/* planes [3, h, w]: B, G, R as v / 256 - 0.5 (openpose_input.h), h and w multiples of 8, else
 * ZIS_ARG; heat [19, h/8, w/8] (not negative) and paf [38, h/8, w/8]. */
ZIS_MUST_USE zis_status zis_body_forward(const zis_body *m,
                                         zis_run *run,
                                         const zis_tensor *planes,
                                         zis_tensor heat,
                                         zis_tensor paf,
                                         zis_body_watch *watch,
                                         void *watch_arg,
                                         zis_error *err);

#endif
