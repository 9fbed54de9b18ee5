/* openpose_skeleton.h - the body that OpenPose knows: 18 joints, 19 limbs (preprocessors.md 6.5,
 * 6.6), and the sizes between a picture and the network's maps (6.2).
 *
 * Threads: constants and plain values. */
#ifndef ZIS_MODELS_OPENPOSE_SKELETON_H
#define ZIS_MODELS_OPENPOSE_SKELETON_H

#include "base/status.h"

#include <stdbool.h>

#define ZIS_OPENPOSE_JOINTS 18
#define ZIS_OPENPOSE_LIMBS 19
#define ZIS_OPENPOSE_DRAWN_LIMBS 17 /* the last two, ear to shoulder, only help to find people */
#define ZIS_OPENPOSE_HEAT_MAPS 19   /* a joint each, and the background */
#define ZIS_OPENPOSE_PAF_MAPS 38    /* two a limb: the direction from joint a to joint b */

typedef struct zis_openpose_limb {
    int a, b;   /* joints */
    int paf[2]; /* the maps of x and y */
} zis_openpose_limb;

extern const zis_openpose_limb zis_openpose_skeleton_limbs[ZIS_OPENPOSE_LIMBS];

/* "nose", ...; for messages. */
const char *zis_openpose_skeleton_name(int joint);

/* One person, in pixels of the picture. */
typedef struct zis_openpose_joint {
    double x, y;
    bool present;
} zis_openpose_joint;

typedef struct zis_openpose_pose {
    zis_openpose_joint joint[ZIS_OPENPOSE_JOINTS];
} zis_openpose_pose;

/* The network looks at width x height pixels, padded at the right and at the bottom to multiples of
 * 8; its maps have an eighth of the padded size. */
typedef struct zis_openpose_size {
    double real_width, real_height; /* before the cut to whole pixels: they choose the resize */
    int width, height;
    int padded_width, padded_height;
} zis_openpose_size;

/* ZIS_ARG for a picture so tall that less than one pixel of its width is left, or so wide that its
 * width at 184 rows exceeds every picture. */
ZIS_MUST_USE zis_status zis_openpose_skeleton_size(zis_openpose_size *out,
                                                   int picture_width,
                                                   int picture_height,
                                                   zis_error *err);

#endif
