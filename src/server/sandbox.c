/* The wire: a header of fixed size, the sentence of a failure or the texts, then the pixels. Both
 * sides are the same program on the same machine. */
#include "server/sandbox.h"

#include "base/os.h"
#include "server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define COMMAND "decode-picture"
#define TEXT_MOST ((uint32_t)2 << 20)
#define MEMORY_MOST ((rlim_t)2 << 30)
#define CPU_SECONDS 20
#define WALL_SECONDS 30.0

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

typedef struct header {
    uint32_t magic;
    int32_t status;
    int32_t format, width, height, channels;
    uint32_t error, json, parameters; /* bytes of the texts, without NUL; json: UINT32_MAX = none */
    uint32_t has_pixels;
} header;

#define MAGIC 0x7a697331u
#define NONE UINT32_MAX

void zis_decoded_deinit(zis_decoded *d)
{
    zis_image_destroy(&d->image);
    free(d->json);
    free(d->parameters);
    *d = (zis_decoded){0};
}

/* ---- the child ----------------------------------------------------------------------------- */

static bool put(const void *data, size_t n)
{
    const char *p = data;
    while (n) {
        ssize_t k = write(STDOUT_FILENO, p, n);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

static void limit(int what, rlim_t most)
{
    const struct rlimit r = {most, most};
    setrlimit(what, &r);
}

/* From here on: read, write, memory, the end. */
static bool lock_up(void)
{
    static const int allowed[] = {
        SCMP_SYS(read),   SCMP_SYS(write),      SCMP_SYS(mmap),         SCMP_SYS(munmap),
        SCMP_SYS(mremap), SCMP_SYS(brk),        SCMP_SYS(madvise),      SCMP_SYS(mprotect),
        SCMP_SYS(futex),  SCMP_SYS(exit_group), SCMP_SYS(rt_sigreturn), SCMP_SYS(clock_gettime),
        SCMP_SYS(exit),
    };
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_CPU, CPU_SECONDS);
    limit(RLIMIT_FSIZE, 0);
    if (!SANITIZED) limit(RLIMIT_AS, MEMORY_MOST); /* their shadows need terabytes of addresses */
    prctl(PR_SET_DUMPABLE, 0);
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!filter) return false;
    bool good = true;
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed && good; i++)
        good = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0) == 0;
    good = good && seccomp_load(filter) == 0;
    seccomp_release(filter);
    return good;
}

static int answer(header *h, const char *error, const zis_decoded *d)
{
    const char *json = d->json ? d->json : "", *parameters = d->parameters ? d->parameters : "";
    size_t n_json = strlen(json), n_parameters = strlen(parameters);
    h->magic = MAGIC;
    h->error = (uint32_t)strlen(error);
    /* Texts beyond the limit are none: no recipe is that long. */
    bool keep_json = d->json && n_json <= TEXT_MOST;
    bool keep_parameters = d->parameters && n_parameters <= TEXT_MOST;
    h->json = keep_json ? (uint32_t)n_json : NONE;
    h->parameters = keep_parameters ? (uint32_t)n_parameters : NONE;
    bool good = put(h, sizeof *h) && put(error, h->error);
    good = good && (!keep_json || put(json, n_json));
    good = good && (!keep_parameters || put(parameters, n_parameters));
    if (good && h->has_pixels)
        good = put(d->image->data, (size_t)h->width * (size_t)h->height * (size_t)h->channels);
    return good ? 0 : 1;
}

static zis_picture_kind kind_of(const unsigned char *p, size_t n)
{
    if (n >= 8 && memcmp(p, "\x89PNG", 4) == 0) return ZIS_PICTURE_PNG;
    return n >= 3 && p[0] == 0xFF && p[1] == 0xD8 ? ZIS_PICTURE_JPEG : ZIS_PICTURE_WEBP;
}

int zis_sandbox_child(void)
{
    struct stat sb;
    zis_error err = {0};
    zis_decoded d = {0};
    header h = {0};
    char pixels = '0';
    if (close_range(3, ~0u, 0) != 0 || fstat(STDIN_FILENO, &sb) != 0 || sb.st_size <= 0) return 2;
    size_t n = (size_t)sb.st_size;
    const unsigned char *data = mmap(NULL, n, PROT_READ, MAP_PRIVATE, STDIN_FILENO, 0);
    /* what is asked for lies on standard error, which says nothing anyway */
    if (data == MAP_FAILED || read(STDERR_FILENO, &pixels, 1) != 1 || !lock_up()) return 2;
    const char *what = "the picture";
    zis_status st = zis_picture_decode(&d.image, what, data, n, &err);
    if (!st) st = zis_picture_text_get(&d.json, what, data, n, "zis", &err);
    if (!st) st = zis_picture_text_get(&d.parameters, what, data, n, "parameters", &err);
    h.status = st;
    if (!st) {
        h.format = kind_of(data, n);
        h.width = d.image->width;
        h.height = d.image->height;
        h.channels = d.image->channels;
        h.has_pixels = pixels == '1';
    }
    int code = answer(&h, st ? err.text : "", &d);
    _exit(code); /* nothing is to be tidied up, and little of it would be allowed */
}

int zis_server_decode_main(void)
{
    return zis_sandbox_child();
}

/* ---- the parent ---------------------------------------------------------------------------- */

typedef struct reader {
    int fd;
    double until;
} reader;

static bool get(reader *r, void *data, size_t n)
{
    char *p = data;
    while (n) {
        struct pollfd poll_fd = {.fd = r->fd, .events = POLLIN};
        double left = r->until - zis_os_now();
        int ready = left > 0 ? poll(&poll_fd, 1, (int)(left * 1000) + 1) : 0;
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) return false;
        ssize_t k = read(r->fd, p, n);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

static bool get_text(reader *r, char **out, uint32_t n)
{
    if (n == NONE) return true;
    if (n > TEXT_MOST || !(*out = zis_mem_alloc((size_t)n + 1, 1))) return false;
    (*out)[n] = '\0';
    return get(r, *out, n);
}

/* "the picture ..." of the child, with the name that the client knows. */
static zis_status pass_on(const header *h, const char *what, const char *text, zis_error *err)
{
    static const char known[] = "the picture";
    bool named = strncmp(text, known, sizeof known - 1) == 0;
    if (h->status <= ZIS_OK || h->status > ZIS_CANCELLED) return ZIS_OK;
    return zis_fail(err, (zis_status)h->status, "%s%s%s", what, named ? "" : ": ",
                    named ? text + sizeof known - 1 : text);
}

/* ZIS_OK and *whole false: the child broke off. */
static zis_status receive(
    reader *r, zis_decoded *d, const char *what, bool pixels, bool *whole, zis_error *err)
{
    header h;
    char *text = NULL;
    zis_status st = ZIS_OK;
    *whole = false;
    if (!get(r, &h, sizeof h) || h.magic != MAGIC) return ZIS_OK;
    if (!get_text(r, &text, h.error)) goto out;
    if (h.status) {
        st = pass_on(&h, what, text, err);
        goto out;
    }
    /* what the child says is not believed */
    if (h.width < 1 || h.height < 1 || (h.channels != 3 && h.channels != 4) || h.format < 0 ||
        h.format > ZIS_PICTURE_WEBP || (pixels && !h.has_pixels))
        goto out;
    if (!get_text(r, &d->json, h.json) || !get_text(r, &d->parameters, h.parameters)) goto out;
    d->info = (zis_decoded_info){(zis_picture_kind)h.format, h.width, h.height, h.channels == 4,
                                 d->json || d->parameters};
    if (pixels) {
        st = zis_image_create(&d->image, h.width, h.height, h.channels, err);
        if (st) goto out;
        size_t n = (size_t)h.width * (size_t)h.height * (size_t)h.channels;
        if (!get(r, d->image->data, n)) goto out;
    }
    *whole = true;
out:
    free(text);
    return st;
}

static zis_status start_child(
    pid_t *pid, const char *program, int in, int out, int ask, zis_error *err)
{
    char *const argv[] = {(char *)"zis", (char *)COMMAND, NULL};
    char *const env[] = {NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ask, STDERR_FILENO);
    int e = posix_spawn(pid, program, &actions, &attr, argv, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return e == 0 ? ZIS_OK
                  : zis_fail(err, ZIS_IO, "cannot start the reader of pictures: %s", strerror(e));
}

static void close_pair(int fd[2])
{
    for (int i = 0; i < 2; i++)
        if (fd[i] >= 0) close(fd[i]);
}

zis_status zis_sandbox_decode(zis_decoded *out,
                              const char *program,
                              const char *path,
                              const char *what,
                              bool pixels,
                              zis_error *err)
{
    int answers[2] = {-1, -1}, asks[2] = {-1, -1};
    zis_decoded d = {0};
    zis_status st = ZIS_OK;
    pid_t pid = -1;
    bool whole = false;
    int in = open(path, O_RDONLY | O_CLOEXEC);
    if (in < 0 || pipe2(answers, O_CLOEXEC) != 0 || pipe2(asks, O_CLOEXEC) != 0) {
        st = zis_fail(err, ZIS_IO, "cannot read %s: %s", what, strerror(errno));
        goto out;
    }
    if (write(asks[1], pixels ? "1" : "0", 1) != 1) {
        st = zis_fail(err, ZIS_IO, "cannot read %s: %s", what, strerror(errno));
        goto out;
    }
    st = start_child(&pid, program, in, answers[1], asks[0], err);
    if (st) goto out;
    close(answers[1]);
    answers[1] = -1;
    reader r = {answers[0], zis_os_now() + WALL_SECONDS};
    st = receive(&r, &d, what, pixels, &whole, err);
    kill(pid, SIGKILL); /* it has said everything, or hangs */
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
    if (!st && !whole)
        st = zis_fail(err, ZIS_FORMAT,
                      "%s cannot be decoded: its reader gave up; the file is broken", what);
out:
    if (in >= 0) close(in);
    close_pair(answers);
    close_pair(asks);
    if (st)
        zis_decoded_deinit(&d);
    else
        *out = d;
    return st;
}
