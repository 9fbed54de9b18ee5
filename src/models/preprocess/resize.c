/* resize.c - which of OpenCV's ways a resize goes (preprocessors.md 3.1), and the detection size.
 */
#include "models/preprocess/resize.h"

#include "models/preprocess/resize_impl.h"

#include <float.h>
#include <string.h>

static zis_resize_axis axis(int from, int to)
{
    double inv = (double)to / from;
    return (zis_resize_axis){.from = from, .to = to, .inv = inv, .scale = 1.0 / inv};
}

static bool whole(double scale)
{
    return fabs(scale - rint(scale)) < DBL_EPSILON;
}

static zis_status resize(const zis_resize_job *job, zis_resize_method method, zis_error *err)
{
    double sx = job->x.scale, sy = job->y.scale;
    if (job->x.from == job->x.to && job->y.from == job->y.to) {
        size_t item = job->is_float ? sizeof(float) : 1;
        memcpy(job->dst, job->src,
               (size_t)job->x.to * (size_t)job->y.to * (size_t)job->channels * item);
        return ZIS_OK;
    }
    bool both_whole = whole(sx) && whole(sy);
    switch (method) {
    case ZIS_RESIZE_LANCZOS4:
        return zis_resize_taps(job, ZIS_TAPS_LANCZOS4, err);
    case ZIS_RESIZE_LINEAR:
        if (both_whole && rint(sx) == 2 && rint(sy) == 2)
            return zis_resize_area_whole(job, 2, 2, err);
        return zis_resize_taps(job, ZIS_TAPS_LINEAR, err);
    case ZIS_RESIZE_AREA:
        if (sx < 1 || sy < 1) return zis_resize_taps(job, ZIS_TAPS_AREA, err);
        if (both_whole) return zis_resize_area_whole(job, (int)rint(sx), (int)rint(sy), err);
        return zis_resize_area_general(job, err);
    }
    return zis_fail(err, ZIS_ARG, "there is no resize method number %d", (int)method);
}

zis_status zis_resize_image(zis_image **out,
                            const zis_image *in,
                            int width,
                            int height,
                            zis_resize_method method,
                            zis_error *err)
{
    zis_image *img = NULL;
    zis_status st = zis_image_create(&img, width, height, in->channels, err);
    if (st) return st;
    const zis_resize_job job = {.x = axis(in->width, width),
                                .y = axis(in->height, height),
                                .channels = in->channels,
                                .src = in->data,
                                .dst = img->data};
    st = resize(&job, method, err);
    if (st) {
        zis_image_destroy(&img);
        return st;
    }
    *out = img;
    return ZIS_OK;
}

zis_status zis_resize_plane(float *out,
                            int width,
                            int height,
                            const float *in,
                            int in_width,
                            int in_height,
                            zis_resize_method method,
                            zis_error *err)
{
    if (width < 1 || height < 1 || in_width < 1 || in_height < 1)
        return zis_fail(err, ZIS_ARG, "cannot resize a map of %d x %d to %d x %d", in_width,
                        in_height, width, height);
    const zis_resize_job job = {.x = axis(in_width, width),
                                .y = axis(in_height, height),
                                .channels = 1,
                                .is_float = true,
                                .src = in,
                                .dst = out};
    return resize(&job, method, err);
}

zis_status zis_resize_detect_size(
    int *width, int *height, int in_width, int in_height, int resolution, zis_error *err)
{
    if (in_width < 1 || in_height < 1 || resolution < 1)
        return zis_fail(err, ZIS_ARG, "cannot look at a picture of %d x %d at %d pixels", in_width,
                        in_height, resolution);
    double k = (double)resolution / (in_width < in_height ? in_width : in_height);
    double w = 64 * rint(in_width * k / 64), h = 64 * rint(in_height * k / 64);
    if (w < 1 || h < 1)
        return zis_fail(err, ZIS_ARG,
                        "a detection size of %d pixels rounds to none; it must be at least 33",
                        resolution);
    if (w * h > ZIS_IMAGE_MAX_PIXELS)
        return zis_fail(err, ZIS_ARG,
                        "a picture of %d x %d is too long and narrow: with %d pixels on the "
                        "shorter side it would exceed %d megapixels",
                        in_width, in_height, resolution, ZIS_IMAGE_MAX_PIXELS / 1000000);
    *width = (int)w;
    *height = (int)h;
    return ZIS_OK;
}

zis_status zis_resize_detect(zis_image **out, const zis_image *in, int resolution, zis_error *err)
{
    int w, h;
    zis_status st = zis_resize_detect_size(&w, &h, in->width, in->height, resolution, err);
    if (st) return st;
    bool grows = resolution > (in->width < in->height ? in->width : in->height);
    return zis_resize_image(out, in, w, h, grows ? ZIS_RESIZE_LANCZOS4 : ZIS_RESIZE_AREA, err);
}
