/* pth_tensors.h - from a torch file's values to the tensors that are handed out.
 *
 *     {0} -> collect -> read -> deinit         Threads: read-only after collect. */
#ifndef ZIS_FORMATS_PTH_TENSORS_H
#define ZIS_FORMATS_PTH_TENSORS_H

#include "formats/pth.h"
#include "formats/pth_pickle.h"

typedef struct zis_pth_tensors {
    const char *prefix; /* a constant */
    zis_pth_entry *entries;
    size_t count;
    char *names;
    unsigned char *copies; /* of tensors whose elements do not lie in order */
} zis_pth_tensors;

/* Takes the tensors of the dictionary `top` or of one in it; checks the checksums of their
 * storages; copies at most `limit` bytes. On failure deinit is needed too. */
ZIS_MUST_USE zis_status zis_pth_tensors_collect(
    zis_pth_tensors *t, const zis_pth_pickle *p, uint32_t top, uint64_t limit, zis_error *err);
void zis_pth_tensors_deinit(zis_pth_tensors *t);

#endif
