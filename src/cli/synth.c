/* zis synth: checkpoints of synthetic weights with real names, shapes and layout. */
#include "formats/synth.h"

#include "base/mem.h"
#include "base/os.h"
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "pipeline/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TYPE = 1000, SEED, THREADS, QUIET };

static const zis_option options[] = {
    {TYPE, "type", 0, "TYPE", "bf16, f16 or f32 (default: as published)", 0, 0},
    {SEED, "seed", 's', "N", "global seed of the values (default: 0)", 0, 2147483647},
    {THREADS, "threads", 't', "N", "threads (default: one for each CPU)", 1, 1024},
    {QUIET, "quiet", 'q', NULL, "prints nothing but errors", 0, 0},
    {0},
};

/* What can be written; parts are bits. */
#define ALL_PARTS (1u << ZIS_SYNTH_TRANSFORMER | 1u << ZIS_SYNTH_TEXT_ENCODER | 1u << ZIS_SYNTH_VAE)
static const struct {
    const char *name;
    unsigned parts;
    bool single;       /* one part: OUT is a file or the part's folder */
    const char *shift; /* of the scheduler */
} whats[] = {
    {"turbo", ALL_PARTS, false, "3.0"},
    {"base", ALL_PARTS, false, "6.0"},
    {"transformer", 1u << ZIS_SYNTH_TRANSFORMER, true, NULL},
    {"text-encoder", 1u << ZIS_SYNTH_TEXT_ENCODER, true, NULL},
    {"vae", 1u << ZIS_SYNTH_VAE, true, NULL},
    {"controlnet-1.0", 1u << ZIS_SYNTH_CONTROL_1_0, true, NULL},
    {"controlnet-2.0", 1u << ZIS_SYNTH_CONTROL_2_0, true, NULL},
    {"controlnet-2.1", 1u << ZIS_SYNTH_CONTROL_2_1, true, NULL},
    {"controlnet-2.1-lite", 1u << ZIS_SYNTH_CONTROL_LITE, true, NULL},
    {"lite", 1u << ZIS_SYNTH_CONTROL_LITE, true, NULL},
    {"depth", 1u << ZIS_SYNTH_DEPTH, true, NULL},
    {"pose", 1u << ZIS_SYNTH_POSE, true, NULL},
    {"esrgan", 1u << ZIS_SYNTH_ESRGAN, true, NULL},
    {"srvgg", 1u << ZIS_SYNTH_SRVGG, true, NULL},
};
#define N_WHATS (sizeof whats / sizeof *whats)

static const zis_usage usage = {
    .command = "synth",
    .synopsis = "WHAT OUT",
    .about =
        "Writes a checkpoint of synthetic weights with the names, shapes and layout of the "
        "real one.\nWHAT: turbo, base (a folder, 20.5 GB each); transformer, text-encoder, vae, "
        "controlnet-1.0,\ncontrolnet-2.0, controlnet-2.1, lite, depth, pose, esrgan, srvgg (a "
        "folder or a "
        ".safetensors file); all (turbo\nand base, 33 GB).",
    .options = options,
    .rest_max = 2,
};

typedef struct synth {
    zis_cli *cli;
    zis_pool *pool;
    zis_dtype dtype; /* ZIS_DTYPE_COUNT: as published */
    int seed;
    bool quiet, terminal;
    const char *now; /* what is being written */
    double last_time;
} synth;

static void on_progress(void *arg, uint64_t done, uint64_t total)
{
    synth *s = arg;
    double now = zis_os_now();
    if (s->quiet || (done < total && now - s->last_time < (s->terminal ? 0.1 : 5.0))) return;
    s->last_time = now;
    fprintf(stderr, "%s%s  %.2f of %.2f GB%s", s->terminal ? "\r\033[K" : "", s->now,
            (double)done / 1e9, (double)total / 1e9, s->terminal && done < total ? "" : "\n");
    fflush(stderr);
}

static zis_status make_folder(const char *path, zis_error *err)
{
    if (mkdir(path, 0777) == 0 || (errno == EEXIST && zis_os_is_dir(path))) return ZIS_OK;
    return zis_fail(err, ZIS_IO, "cannot make the folder '%s': %s", path, strerror(errno));
}

static zis_status write_text(const char *folder, const char *name, const char *text, zis_error *err)
{
    char *path = zis_os_join(folder, name);
    if (!path) return zis_fail_nomem(err, name);
    zis_status st = zis_os_write_file(path, text, strlen(text), err);
    free(path);
    return st;
}

static zis_status write_weights(synth *s, zis_synth_part part, const char *path, zis_error *err)
{
    zis_synth_list *list = NULL;
    zis_dtype dtype = s->dtype == ZIS_DTYPE_COUNT ? zis_synth_part_get(part)->dtype : s->dtype;
    zis_status st = zis_synth_list_create(&list, part, dtype, err);
    if (!st) {
        s->now = path;
        st = zis_synth_write(path, list->specs, list->count, (uint64_t)s->seed, s->pool,
                             s->cli->cancel, on_progress, s, err);
    }
    zis_synth_list_destroy(&list);
    return st;
}

/* config.json and the weights. */
static zis_status write_part(synth *s, zis_synth_part part, const char *folder, zis_error *err)
{
    const zis_synth_part_info *info = zis_synth_part_get(part);
    char *path = zis_os_join(folder, info->file);
    zis_status st = path ? make_folder(folder, err) : zis_fail_nomem(err, folder);
    if (!st) st = write_weights(s, part, path, err);
    if (!st && info->config) st = write_text(folder, "config.json", info->config, err);
    if (st) rmdir(folder); /* goes only when it is empty */
    free(path);
    return st;
}

static zis_status write_scheduler(const char *out, const char *shift, zis_error *err)
{
    char *folder = zis_os_join(out, "scheduler");
    char *text = zis_mem_printf("{\"_class_name\": \"FlowMatchEulerDiscreteScheduler\", "
                                "\"num_train_timesteps\": 1000, \"shift\": %s, "
                                "\"use_dynamic_shifting\": false}\n",
                                shift);
    zis_status st = folder && text ? make_folder(folder, err) : zis_fail_nomem(err, out);
    if (!st) st = write_text(folder, "scheduler_config.json", text, err);
    free(folder);
    free(text);
    return st;
}

static zis_status copy_file(const char *from, const char *to, const char *name, zis_error *err)
{
    char *path = zis_os_join(from, name);
    char *target = zis_os_join(to, name);
    char *text = NULL;
    size_t n = 0;
    zis_status st = path && target ? zis_os_read_file(&text, &n, path, 64u << 20, err)
                                   : zis_fail_nomem(err, name);
    if (!st) st = zis_os_write_file(target, text, n, err);
    free(text);
    free(path);
    free(target);
    return st;
}

/* A tokenizer cannot be made up: nano's is taken, whose ids all exist in the large vocabulary. */
static zis_status copy_tokenizer(const char *out, zis_error *err)
{
    zis_model_set nano = {0};
    char *folder = zis_os_join(out, "tokenizer");
    zis_status st = folder ? zis_model_find(&nano, &(zis_model_query){.model = "nano"}, err)
                           : zis_fail_nomem(err, out);
    const char *from = nano.path[ZIS_PART_TOKENIZER];
    if (!st) st = make_folder(folder, err);
    if (!st) st = copy_file(from, folder, "tokenizer.json", err);
    if (!st) st = copy_file(from, folder, "tokenizer_config.json", err);
    zis_model_set_deinit(&nano);
    free(folder);
    return st;
}

static zis_status write_index(const char *out, const char *name, const char *beside, zis_error *err)
{
    char *parts = beside ? zis_mem_printf(", \"parts\": \"%s\"", beside) : zis_mem_strdup("");
    char *text = parts
                     ? zis_mem_printf(
                           "{\"_class_name\": \"ZImagePipeline\",\n"
                           " \"scheduler\": [\"diffusers\", \"FlowMatchEulerDiscreteScheduler\"],\n"
                           " \"text_encoder\": [\"transformers\", \"Qwen3Model\"],\n"
                           " \"tokenizer\": [\"transformers\", \"Qwen2Tokenizer\"],\n"
                           " \"transformer\": [\"diffusers\", \"ZImageTransformer2DModel\"],\n"
                           " \"vae\": [\"diffusers\", \"AutoencoderKL\"],\n"
                           " \"_zis\": {\"name\": \"synthetic-%s\"%s}}\n",
                           name, parts)
                     : NULL;
    zis_status st =
        text ? write_text(out, "model_index.json", text, err) : zis_fail_nomem(err, out);
    free(parts);
    free(text);
    return st;
}

/* What a model that failed leaves: its small files. Folders go only when they are empty. */
static void remove_small(const char *out, bool tokenizer)
{
    static const char *const names[] = {"tokenizer/tokenizer.json",
                                        "tokenizer/tokenizer_config.json",
                                        "scheduler/scheduler_config.json"};
    for (size_t i = tokenizer ? 0 : 2; i < sizeof names / sizeof *names; i++) {
        char *path = zis_os_join(out, names[i]);
        if (!path) continue;
        (void)remove(path);
        *strrchr(path, '/') = '\0';
        rmdir(path);
        free(path);
    }
    rmdir(out);
}

/* A diffusers folder; model_index.json comes last, when all is there. */
static zis_status write_model(synth *s,
                              const char *name,
                              const char *out,
                              unsigned parts,
                              const char *shift,
                              const char *beside,
                              zis_error *err)
{
    zis_status st = make_folder(out, err);
    /* what may be missing comes before 20 GB are written */
    if (!st && !beside) st = copy_tokenizer(out, err);
    if (!st) st = write_scheduler(out, shift, err);
    for (int part = 0; part < ZIS_SYNTH_PART_COUNT && !st; part++) {
        if (!(parts >> part & 1)) continue;
        char *folder = zis_os_join(out, zis_synth_part_get((zis_synth_part)part)->folder);
        st = folder ? write_part(s, (zis_synth_part)part, folder, err) : zis_fail_nomem(err, out);
        free(folder);
    }
    if (!st) st = write_index(out, name, beside, err);
    if (st) remove_small(out, !beside);
    return st;
}

static zis_status write_all(synth *s, const char *out, zis_error *err)
{
    char *turbo = zis_os_join(out, "turbo"), *base = zis_os_join(out, "base");
    zis_status st = turbo && base ? make_folder(out, err) : zis_fail_nomem(err, out);
    if (!st) st = write_model(s, "turbo", turbo, ALL_PARTS, "3.0", NULL, err);
    if (!st) st = write_model(s, "base", base, 1u << ZIS_SYNTH_TRANSFORMER, "6.0", "../turbo", err);
    free(turbo);
    free(base);
    return st;
}

static zis_status write_single(synth *s, zis_synth_part part, const char *out, zis_error *err)
{
    const char *dot = strrchr(out, '.');
    if (dot && strcmp(dot, ".safetensors") == 0) return write_weights(s, part, out, err);
    return write_part(s, part, out, err);
}

static zis_status write_what(synth *s, const char *what, const char *out, zis_error *err)
{
    if (strcmp(what, "all") == 0) return write_all(s, out, err);
    for (size_t i = 0; i < N_WHATS; i++) {
        if (strcmp(whats[i].name, what) != 0) continue;
        if (!whats[i].single)
            return write_model(s, what, out, whats[i].parts, whats[i].shift, NULL, err);
        for (int part = 0; part < ZIS_SYNTH_PART_COUNT; part++)
            if (whats[i].parts >> part & 1) return write_single(s, (zis_synth_part)part, out, err);
    }
    zis_buf known = {0};
    for (size_t i = 0; i < N_WHATS; i++) zis_buf_printf(&known, "%s, ", whats[i].name);
    zis_status st = zis_fail(err, ZIS_ARG, "zis synth does not know '%.60s'; it may be: %sall",
                             what, known.data ? known.data : "");
    zis_buf_free(&known);
    return st;
}

static zis_status take_type(synth *s, const char *value, zis_error *err)
{
    static const struct {
        const char *name;
        zis_dtype dtype;
    } types[] = {{"bf16", ZIS_DTYPE_BF16}, {"f16", ZIS_DTYPE_F16}, {"f32", ZIS_DTYPE_F32}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i].name, value) != 0) continue;
        s->dtype = types[i].dtype;
        return ZIS_OK;
    }
    return zis_fail(err, ZIS_ARG, "--type does not know '%.60s'; it may be: bf16, f16, f32", value);
}

zis_status zis_cmd_synth(zis_cli *cli, int argc, char **argv, zis_error *err)
{
    zis_args args = {0};
    synth s = {.cli = cli, .dtype = ZIS_DTYPE_COUNT, .terminal = isatty(STDERR_FILENO)};
    int threads = 0;
    zis_status st = zis_args_parse(&args, &usage, argc, argv, err);
    if (st) return st;
    if (args.help) {
        zis_args_help(&usage);
        goto out;
    }
    for (size_t i = 0; i < args.n_settings && !st; i++) {
        const zis_setting *g = &args.settings[i];
        switch (g->option->id) {
        case TYPE:
            st = take_type(&s, g->value, err);
            break;
        case SEED:
            st = zis_args_int(g, &s.seed, err);
            break;
        case THREADS:
            st = zis_args_int(g, &threads, err);
            break;
        case QUIET:
            s.quiet = true;
            break;
        default:
            break;
        }
    }
    if (!st && args.n_rest < 2)
        st = zis_fail(err, ZIS_ARG,
                      "what to write and where is missing; try: zis synth vae vae.safetensors");
    if (!st) st = zis_pool_create(&s.pool, threads, err);
    if (!st) st = write_what(&s, args.rest[0], args.rest[1], err);
out:
    zis_pool_destroy(&s.pool);
    zis_args_deinit(&args);
    return st;
}
