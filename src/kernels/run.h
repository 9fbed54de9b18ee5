/* run.h - one stream of work on a device: operations, scratch, cancel, what it cost.
 *
 * Operations take the run first. The first failure sticks: later operations do nothing, and the
 * model returns zis_run_status at its end. A dry run executes nothing: shapes are checked, scratch
 * is counted, FLOPs and bytes are added up. The same forward code, run dry, is the plan.
 *
 *     zis_run_init_dry -> forward -> plan = scratch.peak, flops
 *     zis_run_init -> zis_run_reserve(plan) -> forward, forward, ... -> zis_run_deinit
 *
 * Threads: one thread at a time; `cancel` may be set from any. */
#ifndef ZIS_KERNELS_RUN_H
#define ZIS_KERNELS_RUN_H

#include "base/arena.h"
#include "base/thread.h"
#include "kernels/ops.h"
#include "kernels/resident.h"

#include <stdatomic.h>

typedef struct zis_backend zis_backend;

/* What an operation cost, by the trace table. */
typedef struct zis_run_profile {
    double seconds;
    double flops;
    double bytes;
    long calls;
} zis_run_profile;

enum {
#define X(slot, args) ZIS_OP_##slot,
    ZIS_OPS_LIST(X)
#undef X
        ZIS_OP_COUNT
};

struct zis_run {
    const zis_ops *ops; /* the table that operations go to: the backend's, or one wrapped around */
    const zis_ops *inner; /* the backend's own, under a wrapper */
    const zis_backend *backend;
    const void *micro; /* backend's own: e.g. the chosen micro-kernels */
    zis_arena scratch;
    zis_pool *pool;         /* borrowed; NULL = one thread */
    zis_dtype math;         /* F32 or BF16: inputs of matrix products */
    zis_resident *resident; /* borrowed; NULL: weights are read where they are mapped */
    bool dry;
    bool external;             /* scratch memory belongs to someone else */
    const atomic_bool *cancel; /* borrowed; NULL = cannot be cancelled */
    const char *where;         /* what is being computed ("layers.3"), for messages; borrowed */
    zis_status status;         /* the first failure */
    zis_error error;
    double flops;             /* of matrix products, as the direct formula counts them */
    double bytes;             /* of weights read */
    zis_run_profile *profile; /* [ZIS_OP_COUNT] or NULL; borrowed */
};

/* A device: how to make a run of it. Rows of the table in backends.c. */
struct zis_backend {
    const char *name; /* "cpu", "ref" */
    const zis_ops *ops;
    /* Picks micro-kernels; `limit` is a lower instruction set by name or NULL. */
    ZIS_MUST_USE zis_status (*init)(zis_run *run, const char *limit, zis_error *err);
    bool (*native_bf16)(const zis_run *run);
    /* "avx512bf16": what init picked. */
    const char *(*isa)(const zis_run *run);
    /* Peak of products of this type over all threads, in GFLOP/s, measured for about `seconds`; 0
     * where it is not native. May be NULL. */
    double (*peak)(zis_run *run, zis_dtype math, double seconds);
};

const zis_backend *zis_backend_find(const char *name); /* NULL if there is none */
const zis_backend *zis_backend_at(size_t i);           /* NULL behind the last */

typedef struct zis_run_options {
    const char *device; /* "cpu" (NULL), "ref" */
    const char *isa;    /* lower instruction set, or NULL: the value of ZIS_CPU is given here by the
                           command line */
    zis_pool *pool;
    zis_dtype math; /* F32, BF16; ZIS_DTYPE_COUNT = auto: BF16 where native, else F32 */
    const atomic_bool *cancel;
} zis_run_options;

ZIS_MUST_USE zis_status zis_run_init(zis_run *run, const zis_run_options *o, zis_error *err);
/* A dry twin of a run: same device and math, counts from zero. Needs no deinit. */
void zis_run_init_dry(zis_run *dry, const zis_run *like);
/* Takes scratch of at least `bytes`; keeps a larger one. Nothing may be in use. */
ZIS_MUST_USE zis_status zis_run_reserve(zis_run *run, size_t bytes, zis_error *err);
void zis_run_deinit(zis_run *run);

/* Scratch of this shape; contents undefined. On failure the run fails and data is NULL. */
zis_tensor zis_run_alloc_1d(zis_run *run, zis_dtype t, int64_t a);
zis_tensor zis_run_alloc_2d(zis_run *run, zis_dtype t, int64_t a, int64_t b);
zis_tensor zis_run_alloc_3d(zis_run *run, zis_dtype t, int64_t a, int64_t b, int64_t c);
void *zis_run_alloc_bytes(zis_run *run, size_t bytes);

/* Host to device and back; what was enqueued before is finished first. No-ops in a dry run. */
void zis_run_upload(zis_run *run, zis_tensor *dst, const void *src);
void zis_run_download(zis_run *run, void *dst, const zis_tensor *src);

/* True when the run has failed or is to be cancelled (which makes it fail). */
bool zis_run_stopped(zis_run *run);
/* First failure; copies the sentence. */
ZIS_MUST_USE zis_status zis_run_status(const zis_run *run, zis_error *err);
/* Fails the run unless it has failed already. */
void zis_run_fail(zis_run *run, zis_status code, const char *fmt, ...) ZIS_PRINTF(3, 4);
/* Fails it with ZIS_NUMERIC: values are no numbers, infinite or too large. Says in which
 * arithmetic, and what to try. */
void zis_run_fail_numeric(zis_run *run);
/* Forgets a failure, for the next job. */
void zis_run_clear(zis_run *run);

/* Wraps / unwraps the trace table, which fills profile (times need it). */
void zis_run_trace(zis_run *run, zis_run_profile *profile);
const char *zis_op_name(int op);

/* Operations: zis_linear(run, &(zis_linear_args){...}). They do nothing on a stopped run. */
#define X(slot, args)                                                                              \
    static inline void zis_##slot(zis_run *run, const args *a)                                     \
    {                                                                                              \
        if (!zis_run_stopped(run)) run->ops->slot(run, a);                                         \
    }
ZIS_OPS_LIST(X)
#undef X

#endif
