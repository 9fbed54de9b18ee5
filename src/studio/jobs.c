/* The queue and its worker. */
#include "studio/jobs.h"

#include "base/mem.h"
#include "base/os.h"
#include "studio/estimate.h"
#include "studio/jobs_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const state_names[ZIS_JOB_STATE_COUNT] = {
#define X(name, text) text,
    ZIS_JOB_STATE_LIST(X)
#undef X
};

const char *zis_job_state_name(zis_job_state s)
{
    return state_names[s];
}

/* ---- the list ------------------------------------------------------------------------------ */

zis_job *zis_jobs_find(zis_jobs *jobs, const char *id)
{
    for (zis_job *j = jobs->jobs; j; j = j->next)
        if (strcmp(j->id, id) == 0) return j;
    return NULL;
}

zis_job *zis_jobs_oldest_waiting(zis_jobs *jobs)
{
    zis_job *oldest = NULL;
    for (zis_job *j = jobs->jobs; j; j = j->next)
        if (j->state == ZIS_JOB_QUEUED) oldest = j;
    return oldest;
}

/* Positions of all that wait; who moved is told. */
void zis_jobs_renumber(zis_jobs *jobs)
{
    int position = jobs->waiting;
    for (zis_job *j = jobs->jobs; j; j = j->next) {
        if (j->state != ZIS_JOB_QUEUED) continue;
        position--;
        if (j->position == position) continue;
        j->position = position;
        j->n_queued = ++jobs->number;
    }
}

/* What a job needs no more once it has ended. Lock held. */
static void *drop_request(zis_job *j)
{
    void *user = j->user;
    if (j->has_request) zis_request_deinit(&j->request);
    j->has_request = false;
    j->user = NULL;
    return user;
}

void zis_jobs_free(zis_jobs *jobs, zis_job *j)
{
    void *user = drop_request(j);
    if (user && jobs->o.release) jobs->o.release(jobs->o.arg, user);
    free(j->asked);
    free(j->result);
    free(j->text);
    zis_buf_free(&j->preview);
    for (int i = 0; i < j->n_pictures; i++) free(j->pictures[i].json);
    free(j->pictures);
    free(j);
}

void zis_jobs_forget(zis_jobs *jobs, zis_job *j)
{
    for (zis_job **at = &jobs->jobs; *at; at = &(*at)->next) {
        if (*at != j) continue;
        *at = j->next;
        break;
    }
    jobs->status.kept--;
    jobs->status.kept_bytes -= j->disk_bytes;
    zis_jobs_remove_files(jobs, j);
    zis_jobs_free(jobs, j);
}

/* ---- the worker ---------------------------------------------------------------------------- */

/* From here on the job is its text and its files. Gives back what is to be released. Lock held. */
static void *end_job(zis_jobs *jobs, zis_job *j, zis_job_state state, zis_buf *text)
{
    j->state = state;
    j->text = text->data;
    j->text_bytes = text->len;
    *text = (zis_buf){0};
    j->n_final = ++jobs->number;
    jobs->status.ended[state]++;
    jobs->status.kept++;
    jobs->status.kept_bytes += j->disk_bytes;
    free(j->asked);
    free(j->result);
    j->asked = j->result = NULL;
    zis_buf_free(&j->preview);
    j->n_preview = 0;
    return drop_request(j);
}

/* The job's last word, on disk before anybody hears it. Whatever fails here makes it a failed job
 * without a text of its own; the object is then made when it is asked for. */
static void settle(zis_jobs *jobs, zis_job *j, zis_status st, const zis_error *err)
{
    zis_buf text = {0};
    zis_error disk = {0};
    zis_job_state state = st == ZIS_OK          ? ZIS_JOB_DONE
                          : st == ZIS_CANCELLED ? ZIS_JOB_CANCELLED
                                                : ZIS_JOB_FAILED;
    pthread_mutex_lock(
        &jobs->lock); /* others read these; what only the worker writes it may read */
    if (st) j->error = *err;
    double overall = j->overall;
    if (!st) j->overall = 1;
    bool stopping = jobs->stopping;
    j->finished = zis_os_wall();
    pthread_mutex_unlock(&jobs->lock);
    zis_jobs_write_object(&text, jobs, j, state);
    if (text.failed) {
        st = zis_fail(&disk, ZIS_NOMEM, "not enough memory for the result");
    } else {
        st = ZIS_OK;
        if (j->n_pictures || stopping) st = zis_jobs_save(jobs, j, state, &text, &disk);
    }
    if (st) {
        pthread_mutex_lock(&jobs->lock);
        j->error = disk;
        j->overall = overall;
        pthread_mutex_unlock(&jobs->lock);
        state = ZIS_JOB_FAILED;
        zis_buf_free(&text);
        zis_jobs_write_object(&text, jobs, j, state);
    }
    pthread_mutex_lock(&jobs->lock);
    void *user = end_job(jobs, j, state, &text);
    jobs->running = NULL;
    jobs->status.busy_seconds += zis_os_now() - j->began;
    jobs->status.pictures += (uint64_t)j->n_pictures;
    if (user && jobs->o.release) jobs->o.release(jobs->o.arg, user);
    zis_jobs_evict(jobs);
    pthread_cond_broadcast(&jobs->ended);
    pthread_mutex_unlock(&jobs->lock);
    zis_jobs_tell(jobs);
}

/* Lock held. */
static void start(zis_jobs *jobs, zis_job *j)
{
    jobs->running = j;
    jobs->waiting--;
    j->state = ZIS_JOB_RUNNING;
    j->started = zis_os_wall();
    j->began = zis_os_now();
    j->attempt = 1;
    j->progress = (zis_engine_progress){"load", 0, 1, 0, 0, j->request.batch, -1};
    j->n_started = ++jobs->number;
    zis_jobs_renumber(jobs);
}

static void *work(void *arg)
{
    zis_jobs *jobs = arg;
    pthread_mutex_lock(&jobs->lock);
    while (!jobs->quit) {
        zis_job *j = zis_jobs_oldest_waiting(jobs);
        if (!j) {
            pthread_cond_wait(&jobs->work, &jobs->lock);
            continue;
        }
        start(jobs, j);
        pthread_mutex_unlock(&jobs->lock);
        zis_jobs_tell(jobs);
        zis_error err = {0};
        zis_status st = zis_jobs_work(jobs, j, &err);
        settle(jobs, j, st, &err);
        pthread_mutex_lock(&jobs->lock);
    }
    pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

/* ---- life ---------------------------------------------------------------------------------- */

static zis_status start_worker(zis_jobs *jobs, zis_error *err)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&jobs->lock, NULL);
    pthread_cond_init(&jobs->work, NULL);
    pthread_cond_init(&jobs->ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
    jobs->has_lock = true;
    zis_status st = zis_jobs_load(jobs, err);
    if (st) return st;
    if (pthread_create(&jobs->worker, NULL, work, jobs) != 0)
        return zis_fail(err, ZIS_NOMEM, "the system gives no thread for the queue");
    jobs->has_worker = true;
    return ZIS_OK;
}

zis_status zis_jobs_create(zis_jobs **out, const zis_jobs_options *o, zis_error *err)
{
    zis_jobs *jobs = zis_mem_zalloc(1, sizeof *jobs);
    if (!jobs) return zis_fail_nomem(err, "the queue");
    jobs->o = *o;
    jobs->folder = zis_mem_strdup(o->folder);
    jobs->device = zis_mem_strdup(o->engine.device ? o->engine.device : "cpu");
    jobs->isa_limit = o->engine.isa ? zis_mem_strdup(o->engine.isa) : NULL;
    zis_status st = ZIS_OK;
    if (!jobs->folder || !jobs->device || (o->engine.isa && !jobs->isa_limit))
        st = zis_fail_nomem(err, "the queue");
    if (!st) {
        jobs->o.folder = jobs->folder;
        jobs->o.engine.device = jobs->device;
        jobs->o.engine.isa = jobs->isa_limit;
        st = zis_os_make_dirs(jobs->folder, err);
    }
    if (!st) st = zis_engine_create(&jobs->engine, &jobs->o.engine, err);
    if (!st) st = start_worker(jobs, err);
    if (st)
        zis_jobs_destroy(&jobs);
    else
        *out = jobs;
    return st;
}

/* Lock held, also while the job's own things are given back: release must not call back. */
static void cancel_waiting(zis_jobs *jobs, zis_job *j)
{
    zis_buf text = {0};
    j->finished = zis_os_wall();
    zis_jobs_write_object(&text, jobs, j, ZIS_JOB_CANCELLED);
    /* the next process tells whoever asks; where that fails the job is just not known there */
    zis_error unheard = {0};
    if (jobs->stopping && !text.failed &&
        zis_jobs_save(jobs, j, ZIS_JOB_CANCELLED, &text, &unheard) != ZIS_OK)
        j->disk_bytes = 0;
    jobs->waiting--;
    void *user = end_job(jobs, j, ZIS_JOB_CANCELLED, &text);
    zis_jobs_renumber(jobs);
    zis_jobs_evict(jobs);
    if (user && jobs->o.release) jobs->o.release(jobs->o.arg, user);
}

/* Whether the running job will not be done in time by its own count. Lock held. */
static bool needs_longer(const zis_jobs *jobs, double seconds)
{
    return jobs->running && jobs->running->progress.seconds_left > seconds;
}

static void wait_a_little(zis_jobs *jobs, double seconds)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += (long)(seconds * 1e9);
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&jobs->ended, &jobs->lock, &t);
}

void zis_jobs_stop(zis_jobs *jobs, double seconds, const atomic_bool *hurry, zis_jobs_stopped *out)
{
    double end = zis_os_now() + seconds;
    *out = (zis_jobs_stopped){0};
    pthread_mutex_lock(&jobs->lock);
    jobs->stopping = true;
    for (zis_job *j; (j = zis_jobs_oldest_waiting(jobs)); out->dropped++) cancel_waiting(jobs, j);
    out->was_running = jobs->running != NULL;
    while (jobs->running) {
        double left = end - zis_os_now();
        if (left <= 0 || needs_longer(jobs, left) || (hurry && atomic_load(hurry))) {
            atomic_store(&jobs->running->cancel, true);
            out->was_cancelled = true;
        }
        wait_a_little(jobs, 0.1);
    }
    pthread_mutex_unlock(&jobs->lock);
    zis_jobs_tell(jobs);
}

void zis_jobs_destroy(zis_jobs **out)
{
    if (!out || !*out) return;
    zis_jobs *jobs = *out;
    if (jobs->has_lock) {
        pthread_mutex_lock(&jobs->lock);
        jobs->quit = true;
        if (jobs->running) atomic_store(&jobs->running->cancel, true);
        pthread_cond_broadcast(&jobs->work);
        pthread_mutex_unlock(&jobs->lock);
    }
    if (jobs->has_worker) pthread_join(jobs->worker, NULL);
    zis_engine_destroy(&jobs->engine);
    while (jobs->jobs) {
        zis_job *j = jobs->jobs;
        jobs->jobs = j->next;
        zis_jobs_free(jobs, j);
    }
    if (jobs->has_lock) {
        pthread_cond_destroy(&jobs->ended);
        pthread_cond_destroy(&jobs->work);
        pthread_mutex_destroy(&jobs->lock);
    }
    free(jobs->folder);
    free(jobs->device);
    free(jobs->isa_limit);
    free(jobs);
    *out = NULL;
}

/* ---- submit, cancel ------------------------------------------------------------------------ */

int zis_jobs_estimate(const zis_job *j, double multiplier)
{
    const zis_request *r = &j->request;
    bool said_size = zis_request_given(r, zis_request_field("width"));
    /* Steps and sizes that the model decides are not known yet; neither is its kind, but by name.
     */
    zis_estimate_args a = {
        .mode = j->upscale   ? "upscale"
                : j->control ? "controlnet"
                             : "t2i",
        .base = strstr(r->model, "base") != NULL,
        .steps = zis_request_given(r, zis_request_field("steps")) ? r->steps : 0,
        .width = said_size ? r->width : 0,
        .height = said_size ? r->height : 0,
        .multiplier = multiplier,
    };
    return zis_estimate_seconds(&a);
}

/* All of a new job but its place in the queue. */
static zis_status make_job(zis_job **out, const zis_job_order *order, zis_error *err)
{
    zis_job *j = zis_mem_zalloc(1, sizeof *j);
    if (!j) return zis_fail_nomem(err, "the job");
    zis_status st = zis_request_copy(&j->request, order->request, err);
    if (st) {
        free(j);
        return st;
    }
    j->has_request = true;
    j->asked = zis_jobs_request_json(&j->request, false);
    if (!j->asked) {
        zis_request_deinit(&j->request);
        free(j);
        return zis_fail_nomem(err, "the job");
    }
    for (int i = 0; i < ZIS_JOB_ID; i += 8)
        snprintf(j->id + i, 9, "%08x", (unsigned)zis_os_random());
    snprintf(j->session, sizeof j->session, "%s", order->session);
    j->state = ZIS_JOB_QUEUED;
    j->format = order->format;
    j->metadata = order->metadata;
    j->upscale = order->upscale;
    j->control = order->control;
    j->cancel_on_disconnect = order->cancel_on_disconnect;
    j->created = zis_os_wall();
    j->estimate = zis_jobs_estimate(j, 1);
    *out = j;
    return ZIS_OK;
}

zis_status zis_jobs_submit(zis_jobs *jobs, const zis_job_order *order, char *id, zis_error *err)
{
    zis_job *j = NULL;
    zis_status st = make_job(&j, order, err);
    if (st) return st;
    pthread_mutex_lock(&jobs->lock);
    if (jobs->stopping || jobs->quit) {
        st = zis_fail(err, ZIS_CLOSED, "the server is stopping and takes no more jobs");
    } else if (jobs->waiting >= jobs->o.queue_most) {
        st = zis_fail(err, ZIS_BUSY, "%d jobs wait already, more are not taken; try again later",
                      jobs->waiting);
    } else {
        j->user = order->user;
        j->position = jobs->waiting++;
        j->n_queued = ++jobs->number;
        j->next = jobs->jobs;
        jobs->jobs = j;
        memcpy(id, j->id, sizeof j->id);
        pthread_cond_signal(&jobs->work);
    }
    pthread_mutex_unlock(&jobs->lock);
    if (st)
        zis_jobs_free(jobs, j);
    else
        zis_jobs_tell(jobs);
    return st;
}

zis_status zis_jobs_delete(zis_jobs *jobs, const char *id, bool *gone, zis_error *err)
{
    zis_status st = ZIS_OK;
    bool removed = false;
    pthread_mutex_lock(&jobs->lock);
    zis_job *j = zis_jobs_find(jobs, id);
    if (!j) {
        st = zis_fail(err, ZIS_NOT_FOUND, "there is no job '%.40s' (any more)", id);
    } else if (j->state == ZIS_JOB_QUEUED) {
        cancel_waiting(jobs, j);
    } else if (j->state == ZIS_JOB_RUNNING) {
        atomic_store(&j->cancel, true);
    } else {
        zis_jobs_forget(jobs, j);
        removed = true;
    }
    pthread_mutex_unlock(&jobs->lock);
    if (st) return st;
    if (gone) *gone = removed;
    zis_jobs_tell(jobs);
    return ZIS_OK;
}

void zis_jobs_cancel(zis_jobs *jobs, const char *id)
{
    pthread_mutex_lock(&jobs->lock);
    zis_job *j = zis_jobs_find(jobs, id);
    if (j && j->state == ZIS_JOB_QUEUED)
        cancel_waiting(jobs, j);
    else if (j && j->state == ZIS_JOB_RUNNING)
        atomic_store(&j->cancel, true);
    pthread_mutex_unlock(&jobs->lock);
    zis_jobs_tell(jobs);
}

void zis_jobs_tidy(zis_jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    zis_jobs_evict(jobs);
    pthread_mutex_unlock(&jobs->lock);
}

void zis_jobs_get_status(zis_jobs *jobs, zis_jobs_status *out)
{
    pthread_mutex_lock(&jobs->lock);
    *out = jobs->status;
    out->stopping = jobs->stopping;
    out->waiting = jobs->waiting;
    out->waiting_most = jobs->o.queue_most;
    if (jobs->running) memcpy(out->running, jobs->running->id, sizeof out->running);
    out->device = jobs->device;
    pthread_mutex_unlock(&jobs->lock);
}

uint64_t zis_jobs_now(zis_jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    uint64_t n = jobs->number;
    pthread_mutex_unlock(&jobs->lock);
    return n;
}
