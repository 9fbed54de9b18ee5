/* POSIX: flock, pwrite, fdatasync, rename. */
#include "pipeline/hub_blob.h"

#include "base/mem.h"
#include "base/os.h"
#include "pipeline/hub_api.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".incomplete"
#define OWN ".7a697300" SUFFIX /* "zis" in hexadecimal: eight digits, as other clients write */
#define MAGIC "zis unfinished 1"

/* The record behind the bytes: this, then one mark for each chunk. In the machine's byte order:
 * another machine's is not recognised. */
typedef struct record {
    char magic[16];
    uint64_t size;
    uint64_t chunk;
    char boot[40]; /* of the kernel that ran when it was written */
    char etag[72];
    char validator[200];
} record;

typedef struct mark {
    uint32_t have; /* bytes written from the chunk's start */
    uint32_t safe; /* of them, those that were flushed to the disk */
} mark;

struct zis_hub_blob {
    char *name;   /* blobs/ETAG */
    char *part;   /* the unfinished file */
    char *folder; /* blobs */
    int fd, lock;
    uint64_t size;
    size_t n; /* chunks */
    mark *marks;
    bool *claimed;
    uint64_t have;
    size_t front; /* first chunk that is not whole */
    bool resumed;
    record head;
    atomic_uint_fast64_t whole_to;
    pthread_mutex_t mutex; /* marks, between the writer and flush */
};

static zis_status broken(const zis_hub_blob *b, const char *what, zis_error *err)
{
    int e = errno;
    if (e == ENOSPC || e == EDQUOT)
        return zis_fail(err, ZIS_IO,
                        "the disk is full at '%s'; what is there stays, the same command goes on "
                        "once there is room",
                        b->part);
    return zis_fail(err, ZIS_IO, "cannot %s '%s': %s", what, b->part, strerror(e));
}

static bool put(int fd, const void *data, size_t n, uint64_t at)
{
    const char *p = data;
    while (n) {
        ssize_t w = pwrite(fd, p, n, (off_t)at);
        if (w < 0 && errno == EINTR) continue;
        if (w < 0) return false;
        p += w;
        at += (uint64_t)w;
        n -= (size_t)w;
    }
    return true;
}

static bool get(int fd, void *data, size_t n, uint64_t at)
{
    char *p = data;
    while (n) {
        ssize_t r = pread(fd, p, n, (off_t)at);
        if (r < 0 && errno == EINTR) continue;
        if (r == 0) errno = EIO; /* cut short by somebody */
        if (r <= 0) return false;
        p += r;
        at += (uint64_t)r;
        n -= (size_t)r;
    }
    return true;
}

static uint64_t chunk_size(const zis_hub_blob *b, size_t c)
{
    uint64_t left = b->size - c * ZIS_HUB_CHUNK;
    return left < ZIS_HUB_CHUNK ? left : ZIS_HUB_CHUNK;
}

static uint64_t mark_at(const zis_hub_blob *b, size_t c)
{
    return b->size + sizeof(record) + c * sizeof(mark);
}

/* After marks changed: the front, and the sum. */
static void advance(zis_hub_blob *b)
{
    while (b->front < b->n && b->marks[b->front].have == chunk_size(b, b->front)) b->front++;
    uint64_t to = b->front * ZIS_HUB_CHUNK;
    to = b->front < b->n ? to + b->marks[b->front].have : b->size;
    atomic_store_explicit(&b->whole_to, to, memory_order_release);
}

/* ---- the lock ------------------------------------------------------------------------------ */

/* Others may delete the file that we wait for: what counts is the lock on the file of that name. */
static zis_status take_lock(int *out, bool *busy, const char *path, zis_error *err)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        struct stat mine, named;
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (fd < 0)
            return zis_fail(err, ZIS_IO, "cannot open the lock '%s': %s", path, strerror(errno));
        int r;
        do r = flock(fd, LOCK_EX | LOCK_NB);
        while (r != 0 && errno == EINTR);
        if (r != 0) {
            int e = errno;
            close(fd);
            *busy = e == EWOULDBLOCK;
            return *busy ? ZIS_OK
                         : zis_fail(err, ZIS_IO,
                                    "cannot lock '%s': %s; use a cache on a disk that knows locks "
                                    "(HF_HUB_CACHE)",
                                    path, strerror(e));
        }
        if (fstat(fd, &mine) == 0 && stat(path, &named) == 0 && mine.st_dev == named.st_dev &&
            mine.st_ino == named.st_ino) {
            *out = fd;
            return ZIS_OK;
        }
        close(fd);
    }
    return zis_fail(err, ZIS_IO, "the lock '%s' is deleted again and again", path);
}

/* ---- the unfinished file ------------------------------------------------------------------- */

static void boot_id(char out[40])
{
    memset(out, 0, 40);
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return; /* unknown: only what was flushed will count */
    ssize_t r = read(fd, out, 39);
    if (r < 0) out[0] = '\0';
    close(fd);
}

bool zis_hub_blob_is_unfinished(const char *name, size_t *etag_len)
{
    size_t n = strlen(name), end = strlen(SUFFIX);
    size_t digits = strspn(name, "0123456789abcdef");
    if (n <= end || strcmp(name + n - end, SUFFIX) != 0) return false;
    if (digits != ZIS_HUB_COMMIT && digits != ZIS_HUB_SHA256) return false;
    size_t rest = n - end - digits;
    bool ok = rest == 0 || (rest == 9 && name[digits] == '.' &&
                            strspn(name + digits + 1, "0123456789abcdef") == 8);
    if (ok) *etag_len = digits;
    return ok;
}

/* Takes over the largest file that another program left unfinished: the lock is ours. */
static zis_status adopt(const zis_hub_blob *b, const char *etag, zis_error *err)
{
    char **names = NULL;
    size_t n = 0, len;
    char *best = NULL;
    off_t best_size = 0;
    struct stat sb;
    if (lstat(b->part, &sb) == 0) return ZIS_OK;
    zis_status st = zis_os_list(&names, &n, b->folder, err);
    for (size_t i = 0; i < n && !st; i++) {
        if (!zis_hub_blob_is_unfinished(names[i], &len) || strlen(etag) != len ||
            memcmp(names[i], etag, len) != 0)
            continue;
        char *path = zis_os_join(b->folder, names[i]);
        if (!path) {
            st = zis_fail_nomem(err, "an unfinished download");
        } else if (lstat(path, &sb) == 0 && S_ISREG(sb.st_mode) && sb.st_size > best_size) {
            free(best);
            best = path;
            best_size = sb.st_size;
            path = NULL;
        }
        free(path);
    }
    if (best && !st) rename(best, b->part); /* if it fails we begin anew */
    free(best);
    zis_os_list_free(names, n);
    return st;
}

static bool record_fits(const zis_hub_blob *b, const record *r)
{
    return memcmp(r->magic, MAGIC, sizeof r->magic) == 0 && r->size == b->size &&
           r->chunk == ZIS_HUB_CHUNK && memcmp(r->etag, b->head.etag, sizeof r->etag) == 0;
}

/* What the file says about itself, into the marks. */
static void read_marks(zis_hub_blob *b, uint64_t file_size)
{
    record r;
    if (file_size <= b->size) {
        /* no record: written from the start by another program, or cut to size by finish */
        for (size_t c = 0; c < b->n && c * ZIS_HUB_CHUNK < file_size; c++) {
            uint64_t left = file_size - c * ZIS_HUB_CHUNK, whole = chunk_size(b, c);
            b->marks[c].have = (uint32_t)(left < whole ? left : whole);
        }
        return;
    }
    if (file_size != mark_at(b, b->n) || !get(b->fd, &r, sizeof r, b->size) ||
        !record_fits(b, &r) || !get(b->fd, b->marks, b->n * sizeof(mark), mark_at(b, 0))) {
        memset(b->marks, 0, b->n * sizeof(mark));
        return;
    }
    r.validator[sizeof r.validator - 1] = '\0';
    memcpy(b->head.validator, r.validator, sizeof r.validator);
    bool same_boot = *r.boot && memcmp(r.boot, b->head.boot, sizeof r.boot) == 0;
    for (size_t c = 0; c < b->n; c++) {
        mark *m = &b->marks[c];
        if (m->have > chunk_size(b, c) || m->safe > m->have) *m = (mark){0};
        if (!same_boot) m->have = m->safe;
    }
}

/* The marks first, so that a record of this boot never speaks of bytes of the last one. */
static bool write_record(const zis_hub_blob *b)
{
    record none = {0};
    return put(b->fd, &none, sizeof none, b->size) &&
           put(b->fd, b->marks, b->n * sizeof(mark), mark_at(b, 0)) &&
           put(b->fd, &b->head, sizeof b->head, b->size);
}

static zis_status open_part(zis_hub_blob *b, const char *etag, zis_error *err)
{
    struct stat sb;
    zis_status st = adopt(b, etag, err);
    if (st) return st;
    b->fd = open(b->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (b->fd < 0 || fstat(b->fd, &sb) != 0) return broken(b, "open", err);
    if (!S_ISREG(sb.st_mode))
        return zis_fail(err, ZIS_IO, "'%s' is not a regular file; delete it", b->part);
    b->n = (size_t)((b->size + ZIS_HUB_CHUNK - 1) / ZIS_HUB_CHUNK);
    b->marks = zis_mem_zalloc(b->n, sizeof *b->marks);
    b->claimed = zis_mem_zalloc(b->n, sizeof *b->claimed);
    if (!b->marks || !b->claimed) return zis_fail_nomem(err, "the record of a download");
    memcpy(b->head.magic, MAGIC, sizeof b->head.magic);
    b->head.size = b->size;
    b->head.chunk = ZIS_HUB_CHUNK;
    boot_id(b->head.boot);
    memcpy(b->head.etag, etag, strlen(etag));
    if (sb.st_size) read_marks(b, (uint64_t)sb.st_size);
    for (size_t c = 0; c < b->n; c++) b->have += b->marks[c].have;
    b->resumed = b->have > 0;
    if (!write_record(b)) return broken(b, "write", err);
    advance(b);
    return ZIS_OK;
}

zis_status zis_hub_blob_open(zis_hub_blob **out,
                             bool *busy,
                             const zis_hub_repo *repo,
                             const char *etag,
                             uint64_t size,
                             zis_error *err)
{
    zis_hub_blob *b = zis_mem_zalloc(1, sizeof *b);
    char *lock = zis_mem_printf("%s/%s.lock", repo->locks, etag);
    zis_status st = ZIS_OK;
    *busy = false;
    if (!b || !lock) {
        free(b);
        free(lock);
        return zis_fail_nomem(err, etag);
    }
    b->fd = b->lock = -1;
    b->size = size;
    pthread_mutex_init(&b->mutex, NULL);
    b->folder = zis_os_join(repo->dir, "blobs");
    b->name = zis_hub_repo_blob(repo, etag);
    b->part = b->name ? zis_mem_printf("%s" OWN, b->name) : NULL;
    if (!b->folder || !b->name || !b->part)
        st = zis_fail_nomem(err, etag);
    else
        st = take_lock(&b->lock, busy, lock, err);
    if (!st && !*busy) st = open_part(b, etag, err);
    free(lock);
    if (!st && !*busy)
        *out = b;
    else
        zis_hub_blob_close(&b);
    return st;
}

void zis_hub_blob_close(zis_hub_blob **blob)
{
    if (!blob || !*blob) return;
    zis_hub_blob *b = *blob;
    if (b->fd >= 0) close(b->fd);
    if (b->lock >= 0) close(b->lock);
    pthread_mutex_destroy(&b->mutex);
    free(b->name);
    free(b->part);
    free(b->folder);
    free(b->marks);
    free(b->claimed);
    free(b);
    *blob = NULL;
}

uint64_t zis_hub_blob_have(const zis_hub_blob *b)
{
    return b->have;
}

bool zis_hub_blob_is_resumed(const zis_hub_blob *b)
{
    return b->resumed;
}

const char *zis_hub_blob_validator(const zis_hub_blob *b)
{
    return b->head.validator;
}

void zis_hub_blob_set_validator(zis_hub_blob *b, const char *validator)
{
    size_t n = strlen(validator);
    if (n >= sizeof b->head.validator || strcmp(b->head.validator, validator) == 0) return;
    memset(b->head.validator, 0, sizeof b->head.validator);
    memcpy(b->head.validator, validator, n);
    put(b->fd, &b->head, sizeof b->head, b->size); /* only a help: without it ranges are asked for
                                                      unconditionally */
}

/* ---- stretches ----------------------------------------------------------------------------- */

bool zis_hub_blob_claim(zis_hub_blob *b, uint64_t most, uint64_t *from, uint64_t *to)
{
    for (size_t c = b->front; c < b->n; c++) {
        if (b->claimed[c] || b->marks[c].have == chunk_size(b, c)) continue;
        *from = c * ZIS_HUB_CHUNK + b->marks[c].have;
        do {
            b->claimed[c] = true;
            *to = c * ZIS_HUB_CHUNK + chunk_size(b, c);
            c++;
        } while (c < b->n && !b->claimed[c] && b->marks[c].have == 0 && *to - *from < most);
        return true;
    }
    return false;
}

void zis_hub_blob_release(zis_hub_blob *b, uint64_t from, uint64_t to)
{
    for (size_t c = (size_t)(from / ZIS_HUB_CHUNK); c < b->n && c * ZIS_HUB_CHUNK < to; c++)
        b->claimed[c] = false;
}

zis_status zis_hub_blob_write(
    zis_hub_blob *b, uint64_t at, const void *data, size_t n, zis_error *err)
{
    const char *p = data;
    while (n) {
        size_t c = (size_t)(at / ZIS_HUB_CHUNK);
        if (c >= b->n) return zis_fail(err, ZIS_FORMAT, "more bytes than the file has");
        uint64_t in = at % ZIS_HUB_CHUNK, room = chunk_size(b, c) - in;
        size_t k = n < room ? n : (size_t)room;
        if (k == 0) return zis_fail(err, ZIS_FORMAT, "more bytes than the file has");
        uint32_t have = b->marks[c].have;
        if (in > have) return zis_fail(err, ZIS_FORMAT, "bytes that leave a hole before them");
        size_t skip = have - in < k ? (size_t)(have - in) : k;
        if (skip < k) {
            mark m = {.have = (uint32_t)(in + k)};
            if (!put(b->fd, p + skip, k - skip, at + skip)) return broken(b, "write", err);
            pthread_mutex_lock(&b->mutex);
            m.safe = b->marks[c].safe;
            b->marks[c] = m;
            bool ok = put(b->fd, &m, sizeof m, mark_at(b, c));
            pthread_mutex_unlock(&b->mutex);
            if (!ok) return broken(b, "write", err);
            b->have += k - skip;
            if (in + k == chunk_size(b, c)) /* begins to write it to the disk; only a hint */
                sync_file_range(b->fd, (off_t)(c * ZIS_HUB_CHUNK), (off_t)chunk_size(b, c),
                                SYNC_FILE_RANGE_WRITE);
        }
        p += k;
        at += k;
        n -= k;
    }
    advance(b);
    return ZIS_OK;
}

zis_status zis_hub_blob_reset(zis_hub_blob *b, zis_error *err)
{
    pthread_mutex_lock(&b->mutex);
    memset(b->marks, 0, b->n * sizeof *b->marks);
    memset(b->claimed, 0, b->n * sizeof *b->claimed);
    b->have = 0;
    b->front = 0;
    b->resumed = false;
    memset(b->head.validator, 0, sizeof b->head.validator);
    bool ok = ftruncate(b->fd, 0) == 0 && write_record(b);
    advance(b);
    pthread_mutex_unlock(&b->mutex);
    return ok ? ZIS_OK : broken(b, "write", err);
}

/* ---- the second thread --------------------------------------------------------------------- */

uint64_t zis_hub_blob_whole_to(const zis_hub_blob *b)
{
    return atomic_load_explicit(&b->whole_to, memory_order_acquire);
}

zis_status zis_hub_blob_read(
    const zis_hub_blob *b, uint64_t at, void *data, size_t n, zis_error *err)
{
    return get(b->fd, data, n, at) ? ZIS_OK : broken(b, "read", err);
}

zis_status zis_hub_blob_flush(zis_hub_blob *b, zis_error *err)
{
    uint32_t *have = zis_mem_alloc(b->n, sizeof *have);
    if (!have) return zis_fail_nomem(err, "the record of a download");
    pthread_mutex_lock(&b->mutex);
    for (size_t c = 0; c < b->n; c++) have[c] = b->marks[c].have;
    pthread_mutex_unlock(&b->mutex);
    bool ok = fdatasync(b->fd) == 0;
    pthread_mutex_lock(&b->mutex);
    for (size_t c = 0; c < b->n && ok; c++) b->marks[c].safe = have[c];
    ok = ok && put(b->fd, b->marks, b->n * sizeof(mark), mark_at(b, 0));
    pthread_mutex_unlock(&b->mutex);
    free(have);
    return ok ? ZIS_OK : broken(b, "flush", err);
}

/* ---- the end ------------------------------------------------------------------------------- */

zis_status zis_hub_blob_finish(zis_hub_blob *b, zis_error *err)
{
    if (ftruncate(b->fd, (off_t)b->size) != 0 || fsync(b->fd) != 0) return broken(b, "flush", err);
    if (rename(b->part, b->name) != 0)
        return zis_fail(err, ZIS_IO, "cannot write '%s': %s", b->name, strerror(errno));
    zis_os_sync_folder(b->folder);
    return ZIS_OK;
}

void zis_hub_blob_drop(zis_hub_blob *b)
{
    unlink(b->part);
}

void zis_hub_blob_peek(const char *path, uint64_t *have, uint64_t *size)
{
    struct stat sb;
    record r;
    *have = *size = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return;
    if (fstat(fd, &sb) == 0 && S_ISREG(sb.st_mode)) *have = (uint64_t)sb.st_size;
    /* the record's place is not known without the size: it is looked for where it would be for
     * each number of chunks that the file's length allows */
    uint64_t length = *have;
    for (size_t n = 0;
         n * sizeof(mark) + sizeof r <= length && n * ZIS_HUB_CHUNK <= length + ZIS_HUB_CHUNK;
         n++) {
        uint64_t at = length - sizeof r - n * sizeof(mark);
        if ((at + ZIS_HUB_CHUNK - 1) / ZIS_HUB_CHUNK != n) continue;
        if (!get(fd, &r, sizeof r, at)) break;
        if (memcmp(r.magic, MAGIC, sizeof r.magic) != 0 || r.size != at) continue;
        *size = at;
        *have = 0;
        mark m;
        for (size_t c = 0; c < n && get(fd, &m, sizeof m, at + sizeof r + c * sizeof m); c++)
            *have += m.have;
        break;
    }
    close(fd);
}
