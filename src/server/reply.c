/* Answers and failures, in the form of each dialect. */
#include "pipeline/jsonout.h"
#include "server/impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLICY                                                                                     \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "        \
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; "                  \
    "form-action 'none'; frame-ancestors 'none'"

void zis_reply_common(zis_call *c, struct MHD_Response *r)
{
    static const char *const headers[][2] = {
        {"Content-Security-Policy", POLICY}, {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "no-referrer"},  {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Server", "zis/" ZIS_VERSION},
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        MHD_add_response_header(r, headers[i][0], headers[i][1]);
    const char *origin = zis_guard_origin(c);
    MHD_add_response_header(r, "Cross-Origin-Resource-Policy",
                            origin ? "cross-origin" : "same-origin");
    if (!origin) return;
    MHD_add_response_header(r, "Access-Control-Allow-Origin", origin);
    MHD_add_response_header(r, "Vary", "Origin");
    MHD_add_response_header(r, "Access-Control-Expose-Headers", "Location, Retry-After");
}

void zis_reply_header(zis_call *c, const char *name, const char *value)
{
    if (c->response) MHD_add_response_header(c->response, name, value);
}

static zis_status give(
    zis_call *c, int status, struct MHD_Response *r, const char *type, zis_error *err)
{
    if (!r) return zis_fail_nomem(err, "the answer");
    if (c->response) MHD_destroy_response(c->response);
    c->response = r;
    c->status = status;
    if (type) MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    zis_reply_common(c, r);
    return ZIS_OK;
}

zis_status zis_reply_text(zis_call *c, int status, const char *type, zis_buf *text, zis_error *err)
{
    if (text->failed) {
        zis_buf_free(text);
        return zis_fail_nomem(err, "the answer");
    }
    struct MHD_Response *r =
        text->len
            ? MHD_create_response_from_buffer(text->len, text->data, MHD_RESPMEM_MUST_FREE)
            : MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
    if (!r || !text->len) zis_buf_free(text);
    *text = (zis_buf){0};
    return give(c, status, r, type, err);
}

zis_status zis_reply_json(zis_call *c, int status, zis_buf *text, zis_error *err)
{
    zis_status st = zis_reply_text(c, status, "application/json", text, err);
    if (!st) zis_reply_header(c, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    return st;
}

zis_status zis_reply_fd(
    zis_call *c, int status, const char *type, int fd, uint64_t bytes, zis_error *err)
{
    struct MHD_Response *r = MHD_create_response_from_fd64(bytes, fd); /* closes it */
    return give(c, status, r, type, err);
}

zis_status zis_reply_empty(zis_call *c, int status, zis_error *err)
{
    struct MHD_Response *r =
        MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
    return give(c, status, r, NULL, err);
}

/* ---- failures ------------------------------------------------------------------------------ */

int zis_http_status_of(zis_status st)
{
    switch (st) {
    case ZIS_ARG:
    case ZIS_FORMAT:
    case ZIS_UNSUPPORTED:
        return 400;
    case ZIS_NOT_FOUND:
        return 404;
    case ZIS_BUSY:
        return 429;
    case ZIS_CLOSED:
        return 503;
    case ZIS_CANCELLED:
        return 499;
    default:
        return 500;
    }
}

zis_status zis_call_fail(
    zis_call *c, int http, zis_status code, zis_error *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    zis_failv(err, code, fmt, ap);
    va_end(ap);
    c->failed_status = http;
    return code;
}

static const char *code_of(int http, zis_status st)
{
    switch (http) {
    case 401:
        return "unauthorized";
    case 403:
        return "forbidden";
    case 405:
        return "method_not_allowed";
    case 408:
        return "timeout";
    case 409:
        return "conflict";
    case 413:
        return "too_large";
    case 415:
        return "unsupported_media_type";
    case 429:
        return st == ZIS_BUSY ? "queue_full" : "too_many";
    default:
        return zis_status_name(st);
    }
}

zis_status zis_call_blame(zis_call *c, const char *field, zis_status st)
{
    if (st && zis_http_status_of(st) < 500 && !*c->blamed)
        snprintf(c->blamed, sizeof c->blamed, "%s", field);
    return st;
}

/* The field that is blamed, or that a sentence is about: "steps must be ..." begins with it. */
static void put_param(zis_buf *out, const zis_call *c, const char *text)
{
    size_t n = strcspn(text, " :");
    if (*c->blamed) {
        zis_jsonout_string(out, c->blamed);
        return;
    }
    char name[48];
    if (n < sizeof name) {
        memcpy(name, text, n);
        name[n] = '\0';
        if (zis_request_field(name)) {
            zis_jsonout_string(out, name);
            return;
        }
    }
    zis_buf_puts(out, "null");
}

/* The command that a sentence recommends. */
static void put_fetch(zis_buf *out, const char *text)
{
    const char *at = strstr(text, "zis fetch ");
    size_t n = at ? 10 + strcspn(at + 10, " `'\";,)") : 0;
    if (at && at[n - 1] == '.') n--;
    char *command = at ? zis_mem_strndup(at, n) : NULL;
    zis_jsonout_string(out, command);
    free(command);
}

static const char *type_of(int http)
{
    return http == 401   ? "authentication_error"
           : http == 429 ? "rate_limit_error"
           : http < 500  ? "invalid_request_error"
                         : "server_error";
}

void zis_reply_failure(zis_call *c, int http, const char *code, const zis_error *e)
{
    zis_buf out = {0};
    zis_error ignored;
    if (!http) http = zis_http_status_of(e->code);
    if (!code) code = code_of(http, e->code);
    /* what is no route of theirs is answered in their way, too */
    if (c->route ? c->route->dialect == ZIS_A1111 : strncmp(c->path, "/sdapi/", 7) == 0) {
        zis_buf_printf(&out, "{\"error\": \"%s\", \"detail\": ", code);
        zis_jsonout_string(&out, e->text);
        zis_buf_puts(&out, ", \"body\": \"\", \"errors\": ");
        zis_jsonout_string(&out, e->text);
        zis_buf_putc(&out, '}');
    } else {
        zis_buf_printf(&out, "{\"error\": {\"code\": \"%s\", \"message\": ", code);
        zis_jsonout_string(&out, e->text);
        zis_buf_printf(&out, ", \"type\": \"%s\", \"param\": ", type_of(http));
        put_param(&out, c, e->text);
        zis_buf_puts(&out, ", \"fetch\": ");
        put_fetch(&out, e->text);
        zis_buf_puts(&out, "}}");
    }
    if (zis_reply_json(c, http, &out, &ignored) != ZIS_OK) return;
    if (http == 401) zis_reply_header(c, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
    if (http == 429 || http == 503) zis_reply_header(c, MHD_HTTP_HEADER_RETRY_AFTER, "5");
}
