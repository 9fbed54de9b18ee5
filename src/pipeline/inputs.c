/* inputs.c - sizes and cuts of the pictures that come with a request. */
#include "pipeline/inputs.h"

#include "models/preprocess/resize.h"
#include "models/preprocess/rgb.h"

#include <string.h>

/* ---- size ---------------------------------------------------------------------------------- */

static int in_proportion(int side, int of, int to)
{
    int64_t v = ((int64_t)side * of * 2 + to) / (2 * (int64_t)to);
    return v < 1 ? 1 : v > ZIS_REQUEST_MAX_SIDE + 1 ? ZIS_REQUEST_MAX_SIDE + 1 : (int)v;
}

zis_status zis_inputs_settle_size(zis_request *r, zis_error *err)
{
    bool wide = zis_request_given(r, zis_request_field("width"));
    bool high = zis_request_given(r, zis_request_field("height"));
    zis_picture_slot slot = r->picture[ZIS_PICTURE_INIT] ? ZIS_PICTURE_INIT : ZIS_PICTURE_CONTROL;
    const zis_image *p = r->picture[slot];
    if (!p || (wide && high)) return ZIS_OK;
    int width = wide ? r->width : high ? in_proportion(p->width, r->height, p->height) : p->width;
    int height = high ? r->height : wide ? in_proportion(p->height, r->width, p->width) : p->height;
    bool long_side = width > ZIS_REQUEST_MAX_SIDE || height > ZIS_REQUEST_MAX_SIDE;
    if (long_side || (int64_t)width * height > ZIS_INPUTS_MAX_PIXELS)
        return zis_fail(err, ZIS_ARG,
                        "the picture to start from (%s) has %d x %d pixels, and the result would "
                        "have %d x %d: too many to be drawn unasked (at most 2048 x 2048 in all, "
                        "%d a side); give the size with --width and --height (-W, -H)",
                        zis_request_picture_field(slot)->name, p->width, p->height, width, height,
                        ZIS_REQUEST_MAX_SIDE);
    r->width = width;
    r->height = height;
    return ZIS_OK;
}

/* ---- cut ----------------------------------------------------------------------------------- */

static zis_status cut(zis_image **out, const zis_image *in, int width, int height, zis_error *err)
{
    zis_status st = zis_image_create(out, width, height, in->channels, err);
    if (st) return st;
    size_t pixel = (size_t)in->channels, row = (size_t)width * pixel;
    size_t left = (size_t)(in->width - width) / 2, top = (size_t)(in->height - height) / 2;
    for (int y = 0; y < height; y++)
        memcpy((*out)->data + (size_t)y * row,
               in->data + ((top + (size_t)y) * (size_t)in->width + left) * pixel, row);
    return ZIS_OK;
}

/* The smallest side that covers `want` when the picture is scaled by num / den. */
static int scaled(int side, int num, int den, int want)
{
    int64_t v = ((int64_t)side * num * 2 + den) / (2 * (int64_t)den);
    return v < want ? want : v > INT32_MAX ? INT32_MAX : (int)v;
}

/* New picture of that size; the same one where the size fits. */
static zis_status cover(zis_image **out, zis_image *in, int width, int height, zis_error *err)
{
    if (in->width == width && in->height == height) {
        *out = zis_image_share(in);
        return ZIS_OK;
    }
    bool by_width = (int64_t)width * in->height >= (int64_t)height * in->width;
    int num = by_width ? width : height, den = by_width ? in->width : in->height;
    zis_image *large = NULL;
    zis_status st = zis_resize_pillow(&large, in, scaled(in->width, num, den, width),
                                      scaled(in->height, num, den, height), err);
    if (!st) st = cut(out, large, width, height, err);
    zis_image_destroy(&large);
    return st;
}

/* RGB of the request's size. */
static zis_status fit(zis_image **out, zis_image *in, const zis_request *r, zis_error *err)
{
    zis_image *rgb = NULL;
    zis_status st = ZIS_OK;
    if (in->channels == 3)
        rgb = zis_image_share(in);
    else
        st = zis_rgb_from_image(&rgb, in, err);
    if (!st) st = cover(out, rgb, r->width, r->height, err);
    zis_image_destroy(&rgb);
    return st;
}

/* ---- mask ---------------------------------------------------------------------------------- */

/* A pixel that is not there is not to be painted: alpha counts as well as the grey. A mask may also
 * be drawn in alpha alone, over black. */
static uint8_t mask_level(const uint8_t *p, int channels, bool by_alpha)
{
    if (channels == 1) return p[0];
    if (by_alpha) return p[3];
    unsigned grey = zis_rgb_grey(p);
    return channels == 4 ? (uint8_t)((grey * p[3] + 127) / 255) : (uint8_t)grey;
}

static zis_status grey_mask(zis_image **out, const zis_image *in, zis_error *err)
{
    size_t n = (size_t)in->width * (size_t)in->height, ch = (size_t)in->channels;
    bool colour = in->channels != 4;
    zis_status st = zis_image_create(out, in->width, in->height, 1, err);
    if (st) return st;
    for (size_t i = 0; i < n && !colour; i++) {
        const uint8_t *p = in->data + i * ch;
        colour = p[3] && (p[0] || p[1] || p[2]);
    }
    for (size_t i = 0; i < n; i++)
        (*out)->data[i] = mask_level(in->data + i * ch, in->channels, !colour);
    return ZIS_OK;
}

/* Scaled copies are welcome, anything else would lie askew over the picture. Sides that were
 * rounded to whole pixels may be half a pixel off. */
static bool same_form(const zis_image *a, const zis_image *b)
{
    int64_t d = (int64_t)a->width * b->height - (int64_t)b->width * a->height;
    int64_t width = a->width > b->width ? a->width : b->width;
    int64_t height = a->height > b->height ? a->height : b->height;
    if (a->width == b->width && a->height == b->height) return true;
    return 2 * (d < 0 ? -d : d) <= width + height;
}

static zis_status make_mask(zis_inputs *out, const zis_request *r, zis_error *err)
{
    const zis_image *mask = r->picture[ZIS_PICTURE_MASK], *init = r->picture[ZIS_PICTURE_INIT];
    zis_image *grey = NULL, *alike = NULL;
    if (!same_form(mask, init))
        return zis_fail(err, ZIS_ARG,
                        "the mask has %d x %d pixels, the picture %d x %d: they must have the same "
                        "size, or the same form",
                        mask->width, mask->height, init->width, init->height);
    zis_status st = grey_mask(&grey, mask, err);
    if (!st && (mask->width != init->width || mask->height != init->height))
        st = zis_resize_pillow(&alike, grey, init->width, init->height, err);
    if (!st) st = cover(&out->mask, alike ? alike : grey, r->width, r->height, err);
    zis_image_destroy(&grey);
    zis_image_destroy(&alike);
    return st;
}

/* ---- all ----------------------------------------------------------------------------------- */

/* Scaled first, so that lines of the map are as fine as its preprocessor draws them; then again,
 * since some give a size of their own. */
static zis_status make_map(
    zis_inputs *out, const zis_request *r, zis_preprocess *p, zis_run *run, zis_error *err)
{
    zis_image *picture = NULL, *map = NULL;
    zis_status st = fit(&picture, r->picture[ZIS_PICTURE_CONTROL], r, err);
    if (!st && r->preprocess == ZIS_PREPROCESS_NONE) {
        out->map = picture;
        return ZIS_OK;
    }
    if (!st && !p) st = zis_fail(err, ZIS_ARG, "there is no preprocessor here");
    const zis_preprocess_job job = {
        .kind = r->preprocess, .image = picture, .weights = r->preprocess_weights};
    if (!st) st = zis_preprocess_run(p, &job, run, &map, err);
    if (!st) st = fit(&out->map, map, r, err);
    zis_image_destroy(&picture);
    zis_image_destroy(&map);
    return st;
}

zis_status zis_inputs_make(
    zis_inputs *out, const zis_request *r, zis_preprocess *p, zis_run *run, zis_error *err)
{
    zis_status st = ZIS_OK;
    *out = (zis_inputs){0};
    if (r->picture[ZIS_PICTURE_INIT]) st = fit(&out->init, r->picture[ZIS_PICTURE_INIT], r, err);
    if (!st && r->picture[ZIS_PICTURE_MASK]) st = make_mask(out, r, err);
    if (!st && r->picture[ZIS_PICTURE_CONTROL]) st = make_map(out, r, p, run, err);
    if (st) zis_inputs_deinit(out);
    return st;
}

void zis_inputs_deinit(zis_inputs *in)
{
    zis_image_destroy(&in->init);
    zis_image_destroy(&in->mask);
    zis_image_destroy(&in->map);
}
