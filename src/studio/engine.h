/* engine.h - loaded models and one device, behind one call: a request in, pictures out.
 *
 * Models load at the first job that names them and stay while memory holds them (loaded.h); so do
 * the features of prompts and the working memory. A job runs in the caller's thread; the queue of
 * the server stands above this.
 *
 *     create -> run, run, ... -> destroy
 *
 * Threads: one job at a time; a job's cancel flag may be set from any thread. */
#ifndef ZIS_STUDIO_ENGINE_H
#define ZIS_STUDIO_ENGINE_H

#include "pipeline/request.h"
#include "tensor/image.h"

#include <stdatomic.h>

typedef struct zis_engine zis_engine;

typedef struct zis_engine_options {
    const char *device; /* "cpu" (NULL), "ref" */
    const char *isa;    /* a lower instruction set, or NULL */
    int threads;        /* 0: one for each CPU */
    uint64_t memory; /* bytes that weights of loaded models may take (loaded.h); 0: by the system */
} zis_engine_options;

ZIS_MUST_USE zis_status zis_engine_create(zis_engine **out,
                                          const zis_engine_options *o,
                                          zis_error *err);
void zis_engine_destroy(zis_engine **e);

typedef struct zis_engine_progress {
    const char *stage;     /* "load", "text", "denoise", "decode" */
    int step, of;          /* within the stage */
    double fraction;       /* of the stage, 0 to 1: moves within a step, too */
    int picture, pictures; /* 0-based */
    double seconds_left;   /* of the whole job; < 0: not known yet */
} zis_engine_progress;

/* How a picture looks after some steps; borrowed during the callback. */
typedef struct zis_engine_preview {
    const zis_image *image; /* RGB, an eighth of the size */
    int step, of;
    int picture; /* 0-based */
} zis_engine_preview;

/* One finished picture; borrowed during the callback. */
typedef struct zis_engine_picture {
    int index;
    const zis_image *image;
    int64_t seed;
    const char *parameters; /* recipe, A1111 form */
    const char *recipe;     /* recipe, JSON */
} zis_engine_picture;

#define ZIS_ENGINE_LOADED 8

/* Names of models that stay open, those used last first; borrowed during the callback. */
typedef struct zis_engine_loaded {
    const char *names[ZIS_ENGINE_LOADED];
    int n;
} zis_engine_loaded;

/* Called from the thread that runs; must not call the engine. */
typedef struct zis_engine_hooks {
    void *arg;
    void (*progress)(void *arg, const zis_engine_progress *p); /* may be NULL */
    /* A failure ends the job. */
    zis_status (*picture)(void *arg, const zis_engine_picture *p, zis_error *err);
    void (*preview)(void *arg, const zis_engine_preview *p); /* after each step; may be NULL */
    /* When the job's own are open, and what does not fit beside them is closed; may be NULL. */
    void (*loaded)(void *arg, const zis_engine_loaded *l);
} zis_engine_hooks;

typedef enum zis_engine_stage {
    ZIS_ENGINE_LOAD,
    ZIS_ENGINE_UPSCALE,
    ZIS_ENGINE_TEXT,
    ZIS_ENGINE_ENCODE,
    ZIS_ENGINE_CONTROL,
    ZIS_ENGINE_DENOISE,
    ZIS_ENGINE_DECODE,
    ZIS_ENGINE_TOTAL,
    ZIS_ENGINE_STAGE_COUNT
} zis_engine_stage;

/* "load", "text", ...: keys of `seconds`. */
const char *zis_engine_stage_name(zis_engine_stage stage);

/* A LoRA as it was applied. */
typedef struct zis_engine_lora {
    char *file; /* as the request named it; owned */
    char *path; /* owned */
    double strength;
    size_t matched, modules, left_over;
    int64_t rank;     /* the highest; 0: it has none */
    char report[160]; /* "matched 210 of 210 modules, rank 16, 0 keys left over" */
} zis_engine_lora;

#define ZIS_ENGINE_WARNINGS 8

typedef struct zis_engine_result {
    zis_request request; /* as it was run: seed drawn, defaults filled; owned */
    char *model;         /* its name */
    const char *device;  /* a row's name: lives as long as the program */
    const char *isa;
    const char *dtype; /* "f32", "bf16" */
    double seconds[ZIS_ENGINE_STAGE_COUNT];
    uint64_t peak_memory_bytes;
    size_t scratch_bytes; /* working memory that was planned */
    zis_engine_lora *loras;
    int n_loras;
    char *warnings[ZIS_ENGINE_WARNINGS];
    int n_warnings;
} zis_engine_result;

/* request: as a person gave it; what is not given takes the model's defaults. cancel may be NULL.
 * *out is filled on success. */
ZIS_MUST_USE zis_status zis_engine_run(zis_engine *e,
                                       const zis_request *request,
                                       const zis_engine_hooks *hooks,
                                       const atomic_bool *cancel,
                                       zis_engine_result *out,
                                       zis_error *err);
void zis_engine_result_deinit(zis_engine_result *r);

#endif
