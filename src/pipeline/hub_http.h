/* hub_http.h - the Hub over HTTP: one session with libcurl, and who gets the token.
 *
 * Redirects are never followed by libcurl: each address is looked at first, and the token goes with
 * a request only when its scheme, host and port are the Hub's own. From https nothing leads to
 * plain http. Messages hold no token and no query of an address (signatures).
 *
 *     open -> get, aim -> close        Threads: one. */
#ifndef ZIS_PIPELINE_HUB_HTTP_H
#define ZIS_PIPELINE_HUB_HTTP_H

#include "pipeline/hub_api.h"
#include "pipeline/hub_config.h"
#include "pipeline/hub_event.h"
#include "pipeline/hub_lib.h"

#include <stdatomic.h>

typedef struct zis_hub_http {
    zis_hub_lib lib;
    const zis_hub_config *config; /* borrowed */
    const zis_hub_hooks *hooks;   /* borrowed */
    const atomic_bool *cancel;    /* borrowed; may be NULL */
    CURLM *multi;
    struct curl_slist *plain, *secret; /* headers without and with the token */
    char *origin;                      /* "https://huggingface.co:443" */
} zis_hub_http;

ZIS_MUST_USE zis_status zis_hub_http_open(zis_hub_http *out,
                                          const zis_hub_config *config,
                                          const zis_hub_hooks *hooks,
                                          const atomic_bool *cancel,
                                          zis_error *err);
/* Accepts a zeroed one. */
void zis_hub_http_close(zis_hub_http *h);

/* Prepares a handle for a GET: options, limits, and the token when the address is the Hub's.
 * ZIS_UNSUPPORTED for an address that must not be asked. */
ZIS_MUST_USE zis_status zis_hub_http_aim(zis_hub_http *h,
                                         CURL *easy,
                                         const char *url,
                                         zis_error *err);
/* Whether the address is the Hub's own. */
bool zis_hub_http_is_home(const zis_hub_http *h, const char *url);
/* New string: scheme, host and port, without what else an address holds, for messages too; NULL if
 * it is none (or without memory). */
char *zis_hub_http_origin(const zis_hub_http *h, const char *url);

/* A small answer of the Hub's API, with retries. The body is appended; *head is the last answer's.
 * `id` names the repository in messages. */
ZIS_MUST_USE zis_status zis_hub_http_get(zis_hub_http *h,
                                         const char *url,
                                         const char *id,
                                         zis_buf *body,
                                         zis_hub_head *head,
                                         zis_error *err);

/* Whether trying again may help. */
bool zis_hub_http_passes(long status);
bool zis_hub_http_curl_passes(CURLcode code);
/* The sentence for a refusal. file: NULL for the repository as a whole. */
zis_status zis_hub_http_refuse(const zis_hub_http *h,
                               long status,
                               const zis_hub_head *head,
                               const char *id,
                               const char *file,
                               zis_error *err);

/* Sleeps, unless cancelled: ZIS_CANCELLED. */
ZIS_MUST_USE zis_status zis_hub_http_sleep(zis_hub_http *h, double seconds, zis_error *err);
ZIS_MUST_USE zis_status zis_hub_http_cancelled(const zis_hub_http *h, zis_error *err);

#endif
