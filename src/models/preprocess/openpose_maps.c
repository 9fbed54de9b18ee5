/* openpose_maps.c - maps at the picture's size, and smooth ones (preprocessors.md 6.4, 6.5). */
#include "base/mem.h"
#include "models/preprocess/openpose_impl.h"
#include "models/preprocess/resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STRIDE 8 /* pixels of the network's input a cell */
#define SIGMA 3
#define RADIUS 12 /* SciPy: four sigmas */

zis_status zis_openpose_enlarger_init(
    zis_openpose_enlarger *e, const zis_openpose_maps *maps, int width, int height, zis_error *err)
{
    *e = (zis_openpose_enlarger){
        .map_width = maps->width, .map_height = maps->height, .width = width, .height = height};
    zis_status st = zis_openpose_skeleton_size(&e->size, width, height, err);
    if (st) return st;
    if (maps->width * (int64_t)STRIDE != e->size.padded_width ||
        maps->height * (int64_t)STRIDE != e->size.padded_height)
        return zis_fail(err, ZIS_ARG,
                        "body maps of %d x %d do not belong to a picture of %d x %d: it gives "
                        "%d x %d",
                        maps->width, maps->height, width, height, e->size.padded_width / STRIDE,
                        e->size.padded_height / STRIDE);
    size_t n = (size_t)width * (size_t)height;
    e->wide = zis_mem_alloc((size_t)e->size.padded_width * (size_t)e->size.padded_height,
                            sizeof *e->wide);
    e->smooth = zis_mem_alloc(n, sizeof *e->smooth);
    e->line = zis_mem_alloc((size_t)width + 2 * RADIUS, sizeof *e->line);
    if (e->wide && e->smooth && e->line) return ZIS_OK;
    zis_openpose_enlarger_deinit(e);
    return zis_fail_nomem(err, "the maps of a pose");
}

void zis_openpose_enlarger_deinit(zis_openpose_enlarger *e)
{
    free(e->wide);
    free(e->smooth);
    free(e->line);
    e->wide = NULL;
    e->smooth = e->line = NULL;
}

/* By 8, the padding cut off, then to the picture. */
zis_status zis_openpose_enlarge(zis_openpose_enlarger *e,
                                float *out,
                                const float *map,
                                zis_error *err)
{
    const zis_openpose_size *s = &e->size;
    zis_status st = zis_resize_plane(e->wide, s->padded_width, s->padded_height, map, e->map_width,
                                     e->map_height, ZIS_RESIZE_LANCZOS4, err);
    if (st) return st;
    for (size_t y = 1; y < (size_t)s->height; y++)
        memmove(e->wide + y * (size_t)s->width, e->wide + y * (size_t)s->padded_width,
                (size_t)s->width * sizeof *e->wide);
    bool shrinks = (int64_t)e->width + e->height < (int64_t)s->width + s->height;
    return zis_resize_plane(out, e->width, e->height, e->wide, s->width, s->height,
                            shrinks ? ZIS_RESIZE_AREA : ZIS_RESIZE_LANCZOS4, err);
}

/* w[n] for distance n, by NumPy's sum: eight partial sums, paired, then the rest. Whether two equal
 * neighbours stay equal must not hang on another order of additions. */
static void weights(double w[RADIUS + 1])
{
    double all[2 * RADIUS + 1], part[8], sum;
    for (int i = 0; i <= 2 * RADIUS; i++)
        all[i] = exp(-0.5 / (SIGMA * SIGMA) * ((i - RADIUS) * (i - RADIUS)));
    for (int i = 0; i < 8; i++) part[i] = (all[i] + all[i + 8]) + all[i + 16];
    sum = ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
    sum += all[24];
    for (int i = 0; i <= RADIUS; i++) w[i] = all[RADIUS + i] / sum;
}

/* -1 -> 0, -2 -> 1, n -> n - 1, and on and on. */
static size_t mirror(int i, int n)
{
    i %= 2 * n;
    if (i < 0) i += 2 * n;
    return (size_t)(i < n ? i : 2 * n - 1 - i);
}

/* Down, then across; each sum as SciPy forms it: the middle, then pairs from the outside. */
void zis_openpose_smooth(zis_openpose_enlarger *e, const float *map)
{
    double w[RADIUS + 1];
    weights(w);
    size_t width = (size_t)e->width;
    for (int y = 0; y < e->height; y++) {
        double *out = e->smooth + (size_t)y * width;
        const float *p = map + (size_t)y * width;
        for (size_t x = 0; x < width; x++) out[x] = (double)p[x] * w[0];
        for (int n = RADIUS; n > 0; n--) {
            const float *a = map + mirror(y - n, e->height) * width;
            const float *b = map + mirror(y + n, e->height) * width;
            for (size_t x = 0; x < width; x++) out[x] += ((double)a[x] + (double)b[x]) * w[n];
        }
    }
    for (int y = 0; y < e->height; y++) {
        double *out = e->smooth + (size_t)y * width, *mid = e->line + RADIUS;
        for (int x = -RADIUS; x < e->width + RADIUS; x++) mid[x] = out[mirror(x, e->width)];
        for (size_t x = 0; x < width; x++) out[x] = mid[x] * w[0];
        for (int n = RADIUS; n > 0; n--)
            for (int x = 0; x < e->width; x++) out[x] += (mid[x - n] + mid[x + n]) * w[n];
    }
}
