/* golden.c - finds goldens, runs each by its component's row, reports. */
#include "studio/golden.h"

#include "base/mem.h"
#include "base/os.h"
#include "studio/golden_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT "zis-golden-1"
#define FOLDER_DEPTH 4

static const zis_golden_row rows[] = {
    {.component = "randn", .run = zis_golden_run_randn},
    {.component = "schedule", .run = zis_golden_run_schedule},
    {.component = "tokenizer", .run = zis_golden_run_tokenizer, .own_config = true},
    {.component = "text_encoder", .run = zis_golden_run_text_encoder, .products = true},
    {.component = "dit", .run = zis_golden_run_dit, .products = true},
    {.component = "vae_encode", .run = zis_golden_run_vae_encode, .products = true},
    {.component = "vae_decode", .run = zis_golden_run_vae_decode, .products = true},
    {.component = "pipeline", .run = zis_golden_run_pipeline, .products = true},
    {.component = "dit_control", .run = zis_golden_run_dit_control, .products = true},
    {.component = "dit_lora", .run = zis_golden_run_dit_lora, .products = true},
    {.component = "rrdbnet", .run = zis_golden_run_rrdbnet, .products = true},
    {.component = "upscale", .run = zis_golden_run_upscale, .products = true},
    {.component = "canny", .run = zis_golden_run_canny},
    {.component = "resize", .run = zis_golden_run_resize},
    {.component = "midas", .run = zis_golden_run_midas, .products = true},
    {.component = "openpose_body", .run = zis_golden_run_openpose_body, .products = true},
    {.component = "openpose_people", .run = zis_golden_run_openpose_people},
    {.component = "openpose_draw", .run = zis_golden_run_openpose_draw},
    {0},
};

static const zis_golden_row unknown = {.missing = "this component is not known to this version"};

const char *zis_golden_result_name(zis_golden_result r)
{
    static const char *const names[] = {"ok", "FAIL", "skipped"};
    return names[r];
}

/* A run of zis_golden_run: where lines go. */
typedef struct session {
    const zis_golden_options *o;
    zis_golden_report *report;
    void *arg;
    zis_run run;
    size_t goldens; /* that were met */
} session;

static const char *math_name(zis_dtype t)
{
    return t == ZIS_DTYPE_BF16 ? "bf16" : "f32";
}

/* "dit-tiny" of "x/dit-tiny.safetensors" */
static void stem_of(char *out, size_t room, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    snprintf(out, room, "%.*s", (int)(dot && dot > name ? dot - name : (ptrdiff_t)strlen(name)),
             name);
}

static void report(const session *s,
                   const char *component,
                   const char *path,
                   const zis_golden_entry *e,
                   const char *note)
{
    char stem[128];
    stem_of(stem, sizeof stem, path);
    s->report(s->arg, &(zis_golden_line){
                          .component = component,
                          .stem = stem,
                          .output = e->output,
                          .device = s->run.backend->name,
                          .dtype = math_name(s->run.math),
                          .metric = e->metric ? e->metric : "",
                          .value = e->value,
                          .bound = e->bound,
                          .result = e->result,
                          .mid = e->mid,
                          .note = note,
                      });
}

/* All that was compared; intermediate values only where they help to find a fault. */
static void report_entries(const session *s, const zis_golden *g, const char *component, bool broke)
{
    bool show_mid = s->o->verbose || broke;
    for (size_t i = 0; i < g->count; i++)
        show_mid = show_mid || (!g->entries[i].mid && g->entries[i].result == ZIS_GOLDEN_FAIL);
    for (size_t i = 0; i < g->count; i++)
        if (!g->entries[i].mid || show_mid)
            report(s, component, g->path, &g->entries[i], g->entries[i].note);
}

static const zis_golden_row *find_row(const char *component)
{
    for (const zis_golden_row *r = rows; r->component; r++)
        if (strcmp(r->component, component) == 0) return r;
    return &unknown;
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) return zis_mem_strdup(".");
    return zis_mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static zis_status prepare(zis_golden *g, zis_error *err)
{
    const char *tolerance = zis_safetensors_meta(g->file, "tolerance");
    const char *config = zis_safetensors_meta(g->file, "config");
    g->config = config ? config : "{}";
    if (!tolerance) tolerance = "{}";
    g->folder = folder_of(g->path);
    if (!g->folder) return zis_fail_nomem(err, g->path);
    zis_status st = zis_json_doc_parse(&g->tolerance, "the golden's tolerance", tolerance,
                                       strlen(tolerance), err);
    if (st || g->row->own_config) return st;
    return zis_json_doc_parse(&g->doc, "the golden's config", g->config, strlen(g->config), err);
}

/* Runs the case of an open golden; a failure of the case is a line. */
static zis_status run_case(session *s, zis_golden *g, const char *component, zis_error *err)
{
    zis_error why = {0};
    zis_status st = prepare(g, &why);
    if (!st && !g->row->run) st = zis_fail(&why, ZIS_UNSUPPORTED, "%s", g->row->missing);
    if (!st) st = g->row->run(g, &why);
    if (!st && g->nomem) st = zis_fail_nomem(&why, g->path);
    zis_run_clear(&s->run);
    if (st == ZIS_CANCELLED) return zis_fail(err, ZIS_CANCELLED, "cancelled");
    zis_golden_entry broke = {.result = ZIS_GOLDEN_FAIL};
    if (st == ZIS_UNSUPPORTED) broke.result = ZIS_GOLDEN_SKIPPED;
    if (!st && g->count == 0) {
        st = zis_fail(&why, ZIS_FORMAT, "the golden has no output that could be compared");
    }
    report_entries(s, g, component, st != ZIS_OK);
    if (st) report(s, component, g->path, &broke, why.text);
    return ZIS_OK;
}

/* `named`: the caller asked for this very file, so it must be a golden. */
static zis_status run_file(session *s, const char *path, bool named, zis_error *err)
{
    zis_golden g = {.o = s->o, .path = path, .run = &s->run};
    zis_error why = {0};
    zis_status st = zis_safetensors_open(&g.file, path, named ? err : &why);
    if (st && named) return st;
    if (st) {
        report(s, "golden", path, &(zis_golden_entry){.result = ZIS_GOLDEN_FAIL}, why.text);
        s->goldens++;
        return st == ZIS_NOMEM ? zis_fail_nomem(err, path) : ZIS_OK;
    }
    const char *format = zis_safetensors_meta(g.file, "format");
    const char *component = zis_safetensors_meta(g.file, "component");
    if (!format || strcmp(format, FORMAT) != 0 || !component) {
        if (named)
            st = zis_fail(err, ZIS_FORMAT, "'%s' is no golden: its metadata have no format " FORMAT,
                          path);
        goto out;
    }
    s->goldens++;
    g.row = find_row(component);
    st = run_case(s, &g, component, err);
out:
    zis_json_doc_destroy(&g.doc);
    zis_json_doc_destroy(&g.tolerance);
    zis_safetensors_close(&g.file);
    free(g.entries);
    free(g.folder);
    return st;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n > k && strcmp(s + n - k, end) == 0;
}

static zis_status run_folder(session *s, const char *path, int depth, zis_error *err)
{
    char **names = NULL;
    size_t n = 0;
    zis_status st = zis_os_list(&names, &n, path, err);
    for (size_t i = 0; i < n && !st; i++) {
        char *inner = zis_os_join(path, names[i]);
        if (!inner)
            st = zis_fail_nomem(err, path);
        else if (zis_os_is_dir(inner))
            st = depth > 0 ? run_folder(s, inner, depth - 1, err) : ZIS_OK;
        else if (ends_with(names[i], ".safetensors"))
            st = run_file(s, inner, false, err);
        free(inner);
    }
    zis_os_list_free(names, n);
    return st;
}

zis_status zis_golden_run(const zis_golden_options *o,
                          const char *path,
                          zis_golden_report *report_line,
                          void *arg,
                          zis_error *err)
{
    session s = {.o = o, .report = report_line, .arg = arg};
    zis_run_options options = {
        .device = o->device,
        .isa = o->isa,
        .pool = o->pool,
        .math = o->math,
        .cancel = o->cancel,
    };
    zis_status st = zis_run_init(&s.run, &options, err);
    if (st) return st;
    if (zis_os_is_dir(path))
        st = run_folder(&s, path, FOLDER_DEPTH, err);
    else
        st = run_file(&s, path, !o->several, err);
    if (!st && s.goldens == 0 && !o->several)
        st = zis_fail(err, ZIS_NOT_FOUND, "no goldens (.safetensors of format " FORMAT ") in '%s'",
                      path);
    zis_run_deinit(&s.run);
    return st;
}
