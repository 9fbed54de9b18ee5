/* The Hugging Face cache, read only. */
#include "pipeline/hubcache.h"

#include "base/mem.h"
#include "base/os.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "models--"

static const char *env(const char *name)
{
    const char *v = getenv(name);
    return v && *v ? v : NULL;
}

char *zis_hubcache_root(void)
{
    if (env("HF_HUB_CACHE")) return zis_mem_strdup(env("HF_HUB_CACHE"));
    if (env("HF_HOME")) return zis_os_join(env("HF_HOME"), "hub");
    if (env("XDG_CACHE_HOME")) return zis_os_join(env("XDG_CACHE_HOME"), "huggingface/hub");
    if (env("HOME")) return zis_os_join(env("HOME"), ".cache/huggingface/hub");
    return NULL;
}

static bool is_word(const char *s, size_t n)
{
    if (n == 0 || n > 96 || s[0] == '.' || s[0] == '-') return false;
    for (size_t i = 0; i < n; i++) {
        bool ok = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
                  (s[i] >= '0' && s[i] <= '9') || strchr("-_.", s[i]);
        if (!ok) return false;
    }
    return true;
}

bool zis_hubcache_is_id(const char *text)
{
    const char *slash = strchr(text, '/');
    return slash && is_word(text, (size_t)(slash - text)) && is_word(slash + 1, strlen(slash + 1));
}

char *zis_hubcache_repo_name(const char *id)
{
    const char *slash = strchr(id, '/');
    if (!slash) return zis_mem_printf(PREFIX "%s", id);
    return zis_mem_printf(PREFIX "%.*s--%s", (int)(slash - id), id, slash + 1);
}

char *zis_hubcache_id_of(const char *repo_name)
{
    if (strncmp(repo_name, PREFIX, strlen(PREFIX)) != 0) return NULL;
    const char *org = repo_name + strlen(PREFIX);
    const char *cut = strstr(org, "--");
    if (!cut) return NULL;
    return zis_mem_printf("%.*s/%s", (int)(cut - org), org, cut + 2);
}

/* The commit in refs/main, as a folder below snapshots; *out stays NULL when there is none that
 * exists. ZIS_NOMEM or ZIS_OK. */
static zis_status snapshot_of_ref(char **out, const char *repo)
{
    char *commit = NULL, *dir = NULL;
    size_t n = 0;
    char *ref = zis_os_join(repo, "refs/main");
    zis_status st = ref ? zis_os_read_file(&commit, &n, ref, 256, NULL) : ZIS_NOMEM;
    if (st) goto out;
    while (n > 0 && strchr("\r\n ", commit[n - 1])) commit[--n] = '\0';
    if (!is_word(commit, n)) goto out;
    dir = zis_mem_printf("%s/snapshots/%s", repo, commit);
    if (!dir) st = ZIS_NOMEM;
    if (dir && zis_os_is_dir(dir)) {
        *out = dir;
        dir = NULL;
    }
out:
    free(dir);
    free(ref);
    free(commit);
    return st == ZIS_NOMEM ? st : ZIS_OK;
}

static zis_status newest_snapshot(char **out, const char *repo)
{
    char *best = NULL;
    double best_time = 0;
    char **names = NULL;
    size_t n = 0;
    char *dir = zis_os_join(repo, "snapshots");
    zis_status st = dir ? zis_os_list(&names, &n, dir, NULL) : ZIS_NOMEM;
    for (size_t i = 0; !st && i < n; i++) {
        char *path = zis_os_join(dir, names[i]);
        if (!path) st = ZIS_NOMEM;
        double when = path && zis_os_is_dir(path) ? zis_os_changed(path) : -1;
        if (when >= 0 && (!best || when > best_time)) {
            free(best);
            best = path;
            best_time = when;
        } else {
            free(path);
        }
    }
    zis_os_list_free(names, n);
    free(dir);
    if (st == ZIS_NOMEM) {
        free(best);
        return st;
    }
    *out = best;
    return ZIS_OK;
}

zis_status zis_hubcache_snapshot(char **out, const char *repo, zis_error *err)
{
    char *dir = NULL;
    zis_status st = snapshot_of_ref(&dir, repo);
    if (!st && !dir) st = newest_snapshot(&dir, repo);
    if (st) return zis_fail_nomem(err, repo);
    if (!dir) return zis_fail(err, ZIS_NOT_FOUND, "'%s' holds no snapshot", repo);
    *out = dir;
    return ZIS_OK;
}

static bool inside(const char *path, const char *root)
{
    size_t n = strlen(root);
    return strncmp(path, root, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static zis_status check_folder(
    const char *folder, const char *real_root, const char *id, int levels, zis_error *err)
{
    char **names = NULL;
    size_t n = 0;
    zis_status st = zis_os_list(&names, &n, folder, err);
    if (st) return st;
    for (size_t i = 0; i < n && !st; i++) {
        char *path = zis_os_join(folder, names[i]);
        errno = 0;
        char *real = path ? zis_os_real_path(path) : NULL;
        if (!path || (!real && errno == ENOMEM))
            st = zis_fail_nomem(err, folder);
        else if (!real)
            st = zis_fail(err, ZIS_NOT_FOUND,
                          "'%s' was not downloaded completely (its data is missing); "
                          "`zis fetch %s` gets it",
                          path, id);
        else if (!inside(real, real_root))
            st = zis_fail(err, ZIS_IO, "'%s' is a link that leads out of the cache, to '%s'", path,
                          real);
        else if (levels > 1 && zis_os_is_dir(path))
            st = check_folder(path, real_root, id, levels - 1, err);
        free(path);
        free(real);
    }
    zis_os_list_free(names, n);
    return st;
}

zis_status zis_hubcache_check(const char *folder, const char *root, const char *id, zis_error *err)
{
    errno = 0;
    char *real_root = zis_os_real_path(root);
    if (!real_root && errno == ENOMEM) return zis_fail_nomem(err, root);
    if (!real_root) return zis_fail(err, ZIS_NOT_FOUND, "the cache '%s' is not there", root);
    zis_status st = check_folder(folder, real_root, id, 2, err);
    free(real_root);
    return st;
}
