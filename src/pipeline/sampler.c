/* To add one: a function here and a row in sampler.h (docs/add-a-sampler.md). */
#include "pipeline/sampler.h"

/* z += (next - sigma) * v (scheduler.md 2). */
static void step_EULER(zis_run *run, const zis_sampler_step *s)
{
    float dt = s->next - s->sigma;
    zis_affine(run, &(zis_affine_args){.y = s->z, .x = s->z, .z = s->v, .a = 1.0f, .b = dt});
}

static const zis_sampler samplers[] = {
#define X(name, id, keeps, help) {name, keeps, help, step_##id},
    ZIS_SAMPLER_LIST(X)
#undef X
};

const char *const zis_sampler_names[] = {
#define X(name, id, keeps, help) name,
    ZIS_SAMPLER_LIST(X)
#undef X
        NULL,
};

const zis_sampler *zis_sampler_at(int id)
{
    return id >= 0 && id < ZIS_SAMPLER_COUNT ? &samplers[id] : NULL;
}
