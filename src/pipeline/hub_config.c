/* Environment variables of the Python client, read the same way. */
#include "pipeline/hub_config.h"

#include "base/mem.h"
#include "base/os.h"
#include "pipeline/hubcache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ENDPOINT "https://huggingface.co"
#define WAIT_MAX 60.0

static const char *env(const char *name)
{
    const char *v = getenv(name);
    return v && *v ? v : NULL;
}

static bool is_on(const char *name)
{
    const char *v = env(name);
    return v && (strcasecmp(v, "1") == 0 || strcasecmp(v, "true") == 0 ||
                 strcasecmp(v, "yes") == 0 || strcasecmp(v, "on") == 0);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* A token is one word of printable ASCII: nothing else may get into a header. The message does not
 * quote it. */
static zis_status take_token(zis_hub_config *c, const char *s, const char *from, zis_error *err)
{
    size_t n = strlen(s);
    while (n && is_space(*s)) s++, n--;
    while (n && is_space(s[n - 1])) n--;
    if (n == 0) return ZIS_OK;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] <= 0x20 || (unsigned char)s[i] > 0x7E)
            return zis_fail(err, ZIS_ARG,
                            "the token in %s holds blanks or other characters that no token has",
                            from);
    c->token = zis_mem_strndup(s, n);
    return c->token ? ZIS_OK : zis_fail_nomem(err, "the token");
}

/* New string: where the Python client keeps the token; NULL without a home. */
static char *token_path(void)
{
    if (env("HF_TOKEN_PATH")) return zis_mem_strdup(env("HF_TOKEN_PATH"));
    if (env("HF_HOME")) return zis_os_join(env("HF_HOME"), "token");
    if (env("XDG_CACHE_HOME")) return zis_os_join(env("XDG_CACHE_HOME"), "huggingface/token");
    if (env("HOME")) return zis_os_join(env("HOME"), ".cache/huggingface/token");
    return NULL;
}

static zis_status read_token(zis_hub_config *c, zis_error *err)
{
    if (env("HF_TOKEN")) return take_token(c, env("HF_TOKEN"), "HF_TOKEN", err);
    if (env("HUGGING_FACE_HUB_TOKEN"))
        return take_token(c, env("HUGGING_FACE_HUB_TOKEN"), "HUGGING_FACE_HUB_TOKEN", err);
    errno = 0;
    char *path = token_path(), *text = NULL;
    size_t n = 0;
    if (!path) return errno == ENOMEM ? zis_fail_nomem(err, "the token") : ZIS_OK;
    zis_status st = zis_os_read_file(&text, &n, path, 4096, err);
    if (st == ZIS_NOT_FOUND)
        st = ZIS_OK;
    else if (!st)
        st = take_token(c, text, path, err);
    free(text);
    free(path);
    return st;
}

static zis_status take_endpoint(zis_hub_config *c, zis_error *err)
{
    const char *s = env("HF_ENDPOINT") ? env("HF_ENDPOINT") : ENDPOINT;
    size_t n = strlen(s);
    while (n && s[n - 1] == '/') n--;
    if (strncasecmp(s, "https://", 8) != 0 && strncasecmp(s, "http://", 7) != 0)
        return zis_fail(err, ZIS_ARG, "HF_ENDPOINT must begin with https://, not '%.80s'", s);
    if (memchr(s, '@', n))
        return zis_fail(err, ZIS_ARG, "HF_ENDPOINT must not hold a name or a password ('@')");
    c->endpoint = zis_mem_strndup(s, n);
    return c->endpoint ? ZIS_OK : zis_fail_nomem(err, "the address of the Hub");
}

static zis_status take_paths(zis_hub_config *c, zis_error *err)
{
    static const char *const ca[] = {"SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"};
    errno = 0;
    c->cache = zis_hubcache_root();
    if (!c->cache && errno == ENOMEM) return zis_fail_nomem(err, "the cache's name");
    if (!c->cache)
        return zis_fail(err, ZIS_NOT_FOUND,
                        "there is no place for downloads: set HF_HOME or HOME to a folder");
    for (int i = 0; i < 3 && !c->ca_file; i++) {
        if (!env(ca[i])) continue;
        c->ca_file = zis_mem_strdup(env(ca[i]));
        if (!c->ca_file) return zis_fail_nomem(err, "the certificates");
    }
    return ZIS_OK;
}

zis_status zis_hub_config_init(zis_hub_config *out, zis_error *err)
{
    zis_hub_config c = {
        .offline = is_on("HF_HUB_OFFLINE"),
        .connections = 8,
        .retries = 8,
        .retry_wait = 1,
        .timeout = 30,
    };
    zis_status st = take_endpoint(&c, err);
    if (!st) st = take_paths(&c, err);
    if (!st) st = read_token(&c, err);
    if (st)
        zis_hub_config_deinit(&c);
    else
        *out = c;
    return st;
}

void zis_hub_config_deinit(zis_hub_config *c)
{
    free(c->endpoint);
    if (c->token) explicit_bzero(c->token, strlen(c->token));
    free(c->token);
    free(c->cache);
    free(c->ca_file);
    *c = (zis_hub_config){0};
}

double zis_hub_config_wait(const zis_hub_config *c, int attempt, double wish, double spread)
{
    if (wish > 0) return wish;
    double wait = c->retry_wait;
    for (int i = 1; i < attempt && wait < WAIT_MAX; i++) wait *= 2;
    if (wait > WAIT_MAX) wait = WAIT_MAX;
    return wait * (1 - spread / 4);
}
