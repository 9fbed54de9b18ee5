/* resize_taps.c - two and eight taps an axis (preprocessors.md 3.4 to 3.6). 8-bit pictures go
 * through whole numbers with 11 bits of fraction an axis. */
#include "base/mem.h"
#include "models/preprocess/resize_impl.h"

#include <stdlib.h>
#include <string.h>

#define MAX_TAPS 8
#define ONE 2048 /* a weight of 1 in whole numbers */

/* For each destination: `taps` source indices, clamped to the axis, and their weights. */
typedef struct table {
    int taps;
    int *index;
    float *weight;
    int *fixed; /* weight * ONE, to nearest */
} table;

static int clamp(int i, int n)
{
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}

/* The eight weights at fraction x (0..1). All terms share sin and cos of the first tap's angle, as
 * the taps lie 45 degrees apart. A tap that is hit takes all: OpenCV gives it a huge weight before
 * dividing by the sum. */
static void lanczos4(float x, float w[8])
{
    static const double r = 0.70710678118654752440;
    static const double turn[8][2] = {{1, 0},  {-r, -r}, {0, 1},  {r, -r},
                                      {-1, 0}, {r, r},   {0, -1}, {-r, r}};
    const double pi = 3.14159265358979323846;
    double y0 = -(double)(x + 3) * pi * 0.25, s0 = sin(y0), c0 = cos(y0);
    float sum = 0;
    for (int i = 0; i < 8; i++) {
        float d = x + 3 - (float)i;
        double y = -(double)d * pi * 0.25;
        w[i] = fabsf(d) < 1e-6f ? 1e30f : (float)((turn[i][0] * s0 + turn[i][1] * c0) / (y * y));
        sum += w[i];
    }
    float by = 1.0f / sum;
    for (int i = 0; i < 8; i++) w[i] *= by;
}

/* Where destination d looks: source *s and the fraction behind it. */
static float look(const zis_resize_axis *a, zis_resize_taps_kind kind, int d, int *s)
{
    if (kind == ZIS_TAPS_AREA) {
        *s = (int)floor(d * a->scale);
        float f = (float)((d + 1) - (*s + 1) * a->inv);
        return f <= 0 ? 0 : f - floorf(f);
    }
    float f = (float)((d + 0.5) * a->scale - 0.5);
    *s = (int)floorf(f);
    return f - (float)*s;
}

static void table_free(table *t)
{
    free(t->index);
    free(t->weight);
    free(t->fixed);
}

/* `across`: the x axis, where two taps do not look over the edge (the y axis clamps rows, which
 * matters to the roundings of 8-bit results only). False without memory; free it all the same. */
static bool table_make(table *t, const zis_resize_axis *a, zis_resize_taps_kind kind, bool across)
{
    t->taps = kind == ZIS_TAPS_LANCZOS4 ? 8 : 2;
    size_t n = (size_t)a->to * (size_t)t->taps;
    t->index = zis_mem_alloc(n, sizeof *t->index);
    t->weight = zis_mem_alloc(n, sizeof *t->weight);
    t->fixed = zis_mem_alloc(n, sizeof *t->fixed);
    if (!t->index || !t->weight || !t->fixed) return false;
    for (int d = 0; d < a->to; d++) {
        int s, *index = t->index + (size_t)d * (size_t)t->taps;
        float f = look(a, kind, d, &s), *w = t->weight + (size_t)d * (size_t)t->taps;
        if (t->taps == 8) {
            lanczos4(f, w);
            for (int i = 0; i < 8; i++) index[i] = clamp(s - 3 + i, a->from);
            continue;
        }
        if (across && (s < 0 || s >= a->from - 1)) {
            s = clamp(s, a->from);
            f = 0;
        }
        w[0] = 1.0f - f;
        w[1] = f;
        index[0] = clamp(s, a->from);
        index[1] = clamp(s + 1, a->from);
    }
    for (size_t i = 0; i < n; i++) t->fixed[i] = (int)rintf(t->weight[i] * ONE);
    return true;
}

static void across_u8(int *out, const uint8_t *src, const table *t, int width, int channels)
{
    for (int x = 0; x < width; x++)
        for (int c = 0; c < channels; c++) {
            const int *index = t->index + (size_t)x * (size_t)t->taps;
            const int *w = t->fixed + (size_t)x * (size_t)t->taps;
            int v = 0;
            for (int i = 0; i < t->taps; i++)
                v += src[(size_t)index[i] * (size_t)channels + (size_t)c] * w[i];
            *out++ = v;
        }
}

static void across_f32(float *out, const float *src, const table *t, int width)
{
    for (int x = 0; x < width; x++) {
        const int *index = t->index + (size_t)x * (size_t)t->taps;
        const float *w = t->weight + (size_t)x * (size_t)t->taps;
        float v = src[index[0]] * w[0];
        for (int i = 1; i < t->taps; i++) v += src[index[i]] * w[i];
        out[x] = v;
    }
}

/* Two taps lose bits between the axes, in OpenCV's order. */
static void down2_u8(uint8_t *out, int *const rows[], const int *w, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int a = (w[0] * (rows[0][i] >> 4)) >> 16, b = (w[1] * (rows[1][i] >> 4)) >> 16;
        int v = (a + b + 2) >> 2;
        out[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
}

/* The largest overshoot that black and white can give is 2107377120, below 2^31. */
static void down8_u8(uint8_t *out, int *const rows[], const int *w, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int v = 1 << 21;
        for (int j = 0; j < 8; j++) v += rows[j][i] * w[j];
        v >>= 22;
        out[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
}

/* OpenCV's vectors add the last row first, which gives its very bits (peaks of equal height hang on
 * them); its last columns behind the last whole vector go the other way, but the maps here have
 * none. */
static void down_f32(float *out, float *const rows[], const float *w, int taps, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float v = rows[taps - 1][i] * w[taps - 1];
        for (int j = taps - 2; j >= 0; j--) v += rows[j][i] * w[j];
        out[i] = v;
    }
}

/* The rows of one destination row are neighbours in the source, so row s of the source, resized
 * across, lies in slot s % taps until another one needs the slot. */
zis_status zis_resize_taps(const zis_resize_job *job, zis_resize_taps_kind kind, zis_error *err)
{
    table tx = {0}, ty = {0};
    size_t ch = (size_t)job->channels, width = (size_t)job->x.to * ch;
    size_t src_row = (size_t)job->x.from * ch;
    int held[MAX_TAPS];
    int *fixed[MAX_TAPS];
    float *real[MAX_TAPS];
    void *slots = NULL;
    zis_status st = ZIS_OK;
    bool ok = table_make(&tx, &job->x, kind, true) && table_make(&ty, &job->y, kind, false);
    if (ok) slots = zis_mem_alloc(width * (size_t)ty.taps, sizeof(int32_t));
    if (!slots) {
        st = zis_fail_nomem(err, "resizing a picture");
        goto out;
    }
    for (int i = 0; i < MAX_TAPS; i++) held[i] = -1;
    for (int y = 0; y < job->y.to; y++) {
        const int *index = ty.index + (size_t)y * (size_t)ty.taps;
        for (int j = 0; j < ty.taps; j++) {
            int s = index[j], slot = s % ty.taps;
            fixed[j] = (int *)slots + (size_t)slot * width;
            real[j] = (float *)slots + (size_t)slot * width;
            if (held[slot] == s) continue;
            held[slot] = s;
            if (job->is_float)
                across_f32(real[j], (const float *)job->src + (size_t)s * src_row, &tx, job->x.to);
            else
                across_u8(fixed[j], (const uint8_t *)job->src + (size_t)s * src_row, &tx, job->x.to,
                          job->channels);
        }
        size_t at = (size_t)y * width, w = (size_t)y * (size_t)ty.taps;
        if (job->is_float)
            down_f32((float *)job->dst + at, real, ty.weight + w, ty.taps, width);
        else if (ty.taps == 2)
            down2_u8((uint8_t *)job->dst + at, fixed, ty.fixed + w, width);
        else
            down8_u8((uint8_t *)job->dst + at, fixed, ty.fixed + w, width);
    }
out:
    table_free(&tx);
    table_free(&ty);
    free(slots);
    return st;
}
