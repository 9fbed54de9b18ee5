/* loras.c - the files of a request, matched and attached. */
#include "pipeline/loras.h"

#include <stdlib.h>
#include <string.h>

/* One file. */
typedef struct opened {
    zis_lora *lora;
    char *file, *path;
} opened;

struct zis_loras {
    zis_lora_targets targets;
    zis_lora_attachment *attached;
    opened *list;
    zis_lora **loras;
    double *strengths;
    int n;
};

void zis_loras_detach(zis_loras **pointer)
{
    zis_loras *l = pointer ? *pointer : NULL;
    if (!l) return;
    zis_lora_detach(&l->attached);
    for (int i = 0; i < l->n && l->list; i++) {
        zis_lora_close(&l->list[i].lora);
        free(l->list[i].file);
        free(l->list[i].path);
    }
    free(l->list);
    free(l->loras);
    free(l->strengths);
    zis_lora_targets_deinit(&l->targets);
    free(l);
    *pointer = NULL;
}

static zis_status open_all(zis_loras *l,
                           const zis_request_lora *list,
                           const char *model_folder,
                           zis_error *err)
{
    zis_status st = ZIS_OK;
    for (int i = 0; i < l->n && !st; i++) {
        opened *o = &l->list[i];
        o->file = zis_mem_strdup(list[i].file);
        if (!o->file) return zis_fail_nomem(err, list[i].file);
        const char *place = list[i].path;
        if (!place) {
            st = zis_loras_find(&o->path, o->file, model_folder, false, err);
        } else {
            o->path = zis_mem_strdup(place);
            if (!o->path) st = zis_fail_nomem(err, o->file);
        }
        if (!st) st = zis_lora_open(&o->lora, o->path, &l->targets, err);
        l->loras[i] = o->lora;
        l->strengths[i] = list[i].strength;
    }
    return st;
}

zis_status zis_loras_attach(zis_loras **out,
                            zis_zimage *transformer,
                            const zis_request_lora *list,
                            int n,
                            const char *model_folder,
                            zis_error *err)
{
    zis_loras *l = zis_mem_zalloc(1, sizeof *l);
    if (!l) return zis_fail_nomem(err, "the LoRAs");
    zis_status st = ZIS_OK;
    if (n > 0) {
        l->n = n;
        l->list = zis_mem_zalloc((size_t)n, sizeof *l->list);
        l->loras = zis_mem_zalloc((size_t)n, sizeof(zis_lora *));
        l->strengths = zis_mem_zalloc((size_t)n, sizeof *l->strengths);
        if (!l->list || !l->loras || !l->strengths) st = zis_fail_nomem(err, "the LoRAs");
        if (!st) st = zis_zimage_targets(transformer, &l->targets, err);
        if (!st) st = open_all(l, list, model_folder, err);
        if (!st)
            st = zis_lora_attach(&l->attached, &l->targets, l->loras, l->strengths, (size_t)n, err);
    }
    if (st)
        zis_loras_detach(&l);
    else
        *out = l;
    return st;
}

int zis_loras_count(const zis_loras *l)
{
    return l->n;
}

zis_loras_item zis_loras_at(const zis_loras *l, int i)
{
    return (zis_loras_item){l->list[i].file, l->list[i].path, l->strengths[i],
                            zis_lora_get_report(l->list[i].lora)};
}

char *zis_loras_warning(const zis_loras_item *item)
{
    char text[160];
    const zis_lora_report *r = item->report;
    if (!r->left_over) return NULL;
    return zis_mem_printf("%s: %s, first: %s%s", item->path,
                          zis_lora_report_text(r, text, sizeof text), r->first_left,
                          r->dora ? " (magnitudes of DoRA are not applied)" : "");
}

zis_status zis_loras_check(zis_lora_report *out,
                           const char *path,
                           const zis_model_set *model,
                           zis_error *err)
{
    zis_zimage *m = NULL;
    zis_lora *lora = NULL;
    zis_lora_targets targets = {0};
    zis_status st = zis_zimage_open(&m, model->path[ZIS_PART_TRANSFORMER], err);
    if (!st) st = zis_zimage_targets(m, &targets, err);
    if (!st) st = zis_lora_open(&lora, path, &targets, err);
    if (!st) *out = *zis_lora_get_report(lora);
    zis_lora_close(&lora);
    zis_lora_targets_deinit(&targets);
    zis_zimage_close(&m);
    return st;
}
