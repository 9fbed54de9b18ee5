/* One job in the worker: pictures in, the engine, pictures out, what watchers see meanwhile. */
#include "base/mem.h"
#include "base/os.h"
#include "pipeline/recipe.h"
#include "studio/estimate.h"
#include "studio/jobs_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Progress is told at most so often, but for a new stage. */
#define TELL_EVERY 0.1

typedef struct working {
    zis_jobs *jobs;
    zis_job *job;
} working;

/* ---- progress ------------------------------------------------------------------------------ */

/* Shares of one picture's work, where the time left is not known yet. */
static double guess(const zis_engine_progress *p)
{
    static const struct {
        const char *stage;
        double from, to;
    } parts[] = {
        {"load", 0, 0.02},     {"upscale", 0.02, 0.06}, {"text", 0.02, 0.08},
        {"encode", 0.08, 0.1}, {"control", 0.1, 0.12},  {"denoise", 0.12, 0.9},
        {"decode", 0.9, 0.99},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (strcmp(parts[i].stage, p->stage) != 0) continue;
        double one = parts[i].from + p->fraction * (parts[i].to - parts[i].from);
        return (p->picture + one) / p->pictures;
    }
    return 0;
}

/* By the clock where the rest is known; never back. */
static double overall(const zis_job *j, const zis_engine_progress *p)
{
    double elapsed = zis_os_now() - j->began;
    double v = p->seconds_left >= 0 && elapsed + p->seconds_left > 0
                   ? elapsed / (elapsed + p->seconds_left)
                   : guess(p);
    v = v > 0.99 ? 0.99 : v;
    return v > j->overall ? v : j->overall;
}

static void on_progress(void *arg, const zis_engine_progress *p)
{
    working *w = arg;
    zis_job *j = w->job;
    double now = zis_os_now();
    bool tell = false;
    pthread_mutex_lock(&w->jobs->lock);
    bool stage = strcmp(j->progress.stage, p->stage) != 0;
    j->progress = *p; /* stages are names that live as long as the program */
    j->overall = overall(j, p);
    if (stage || now - j->last_told >= TELL_EVERY) {
        j->last_told = now;
        j->n_progress = ++w->jobs->number;
        tell = true;
    }
    pthread_mutex_unlock(&w->jobs->lock);
    if (tell) zis_jobs_tell(w->jobs);
}

/* A preview that cannot be made is none; the job goes on. */
static void on_preview(void *arg, const zis_engine_preview *p)
{
    working *w = arg;
    zis_job *j = w->job;
    zis_buf jpeg = {0};
    if (zis_picture_encode(&jpeg, p->image, ZIS_PICTURE_JPEG, NULL, 0, NULL) != ZIS_OK) {
        zis_buf_free(&jpeg);
        return;
    }
    pthread_mutex_lock(&w->jobs->lock);
    zis_buf before = j->preview;
    j->preview = jpeg;
    j->preview_width = p->image->width;
    j->preview_height = p->image->height;
    j->preview_step = p->step;
    j->preview_of = p->of;
    j->preview_picture = p->picture;
    j->n_preview = ++w->jobs->number;
    pthread_mutex_unlock(&w->jobs->lock);
    zis_buf_free(&before);
    zis_jobs_tell(w->jobs);
}

static void on_loaded(void *arg, const zis_engine_loaded *l)
{
    working *w = arg;
    zis_jobs_status *s = &w->jobs->status;
    pthread_mutex_lock(&w->jobs->lock);
    s->n_loaded = l->n;
    for (int i = 0; i < l->n; i++) snprintf(s->loaded[i], sizeof s->loaded[i], "%s", l->names[i]);
    pthread_mutex_unlock(&w->jobs->lock);
}

/* ---- pictures ------------------------------------------------------------------------------ */

static zis_status write_picture(working *w,
                                const zis_engine_picture *p,
                                size_t *bytes,
                                zis_error *err)
{
    zis_buf file = {0};
    const zis_picture_text texts[] = {
        {ZIS_RECIPE_KEY_A1111, p->parameters},
        {ZIS_RECIPE_KEY_JSON, p->recipe},
    };
    char *path = zis_jobs_path(w->jobs, w->job->id, p->index, w->job->format);
    zis_status st = path ? ZIS_OK : zis_fail_nomem(err, "the picture");
    if (!st)
        st = zis_picture_encode(&file, p->image, w->job->format, texts, w->job->metadata ? 2 : 0,
                                err);
    if (!st) st = zis_os_write_file(path, file.data, file.len, err);
    *bytes = file.len;
    zis_buf_free(&file);
    free(path);
    return st;
}

static zis_status on_picture(void *arg, const zis_engine_picture *p, zis_error *err)
{
    working *w = arg;
    zis_job *j = w->job;
    /* told with the last picture, not with the decoder's own end */
    if (atomic_load(&j->cancel)) return zis_fail(err, ZIS_CANCELLED, "cancelled");
    zis_job_kept *list = zis_mem_alloc((size_t)p->index + 1, sizeof *list);
    if (!list) return zis_fail_nomem(err, "the picture");
    zis_job_kept *one = &list[p->index];
    *one = (zis_job_kept){.info = {.index = p->index,
                                   .width = p->image->width,
                                   .height = p->image->height,
                                   .seed = p->seed,
                                   .format = j->format}};
    zis_status st = write_picture(w, p, &one->info.bytes, err);
    if (!st) {
        one->json = zis_jobs_picture_json(j->id, &one->info, p->parameters, p->recipe);
        if (!one->json) st = zis_fail_nomem(err, "the picture");
    }
    if (st) {
        free(list);
        return st;
    }
    pthread_mutex_lock(&w->jobs->lock);
    /* a second attempt begins again with the first picture */
    for (int i = p->index; i < j->n_pictures; i++) free(j->pictures[i].json);
    if (p->index) memcpy(list, j->pictures, (size_t)p->index * sizeof *list);
    free(j->pictures);
    j->pictures = list;
    j->n_pictures = p->index + 1;
    one->number = ++w->jobs->number;
    pthread_mutex_unlock(&w->jobs->lock);
    zis_jobs_tell(w->jobs);
    return ZIS_OK;
}

/* ---- the whole ----------------------------------------------------------------------------- */

/* What the end of the run has told; the request as it was run replaces the one that was asked. */
static zis_status take_result(working *w, const zis_engine_result *r, zis_error *err)
{
    zis_job *j = w->job;
    zis_jobs_status *s = &w->jobs->status;
    char *asked = zis_jobs_request_json(&r->request, true);
    char *result = zis_jobs_result_json(r);
    if (!asked || !result) {
        free(asked);
        free(result);
        return zis_fail_nomem(err, "the result");
    }
    pthread_mutex_lock(&w->jobs->lock);
    free(j->asked);
    j->asked = asked;
    free(j->result);
    j->result = result;
    snprintf(s->model, sizeof s->model, "%s", r->model);
    snprintf(s->isa, sizeof s->isa, "%s", r->isa);
    snprintf(s->dtype, sizeof s->dtype, "%s", r->dtype);
    pthread_mutex_unlock(&w->jobs->lock);
    return ZIS_OK;
}

static zis_status attempt(working *w, zis_error *err)
{
    zis_job *j = w->job;
    const zis_jobs_options *o = &w->jobs->o;
    zis_engine_result result = {0};
    zis_request request;
    const zis_engine_hooks hooks = {.arg = w,
                                    .progress = on_progress,
                                    .picture = on_picture,
                                    .preview = on_preview,
                                    .loaded = on_loaded};
    zis_status st = zis_request_copy(&request, &j->request, err);
    if (st) return st;
    if (o->prepare && j->user) st = o->prepare(o->arg, j->user, &request, err);
    if (!st) st = zis_engine_run(w->jobs->engine, &request, &hooks, &j->cancel, &result, err);
    zis_request_deinit(&request);
    if (st) return st;
    st = take_result(w, &result, err);
    zis_engine_result_deinit(&result);
    return st;
}

/* A second time with twice the time, where a host took its accelerator back (studio.md 7). */
zis_status zis_jobs_work(zis_jobs *jobs, zis_job *j, zis_error *err)
{
    working w = {jobs, j};
    zis_status st = attempt(&w, err);
    if (!st || st == ZIS_CANCELLED || !zis_estimate_retries(err->text)) return st;
    pthread_mutex_lock(&jobs->lock);
    j->attempt = 2;
    j->estimate = zis_jobs_estimate(j, ZIS_ESTIMATE_RETRY);
    j->n_started = ++jobs->number;
    pthread_mutex_unlock(&jobs->lock);
    zis_jobs_tell(jobs);
    return attempt(&w, err);
}
