/* Walks over an entry: lstat, readlink, unlink. */
#include "pipeline/hub_entry.h"

#include "base/mem.h"
#include "base/os.h"
#include "pipeline/hub_blob.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Deeper than any name that zis_hub_api_is_path lets through. */
#define DEPTH_MAX 600

zis_status zis_hub_entry_unfinished(const char *root, const char *id, zis_hub_unfinished *out)
{
    zis_hub_repo repo = {0};
    zis_hub_unfinished sum = {0};
    char **names = NULL;
    size_t n = 0, len;
    zis_status st = zis_hub_repo_init(&repo, root, id, NULL);
    char *folder = st ? NULL : zis_os_join(repo.dir, "blobs");
    if (!folder) st = ZIS_NOMEM;
    if (!st && zis_os_list(&names, &n, folder, NULL) == ZIS_NOMEM) st = ZIS_NOMEM;
    for (size_t i = 0; i < n && !st; i++) {
        uint64_t have, size;
        if (!zis_hub_blob_is_unfinished(names[i], &len)) continue;
        char *path = zis_os_join(folder, names[i]);
        if (!path) {
            st = ZIS_NOMEM;
            break;
        }
        zis_hub_blob_peek(path, &have, &size);
        sum.files++;
        sum.have += have;
        sum.size += size;
        free(path);
    }
    zis_os_list_free(names, n);
    free(folder);
    zis_hub_repo_deinit(&repo);
    if (!st) *out = sum;
    return st;
}

/* ---- walking ------------------------------------------------------------------------------- */

typedef struct walker {
    /* file or link; a folder comes after what is in it */
    zis_status (*visit)(void *arg, const char *path, const struct stat *sb, zis_error *err);
    void *arg;
} walker;

static zis_status walk(const walker *w, const char *path, int depth, zis_error *err)
{
    struct stat sb;
    char **names = NULL;
    size_t n = 0;
    zis_status st = ZIS_OK;
    if (lstat(path, &sb) != 0)
        return errno == ENOENT
                   ? ZIS_OK
                   : zis_fail(err, ZIS_IO, "cannot look at '%s': %s", path, strerror(errno));
    if (depth > DEPTH_MAX) return zis_fail(err, ZIS_IO, "folders in '%s' are too deep", path);
    if (S_ISDIR(sb.st_mode)) st = zis_os_list(&names, &n, path, err);
    for (size_t i = 0; i < n && !st; i++) {
        char *below = zis_os_join(path, names[i]);
        st = below ? walk(w, below, depth + 1, err) : zis_fail_nomem(err, path);
        free(below);
    }
    zis_os_list_free(names, n);
    return st ? st : w->visit(w->arg, path, &sb, err);
}

static void weigh(zis_hub_removal *r, const struct stat *sb)
{
    if (!S_ISREG(sb->st_mode)) return;
    uint64_t bytes = (uint64_t)sb->st_blocks * 512;
    if (sb->st_nlink > 1)
        r->shared += bytes;
    else
        r->freed += bytes;
}

static zis_status visit_weigh(void *arg, const char *path, const struct stat *sb, zis_error *err)
{
    (void)path;
    (void)err;
    weigh(arg, sb);
    return ZIS_OK;
}

static zis_status visit_remove(void *arg, const char *path, const struct stat *sb, zis_error *err)
{
    (void)arg;
    int r = S_ISDIR(sb->st_mode) ? rmdir(path) : unlink(path);
    if (r == 0 || errno == ENOENT) return ZIS_OK;
    return zis_fail(err, ZIS_IO, "cannot remove '%s': %s", path, strerror(errno));
}

/* ---- one file of an entry ------------------------------------------------------------------ */

/* Looks through the snapshots: which links are the file's, and what others point to. */
typedef struct search {
    zis_hub_removal *r;
    const char *file;
    char *snapshots;
    size_t others; /* files that stay */
    char *etag;    /* of the file that goes: the last part of its link */
    bool etag_stays;
    bool counting; /* second pass: only etag_stays */
} search;

static zis_status add_path(zis_hub_removal *r, char *path, zis_error *err)
{
    char **list = path ? zis_mem_resize(r->paths, r->n + 1, sizeof *list) : NULL;
    if (!list) {
        free(path);
        return zis_fail_nomem(err, r->repo.id);
    }
    r->paths = list;
    list[r->n++] = path;
    return ZIS_OK;
}

/* *out: new string, what a link's target ends in; NULL for what is no link. */
static zis_status link_end(char **out, const char *path, zis_error *err)
{
    char target[4096];
    ssize_t n = readlink(path, target, sizeof target - 1);
    if (n <= 0) return ZIS_OK;
    target[n] = '\0';
    const char *slash = strrchr(target, '/');
    *out = zis_mem_strdup(slash ? slash + 1 : target);
    return *out ? ZIS_OK : zis_fail_nomem(err, path);
}

static zis_status visit_search(void *arg, const char *path, const struct stat *sb, zis_error *err)
{
    search *s = arg;
    if (S_ISDIR(sb->st_mode)) return ZIS_OK;
    const char *commit = path + strlen(s->snapshots) + 1;
    const char *file = strchr(commit, '/');
    bool match = file && strcmp(file + 1, s->file) == 0;
    char *etag = NULL;
    zis_status st = link_end(&etag, path, err);
    if (st) return st;
    if (match && !s->counting) {
        st = add_path(s->r, zis_mem_strdup(path), err);
        weigh(s->r, sb);
        free(s->etag);
        s->etag = etag;
        etag = NULL;
    } else if (!match) {
        s->others++;
        if (s->counting && s->etag && etag && strcmp(etag, s->etag) == 0) s->etag_stays = true;
    }
    free(etag);
    return st;
}

static zis_status plan_file(zis_hub_removal *r, const char *file, zis_error *err)
{
    struct stat sb;
    search s = {.r = r, .file = file, .snapshots = zis_os_join(r->repo.dir, "snapshots")};
    walker w = {visit_search, &s};
    char *blob = NULL;
    zis_status st = s.snapshots ? walk(&w, s.snapshots, 0, err) : zis_fail_nomem(err, r->repo.id);
    if (!st && r->n == 0)
        st = zis_fail(err, ZIS_NOT_FOUND, "'%s' is not downloaded: there is nothing to remove",
                      file);
    s.counting = true;
    if (!st && s.others > 0) st = walk(&w, s.snapshots, 0, err);
    r->whole = !st && s.others == 0;
    if (!st && !r->whole && s.etag && !s.etag_stays) {
        blob = zis_hub_repo_blob(&r->repo, s.etag);
        if (!blob) st = zis_fail_nomem(err, r->repo.id);
        if (blob && lstat(blob, &sb) == 0) {
            weigh(r, &sb);
            st = add_path(r, blob, err);
            blob = NULL;
        }
    }
    free(blob);
    free(s.snapshots);
    free(s.etag);
    return st;
}

/* ---- the removal --------------------------------------------------------------------------- */

zis_status zis_hub_removal_plan(
    zis_hub_removal *out, const char *root, const char *id, const char *file, zis_error *err)
{
    struct stat sb;
    zis_hub_removal r = {0};
    zis_status st = zis_hub_repo_init(&r.repo, root, id, err);
    if (st) return st;
    if (lstat(r.repo.dir, &sb) != 0)
        st = zis_fail(err, ZIS_NOT_FOUND, "%s is not in the cache '%s'", id, root);
    else if (!S_ISDIR(sb.st_mode))
        st = zis_fail(err, ZIS_IO, "'%s' is no folder", r.repo.dir);
    else if (file)
        st = plan_file(&r, file, err);
    else
        r.whole = true;
    if (!st && r.whole) {
        walker w = {visit_weigh, &r};
        r.freed = r.shared = 0;
        st = walk(&w, r.repo.dir, 0, err);
    }
    if (st)
        zis_hub_removal_deinit(&r);
    else
        *out = r;
    return st;
}

void zis_hub_removal_deinit(zis_hub_removal *r)
{
    for (size_t i = 0; i < r->n; i++) free(r->paths[i]);
    free(r->paths);
    zis_hub_repo_deinit(&r->repo);
    *r = (zis_hub_removal){0};
}

/* Every lock of the entry, kept until the descriptors are closed. */
static zis_status take_locks(const zis_hub_repo *repo, int **fds, size_t *n, zis_error *err)
{
    char **names = NULL;
    size_t count = 0;
    zis_status st = zis_os_list(&names, &count, repo->locks, NULL);
    if (st) return st == ZIS_NOMEM ? zis_fail_nomem(err, repo->id) : ZIS_OK;
    *fds = zis_mem_alloc(count, sizeof **fds);
    if (!*fds) st = zis_fail_nomem(err, repo->id);
    for (size_t i = 0; i < count && !st; i++) {
        char *path = zis_os_join(repo->locks, names[i]);
        int fd = path ? open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
        if (!path) st = zis_fail_nomem(err, repo->id);
        if (fd >= 0) (*fds)[(*n)++] = fd;
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0)
            st = zis_fail(err, ZIS_IO, "%s is being downloaded by another process; stop that first",
                          repo->id);
        free(path);
    }
    zis_os_list_free(names, count);
    return st;
}

zis_status zis_hub_removal_run(const zis_hub_removal *r, zis_error *err)
{
    walker w = {visit_remove, NULL};
    int *fds = NULL;
    size_t n = 0;
    zis_status st = take_locks(&r->repo, &fds, &n, err);
    for (size_t i = 0; i < r->n && !st && !r->whole; i++) st = walk(&w, r->paths[i], 0, err);
    /* refs first: a reader never finds a name without its files */
    char *refs = zis_os_join(r->repo.dir, "refs");
    if (!st && !refs) st = zis_fail_nomem(err, r->repo.id);
    if (!st && r->whole) st = walk(&w, refs, 0, err);
    if (!st && r->whole) st = walk(&w, r->repo.dir, 0, err);
    if (!st && r->whole) st = walk(&w, r->repo.locks, 0, err);
    free(refs);
    for (size_t i = 0; i < n; i++) close(fds[i]);
    free(fds);
    return st;
}
