/* zis bench: time and memory of each stage, and of each kernel. */
#include "kernels/bench.h"

#include "base/mem.h"
#include "base/os.h"
#include "cli/args.h"
#include "cli/bench_pictures.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "pipeline/control_find.h"
#include "pipeline/draw.h"
#include "pipeline/jsonout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JSON = 1000, REPEAT, KERNELS, FILTER, STAGES, DEVICE, THREADS };

static const zis_option options[] = {
    {REPEAT, "repeat", 0, "N", "runs of the whole (default: 1)", 1, 1000},
    {KERNELS, "kernels", 0, NULL, "measures single operations at the shapes of the real models", 0,
     0},
    {FILTER, "filter", 0, "TEXT", "only kernels whose name or shape holds this", 0, 0},
    {STAGES, "stages", 0, "LIST",
     "only these, separated by commas: draw (text to total), or names of single ones; default: all",
     0, 0},
    {DEVICE, "device", 0, "NAME", "auto, cpu, or ref", 0, 0},
    {THREADS, "threads", 't', "N", "threads (default: one for each CPU)", 1, 1024},
    {JSON, "json", 0, NULL, "prints one JSON object", 0, 0},
    {0},
};

static const zis_usage usage = {
    .command = "bench",
    .synopsis = "[options]",
    .about =
        "Measures each stage of drawing: seconds, GFLOP/s, and the share of the peak of the "
        "arithmetic\nused, which is measured in the same run. Steps: 3 unless --steps is given. "
        "The preprocessors\nrun on synthetic weights of the published shapes.",
    .fields = ZIS_FIELD_BENCH,
    .options = options,
};

/* Tokens of the measured prompt, template included, and the words that it is cut from. */
#define PROMPT_TOKENS 32
static const char words[] =
    "a red apple and a blue cup on a wooden table by the window in soft morning light with a cat "
    "and "
    "a dog and a tree and a house and a bird and a boat on the lake under the moon";

/* Passes of a stage that is measured alone. */
#define STAGE_RUNS 5

enum {
    TEXT,
    EMBED,
    STEP,
    CONTROL_STEP,
    DECODE,
    ENCODE,
    CANNY,
    DEPTH,
    POSE,
    ESRGAN,
    TOTAL,
    N_STAGES
};
static const char *const stage_names[N_STAGES] = {
    "text",
    "embed",
    "step",
    "control_step",
    "decode",
    "encode",
    "preprocess_canny",
    "preprocess_depth",
    "preprocess_pose",
    "esrgan",
    "total",
};
/* Those of drawing are measured together. */
#define IS_DRAWING(s) ((s) <= ENCODE || (s) == TOTAL)

typedef struct stage {
    double *seconds; /* [n] */
    int n;
    double flops, bytes; /* of one run */
    uint64_t peak_rss;
} stage;

typedef struct bench {
    zis_cli *cli;
    zis_request request;
    const char *device, *filter;
    unsigned wanted;   /* bit of each stage */
    char *control_net; /* a ControlNet that was named, or NULL; owned */
    bool kernels;
    int repeat, threads;
    zis_pool *pool;
    zis_run run;
    bool has_run;
    zis_model *model;
    double peak_f32, peak_bf16; /* GFLOP/s; 0: not native */
    stage stages[N_STAGES];
    int step_stage; /* STEP or CONTROL_STEP: what the steps of this picture are */
    double last;    /* when the step before ended */
    int32_t *ids;   /* of the prompt */
    size_t n_ids;
    zis_vae *encoder;
    bool nomem;
} bench;

/* ---- measuring ----------------------------------------------------------------------------- */

static void add_time(bench *b, int s, double seconds)
{
    stage *t = &b->stages[s];
    double *list = zis_mem_resize(t->seconds, (size_t)t->n + 1, sizeof *list);
    if (!list) {
        b->nomem = true;
        return;
    }
    t->seconds = list;
    list[t->n++] = seconds;
    t->peak_rss = zis_os_peak_rss();
}

static void on_progress(void *arg, const zis_progress *p)
{
    bench *b = arg;
    double now = zis_os_now();
    if (p->fraction * p->of - p->step > 1e-6) return; /* within a step */
    if (p->stage == ZIS_STAGE_DENOISE && p->step > 0) add_time(b, b->step_stage, now - b->last);
    b->last = now;
    if (b->cli->json) return;
    fprintf(stderr, "%s %d/%d\n", zis_stage_name(p->stage), p->step, p->of);
}

/* Steps under control, of a picture with waves for a map. Without a ControlNet that fits there is
 * nothing to measure, unless one was named. */
static zis_status measure_control(bench *b, zis_error *err)
{
    zis_request *r = &b->request;
    char *path = NULL;
    zis_control *control = NULL;
    zis_image *map = NULL;
    zis_draw_result made = {0};
    if (!(b->wanted >> CONTROL_STEP & 1)) return ZIS_OK;
    zis_status st = zis_control_find(&path, b->control_net, b->model, err);
    if (st == ZIS_NOT_FOUND && !b->control_net) {
        b->wanted &= ~(1u << CONTROL_STEP);
        return ZIS_OK;
    }
    if (!st) st = zis_control_open(&control, b->model->transformer, path, err);
    if (!st) st = zis_image_create(&map, r->width, r->height, 3, err);
    if (!st) {
        for (int i = 0; i < 3 * r->width * r->height; i++) map->data[i] = (uint8_t)(i / 97);
        zis_request_take_picture(r, ZIS_PICTURE_CONTROL, map);
        zis_draw_hooks hooks = {.arg = b, .progress = on_progress};
        zis_draw_job job = {.model = b->model, .control = control, .request = r, .hooks = &hooks};
        b->step_stage = CONTROL_STEP;
        st = zis_draw_run(&job, &b->run, &made, err);
        b->step_stage = STEP;
        zis_request_take_picture(r, ZIS_PICTURE_CONTROL, NULL);
    }
    if (!st) {
        b->stages[CONTROL_STEP].flops = made.plan.flops[ZIS_STAGE_DENOISE] / r->steps;
        b->stages[CONTROL_STEP].bytes = made.plan.bytes[ZIS_STAGE_DENOISE] / r->steps;
    }
    zis_draw_result_deinit(&made);
    zis_control_close(&control);
    free(path);
    return st;
}

static zis_status measure_picture(bench *b, zis_error *err)
{
    zis_draw_result made = {0};
    zis_draw_hooks hooks = {.arg = b, .progress = on_progress};
    /* No kept features: the text encoder runs each time. */
    zis_draw_job job = {.model = b->model, .request = &b->request, .hooks = &hooks};
    double start = zis_os_now();
    zis_status st = zis_draw_run(&job, &b->run, &made, err);
    if (st) return st;
    add_time(b, TOTAL, zis_os_now() - start);
    add_time(b, TEXT, made.seconds[ZIS_STAGE_TEXT]);
    add_time(b, EMBED, made.seconds[ZIS_STAGE_EMBED]);
    add_time(b, DECODE, made.seconds[ZIS_STAGE_DECODE]);
    const zis_draw_plan *p = &made.plan;
    const int stage_of[ZIS_STAGE_COUNT] = {
        [ZIS_STAGE_TEXT] = TEXT,   [ZIS_STAGE_ENCODE] = ENCODE, [ZIS_STAGE_CONTROL] = ENCODE,
        [ZIS_STAGE_EMBED] = EMBED, [ZIS_STAGE_DENOISE] = STEP,  [ZIS_STAGE_DECODE] = DECODE};
    b->stages[TOTAL].flops = b->stages[TOTAL].bytes = 0;
    for (int i = 0; i < ZIS_STAGE_COUNT; i++) {
        double each = i == ZIS_STAGE_DENOISE ? 1.0 / b->request.steps : 1;
        b->stages[stage_of[i]].flops = p->flops[i] * each;
        b->stages[stage_of[i]].bytes = p->bytes[i] * each;
        b->stages[TOTAL].flops += p->flops[i];
        b->stages[TOTAL].bytes += p->bytes[i];
    }
    zis_draw_result_deinit(&made);
    return ZIS_OK;
}

/* ---- stages alone, warm ------------------------------------------------------------------------
 */

/* One pass of a stage; dry: only counted. */
typedef zis_status stage_pass(bench *b, zis_run *run, zis_error *err);

/* Runs a stage a few times after the pictures: their first pass also pays for mapping the weights.
 */
static zis_status measure_stage(bench *b, int s, stage_pass *pass, zis_error *err)
{
    zis_run dry;
    zis_run_init_dry(&dry, &b->run);
    zis_status st = pass(b, &dry, err);
    if (!st) st = zis_run_reserve(&b->run, dry.scratch.peak, err);
    b->stages[s].flops = dry.flops;
    b->stages[s].bytes = dry.bytes;
    for (int i = 0; i < STAGE_RUNS && !st; i++) {
        double start = zis_os_now();
        st = pass(b, &b->run, err);
        if (!st) add_time(b, s, zis_os_now() - start);
    }
    zis_run_clear(&b->run);
    return st;
}

static zis_status text_pass(bench *b, zis_run *run, zis_error *err)
{
    const zis_qwen3 *m = b->model->text_encoder;
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    zis_tensor hidden =
        zis_run_alloc_2d(run, ZIS_DTYPE_F32, (int64_t)b->n_ids, zis_qwen3_get_config(m)->hidden);
    zis_status st = zis_run_status(run, err);
    /* as in a studio that has seen some prompts */
    run->resident = zis_qwen3_resident(m);
    if (!st) st = zis_qwen3_encode(m, run, b->ids, (int64_t)b->n_ids, hidden, NULL, NULL, err);
    run->resident = NULL;
    zis_arena_restore(&run->scratch, mark);
    return st;
}

/* A picture and its latents, both black, of the request's size rounded up. */
static zis_status vae_pass(
    const zis_vae *vae, const zis_request *r, bool encode, zis_run *run, zis_error *err)
{
    int64_t f = zis_vae_factor(vae);
    int64_t h = (r->height + f - 1) / f, w = (r->width + f - 1) / f;
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    zis_tensor image = zis_run_alloc_3d(run, ZIS_DTYPE_F32, 3, h * f, w * f);
    zis_tensor latents =
        zis_run_alloc_3d(run, ZIS_DTYPE_F32, zis_vae_get_config(vae)->latent_channels, h, w);
    zis_status st = zis_run_status(run, err);
    if (!st && !run->dry) {
        memset(image.data, 0, zis_tensor_bytes(&image));
        memset(latents.data, 0, zis_tensor_bytes(&latents));
    }
    if (!st)
        st = encode ? zis_vae_encode(vae, run, &image, latents, err)
                    : zis_vae_decode(vae, run, &latents, image, err);
    zis_arena_restore(&run->scratch, mark);
    return st;
}

static zis_status decode_pass(bench *b, zis_run *run, zis_error *err)
{
    return vae_pass(b->model->vae, &b->request, false, run, err);
}

static zis_status encode_pass(bench *b, zis_run *run, zis_error *err)
{
    return vae_pass(b->encoder, &b->request, true, run, err);
}

static zis_status measure_stages(bench *b, zis_error *err)
{
    zis_status st =
        zis_vae_open(&b->encoder, b->model->set.path[ZIS_PART_VAE], ZIS_VAE_ENCODER, err);
    if (!st) st = measure_stage(b, TEXT, text_pass, err);
    if (!st) st = measure_stage(b, DECODE, decode_pass, err);
    if (!st) st = measure_stage(b, ENCODE, encode_pass, err);
    zis_vae_close(&b->encoder);
    return st;
}

static zis_status measure_network(bench *b, int s, zis_bench_picture what, zis_error *err)
{
    zis_bench_passes passes = {0};
    if (!(b->wanted >> s & 1)) return ZIS_OK;
    zis_status st = zis_bench_pictures_run(what, &b->run, &passes, err);
    for (int i = 0; i < ZIS_BENCH_PICTURES_RUNS && !st; i++) add_time(b, s, passes.seconds[i]);
    b->stages[s].flops = passes.flops;
    b->stages[s].bytes = passes.bytes;
    return st;
}

static zis_status measure_networks(bench *b, zis_error *err)
{
    zis_status st = measure_network(b, CANNY, ZIS_BENCH_CANNY, err);
    if (!st) st = measure_network(b, DEPTH, ZIS_BENCH_DEPTH, err);
    if (!st) st = measure_network(b, POSE, ZIS_BENCH_POSE, err);
    return st ? st : measure_network(b, ESRGAN, ZIS_BENCH_ESRGAN, err);
}

/* ---- answers ------------------------------------------------------------------------------- */

/* New string; NULL where unknown. */
static char *cpu_name(void)
{
    char line[300], *name = NULL;
    FILE *f = fopen("/proc/cpuinfo", "re");
    while (f && !name && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon) continue;
        line[strcspn(line, "\n")] = '\0';
        name = zis_mem_strdup(colon + 2);
    }
    if (f) fclose(f);
    return name;
}

static void put_machine(zis_buf *out, const bench *b)
{
    char *cpu = cpu_name();
    zis_buf_puts(out, "\"machine\": {\"cpu\": ");
    zis_jsonout_string(out, cpu);
    zis_buf_printf(out, ", \"isa\": \"%s\", \"threads\": %d, \"peak_gflops_f32\": %.1f",
                   b->run.backend->isa(&b->run), zis_pool_threads(b->pool), b->peak_f32);
    if (b->peak_bf16 > 0) zis_buf_printf(out, ", \"peak_gflops_bf16\": %.1f", b->peak_bf16);
    zis_buf_puts(out, ", \"gpu\": null}");
    free(cpu);
}

static const char *dtype_name(const bench *b)
{
    return b->run.math == ZIS_DTYPE_BF16 ? "bf16" : "f32";
}

static double peak_of(const bench *b)
{
    /* Without native bf16 its products are made of float32's. */
    return b->run.math == ZIS_DTYPE_BF16 && b->peak_bf16 > 0 ? b->peak_bf16 : b->peak_f32;
}

static double best(const stage *s)
{
    double t = 0;
    for (int i = 0; i < s->n; i++)
        if (i == 0 || s->seconds[i] < t) t = s->seconds[i];
    return t;
}

static void put_stage_json(zis_buf *out, const bench *b, int i, bool first)
{
    const stage *s = &b->stages[i];
    double gflops = best(s) > 0 ? s->flops * 1e-9 / best(s) : 0;
    double peak = peak_of(b);
    zis_buf_printf(out, "%s  {\"stage\": \"%s\", \"seconds\": [", first ? "" : ",\n",
                   stage_names[i]);
    for (int k = 0; k < s->n; k++) zis_buf_printf(out, "%s%.6f", k ? ", " : "", s->seconds[k]);
    zis_buf_printf(out,
                   "], \"gflop\": %.4f, \"gflops\": %.2f, \"share_of_peak\": %.4f, "
                   "\"bytes\": %.0f, \"peak_memory_bytes\": %llu}",
                   s->flops * 1e-9, gflops, peak > 0 ? gflops / peak : 0, s->bytes,
                   (unsigned long long)s->peak_rss);
}

static void put_json(zis_buf *out, const bench *b)
{
    zis_buf_puts(out, "{");
    put_machine(out, b);
    zis_buf_puts(out, ", \"model\": ");
    zis_jsonout_string(out, b->model->set.name);
    zis_buf_printf(out,
                   ", \"width\": %d, \"height\": %d, \"steps\": %d, \"device\": \"%s\", "
                   "\"dtype\": \"%s\", \"stages\": [\n",
                   b->request.width, b->request.height, b->request.steps, b->run.backend->name,
                   dtype_name(b));
    bool first = true;
    for (int i = 0; i < N_STAGES; i++) {
        if (!(b->wanted >> i & 1)) continue;
        put_stage_json(out, b, i, first);
        first = false;
    }
    zis_buf_puts(out, "\n]}\n");
}

static void put_text(zis_buf *out, const bench *b)
{
    char *cpu = cpu_name();
    zis_buf_printf(out, "%s, %d threads, %s; peak %.0f GFLOP/s f32", cpu ? cpu : "unknown CPU",
                   zis_pool_threads(b->pool), b->run.backend->isa(&b->run), b->peak_f32);
    if (b->peak_bf16 > 0) zis_buf_printf(out, ", %.0f bf16", b->peak_bf16);
    zis_buf_printf(out, "\n%s, %dx%d, %d steps, %s\n", b->model->set.name, b->request.width,
                   b->request.height, b->request.steps, dtype_name(b));
    zis_buf_printf(out, "%-16s %10s %10s %10s %8s\n", "stage", "seconds", "GFLOP", "GFLOP/s",
                   "of peak");
    for (int i = 0; i < N_STAGES; i++) {
        const stage *s = &b->stages[i];
        if (!(b->wanted >> i & 1)) continue;
        double gflops = best(s) > 0 ? s->flops * 1e-9 / best(s) : 0;
        zis_buf_printf(out, "%-16s %10.4f %10.2f %10.1f %7.0f%%\n", stage_names[i], best(s),
                       s->flops * 1e-9, gflops, peak_of(b) > 0 ? 100 * gflops / peak_of(b) : 0);
    }
    zis_buf_printf(out, "peak memory %.0f MB, mapped weights among it\n",
                   (double)zis_os_peak_rss() / 1e6);
    free(cpu);
}

/* ---- kernels ------------------------------------------------------------------------------- */

typedef struct kernel_list {
    zis_buf *out;
    bool json, first;
} kernel_list;

static void on_kernel(void *arg, const zis_bench_row *r)
{
    kernel_list *l = arg;
    if (!l->json) {
        printf("%-16s %-28s %-5s %10.6f s %9.1f GFLOP/s %6.1f%% %8.2f GB/s", r->kernel, r->what,
               r->math, r->seconds, r->gflops, 100 * r->share_of_peak, r->gbytes);
        if (r->openblas_gflops >= 0) printf("  OpenBLAS %.1f", r->openblas_gflops);
        putchar('\n');
        fflush(stdout);
        return;
    }
    zis_buf_printf(l->out,
                   "%s  {\"kernel\": \"%s\", \"shape\": \"%s\", \"dtype\": \"%s\", \"seconds\": "
                   "%.9f, \"gflop\": %.4f, \"gflops\": %.2f, \"share_of_peak\": %.4f, "
                   "\"gbytes_per_second\": %.3f",
                   l->first ? "" : ",\n", r->kernel, r->what, r->math, r->seconds, r->gflop,
                   r->gflops, r->share_of_peak, r->gbytes);
    if (r->openblas_gflops >= 0)
        zis_buf_printf(l->out, ", \"openblas_gflops\": %.2f", r->openblas_gflops);
    zis_buf_puts(l->out, "}");
    l->first = false;
}

static zis_status run_kernels(bench *b, zis_buf *out, zis_error *err)
{
    kernel_list l = {out, b->cli->json, true};
    if (l.json) {
        zis_buf_puts(out, "{");
        put_machine(out, b);
        zis_buf_puts(out, ", \"kernels\": [\n");
    }
    zis_status st = zis_bench_kernels(&b->run, (zis_bench_peaks){b->peak_f32, b->peak_bf16},
                                      b->filter, on_kernel, &l, err);
    if (l.json) zis_buf_puts(out, "\n]}\n");
    return st;
}

/* ---- the command --------------------------------------------------------------------------- */

static zis_status take_stages(bench *b, const char *list, zis_error *err)
{
    b->wanted = 0;
    for (const char *p = list; *p;) {
        size_t n = strcspn(p, ",");
        bool draw = n == 4 && strncmp(p, "draw", n) == 0, known = draw;
        for (int i = 0; i < N_STAGES; i++) {
            bool named = strlen(stage_names[i]) == n && strncmp(stage_names[i], p, n) == 0;
            if (named || (draw && IS_DRAWING(i))) b->wanted |= 1u << i;
            known = known || named;
        }
        if (!known) {
            zis_buf names = {0};
            for (int i = 0; i < N_STAGES; i++) zis_buf_printf(&names, ", %s", stage_names[i]);
            zis_status st =
                zis_fail(err, ZIS_ARG, "--stages does not know '%.*s'; it may be: draw%s",
                         (int)(n > 60 ? 60 : n), p, names.data ? names.data : "");
            zis_buf_free(&names);
            return st;
        }
        p += n + (p[n] == ',');
    }
    if (b->wanted) return ZIS_OK;
    return zis_fail(err, ZIS_ARG, "--stages names no stage");
}

/* Whether some stage of drawing is wanted. */
static bool draws(const bench *b)
{
    for (int i = 0; i < N_STAGES; i++)
        if (IS_DRAWING(i) && b->wanted >> i & 1) return true;
    return false;
}

static zis_status take_settings(bench *b, const zis_args *a, zis_error *err)
{
    zis_status st = ZIS_OK;
    for (size_t i = 0; i < a->n_settings && !st; i++) {
        const zis_setting *s = &a->settings[i];
        if (s->field) {
            st = zis_request_set(&b->request, s->field, s->said, s->value, err);
            continue;
        }
        switch (s->option->id) {
        case REPEAT:
            st = zis_args_int(s, &b->repeat, err);
            break;
        case THREADS:
            st = zis_args_int(s, &b->threads, err);
            break;
        case DEVICE:
            b->device = strcmp(s->value, "auto") == 0 ? NULL : s->value;
            break;
        case FILTER:
            b->filter = s->value;
            break;
        case KERNELS:
            b->kernels = true;
            break;
        case STAGES:
            st = take_stages(b, s->value, err);
            break;
        default:
            break;
        }
    }
    return st;
}

static zis_status open_device(bench *b, zis_error *err)
{
    const char *isa = getenv("ZIS_CPU");
    zis_run_options o = {
        .device = b->device,
        .isa = isa && *isa ? isa : NULL,
        .math = b->request.math == ZIS_MATH_F32    ? ZIS_DTYPE_F32
                : b->request.math == ZIS_MATH_BF16 ? ZIS_DTYPE_BF16
                                                   : ZIS_DTYPE_COUNT,
        .cancel = b->cli->cancel,
    };
    zis_status st = zis_pool_create(&b->pool, b->threads, err);
    o.pool = b->pool;
    if (!st) st = zis_run_init(&b->run, &o, err);
    if (st) return st;
    b->has_run = true;
    b->peak_f32 = zis_bench_peak(&b->run, ZIS_DTYPE_F32, 0.3);
    b->peak_bf16 = zis_bench_peak(&b->run, ZIS_DTYPE_BF16, 0.3);
    return ZIS_OK;
}

/* As many of the words as make PROMPT_TOKENS tokens, or the last number below. */
static zis_status make_prompt(bench *b, zis_error *err)
{
    char text[sizeof words];
    size_t n = 0;
    zis_status st = ZIS_OK;
    for (size_t end = 1; end <= sizeof words - 1 && !st; end++) {
        if (words[end] != ' ' && words[end] != '\0') continue;
        int32_t *ids = NULL;
        size_t count = 0, total = 0;
        st =
            zis_tokenizer_encode_prompt(b->model->tokenizer, words, end, &ids, &count, &total, err);
        if (st || count > PROMPT_TOKENS) {
            free(ids);
            break;
        }
        free(b->ids);
        b->ids = ids;
        b->n_ids = count;
        n = end;
    }
    if (st) return st;
    memcpy(text, words, n);
    text[n] = '\0';
    return zis_request_set(&b->request, zis_request_field("prompt"), "the prompt", text, err);
}

static zis_status open_model(bench *b, zis_error *err)
{
    zis_request *r = &b->request;
    zis_model_set set = {0};
    zis_model_query q = {
        .model = r->model,
        .path = {[ZIS_PART_TEXT_ENCODER] = r->text_encoder,
                 [ZIS_PART_VAE] = r->vae,
                 [ZIS_PART_TOKENIZER] = r->tokenizer},
    };
    zis_status st = zis_model_find(&set, &q, err);
    if (!st) st = zis_model_open(&b->model, &set, NULL, err);
    zis_model_set_deinit(&set);
    if (st) return st;
    zis_request_defaults d = b->model->set.defaults;
    d.steps = 3;
    zis_request_defaults_apply(r, &d);
    r->seed = 0;
    st = make_prompt(b, err);
    return st ? st : zis_request_check(r, err);
}

static zis_status run_stages(bench *b, zis_buf *out, zis_error *err)
{
    /* it takes part in some steps alone */
    b->control_net = b->request.control_net;
    b->request.control_net = NULL;
    zis_status st = open_model(b, err);
    for (int i = 0; i < b->repeat && draws(b) && !st; i++) st = measure_picture(b, err);
    if (!st && draws(b)) st = measure_control(b, err);
    if (!st && draws(b)) st = measure_stages(b, err);
    if (!st) st = measure_networks(b, err);
    if (!st && b->nomem) st = zis_fail_nomem(err, "the times");
    if (st) return st;
    if (b->cli->json)
        put_json(out, b);
    else
        put_text(out, b);
    return ZIS_OK;
}

zis_status zis_cmd_bench(zis_cli *cli, int argc, char **argv, zis_error *err)
{
    zis_args args = {0};
    zis_buf out = {0};
    bench b = {.cli = cli, .repeat = 1, .wanted = ~0u, .step_stage = STEP};
    zis_status st = zis_args_parse(&args, &usage, argc, argv, err);
    if (st) return st;
    if (args.help) {
        zis_args_help(&usage);
        goto done;
    }
    st = zis_request_init(&b.request, err);
    if (!st) st = take_settings(&b, &args, err);
    if (!st) st = open_device(&b, err);
    if (!st) st = b.kernels ? run_kernels(&b, &out, err) : run_stages(&b, &out, err);
    if (!st && out.failed) st = zis_fail_nomem(err, "the answer");
    if (!st && out.len) st = zis_output_stdout(out.data, out.len, err);
done:
    free(b.ids);
    free(b.control_net);
    zis_model_close(&b.model);
    if (b.has_run) zis_run_deinit(&b.run);
    zis_pool_destroy(&b.pool);
    for (int i = 0; i < N_STAGES; i++) free(b.stages[i].seconds);
    zis_request_deinit(&b.request);
    zis_buf_free(&out);
    zis_args_deinit(&args);
    return st;
}
