/* control_find.h - the file of a ControlNet, by any name a person may give, or the one that fits
 * the model.
 *
 * Files are opened for what they are (control.h), never believed by their names; names only decide
 * which of several is taken first. Threads: no shared state. */
#ifndef ZIS_PIPELINE_CONTROL_FIND_H
#define ZIS_PIPELINE_CONTROL_FIND_H

#include "models/zimage/control.h"
#include "pipeline/model.h"

/* A published ControlNet; rows in the order of preference. */
typedef struct zis_control_preset {
    const char *name;   /* "controlnet-2.1-8steps" */
    const char *hub_id; /* or NULL: ships with zis */
    const char *file;   /* in the repository, or below the embedded models */
    const char *what;
    bool base;      /* for the undistilled model */
    bool on_demand; /* for another purpose than following lines: never taken unasked */
} zis_control_preset;

/* NULL behind the last. */
const zis_control_preset *zis_control_preset_at(size_t i);
/* New string: where its file lies; NULL when it is not here (or without memory: then *nomem). */
char *zis_control_preset_path(const zis_control_preset *p, bool *nomem);

/* *out: new string, a file. given: a file, a folder, a preset's name, a Hub id, or NULL: the first
 * that fits the model. ZIS_NOT_FOUND lists every place and says how to get one. */
ZIS_MUST_USE zis_status zis_control_find(char **out,
                                         const char *given,
                                         const zis_model *model,
                                         zis_error *err);

#endif
