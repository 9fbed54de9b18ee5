/* The daemon, the helpers, the clock; one request from its first line to its last byte. */
#include "server/server.h"

#include "base/os.h"
#include "pipeline/model.h"
#include "server/impl.h"
#include "server/orders.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#define DAEMONS 2 /* MHD's threads; each has its share of the connections */
#define HEADERS_MOST ((size_t)32 << 10)
#define QUIET_SECONDS 60u /* of a connection on which nothing moves */
#define IDLE_SECONDS 20.0 /* between requests, and for the headers of one */
#define BODY_RATE 65536.0 /* bytes a second that a body must have beyond its first seconds */
/* Of a body that is refused, so that the client hears why; behind that the line is cut. */
#define DISCARD_MOST ((uint64_t)256 << 20)
#define DISCARD_ENDLESS ((uint64_t)8 << 20) /* too large, and no length was said */
#define UPLOADS_MOST ((uint64_t)8 << 30)
#define TICK_MS 250
#define TIDY_SECONDS 30.0

void zis_server_defaults(zis_server_options *o)
{
    *o = (zis_server_options){
        .host = "127.0.0.1",
        .port = 7860,
        .queue_most = 100,
        .connections_most = 512,
        .keep_bytes = (uint64_t)2 << 30,
        .keep_seconds = 24 * 3600,
        .request_seconds = 30,
    };
}

/* ---- helpers ------------------------------------------------------------------------------- */

/* Lock held. */
static void push(zis_call *c)
{
    zis_server *s = c->s;
    c->next = NULL;
    *s->queue_end = c;
    s->queue_end = &c->next;
    pthread_cond_signal(&s->work);
}

/* ---- waiting for jobs ---------------------------------------------------------------------- */

static bool has_ended(zis_server *s, const char *id)
{
    zis_job_info info;
    return !zis_jobs_look(s->jobs, id, &info) || info.state > ZIS_JOB_RUNNING;
}

/* The clients that wait for a job of theirs that has ended. */
static void wake_waiting(zis_server *s)
{
    pthread_mutex_lock(&s->lock);
    for (zis_call **at = &s->waiting; *at;) {
        zis_call *c = *at;
        if (!has_ended(s, c->job)) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        push(c);
    }
    pthread_mutex_unlock(&s->lock);
}

void zis_call_wait(zis_call *c, const char *job, zis_status (*then)(zis_call *, zis_error *))
{
    memmove(c->job, job, ZIS_JOB_ID + 1);
    c->then = then;
    c->parked = true;
}

/* From here on the call is not the helper's any more. */
static void park(zis_call *c)
{
    zis_server *s = c->s;
    c->parked = false;
    pthread_mutex_lock(&s->lock);
    c->next = s->waiting;
    s->waiting = c;
    pthread_mutex_unlock(&s->lock);
    wake_waiting(s); /* it may have ended already */
}

static void on_changed(void *arg)
{
    zis_server *s = arg;
    wake_waiting(s);
    zis_streams_wake(s, true);
}

/* ---- answering by helpers ----------------------------------------------------------------- */

/* The answer is there (or the call is parked); whoever is suspended goes on. */
static void go_on(zis_call *c)
{
    c->ready = true;
    MHD_resume_connection(c->mhd);
}

static void answer_failure(zis_call *c, const zis_error *e)
{
    zis_reply_failure(c, c->failed_status, NULL, e);
}

static void run_handler(zis_call *c, zis_status (*run)(zis_call *, zis_error *))
{
    zis_error err = {0};
    c->failed_status = 0;
    zis_status st = run(c, &err);
    if (st) answer_failure(c, &err);
}

static void *help(void *arg)
{
    zis_server *s = arg;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        zis_call *c = s->queue;
        if (!c && atomic_load(&s->quit)) break;
        if (!c) {
            pthread_cond_wait(&s->work, &s->lock);
            continue;
        }
        s->queue = c->next;
        if (!s->queue) s->queue_end = &s->queue;
        pthread_mutex_unlock(&s->lock);
        zis_status (*run)(zis_call *, zis_error *) = c->then ? c->then : c->route->run;
        c->then = NULL;
        run_handler(c, run);
        if (c->parked)
            park(c);
        else
            go_on(c);
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- the clock ----------------------------------------------------------------------------- */

/* Connections that dawdle: over the headers, over a body, or idle. */
static void check_connections(zis_server *s, double now)
{
    double idle = s->o.request_seconds < IDLE_SECONDS ? s->o.request_seconds : IDLE_SECONDS;
    pthread_mutex_lock(&s->lock);
    for (zis_conn *k = s->conns; k; k = k->next) {
        bool slow = false;
        if (k->reading_since > 0)
            slow = now - k->reading_since >
                   s->o.request_seconds + (double)k->reading_bytes / BODY_RATE;
        else if (!k->answering)
            slow = now - k->idle_since > idle;
        if (!slow || k->killed) continue;
        k->killed = true;
        shutdown(k->fd, SHUT_RDWR); /* MHD closes it; it is not reused before it leaves the list */
    }
    pthread_mutex_unlock(&s->lock);
}

/* Clients that wait for a job and have gone, where the job shall go with them. */
static void check_waiting(zis_server *s)
{
    char id[ZIS_JOB_ID + 1];
    do {
        *id = '\0';
        pthread_mutex_lock(&s->lock);
        for (zis_call *c = s->waiting; c && !*id; c = c->next) {
            char byte;
            if (!c->cancel_on_disconnect) continue;
            ssize_t k = recv(c->conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
            if (k > 0 || (k < 0 && (errno == EAGAIN || errno == EINTR))) continue;
            memcpy(id, c->job, sizeof id);
            c->cancel_on_disconnect = false;
        }
        pthread_mutex_unlock(&s->lock);
        if (*id) zis_jobs_cancel(s->jobs, id);
    } while (*id);
}

static void *tick(void *arg)
{
    zis_server *s = arg;
    double tidied = zis_os_now();
    while (!atomic_load(&s->quit)) {
        usleep(TICK_MS * 1000);
        double now = zis_os_now();
        check_connections(s, now);
        check_waiting(s);
        zis_streams_wake(s, false);
        if (now - tidied < TIDY_SECONDS) continue;
        tidied = now;
        zis_jobs_tidy(s->jobs);
        zis_uploads_tidy(s->uploads);
    }
    return NULL;
}

/* ---- one request --------------------------------------------------------------------------- */

static enum MHD_Result send_answer(zis_call *c)
{
    zis_error none = {ZIS_NOMEM, "not enough memory for the answer"};
    if (!c->response) zis_reply_failure(c, 500, NULL, &none);
    if (!c->response) return MHD_NO;
    return MHD_queue_response(c->mhd, (unsigned)c->status, c->response);
}

/* Cross-origin pages of the list ask first. */
static zis_status answer_preflight(zis_call *c, zis_error *err)
{
    zis_status st = zis_reply_empty(c, 204, err);
    if (st) return st;
    zis_reply_header(c, "Access-Control-Allow-Methods", "GET, POST, DELETE");
    zis_reply_header(c, "Access-Control-Allow-Headers",
                     "Authorization, Content-Type, Last-Event-ID");
    zis_reply_header(c, "Access-Control-Max-Age", "600");
    return ZIS_OK;
}

/* When the headers are there. Whatever is wrong is answered once the body is through, so that the
 * client reads it; but a body that is too large is not waited for. */
static void begin(zis_call *c, const char *path)
{
    char allow[48] = "";
    zis_error *e = &c->error;
    if (!c->cut) c->route = zis_route_find(c->method, path, c->args, allow, sizeof allow);
    c->failed = zis_guard_check(c, e);
    if (c->failed) return;
    if (strcmp(c->method, "OPTIONS") == 0) {
        c->failed = answer_preflight(c, e);
        return;
    }
    if (!c->route && !c->cut && !*allow &&
        (strcmp(c->method, "GET") == 0 || strcmp(c->method, "HEAD") == 0) &&
        zis_assets_reply(c, path, e))
        return;
    if (!c->route) {
        c->failed =
            *allow ? zis_call_fail(c, 405, ZIS_ARG, e, "%s does not take %s, but %s", c->path,
                                   c->method, allow)
                   : zis_call_fail(c, 404, ZIS_NOT_FOUND, e, "there is nothing at %s", c->path);
        answer_failure(c, e);
        if (*allow) zis_reply_header(c, MHD_HTTP_HEADER_ALLOW, allow);
        return;
    }
    if (atomic_load(&c->s->stopping) && !(c->route->flags & ZIS_ROUTE_STOPPING)) {
        c->failed = zis_fail(e, ZIS_CLOSED, "the server is stopping");
        return;
    }
    zis_body_begin(c);
}

/* Between requests, while reading, while answering: for the clock. */
static void mark(zis_call *c, bool reading)
{
    double now = zis_os_now();
    pthread_mutex_lock(&c->s->lock);
    c->conn->answering = !reading;
    c->conn->reading_since = reading ? now : 0;
    c->conn->reading_bytes = 0;
    pthread_mutex_unlock(&c->s->lock);
}

/* The connection sleeps while a helper works. Once the helpers go home nothing is handed over. */
static enum MHD_Result hand_over(zis_call *c)
{
    static const zis_error closed = {ZIS_CLOSED, "the server has stopped"};
    pthread_mutex_lock(&c->s->lock);
    c->suspended = !atomic_load(&c->s->quit);
    if (c->suspended) {
        MHD_suspend_connection(c->mhd);
        push(c);
    }
    pthread_mutex_unlock(&c->s->lock);
    if (c->suspended) return MHD_YES;
    answer_failure(c, &closed);
    return send_answer(c);
}

static enum MHD_Result answer(zis_call *c)
{
    mark(c, false);
    if (!c->failed && !c->response) zis_body_end(c);
    if (c->response) return send_answer(c);
    if (c->failed) {
        answer_failure(c, &c->error);
        return send_answer(c);
    }
    if (c->route->flags & ZIS_ROUTE_SLOW) return hand_over(c);
    run_handler(c, c->route->run);
    return send_answer(c);
}

static enum MHD_Result on_request(void *arg,
                                  struct MHD_Connection *mhd,
                                  const char *url,
                                  const char *method,
                                  const char *version,
                                  const char *data,
                                  size_t *n,
                                  void **state)
{
    zis_call *c = *state;
    (void)arg;
    (void)version;
    if (!c) return MHD_NO;
    if (!c->begun) {
        c->begun = true;
        c->mhd = mhd;
        snprintf(c->method, sizeof c->method, "%s", method);
        snprintf(c->path, sizeof c->path, "%s", url);
        mark(c, true);
        begin(c, url);
        /* the client may be waiting for our word before it sends a body that we do not want */
        if (c->failed_status == 413 || (c->failed && !c->response && !c->has_body)) {
            if (!c->response) answer_failure(c, &c->error);
            mark(c, false);
            return send_answer(c);
        }
        return MHD_YES;
    }
    if (*n) {
        pthread_mutex_lock(&c->s->lock);
        c->conn->reading_bytes += *n;
        pthread_mutex_unlock(&c->s->lock);
        if (!c->response) zis_body_piece(c, data, *n);
        bool refused = c->failed || c->response;
        if (refused) c->discarded += *n;
        bool endless =
            c->failed_status == 413 && !zis_call_header(c, MHD_HTTP_HEADER_CONTENT_LENGTH);
        if (refused && (endless ? c->discarded > DISCARD_ENDLESS : c->received > DISCARD_MOST))
            return MHD_NO;
        *n = 0;
        return MHD_YES;
    }
    if (c->suspended) return c->ready ? send_answer(c) : MHD_YES;
    return answer(c);
}

/* The first line is there: the call begins. */
static void *on_first_line(void *arg, const char *uri, struct MHD_Connection *mhd)
{
    zis_server *s = arg;
    zis_call *c = zis_mem_zalloc(1, sizeof *c);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    if (!c) return NULL;
    const char *nul = strstr(uri, "%00");
    c->cut = nul && nul < uri + strcspn(uri, "?");
    c->s = s;
    c->mhd = mhd;
    c->started = zis_os_now();
    c->conn = info ? info->socket_context : NULL;
    if (!c->conn) {
        free(c);
        return NULL;
    }
    return c;
}

static void log_call(const zis_call *c)
{
    char line[400], peer[INET6_ADDRSTRLEN] = "-";
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (!c->s->o.log || !c->begun) return;
    if (info && info->client_addr)
        getnameinfo(info->client_addr,
                    info->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                             : sizeof(struct sockaddr_in),
                    peer, sizeof peer, NULL, 0, NI_NUMERICHOST);
    snprintf(line, sizeof line, "client=%s method=%s path=%s status=%d in=%llu ms=%.1f", peer,
             c->method, c->path, c->status, (unsigned long long)c->received,
             (zis_os_now() - c->started) * 1e3);
    for (char *p = line; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F) *p = '?';
    c->s->o.log(c->s->o.arg, line);
}

static void on_completed(void *arg,
                         struct MHD_Connection *mhd,
                         void **state,
                         enum MHD_RequestTerminationCode code)
{
    zis_server *s = arg;
    zis_call *c = *state;
    (void)mhd;
    (void)code;
    if (!c) return;
    log_call(c);
    pthread_mutex_lock(&s->lock);
    s->requests[c->status >= 100 && c->status < 600 ? c->status / 100 : 0]++;
    s->bytes_in += c->received;
    c->conn->answering = false;
    c->conn->reading_since = 0;
    c->conn->idle_since = zis_os_now();
    pthread_mutex_unlock(&s->lock);
    if (c->response) MHD_destroy_response(c->response);
    zis_body_free(c);
    free(c->extra);
    free(c);
    *state = NULL;
}

static void on_connection(void *arg,
                          struct MHD_Connection *mhd,
                          void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    zis_server *s = arg;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
        zis_conn *k = zis_mem_zalloc(1, sizeof *k);
        *context = k;
        if (!k) return; /* its requests are refused */
        k->fd = info ? info->connect_fd : -1;
        k->idle_since = zis_os_now();
        pthread_mutex_lock(&s->lock);
        k->next = s->conns;
        k->back = &s->conns;
        if (s->conns) s->conns->back = &k->next;
        s->conns = k;
        s->n_conns++;
        pthread_mutex_unlock(&s->lock);
        return;
    }
    zis_conn *k = *context;
    if (!k) return;
    pthread_mutex_lock(&s->lock);
    *k->back = k->next;
    if (k->next) k->next->back = k->back;
    s->n_conns--;
    pthread_mutex_unlock(&s->lock);
    free(k);
    *context = NULL;
}

/* ---- life ---------------------------------------------------------------------------------- */

static void random_text(char *out, size_t digits)
{
    for (size_t i = 0; i < digits; i += 8) snprintf(out + i, 9, "%08x", (unsigned)zis_os_random());
}

static zis_status copy_texts(zis_server *s, const zis_server_options *o, zis_error *err)
{
    s->key = o->api_key ? zis_mem_strdup(o->api_key) : NULL;
    s->host = zis_mem_strdup(o->host ? o->host : "127.0.0.1");
    s->model = zis_mem_strdup(o->model ? o->model : "nano");
    s->folder = zis_os_join(o->folder, "results");
    s->uploads_folder = zis_os_join(o->folder, "uploads");
    if (!s->host || !s->model || !s->folder || !s->uploads_folder || (o->api_key && !s->key))
        return zis_fail_nomem(err, "the server");
    return ZIS_OK;
}

/* Two servers on one folder would forget each other's results. */
static zis_status take_folder(zis_server *s, const char *folder, zis_error *err)
{
    zis_status st = zis_os_make_dirs(folder, err);
    char *path = st ? NULL : zis_os_join(folder, "lock");
    if (st) return st;
    s->lock_fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (!path)
        st = zis_fail_nomem(err, "the server");
    else if (s->lock_fd < 0)
        st = zis_fail(err, ZIS_IO, "cannot write to '%s': %s", path, strerror(errno));
    else if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0)
        st = zis_fail(err, ZIS_IO,
                      "another zis serve keeps its results in '%s'; give this one another --data",
                      folder);
    free(path);
    return st;
}

/* MHD's own listening gives no reason when it fails. */
static zis_status listen_on(int *fd, zis_server *s, zis_error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    char port[16];
    int one = 1;
    snprintf(port, sizeof port, "%d", s->o.port);
    int e = getaddrinfo(s->host, port, &hints, &list);
    if (e != 0 || !list)
        return zis_fail(err, ZIS_ARG, "--host %s is no address of this machine: %s", s->host,
                        gai_strerror(e));
    const struct sockaddr *a = list->ai_addr;
    s->loopback =
        a->sa_family == AF_INET
            ? (ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24) == 127
            : IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
    zis_status st = ZIS_OK;
    *fd = socket(a->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (!s->loopback && !s->key)
        st = zis_fail(err, ZIS_ARG,
                      "--host %s lets other machines in, and then a key is needed: --api-key-file "
                      "FILE, or the variable ZIS_API_KEY",
                      s->host);
    else if (*fd < 0 || setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
             bind(*fd, a, list->ai_addrlen) != 0 || listen(*fd, 256) != 0)
        st = zis_fail(err, ZIS_IO, "cannot listen on %s port %d: %s%s", s->host, s->o.port,
                      strerror(errno), errno == EADDRINUSE ? "; --port takes another one" : "");
    freeaddrinfo(list);
    if (st && *fd >= 0) close(*fd);
    return st;
}

static void quiet(void *arg, const char *fmt, va_list ap)
{
    (void)arg;
    (void)fmt;
    (void)ap;
}

static zis_status start_daemon(zis_server *s, zis_error *err)
{
    int fd = -1;
    zis_status st = listen_on(&fd, s, err);
    if (st) return st;
    s->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        on_request, s, MHD_OPTION_EXTERNAL_LOGGER, quiet, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_THREAD_POOL_SIZE, (unsigned)DAEMONS, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)s->o.connections_most, MHD_OPTION_CONNECTION_TIMEOUT, QUIET_SECONDS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, HEADERS_MOST, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_URI_LOG_CALLBACK, on_first_line, s, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_END);
    if (s->daemon) return ZIS_OK;
    close(fd);
    return zis_fail(err, ZIS_IO, "the HTTP server cannot start: too few threads or descriptors");
}

static zis_status start_threads(zis_server *s, zis_error *err)
{
    for (; s->n_helpers < ZIS_HELPERS; s->n_helpers++)
        if (pthread_create(&s->helpers[s->n_helpers], NULL, help, s) != 0)
            return zis_fail(err, ZIS_NOMEM, "the system gives no thread for the server");
    if (pthread_create(&s->clock, NULL, tick, s) != 0)
        return zis_fail(err, ZIS_NOMEM, "the system gives no thread for the server");
    s->has_clock = true;
    return ZIS_OK;
}

/* A model that no request could ever use is told now. What is known and only not here yet may come
 * while the server runs. */
static zis_status check_model(const zis_server *s, zis_error *err)
{
    const zis_model_query q = {.model = s->model};
    zis_model_set set = {0};
    if (zis_model_preset_named(s->model)) return ZIS_OK;
    zis_status st = zis_model_find(&set, &q, err);
    zis_model_set_deinit(&set);
    return st && !strstr(err->text, "zis fetch ") ? st : ZIS_OK;
}

static zis_status create(zis_server *s, const zis_server_options *o, zis_error *err)
{
    s->o = *o;
    s->lock_fd = -1;
    s->queue_end = &s->queue;
    s->started = zis_os_now();
    random_text(s->boot, 16);
    random_text(s->cookie, 32);
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->maps_lock, NULL);
    pthread_mutex_init(&s->tokens_lock, NULL);
    pthread_cond_init(&s->work, NULL);
    s->has_lock = true;
    zis_status st = copy_texts(s, o, err);
    if (!st) st = check_model(s, err);
    if (!st) st = take_folder(s, o->folder, err);
    if (!st)
        st = zis_uploads_create(&s->uploads, s->uploads_folder, UPLOADS_MOST, o->keep_seconds, err);
    const zis_jobs_options jobs = {
        .engine = o->engine,
        .folder = s->folder,
        .queue_most = o->queue_most,
        .keep_bytes = o->keep_bytes,
        .keep_seconds = o->keep_seconds,
        .arg = s,
        .prepare = zis_order_prepare,
        .release = zis_order_release,
        .changed = on_changed,
    };
    if (!st) st = zis_jobs_create(&s->jobs, &jobs, err);
    if (!st) st = start_threads(s, err);
    if (!st) st = start_daemon(s, err);
    return st;
}

zis_status zis_server_create(zis_server **out, const zis_server_options *o, zis_error *err)
{
    zis_server *s = zis_mem_zalloc(1, sizeof *s);
    if (!s) return zis_fail_nomem(err, "the server");
    zis_status st = create(s, o, err);
    if (st)
        zis_server_destroy(&s);
    else
        *out = s;
    return st;
}

int zis_server_port(const zis_server *s)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof a;
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_LISTEN_FD);
    if (!info || getsockname(info->listen_fd, (struct sockaddr *)&a, &n) != 0) return 0;
    return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
                                         : ((struct sockaddr_in *)&a)->sin_port);
}

void zis_server_stop(zis_server *s, double seconds, const atomic_bool *hurry, zis_jobs_stopped *out)
{
    atomic_store(&s->stopping, true);
    zis_jobs_stop(s->jobs, seconds, hurry, out);
    /* the last events and answers get a moment to leave */
    for (int i = 0; i < 40; i++) {
        pthread_mutex_lock(&s->lock);
        bool busy = s->waiting || s->queue;
        for (const zis_stream *st = s->streams; st; st = st->next)
            busy = busy || (*st->job && !st->ended);
        pthread_mutex_unlock(&s->lock);
        if (!busy) break;
        usleep(25000);
    }
}

/* Every suspended connection must go on before MHD can stop. */
static void end_all(zis_server *s)
{
    atomic_store(&s->quit, true);
    pthread_mutex_lock(&s->lock);
    pthread_cond_broadcast(&s->work);
    pthread_mutex_unlock(&s->lock);
    for (int i = 0; i < s->n_helpers; i++) pthread_join(s->helpers[i], NULL);
    if (s->has_clock) pthread_join(s->clock, NULL);
    zis_streams_wake(s, true);
}

void zis_server_destroy(zis_server **out)
{
    if (!out || !*out) return;
    zis_server *s = *out;
    zis_jobs_stopped ignored;
    atomic_store(&s->stopping, true);
    if (s->jobs) zis_jobs_stop(s->jobs, 0, NULL, &ignored);
    if (s->daemon) {
        int fd = MHD_quiesce_daemon(s->daemon);
        if (fd >= 0) close(fd);
    }
    if (s->has_lock) end_all(s);
    if (s->daemon) MHD_stop_daemon(s->daemon);
    zis_jobs_destroy(&s->jobs);
    zis_uploads_destroy(&s->uploads);
    if (s->has_maps_run) zis_run_deinit(&s->maps_run);
    zis_preprocess_destroy(&s->maps);
    zis_pool_destroy(&s->maps_pool);
    zis_tokenizer_close(&s->tokenizer);
    if (s->lock_fd >= 0) close(s->lock_fd);
    if (s->has_lock) {
        pthread_cond_destroy(&s->work);
        pthread_mutex_destroy(&s->tokens_lock);
        pthread_mutex_destroy(&s->maps_lock);
        pthread_mutex_destroy(&s->lock);
    }
    free(s->key);
    free(s->host);
    free(s->model);
    free(s->folder);
    free(s->uploads_folder);
    free(s);
    *out = NULL;
}
