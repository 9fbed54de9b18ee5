/* What the API says of a job: its object, its events. */
#include "base/base64.h"
#include "base/mem.h"
#include "pipeline/jsonout.h"
#include "studio/jobs_impl.h"

#include <stdlib.h>
#include <string.h>

static const char *const endings[] = {
    [ZIS_PICTURE_PNG] = "png",
    [ZIS_PICTURE_JPEG] = "jpeg",
    [ZIS_PICTURE_WEBP] = "webp",
};

static char *take(zis_buf *b)
{
    if (b->failed) zis_buf_free(b);
    return b->data;
}

/* A moment; null for one that has not come. */
static void put_time(zis_buf *out, const char *name, double t)
{
    if (t > 0)
        zis_buf_printf(out, "\"%s\": %.3f, ", name, t);
    else
        zis_buf_printf(out, "\"%s\": null, ", name);
}

char *zis_jobs_request_json(const zis_request *r, bool complete)
{
    zis_buf out = {0};
    zis_buf_puts(&out, "{\"model\": ");
    zis_jsonout_string(&out, r->model);
    for (size_t i = 0; zis_request_field_at(i); i++) {
        const zis_field *f = zis_request_field_at(i);
        if (!(f->where & ZIS_FIELD_HTTP)) continue;
        zis_buf_printf(&out, ", \"%s\": ", f->name);
        if (complete || f->model_default < 0 || zis_request_given(r, f))
            zis_request_value_json(&out, r, f);
        else
            zis_buf_puts(&out, "null");
    }
    zis_buf_puts(&out, ", \"loras\": [");
    for (int i = 0; i < r->n_loras; i++) {
        zis_buf_puts(&out, i ? ", {\"name\": " : "{\"name\": ");
        zis_jsonout_string(&out, r->loras[i].file);
        zis_buf_puts(&out, ", \"strength\": ");
        zis_jsonout_number(&out, r->loras[i].strength);
        zis_buf_putc(&out, '}');
    }
    zis_buf_puts(&out, "]}");
    return take(&out);
}

char *zis_jobs_result_json(const zis_engine_result *r)
{
    zis_buf out = {0};
    zis_buf_puts(&out, "\"model\": ");
    zis_jsonout_string(&out, r->model);
    zis_buf_printf(&out, ", \"device\": \"%s\", \"dtype\": \"%s\", \"seconds\": {", r->device,
                   r->dtype);
    for (int i = 0; i < ZIS_ENGINE_STAGE_COUNT; i++)
        zis_buf_printf(&out, "%s\"%s\": %.4f", i ? ", " : "",
                       zis_engine_stage_name((zis_engine_stage)i), r->seconds[i]);
    zis_buf_puts(&out, "}, \"loras\": [");
    for (int i = 0; i < r->n_loras; i++) {
        zis_buf_puts(&out, i ? ", {\"name\": " : "{\"name\": ");
        zis_jsonout_string(&out, r->loras[i].file);
        zis_buf_puts(&out, ", \"report\": ");
        zis_jsonout_string(&out, r->loras[i].report);
        zis_buf_putc(&out, '}');
    }
    zis_buf_printf(&out, "], \"peak_memory_bytes\": %llu, \"warnings\": [",
                   (unsigned long long)r->peak_memory_bytes);
    for (int i = 0; i < r->n_warnings; i++) {
        zis_buf_puts(&out, i ? ", " : "");
        zis_jsonout_string(&out, r->warnings[i]);
    }
    zis_buf_putc(&out, ']');
    return take(&out);
}

char *zis_jobs_picture_json(const char *id,
                            const zis_job_picture *p,
                            const char *parameters,
                            const char *recipe)
{
    zis_buf out = {0};
    zis_buf_printf(&out,
                   "{\"index\": %d, \"url\": \"/api/v1/jobs/%s/images/%d\", \"width\": %d, "
                   "\"height\": %d, \"seed\": %lld, \"format\": \"%s\", \"bytes\": %zu, "
                   "\"parameters\": ",
                   p->index, id, p->index, p->width, p->height, (long long)p->seed,
                   endings[p->format], p->bytes);
    zis_jsonout_string(&out, parameters);
    zis_buf_printf(&out, ", \"recipe\": %s}", recipe);
    return take(&out);
}

void zis_jobs_write_progress(zis_buf *out, const zis_job *j)
{
    const zis_engine_progress *p = &j->progress;
    zis_buf_printf(out,
                   "\"stage\": \"%s\", \"step\": %d, \"of\": %d, \"fraction\": %.4f, "
                   "\"overall\": %.4f, \"picture\": %d, \"pictures\": %d, \"seconds_left\": ",
                   p->stage, p->step, p->of, p->fraction, j->overall, p->picture, p->pictures);
    if (p->seconds_left >= 0)
        zis_buf_printf(out, "%.2f", p->seconds_left);
    else
        zis_buf_puts(out, "null");
}

static void put_error(zis_buf *out, const zis_job *j, zis_job_state state)
{
    zis_buf_puts(out, "\"error\": ");
    if (state != ZIS_JOB_FAILED) {
        zis_buf_puts(out, "null");
        return;
    }
    zis_buf_printf(out, "{\"code\": \"%s\", \"message\": ", zis_status_name(j->error.code));
    zis_jsonout_string(out, j->error.text);
    zis_buf_putc(out, '}');
}

void zis_jobs_write_object(zis_buf *out,
                           const zis_jobs *jobs,
                           const zis_job *j,
                           zis_job_state state)
{
    (void)jobs;
    if (j->text) {
        zis_buf_append(out, j->text, j->text_bytes);
        return;
    }
    zis_buf_printf(
        out, "{\"id\": \"%s\", \"state\": \"%s\", \"task\": \"%s\", \"session\": \"%s\", ", j->id,
        zis_job_state_name(state), j->upscale ? "upscale" : "generate", j->session);
    put_time(out, "created", j->created);
    put_time(out, "started", j->started);
    put_time(out, "finished", j->finished);
    zis_buf_printf(out, "\"position\": %d, \"estimate\": %d, \"attempt\": %d, \"progress\": ",
                   state == ZIS_JOB_QUEUED ? j->position : 0, j->estimate, j->attempt);
    if (j->attempt) {
        zis_buf_putc(out, '{');
        zis_jobs_write_progress(out, j);
        zis_buf_putc(out, '}');
    } else {
        zis_buf_puts(out, "null");
    }
    zis_buf_printf(out, ", \"request\": %s, ", j->asked ? j->asked : "null");
    zis_buf_puts(
        out,
        j->result
            ? j->result
            : "\"model\": null, \"device\": null, \"dtype\": null, "
              "\"seconds\": null, \"loras\": [], \"peak_memory_bytes\": null, \"warnings\": []");
    zis_buf_puts(out, ", \"images\": [");
    for (int i = 0; i < j->n_pictures; i++)
        zis_buf_printf(out, "%s%s", i ? ", " : "", j->pictures[i].json);
    zis_buf_puts(out, "], ");
    put_error(out, j, state);
    zis_buf_putc(out, '}');
}

/* ---- looking ------------------------------------------------------------------------------- */

static zis_status no_job(const char *id, zis_error *err)
{
    return zis_fail(err, ZIS_NOT_FOUND, "there is no job '%.40s' (any more)", id);
}

bool zis_jobs_look(zis_jobs *jobs, const char *id, zis_job_info *out)
{
    pthread_mutex_lock(&jobs->lock);
    const zis_job *j = zis_jobs_find(jobs, id);
    if (j)
        *out = (zis_job_info){
            .state = j->state,
            .position = j->position,
            .progress = j->progress,
            .overall = j->overall,
            .created = j->created,
            .started = j->started,
            .finished = j->finished,
            .n_pictures = j->n_pictures,
            .error = j->error,
            .cancel_on_disconnect = j->cancel_on_disconnect,
            .preview = j->n_preview,
        };
    pthread_mutex_unlock(&jobs->lock);
    return j != NULL;
}

zis_status zis_jobs_object(zis_jobs *jobs, const char *id, zis_buf *out, zis_error *err)
{
    pthread_mutex_lock(&jobs->lock);
    const zis_job *j = zis_jobs_find(jobs, id);
    if (j) zis_jobs_write_object(out, jobs, j, j->state);
    pthread_mutex_unlock(&jobs->lock);
    if (!j) return no_job(id, err);
    return out->failed ? zis_fail_nomem(err, "the job's description") : ZIS_OK;
}

zis_status zis_jobs_list(zis_jobs *jobs, const char *session, zis_buf *out, zis_error *err)
{
    const char *sep = "[";
    pthread_mutex_lock(&jobs->lock);
    for (const zis_job *j = jobs->jobs; j; j = j->next) {
        if (strcmp(j->session, session) != 0) continue;
        zis_buf_puts(out, sep);
        zis_jobs_write_object(out, jobs, j, j->state);
        sep = ", ";
    }
    pthread_mutex_unlock(&jobs->lock);
    zis_buf_puts(out, *sep == '[' ? "[]" : "]");
    return out->failed ? zis_fail_nomem(err, "the list of jobs") : ZIS_OK;
}

void zis_jobs_ids(zis_jobs *jobs, const char *session, zis_buf *out)
{
    const char *sep = "";
    zis_buf_putc(out, '[');
    pthread_mutex_lock(&jobs->lock);
    for (const zis_job *j = jobs->jobs; j; j = j->next) {
        if (strcmp(j->session, session) != 0) continue;
        zis_buf_printf(out, "%s\"%s\"", sep, j->id);
        sep = ", ";
    }
    pthread_mutex_unlock(&jobs->lock);
    zis_buf_putc(out, ']');
}

zis_status zis_jobs_picture(
    zis_jobs *jobs, const char *id, int index, zis_job_picture *out, char **path, zis_error *err)
{
    zis_status st = ZIS_OK;
    pthread_mutex_lock(&jobs->lock);
    const zis_job *j = zis_jobs_find(jobs, id);
    if (!j)
        st = no_job(id, err);
    else if (index < 0 || index >= j->n_pictures)
        st = zis_fail(err, ZIS_NOT_FOUND, "job %s has no picture %d; it has %d", id, index,
                      j->n_pictures);
    if (!st) {
        *out = j->pictures[index].info;
        *path = zis_jobs_path(jobs, id, index, out->format);
        if (!*path) st = zis_fail_nomem(err, "the picture's name");
    }
    pthread_mutex_unlock(&jobs->lock);
    return st;
}

bool zis_jobs_preview(zis_jobs *jobs, const char *id, zis_buf *out)
{
    pthread_mutex_lock(&jobs->lock);
    const zis_job *j = zis_jobs_find(jobs, id);
    bool there = j && j->n_preview;
    if (there) zis_buf_append(out, j->preview.data, j->preview.len);
    pthread_mutex_unlock(&jobs->lock);
    return there;
}

/* ---- events -------------------------------------------------------------------------------- */

typedef enum kind { QUEUED, STARTED, PROGRESS, PREVIEW, PICTURE, FINAL } kind;

/* The candidate with the smallest number behind `after`. */
typedef struct next {
    uint64_t after, number;
    const zis_job *job;
    kind kind;
    int picture;
} next;

static void offer(next *n, const zis_job *j, kind k, uint64_t number, int picture)
{
    if (number <= n->after || (n->job && number >= n->number)) return;
    *n = (next){n->after, number, j, k, picture};
}

static void offer_all(next *n, const zis_job *j)
{
    if (j->state == ZIS_JOB_QUEUED) offer(n, j, QUEUED, j->n_queued, 0);
    offer(n, j, STARTED, j->n_started, 0);
    if (j->state == ZIS_JOB_RUNNING) {
        offer(n, j, PROGRESS, j->n_progress, 0);
        offer(n, j, PREVIEW, j->n_preview, 0);
    }
    for (int i = 0; i < j->n_pictures; i++)
        if (j->pictures[i].json) offer(n, j, PICTURE, j->pictures[i].number, i);
    offer(n, j, FINAL, j->n_final, 0);
}

static void put_preview(zis_buf *out, const zis_job *j)
{
    zis_buf_printf(out,
                   "\"picture\": %d, \"step\": %d, \"of\": %d, \"width\": %d, \"height\": %d, "
                   "\"image\": \"data:image/jpeg;base64,",
                   j->preview_picture, j->preview_step, j->preview_of, j->preview_width,
                   j->preview_height);
    zis_base64_put(out, j->preview.data, j->preview.len);
    zis_buf_putc(out, '"');
}

static void write_event(zis_job_event *e, const zis_jobs *jobs, const next *n)
{
    static const char *const names[] = {
        [QUEUED] = "queued",   [STARTED] = "started", [PROGRESS] = "progress",
        [PREVIEW] = "preview", [PICTURE] = "picture", [FINAL] = NULL,
    };
    const zis_job *j = n->job;
    zis_buf *out = &e->data;
    e->number = n->number;
    e->name = n->kind == FINAL ? zis_job_state_name(j->state) : names[n->kind];
    e->final = n->kind == FINAL;
    zis_buf_printf(out, "{\"job\": \"%s\", ", j->id);
    switch (n->kind) {
    case QUEUED:
        zis_buf_printf(out, "\"position\": %d, \"estimate\": %d", j->position, j->estimate);
        break;
    case STARTED:
        zis_buf_printf(out, "\"attempt\": %d, \"request\": %s", j->attempt,
                       j->asked ? j->asked : "null");
        break;
    case PROGRESS:
        zis_jobs_write_progress(out, j);
        break;
    case PREVIEW:
        put_preview(out, j);
        break;
    case PICTURE:
        zis_buf_printf(out, "\"image\": %s", j->pictures[n->picture].json);
        break;
    case FINAL:
        if (j->state == ZIS_JOB_FAILED) {
            put_error(out, j, j->state);
            zis_buf_puts(out, ", ");
        }
        zis_buf_puts(out, "\"object\": ");
        zis_jobs_write_object(out, jobs, j, j->state);
        break;
    }
    zis_buf_putc(out, '}');
}

bool zis_jobs_next_event(zis_jobs *jobs,
                         const zis_jobs_filter *f,
                         uint64_t after,
                         zis_job_event *out)
{
    next n = {.after = after};
    *out = (zis_job_event){0};
    pthread_mutex_lock(&jobs->lock);
    for (const zis_job *j = after < jobs->number ? jobs->jobs : NULL; j; j = j->next) {
        if (f->job ? strcmp(j->id, f->job) != 0 : strcmp(j->session, f->session) != 0) continue;
        offer_all(&n, j);
    }
    if (n.job) write_event(out, jobs, &n);
    pthread_mutex_unlock(&jobs->lock);
    return n.job != NULL;
}
