/* loras.h - the LoRAs of a request: found by name or path, checked, attached to a transformer.
 *
 * A LoRA is named by its path, or by its name in one of the usual folders (zis_loras_list says
 * which): "sepia" is models/nano/lora/sepia.safetensors.
 *
 *     attach (all of a request, in order) -> draw -> detach
 *
 * Threads: find, list and check may be called from any thread, also while a job runs; attach and
 * detach from the one that uses the model. */
#ifndef ZIS_PIPELINE_LORAS_H
#define ZIS_PIPELINE_LORAS_H

#include "models/zimage/zimage.h"
#include "pipeline/model.h"
#include "pipeline/request.h"

/* A file in one of the folders. */
typedef struct zis_loras_found {
    char *name; /* without its ending; "style/sepia" in a folder of a folder */
    char *path;
    uint64_t bytes;
} zis_loras_found;

/* All files in the folders of $ZIS_LORAS (separated by colons), in `lora` and `loras` of the
 * model's folder, of the one that holds it, of the embedded models and of each of these; sorted by
 * name, the first of a name counts. model_folder: the model that is meant, or NULL. */
ZIS_MUST_USE zis_status zis_loras_list(zis_loras_found **out,
                                       size_t *n,
                                       const char *model_folder,
                                       zis_error *err);
void zis_loras_list_free(zis_loras_found *list, size_t n);
/* Length of a file's name without the ending of a checkpoint; 0 when it has none. */
size_t zis_loras_stem(const char *name);

/* New string: the path of the file. `name` is a path (unless names_only) or a listed name, with or
 * without its ending. ZIS_NOT_FOUND names the folders. */
ZIS_MUST_USE zis_status zis_loras_find(
    char **path, const char *name, const char *model_folder, bool names_only, zis_error *err);

/* Header check before any work: opens the model's transformer (mapped, nothing is read of it) and
 * matches the file at `path` with it. */
ZIS_MUST_USE zis_status zis_loras_check(zis_lora_report *out,
                                        const char *path,
                                        const zis_model_set *model,
                                        zis_error *err);

/* One that is attached. */
typedef struct zis_loras_item {
    const char *file; /* as the request named it */
    const char *path;
    double strength;
    const zis_lora_report *report;
} zis_loras_item;

typedef struct zis_loras zis_loras;

/* All headers are checked before the first value is read. An empty list gives an object without
 * items. On failure the transformer is as before. */
ZIS_MUST_USE zis_status zis_loras_attach(zis_loras **out,
                                         zis_zimage *transformer,
                                         const zis_request_lora *list,
                                         int n,
                                         const char *model_folder,
                                         zis_error *err);
/* Takes them off; the transformer is bit for bit what it was. Accepts NULL and a pointer to NULL.
 */
void zis_loras_detach(zis_loras **l);
int zis_loras_count(const zis_loras *l);
zis_loras_item zis_loras_at(const zis_loras *l, int i);

/* New string for a person, or NULL: what of an attached file did nothing. */
char *zis_loras_warning(const zis_loras_item *item);

#endif
