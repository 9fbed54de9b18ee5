/* openpose_people.h - from the body network's maps to people, as controlnet_aux finds them
 * (preprocessors.md 6.4 to 6.8).
 *
 * Joints are peaks of the smoothed heat maps; limbs join peaks along the fields of directions;
 * people are limbs that share joints.
 *
 *     find -> pose, ... -> destroy         Threads: any; the result is plain data. */
#ifndef ZIS_MODELS_OPENPOSE_PEOPLE_H
#define ZIS_MODELS_OPENPOSE_PEOPLE_H

#include "models/preprocess/openpose_skeleton.h"

#include <stddef.h>

/* More peaks of one joint than this are refused: such maps show no people, and the work grows with
 * the square. */
#define ZIS_OPENPOSE_MAX_PEAKS 2048

/* As the network gives them: an eighth of its padded input; planes dense, borrowed. */
typedef struct zis_openpose_maps {
    const float *heat; /* [19, height, width] */
    const float *paf;  /* [38, height, width] */
    int width, height;
} zis_openpose_maps;

/* A place where a joint may be; its number in the list is its id. */
typedef struct zis_openpose_peak {
    int x, y; /* pixels of the picture */
    double score;
} zis_openpose_peak;

typedef struct zis_openpose_person {
    int id[ZIS_OPENPOSE_JOINTS]; /* -1: missing */
    double score;
    int parts;
} zis_openpose_person;

typedef struct zis_openpose_people {
    zis_openpose_peak *peak; /* joint 0's from the top, then joint 1's, ... */
    size_t peaks;
    size_t first[ZIS_OPENPOSE_JOINTS + 1]; /* joint j has the peaks first[j] .. first[j + 1] - 1 */
    zis_openpose_person *person;
    size_t persons;
} zis_openpose_people;

/* picture_width, picture_height: of the picture that the network has seen, at detection size.
 * ZIS_ARG for maps of another size than zis_openpose_skeleton_size says; ZIS_NUMERIC for maps that
 * cannot be a body network's (NaN, peaks everywhere). */
ZIS_MUST_USE zis_status zis_openpose_people_find(zis_openpose_people **out,
                                                 const zis_openpose_maps *maps,
                                                 int picture_width,
                                                 int picture_height,
                                                 zis_error *err);
/* Person i < persons, to be drawn. */
zis_openpose_pose zis_openpose_people_pose(const zis_openpose_people *p, size_t i);
/* Accepts NULL and a pointer to NULL; sets *p to NULL. */
void zis_openpose_people_destroy(zis_openpose_people **p);

#endif
