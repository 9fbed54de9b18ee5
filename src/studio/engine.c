/* One job: model, defaults, then picture after picture. */
#include "studio/engine.h"

#include "base/mem.h"
#include "base/os.h"
#include "kernels/run.h"
#include "pipeline/draw.h"
#include "pipeline/encoded.h"
#include "pipeline/features.h"
#include "pipeline/inputs.h"
#include "pipeline/loras.h"
#include "pipeline/model.h"
#include "pipeline/recipe.h"
#include "studio/loaded.h"
#include "studio/upscaling.h"

#include <stdlib.h>
#include <string.h>

#define FEATURES_ROOM 16
#define ENCODED_ROOM 4
#define CONTROL_STEPS 9
#define UPSCALE_STEPS 5 /* upscale.md 5 */

struct zis_engine {
    zis_engine_options options;
    zis_pool *pool;
    zis_run run;
    bool has_run;
    zis_loaded *loaded;
    zis_features *features;
    zis_encoded *encoded;
    zis_preprocess *preprocess;
    zis_upscaling upscaling;
};

/* One job on its way. */
typedef struct job {
    zis_engine *e;
    const zis_engine_hooks *hooks;
    zis_engine_result *out;
    zis_model *model;           /* NULL: nothing is drawn, only upscaled */
    const zis_control *control; /* or NULL */
    double upscale_started;
    zis_inputs inputs;
    zis_loras *loras; /* attached for this job alone */
    int picture;
} job;

static const char *const stage_names[ZIS_ENGINE_STAGE_COUNT] = {
    "load", "upscale", "text", "encode", "control", "denoise", "decode", "total",
};

const char *zis_engine_stage_name(zis_engine_stage stage)
{
    return stage_names[stage];
}

/* ---- life ---------------------------------------------------------------------------------- */

zis_status zis_engine_create(zis_engine **out, const zis_engine_options *o, zis_error *err)
{
    zis_engine *e = zis_mem_zalloc(1, sizeof *e);
    if (!e) return zis_fail_nomem(err, "the engine");
    e->options = *o;
    zis_status st = zis_pool_create(&e->pool, o->threads, err);
    if (!st) st = zis_features_create(&e->features, FEATURES_ROOM, err);
    if (!st) st = zis_encoded_create(&e->encoded, ENCODED_ROOM, err);
    if (!st) st = zis_loaded_create(&e->loaded, o->memory, e->features, e->encoded, err);
    if (!st) st = zis_preprocess_create(&e->preprocess, err);
    if (st)
        zis_engine_destroy(&e);
    else
        *out = e;
    return st;
}

void zis_engine_destroy(zis_engine **engine)
{
    if (!engine || !*engine) return;
    zis_engine *e = *engine;
    if (e->has_run) zis_run_deinit(&e->run);
    zis_upscaling_close(&e->upscaling);
    zis_loaded_destroy(&e->loaded);
    zis_features_destroy(&e->features);
    zis_encoded_destroy(&e->encoded);
    zis_preprocess_destroy(&e->preprocess);
    zis_pool_destroy(&e->pool);
    free(e);
    *engine = NULL;
}

void zis_engine_result_deinit(zis_engine_result *r)
{
    zis_request_deinit(&r->request);
    free(r->model);
    for (int i = 0; i < r->n_warnings; i++) free(r->warnings[i]);
    for (int i = 0; i < r->n_loras; i++) {
        free(r->loras[i].file);
        free(r->loras[i].path);
    }
    free(r->loras);
    *r = (zis_engine_result){0};
}

static void warn(zis_engine_result *r, char *text)
{
    if (text && r->n_warnings < ZIS_ENGINE_WARNINGS)
        r->warnings[r->n_warnings++] = text;
    else
        free(text);
}

/* ---- models and device --------------------------------------------------------------------- */

static zis_dtype math_of(const zis_request *r)
{
    return r->math == ZIS_MATH_F32    ? ZIS_DTYPE_F32
           : r->math == ZIS_MATH_BF16 ? ZIS_DTYPE_BF16
                                      : ZIS_DTYPE_COUNT;
}

/* The run of the job before is kept, with its memory, unless the arithmetic changes. */
static zis_status ready_run(zis_engine *e, zis_dtype math, zis_error *err)
{
    zis_run fresh;
    zis_run_options o = {
        .device = e->options.device,
        .isa = e->options.isa,
        .pool = e->pool,
        .math = math,
    };
    zis_status st = zis_run_init(&fresh, &o, err);
    if (st) return st;
    if (e->has_run && e->run.math == fresh.math) {
        zis_run_deinit(&fresh);
        return ZIS_OK;
    }
    if (e->has_run) zis_run_deinit(&e->run);
    e->run = fresh;
    e->has_run = true;
    return ZIS_OK;
}

/* ---- one job ------------------------------------------------------------------------------- */

static void report(const job *j, const char *stage, int step, int of, double fraction, double left)
{
    if (!j->hooks->progress) return;
    j->hooks->progress(j->hooks->arg, &(zis_engine_progress){stage, step, of, fraction, j->picture,
                                                             j->out->request.batch, left});
}

static void on_progress(void *arg, const zis_progress *p)
{
    const job *j = arg;
    double left = p->seconds_left;
    /* The pictures to come take as long as the one before. */
    int more = j->out->request.batch - j->picture - 1;
    if (left >= 0 && more && j->picture)
        left += more * (j->out->seconds[ZIS_ENGINE_DENOISE] + j->out->seconds[ZIS_ENGINE_DECODE]) /
                j->picture;
    else if (more)
        left = -1;
    report(j, zis_stage_name(p->stage), p->step, p->of, p->fraction, left);
}

static void on_preview(void *arg, const zis_image *image, int step, int of)
{
    const job *j = arg;
    j->hooks->preview(j->hooks->arg, &(zis_engine_preview){image, step, of, j->picture});
}

/* The recipe names the model so that it is found again from any folder, where that is possible. */
static zis_status settle_model_name(zis_request *r, const zis_model *m, zis_error *err)
{
    const char *name = m->set.hub_id ? m->set.hub_id : m->set.name;
    if (!zis_model_preset_named(r->model) && !m->set.hub_id) return ZIS_OK;
    return zis_request_set(r, zis_request_field("model"), "the model", name, err);
}

static zis_status hand_over(const job *j, int64_t seed, const zis_image *image, zis_error *err)
{
    zis_recipe recipe = {0};
    zis_request one = j->out->request; /* borrows its strings */
    one.seed = seed;
    one.batch = 1;
    zis_status st = zis_recipe_make(&recipe, &one, j->out->device, err);
    if (!st)
        st = j->hooks->picture(
            j->hooks->arg,
            &(zis_engine_picture){j->picture, image, seed, recipe.parameters, recipe.json}, err);
    zis_recipe_deinit(&recipe);
    return st;
}

static void warn_of_cut(zis_engine_result *out, const char *what, size_t tokens)
{
    if (tokens > ZIS_TOKENIZER_MAX)
        warn(out, zis_mem_printf("the %s has %zu tokens; only the first %d count", what, tokens,
                                 ZIS_TOKENIZER_MAX));
}

static zis_status make_picture(job *j, zis_error *err)
{
    zis_engine_result *out = j->out;
    zis_draw_result made = {0};
    if (!j->model) return hand_over(j, out->request.seed, j->inputs.init, err);
    zis_request one = out->request; /* borrows its strings */
    one.seed += j->picture;
    zis_draw_hooks hooks = {.arg = j, .progress = on_progress};
    if (j->hooks->preview) hooks.preview = on_preview;
    zis_draw_job work = {
        .model = j->model,
        .control = j->control,
        .request = &one,
        .features = j->e->features,
        .inputs = &j->inputs,
        .encoded = j->e->encoded,
        .hooks = &hooks,
    };
    zis_status st = zis_draw_run(&work, &j->e->run, &made, err);
    if (st) return st;
    out->seconds[ZIS_ENGINE_TEXT] += made.seconds[ZIS_STAGE_TEXT];
    out->seconds[ZIS_ENGINE_ENCODE] += made.seconds[ZIS_STAGE_ENCODE];
    out->seconds[ZIS_ENGINE_CONTROL] += made.seconds[ZIS_STAGE_CONTROL];
    out->seconds[ZIS_ENGINE_DENOISE] +=
        made.seconds[ZIS_STAGE_EMBED] + made.seconds[ZIS_STAGE_DENOISE];
    out->seconds[ZIS_ENGINE_DECODE] += made.seconds[ZIS_STAGE_DECODE];
    if (out->scratch_bytes < made.plan.scratch_most) out->scratch_bytes = made.plan.scratch_most;
    if (j->picture == 0) {
        warn_of_cut(out, "prompt", made.prompt_tokens);
        warn_of_cut(out, "negative prompt", made.negative_prompt_tokens);
    }
    st = hand_over(j, one.seed, made.image, err);
    zis_draw_result_deinit(&made);
    return st;
}

/* What came of each, for the result. */
static zis_status report_loras(zis_engine_result *out, const zis_loras *loras, zis_error *err)
{
    int n = zis_loras_count(loras);
    out->loras = zis_mem_zalloc((size_t)n, sizeof *out->loras);
    if (!out->loras) return zis_fail_nomem(err, "the result");
    for (int i = 0; i < n; i++) {
        zis_loras_item item = zis_loras_at(loras, i);
        zis_engine_lora *l = &out->loras[out->n_loras++];
        *l = (zis_engine_lora){
            .file = zis_mem_strdup(item.file),
            .path = zis_mem_strdup(item.path),
            .strength = item.strength,
            .matched = item.report->matched,
            .modules = item.report->modules,
            .left_over = item.report->left_over,
            .rank = item.report->rank_hi,
        };
        if (!l->file || !l->path) return zis_fail_nomem(err, "the result");
        zis_lora_report_text(item.report, l->report, sizeof l->report);
        if (item.report->left_over) warn(out, zis_loras_warning(&item));
    }
    return ZIS_OK;
}

static zis_status attach_loras(job *j, zis_error *err)
{
    const zis_request *r = &j->out->request;
    if (!j->model) return ZIS_OK;
    zis_status st = zis_loras_attach(&j->loras, j->model->transformer, r->loras, r->n_loras,
                                     j->model->set.folder, err);
    return st ? st : report_loras(j->out, j->loras, err);
}

static void apply_defaults(const job *j, zis_request *r)
{
    /* without a model those of Turbo, for a recipe that is complete */
    zis_request_defaults defaults = {.width = 1, .height = 1, .steps = 8, .cfg = 1, .shift = 3};
    if (j->model) defaults = j->model->set.defaults;
    /* the application's, and the one that the 8-steps ControlNets were tried with */
    if (j->control && j->model->set.turbo && defaults.steps < CONTROL_STEPS)
        defaults.steps = CONTROL_STEPS;
    if (r->task == ZIS_TASK_UPSCALE && (!j->model || j->model->set.turbo))
        defaults.steps = UPSCALE_STEPS;
    zis_request_defaults_apply(r, &defaults);
}

/* The upscaler, and whether the model can draw at the size, before there is work to lose. */
static zis_status ready_upscaling(const job *j, zis_error *err)
{
    const zis_request *r = &j->out->request;
    zis_draw_plan plan;
    zis_status st = zis_upscaling_open(&j->e->upscaling, r, err);
    if (!st && j->model)
        st = zis_draw_plan_make(j->model, NULL, &j->e->run, r, ZIS_TOKENIZER_MAX, 0, &plan, err);
    return st;
}

static void tell_loaded(const job *j)
{
    zis_engine_loaded l = {.n = 0};
    if (!j->hooks->loaded) return;
    for (size_t i = zis_loaded_count(j->e->loaded); i-- > 0 && l.n < ZIS_ENGINE_LOADED;)
        l.names[l.n++] = zis_loaded_at(j->e->loaded, i)->set.name;
    j->hooks->loaded(j->hooks->arg, &l);
}

static zis_status prepare(job *j, const zis_request *request, zis_error *err)
{
    zis_engine_result *out = j->out;
    double start = zis_os_now();
    zis_request *r = &out->request;
    zis_status st = zis_request_copy(r, request, err);
    if (st) return st;
    bool upscale = r->task == ZIS_TASK_UPSCALE;
    report(j, "load", 0, 1, 0, -1);
    if (!upscale || r->refine) st = zis_loaded_model(j->e->loaded, r, &j->model, err);
    if (!st && !upscale) st = zis_loaded_control(j->e->loaded, r, j->model, &j->control, err);
    if (!st && j->model) zis_loaded_make_room(j->e->loaded, j->model, j->control);
    tell_loaded(j);
    if (!st) st = ready_run(j->e, math_of(r), err);
    if (st) return st;
    apply_defaults(j, r);
    if (r->seed < 0) r->seed = zis_os_random();
    st = upscale ? zis_upscaling_settle(r, err) : zis_inputs_settle_size(r, err);
    if (!st) st = zis_request_check(r, err);
    if (!st && upscale) st = ready_upscaling(j, err);
    if (!st && j->model) st = settle_model_name(r, j->model, err);
    if (!st) st = attach_loras(j, err);
    if (st) return st;
    bool bf16 = j->e->run.math == ZIS_DTYPE_BF16;
    r->math = bf16 ? ZIS_MATH_BF16 : ZIS_MATH_F32;
    out->dtype = bf16 ? "bf16" : "f32";
    out->device = j->e->run.backend->name;
    out->isa = j->e->run.backend->isa(&j->e->run);
    out->model = zis_mem_strdup(j->model ? j->model->set.name : r->upscaler);
    if (!out->model) return zis_fail_nomem(err, "the result");
    if (*r->negative_prompt && r->cfg == 1.0 && j->model)
        warn(out, zis_mem_strdup("the negative prompt is not used: guidance is off (cfg is 1)"));
    out->seconds[ZIS_ENGINE_LOAD] = zis_os_now() - start;
    report(j, "load", 1, 1, 1, -1);
    return ZIS_OK;
}

static void on_upscale(void *arg, int done, int of, double fraction)
{
    const job *j = arg;
    double spent = zis_os_now() - j->upscale_started;
    bool known = !j->model && fraction > 0; /* how long the refinement takes is not */
    report(j, "upscale", done, of, fraction, known ? spent * (1 - fraction) / fraction : -1);
}

/* The picture that is refined: upscaled, cut to size. */
static zis_status upscale(job *j, zis_error *err)
{
    zis_request one = j->out->request; /* borrows its strings */
    zis_image *large = NULL;
    j->upscale_started = zis_os_now();
    zis_status st = zis_upscaling_run(&j->e->upscaling, &one, &j->e->run, on_upscale, j, &large,
                                      &j->out->scratch_bytes, err);
    one.picture[ZIS_PICTURE_INIT] = large;
    if (!st) st = zis_inputs_make(&j->inputs, &one, NULL, NULL, err);
    zis_image_destroy(&large);
    j->out->seconds[ZIS_ENGINE_UPSCALE] = zis_os_now() - j->upscale_started;
    return st;
}

/* Cuts the pictures to size, and makes the control map. */
static zis_status prepare_inputs(job *j, zis_error *err)
{
    double start = zis_os_now();
    const zis_request *r = &j->out->request;
    if (r->task == ZIS_TASK_UPSCALE) return upscale(j, err);
    zis_status st = zis_inputs_make(&j->inputs, r, j->e->preprocess, &j->e->run, err);
    if (j->inputs.map) j->out->seconds[ZIS_ENGINE_CONTROL] += zis_os_now() - start;
    return st;
}

zis_status zis_engine_run(zis_engine *e,
                          const zis_request *request,
                          const zis_engine_hooks *hooks,
                          const atomic_bool *cancel,
                          zis_engine_result *out,
                          zis_error *err)
{
    zis_engine_result result = {0};
    job j = {.e = e, .hooks = hooks, .out = &result};
    double start = zis_os_now();
    zis_status st = prepare(&j, request, err);
    e->run.cancel = cancel;
    if (!st) st = prepare_inputs(&j, err);
    for (; j.picture < result.request.batch && !st; j.picture++) st = make_picture(&j, err);
    e->run.cancel = NULL;
    zis_inputs_deinit(&j.inputs);
    zis_loras_detach(&j.loras);
    if (st) {
        zis_engine_result_deinit(&result);
        return st;
    }
    result.seconds[ZIS_ENGINE_TOTAL] = zis_os_now() - start;
    result.peak_memory_bytes = zis_os_peak_rss();
    *out = result;
    return ZIS_OK;
}
