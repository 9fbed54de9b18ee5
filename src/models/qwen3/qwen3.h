/* qwen3.h - the Qwen3 text encoder: token ids to features (text-encoder.md 1-4).
 *
 * The features are hidden_states[-2]: the output of the last but one layer, before any norm.
 *
 *     open -> encode, encode, ... -> close
 *
 * Owns its checkpoint (mapped) unless opened on one that the caller keeps. Threads: read-only after
 * open; encode uses the run given. */
#ifndef ZIS_MODELS_QWEN3_H
#define ZIS_MODELS_QWEN3_H

#include "base/json.h"
#include "formats/weights.h"
#include "kernels/run.h"

typedef struct zis_qwen3_config {
    int64_t hidden, layers, heads, kv_heads, head_dim, intermediate, vocab;
    double eps, rope_theta;
} zis_qwen3_config;

typedef struct zis_qwen3 zis_qwen3;

/* From config.json's keys; absent keys have the published values. Absurd values are refused. */
ZIS_MUST_USE zis_status zis_qwen3_config_read(zis_qwen3_config *out,
                                              const zis_json_doc *doc,
                                              zis_error *err);

/* `weights` is borrowed and must outlive the model. */
ZIS_MUST_USE zis_status zis_qwen3_create(zis_qwen3 **out,
                                         const zis_qwen3_config *config,
                                         const zis_weights *weights,
                                         zis_error *err);
/* Folder with config.json and the weights; owned. */
ZIS_MUST_USE zis_status zis_qwen3_open(zis_qwen3 **out, const char *folder, zis_error *err);
void zis_qwen3_close(zis_qwen3 **m);

const zis_qwen3_config *zis_qwen3_get_config(const zis_qwen3 *m);
uint64_t zis_qwen3_bytes(const zis_qwen3 *m); /* of its weights, as stored */

/* To be set as a run's `resident` before encode, when many prompts are to come: the matrices then
 * move to huge pages in that pass (resident.h), which costs several times what a pass saves. NULL
 * where they stay mapped: a small model, weights that the caller keeps, or too little memory. */
zis_resident *zis_qwen3_resident(const zis_qwen3 *m);

/* Watches intermediate values (golden `mid.*`): called after each layer with [n, hidden]; may be
 * NULL. Only meaningful in a real run. */
typedef void zis_qwen3_watch(void *arg, zis_run *run, const char *name, const zis_tensor *t);

/* hidden [n, hidden] (allocated by the caller on the run's device) = features of ids[0..n-1];
 * all ids must be below vocab (checked). Scratch is taken from the run and given back. */
ZIS_MUST_USE zis_status zis_qwen3_encode(const zis_qwen3 *m,
                                         zis_run *run,
                                         const int32_t *ids,
                                         int64_t n,
                                         zis_tensor hidden,
                                         zis_qwen3_watch *watch,
                                         void *watch_arg,
                                         zis_error *err);

#endif
