/* impl.h - what the files of the server share: a call, its route, its answer.
 *
 * A call is one request on its way. MHD's thread reads it, a handler answers: at once, or (slow
 * routes) on a helper thread while the connection is suspended, or when a job has ended. Only the
 * one who has the call touches it. */
#ifndef ZIS_SERVER_IMPL_H
#define ZIS_SERVER_IMPL_H

#include "base/mem.h"
#include "kernels/run.h"
#include "pipeline/preprocess.h"
#include "server/server.h"
#include "server/uploads.h"
#include "text/tokenizer.h"

#include <jansson.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>

typedef struct zis_call zis_call;
typedef struct zis_conn zis_conn;
typedef struct zis_stream zis_stream;

/* ---- limits -------------------------------------------------------------------------------- */

#define ZIS_HTTP_JSON_MOST ((size_t)1 << 20)       /* body of a native request */
#define ZIS_HTTP_JSON_PICTURES ((size_t)192 << 20) /* of one that may hold pictures as base64 */
#define ZIS_HTTP_BODIES_MOST ((size_t)512 << 20)   /* of all that are in memory at once */
#define ZIS_HTTP_PICTURE_MOST ((uint64_t)64 << 20)
#define ZIS_HTTP_LORA_MOST ((uint64_t)4 << 30)
#define ZIS_HTTP_PARTS 40
#define ZIS_HTTP_BATCH 16
#define ZIS_HTTP_DEPTH 32 /* of JSON */

/* ---- routes -------------------------------------------------------------------------------- */

typedef enum zis_dialect { ZIS_NATIVE, ZIS_OPENAI, ZIS_A1111 } zis_dialect;

enum {
    ZIS_ROUTE_OPEN = 1,      /* no key is asked for */
    ZIS_ROUTE_SLOW = 2,      /* runs on a helper thread */
    ZIS_ROUTE_JSON = 4,      /* takes a JSON body, */
    ZIS_ROUTE_MULTIPART = 8, /* a form, */
    ZIS_ROUTE_RAW = 16,      /* the file itself */
    ZIS_ROUTE_PICTURES = 32, /* the JSON may hold pictures: larger */
    ZIS_ROUTE_STOPPING = 64, /* still answers while the server stops */
};

typedef struct zis_route {
    const char *method; /* "GET" also answers HEAD */
    const char *path;   /* "/api/v1/jobs/{id}/images/{index}" */
    zis_dialect dialect;
    unsigned flags;
    /* Answers (zis_reply_...), or fails; or parks the call (zis_call_wait). */
    zis_status (*run)(zis_call *c, zis_error *err);
    const char *summary; /* for /openapi.json; NULL: an alias that is not listed */
    const char *takes;   /* schema of the body, or NULL */
    const char *gives;   /* schema or content type, or several with ", " between; NULL: nothing */
    const char *also;    /* statuses "202 404" beside those that its kind has; NULL: 200 */
} zis_route;

const zis_route *zis_route_at(size_t i); /* NULL behind the last */
/* The route of a request; NULL: no such path, or (*allow is then filled) not this method. */
const zis_route *zis_route_find(
    const char *method, const char *path, char args[2][48], char *allow, size_t n);

/* ---- a call -------------------------------------------------------------------------------- */

typedef struct zis_part {
    char name[48];
    char filename[160];
    zis_buf value;      /* of a field */
    zis_upload *upload; /* of a file; held */
} zis_part;

struct zis_call {
    zis_server *s;
    struct MHD_Connection *mhd;
    zis_conn *conn;
    const zis_route *route;
    char method[8];
    char path[160]; /* for the log; cut */
    char args[2][48];
    double started;
    /* the body */
    bool begun, has_body, too_late;
    bool cut; /* the path holds a NUL: what is read of it is not all */
    uint64_t received;
    uint64_t discarded; /* of it, since it was refused */
    size_t counted;     /* bytes of server->bodies that are ours */
    zis_buf body;       /* JSON */
    struct MHD_PostProcessor *post;
    zis_part parts[ZIS_HTTP_PARTS];
    int n_parts;
    zis_upload *raw; /* the body as a file; held */
    json_t *json;    /* parsed, or NULL */
    /* a failure while it was read: told when the reading is over */
    zis_status failed;
    int failed_status; /* of HTTP; 0: by the code */
    zis_error error;
    char blamed[48]; /* the field that is at fault, as the client wrote it; "": none is named */
    /* the answer */
    int status;
    struct MHD_Response *response;
    bool suspended, ready, parked;
    /* waiting for a job */
    char job[ZIS_JOB_ID + 1];
    bool cancel_on_disconnect;
    zis_status (*then)(zis_call *c, zis_error *err);
    zis_call *next; /* in the helpers' queue, or among those who wait */
    void *extra;    /* of the dialect; freed with free() */
};

/* One TCP connection. */
struct zis_conn {
    zis_conn *next, **back;
    int fd;
    double idle_since;    /* while no request is being read or answered */
    double reading_since; /* its body; 0: not */
    uint64_t reading_bytes;
    bool answering, killed;
};

/* ---- the server ---------------------------------------------------------------------------- */

#define ZIS_HELPERS 2

struct zis_server {
    zis_server_options o; /* constant */
    char *key, *host, *model, *folder, *uploads_folder;
    char boot[17];
    char cookie[33]; /* value of the page's cookie of this boot */
    double started;  /* monotonic */
    bool loopback;
    int lock_fd;
    struct MHD_Daemon *daemon;
    zis_jobs *jobs;
    zis_uploads *uploads;
    atomic_size_t bodies;
    atomic_bool stopping, quit;
    /* helper threads */
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t work;
    pthread_t helpers[ZIS_HELPERS];
    pthread_t clock;
    int n_helpers;
    bool has_lock, has_clock;
    zis_call *queue, **queue_end;
    zis_call *waiting;   /* for a job */
    zis_stream *streams; /* of events */
    zis_conn *conns;
    int n_conns, n_streams;
    /* control maps and tokens, each one at a time */
    pthread_mutex_t maps_lock, tokens_lock;
    zis_preprocess *maps;
    zis_pool *maps_pool;
    zis_run maps_run;
    bool has_maps_run;
    zis_tokenizer *tokenizer;
    char tokenizer_model[96];
    char a1111_model[96]; /* that POST /sdapi/v1/options chose; "": ours */
    /* counts for /metrics */
    uint64_t requests[6]; /* by the first digit of the status */
    uint64_t bytes_in;
};

/* ---- answers (reply.c) ---------------------------------------------------------------------- */

/* Takes the text; content type JSON. */
ZIS_MUST_USE zis_status zis_reply_json(zis_call *c, int status, zis_buf *text, zis_error *err);
ZIS_MUST_USE zis_status
zis_reply_text(zis_call *c, int status, const char *type, zis_buf *text, zis_error *err);
/* Closes fd. */
ZIS_MUST_USE zis_status
zis_reply_fd(zis_call *c, int status, const char *type, int fd, uint64_t bytes, zis_error *err);
ZIS_MUST_USE zis_status zis_reply_empty(zis_call *c, int status, zis_error *err);
/* Adds a header to the answer that has been made. */
void zis_reply_header(zis_call *c, const char *name, const char *value);
/* The answer of a failure; http 0: by the code. */
void zis_reply_failure(zis_call *c, int http, const char *code, const zis_error *err);
/* A failure with a status of its own: `return zis_call_fail(c, 413, ...)`. */
zis_status zis_call_fail(
    zis_call *c, int http, zis_status code, zis_error *err, const char *fmt, ...) ZIS_PRINTF(5, 6);
int zis_http_status_of(zis_status st);
/* The failure's `param`: `return zis_call_blame(c, "size", st)`. Success and a blame that is there
 * already stay. */
zis_status zis_call_blame(zis_call *c, const char *field, zis_status st);
/* Headers that every answer has. */
void zis_reply_common(zis_call *c, struct MHD_Response *r);

/* ---- requests ------------------------------------------------------------------------------ */

const char *zis_call_header(const zis_call *c, const char *name);
const char *zis_call_query(const zis_call *c, const char *name);
const zis_part *zis_call_part(const zis_call *c, const char *name);

/* Who may ask (guard.c). ZIS_OK, or a failure with its status in c->failed_status. */
ZIS_MUST_USE zis_status zis_guard_check(zis_call *c, zis_error *err);
bool zis_guard_has_key(const zis_call *c);
bool zis_guard_same(const char *a, const char *b); /* in constant time */
/* "http://host" of an allowed foreign page, or NULL. */
const char *zis_guard_origin(const zis_call *c);

/* The body (body.c): begin when the headers are there, then pieces, then end. */
void zis_body_begin(zis_call *c);
void zis_body_piece(zis_call *c, const char *data, size_t n);
void zis_body_end(zis_call *c);
void zis_body_free(zis_call *c);

/* A text as JSON, without a name twice in an object; what is wrong is said in plain words. */
ZIS_MUST_USE zis_status
zis_body_json(json_t **out, const char *what, const char *s, size_t n, zis_error *err);

/* The picture that a string names: "upload:ID", "job:ID/INDEX", base64; held until released. */
ZIS_MUST_USE zis_status zis_picture_from_text(
    zis_call *c, const char *field, const char *text, zis_upload **out, zis_error *err);

/* Of a slow route: when this returns the call waits for the job, without a thread; then `then` runs
 * on a helper. */
void zis_call_wait(zis_call *c, const char *job, zis_status (*then)(zis_call *, zis_error *));

/* ---- streams (stream.c) --------------------------------------------------------------------- */

/* Writes what is new behind *after; true: nothing will follow. */
typedef bool zis_stream_fill(zis_stream *st, zis_buf *out);
struct zis_stream {
    zis_stream *next;
    zis_server *s;
    struct MHD_Connection *mhd;
    zis_stream_fill *fill;
    char job[ZIS_JOB_ID + 1], session[ZIS_JOB_SESSION + 1];
    uint64_t after;
    zis_buf text; /* not sent yet, from `sent` on */
    size_t sent;
    double last; /* when something was written */
    int fd;
    bool suspended, ended, greeted, cancel_on_disconnect;
    bool poked; /* the client seems to have gone: a line will tell */
    /* of the OpenAI dialect */
    bool edit;
    int partials, partials_sent, steps_seen;
    int next_picture;
    char size[24], format[8];
};
/* Moves the stream in; answers with it. */
ZIS_MUST_USE zis_status zis_stream_start(zis_call *c, const zis_stream *template, zis_error *err);
void zis_streams_wake(zis_server *s, bool all);
bool zis_stream_native(zis_stream *st, zis_buf *out);

/* ---- the rest ------------------------------------------------------------------------------ */

/* Answers a GET for a file of the page; false: there is none of this name. */
bool zis_assets_reply(zis_call *c, const char *path, zis_error *err);

#endif
