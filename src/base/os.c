/* os.c - POSIX: mappings, whole files, atomic writes, clock, paths. */
#include "base/os.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HUGE_PAGE ((size_t)2 << 20)

/* Opens a regular file for reading; says what else it is. O_NONBLOCK: a FIFO must not hang us. */
static zis_status open_regular(int *fd, struct stat *sb, const char *path, zis_error *err)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0) {
        int e = errno;
        return zis_fail(err, e == ENOENT || e == ENOTDIR ? ZIS_NOT_FOUND : ZIS_IO,
                        "cannot open '%s': %s", path, strerror(e));
    }
    const char *kind = NULL;
    if (fstat(*fd, sb) != 0)
        kind = strerror(errno);
    else if (S_ISDIR(sb->st_mode))
        kind = "it is a folder";
    else if (!S_ISREG(sb->st_mode))
        kind = "it is not a regular file";
    if (!kind) return ZIS_OK;
    close(*fd);
    *fd = -1;
    return zis_fail(err, ZIS_IO, "cannot read '%s': %s", path, kind);
}

zis_status zis_os_map(zis_map *out, const char *path, zis_error *err)
{
    int fd;
    struct stat sb;
    zis_status st = open_regular(&fd, &sb, path, err);
    if (st) return st;
    if (sb.st_size == 0) {
        close(fd);
        *out = (zis_map){(const unsigned char *)"", 0};
        return ZIS_OK;
    }
    size_t size = (size_t)sb.st_size;
    void *p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    int e = errno;
    close(fd);
    if (p == MAP_FAILED)
        return zis_fail(err, e == ENOMEM ? ZIS_NOMEM : ZIS_IO, "cannot map '%s' (%.1f MB): %s",
                        path, (double)size / 1e6, strerror(e));
    *out = (zis_map){p, size};
    return ZIS_OK;
}

void zis_os_unmap(zis_map *m)
{
    if (m->size) munmap((void *)(uintptr_t)m->data, m->size);
    *m = (zis_map){0};
}

zis_status zis_os_map_check(const zis_map *m, const char *path, zis_error *err)
{
    struct stat sb;
    if (stat(path, &sb) != 0)
        return zis_fail(err, ZIS_IO, "'%s' has gone while it was in use: %s", path,
                        strerror(errno));
    if (sb.st_size < 0 || (size_t)sb.st_size < m->size)
        return zis_fail(err, ZIS_IO, "'%s' was cut from %zu to %lld bytes while it was in use",
                        path, m->size, (long long)sb.st_size);
    return ZIS_OK;
}

void zis_os_map_prefetch(const void *data, size_t n)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = (uintptr_t)data / page * page;
    madvise((void *)from, (uintptr_t)data + n - from, MADV_WILLNEED);
}

void zis_os_map_forget(const void *data, size_t n)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)data + page - 1) / page * page;
    uintptr_t to = ((uintptr_t)data + n) / page * page;
    if (to > from) madvise((void *)from, to - from, MADV_DONTNEED);
}

zis_status zis_os_read_file(
    char **out, size_t *size, const char *path, size_t limit, zis_error *err)
{
    int fd;
    struct stat sb;
    zis_status st = open_regular(&fd, &sb, path, err);
    if (st) return st;
    char *p = NULL;
    size_t n = (size_t)sb.st_size, got = 0;
    if (n > limit) {
        st = zis_fail(err, ZIS_FORMAT, "'%s' has %zu bytes, more than the %zu that are read", path,
                      n, limit);
        goto out;
    }
    p = zis_mem_alloc(n + 1, 1);
    if (!p) {
        st = zis_fail_nomem(err, path);
        goto out;
    }
    while (got < n) {
        ssize_t r = read(fd, p + got, n - got);
        if (r < 0 && errno == EINTR) continue;
        if (r < 0) {
            st = zis_fail(err, ZIS_IO, "cannot read '%s': %s", path, strerror(errno));
            goto out;
        }
        if (r == 0) break;
        got += (size_t)r;
    }
    p[got] = '\0';
    *out = p;
    *size = got;
    p = NULL;
out:
    free(p);
    close(fd);
    return st;
}

void *zis_os_pages(size_t bytes)
{
    size_t n;
    if (zis_size_add(bytes, HUGE_PAGE, &n)) return NULL;
    unsigned char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return NULL;
    /* give back what lies before the first and behind the last whole huge page that we use */
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t head = (HUGE_PAGE - (uintptr_t)p % HUGE_PAGE) % HUGE_PAGE;
    size_t used = zis_round_up(bytes ? bytes : 1, page);
    if (head) munmap(p, head);
    if (n - head > used) munmap(p + head + used, n - head - used);
    if (used >= HUGE_PAGE) madvise(p + head, used, MADV_HUGEPAGE);
    return p + head;
}

void zis_os_pages_free(void *p, size_t bytes)
{
    if (p) munmap(p, zis_round_up(bytes ? bytes : 1, (size_t)sysconf(_SC_PAGESIZE)));
}

double zis_os_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double zis_os_wall(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int zis_os_cpus(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        int n = CPU_COUNT(&set);
        if (n > 0) return n;
    }
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}

uint64_t zis_os_peak_rss(void)
{
    struct rusage u;
    return getrusage(RUSAGE_SELF, &u) == 0 ? (uint64_t)u.ru_maxrss * 1024u : 0;
}

/* The limit in a file of the control groups; UINT64_MAX where there is none. */
static uint64_t group_limit(const char *path)
{
    char text[40] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return UINT64_MAX;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0 || text[0] < '0' || text[0] > '9') return UINT64_MAX; /* "max" */
    return strtoull(text, NULL, 10);
}

uint64_t zis_os_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    if (pages <= 0 || size <= 0) return 0;
    uint64_t most = (uint64_t)pages * (uint64_t)size;
    uint64_t v2 = group_limit("/sys/fs/cgroup/memory.max");
    uint64_t v1 = group_limit("/sys/fs/cgroup/memory/memory.limit_in_bytes");
    if (v2 < most) most = v2;
    return v1 < most ? v1 : most;
}

uint32_t zis_os_random(void)
{
    uint32_t v = 0;
    if (getrandom(&v, sizeof v, 0) != (ssize_t)sizeof v) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        v = (uint32_t)t.tv_nsec * 2654435761u ^ (uint32_t)t.tv_sec ^ (uint32_t)getpid();
    }
    return v;
}

bool zis_os_is_dir(const char *path)
{
    struct stat sb;
    return stat(path, &sb) == 0 && S_ISDIR(sb.st_mode);
}

bool zis_os_is_file(const char *path)
{
    struct stat sb;
    return stat(path, &sb) == 0 && S_ISREG(sb.st_mode);
}

bool zis_os_file_size(const char *path, uint64_t *bytes)
{
    struct stat sb;
    if (stat(path, &sb) != 0 || sb.st_size < 0) return false;
    *bytes = (uint64_t)sb.st_size;
    return true;
}

zis_status zis_os_make_folders(const char *path, zis_error *err)
{
    char *p = zis_mem_strdup(path);
    if (!p) return zis_fail_nomem(err, path);
    zis_status st = ZIS_OK;
    for (char *s = p + 1; *p && !st; s++) {
        char c = *s;
        if (c != '/' && c != '\0') continue;
        *s = '\0';
        int e = mkdir(p, 0777) == 0 ? 0 : errno;
        if (e && !zis_os_is_dir(p))
            st = zis_fail(err, ZIS_IO, "cannot make the folder '%s': %s", p, strerror(e));
        *s = c;
        if (!c) break;
    }
    free(p);
    return st;
}

void zis_os_sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    fsync(fd);
    close(fd);
}

char *zis_os_join(const char *a, const char *b)
{
    size_t n = strlen(a);
    return zis_mem_printf("%s%s%s", a, n && a[n - 1] == '/' ? "" : "/", b);
}

char *zis_os_real_path(const char *path)
{
    return realpath(path, NULL);
}

double zis_os_changed(const char *path)
{
    struct stat sb;
    if (stat(path, &sb) != 0) return 0;
    return (double)sb.st_mtim.tv_sec + (double)sb.st_mtim.tv_nsec * 1e-9;
}

uint64_t zis_os_size(const char *path)
{
    struct stat sb;
    return stat(path, &sb) == 0 && sb.st_size > 0 ? (uint64_t)sb.st_size : 0;
}

char *zis_os_exe_dir(void)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0) return NULL;
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    return slash ? zis_mem_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

zis_status zis_os_list(char ***names, size_t *n, const char *path, zis_error *err)
{
    DIR *d = opendir(path);
    if (!d) {
        int e = errno;
        if (e == ENOMEM) return zis_fail_nomem(err, path);
        return zis_fail(err, e == ENOENT || e == ENOTDIR ? ZIS_NOT_FOUND : ZIS_IO,
                        "cannot list '%s': %s", path, strerror(e));
    }
    char **list = NULL;
    size_t len = 0, room = 0;
    zis_status st = ZIS_OK;
    for (struct dirent *e; !st && (e = readdir(d));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        if (len == room) {
            size_t more = room ? room * 2 : 16;
            char **p = zis_mem_resize(list, more, sizeof *list);
            if (!p) {
                st = zis_fail_nomem(err, path);
                break;
            }
            list = p;
            room = more;
        }
        if (!(list[len] = zis_mem_strdup(e->d_name)))
            st = zis_fail_nomem(err, path);
        else
            len++;
    }
    closedir(d);
    if (st) {
        zis_os_list_free(list, len);
        return st;
    }
    if (len) qsort(list, len, sizeof *list, by_name);
    *names = list;
    *n = len;
    return ZIS_OK;
}

void zis_os_list_free(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++) free(names[i]);
    free(names);
}

const char *zis_os_why(int e)
{
    if (e == ENOSPC) return "the disk is full; make room on it, or choose another place";
    if (e == EDQUOT) return "your share of the disk is used up; make room, or choose another place";
    return strerror(e);
}

static zis_status write_all(int fd, const char *path, const void *data, size_t n, zis_error *err)
{
    const char *p = data;
    while (n) {
        ssize_t w = write(fd, p, n);
        if (w < 0 && errno == EINTR) continue;
        if (w < 0) return zis_fail(err, ZIS_IO, "cannot write '%s': %s", path, zis_os_why(errno));
        p += w;
        n -= (size_t)w;
    }
    return ZIS_OK;
}

char *zis_os_temporary(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const int ending = sizeof ".00000000.tmp" - 1;
    return zis_mem_printf("%.*s%.*s.%08x.tmp", (int)(name - path), path,
                          zis_utf8_cut(name, strlen(name), NAME_MAX - ending), name,
                          (unsigned)zis_os_random());
}

zis_status zis_os_write_file(const char *path, const void *data, size_t n, zis_error *err)
{
    struct stat sb;
    mode_t mode = 0666;
    bool exists = stat(path, &sb) == 0;
    if (exists && S_ISDIR(sb.st_mode))
        return zis_fail(err, ZIS_IO, "cannot write '%s': it is a folder", path);
    if (exists && !S_ISREG(sb.st_mode)) {
        /* a FIFO without a reader must not hang us: it is an error (ENXIO) */
        int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd >= 0) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
        if (fd < 0) return zis_fail(err, ZIS_IO, "cannot write '%s': %s", path, zis_os_why(errno));
        zis_status st = write_all(fd, path, data, n, err);
        if (close(fd) != 0 && !st)
            st = zis_fail(err, ZIS_IO, "cannot write '%s': %s", path, zis_os_why(errno));
        return st;
    }
    char *real = exists ? realpath(path, NULL) : zis_mem_strdup(path); /* keeps a link a link */
    char *tmp = real ? zis_os_temporary(real) : NULL;
    if (!tmp) {
        free(real);
        return zis_fail_nomem(err, path);
    }
    if (exists) mode = sb.st_mode & 0777;
    zis_status st;
    int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) {
        st = zis_fail(err, ZIS_IO, "cannot write '%s': %s", path, zis_os_why(errno));
        goto out;
    }
    st = write_all(fd, path, data, n, err);
    if (!st && fsync(fd) != 0 && errno != EINVAL && errno != EROFS)
        st = zis_fail(err, ZIS_IO, "cannot write '%s': %s", path, zis_os_why(errno));
    if (close(fd) != 0 && !st)
        st = zis_fail(err, ZIS_IO, "cannot write '%s': %s", path, zis_os_why(errno));
    if (!st && rename(tmp, real) != 0)
        st = zis_fail(err, ZIS_IO, "cannot write '%s': %s", path, zis_os_why(errno));
    if (st) unlink(tmp);
out:
    free(tmp);
    free(real);
    return st;
}

zis_status zis_os_make_dirs(const char *path, zis_error *err)
{
    char *part = zis_mem_strdup(path);
    if (!part) return zis_fail_nomem(err, path);
    zis_status st = ZIS_OK;
    for (char *s = part + 1; !st; s++) {
        char c = *s;
        if (c != '/' && c) continue;
        *s = '\0';
        if (mkdir(part, 0700) != 0 && !zis_os_is_dir(part))
            st = zis_fail(err, ZIS_IO, "cannot make the folder '%s': %s", part, strerror(errno));
        *s = c;
        if (!c) break;
    }
    free(part);
    return st;
}
