/* From the current folder, or from the picture's. */
#include "pipeline/recipe_files.h"

#include "base/os.h"
#include "pipeline/hubcache.h"
#include "pipeline/loras.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* One name of one field. */
typedef struct search {
    const zis_request *r;
    const zis_field *f;
    const char *picture;
    zis_buf looked; /* places, for the message */
    char *found;    /* beside the picture */
    bool nomem;
} search;

static bool is_there(const char *path)
{
    return zis_os_is_file(path) || zis_os_is_dir(path);
}

/* Folder of the picture with its slash; 0 when that is the current one. */
static size_t folder_length(const char *picture)
{
    const char *slash = strrchr(picture, '/');
    return slash ? (size_t)(slash - picture) + 1 : 0;
}

static void try_beside(search *s, const char *name)
{
    size_t n = folder_length(s->picture);
    char *path = zis_mem_printf("%.*s%s", (int)n, s->picture, name);
    if (!path) {
        s->nomem = true;
    } else if (is_there(path)) {
        s->found = path;
        return;
    } else {
        zis_buf_printf(&s->looked, ", no '%s'", path);
    }
    free(path);
}

/* Whether a picture is meant, which has no other name than its path. */
static bool is_picture(const zis_field *f)
{
    for (int i = 0; i < ZIS_PICTURE_COUNT; i++)
        if (f == zis_request_picture_field((zis_picture_slot)i)) return true;
    return false;
}

/* A name that is no path: of a preset, a Hub id. */
static bool is_name(const zis_field *f, const char *name)
{
    if (is_picture(f)) return false;
    if (strcmp(f->name, "model") == 0 && zis_hubcache_is_id(name)) return true;
    return !strpbrk(name, "/.");
}

/* Whether nothing but a file is meant, so that there is no other place to look. */
static bool must_be_there(search *s, const char *name)
{
    char *path = NULL;
    if (is_picture(s->f)) return true;
    bool is_file = *name == '/' || strncmp(name, "./", 2) == 0 || strncmp(name, "../", 3) == 0 ||
                   zis_loras_stem(name);
    if (!is_file || s->f->type != ZIS_FIELD_LORAS) return is_file;
    zis_status st = zis_loras_find(&path, name, s->r->model, true, NULL);
    s->nomem = s->nomem || st == ZIS_NOMEM;
    free(path);
    return st != ZIS_OK;
}

static zis_status fail_missing(const search *s, const char *name, zis_error *err)
{
    return zis_fail(err, ZIS_NOT_FOUND,
                    "the recipe of '%.200s' names '%.200s' (%s), which is neither there nor beside "
                    "the picture: no '%.200s'%.600s; say with --%.*s where it is now",
                    s->picture, name, s->f->name, name, s->looked.len ? s->looked.data : "",
                    (int)strcspn(s->f->flags, " "), s->f->flags);
}

/* Whether two files hold the same; folders do when they are one. */
static bool same(const char *a, const char *b)
{
    struct stat x, y;
    if (stat(a, &x) || stat(b, &y)) return false;
    if (x.st_dev == y.st_dev && x.st_ino == y.st_ino) return true;
    if (!S_ISREG(x.st_mode) || !S_ISREG(y.st_mode) || x.st_size != y.st_size) return false;
    FILE *f = fopen(a, "rbe"), *g = fopen(b, "rbe");
    bool equal = f && g;
    for (char p[4096], q[sizeof p]; equal;) {
        size_t n = fread(p, 1, sizeof p, f), m = fread(q, 1, sizeof q, g);
        equal = n == m && memcmp(p, q, n) == 0;
        if (n < sizeof p) break;
    }
    if (f) fclose(f);
    if (g) fclose(g);
    return equal;
}

/* A relative name that means one file here and another beside the picture: nobody can tell which
 * one the recipe knew. */
static zis_status check_single(const search *s, const char *name, zis_error *err)
{
    search beside = *s;
    if (*name == '/' || !folder_length(s->picture)) return ZIS_OK;
    try_beside(&beside, name);
    bool clash = beside.found && !same(name, beside.found);
    zis_status st = beside.nomem ? zis_fail_nomem(err, "the files of the recipe") : ZIS_OK;
    if (!st && clash)
        st = zis_fail(err, ZIS_ARG,
                      "the recipe of '%.200s' names '%.200s' (%s), and there are two that differ: "
                      "'%.200s' here and '%.400s'; say with --%.*s which one",
                      s->picture, name, s->f->name, name, beside.found,
                      (int)strcspn(s->f->flags, " "), s->f->flags);
    zis_buf_free(&beside.looked);
    free(beside.found);
    return st;
}

/* *path: new string when the file lies beside the picture, else NULL. */
static zis_status find(
    char **path, const search *what, const char *name, zis_buf *notes, zis_error *err)
{
    search s = *what;
    *path = NULL;
    if (is_name(s.f, name)) return ZIS_OK;
    if (is_there(name)) return check_single(&s, name, err);
    const char *slash = strrchr(name, '/');
    if (*name != '/' && folder_length(s.picture)) try_beside(&s, name);
    if (slash && slash[1] && !s.found) try_beside(&s, slash + 1);
    zis_status st = ZIS_OK;
    if (!s.found && must_be_there(&s, name)) st = fail_missing(&s, name, err);
    if (s.nomem || s.looked.failed) st = zis_fail_nomem(err, "the files of the recipe");
    if (!st && s.found) {
        zis_buf_printf(notes, "the recipe's '%s' (%s) is taken from '%s'\n", name, s.f->name,
                       s.found);
        *path = s.found;
        s.found = NULL;
    }
    zis_buf_free(&s.looked);
    free(s.found);
    return st;
}

static zis_status mend_loras(zis_request *r, const search *s, zis_buf *notes, zis_error *err)
{
    for (int i = 0; i < r->n_loras; i++) {
        char *path = NULL;
        zis_status st = find(&path, s, r->loras[i].file, notes, err);
        if (st) return st;
        if (!path) continue;
        free(r->loras[i].file);
        r->loras[i].file = path;
    }
    return ZIS_OK;
}

zis_status zis_recipe_find_files(
    zis_request *r, const char *picture, uint64_t own, zis_buf *notes, zis_error *err)
{
    for (size_t i = 0; i < zis_request_field_count(); i++) {
        const zis_field *f = zis_request_field_at(i);
        const search s = {.r = r, .f = f, .picture = picture};
        if (own >> i & 1 || !zis_request_given(r, f)) continue;
        zis_status st = ZIS_OK;
        if (f->type == ZIS_FIELD_LORAS) {
            st = mend_loras(r, &s, notes, err);
        } else if (f->type == ZIS_FIELD_PATH) {
            char *path = NULL;
            st = find(&path, &s, *(char **)((char *)r + f->offset), notes, err);
            if (!st && path) st = zis_request_set(r, f, f->name, path, err);
            free(path);
        }
        if (st) return st;
    }
    return notes->failed ? zis_fail_nomem(err, "the files of the recipe") : ZIS_OK;
}
