/* resize_pillow.c - Pillow's LANCZOS (upscale.md 4): across first, rounded to 8 bits, then down. */
#include "base/mem.h"
#include "models/preprocess/resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BITS 22 /* of the fraction of a weight */

/* Destination d: `count[d]` weights for the sources from first[d]. */
typedef struct kernel {
    int room; /* weights a destination */
    int *first, *count;
    int32_t *weight;
} kernel;

static double sinc(double t)
{
    const double pi = 3.14159265358979323846;
    if (t == 0) return 1;
    t *= pi;
    return sin(t) / t;
}

static double lanczos3(double t)
{
    return -3 <= t && t < 3 ? sinc(t) * sinc(t / 3) : 0;
}

static void kernel_free(kernel *k)
{
    free(k->first);
    free(k->count);
    free(k->weight);
}

/* False without memory; free it all the same. */
static bool kernel_make(kernel *k, int from, int to)
{
    double scale = (double)from / to, wide = scale < 1 ? 1 : scale, support = 3 * wide;
    k->room = (int)ceil(support) * 2 + 1;
    if (k->room > from) k->room = from;
    k->first = zis_mem_alloc((size_t)to, sizeof *k->first);
    k->count = zis_mem_alloc((size_t)to, sizeof *k->count);
    double *real = zis_mem_alloc((size_t)k->room, sizeof *real);
    size_t n;
    if (!zis_size_mul((size_t)to, (size_t)k->room, &n))
        k->weight = zis_mem_alloc(n, sizeof *k->weight);
    bool ok = k->first && k->count && k->weight && real;
    for (int d = 0; ok && d < to; d++) {
        double center = (d + 0.5) * scale, sum = 0, by = 1.0 / wide;
        int lo = (int)(center - support + 0.5), hi = (int)(center + support + 0.5);
        if (lo < 0) lo = 0;
        if (hi > from) hi = from;
        for (int s = lo; s < hi; s++) {
            real[s - lo] = lanczos3((s - center + 0.5) * by);
            sum += real[s - lo];
        }
        int32_t *w = k->weight + (size_t)d * (size_t)k->room;
        for (int i = 0; i < hi - lo; i++) {
            double v = (sum != 0 ? real[i] / sum : real[i]) * (1 << BITS);
            w[i] = (int32_t)(v < 0 ? v - 0.5 : v + 0.5);
        }
        k->first[d] = lo;
        k->count[d] = hi - lo;
    }
    free(real);
    return ok;
}

static uint8_t cut(int64_t v)
{
    v >>= BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static void across(uint8_t *d, const zis_image *in, int width, const kernel *k)
{
    size_t ch = (size_t)in->channels;
    for (int y = 0; y < in->height; y++) {
        const uint8_t *row = in->data + (size_t)y * (size_t)in->width * ch;
        for (int x = 0; x < width; x++) {
            const int32_t *w = k->weight + (size_t)x * (size_t)k->room;
            const uint8_t *p = row + (size_t)k->first[x] * ch;
            for (size_t c = 0; c < ch; c++) {
                int64_t v = 1 << (BITS - 1);
                for (int i = 0; i < k->count[x]; i++) v += (int64_t)w[i] * p[(size_t)i * ch + c];
                *d++ = cut(v);
            }
        }
    }
}

/* Row by row into `sum` (a row of the destination), so that memory is read in its order. */
static void down(zis_image *out, const zis_image *in, const kernel *k, int64_t *sum)
{
    size_t n = (size_t)in->width * (size_t)in->channels;
    for (int y = 0; y < out->height; y++) {
        const int32_t *w = k->weight + (size_t)y * (size_t)k->room;
        for (size_t x = 0; x < n; x++) sum[x] = 1 << (BITS - 1);
        for (int i = 0; i < k->count[y]; i++) {
            const uint8_t *p = in->data + (size_t)(k->first[y] + i) * n;
            for (size_t x = 0; x < n; x++) sum[x] += (int64_t)w[i] * p[x];
        }
        for (size_t x = 0; x < n; x++) out->data[(size_t)y * n + x] = cut(sum[x]);
    }
}

zis_status zis_resize_pillow_across(zis_image *wide,
                                    int first,
                                    const zis_image *band,
                                    zis_error *err)
{
    kernel k = {0};
    if (first < 0 || band->height > wide->height - first || band->channels != wide->channels)
        return zis_fail(err, ZIS_ARG,
                        "a band of %d rows does not fit a picture of %d from row %d on",
                        band->height, wide->height, first);
    zis_status st = ZIS_OK;
    if (!kernel_make(&k, band->width, wide->width))
        st = zis_fail_nomem(err, "resizing a picture");
    else
        across(wide->data + (size_t)first * (size_t)wide->width * (size_t)wide->channels, band,
               wide->width, &k);
    kernel_free(&k);
    return st;
}

zis_status zis_resize_pillow_down(zis_image **out,
                                  const zis_image *wide,
                                  int height,
                                  zis_error *err)
{
    zis_image *img = NULL;
    kernel k = {0};
    int64_t *sum = NULL;
    zis_status st = zis_image_create(&img, wide->width, height, wide->channels, err);
    if (st) return st;
    sum = zis_mem_alloc((size_t)wide->width * (size_t)wide->channels, sizeof *sum);
    if (!sum || !kernel_make(&k, wide->height, height)) {
        st = zis_fail_nomem(err, "resizing a picture");
    } else {
        down(img, wide, &k, sum);
        *out = img;
        img = NULL;
    }
    kernel_free(&k);
    free(sum);
    zis_image_destroy(&img);
    return st;
}

zis_status zis_resize_pillow(
    zis_image **out, const zis_image *in, int width, int height, zis_error *err)
{
    zis_image *wide = NULL, *img = NULL;
    /* A picture of the final size first: it checks the size. */
    zis_status st = zis_image_create(&img, width, height, in->channels, err);
    zis_image_destroy(&img);
    if (!st && (int64_t)width * in->height > ZIS_IMAGE_MAX_PIXELS)
        st = zis_fail(err, ZIS_ARG,
                      "resizing a picture of %d x %d to %d x %d needs more than %d megapixels on "
                      "the way",
                      in->width, in->height, width, height, ZIS_IMAGE_MAX_PIXELS / 1000000);
    if (!st) st = zis_image_create(&wide, width, in->height, in->channels, err);
    if (!st) st = zis_resize_pillow_across(wide, 0, in, err);
    if (!st) st = zis_resize_pillow_down(out, wide, height, err);
    zis_image_destroy(&wide);
    return st;
}

zis_status zis_resize_half(zis_image **out, const zis_image *in, zis_error *err)
{
    if (in->width < 2 || in->height < 2)
        return zis_fail(err, ZIS_ARG, "a picture of %d x %d cannot be halved", in->width,
                        in->height);
    return zis_resize_pillow(out, in, in->width / 2, in->height / 2, err);
}
