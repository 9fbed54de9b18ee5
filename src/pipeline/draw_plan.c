/* draw_plan.c - sizes, noise levels, and what a picture will need, counted by dry runs. */
#include "base/mem.h"
#include "base/os.h"
#include "pipeline/draw_impl.h"
#include "pipeline/schedule.h"

#include <stdlib.h>
#include <string.h>

zis_status zis_draw_set_sizes(zis_draw_maker *m, zis_error *err)
{
    const zis_zimage_config *c = zis_zimage_get_config(m->model->transformer);
    const zis_request *r = m->request;
    int64_t factor = zis_vae_factor(m->model->vae);
    int64_t unit = factor * c->patch;
    int64_t width = (r->width + unit - 1) / unit * unit;
    int64_t height = (r->height + unit - 1) / unit * unit;
    if (width / unit > c->axes_lens[2] || height / unit > c->axes_lens[1])
        return zis_fail(err, ZIS_ARG,
                        "%d x %d pixels are too large for this model: at most %lld x %lld",
                        r->width, r->height, (long long)(c->axes_lens[2] * unit),
                        (long long)(c->axes_lens[1] * unit));
    m->width = (int)width;
    m->height = (int)height;
    m->channels = c->in_channels;
    m->w = width / factor;
    m->h = height / factor;
    return ZIS_OK;
}

zis_status zis_draw_make_sigmas(zis_draw_maker *m, zis_error *err)
{
    const zis_request *r = m->request;
    bool from_picture = r->picture[ZIS_PICTURE_INIT] != NULL;
    double strength = from_picture ? r->strength : 1.0;
    bool tail = from_picture && r->strength_rule == ZIS_STRENGTH_DIFFUSERS;
    int skip = tail ? zis_schedule_skip(r->steps, strength) : 0;
    if (skip >= r->steps)
        return zis_fail(err, ZIS_ARG,
                        "a strength of %g leaves none of %d steps under diffusers' rule; raise "
                        "strength or steps",
                        r->strength, r->steps);
    m->sigmas = zis_mem_alloc((size_t)r->steps, sizeof *m->sigmas);
    if (!m->sigmas) return zis_fail_nomem(err, "the schedule");
    zis_schedule_sigmas(m->sigmas, r->steps, tail ? 1.0 : strength, r->shift);
    m->steps = r->steps - skip;
    memmove(m->sigmas, m->sigmas + skip, (size_t)m->steps * sizeof *m->sigmas);
    return ZIS_OK;
}

/* ---- dry runs ------------------------------------------------------------------------------ */

static void note(zis_draw_plan *p, zis_stage stage, const zis_run *dry)
{
    p->scratch[stage] = dry->scratch.peak;
    p->flops[stage] = dry->flops;
    p->bytes[stage] = dry->bytes;
    if (p->scratch_most < dry->scratch.peak) p->scratch_most = dry->scratch.peak;
}

static zis_status plan_text(zis_draw_plan *p,
                            const zis_draw_maker *m,
                            const zis_run *like,
                            const int64_t tokens[2],
                            zis_error *err)
{
    zis_run dry;
    int32_t *ids =
        zis_mem_zalloc(ZIS_TOKENIZER_MAX, sizeof *ids); /* which tokens does not matter */
    if (!ids) return zis_fail_nomem(err, "the plan");
    zis_status st = ZIS_OK;
    zis_run_init_dry(&dry, like);
    for (int i = 0; i < 2 && !st; i++)
        if (tokens[i]) st = zis_draw_encode_text(m->model, &dry, ids, tokens[i], NULL, err);
    note(p, ZIS_STAGE_TEXT, &dry);
    free(ids);
    return st;
}

static zis_status plan_pictures(zis_draw_plan *p,
                                const zis_draw_maker *m,
                                const zis_run *like,
                                zis_stage stage,
                                int n,
                                zis_error *err)
{
    zis_run dry;
    zis_status st = ZIS_OK;
    zis_run_init_dry(&dry, like);
    for (int i = 0; i < n && !st; i++) st = zis_draw_encode_planes(m, &dry, NULL, NULL, err);
    note(p, stage, &dry);
    return st;
}

static zis_status plan_denoise(zis_draw_plan *p,
                               const zis_draw_maker *m,
                               const zis_run *like,
                               const int64_t tokens[2],
                               zis_error *err)
{
    zis_run dry;
    zis_denoise_cost cost = {0};
    zis_denoise_args a = zis_draw_denoise_args(m);
    a.prompt = (zis_denoise_text){NULL, tokens[0]};
    a.negative = (zis_denoise_text){NULL, tokens[1]};
    zis_run_init_dry(&dry, like);
    zis_status st = zis_denoise_run(&dry, &a, NULL, &cost, err);
    note(p, ZIS_STAGE_DENOISE, &dry);
    p->scratch[ZIS_STAGE_EMBED] = dry.scratch.peak;
    p->flops[ZIS_STAGE_EMBED] = cost.embed_flops;
    p->bytes[ZIS_STAGE_EMBED] = cost.embed_bytes;
    bool hints = a.control.net && a.control.scale != 0 && a.control.end > a.control.first;
    int controlled = hints ? a.control.end - a.control.first : 0, plain = m->steps - controlled;
    p->flops[ZIS_STAGE_DENOISE] = cost.step_flops * plain + cost.control_flops * controlled;
    p->bytes[ZIS_STAGE_DENOISE] = cost.step_bytes * plain + cost.control_bytes * controlled;
    return st;
}

static zis_status plan_decode(zis_draw_plan *p,
                              const zis_draw_maker *m,
                              const zis_run *like,
                              zis_error *err)
{
    zis_run dry;
    zis_run_init_dry(&dry, like);
    zis_status st = zis_draw_decode(m, &dry, NULL, NULL, err);
    note(p, ZIS_STAGE_DECODE, &dry);
    return st;
}

zis_status zis_draw_plan_all(const zis_draw_maker *m,
                             const zis_run *like,
                             const int64_t tokens[2],
                             zis_draw_plan *out,
                             zis_error *err)
{
    zis_draw_plan p = {.width = m->width, .height = m->height, .steps = m->steps};
    int pictures = m->request->picture[ZIS_PICTURE_INIT] ? 1 : 0;
    zis_status st = plan_text(&p, m, like, tokens, err);
    if (!st) st = plan_pictures(&p, m, like, ZIS_STAGE_ENCODE, pictures, err);
    if (!st) st = plan_pictures(&p, m, like, ZIS_STAGE_CONTROL, zis_draw_context_pictures(m), err);
    if (!st) st = plan_denoise(&p, m, like, tokens, err);
    if (!st) st = plan_decode(&p, m, like, err);
    if (!st) *out = p;
    return st;
}

zis_status zis_draw_plan_make(const zis_model *model,
                              const zis_control *control,
                              const zis_run *like,
                              const zis_request *request,
                              int64_t tokens,
                              int64_t negative_tokens,
                              zis_draw_plan *out,
                              zis_error *err)
{
    zis_draw_maker m = {.model = model, .request = request, .control = control};
    const int64_t n[2] = {tokens, negative_tokens};
    zis_status st = zis_draw_set_sizes(&m, err);
    if (!st) st = zis_draw_make_sigmas(&m, err);
    if (!st) st = zis_draw_plan_all(&m, like, n, out, err);
    free(m.sigmas);
    return st;
}

zis_status zis_draw_reserve(zis_draw_maker *m, zis_error *err)
{
    const zis_draw_plan *p = &m->out.plan;
    double most = (double)p->scratch_most;
    uint64_t have = zis_os_memory();
    zis_status st = ZIS_OK;
    if (have && p->scratch_most > have)
        st = ZIS_NOMEM;
    else
        st = zis_run_reserve(m->run, p->scratch_most, NULL);
    if (st != ZIS_NOMEM) return st ? zis_fail(err, st, "no working memory") : ZIS_OK;
    return zis_fail(err, ZIS_NOMEM,
                    "a picture of %d x %d pixels needs %.2f GB of working memory (text %.2f, "
                    "denoising %.2f, decoding %.2f), more than the system gives; choose a smaller "
                    "size",
                    m->request->width, m->request->height, most * 1e-9,
                    (double)p->scratch[ZIS_STAGE_TEXT] * 1e-9,
                    (double)p->scratch[ZIS_STAGE_DENOISE] * 1e-9,
                    (double)p->scratch[ZIS_STAGE_DECODE] * 1e-9);
}
