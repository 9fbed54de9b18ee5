/* lora_modules.c - the keys of a file, sorted by module. */
#include "nn/lora_impl.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

void zis_lora_modules_deinit(zis_lora_modules *m)
{
    free(m->list);
    free(m->left);
    zis_strmap_free(&m->names);
    *m = (zis_lora_modules){0};
}

/* The module that the key belongs to, a new one if need be; NULL without memory. */
static zis_lora_module *module_of(zis_lora_modules *m, const char *key, size_t len)
{
    size_t at;
    zis_status st = zis_strmap_put(&m->names, key, len, m->n, &at);
    if (st == ZIS_NOMEM) return NULL;
    if (st) return &m->list[at];
    m->list[m->n] = (zis_lora_module){.name = key, .len = len};
    return &m->list[m->n++];
}

zis_status zis_lora_modules_read(zis_lora_modules *out, const zis_weights *w, zis_error *err)
{
    size_t n = zis_weights_count(w);
    zis_lora_modules m = {
        .list = zis_mem_alloc(n, sizeof *m.list),
        .left = zis_mem_alloc(n, sizeof *m.left),
    };
    bool nomem = !m.list || !m.left;
    for (size_t i = 0; i < n && !nomem; i++) {
        const zis_weights_entry *e = zis_weights_at(w, i);
        zis_lora_key key;
        if (!zis_lora_key_read(&key, e->name)) {
            m.left[m.n_left++] = e->name;
            continue;
        }
        zis_lora_module *module = module_of(&m, e->name, key.module);
        nomem = !module;
        if (nomem) break;
        /* a second adapter of the same module */
        if (module->part[key.role])
            m.left[m.n_left++] = e->name;
        else
            module->part[key.role] = e;
        module->dots = module->dots || key.dots;
    }
    if (nomem) {
        zis_lora_modules_deinit(&m);
        return zis_fail_nomem(err, zis_weights_path(w));
    }
    *out = m;
    return ZIS_OK;
}

static int64_t rows_of(const zis_weights_entry *e)
{
    return e && e->tensor.ndim == 2 ? e->tensor.dim[0] : 0;
}

int64_t zis_lora_rank_of(const zis_lora_module *m)
{
    static const zis_lora_role inner[] = {ZIS_LORA_DOWN, ZIS_LORA_HADA_W1_B, ZIS_LORA_LOKR_W2_B,
                                          ZIS_LORA_LOKR_W1_B};
    for (size_t i = 0; i < sizeof inner / sizeof *inner; i++)
        if (m->part[inner[i]]) return rows_of(m->part[inner[i]]);
    return 0;
}

const char *zis_lora_kind_of(const zis_lora_module *m)
{
    if (m->part[ZIS_LORA_DOWN] || m->part[ZIS_LORA_UP]) return "LoRA";
    for (int i = ZIS_LORA_HADA_W1_A; i <= ZIS_LORA_HADA_W2_B; i++)
        if (m->part[i]) return "LoHa";
    for (int i = ZIS_LORA_LOKR_W1; i <= ZIS_LORA_LOKR_W2_B; i++)
        if (m->part[i]) return "LoKr";
    if (m->part[ZIS_LORA_DIFF] || m->part[ZIS_LORA_DIFF_B] || m->part[ZIS_LORA_SET])
        return "full difference";
    return NULL;
}

void zis_lora_note(zis_lora_report *r, const zis_lora_module *m)
{
    const char *kind = zis_lora_kind_of(m);
    int64_t rank = zis_lora_rank_of(m);
    if (kind) r->kind = !r->kind || strcmp(r->kind, kind) == 0 ? kind : "mixed";
    if (rank > 0 && (r->rank_lo == 0 || rank < r->rank_lo)) r->rank_lo = rank;
    if (rank > r->rank_hi) r->rank_hi = rank;
}

zis_status zis_lora_survey(zis_lora_report *out, const zis_weights *w, zis_error *err)
{
    zis_lora_modules m = {0};
    zis_status st = zis_lora_modules_read(&m, w, err);
    if (st) return st;
    zis_lora_report r = {.keys = zis_weights_count(w), .left_over = m.n_left};
    for (size_t i = 0; i < m.n; i++) {
        r.modules += zis_lora_kind_of(&m.list[i]) != NULL;
        zis_lora_note(&r, &m.list[i]);
    }
    zis_lora_modules_deinit(&m);
    if (!r.kind)
        return zis_fail(err, ZIS_FORMAT,
                        "'%.*s' is no LoRA: none of its %zu tensors is a part of one",
                        ZIS_LORA_SHOWN(zis_weights_path(w)), r.keys);
    *out = r;
    return ZIS_OK;
}
