/* golden.h - runs golden vectors: what the reference implementations computed, done again here and
 * compared (goldens.md).
 *
 * A golden is one safetensors file that says what to do: component, configuration, where the
 * weights are (or the recipe of synthetic ones), inputs, outputs, tolerances. Components are rows
 * of a table. Each compared output gives one line; so does a case that cannot be run here (skipped,
 * and why) or that broke (FAIL, and the sentence).
 *
 *     zis_golden_options o = {.device = "cpu", .math = ZIS_DTYPE_F32, .models = "models"};
 *     st = zis_golden_run(&o, "tests/golden/data", print_line, &sums, &err);
 *
 * Stateless. Threads: one call per pool at a time. */
#ifndef ZIS_STUDIO_GOLDEN_H
#define ZIS_STUDIO_GOLDEN_H

#include "base/status.h"
#include "base/thread.h"
#include "tensor/dtype.h"

#include <stdatomic.h>
#include <stdbool.h>

typedef enum zis_golden_result {
    ZIS_GOLDEN_OK,
    ZIS_GOLDEN_FAIL,
    ZIS_GOLDEN_SKIPPED,
} zis_golden_result;

/* "ok", "FAIL", "skipped". */
const char *zis_golden_result_name(zis_golden_result r);

/* All strings are borrowed and never NULL; they live as long as the call of the report. */
typedef struct zis_golden_line {
    const char *component; /* "dit" */
    const char *stem;      /* the case: the file's name without its ending */
    const char *output;    /* "velocity"; "mid.layers.0" of intermediate values; "" if none ran */
    const char *device;    /* "cpu" */
    const char *dtype;     /* "f32", "bf16" */
    const char *metric;    /* "rel_l2", "max_abs", "differs"; "" if nothing was compared */
    double value;
    double bound;
    zis_golden_result result;
    bool mid; /* an intermediate value: for finding the first that differs, does not count */
    const char *note; /* why it was skipped or broke; "" otherwise */
} zis_golden_line;

typedef void zis_golden_report(void *arg, const zis_golden_line *line);

typedef struct zis_golden_options {
    const char *device; /* "cpu" (NULL), "ref": a row of kernels/backends.c */
    const char *isa;    /* a lower instruction set, or NULL */
    zis_dtype math;     /* F32, BF16; ZIS_DTYPE_COUNT: the fastest native one */
    zis_pool *pool;     /* NULL: one thread */
    const atomic_bool *cancel;
    bool several; /* one of many paths: what is no golden is passed over, what is broken has failed
                   */
    bool large;   /* also the real-size goldens (13 GB of memory); else they are skipped */
    bool verbose; /* intermediate values of passing cases too */
    double tolerance_scale; /* 0 = 1 */
    /* The folder of the embedded models, for weights named "models/..."; NULL: looked for above the
     * golden and above the current folder only. */
    const char *models;
} zis_golden_options;

/* `path`: one golden, or a folder whose goldens (its subfolders' too) are run in order of their
 * names; files in a folder that are no goldens are passed over. Comes back with an error only when
 * nothing could be run at all (no such path, no golden there, no such device) or when it was
 * cancelled: a case that fails is a line. */
ZIS_MUST_USE zis_status zis_golden_run(const zis_golden_options *o,
                                       const char *path,
                                       zis_golden_report *report,
                                       void *arg,
                                       zis_error *err);

#endif
