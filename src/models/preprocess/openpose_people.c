/* openpose_people.c - map by map: peaks of all joints, then limb after limb, then who is kept. */
#include "models/preprocess/openpose_people.h"

#include "base/mem.h"
#include "models/preprocess/openpose_impl.h"

#include <math.h>
#include <stdlib.h>

#define PEAK 0.1       /* least height of a smoothed peak */
#define LEAST_PARTS 4  /* of a person */
#define LEAST_MEAN 0.4 /* score a part */

static zis_status check_finite(const float *map, size_t n, const char *what, int k, zis_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(map[i]))
            return zis_fail(err, ZIS_NUMERIC,
                            "the body network's %s map %d holds %g at value %zu; its weights or "
                            "its arithmetic are broken",
                            what, k, (double)map[i], i);
    return ZIS_OK;
}

static bool is_peak(const double *g, int x, int y, int width, int height)
{
    double v = g[0];
    return v > PEAK && v >= (x > 0 ? g[-1] : 0) && v >= (x + 1 < width ? g[1] : 0) &&
           v >= (y > 0 ? g[-width] : 0) && v >= (y + 1 < height ? g[width] : 0);
}

/* Adds the peaks of joint j; the score is the map's own height, not the smoothed one. */
static zis_status find_peaks(zis_openpose_people *p,
                             size_t *room,
                             int j,
                             const zis_openpose_enlarger *e,
                             const float *heat,
                             zis_error *err)
{
    p->first[j] = p->peaks;
    for (int y = 0; y < e->height; y++)
        for (int x = 0; x < e->width; x++) {
            size_t at = (size_t)y * (size_t)e->width + (size_t)x;
            if (!is_peak(e->smooth + at, x, y, e->width, e->height)) continue;
            if (p->peaks - p->first[j] == ZIS_OPENPOSE_MAX_PEAKS)
                return zis_fail(err, ZIS_NUMERIC,
                                "the body network sees the %s at more than %d places: these are "
                                "no maps of people",
                                zis_openpose_skeleton_name(j), ZIS_OPENPOSE_MAX_PEAKS);
            if (p->peaks == *room) {
                size_t more = *room ? *room * 2 : 64;
                zis_openpose_peak *peak = zis_mem_resize(p->peak, more, sizeof *peak);
                if (!peak) return zis_fail_nomem(err, "the joints of a pose");
                p->peak = peak;
                *room = more;
            }
            p->peak[p->peaks++] = (zis_openpose_peak){x, y, (double)heat[at]};
        }
    p->first[j + 1] = p->peaks;
    return ZIS_OK;
}

static zis_status find_all_peaks(zis_openpose_people *p,
                                 const zis_openpose_maps *maps,
                                 zis_openpose_enlarger *e,
                                 float *map,
                                 zis_error *err)
{
    size_t cells = (size_t)maps->width * (size_t)maps->height, room = 0;
    for (int j = 0; j < ZIS_OPENPOSE_JOINTS; j++) {
        const float *heat = maps->heat + (size_t)j * cells;
        zis_status st = check_finite(heat, cells, "heat", j, err);
        if (!st) st = zis_openpose_enlarge(e, map, heat, err);
        if (st) return st;
        zis_openpose_smooth(e, map);
        st = find_peaks(p, &room, j, e, map, err);
        if (st) return st;
    }
    return ZIS_OK;
}

/* `map`: two planes. */
static zis_status gather_people(zis_openpose_people *p,
                                const zis_openpose_maps *maps,
                                zis_openpose_enlarger *e,
                                float *map,
                                zis_error *err)
{
    size_t cells = (size_t)maps->width * (size_t)maps->height, room = 0;
    float *field[2] = {map, map + (size_t)e->width * (size_t)e->height};
    for (int k = 0; k < ZIS_OPENPOSE_LIMBS; k++) {
        const zis_openpose_limb *limb = &zis_openpose_skeleton_limbs[k];
        zis_status st = ZIS_OK;
        for (int c = 0; c < 2 && !st; c++)
            st = check_finite(maps->paf + (size_t)limb->paf[c] * cells, cells, "field",
                              limb->paf[c], err);
        if (st) return st;
        if (p->first[limb->a] == p->first[limb->a + 1] ||
            p->first[limb->b] == p->first[limb->b + 1])
            continue;
        for (int c = 0; c < 2 && !st; c++)
            st = zis_openpose_enlarge(e, field[c], maps->paf + (size_t)limb->paf[c] * cells, err);
        zis_openpose_link *links = NULL;
        size_t count = 0;
        if (!st)
            st = zis_openpose_links_find(&links, &count, p, k, (const float *const *)field,
                                         e->width, e->height, err);
        if (!st) st = zis_openpose_links_gather(p, &room, k, links, count, err);
        free(links);
        if (st) return st;
    }
    return ZIS_OK;
}

static void drop_doubtful(zis_openpose_people *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->persons; i++) {
        const zis_openpose_person *one = &p->person[i];
        if (one->parts < LEAST_PARTS || one->score / one->parts < LEAST_MEAN) continue;
        p->person[n++] = *one;
    }
    p->persons = n;
}

zis_status zis_openpose_people_find(zis_openpose_people **out,
                                    const zis_openpose_maps *maps,
                                    int picture_width,
                                    int picture_height,
                                    zis_error *err)
{
    zis_openpose_enlarger e;
    zis_openpose_people *p = NULL;
    float *map = NULL;
    zis_status st = zis_openpose_enlarger_init(&e, maps, picture_width, picture_height, err);
    if (st) return st;
    p = zis_mem_zalloc(1, sizeof *p);
    map = zis_mem_alloc((size_t)picture_width * (size_t)picture_height, 2 * sizeof *map);
    if (!p || !map) {
        st = zis_fail_nomem(err, "the maps of a pose");
        goto out;
    }
    st = find_all_peaks(p, maps, &e, map, err);
    if (!st) st = gather_people(p, maps, &e, map, err);
    if (st) goto out;
    drop_doubtful(p);
    *out = p;
    p = NULL;
out:
    zis_openpose_people_destroy(&p);
    zis_openpose_enlarger_deinit(&e);
    free(map);
    return st;
}

zis_openpose_pose zis_openpose_people_pose(const zis_openpose_people *p, size_t i)
{
    zis_openpose_pose pose = {0};
    for (int j = 0; j < ZIS_OPENPOSE_JOINTS; j++) {
        int id = p->person[i].id[j];
        if (id < 0) continue;
        pose.joint[j] = (zis_openpose_joint){p->peak[id].x, p->peak[id].y, true};
    }
    return pose;
}

void zis_openpose_people_destroy(zis_openpose_people **p)
{
    if (!p || !*p) return;
    free((*p)->peak);
    free((*p)->person);
    free(*p);
    *p = NULL;
}
