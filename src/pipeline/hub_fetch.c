/* Jobs (blobs), connections, and the loop that brings them together. */
#include "pipeline/hub_fetch.h"

#include "base/os.h"
#include "pipeline/hub_transfer.h"
#include "pipeline/hub_verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOPS_MAX 8
/* The hash goes from the start on, so it waits for the slowest of the connections' first stretches:
 * with 256 MB it had half of a file of 2 GB still to do when the other half came. */
#define STRETCH_MAX ((uint64_t)32 << 20)
/* So much must have come before failures are counted anew. */
#define PROGRESS_BYTES ((uint64_t)64 << 10)
/* Answers of a file that may be not what the Hub listed, before that is believed. */
#define ODD_MAX 2
#define POKE_BYTES ((uint64_t)4 << 20)
#define POKE_SECONDS 0.05
#define LOCK_SECONDS 0.5
#define TELL_SECONDS 0.2
/* Between two looks at the cancel flag. */
#define POLL_SECONDS 0.1
/* Longer waits are for a person to decide. */
#define WAIT_MAX 900.0
/* Left free on the disk. */
#define SPARE_BYTES ((uint64_t)64 << 20)

typedef enum job_state {
    JOB_WAITING,
    JOB_OPEN, /* has its lock */
    JOB_DONE
} job_state;

/* One blob. */
typedef struct job {
    const zis_hub_plan *plan;
    const zis_hub_item *item;
    job_state state;
    zis_hub_blob *blob;
    zis_hub_check *check;
    char *own;      /* its address at the Hub */
    char *location; /* behind redirects, or NULL: ask the Hub */
    bool known;     /* the address has given bytes: more connections may ask there */
    bool plain;     /* the server gives whole files only */
    bool told;      /* that it waits for another process */
    int transfers;
    int hops;
    int failures;    /* in a row without progress */
    int wrong;       /* times that the hash was wrong */
    int odd;         /* answers that were not what the Hub listed */
    int changes;     /* times that the server's ETag was another */
    uint64_t best;   /* most bytes that were there at a failure */
    double ready_at; /* not before */
    zis_error why;   /* of the last failure */
} job;

typedef struct fetch {
    zis_hub_http *http;
    zis_hub_verify *verify;
    const zis_hub_plan *plans;
    size_t n_plans;
    job *jobs;
    size_t n;
    zis_hub_transfer *slots;
    job **slot_job;
    int n_slots;
    double quiet_until; /* the Hub asked for a pause */
    uint64_t total;
    double told_at, rate_at, rate;
    uint64_t received, rate_bytes;
    uint64_t unhashed; /* bytes that the other thread was not told of */
    double poked_at;
} fetch;

/* ---- words --------------------------------------------------------------------------------- */

static void tell_file(const fetch *f, const job *j, const char *how)
{
    zis_hub_tell(f->http->hooks, &(zis_hub_event){.kind = ZIS_HUB_EVENT_FILE,
                                                  .repo = j->plan->repo.id,
                                                  .path = j->item->file->path,
                                                  .text = how,
                                                  .total = j->item->file->size});
}

static void tell_progress(fetch *f, bool last)
{
    double now = zis_os_now();
    if (now - f->told_at < TELL_SECONDS && !last) return;
    uint64_t bytes = 0;
    for (size_t i = 0; i < f->n; i++) {
        const job *j = &f->jobs[i];
        bytes += j->state == JOB_DONE ? j->item->file->size
                 : j->blob            ? zis_hub_blob_have(j->blob)
                                      : j->item->have;
    }
    double past = now - f->rate_at;
    if (past >= 0.5) {
        double fresh = (double)(f->received - f->rate_bytes) / past;
        double weight = past < 5 ? past / 5 : 1; /* an average over about five seconds */
        f->rate = f->rate > 0 ? f->rate + (fresh - f->rate) * weight : fresh;
        f->rate_at = now;
        f->rate_bytes = f->received;
    }
    f->told_at = now;
    double left = f->rate > 1 && bytes <= f->total ? (double)(f->total - bytes) / f->rate : -1;
    zis_hub_tell(f->http->hooks, &(zis_hub_event){.kind = ZIS_HUB_EVENT_PROGRESS,
                                                  .bytes = bytes,
                                                  .total = f->total,
                                                  .rate = f->rate,
                                                  .seconds = left});
}

static zis_status file_error(const job *j, zis_error *err)
{
    return zis_fail(err, j->why.code ? j->why.code : ZIS_IO, "%s/%.120s: %.300s", j->plan->repo.id,
                    j->item->file->path, j->why.text);
}

/* ---- jobs ---------------------------------------------------------------------------------- */

static void job_deinit(fetch *f, job *j)
{
    if (f->verify) zis_hub_verify_remove(f->verify, &j->check);
    zis_hub_blob_close(&j->blob);
    free(j->own);
    free(j->location);
    j->own = j->location = NULL;
}

static zis_status job_done(fetch *f, job *j, const char *how, zis_error *err)
{
    const zis_hub_file *file = j->item->file;
    zis_status st = zis_hub_repo_link(&j->plan->repo, j->plan->commit, file->path, file->etag, err);
    if (st) return st;
    job_deinit(f, j);
    j->state = JOB_DONE;
    tell_file(f, j, how);
    return ZIS_OK;
}

/* Bytes that another entry of the cache has, or that another process has brought meanwhile. */
static zis_status try_here(fetch *f, job *j, zis_error *err)
{
    const zis_hub_file *file = j->item->file;
    const zis_hub_repo *repo = &j->plan->repo;
    bool there = false;
    char *twin = NULL;
    if (j->item->damaged) return ZIS_OK;
    zis_status st = zis_hub_repo_has_blob(repo, file->etag, file->size, &there);
    if (st) return zis_fail_nomem(err, file->path);
    if (there) return job_done(f, j, "present", err);
    if (j->item->state == ZIS_HUB_PRESENT) { /* the snapshot's own file: no links on this disk */
        j->state = JOB_DONE;
        tell_file(f, j, "present");
        return ZIS_OK;
    }
    if (zis_hub_repo_find_twin(repo, file->etag, file->size, &twin))
        return zis_fail_nomem(err, file->path);
    if (twin) st = zis_hub_repo_take_twin(repo, file->etag, twin, &there, err);
    free(twin);
    return !st && there ? job_done(f, j, "shared", err) : st;
}

static zis_status make_address(fetch *f, job *j, zis_error *err)
{
    zis_buf url = {0};
    zis_buf_printf(&url, "%s/%s/resolve/%s/", f->http->config->endpoint, j->plan->repo.id,
                   j->plan->commit);
    zis_hub_api_escape(&url, j->item->file->path, true);
    if (url.failed) {
        zis_buf_free(&url);
        return zis_fail_nomem(err, j->item->file->path);
    }
    j->own = url.data;
    return ZIS_OK;
}

/* Whether the same bytes are on their way for an earlier plan: they will be shared. */
static bool comes_earlier(const fetch *f, const job *j)
{
    for (const job *k = f->jobs; k < j; k++)
        if (k->state != JOB_DONE && strcmp(k->item->file->etag, j->item->file->etag) == 0)
            return true;
    return false;
}

/* Takes the lock; the state tells what came of it. */
static zis_status job_open(fetch *f, job *j, zis_error *err)
{
    const zis_hub_file *file = j->item->file;
    bool busy = false;
    zis_status st = try_here(f, j, err);
    if (st || j->state == JOB_DONE) return st;
    st = zis_hub_blob_open(&j->blob, &busy, &j->plan->repo, file->etag, file->size, err);
    if (st) return st;
    if (busy) {
        j->ready_at = zis_os_now() + LOCK_SECONDS;
        if (!j->told)
            zis_hub_tell(f->http->hooks, &(zis_hub_event){.kind = ZIS_HUB_EVENT_LOCKED,
                                                          .repo = j->plan->repo.id,
                                                          .path = file->path});
        j->told = true;
        return ZIS_OK;
    }
    /* once more under the lock: who had it may have finished */
    bool there = false;
    st = j->item->damaged ? ZIS_OK
                          : zis_hub_repo_has_blob(&j->plan->repo, file->etag, file->size, &there);
    if (st) return zis_fail_nomem(err, file->path);
    if (there) {
        zis_hub_blob_drop(j->blob);
        return job_done(f, j, "present", err);
    }
    st = make_address(f, j, err);
    if (!st) st = zis_hub_verify_add(f->verify, &j->check, j->blob, file->etag, file->size, err);
    j->state = JOB_OPEN;
    return st;
}

/* Asks the Hub itself again the next time. */
static void forget_location(job *j)
{
    free(j->location);
    j->location = NULL;
    j->known = false;
    j->hops = 0;
}

/* Counts a failure and sets the time of the next try. All connections that break at once are one
 * failure: later ones fall into the pause of the first. */
static zis_status job_failed(fetch *f, job *j, double wish, bool everybody, zis_error *err)
{
    const zis_hub_config *c = f->http->config;
    uint64_t have = zis_hub_blob_have(j->blob);
    if (zis_os_now() < j->ready_at && wish <= 0) return ZIS_OK;
    if (have >= j->best + PROGRESS_BYTES) {
        j->failures = 0;
        j->best = have;
    }
    if (++j->failures > c->retries) return file_error(j, err);
    if (wish > WAIT_MAX)
        return zis_fail(err, ZIS_IO, "the Hub asks to wait %.0f minutes; try again then",
                        wish / 60);
    double wait = zis_hub_config_wait(c, j->failures, wish, zis_os_random() / 4294967296.0);
    j->ready_at = zis_os_now() + wait;
    if (everybody && j->ready_at > f->quiet_until) f->quiet_until = j->ready_at;
    zis_hub_tell(f->http->hooks, &(zis_hub_event){.kind = ZIS_HUB_EVENT_RETRY,
                                                  .repo = j->plan->repo.id,
                                                  .path = j->item->file->path,
                                                  .text = j->why.text,
                                                  .seconds = wait});
    return ZIS_OK;
}

/* ---- the hash ------------------------------------------------------------------------------ */

static zis_status start_over(fetch *f, job *j, zis_error *err)
{
    const zis_hub_file *file = j->item->file;
    zis_hub_verify_remove(f->verify, &j->check);
    zis_status st = zis_hub_blob_reset(j->blob, err);
    if (!st) st = zis_hub_verify_add(f->verify, &j->check, j->blob, file->etag, file->size, err);
    return st;
}

static zis_status hash_wrong(fetch *f, job *j, const char *found, zis_error *err)
{
    zis_fail(&j->why, ZIS_FORMAT,
             "what came has the hash %.12s..., the Hub lists %.12s...; it was deleted", found,
             j->item->file->etag);
    forget_location(j);
    if (j->wrong++ > 0) {
        zis_hub_verify_remove(f->verify, &j->check);
        zis_hub_blob_drop(j->blob);
        return file_error(j, err);
    }
    zis_status st = start_over(f, j, err);
    return st ? st : job_failed(f, j, 0, false, err);
}

static zis_status look_at_hash(fetch *f, job *j, zis_error *err)
{
    const char *found = NULL;
    zis_error why = {0};
    switch (zis_hub_verify_state(f->verify, j->check, &found, &why)) {
    case ZIS_HUB_CHECK_RIGHT: {
        zis_hub_verify_remove(f->verify, &j->check);
        zis_status st = zis_hub_blob_finish(j->blob, err);
        return st ? st : job_done(f, j, "downloaded", err);
    }
    case ZIS_HUB_CHECK_WRONG:
        return hash_wrong(f, j, found, err);
    case ZIS_HUB_CHECK_FAILED:
        if (err) *err = why;
        return why.code ? why.code : ZIS_IO;
    default:
        return ZIS_OK;
    }
}

/* ---- connections --------------------------------------------------------------------------- */

/* Large pieces at first, smaller ones towards the end, so that all connections end together. */
static uint64_t stretch(const fetch *f, const job *j)
{
    uint64_t left = j->item->file->size - zis_hub_blob_have(j->blob);
    uint64_t most = left / (uint64_t)(2 * f->n_slots);
    if (most > STRETCH_MAX) most = STRETCH_MAX;
    return most < ZIS_HUB_CHUNK ? ZIS_HUB_CHUNK : most;
}

/* Starts a connection for this job if it has something to ask. */
static zis_status try_start(fetch *f, int slot, job *j, bool *started, zis_error *err)
{
    uint64_t from, to, size = j->item->file->size;
    bool alone = j->plain || !j->known; /* one connection finds out where it lies */
    if (alone && j->transfers > 0) return ZIS_OK;
    if (!zis_hub_blob_claim(j->blob, j->plain ? size : stretch(f, j), &from, &to)) return ZIS_OK;
    if (j->plain) { /* from the start, over all that is there */
        zis_hub_blob_release(j->blob, from, to);
        from = 0;
        to = size;
    }
    zis_status st =
        zis_hub_transfer_start(&f->slots[slot], j->location ? j->location : j->own, j->blob,
                               j->item->file->etag, j->plan->commit, size, from, to, j->plain, err);
    if (st) return st;
    f->slot_job[slot] = j;
    j->transfers++;
    *started = true;
    return ZIS_OK;
}

static zis_status fill_slot(fetch *f, int slot, bool *started, zis_error *err)
{
    double now = zis_os_now();
    int open = 0;
    zis_status st = ZIS_OK;
    if (now < f->quiet_until) return ZIS_OK;
    for (size_t i = 0; i < f->n && !st && !*started; i++) {
        job *j = &f->jobs[i];
        if (j->state == JOB_DONE || now < j->ready_at) continue;
        if (j->state == JOB_WAITING) {
            if (open >= f->n_slots) break;
            if (!comes_earlier(f, j)) st = job_open(f, j, err);
        }
        if (j->state != JOB_OPEN || st) continue;
        open++;
        st = try_start(f, slot, j, started, err);
    }
    return st;
}

/* Other connections of a job whose server turned out to give whole files only. */
static void stop_others(fetch *f, job *j)
{
    for (int i = 0; i < f->n_slots; i++) {
        zis_hub_transfer *t = &f->slots[i];
        if (!t->blob || f->slot_job[i] != j) continue;
        zis_hub_blob_release(t->blob, t->from, t->to);
        zis_hub_transfer_stop(t);
        f->slot_job[i] = NULL;
        j->transfers--;
    }
}

static zis_status refused(fetch *f, job *j, const zis_hub_transfer *t, long status, zis_error *err)
{
    zis_hub_http_refuse(f->http, status, &t->head, j->plan->repo.id, j->item->file->path, &j->why);
    if (!j->location) { /* the Hub itself said so */
        if (err) *err = j->why;
        return j->why.code;
    }
    forget_location(j); /* signed addresses expire */
    return job_failed(f, j, 0, false, err);
}

static zis_status redirected(job *j, char *location, zis_error *err)
{
    if (++j->hops > HOPS_MAX) {
        free(location);
        zis_fail(&j->why, ZIS_IO, "the Hub redirects in circles");
        return file_error(j, err);
    }
    free(j->location);
    j->location = location;
    return ZIS_OK;
}

/* The whole file came for a part. With another ETag than before it may be another file: the Hub is
 * asked again, and what is there stays, for the hash to judge. Else the server cannot do parts. */
static zis_status no_range(fetch *f, job *j)
{
    stop_others(f, j);
    if (*zis_hub_blob_validator(j->blob) && j->changes++ < ODD_MAX) {
        zis_hub_blob_set_validator(j->blob, "");
        forget_location(j);
    } else {
        j->plain = true;
    }
    return ZIS_OK;
}

/* One connection has ended. */
static zis_status take_end(fetch *f, int slot, CURLcode code, zis_error *err)
{
    zis_hub_transfer *t = &f->slots[slot];
    job *j = f->slot_job[slot];
    long status;
    double wish;
    char *location;
    zis_hub_end end = zis_hub_transfer_end(t, code, &status, &wish, &location);
    zis_hub_blob_release(j->blob, t->from, t->to);
    f->slot_job[slot] = NULL;
    j->transfers--;
    j->why = t->error;
    switch (end) {
    case ZIS_HUB_END_WHOLE:
        j->known = true;
        j->failures = j->hops = 0;
        return ZIS_OK;
    case ZIS_HUB_END_REDIRECT:
        return redirected(j, location, err);
    case ZIS_HUB_END_BUSY:
        return job_failed(f, j, wish, status == 429, err);
    case ZIS_HUB_END_REFUSED:
        return refused(f, j, t, status, err);
    case ZIS_HUB_END_NO_RANGE:
        return no_range(f, j);
    case ZIS_HUB_END_RANGE:
    case ZIS_HUB_END_OTHER:
        if (++j->odd > ODD_MAX) return file_error(j, err);
        zis_hub_blob_set_validator(j->blob, "");
        forget_location(j);
        return job_failed(f, j, 0, false, err);
    case ZIS_HUB_END_FATAL:
        return file_error(j, err);
    default:
        return job_failed(f, j, 0, false, err);
    }
}

/* ---- the loop ------------------------------------------------------------------------------ */

static zis_status take_messages(fetch *f, zis_error *err)
{
    const zis_hub_lib *l = &f->http->lib;
    zis_status st = ZIS_OK;
    int left;
    for (CURLMsg *m; !st && (m = l->multi_info_read(f->http->multi, &left));) {
        if (m->msg != CURLMSG_DONE) continue;
        f->poked_at = 0; /* the end of a file is hashed at once */
        CURLcode code = m->data.result;
        for (int i = 0; i < f->n_slots; i++)
            if (f->slots[i].easy == m->easy_handle && f->slots[i].blob) {
                st = take_end(f, i, code, err);
                break;
            }
    }
    return st;
}

/* Bytes of all blobs that are open. */
static uint64_t sum_have(const fetch *f)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < f->n; i++)
        if (f->jobs[i].blob) sum += zis_hub_blob_have(f->jobs[i].blob);
    return sum;
}

/* Moves the connections on; an address that gives bytes has proven itself. */
static zis_status perform(fetch *f, zis_error *err)
{
    int running = 0;
    uint64_t before = sum_have(f);
    if (f->http->lib.multi_perform(f->http->multi, &running) != CURLM_OK)
        return zis_fail_nomem(err, "a connection");
    uint64_t after = sum_have(f);
    for (int i = 0; i < f->n_slots; i++)
        if (f->slots[i].blob && f->slots[i].at > f->slots[i].from) f->slot_job[i]->known = true;
    if (after > before) {
        f->received += after - before;
        f->unhashed += after - before;
    }
    return ZIS_OK;
}

/* Wakes the thread that hashes: not for every buffer, which would cost a switch each. */
static void poke(fetch *f)
{
    double now = zis_os_now();
    if (!f->unhashed || (f->unhashed < POKE_BYTES && now - f->poked_at < POKE_SECONDS)) return;
    f->unhashed = 0;
    f->poked_at = now;
    zis_hub_verify_poke(f->verify);
}

/* Milliseconds until something is due that no socket tells: a retry, a lock, the next look. */
static int patience(const fetch *f)
{
    double now = zis_os_now(), left = POLL_SECONDS;
    for (size_t i = 0; i < f->n; i++) {
        const job *j = &f->jobs[i];
        if (j->state == JOB_DONE || j->transfers > 0) continue;
        double due = j->ready_at > f->quiet_until ? j->ready_at : f->quiet_until;
        if (due > now && due - now < left) left = due - now;
    }
    return (int)(left * 1000) + 1;
}

static zis_status step(fetch *f, bool *all_done, zis_error *err)
{
    bool started = true;
    zis_status st = zis_hub_http_cancelled(f->http, err);
    for (int i = 0; i < f->n_slots && !st && started; i++) {
        if (f->slots[i].blob) continue;
        started = false;
        st = fill_slot(f, i, &started, err);
    }
    if (!st) st = perform(f, err);
    if (!st) st = take_messages(f, err);
    poke(f);
    *all_done = true;
    for (size_t i = 0; i < f->n && !st; i++) {
        job *j = &f->jobs[i];
        if (j->state == JOB_OPEN && j->transfers == 0) st = look_at_hash(f, j, err);
        if (j->state != JOB_DONE) *all_done = false;
    }
    if (st) return st;
    tell_progress(f, *all_done);
    if (!*all_done) f->http->lib.multi_poll(f->http->multi, NULL, 0, patience(f), NULL);
    return ZIS_OK;
}

static void wake(void *arg)
{
    zis_hub_http *h = arg;
    h->lib.multi_wakeup(h->multi);
}

/* ---- before and after ---------------------------------------------------------------------- */

static zis_status check_space(const fetch *f, zis_error *err)
{
    uint64_t need = 0;
    const char *root = f->http->config->cache;
    for (size_t i = 0; i < f->n_plans; i++) need += f->plans[i].missing;
    uint64_t room = zis_hub_repo_free_space(root);
    if (need == 0 || room == UINT64_MAX || need + SPARE_BYTES <= room) return ZIS_OK;
    return zis_fail(err, ZIS_IO,
                    "the download needs %.2f GB, but only %.2f GB are free at '%s'; make room, or "
                    "set HF_HUB_CACHE to a folder on a larger disk",
                    (double)need / 1e9, (double)room / 1e9, root);
}

static void add_jobs(fetch *f, const zis_hub_plan *p, bool small)
{
    for (size_t i = 0; i < p->n; i++) {
        const zis_hub_item *it = &p->items[i];
        if ((it->file->size < ZIS_HUB_CHUNK) != small) continue;
        f->jobs[f->n++] = (job){.plan = p, .item = it};
        f->total += it->file->size;
    }
}

/* Small files first: what is wrong with a repository shows early. */
static zis_status prepare(fetch *f, zis_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < f->n_plans; i++) n += f->plans[i].n;
    f->n_slots = f->http->config->connections;
    f->jobs = zis_mem_zalloc(n, sizeof *f->jobs);
    f->slots = zis_mem_zalloc((size_t)f->n_slots, sizeof *f->slots);
    f->slot_job = zis_mem_zalloc((size_t)f->n_slots, sizeof(job *));
    if (!f->jobs || !f->slots || !f->slot_job) return zis_fail_nomem(err, "the download");
    zis_status st = ZIS_OK;
    for (size_t i = 0; i < f->n_plans && !st; i++) {
        add_jobs(f, &f->plans[i], true);
        add_jobs(f, &f->plans[i], false);
        st = zis_hub_repo_make(&f->plans[i].repo, err);
    }
    for (int i = 0; i < f->n_slots && !st; i++)
        st = zis_hub_transfer_init(&f->slots[i], f->http, err);
    if (!st) st = zis_hub_verify_create(&f->verify, &f->http->lib, wake, f->http, err);
    f->rate_at = f->told_at = zis_os_now();
    return st;
}

/* Files of the commit that nobody asked for now, but whose bytes an earlier fetch brought: the
 * snapshot shows them, too, as refs will point to it. */
static zis_status link_others(const zis_hub_plan *p, zis_error *err)
{
    zis_status st = ZIS_OK;
    for (size_t i = 0; i < p->tree.n && !st; i++) {
        const zis_hub_file *file = &p->tree.files[i];
        bool there = false;
        if (zis_hub_repo_has_blob(&p->repo, file->etag, file->size, &there))
            st = zis_fail_nomem(err, file->path);
        if (!st && there) st = zis_hub_repo_link(&p->repo, p->commit, file->path, file->etag, err);
    }
    return st;
}

static zis_status close_plan(const fetch *f, const zis_hub_plan *p, zis_error *err)
{
    zis_status st = link_others(p, err);
    if (!st) st = zis_hub_repo_set_ref(&p->repo, p->revision, p->commit, err);
    char *snapshot = st ? NULL : zis_hub_plan_snapshot(p);
    if (!st && !snapshot) st = zis_fail_nomem(err, p->repo.id);
    if (!st)
        zis_hub_tell(f->http->hooks, &(zis_hub_event){.kind = ZIS_HUB_EVENT_REPO,
                                                      .repo = p->repo.id,
                                                      .path = snapshot,
                                                      .total = p->bytes});
    free(snapshot);
    return st;
}

zis_status zis_hub_fetch(zis_hub_http *http, const zis_hub_plan *plans, size_t n, zis_error *err)
{
    fetch f = {.http = http, .plans = plans, .n_plans = n};
    bool done = false;
    zis_status st = check_space(&f, err);
    if (!st) st = prepare(&f, err);
    while (!st && !done) st = step(&f, &done, err);
    for (size_t i = 0; i < n && !st; i++) st = close_plan(&f, &plans[i], err);
    for (int i = 0; f.slots && i < f.n_slots; i++) zis_hub_transfer_deinit(&f.slots[i]);
    for (size_t i = 0; i < f.n; i++) job_deinit(&f, &f.jobs[i]);
    zis_hub_verify_destroy(&f.verify);
    free(f.jobs);
    free(f.slots);
    free(f.slot_job);
    return st;
}

zis_status zis_hub_fetch_one(const zis_hub_want *want,
                             const zis_hub_hooks *hooks,
                             const atomic_bool *cancel,
                             zis_error *err)
{
    zis_hub_config config = {0};
    zis_hub_http http = {0};
    zis_hub_plan plan = {0};
    zis_status st = zis_hub_config_init(&config, err);
    if (!st) st = zis_hub_http_open(&http, &config, hooks, cancel, err);
    if (!st) st = zis_hub_plan_make(&plan, &http, want, NULL, 0, err);
    if (!st) st = zis_hub_fetch(&http, &plan, 1, err);
    zis_hub_plan_deinit(&plan);
    zis_hub_http_close(&http);
    zis_hub_config_deinit(&config);
    return st;
}
