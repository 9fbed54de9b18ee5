/* bench_pictures.h - the preprocessors and the upscaler, measured whole: from a picture's bytes to
 * those of the map, with synthetic weights of the published shapes, so that nothing needs to be
 * downloaded.
 *
 * Threads: one at a time. */
#ifndef ZIS_CLI_BENCH_PICTURES_H
#define ZIS_CLI_BENCH_PICTURES_H

#include "kernels/run.h"

#define ZIS_BENCH_PICTURES_RUNS 5

typedef enum zis_bench_picture {
    ZIS_BENCH_CANNY,  /* 512x512 */
    ZIS_BENCH_DEPTH,  /* 384x384, as its network was trained */
    ZIS_BENCH_POSE,   /* 512x512 */
    ZIS_BENCH_ESRGAN, /* RealESRGAN_x4plus, 256x256 to 1024x1024 */
    ZIS_BENCH_PICTURES_COUNT
} zis_bench_picture;

typedef struct zis_bench_passes {
    double seconds[ZIS_BENCH_PICTURES_RUNS];
    double flops, bytes; /* of one pass, as a dry run counts them */
} zis_bench_passes;

/* The run is given back clear. */
ZIS_MUST_USE zis_status zis_bench_pictures_run(zis_bench_picture what,
                                               zis_run *run,
                                               zis_bench_passes *out,
                                               zis_error *err);

#endif
