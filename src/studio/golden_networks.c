/* golden_networks.c - goldens of the networks that look at pictures: depth and body. */
#include "base/mem.h"
#include "models/dpt/dpt.h"
#include "models/openpose/body.h"
#include "models/preprocess/openpose_input.h"
#include "models/preprocess/resize.h"
#include "pipeline/preprocess_maps.h"
#include "studio/golden_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* mid.NAME holds maps as [C, H, W]; networks show them a row a pixel. Tokens are rows in both. */
static void watch(void *golden, zis_run *run, const char *name, const zis_tensor *t)
{
    zis_golden *g = golden;
    char key[64];
    snprintf(key, sizeof key, "mid.%s", name);
    const zis_safetensors_entry *e = zis_safetensors_find(g->file, key);
    if (!e) return;
    if (e->tensor.ndim != 3) {
        zis_golden_watch(g, run, name, t);
        return;
    }
    size_t n = (size_t)zis_tensor_count(t), c = (size_t)zis_tensor_cols(t), rows = n / c;
    float *got = zis_mem_alloc(2 * n, sizeof *got);
    if (!got) {
        g->nomem = true;
        return;
    }
    zis_run_download(run, got + n, t);
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < c; k++) got[k * rows + i] = got[n + i * c + k];
    if (!zis_run_stopped(run)) zis_golden_compare_mid(g, name, got, n);
    free(got);
}

/* Downloads and compares, in the real run. */
static zis_status compare(
    zis_golden *g, zis_run *run, const char *name, const zis_tensor *t, zis_error *err)
{
    if (run->dry) return ZIS_OK;
    size_t n = (size_t)zis_tensor_count(t);
    float *got = zis_mem_alloc(n, sizeof *got);
    if (!got) return zis_fail_nomem(err, "the result");
    zis_run_download(run, got, t);
    zis_status st = zis_run_status(run, err);
    if (!st) zis_golden_compare(g, name, got, n);
    free(got);
    return st;
}

/* Whether in.image is a picture of bytes (`input` rgb8), not the network's planes. */
static zis_status is_picture(const zis_golden *g, bool *out, zis_error *err)
{
    const char *input = zis_json_doc_string(g->doc, "input");
    if (!input || (strcmp(input, "network") != 0 && strcmp(input, "rgb8") != 0))
        return zis_fail(err, ZIS_FORMAT, "the golden's input is '%s', not network or rgb8",
                        input ? input : "");
    *out = strcmp(input, "rgb8") == 0;
    return ZIS_OK;
}

/* ---- midas ---------------------------------------------------------------------------------- */

typedef struct depth_case {
    const zis_dpt *m;
    const zis_tensor *in;
    float *host;
} depth_case;

static zis_status depth_forward(zis_golden *g, zis_run *run, void *arg, zis_error *err)
{
    const depth_case *c = arg;
    int64_t h = c->in->dim[1], w = c->in->dim[2];
    zis_tensor planes = zis_run_alloc_3d(run, ZIS_DTYPE_F32, c->in->dim[0], h, w);
    zis_tensor depth = zis_run_alloc_2d(run, ZIS_DTYPE_F32, h, w);
    zis_run_upload(run, &planes, c->host);
    zis_status st = zis_dpt_forward(c->m, run, &planes, depth, watch, g, err);
    return st ? st : compare(g, run, "depth", &depth, err);
}

/* From picture to grey map, as the preprocessor does it. */
static zis_status depth_picture(zis_golden *g, const zis_dpt *m, zis_error *err)
{
    zis_image *img = NULL, *resized = NULL, *map = NULL;
    int64_t resolution = 512;
    zis_status st = zis_golden_picture(g, "image", &img, err);
    if (!st) st = zis_json_doc_int(g->doc, "resolution", 64, 8192, &resolution, err);
    if (!st) st = zis_resize_detect(&resized, img, (int)resolution, err);
    if (!st) st = zis_golden_compare_mid_picture(g, "resized", resized, err);
    if (!st) st = zis_preprocess_depth_map(m, resized, g->run, &map, err);
    if (!st) st = zis_golden_compare_picture(g, "gray", map, err);
    zis_image_destroy(&img);
    zis_image_destroy(&resized);
    zis_image_destroy(&map);
    return st;
}

zis_status zis_golden_run_midas(zis_golden *g, zis_error *err)
{
    zis_weights *weights = NULL;
    zis_dpt *m = NULL;
    depth_case c = {0};
    bool picture = false;
    zis_status st = is_picture(g, &picture, err);
    if (!st && !picture) st = zis_golden_input(g, "in.image", 3, &c.in, err);
    if (!st && !picture) st = zis_golden_floats(&c.host, c.in, err);
    if (!st) st = zis_golden_weights(g, "pretrained.model.cls_token", &weights, err);
    if (!st) st = zis_dpt_create(&m, weights, err);
    c.m = m;
    if (!st)
        st = picture ? depth_picture(g, m, err) : zis_golden_execute(g, depth_forward, &c, err);
    zis_dpt_close(&m);
    zis_weights_close(&weights);
    free(c.host);
    return st;
}

/* ---- openpose_body -------------------------------------------------------------------------- */

typedef struct body_case {
    const zis_body *m;
    int64_t h, w;
    float *host;
} body_case;

static zis_status body_forward(zis_golden *g, zis_run *run, void *arg, zis_error *err)
{
    const body_case *c = arg;
    zis_tensor planes = zis_run_alloc_3d(run, ZIS_DTYPE_F32, 3, c->h, c->w);
    zis_tensor heat =
        zis_run_alloc_3d(run, ZIS_DTYPE_F32, ZIS_OPENPOSE_HEAT_MAPS, c->h / 8, c->w / 8);
    zis_tensor paf =
        zis_run_alloc_3d(run, ZIS_DTYPE_F32, ZIS_OPENPOSE_PAF_MAPS, c->h / 8, c->w / 8);
    zis_run_upload(run, &planes, c->host);
    zis_status st = zis_body_forward(c->m, run, &planes, heat, paf, watch, g, err);
    if (!st) st = compare(g, run, "paf", &paf, err);
    return st ? st : compare(g, run, "heat", &heat, err);
}

/* The network's input from a picture; compared with out.input. */
static zis_status body_input(zis_golden *g, body_case *c, zis_error *err)
{
    zis_image *img = NULL;
    zis_openpose_size size;
    zis_status st = zis_golden_picture(g, "image", &img, err);
    if (!st) st = zis_openpose_skeleton_size(&size, img->width, img->height, err);
    if (!st) {
        size_t n = 3 * (size_t)size.padded_width * (size_t)size.padded_height;
        c->h = size.padded_height;
        c->w = size.padded_width;
        c->host = zis_mem_alloc(n, sizeof *c->host);
        st = c->host ? zis_openpose_input(c->host, img, &size, err)
                     : zis_fail_nomem(err, "the golden's picture");
        if (!st) zis_golden_compare(g, "input", c->host, n);
    }
    zis_image_destroy(&img);
    return st;
}

/* Synthetic weights of more than one dim, times `gain`: the published network's maps are livelier
 * than those of plain synthetic weights. */
static void amplify(zis_weights *w, double gain)
{
    for (size_t i = 0; i < zis_weights_count(w); i++) {
        const zis_tensor *t = &zis_weights_at(w, i)->tensor;
        if (t->ndim < 2 || t->dtype != ZIS_DTYPE_F32) continue;
        float *v = t->data;
        for (int64_t k = 0; k < zis_tensor_count(t); k++) v[k] *= (float)gain;
    }
}

static zis_status body_planes(zis_golden *g, body_case *c, zis_error *err)
{
    const zis_tensor *in;
    bool picture = false;
    zis_status st = is_picture(g, &picture, err);
    if (st) return st;
    if (picture) return body_input(g, c, err);
    st = zis_golden_input(g, "in.image", 3, &in, err);
    if (st) return st;
    if (in->dim[0] != 3) return zis_fail(err, ZIS_FORMAT, "the golden's picture has not 3 planes");
    c->h = in->dim[1];
    c->w = in->dim[2];
    return zis_golden_floats(&c->host, in, err);
}

zis_status zis_golden_run_openpose_body(zis_golden *g, zis_error *err)
{
    zis_weights *weights = NULL;
    zis_body *m = NULL;
    body_case c = {0};
    const char *named = zis_safetensors_meta(g->file, "weights");
    double gain = 1;
    zis_status st = body_planes(g, &c, err);
    if (!st) st = zis_json_doc_double(g->doc, "weight_gain", 0.01, 100, &gain, err);
    if (!st) st = zis_golden_weights(g, "conv1_1.weight", &weights, err);
    if (!st && named && strcmp(named, "synthetic") == 0) amplify(weights, gain);
    if (!st) st = zis_body_create(&m, weights, err);
    c.m = m;
    if (!st) st = zis_golden_execute(g, body_forward, &c, err);
    zis_body_close(&m);
    zis_weights_close(&weights);
    free(c.host);
    return st;
}
