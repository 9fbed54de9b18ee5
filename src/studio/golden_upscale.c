/* golden_upscale.c - goldens of the upscalers, alone and in tiles. */
#include "base/mem.h"
#include "models/esrgan/esrgan.h"
#include "models/preprocess/resize.h"
#include "pipeline/upscale.h"
#include "studio/golden_impl.h"

#include <stdlib.h>
#include <string.h>

/* What a file does not say about itself is in the config. */
static zis_status open_model(const zis_golden *g,
                             zis_weights **weights,
                             zis_esrgan **out,
                             zis_error *err)
{
    zis_esrgan_config c;
    const char *arch = zis_json_doc_string(g->doc, "arch");
    const char *names = zis_json_doc_string(g->doc, "names");
    const char *act = zis_json_doc_string(g->doc, "act_type");
    const char *probe = arch && strcmp(arch, "SRVGGNetCompact") == 0 ? "body.0.weight"
                        : names && strcmp(names, "old") == 0         ? "model.0.weight"
                                                                     : "conv_first.weight";
    zis_status st = zis_golden_weights(g, probe, weights, err);
    if (!st) st = zis_esrgan_config_read(&c, *weights, err);
    if (st) return st;
    if (arch && strcmp(arch, zis_esrgan_kind_name(c.kind)) != 0)
        return zis_fail(err, ZIS_FORMAT, "the golden's weights are taken for %s, not for %.60s",
                        zis_esrgan_kind_name(c.kind), arch);
    if (act && strcmp(act, "leakyrelu") == 0) c.activation = ZIS_ACTIVATION_LEAKY;
    return zis_esrgan_create(out, &c, *weights, err);
}

/* ---- rrdbnet ---- */

typedef struct net_case {
    const zis_esrgan *m;
    float *pixels; /* [h, w, 3] */
    int64_t h, w;
} net_case;

/* [h, w, c] to planes, which are what goldens hold. NULL without memory. */
static float *planes_of(zis_run *run, const zis_tensor *map)
{
    size_t n = (size_t)zis_tensor_count(map), pixels = (size_t)zis_tensor_rows(map);
    size_t c = (size_t)zis_tensor_cols(map);
    float *values = zis_mem_alloc(n, sizeof *values), *planes = zis_mem_alloc(n, sizeof *planes);
    if (values && planes) {
        zis_run_download(run, values, map);
        for (size_t i = 0; i < pixels; i++)
            for (size_t k = 0; k < c; k++) planes[k * pixels + i] = values[i * c + k];
    } else {
        free(planes);
        planes = NULL;
    }
    free(values);
    return planes;
}

static void on_map(void *arg, zis_run *run, const char *name, const zis_tensor *map)
{
    zis_golden *g = arg;
    float *planes = planes_of(run, map);
    if (planes)
        zis_golden_compare_mid(g, name, planes, (size_t)zis_tensor_count(map));
    else
        g->nomem = true;
    free(planes);
}

static zis_status net_forward(zis_golden *g, zis_run *run, void *arg, zis_error *err)
{
    const net_case *c = arg;
    int s = zis_esrgan_get_config(c->m)->scale;
    zis_esrgan_hooks hooks = {.arg = g, .watch = on_map};
    zis_tensor x = zis_run_alloc_3d(run, ZIS_DTYPE_F32, c->h, c->w, 3);
    zis_tensor y = zis_run_alloc_3d(run, ZIS_DTYPE_F32, s * c->h, s * c->w, 3);
    zis_run_upload(run, &x, c->pixels);
    zis_status st = zis_esrgan_run(c->m, run, &x, y, &hooks, err);
    if (st || run->dry) return st;
    float *planes = planes_of(run, &y);
    if (!planes) return zis_fail_nomem(err, "the result");
    zis_golden_compare(g, "image", planes, (size_t)zis_tensor_count(&y));
    free(planes);
    return zis_run_status(run, err);
}

static zis_status read_planes(const zis_golden *g, net_case *c, zis_error *err)
{
    const zis_tensor *t;
    float *planes = NULL;
    zis_status st = zis_golden_input(g, "in.image", 3, &t, err);
    if (!st && t->dim[0] != 3)
        st = zis_fail(err, ZIS_FORMAT, "the golden's picture has %d planes", (int)t->dim[0]);
    if (!st) st = zis_golden_floats(&planes, t, err);
    if (st) return st;
    c->h = t->dim[1];
    c->w = t->dim[2];
    size_t n = (size_t)(c->h * c->w);
    c->pixels = zis_mem_alloc(3 * n, sizeof *c->pixels);
    for (size_t i = 0; c->pixels && i < n; i++)
        for (size_t k = 0; k < 3; k++) c->pixels[3 * i + k] = planes[k * n + i];
    free(planes);
    return c->pixels ? ZIS_OK : zis_fail_nomem(err, "the golden's picture");
}

zis_status zis_golden_run_rrdbnet(zis_golden *g, zis_error *err)
{
    zis_weights *weights = NULL;
    zis_esrgan *m = NULL;
    net_case c = {0};
    zis_status st = read_planes(g, &c, err);
    if (!st) st = open_model(g, &weights, &m, err);
    c.m = m;
    if (!st) st = zis_golden_execute(g, net_forward, &c, err);
    zis_esrgan_close(&m);
    zis_weights_close(&weights);
    free(c.pixels);
    return st;
}

/* ---- upscale ---- */

/* The tiles' whole picture, its half, and the half as the product makes it, band by band. */
static zis_status run_picture(zis_golden *g, zis_upscale_job *job, zis_error *err)
{
    zis_image *big = NULL, *half = NULL, *direct = NULL;
    zis_status st = zis_upscale_whole(job, g->run, &big, err);
    if (!st) st = zis_golden_compare_picture(g, "image", big, err);
    if (!st) st = zis_resize_half(&half, big, err);
    if (!st) st = zis_golden_compare_picture(g, "half", half, err);
    if (!st) st = zis_upscale_to(job, g->run, half->width, half->height, &direct, NULL, err);
    if (!st) {
        size_t n = (size_t)half->width * (size_t)half->height * 3, differs = 0;
        for (size_t i = 0; i < n; i++) differs += half->data[i] != direct->data[i];
        zis_golden_compare_count(g, "bands", (double)differs);
    }
    zis_image_destroy(&big);
    zis_image_destroy(&half);
    zis_image_destroy(&direct);
    return st;
}

zis_status zis_golden_run_upscale(zis_golden *g, zis_error *err)
{
    zis_weights *weights = NULL;
    zis_esrgan *m = NULL;
    zis_image *in = NULL;
    int64_t tile = ZIS_UPSCALE_TILE, pad = ZIS_UPSCALE_PAD;
    zis_status st = zis_json_doc_int(g->doc, "tile", 1, 100000, &tile, err);
    if (!st) st = zis_json_doc_int(g->doc, "tile_pad", 0, 4000, &pad, err);
    if (!st) st = zis_golden_picture(g, "image", &in, err);
    if (!st) st = open_model(g, &weights, &m, err);
    zis_upscale_job job = {.model = m, .in = in, .tile = (int)tile, .pad = (int)pad};
    if (!st) st = run_picture(g, &job, err);
    zis_esrgan_close(&m);
    zis_weights_close(&weights);
    zis_image_destroy(&in);
    return st;
}
