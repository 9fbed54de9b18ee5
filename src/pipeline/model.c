/* Opened parts, shared by path and counted, and the models made of them. */
#include "pipeline/model.h"

#include "base/mem.h"
#include "base/os.h"
#include "pipeline/model_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef union handle {
    zis_tokenizer *tokenizer;
    zis_qwen3 *text_encoder;
    zis_zimage *transformer;
    zis_vae *vae;
} handle;

typedef struct part {
    zis_model_part kind;
    char *path; /* without links, so that two ways to one folder meet */
    handle h;
    int users;
} part;

struct zis_model_store {
    part *parts;
    size_t count, room;
};

/* ---- parts --------------------------------------------------------------------------------- */

static zis_status open_handle(zis_model_part kind, handle *out, const char *path, zis_error *err)
{
    switch (kind) {
    case ZIS_PART_TRANSFORMER:
        return zis_zimage_open(&out->transformer, path, err);
    case ZIS_PART_TEXT_ENCODER:
        return zis_qwen3_open(&out->text_encoder, path, err);
    case ZIS_PART_VAE:
        return zis_vae_open(&out->vae, path, ZIS_VAE_WHAT_IS_THERE, err);
    default:
        return zis_tokenizer_open(&out->tokenizer, path, err);
    }
}

static void close_handle(zis_model_part kind, handle *h)
{
    switch (kind) {
    case ZIS_PART_TRANSFORMER:
        zis_zimage_close(&h->transformer);
        break;
    case ZIS_PART_TEXT_ENCODER:
        zis_qwen3_close(&h->text_encoder);
        break;
    case ZIS_PART_VAE:
        zis_vae_close(&h->vae);
        break;
    default:
        zis_tokenizer_close(&h->tokenizer);
        break;
    }
}

zis_status zis_model_store_create(zis_model_store **out, zis_error *err)
{
    zis_model_store *s = zis_mem_zalloc(1, sizeof *s);
    if (!s) return zis_fail_nomem(err, "the list of models");
    *out = s;
    return ZIS_OK;
}

void zis_model_store_destroy(zis_model_store **store)
{
    if (!store || !*store) return;
    for (size_t i = 0; i < (*store)->count; i++) {
        close_handle((*store)->parts[i].kind, &(*store)->parts[i].h);
        free((*store)->parts[i].path);
    }
    free((*store)->parts);
    free(*store);
    *store = NULL;
}

static part *find_open(const zis_model_store *s, zis_model_part kind, const char *path)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->parts[i].kind == kind && strcmp(s->parts[i].path, path) == 0) return &s->parts[i];
    return NULL;
}

/* The part that lies at `path`, opened if it is not yet; counts one user more. */
static zis_status use_part(
    zis_model_store *s, zis_model_part kind, const char *path, handle *out, zis_error *err)
{
    errno = 0;
    char *real = zis_os_real_path(path);
    if (!real && errno == ENOMEM) return zis_fail_nomem(err, path);
    if (!real) return zis_fail(err, ZIS_NOT_FOUND, "'%s' is not there (any more)", path);
    zis_status st = ZIS_OK;
    part *p = find_open(s, kind, real);
    if (!p && s->count == s->room) {
        size_t room = s->room ? s->room * 2 : 8;
        part *parts = zis_mem_resize(s->parts, room, sizeof *parts);
        if (parts) {
            s->parts = parts;
            s->room = room;
        } else {
            st = zis_fail_nomem(err, "the list of models");
        }
    }
    if (!p && !st) {
        part fresh = {.kind = kind, .path = real};
        st = open_handle(kind, &fresh.h, path, err);
        if (!st) {
            p = &s->parts[s->count++];
            *p = fresh;
            real = NULL;
        }
    }
    free(real);
    if (st) return st;
    p->users++;
    *out = p->h;
    return ZIS_OK;
}

/* One user less; the last one closes it. */
static void leave_part(zis_model_store *s, zis_model_part kind, const void *h)
{
    for (size_t i = 0; i < s->count; i++) {
        part *p = &s->parts[i];
        const void *here = kind == ZIS_PART_TRANSFORMER    ? (const void *)p->h.transformer
                           : kind == ZIS_PART_TEXT_ENCODER ? (const void *)p->h.text_encoder
                           : kind == ZIS_PART_VAE          ? (const void *)p->h.vae
                                                           : (const void *)p->h.tokenizer;
        if (p->kind != kind || here != h) continue;
        if (--p->users == 0) {
            close_handle(kind, &p->h);
            free(p->path);
            *p = s->parts[--s->count];
        }
        return;
    }
}

/* ---- models -------------------------------------------------------------------------------- */

/* Parts that lie apart may belong to different families. */
static zis_status check_fit(const zis_model *m, const zis_model_set *set, zis_error *err)
{
    const zis_zimage_config *dit = zis_zimage_get_config(m->transformer);
    const zis_qwen3_config *text = zis_qwen3_get_config(m->text_encoder);
    const zis_vae_config *vae = zis_vae_get_config(m->vae);
    if (text->hidden != dit->cap_dim)
        return zis_fail(err, ZIS_FORMAT,
                        "the text encoder '%s' gives %lld features, but the transformer '%s' reads "
                        "%lld: they belong to different models",
                        set->path[ZIS_PART_TEXT_ENCODER], (long long)text->hidden,
                        set->path[ZIS_PART_TRANSFORMER], (long long)dit->cap_dim);
    if (vae->latent_channels != dit->in_channels)
        return zis_fail(err, ZIS_FORMAT,
                        "the VAE '%s' has %lld latent channels, but the transformer '%s' has %lld: "
                        "they belong to different models",
                        set->path[ZIS_PART_VAE], (long long)vae->latent_channels,
                        set->path[ZIS_PART_TRANSFORMER], (long long)dit->in_channels);
    if (zis_tokenizer_vocab(m->tokenizer) > text->vocab)
        return zis_fail(err, ZIS_FORMAT,
                        "the tokenizer '%s' knows %d tokens, but the text encoder '%s' only %lld: "
                        "they belong to different models",
                        set->path[ZIS_PART_TOKENIZER], zis_tokenizer_vocab(m->tokenizer),
                        set->path[ZIS_PART_TEXT_ENCODER], (long long)text->vocab);
    return ZIS_OK;
}

static zis_status open_parts(zis_model *m, const zis_model_set *set, zis_error *err)
{
    handle h;
    zis_status st =
        use_part(m->store, ZIS_PART_TRANSFORMER, set->path[ZIS_PART_TRANSFORMER], &h, err);
    if (st) return st;
    m->transformer = h.transformer;
    st = use_part(m->store, ZIS_PART_TEXT_ENCODER, set->path[ZIS_PART_TEXT_ENCODER], &h, err);
    if (st) return st;
    m->text_encoder = h.text_encoder;
    st = use_part(m->store, ZIS_PART_VAE, set->path[ZIS_PART_VAE], &h, err);
    if (st) return st;
    m->vae = h.vae;
    st = use_part(m->store, ZIS_PART_TOKENIZER, set->path[ZIS_PART_TOKENIZER], &h, err);
    if (st) return st;
    m->tokenizer = h.tokenizer;
    return check_fit(m, set, err);
}

/* Files of a cached model that are missing can be fetched: says so. */
static zis_status add_hint(zis_status st, const zis_model_set *set, zis_error *err)
{
    if (st != ZIS_NOT_FOUND || !set->hub_id || !err) return st;
    zis_error first = *err;
    return zis_fail(err, st, "%s; `zis fetch %s` gets what lacks", first.text,
                    zis_model_fetch_name(set->hub_id));
}

zis_status zis_model_open(zis_model **out,
                          zis_model_set *set,
                          zis_model_store *store,
                          zis_error *err)
{
    zis_status st = ZIS_OK;
    zis_model *m = zis_mem_zalloc(1, sizeof *m);
    if (!m) return zis_fail_nomem(err, "the model");
    m->store = store;
    if (!store) {
        st = zis_model_store_create(&m->store, err);
        m->own_store = true;
    }
    if (!st) st = open_parts(m, set, err);
    if (st) {
        st = add_hint(st, set, err);
        zis_model_close(&m);
        return st;
    }
    m->set = *set;
    *set = (zis_model_set){0};
    *out = m;
    return ZIS_OK;
}

void zis_model_close(zis_model **model)
{
    if (!model || !*model) return;
    zis_model *m = *model;
    if (m->transformer) leave_part(m->store, ZIS_PART_TRANSFORMER, m->transformer);
    if (m->text_encoder) leave_part(m->store, ZIS_PART_TEXT_ENCODER, m->text_encoder);
    if (m->vae) leave_part(m->store, ZIS_PART_VAE, m->vae);
    if (m->tokenizer) leave_part(m->store, ZIS_PART_TOKENIZER, m->tokenizer);
    if (m->own_store) zis_model_store_destroy(&m->store);
    zis_model_set_deinit(&m->set);
    free(m);
    *model = NULL;
}

uint64_t zis_model_bytes(const zis_model *m)
{
    return zis_zimage_bytes(m->transformer) + zis_qwen3_bytes(m->text_encoder) +
           zis_vae_bytes(m->vae);
}
