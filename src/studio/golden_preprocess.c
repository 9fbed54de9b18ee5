/* golden_preprocess.c - goldens of the picture algorithms: resizes, Canny, poses. */
#include "base/mem.h"
#include "models/preprocess/canny.h"
#include "models/preprocess/openpose_draw.h"
#include "models/preprocess/openpose_people.h"
#include "models/preprocess/resize.h"
#include "studio/golden_impl.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- many cases in one file: in.NAME, out.NAME, cases.NAME.KEY of config ---- */

typedef zis_status case_fn(zis_golden *g, const char *name, const zis_tensor *in, zis_error *err);

static zis_status each_case(zis_golden *g, case_fn *run, zis_error *err)
{
    zis_status st = ZIS_OK;
    for (size_t i = 0; i < zis_safetensors_count(g->file) && !st; i++) {
        const zis_safetensors_entry *e = zis_safetensors_at(g->file, i);
        if (strncmp(e->name, "in.", 3) == 0) st = run(g, e->name + 3, &e->tensor, err);
    }
    return st;
}

static zis_status case_int(
    const zis_golden *g, const char *name, const char *key, int *out, zis_error *err)
{
    char path[200];
    int64_t v = 0;
    snprintf(path, sizeof path, "cases.%s.%s", name, key);
    zis_status st = zis_json_doc_int(g->doc, path, 1, 1000000, &v, err);
    if (!st && v == 0) st = zis_fail(err, ZIS_FORMAT, "the golden's config lacks '%s'", path);
    *out = (int)v;
    return st;
}

static zis_status case_size(
    const zis_golden *g, const char *name, int *width, int *height, zis_error *err)
{
    zis_status st = case_int(g, name, "size.0", width, err);
    return st ? st : case_int(g, name, "size.1", height, err);
}

/* ---- pictures ---- */

/* A copy of a tensor [H, W, C] or [H, W] of bytes. */
static zis_status picture_of(zis_image **out, const char *name, const zis_tensor *t, zis_error *err)
{
    char shape[100];
    bool good = t->dtype == ZIS_DTYPE_U8 && (t->ndim == 2 || t->ndim == 3);
    for (int i = 0; i < t->ndim && good; i++) good = t->dim[i] >= 1 && t->dim[i] <= INT_MAX;
    if (!good)
        return zis_fail(err, ZIS_FORMAT, "the golden's 'in.%s' is no picture: %s of type %s", name,
                        zis_tensor_shape_text(t, shape, sizeof shape),
                        zis_dtype_get(t->dtype)->name);
    zis_image *img = NULL;
    zis_status st = zis_image_create(&img, (int)t->dim[1], (int)t->dim[0],
                                     t->ndim == 3 ? (int)t->dim[2] : 1, err);
    if (st) return st;
    memcpy(img->data, t->data, zis_tensor_bytes(t));
    *out = img;
    return ZIS_OK;
}

zis_status zis_golden_picture(const zis_golden *g,
                              const char *name,
                              zis_image **out,
                              zis_error *err)
{
    char key[64];
    snprintf(key, sizeof key, "in.%s", name);
    const zis_safetensors_entry *e = zis_safetensors_find(g->file, key);
    if (!e) return zis_fail(err, ZIS_FORMAT, "the golden has no tensor '%s'", key);
    return picture_of(out, name, &e->tensor, err);
}

static zis_status compare_bytes(
    zis_golden *g, const char *name, const zis_image *img, bool mid, zis_error *err)
{
    size_t n = (size_t)img->width * (size_t)img->height * (size_t)img->channels;
    float *v = zis_mem_alloc(n, sizeof *v);
    if (!v) return zis_fail_nomem(err, "the golden's picture");
    for (size_t i = 0; i < n; i++) v[i] = img->data[i];
    if (mid)
        zis_golden_compare_mid(g, name, v, n);
    else
        zis_golden_compare(g, name, v, n);
    free(v);
    return ZIS_OK;
}

zis_status zis_golden_compare_picture(zis_golden *g,
                                      const char *name,
                                      const zis_image *img,
                                      zis_error *err)
{
    return compare_bytes(g, name, img, false, err);
}

zis_status zis_golden_compare_mid_picture(zis_golden *g,
                                          const char *name,
                                          const zis_image *img,
                                          zis_error *err)
{
    return compare_bytes(g, name, img, true, err);
}

/* ---- canny ---- */

static zis_status canny_case(zis_golden *g, const char *name, const zis_tensor *in, zis_error *err)
{
    zis_image *img = NULL, *edges = NULL;
    int64_t low = 100, high = 200, aperture = 3;
    bool l2 = false, grey = true;
    zis_status st = zis_json_doc_int(g->doc, "low", 0, 100000, &low, err);
    if (!st) st = zis_json_doc_int(g->doc, "high", 0, 100000, &high, err);
    if (!st) st = zis_json_doc_int(g->doc, "aperture", 3, 7, &aperture, err);
    if (!st) st = zis_json_doc_bool(g->doc, "l2", &l2, err);
    if (!st) st = zis_json_doc_bool(g->doc, "gray", &grey, err);
    if (!st && (l2 || aperture != 3))
        st = zis_fail(err, ZIS_UNSUPPORTED, "edges are found with aperture 3 and the L1 norm only");
    if (!st) st = picture_of(&img, name, in, err);
    const zis_canny_options o = {.low = (int)low, .high = (int)high, .color = !grey};
    if (!st) st = zis_canny(&edges, img, &o, err);
    if (!st) st = zis_golden_compare_picture(g, name, edges, err);
    zis_image_destroy(&img);
    zis_image_destroy(&edges);
    return st;
}

zis_status zis_golden_run_canny(zis_golden *g, zis_error *err)
{
    return each_case(g, canny_case, err);
}

/* ---- resize ---- */

static zis_status cv_method(zis_resize_method *out, const char *name, zis_error *err)
{
    if (strcmp(name, "area") == 0)
        *out = ZIS_RESIZE_AREA;
    else if (strcmp(name, "lanczos4") == 0)
        *out = ZIS_RESIZE_LANCZOS4;
    else if (strcmp(name, "linear") == 0)
        *out = ZIS_RESIZE_LINEAR;
    else
        return zis_fail(err, ZIS_UNSUPPORTED, "the resize method '%s' is not known", name);
    return ZIS_OK;
}

static zis_status resize_picture(
    zis_golden *g, const char *name, const char *method, const zis_tensor *in, zis_error *err)
{
    zis_image *img = NULL, *got = NULL;
    zis_resize_method m = ZIS_RESIZE_AREA;
    int w, h, resolution;
    zis_status st = picture_of(&img, name, in, err);
    if (st) return st;
    if (strcmp(method, "half") == 0) {
        st = zis_resize_half(&got, img, err);
    } else if (strcmp(method, "detect") == 0) {
        st = case_int(g, name, "resolution", &resolution, err);
        if (!st) st = zis_resize_detect(&got, img, resolution, err);
    } else {
        st = cv_method(&m, method, err);
        if (!st) st = case_size(g, name, &w, &h, err);
        if (!st) st = zis_resize_image(&got, img, w, h, m, err);
    }
    if (!st) st = zis_golden_compare_picture(g, name, got, err);
    zis_image_destroy(&img);
    zis_image_destroy(&got);
    return st;
}

static zis_status resize_plane(
    zis_golden *g, const char *name, const char *method, const zis_tensor *in, zis_error *err)
{
    zis_resize_method m;
    int w, h;
    float *v = NULL, *got = NULL;
    if (in->ndim != 2 || in->dim[0] < 1 || in->dim[1] < 1 || in->dim[0] > INT_MAX ||
        in->dim[1] > INT_MAX)
        return zis_fail(err, ZIS_FORMAT, "the golden's 'in.%s' is no map", name);
    zis_status st = cv_method(&m, method, err);
    if (!st) st = case_size(g, name, &w, &h, err);
    if (!st) st = zis_golden_floats(&v, in, err);
    if (st) return st;
    size_t n = (size_t)w * (size_t)h;
    got = zis_mem_alloc(n, sizeof *got);
    if (!got)
        st = zis_fail_nomem(err, "the golden's map");
    else
        st = zis_resize_plane(got, w, h, v, (int)in->dim[1], (int)in->dim[0], m, err);
    if (!st) zis_golden_compare(g, name, got, n);
    free(v);
    free(got);
    return st;
}

static zis_status resize_case(zis_golden *g, const char *name, const zis_tensor *in, zis_error *err)
{
    char path[200];
    snprintf(path, sizeof path, "cases.%s.method", name);
    const char *method = zis_json_doc_string(g->doc, path);
    if (!method) return zis_fail(err, ZIS_FORMAT, "the golden's config lacks '%s'", path);
    return in->dtype == ZIS_DTYPE_U8 ? resize_picture(g, name, method, in, err)
                                     : resize_plane(g, name, method, in, err);
}

zis_status zis_golden_run_resize(zis_golden *g, zis_error *err)
{
    return each_case(g, resize_case, err);
}

/* ---- openpose_draw ---- */

static zis_status draw_case(zis_golden *g, const char *name, const zis_tensor *in, zis_error *err)
{
    int w, h;
    zis_status st = case_size(g, name, &w, &h, err);
    if (st) return st;
    if (in->dtype != ZIS_DTYPE_F64 || in->ndim != 3 || in->dim[1] != ZIS_OPENPOSE_JOINTS ||
        in->dim[2] != 3)
        return zis_fail(err, ZIS_FORMAT, "the golden's 'in.%s' holds no joints", name);
    size_t people = (size_t)in->dim[0];
    zis_image *img = NULL;
    zis_openpose_pose *pose = zis_mem_alloc(people, sizeof *pose);
    if (!pose) return zis_fail_nomem(err, "the golden's people");
    for (size_t k = 0; k < people * ZIS_OPENPOSE_JOINTS; k++) {
        double v[3];
        memcpy(v, (const char *)in->data + k * sizeof v, sizeof v);
        pose[k / ZIS_OPENPOSE_JOINTS].joint[k % ZIS_OPENPOSE_JOINTS] =
            (zis_openpose_joint){v[0], v[1], v[2] != 0};
    }
    st = zis_image_create(&img, w, h, 3, err);
    if (!st) st = zis_openpose_draw(img, pose, people, err);
    if (!st) st = zis_golden_compare_picture(g, name, img, err);
    zis_image_destroy(&img);
    free(pose);
    return st;
}

zis_status zis_golden_run_openpose_draw(zis_golden *g, zis_error *err)
{
    return each_case(g, draw_case, err);
}

/* ---- openpose_people ---- */

static zis_status compare_people(zis_golden *g, const zis_openpose_people *p, zis_error *err)
{
    enum { ROW = ZIS_OPENPOSE_JOINTS + 2 };
    float *peaks = zis_mem_alloc(p->peaks, 3 * sizeof *peaks);
    float *people = zis_mem_alloc(p->persons, ROW * sizeof *people);
    if (!peaks || !people) {
        free(peaks);
        free(people);
        return zis_fail_nomem(err, "the golden's people");
    }
    for (size_t i = 0; i < p->peaks; i++) {
        peaks[3 * i] = (float)p->peak[i].x;
        peaks[3 * i + 1] = (float)p->peak[i].y;
        peaks[3 * i + 2] = (float)p->peak[i].score;
    }
    for (size_t i = 0; i < p->persons; i++) {
        for (size_t j = 0; j < ZIS_OPENPOSE_JOINTS; j++)
            people[ROW * i + j] = (float)p->person[i].id[j];
        people[ROW * i + ROW - 2] = (float)p->person[i].score;
        people[ROW * i + ROW - 1] = (float)p->person[i].parts;
    }
    zis_golden_compare(g, "peaks", peaks, 3 * p->peaks);
    zis_golden_compare(g, "people", people, ROW * p->persons);
    free(peaks);
    free(people);
    return ZIS_OK;
}

/* As in zlib. */
static uint32_t crc32_of(const uint8_t *p, size_t n)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

/* The drawing, whole or by its checksum. */
static zis_status compare_canvas(
    zis_golden *g, const zis_openpose_people *p, int width, int height, zis_error *err)
{
    const char *crc = zis_json_doc_string(g->doc, "canvas_crc32");
    bool whole = zis_safetensors_find(g->file, "out.canvas") != NULL;
    if (!crc && !whole) return ZIS_OK;
    zis_image *img = NULL;
    zis_openpose_pose *pose = zis_mem_alloc(p->persons, sizeof *pose);
    if (!pose) return zis_fail_nomem(err, "the golden's people");
    for (size_t i = 0; i < p->persons; i++) pose[i] = zis_openpose_people_pose(p, i);
    zis_status st = zis_image_create(&img, width, height, 3, err);
    if (!st) st = zis_openpose_draw(img, pose, p->persons, err);
    if (!st && whole) st = zis_golden_compare_picture(g, "canvas", img, err);
    if (!st && crc) {
        size_t n = (size_t)width * (size_t)height * 3;
        zis_golden_compare_count(g, "canvas_crc32",
                                 strtoul(crc, NULL, 16) != crc32_of(img->data, n));
    }
    zis_image_destroy(&img);
    free(pose);
    return st;
}

zis_status zis_golden_run_openpose_people(zis_golden *g, zis_error *err)
{
    const zis_tensor *heat, *paf;
    float *heat_v = NULL, *paf_v = NULL;
    zis_openpose_people *p = NULL;
    int64_t w = 0, h = 0;
    zis_status st = zis_json_doc_int(g->doc, "size.0", 1, 1000000, &w, err);
    if (!st) st = zis_json_doc_int(g->doc, "size.1", 1, 1000000, &h, err);
    if (!st) st = zis_golden_input(g, "in.heat", 3, &heat, err);
    if (!st) st = zis_golden_input(g, "in.paf", 3, &paf, err);
    if (st) return st;
    if (heat->dim[0] != ZIS_OPENPOSE_HEAT_MAPS || paf->dim[0] != ZIS_OPENPOSE_PAF_MAPS ||
        heat->dim[1] != paf->dim[1] || heat->dim[2] != paf->dim[2] || heat->dim[1] > INT_MAX ||
        heat->dim[2] > INT_MAX)
        return zis_fail(err, ZIS_FORMAT, "the golden's maps are not those of the body network");
    st = zis_golden_floats(&heat_v, heat, err);
    if (!st) st = zis_golden_floats(&paf_v, paf, err);
    if (!st) {
        const zis_openpose_maps maps = {heat_v, paf_v, (int)heat->dim[2], (int)heat->dim[1]};
        st = zis_openpose_people_find(&p, &maps, (int)w, (int)h, err);
    }
    if (!st) st = compare_people(g, p, err);
    if (!st) st = compare_canvas(g, p, (int)w, (int)h, err);
    zis_openpose_people_destroy(&p);
    free(heat_v);
    free(paf_v);
    return st;
}
