/* upscaling.c - defaults and sizes of the task, and its network. */
#include "studio/upscaling.h"

#include "base/mem.h"
#include "models/preprocess/rgb.h"
#include "pipeline/model.h"
#include "pipeline/upscaler_find.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool given(const zis_request *r, const char *name)
{
    return zis_request_given(r, zis_request_field(name));
}

/* ---- what is left open --------------------------------------------------------------------- */

static int side_of(double v)
{
    v = floor(v + 0.5);
    return v < 1 ? 1 : v > 1e9 ? 1000000000 : (int)v;
}

static zis_status settle_size(zis_request *r, zis_error *err)
{
    const zis_image *in = r->picture[ZIS_PICTURE_INIT];
    bool wide = given(r, "width"), high = given(r, "height");
    double by = wide   ? (double)r->width / in->width
                : high ? (double)r->height / in->height
                       : r->scale;
    int width = wide ? r->width : side_of(in->width * by);
    int height = high ? r->height : side_of(in->height * by);
    if (width > ZIS_REQUEST_MAX_SIDE || height > ZIS_REQUEST_MAX_SIDE ||
        (int64_t)width * height > ZIS_IMAGE_MAX_PIXELS)
        return zis_fail(err, ZIS_ARG,
                        "%d x %d pixels upscaled by %g would be %d x %d: at most %d a side and %d "
                        "megapixels; choose a smaller --scale, or -W and -H",
                        in->width, in->height, by, width, height, ZIS_REQUEST_MAX_SIDE,
                        ZIS_IMAGE_MAX_PIXELS / 1000000);
    r->width = width;
    r->height = height;
    return ZIS_OK;
}

zis_status zis_upscaling_settle(zis_request *r, zis_error *err)
{
    zis_status st = ZIS_OK;
    if (!r->picture[ZIS_PICTURE_INIT])
        return zis_fail(err, ZIS_ARG, "upscaling needs a picture (image): -i FILE");
    const zis_model_preset *model = zis_model_preset_named(r->model);
    if (!r->upscaler)
        st = zis_request_set(r, zis_request_field("upscaler"), "the upscaler",
                             zis_upscaler_preset_for(model && !model->hub_id)->name, err);
    if (!st) st = zis_request_upscaling_apply(r, err);
    return st ? st : settle_size(r, err);
}

/* ---- the network --------------------------------------------------------------------------- */

void zis_upscaling_close(zis_upscaling *u)
{
    zis_esrgan_close(&u->model);
    free(u->path);
    *u = (zis_upscaling){0};
}

zis_status zis_upscaling_open(zis_upscaling *u, const zis_request *r, zis_error *err)
{
    zis_upscaling fresh = {0};
    zis_status st = zis_upscaler_find(&fresh.path, r->upscaler, err);
    if (!st && u->path && strcmp(u->path, fresh.path) == 0) {
        free(fresh.path);
        return ZIS_OK;
    }
    if (!st) st = zis_esrgan_open(&fresh.model, fresh.path, err);
    if (st) {
        zis_upscaling_close(&fresh);
        return st;
    }
    zis_upscaling_close(u);
    *u = fresh;
    return ZIS_OK;
}

/* The other side of a picture of `side` by `of`, when that becomes `to`. */
static int in_proportion(int side, int of, int to, int least)
{
    int64_t v = ((int64_t)side * to * 2 + of) / (2 * (int64_t)of);
    return v < least ? least : v > INT32_MAX ? INT32_MAX : (int)v;
}

zis_status zis_upscaling_run(const zis_upscaling *u,
                             const zis_request *r,
                             zis_run *run,
                             void (*progress)(void *, int, int, double),
                             void *arg,
                             zis_image **out,
                             size_t *scratch,
                             zis_error *err)
{
    zis_image *in = r->picture[ZIS_PICTURE_INIT], *rgb = NULL;
    zis_status st = ZIS_OK;
    if (in->channels == 3)
        rgb = zis_image_share(in);
    else
        st = zis_rgb_from_image(&rgb, in, err);
    if (st) return st;
    bool by_width = (int64_t)r->width * in->height >= (int64_t)r->height * in->width;
    int width = by_width ? r->width : in_proportion(in->width, in->height, r->height, r->width);
    int height = by_width ? in_proportion(in->height, in->width, r->width, r->height) : r->height;
    zis_upscale_plan plan = {0};
    zis_upscale_job job = {
        .model = u->model,
        .in = rgb,
        .tile = r->tile,
        .pad = ZIS_UPSCALE_PAD,
        .progress = progress,
        .arg = arg,
    };
    st = zis_upscale_to(&job, run, width, height, out, &plan, err);
    *scratch = plan.scratch;
    zis_image_destroy(&rgb);
    return st;
}
