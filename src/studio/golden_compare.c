/* golden_compare.c - distances between what was computed and what the reference computed. */
#include "base/mem.h"
#include "studio/golden_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where the file states no bound for bfloat16 (product.md 9). */
#define BF16_REL_L2 2e-2
/* Intermediate values stored as float16 carry its rounding. */
#define F16_REL_L2 1e-3
#define F32_REL_L2 1e-4

/* Element i of an expected tensor. */
static double expected_at(const zis_tensor *t, size_t i)
{
    size_t size = (size_t)zis_dtype_get(t->dtype)->bytes;
    const unsigned char *p = (const unsigned char *)t->data + i * size;
    float f = 0;
    double d = 0;
    int64_t l = 0;
    int32_t n = 0;
    switch (t->dtype) {
    case ZIS_DTYPE_F64:
        memcpy(&d, p, 8);
        return d;
    case ZIS_DTYPE_I64:
        memcpy(&l, p, 8);
        return (double)l;
    case ZIS_DTYPE_I32:
        memcpy(&n, p, 4);
        return (double)n;
    case ZIS_DTYPE_U8:
        return (double)*p;
    default:
        return zis_dtype_to_f32(&f, p, t->dtype, 1) ? (double)NAN : (double)f;
    }
}

typedef struct distance {
    double rel_l2, max_abs, differs;
} distance;

/* NaN on either side makes rel_l2 and max_abs NaN, which passes no bound. */
static distance measure(const float *got, const zis_tensor *expected, size_t n)
{
    double error = 0, norm = 0;
    distance d = {0};
    for (size_t i = 0; i < n; i++) {
        double e = expected_at(expected, i), diff = (double)got[i] - e;
        error += diff * diff;
        norm += e * e;
        if (!(fabs(diff) <= d.max_abs)) d.max_abs = isnan(d.max_abs) ? d.max_abs : fabs(diff);
        if (diff != 0) d.differs++; /* NaN is not 0 either */
    }
    d.rel_l2 = norm > 0 ? sqrt(error / norm) : error > 0 ? INFINITY : error;
    return d;
}

static zis_golden_entry *add_entry(zis_golden *g, const char *output)
{
    if (g->count == g->room) {
        size_t room = g->room ? 2 * g->room : 64;
        zis_golden_entry *grown = zis_mem_resize(g->entries, room, sizeof *grown);
        if (!grown) {
            g->nomem = true;
            return NULL;
        }
        g->entries = grown;
        g->room = room;
    }
    zis_golden_entry *e = &g->entries[g->count++];
    *e = (zis_golden_entry){.result = ZIS_GOLDEN_FAIL};
    snprintf(e->output, sizeof e->output, "%s", output);
    return e;
}

static void judge(
    zis_golden *g, const char *output, const char *metric, double value, double bound, bool mid)
{
    zis_golden_entry *e = add_entry(g, output);
    if (!e) return;
    e->metric = metric;
    e->value = value;
    e->bound = bound * (g->o->tolerance_scale > 0 ? g->o->tolerance_scale : 1);
    e->result = value <= e->bound ? ZIS_GOLDEN_OK : ZIS_GOLDEN_FAIL;
    e->mid = mid;
}

static void broken(zis_golden *g, const char *output, const char *note, bool mid)
{
    zis_golden_entry *e = add_entry(g, output);
    if (!e) return;
    e->mid = mid;
    snprintf(e->note, sizeof e->note, "%s", note);
}

/* A number of a JSON document, at A + B + C; `fallback` if there is none. */
static double number(
    const zis_json_doc *doc, const char *a, const char *b, const char *c, double fallback)
{
    double v = fallback;
    char path[200];
    snprintf(path, sizeof path, "%s%s%s", a, b, c);
    if (!doc || zis_json_doc_double(doc, path, 0, 1e30, &v, NULL)) return fallback;
    return v;
}

/* A bound for out.NAME, which the golden's tolerance calls NAME or out.NAME; -1 if it has none. */
static double bound_of(const zis_golden *g, const char *name, const char *metric)
{
    double v = number(g->tolerance, name, ".", metric, -1);
    char full[120];
    if (v >= 0) return v;
    snprintf(full, sizeof full, "out.%s", name);
    return number(g->tolerance, full, ".", metric, -1);
}

/* What a product in bfloat16 may lose: the error of PyTorch's own, where it was measured. */
static double bf16_bound(const zis_golden *g, const char *name)
{
    double common = number(g->doc, "ref_bf16_rel_l2", "", "", BF16_REL_L2);
    return number(g->doc, "ref_bf16_", name, "_rel_l2", common);
}

static const zis_tensor *find(const zis_golden *g,
                              const char *kind,
                              const char *name,
                              const char *more)
{
    char key[200];
    snprintf(key, sizeof key, "%s.%s%s", kind, name, more);
    const zis_safetensors_entry *e = zis_safetensors_find(g->file, key);
    return e ? &e->tensor : NULL;
}

void zis_golden_compare(zis_golden *g, const char *name, const float *got, size_t n)
{
    zis_golden_compare_like(g, name, name, got, n);
}

void zis_golden_compare_like(
    zis_golden *g, const char *name, const char *like, const float *got, size_t n)
{
    const zis_tensor *expected = find(g, "out", name, "");
    if (!expected || (size_t)zis_tensor_count(expected) != n) {
        char note[120];
        snprintf(note, sizeof note, "%zu values were computed, the golden has %zu", n,
                 expected ? (size_t)zis_tensor_count(expected) : 0);
        broken(g, name, note, false);
        return;
    }
    distance d = measure(got, expected, n);
    double rel_l2 = bound_of(g, like, "rel_l2");
    double max_abs = bound_of(g, like, "max_abs");
    bool bf16 = g->row->products && g->run->math == ZIS_DTYPE_BF16;
    if (bf16) {
        judge(g, name, "rel_l2", d.rel_l2, bf16_bound(g, like), false);
        return;
    }
    if (rel_l2 >= 0) judge(g, name, "rel_l2", d.rel_l2, rel_l2, false);
    if (max_abs >= 0) judge(g, name, "max_abs", d.max_abs, max_abs, false);
    if (rel_l2 < 0 && max_abs < 0) judge(g, name, "differs", d.differs, 0, false);
}

void zis_golden_compare_count(zis_golden *g, const char *name, double differing)
{
    judge(g, name, "differs", differing, 0, false);
}

static void compare_mid(
    zis_golden *g, const char *name, const char *more, const float *got, size_t n)
{
    const zis_tensor *expected = find(g, "mid", name, more);
    if (!expected) return;
    char output[120];
    snprintf(output, sizeof output, "mid.%s%s", name, more);
    if ((size_t)zis_tensor_count(expected) != n) {
        broken(g, output, "the golden has another number of values", true);
        return;
    }
    double bound = expected->dtype == ZIS_DTYPE_F16 ? F16_REL_L2 : F32_REL_L2;
    if (g->row->products && g->run->math == ZIS_DTYPE_BF16) bound = bf16_bound(g, name);
    judge(g, output, "rel_l2", measure(got, expected, n).rel_l2, bound, true);
}

void zis_golden_compare_mid(zis_golden *g, const char *name, const float *got, size_t n)
{
    compare_mid(g, name, "", got, n);
}

/* Root mean square of each row. */
static void compare_rms(
    zis_golden *g, const char *name, const float *got, int64_t rows, int64_t cols)
{
    float *rms = zis_mem_alloc((size_t)rows, sizeof *rms);
    if (!rms) {
        g->nomem = true;
        return;
    }
    for (int64_t i = 0; i < rows; i++) {
        double sum = 0;
        for (int64_t c = 0; c < cols; c++)
            sum += (double)got[i * cols + c] * (double)got[i * cols + c];
        rms[i] = (float)sqrt(sum / (double)cols);
    }
    compare_mid(g, name, ".rms", rms, (size_t)rows);
    free(rms);
}

void zis_golden_watch(void *golden, zis_run *run, const char *name, const zis_tensor *t)
{
    zis_golden *g = golden;
    bool whole = find(g, "mid", name, "") != NULL, rms = find(g, "mid", name, ".rms") != NULL;
    if (!whole && !rms) return;
    size_t n = (size_t)zis_tensor_count(t);
    float *got = zis_mem_alloc(n, sizeof *got);
    if (!got) {
        g->nomem = true;
        return;
    }
    zis_run_download(run, got, t);
    if (!zis_run_stopped(run)) {
        if (whole) compare_mid(g, name, "", got, n);
        if (rms) compare_rms(g, name, got, zis_tensor_rows(t), zis_tensor_cols(t));
    }
    free(got);
}
