/* preprocess.h - control maps out of pictures: edges, depth, pose (preprocessors.md).
 *
 * One function over a table of kinds (docs/add-a-preprocessor.md). A kind that needs a network
 * opens its checkpoint at the first picture and keeps it. A failure says why; a raw picture never
 * stands in for a map.
 *
 *     create -> run, run, ... -> destroy         Threads: one at a time. */
#ifndef ZIS_PIPELINE_PREPROCESS_H
#define ZIS_PIPELINE_PREPROCESS_H

#include "kernels/run.h"
#include "pipeline/request.h"
#include "tensor/image.h"

typedef struct zis_preprocess zis_preprocess;

/* Of one kind of preprocessor; a row of the table. */
typedef struct zis_preprocess_info {
    const char *name; /* "canny": as the request calls it */
    const char *help; /* one sentence without its full stop */
} zis_preprocess_info;

/* NULL behind the last kind. */
const zis_preprocess_info *zis_preprocess_get(int kind);

/* Where the weights of a kind lie: *path is a new string, or NULL for a kind that has none.
 * ZIS_NOT_FOUND as in zis_preprocess_run. */
ZIS_MUST_USE zis_status zis_preprocess_find(int kind, char **path, zis_error *err);

ZIS_MUST_USE zis_status zis_preprocess_create(zis_preprocess **out, zis_error *err);
/* Closes the networks. Accepts NULL and a pointer to NULL. */
void zis_preprocess_destroy(zis_preprocess **p);

/* One picture to be looked at. */
typedef struct zis_preprocess_job {
    int kind;               /* zis_preprocess_kind */
    const zis_image *image; /* of any size and channels */
    const char *weights;    /* checkpoint that a person named, or NULL: the usual places */
} zis_preprocess_job;

/* *out: a new picture of 3 channels. none and canny keep the picture's size; depth and pose give
 * the detectors' (the shorter side 512, both multiples of 64). `run` does the arithmetic of the
 * networks; its scratch must not be in use, and is given back clear; a failure of it is forgotten.
 * ZIS_NOT_FOUND names the file that lacks, where it was looked for, and how to get it. */
ZIS_MUST_USE zis_status zis_preprocess_run(zis_preprocess *p,
                                           const zis_preprocess_job *job,
                                           zis_run *run,
                                           zis_image **out,
                                           zis_error *err);

#endif
