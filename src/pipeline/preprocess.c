/* The table of preprocessors. */
#include "pipeline/preprocess.h"

#include "base/mem.h"
#include "models/preprocess/canny.h"
#include "models/preprocess/rgb.h"

#include <stdlib.h>

struct zis_preprocess {
    bool ready; /* nothing is kept yet */
};

typedef zis_status make_fn(zis_preprocess *p,
                           const zis_preprocess_job *job,
                           zis_run *run,
                           zis_image **out,
                           zis_error *err);

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

typedef struct row {
    zis_preprocess_info info;
    make_fn *make;
} row;

static const row rows[ZIS_PREPROCESS_COUNT] = {
    [ZIS_PREPROCESS_NONE] = {{"none", "the picture is a map already"}, make_none},
    [ZIS_PREPROCESS_CANNY] = {{"canny", "edges, white on black"}, make_canny},
    [ZIS_PREPROCESS_DEPTH] = {{"depth", "how near things are: near is bright"}, NULL},
    [ZIS_PREPROCESS_POSE] = {{"pose", "people as stick figures"}, NULL},
};

const zis_preprocess_info *zis_preprocess_get(int kind)
{
    return kind >= 0 && kind < ZIS_PREPROCESS_COUNT ? &rows[kind].info : NULL;
}

zis_status zis_preprocess_create(zis_preprocess **out, zis_error *err)
{
    zis_preprocess *p = zis_mem_zalloc(1, sizeof *p);
    if (!p) return zis_fail_nomem(err, "the preprocessors");
    *out = p;
    return ZIS_OK;
}

void zis_preprocess_destroy(zis_preprocess **p)
{
    if (!p || !*p) return;
    free(*p);
    *p = NULL;
}

zis_status zis_preprocess_run(
    zis_preprocess *p, const zis_preprocess_job *job, zis_run *run, zis_image **out, zis_error *err)
{
    if (job->kind < 0 || job->kind >= ZIS_PREPROCESS_COUNT)
        return zis_fail(err, ZIS_ARG, "there is no preprocessor number %d", job->kind);
    const row *r = &rows[job->kind];
    if (!job->image)
        return zis_fail(err, ZIS_ARG, "the preprocessor '%s' needs a picture", r->info.name);
    if (!r->make)
        return zis_fail(err, ZIS_UNSUPPORTED,
                        "the preprocessor '%s' cannot run in this version; 'canny' can",
                        r->info.name);
    return r->make(p, job, run, out, err);
}
