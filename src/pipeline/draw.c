/* The stages of one picture: ids, features, pictures in, noise, steps, decode, 8 bits. */
#include "pipeline/draw.h"

#include "base/mem.h"
#include "base/os.h"
#include "pipeline/draw_impl.h"
#include "pipeline/noise.h"
#include "pipeline/picture8.h"

#include <stdlib.h>
#include <string.h>

typedef zis_draw_maker maker;

static const char *const stage_names[ZIS_STAGE_COUNT] = {
    [ZIS_STAGE_TEXT] = "text",   [ZIS_STAGE_ENCODE] = "encode",   [ZIS_STAGE_CONTROL] = "control",
    [ZIS_STAGE_EMBED] = "embed", [ZIS_STAGE_DENOISE] = "denoise", [ZIS_STAGE_DECODE] = "decode",
};

const char *zis_stage_name(zis_stage stage)
{
    return stage_names[stage];
}

static void report(const maker *m, zis_stage stage, double done, int of, double seconds_left)
{
    const zis_draw_hooks *hooks = m->job->hooks;
    if (!hooks || !hooks->progress) return;
    hooks->progress(hooks->arg, &(zis_progress){stage, (int)done, of, done / of, seconds_left});
}

/* ---- text ---------------------------------------------------------------------------------- */

static zis_status tokenize(zis_draw_text *t, const zis_model *model, const char *s, zis_error *err)
{
    return zis_tokenizer_encode_prompt(model->tokenizer, s, strlen(s), &t->ids, &t->n, &t->total,
                                       err);
}

/* So many prompts are those of a single picture; who asks for more will go on, and the text
 * encoder's weights move to where they are read fastest (resident.h). */
#define PASSING_PROMPTS 2

/* Features of one prompt: kept ones, or made now and kept. */
static zis_status make_features(maker *m,
                                const zis_draw_text *t,
                                zis_denoise_text *out,
                                zis_error *err)
{
    const zis_model *model = m->model;
    int64_t n = (int64_t)t->n;
    const float *kept = zis_features_get(m->features, model->text_encoder, t->ids, n);
    if (!kept) {
        int64_t width = zis_qwen3_get_config(model->text_encoder)->hidden;
        float *made = zis_mem_alloc(t->n * (size_t)width, sizeof *made);
        if (!made) return zis_fail_nomem(err, "the features of the prompt");
        bool settled = zis_features_made(m->features) >= PASSING_PROMPTS;
        m->run->resident = settled ? zis_qwen3_resident(model->text_encoder) : NULL;
        zis_status st = zis_draw_encode_text(model, m->run, t->ids, n, made, err);
        m->run->resident = NULL;
        if (!st) st = zis_features_put(m->features, model->text_encoder, t->ids, n, made, err);
        if (st) {
            free(made);
            return st;
        }
        kept = made;
    }
    *out = (zis_denoise_text){kept, n};
    return ZIS_OK;
}

static zis_status stage_text(maker *m, zis_error *err)
{
    double start = zis_os_now();
    report(m, ZIS_STAGE_TEXT, 0, 1, -1);
    zis_status st = make_features(m, &m->prompt, &m->features_of[0], err);
    if (!st && m->negative.n) st = make_features(m, &m->negative, &m->features_of[1], err);
    if (st) return st;
    m->out.seconds[ZIS_STAGE_TEXT] = zis_os_now() - start;
    report(m, ZIS_STAGE_TEXT, 1, 1, -1);
    return ZIS_OK;
}

/* ---- pictures in --------------------------------------------------------------------------- */

static zis_status stage_encode(maker *m, zis_error *err)
{
    const zis_inputs *in = m->inputs;
    if (!in->init) return ZIS_OK;
    double start = zis_os_now();
    report(m, ZIS_STAGE_ENCODE, 0, 1, -1);
    zis_status st = zis_draw_latents_of(m, in->init, NULL, &m->x0, err);
    if (!st && in->mask) st = zis_draw_latent_mask(m, in->mask, &m->mask, err);
    if (st) return st;
    m->out.seconds[ZIS_STAGE_ENCODE] = zis_os_now() - start;
    report(m, ZIS_STAGE_ENCODE, 1, 1, -1);
    return ZIS_OK;
}

static zis_status stage_control(maker *m, zis_error *err)
{
    if (!m->control) return ZIS_OK;
    double start = zis_os_now();
    report(m, ZIS_STAGE_CONTROL, 0, 1, -1);
    zis_status st = zis_draw_make_context(m, err);
    if (st) return st;
    m->out.seconds[ZIS_STAGE_CONTROL] = zis_os_now() - start;
    report(m, ZIS_STAGE_CONTROL, 1, 1, -1);
    return ZIS_OK;
}

/* ---- steps --------------------------------------------------------------------------------- */

static void on_step(void *arg, double done)
{
    maker *m = arg;
    const zis_draw_plan *p = &m->out.plan;
    int steps = m->steps;
    double now = zis_os_now();
    double left = -1;
    if (done == 0) {
        m->out.seconds[ZIS_STAGE_EMBED] = now - m->started;
        m->started = now;
    } else {
        double each = (now - m->started) / done;
        double per_flop =
            p->flops[ZIS_STAGE_DENOISE] > 0 ? each * steps / p->flops[ZIS_STAGE_DENOISE] : 0;
        left = each * (steps - done) + per_flop * p->flops[ZIS_STAGE_DECODE];
    }
    report(m, ZIS_STAGE_DENOISE, done, steps, left);
}

static void on_preview(void *arg, int step, const float *x0)
{
    maker *m = arg;
    const zis_draw_hooks *hooks = m->job->hooks;
    zis_preview_draw(m->preview, &m->fit, x0, (int)m->channels, (int)m->h, (int)m->w);
    hooks->preview(hooks->arg, m->preview, step, m->steps);
}

/* Of the picture that was asked for, without what pads it to the grid. */
static zis_status ready_preview(maker *m, zis_error *err)
{
    const zis_request *r = m->request;
    int factor = (int)zis_vae_factor(m->model->vae);
    m->fit = zis_preview_fit_of(m->model);
    return zis_image_create(&m->preview, (r->width + factor - 1) / factor,
                            (r->height + factor - 1) / factor, 3, err);
}

/* Noise, or as much of it over the picture as the first level says (scheduler.md 6). */
static void first_latents(maker *m, size_t n)
{
    float sigma = m->sigmas[0], rest = 1.0f - sigma;
    zis_noise_fill(m->latents, n, m->request->seed, m->request->rng);
    if (!m->x0) return;
    for (size_t i = 0; i < n; i++) {
        float kept = rest * m->x0[i];
        float noise = sigma * m->latents[i];
        m->latents[i] = kept + noise;
    }
}

static zis_status stage_denoise(maker *m, zis_error *err)
{
    size_t n = (size_t)(m->channels * m->h * m->w);
    m->latents = zis_mem_alloc(n, sizeof *m->latents);
    if (!m->latents) return zis_fail_nomem(err, "the latents");
    first_latents(m, n);
    zis_denoise_args a = zis_draw_denoise_args(m);
    a.progress = on_step;
    a.arg = m;
    zis_status st = ZIS_OK;
    if (m->job->hooks && m->job->hooks->preview) {
        st = ready_preview(m, err);
        a.preview = on_preview;
    }
    m->started = zis_os_now();
    if (!st) st = zis_denoise_run(m->run, &a, m->latents, NULL, err);
    m->out.seconds[ZIS_STAGE_DENOISE] = zis_os_now() - m->started;
    return st;
}

/* ---- picture out --------------------------------------------------------------------------- */

static zis_status stage_decode(maker *m, zis_error *err)
{
    const zis_request *r = m->request;
    double start = zis_os_now();
    report(m, ZIS_STAGE_DECODE, 0, 1, -1);
    zis_status st = zis_image_create(&m->out.image, r->width, r->height, 3, err);
    if (st) return st;
    if (m->job->keep & ZIS_KEEP_PLANES) {
        m->out.planes = zis_mem_alloc(3 * (size_t)m->height * (size_t)m->width, sizeof(float));
        if (!m->out.planes) return zis_fail_nomem(err, "the picture");
    }
    m->out.plane_height = m->height;
    m->out.plane_width = m->width;
    st = zis_draw_decode(m, m->run, m->out.planes, m->out.image, err);
    if (st) return st;
    if (m->inputs->mask) zis_picture8_keep(m->out.image, m->inputs->init, m->inputs->mask);
    m->out.seconds[ZIS_STAGE_DECODE] = zis_os_now() - start;
    report(m, ZIS_STAGE_DECODE, 1, 1, 0);
    return ZIS_OK;
}

/* ---- all ----------------------------------------------------------------------------------- */

/* What is kept from picture to picture: the caller's, or for this one alone. */
static zis_status ready_kept(maker *m, zis_error *err)
{
    zis_status st = ZIS_OK;
    m->features = m->job->features;
    m->encoded = m->job->encoded;
    m->inputs = m->job->inputs;
    if (!m->features) {
        st = zis_features_create(&m->own_features, 2, err);
        m->features = m->own_features;
    }
    if (!st && !m->encoded) {
        st = zis_encoded_create(&m->own_encoded, 0, err);
        m->encoded = m->own_encoded;
    }
    if (!st && !m->inputs) {
        st = zis_inputs_make(&m->own_inputs, m->request, NULL, NULL, err);
        m->inputs = &m->own_inputs;
    }
    return st;
}

static zis_status check_control(const maker *m, zis_error *err)
{
    if (!m->control || m->request->picture[ZIS_PICTURE_CONTROL]) return ZIS_OK;
    if (zis_control_get_info(m->control)->version == ZIS_CONTROL_1_0)
        return zis_fail(err, ZIS_ARG,
                        "a ControlNet of version 1.0 needs a control image: it does not see masks");
    return ZIS_OK;
}

static zis_status prepare(maker *m, zis_error *err)
{
    const zis_request *r = m->request;
    zis_status st = zis_draw_set_sizes(m, err);
    if (!st) st = tokenize(&m->prompt, m->model, r->prompt, err);
    /* cfg of exactly 1 needs no second pass, and its prompt is not even encoded. */
    if (!st && r->cfg != 1.0) st = tokenize(&m->negative, m->model, r->negative_prompt, err);
    if (!st) st = zis_draw_make_sigmas(m, err);
    if (st) return st;
    m->out.prompt_tokens = m->prompt.total;
    m->out.negative_prompt_tokens = m->negative.total;
    const int64_t tokens[2] = {(int64_t)m->prompt.n, (int64_t)m->negative.n};
    st = zis_draw_plan_all(m, m->run, tokens, &m->out.plan, err);
    if (!st) st = zis_draw_reserve(m, err);
    if (!st) st = ready_kept(m, err);
    return st;
}

zis_status zis_draw_run(const zis_draw_job *job, zis_run *run, zis_draw_result *out, zis_error *err)
{
    maker m = {.job = job,
               .model = job->model,
               .request = job->request,
               .control = job->control,
               .run = run};
    zis_status st = check_control(&m, err);
    if (!st) st = prepare(&m, err);
    if (!st) st = stage_text(&m, err);
    if (!st) st = stage_encode(&m, err);
    if (!st) st = stage_control(&m, err);
    if (!st) st = stage_denoise(&m, err);
    if (!st) st = stage_decode(&m, err);
    if (st) {
        zis_draw_result_deinit(&m.out);
    } else {
        m.out.latent_channels = (int)m.channels;
        m.out.latent_height = (int)m.h;
        m.out.latent_width = (int)m.w;
        if (job->keep & ZIS_KEEP_LATENTS) {
            m.out.latents = m.latents;
            m.latents = NULL;
        }
        *out = m.out;
    }
    zis_run_clear(run);
    zis_features_destroy(&m.own_features);
    zis_encoded_destroy(&m.own_encoded);
    zis_inputs_deinit(&m.own_inputs);
    zis_image_destroy(&m.preview);
    free(m.prompt.ids);
    free(m.negative.ids);
    free(m.sigmas);
    free(m.latents);
    free(m.mask);
    free(m.context);
    return st;
}

void zis_draw_result_deinit(zis_draw_result *r)
{
    zis_image_destroy(&r->image);
    free(r->latents);
    free(r->planes);
    *r = (zis_draw_result){0};
}
