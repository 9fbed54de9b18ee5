/* resize_area.c - shrinking by means of areas (preprocessors.md 3.2, 3.3). */
#include "base/mem.h"
#include "models/preprocess/resize_impl.h"

#include <stdlib.h>

/* Sums of m x n pixels. 64 bits: a whole 64-megapixel picture may become one pixel. */
static void whole_u8(const zis_resize_job *job, int m, int n)
{
    const uint8_t *src = job->src;
    uint8_t *dst = job->dst;
    size_t ch = (size_t)job->channels, row = (size_t)job->x.from * ch;
    float scale = 1.0f / (float)((int64_t)m * n);
    for (size_t y = 0; y < (size_t)job->y.to; y++)
        for (size_t x = 0; x < (size_t)job->x.to; x++)
            for (size_t c = 0; c < ch; c++) {
                const uint8_t *p = src + y * (size_t)n * row + x * (size_t)m * ch + c;
                int64_t sum = 0;
                for (int j = 0; j < n; j++, p += row)
                    for (size_t i = 0; i < (size_t)m; i++) sum += p[i * ch];
                *dst++ = m == 2 && n == 2 ? (uint8_t)((sum + 2) >> 2)
                                          : zis_resize_u8((float)sum * scale);
            }
}

static void whole_f32(const zis_resize_job *job, int m, int n)
{
    const float *src = job->src;
    float *dst = job->dst;
    size_t row = (size_t)job->x.from;
    float scale = 1.0f / (float)((int64_t)m * n);
    for (size_t y = 0; y < (size_t)job->y.to; y++)
        for (size_t x = 0; x < (size_t)job->x.to; x++) {
            const float *p = src + y * (size_t)n * row + x * (size_t)m;
            float sum = 0;
            if (m == 2 && n == 2)
                sum = (p[0] + p[1]) + (p[row] + p[row + 1]);
            else
                for (int j = 0; j < n; j++, p += row)
                    for (int i = 0; i < m; i++) sum += p[i];
            *dst++ = sum * scale;
        }
}

zis_status zis_resize_area_whole(const zis_resize_job *job, int m, int n, zis_error *err)
{
    (void)err; /* needs no memory */
    if (job->is_float)
        whole_f32(job, m, n);
    else
        whole_u8(job, m, n);
    return ZIS_OK;
}

/* Source s counts `weight` in destination d; entries lie in the order of OpenCV's sums. */
typedef struct entry {
    int d, s;
    float weight;
} entry;

/* A cell covers at most its whole pixels and two parts, so `to` cells over `from` pixels have at
 * most from + 2 * to entries. */
static entry *make_table(const zis_resize_axis *a, size_t *count)
{
    entry *table = zis_mem_alloc((size_t)a->from + 2 * (size_t)a->to, sizeof *table);
    if (!table) return NULL;
    size_t n = 0;
    for (int d = 0; d < a->to; d++) {
        double f1 = d * a->scale, f2 = f1 + a->scale;
        double cell = fmin(a->scale, a->from - f1);
        int s1 = (int)ceil(f1), s2 = (int)floor(f2);
        if (s2 > a->from - 1) s2 = a->from - 1;
        if (s1 > s2) s1 = s2;
        if (s1 - f1 > 1e-3) table[n++] = (entry){d, s1 - 1, (float)((s1 - f1) / cell)};
        for (int s = s1; s < s2; s++) table[n++] = (entry){d, s, (float)(1.0 / cell)};
        if (f2 - s2 > 1e-3)
            table[n++] = (entry){d, s2, (float)(fmin(fmin(f2 - s2, 1.0), cell) / cell)};
    }
    *count = n;
    return table;
}

/* buf = one source row, shrunk across. */
static void shrink_row(float *buf, const zis_resize_job *job, const entry *table, size_t n, int row)
{
    size_t ch = (size_t)job->channels, at = (size_t)row * (size_t)job->x.from * ch;
    for (size_t i = 0; i < (size_t)job->x.to * ch; i++) buf[i] = 0;
    if (job->is_float) {
        const float *p = (const float *)job->src + at;
        for (size_t k = 0; k < n; k++) buf[table[k].d] += p[table[k].s] * table[k].weight;
        return;
    }
    const uint8_t *p = (const uint8_t *)job->src + at;
    for (size_t k = 0; k < n; k++) {
        const uint8_t *s = p + (size_t)table[k].s * ch;
        float *d = buf + (size_t)table[k].d * ch;
        for (size_t c = 0; c < ch; c++) d[c] += (float)s[c] * table[k].weight;
    }
}

static void store_row(const zis_resize_job *job, int row, const float *acc)
{
    size_t n = (size_t)job->x.to * (size_t)job->channels;
    if (job->is_float) {
        float *d = (float *)job->dst + (size_t)row * n;
        for (size_t i = 0; i < n; i++) d[i] = acc[i];
    } else {
        uint8_t *d = (uint8_t *)job->dst + (size_t)row * n;
        for (size_t i = 0; i < n; i++) d[i] = zis_resize_u8(acc[i]);
    }
}

zis_status zis_resize_area_general(const zis_resize_job *job, zis_error *err)
{
    size_t nx = 0, ny = 0, width = (size_t)job->x.to * (size_t)job->channels;
    entry *tx = make_table(&job->x, &nx), *ty = make_table(&job->y, &ny);
    float *buf = zis_mem_alloc(width, sizeof *buf), *acc = zis_mem_zalloc(width, sizeof *acc);
    zis_status st = ZIS_OK;
    if (!tx || !ty || !buf || !acc) {
        st = zis_fail_nomem(err, "shrinking a picture");
        goto out;
    }
    for (size_t k = 0; k < ny; k++) {
        shrink_row(buf, job, tx, nx, ty[k].s);
        if (k == 0 || ty[k].d != ty[k - 1].d)
            for (size_t i = 0; i < width; i++) acc[i] = ty[k].weight * buf[i];
        else
            for (size_t i = 0; i < width; i++) acc[i] += ty[k].weight * buf[i];
        if (k + 1 == ny || ty[k + 1].d != ty[k].d) store_row(job, ty[k].d, acc);
    }
out:
    free(tx);
    free(ty);
    free(buf);
    free(acc);
    return st;
}
