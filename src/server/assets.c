/* Files of the page: from the program, or from a folder while the page is being written. */
#include "server/assets.h"

#include "base/os.h"
#include "server/impl.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *ending, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".json", "application/json"},
    {".webmanifest", "application/manifest+json"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".ico", "image/x-icon"},
    {".woff2", "font/woff2"},
    {".txt", "text/plain; charset=utf-8"},
};

static const char *type_of(const char *path)
{
    size_t n = strlen(path);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        size_t k = strlen(types[i].ending);
        if (n > k && strcmp(path + n - k, types[i].ending) == 0) return types[i].type;
    }
    return NULL;
}

static zis_status give(zis_call *c, const char *path, const zis_asset *a, bool gz, zis_error *err)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(
        gz ? a->gz_size : a->size, (void *)(uintptr_t)(gz ? a->gz : a->data),
        MHD_RESPMEM_PERSISTENT);
    if (!r) return zis_fail_nomem(err, path);
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type_of(path));
    if (gz) MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
    zis_reply_common(c, r);
    c->response = r;
    c->status = 200;
    return ZIS_OK;
}

static bool takes_gzip(const zis_call *c)
{
    const char *v = zis_call_header(c, MHD_HTTP_HEADER_ACCEPT_ENCODING);
    const char *at = v ? strstr(v, "gzip") : NULL;
    return at && strncmp(at, "gzip;q=0", 8) != 0;
}

static bool from_program(zis_call *c, const char *path, zis_error *err)
{
    const zis_asset *a = NULL;
    for (size_t i = 0; zis_asset_at(i) && !a; i++)
        if (strcmp(zis_asset_at(i)->path, path) == 0) a = zis_asset_at(i);
    if (!a) return false;
    const char *known = zis_call_header(c, MHD_HTTP_HEADER_IF_NONE_MATCH);
    zis_status st;
    if (known && strstr(known, a->tag))
        st = zis_reply_empty(c, 304, err);
    else
        st = give(c, path, a, a->gz_size && takes_gzip(c), err);
    if (st) {
        c->failed = st;
        return true;
    }
    zis_reply_header(c, MHD_HTTP_HEADER_ETAG, a->tag);
    zis_reply_header(c, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
    zis_reply_header(c, MHD_HTTP_HEADER_VARY, "Accept-Encoding");
    return true;
}

/* Letters, digits, - _ . and / in between; no part begins with a point. */
static bool is_plain(const char *path)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./";
    return strspn(path, letters) == strlen(path) && !strstr(path, "/.") && !strstr(path, "//");
}

static bool from_folder(zis_call *c, const char *path, zis_error *err)
{
    struct stat sb;
    char *file = zis_os_join(c->s->o.web, path + 1);
    int fd = file && is_plain(path) ? open(file, O_RDONLY | O_CLOEXEC) : -1;
    free(file);
    if (fd < 0) return false;
    if (fstat(fd, &sb) != 0 || !S_ISREG(sb.st_mode)) {
        close(fd);
        return false;
    }
    c->failed = zis_reply_fd(c, 200, type_of(path), fd, (uint64_t)sb.st_size, err);
    zis_reply_header(c, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    return true;
}

bool zis_assets_reply(zis_call *c, const char *path, zis_error *err)
{
    if (strcmp(path, "/") == 0) path = "/index.html";
    if (!type_of(path)) return false;
    return c->s->o.web ? from_folder(c, path, err) : from_program(c, path, err);
}
