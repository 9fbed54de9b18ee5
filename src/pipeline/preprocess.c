/* The table of preprocessors, and the networks that they keep. */
#include "pipeline/preprocess.h"

#include "base/mem.h"
#include "models/preprocess/canny.h"
#include "models/preprocess/resize.h"
#include "models/preprocess/rgb.h"
#include "pipeline/preprocess_maps.h"
#include "pipeline/weights_find.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESOLUTION 512 /* shorter side of what the detectors look at */

struct zis_preprocess {
    zis_dpt *depth; /* NULL: not yet opened */
    zis_body *pose;
    char *path[ZIS_PREPROCESS_COUNT]; /* of what is open */
};

typedef zis_status make_fn(zis_preprocess *p,
                           const zis_preprocess_job *job,
                           zis_run *run,
                           zis_image **out,
                           zis_error *err);

/* ---- without weights ------------------------------------------------------------------------ */

static zis_status make_none(
    zis_preprocess *p, const zis_preprocess_job *job, zis_run *run, zis_image **out, zis_error *err)
{
    (void)p;
    (void)run;
    return zis_rgb_from_image(out, job->image, err);
}

static zis_status make_canny(
    zis_preprocess *p, const zis_preprocess_job *job, zis_run *run, zis_image **out, zis_error *err)
{
    zis_image *edges = NULL;
    (void)p;
    (void)run;
    zis_status st = zis_canny(&edges, job->image, &ZIS_CANNY_DEFAULT, err);
    if (!st) st = zis_rgb_from_image(out, edges, err);
    zis_image_destroy(&edges);
    return st;
}

/* ---- networks ------------------------------------------------------------------------------- */

/* Where the weights of a kind lie, unless those that are open are meant: then *path is NULL. */
static zis_status find_weights(const zis_preprocess *p,
                               const zis_preprocess_job *job,
                               const char *file,
                               char **path,
                               zis_error *err)
{
    const zis_preprocess_info *info = zis_preprocess_get(job->kind);
    const char *open = p->path[job->kind];
    char what[64];
    *path = NULL;
    if (open && (!job->weights || strcmp(open, job->weights) == 0)) return ZIS_OK;
    snprintf(what, sizeof what, "the preprocessor '%s'", info->name);
    const zis_weights_query q = {
        .what = what,
        .file = file,
        .repo = "lllyasviel/Annotators",
        .fetch = info->name,
        .flag = "--preprocess-weights",
        .given = job->weights,
    };
    return zis_weights_find_file(path, &q, err);
}

/* RGB at the size that the detectors want. */
static zis_status resized(const zis_image *image, zis_image **out, zis_error *err)
{
    zis_image *rgb = NULL;
    zis_status st = zis_rgb_from_image(&rgb, image, err);
    if (!st) st = zis_resize_detect(out, rgb, RESOLUTION, err);
    zis_image_destroy(&rgb);
    return st;
}

static zis_status make_depth(
    zis_preprocess *p, const zis_preprocess_job *job, zis_run *run, zis_image **out, zis_error *err)
{
    zis_image *rgb = NULL, *map = NULL;
    zis_dpt *m = NULL;
    char *path = NULL;
    zis_status st = find_weights(p, job, ZIS_DPT_FILE, &path, err);
    if (!st && path) st = zis_dpt_open(&m, path, err);
    if (m) {
        zis_dpt_close(&p->depth);
        free(p->path[job->kind]);
        p->depth = m;
        p->path[job->kind] = path;
        path = NULL;
    }
    if (!st) st = resized(job->image, &rgb, err);
    if (!st) st = zis_preprocess_depth_map(p->depth, rgb, run, &map, err);
    if (!st) st = zis_rgb_from_image(out, map, err);
    zis_image_destroy(&rgb);
    zis_image_destroy(&map);
    free(path);
    return st;
}

static zis_status make_pose(
    zis_preprocess *p, const zis_preprocess_job *job, zis_run *run, zis_image **out, zis_error *err)
{
    zis_image *rgb = NULL;
    zis_body *m = NULL;
    char *path = NULL;
    zis_status st = find_weights(p, job, ZIS_BODY_FILE, &path, err);
    if (!st && path) st = zis_body_open(&m, path, err);
    if (m) {
        zis_body_close(&p->pose);
        free(p->path[job->kind]);
        p->pose = m;
        p->path[job->kind] = path;
        path = NULL;
    }
    if (!st) st = resized(job->image, &rgb, err);
    if (!st) st = zis_preprocess_pose_map(p->pose, rgb, run, out, err);
    zis_image_destroy(&rgb);
    free(path);
    return st;
}

/* ---- the table ------------------------------------------------------------------------------ */

typedef struct row {
    zis_preprocess_info info;
    make_fn *make;
    const char *file; /* of its network, or NULL */
} row;

static const row rows[ZIS_PREPROCESS_COUNT] = {
    [ZIS_PREPROCESS_NONE] = {{"none", "the picture is a map already"}, make_none, NULL},
    [ZIS_PREPROCESS_CANNY] = {{"canny", "edges, white on black"}, make_canny, NULL},
    [ZIS_PREPROCESS_DEPTH] = {{"depth", "how near things are: near is bright"},
                              make_depth,
                              ZIS_DPT_FILE},
    [ZIS_PREPROCESS_POSE] = {{"pose", "people as stick figures"}, make_pose, ZIS_BODY_FILE},
};

const zis_preprocess_info *zis_preprocess_get(int kind)
{
    return kind >= 0 && kind < ZIS_PREPROCESS_COUNT ? &rows[kind].info : NULL;
}

zis_status zis_preprocess_find(int kind, char **path, zis_error *err)
{
    const zis_preprocess none = {0};
    const zis_preprocess_job job = {.kind = kind};
    *path = NULL;
    return rows[kind].file ? find_weights(&none, &job, rows[kind].file, path, err) : ZIS_OK;
}

zis_status zis_preprocess_create(zis_preprocess **out, zis_error *err)
{
    zis_preprocess *p = zis_mem_zalloc(1, sizeof *p);
    if (!p) return zis_fail_nomem(err, "the preprocessors");
    *out = p;
    return ZIS_OK;
}

void zis_preprocess_destroy(zis_preprocess **preprocess)
{
    if (!preprocess || !*preprocess) return;
    zis_preprocess *p = *preprocess;
    zis_dpt_close(&p->depth);
    zis_body_close(&p->pose);
    for (int i = 0; i < ZIS_PREPROCESS_COUNT; i++) free(p->path[i]);
    free(p);
    *preprocess = NULL;
}

zis_status zis_preprocess_run(
    zis_preprocess *p, const zis_preprocess_job *job, zis_run *run, zis_image **out, zis_error *err)
{
    if (job->kind < 0 || job->kind >= ZIS_PREPROCESS_COUNT)
        return zis_fail(err, ZIS_ARG, "there is no preprocessor number %d", job->kind);
    const row *r = &rows[job->kind];
    if (!job->image)
        return zis_fail(err, ZIS_ARG, "the preprocessor '%s' needs a picture", r->info.name);
    return r->make(p, job, run, out, err);
}
