/* lora.h - a LoRA file: read, matched with a model's modules, attached to its weights, taken off.
 *
 * Every layout of lora.md: LoRA in all spellings, LoHa, LoKr, full differences and replacements;
 * safetensors or torch files. Opening reads the header (and single numbers such as alpha), matches
 * every key, and checks every shape; attaching looks at all values once (NaN and Inf are refused).
 *
 * Attached, a file changes nothing of the weights: each matrix points to what is to be added
 * (kernels/ops.h), which are views of the mapped file wherever the kernels can read it. Taking it
 * off puts every pointer back, so results are bit for bit those of before.
 *
 *     targets: init -> add_matrix, add_vector, alias -> finish -> (use) -> deinit
 *     open, open, ... -> attach -> runs -> detach -> close, close, ...
 *
 * Targets borrow from the model, the attachment from targets and files. Threads: a model may be
 * used by one thread at a time while files are attached and detached. */
#ifndef ZIS_NN_LORA_H
#define ZIS_NN_LORA_H

#include "base/strmap.h"
#include "formats/weights.h"
#include "kernels/ops.h"

/* Most files at once: each one's rank adds to the work. */
#define ZIS_LORA_MAX_FILES 64

/* A module of the model: a linear with or without bias, or a norm. */
typedef struct zis_lora_target {
    char *name;           /* in diffusers' naming: "layers.0.attention.to_q" */
    zis_weight *w;        /* NULL: a norm */
    const float **vector; /* bias, or gain of a norm; NULL: none */
    int64_t length;       /* of the vector */
} zis_lora_target;

/* A name under which files know a target, or three (a fused q, k, v). */
typedef struct zis_lora_name {
    char *name;
    char *underscored;
    size_t target[3];
    int targets;
    bool second; /* another name of what has one of its own; see zis_lora_targets_alias */
} zis_lora_name;

typedef struct zis_lora_targets {
    const char *what; /* "a Z-Image transformer"; borrowed */
    zis_lora_target *list;
    size_t n, room;
    zis_lora_name *names;
    size_t n_names, room_names;
    zis_strmap dotted, underscored; /* to names */
    bool nomem;
} zis_lora_targets;

void zis_lora_targets_init(zis_lora_targets *t, const char *what);
void zis_lora_targets_deinit(zis_lora_targets *t);
void zis_lora_targets_add_matrix(zis_lora_targets *t, const char *name, zis_weight *w);
/* The bias of a matrix that was added under this name, or else a norm. */
void zis_lora_targets_add_vector(zis_lora_targets *t,
                                 const char *name,
                                 const float **vector,
                                 int64_t length);
/* Another name of one target, or of three whose rows stand one above the other. `second`: files in
 * dot format repeat here what they hold under the targets' own names too. */
void zis_lora_targets_alias(
    zis_lora_targets *t, const char *name, const char *const *to, int n, bool second);
/* ZIS_NOMEM when some call lacked memory. */
ZIS_MUST_USE zis_status zis_lora_targets_finish(zis_lora_targets *t, zis_error *err);

/* What came of matching. */
typedef struct zis_lora_report {
    size_t matched;           /* modules of the model that change; a fused q, k, v counts three */
    size_t modules;           /* the same and those of the file that the model lacks */
    size_t keys, left_over;   /* tensors of the file; those that changed nothing */
    int64_t rank_lo, rank_hi; /* of the matched ones; 0: none has a rank */
    const char *kind;         /* "LoRA", "LoHa", "LoKr", "full difference", "mixed" */
    bool dora;                /* magnitudes of DoRA are among those left over */
    char first_left[200];     /* names of the first keys left over, or "" */
} zis_lora_report;

/* "matched 210 of 210 modules, rank 16, 0 keys left over"; returns buf. */
char *zis_lora_report_text(const zis_lora_report *r, char *buf, size_t n);

typedef struct zis_lora zis_lora;

/* ZIS_FORMAT when nothing matches, a shape is another model's, or a part lacks its other half. */
ZIS_MUST_USE zis_status zis_lora_open(zis_lora **out,
                                      const char *path,
                                      const zis_lora_targets *t,
                                      zis_error *err);
void zis_lora_close(zis_lora **lora);
const zis_lora_report *zis_lora_get_report(const zis_lora *lora);

/* What a file holds, without a model: matched stays 0, left_over counts keys that are no part of a
 * LoRA. ZIS_FORMAT when it is none. */
ZIS_MUST_USE zis_status zis_lora_survey(zis_lora_report *out, const zis_weights *w, zis_error *err);

typedef struct zis_lora_attachment zis_lora_attachment;

/* Adds strength[i] times file i to the model, all of them opened for these targets; a strength of 0
 * changes nothing at all, and replacements (set_weight) take any other as 1. Nothing may be
 * attached already. ZIS_FORMAT for a value that is not finite. On failure the model is as before.
 */
ZIS_MUST_USE zis_status zis_lora_attach(zis_lora_attachment **out,
                                        const zis_lora_targets *t,
                                        zis_lora *const *loras,
                                        const double *strengths,
                                        size_t n,
                                        zis_error *err);
/* Puts everything back. Accepts NULL and a pointer to NULL. */
void zis_lora_detach(zis_lora_attachment **a);

#endif
