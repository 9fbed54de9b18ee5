/* One file in the usual places. */
#include "pipeline/weights_find.h"

#include "base/mem.h"
#include "base/os.h"
#include "pipeline/hubcache.h"
#include "pipeline/model.h"
#include "pipeline/model_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct finder {
    const zis_weights_query *q;
    char *other;    /* the same file as safetensors */
    zis_buf looked; /* folders, for the message */
    char *found;
    bool nomem;
} finder;

/* Takes folder/NAME when it is there. */
static bool try_name(finder *f, const char *folder, const char *name)
{
    char *path = zis_os_join(folder, name);
    if (path && zis_os_is_file(path)) {
        f->found = path;
        return true;
    }
    f->nomem = f->nomem || !path;
    free(path);
    return false;
}

static bool is_in(finder *f, const char *folder)
{
    return try_name(f, folder, f->q->file) || try_name(f, folder, f->other);
}

static void looked_in(finder *f, const char *folder)
{
    zis_buf_printf(&f->looked, "%s%s", f->looked.len ? ", " : "", folder);
    f->nomem = f->nomem || f->looked.failed;
}

static bool try_embedded(finder *f)
{
    bool found = false;
    for (int i = 0; i < 3 && !found; i++) {
        char *root = zis_model_embedded_root_at(i);
        char *inner = root && *root ? zis_os_join(root, "annotators") : NULL;
        f->nomem = f->nomem || !root || (*root && !inner);
        if (inner) found = is_in(f, inner) || is_in(f, root);
        if (inner && !found) looked_in(f, root); /* that covers both */
        free(inner);
        free(root);
    }
    return found;
}

static zis_status try_cache(finder *f, zis_error *err)
{
    errno = 0;
    char *cache = zis_hubcache_root();
    if (!cache) {
        f->nomem = f->nomem || errno == ENOMEM;
        return ZIS_OK;
    }
    char *name = zis_hubcache_repo_name(f->q->repo), *snapshot = NULL;
    char *repo = name ? zis_os_join(cache, name) : NULL;
    zis_status st = repo ? zis_hubcache_snapshot(&snapshot, repo, NULL) : ZIS_NOMEM;
    f->nomem = f->nomem || st == ZIS_NOMEM;
    if (!st && is_in(f, snapshot))
        st = zis_hubcache_check(snapshot, cache, f->q->fetch, err);
    else if (repo)
        looked_in(f, repo);
    if (!f->found) st = ZIS_OK;
    free(snapshot);
    free(repo);
    free(name);
    free(cache);
    return st;
}

static zis_status find(finder *f, zis_error *err)
{
    const zis_weights_query *q = f->q;
    if (q->given) {
        if (!zis_os_is_file(q->given))
            return zis_fail(err, ZIS_NOT_FOUND, "%s: there is no file '%s'", q->flag, q->given);
        f->found = zis_mem_strdup(q->given);
        return f->found ? ZIS_OK : zis_fail_nomem(err, q->given);
    }
    const char *dot = strrchr(q->file, '.');
    f->other = zis_mem_printf("%.*s.safetensors", (int)(dot ? dot - q->file : 0), q->file);
    if (!f->other) return zis_fail_nomem(err, q->what);
    zis_status st = try_embedded(f) ? ZIS_OK : try_cache(f, err);
    if (st) return st;
    /* what was found then may not be the first in order */
    if (f->nomem || f->looked.failed) return zis_fail_nomem(err, q->what);
    if (f->found) return ZIS_OK;
    return zis_fail(err, ZIS_NOT_FOUND,
                    "%s needs %s of %s, which is not here; `zis fetch %s` gets it, or name a file "
                    "with %s; looked in %s",
                    q->what, q->file, q->repo, q->fetch, q->flag,
                    f->looked.len ? f->looked.data : "no folder");
}

zis_status zis_weights_find_file(char **out, const zis_weights_query *q, zis_error *err)
{
    finder f = {.q = q};
    zis_status st = find(&f, err);
    if (!st) {
        *out = f.found;
        f.found = NULL;
    }
    free(f.found);
    free(f.other);
    zis_buf_free(&f.looked);
    return st;
}
