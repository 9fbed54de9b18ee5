/* recognise.h - what a checkpoint is, by the names of its tensors (files.md 3), never by its file
 * name.
 *
 * Threads: pure functions. */
#ifndef ZIS_PIPELINE_RECOGNISE_H
#define ZIS_PIPELINE_RECOGNISE_H

#include "formats/weights.h"

typedef struct zis_recognised {
    const char *family; /* "Z-Image transformer", "Qwen3 text encoder", ... or "unknown" */
    const char *layout; /* "diffusers", "comfy", "original", ""; of a ControlNet its version */
    zis_dtype dtype;    /* that most bytes have; ZIS_DTYPE_COUNT when there is none */
    bool mixed;         /* other types are there too */
} zis_recognised;

zis_recognised zis_recognise(const zis_weights *w);

#endif
