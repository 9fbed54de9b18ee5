/* A client that does what curl does not: dawdles, breaks off, comes in crowds, and measures.
 *
 *     http_client slow|broken PORT; crowd PORT CONNECTIONS ALLOWED; jobs|streams|health PORT N
 *
 * Exit code 0 when the server did what it should; else one line on standard error says what. */
#include "base/mem.h"
#include "base/os.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int port;

static void die(const char *what)
{
    fprintf(stderr, "http_client: %s\n", what);
    exit(1);
}

static int open_connection(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) != 0) die("cannot connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static bool put(int fd, const char *text)
{
    size_t n = strlen(text);
    while (n) {
        ssize_t k = send(fd, text, n, MSG_NOSIGNAL);
        if (k <= 0) return false;
        text += k;
        n -= (size_t)k;
    }
    return true;
}

/* More bytes into b; false at the end, after an error, or after so many seconds. */
static bool more(int fd, zis_buf *b, double seconds)
{
    char piece[65536];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, (int)(seconds * 1000)) <= 0) return false;
    ssize_t n = recv(fd, piece, sizeof piece, 0);
    if (n <= 0) return false;
    zis_buf_append(b, piece, (size_t)n);
    return true;
}

/* One answer with a known length; its status, or 0. The body lies behind the blank line. */
static int read_answer(int fd, zis_buf *b)
{
    b->len = 0;
    for (;;) {
        const char *end = b->len ? strstr(b->data, "\r\n\r\n") : NULL;
        const char *length = end ? strcasestr(b->data, "\r\ncontent-length:") : NULL;
        size_t want = length ? strtoul(length + 17, NULL, 10) : 0;
        if (end && b->len >= (size_t)(end + 4 - b->data) + want) return atoi(b->data + 9);
        if (!more(fd, b, 20)) return 0;
    }
}

static int request(int fd, zis_buf *b, const char *method, const char *path, const char *json)
{
    zis_buf text = {0};
    zis_buf_printf(&text, "%s %s HTTP/1.1\r\nHost: localhost\r\n", method, path);
    if (json)
        zis_buf_printf(&text, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                       strlen(json), json);
    else
        zis_buf_puts(&text, "\r\n");
    bool good = put(fd, text.data);
    zis_buf_free(&text);
    return good ? read_answer(fd, b) : 0;
}

/* The connection is closed by the other side within so many seconds. */
static bool is_closed(int fd, double seconds)
{
    double until = zis_os_now() + seconds;
    zis_buf rest = {0};
    bool closed = false;
    while (!closed && zis_os_now() < until) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 100) <= 0) continue;
        char piece[4096];
        closed = recv(fd, piece, sizeof piece, 0) <= 0;
    }
    zis_buf_free(&rest);
    return closed;
}

/* Bytes of a text, one every 100 ms, until the server has had enough. */
static bool cut_off(const char *text, double seconds)
{
    int fd = open_connection();
    double until = zis_os_now() + seconds;
    bool closed = false;
    for (size_t i = 0; !closed && zis_os_now() < until; i++) {
        char one[2] = {text[i % strlen(text)], 0};
        closed = !put(fd, one) || is_closed(fd, 0.1);
    }
    close(fd);
    return closed;
}

static void slow(void)
{
    int idle = open_connection(), half = open_connection(), body = open_connection();
    zis_buf b = {0};
    if (!put(half, "GET /health HTTP/1.1\r\nHost: localhost\r\nX-Half: ")) die("half a header");
    if (!put(body, "POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                   "application/json\r\nContent-Length: 1000\r\n\r\n{\"prompt"))
        die("half a body");
    if (!cut_off("GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
                 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                 6))
        die("a header that comes byte by byte is waited for");
    if (!is_closed(idle, 5)) die("an idle connection stays open");
    if (!is_closed(half, 5)) die("half a header is waited for");
    if (!is_closed(body, 5)) die("half a body is waited for");
    int fd = open_connection();
    if (request(fd, &b, "GET", "/health", NULL) != 200) die("others suffer from slow clients");
    close(idle);
    close(half);
    close(body);
    close(fd);
    zis_buf_free(&b);
}

static void reset(int fd)
{
    const struct linger now = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

static void broken(void)
{
    static const char *const garbage[] = {
        "\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        "GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        "POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: "
        "6\r\n\r\n{}",
        "POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; "
        "boundary=a\r\nContent-Length: 40\r\n\r\n--a\r\nContent-Disposition: form-data; name=",
        "GET /%00%ff/.. HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /api/v1/jobs/%2e%2e%2f%2e%2e/image HTTP/1.1\r\nHost: localhost\r\n\r\n",
    };
    zis_buf b = {0};
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
            int fd = open_connection();
            put(fd, garbage[i]);
            if (round == 0) usleep(2000);
            if (round == 1) shutdown(fd, SHUT_WR);
            if (round == 2)
                reset(fd);
            else
                close(fd);
        }
    /* A form that comes byte by byte is the same form. */
    static const char form[] =
        "--bb\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\nx\r\n"
        "--bb\r\nContent-Disposition: form-data; name=\"width\"\r\n\r\n48\r\n"
        "--bb\r\nContent-Disposition: form-data; name=\"steps\"\r\n\r\n1\r\n--bb--\r\n";
    zis_buf_printf(&b,
                   "POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                   "multipart/form-data; boundary=bb\r\nContent-Length: %zu\r\n\r\n%s",
                   sizeof form - 1, form);
    int slow_fd = open_connection();
    for (size_t i = 0; i < b.len; i++) {
        char one[2] = {b.data[i], 0};
        if (!put(slow_fd, one)) die("a form byte by byte");
        if (i % 16 == 0) usleep(100);
    }
    if (read_answer(slow_fd, &b) != 202 || !strstr(b.data, "\"width\": 48"))
        die("a form byte by byte is another form");
    close(slow_fd);
    /* Half closed after a whole request: the answer comes all the same. */
    int fd = open_connection();
    put(fd, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    shutdown(fd, SHUT_WR);
    if (read_answer(fd, &b) != 200) die("a client that has said all is not answered");
    close(fd);
    /* Gone while a helper works for it, and in the middle of a stream. */
    for (int i = 0; i < 20; i++) {
        fd = open_connection();
        put(fd, i % 2 ? "GET /api/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
                      : "GET /api/v1/events?session=x HTTP/1.1\r\nHost: localhost\r\n\r\n");
        usleep(1000);
        reset(fd);
    }
    fd = open_connection();
    if (request(fd, &b, "GET", "/health", NULL) != 200) die("others suffer from broken clients");
    close(fd);
    zis_buf_free(&b);
}

/* More connections than are allowed: some are served, the rest is refused, and it passes. */
static void crowd(int n, int allowed)
{
    int *fd = calloc((size_t)n, sizeof *fd), served = 0;
    zis_buf b = {0};
    if (!fd) die("no memory");
    for (int i = 0; i < n; i++) fd[i] = open_connection();
    for (int i = 0; i < n; i++) {
        if (!put(fd[i], "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")) continue;
        b.len = 0;
        if (more(fd[i], &b, 0.3) && strncmp(b.data, "HTTP/1.1 200", 12) == 0) served++;
    }
    for (int i = 0; i < n; i++) close(fd[i]);
    fprintf(stderr, "%d of %d connections were served\n", served, n);
    if (served < allowed / 2) die("too few connections were served");
    free(fd);
    zis_buf_free(&b);
    usleep(200000);
}

static void get_id(const zis_buf *b, char id[17])
{
    const char *at = strstr(b->data, "\"id\": \"");
    if (!at) die("an answer without an id");
    memcpy(id, at + 7, 16);
    id[16] = '\0';
}

#define TINY                                                                                       \
    "{\"prompt\": \"x\", \"width\": 32, \"height\": 32, \"steps\": 1, \"session\": \"load\"}"

static void jobs(int n)
{
    char(*ids)[17] = calloc((size_t)n, sizeof *ids), path[64];
    zis_buf b = {0};
    int fd = open_connection();
    if (!ids) die("no memory");
    for (int i = 0; i < n; i++) {
        if (request(fd, &b, "POST", "/api/v1/jobs", TINY) != 202) die("a job was not taken");
        get_id(&b, ids[i]);
    }
    for (int i = 0; i < n; i++) {
        int k = (int)((unsigned)i * 7919u % (unsigned)n); /* not in their order */
        snprintf(path, sizeof path, "/api/v1/jobs/%s", ids[k]);
        if (request(fd, &b, "DELETE", path, NULL) != 202 || !strstr(b.data, "\"cancelled\""))
            die("a waiting job was not cancelled");
    }
    close(fd);
    free(ids);
    zis_buf_free(&b);
}

/* N streams of one job; each must see its beginning, a preview or progress, and its end. */
static void streams(int n)
{
    int *fd = calloc((size_t)n, sizeof *fd), ended = 0;
    zis_buf *text = calloc((size_t)n, sizeof *text), b = {0};
    char id[17], get[160];
    if (!fd || !text) die("no memory");
    int control = open_connection();
    if (request(control, &b, "POST", "/api/v1/jobs",
                "{\"prompt\": \"x\", \"width\": 64, \"height\": 64, \"steps\": 40}") != 202)
        die("the job was not taken");
    get_id(&b, id);
    snprintf(get, sizeof get, "GET /api/v1/jobs/%s/events HTTP/1.1\r\nHost: localhost\r\n\r\n", id);
    for (int i = 0; i < n; i++) {
        fd[i] = open_connection();
        if (!put(fd[i], get)) die("a stream was not taken");
    }
    double until = zis_os_now() + 60;
    while (ended < n && zis_os_now() < until) {
        struct pollfd p[512];
        for (int i = 0; i < n; i++) p[i] = (struct pollfd){.fd = fd[i], .events = POLLIN};
        if (poll(p, (nfds_t)n, 1000) <= 0) continue;
        for (int i = 0; i < n; i++) {
            if (fd[i] < 0 || !(p[i].revents & (POLLIN | POLLHUP))) continue;
            bool alive = more(fd[i], &text[i], 0);
            if (alive && !strstr(text[i].data, "event: done")) continue;
            close(fd[i]);
            fd[i] = -1;
            ended++;
        }
    }
    int live = 0;
    for (int i = 0; i < n; i++) {
        if (!text[i].data || !strstr(text[i].data, "event: started") ||
            !strstr(text[i].data, "event: done"))
            die("a stream did not see the beginning and the end of its job");
        live += strstr(text[i].data, "event: p") != NULL; /* progress, preview, picture */
        zis_buf_free(&text[i]);
    }
    if (live < n) die("a stream saw nothing of the work");
    free(text);
    free(fd);
    close(control);
    zis_buf_free(&b);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The bound holds on a machine that is not busy with other things; what others take from this one
 * is measured beside it, by a sleep that should take a millisecond. */
static void health(int n)
{
    double *ms = calloc((size_t)n, sizeof *ms), *late = calloc((size_t)n, sizeof *late);
    zis_buf b = {0};
    int fd = open_connection();
    if (!ms || !late) die("no memory");
    for (int i = 0; i < n; i++) {
        double start = zis_os_now();
        if (request(fd, &b, "GET", "/health", NULL) != 200) die("/health does not answer");
        double then = zis_os_now();
        ms[i] = (then - start) * 1e3;
        usleep(1000);
        late[i] = (zis_os_now() - then) * 1e3 - 1;
    }
    qsort(ms, (size_t)n, sizeof *ms, by_size);
    qsort(late, (size_t)n, sizeof *late, by_size);
    double p99 = ms[n * 99 / 100], noise = late[n * 99 / 100];
    fprintf(
        stderr,
        "/health: median %.2f ms, 99 of 100 under %.2f ms (a sleep of 1 ms is late by %.2f ms)\n",
        ms[n / 2], p99, noise);
    if (p99 > 5 + 4 * noise) die("/health takes more than 5 ms");
    free(ms);
    free(late);
    close(fd);
    zis_buf_free(&b);
}

int main(int argc, char **argv)
{
    if (argc < 3) die("usage: http_client WHAT PORT [N]");
    const char *what = argv[1];
    int n = argc > 3 ? atoi(argv[3]) : 0;
    port = atoi(argv[2]);
    if (strcmp(what, "slow") == 0)
        slow();
    else if (strcmp(what, "broken") == 0)
        broken();
    else if (strcmp(what, "crowd") == 0)
        crowd(n, argc > 4 ? atoi(argv[4]) : 0);
    else if (strcmp(what, "jobs") == 0)
        jobs(n);
    else if (strcmp(what, "streams") == 0 && n <= 500)
        streams(n);
    else if (strcmp(what, "health") == 0)
        health(n);
    else
        die("what?");
    return 0;
}
