/* Who may ask: the name in Host, the page in Origin, the key.
 *
 * A page of a stranger, open in a browser of this machine, can send requests here. It cannot choose
 * Origin, and (by pointing its own name here) cannot choose Host: so both are looked at. */
#include "server/impl.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool zis_guard_same(const char *a, const char *b)
{
    /* as long as the secret, whatever was sent: neither length nor place of a difference shows */
    size_t n = strlen(b), m = strlen(a);
    volatile unsigned char differs = n != m;
    for (size_t i = 0; i < n; i++) {
        unsigned char x = (unsigned char)(m ? a[i % m] : 0);
        differs = (unsigned char)(differs | (x ^ (unsigned char)b[i]));
    }
    return !differs;
}

static bool listed(const char *const *list, const char *name)
{
    for (; list && *list; list++)
        if (strcasecmp(*list, name) == 0) return true;
    return false;
}

static bool is_port(const char *s)
{
    return !*s || (*s == ':' && strspn(s + 1, "0123456789") == strlen(s + 1));
}

/* Host without its port and brackets; false when it is no such thing. */
static bool host_name(const char *host, char *out, size_t n)
{
    const char *end;
    if (*host == '[') {
        host++;
        end = strchr(host, ']');
        if (!end || !is_port(end + 1)) return false;
    } else {
        end = strchr(host, ':');
        if (!end) end = host + strlen(host);
        if (!is_port(end)) return false;
    }
    size_t len = (size_t)(end - host);
    if (len == 0 || len >= n) return false;
    memcpy(out, host, len);
    out[len] = '\0';
    return true;
}

static bool is_address(const char *name)
{
    struct in6_addr ignored;
    return inet_pton(AF_INET, name, &ignored) == 1 || inet_pton(AF_INET6, name, &ignored) == 1;
}

static bool host_is_ours(const zis_server *s, const char *host)
{
    static const char *const loopback[] = {"localhost", "127.0.0.1", "::1", NULL};
    char name[256];
    if (!host || !host_name(host, name, sizeof name)) return false;
    if (listed(loopback, name) || listed(s->o.allow_hosts, name) || listed(s->o.allow_hosts, host))
        return true;
    /* Names are what can be pointed here; an address is where we are. */
    return !s->loopback && (is_address(name) || strcasecmp(name, s->host) == 0);
}

const char *zis_guard_origin(const zis_call *c)
{
    const char *origin = zis_call_header(c, MHD_HTTP_HEADER_ORIGIN);
    return origin && listed(c->s->o.allow_origins, origin) ? origin : NULL;
}

static bool origin_is_ours(const zis_call *c, const char *origin, const char *host)
{
    const char *at = strstr(origin, "://");
    if (zis_guard_origin(c)) return true;
    return at && (strncmp(origin, "http://", 7) == 0 || strncmp(origin, "https://", 8) == 0) &&
           strcasecmp(at + 3, host) == 0;
}

/* The cookie's value equals ours. */
static bool has_cookie(const zis_call *c)
{
    const char *v = MHD_lookup_connection_value(c->mhd, MHD_COOKIE_KIND, "zis_session");
    return v && zis_guard_same(v, c->s->cookie);
}

bool zis_guard_has_key(const zis_call *c)
{
    const char *v = zis_call_header(c, MHD_HTTP_HEADER_AUTHORIZATION);
    if (!c->s->key) return true;
    if (v && strncasecmp(v, "Bearer ", 7) == 0 && zis_guard_same(v + 7, c->s->key)) return true;
    return has_cookie(c);
}

static enum MHD_Result count_names(void *arg,
                                   enum MHD_ValueKind kind,
                                   const char *name,
                                   const char *value)
{
    int *n = arg;
    (void)kind;
    (void)value;
    if (strcasecmp(name, MHD_HTTP_HEADER_HOST) == 0) n[0]++;
    if (strcasecmp(name, MHD_HTTP_HEADER_ORIGIN) == 0) n[1]++;
    return MHD_YES;
}

zis_status zis_guard_check(zis_call *c, zis_error *err)
{
    /* of two, someone on the way may have believed the other */
    int n[2] = {0};
    MHD_get_connection_values(c->mhd, MHD_HEADER_KIND, count_names, n);
    if (n[0] > 1 || n[1] > 1)
        return zis_call_fail(c, 400, ZIS_ARG, err, "the request has two headers %s",
                             n[0] > 1 ? "Host" : "Origin");
    const char *host = zis_call_header(c, MHD_HTTP_HEADER_HOST);
    const char *origin = zis_call_header(c, MHD_HTTP_HEADER_ORIGIN);
    if (!host_is_ours(c->s, host))
        return zis_call_fail(c, 403, ZIS_ARG, err,
                             "the host '%.80s' is not one that this server answers for; "
                             "--allow-host adds it",
                             host ? host : "");
    if (origin && !origin_is_ours(c, origin, host))
        return zis_call_fail(c, 403, ZIS_ARG, err,
                             "pages of '%.80s' may not use this server; --allow-origin adds it",
                             origin);
    if (c->route && !(c->route->flags & ZIS_ROUTE_OPEN) && !zis_guard_has_key(c))
        return zis_call_fail(c, 401, ZIS_ARG, err,
                             "this server wants its API key in the header Authorization: Bearer "
                             "KEY");
    return ZIS_OK;
}
