/* zis preprocess: the control map of a picture alone. */
#include "pipeline/preprocess.h"

#include "base/mem.h"
#include "base/os.h"
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "formats/picture.h"
#include "pipeline/jsonout.h"
#include "studio/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGE = 1000, OUTPUT, WEIGHTS, DTYPE, DEVICE, THREADS, JSON, QUIET };

static const zis_option options[] = {
    {IMAGE, "image init-img", 'i', "FILE", "the picture", 0, 0},
    {OUTPUT, "output", 'o', "FILE", "PNG, JPEG or WebP by its ending; - is standard output", 0, 0},
    {WEIGHTS, "preprocess-weights weights", 0, "FILE",
     "checkpoint of the network of depth or pose, where the usual places have none", 0, 0},
    {DTYPE, "dtype", 0, "TYPE", "auto, f32 or bf16: arithmetic of matrix products", 0, 0},
    {DEVICE, "device", 0, "NAME", "auto, cpu, or ref", 0, 0},
    {THREADS, "threads", 't', "N", "threads (default: one for each CPU)", 1, 1024},
    {JSON, "json", 0, NULL, "prints one JSON object", 0, 0},
    {QUIET, "quiet", 'q', NULL, "prints nothing but errors", 0, 0},
    {0},
};

static const zis_usage usage = {
    .command = "preprocess",
    .synopsis = "KIND -i IN -o OUT",
    .about =
        "Makes the control map of a picture, as `zis generate --preprocess KIND` does: canny "
        "(edges),\ndepth (near is bright), pose (people as stick figures), none (the picture as "
        "RGB). Depth and\npose need published weights: `zis fetch depth`, `zis fetch pose`. The "
        "pose network is free for\nnon-commercial use only.",
    .options = options,
    .rest_max = 1,
};

typedef struct preprocess {
    zis_cli *cli;
    const char *image, *output, *weights, *device;
    zis_dtype math;
    int kind, threads;
    bool json, quiet;
    zis_picture_kind format;
    double seconds;      /* of the map */
    const char *warning; /* or NULL */
} preprocess;

/* ---- settings ------------------------------------------------------------------------------- */

static zis_status take_kind(preprocess *p, const char *name, zis_error *err)
{
    zis_buf known = {0};
    for (int i = 0; zis_preprocess_get(i); i++) {
        if (strcmp(zis_preprocess_get(i)->name, name) == 0) {
            p->kind = i;
            zis_buf_free(&known);
            return ZIS_OK;
        }
        zis_buf_printf(&known, "%s%s", i ? ", " : "", zis_preprocess_get(i)->name);
    }
    zis_status st = zis_fail(err, ZIS_ARG, "there is no preprocessor '%.60s'; it may be: %s", name,
                             known.data ? known.data : "");
    zis_buf_free(&known);
    return st;
}

static zis_status take_dtype(preprocess *p, const char *value, zis_error *err)
{
    static const struct {
        const char *name;
        zis_dtype dtype;
    } types[] = {{"auto", ZIS_DTYPE_COUNT}, {"f32", ZIS_DTYPE_F32}, {"bf16", ZIS_DTYPE_BF16}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i].name, value) != 0) continue;
        p->math = types[i].dtype;
        return ZIS_OK;
    }
    return zis_fail(err, ZIS_ARG, "--dtype does not know '%.60s'; it may be: auto, f32, bf16",
                    value);
}

static zis_status take_option(preprocess *p, const zis_setting *s, zis_error *err)
{
    switch (s->option->id) {
    case IMAGE:
        p->image = s->value;
        break;
    case OUTPUT:
        p->output = s->value;
        break;
    case WEIGHTS:
        p->weights = s->value;
        break;
    case DTYPE:
        return take_dtype(p, s->value, err);
    case DEVICE:
        p->device = strcmp(s->value, "auto") == 0 ? NULL : s->value;
        break;
    case THREADS:
        return zis_args_int(s, &p->threads, err);
    case JSON:
        p->json = true;
        break;
    case QUIET:
        p->quiet = true;
        break;
    default:
        break;
    }
    return ZIS_OK;
}

static zis_status take_settings(preprocess *p, const zis_args *a, zis_error *err)
{
    zis_status st = ZIS_OK;
    for (size_t i = 0; i < a->n_settings && !st; i++) st = take_option(p, &a->settings[i], err);
    if (st) return st;
    if (a->n_rest < 1 || !p->image || !p->output)
        return zis_fail(err, ZIS_ARG,
                        "the kind, the picture or the file to write is missing; try: zis "
                        "preprocess canny -i photo.jpg -o edges.png");
    st = take_kind(p, a->rest[0], err);
    if (!st && p->weights && !zis_field_suits(zis_request_field("preprocess_weights"), p->kind))
        st = zis_fail(err, ZIS_ARG, "--preprocess-weights does nothing for %s; leave it out",
                      a->rest[0]);
    if (!st) st = zis_output_check(p->output, 1, &p->format, err);
    if (!st && p->json && strcmp(p->output, "-") == 0)
        st = zis_fail(err, ZIS_ARG, "--json and -o - both need standard output; choose one");
    return st;
}

/* ---- work ----------------------------------------------------------------------------------- */

static bool is_black(const zis_image *map)
{
    size_t n = (size_t)map->width * (size_t)map->height * (size_t)map->channels;
    for (size_t i = 0; i < n; i++)
        if (map->data[i]) return false;
    return true;
}

static zis_status make_map(preprocess *p, zis_run *run, zis_image **out, zis_error *err)
{
    zis_image *image = NULL;
    zis_preprocess *maps = NULL;
    zis_status st = zis_picture_read(&image, p->image, err);
    if (!st) st = zis_preprocess_create(&maps, err);
    const zis_preprocess_job job = {.kind = p->kind, .image = image, .weights = p->weights};
    double start = zis_os_now();
    if (!st) st = zis_preprocess_run(maps, &job, run, out, err);
    p->seconds = zis_os_now() - start;
    zis_preprocess_destroy(&maps);
    zis_image_destroy(&image);
    return st;
}

static zis_status write_map(const preprocess *p, const zis_image *map, zis_error *err)
{
    zis_buf file = {0};
    zis_status st = zis_picture_encode(&file, map, p->format, NULL, 0, err);
    if (!st && atomic_load(p->cli->cancel)) st = zis_fail(err, ZIS_CANCELLED, "cancelled");
    if (!st)
        st = strcmp(p->output, "-") == 0 ? zis_output_stdout(file.data, file.len, err)
                                         : zis_os_write_file(p->output, file.data, file.len, err);
    zis_buf_free(&file);
    return st;
}

/* The keys of every command that makes a picture; what a map has no use for is null. */
static zis_status print_json(
    const preprocess *p, const zis_image *map, const zis_run *run, double total, zis_error *err)
{
    zis_buf out = {0};
    zis_buf_puts(&out, "{\"ok\": true, \"output\": [");
    zis_jsonout_string(&out, p->output);
    zis_buf_printf(&out,
                   "], \"width\": %d, \"height\": %d, \"preprocess\": \"%s\", \"seed\": null, "
                   "\"model\": null, \"prompt\": null, \"steps\": null, \"cfg\": null, \"shift\": "
                   "null, \"device\": \"%s\", \"dtype\": \"%s\", \"seconds\": {",
                   map->width, map->height, zis_preprocess_get(p->kind)->name, run->backend->name,
                   run->math == ZIS_DTYPE_BF16 ? "bf16" : "f32");
    for (int i = 0; i < ZIS_ENGINE_STAGE_COUNT; i++)
        zis_buf_printf(&out, "%s\"%s\": %.4f", i ? ", " : "",
                       zis_engine_stage_name((zis_engine_stage)i),
                       i == ZIS_ENGINE_CONTROL ? p->seconds
                       : i == ZIS_ENGINE_TOTAL ? total
                                               : 0);
    zis_buf_printf(&out, "}, \"peak_memory_bytes\": %llu, \"warnings\": [",
                   (unsigned long long)zis_os_peak_rss());
    if (p->warning) zis_jsonout_string(&out, p->warning);
    zis_buf_puts(&out, "]}\n");
    zis_status st =
        out.failed ? zis_fail_nomem(err, "the answer") : zis_output_stdout(out.data, out.len, err);
    zis_buf_free(&out);
    return st;
}

static zis_status answer(
    preprocess *p, const zis_image *map, const zis_run *run, double total, zis_error *err)
{
    if (is_black(map)) p->warning = "the map is black: nothing was found in the picture";
    if (p->json) return print_json(p, map, run, total, err);
    if (p->quiet) return ZIS_OK;
    if (p->warning) fprintf(stderr, "warning: %s\n", p->warning);
    bool to_stdout = strcmp(p->output, "-") == 0;
    fprintf(to_stdout ? stderr : stdout, "%s  %dx%d  %s  %.2f s\n",
            to_stdout ? "standard output" : p->output, map->width, map->height,
            zis_preprocess_get(p->kind)->name, total);
    return zis_output_flush(err);
}

static zis_status work(preprocess *p, zis_error *err)
{
    const char *isa = getenv("ZIS_CPU");
    zis_pool *pool = NULL;
    zis_image *map = NULL;
    zis_run run = {0};
    double start = zis_os_now();
    zis_status st = zis_pool_create(&pool, p->threads, err);
    if (st) return st;
    const zis_run_options o = {.device = p->device,
                               .isa = isa && *isa ? isa : NULL,
                               .pool = pool,
                               .math = p->math,
                               .cancel = p->cli->cancel};
    st = zis_run_init(&run, &o, err);
    if (!st) {
        st = make_map(p, &run, &map, err);
        if (!st) st = write_map(p, map, err);
        if (!st) st = answer(p, map, &run, zis_os_now() - start, err);
        zis_run_deinit(&run);
    }
    zis_image_destroy(&map);
    zis_pool_destroy(&pool);
    return st;
}

zis_status zis_cmd_preprocess(zis_cli *cli, int argc, char **argv, zis_error *err)
{
    zis_args args = {0};
    preprocess p = {.cli = cli, .math = ZIS_DTYPE_COUNT};
    zis_status st = zis_args_parse(&args, &usage, argc, argv, err);
    if (st) return st;
    if (args.help) {
        zis_args_help(&usage);
    } else {
        st = take_settings(&p, &args, err);
        if (!st) st = work(&p, err);
    }
    zis_args_deinit(&args);
    return st;
}
