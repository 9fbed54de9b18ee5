/* recipe_files.h - the files that a recipe names by a path, which may have moved with its picture.
 *
 * A path counts from the current folder, as everywhere; when nothing is there, the same path beside
 * the picture counts, then a file of the same name beside it. Names of presets, listed LoRAs and
 * Hub ids are left to who finds those. Threads: no shared state; reads what loras.h reads. */
#ifndef ZIS_PIPELINE_RECIPE_FILES_H
#define ZIS_PIPELINE_RECIPE_FILES_H

#include "base/mem.h"
#include "pipeline/request.h"

/* Mends r, which holds the recipe of `picture`. Bit i of `own`: field i is given by somebody else
 * and is left alone. Appends a line to `notes` for each file that was found beside the picture.
 * ZIS_NOT_FOUND names every place of a file that is in none; on failure some may be mended. */
ZIS_MUST_USE zis_status zis_recipe_find_files(
    zis_request *r, const char *picture, uint64_t own, zis_buf *notes, zis_error *err);

#endif
