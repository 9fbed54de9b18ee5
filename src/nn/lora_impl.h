/* lora_impl.h - what an opened LoRA is made of; for lora*.c. */
#ifndef ZIS_NN_LORA_IMPL_H
#define ZIS_NN_LORA_IMPL_H

#include "base/mem.h"
#include "nn/lora.h"
#include "nn/lora_keys.h"

/* A module of the file. */
typedef struct zis_lora_module {
    const char *name; /* with its prefix; borrowed from the first key */
    size_t len;
    const zis_weights_entry *part[ZIS_LORA_ROLES];
    bool dots;
} zis_lora_module;

/* All modules of a file, in its order, and keys that are no part of one. */
typedef struct zis_lora_modules {
    zis_lora_module *list;
    size_t n;
    const char **left; /* room for all keys */
    size_t n_left;
    zis_strmap names;
} zis_lora_modules;

ZIS_MUST_USE zis_status zis_lora_modules_read(zis_lora_modules *out,
                                              const zis_weights *w,
                                              zis_error *err);
void zis_lora_modules_deinit(zis_lora_modules *m);

typedef enum zis_lora_change_kind {
    ZIS_LORA_CHANGE_DELTA,      /* of the matrix */
    ZIS_LORA_CHANGE_SET,        /* the matrix is replaced by delta.b */
    ZIS_LORA_CHANGE_VECTOR,     /* delta.b [length] is added to the vector */
    ZIS_LORA_CHANGE_SET_VECTOR, /* the vector is replaced by delta.b */
} zis_lora_change_kind;

/* What a file does to one target. */
typedef struct zis_lora_change {
    size_t target;
    zis_lora_change_kind kind;
    zis_delta delta; /* scale: without the strength; tensors as stored until loaded */
    /* LoKr whose w1 is a product: c = left right, made when it is loaded */
    zis_tensor left, right;
    const char *name; /* of one of its keys, for messages */
} zis_lora_change;

struct zis_lora {
    zis_weights *weights;
    const char *path;
    zis_lora_change *changes;
    size_t n, room;
    float **owned; /* parts that the kernels cannot read as stored, widened */
    size_t n_owned, room_owned;
    bool loaded;
    zis_lora_report report;
};

/* Scales by PEFT's metadata (lora.md 3). */
typedef struct zis_lora_peft zis_lora_peft;
ZIS_MUST_USE zis_status zis_lora_peft_read(zis_lora_peft **out,
                                           const zis_weights *w,
                                           zis_error *err);
void zis_lora_peft_destroy(zis_lora_peft **p);
/* alpha / r, or alpha / sqrt(r), of a module in diffusers' naming; 1 where nothing is said. */
ZIS_MUST_USE zis_status zis_lora_peft_scale(
    const zis_lora_peft *p, const char *module, int64_t rank, double *out, zis_error *err);

/* Adds what module `m` does to the targets of `name` to the file's changes, and to the report's
 * rank and kind. */
ZIS_MUST_USE zis_status zis_lora_build(zis_lora *lora,
                                       const zis_lora_targets *t,
                                       const zis_lora_name *name,
                                       const zis_lora_module *m,
                                       const zis_lora_peft *peft,
                                       zis_error *err);
/* Looks at all values; widens what the kernels do not take as stored. */
ZIS_MUST_USE zis_status zis_lora_load(zis_lora *lora, zis_error *err);

/* A name for messages, at most 100 bytes: "%.*s" */
#define ZIS_LORA_SHOWN(s) (int)zis_utf8_cut((s), strlen(s), 100), (s)

/* Inner rank of a module's parts, 0 if it has none; header only. */
int64_t zis_lora_rank_of(const zis_lora_module *m);
/* "LoRA", ... or NULL when nothing there changes a module (only alpha, only magnitudes). */
const char *zis_lora_kind_of(const zis_lora_module *m);
/* Takes kind and rank of a module into the report. */
void zis_lora_note(zis_lora_report *r, const zis_lora_module *m);

#endif
