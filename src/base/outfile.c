/* outfile.c - POSIX: gathers small pieces, hands large ones to the kernel as they are. */
#include "base/outfile.h"

#include "base/mem.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GATHER ((size_t)4 << 20)
/* Pieces of at least this size are not copied first. */
#define DIRECT ((size_t)1 << 20)
#define PIECE ((size_t)8 << 20)
/* The kernel is asked to start writing to the disk so often, so that the last flush is short. */
#define WRITEBACK ((uint64_t)64 << 20)

struct zis_outfile {
    char *path; /* as given, for messages */
    char *real; /* where it goes, links resolved */
    char *tmp;  /* NULL: written directly, or renamed already */
    unsigned char *buf;
    size_t held; /* bytes in buf */
    uint64_t written;
    uint64_t flushed;
    int fd;
};

static zis_status broken(const zis_outfile *f, zis_error *err)
{
    return zis_fail(err, ZIS_IO, "cannot write '%s': %s", f->path, zis_os_why(errno));
}

static zis_status open_files(zis_outfile *f, zis_error *err)
{
    struct stat sb;
    bool exists = stat(f->path, &sb) == 0;
    if (exists && S_ISDIR(sb.st_mode))
        return zis_fail(err, ZIS_IO, "cannot write '%s': it is a folder", f->path);
    if (exists && !S_ISREG(sb.st_mode)) {
        f->fd = open(f->path, O_WRONLY | O_CLOEXEC);
        return f->fd < 0 ? broken(f, err) : ZIS_OK;
    }
    f->real = exists ? realpath(f->path, NULL) : zis_mem_strdup(f->path);
    char *tmp = f->real ? zis_os_temporary(f->real) : NULL;
    if (!tmp) return zis_fail_nomem(err, f->path);
    mode_t mode = exists ? sb.st_mode & 0777 : 0666;
    f->fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (f->fd < 0) {
        zis_status st = broken(f, err);
        free(tmp);
        return st;
    }
    f->tmp = tmp; /* from here on destroy removes it */
    return ZIS_OK;
}

zis_status zis_outfile_create(zis_outfile **out, const char *path, zis_error *err)
{
    zis_outfile *f = zis_mem_zalloc(1, sizeof *f);
    if (!f) return zis_fail_nomem(err, path);
    f->fd = -1;
    f->path = zis_mem_strdup(path);
    f->buf = zis_mem_alloc(GATHER, 1);
    zis_status st = f->path && f->buf ? open_files(f, err) : zis_fail_nomem(err, path);
    if (!st) {
        *out = f;
        f = NULL;
    }
    zis_outfile_destroy(&f);
    return st;
}

zis_status zis_outfile_reserve(zis_outfile *f, uint64_t bytes, zis_error *err)
{
    if (!f->tmp || bytes == 0) return ZIS_OK;
    if (bytes > INT64_MAX) errno = EFBIG;
    int r = bytes > INT64_MAX ? -1 : 0;
    if (r == 0) do
            r = fallocate(f->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes);
        while (r != 0 && errno == EINTR);
    if (r != 0 && (errno == ENOSPC || errno == EFBIG || errno == EDQUOT))
        return zis_fail(err, ZIS_IO, "cannot write '%s': it needs %.1f MB: %s", f->path,
                        (double)bytes / 1e6, zis_os_why(errno));
    return ZIS_OK;
}

static zis_status push(zis_outfile *f, const unsigned char *p, size_t n, zis_error *err)
{
    while (n) {
        ssize_t w = write(f->fd, p, n < PIECE ? n : PIECE);
        if (w < 0 && errno == EINTR) continue;
        if (w < 0) return broken(f, err);
        p += w;
        n -= (size_t)w;
        f->written += (uint64_t)w;
    }
    if (f->tmp && f->written - f->flushed >= WRITEBACK) {
        sync_file_range(f->fd, (off_t)f->flushed, (off_t)(f->written - f->flushed),
                        SYNC_FILE_RANGE_WRITE); /* only a hint */
        f->flushed = f->written;
    }
    return ZIS_OK;
}

static zis_status flush(zis_outfile *f, zis_error *err)
{
    size_t n = f->held;
    f->held = 0;
    return push(f, f->buf, n, err);
}

zis_status zis_outfile_write(zis_outfile *f, const void *data, size_t n, zis_error *err)
{
    if (n >= DIRECT || n > GATHER - f->held) {
        zis_status st = flush(f, err);
        if (st) return st;
    }
    if (n >= DIRECT) return push(f, data, n, err);
    if (n) memcpy(f->buf + f->held, data, n);
    f->held += n;
    return ZIS_OK;
}

zis_status zis_outfile_finish(zis_outfile *f, zis_error *err)
{
    zis_status st = flush(f, err);
    if (st) return st;
    if (f->tmp && fdatasync(f->fd) != 0 && errno != EINVAL && errno != EROFS) return broken(f, err);
    int fd = f->fd;
    f->fd = -1;
    if (close(fd) != 0) return broken(f, err);
    if (!f->tmp) return ZIS_OK;
    if (rename(f->tmp, f->real) != 0) return broken(f, err);
    free(f->tmp);
    f->tmp = NULL;
    return ZIS_OK;
}

void zis_outfile_destroy(zis_outfile **file)
{
    if (!file || !*file) return;
    zis_outfile *f = *file;
    if (f->fd >= 0) close(f->fd);
    if (f->tmp) unlink(f->tmp);
    free(f->tmp);
    free(f->real);
    free(f->path);
    free(f->buf);
    free(f);
    *file = NULL;
}
