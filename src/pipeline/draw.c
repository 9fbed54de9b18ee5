/* Text to picture: ids, features, noise, steps, decode, 8 bits. */
#include "pipeline/draw.h"

#include "base/mem.h"
#include "base/os.h"
#include "pipeline/denoise.h"
#include "pipeline/noise.h"
#include "pipeline/picture8.h"
#include "pipeline/preview.h"
#include "pipeline/schedule.h"

#include <stdlib.h>
#include <string.h>

static const char *const stage_names[ZIS_STAGE_COUNT] = {
    [ZIS_STAGE_TEXT] = "text",
    [ZIS_STAGE_EMBED] = "embed",
    [ZIS_STAGE_DENOISE] = "denoise",
    [ZIS_STAGE_DECODE] = "decode",
};

const char *zis_stage_name(zis_stage stage)
{
    return stage_names[stage];
}

/* Token ids of one prompt. */
typedef struct text {
    int32_t *ids;
    size_t n, total; /* after and before the cut at 512 */
} text;

/* One picture in the making. */
typedef struct maker {
    const zis_draw_job *job;
    zis_run *run;
    text prompt, negative; /* negative.n = 0: no guidance */
    zis_features *features;
    zis_features *own_features; /* when the job brings none */
    zis_denoise_text encoded[2];
    float *sigmas;
    float *latents;
    int64_t channels, h, w; /* of the latents */
    int width, height;      /* padded */
    double started;         /* of the loop over the steps */
    zis_image *preview;     /* or NULL */
    zis_preview_fit fit;
    zis_draw_result out;
} maker;

static void report(const maker *m, zis_stage stage, double done, int of, double seconds_left)
{
    const zis_draw_hooks *hooks = m->job->hooks;
    if (!hooks || !hooks->progress) return;
    hooks->progress(hooks->arg, &(zis_progress){stage, (int)done, of, done / of, seconds_left});
}

/* ---- sizes --------------------------------------------------------------------------------- */

/* Pictures grow to whole tokens, to the right and the bottom (product.md 9). */
static zis_status set_sizes(maker *m, const zis_model *model, const zis_request *r, zis_error *err)
{
    const zis_zimage_config *c = zis_zimage_get_config(model->transformer);
    int64_t factor = zis_vae_factor(model->vae);
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

/* ---- plan ---------------------------------------------------------------------------------- */

static zis_denoise_args denoise_args(const maker *m, const zis_model *model, const zis_request *r)
{
    return (zis_denoise_args){
        .model = model->transformer,
        .prompt = m->encoded[0],
        .negative = m->encoded[1],
        .h = m->h,
        .w = m->w,
        .sigmas = m->sigmas,
        .steps = r->steps,
        .sampler = r->sampler,
        .cfg = (float)r->cfg,
    };
}

static zis_status encode(
    const zis_model *model, zis_run *run, const int32_t *ids, int64_t n, float *out, zis_error *err)
{
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    int64_t width = zis_qwen3_get_config(model->text_encoder)->hidden;
    zis_tensor hidden = zis_run_alloc_2d(run, ZIS_DTYPE_F32, n, width); // [n, hidden]
    zis_status st = zis_run_status(run, err);
    if (!st) st = zis_qwen3_encode(model->text_encoder, run, ids, n, hidden, NULL, NULL, err);
    if (!st) {
        zis_run_download(run, out, &hidden);
        st = zis_run_status(run, err);
    }
    zis_arena_restore(&run->scratch, mark);
    return st;
}

/* planes: [3, H, W] on the host or NULL; image: takes the crop, or NULL. */
static zis_status decode(const maker *m,
                         const zis_model *model,
                         zis_run *run,
                         float *planes,
                         zis_image *image,
                         zis_error *err)
{
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    zis_tensor z = zis_run_alloc_3d(run, ZIS_DTYPE_F32, m->channels, m->h, m->w);
    zis_tensor x = zis_run_alloc_3d(run, ZIS_DTYPE_F32, 3, m->height, m->width);
    zis_status st = zis_run_status(run, err);
    if (st) goto out;
    zis_run_upload(run, &z, m->latents);
    zis_vae_unscale(model->vae, run, z, &z);
    st = zis_vae_decode(model->vae, run, &z, x, err);
    if (st) goto out;
    if (planes) zis_run_download(run, planes, &x);
    if (image) st = zis_picture8_from_planes(image, run, &x, err);
    if (!st) st = zis_run_status(run, err);
out:
    zis_arena_restore(&run->scratch, mark);
    return st;
}

static void note(zis_draw_plan *p, zis_stage stage, const zis_run *dry)
{
    p->scratch[stage] = dry->scratch.peak;
    p->flops[stage] = dry->flops;
    p->bytes[stage] = dry->bytes;
    if (p->scratch_most < dry->scratch.peak) p->scratch_most = dry->scratch.peak;
}

static zis_status plan_text(zis_draw_plan *p,
                            const zis_model *model,
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
        if (tokens[i]) st = encode(model, &dry, ids, tokens[i], NULL, err);
    note(p, ZIS_STAGE_TEXT, &dry);
    free(ids);
    return st;
}

static zis_status plan_denoise(zis_draw_plan *p,
                               const maker *m,
                               const zis_model *model,
                               const zis_run *like,
                               const zis_request *r,
                               const int64_t tokens[2],
                               zis_error *err)
{
    zis_run dry;
    zis_denoise_cost cost = {0};
    zis_denoise_args a = denoise_args(m, model, r);
    a.prompt = (zis_denoise_text){NULL, tokens[0]};
    a.negative = (zis_denoise_text){NULL, tokens[1]};
    zis_run_init_dry(&dry, like);
    zis_status st = zis_denoise_run(&dry, &a, NULL, &cost, err);
    note(p, ZIS_STAGE_DENOISE, &dry);
    p->scratch[ZIS_STAGE_EMBED] = dry.scratch.peak;
    p->flops[ZIS_STAGE_EMBED] = cost.embed_flops;
    p->bytes[ZIS_STAGE_EMBED] = cost.embed_bytes;
    p->flops[ZIS_STAGE_DENOISE] = cost.step_flops * r->steps;
    p->bytes[ZIS_STAGE_DENOISE] = cost.step_bytes * r->steps;
    return st;
}

static zis_status plan_decode(
    zis_draw_plan *p, const maker *m, const zis_model *model, const zis_run *like, zis_error *err)
{
    zis_run dry;
    zis_run_init_dry(&dry, like);
    zis_status st = decode(m, model, &dry, NULL, NULL, err);
    note(p, ZIS_STAGE_DECODE, &dry);
    return st;
}

static zis_status make_sigmas(maker *m, const zis_request *r, zis_error *err)
{
    m->sigmas = zis_mem_alloc((size_t)r->steps, sizeof *m->sigmas);
    if (!m->sigmas) return zis_fail_nomem(err, "the schedule");
    zis_schedule_sigmas(m->sigmas, r->steps, 1.0, r->shift);
    return ZIS_OK;
}

static zis_status plan_all(maker *m,
                           const zis_model *model,
                           const zis_run *like,
                           const zis_request *r,
                           const int64_t tokens[2],
                           zis_draw_plan *out,
                           zis_error *err)
{
    zis_draw_plan p = {.width = m->width, .height = m->height};
    zis_status st = plan_text(&p, model, like, tokens, err);
    if (!st) st = plan_denoise(&p, m, model, like, r, tokens, err);
    if (!st) st = plan_decode(&p, m, model, like, err);
    if (!st) *out = p;
    return st;
}

zis_status zis_draw_plan_make(const zis_model *model,
                              const zis_run *like,
                              const zis_request *request,
                              int64_t tokens,
                              int64_t negative_tokens,
                              zis_draw_plan *out,
                              zis_error *err)
{
    maker m = {0};
    const int64_t n[2] = {tokens, negative_tokens};
    zis_status st = set_sizes(&m, model, request, err);
    if (!st) st = make_sigmas(&m, request, err);
    if (!st) st = plan_all(&m, model, like, request, n, out, err);
    free(m.sigmas);
    return st;
}

/* ---- work ---------------------------------------------------------------------------------- */

static zis_status tokenize(text *t, const zis_model *model, const char *s, zis_error *err)
{
    return zis_tokenizer_encode_prompt(model->tokenizer, s, strlen(s), &t->ids, &t->n, &t->total,
                                       err);
}

static zis_status reserve(maker *m, zis_error *err)
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
                    m->job->request->width, m->job->request->height, most * 1e-9,
                    (double)p->scratch[ZIS_STAGE_TEXT] * 1e-9,
                    (double)p->scratch[ZIS_STAGE_DENOISE] * 1e-9,
                    (double)p->scratch[ZIS_STAGE_DECODE] * 1e-9);
}

/* Features of one prompt: kept ones, or made now and kept. */
static zis_status make_features(maker *m, const text *t, zis_denoise_text *out, zis_error *err)
{
    const zis_model *model = m->job->model;
    int64_t n = (int64_t)t->n;
    const float *kept = zis_features_get(m->features, model->text_encoder, t->ids, n);
    if (!kept) {
        int64_t width = zis_qwen3_get_config(model->text_encoder)->hidden;
        float *made = zis_mem_alloc(t->n * (size_t)width, sizeof *made);
        if (!made) return zis_fail_nomem(err, "the features of the prompt");
        zis_status st = encode(model, m->run, t->ids, n, made, err);
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
    zis_status st = make_features(m, &m->prompt, &m->encoded[0], err);
    if (!st && m->negative.n) st = make_features(m, &m->negative, &m->encoded[1], err);
    if (st) return st;
    m->out.seconds[ZIS_STAGE_TEXT] = zis_os_now() - start;
    report(m, ZIS_STAGE_TEXT, 1, 1, -1);
    return ZIS_OK;
}

static void on_step(void *arg, double done)
{
    maker *m = arg;
    const zis_draw_plan *p = &m->out.plan;
    int steps = m->job->request->steps;
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
    hooks->preview(hooks->arg, m->preview, step, m->job->request->steps);
}

/* Of the picture that was asked for, without what pads it to the grid. */
static zis_status ready_preview(maker *m, zis_error *err)
{
    const zis_request *r = m->job->request;
    int factor = (int)zis_vae_factor(m->job->model->vae);
    m->fit = zis_preview_fit_of(m->job->model);
    return zis_image_create(&m->preview, (r->width + factor - 1) / factor,
                            (r->height + factor - 1) / factor, 3, err);
}

static zis_status stage_denoise(maker *m, zis_error *err)
{
    const zis_request *r = m->job->request;
    size_t n = (size_t)(m->channels * m->h * m->w);
    m->latents = zis_mem_alloc(n, sizeof *m->latents);
    if (!m->latents) return zis_fail_nomem(err, "the latents");
    zis_noise_fill(m->latents, n, r->seed, r->rng);
    zis_denoise_args a = denoise_args(m, m->job->model, r);
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

static zis_status stage_decode(maker *m, zis_error *err)
{
    const zis_request *r = m->job->request;
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
    st = decode(m, m->job->model, m->run, m->out.planes, m->out.image, err);
    if (st) return st;
    m->out.seconds[ZIS_STAGE_DECODE] = zis_os_now() - start;
    report(m, ZIS_STAGE_DECODE, 1, 1, 0);
    return ZIS_OK;
}

static zis_status prepare(maker *m, zis_error *err)
{
    const zis_draw_job *job = m->job;
    const zis_request *r = job->request;
    for (int i = 0; i < ZIS_PICTURE_COUNT; i++)
        if (r->picture[i])
            return zis_fail(err, ZIS_UNSUPPORTED, "this version does not draw from pictures yet");
    zis_status st = set_sizes(m, job->model, r, err);
    if (!st) st = tokenize(&m->prompt, job->model, r->prompt, err);
    /* cfg of exactly 1 needs no second pass, and its prompt is not even encoded. */
    if (!st && r->cfg != 1.0) st = tokenize(&m->negative, job->model, r->negative_prompt, err);
    if (!st) st = make_sigmas(m, r, err);
    if (st) return st;
    m->out.prompt_tokens = m->prompt.total;
    m->out.negative_prompt_tokens = m->negative.total;
    const int64_t tokens[2] = {(int64_t)m->prompt.n, (int64_t)m->negative.n};
    st = plan_all(m, job->model, m->run, r, tokens, &m->out.plan, err);
    if (!st) st = reserve(m, err);
    if (st) return st;
    m->features = job->features;
    if (!m->features) {
        st = zis_features_create(&m->own_features, 2, err);
        m->features = m->own_features;
    }
    return st;
}

zis_status zis_draw_run(const zis_draw_job *job, zis_run *run, zis_draw_result *out, zis_error *err)
{
    maker m = {.job = job, .run = run};
    zis_status st = prepare(&m, err);
    if (!st) st = stage_text(&m, err);
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
    zis_image_destroy(&m.preview);
    free(m.prompt.ids);
    free(m.negative.ids);
    free(m.sigmas);
    free(m.latents);
    return st;
}

void zis_draw_result_deinit(zis_draw_result *r)
{
    zis_image_destroy(&r->image);
    free(r->latents);
    free(r->planes);
    *r = (zis_draw_result){0};
}
