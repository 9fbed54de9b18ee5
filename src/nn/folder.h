/* folder.h - a model's folder: its config.json and its weights.
 *
 * Threads: no shared state. */
#ifndef ZIS_NN_FOLDER_H
#define ZIS_NN_FOLDER_H

#include "base/json.h"
#include "formats/weights.h"

/* Reads folder/config.json and maps the weights beside it; the caller destroys and closes both. On
 * failure both stay untouched. */
ZIS_MUST_USE zis_status zis_folder_open(zis_json_doc **config,
                                        zis_weights **weights,
                                        const char *folder,
                                        zis_error *err);

#endif
