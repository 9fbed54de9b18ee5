/* Lists by the order of use: the last entry was used last. */
#include "studio/loaded.h"

#include "base/mem.h"
#include "base/os.h"
#include "pipeline/control_find.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* A model, by the names it was asked for. */
typedef struct open_model {
    char *key;
    zis_model *model;
} open_model;

/* A ControlNet, by its file and the transformer that it was opened for. */
typedef struct open_control {
    char *path;
    const zis_zimage *main;
    zis_control *control;
} open_control;

struct zis_loaded {
    zis_model_store *store;
    zis_features *features;
    zis_encoded *encoded;
    uint64_t limit; /* 0: not known, nothing is closed */
    open_model *models;
    size_t n_models;
    open_control *controls;
    size_t n_controls;
};

/* ---- life ---------------------------------------------------------------------------------- */

zis_status zis_loaded_create(
    zis_loaded **out, uint64_t limit, zis_features *features, zis_encoded *encoded, zis_error *err)
{
    zis_loaded *l = zis_mem_zalloc(1, sizeof *l);
    if (!l) return zis_fail_nomem(err, "the list of models");
    l->limit = limit ? limit : zis_os_memory() / 10 * 9;
    l->features = features;
    l->encoded = encoded;
    zis_status st = zis_model_store_create(&l->store, err);
    if (st)
        zis_loaded_destroy(&l);
    else
        *out = l;
    return st;
}

static void close_control(zis_loaded *l, size_t i)
{
    free(l->controls[i].path);
    zis_control_close(&l->controls[i].control);
    l->n_controls--;
    memmove(l->controls + i, l->controls + i + 1, (l->n_controls - i) * sizeof *l->controls);
}

static const void *part_at(const zis_model *m, size_t offset)
{
    const void *part;
    memcpy(&part, (const char *)m + offset, sizeof part);
    return part;
}

/* Whether one of the first n models other than i has the same part. */
static bool shared(const zis_loaded *l, size_t i, size_t n, size_t offset)
{
    const void *mine = part_at(l->models[i].model, offset);
    for (size_t k = 0; k < n; k++)
        if (k != i && part_at(l->models[k].model, offset) == mine) return true;
    return false;
}

static void close_model(zis_loaded *l, size_t i)
{
    zis_model *m = l->models[i].model;
    size_t n = l->n_models;
    /* another may get the address of a part that goes */
    if (!shared(l, i, n, offsetof(zis_model, text_encoder)))
        zis_features_forget(l->features, m->text_encoder);
    if (!shared(l, i, n, offsetof(zis_model, vae))) zis_encoded_forget(l->encoded, m->vae);
    if (!shared(l, i, n, offsetof(zis_model, transformer)))
        for (size_t k = l->n_controls; k-- > 0;)
            if (l->controls[k].main == m->transformer) close_control(l, k);
    free(l->models[i].key);
    zis_model_close(&l->models[i].model);
    l->n_models--;
    memmove(l->models + i, l->models + i + 1, (l->n_models - i) * sizeof *l->models);
}

void zis_loaded_destroy(zis_loaded **loaded)
{
    if (!loaded || !*loaded) return;
    zis_loaded *l = *loaded;
    while (l->n_models) close_model(l, l->n_models - 1);
    free(l->models);
    free(l->controls);
    zis_model_store_destroy(&l->store);
    free(l);
    *loaded = NULL;
}

/* ---- what a request names ------------------------------------------------------------------- */

static char *key_of(const zis_request *r)
{
    const char *none = "";
    return zis_mem_printf("%s\n%s\n%s\n%s", r->model, r->text_encoder ? r->text_encoder : none,
                          r->vae ? r->vae : none, r->tokenizer ? r->tokenizer : none);
}

static zis_status add_model(zis_loaded *l, char *key, zis_model *m, zis_error *err)
{
    open_model *list = zis_mem_resize(l->models, l->n_models + 1, sizeof *list);
    if (!list) return zis_fail_nomem(err, "the list of models");
    l->models = list;
    list[l->n_models++] = (open_model){key, m};
    return ZIS_OK;
}

static void use_model(zis_loaded *l, size_t i)
{
    open_model used = l->models[i];
    memmove(l->models + i, l->models + i + 1, (l->n_models - 1 - i) * sizeof *l->models);
    l->models[l->n_models - 1] = used;
}

zis_status zis_loaded_model(zis_loaded *l, const zis_request *r, zis_model **out, zis_error *err)
{
    zis_model_set set = {0};
    zis_model *m = NULL;
    char *key = key_of(r);
    zis_status st = ZIS_OK;
    if (!key) return zis_fail_nomem(err, "the list of models");
    for (size_t i = 0; i < l->n_models && !m; i++) {
        if (strcmp(l->models[i].key, key) != 0) continue;
        m = l->models[i].model;
        use_model(l, i);
    }
    if (m) goto out;
    zis_model_query q = {
        .model = r->model,
        .path = {[ZIS_PART_TEXT_ENCODER] = r->text_encoder,
                 [ZIS_PART_VAE] = r->vae,
                 [ZIS_PART_TOKENIZER] = r->tokenizer},
    };
    st = zis_model_find(&set, &q, err);
    if (!st) st = zis_model_open(&m, &set, l->store, err);
    if (!st) st = add_model(l, key, m, err);
    if (st)
        zis_model_close(&m);
    else
        key = NULL;
out:
    if (!st) *out = m;
    zis_model_set_deinit(&set);
    free(key);
    return st;
}

/* *path moves into the list. */
static zis_status add_control(
    zis_loaded *l, char **path, const zis_zimage *main, const zis_control **out, zis_error *err)
{
    open_control *list = zis_mem_resize(l->controls, l->n_controls + 1, sizeof *list);
    if (!list) return zis_fail_nomem(err, "the list of ControlNets");
    l->controls = list;
    open_control fresh = {.main = main};
    zis_status st = zis_control_open(&fresh.control, main, *path, err);
    if (st) return st;
    fresh.path = *path;
    *path = NULL;
    list[l->n_controls++] = fresh;
    *out = fresh.control;
    return ZIS_OK;
}

zis_status zis_loaded_control(zis_loaded *l,
                              const zis_request *r,
                              const zis_model *model,
                              const zis_control **out,
                              zis_error *err)
{
    char *path = NULL;
    if (!r->control_net && !r->picture[ZIS_PICTURE_CONTROL]) return ZIS_OK;
    zis_status st = zis_control_find(&path, r->control_net, model, err);
    for (size_t i = 0; i < l->n_controls && !st && !*out; i++)
        if (l->controls[i].main == model->transformer && strcmp(l->controls[i].path, path) == 0)
            *out = l->controls[i].control;
    if (!st && !*out) st = add_control(l, &path, model->transformer, out, err);
    free(path);
    return st;
}

/* ---- room ----------------------------------------------------------------------------------- */

size_t zis_loaded_count(const zis_loaded *l)
{
    return l->n_models;
}

const zis_model *zis_loaded_at(const zis_loaded *l, size_t i)
{
    return l->models[i].model;
}

uint64_t zis_loaded_bytes(const zis_loaded *l)
{
    uint64_t all = 0;
    for (size_t i = 0; i < l->n_models; i++) {
        const zis_model *m = l->models[i].model;
        if (!shared(l, i, i, offsetof(zis_model, transformer)))
            all += zis_zimage_bytes(m->transformer);
        if (!shared(l, i, i, offsetof(zis_model, text_encoder)))
            all += zis_qwen3_bytes(m->text_encoder);
        if (!shared(l, i, i, offsetof(zis_model, vae))) all += zis_vae_bytes(m->vae);
    }
    for (size_t i = 0; i < l->n_controls; i++) all += zis_control_bytes(l->controls[i].control);
    return all;
}

static bool too_much(const zis_loaded *l)
{
    return l->limit && zis_loaded_bytes(l) > l->limit;
}

void zis_loaded_make_room(zis_loaded *l, const zis_model *model, const zis_control *control)
{
    for (size_t i = 0; i < l->n_models && too_much(l);)
        if (l->models[i].model == model)
            i++;
        else
            close_model(l, i);
    for (size_t i = 0; i < l->n_controls && too_much(l);)
        if (l->controls[i].control == control)
            i++;
        else
            close_control(l, i);
}
