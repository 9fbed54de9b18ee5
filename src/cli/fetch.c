/* zis fetch: models out of the Hub into the Hugging Face cache. */
#include "cli/fetch.h"

#include "cli/args.h"
#include "cli/output.h"
#include "pipeline/hub_fetch.h"
#include "pipeline/hub_presets.h"
#include "pipeline/hubcache.h"
#include "pipeline/jsonout.h"
#include "pipeline/model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TARGETS_MAX 64

enum { REVISION = 1000, DRY_RUN, VERIFY, CONNECTIONS, RETRIES, RETRY_WAIT, TIMEOUT, JSON, QUIET };

static const zis_option options[] = {
    {REVISION, "revision", 0, "REV", "branch, tag or commit (default: main)", 0, 0},
    {DRY_RUN, "dry-run", 'n', NULL, "lists the files and their sizes, downloads nothing", 0, 0},
    {VERIFY, "verify", 0, NULL, "hashes what is there already, too, and mends it", 0, 0},
    {CONNECTIONS, "connections", 0, "N", "connections at once (default: 8)", 1, 64},
    {RETRIES, "retries", 0, "N",
     "tries in a row without progress before a file is given up (default: 8)", 0, 1000},
    {RETRY_WAIT, "retry-wait", 0, "SECONDS",
     "before the first of them; doubled each time, at most a minute (default: 1)", 0, 60},
    {TIMEOUT, "timeout", 0, "SECONDS", "of silence that end a connection (default: 30)", 1, 3600},
    {JSON, "json", 0, NULL, "prints events, one JSON object a line", 0, 0},
    {QUIET, "quiet", 'q', NULL, "prints nothing but errors", 0, 0},
    {0},
};

static const zis_usage usage = {
    .command = "fetch",
    .synopsis = "NAME... [options]",
    .about = "Downloads models into the Hugging Face cache, where Python tools find them, too. "
             "What was\n"
             "begun goes on where it stopped; every file is checked against its hash.\n\n"
             "NAME is turbo, base, controlnet, depth, pose, upscaler, all of them (all), or a "
             "repository\n"
             "of the Hub: ORG/NAME for what zis needs of it, ORG/NAME:PATTERN for files by name\n"
             "('Org/Model:*Q8_0.gguf').\n\n"
             "Environment: HF_HUB_CACHE, HF_HOME (where), HF_TOKEN (for gated and private ones),\n"
             "HF_ENDPOINT, HF_HUB_OFFLINE, https_proxy, no_proxy.",
    .options = options,
    .rest_max = TARGETS_MAX,
};

/* One repository, and the files of it that were named. */
typedef struct target {
    char *id;
    char **pattern;
    size_t n_patterns;
} target;

typedef struct fetch {
    target *targets;
    size_t n;
    const char *revision;
    bool dry_run, json, quiet;
    zis_hub_config config;
    zis_hub_plan *plans;
    size_t n_plans;
    zis_fetch_view view;
} fetch;

/* ---- what is wanted ------------------------------------------------------------------------ */

static void fetch_deinit(fetch *f)
{
    for (size_t i = 0; i < f->n; i++) {
        for (size_t k = 0; k < f->targets[i].n_patterns; k++) free(f->targets[i].pattern[k]);
        free(f->targets[i].pattern);
        free(f->targets[i].id);
    }
    free(f->targets);
    for (size_t i = 0; i < f->n_plans; i++) zis_hub_plan_deinit(&f->plans[i]);
    free(f->plans);
    zis_hub_config_deinit(&f->config);
}

static zis_status add_pattern(target *t, const char *pattern, zis_error *err)
{
    char **list = zis_mem_resize(t->pattern, t->n_patterns + 1, sizeof *list);
    if (!list) return zis_fail_nomem(err, t->id);
    t->pattern = list;
    list[t->n_patterns] = zis_mem_strdup(pattern);
    if (!list[t->n_patterns]) return zis_fail_nomem(err, t->id);
    t->n_patterns++;
    return ZIS_OK;
}

/* Several files of one repository are one download. */
static zis_status add_target(fetch *f, const char *id, const char *pattern, zis_error *err)
{
    for (size_t i = 0; i < f->n; i++) {
        if (strcmp(f->targets[i].id, id) != 0) continue;
        if (!pattern && !f->targets[i].n_patterns) return ZIS_OK;
        if (pattern && f->targets[i].n_patterns) return add_pattern(&f->targets[i], pattern, err);
    }
    target *list = zis_mem_resize(f->targets, f->n + 1, sizeof *list);
    if (!list) return zis_fail_nomem(err, id);
    f->targets = list;
    list[f->n] = (target){.id = zis_mem_strdup(id)};
    if (!list[f->n].id) return zis_fail_nomem(err, id);
    f->n++;
    return pattern ? add_pattern(&list[f->n - 1], pattern, err) : ZIS_OK;
}

static zis_status take_name(fetch *f, const char *name, zis_error *err)
{
    zis_hub_preset p;
    if (strcmp(name, "all") == 0) {
        zis_status st = ZIS_OK;
        for (size_t i = 0; !st && zis_hub_preset_at(i, &p); i++)
            st = add_target(f, p.hub_id, p.file, err);
        return st;
    }
    if (zis_hub_preset_named(name, &p)) return add_target(f, p.hub_id, p.file, err);
    if (zis_model_preset_named(name))
        return zis_fail(err, ZIS_ARG, "'%s' ships with zis: there is nothing to download", name);
    const char *colon = strchr(name, ':');
    char *id = zis_mem_strndup(name, colon ? (size_t)(colon - name) : strlen(name));
    zis_status st = ZIS_OK;
    if (!id)
        st = zis_fail_nomem(err, name);
    else if (!zis_hubcache_is_id(id) || (colon && !colon[1]))
        st =
            zis_fail(err, ZIS_ARG,
                     "'%.100s' is none of turbo, base, controlnet, depth, pose, upscaler, all, and "
                     "no repository (ORG/NAME or ORG/NAME:PATTERN)",
                     name);
    else
        st = add_target(f, id, colon ? colon + 1 : NULL, err);
    free(id);
    return st;
}

static zis_status take_option(fetch *f, const zis_setting *s, zis_error *err)
{
    switch (s->option->id) {
    case REVISION:
        f->revision = s->value;
        return ZIS_OK;
    case DRY_RUN:
        f->dry_run = true;
        return ZIS_OK;
    case VERIFY:
        f->config.verify = true;
        return ZIS_OK;
    case CONNECTIONS:
        return zis_args_int(s, &f->config.connections, err);
    case RETRIES:
        return zis_args_int(s, &f->config.retries, err);
    case RETRY_WAIT:
        return zis_args_real(s, &f->config.retry_wait, err);
    case TIMEOUT:
        return zis_args_real(s, &f->config.timeout, err);
    case JSON:
        f->json = true;
        return ZIS_OK;
    case QUIET:
        f->quiet = true;
        return ZIS_OK;
    default:
        return ZIS_OK;
    }
}

static zis_status take_settings(fetch *f, const zis_args *a, zis_error *err)
{
    zis_status st = zis_hub_config_init(&f->config, err);
    for (size_t i = 0; i < a->n_settings && !st; i++) st = take_option(f, &a->settings[i], err);
    if (!st && !a->n_rest)
        st = zis_fail(err, ZIS_ARG, "there is nothing to fetch; try: zis fetch turbo");
    for (int i = 0; i < a->n_rest && !st; i++) st = take_name(f, a->rest[i], err);
    return st;
}

/* ---- the plan ------------------------------------------------------------------------------ */

static zis_status make_plans(fetch *f, zis_hub_http *http, zis_error *err)
{
    f->plans = zis_mem_zalloc(f->n, sizeof *f->plans);
    if (!f->plans) return zis_fail_nomem(err, "the plan");
    zis_status st = ZIS_OK;
    for (size_t i = 0; i < f->n && !st; i++) {
        zis_hub_want want = {f->targets[i].id, f->revision,
                             (const char *const *)f->targets[i].pattern, f->targets[i].n_patterns};
        st = zis_hub_plan_make(&f->plans[i], http, &want, f->plans, i, err);
        if (!st) f->n_plans++;
    }
    return st;
}

static void plan_text(zis_buf *out, const zis_hub_plan *p)
{
    char size[24], missing[24];
    zis_buf_printf(out, "%s  %s  commit %s\n", p->repo.id, p->revision, p->commit);
    for (size_t i = 0; i < p->n; i++) {
        const zis_hub_item *it = &p->items[i];
        zis_output_size(size, sizeof size, it->file->size);
        zis_buf_printf(out, "%10s  %-8s  %s\n", size,
                       it->damaged ? "damaged"
                       : it->have  ? "begun"
                                   : zis_hub_state_name(it->state),
                       it->file->path);
    }
    zis_output_size(size, sizeof size, p->bytes);
    zis_output_size(missing, sizeof missing, p->missing);
    zis_buf_printf(out, "%zu files, %s; to download: %s\n", p->n, size, missing);
}

static void plan_json(zis_buf *out, const zis_hub_plan *p)
{
    zis_buf_puts(out, "{\"event\": \"plan\", \"repo\": ");
    zis_jsonout_string(out, p->repo.id);
    zis_buf_puts(out, ", \"revision\": ");
    zis_jsonout_string(out, p->revision);
    zis_buf_printf(out,
                   ", \"commit\": \"%s\", \"bytes\": %" PRIu64 ", \"missing_bytes\": %" PRIu64
                   ", \"files\": [",
                   p->commit, p->bytes, p->missing);
    for (size_t i = 0; i < p->n; i++) {
        const zis_hub_item *it = &p->items[i];
        zis_buf_puts(out, i ? ", {\"path\": " : "{\"path\": ");
        zis_jsonout_string(out, it->file->path);
        zis_buf_printf(out,
                       ", \"bytes\": %" PRIu64 ", \"state\": \"%s\", \"have\": %" PRIu64
                       ", \"etag\": \"%s\"}",
                       it->file->size, it->damaged ? "damaged" : zis_hub_state_name(it->state),
                       it->state == ZIS_HUB_MISSING ? it->have : it->file->size, it->file->etag);
    }
    zis_buf_puts(out, "]}\n");
}

/* Listed in full for a dry run and for programs, in a line each for people who wait. */
static zis_status show_plans(const fetch *f, zis_error *err)
{
    zis_buf out = {0};
    zis_status st = ZIS_OK;
    for (size_t i = 0; i < f->n_plans && (f->json || f->dry_run); i++)
        (f->json ? plan_json : plan_text)(&out, &f->plans[i]);
    for (size_t i = 0; i < f->n_plans && !f->json && !f->dry_run && !f->quiet; i++) {
        char missing[24], bytes[24];
        zis_output_size(missing, sizeof missing, f->plans[i].missing);
        zis_output_size(bytes, sizeof bytes, f->plans[i].bytes);
        fprintf(stderr, "%s: %zu files, %s, to download: %s\n", f->plans[i].repo.id, f->plans[i].n,
                bytes, missing);
    }
    if (out.failed) st = zis_fail_nomem(err, "the list");
    if (!st && out.len) st = zis_output_stdout(out.data, out.len, err);
    zis_buf_free(&out);
    return st;
}

/* ---- the download -------------------------------------------------------------------------- */

static zis_status say_done(const fetch *f, zis_error *err)
{
    static const char done[] = "{\"event\": \"done\", \"ok\": true}\n";
    if (f->json) return zis_output_stdout(done, sizeof done - 1, err);
    if (f->quiet) return ZIS_OK;
    for (size_t i = 0; i < f->n_plans; i++) {
        char *snapshot = zis_hub_plan_snapshot(&f->plans[i]);
        if (!snapshot) return zis_fail_nomem(err, "the answer");
        printf("%s is in %s\n", f->plans[i].repo.id, snapshot);
        free(snapshot);
    }
    return ZIS_OK;
}

static zis_status run(fetch *f, zis_cli *cli, zis_error *err)
{
    zis_hub_http http = {0};
    zis_hub_hooks hooks = {&f->view, zis_fetch_view_event};
    zis_fetch_view_init(&f->view, f->quiet, f->json);
    zis_status st = zis_hub_http_open(&http, &f->config, &hooks, cli->cancel, err);
    if (!st) st = make_plans(f, &http, err);
    zis_fetch_view_clear(&f->view);
    if (!st) st = show_plans(f, err);
    if (!st && !f->dry_run) st = zis_hub_fetch(&http, f->plans, f->n_plans, err);
    zis_fetch_view_clear(&f->view);
    if (!st && f->view.lost) {
        st = f->view.lost;
        if (err) *err = f->view.error;
    }
    if (!st && !f->dry_run) st = say_done(f, err);
    zis_hub_http_close(&http);
    return st;
}

zis_status zis_cmd_fetch(zis_cli *cli, int argc, char **argv, zis_error *err)
{
    zis_args args = {0};
    fetch f = {0};
    zis_status st = zis_args_parse(&args, &usage, argc, argv, err);
    if (st) return st;
    if (args.help) {
        zis_args_help(&usage);
    } else {
        st = take_settings(&f, &args, err);
        if (!st) st = run(&f, cli, err);
    }
    fetch_deinit(&f);
    zis_args_deinit(&args);
    return st;
}

/* ---- for other commands -------------------------------------------------------------------- */

zis_status zis_fetch_model(zis_cli *cli, const char *model, bool quiet, zis_error *err)
{
    zis_hub_preset p;
    zis_model_set set = {0};
    zis_error why = {0};
    zis_fetch_view view;
    bool known = zis_hub_preset_named(model, &p) && !p.file;
    if (!known && (zis_model_preset_named(model) || !zis_hubcache_is_id(model))) return ZIS_OK;
    zis_status st = zis_model_find(&set, &(zis_model_query){.model = model}, &why);
    zis_model_set_deinit(&set);
    if (st != ZIS_NOT_FOUND)
        return ZIS_OK; /* it is here, or the command itself will say what is wrong */
    zis_fetch_view_init(&view, quiet, false);
    zis_hub_hooks hooks = {&view, zis_fetch_view_event};
    zis_hub_want want = {.id = known ? p.hub_id : model};
    st = zis_hub_fetch_one(&want, &hooks, cli->cancel, err);
    zis_fetch_view_clear(&view);
    return st;
}
