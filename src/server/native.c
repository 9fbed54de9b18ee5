/* Jobs, their events and pictures. */
#include "server/native.h"

#include "server/orders.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static zis_status reply_object(zis_call *c, int status, const char *id, zis_error *err)
{
    zis_buf out = {0};
    zis_status st = zis_jobs_object(c->s->jobs, id, &out, err);
    if (st) {
        zis_buf_free(&out);
        return st;
    }
    return zis_reply_json(c, status, &out, err);
}

ZIS_HANDLER(job_create)
{
    zis_order o = {0};
    char id[ZIS_JOB_ID + 1], where[64];
    if (!c->json && !c->n_parts)
        return zis_call_fail(c, 415, ZIS_ARG, err,
                             "a job is sent as application/json or multipart/form-data");
    zis_status st = zis_order_init(&o, c, err);
    if (!st) st = zis_order_read(&o, err);
    if (!st) st = zis_order_submit(&o, id, err);
    zis_order_deinit(&o);
    if (!st) st = reply_object(c, 202, id, err);
    if (st) return st;
    snprintf(where, sizeof where, "/api/v1/jobs/%s", id);
    zis_reply_header(c, MHD_HTTP_HEADER_LOCATION, where);
    return ZIS_OK;
}

ZIS_HANDLER(job_get)
{
    return reply_object(c, 200, c->args[0], err);
}

static zis_status session_of(const zis_call *c, const char **out, zis_error *err)
{
    *out = zis_call_query(c, "session");
    if (*out && **out && strlen(*out) <= ZIS_JOB_SESSION) return ZIS_OK;
    return zis_fail(err, ZIS_ARG, "session is missing: ?session=NAME, as the jobs were sent with");
}

ZIS_HANDLER(job_list)
{
    const char *session = NULL;
    zis_buf out = {0};
    zis_status st = session_of(c, &session, err);
    if (st) return st;
    zis_buf_puts(&out, "{\"jobs\": ");
    st = zis_jobs_list(c->s->jobs, session, &out, err);
    if (st) {
        zis_buf_free(&out);
        return st;
    }
    zis_buf_putc(&out, '}');
    return zis_reply_json(c, 200, &out, err);
}

ZIS_HANDLER(job_delete)
{
    bool gone = false;
    zis_buf last = {0};
    /* what is forgotten is shown once more */
    zis_status st = zis_jobs_object(c->s->jobs, c->args[0], &last, err);
    if (!st) st = zis_jobs_delete(c->s->jobs, c->args[0], &gone, err);
    if (st || !gone) zis_buf_free(&last);
    if (st) return st;
    return gone ? zis_reply_json(c, 200, &last, err) : reply_object(c, 202, c->args[0], err);
}

ZIS_HANDLER(job_events)
{
    zis_job_info info;
    if (!zis_jobs_look(c->s->jobs, c->args[0], &info))
        return zis_fail(err, ZIS_NOT_FOUND, "there is no job '%.40s' (any more)", c->args[0]);
    zis_stream st = {.fill = zis_stream_native, .cancel_on_disconnect = info.cancel_on_disconnect};
    memcpy(st.job, c->args[0], sizeof st.job); /* a job was found by it, so it has this length */
    return zis_stream_start(c, &st, err);
}

ZIS_HANDLER(session_events)
{
    const char *session = NULL;
    zis_stream stream = {.fill = zis_stream_native};
    zis_status st = session_of(c, &session, err);
    if (st) return st;
    snprintf(stream.session, sizeof stream.session, "%s", session);
    return zis_stream_start(c, &stream, err);
}

/* ---- pictures ------------------------------------------------------------------------------ */

static const struct {
    const char *type, *ending;
} kinds[] = {
    [ZIS_PICTURE_PNG] = {"image/png", "png"},
    [ZIS_PICTURE_JPEG] = {"image/jpeg", "jpg"},
    [ZIS_PICTURE_WEBP] = {"image/webp", "webp"},
};

/* A whole number from 0 on, or -1. */
static int index_of(const char *s)
{
    if (!*s) return 0;
    return strlen(s) <= 4 && strspn(s, "0123456789") == strlen(s) ? atoi(s) : -1;
}

static zis_status open_picture(
    zis_call *c, const char *path, int *fd, uint64_t *bytes, zis_error *err)
{
    struct stat sb;
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd >= 0 && fstat(*fd, &sb) == 0) {
        *bytes = (uint64_t)sb.st_size;
        return ZIS_OK;
    }
    if (*fd >= 0) close(*fd);
    return zis_fail(err, ZIS_NOT_FOUND, "the picture of job %s is gone", c->args[0]);
}

/* A picture never changes under its address, so its address is its version. */
ZIS_HANDLER(job_image)
{
    const char *id = c->args[0];
    int index = index_of(c->args[1]), fd = -1;
    zis_job_picture p;
    zis_job_info info;
    char *path = NULL, tag[72], disposition[96];
    uint64_t bytes = 0;
    if (zis_jobs_look(c->s->jobs, id, &info) && info.state <= ZIS_JOB_RUNNING && index >= 0 &&
        index >= info.n_pictures)
        return zis_call_fail(c, 409, ZIS_BUSY, err, "job %s is %s: picture %d is not there yet", id,
                             zis_job_state_name(info.state), index);
    zis_status st = zis_jobs_picture(c->s->jobs, id, index, &p, &path, err);
    if (st) return st;
    snprintf(tag, sizeof tag, "\"%s-%d\"", id, index);
    const char *known = zis_call_header(c, MHD_HTTP_HEADER_IF_NONE_MATCH);
    if (known && strstr(known, tag)) {
        st = zis_reply_empty(c, 304, err);
    } else {
        st = open_picture(c, path, &fd, &bytes, err);
        if (!st) st = zis_reply_fd(c, 200, kinds[p.format].type, fd, bytes, err);
    }
    free(path);
    if (st) return st;
    zis_reply_header(c, MHD_HTTP_HEADER_ETAG, tag);
    zis_reply_header(c, MHD_HTTP_HEADER_CACHE_CONTROL, "private, max-age=3600");
    if (!zis_call_query(c, "download")) return ZIS_OK;
    snprintf(disposition, sizeof disposition, "attachment; filename=\"zis-%lld.%s\"",
             (long long)p.seed, kinds[p.format].ending);
    zis_reply_header(c, MHD_HTTP_HEADER_CONTENT_DISPOSITION, disposition);
    return ZIS_OK;
}

ZIS_HANDLER(job_preview)
{
    zis_buf jpeg = {0};
    if (!zis_jobs_preview(c->s->jobs, c->args[0], &jpeg)) {
        zis_buf_free(&jpeg);
        return zis_fail(err, ZIS_NOT_FOUND, "job '%.40s' has no preview", c->args[0]);
    }
    zis_status st = zis_reply_text(c, 200, "image/jpeg", &jpeg, err);
    if (!st) zis_reply_header(c, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    return st;
}
