/* What there is, what it may be, how it goes. */
#include "base/os.h"
#include "pipeline/jsonout.h"
#include "pipeline/preprocess.h"
#include "server/native.h"
#include "server/orders.h"
#include "text/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- models -------------------------------------------------------------------------------- */

void zis_http_put_defaults(zis_buf *out, const zis_request_defaults *d)
{
    zis_buf_printf(out, "\"width\": %d, \"height\": %d, \"steps\": %d, \"cfg\": ", d->width,
                   d->height, d->steps);
    zis_jsonout_number(out, d->cfg);
    zis_buf_puts(out, ", \"shift\": ");
    zis_jsonout_number(out, d->shift);
}

static void put_pair(zis_buf *out, const char *name, const char *value)
{
    zis_buf_printf(out, ", \"%s\": ", name);
    zis_jsonout_string(out, value);
}

static void put_bytes(zis_buf *out, uint64_t bytes)
{
    if (bytes)
        zis_buf_printf(out, ", \"bytes\": %llu", (unsigned long long)bytes);
    else
        zis_buf_puts(out, ", \"bytes\": null");
}

static bool is_loaded(const zis_jobs_status *s, const char *name)
{
    for (int i = 0; i < s->n_loaded; i++)
        if (strcmp(s->loaded[i], name) == 0) return true;
    return false;
}

static void put_model(zis_buf *out,
                      const zis_catalog_entry *e,
                      const zis_jobs_status *s,
                      bool first)
{
    put_pair(out, "hub_id", e->hub_id);
    zis_buf_printf(out, ", \"family\": \"%s\", \"loaded\": %s, \"default\": %s, \"what\": ",
                   e->turbo ? "turbo" : "base", is_loaded(s, e->name) ? "true" : "false",
                   first ? "true" : "false");
    zis_jsonout_string(out, e->what);
    put_pair(out, "type", e->type);
    if (e->present) {
        zis_buf_puts(out, ", \"defaults\": {");
        zis_http_put_defaults(out, &e->defaults);
        zis_buf_printf(out, "}, \"sizes\": [%d, %d]", e->size_lo, e->size_hi);
    } else {
        zis_buf_puts(out, ", \"defaults\": null, \"sizes\": null");
    }
    put_pair(out, "example", e->example);
    put_pair(out, "missing", e->missing);
}

static const char *label_of(const char *preprocessor)
{
    return strcmp(preprocessor, "canny") == 0   ? "Canny"
           : strcmp(preprocessor, "depth") == 0 ? "Depth"
           : strcmp(preprocessor, "pose") == 0  ? "Pose"
           : strcmp(preprocessor, "none") == 0  ? "Pre-processed"
                                                : preprocessor;
}

static void put_entry(zis_buf *out,
                      const zis_catalog_entry *e,
                      const zis_jobs_status *s,
                      const char *default_model,
                      const char *sep)
{
    zis_buf_printf(out, "%s{\"name\": ", sep);
    zis_jsonout_string(out, e->name);
    zis_buf_printf(out, ", \"present\": %s", e->present ? "true" : "false");
    put_pair(out, "fetch", e->fetch);
    put_bytes(out, e->bytes);
    switch (e->kind) {
    case ZIS_CATALOG_MODEL:
        put_model(out, e, s, strcmp(e->name, default_model) == 0);
        break;
    case ZIS_CATALOG_LORA:
        put_pair(out, "base", NULL);
        break;
    case ZIS_CATALOG_CONTROL_NET:
        zis_buf_printf(out, ", \"for\": [\"%s%s\"]", e->embedded ? "nano-" : "",
                       e->turbo ? "turbo" : "base");
        put_pair(out, "what", e->what);
        put_pair(out, "missing", e->missing);
        break;
    case ZIS_CATALOG_UPSCALER:
        zis_buf_puts(out, ", \"scale\": 4");
        put_pair(out, "what", e->what);
        put_pair(out, "missing", e->missing);
        break;
    default:
        put_pair(out, "label", label_of(e->name));
        put_pair(out, "what", e->what);
        put_pair(out, "missing", e->missing);
        break;
    }
    zis_buf_putc(out, '}');
}

/* Name of the model that is meant when a request names none. */
static const char *default_name(const zis_server *s, const zis_catalog *catalog)
{
    const zis_catalog_entry *e = NULL;
    if (zis_catalog_named(catalog, ZIS_CATALOG_MODEL, s->model, &e, NULL) == ZIS_OK) return e->name;
    /* a path: the last model of the list is the server's own */
    for (size_t i = 0; zis_catalog_at(catalog, i); i++)
        if (zis_catalog_at(catalog, i)->kind == ZIS_CATALOG_MODEL) e = zis_catalog_at(catalog, i);
    return e ? e->name : s->model;
}

ZIS_HANDLER(models)
{
    static const char *const lists[ZIS_CATALOG_KINDS] = {
        [ZIS_CATALOG_MODEL] = "models",
        [ZIS_CATALOG_LORA] = "loras",
        [ZIS_CATALOG_CONTROL_NET] = "control_nets",
        [ZIS_CATALOG_UPSCALER] = "upscalers",
        [ZIS_CATALOG_PREPROCESSOR] = "preprocessors",
    };
    zis_catalog *catalog = NULL;
    zis_jobs_status s;
    zis_buf out = {0};
    zis_status st = zis_server_catalog(c->s, true, &catalog, err);
    if (st) return st;
    zis_jobs_get_status(c->s->jobs, &s);
    const char *first = default_name(c->s, catalog);
    for (int k = 0; k < ZIS_CATALOG_KINDS; k++) {
        const char *sep = "";
        zis_buf_printf(&out, "%s\"%s\": [", k ? ",\n " : "{", lists[k]);
        for (size_t i = 0; zis_catalog_at(catalog, i); i++) {
            const zis_catalog_entry *e = zis_catalog_at(catalog, i);
            if ((int)e->kind != k) continue;
            put_entry(&out, e, &s, first, sep);
            sep = ",\n  ";
        }
        zis_buf_putc(&out, ']');
    }
    zis_buf_puts(&out, "}\n");
    zis_catalog_close(&catalog);
    return zis_reply_json(c, 200, &out, err);
}

/* ---- defaults ------------------------------------------------------------------------------ */

/* What the page's controls offer (studio.md 2 to 4); "default" NaN: the model's. */
typedef struct offer {
    const char *tab, *field;
    double lo, hi, step, fallback; /* fallback < lo: the model's */
} offer;

static const offer offers[] = {
    {"generate", "steps", 1, 50, 1, -1},
    {"generate", "cfg", 0.5, 12, 0.1, -1},
    {"generate", "width", 0, 0, 16, -1}, /* the model's sizes */
    {"generate", "height", 0, 0, 16, -1},
    {"generate", "strength", 0, 1, 0.01, 0.6},
    {"generate", "lora_strength", 0, 1.5, 0.05, 0.8},
    {"generate", "batch", 1, ZIS_HTTP_BATCH, 1, 1},
    {"control", "control_strength", 0, 2, 0.05, 1},
    {"control", "steps", 1, 30, 1, 9},
    {"control", "lora_strength", 0, 1.5, 0.05, 0.8},
    {"upscale", "steps", 1, 20, 1, 5},
    {"upscale", "strength", 0, 1, 0.01, 0.33},
};

static void put_offers(zis_buf *out, const char *tab, const zis_catalog_entry *m)
{
    const char *sep = "";
    zis_buf_puts(out, "\"fields\": {");
    for (size_t i = 0; i < sizeof offers / sizeof *offers; i++) {
        const offer *o = &offers[i];
        bool size = o->hi == 0;
        if (strcmp(o->tab, tab) != 0) continue;
        zis_buf_printf(out, "%s\"%s\": {\"minimum\": ", sep, o->field);
        zis_jsonout_number(out, size ? m ? m->size_lo : 384 : o->lo);
        zis_buf_puts(out, ", \"maximum\": ");
        zis_jsonout_number(out, size ? m ? m->size_hi : 2048 : o->hi);
        zis_buf_puts(out, ", \"step\": ");
        zis_jsonout_number(out, o->step);
        zis_buf_puts(out, ", \"default\": ");
        if (o->fallback < o->lo)
            zis_buf_puts(out, "null");
        else
            zis_jsonout_number(out, o->fallback);
        zis_buf_putc(out, '}');
        sep = ", ";
    }
    zis_buf_putc(out, '}');
}

static const char *type_name(const zis_field *f)
{
    switch (f->type) {
    case ZIS_FIELD_INT:
    case ZIS_FIELD_INT64:
        return "integer";
    case ZIS_FIELD_REAL:
        return "number";
    case ZIS_FIELD_CHOICE:
        return "choice";
    default:
        return "text";
    }
}

static void put_choices(zis_buf *out, const zis_field *f)
{
    if (f->type != ZIS_FIELD_CHOICE) {
        zis_buf_puts(out, "null");
        return;
    }
    zis_buf_putc(out, '[');
    for (int i = 0; f->choices[i]; i++) {
        zis_buf_puts(out, i ? ", " : "");
        zis_jsonout_string(out, f->choices[i]);
    }
    zis_buf_putc(out, ']');
}

static void put_field(zis_buf *out, const zis_field *f, const char *sep)
{
    bool number =
        f->type == ZIS_FIELD_INT || f->type == ZIS_FIELD_INT64 || f->type == ZIS_FIELD_REAL;
    zis_buf_printf(out, "%s{\"name\": \"%s\", \"type\": \"%s\", \"minimum\": ", sep, f->name,
                   type_name(f));
    if (number)
        zis_jsonout_number(out, f->lo);
    else
        zis_buf_puts(out, "null");
    zis_buf_puts(out, ", \"maximum\": ");
    if (number && f->type == ZIS_FIELD_INT64)
        zis_buf_puts(out, "9223372036854775807");
    else if (number)
        zis_jsonout_number(out, strcmp(f->name, "batch") == 0 ? ZIS_HTTP_BATCH : f->hi);
    else
        zis_buf_puts(out, "null");
    zis_buf_puts(out, ", \"default\": ");
    if (f->model_default >= 0 || !f->fallback)
        zis_buf_puts(out, "null");
    else if (number)
        zis_buf_puts(out, f->fallback);
    else
        zis_jsonout_string(out, f->fallback);
    zis_buf_printf(out,
                   ", \"from_model\": %s, \"choices\": ", f->model_default >= 0 ? "true" : "false");
    put_choices(out, f);
    put_pair(out, "unit", f->unit);
    put_pair(out, "help", f->help);
    bool generate = !f->tasks || (f->tasks >> ZIS_TASK_GENERATE & 1);
    bool upscale = !f->tasks || (f->tasks >> ZIS_TASK_UPSCALE & 1);
    zis_buf_printf(out, ", \"tasks\": [%s%s%s]}", generate ? "\"generate\"" : "",
                   generate && upscale ? ", " : "", upscale ? "\"upscale\"" : "");
}

static void put_models(zis_buf *out, const zis_catalog *catalog)
{
    const char *sep = "";
    zis_buf_puts(out, "\"models\": {");
    for (size_t i = 0; zis_catalog_at(catalog, i); i++) {
        const zis_catalog_entry *e = zis_catalog_at(catalog, i);
        if (e->kind != ZIS_CATALOG_MODEL || !e->present) continue;
        zis_buf_puts(out, sep);
        zis_jsonout_string(out, e->name);
        zis_buf_puts(out, ": {");
        zis_http_put_defaults(out, &e->defaults);
        zis_buf_printf(out, ", \"sizes\": [%d, %d]", e->size_lo, e->size_hi);
        put_pair(out, "example", e->example);
        zis_buf_putc(out, '}');
        sep = ", ";
    }
    zis_buf_putc(out, '}');
}

/* The two models of one family: presets that differ in one word, and come one after the other. */
static void put_pairs(zis_buf *out, const zis_catalog *catalog, const char *first)
{
    static const char *const families[][2] = {{"nano-turbo", "nano-base"}, {"turbo", "base"}};
    int begin = strcmp(first, "turbo") == 0 || strcmp(first, "base") == 0;
    bool known = begin || strncmp(first, "nano-", 5) == 0;
    (void)catalog;
    zis_buf_puts(out, "\"pairs\": [");
    if (!known) { /* a model of its own: alone */
        zis_buf_puts(out, "{\"turbo\": ");
        zis_jsonout_string(out, first);
        zis_buf_puts(out, ", \"base\": null}, ");
    }
    for (int i = 0; i < 2; i++)
        zis_buf_printf(out, "%s{\"turbo\": \"%s\", \"base\": \"%s\"}", i ? ", " : "",
                       families[(begin + i) % 2][0], families[(begin + i) % 2][1]);
    zis_buf_putc(out, ']');
}

/* ControlNet and Upscale always run on Turbo. */
static const char *turbo_of(const char *first)
{
    return strcmp(first, "base") == 0        ? "turbo"
           : strcmp(first, "nano-base") == 0 ? "nano-turbo"
                                             : first;
}

static void put_tabs(zis_buf *out, const zis_catalog *catalog, const char *first)
{
    const zis_catalog_entry *m = NULL;
    const char *sep = "";
    if (zis_catalog_named(catalog, ZIS_CATALOG_MODEL, first, &m, NULL) != ZIS_OK || !m->present)
        m = NULL;
    zis_buf_puts(out, "\"tabs\": {\"generate\": {\"models\": [");
    zis_jsonout_string(out, turbo_of(first));
    if (strcmp(turbo_of(first), "turbo") == 0) zis_buf_puts(out, ", \"base\"");
    if (strcmp(turbo_of(first), "nano-turbo") == 0) zis_buf_puts(out, ", \"nano-base\"");
    zis_buf_puts(out, "], ");
    put_offers(out, "generate", m);
    zis_buf_puts(out, "},\n  \"control\": {\"model\": ");
    zis_jsonout_string(out, turbo_of(first));
    zis_buf_puts(out, ", ");
    put_offers(out, "control", m);
    zis_buf_puts(out, ", \"preprocessors\": [");
    static const char *const order[] = {"canny", "depth", "pose", "none"};
    for (size_t i = 0; i < 4; i++, sep = ", ") zis_buf_printf(out, "%s\"%s\"", sep, order[i]);
    zis_buf_puts(out, "], \"preprocess\": \"canny\"},\n  \"upscale\": {\"model\": ");
    zis_jsonout_string(out, turbo_of(first));
    zis_buf_puts(out, ", ");
    put_offers(out, "upscale", m);
    zis_buf_puts(out, ", \"prompt\": \"masterpiece, 8k\"}}");
}

ZIS_HANDLER(defaults)
{
    zis_catalog *catalog = NULL;
    zis_buf out = {0};
    const char *sep = "";
    zis_status st = zis_server_catalog(c->s, false, &catalog, err);
    if (st) return st;
    const char *first = default_name(c->s, catalog);
    zis_buf_puts(&out, "{\"version\": \"" ZIS_VERSION "\", \"default_model\": ");
    zis_jsonout_string(&out, first);
    zis_buf_puts(&out, ",\n ");
    put_pairs(&out, catalog, first);
    zis_buf_puts(&out, ",\n \"fields\": [");
    for (size_t i = 0; i < zis_request_field_count(); i++) {
        const zis_field *f = zis_request_field_at(i);
        if (!(f->where & ZIS_FIELD_HTTP)) continue;
        put_field(&out, f, sep);
        sep = ",\n  ";
    }
    zis_buf_puts(&out, "],\n ");
    put_models(&out, catalog);
    zis_buf_puts(&out, ",\n ");
    put_tabs(&out, catalog, first);
    zis_buf_printf(&out,
                   ",\n \"limits\": {\"json_bytes\": %zu, \"picture_bytes\": %llu, "
                   "\"picture_pixels\": %d, \"lora_bytes\": %llu, \"queue\": %d, \"batch\": %d, "
                   "\"prompt_tokens\": %d}}\n",
                   ZIS_HTTP_JSON_MOST, (unsigned long long)ZIS_HTTP_PICTURE_MOST,
                   ZIS_IMAGE_MAX_PIXELS, (unsigned long long)ZIS_HTTP_LORA_MOST, c->s->o.queue_most,
                   ZIS_HTTP_BATCH, ZIS_TOKENIZER_MAX);
    zis_catalog_close(&catalog);
    return zis_reply_json(c, 200, &out, err);
}

/* ---- state --------------------------------------------------------------------------------- */

static const char *state_of(const zis_jobs_status *s)
{
    return s->stopping ? "stopping" : *s->running ? "working" : "ready";
}

static const char *or_null(const char *s)
{
    return *s ? s : NULL;
}

ZIS_HANDLER(status)
{
    zis_jobs_status s;
    zis_buf out = {0};
    zis_jobs_get_status(c->s->jobs, &s);
    zis_buf_printf(&out, "{\"version\": \"" ZIS_VERSION "\", \"boot\": \"%s\", \"device\": \"%s\"",
                   c->s->boot, s.device);
    put_pair(&out, "isa", or_null(s.isa));
    zis_buf_printf(&out, ", \"threads\": %d",
                   c->s->o.engine.threads > 0 ? c->s->o.engine.threads : zis_os_cpus());
    put_pair(&out, "dtype", or_null(s.dtype));
    put_pair(&out, "model", or_null(s.model));
    put_pair(&out, "state", state_of(&s));
    put_pair(&out, "running", or_null(s.running));
    zis_buf_printf(&out, ", \"queued\": %d, \"queue_limit\": %d, \"uptime\": %.1f}", s.waiting,
                   s.waiting_most, zis_os_now() - c->s->started);
    return zis_reply_json(c, 200, &out, err);
}

ZIS_HANDLER(health)
{
    zis_jobs_status s;
    zis_buf out = {0};
    zis_jobs_get_status(c->s->jobs, &s);
    zis_buf_printf(&out, "{\"ok\": true, \"version\": \"" ZIS_VERSION "\", \"state\": \"%s\"}",
                   state_of(&s));
    return zis_reply_json(c, 200, &out, err);
}

static uint64_t resident_bytes(void)
{
    char text[64] = "", *at = NULL;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f) return 0;
    if (fgets(text, sizeof text, f)) at = strchr(text, ' ');
    fclose(f);
    return at ? strtoull(at, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static void metric(zis_buf *out, const char *name, const char *type, const char *help, double v)
{
    zis_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s ", name, help, name, type, name);
    zis_jsonout_number(out, v);
    zis_buf_putc(out, '\n');
}

ZIS_HANDLER(metrics)
{
    zis_jobs_status s;
    zis_server *server = c->s;
    zis_buf out = {0};
    uint64_t requests[6], bytes_in;
    zis_jobs_get_status(server->jobs, &s);
    pthread_mutex_lock(&server->lock);
    memcpy(requests, server->requests, sizeof requests);
    bytes_in = server->bytes_in;
    int conns = server->n_conns, streams = server->n_streams;
    pthread_mutex_unlock(&server->lock);
    zis_buf_puts(&out, "# HELP zis_jobs_total Jobs that have ended, by state.\n"
                       "# TYPE zis_jobs_total counter\n");
    for (int i = ZIS_JOB_DONE; i < ZIS_JOB_STATE_COUNT; i++)
        zis_buf_printf(&out, "zis_jobs_total{state=\"%s\"} %llu\n",
                       zis_job_state_name((zis_job_state)i), (unsigned long long)s.ended[i]);
    zis_buf_puts(&out, "# HELP zis_http_requests_total Answers, by class of status.\n"
                       "# TYPE zis_http_requests_total counter\n");
    for (int i = 1; i < 6; i++)
        zis_buf_printf(&out, "zis_http_requests_total{status=\"%dxx\"} %llu\n", i,
                       (unsigned long long)requests[i]);
    metric(&out, "zis_queue_jobs", "gauge", "Jobs that wait.", s.waiting);
    metric(&out, "zis_queue_limit", "gauge", "Jobs that may wait.", s.waiting_most);
    metric(&out, "zis_running_jobs", "gauge", "Jobs at work.", *s.running != '\0');
    metric(&out, "zis_pictures_total", "counter", "Pictures made.", (double)s.pictures);
    metric(&out, "zis_busy_seconds_total", "counter", "Seconds of work.", s.busy_seconds);
    metric(&out, "zis_results_bytes", "gauge", "Results kept on disk.", (double)s.kept_bytes);
    metric(&out, "zis_results_jobs", "gauge", "Ended jobs that are kept.", s.kept);
    metric(&out, "zis_uploads_bytes", "gauge", "Uploads kept on disk.",
           (double)zis_uploads_bytes(server->uploads));
    metric(&out, "zis_http_connections", "gauge", "Open connections.", conns);
    metric(&out, "zis_http_streams", "gauge", "Open streams of events.", streams);
    metric(&out, "zis_http_received_bytes_total", "counter", "Bytes of bodies.", (double)bytes_in);
    metric(&out, "process_resident_memory_bytes", "gauge", "Memory in use.",
           (double)resident_bytes());
    metric(&out, "zis_uptime_seconds", "gauge", "Seconds since the start.",
           zis_os_now() - server->started);
    return zis_reply_text(c, 200, "text/plain; version=0.0.4; charset=utf-8", &out, err);
}

/* ---- tokens -------------------------------------------------------------------------------- */

/* UTF-16 code units of the first n bytes. */
static size_t utf16_units(const char *s, size_t n)
{
    size_t units = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char b = (unsigned char)s[i];
        if ((b & 0xC0) != 0x80) units += b >= 0xF0 ? 2 : 1;
    }
    return units;
}

static size_t whole_letters(const char *s, size_t n)
{
    while (n > 0 && ((unsigned char)s[n] & 0xC0) == 0x80) n--;
    return n;
}

/* Tokens that the whole prompt has, template and all. */
static zis_status count(
    const zis_tokenizer *t, const char *s, size_t n, size_t *total, zis_error *err)
{
    int32_t *ids = NULL;
    size_t kept = 0;
    zis_status st = zis_tokenizer_encode_prompt(t, s, n, &ids, &kept, total, err);
    free(ids);
    return st;
}

/* The longest beginning that fits, by halving; the template's end counts as if it were cut, too. */
static zis_status find_cut(const zis_tokenizer *t, const char *s, size_t *at, zis_error *err)
{
    size_t lo = 0, hi = strlen(s), total = 0;
    zis_status st = ZIS_OK;
    while (!st && lo + 1 < hi) {
        size_t mid = whole_letters(s, lo + (hi - lo) / 2);
        if (mid <= lo) break;
        st = count(t, s, mid, &total, err);
        if (total <= ZIS_TOKENIZER_MAX)
            lo = mid;
        else
            hi = mid;
    }
    *at = lo;
    return st;
}

/* Opened once for each model and kept; read-only afterwards. Lock held: tokens_lock. */
static zis_status ready_tokenizer(zis_server *s, const zis_catalog_entry *e, zis_error *err)
{
    zis_model_set set = {0};
    zis_tokenizer *t = NULL;
    if (s->tokenizer && strcmp(s->tokenizer_model, e->name) == 0) return ZIS_OK;
    zis_status st = zis_model_find(&set, &(zis_model_query){.model = e->path}, err);
    if (!st) st = zis_tokenizer_open(&t, set.path[ZIS_PART_TOKENIZER], err);
    zis_model_set_deinit(&set);
    if (st) return st;
    zis_tokenizer_close(&s->tokenizer);
    s->tokenizer = t;
    snprintf(s->tokenizer_model, sizeof s->tokenizer_model, "%s", e->name);
    return ZIS_OK;
}

ZIS_HANDLER(tokens)
{
    const char *prompt = NULL, *model = NULL;
    zis_catalog *catalog = NULL;
    const zis_catalog_entry *e = NULL;
    zis_buf out = {0};
    size_t total = 0, cut = 0;
    zis_status st = zis_http_string(c, "prompt", &prompt, err);
    if (!st) st = zis_http_string(c, "model", &model, err);
    if (!st) st = zis_server_catalog(c->s, false, &catalog, err);
    if (!st)
        st = zis_catalog_named(catalog, ZIS_CATALOG_MODEL,
                               model ? model : default_name(c->s, catalog), &e, err);
    if (!st && !e->present) st = zis_call_fail(c, 409, ZIS_NOT_FOUND, err, "%s", e->missing);
    if (st) {
        zis_catalog_close(&catalog);
        return st;
    }
    if (!prompt) prompt = "";
    pthread_mutex_lock(&c->s->tokens_lock);
    st = ready_tokenizer(c->s, e, err);
    if (!st) st = count(c->s->tokenizer, prompt, strlen(prompt), &total, err);
    if (!st && total > ZIS_TOKENIZER_MAX) st = find_cut(c->s->tokenizer, prompt, &cut, err);
    pthread_mutex_unlock(&c->s->tokens_lock);
    zis_catalog_close(&catalog);
    if (st) return st;
    zis_buf_printf(&out, "{\"tokens\": %zu, \"limit\": %d, \"cut_at\": ", total, ZIS_TOKENIZER_MAX);
    if (total > ZIS_TOKENIZER_MAX)
        zis_buf_printf(&out, "%zu}", utf16_units(prompt, cut));
    else
        zis_buf_puts(&out, "null}");
    return zis_reply_json(c, 200, &out, err);
}

/* ---- the page's key ------------------------------------------------------------------------ */

ZIS_HANDLER(session_get)
{
    zis_buf out = {0};
    zis_buf_printf(&out, "{\"required\": %s, \"open\": %s}", c->s->key ? "true" : "false",
                   zis_guard_has_key(c) ? "true" : "false");
    return zis_reply_json(c, 200, &out, err);
}

ZIS_HANDLER(session_open)
{
    const char *key = NULL;
    char cookie[160];
    zis_buf out = {0};
    zis_status st = zis_http_string(c, "key", &key, err);
    if (st) return st;
    if (c->s->key && (!key || !zis_guard_same(key, c->s->key)))
        return zis_call_fail(c, 401, ZIS_ARG, err, "the key is not the one of this server");
    zis_buf_puts(&out, "{\"open\": true}");
    st = zis_reply_json(c, 200, &out, err);
    if (st) return st;
    snprintf(cookie, sizeof cookie, "zis_session=%s; Path=/; HttpOnly; SameSite=Strict",
             c->s->cookie);
    zis_reply_header(c, MHD_HTTP_HEADER_SET_COOKIE, cookie);
    return ZIS_OK;
}

ZIS_HANDLER(session_close)
{
    zis_status st = zis_reply_empty(c, 204, err);
    if (!st)
        zis_reply_header(c, MHD_HTTP_HEADER_SET_COOKIE,
                         "zis_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
    return st;
}
