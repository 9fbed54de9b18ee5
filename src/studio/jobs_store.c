/* Results on disk: ID-0.png, ID-1.png, ... and ID.job, whose first line tells what is needed to
 * find them again and whose second is the job's object as the API shows it. */
#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"
#include "pipeline/jsonout.h"
#include "studio/jobs_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Ended jobs in memory: how many, and the bytes of their texts. */
#define KEEP_JOBS 2000
#define KEEP_TEXT ((uint64_t)64 << 20)
#define JOB_FILE_MOST ((size_t)16 << 20)
/* Pictures that the first line can tell of: it is read by a reader of small documents. */
#define HEAD_MOST ((size_t)60 << 10)

static const char *const endings[] = {
    [ZIS_PICTURE_PNG] = "png",
    [ZIS_PICTURE_JPEG] = "jpg",
    [ZIS_PICTURE_WEBP] = "webp",
};

char *zis_jobs_path(const zis_jobs *jobs, const char *id, int index, zis_picture_kind kind)
{
    return zis_mem_printf("%s/%s-%d.%s", jobs->folder, id, index, endings[kind]);
}

static char *job_path(const zis_jobs *jobs, const char *id)
{
    return zis_mem_printf("%s/%s.job", jobs->folder, id);
}

zis_status zis_jobs_save(
    zis_jobs *jobs, zis_job *j, zis_job_state state, const zis_buf *text, zis_error *err)
{
    zis_buf file = {0};
    char *path = job_path(jobs, j->id);
    zis_status st = ZIS_OK;
    zis_buf_printf(&file,
                   "{\"session\": \"%s\", \"state\": %d, \"created\": %.3f, \"finished\": %.3f, "
                   "\"format\": %d, \"pictures\": [",
                   j->session, (int)state, j->created, j->finished, (int)j->format);
    j->disk_bytes = 0;
    for (int i = 0; i < j->n_pictures; i++) {
        const zis_job_picture *p = &j->pictures[i].info;
        zis_buf_printf(&file, "%s[%d, %d, %lld, %zu]", i ? ", " : "", p->width, p->height,
                       (long long)p->seed, p->bytes);
        j->disk_bytes += p->bytes;
    }
    zis_buf_puts(&file, "]}\n");
    zis_buf_append(&file, text->data, text->len);
    zis_buf_putc(&file, '\n');
    if (!path || file.failed) st = zis_fail_nomem(err, "the result");
    if (!st) st = zis_os_write_file(path, file.data, file.len, err);
    if (!st) {
        j->disk_bytes += file.len;
        j->saved = true;
    }
    zis_buf_free(&file);
    free(path);
    return st;
}

void zis_jobs_remove_files(zis_jobs *jobs, const zis_job *j)
{
    if (!j->n_pictures && !j->saved) return;
    /* The list first: a picture without it is nothing, it without a picture would be a lie. */
    char *path = job_path(jobs, j->id);
    if (path) unlink(path);
    free(path);
    for (int i = 0; i < j->n_pictures; i++) {
        path = zis_jobs_path(jobs, j->id, i, j->pictures[i].info.format);
        if (path) unlink(path);
        free(path);
    }
}

static zis_job *oldest_ended(zis_jobs *jobs)
{
    zis_job *oldest = NULL;
    for (zis_job *j = jobs->jobs; j; j = j->next)
        if (j->n_final && (!oldest || j->finished < oldest->finished)) oldest = j;
    return oldest;
}

void zis_jobs_evict(zis_jobs *jobs)
{
    double now = zis_os_wall();
    for (;;) {
        uint64_t text = 0;
        for (const zis_job *j = jobs->jobs; j; j = j->next) text += j->text_bytes;
        zis_job *j = oldest_ended(jobs);
        if (!j) return;
        bool full = jobs->status.kept > KEEP_JOBS || text > KEEP_TEXT ||
                    jobs->status.kept_bytes > jobs->o.keep_bytes;
        if (!full && now - j->finished <= jobs->o.keep_seconds) return;
        zis_jobs_forget(jobs, j);
    }
}

/* ---- reading ------------------------------------------------------------------------------- */

static bool is_job_name(const char *name)
{
    return strlen(name) == ZIS_JOB_ID + 4 && strspn(name, "0123456789abcdef") == ZIS_JOB_ID &&
           strcmp(name + ZIS_JOB_ID, ".job") == 0;
}

static zis_status read_pictures(zis_job *j, const zis_json_doc *head, zis_error *err)
{
    int64_t n = 0, format = 0;
    char key[40];
    zis_status st = zis_json_doc_int(head, "pictures.#", 0, ZIS_REQUEST_MAX_BATCH, &n, err);
    if (!st) st = zis_json_doc_int(head, "format", 0, ZIS_PICTURE_WEBP, &format, err);
    if (st || !n) return st; /* cancelled by a stop, before its first */
    j->pictures = zis_mem_zalloc((size_t)n, sizeof *j->pictures);
    if (!j->pictures) return zis_fail_nomem(err, "the results");
    j->format = (zis_picture_kind)format;
    for (int i = 0; i < n && !st; i++) {
        int64_t v[4] = {0};
        for (int k = 0; k < 4 && !st; k++) {
            snprintf(key, sizeof key, "pictures.%d.%d", i, k);
            st = zis_json_doc_int(head, key, 0, INT64_MAX, &v[k], err);
        }
        j->pictures[i].info =
            (zis_job_picture){i, (int)v[0], (int)v[1], v[2], j->format, (size_t)v[3]};
        j->disk_bytes += (uint64_t)v[3];
    }
    j->n_pictures = (int)n;
    return st;
}

/* Fills j from the bytes of a file. */
static zis_status read_job(zis_job *j, char *bytes, size_t n, zis_error *err)
{
    zis_json_doc *head = NULL;
    int64_t state = 0;
    char *line = memchr(bytes, '\n', n);
    if (!line || (size_t)(line - bytes) > HEAD_MOST)
        return zis_fail(err, ZIS_FORMAT, "no first line");
    zis_status st = zis_json_doc_parse(&head, "a result", bytes, (size_t)(line - bytes), err);
    if (!st) st = zis_json_doc_int(head, "state", ZIS_JOB_DONE, ZIS_JOB_CANCELLED, &state, err);
    if (!st) st = zis_json_doc_double(head, "created", 0, 1e12, &j->created, err);
    if (!st) st = zis_json_doc_double(head, "finished", 0, 1e12, &j->finished, err);
    if (!st) st = read_pictures(j, head, err);
    if (!st && !j->n_pictures && state == ZIS_JOB_DONE)
        st = zis_fail(err, ZIS_FORMAT, "no pictures");
    if (!st) {
        const char *session = zis_json_doc_string(head, "session");
        j->state = (zis_job_state)state;
        snprintf(j->session, sizeof j->session, "%s", session ? session : "");
        j->text_bytes = n - (size_t)(line + 1 - bytes);
        if (j->text_bytes && line[j->text_bytes] == '\n') j->text_bytes--;
        j->text = zis_mem_strndup(line + 1, j->text_bytes);
        j->disk_bytes += n;
        j->saved = true;
        if (!j->text) st = zis_fail_nomem(err, "the results");
    }
    zis_json_doc_destroy(&head);
    return st;
}

static bool files_are_there(const zis_jobs *jobs, const zis_job *j)
{
    bool all = true;
    for (int i = 0; i < j->n_pictures && all; i++) {
        char *path = zis_jobs_path(jobs, j->id, i, j->format);
        all = path && zis_os_is_file(path);
        free(path);
    }
    return all;
}

/* Files that are no whole result (a crash in between) are removed. */
static zis_status load_one(zis_jobs *jobs, const char *name, zis_error *err)
{
    char *bytes = NULL;
    size_t n = 0;
    char *path = zis_os_join(jobs->folder, name);
    zis_job *j = zis_mem_zalloc(1, sizeof *j);
    zis_status st = path && j ? ZIS_OK : zis_fail_nomem(err, "the results");
    if (!st) st = zis_os_read_file(&bytes, &n, path, JOB_FILE_MOST, err);
    if (!st) {
        memcpy(j->id, name, ZIS_JOB_ID);
        st = read_job(j, bytes, n, err);
    }
    if (!st && files_are_there(jobs, j)) {
        j->n_final = ++jobs->number;
        jobs->status.kept++;
        jobs->status.kept_bytes += j->disk_bytes;
        j->next = jobs->jobs;
        jobs->jobs = j;
        j = NULL;
    } else if (st != ZIS_NOMEM) {
        if (j->n_pictures) zis_jobs_remove_files(jobs, j);
        unlink(path);
        st = ZIS_OK;
    }
    if (j) zis_jobs_free(jobs, j);
    free(bytes);
    free(path);
    return st;
}

/* A picture whose job was not ended, or a file that was being written. */
static void remove_stray(zis_jobs *jobs, const char *name)
{
    char id[ZIS_JOB_ID + 1] = "";
    if (strlen(name) <= ZIS_JOB_ID || strspn(name, "0123456789abcdef") != ZIS_JOB_ID) return;
    memcpy(id, name, ZIS_JOB_ID);
    if (zis_jobs_find(jobs, id) && !strstr(name, ".tmp")) return;
    char *path = zis_os_join(jobs->folder, name);
    if (path) unlink(path);
    free(path);
}

static int by_age(const void *a, const void *b)
{
    double x = (*(zis_job *const *)a)->created, y = (*(zis_job *const *)b)->created;
    return x < y ? -1 : x > y;
}

/* The newest first, as if they had been made here. */
static zis_status sort_jobs(zis_jobs *jobs, zis_error *err)
{
    size_t n = 0, i = 0;
    for (zis_job *j = jobs->jobs; j; j = j->next) n++;
    zis_job **list = zis_mem_alloc(n, sizeof *list);
    if (!list) return zis_fail_nomem(err, "the results");
    for (zis_job *j = jobs->jobs; j; j = j->next) list[i++] = j;
    qsort(list, n, sizeof *list, by_age);
    jobs->jobs = NULL;
    for (i = 0; i < n; i++) {
        list[i]->next = jobs->jobs;
        jobs->jobs = list[i];
    }
    free(list);
    return ZIS_OK;
}

zis_status zis_jobs_load(zis_jobs *jobs, zis_error *err)
{
    char **names = NULL;
    size_t n = 0;
    zis_status st = zis_os_list(&names, &n, jobs->folder, err);
    for (size_t i = 0; i < n && !st; i++)
        if (is_job_name(names[i])) st = load_one(jobs, names[i], err);
    for (size_t i = 0; i < n && !st; i++)
        if (!is_job_name(names[i])) remove_stray(jobs, names[i]);
    zis_os_list_free(names, n);
    if (!st) st = sort_jobs(jobs, err);
    if (!st) zis_jobs_evict(jobs);
    return st;
}
