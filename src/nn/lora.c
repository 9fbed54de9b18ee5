/* lora.c - opening a file: every key finds its module, or is left over. */
#include "nn/lora.h"

#include "base/utf8.h"
#include "nn/lora_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MOST 200
#define PREFIXES_MOST 4

/* Matching under way. */
typedef struct match {
    zis_lora *lora;
    const zis_lora_targets *t;
    zis_lora_modules m;
    const zis_lora_name **names; /* of each module; NULL: the model has no such module */
    unsigned char *claimed;      /* of each target: files in dot format name it itself */
    zis_lora_peft *peft;
} match;

/* What the model calls the module, prefixes taken off one by one. */
static const zis_lora_name *resolve(const zis_lora_targets *t, const zis_lora_module *m)
{
    char name[NAME_MOST];
    size_t at;
    if (m->len >= sizeof name) return NULL;
    memcpy(name, m->name, m->len);
    name[m->len] = '\0';
    const char *s = name;
    for (int i = 0; i < PREFIXES_MOST; i++) {
        bool underscores;
        if (zis_strmap_get(&t->dotted, s, strlen(s), &at)) return &t->names[at];
        const char *rest = zis_lora_skip_prefix(s, &underscores);
        if (rest == s) return NULL;
        s = rest;
        if (underscores)
            return zis_strmap_get(&t->underscored, s, strlen(s), &at) ? &t->names[at] : NULL;
    }
    return NULL;
}

static void leave(match *x, const zis_weights_entry **e)
{
    if (!*e) return;
    x->m.left[x->m.n_left++] = (*e)->name;
    *e = NULL;
}

static void leave_all(match *x, zis_lora_module *m)
{
    for (int i = 0; i < ZIS_LORA_ROLES; i++) leave(x, &m->part[i]);
}

/* Parts that cannot be used: magnitudes, a difference of a bias that is not there, a lone alpha. */
static void leave_unusable(match *x, zis_lora_module *m, const zis_lora_name *name)
{
    const zis_lora_target *t = &x->t->list[name->target[0]];
    x->lora->report.dora = x->lora->report.dora || m->part[ZIS_LORA_DORA];
    leave(x, &m->part[ZIS_LORA_DORA]);
    if (!t->w || !t->vector || name->targets > 1) leave(x, &m->part[ZIS_LORA_DIFF_B]);
    if (!zis_lora_kind_of(m) && !m->part[ZIS_LORA_TUCKER]) leave(x, &m->part[ZIS_LORA_ALPHA]);
}

/* In dot format: a fused name whose targets are all there under their own. */
static bool repeats(const match *x, size_t i)
{
    const zis_lora_name *n = x->names[i];
    if (!x->m.list[i].dots || !n->second) return false;
    for (int k = 0; k < n->targets; k++)
        if (!x->claimed[n->target[k]]) return false;
    return true;
}

static void resolve_all(match *x)
{
    for (size_t i = 0; i < x->m.n; i++) {
        const zis_lora_name *n = resolve(x->t, &x->m.list[i]);
        x->names[i] = n;
        if (n && !n->second && x->m.list[i].dots) x->claimed[n->target[0]] = 1;
    }
}

static zis_status build_all(match *x, zis_error *err)
{
    zis_lora_report *r = &x->lora->report;
    for (size_t i = 0; i < x->m.n; i++) {
        zis_lora_module *m = &x->m.list[i];
        const zis_lora_name *n = x->names[i];
        if (!n) {
            r->modules += zis_lora_kind_of(m) != NULL;
            leave_all(x, m);
            continue;
        }
        if (repeats(x, i)) continue;
        leave_unusable(x, m, n);
        zis_status st = zis_lora_build(x->lora, x->t, n, m, x->peft, err);
        if (st) return st;
        if (!zis_lora_kind_of(m)) continue;
        zis_lora_note(r, m);
        r->matched += (size_t)n->targets;
        r->modules += (size_t)n->targets;
    }
    return ZIS_OK;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of the first keys left over, in order. */
static void name_left(match *x)
{
    zis_lora_report *r = &x->lora->report;
    size_t at = 0;
    r->left_over = x->m.n_left;
    if (x->m.n_left) qsort(x->m.left, x->m.n_left, sizeof *x->m.left, by_text);
    for (size_t i = 0; i < x->m.n_left && i < 3; i++) {
        const char *key = x->m.left[i];
        int n = zis_utf8_cut(key, strlen(key), 90);
        if (at + (size_t)n + 3 > sizeof r->first_left) break;
        at += (size_t)snprintf(r->first_left + at, sizeof r->first_left - at, "%s%.*s",
                               i ? ", " : "", n, key);
    }
}

static zis_status match_file(zis_lora *lora, const zis_lora_targets *t, zis_error *err)
{
    match x = {.lora = lora, .t = t};
    lora->report.keys = zis_weights_count(lora->weights);
    if (!lora->report.keys)
        return zis_fail(err, ZIS_FORMAT, "'%.*s' holds no tensors: it is no LoRA",
                        ZIS_LORA_SHOWN(lora->path));
    zis_status st = zis_lora_modules_read(&x.m, lora->weights, err);
    if (st) return st;
    x.names = zis_mem_alloc(x.m.n, sizeof *x.names);
    x.claimed = zis_mem_zalloc(t->n, 1);
    if (!x.names || !x.claimed) st = zis_fail_nomem(err, lora->path);
    if (!st) st = zis_lora_peft_read(&x.peft, lora->weights, err);
    if (!st) {
        resolve_all(&x);
        st = build_all(&x, err);
    }
    if (!st) name_left(&x);
    if (!st && lora->n == 0)
        st = zis_fail(
            err, ZIS_FORMAT, "'%.*s' has nothing that fits %s; its %zu keys begin with: %s",
            ZIS_LORA_SHOWN(lora->path), t->what, lora->report.keys, lora->report.first_left);
    zis_lora_peft_destroy(&x.peft);
    free(x.names);
    free(x.claimed);
    zis_lora_modules_deinit(&x.m);
    return st;
}

zis_status zis_lora_open(zis_lora **out,
                         const char *path,
                         const zis_lora_targets *t,
                         zis_error *err)
{
    zis_lora *lora = zis_mem_zalloc(1, sizeof *lora);
    if (!lora) return zis_fail_nomem(err, path);
    zis_status st = zis_weights_open(&lora->weights, path, err);
    if (!st) {
        lora->path = zis_weights_path(lora->weights);
        st = match_file(lora, t, err);
    }
    if (st)
        zis_lora_close(&lora);
    else
        *out = lora;
    return st;
}

void zis_lora_close(zis_lora **pointer)
{
    zis_lora *lora = pointer ? *pointer : NULL;
    if (!lora) return;
    for (size_t i = 0; i < lora->n_owned; i++) free(lora->owned[i]);
    free(lora->owned);
    free(lora->changes);
    zis_weights_close(&lora->weights);
    free(lora);
    *pointer = NULL;
}

const zis_lora_report *zis_lora_get_report(const zis_lora *lora)
{
    return &lora->report;
}

char *zis_lora_report_text(const zis_lora_report *r, char *buf, size_t n)
{
    char rank[60] = "full rank";
    if (r->rank_lo && r->rank_lo == r->rank_hi)
        snprintf(rank, sizeof rank, "rank %" PRId64, r->rank_lo);
    else if (r->rank_lo)
        snprintf(rank, sizeof rank, "rank %" PRId64 " to %" PRId64, r->rank_lo, r->rank_hi);
    snprintf(buf, n, "matched %zu of %zu modules, %s, %zu keys left over", r->matched, r->modules,
             rank, r->left_over);
    return buf;
}
