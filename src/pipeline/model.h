/* model.h - find a model by any name a person may give, and open its parts.
 *
 * Finding reads small JSON files and looks at folders, no weights: it says where each part lies and
 * what the model's defaults are, or which file is missing and every place that was searched.
 * Opening maps the weights and binds them.
 *
 *     find -> open -> use -> close; set_deinit
 *
 * Threads: read-only after open. */
#ifndef ZIS_PIPELINE_MODEL_H
#define ZIS_PIPELINE_MODEL_H

#include "models/qwen3/qwen3.h"
#include "models/vae/vae.h"
#include "models/zimage/zimage.h"
#include "pipeline/request.h"
#include "text/tokenizer.h"

typedef enum zis_model_part {
    ZIS_PART_TRANSFORMER,
    ZIS_PART_TEXT_ENCODER,
    ZIS_PART_VAE,
    ZIS_PART_TOKENIZER,
    ZIS_PART_COUNT
} zis_model_part;

/* "transformer", "text_encoder", ...: the folder's name in the diffusers layout. */
const char *zis_model_part_name(zis_model_part part);

/* A model that was found: where its parts lie, and what it wants. Owns its strings. */
typedef struct zis_model_set {
    char *name;   /* "nano-turbo", "Tongyi-MAI/Z-Image-Turbo", a folder's name */
    char *hub_id; /* "Tongyi-MAI/Z-Image-Turbo" when it came from the cache, or NULL */
    char *folder; /* that holds model_index.json */
    char *path[ZIS_PART_COUNT]; /* folder or file of each part */
    bool turbo;                 /* distilled: few steps, no guidance */
    zis_request_defaults defaults;
    int size_lo, size_hi; /* the sides that the page offers */
    char *example;        /* a prompt that shows what it can do, or NULL */
    bool has_preview;     /* its own latent-to-colour fit (vae.md 7) */
    float preview_factors[16][3];
    float preview_bias[3];
} zis_model_set;

/* Whether a repository of the Hugging Face cache is a pipeline of this family. */
bool zis_model_is_family(const char *repo);

/* What to look for. NULL parts are looked for by rule. */
typedef struct zis_model_query {
    const char *model;                /* preset, Hub id, folder, file */
    const char *path[ZIS_PART_COUNT]; /* given by hand (--vae ...), or NULL */
} zis_model_query;

ZIS_MUST_USE zis_status zis_model_find(zis_model_set *out,
                                       const zis_model_query *q,
                                       zis_error *err);
void zis_model_set_deinit(zis_model_set *set);

/* Parts that are open, by path; models that lie in the same files share them. */
typedef struct zis_model_store zis_model_store;

/* An opened model. Parts may also be put here by hand (tests); then close must not be called. */
typedef struct zis_model {
    zis_model_set set;
    zis_tokenizer *tokenizer;
    zis_qwen3 *text_encoder;
    zis_zimage *transformer;
    zis_vae *vae; /* decoder, and encoder where the file has one */
    /* of zis_model_open: */
    zis_model_store *store;
    bool own_store;
} zis_model;

ZIS_MUST_USE zis_status zis_model_store_create(zis_model_store **out, zis_error *err);
/* All models opened with it must be closed before. */
void zis_model_store_destroy(zis_model_store **store);

/* Moves `set` into the model; on failure it stays the caller's. store NULL: nothing is shared. */
ZIS_MUST_USE zis_status zis_model_open(zis_model **out,
                                       zis_model_set *set,
                                       zis_model_store *store,
                                       zis_error *err);
void zis_model_close(zis_model **m);

/* Bytes of all its weights, as stored. */
uint64_t zis_model_bytes(const zis_model *m);

/* A name that needs no path. */
typedef struct zis_model_preset {
    const char *name;   /* "turbo" */
    const char *hub_id; /* "Tongyi-MAI/Z-Image-Turbo", or NULL for the embedded family */
    const char *folder; /* under the embedded models folder, or NULL */
    const char *what;   /* what it is for */
    bool alias;         /* of the next row: not listed */
    uint64_t bytes;     /* of its weights at the Hub; 0: it is here */
} zis_model_preset;

/* NULL behind the last. */
const zis_model_preset *zis_model_preset_at(size_t i);
/* NULL when no preset has this name. */
const zis_model_preset *zis_model_preset_named(const char *name);

/* New string: the Hub id of a preset that lies in the Hugging Face cache, or NULL: for the hint
 * when nano was used because nobody named a model. */
char *zis_model_cached_hint(void);
/* New string: the folder of the embedded models, or NULL. */
char *zis_model_embedded_root(void);

#endif
