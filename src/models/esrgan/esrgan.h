/* esrgan.h - the upscalers of Real-ESRGAN: RRDBNet and SRVGGNetCompact (upscale.md 1, 2, 6).
 *
 * What a checkpoint is, which of the two and of which width and depth, is read from its tensors;
 * the old names of ESRGAN are known, too. Pictures are pixels [h, w, 3], R G B, 0..1, at both
 * doors, and where the network folds its input (RealESRGAN_x2plus), fold x fold of them lie in the
 * channels of one: [h / fold, w / fold, 3 * fold^2], of channel c the pixel i, j in
 * c * fold^2 + i * fold + j.
 *
 *     zis_esrgan_open -> run, run, ... -> close         Threads: read-only after open. */
#ifndef ZIS_MODELS_ESRGAN_H
#define ZIS_MODELS_ESRGAN_H

#include "formats/weights.h"
#include "kernels/run.h"

/* Pixels of a side that a run may be given: keeps products of sizes far from overflow. */
#define ZIS_ESRGAN_MAX_SIDE 16384

typedef enum zis_esrgan_kind {
    ZIS_ESRGAN_RRDB,  /* RRDBNet */
    ZIS_ESRGAN_SRVGG, /* SRVGGNetCompact */
} zis_esrgan_kind;

typedef struct zis_esrgan_config {
    zis_esrgan_kind kind;
    bool old_names;            /* RRDB: model.1.sub.0.RDB1... */
    int scale;                 /* RRDB: 4 / fold; SRVGG: 1 to 4 */
    int fold;                  /* RRDB: 1, 2 or 4; SRVGG: 1 */
    int64_t width;             /* num_feat */
    int64_t grow;              /* RRDB: num_grow_ch */
    int blocks;                /* num_block; SRVGG: num_conv */
    zis_activation activation; /* SRVGG: PRELU where the file has slopes, else RELU: a file does not
                                * say whether it was a leaky one (slope 0.1) */
} zis_esrgan_config;

typedef struct zis_esrgan zis_esrgan;

/* "RRDBNet", "SRVGGNetCompact". */
const char *zis_esrgan_kind_name(zis_esrgan_kind kind);

/* ZIS_FORMAT when the tensors are not those of an upscaler. */
ZIS_MUST_USE zis_status zis_esrgan_config_read(zis_esrgan_config *out,
                                               const zis_weights *weights,
                                               zis_error *err);
/* `weights` stay the caller's and must outlive the model. */
ZIS_MUST_USE zis_status zis_esrgan_create(zis_esrgan **out,
                                          const zis_esrgan_config *config,
                                          const zis_weights *weights,
                                          zis_error *err);
/* A file in any format of checkpoints (.pth, .safetensors). */
ZIS_MUST_USE zis_status zis_esrgan_open(zis_esrgan **out, const char *path, zis_error *err);
/* Accepts NULL and a pointer to NULL. */
void zis_esrgan_close(zis_esrgan **m);
const zis_esrgan_config *zis_esrgan_get_config(const zis_esrgan *m);
uint64_t zis_esrgan_bytes(const zis_esrgan *m);

/* Callbacks of a run; any may be NULL. */
typedef struct zis_esrgan_hooks {
    void *arg;
    /* Intermediate maps [h, w, C] by the names of the goldens. */
    void (*watch)(void *arg, zis_run *run, const char *name, const zis_tensor *map);
    /* How much of the run is done, 0 to 1. Not from a dry run. */
    void (*progress)(void *arg, double fraction);
} zis_esrgan_hooks;

/* y [scale * h, scale * w, 3] from x [h, w, 3], any multiples of fold from it on; x is folded, y is
 * not clamped. All of y depends on all of x within the network's reach (hundreds of pixels), so
 * tiles must overlap. */
ZIS_MUST_USE zis_status zis_esrgan_run(const zis_esrgan *m,
                                       zis_run *run,
                                       const zis_tensor *x,
                                       zis_tensor y,
                                       const zis_esrgan_hooks *hooks,
                                       zis_error *err);

#endif
