/* Server-sent events. A stream that has nothing to send is suspended and costs nothing; whatever
 * changes wakes it, and the clock does so for a sign of life. */
#include "base/os.h"
#include "pipeline/jsonout.h"
#include "server/impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ALIVE_EVERY 15.0
#define BLOCK ((size_t)16 << 10)
#define AHEAD ((size_t)64 << 10) /* no more is made before it is sent */

/* ---- the native form ----------------------------------------------------------------------- */

static void greet(zis_stream *st, zis_buf *out)
{
    zis_buf_puts(out, "retry: 1000\n\n");
    if (!*st->session) return;
    zis_buf_printf(
        out, "id: %s-%llu\nevent: hello\ndata: {\"boot\": \"%s\", \"version\": \"%s\", \"jobs\": ",
        st->s->boot, (unsigned long long)st->after, st->s->boot, ZIS_VERSION);
    zis_jobs_ids(st->s->jobs, st->session, out);
    zis_buf_puts(out, "}\n\n");
}

bool zis_stream_native(zis_stream *st, zis_buf *out)
{
    const zis_jobs_filter filter = {.job = *st->job ? st->job : NULL, .session = st->session};
    zis_job_event e;
    if (!st->greeted) greet(st, out);
    st->greeted = true;
    while (out->len < AHEAD && zis_jobs_next_event(st->s->jobs, &filter, st->after, &e)) {
        st->after = e.number;
        if (!e.data.failed)
            zis_buf_printf(out, "id: %s-%llu\nevent: %s\ndata: ", st->s->boot,
                           (unsigned long long)e.number, e.name);
        if (!e.data.failed) zis_buf_append(out, e.data.data, e.data.len);
        zis_buf_puts(out, "\n\n");
        bool over = e.final && *st->job;
        zis_buf_free(&e.data);
        if (over) return true;
    }
    zis_job_info ignored;
    /* forgotten meanwhile: nothing will come */
    return *st->job && !zis_jobs_look(st->s->jobs, st->job, &ignored);
}

/* ---- MHD ----------------------------------------------------------------------------------- */

/* More text, if there is any. Lock held (the server's): a change that comes now wakes us after. */
static void refill(zis_stream *st)
{
    zis_buf_free(&st->text);
    st->text = (zis_buf){0};
    st->sent = 0;
    st->ended = st->fill(st, &st->text);
    bool say = st->poked || zis_os_now() - st->last >= ALIVE_EVERY;
    st->poked = false;
    if (!st->ended && !st->text.len && say) zis_buf_puts(&st->text, ": still here\n\n");
    if (atomic_load(&st->s->quit)) st->ended = true;
}

static ssize_t on_read(void *arg, uint64_t pos, char *to, size_t room)
{
    zis_stream *st = arg;
    (void)pos;
    if (st->sent == st->text.len && !st->ended) {
        pthread_mutex_lock(&st->s->lock);
        refill(st);
        if (!st->text.len && !st->ended) {
            st->suspended = true;
            MHD_suspend_connection(st->mhd);
        }
        pthread_mutex_unlock(&st->s->lock);
    }
    if (st->text.failed) return MHD_CONTENT_READER_END_WITH_ERROR;
    size_t n = st->text.len - st->sent;
    if (!n) return st->ended ? MHD_CONTENT_READER_END_OF_STREAM : 0;
    if (n > room) n = room;
    memcpy(to, st->text.data + st->sent, n);
    st->sent += n;
    st->last = zis_os_now();
    return (ssize_t)n;
}

static void on_free(void *arg)
{
    zis_stream *st = arg;
    zis_server *s = st->s;
    pthread_mutex_lock(&s->lock);
    for (zis_stream **at = &s->streams; *at; at = &(*at)->next) {
        if (*at != st) continue;
        *at = st->next;
        s->n_streams--;
        break;
    }
    bool stop = st->cancel_on_disconnect && !st->ended && *st->job;
    /* another stream of the same job is still open */
    for (const zis_stream *o = s->streams; o && stop; o = o->next)
        if (strcmp(o->job, st->job) == 0) stop = false;
    pthread_mutex_unlock(&s->lock);
    if (stop) zis_jobs_cancel(s->jobs, st->job);
    zis_buf_free(&st->text);
    free(st);
}

/* A client that has closed its side may have gone or may just have nothing more to say; whoever has
 * gone answers the next line with a reset. Once a second. */
static bool seems_gone(const zis_stream *st, double now)
{
    char byte;
    if (now - st->last < 1) return false;
    ssize_t k = recv(st->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return k == 0 || (k < 0 && errno != EAGAIN && errno != EINTR);
}

void zis_streams_wake(zis_server *s, bool all)
{
    double now = zis_os_now();
    pthread_mutex_lock(&s->lock);
    for (zis_stream *st = s->streams; st; st = st->next) {
        if (!st->suspended) continue;
        if (!all) st->poked = seems_gone(st, now);
        if (!all && !st->poked && now - st->last < ALIVE_EVERY) continue;
        st->suspended = false;
        MHD_resume_connection(st->mhd);
    }
    pthread_mutex_unlock(&s->lock);
}

/* "BOOT-NUMBER" of this process; anything else begins anew. */
static uint64_t seen_before(const zis_call *c)
{
    const char *id = zis_call_header(c, "Last-Event-ID");
    size_t n = strlen(c->s->boot);
    if (!id || strncmp(id, c->s->boot, n) != 0 || id[n] != '-') return 0;
    return strtoull(id + n + 1, NULL, 10);
}

zis_status zis_stream_start(zis_call *c, const zis_stream *template, zis_error *err)
{
    zis_server *s = c->s;
    zis_stream *st = zis_mem_alloc(1, sizeof *st);
    if (!st) return zis_fail_nomem(err, "the stream of events");
    *st = *template;
    st->s = s;
    st->mhd = c->mhd;
    st->fd = c->conn->fd;
    st->after = seen_before(c);
    st->last = zis_os_now();
    struct MHD_Response *r =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, on_read, st, on_free);
    if (!r) {
        free(st);
        return zis_fail_nomem(err, "the stream of events");
    }
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "text/event-stream");
    MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(r, "X-Accel-Buffering", "no");
    zis_reply_common(c, r);
    c->response = r;
    c->status = 200;
    pthread_mutex_lock(&s->lock);
    st->next = s->streams;
    s->streams = st;
    s->n_streams++;
    pthread_mutex_unlock(&s->lock);
    return ZIS_OK;
}
