/* jobs.h - the queue: jobs wait, run one at a time on a device, and their results are kept.
 *
 * One worker thread owns the engine. Everything else asks under one lock and never waits for a
 * step: submit, cancel, look. A job that has ended is a text (its object as the API shows it) and
 * files; both are on disk before the job is called done, and are found again by the next process
 * that opens the same folder. What is kept has a budget of bytes and of age.
 *
 * Each change has a number, one sequence over all jobs; a watcher that has seen number N asks for
 * the first change behind N. Progress and previews that were overtaken are not kept.
 *
 *     create -> submit, cancel, next_event, ... -> stop -> destroy
 *
 * Threads: every function may be called from any thread. `prepare` and `changed` come without the
 * lock; `release` may come with it and must not call back. */
#ifndef ZIS_STUDIO_JOBS_H
#define ZIS_STUDIO_JOBS_H

#include "formats/picture.h"
#include "studio/engine.h"

typedef struct zis_jobs zis_jobs;

#define ZIS_JOB_ID 16 /* letters of an id: hexadecimal digits */
#define ZIS_JOB_SESSION 64

#define ZIS_JOB_STATE_LIST(X)                                                                      \
    X(QUEUED, "queued")                                                                            \
    X(RUNNING, "running")                                                                          \
    X(DONE, "done")                                                                                \
    X(FAILED, "failed")                                                                            \
    X(CANCELLED, "cancelled")

typedef enum zis_job_state {
#define X(name, text) ZIS_JOB_##name,
    ZIS_JOB_STATE_LIST(X)
#undef X
        ZIS_JOB_STATE_COUNT
} zis_job_state;

const char *zis_job_state_name(zis_job_state s);

typedef struct zis_jobs_options {
    zis_engine_options engine;
    const char *folder;  /* of this process alone; made when missing */
    int queue_most;      /* jobs that may wait */
    uint64_t keep_bytes; /* of results on disk */
    double keep_seconds; /* a result's age */
    void *arg;           /* of the three below; any may be NULL */
    /* In the worker, before each attempt: brings the pictures that the job starts from. */
    zis_status (*prepare)(void *arg, void *user, zis_request *r, zis_error *err);
    void (*release)(void *arg, void *user); /* the job needs them no more; any thread */
    void (*changed)(void *arg);             /* something new to see; must not block */
} zis_jobs_options;

ZIS_MUST_USE zis_status zis_jobs_create(zis_jobs **out, const zis_jobs_options *o, zis_error *err);

typedef struct zis_jobs_stopped {
    int dropped;        /* waiting jobs that were cancelled */
    bool was_running;   /* a job was at work, */
    bool was_cancelled; /* and was cancelled; else it was finished */
} zis_jobs_stopped;

/* No more jobs: waiting ones are cancelled, the running one gets so many seconds to finish (none at
 * all when it says itself that it needs longer), then it is cancelled. *hurry (may be NULL) ends
 * the patience. */
void zis_jobs_stop(zis_jobs *jobs, double seconds, const atomic_bool *hurry, zis_jobs_stopped *out);
/* Stops at once whatever runs. */
void zis_jobs_destroy(zis_jobs **jobs);

/* What is handed in. Strings and the request are copied. */
typedef struct zis_job_order {
    const zis_request *request;
    const char *session; /* or "" */
    zis_picture_kind format;
    bool metadata; /* the recipe goes into the file */
    bool upscale;  /* what it is, for the estimate */
    bool control;
    bool cancel_on_disconnect; /* kept for whoever serves its events */
    void *user;                /* for prepare; released by the job, but not when submit fails */
} zis_job_order;

/* *id: ZIS_JOB_ID letters and NUL. ZIS_CLOSED once stopped; ZIS_BUSY when the queue is full. */
ZIS_MUST_USE zis_status zis_jobs_submit(zis_jobs *jobs,
                                        const zis_job_order *order,
                                        char *id,
                                        zis_error *err);

/* A waiting job is cancelled at once, a running one within a block; one that has ended is
 * forgotten with its files, and *gone (may be NULL) is set. ZIS_NOT_FOUND. */
ZIS_MUST_USE zis_status zis_jobs_delete(zis_jobs *jobs, const char *id, bool *gone, zis_error *err);
/* The same for a job that has not ended; nothing for one that has. */
void zis_jobs_cancel(zis_jobs *jobs, const char *id);

/* ---- looking ------------------------------------------------------------------------------- */

typedef struct zis_job_picture {
    int index;
    int width, height;
    int64_t seed;
    zis_picture_kind format;
    size_t bytes;
} zis_job_picture;

typedef struct zis_job_info {
    zis_job_state state;
    int position; /* jobs before it in the queue */
    zis_engine_progress progress;
    double overall;                    /* 0 to 1 */
    double created, started, finished; /* by the wall clock; 0: not yet */
    int n_pictures;
    zis_error error; /* when failed */
    bool cancel_on_disconnect;
    uint64_t preview; /* changes with each preview; 0: there was none */
} zis_job_info;

/* False when there is no such job. */
bool zis_jobs_look(zis_jobs *jobs, const char *id, zis_job_info *out);
/* Appends the job object of the API. */
ZIS_MUST_USE zis_status zis_jobs_object(zis_jobs *jobs,
                                        const char *id,
                                        zis_buf *out,
                                        zis_error *err);
/* Appends "[{...}, ...]" of a session's jobs, newest first. */
ZIS_MUST_USE zis_status zis_jobs_list(zis_jobs *jobs,
                                      const char *session,
                                      zis_buf *out,
                                      zis_error *err);
/* Appends `["id", ...]` of a session's jobs, newest first. */
void zis_jobs_ids(zis_jobs *jobs, const char *session, zis_buf *out);
/* *path is a new string: the file of picture `index`. ZIS_NOT_FOUND: no such job or picture (yet).
 */
ZIS_MUST_USE zis_status zis_jobs_picture(
    zis_jobs *jobs, const char *id, int index, zis_job_picture *out, char **path, zis_error *err);
/* Appends the latest preview, a JPEG; false when there is none. */
bool zis_jobs_preview(zis_jobs *jobs, const char *id, zis_buf *out);

/* ---- events -------------------------------------------------------------------------------- */

/* Whose: one job's, or all of a session. */
typedef struct zis_jobs_filter {
    const char *job;
    const char *session;
} zis_jobs_filter;

typedef struct zis_job_event {
    uint64_t number;
    const char *name; /* "progress" */
    bool final;       /* the job has ended */
    zis_buf data;     /* JSON, one line; freed by the caller */
} zis_job_event;

/* The first event behind number `after`; false when there is none (yet). */
ZIS_MUST_USE bool zis_jobs_next_event(zis_jobs *jobs,
                                      const zis_jobs_filter *f,
                                      uint64_t after,
                                      zis_job_event *out);
/* Number of the latest change of all. */
uint64_t zis_jobs_now(zis_jobs *jobs);

/* ---- the whole ----------------------------------------------------------------------------- */

typedef struct zis_jobs_status {
    bool stopping;
    int waiting, waiting_most;
    char running[ZIS_JOB_ID + 1];       /* or "" */
    char model[96];                     /* of the last job that ran, or "" */
    char loaded[ZIS_ENGINE_LOADED][96]; /* models that are open, those used last first */
    int n_loaded;
    char isa[24], dtype[8]; /* likewise */
    const char *device;
    int threads;
    uint64_t ended[ZIS_JOB_STATE_COUNT]; /* jobs so far, by their final state */
    uint64_t pictures;
    double busy_seconds; /* of the worker */
    uint64_t kept_bytes;
    int kept;
} zis_jobs_status;

void zis_jobs_get_status(zis_jobs *jobs, zis_jobs_status *out);

/* Forgets results that are too old; called now and then. */
void zis_jobs_tidy(zis_jobs *jobs);

#endif
