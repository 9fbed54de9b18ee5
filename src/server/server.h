/* server.h - the studio over HTTP: the page, the native API, those of OpenAI and A1111.
 *
 * libmicrohttpd's threads parse and answer what needs no waiting; a few helpers do what takes
 * longer (pictures, tokens, lists of files); jobs.h does the jobs. No thread of the network ever
 * touches a model.
 *
 *     create -> (serves) -> stop -> destroy
 *
 * Threads: create, stop and destroy from one thread. */
#ifndef ZIS_SERVER_SERVER_H
#define ZIS_SERVER_SERVER_H

#include "studio/jobs.h"

typedef struct zis_server zis_server;

typedef struct zis_server_options {
    zis_engine_options engine;
    const char *host;                 /* address; NULL: 127.0.0.1 */
    int port;                         /* 0: any free one */
    const char *model;                /* that requests use when they name none; NULL: nano */
    const char *api_key;              /* NULL: none is asked for */
    const char *const *allow_hosts;   /* ended by NULL; or NULL */
    const char *const *allow_origins; /* likewise */
    const char *folder;              /* where uploads and results are kept; of this process alone */
    const char *web;                 /* folder served instead of the built-in page, or NULL */
    const char *const *lora_folders; /* ended by NULL, or NULL */
    const char *program; /* what decodes pictures in its own process; NULL: this program */
    int queue_most;
    int connections_most;
    uint64_t keep_bytes;
    double keep_seconds;
    double request_seconds; /* to receive a whole request */
    bool log_prompts;
    void *arg;
    void (*log)(void *arg, const char *line); /* one for each request; any thread; may be NULL */
} zis_server_options;

/* What is taken when the caller says nothing. */
void zis_server_defaults(zis_server_options *o);

ZIS_MUST_USE zis_status zis_server_create(zis_server **out,
                                          const zis_server_options *o,
                                          zis_error *err);
int zis_server_port(const zis_server *s);
/* No more requests but looks; the running job is finished or cancelled (jobs.h). */
void zis_server_stop(zis_server *s,
                     double seconds,
                     const atomic_bool *hurry,
                     zis_jobs_stopped *out);
void zis_server_destroy(zis_server **s);

/* The hidden command that decodes one picture, from standard input to standard output, with
 * nothing else allowed; its exit code. */
int zis_server_decode_main(void);

#endif
