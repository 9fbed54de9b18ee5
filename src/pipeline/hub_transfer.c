/* From a socket into a blob. */
#include "pipeline/hub_transfer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of a page that comes with an error, for instance. */
#define PAGE_MAX ((uint64_t)1 << 20)

zis_status zis_hub_transfer_init(zis_hub_transfer *t, zis_hub_http *http, zis_error *err)
{
    *t = (zis_hub_transfer){.http = http, .easy = http->lib.easy_init()};
    return t->easy ? ZIS_OK : zis_fail_nomem(err, "a connection");
}

void zis_hub_transfer_deinit(zis_hub_transfer *t)
{
    if (t->blob) zis_hub_transfer_stop(t);
    if (t->easy) t->http->lib.easy_cleanup(t->easy);
    *t = (zis_hub_transfer){0};
}

/* ---- callbacks ----------------------------------------------------------------------------- */

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
    zis_hub_api_header(&((zis_hub_transfer *)arg)->head, data, size * n);
    return size * n;
}

static size_t stop_with(zis_hub_transfer *t, zis_hub_end end)
{
    t->end = end;
    return 0; /* libcurl ends with CURLE_WRITE_ERROR */
}

/* The Hub itself says which content it gives: another than it listed is an error of its own. */
static bool names_other(const zis_hub_transfer *t, const char *said)
{
    size_t n = strlen(said);
    return n == strlen(t->etag) && zis_hub_api_is_hex(said, n) && strcmp(said, t->etag) != 0;
}

static bool is_other(zis_hub_transfer *t)
{
    if (!t->home) return false;
    const char *said = *t->head.linked_etag ? t->head.linked_etag : t->head.etag;
    bool commit = zis_hub_api_is_hex(t->head.commit, ZIS_HUB_COMMIT) &&
                  strcmp(t->head.commit, t->commit) != 0;
    if (!commit && !names_other(t, said)) return false;
    zis_fail(&t->error, ZIS_FORMAT, "the Hub gives another content (%.64s) than it listed (%s)",
             commit ? t->head.commit : said, commit ? t->commit : t->etag);
    return true;
}

/* Before the first byte of a body. */
static bool judge(zis_hub_transfer *t)
{
    const zis_hub_lib *l = &t->http->lib;
    const zis_hub_head *h = &t->head;
    long status = 0;
    curl_off_t length = -1;
    bool whole = t->from == 0 && t->to == t->size;
    l->easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    l->easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (status != 200 && status != 206) return true; /* a page that says why; not read */
    if (is_other(t)) {
        t->end = ZIS_HUB_END_OTHER;
    } else if (status == 206 && (!h->has_range || h->from != t->from || h->to >= t->to)) {
        t->end = ZIS_HUB_END_OTHER;
        zis_fail(&t->error, ZIS_FORMAT, "another range came than was asked for");
    } else if (status == 206 && h->total != t->size) {
        t->end = ZIS_HUB_END_OTHER;
        zis_fail(&t->error, ZIS_FORMAT, "the server has %" PRIu64 " bytes, the Hub lists %" PRIu64,
                 h->total, t->size);
    } else if (status == 200 && !whole) {
        t->end = ZIS_HUB_END_NO_RANGE;
        zis_fail(&t->error, ZIS_IO, "the server gives no parts of files");
    } else if (status == 200 && length >= 0 && (uint64_t)length != t->size) {
        t->end = ZIS_HUB_END_OTHER;
        zis_fail(&t->error, ZIS_FORMAT, "the server has %" PRIu64 " bytes, the Hub lists %" PRIu64,
                 (uint64_t)length, t->size);
    }
    if (t->end == ZIS_HUB_END_WHOLE && *h->validator)
        zis_hub_blob_set_validator(t->blob, h->validator);
    return t->end == ZIS_HUB_END_WHOLE;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    zis_hub_transfer *t = arg;
    size_t k = size * n;
    long status = 0;
    t->http->lib.easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200 && status != 206) { /* all is said by the status; let the page pass by */
        t->skipped += k;
        return t->skipped > PAGE_MAX ? 0 : k;
    }
    if (!t->judged) {
        t->judged = true;
        if (!judge(t)) return 0;
    }
    if (k > t->to - t->at) {
        zis_fail(&t->error, ZIS_FORMAT, "more bytes came than the Hub lists");
        return stop_with(t, ZIS_HUB_END_OTHER);
    }
    if (zis_hub_blob_write(t->blob, t->at, data, k, &t->error))
        return stop_with(t, ZIS_HUB_END_FATAL);
    t->at += k;
    return k;
}

/* ---- one request --------------------------------------------------------------------------- */

/* The session's headers (the token's among them, at home), and If-Range. */
static zis_status add_headers(zis_hub_transfer *t, const char *validator, zis_error *err)
{
    const zis_hub_lib *l = &t->http->lib;
    char line[240];
    snprintf(line, sizeof line, "If-Range: %s", validator);
    for (struct curl_slist *s = t->home ? t->http->secret : t->http->plain; s || *line;
         s = s ? s->next : NULL) {
        struct curl_slist *more = l->slist_append(t->headers, s ? s->data : line);
        if (!more) return zis_fail_nomem(err, "a connection");
        t->headers = more;
        if (!s) break;
    }
    return l->easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers) == CURLE_OK
               ? ZIS_OK
               : zis_fail_nomem(err, "a connection");
}

static void forget(zis_hub_transfer *t)
{
    if (t->headers) t->http->lib.slist_free_all(t->headers);
    t->headers = NULL;
    t->blob = NULL;
}

zis_status zis_hub_transfer_start(zis_hub_transfer *t,
                                  const char *url,
                                  zis_hub_blob *blob,
                                  const char *etag,
                                  const char *commit,
                                  uint64_t size,
                                  uint64_t from,
                                  uint64_t to,
                                  bool plain,
                                  zis_error *err)
{
    const zis_hub_lib *l = &t->http->lib;
    char range[64];
    zis_hub_transfer fresh = {.http = t->http,
                              .easy = t->easy,
                              .blob = blob,
                              .etag = etag,
                              .commit = commit,
                              .size = size,
                              .from = plain ? 0 : from,
                              .to = plain ? size : to,
                              .at = plain ? 0 : from,
                              .home = zis_hub_http_is_home(t->http, url)};
    zis_status st = zis_hub_http_aim(t->http, t->easy, url, err);
    if (st) return st;
    *t = fresh;
    l->easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, on_header);
    l->easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
    l->easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body);
    l->easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
    l->easy_setopt(t->easy, CURLOPT_PRIVATE, t);
    if (t->from > 0 || t->to < t->size) {
        const char *validator = zis_hub_blob_validator(blob);
        snprintf(range, sizeof range, "%" PRIu64 "-%" PRIu64, t->from, t->to - 1);
        if (l->easy_setopt(t->easy, CURLOPT_RANGE, range) != CURLE_OK)
            st = zis_fail_nomem(err, "a connection");
        if (!st && *validator) st = add_headers(t, validator, err);
    }
    if (!st && l->multi_add_handle(t->http->multi, t->easy) != CURLM_OK)
        st = zis_fail_nomem(err, "a connection");
    if (st) forget(t);
    return st;
}

void zis_hub_transfer_stop(zis_hub_transfer *t)
{
    t->http->lib.multi_remove_handle(t->http->multi, t->easy);
    forget(t);
}

/* An answer without a body, or one that went through. */
static zis_hub_end judge_status(zis_hub_transfer *t, long status)
{
    if (status == 200 || status == 206) {
        if (!t->judged && t->to > t->from && !judge(t)) return t->end;
        if (t->at == t->to) return ZIS_HUB_END_WHOLE;
        zis_fail(&t->error, ZIS_IO, "the connection ended %" PRIu64 " bytes early", t->to - t->at);
        return ZIS_HUB_END_SHORT;
    }
    if (status == 416) {
        zis_fail(&t->error, ZIS_IO, "the server knows no bytes %" PRIu64 "-%" PRIu64 " (416)",
                 t->from, t->to - 1);
        return ZIS_HUB_END_RANGE;
    }
    if (zis_hub_http_passes(status)) {
        zis_fail(&t->error, ZIS_IO, "the server answered %ld", status);
        return ZIS_HUB_END_BUSY;
    }
    return ZIS_HUB_END_REFUSED;
}

zis_hub_end zis_hub_transfer_end(
    zis_hub_transfer *t, CURLcode code, long *status, double *wish, char **location)
{
    const zis_hub_lib *l = &t->http->lib;
    const char *to = NULL;
    curl_off_t after = 0;
    zis_hub_end end;
    *status = 0;
    *location = NULL;
    l->easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, status);
    l->easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &after);
    l->easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &to);
    *wish = (double)after;
    if (t->skipped > PAGE_MAX) code = CURLE_OK;
    bool redirect = *status >= 300 && *status < 400 && to;
    if (t->end != ZIS_HUB_END_WHOLE) {
        end = t->end;
    } else if (code != CURLE_OK && !redirect) {
        bool passes = zis_hub_http_curl_passes(code);
        zis_fail(&t->error, ZIS_IO, "%s", l->easy_strerror(code));
        end = passes ? ZIS_HUB_END_SHORT : ZIS_HUB_END_FATAL;
    } else if (redirect && is_other(t)) {
        end = ZIS_HUB_END_OTHER;
    } else if (redirect) {
        *location = zis_mem_strdup(to);
        end = *location ? ZIS_HUB_END_REDIRECT : ZIS_HUB_END_FATAL;
        if (!*location) zis_fail_nomem(&t->error, "an address");
    } else {
        end = judge_status(t, *status);
    }
    zis_hub_transfer_stop(t);
    return end;
}
