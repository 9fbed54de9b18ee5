/* wrap.h - tables around tables: a run whose `ops` is one of these does what the name says and then
 * calls the same slot of `inner`.
 *
 * While the inner operation runs, `ops` is the inner table, so that what it is composed of is
 * neither counted nor timed twice. */
#ifndef ZIS_KERNELS_WRAP_WRAP_H
#define ZIS_KERNELS_WRAP_WRAP_H

#include "kernels/run.h"

/* Checks shapes (check.h), adds up costs (cost.h), executes nothing but the count of scratch. */
extern const zis_ops zis_ops_dry;
/* Adds time and costs to run->profile. */
extern const zis_ops zis_ops_trace;

#endif
