/* window.c - pooling, bilinear enlarging and pixels out of channels. */
#include "kernels/ref/ref.h"

#include <math.h>

void zis_ref_max_pool(zis_run *run, const zis_max_pool_args *a)
{
    if (run->dry) return;
    int64_t h = a->x.dim[0], w = a->x.dim[1], n = a->x.dim[2];
    for (int64_t i = 0; i < a->y.dim[0]; i++)
        for (int64_t j = 0; j < a->y.dim[1]; j++)
            for (int64_t c = 0; c < n; c++) {
                float most = -INFINITY;
                for (int64_t dy = 0; dy < a->k; dy++)
                    for (int64_t dx = 0; dx < a->k; dx++) {
                        int64_t y = i * a->stride + dy - a->pad, x = j * a->stride + dx - a->pad;
                        if (y < 0 || y >= h || x < 0 || x >= w) continue;
                        float v = zis_ref_row(&a->x, y * w + x)[c];
                        if (v > most || isnan(v)) most = v; /* once not a number, it stays so */
                    }
                zis_ref_row(&a->y, i * a->y.dim[1] + j)[c] = most;
            }
}

/* Where output i of `out` lies among n inputs: between lo and lo + 1 (or at the last). */
static double source(int64_t i, int64_t out, int64_t n, bool corners)
{
    if (corners) return out > 1 ? (double)i * (double)(n - 1) / (double)(out - 1) : 0;
    return fmax(((double)i + 0.5) * (double)n / (double)out - 0.5, 0);
}

void zis_ref_bilinear(zis_run *run, const zis_bilinear_args *a)
{
    if (run->dry) return;
    int64_t h = a->x.dim[0], w = a->x.dim[1], n = a->x.dim[2];
    for (int64_t i = 0; i < a->y.dim[0]; i++)
        for (int64_t j = 0; j < a->y.dim[1]; j++) {
            double y = source(i, a->y.dim[0], h, a->corners);
            double x = source(j, a->y.dim[1], w, a->corners);
            int64_t y0 = (int64_t)y, x0 = (int64_t)x;
            if (y0 > h - 1) y0 = h - 1;
            if (x0 > w - 1) x0 = w - 1;
            int64_t y1 = y0 + 1 < h ? y0 + 1 : y0, x1 = x0 + 1 < w ? x0 + 1 : x0;
            double fy = y - (double)y0, fx = x - (double)x0;
            for (int64_t c = 0; c < n; c++) {
                double top = (double)zis_ref_row(&a->x, y0 * w + x0)[c] * (1 - fx) +
                             (double)zis_ref_row(&a->x, y0 * w + x1)[c] * fx;
                double bottom = (double)zis_ref_row(&a->x, y1 * w + x0)[c] * (1 - fx) +
                                (double)zis_ref_row(&a->x, y1 * w + x1)[c] * fx;
                zis_ref_row(&a->y, i * a->y.dim[1] + j)[c] = (float)(top * (1 - fy) + bottom * fy);
            }
        }
}

void zis_ref_pixel_shuffle(zis_run *run, const zis_pixel_shuffle_args *a)
{
    if (run->dry) return;
    int64_t r = a->factor, w = a->x.dim[1];
    for (int64_t i = 0; i < a->y.dim[0]; i++)
        for (int64_t j = 0; j < a->y.dim[1]; j++)
            for (int64_t c = 0; c < a->y.dim[2]; c++) {
                int64_t from = i / r * w + j / r;
                float v = zis_ref_row(&a->x, from)[(c * r + i % r) * r + j % r];
                if (a->add.data) v += zis_ref_row(&a->add, from)[c];
                zis_ref_row(&a->y, i * a->y.dim[1] + j)[c] = v;
            }
}
