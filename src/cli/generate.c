/* zis generate, zis upscale: from a request to files. */
#include "base/os.h"
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/fetch.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "pipeline/jsonout.h"
#include "pipeline/model.h"
#include "pipeline/recipe.h"
#include "pipeline/recipe_files.h"
#include "studio/engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    OUTPUT = 1000,
    PROMPT_FILE,
    FROM_IMAGE,
    NO_METADATA,
    SHOW,
    JSON,
    QUIET,
    VERBOSE,
    DEVICE,
    THREADS,
    FETCH,
    NO_REFINE,
};

/* The first is of `upscale` alone. */
static const zis_option options[] = {
    {NO_REFINE, "no-refine", 0, NULL,
     "keeps the upscaler's picture: the model does not draw over it", 0, 0},
    {OUTPUT, "output", 'o', "FILE",
     "where the picture goes: .png, .jpg or .webp; %d counts a batch; - is standard output "
     "(default: zis-SEED.png)",
     0, 0},
    {PROMPT_FILE, "prompt-file", 0, "FILE", "reads the prompt from a file", 0, 0},
    {FROM_IMAGE, "from-image", 0, "FILE",
     "repeats the recipe in a picture; other options change it; files that it names may lie beside "
     "the picture",
     0, 0},
    {NO_METADATA, "no-metadata", 0, NULL, "leaves the recipe out of the picture", 0, 0},
    {SHOW, "show", 0, NULL, "shows the picture on a terminal that can", 0, 0},
    {FETCH, "fetch", 0, NULL, "downloads the model first unless it is here", 0, 0},
    {DEVICE, "device", 0, "NAME", "auto, cpu, or ref (slow, for checks)", 0, 0},
    {THREADS, "threads", 't', "N", "threads (default: one for each CPU)", 1, 1024},
    {JSON, "json", 0, NULL, "prints the result as one JSON object", 0, 0},
    {QUIET, "quiet", 'q', NULL, "prints nothing but errors", 0, 0},
    {VERBOSE, "verbose", 'v', NULL, "prints the plan and the times", 0, 0},
    {0},
};

static const zis_usage usage = {
    .command = "generate",
    .synopsis = "[PROMPT] [options]",
    .about = "Draws a picture of what the prompt says.",
    .fields = ZIS_FIELD_GENERATE,
    .options = options + 1,
    .rest_max = 1,
};

static const zis_usage upscale_usage = {
    .command = "upscale",
    .synopsis = "-i IN -o OUT [options]",
    .about = "Makes a picture larger: four times by Real-ESRGAN, brought to the size by Lanczos "
             "(twice the\npicture's, by default), and then drawn over by the model, which adds "
             "detail.",
    .fields = ZIS_FIELD_UPSCALE,
    .options = options,
};

/* One call of the command. */
typedef struct generate {
    zis_cli *cli;
    zis_request_task task;
    zis_request request;
    zis_engine_options engine;
    const char *output; /* pattern, or NULL */
    zis_picture_kind kind;
    const char *prompt_file;
    const char *from_image;
    bool no_metadata, show, json, quiet, verbose, fetch;
    zis_buf idle; /* a warning: flags that do nothing */
    zis_progress_view progress;
    char **written; /* names of finished files */
    int n_written;
    double started;
} generate;

/* ---- the request --------------------------------------------------------------------------- */

/* All of standard input, up to the largest prompt and one byte more. */
static zis_status read_stdin(zis_buf *out, zis_error *err)
{
    char piece[4096];
    for (;;) {
        ssize_t k = read(STDIN_FILENO, piece, sizeof piece);
        if (k < 0 && errno == EINTR) continue;
        if (k < 0)
            return zis_fail(err, ZIS_IO, "cannot read the prompt from standard input: %s",
                            strerror(errno));
        if (k == 0) break;
        zis_buf_append(out, piece, (size_t)k);
        if (out->len > ZIS_REQUEST_MAX_TEXT) break;
    }
    return out->failed ? zis_fail_nomem(err, "the prompt") : ZIS_OK;
}

/* A line's end behind a piped or filed prompt does not belong to it. */
static size_t without_newline(const char *s, size_t n)
{
    if (n > 0 && s[n - 1] == '\n') n--;
    if (n > 0 && s[n - 1] == '\r') n--;
    return n;
}

static zis_status set_prompt(
    generate *g, const char *said, const char *value, const zis_field *f, zis_error *err)
{
    if (strcmp(value, "-") != 0) return zis_request_set(&g->request, f, said, value, err);
    zis_buf text = {0};
    zis_status st = read_stdin(&text, err);
    if (!st)
        st = zis_request_set_text(&g->request, f, "the prompt on standard input",
                                  text.data ? text.data : "", without_newline(text.data, text.len),
                                  err);
    zis_buf_free(&text);
    return st;
}

static zis_status read_prompt_file(generate *g, zis_error *err)
{
    char *text = NULL;
    size_t n = 0;
    zis_status st = zis_os_read_file(&text, &n, g->prompt_file, ZIS_REQUEST_MAX_TEXT, err);
    if (!st)
        st = zis_request_set_text(&g->request, zis_request_field("prompt"), g->prompt_file, text,
                                  without_newline(text, n), err);
    free(text);
    return st;
}

static zis_status take_option(generate *g, const zis_setting *s, zis_error *err)
{
    switch (s->option->id) {
    case OUTPUT:
        g->output = s->value;
        break;
    case PROMPT_FILE:
        g->prompt_file = s->value;
        break;
    case FROM_IMAGE:
        g->from_image = s->value;
        break;
    case NO_METADATA:
        g->no_metadata = true;
        break;
    case FETCH:
        g->fetch = true;
        break;
    case SHOW:
        g->show = true;
        break;
    case JSON:
        g->json = true;
        break;
    case QUIET:
        g->quiet = true;
        break;
    case VERBOSE:
        g->verbose = true;
        break;
    case DEVICE:
        g->engine.device = strcmp(s->value, "auto") == 0 ? NULL : s->value;
        break;
    case NO_REFINE:
        return zis_request_set(&g->request, zis_request_field("refine"), "--no-refine", "off", err);
    case THREADS:
        return zis_args_int(s, &g->engine.threads, err);
    default:
        break;
    }
    return ZIS_OK;
}

/* Files that the fields name, turned upright, alpha laid on white. */
static zis_status read_pictures(generate *g, zis_error *err)
{
    const char *const names[ZIS_PICTURE_COUNT] = {
        [ZIS_PICTURE_INIT] = g->request.image,
        [ZIS_PICTURE_MASK] = g->request.mask,
        [ZIS_PICTURE_CONTROL] = g->request.control_image,
    };
    zis_status st = ZIS_OK;
    for (int i = 0; i < ZIS_PICTURE_COUNT && !st; i++) {
        zis_image *picture = NULL;
        if (!names[i]) continue;
        st = zis_picture_read(&picture, names[i], err);
        /* a mask may lie in alpha */
        if (!st && i != ZIS_PICTURE_MASK) st = zis_picture_to_rgb(&picture, err);
        if (st)
            zis_image_destroy(&picture);
        else
            zis_request_take_picture(&g->request, (zis_picture_slot)i, picture);
    }
    return st;
}

/* A flag that does nothing is a mistake, or a line in the warning. */
static zis_status check_idle(generate *g, const char *said, const zis_field *f, zis_error *err)
{
    char *why = NULL;
    bool mild = false;
    zis_status st = zis_request_idle(&why, &mild, &g->request, f, err);
    if (!st && why && !mild)
        st = zis_fail(err, ZIS_ARG, "%s does nothing %s; leave it out, or see `zis %s --help`",
                      said, why, g->cli->command);
    if (!st && why)
        zis_buf_printf(&g->idle, "%s%s does nothing %s", g->idle.len ? "; " : "", said, why);
    free(why);
    return !st && g->idle.failed ? zis_fail_nomem(err, "the warnings") : st;
}

static zis_status check_all_idle(generate *g, const zis_args *a, zis_error *err)
{
    zis_status st = ZIS_OK;
    for (size_t i = 0; i < a->n_settings && !st; i++)
        if (a->settings[i].field)
            st = check_idle(g, a->settings[i].said, a->settings[i].field, err);
    if (!st && g->prompt_file)
        st = check_idle(g, "--prompt-file", zis_request_field("prompt"), err);
    return st;
}

/* The recipe, and its files, but for fields that stand on the command line. */
static zis_status read_recipe(generate *g, const zis_args *a, zis_error *err)
{
    uint64_t own = 0;
    zis_buf notes = {0};
    for (size_t i = 0; i < a->n_settings; i++)
        if (a->settings[i].field)
            own |= UINT64_C(1) << (a->settings[i].field - zis_request_field_at(0));
    zis_status st = zis_recipe_read(&g->request, g->from_image, err);
    if (!st) st = zis_recipe_find_files(&g->request, g->from_image, own, &notes, err);
    const char *line = st || g->quiet || !notes.data ? "" : notes.data;
    for (size_t n; *line; line += n + 1) {
        n = strcspn(line, "\n");
        fprintf(stderr, "note: %.*s\n", (int)n, line);
    }
    zis_buf_free(&notes);
    return st;
}

/* The prompt comes as a word of its own, by --prompt, or from a file: one of them. */
static zis_status check_prompts(const generate *g, const zis_args *a, zis_error *err)
{
    const zis_setting *said = NULL;
    for (size_t i = 0; i < a->n_settings; i++)
        if (a->settings[i].field == zis_request_field("prompt")) said = &a->settings[i];
    if ((a->n_rest > 0) + (g->prompt_file != NULL) + (said != NULL) < 2) return ZIS_OK;
    return zis_fail(err, ZIS_ARG, "the prompt is given twice: %s and %s; leave one out",
                    a->n_rest ? "as a word of its own" : "by --prompt-file",
                    said ? said->said : "by --prompt-file");
}

/* The recipe first, so that what stands on the command line changes it. */
static zis_status take_settings(generate *g, const zis_args *a, zis_error *err)
{
    zis_status st = ZIS_OK;
    const zis_field *prompt = zis_request_field("prompt"), *loras = zis_request_field("loras");
    bool own_loras = false;
    for (size_t i = 0; i < a->n_settings && !st; i++)
        if (a->settings[i].option) st = take_option(g, &a->settings[i], err);
    if (!st) st = check_prompts(g, a, err);
    if (!st && g->from_image) st = read_recipe(g, a, err);
    if (!st && g->prompt_file) st = read_prompt_file(g, err);
    for (size_t i = 0; i < a->n_settings && !st; i++) {
        const zis_setting *s = &a->settings[i];
        if (!s->field) continue;
        /* the first on the command line takes the place of those of the recipe */
        if (s->field == loras && !own_loras) {
            st = zis_request_set(&g->request, loras, s->said, "none", err);
            own_loras = true;
        }
        if (st) break;
        st = s->field == prompt ? set_prompt(g, s->said, s->value, prompt, err)
                                : zis_request_set(&g->request, s->field, s->said, s->value, err);
    }
    if (!st && a->n_rest) st = set_prompt(g, "the prompt", a->rest[0], prompt, err);
    if (st) return st;
    if (g->task == ZIS_TASK_UPSCALE) zis_request_set_task(&g->request, g->task);
    if (g->request.task == ZIS_TASK_UPSCALE && !g->request.image)
        return zis_fail(
            err, ZIS_ARG,
            "there is no picture to upscale; try: zis upscale -i small.png -o large.png");
    if (g->request.task == ZIS_TASK_GENERATE && !zis_request_given(&g->request, prompt))
        return zis_fail(err, ZIS_ARG,
                        "there is no prompt; try: zis generate \"a red apple\" -o apple.png");
    st = read_pictures(g, err);
    if (!st) st = check_all_idle(g, a, err);
    if (st) return st;
    if (g->json && g->output && strcmp(g->output, "-") == 0)
        return zis_fail(err, ZIS_ARG, "--json and -o - both need standard output; choose one");
    if (g->json && g->show)
        return zis_fail(err, ZIS_ARG, "--json and --show both need standard output; choose one");
    return g->output ? zis_output_check(g->output, g->request.batch, &g->kind, err)
                     : zis_output_check("zis.png", 1, &g->kind, err);
}

/* ---- pictures ------------------------------------------------------------------------------ */

static void on_progress(void *arg, const zis_engine_progress *p)
{
    generate *g = arg;
    zis_progress_update(&g->progress, p);
}

/* Room for one more name; before the file is written, so that nothing can fail after it. */
static zis_status make_room(generate *g, zis_error *err)
{
    char **list = zis_mem_resize(g->written, (size_t)g->n_written + 1, sizeof *list);
    if (!list) return zis_fail_nomem(err, "the list of files");
    g->written = list;
    return ZIS_OK;
}

static zis_status write_picture(generate *g,
                                const zis_engine_picture *p,
                                const zis_buf *file,
                                zis_error *err)
{
    bool to_stdout = g->output && strcmp(g->output, "-") == 0;
    char *name = g->output ? zis_output_name(g->output, p->index, g->request.batch)
                           : zis_mem_printf("zis-%lld.png", (long long)p->seed);
    if (!name) return zis_fail_nomem(err, "the name of the file");
    zis_status st = make_room(g, err);
    if (!st)
        st = to_stdout ? zis_output_stdout(file->data, file->len, err)
                       : zis_os_write_file(name, file->data, file->len, err);
    if (st) {
        free(name);
        return st;
    }
    g->written[g->n_written++] = name;
    if (g->quiet || g->json) return ZIS_OK;
    zis_progress_clear(&g->progress);
    fprintf(to_stdout || g->show ? stderr : stdout, "%s  %dx%d  seed %lld  %.1f s\n",
            to_stdout ? "standard output" : name, p->image->width, p->image->height,
            (long long)p->seed, zis_os_now() - g->started);
    return zis_output_flush(err);
}

static zis_status show_picture(const zis_image *image, zis_error *err)
{
    zis_buf png = {0};
    zis_status st = zis_picture_encode(&png, image, ZIS_PICTURE_PNG, NULL, 0, err);
    if (!st) st = zis_output_show(png.data, png.len, err);
    zis_buf_free(&png);
    return st;
}

static zis_status on_picture(void *arg, const zis_engine_picture *p, zis_error *err)
{
    generate *g = arg;
    zis_buf file = {0};
    const zis_picture_text texts[] = {
        {ZIS_RECIPE_KEY_A1111, p->parameters},
        {ZIS_RECIPE_KEY_JSON, p->recipe},
    };
    zis_status st =
        zis_picture_encode(&file, p->image, g->kind, texts, g->no_metadata ? 0 : 2, err);
    if (!st && atomic_load(g->cli->cancel)) st = zis_fail(err, ZIS_CANCELLED, "cancelled");
    if (!st) st = write_picture(g, p, &file, err);
    zis_buf_free(&file);
    if (!st && g->show) {
        zis_progress_clear(&g->progress);
        st = show_picture(p->image, err);
    }
    return st;
}

/* ---- answers ------------------------------------------------------------------------------- */

static void put_loras(zis_buf *out, const zis_engine_result *r)
{
    for (int i = 0; i < r->n_loras; i++) {
        const zis_engine_lora *l = &r->loras[i];
        zis_buf_puts(out, i ? ", {\"file\": " : "{\"file\": ");
        zis_jsonout_string(out, l->file);
        zis_buf_puts(out, ", \"path\": ");
        zis_jsonout_string(out, l->path);
        zis_buf_puts(out, ", \"strength\": ");
        zis_jsonout_number(out, l->strength);
        zis_buf_printf(out,
                       ", \"matched\": %zu, \"modules\": %zu, \"rank\": %lld, "
                       "\"left_over\": %zu, \"report\": ",
                       l->matched, l->modules, (long long)l->rank, l->left_over);
        zis_jsonout_string(out, l->report);
        zis_buf_putc(out, '}');
    }
}

static zis_status print_json(const generate *g, const zis_engine_result *r, zis_error *err)
{
    zis_buf out = {0};
    zis_buf_puts(&out, "{\"ok\": true, \"output\": [");
    for (int i = 0; i < g->n_written; i++) {
        zis_buf_puts(&out, i ? ", " : "");
        zis_jsonout_string(&out, g->written[i]);
    }
    zis_buf_printf(&out, "], \"width\": %d, \"height\": %d, \"model\": ", r->request.width,
                   r->request.height);
    zis_jsonout_string(&out, r->model);
    zis_buf_puts(&out, ", ");
    zis_request_to_json(&out, &r->request, ZIS_FIELD_RESULT);
    zis_buf_printf(&out, ", \"device\": \"%s\", \"dtype\": \"%s\", \"seconds\": {", r->device,
                   r->dtype);
    for (int i = 0; i < ZIS_ENGINE_STAGE_COUNT; i++)
        zis_buf_printf(&out, "%s\"%s\": %.4f", i ? ", " : "",
                       zis_engine_stage_name((zis_engine_stage)i), r->seconds[i]);
    zis_buf_printf(&out, "}, \"peak_memory_bytes\": %llu, \"warnings\": [",
                   (unsigned long long)r->peak_memory_bytes);
    if (g->idle.len) zis_jsonout_string(&out, g->idle.data);
    for (int i = 0; i < r->n_warnings; i++) {
        zis_buf_puts(&out, i || g->idle.len ? ", " : "");
        zis_jsonout_string(&out, r->warnings[i]);
    }
    zis_buf_puts(&out, "], \"loras\": [");
    put_loras(&out, r);
    zis_buf_puts(&out, "]}\n");
    zis_status st =
        out.failed ? zis_fail_nomem(err, "the answer") : zis_output_stdout(out.data, out.len, err);
    zis_buf_free(&out);
    return st;
}

static void print_times(const zis_engine_result *r)
{
    fprintf(stderr, "%s on %s (%s), %s products, working memory %.0f MB, peak %.0f MB\n", r->model,
            r->device, r->isa, r->dtype, (double)r->scratch_bytes / 1e6,
            (double)r->peak_memory_bytes / 1e6);
    for (int i = 0; i < r->n_loras; i++)
        fprintf(stderr, "LoRA %s, strength %g: %s\n", r->loras[i].file, r->loras[i].strength,
                r->loras[i].report);
    for (int i = 0; i < ZIS_ENGINE_STAGE_COUNT; i++)
        if (r->seconds[i] > 0)
            fprintf(stderr, "%-8s %8.3f s\n", zis_engine_stage_name((zis_engine_stage)i),
                    r->seconds[i]);
}

/* Said once, when nobody named a model and a real one is there. */
static void hint(const generate *g)
{
    if (g->quiet || zis_request_given(&g->request, zis_request_field("model"))) return;
    char *id = zis_model_cached_hint();
    if (id)
        fprintf(stderr, "hint: %s is in your Hugging Face cache; -m %s draws with it\n", id, id);
    free(id);
}

static zis_status run(generate *g, zis_error *err)
{
    zis_engine *engine = NULL;
    zis_engine_result result = {0};
    zis_engine_hooks hooks = {.arg = g, .progress = on_progress, .picture = on_picture};
    g->started = zis_os_now();
    zis_progress_init(&g->progress, g->quiet);
    hint(g);
    if (g->idle.len && !g->quiet) fprintf(stderr, "warning: %s\n", g->idle.data);
    zis_status st = ZIS_OK;
    if (g->fetch) st = zis_fetch_model(g->cli, g->request.model, g->quiet, err);
    if (!st) st = zis_engine_create(&engine, &g->engine, err);
    if (!st) st = zis_engine_run(engine, &g->request, &hooks, g->cli->cancel, &result, err);
    zis_progress_clear(&g->progress);
    for (int i = 0; i < result.n_warnings && !g->quiet; i++)
        fprintf(stderr, "warning: %s\n", result.warnings[i]);
    if (!st && g->verbose) print_times(&result);
    if (!st && g->json) st = print_json(g, &result, err);
    zis_engine_result_deinit(&result);
    zis_engine_destroy(&engine);
    return st;
}

static zis_status run_command(
    zis_cli *cli, zis_request_task task, const zis_usage *u, int argc, char **argv, zis_error *err)
{
    generate g = {.cli = cli, .task = task};
    zis_args args = {0};
    zis_status st = zis_args_parse(&args, u, argc, argv, err);
    if (st) return st;
    if (args.help) {
        zis_args_help(u);
        goto out;
    }
    const char *isa = getenv("ZIS_CPU");
    g.engine.isa = isa && *isa ? isa : NULL;
    st = zis_request_init(&g.request, err);
    if (!st) st = take_settings(&g, &args, err);
    if (!st) st = run(&g, err);
out:
    for (int i = 0; i < g.n_written; i++) free(g.written[i]);
    free(g.written);
    zis_buf_free(&g.idle);
    zis_request_deinit(&g.request);
    zis_args_deinit(&args);
    return st;
}

zis_status zis_cmd_generate(zis_cli *cli, int argc, char **argv, zis_error *err)
{
    return run_command(cli, ZIS_TASK_GENERATE, &usage, argc, argv, err);
}

zis_status zis_cmd_upscale(zis_cli *cli, int argc, char **argv, zis_error *err)
{
    return run_command(cli, ZIS_TASK_UPSCALE, &upscale_usage, argc, argv, err);
}
