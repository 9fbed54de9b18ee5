/* weights_find.h - where a single published checkpoint lies: the file that a person named, the
 * folders of the embedded models, the Hugging Face cache.
 *
 * Threads: no shared state; reads ZIS_MODELS and what hubcache.h reads. */
#ifndef ZIS_PIPELINE_WEIGHTS_FIND_H
#define ZIS_PIPELINE_WEIGHTS_FIND_H

#include "base/status.h"

typedef struct zis_weights_query {
    const char *what;  /* "the preprocessor 'depth'": what wants it, for messages */
    const char *file;  /* as published: "body_pose_model.pth" */
    const char *repo;  /* on the Hub: "lllyasviel/Annotators" */
    const char *fetch; /* what `zis fetch` calls it */
    const char *flag;  /* that names another file: "--preprocess-weights" */
    const char *given; /* what came with the flag, or NULL */
} zis_weights_query;

/* *out: a new string. Beside the published name the same with the ending .safetensors counts, in
 * the folder annotators/ of the embedded models or in that folder itself, then in the cache.
 * ZIS_NOT_FOUND names the file, every place, and the ways to get it. */
ZIS_MUST_USE zis_status zis_weights_find_file(char **out,
                                              const zis_weights_query *q,
                                              zis_error *err);

#endif
