/* Bytes to planes, planes through a network, its answer to bytes. */
#include "pipeline/preprocess_maps.h"

#include "base/mem.h"
#include "models/preprocess/openpose_draw.h"
#include "models/preprocess/openpose_input.h"
#include "models/preprocess/openpose_people.h"

#include <math.h>
#include <stdlib.h>

/* A network's pass: dry first, then with the scratch that this asked for. */
typedef zis_status pass_fn(void *arg, zis_run *run, zis_error *err);

static zis_status execute(
    zis_run *run, pass_fn *pass, void *arg, const zis_image *rgb, zis_error *err)
{
    zis_run dry;
    zis_run_init_dry(&dry, run);
    zis_status st = pass(arg, &dry, err);
    if (st) return st;
    if (zis_run_reserve(run, dry.scratch.peak, NULL))
        return zis_fail(err, ZIS_NOMEM,
                        "a picture of %d x %d pixels needs %.2f GB of working memory, more than "
                        "the system gives; choose a smaller size",
                        rgb->width, rgb->height, (double)dry.scratch.peak * 1e-9);
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    st = pass(arg, run, err);
    zis_arena_restore(&run->scratch, mark);
    zis_run_clear(run);
    return st;
}

/* ---- depth ---------------------------------------------------------------------------------- */

typedef struct depth_job {
    const zis_dpt *m;
    int64_t h, w;
    const float *planes; /* [3, h, w] */
    float *depth;        /* [h, w] */
} depth_job;

static zis_status depth_pass(void *arg, zis_run *run, zis_error *err)
{
    const depth_job *j = arg;
    zis_tensor planes = zis_run_alloc_3d(run, ZIS_DTYPE_F32, 3, j->h, j->w);
    zis_tensor depth = zis_run_alloc_2d(run, ZIS_DTYPE_F32, j->h, j->w);
    zis_run_upload(run, &planes, j->planes);
    zis_status st = zis_dpt_forward(j->m, run, &planes, depth, NULL, NULL, err);
    if (!st) zis_run_download(run, j->depth, &depth);
    return st ? st : zis_run_status(run, err);
}

/* (v - min) / (max - min) * 255, cut, each step in float32 as the published detector does it. */
static zis_status depth_bytes(const float *v, size_t n, uint8_t *out, zis_error *err)
{
    float least = INFINITY, most = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(v[i]))
            return zis_fail(err, ZIS_NUMERIC,
                            "the depth network answers with something that is no number: its "
                            "weights are damaged, or of another network");
        if (v[i] < least) least = v[i];
    }
    for (size_t i = 0; i < n; i++)
        if (v[i] - least > most) most = v[i] - least;
    for (size_t i = 0; i < n; i++) {
        float d = most > 0 ? (v[i] - least) / most * 255.0f : 0;
        out[i] = (uint8_t)(d > 255 ? 255 : d);
    }
    return ZIS_OK;
}

zis_status zis_preprocess_depth_map(
    const zis_dpt *m, const zis_image *rgb, zis_run *run, zis_image **out, zis_error *err)
{
    size_t n = (size_t)rgb->width * (size_t)rgb->height;
    float *planes = zis_mem_alloc(4 * n, sizeof *planes);
    zis_image *map = NULL;
    if (!planes) return zis_fail_nomem(err, "the picture");
    depth_job j = {m, rgb->height, rgb->width, planes, planes + 3 * n};
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++)
            planes[c * n + i] = (float)rgb->data[3 * i + c] / 127.5f - 1.0f;
    zis_status st = execute(run, depth_pass, &j, rgb, err);
    if (!st) st = zis_image_create(&map, rgb->width, rgb->height, 1, err);
    if (!st) st = depth_bytes(j.depth, n, map->data, err);
    if (!st) {
        *out = map;
        map = NULL;
    }
    zis_image_destroy(&map);
    free(planes);
    return st;
}

/* ---- pose ----------------------------------------------------------------------------------- */

typedef struct pose_job {
    const zis_body *m;
    int64_t h, w;        /* padded */
    const float *planes; /* [3, h, w] */
    float *heat, *paf;   /* [19 or 38, h / 8, w / 8] */
} pose_job;

static zis_status pose_pass(void *arg, zis_run *run, zis_error *err)
{
    const pose_job *j = arg;
    int64_t h = j->h / 8, w = j->w / 8;
    zis_tensor planes = zis_run_alloc_3d(run, ZIS_DTYPE_F32, 3, j->h, j->w);
    zis_tensor heat = zis_run_alloc_3d(run, ZIS_DTYPE_F32, ZIS_OPENPOSE_HEAT_MAPS, h, w);
    zis_tensor paf = zis_run_alloc_3d(run, ZIS_DTYPE_F32, ZIS_OPENPOSE_PAF_MAPS, h, w);
    zis_run_upload(run, &planes, j->planes);
    zis_status st = zis_body_forward(j->m, run, &planes, heat, paf, NULL, NULL, err);
    if (st) return st;
    zis_run_download(run, j->heat, &heat);
    zis_run_download(run, j->paf, &paf);
    return zis_run_status(run, err);
}

static zis_status draw(const zis_openpose_people *p,
                       const zis_image *like,
                       zis_image **out,
                       zis_error *err)
{
    zis_image *canvas = NULL;
    zis_openpose_pose *pose = zis_mem_alloc(p->persons, sizeof *pose);
    if (!pose) return zis_fail_nomem(err, "the people");
    for (size_t i = 0; i < p->persons; i++) pose[i] = zis_openpose_people_pose(p, i);
    zis_status st = zis_image_create(&canvas, like->width, like->height, 3, err);
    if (!st) st = zis_openpose_draw(canvas, pose, p->persons, err);
    if (!st) {
        *out = canvas;
        canvas = NULL;
    }
    zis_image_destroy(&canvas);
    free(pose);
    return st;
}

zis_status zis_preprocess_pose_map(
    const zis_body *m, const zis_image *rgb, zis_run *run, zis_image **out, zis_error *err)
{
    zis_openpose_size size;
    zis_openpose_people *people = NULL;
    zis_status st = zis_openpose_skeleton_size(&size, rgb->width, rgb->height, err);
    if (st) return st;
    size_t pixels = (size_t)size.padded_width * (size_t)size.padded_height, cells = pixels / 64;
    size_t maps = ZIS_OPENPOSE_HEAT_MAPS + ZIS_OPENPOSE_PAF_MAPS;
    float *planes = zis_mem_alloc(3 * pixels + maps * cells, sizeof *planes);
    if (!planes) return zis_fail_nomem(err, "the picture");
    pose_job j = {m, size.padded_height, size.padded_width, planes, planes + 3 * pixels, NULL};
    j.paf = j.heat + ZIS_OPENPOSE_HEAT_MAPS * cells;
    st = zis_openpose_input(planes, rgb, &size, err);
    if (!st) st = execute(run, pose_pass, &j, rgb, err);
    const zis_openpose_maps found = {j.heat, j.paf, size.padded_width / 8, size.padded_height / 8};
    if (!st) st = zis_openpose_people_find(&people, &found, rgb->width, rgb->height, err);
    if (!st) st = draw(people, rgb, out, err);
    zis_openpose_people_destroy(&people);
    free(planes);
    return st;
}
