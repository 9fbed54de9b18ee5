/* One file each in a folder of their own. */
#include "server/uploads.h"

#include "base/mem.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct zis_uploads {
    char *folder;
    uint64_t budget;
    double seconds;
    pthread_mutex_t lock;
    zis_upload *list;
    uint64_t bytes;
};

/* What an earlier process left is of no use: nobody knows its names. */
static zis_status empty_folder(const char *folder, zis_error *err)
{
    char **names = NULL;
    size_t n = 0;
    zis_status st = zis_os_list(&names, &n, folder, err);
    for (size_t i = 0; i < n && !st; i++) {
        char *path = zis_os_join(folder, names[i]);
        if (path)
            unlink(path);
        else
            st = zis_fail_nomem(err, "the uploads");
        free(path);
    }
    zis_os_list_free(names, n);
    return st;
}

zis_status zis_uploads_create(
    zis_uploads **out, const char *folder, uint64_t budget, double seconds, zis_error *err)
{
    zis_uploads *u = zis_mem_zalloc(1, sizeof *u);
    if (u) u->folder = zis_mem_strdup(folder);
    zis_status st = u && u->folder ? ZIS_OK : zis_fail_nomem(err, "the uploads");
    if (!st) st = zis_os_make_dirs(folder, err);
    if (!st) st = empty_folder(folder, err);
    if (st) {
        if (u) free(u->folder);
        free(u);
        return st;
    }
    u->budget = budget;
    u->seconds = seconds;
    pthread_mutex_init(&u->lock, NULL);
    *out = u;
    return ZIS_OK;
}

static void destroy_file(zis_upload *f)
{
    if (f->fd >= 0) close(f->fd);
    if (f->path) unlink(f->path);
    free(f->path);
    free(f);
}

void zis_uploads_destroy(zis_uploads **out)
{
    if (!out || !*out) return;
    zis_uploads *u = *out;
    while (u->list) {
        zis_upload *f = u->list;
        u->list = f->next;
        destroy_file(f);
    }
    pthread_mutex_destroy(&u->lock);
    free(u->folder);
    free(u);
    *out = NULL;
}

/* Lock held. */
static void forget(zis_uploads *u, zis_upload *f)
{
    for (zis_upload **at = &u->list; *at; at = &(*at)->next) {
        if (*at != f) continue;
        *at = f->next;
        break;
    }
    u->bytes -= f->bytes;
    destroy_file(f);
}

/* Makes room for n bytes; false when what is held fills the budget. Lock held. */
static bool make_room(zis_uploads *u, uint64_t n)
{
    while (u->bytes + n > u->budget) {
        zis_upload *oldest = NULL;
        for (zis_upload *f = u->list; f; f = f->next)
            if (!f->held && (!oldest || f->made < oldest->made)) oldest = f;
        if (!oldest) return false;
        forget(u, oldest);
    }
    return true;
}

zis_status zis_uploads_begin(zis_uploads *u, zis_upload **out, zis_error *err)
{
    zis_upload *f = zis_mem_zalloc(1, sizeof *f);
    if (!f) return zis_fail_nomem(err, "an upload");
    for (int i = 0; i < ZIS_UPLOAD_ID; i += 8)
        snprintf(f->id + i, 9, "%08x", (unsigned)zis_os_random());
    f->held = 1;
    f->made = zis_os_wall();
    f->fd = -1;
    f->path = zis_os_join(u->folder, f->id);
    if (!f->path) {
        free(f);
        return zis_fail_nomem(err, "an upload");
    }
    f->fd = open(f->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (f->fd < 0) {
        zis_status st = zis_fail(err, ZIS_IO, "the upload cannot be stored: %s", zis_os_why(errno));
        free(f->path);
        free(f);
        return st;
    }
    pthread_mutex_lock(&u->lock);
    f->next = u->list;
    u->list = f;
    pthread_mutex_unlock(&u->lock);
    *out = f;
    return ZIS_OK;
}

zis_status zis_uploads_write(
    zis_uploads *u, zis_upload *f, const void *data, size_t n, zis_error *err)
{
    pthread_mutex_lock(&u->lock);
    bool room = make_room(u, n);
    if (room) {
        f->bytes += n;
        u->bytes += n;
    }
    pthread_mutex_unlock(&u->lock);
    if (!room)
        return zis_fail(err, ZIS_BUSY, "there is no room for more uploads now; try again later");
    const char *p = data;
    while (n) {
        ssize_t k = write(f->fd, p, n);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0)
            return zis_fail(err, ZIS_IO, "the upload cannot be stored: %s", zis_os_why(errno));
        p += k;
        n -= (size_t)k;
    }
    return ZIS_OK;
}

zis_status zis_uploads_finish(zis_uploads *u, zis_upload *f, zis_error *err)
{
    (void)u;
    int fd = f->fd;
    f->fd = -1;
    if (close(fd) != 0)
        return zis_fail(err, ZIS_IO, "the upload cannot be stored: %s", zis_os_why(errno));
    return ZIS_OK;
}

void zis_uploads_list(zis_uploads *u, zis_upload *f)
{
    pthread_mutex_lock(&u->lock);
    f->listed = true;
    pthread_mutex_unlock(&u->lock);
}

zis_upload *zis_uploads_hold(zis_uploads *u, const char *id)
{
    pthread_mutex_lock(&u->lock);
    zis_upload *f = u->list;
    while (f && !(f->listed && strcmp(f->id, id) == 0)) f = f->next;
    if (f) f->held++;
    pthread_mutex_unlock(&u->lock);
    return f;
}

zis_upload *zis_uploads_hold_again(zis_uploads *u, zis_upload *f)
{
    pthread_mutex_lock(&u->lock);
    f->held++;
    pthread_mutex_unlock(&u->lock);
    return f;
}

void zis_uploads_release(zis_uploads *u, zis_upload *f)
{
    if (!f) return;
    pthread_mutex_lock(&u->lock);
    if (--f->held == 0 && !f->listed) forget(u, f);
    pthread_mutex_unlock(&u->lock);
}

bool zis_uploads_drop(zis_uploads *u, const char *id)
{
    pthread_mutex_lock(&u->lock);
    zis_upload *f = u->list;
    while (f && !(f->listed && strcmp(f->id, id) == 0)) f = f->next;
    bool there = f != NULL;
    if (f) {
        f->listed = false;
        if (!f->held) forget(u, f);
    }
    pthread_mutex_unlock(&u->lock);
    return there;
}

void zis_uploads_tidy(zis_uploads *u)
{
    double now = zis_os_wall();
    pthread_mutex_lock(&u->lock);
    for (zis_upload *f = u->list, *next; f; f = next) {
        next = f->next;
        if (!f->held && now - f->made > u->seconds) forget(u, f);
    }
    pthread_mutex_unlock(&u->lock);
}

double zis_uploads_expiry(const zis_uploads *u, const zis_upload *f)
{
    return f->made + u->seconds;
}

uint64_t zis_uploads_bytes(zis_uploads *u)
{
    pthread_mutex_lock(&u->lock);
    uint64_t n = u->bytes;
    pthread_mutex_unlock(&u->lock);
    return n;
}
