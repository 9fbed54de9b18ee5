/* jobs_impl.h - what the files of the queue share: the job, the lock, who may touch what.
 *
 * `lock` guards everything but what is marked; the worker works without it on its own job's
 * request, which nobody else reads while the job runs. */
#ifndef ZIS_STUDIO_JOBS_IMPL_H
#define ZIS_STUDIO_JOBS_IMPL_H

#include "studio/jobs.h"

#include <pthread.h>

typedef struct zis_job_kept {
    zis_job_picture info;
    char *json; /* its element of `images`; NULL for a job of an earlier process */
    uint64_t number;
} zis_job_kept;

typedef struct zis_job zis_job;
struct zis_job {
    zis_job *next; /* in the order of their making, newest first */
    char id[ZIS_JOB_ID + 1];
    char session[ZIS_JOB_SESSION + 1];
    zis_job_state state;
    zis_request request; /* the worker's while running; gone afterwards */
    bool has_request;
    char *asked;  /* JSON of the request as given, then as run; gone afterwards */
    char *result; /* JSON members that the engine told at its end, or NULL; gone afterwards */
    zis_picture_kind format;
    bool metadata, upscale, control, cancel_on_disconnect;
    void *user;
    atomic_bool cancel;
    int position;
    int attempt;
    int estimate;
    double created, started, finished;
    double began; /* monotonic */
    zis_engine_progress progress;
    double overall;
    double last_told; /* monotonic: of the last progress event */
    zis_buf preview;  /* JPEG */
    int preview_width, preview_height, preview_step, preview_of, preview_picture;
    zis_job_kept *pictures;
    int n_pictures;
    zis_error error;
    /* numbers of the latest change of each kind; 0: none */
    uint64_t n_queued, n_started, n_progress, n_preview, n_final;
    /* known at the end */
    char *text; /* the object, of a job that has ended */
    size_t text_bytes;
    uint64_t disk_bytes;
    bool saved; /* its list is on disk */
};

struct zis_jobs {
    zis_jobs_options o; /* constant; strings are our own */
    char *folder;
    char *device, *isa_limit;
    pthread_mutex_t lock;
    pthread_cond_t work;  /* for the worker: a job, or the end */
    pthread_cond_t ended; /* for stop */
    pthread_t worker;
    bool has_lock, has_worker;
    bool stopping, quit;
    zis_job *jobs;    /* newest first */
    zis_job *running; /* or NULL */
    int waiting;
    uint64_t number;
    zis_jobs_status status; /* totals; not the queue */
    zis_engine *engine;     /* the worker's */
};

/* All with the lock held. */
zis_job *zis_jobs_find(zis_jobs *jobs, const char *id);
zis_job *zis_jobs_oldest_waiting(zis_jobs *jobs);
void zis_jobs_renumber(zis_jobs *jobs);

/* Text of a job as if in this state; appended. Lock held, or by the worker of its own job. */
void zis_jobs_write_object(zis_buf *out,
                           const zis_jobs *jobs,
                           const zis_job *j,
                           zis_job_state state);
void zis_jobs_write_progress(zis_buf *out, const zis_job *j);
/* New string: `images` element; no lock needed. */
char *zis_jobs_picture_json(const char *id,
                            const zis_job_picture *p,
                            const char *parameters,
                            const char *recipe);
/* New strings: the fields of a request, as an object (null: the model decides, before the request
 * is complete); what the engine tells at the end, as members
 * that follow each other. No lock needed. */
char *zis_jobs_request_json(const zis_request *r, bool complete);
char *zis_jobs_result_json(const zis_engine_result *r);
/* Lock held, or before the job is in the list. */
int zis_jobs_estimate(const zis_job *j, double multiplier);

/* One job from start to end, in the worker without the lock; the job is still running then. */
ZIS_MUST_USE zis_status zis_jobs_work(zis_jobs *jobs, zis_job *j, zis_error *err);

/* Disk. New strings; NULL without memory. */
char *zis_jobs_path(const zis_jobs *jobs, const char *id, int index, zis_picture_kind kind);
/* Writes the object and what is needed to find the job again; by the worker, without the lock. */
ZIS_MUST_USE zis_status
zis_jobs_save(zis_jobs *jobs, zis_job *j, zis_job_state state, const zis_buf *text, zis_error *err);
/* Reads what earlier processes left, at the start. */
ZIS_MUST_USE zis_status zis_jobs_load(zis_jobs *jobs, zis_error *err);
void zis_jobs_remove_files(zis_jobs *jobs, const zis_job *j);
/* Unlinks the job, deletes its files and frees it. Lock held. */
void zis_jobs_forget(zis_jobs *jobs, zis_job *j);
void zis_jobs_free(zis_jobs *jobs, zis_job *j);
/* Lock held. */
void zis_jobs_evict(zis_jobs *jobs);

static inline void zis_jobs_tell(zis_jobs *jobs)
{
    if (jobs->o.changed) jobs->o.changed(jobs->o.arg);
}

#endif
