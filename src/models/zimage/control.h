/* control.h - ControlNets of Z-Image (Fun-Controlnet-Union, controlnet.md): copies of transformer
 * blocks that look at a control picture and add hints to the main stream.
 *
 * A file is recognised by its content alone: which version it is, how many blocks it has, and so
 * which main layers get the hints. It shares widths, positions, times, captions and pad tokens with
 * the transformer that it is opened for.
 *
 *     open -> (for each picture: times, size) -> hints_make -> steps -> close
 *
 * Hints live in the run's scratch, like times and size (zimage.h). Threads: read-only after open.
 */
#ifndef ZIS_MODELS_CONTROL_H
#define ZIS_MODELS_CONTROL_H

#include "models/zimage/zimage.h"

typedef enum zis_control_version {
    ZIS_CONTROL_1_0, /* sees the control picture alone; no hints for the refiner */
    ZIS_CONTROL_2_0, /* and a masked picture; the refiner's hints come from the layers */
    ZIS_CONTROL_2_1, /* the refiner's hints come from a refiner of its own */
} zis_control_version;

typedef struct zis_control_info {
    zis_control_version version;
    int64_t dim;      /* width */
    int64_t layers;   /* control_layers, each with a hint */
    int64_t columns;  /* of the embedder: values of a patch of the control context */
    int64_t channels; /* of the control context: 16, or 33 = control, mask, masked picture */
} zis_control_info;

/* What the file is. ZIS_FORMAT when it is no ControlNet of this kind, or lacks its pieces. */
ZIS_MUST_USE zis_status zis_control_recognise(zis_control_info *out,
                                              const zis_weights *weights,
                                              zis_error *err);
/* "1.0", "2.0", "2.1", "2.1 lite" (3 layers for 30). */
const char *zis_control_version_name(const zis_control_info *info);

typedef struct zis_control zis_control;

/* What a test knows better than the file; zeros: by the file. */
typedef struct zis_control_override {
    bool has_version;
    zis_control_version version;
    const int64_t *places; /* main layers that get the hints, ascending */
    int64_t n_places;
} zis_control_override;

/* For the steps of `main`. `weights` is borrowed and must outlive it; override may be NULL.
 * ZIS_FORMAT when it belongs to another transformer. */
ZIS_MUST_USE zis_status zis_control_create(zis_control **out,
                                           const zis_zimage *main,
                                           const zis_weights *weights,
                                           const zis_control_override *override,
                                           zis_error *err);
ZIS_MUST_USE zis_status zis_control_open(zis_control **out,
                                         const zis_zimage *main,
                                         const char *path,
                                         zis_error *err);
void zis_control_close(zis_control **c);
const zis_control_info *zis_control_get_info(const zis_control *c);
uint64_t zis_control_bytes(const zis_control *c);

/* A ControlNet at work on one picture. */
struct zis_control_hints {
    const zis_control *net;
    zis_tensor blocks; /* modulation like that of zis_zimage_times, the refiner's blocks first */
    int64_t steps;
    zis_tensor tokens; /* [Lx', D]: the embedded context, from 2.0 on projected */
    zis_tensor image;  /* [Lx', D]: what the refiner of the present step left */
    float scale;       /* of all hints */
    bool resident;     /* its matrices move to huge pages, too (resident.h) */
};

/* What does not depend on the step: context [channels, h, w] on the device, of the size's h and w.
 * Takes scratch that stays in use. */
ZIS_MUST_USE zis_status zis_control_hints_make(const zis_control *c,
                                               const zis_zimage *main,
                                               zis_run *run,
                                               const zis_zimage_times *times,
                                               const zis_zimage_size *size,
                                               const zis_tensor *context,
                                               float scale,
                                               zis_control_hints *out,
                                               zis_error *err);

#endif
