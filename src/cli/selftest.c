/* zis selftest: the golden vectors, one line a result. */
#include "base/mem.h"
#include "base/os.h"
#include "base/thread.h"
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "kernels/run.h"
#include "pipeline/jsonout.h"
#include "pipeline/model.h"
#include "studio/golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEVICE = 1000, DTYPE, THREADS, LARGE, SCALE, JSON, VERBOSE };

static const zis_option options[] = {
    {DEVICE, "device", 0, "NAME", "cpu or ref (default: cpu)", 0, 0},
    {DTYPE, "dtype", 0, "TYPE", "f32 or bf16 (default: f32, and bf16 where it is native)", 0, 0},
    {THREADS, "threads", 't', "N", "threads (default: one for each CPU)", 1, 1024},
    {LARGE, "large", 0, NULL, "also the real sizes; needs 13 GB of memory", 0, 0},
    {SCALE, "tolerance-scale", 0, "X", "multiplies all bounds, for experiments", 1e-6, 1e6},
    {VERBOSE, "verbose", 'v', NULL, "also intermediate values that agree", 0, 0},
    {JSON, "json", 0, NULL, "prints one JSON object a line", 0, 0},
    {0},
};

static const zis_usage usage = {
    .command = "selftest",
    .synopsis = "[GOLDEN_OR_FOLDER...]",
    .about = "Runs golden vectors, those that ship with zis or the ones given, and compares with "
             "what the\nreference implementations computed. Exit code 1 when one failed.",
    .options = options,
    .rest_max = 1 << 20,
};

typedef struct selftest {
    zis_golden_options golden;
    const char *device;
    bool json;
    long passed, failed, skipped;
    zis_status output; /* of printing */
    zis_error *err;
} selftest;

static void put_json(zis_buf *out, const zis_golden_line *l)
{
    zis_buf_puts(out, "{\"component\": ");
    zis_jsonout_string(out, l->component);
    zis_buf_puts(out, ", \"case\": ");
    zis_jsonout_string(out, l->stem);
    zis_buf_puts(out, ", \"output\": ");
    zis_jsonout_string(out, l->output);
    zis_buf_printf(out, ", \"device\": \"%s\", \"dtype\": \"%s\", \"metric\": \"%s\", \"value\": ",
                   l->device, l->dtype, l->metric);
    zis_jsonout_number(out, l->value);
    zis_buf_puts(out, ", \"bound\": ");
    zis_jsonout_number(out, l->bound);
    zis_buf_printf(out, ", \"result\": \"%s\"", zis_golden_result_name(l->result));
    if (*l->note) {
        zis_buf_puts(out, ", \"note\": ");
        zis_jsonout_string(out, l->note);
    }
    zis_buf_puts(out, "}\n");
}

static void put_text(zis_buf *out, const zis_golden_line *l)
{
    zis_buf_printf(out, "%-14s %-24s %-18s %-4s %-5s ", l->component, l->stem, l->output, l->device,
                   l->dtype);
    if (*l->metric) zis_buf_printf(out, "%s %.3e (bound %.3e) ", l->metric, l->value, l->bound);
    zis_buf_printf(out, "%s%s%s\n", zis_golden_result_name(l->result), *l->note ? ": " : "",
                   l->note);
}

static void on_line(void *arg, const zis_golden_line *l)
{
    selftest *t = arg;
    zis_buf out = {0};
    if (!l->mid) {
        t->passed += l->result == ZIS_GOLDEN_OK;
        t->failed += l->result == ZIS_GOLDEN_FAIL;
        t->skipped += l->result == ZIS_GOLDEN_SKIPPED;
    }
    if (t->json)
        put_json(&out, l);
    else
        put_text(&out, l);
    if (!t->output)
        t->output = out.failed ? zis_fail_nomem(t->err, "the answer")
                               : zis_output_stdout(out.data, out.len, t->err);
    zis_buf_free(&out);
}

/* New string: the goldens that ship with zis, or NULL. */
static char *built_in(void)
{
    static const char *const below[] = {"../tests/golden", "../share/z-image-studio/goldens"};
    const char *env = getenv("ZIS_GOLDENS");
    if (env && *env) return zis_mem_strdup(env);
    char *exe = zis_os_exe_dir();
    for (size_t i = 0; exe && i < 2; i++) {
        char *path = zis_os_join(exe, below[i]);
        if (path && zis_os_is_dir(path)) {
            free(exe);
            return path;
        }
        free(path);
    }
    free(exe);
    return NULL;
}

static bool has_bf16(const selftest *t)
{
    zis_run run;
    zis_run_options o = {.device = t->golden.device,
                         .isa = t->golden.isa,
                         .pool = t->golden.pool,
                         .math = ZIS_DTYPE_COUNT};
    if (zis_run_init(&run, &o, NULL) != ZIS_OK) return false;
    bool yes = run.math == ZIS_DTYPE_BF16;
    zis_run_deinit(&run);
    return yes;
}

static zis_status run_path(selftest *t, const char *path, zis_error *err)
{
    const zis_dtype maths[] = {ZIS_DTYPE_F32, ZIS_DTYPE_BF16};
    zis_dtype asked = t->golden.math;
    zis_status st = ZIS_OK;
    for (int i = 0; i < 2 && !st; i++) {
        if (asked != ZIS_DTYPE_COUNT && asked != maths[i]) continue;
        if (asked == ZIS_DTYPE_COUNT && maths[i] == ZIS_DTYPE_BF16 && !has_bf16(t)) continue;
        t->golden.math = maths[i];
        st = zis_golden_run(&t->golden, path, on_line, t, err);
        if (!st) st = t->output;
    }
    t->golden.math = asked;
    return st;
}

static zis_status take_settings(selftest *t, const zis_args *a, int *threads, zis_error *err)
{
    zis_status st = ZIS_OK;
    for (size_t i = 0; i < a->n_settings && !st; i++) {
        const zis_setting *s = &a->settings[i];
        switch (s->option->id) {
        case DEVICE:
            t->golden.device = s->value;
            break;
        case DTYPE:
            if (strcmp(s->value, "f32") == 0)
                t->golden.math = ZIS_DTYPE_F32;
            else if (strcmp(s->value, "bf16") == 0)
                t->golden.math = ZIS_DTYPE_BF16;
            else if (strcmp(s->value, "auto") != 0)
                st =
                    zis_fail(err, ZIS_ARG,
                             "--dtype does not know '%.60s'; it may be: auto, f32, bf16", s->value);
            break;
        case THREADS:
            st = zis_args_int(s, threads, err);
            break;
        case SCALE:
            st = zis_args_real(s, &t->golden.tolerance_scale, err);
            break;
        case LARGE:
            t->golden.large = true;
            break;
        case VERBOSE:
            t->golden.verbose = true;
            break;
        default:
            break;
        }
    }
    return st;
}

static zis_status run_all(selftest *t, const zis_args *a, zis_error *err)
{
    if (a->n_rest) {
        t->golden.several = a->n_rest > 1;
        zis_status st = ZIS_OK;
        for (int i = 0; i < a->n_rest && !st; i++) st = run_path(t, a->rest[i], err);
        if (!st && t->passed + t->failed + t->skipped == 0)
            st = zis_fail(err, ZIS_NOT_FOUND, "none of the %d files is a golden", a->n_rest);
        return st;
    }
    char *path = built_in();
    if (!path)
        return zis_fail(err, ZIS_NOT_FOUND,
                        "the goldens that ship with zis are not there; give a file or a folder, or "
                        "set ZIS_GOLDENS");
    zis_status st = run_path(t, path, err);
    free(path);
    return st;
}

static zis_status finish(const selftest *t, zis_error *err)
{
    char line[120];
    int n = snprintf(line, sizeof line, "%ld passed, %ld failed, %ld skipped\n", t->passed,
                     t->failed, t->skipped);
    if (t->json)
        fputs(line, stderr);
    else if (zis_output_stdout(line, (size_t)n, err) != ZIS_OK)
        return ZIS_IO;
    if (t->failed)
        return zis_fail(err, ZIS_NUMERIC, "%ld of %ld comparisons failed", t->failed,
                        t->passed + t->failed);
    return ZIS_OK;
}

zis_status zis_cmd_selftest(zis_cli *cli, int argc, char **argv, zis_error *err)
{
    zis_args args = {0};
    zis_pool *pool = NULL;
    int threads = 0;
    const char *isa = getenv("ZIS_CPU");
    selftest t = {.json = cli->json, .err = err};
    char *models = NULL;
    zis_status st = zis_args_parse(&args, &usage, argc, argv, err);
    if (st) return st;
    if (args.help) {
        zis_args_help(&usage);
        goto out;
    }
    t.golden.math = ZIS_DTYPE_COUNT;
    t.golden.isa = isa && *isa ? isa : NULL;
    t.golden.cancel = cli->cancel;
    models = zis_model_embedded_root();
    t.golden.models = models;
    st = take_settings(&t, &args, &threads, err);
    if (!st) st = zis_pool_create(&pool, threads, err);
    t.golden.pool = pool;
    if (!st) st = run_all(&t, &args, err);
    if (!st) st = finish(&t, err);
    /* The lines have told it; a second object would be one too many. */
    if (st == ZIS_NUMERIC) cli->json = false;
out:
    zis_pool_destroy(&pool);
    free(models);
    zis_args_deinit(&args);
    return st;
}
