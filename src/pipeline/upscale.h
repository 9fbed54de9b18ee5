/* upscale.h - a picture enlarged by a network, in tiles that leave no seam (upscale.md 3, 4).
 *
 * Each tile is computed with `pad` pixels of its neighbours around it, of which nothing is kept, as
 * Real-ESRGAN does it; memory is that of one tile, planned by a dry run. Rows of tiles are brought
 * to the final width as they come, by Pillow's Lanczos, so that the picture at four times the side
 * is never held.
 *
 *     plan_make, or whole, or to         Threads: as the run. */
#ifndef ZIS_PIPELINE_UPSCALE_H
#define ZIS_PIPELINE_UPSCALE_H

#include "kernels/run.h"
#include "models/esrgan/esrgan.h"
#include "tensor/image.h"

/* As the original: RealESRGANer(tile=512, tile_pad=10). */
#define ZIS_UPSCALE_TILE 512
#define ZIS_UPSCALE_PAD 10

typedef struct zis_upscale_job {
    const zis_esrgan *model;
    const zis_image *in; /* RGB */
    int tile;            /* side without the overlap, at least 1 */
    int pad;             /* at least 0 */
    /* Called from the thread that runs: tiles done and in all, and the part of the whole, which
     * moves within a tile, too. May be NULL. */
    void (*progress)(void *arg, int done, int of, double fraction);
    void *arg;
} zis_upscale_job;

typedef struct zis_upscale_plan {
    size_t scratch; /* bytes for the largest tile */
    double flops;   /* of convolutions, directly counted */
    double bytes;   /* of weights read */
    int tiles;      /* of all passes */
    int passes;     /* of the network over the picture */
} zis_upscale_plan;

/* What zis_upscale_to will need for a picture of this size. */
ZIS_MUST_USE zis_status zis_upscale_plan_make(const zis_upscale_job *job,
                                              const zis_run *like,
                                              int width,
                                              int height,
                                              zis_upscale_plan *out,
                                              zis_error *err);

/* The network's own size: scale times the picture's. */
ZIS_MUST_USE zis_status zis_upscale_whole(const zis_upscale_job *job,
                                          zis_run *run,
                                          zis_image **out,
                                          zis_error *err);

/* Any size. Where it is larger than the network makes it, the network runs again on its own result;
 * then Lanczos brings both sides to theirs (apart: the caller keeps the shape). `run` is given back
 * clear of scratch. plan: what was planned, or NULL. */
ZIS_MUST_USE zis_status zis_upscale_to(const zis_upscale_job *job,
                                       zis_run *run,
                                       int width,
                                       int height,
                                       zis_image **out,
                                       zis_upscale_plan *plan,
                                       zis_error *err);

#endif
