/* The cache as the Python client lays it out, written. */
#include "pipeline/hub_repo.h"

#include "base/mem.h"
#include "base/os.h"
#include "pipeline/hubcache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

zis_status zis_hub_repo_init(zis_hub_repo *r, const char *root, const char *id, zis_error *err)
{
    zis_hub_repo n = {.root = root};
    char *name = zis_hubcache_repo_name(id);
    n.id = zis_mem_strdup(id);
    n.dir = name ? zis_os_join(root, name) : NULL;
    n.locks = name ? zis_mem_printf("%s/.locks/%s", root, name) : NULL;
    free(name);
    if (!n.id || !n.dir || !n.locks) {
        zis_hub_repo_deinit(&n);
        return zis_fail_nomem(err, id);
    }
    *r = n;
    return ZIS_OK;
}

void zis_hub_repo_deinit(zis_hub_repo *r)
{
    free(r->id);
    free(r->dir);
    free(r->locks);
    *r = (zis_hub_repo){0};
}

zis_status zis_hub_repo_make(const zis_hub_repo *r, zis_error *err)
{
    static const char tag[] = "Signature: 8a477f597d28d172789f06886806bc55\n"
                              "# This file is a cache directory tag created by huggingface_hub.\n"
                              "# For information about cache directory tags, see:\n"
                              "#\thttps://bford.info/cachedir/\n";
    static const char *const folders[] = {"refs", "blobs", "snapshots"};
    zis_status st = zis_os_make_folders(r->locks, err);
    for (int i = 0; i < 3 && !st; i++) {
        char *path = zis_os_join(r->dir, folders[i]);
        st = path ? zis_os_make_folders(path, err) : zis_fail_nomem(err, r->id);
        free(path);
    }
    if (st) return st;
    char *path = zis_os_join(r->root, "CACHEDIR.TAG");
    if (!path) return zis_fail_nomem(err, r->id);
    if (!zis_os_is_file(path)) st = zis_os_write_file(path, tag, sizeof tag - 1, err);
    free(path);
    return st;
}

char *zis_hub_repo_blob(const zis_hub_repo *r, const char *etag)
{
    return zis_mem_printf("%s/blobs/%s", r->dir, etag);
}

/* A file of this size whose bytes lie inside the root. */
static zis_status is_whole(const char *root, const char *path, uint64_t size, bool *out)
{
    struct stat sb;
    *out = false;
    if (stat(path, &sb) != 0 || !S_ISREG(sb.st_mode) || (uint64_t)sb.st_size != size) return ZIS_OK;
    errno = 0;
    char *real = zis_os_real_path(path);
    char *real_root = real ? zis_os_real_path(root) : NULL;
    bool nomem = errno == ENOMEM && (!real || !real_root);
    size_t n = real_root ? strlen(real_root) : 0;
    *out = n && strncmp(real, real_root, n) == 0 && real[n] == '/';
    free(real);
    free(real_root);
    return nomem ? ZIS_NOMEM : ZIS_OK;
}

zis_status zis_hub_repo_has_blob(const zis_hub_repo *r, const char *etag, uint64_t size, bool *out)
{
    char *path = zis_hub_repo_blob(r, etag);
    if (!path) return ZIS_NOMEM;
    zis_status st = is_whole(r->root, path, size, out);
    free(path);
    return st;
}

zis_status zis_hub_repo_has_file(
    const zis_hub_repo *r, const char *commit, const char *path, uint64_t size, bool *out)
{
    char *full = zis_mem_printf("%s/snapshots/%s/%s", r->dir, commit, path);
    if (!full) return ZIS_NOMEM;
    zis_status st = is_whole(r->root, full, size, out);
    free(full);
    return st;
}

/* ---- the same bytes in another entry ------------------------------------------------------- */

zis_status zis_hub_repo_find_twin(const zis_hub_repo *r,
                                  const char *etag,
                                  uint64_t size,
                                  char **out)
{
    char **names = NULL;
    size_t n = 0;
    char *found = NULL;
    const char *own = strrchr(r->dir, '/') + 1;
    zis_status st = zis_os_list(&names, &n, r->root, NULL);
    if (st) return st == ZIS_NOMEM ? st : ZIS_OK;
    for (size_t i = 0; i < n && !found && !st; i++) {
        if (strncmp(names[i], "models--", 8) != 0 || strcmp(names[i], own) == 0) continue;
        char *path = zis_mem_printf("%s/%s/blobs/%s", r->root, names[i], etag);
        bool whole = false;
        st = path ? is_whole(r->root, path, size, &whole) : ZIS_NOMEM;
        if (whole && !st) {
            found = path;
            path = NULL;
        }
        free(path);
    }
    zis_os_list_free(names, n);
    if (!st) *out = found;
    return st;
}

zis_status zis_hub_repo_take_twin(
    const zis_hub_repo *r, const char *etag, const char *twin, bool *done, zis_error *err)
{
    zis_status st = ZIS_OK;
    char *real = zis_os_real_path(twin); /* a link would be linked, not its bytes */
    char *blob = zis_hub_repo_blob(r, etag);
    char *tmp = blob ? zis_mem_printf("%s.%08x.tmp", blob, (unsigned)zis_os_random()) : NULL;
    *done = false;
    if (!blob || !tmp) {
        st = zis_fail_nomem(err, r->id);
        goto out;
    }
    if (!real || link(real, tmp) != 0) goto out;
    if (rename(tmp, blob) == 0) {
        *done = true;
    } else {
        st = zis_fail(err, ZIS_IO, "cannot write '%s': %s", blob, strerror(errno));
        unlink(tmp);
    }
out:
    free(real);
    free(blob);
    free(tmp);
    return st;
}

/* ---- snapshots and refs -------------------------------------------------------------------- */

static zis_status make_parent(const char *path, zis_error *err)
{
    const char *slash = strrchr(path, '/');
    char *parent = zis_mem_strndup(path, (size_t)(slash - path));
    if (!parent) return zis_fail_nomem(err, path);
    zis_status st = zis_os_make_folders(parent, err);
    free(parent);
    return st;
}

static bool points_to(const char *path, const char *target)
{
    char now[256];
    ssize_t n = readlink(path, now, sizeof now - 1);
    return n > 0 && (size_t)n == strlen(target) && memcmp(now, target, (size_t)n) == 0;
}

/* Where links are impossible the snapshot holds the bytes themselves. */
static bool put_file(const char *blob, const char *tmp, const char *path)
{
    if (link(blob, tmp) == 0) return rename(tmp, path) == 0;
    return rename(blob, path) == 0;
}

zis_status zis_hub_repo_link(
    const zis_hub_repo *r, const char *commit, const char *path, const char *etag, zis_error *err)
{
    zis_buf target = {0};
    for (const char *s = strchr(path, '/'); s; s = strchr(s + 1, '/')) zis_buf_puts(&target, "../");
    zis_buf_printf(&target, "../../blobs/%s", etag);
    char *full = zis_mem_printf("%s/snapshots/%s/%s", r->dir, commit, path);
    char *blob = zis_hub_repo_blob(r, etag);
    char *tmp = full ? zis_os_temporary(full) : NULL;
    zis_status st = ZIS_OK;
    if (target.failed || !blob || !tmp) {
        st = zis_fail_nomem(err, r->id);
        goto out;
    }
    if (points_to(full, target.data)) goto out;
    st = make_parent(full, err);
    if (st) goto out;
    bool linked = symlink(target.data, tmp) == 0;
    bool impossible = !linked && (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS);
    if (impossible ? !put_file(blob, tmp, full) : !linked || rename(tmp, full) != 0) {
        st = zis_fail(err, ZIS_IO, "cannot make '%s': %s", full, strerror(errno));
        unlink(tmp);
    }
out:
    zis_buf_free(&target);
    free(full);
    free(blob);
    free(tmp);
    return st;
}

zis_status zis_hub_repo_set_ref(const zis_hub_repo *r,
                                const char *revision,
                                const char *commit,
                                zis_error *err)
{
    if (strcmp(revision, commit) == 0) return ZIS_OK; /* as the Python client */
    char *path = zis_mem_printf("%s/refs/%s", r->dir, revision);
    char *now = NULL;
    size_t n = 0;
    zis_status st = path ? make_parent(path, err) : zis_fail_nomem(err, r->id);
    bool same =
        !st && zis_os_read_file(&now, &n, path, 256, NULL) == ZIS_OK && strcmp(now, commit) == 0;
    if (!st && !same) st = zis_os_write_file(path, commit, strlen(commit), err);
    free(now);
    free(path);
    return st;
}

uint64_t zis_hub_repo_free_space(const char *root)
{
    struct statvfs v;
    char *at = zis_mem_strdup(root);
    int r = -1;
    while (at && (r = statvfs(at, &v)) != 0 && errno == ENOENT) {
        char *slash = strrchr(at, '/');
        if (!slash) { /* a relative name whose folders are yet to be made */
            r = statvfs(".", &v);
            break;
        }
        slash[slash == at] = '\0';
    }
    free(at);
    return r == 0 ? (uint64_t)v.f_bavail * v.f_frsize : UINT64_MAX;
}
