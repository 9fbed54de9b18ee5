/* libcurl, kept on a short leash. */
#include "pipeline/hub_http.h"

#include "base/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HOPS_MAX 5
/* An answer of the API is small: it may not drip for ever. */
#define ANSWER_SECONDS 300L
/* Slower than this for the whole timeout counts as silence. */
#define SILENCE_BYTES 500L
/* Longer waits are for a person to decide. */
#define WAIT_MAX 900.0
#define BUFFER_BYTES (512L << 10)

/* ---- the session --------------------------------------------------------------------------- */

static zis_status append(zis_hub_http *h,
                         struct curl_slist **list,
                         const char *line,
                         zis_error *err)
{
    struct curl_slist *more = h->lib.slist_append(*list, line);
    if (!more) return zis_fail_nomem(err, "the connection");
    *list = more;
    return ZIS_OK;
}

static zis_status make_headers(zis_hub_http *h, zis_error *err)
{
    zis_status st = append(h, &h->plain, "Accept-Encoding: identity", err);
    if (!st) st = append(h, &h->secret, "Accept-Encoding: identity", err);
    if (st || !h->config->token) return st;
    char *line = zis_mem_printf("Authorization: Bearer %s", h->config->token);
    if (!line) return zis_fail_nomem(err, "the connection");
    st = append(h, &h->secret, line, err);
    explicit_bzero(line, strlen(line));
    free(line);
    return st;
}

zis_status zis_hub_http_open(zis_hub_http *out,
                             const zis_hub_config *config,
                             const zis_hub_hooks *hooks,
                             const atomic_bool *cancel,
                             zis_error *err)
{
    zis_hub_http h = {.config = config, .hooks = hooks, .cancel = cancel};
    zis_status st = ZIS_OK;
    if (config->offline)
        return zis_fail(err, ZIS_UNSUPPORTED,
                        "HF_HUB_OFFLINE is set, so nothing is downloaded; unset it and try again");
    st = zis_hub_lib_open(&h.lib, err);
    if (!st) st = make_headers(&h, err);
    if (!st && !(h.multi = h.lib.multi_init())) st = zis_fail_nomem(err, "the connection");
    if (!st && !(h.origin = zis_hub_http_origin(&h, config->endpoint)))
        st = zis_fail(err, ZIS_ARG, "HF_ENDPOINT is no address: '%.200s'", config->endpoint);
    if (st)
        zis_hub_http_close(&h);
    else
        *out = h;
    return st;
}

void zis_hub_http_close(zis_hub_http *h)
{
    if (h->multi) h->lib.multi_cleanup(h->multi);
    if (h->plain) h->lib.slist_free_all(h->plain);
    if (h->secret) h->lib.slist_free_all(h->secret);
    free(h->origin);
    zis_hub_lib_close(&h->lib);
    *h = (zis_hub_http){0};
}

/* ---- addresses ----------------------------------------------------------------------------- */

/* Read by the very parser that will connect, so that both see the same host. */
char *zis_hub_http_origin(const zis_hub_http *h, const char *url)
{
    char *scheme = NULL, *host = NULL, *port = NULL, *text = NULL;
    CURLU *u = h->lib.url();
    if (u && h->lib.url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
        h->lib.url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        h->lib.url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        h->lib.url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK)
        text = zis_mem_printf("%s://%s:%s", scheme, host, port);
    for (char *s = text; s && *s; s++)
        if (*s >= 'A' && *s <= 'Z') *s = (char)(*s - 'A' + 'a');
    h->lib.free(scheme);
    h->lib.free(host);
    h->lib.free(port);
    if (u) h->lib.url_cleanup(u);
    return text;
}

bool zis_hub_http_is_home(const zis_hub_http *h, const char *url)
{
    char *origin = zis_hub_http_origin(h, url);
    bool home = origin && strcmp(origin, h->origin) == 0;
    free(origin);
    return home;
}

zis_status zis_hub_http_aim(zis_hub_http *h, CURL *easy, const char *url, zis_error *err)
{
    const zis_hub_lib *l = &h->lib;
    const zis_hub_config *c = h->config;
    char *origin = zis_hub_http_origin(h, url);
    if (!origin) return zis_fail(err, ZIS_UNSUPPORTED, "the Hub leads to an address that is none");
    bool secure = strncmp(origin, "https://", 8) == 0;
    bool allowed =
        secure || (strncmp(origin, "http://", 7) == 0 && strncmp(h->origin, "http://", 7) == 0);
    bool home = strcmp(origin, h->origin) == 0;
    zis_status st = ZIS_OK;
    if (!allowed) {
        st = zis_fail(err, ZIS_UNSUPPORTED, "the Hub leads to '%.200s', which is not safe (https)",
                      origin);
        goto out;
    }
    l->easy_reset(easy);
    bool ok = l->easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK;
    l->easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    ok = ok && l->easy_setopt(easy, CURLOPT_HTTPHEADER, home ? h->secret : h->plain) == CURLE_OK;
    ok = ok && l->easy_setopt(easy, CURLOPT_USERAGENT, "z-image-studio/" ZIS_VERSION) == CURLE_OK;
    l->easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    l->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    l->easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    l->easy_setopt(easy, CURLOPT_BUFFERSIZE, BUFFER_BYTES);
    l->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(c->timeout * 1000));
    l->easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, SILENCE_BYTES);
    l->easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, c->timeout < 1 ? 1L : (long)c->timeout);
    if (c->ca_file) ok = ok && l->easy_setopt(easy, CURLOPT_CAINFO, c->ca_file) == CURLE_OK;
    if (!ok) st = zis_fail_nomem(err, "the connection");
out:
    free(origin);
    return st;
}

/* ---- judgement ----------------------------------------------------------------------------- */

bool zis_hub_http_passes(long status)
{
    return status == 408 || status == 425 || status == 429 || status == 500 || status == 502 ||
           status == 503 || status == 504;
}

bool zis_hub_http_curl_passes(CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_AGAIN:
        return true;
    default:
        return false;
    }
}

/* What the Hub says itself, unless it repeats the token. */
static const char *said(const zis_hub_http *h, const zis_hub_head *head)
{
    const char *token = h->config->token;
    return token && strstr(head->message, token) ? "" : head->message;
}

zis_status zis_hub_http_refuse(const zis_hub_http *h,
                               long status,
                               const zis_hub_head *head,
                               const char *id,
                               const char *file,
                               zis_error *err)
{
    const char *at = h->config->endpoint, *text = said(h, head);
    bool token = h->config->token;
    if (strcmp(head->code, "GatedRepo") == 0 && token)
        return zis_fail(
            err, ZIS_NOT_FOUND,
            "%s is gated and your token's account has no access (%ld): accept its terms "
            "on %s/%s, then try again",
            id, status, at, id);
    if (strcmp(head->code, "GatedRepo") == 0)
        return zis_fail(err, ZIS_NOT_FOUND,
                        "%s is gated (%ld): accept its terms on %s/%s, make a token on "
                        "%s/settings/tokens and set HF_TOKEN",
                        id, status, at, id, at);
    if (strcmp(head->code, "RevisionNotFound") == 0)
        return zis_fail(err, ZIS_NOT_FOUND, "%s has no such revision; see %s/%s", id, at, id);
    if (file && (strcmp(head->code, "EntryNotFound") == 0 || status == 404))
        return zis_fail(err, ZIS_NOT_FOUND, "%s lists '%.200s', but does not have it (%ld)", id,
                        file, status);
    if (status == 404 || strcmp(head->code, "RepoNotFound") == 0)
        return zis_fail(err, ZIS_NOT_FOUND,
                        "the Hub (%s) shows no repository %s (%ld): check the name; if it is "
                        "private, %s",
                        at, id, status,
                        token ? "your token's account needs access" : "set HF_TOKEN to a token");
    if (status == 401 || status == 403)
        return zis_fail(err, ZIS_NOT_FOUND, "the Hub refuses access to %s (%ld%s%s): %s", id,
                        status, *text ? ", " : "", text,
                        token ? "the token may have expired; make a new one and set HF_TOKEN"
                              : "set HF_TOKEN to a token of an account that has access");
    if (status == 429)
        return zis_fail(err, ZIS_IO,
                        "the Hub has had too many requests from here (429); try again later%s",
                        token ? "" : ", or set HF_TOKEN: accounts may ask more often");
    return zis_fail(err, ZIS_IO, "the Hub answered %ld for %s%s%.200s%s%s%s", status, id,
                    file ? "/" : "", file ? file : "", *text ? " (" : "", text, *text ? ")" : "");
}

zis_status zis_hub_http_cancelled(const zis_hub_http *h, zis_error *err)
{
    if (!h->cancel || !atomic_load(h->cancel)) return ZIS_OK;
    return zis_fail(err, ZIS_CANCELLED,
                    "stopped; what was downloaded stays, and the same command goes on");
}

zis_status zis_hub_http_sleep(zis_hub_http *h, double seconds, zis_error *err)
{
    double end = zis_os_now() + seconds;
    for (;;) {
        zis_status st = zis_hub_http_cancelled(h, err);
        double left = end - zis_os_now();
        if (st || left <= 0) return st;
        h->lib.multi_poll(h->multi, NULL, 0, left > 0.1 ? 100 : (int)(left * 1000) + 1, NULL);
    }
}

/* ---- small answers ------------------------------------------------------------------------- */

typedef struct answer {
    zis_buf body;
    zis_hub_head head;
    bool too_long;
} answer;

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
    zis_hub_api_header(&((answer *)arg)->head, data, size * n);
    return size * n;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    answer *a = arg;
    if (a->body.len + size * n > ZIS_HUB_MAX_ANSWER) {
        a->too_long = true;
        return 0;
    }
    zis_buf_append(&a->body, data, size * n);
    return a->body.failed ? 0 : size * n;
}

/* Runs one request to its end, looking at the cancel flag. */
static zis_status perform(zis_hub_http *h, CURL *easy, CURLcode *code, zis_error *err)
{
    const zis_hub_lib *l = &h->lib;
    zis_status st = ZIS_OK;
    bool ended = false;
    if (l->multi_add_handle(h->multi, easy) != CURLM_OK)
        return zis_fail_nomem(err, "the connection");
    while (!st && !ended) {
        int running = 0, left = 0;
        if (l->multi_perform(h->multi, &running) != CURLM_OK)
            st = zis_fail_nomem(err, "the connection");
        for (CURLMsg *m; (m = l->multi_info_read(h->multi, &left));) {
            if (m->msg != CURLMSG_DONE) continue;
            *code = m->data.result;
            ended = true;
        }
        if (!st && !ended) st = zis_hub_http_cancelled(h, err);
        if (!st && !ended) l->multi_poll(h->multi, NULL, 0, 100, NULL);
    }
    l->multi_remove_handle(h->multi, easy);
    return st;
}

/* One request and its redirects within the Hub. *status 0: the connection failed with *code. */
static zis_status ask(zis_hub_http *h,
                      CURL *easy,
                      const char *url,
                      answer *a,
                      long *status,
                      CURLcode *code,
                      double *wish,
                      zis_error *err)
{
    const zis_hub_lib *l = &h->lib;
    char *at = zis_mem_strdup(url);
    zis_status st = at ? ZIS_OK : zis_fail_nomem(err, "an address");
    for (int hop = 0; !st; hop++) {
        const char *to = NULL;
        curl_off_t after = 0;
        *status = 0;
        a->body.len = 0;
        if (hop > HOPS_MAX)
            st = zis_fail(err, ZIS_IO, "the Hub redirects in circles (%s)", h->origin);
        else if (!zis_hub_http_is_home(h, at))
            st = zis_fail(err, ZIS_UNSUPPORTED, "the Hub's API leads to another host");
        if (!st) st = zis_hub_http_aim(h, easy, at, err);
        if (st) break;
        l->easy_setopt(easy, CURLOPT_TIMEOUT, ANSWER_SECONDS);
        l->easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
        l->easy_setopt(easy, CURLOPT_HEADERDATA, a);
        l->easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
        l->easy_setopt(easy, CURLOPT_WRITEDATA, a);
        st = perform(h, easy, code, err);
        if (st || *code != CURLE_OK) break;
        l->easy_getinfo(easy, CURLINFO_RESPONSE_CODE, status);
        l->easy_getinfo(easy, CURLINFO_RETRY_AFTER, &after);
        l->easy_getinfo(easy, CURLINFO_REDIRECT_URL, &to);
        *wish = (double)after;
        if (*status < 300 || *status > 399 || !to) break;
        free(at);
        at = zis_mem_strdup(to);
        if (!at) st = zis_fail_nomem(err, "an address");
    }
    free(at);
    return st;
}

static zis_status judge(
    zis_hub_http *h, const answer *a, long status, CURLcode code, const char *id, zis_error *err)
{
    if (a->body.failed) return zis_fail_nomem(err, "an answer of the Hub");
    if (a->too_long)
        return zis_fail(err, ZIS_FORMAT, "the Hub's answer for %s is longer than %zu MB", id,
                        ZIS_HUB_MAX_ANSWER >> 20);
    if (code != CURLE_OK)
        return zis_fail(err, ZIS_IO, "the Hub (%s) cannot be reached: %s", h->config->endpoint,
                        h->lib.easy_strerror(code));
    return status == 200 ? ZIS_OK : zis_hub_http_refuse(h, status, &a->head, id, NULL, err);
}

zis_status zis_hub_http_get(zis_hub_http *h,
                            const char *url,
                            const char *id,
                            zis_buf *body,
                            zis_hub_head *head,
                            zis_error *err)
{
    CURL *easy = h->lib.easy_init();
    if (!easy) return zis_fail_nomem(err, "the connection");
    zis_status st;
    answer a = {0};
    for (int attempt = 1;; attempt++) {
        long status = 0;
        CURLcode code = CURLE_OK;
        double wish = 0;
        a.head = (zis_hub_head){0};
        a.too_long = false;
        st = ask(h, easy, url, &a, &status, &code, &wish, err);
        if (st) break;
        zis_error why;
        st = judge(h, &a, status, code, id, &why);
        bool again = code != CURLE_OK ? zis_hub_http_curl_passes(code) && !a.too_long
                                      : zis_hub_http_passes(status);
        if (st && (!again || attempt > h->config->retries || wish > WAIT_MAX)) {
            if (err) *err = why;
            break;
        }
        if (!st) break;
        double wait = zis_hub_config_wait(h->config, attempt, wish, zis_os_random() / 4294967296.0);
        zis_hub_tell(h->hooks, &(zis_hub_event){.kind = ZIS_HUB_EVENT_RETRY,
                                                .repo = id,
                                                .text = why.text,
                                                .seconds = wait});
        st = zis_hub_http_sleep(h, wait, err);
        if (st) break;
    }
    if (!st) {
        zis_buf_append(body, a.body.data ? a.body.data : "", a.body.len);
        *head = a.head;
        if (body->failed) st = zis_fail_nomem(err, "an answer of the Hub");
    }
    zis_buf_free(&a.body);
    h->lib.easy_cleanup(easy);
    return st;
}
