/* preprocess_maps.h - what lies between pictures and the networks of the preprocessors
 * (preprocessors.md 5.1, 6.1).
 *
 * Threads: as the run. */
#ifndef ZIS_PIPELINE_PREPROCESS_MAPS_H
#define ZIS_PIPELINE_PREPROCESS_MAPS_H

#include "kernels/run.h"
#include "models/dpt/dpt.h"
#include "models/openpose/body.h"
#include "tensor/image.h"

/* *out: a new picture of 1 channel and rgb's size: near is bright, 0 to 255; all 0 where everything
 * is as near. rgb has sides that are multiples of 32. The run's scratch is planned, taken, and
 * given back clear; ZIS_NUMERIC when the network's answer is no number. */
ZIS_MUST_USE zis_status zis_preprocess_depth_map(
    const zis_dpt *m, const zis_image *rgb, zis_run *run, zis_image **out, zis_error *err);
/* *out: a new picture R, G, B of rgb's size: people as stick figures on black. */
ZIS_MUST_USE zis_status zis_preprocess_pose_map(
    const zis_body *m, const zis_image *rgb, zis_run *run, zis_image **out, zis_error *err);

#endif
