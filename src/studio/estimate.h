/* estimate.h - how long a job may take, and whether a failed one is tried again (studio.md 7).
 *
 * The estimate is for hosts that lend their accelerator for a time that is asked for beforehand;
 * on a machine of one's own it limits nothing.
 *
 * Threads: pure functions. */
#ifndef ZIS_STUDIO_ESTIMATE_H
#define ZIS_STUDIO_ESTIMATE_H

#include "base/status.h"

#include <stdbool.h>

/* What the second attempt may take longer than the first. */
#define ZIS_ESTIMATE_RETRY 2.0

typedef struct zis_estimate_args {
    const char *mode;  /* "t2i", "controlnet", "upscale" */
    bool base;         /* the undistilled model */
    int steps;         /* 0: not said */
    int width, height; /* 0: not said */
    double multiplier; /* 1, or ZIS_ESTIMATE_RETRY */
} zis_estimate_args;

/* Whole seconds, 60 to 180. */
int zis_estimate_seconds(const zis_estimate_args *a);

/* Whether a failure with this message deserves the one retry. */
bool zis_estimate_retries(const char *message);

#endif
