/* upscaling.h - the engine's part of an upscale job before its refinement: what the request leaves
 * open, the upscaler that is kept open, the enlarged picture.
 *
 *     {0} -> settle, open, run, ... -> close          Threads: one at a time. */
#ifndef ZIS_STUDIO_UPSCALING_H
#define ZIS_STUDIO_UPSCALING_H

#include "pipeline/request.h"
#include "pipeline/upscale.h"

typedef struct zis_upscaling {
    char *path; /* of the model that is open */
    zis_esrgan *model;
} zis_upscaling;

/* The task's own defaults where nobody set a field (upscale.md 5): the upscaler that fits the
 * model, the prompt, strength, and the size. */
ZIS_MUST_USE zis_status zis_upscaling_settle(zis_request *r, zis_error *err);
/* Finds and opens the request's upscaler, unless it is open. */
ZIS_MUST_USE zis_status zis_upscaling_open(zis_upscaling *u, const zis_request *r, zis_error *err);
void zis_upscaling_close(zis_upscaling *u);

/* The request's picture, scaled to cover its size: never smaller than that on either side. progress
 * as in upscale.h. */
ZIS_MUST_USE zis_status zis_upscaling_run(const zis_upscaling *u,
                                          const zis_request *r,
                                          zis_run *run,
                                          void (*progress)(void *, int, int, double),
                                          void *arg,
                                          zis_image **out,
                                          size_t *scratch,
                                          zis_error *err);

#endif
