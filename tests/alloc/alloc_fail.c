/* alloc_fail.c - a command with allocation N failing, for N = 1, 2, 3, ...: generate loads nano and
 * draws a picture, upscale makes one larger, preprocess finds its edges.
 *
 *     alloc_fail SOURCE_DIR WORK [FIRST [LAST [STEP]]]
 *
 * Each N is tried twice, each in a child of its own: only the Nth allocation fails (what comes
 * after must clean up), and every one from the Nth on fails (the error path may not need memory). A
 * run must end by itself with 0, or with 1 and a sentence that says what lacks; never by a signal,
 * never late, never with a file left behind. Under a sanitizer a leak is a failure too.
 *
 * Counted are malloc, calloc, realloc, aligned_alloc, posix_memalign and mmap. In a plain build the
 * definitions below take the place of the C library's for the whole process, so that libpng's and
 * the C library's own calls count as well. A sanitizer brings its own allocator: there the linker
 * (--wrap) sends the calls of this program's own code here. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Allocations until one fails; 0 = none does. */
static atomic_long countdown;
static atomic_long counted;
static atomic_bool persistent;

static bool refuse(void)
{
    atomic_fetch_add(&counted, 1);
    if (!atomic_load(&countdown)) return false;
    if (atomic_load(&countdown) == 1) {
        if (!atomic_load(&persistent)) atomic_store(&countdown, 0);
        errno = ENOMEM;
        return true;
    }
    atomic_fetch_sub(&countdown, 1);
    return false;
}

#ifdef ZIS_ALLOC_WRAP
#define DEFINED(name) __wrap_##name
#define REAL(name) __real_##name
void *__real_mmap(void *at, size_t n, int prot, int flags, int fd, off_t from);
#else
#define DEFINED(name) name
#define REAL(name) __libc_##name
#endif
void *REAL(malloc)(size_t n);
void *REAL(calloc)(size_t n, size_t size);
void *REAL(realloc)(void *p, size_t n);
#ifdef ZIS_ALLOC_WRAP
void *__real_aligned_alloc(size_t align, size_t n);
#define REAL_ALIGNED __real_aligned_alloc
#else
void *__libc_memalign(size_t align, size_t n);
#define REAL_ALIGNED __libc_memalign
#endif

__attribute__((visibility("default"))) void *DEFINED(malloc)(size_t n)
{
    return refuse() ? NULL : REAL(malloc)(n);
}

__attribute__((visibility("default"))) void *DEFINED(calloc)(size_t n, size_t size)
{
    return refuse() ? NULL : REAL(calloc)(n, size);
}

__attribute__((visibility("default"))) void *DEFINED(realloc)(void *p, size_t n)
{
    return refuse() ? NULL : REAL(realloc)(p, n);
}

__attribute__((visibility("default"))) void *DEFINED(aligned_alloc)(size_t align, size_t n)
{
    return refuse() ? NULL : REAL_ALIGNED(align, n);
}

__attribute__((visibility("default"))) int DEFINED(posix_memalign)(void **p, size_t align, size_t n)
{
    if (refuse()) return ENOMEM;
    *p = REAL_ALIGNED(align, n);
    return *p ? 0 : ENOMEM;
}

__attribute__((visibility("default"))) void *DEFINED(mmap)(
    void *at, size_t n, int prot, int flags, int fd, off_t from)
{
    if (refuse()) return MAP_FAILED;
#ifdef ZIS_ALLOC_WRAP
    return __real_mmap(at, n, prot, flags, fd, from);
#else
    return (void *)syscall(SYS_mmap, at, n, prot, flags, fd, from);
#endif
}

typedef struct outcome {
    int status; /* of wait */
    bool late;
    char said[4096]; /* stderr */
} outcome;

/* Longest that one run may compute (sanitizers are slow), and wait. */
#define CPU_SECONDS 60
#define SECONDS 300

static outcome try_one(char **argv, int argc, long n, bool every, long *total)
{
    outcome o = {0};
    int err[2], count[2];
    if (pipe(err) || pipe(count)) {
        o.status = -1;
        return o;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (!pid) {
        dup2(err[1], STDERR_FILENO);
        int null = open("/dev/null", O_RDWR);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDIN_FILENO);
        close(err[0]);
        close(err[1]);
        setrlimit(RLIMIT_CPU, &(struct rlimit){CPU_SECONDS, CPU_SECONDS + 1});
        alarm(SECONDS);
        atomic_store(&persistent, every);
        atomic_store(&counted, 0);
        atomic_store(&countdown, n);
        int rc = zis_cli_main(argc, argv);
        atomic_store(&countdown, 0); /* the end of the process belongs to others */
        long done = atomic_load(&counted);
        if (write(count[1], &done, sizeof done) != sizeof done) rc = 99;
        exit(rc);
    }
    close(err[1]);
    close(count[1]);
    size_t len = 0;
    for (ssize_t got; (got = read(err[0], o.said + len, sizeof o.said - 1 - len)) > 0;) {
        len += (size_t)got;
        if (len == sizeof o.said - 1) len /= 2; /* the end matters */
    }
    o.said[len] = 0;
    if (read(count[0], total, sizeof *total) != sizeof *total) *total = 0;
    close(err[0]);
    close(count[0]);
    waitpid(pid, &o.status, 0);
    int by = WIFSIGNALED(o.status) ? WTERMSIG(o.status) : 0;
    o.late = by == SIGALRM || by == SIGXCPU || by == SIGKILL;
    return o;
}

/* NULL if the outcome is one of those promised, else what is wrong with it. */
static const char *judge(const outcome *o, const char *picture)
{
    bool there = access(picture, F_OK) == 0;
    unlink(picture);
    if (o->late) return "did not end";
    if (WIFSIGNALED(o->status)) return strsignal(WTERMSIG(o->status));
    if (!WIFEXITED(o->status)) return "ended strangely";
    int rc = WEXITSTATUS(o->status);
    if (rc == 0) return there ? NULL : "says it is done, but there is no picture";
    if (rc != 1) return "ended with an exit code that is neither 0 nor 1";
    if (there) return "failed, but left a file behind";
    /* the ways in which the program says it; a thread needs memory, too */
    static const char *const sentences[] = {"out of memory", "cannot allocate memory",
                                            "no room for", "more than the system gives", "threads"};
    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++)
        if (strcasestr(o->said, sentences[i])) return NULL;
    return "failed without saying that memory lacked";
}

/* ---- what is tried ------------------------------------------------------------------------- */

#define IN "in.png" /* made here, where it is wanted; the folder is the current one */
#define OUT "a.png"
#define MOST 16

static const struct work {
    const char *name;
    const char *words[MOST]; /* behind "zis NAME", up to the first NULL */
} works[] = {
    {"generate", {"a red apple", "-W", "64", "-H", "64", "--steps", "1", "-s", "1"}},
    {"upscale", {"-i", IN, "--no-refine", "--tile", "16"}},
    {"preprocess", {"canny", "-i", IN}},
};

static const struct work *find_work(const char *name)
{
    for (size_t i = 0; i < sizeof works / sizeof *works; i++)
        if (strcmp(works[i].name, name) == 0) return &works[i];
    return NULL;
}

/* zis NAME words -t 2 -o OUT; number of words. */
static int command_line(char **args, const struct work *w)
{
    static char zis[] = "zis", t[] = "-t", two[] = "2", o[] = "-o", out[] = OUT;
    int n = 0;
    args[n++] = zis;
    args[n++] = (char *)w->name;
    for (int i = 0; i < MOST && w->words[i]; i++) args[n++] = (char *)w->words[i];
    args[n++] = t;
    args[n++] = two;
    args[n++] = o;
    args[n++] = out;
    args[n] = NULL;
    return n;
}

/* The picture that upscale and preprocess start from: small, and two tiles. */
static bool make_input(void)
{
    static const struct work w = {"generate", {"x", "-W", "20", "-H", "4", "--steps", "1"}};
    char *args[MOST + 8];
    long none;
    int n = command_line(args, &w);
    outcome o = try_one(args, n, 0, false, &none);
    return o.status == 0 && rename(OUT, IN) == 0;
}

int main(int argc, char **argv)
{
    const struct work *work = argc > 2 ? find_work(argv[2]) : NULL;
    if (!work) return 2;
    long first = argc > 3 ? atol(argv[3]) : 1;
    long last = argc > 4 ? atol(argv[4]) : 0;
    long step = argc > 5 ? atol(argv[5]) : 0;
    char folder[] = "/tmp/zis-alloc-XXXXXX", source[PATH_MAX], models[PATH_MAX + 8];
    char *args[MOST + 8];
    if (!realpath(argv[1], source) || !mkdtemp(folder)) return 1;
    snprintf(models, sizeof models, "%s/models", source);
    setenv("ZIS_MODELS", models, 1);
    if (chdir(folder) || !make_input()) return 1;
    int n_args = command_line(args, work);

    long total = 0, none = 0;
    outcome o = try_one(args, n_args, 0, false, &total);
    const char *bad = judge(&o, OUT);
    if (bad || !total) {
        printf("with memory enough it %s:\n%s\n", bad ? bad : "counts nothing", o.said);
        return 1;
    }
    if (!last) last = total;
    /* the first 300 one by one, the rest in steps so that some 100 more are tried */
    if (!step) step = (last - 300) / 100 + 1;
    if (step < 1) step = 1;
    long tried = 0, failed = 0;
    for (long n = first; n <= last; n += n < 300 && argc < 6 ? 1 : step) {
        for (int every = 0; every < 2; every++) {
            o = try_one(args, n_args, n, every, &none);
            const char *wrong = judge(&o, OUT);
            tried++;
            if (!wrong) continue;
            failed++;
            printf("allocation %ld%s: %s\n%s\n", n, every ? " and all after it" : "", wrong,
                   o.said);
            if (failed == 10) n = last;
        }
    }
    unlink(IN);
    bool left = chdir("/") != 0 || rmdir(folder) != 0;
    if (left) printf("files were left in %s\n", folder);
    printf("%ld allocations, %ld failures tried, %ld ended badly\n", total, tried, failed);
    return failed || left ? 1 : 0;
}
