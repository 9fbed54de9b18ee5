/* Asks, selects, looks. */
#include "pipeline/hub_plan.h"

#include "base/os.h"
#include "base/strmap.h"
#include "pipeline/hub_blob.h"
#include "pipeline/hub_hash.h"
#include "pipeline/hub_presets.h"
#include "pipeline/hubcache.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGES_MAX 1000
#define PIECE ((size_t)1 << 20)

const char *zis_hub_state_name(zis_hub_state state)
{
    static const char *const names[] = {"missing", "present", "shared"};
    return names[state];
}

char *zis_hub_plan_snapshot(const zis_hub_plan *p)
{
    return zis_mem_printf("%s/snapshots/%s", p->repo.dir, p->commit);
}

void zis_hub_plan_deinit(zis_hub_plan *p)
{
    zis_hub_repo_deinit(&p->repo);
    zis_hub_tree_deinit(&p->tree);
    free(p->revision);
    free(p->items);
    *p = (zis_hub_plan){0};
}

/* ---- the Hub's side ------------------------------------------------------------------------ */

static zis_status ask_commit(zis_hub_plan *p, zis_hub_http *http, zis_error *err)
{
    zis_buf url = {0}, body = {0}, what = {0};
    zis_hub_head head = {0};
    zis_buf_printf(&url, "%s/api/models/%s/revision/", http->config->endpoint, p->repo.id);
    zis_hub_api_escape(&url, p->revision, false);
    zis_buf_printf(&what, "the Hub's answer about %s", p->repo.id);
    zis_status st = url.failed || what.failed ? zis_fail_nomem(err, p->repo.id) : ZIS_OK;
    if (!st) st = zis_hub_http_get(http, url.data, p->repo.id, &body, &head, err);
    if (!st) st = zis_hub_api_revision(p->commit, what.data, body.data, body.len, err);
    zis_buf_free(&url);
    zis_buf_free(&body);
    zis_buf_free(&what);
    return st;
}

static zis_status ask_tree(zis_hub_plan *p, zis_hub_http *http, zis_error *err)
{
    zis_buf body = {0};
    zis_hub_head head = {0};
    char *what = zis_mem_printf("the Hub's list of the files of %s", p->repo.id);
    char *url = zis_mem_printf("%s/api/models/%s/tree/%s?recursive=true&expand=false",
                               http->config->endpoint, p->repo.id, p->commit);
    zis_status st = url && what ? ZIS_OK : zis_fail_nomem(err, p->repo.id);
    for (int page = 0; !st; page++) {
        body.len = 0;
        size_t before = p->tree.n;
        st = zis_hub_http_get(http, url, p->repo.id, &body, &head, err);
        if (!st) st = zis_hub_api_tree(&p->tree, what, body.data ? body.data : "", body.len, err);
        if (st || !*head.next) break;
        if (page >= PAGES_MAX || p->tree.n == before) {
            st = zis_fail(err, ZIS_FORMAT, "%s does not end", what);
            break;
        }
        free(url);
        url = *head.next == '/' ? zis_mem_printf("%s%s", http->config->endpoint, head.next)
                                : zis_mem_strdup(head.next);
        if (!url) st = zis_fail_nomem(err, p->repo.id);
    }
    if (!st) st = zis_hub_api_tree_check(&p->tree, err);
    free(what);
    free(url);
    zis_buf_free(&body);
    return st;
}

/* ---- this side ----------------------------------------------------------------------------- */

/* Whether the bytes of a blob or file have the hash of their name. */
static zis_status hash_is_right(
    zis_hub_http *http, const zis_hub_plan *p, const zis_hub_file *f, bool *right, zis_error *err)
{
    char hex[65] = "";
    zis_hub_hash hash = {0};
    char *path = zis_mem_printf("%s/snapshots/%s/%s", p->repo.dir, p->commit, f->path);
    char *blob = zis_hub_repo_blob(&p->repo, f->etag);
    unsigned char *piece = zis_mem_alloc(PIECE, 1);
    int fd = -1;
    zis_status st = path && blob && piece ? ZIS_OK : zis_fail_nomem(err, f->path);
    if (!st) st = zis_hub_hash_init(&hash, &http->lib, f->etag, f->size, err);
    if (st) goto out;
    fd = open(blob, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool ok = fd >= 0;
    double told = zis_os_now();
    for (uint64_t at = 0; ok;) {
        ssize_t n = read(fd, piece, PIECE);
        ok = n >= 0 && zis_hub_hash_update(&hash, piece, (size_t)n);
        if (n <= 0) break;
        at += (uint64_t)n;
        st = zis_hub_http_cancelled(http, err);
        if (st) goto out;
        if (zis_os_now() - told < 0.2) continue;
        told = zis_os_now();
        zis_hub_tell(http->hooks, &(zis_hub_event){.kind = ZIS_HUB_EVENT_VERIFY,
                                                   .repo = p->repo.id,
                                                   .path = f->path,
                                                   .bytes = at,
                                                   .total = f->size});
    }
    *right = ok && zis_hub_hash_final(&hash, hex) && strcmp(hex, f->etag) == 0;
out:
    if (fd >= 0) close(fd);
    zis_hub_hash_deinit(&hash);
    free(piece);
    free(path);
    free(blob);
    return st;
}

/* Whether another file with these bytes comes before this one; from now on this one does. */
static zis_status comes_before(zis_strmap *seen, const zis_hub_file *f, bool *out)
{
    zis_status st = zis_strmap_put(seen, f->etag, strlen(f->etag), 0, NULL);
    *out = st == ZIS_ARG;
    return st == ZIS_NOMEM ? st : ZIS_OK;
}

/* Bytes of the largest unfinished download of this blob. */
static zis_status look_for_part(zis_hub_item *it, char *const *names, size_t n, const char *folder)
{
    for (size_t i = 0; i < n; i++) {
        size_t len;
        uint64_t have, size;
        if (!zis_hub_blob_is_unfinished(names[i], &len) || len != strlen(it->file->etag) ||
            memcmp(names[i], it->file->etag, len) != 0)
            continue;
        char *path = zis_os_join(folder, names[i]);
        if (!path) return ZIS_NOMEM;
        zis_hub_blob_peek(path, &have, &size);
        free(path);
        if (have <= it->file->size && have > it->have) it->have = have;
    }
    return ZIS_OK;
}

static zis_status look(
    zis_hub_plan *p, zis_hub_http *http, zis_hub_item *it, zis_strmap *seen, zis_error *err)
{
    const zis_hub_file *f = it->file;
    bool there = false, right = true, before = false;
    char *twin = NULL;
    zis_status st = zis_hub_repo_has_blob(&p->repo, f->etag, f->size, &there);
    if (!st && !there) st = zis_hub_repo_has_file(&p->repo, p->commit, f->path, f->size, &there);
    if (!st && there && http->config->verify) {
        st = hash_is_right(http, p, f, &right, err);
        if (st) return st;
        it->damaged = !right;
    }
    if (!st && there && right) it->state = ZIS_HUB_PRESENT;
    if (!st) st = comes_before(seen, f, &before);
    if (!st && !there && before) it->state = ZIS_HUB_SHARED;
    if (!st && !there && it->state == ZIS_HUB_MISSING)
        st = zis_hub_repo_find_twin(&p->repo, f->etag, f->size, &twin);
    if (twin) it->state = ZIS_HUB_SHARED;
    free(twin);
    return st ? zis_fail_nomem(err, f->path) : ZIS_OK;
}

static zis_status take_items(zis_hub_plan *p, const zis_hub_want *want, zis_error *err)
{
    bool *take = zis_mem_zalloc(p->tree.n, sizeof *take);
    p->items = zis_mem_zalloc(p->tree.n, sizeof *p->items);
    zis_status st = take && p->items ? ZIS_OK : zis_fail_nomem(err, p->repo.id);
    if (!st) st = zis_hub_select(&p->tree, want->pattern, want->n_patterns, p->repo.id, take, err);
    for (size_t i = 0; i < p->tree.n && !st; i++)
        if (take[i]) p->items[p->n++].file = &p->tree.files[i];
    free(take);
    return st;
}

zis_status zis_hub_plan_make(zis_hub_plan *out,
                             zis_hub_http *http,
                             const zis_hub_want *want,
                             const zis_hub_plan *earlier,
                             size_t n_earlier,
                             zis_error *err)
{
    zis_hub_plan p = {0};
    zis_strmap seen = {0};
    char **names = NULL;
    char *folder = NULL;
    size_t n = 0;
    const char *revision = want->revision ? want->revision : "main";
    if (!zis_hubcache_is_id(want->id))
        return zis_fail(err, ZIS_ARG, "'%.200s' is no name of a repository (ORG/NAME)", want->id);
    if (!zis_hub_api_is_path(revision, strlen(revision)))
        return zis_fail(err, ZIS_ARG, "'%.200s' is no revision: give a branch, tag or commit",
                        revision);
    zis_status st = zis_hub_repo_init(&p.repo, http->config->cache, want->id, err);
    if (st) return st;
    p.revision = zis_mem_strdup(revision);
    if (!p.revision) st = zis_fail_nomem(err, want->id);
    if (!st) st = ask_commit(&p, http, err);
    if (!st) st = ask_tree(&p, http, err);
    if (!st) st = take_items(&p, want, err);
    if (!st && !(folder = zis_os_join(p.repo.dir, "blobs"))) st = zis_fail_nomem(err, want->id);
    if (!st && zis_os_list(&names, &n, folder, NULL) == ZIS_NOMEM)
        st = zis_fail_nomem(err, want->id);
    for (size_t i = 0; i < n_earlier && !st; i++) {
        bool before;
        for (size_t k = 0; k < earlier[i].n && !st; k++)
            st = comes_before(&seen, earlier[i].items[k].file, &before);
        if (st) st = zis_fail_nomem(err, want->id);
    }
    for (size_t i = 0; i < p.n && !st; i++) {
        zis_hub_item *it = &p.items[i];
        st = look(&p, http, it, &seen, err);
        if (!st && it->state == ZIS_HUB_MISSING && look_for_part(it, names, n, folder))
            st = zis_fail_nomem(err, want->id);
        p.bytes += it->file->size;
        if (it->state == ZIS_HUB_MISSING) p.missing += it->file->size - it->have;
    }
    zis_strmap_free(&seen);
    zis_os_list_free(names, n);
    free(folder);
    if (st)
        zis_hub_plan_deinit(&p);
    else
        *out = p;
    return st;
}
