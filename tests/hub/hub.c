/* hub.c - a small Hub on loopback for the tests: it speaks the API (hub.md 1) and misbehaves on
 * demand.
 *
 *     test_hub ROOT [--page N]        serves ROOT/ORG/NAME/FILES on two ports of 127.0.0.1, which
 * it writes to ROOT/.ports: the Hub itself, and the host behind its redirects test_hub --tree ROOT
 * ORG/NAME   prints the list of files, to be changed and put into ROOT/ORG/NAME.tree, which is then
 * given as it is
 *
 * ROOT/ORG/NAME.gated, .private: files need the token "good-token". ROOT/.log gets a line for each
 * request: ROLE METHOD TARGET STATUS FROM SENT AUTH IF-RANGE. ROOT/.faults is read at each request:
 *
 *     ROLE SUBSTRING TIMES KIND [ARGUMENT [ARGUMENT]]       ROLE api, hub, data; TIMES 0: always
 *     reset N, cut N, stall N   the connection breaks, ends, or falls silent after N bytes
 *     slow N                    N bytes a second           status N [SECONDS or CODE]
 *     size N                    the file claims N bytes    corrupt N   byte N is another
 *     etag TEXT, linked TEXT    another ETag, X-Linked-Etag
 *     norange, badrange, chunked, page (an endless one), loop, redirect URL
 *
 * A thread for each connection; it ends with its parent. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MAX 1024

static const char *root;
static int page_size = 1000;
static int ports[2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- files and their hashes ---------------------------------------------------------------- */

typedef struct file {
    char path[1024]; /* below ORG/NAME */
    uint64_t size;
    char sha1[41], sha256[65];
    bool lfs;
} file;

static void hex(char *to, const unsigned char *md, unsigned n)
{
    for (unsigned i = 0; i < n; i++) sprintf(to + 2 * i, "%02x", md[i]);
}

/* Both hashes of a file; remembered beside the tree, since large ones are asked for often. */
static void hash_file(file *f, const char *full)
{
    static struct {
        char full[1024];
        struct timespec when;
        file f;
    } known[64];
    static int n_known;
    struct stat sb;
    if (stat(full, &sb) != 0) die(full);
    for (int i = 0; i < n_known; i++)
        if (strcmp(known[i].full, full) == 0 && known[i].f.size == (uint64_t)sb.st_size &&
            known[i].when.tv_sec == sb.st_mtim.tv_sec &&
            known[i].when.tv_nsec == sb.st_mtim.tv_nsec) {
            *f = known[i].f;
            return;
        }
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned n;
    static char piece[1 << 20];
    char head[40];
    EVP_MD_CTX *a = EVP_MD_CTX_new(), *b = EVP_MD_CTX_new();
    EVP_DigestInit_ex(a, EVP_sha1(), NULL);
    EVP_DigestInit_ex(b, EVP_sha256(), NULL);
    f->size = (uint64_t)sb.st_size;
    int len = sprintf(head, "blob %" PRIu64, f->size) + 1;
    f->lfs = f->size >= 100000 || strstr(full, ".safetensors") || strstr(full, ".pt");
    if (!f->lfs) EVP_DigestUpdate(a, head, (size_t)len);
    int fd = open(full, O_RDONLY);
    for (ssize_t k; (k = read(fd, piece, sizeof piece)) > 0;) {
        if (!f->lfs) EVP_DigestUpdate(a, piece, (size_t)k);
        EVP_DigestUpdate(b, piece, (size_t)k);
    }
    close(fd);
    if (f->lfs) EVP_DigestUpdate(a, full, strlen(full)); /* of the pointer: nobody reads it */
    EVP_DigestFinal_ex(a, md, &n);
    hex(f->sha1, md, n);
    EVP_DigestFinal_ex(b, md, &n);
    hex(f->sha256, md, n);
    EVP_MD_CTX_free(a);
    EVP_MD_CTX_free(b);
    if (n_known < 64) {
        snprintf(known[n_known].full, sizeof known[0].full, "%s", full);
        known[n_known].when = sb.st_mtim;
        known[n_known++].f = *f;
    }
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const file *)a)->path, ((const file *)b)->path);
}

static void scan(const char *id, const char *below, file *files, int *n)
{
    char folder[2048];
    snprintf(folder, sizeof folder, "%s/%s/%s", root, id, below);
    DIR *d = opendir(folder);
    if (!d) return;
    for (struct dirent *e; (e = readdir(d));) {
        char full[4096], path[1024];
        struct stat sb;
        if (e->d_name[0] == '.' && (!e->d_name[1] || e->d_name[1] == '.')) continue;
        snprintf(path, sizeof path, "%s%s%s", below, *below ? "/" : "", e->d_name);
        snprintf(full, sizeof full, "%s/%s/%s", root, id, path);
        if (stat(full, &sb) != 0 || *n == FILES_MAX) continue;
        if (S_ISDIR(sb.st_mode)) {
            scan(id, path, files, n);
            continue;
        }
        file *f = &files[*n];
        memset(f, 0, sizeof *f);
        hash_file(f, full);
        snprintf(f->path, sizeof f->path, "%s", path);
        (*n)++;
    }
    closedir(d);
}

/* All files of a repository, sorted; the caller frees. */
static file *list(const char *id, int *n, char commit[41])
{
    file *files = malloc(FILES_MAX * sizeof *files);
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned len;
    *n = 0;
    pthread_mutex_lock(&mutex);
    scan(id, "", files, n);
    pthread_mutex_unlock(&mutex);
    qsort(files, (size_t)*n, sizeof *files, by_path);
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    EVP_DigestInit_ex(c, EVP_sha1(), NULL);
    for (int i = 0; i < *n; i++) {
        EVP_DigestUpdate(c, files[i].path, strlen(files[i].path) + 1);
        EVP_DigestUpdate(c, files[i].sha256, 64);
    }
    EVP_DigestFinal_ex(c, md, &len);
    hex(commit, md, len);
    EVP_MD_CTX_free(c);
    return files;
}

/* ---- faults -------------------------------------------------------------------------------- */

typedef struct fault {
    char role[16], match[256], kind[32], arg[256], arg2[64];
    int times;
} fault;

/* The first line that fits and is not used up. */
static bool find_fault(fault *out, const char *role, const char *target)
{
    static struct {
        char line[700];
        int used;
    } counts[64];
    static int n_counts;
    char path[1024], line[700];
    bool found = false;
    snprintf(path, sizeof path, "%s/.faults", root);
    FILE *f = fopen(path, "r");
    if (!f) return false;
    pthread_mutex_lock(&mutex);
    while (!found && fgets(line, sizeof line, f)) {
        fault x = {0};
        if (sscanf(line, "%15s %255s %d %31s %255s %63s", x.role, x.match, &x.times, x.kind, x.arg,
                   x.arg2) < 4)
            continue;
        if (strcmp(x.role, role) != 0 || !strstr(target, x.match)) continue;
        int i = 0;
        while (i < n_counts && strcmp(counts[i].line, line) != 0) i++;
        if (i == n_counts) {
            if (n_counts == 64) break;
            strcpy(counts[n_counts].line, line);
            counts[n_counts++].used = 0;
        }
        if (x.times && counts[i].used >= x.times) continue;
        counts[i].used++;
        *out = x;
        found = true;
    }
    pthread_mutex_unlock(&mutex);
    fclose(f);
    return found;
}

/* ---- one request --------------------------------------------------------------------------- */

typedef struct request {
    int fd;
    const char *role;
    bool proxied;
    char method[8], target[2048], path[2048]; /* path: without the query, unescaped */
    char auth[256], if_range[256];
    bool has_range, open_end;
    uint64_t from, to; /* to: one behind */
    fault fault;
    bool has_fault;
    bool keep; /* the connection may go on */
    int status;
    uint64_t sent;
} request;

static bool is_fault(const request *r, const char *kind)
{
    return r->has_fault && strcmp(r->fault.kind, kind) == 0;
}

static void log_request(const request *r)
{
    char line[4096], path[1024];
    const char *auth = !*r->auth                                   ? "-"
                       : strstr(r->auth, "Bearer good-token") != 0 ? "good"
                                                                   : "other";
    int n = snprintf(line, sizeof line, "%s%s %s %s %d %" PRIu64 " %" PRIu64 " %s %s\n", r->role,
                     r->proxied ? "-proxied" : "", r->method, r->target, r->status, r->from,
                     r->sent, auth, *r->if_range ? r->if_range : "-");
    snprintf(path, sizeof path, "%s/.log", root);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0666);
    if (fd < 0 || write(fd, line, (size_t)n) != n) perror(path);
    close(fd);
}

static bool send_all(int fd, const char *data, size_t n)
{
    while (n) {
        ssize_t k = send(fd, data, n, MSG_NOSIGNAL);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return false;
        data += k;
        n -= (size_t)k;
    }
    return true;
}

static void reply(request *r, int status, const char *headers, const char *body)
{
    char head[8192];
    size_t n = strlen(body);
    int k = snprintf(head, sizeof head, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n%s\r\n", status, n,
                     headers);
    r->status = status;
    if (!send_all(r->fd, head, (size_t)k) ||
        (strcmp(r->method, "HEAD") != 0 && !send_all(r->fd, body, n)))
        r->keep = false;
}

static void reset(request *r)
{
    struct linger l = {1, 0};
    setsockopt(r->fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
    r->keep = false;
}

/* Faults that need no file. True: answered. */
static bool general_fault(request *r)
{
    char headers[4096] = "";
    if (is_fault(r, "status")) {
        if (strspn(r->fault.arg2, "0123456789") && *r->fault.arg2)
            snprintf(headers, sizeof headers, "Retry-After: %s\r\n", r->fault.arg2);
        else if (*r->fault.arg2)
            snprintf(headers, sizeof headers,
                     "X-Error-Code: %s\r\nX-Error-Message: no, good-token\r\n", r->fault.arg2);
        reply(r, atoi(r->fault.arg), headers, "a page that says no\n");
        return true;
    }
    if (is_fault(r, "redirect") || is_fault(r, "loop")) {
        snprintf(headers, sizeof headers, "Location: %s\r\n",
                 is_fault(r, "loop") ? r->target : r->fault.arg);
        reply(r, 302, headers, "");
        return true;
    }
    if (is_fault(r, "page")) { /* an error whose page does not end */
        static const char text[] = "HTTP/1.1 404 X\r\nConnection: close\r\n\r\n";
        static char noise[1 << 16];
        r->status = 404;
        r->keep = false;
        if (send_all(r->fd, text, sizeof text - 1))
            for (int i = 0; i < 1 << 12 && send_all(r->fd, noise, sizeof noise); i++) r->sent++;
        return true;
    }
    if ((is_fault(r, "reset") || is_fault(r, "cut")) && strcmp(r->role, "api") == 0) {
        if (is_fault(r, "reset")) reset(r);
        r->keep = false;
        return true;
    }
    return false;
}

/* What the other side never took does not count as sent. */
static void unsend(request *r)
{
    int unsent = 0;
    ioctl(r->fd, SIOCOUTQ, &unsent);
    r->sent -= (uint64_t)unsent < r->sent ? (uint64_t)unsent : r->sent;
}

static bool send_range(request *r, int fd, uint64_t from, uint64_t n)
{
    uint64_t stop = UINT64_MAX, slow = 0, bad = UINT64_MAX;
    if (is_fault(r, "reset") || is_fault(r, "cut") || is_fault(r, "stall"))
        stop = strtoull(r->fault.arg, NULL, 10);
    if (is_fault(r, "slow")) slow = strtoull(r->fault.arg, NULL, 10);
    if (is_fault(r, "corrupt")) bad = strtoull(r->fault.arg, NULL, 10);
    off_t at = (off_t)from;
    while (n) {
        if (r->sent >= stop) {
            if (is_fault(r, "reset")) {
                unsend(r);
                reset(r);
            }
            if (is_fault(r, "stall")) sleep(20);
            r->keep = false;
            return false;
        }
        uint64_t k = n < (1 << 20) ? n : 1 << 20;
        if (k > stop - r->sent) k = stop - r->sent;
        if (slow && k > slow / 50 + 1) k = slow / 50 + 1;
        ssize_t w;
        if (bad >= (uint64_t)at && bad < (uint64_t)at + k) {
            static char piece[1 << 20];
            pthread_mutex_lock(&mutex);
            w = pread(fd, piece, k, at);
            piece[bad - (uint64_t)at] ^= 1;
            if (w > 0 && !send_all(r->fd, piece, (size_t)w)) w = -1;
            pthread_mutex_unlock(&mutex);
            at += w;
        } else {
            w = sendfile(r->fd, fd, &at, k);
        }
        if (w <= 0) {
            unsend(r);
            r->keep = false;
            return false;
        }
        r->sent += (uint64_t)w;
        n -= (uint64_t)w;
        if (slow) usleep(20000);
    }
    return true;
}

static void serve_file(request *r, const char *full, const file *f, const char *more)
{
    char head[2048];
    uint64_t size = f->size, from = 0, n = size;
    char etag[300];
    int fd = open(full, O_RDONLY);
    if (fd < 0) {
        reply(r, 404, "X-Error-Code: EntryNotFound\r\n", "");
        return;
    }
    snprintf(etag, sizeof etag, "\"%s%s\"", strcmp(r->role, "data") == 0 ? "cdn-" : "",
             is_fault(r, "etag") ? r->fault.arg
             : f->lfs            ? f->sha256
                                 : f->sha1);
    bool ranged = r->has_range && !is_fault(r, "norange") &&
                  (!*r->if_range || strcmp(r->if_range, etag) == 0);
    if (ranged) {
        from = r->from;
        n = (r->open_end || r->to > size ? size : r->to) - from;
        if (from >= size) {
            reply(r, 416, "", "");
            close(fd);
            return;
        }
    }
    uint64_t claim = is_fault(r, "size") ? strtoull(r->fault.arg, NULL, 10) : size;
    uint64_t shown = ranged ? n : claim;
    r->status = ranged ? 206 : 200;
    int k = snprintf(head, sizeof head, "HTTP/1.1 %d X\r\nETag: %s\r\nAccept-Ranges: bytes\r\n%s",
                     r->status, etag, more);
    if (is_fault(r, "chunked")) { /* no length: the end of the connection is the end */
        k += snprintf(head + k, sizeof head - (size_t)k, "Connection: close\r\n");
        r->keep = false;
    } else {
        k += snprintf(head + k, sizeof head - (size_t)k, "Content-Length: %" PRIu64 "\r\n", shown);
    }
    if (ranged)
        k += snprintf(head + k, sizeof head - (size_t)k,
                      "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n",
                      is_fault(r, "badrange") ? from + 1 : from, from + n - 1, claim);
    k += snprintf(head + k, sizeof head - (size_t)k, "\r\n");
    if (shown != n || claim != size) r->keep = false;
    if (!send_all(r->fd, head, (size_t)k) ||
        (strcmp(r->method, "HEAD") != 0 && !send_range(r, fd, from, n)))
        r->keep = false;
    close(fd);
}

/* ---- routes -------------------------------------------------------------------------------- */

typedef struct text {
    char *data;
    size_t len, room;
} text;

static void add(text *t, const char *fmt, ...)
{
    va_list ap;
    for (;;) {
        va_start(ap, fmt);
        int n = vsnprintf(t->data ? t->data + t->len : NULL, t->room - t->len, fmt, ap);
        va_end(ap);
        if (t->len + (size_t)n < t->room) {
            t->len += (size_t)n;
            return;
        }
        t->room = t->room * 2 + (size_t)n + 1024;
        t->data = realloc(t->data, t->room);
    }
}

static void tree_json(text *t, const file *files, int from, int to)
{
    add(t, "[");
    for (int i = from; i < to; i++) {
        const file *f = &files[i];
        add(t, "%s{\"type\":\"file\",\"oid\":\"%s\",\"size\":%" PRIu64 ",\"path\":\"%s\"",
            i > from ? "," : "", f->sha1, f->size, f->path);
        if (f->lfs)
            add(t, ",\"lfs\":{\"oid\":\"%s\",\"size\":%" PRIu64 ",\"pointerSize\":134}", f->sha256,
                f->size);
        add(t, "}");
    }
    add(t, "]");
}

static bool exists(const char *id, const char *ending)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s%s", root, id, ending);
    return access(path, F_OK) == 0;
}

static bool allowed(const request *r)
{
    return strcmp(r->auth, "Bearer good-token") == 0;
}

static void api(request *r, const char *id, const char *what)
{
    int n;
    char commit[41];
    text t = {0};
    char headers[2400] = "Content-Type: application/json\r\n";
    if (!exists(id, "") || (exists(id, ".private") && !allowed(r))) {
        reply(r, *r->auth ? 404 : 401, "X-Error-Code: RepoNotFound\r\n",
              "{\"error\":\"Repository not found\"}");
        return;
    }
    file *files = list(id, &n, commit);
    if (strncmp(what, "revision/", 9) == 0) {
        const char *rev = what + 9;
        if (strcmp(rev, "main") != 0 && strcmp(rev, "pr/1") != 0 && strcmp(rev, commit) != 0) {
            reply(r, 404, "X-Error-Code: RevisionNotFound\r\n", "{}");
        } else {
            add(&t, "{\"id\":\"%s\",\"sha\":\"%s\",\"gated\":false,\"siblings\":[]}", id, commit);
            reply(r, 200, headers, t.data);
        }
    } else {
        const char *cursor = strstr(r->target, "&cursor=");
        int from = cursor ? atoi(cursor + 8) : 0;
        int to = from + page_size < n ? from + page_size : n;
        char path[1024];
        snprintf(path, sizeof path, "%s/%s.tree", root, id);
        FILE *own = fopen(path, "r");
        if (own) {
            add(&t, "%s", "");
            for (int c; (c = fgetc(own)) != EOF;) add(&t, "%c", c);
            fclose(own);
        } else {
            tree_json(&t, files, from, to);
            if (to < n)
                snprintf(headers + strlen(headers), 2300,
                         "Link: <http://127.0.0.1:%d/api/models/%s/tree/%s?recursive=true&"
                         "expand=false&cursor=%d>; rel=\"next\"\r\n",
                         ports[0], id, commit, to);
        }
        reply(r, 200, headers, t.data);
    }
    free(t.data);
    free(files);
}

/* A path as a part of an address. */
static void escape(char *to, const char *s)
{
    for (; *s; s++)
        to += sprintf(to, strchr("%\"#?&+ <>\\^`{|}", *s) || *s < 0 ? "%%%02X" : "%c",
                      (unsigned char)*s);
    *to = 0;
}

static void resolve(request *r, const char *id, const char *rest, bool data)
{
    int n;
    char commit[41], full[4096], more[5000], escaped[3100];
    const char *path = data ? rest : strchr(rest, '/') ? strchr(rest, '/') + 1 : "";
    file *files = list(id, &n, commit);
    const file *f = NULL;
    for (int i = 0; i < n; i++)
        if (strcmp(files[i].path, path) == 0) f = &files[i];
    snprintf(full, sizeof full, "%s/%s/%s", root, id, path);
    escape(escaped, f ? path : "");
    const char *linked = is_fault(r, "linked") ? r->fault.arg : f && f->lfs ? f->sha256 : "";
    if (!f) {
        reply(r, 404, "X-Error-Code: EntryNotFound\r\n", "");
    } else if (data) {
        serve_file(r, full, f, "");
    } else if (exists(id, ".gated") && !allowed(r)) {
        reply(r, *r->auth ? 403 : 401, "X-Error-Code: GatedRepo\r\n", "");
    } else if (f->lfs) {
        int k =
            snprintf(more, sizeof more,
                     "X-Repo-Commit: %s\r\nX-Linked-Etag: \"%s\"\r\nX-Linked-Size: %" PRIu64 "\r\n",
                     commit, linked, f->size);
        if (r->proxied)
            snprintf(more + k, sizeof more - (size_t)k,
                     "Location: http://cdn.invalid/data/%s/%s?sig=1\r\n", id, escaped);
        else
            snprintf(more + k, sizeof more - (size_t)k,
                     "Location: http://127.0.0.1:%d/data/%s/%s?sig=1\r\n", ports[1], id, escaped);
        reply(r, 302, more, "Found. Redirecting");
    } else {
        snprintf(more, sizeof more, "X-Repo-Commit: %s\r\n", commit);
        serve_file(r, full, f, more);
    }
    free(files);
}

/* "ORG/NAME/" off the front of s. */
static const char *take_id(const char *s, char id[512])
{
    const char *slash = strchr(s, '/');
    const char *end = slash ? strchr(slash + 1, '/') : NULL;
    if (!end || end - s > 500) return NULL;
    memcpy(id, s, (size_t)(end - s));
    id[end - s] = '\0';
    return end + 1;
}

static void route(request *r)
{
    char id[512];
    const char *s = r->path, *rest;
    bool is_api = strncmp(s, "/api/models/", 12) == 0;
    bool is_data = strncmp(s, "/data/", 6) == 0;
    if (is_api) r->role = "api";
    r->has_fault = find_fault(&r->fault, r->role, r->target);
    if (general_fault(r)) return;
    rest = take_id(s + (is_api ? 12 : is_data ? 6 : 1), id);
    if (!rest || strstr(r->path, ".."))
        reply(r, 404, "", "");
    else if (is_api)
        api(r, id, rest);
    else if (is_data)
        resolve(r, id, rest, true);
    else if (strncmp(rest, "resolve/", 8) == 0)
        resolve(r, id, rest + 8, false);
    else
        reply(r, 404, "", "");
}

/* ---- connections --------------------------------------------------------------------------- */

static void unescape(char *to, const char *s, size_t room)
{
    size_t n = 0;
    for (; *s && *s != '?' && n + 1 < room; s++) {
        unsigned v;
        if (*s == '%' && sscanf(s + 1, "%2x", &v) == 1) {
            to[n++] = (char)v;
            s += 2;
        } else {
            to[n++] = *s;
        }
    }
    to[n] = '\0';
}

static void header(request *r, const char *line)
{
    uint64_t a = 0, b = 0;
    if (strncasecmp(line, "authorization: ", 15) == 0)
        snprintf(r->auth, sizeof r->auth, "%.250s", line + 15);
    if (strncasecmp(line, "if-range: ", 10) == 0)
        snprintf(r->if_range, sizeof r->if_range, "%.250s", line + 10);
    if (strncasecmp(line, "range: bytes=", 13) != 0) return;
    int n = sscanf(line + 13, "%" SCNu64 "-%" SCNu64, &a, &b);
    r->has_range = n >= 1;
    r->open_end = n == 1;
    r->from = a;
    r->to = b + 1;
}

static bool read_request(int fd, char *buf, size_t room)
{
    size_t n = 0;
    while (n + 1 < room) {
        ssize_t k = recv(fd, buf + n, 1, 0);
        if (k <= 0) return false;
        n += (size_t)k;
        buf[n] = '\0';
        if (n >= 4 && memcmp(buf + n - 4, "\r\n\r\n", 4) == 0) return true;
    }
    return false;
}

static void *serve(void *arg)
{
    int fd = (int)((intptr_t)arg >> 1), second = (int)((intptr_t)arg & 1);
    char buf[16384];
    bool keep = true;
    while (keep && read_request(fd, buf, sizeof buf)) {
        request r = {.fd = fd, .role = second ? "data" : "hub", .keep = true};
        char *save = NULL, *line = strtok_r(buf, "\r\n", &save);
        if (!line || sscanf(line, "%7s %2047s", r.method, r.target) != 2) break;
        if (strncmp(r.target, "http://", 7) == 0) { /* we are somebody's proxy */
            r.proxied = true;
            if (strncmp(r.target + 7, "cdn.", 4) == 0) r.role = "data";
            char *slash = strchr(r.target + 7, '/');
            memmove(r.target, slash ? slash : "/", strlen(slash ? slash : "/") + 1);
        }
        unescape(r.path, r.target, sizeof r.path);
        while ((line = strtok_r(NULL, "\r\n", &save))) header(&r, line);
        route(&r);
        log_request(&r);
        keep = r.keep;
    }
    close(fd);
    return NULL;
}

static int listen_on(int *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 64) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &n) != 0)
        die("test_hub: listen");
    *port = ntohs(a.sin_port);
    return fd;
}

static void *accept_all(void *arg)
{
    int fd = (int)((intptr_t)arg >> 1);
    for (;;) {
        int one = 1;
        pthread_t t;
        int c = accept(fd, NULL, NULL);
        if (c < 0) continue;
        setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        intptr_t both = (intptr_t)c << 1 | ((intptr_t)arg & 1);
        if (pthread_create(&t, NULL, serve, (void *)both) == 0)
            pthread_detach(t);
        else
            close(c);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--tree") == 0) {
        int n;
        char commit[41];
        text t = {0};
        root = argv[2];
        file *files = list(argv[3], &n, commit);
        tree_json(&t, files, 0, n);
        puts(t.data);
        free(files);
        free(t.data);
        return 0;
    }
    if (argc != 2 && !(argc == 4 && strcmp(argv[2], "--page") == 0)) {
        fprintf(stderr, "usage: test_hub ROOT [--page N] | --tree ROOT ORG/NAME\n");
        return 2;
    }
    root = argv[1];
    if (argc == 4) page_size = atoi(argv[3]);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGPIPE, SIG_IGN);
    int fds[2] = {listen_on(&ports[0]), listen_on(&ports[1])};
    char path[1024], tmp[1100];
    snprintf(path, sizeof path, "%s/.ports", root);
    snprintf(tmp, sizeof tmp, "%s.new", path);
    FILE *f = fopen(tmp, "w");
    if (!f || fprintf(f, "%d %d\n", ports[0], ports[1]) < 0 || fclose(f) != 0 ||
        rename(tmp, path) != 0)
        die(path);
    pthread_t t;
    if (pthread_create(&t, NULL, accept_all, (void *)((intptr_t)fds[1] << 1 | 1)) != 0)
        die("test_hub: thread");
    accept_all((void *)((intptr_t)fds[0] << 1));
}
