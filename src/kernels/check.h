/* check.h - what an operation demands of its arguments: shapes that fit, types it knows, outputs
 * that do not lie over inputs.
 *
 * Each check returns true, or fails the run with a sentence that names the operation and the
 * shapes. The dry table calls them, so a forward that was planned was checked. Data is not touched.
 */
#ifndef ZIS_KERNELS_CHECK_H
#define ZIS_KERNELS_CHECK_H

#include "kernels/run.h"

#define X(slot, args) bool zis_check_##slot(zis_run *run, const args *a);
ZIS_OPS_LIST(X)
#undef X

#endif
