/* sampler.h - the ways from noise to picture: rows of one table.
 *
 * A sampler moves the latents along the velocity, one evaluation of the model a step. It works with
 * operations of the run only, so that a step can be captured as a graph.
 *
 *     a state from scratch -> step, step, ...        Threads: as the run. */
#ifndef ZIS_PIPELINE_SAMPLER_H
#define ZIS_PIPELINE_SAMPLER_H

#include "kernels/run.h"

/* name, member of the enum, latents kept from step to step, what it does */
#define ZIS_SAMPLER_LIST(X) X("euler", EULER, 0, "first order, as the model was trained for")

typedef enum zis_sampler_id {
#define X(name, id, keeps, help) ZIS_SAMPLER_##id,
    ZIS_SAMPLER_LIST(X)
#undef X
        ZIS_SAMPLER_COUNT
} zis_sampler_id;

#define ZIS_SAMPLER_KEEPS_MAX 2

typedef struct zis_sampler_step {
    zis_tensor z;                           /* [C, h, w] latents, read and written */
    zis_tensor v;                           /* [C, h, w] velocity at `sigma`, after guidance */
    zis_tensor keep[ZIS_SAMPLER_KEEPS_MAX]; /* [C, h, w] each, the sampler's own */
    int index;                              /* 0 .. steps-1 */
    float sigma, next;                      /* noise levels now and afterwards */
} zis_sampler_step;

typedef struct zis_sampler {
    const char *name;
    int keeps;
    const char *help;
    void (*step)(zis_run *run, const zis_sampler_step *s);
} zis_sampler;

/* NULL behind the last. */
const zis_sampler *zis_sampler_at(int id);
/* Names in the order of the table, ended by NULL. */
extern const char *const zis_sampler_names[];

#endif
