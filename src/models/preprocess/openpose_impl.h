/* openpose_impl.h - the steps between maps and people: openpose_people.c drives, openpose_maps.c
 * enlarges and smooths, openpose_limbs.c pairs joints and gathers people. */
#ifndef ZIS_MODELS_OPENPOSE_IMPL_H
#define ZIS_MODELS_OPENPOSE_IMPL_H

#include "models/preprocess/openpose_people.h"

/* What enlarging needs, kept from map to map. */
typedef struct zis_openpose_enlarger {
    zis_openpose_size size;
    int map_width, map_height, width, height; /* of the maps, of the picture */
    float *wide;                              /* [map_height * 8, map_width * 8] */
    double *smooth;                           /* [height, width] */
    double *line;                             /* one row or column piece with its borders */
} zis_openpose_enlarger;

zis_status zis_openpose_enlarger_init(
    zis_openpose_enlarger *e, const zis_openpose_maps *maps, int width, int height, zis_error *err);
void zis_openpose_enlarger_deinit(zis_openpose_enlarger *e);
/* One map at the picture's size: out [height, width]. */
zis_status zis_openpose_enlarge(zis_openpose_enlarger *e,
                                float *out,
                                const float *map,
                                zis_error *err);
/* Gaussian of sigma 3 into e->smooth. */
void zis_openpose_smooth(zis_openpose_enlarger *e, const float *map);

/* A limb found: ids of its joints, and how well the field agrees. */
typedef struct zis_openpose_link {
    int a, b;
    double score;
} zis_openpose_link;

/* The links of limb k from its two fields [height, width], best first; *links is the caller's to
 * free, NULL when there are none. */
zis_status zis_openpose_links_find(zis_openpose_link **links,
                                   size_t *count,
                                   const zis_openpose_people *p,
                                   int k,
                                   const float *const field[2],
                                   int width,
                                   int height,
                                   zis_error *err);
/* Adds the links of limb k to the people; *room: persons that p->person has memory for. */
zis_status zis_openpose_links_gather(zis_openpose_people *p,
                                     size_t *room,
                                     int k,
                                     const zis_openpose_link *links,
                                     size_t count,
                                     zis_error *err);

#endif
