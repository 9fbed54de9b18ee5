/* golden_base.c - goldens of random numbers, schedules and the tokenizer. */
#include "base/mem.h"
#include "base/rng.h"
#include "pipeline/schedule.h"
#include "studio/golden_impl.h"
#include "text/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- cases of a config: {"cases": [{..., "output": "noise.16.0"}, ...]} ---- */

static zis_status case_int(const zis_golden *g,
                           int i,
                           const char *key,
                           int64_t lo,
                           int64_t hi,
                           int64_t *out,
                           zis_error *err)
{
    char path[64];
    snprintf(path, sizeof path, "cases.%d.%s", i, key);
    *out = lo - 1;
    zis_status st = zis_json_doc_int(g->doc, path, lo, hi, out, err);
    if (!st && *out < lo) st = zis_fail(err, ZIS_FORMAT, "the golden's config lacks '%s'", path);
    return st;
}

static zis_status case_real(
    const zis_golden *g, int i, const char *key, double lo, double hi, double *out, zis_error *err)
{
    char path[64];
    snprintf(path, sizeof path, "cases.%d.%s", i, key);
    return zis_json_doc_double(g->doc, path, lo, hi, out, err);
}

/* The text of a case, or NULL. */
static const char *case_text(const zis_golden *g, int i, const char *key)
{
    char path[64];
    snprintf(path, sizeof path, "cases.%d.%s", i, key);
    return zis_json_doc_string(g->doc, path);
}

static zis_status case_count(const zis_golden *g, int *out, zis_error *err)
{
    int64_t n = 0;
    zis_status st = zis_json_doc_int(g->doc, "cases.#", 1, 100000, &n, err);
    if (!st && n == 0) st = zis_fail(err, ZIS_FORMAT, "the golden's config lists no cases");
    *out = (int)n;
    return st;
}

/* ---- randn ---- */

zis_status zis_golden_run_randn(zis_golden *g, zis_error *err)
{
    int cases;
    zis_status st = case_count(g, &cases, err);
    for (int i = 0; i < cases && !st; i++) {
        int64_t n;
        const char *output = case_text(g, i, "output"), *seed = case_text(g, i, "seed");
        st = case_int(g, i, "n", 1, 1 << 28, &n, err);
        if (st) break;
        if (!output || !seed) return zis_fail(err, ZIS_FORMAT, "case %d is incomplete", i);
        float *v = zis_mem_alloc((size_t)n, sizeof *v);
        if (!v) return zis_fail_nomem(err, "the noise");
        zis_rng rng;
        zis_rng_init(&rng, strtoull(seed, NULL, 10));
        zis_rng_normal_f32(&rng, v, (size_t)n);
        zis_golden_compare(g, output, v, (size_t)n);
        free(v);
    }
    return st;
}

/* ---- schedule ---- */

zis_status zis_golden_run_schedule(zis_golden *g, zis_error *err)
{
    int cases;
    zis_status st = case_count(g, &cases, err);
    for (int i = 0; i < cases && !st; i++) {
        int64_t steps;
        double strength = 1, shift = 3;
        const char *output = case_text(g, i, "output");
        st = case_int(g, i, "steps", 1, 1 << 20, &steps, err);
        if (!st) st = case_real(g, i, "strength", 0, 1, &strength, err);
        if (!st) st = case_real(g, i, "shift", 1e-6, 1e6, &shift, err);
        if (st) break;
        if (!output) return zis_fail(err, ZIS_FORMAT, "case %d is incomplete", i);
        float *v = zis_mem_alloc((size_t)steps, sizeof *v);
        if (!v) return zis_fail_nomem(err, "the schedule");
        zis_schedule_sigmas(v, (int)steps, strength, shift);
        zis_golden_compare(g, output, v, (size_t)steps);
        free(v);
    }
    return st;
}

/* ---- tokenizer ---- */

/* config's texts (which may hold NULs) and ids, in parallel. */
typedef struct text {
    char *data;
    size_t len;
    int32_t *ids;
    size_t n_ids;
} text;

typedef struct texts {
    text *at;
    size_t count;
} texts;

static void texts_free(texts *t)
{
    for (size_t i = 0; i < t->count; i++) {
        free(t->at[i].data);
        free(t->at[i].ids);
    }
    free(t->at);
}

/* Entry i, made if it is not there yet. */
static text *text_at(texts *t, size_t i)
{
    if (i < t->count) return &t->at[i];
    text *grown = zis_mem_resize(t->at, t->count + 1, sizeof *grown);
    if (!grown) return NULL;
    t->at = grown;
    t->at[t->count] = (text){0};
    return &t->at[t->count++];
}

static zis_status read_ids(zis_json *j, text *t, zis_error *err)
{
    zis_json_token k;
    for (;;) {
        int64_t id;
        zis_status st = zis_json_next(j, &k, err);
        if (st || k.type == ZIS_JSON_ARRAY_END) return st;
        if (k.type != ZIS_JSON_NUMBER) return zis_json_fail(j, &k, err, "an id was expected");
        st = zis_json_int(j, &k, &id, err);
        if (st) return st;
        int32_t *grown = zis_mem_resize(t->ids, t->n_ids + 1, sizeof *grown);
        if (!grown) return zis_fail_nomem(err, "the golden's ids");
        t->ids = grown;
        t->ids[t->n_ids++] = (int32_t)id;
    }
}

/* The list behind the key "texts" or "ids". */
static zis_status read_list(zis_json *j, texts *all, bool ids, zis_error *err)
{
    zis_json_token k;
    zis_status st = zis_json_next(j, &k, err);
    if (st) return st;
    if (k.type != ZIS_JSON_ARRAY_BEGIN) return zis_json_fail(j, &k, err, "a list was expected");
    for (size_t i = 0;; i++) {
        st = zis_json_next(j, &k, err);
        if (st || k.type == ZIS_JSON_ARRAY_END) return st;
        if (k.type != (ids ? ZIS_JSON_ARRAY_BEGIN : ZIS_JSON_STRING))
            return zis_json_fail(j, &k, err, "texts and lists of ids were expected");
        text *t = text_at(all, i);
        if (!t) return zis_fail_nomem(err, "the golden's texts");
        if (ids) {
            st = read_ids(j, t, err);
            if (st) return st;
        } else if (!t->data) {
            t->data = zis_mem_strndup(k.text, k.len);
            t->len = k.len;
            if (!t->data) return zis_fail_nomem(err, "the golden's texts");
        }
    }
}

static zis_status read_texts(texts *all, const char *config, zis_error *err)
{
    zis_json j;
    zis_json_token k;
    zis_json_init(&j, "the golden's config", config, strlen(config));
    zis_status st = zis_json_next(&j, &k, err);
    if (!st && k.type != ZIS_JSON_OBJECT_BEGIN)
        st = zis_json_fail(&j, &k, err, "an object was expected");
    while (!st) {
        st = zis_json_next(&j, &k, err);
        if (st || k.type == ZIS_JSON_OBJECT_END) break;
        if (zis_json_is(&k, "texts"))
            st = read_list(&j, all, false, err);
        else if (zis_json_is(&k, "ids"))
            st = read_list(&j, all, true, err);
        else
            st = zis_json_skip(&j, &k, err);
    }
    zis_json_deinit(&j);
    return st;
}

/* Ids that differ, with those that one side has more. */
static size_t differing(const int32_t *a, size_t n, const text *t)
{
    size_t both = n < t->n_ids ? n : t->n_ids, d = n + t->n_ids - 2 * both;
    for (size_t i = 0; i < both; i++) d += a[i] != t->ids[i];
    return d;
}

static zis_status compare_texts(zis_golden *g,
                                const zis_tokenizer *tok,
                                const texts *all,
                                zis_error *err)
{
    size_t differs = 0;
    float *counts = zis_mem_alloc(all->count, sizeof *counts);
    if (!counts) return zis_fail_nomem(err, "the golden's counts");
    zis_status st = ZIS_OK;
    for (size_t i = 0; i < all->count && !st; i++) {
        const text *t = &all->at[i];
        int32_t *ids = NULL;
        size_t n = 0;
        if (!t->data)
            st = zis_fail(err, ZIS_FORMAT, "the golden's config has more ids than texts");
        else
            st = zis_tokenizer_encode(tok, t->data, t->len, &ids, &n, err);
        counts[i] = (float)n;
        if (!st) differs += differing(ids, n, t);
        free(ids);
    }
    if (!st) {
        zis_golden_compare_count(g, "ids", (double)differs);
        zis_golden_compare(g, "count", counts, all->count);
    }
    free(counts);
    return st;
}

zis_status zis_golden_run_tokenizer(zis_golden *g, zis_error *err)
{
    const char *weights = zis_safetensors_meta(g->file, "weights");
    zis_tokenizer *tok = NULL;
    texts all = {0};
    char *folder = NULL;
    if (!weights) return zis_fail(err, ZIS_FORMAT, "the golden's metadata name no tokenizer");
    zis_status st = zis_golden_resolve(g, weights, &folder, err);
    if (!st) st = zis_tokenizer_open(&tok, folder, err);
    if (!st) st = read_texts(&all, g->config, err);
    if (!st && all.count == 0) st = zis_fail(err, ZIS_FORMAT, "the golden's config has no texts");
    if (!st) st = compare_texts(g, tok, &all, err);
    texts_free(&all);
    zis_tokenizer_close(&tok);
    free(folder);
    return st;
}
