/* The API of A1111's web UI, as scripts use it. Members that have no meaning here are passed over,
 * as there. */
#include "server/a1111.h"
#include "base/base64.h"
#include "base/os.h"
#include "pipeline/jsonout.h"
#include "pipeline/sampler.h"
#include "server/a1111_names.h"
#include "server/native.h"
#include "server/orders.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define STRENGTH "0.75" /* of img2img, when a request says nothing */
#define SCHEDULER "shift"

static const struct {
    const char *theirs, *ours;
} same[] = {
    {"prompt", "prompt"}, {"negative_prompt", "negative_prompt"},
    {"steps", "steps"},   {"cfg_scale", "cfg"},
    {"seed", "seed"},     {"width", "width"},
    {"height", "height"}, {"denoising_strength", "strength"},
};

static zis_status take_fields(zis_order *o, bool img2img, zis_error *err)
{
    const json_t *j = o->c->json;
    zis_status st = ZIS_OK;
    for (size_t i = 0; i < sizeof same / sizeof *same && !st; i++) {
        const json_t *v = json_object_get(j, same[i].theirs);
        if (strcmp(same[i].ours, "strength") == 0 && !img2img) continue;
        if (v) st = zis_order_set(o, same[i].ours, same[i].theirs, v, err);
    }
    if (!st && img2img && !zis_request_given(&o->request, zis_request_field("strength")))
        st = zis_order_set_text(o, "strength", "denoising_strength", STRENGTH, err);
    return st;
}

/* "NAME:0.8" or "NAME", for which the strength is 1. */
static zis_status take_lora(zis_order *o, const char *inside, zis_error *err)
{
    const char *colon = strchr(inside, ':');
    int n = colon ? (int)(colon - inside) : (int)strlen(inside);
    char *end = NULL;
    double strength = colon ? strtod(colon + 1, &end) : 1;
    if (!n) return zis_fail(err, ZIS_ARG, "prompt: <lora:%.60s> is a LoRA without a name", inside);
    if (colon && (end == colon + 1 || *end)) {
        const zis_field *f = zis_request_field("loras");
        return zis_fail(err, ZIS_ARG,
                        "prompt: the strength in <lora:%.80s> must be one number from %g to %g",
                        inside, f->lo, f->hi);
    }
    json_t *list = json_pack("[{s:s%, s:f}]", "name", inside, (size_t)n, "strength", strength);
    if (!list) return zis_fail(err, ZIS_ARG, "prompt: the name of a LoRA is not valid UTF-8");
    zis_status st = zis_order_loras(o, list, err);
    json_decref(list);
    return st;
}

/* "<lora:NAME:0.8>" in a prompt names a LoRA; the rest is the prompt. */
static zis_status take_loras(zis_order *o, zis_error *err)
{
    const char *prompt = o->request.prompt, *at;
    zis_buf rest = {0};
    zis_status st = ZIS_OK;
    if (!strstr(prompt, "<lora:")) return ZIS_OK;
    while (!st && (at = strstr(prompt, "<lora:"))) {
        const char *end = strchr(at, '>');
        if (!end) break;
        char *inside = zis_mem_strndup(at + 6, (size_t)(end - at - 6));
        st = inside ? take_lora(o, inside, err) : zis_fail_nomem(err, "the prompt");
        free(inside);
        zis_buf_append(&rest, prompt, (size_t)(at - prompt));
        prompt = end + 1;
    }
    zis_buf_puts(&rest, prompt);
    if (!st && rest.failed) st = zis_fail_nomem(err, "the prompt");
    if (!st) st = zis_order_set_text(o, "prompt", "prompt", rest.data, err);
    zis_buf_free(&rest);
    return zis_call_blame(o->c, "prompt", st);
}

/* What the request says of the sampler or the scheduler; NULL: nothing. */
static const char *said_of(const zis_call *c, const char *name, const char *older)
{
    const char *v = json_string_value(json_object_get(c->json, name));
    if (!v && older) v = json_string_value(json_object_get(c->json, older));
    return v && *v ? v : NULL;
}

/* Names of A1111 that are none of ours stand for the default; put_names says so. */
static zis_status take_sampler(zis_order *o, zis_error *err)
{
    const char *name = said_of(o->c, "sampler_name", "sampler_index");
    const char *scheduler = said_of(o->c, "scheduler", NULL);
    static const char *const names[] = {"sampler_name", "sampler_index", "scheduler"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const json_t *v = json_object_get(o->c->json, names[i]);
        if (v && !json_is_string(v) && !json_is_null(v))
            return zis_fail(err, ZIS_ARG, "%s must be a string", names[i]);
    }
    if (scheduler && strcasecmp(scheduler, SCHEDULER) != 0 &&
        !zis_a1111_names_has_scheduler(scheduler))
        return zis_fail(err, ZIS_NOT_FOUND,
                        "Scheduler not found: '%.60s' is none of GET /sdapi/v1/schedulers",
                        scheduler);
    for (int i = 0; name && zis_sampler_names[i]; i++)
        if (strcasecmp(zis_sampler_names[i], name) == 0)
            return zis_order_set_text(o, "sampler", "sampler_name", zis_sampler_names[i], err);
    if (name && !zis_a1111_names_has_sampler(name))
        return zis_fail(err, ZIS_NOT_FOUND,
                        "Sampler not found: '%.60s' is none of GET /sdapi/v1/samplers", name);
    return ZIS_OK;
}

/* A count from 1 to the most pictures of a job; absent: 1. */
static zis_status count_of(const zis_call *c, const char *name, int *out, zis_error *err)
{
    const json_t *v = json_object_get(c->json, name);
    *out = 1;
    if (!v || json_is_null(v)) return ZIS_OK;
    json_int_t n = json_integer_value(v);
    if (!json_is_integer(v) || n < 1 || n > ZIS_HTTP_BATCH)
        return zis_fail(err, ZIS_ARG, "%s must be a whole number from 1 to %d", name,
                        ZIS_HTTP_BATCH);
    *out = (int)n;
    return ZIS_OK;
}

static zis_status take_batch(zis_order *o, zis_error *err)
{
    char text[24];
    int size = 1, times = 1;
    zis_status st = count_of(o->c, "batch_size", &size, err);
    if (!st) st = count_of(o->c, "n_iter", &times, err);
    if (st) return st;
    if (size * times > ZIS_HTTP_BATCH)
        return zis_fail(err, ZIS_ARG, "batch_size times n_iter must be from 1 to %d, not %d",
                        ZIS_HTTP_BATCH, size * times);
    snprintf(text, sizeof text, "%d", size * times);
    return zis_order_set_text(o, "batch", "batch_size x n_iter", text, err);
}

/* The name in "nano-turbo [hash]", as its page shows them; "": none is said. */
static zis_status checkpoint_of(
    const json_t *settings, const char *said, char *name, size_t n, zis_error *err)
{
    const json_t *v = json_object_get(settings, "sd_model_checkpoint");
    *name = '\0';
    if (!v || json_is_null(v)) return ZIS_OK;
    if (!json_is_string(v)) return zis_fail(err, ZIS_ARG, "%s must be a string", said);
    snprintf(name, n, "%s", json_string_value(v));
    char *hash = strstr(name, " [");
    if (hash) *hash = '\0';
    return ZIS_OK;
}

/* What the request says, else what its options chose; a checkpoint that is not ours is an error
 * here, as there. */
static zis_status take_model(zis_order *o, zis_error *err)
{
    const json_t *overrides = json_object_get(o->c->json, "override_settings");
    zis_server *s = o->c->s;
    char name[120];
    if (overrides && !json_is_object(overrides) && !json_is_null(overrides))
        return zis_fail(err, ZIS_ARG,
                        "override_settings must be an object, as {\"sd_model_checkpoint\": NAME}");
    zis_status st =
        checkpoint_of(overrides, "override_settings.sd_model_checkpoint", name, sizeof name, err);
    if (st) return st;
    if (!*name) {
        pthread_mutex_lock(&s->lock);
        snprintf(name, sizeof name, "%s", s->a1111_model);
        pthread_mutex_unlock(&s->lock);
    }
    return *name ? zis_order_model(o, name, err) : ZIS_OK;
}

zis_status zis_a1111_take_picture(
    zis_order *o, const char *said, const json_t *v, zis_picture_slot slot, zis_error *err)
{
    zis_upload *f = NULL;
    if (!v || json_is_null(v)) return ZIS_OK;
    if (!json_is_string(v)) return zis_fail(err, ZIS_ARG, "%s must be a string", said);
    zis_status st = zis_picture_from_text(o->c, said, json_string_value(v), &f, err);
    if (!st) zis_order_picture(o, slot, f);
    return st;
}

static zis_status take_pictures(zis_order *o, zis_error *err)
{
    const json_t *list = json_object_get(o->c->json, "init_images");
    if (!json_is_array(list) || !json_array_size(list))
        return zis_fail(err, ZIS_ARG,
                        "init_images is missing: the picture to start from, in base64");
    zis_status st =
        zis_a1111_take_picture(o, "init_images", json_array_get(list, 0), ZIS_PICTURE_INIT, err);
    if (!st)
        st = zis_a1111_take_picture(o, "mask", json_object_get(o->c->json, "mask"),
                                    ZIS_PICTURE_MASK, err);
    return st;
}

/* ---- answers ------------------------------------------------------------------------------- */

zis_status zis_a1111_job_failure(zis_call *c, zis_job_info *info, zis_error *err)
{
    if (!zis_jobs_look(c->s->jobs, c->job, info))
        return zis_fail(err, ZIS_CANCELLED, "the job was cancelled and forgotten");
    if (info->state != ZIS_JOB_FAILED) return ZIS_OK;
    *err = info->error;
    return err->code ? err->code : ZIS_IO;
}

/* A name that stood for another one; *sep goes before it. */
static void put_stand_in(
    zis_buf *out, const char **sep, const char *what, const char *asked, const char *used)
{
    char text[160];
    snprintf(text, sizeof text, "%s '%.60s' is not here: %s was used", what, asked, used);
    zis_buf_puts(out, *sep);
    zis_jsonout_string(out, text);
    *sep = ", ";
}

/* The sampler and the scheduler that were used, and a word where others were asked for. */
static void put_names(zis_buf *out, const zis_call *c)
{
    const char *name = said_of(c, "sampler_name", "sampler_index"), *used = zis_sampler_names[0];
    const char *scheduler = said_of(c, "scheduler", NULL), *sep = "";
    for (int i = 0; name && zis_sampler_names[i]; i++)
        if (strcasecmp(zis_sampler_names[i], name) == 0) used = zis_sampler_names[i];
    zis_buf_printf(
        out, "\"sampler_name\": \"%s\", \"scheduler\": \"" SCHEDULER "\", \"warnings\": [", used);
    if (name && strcasecmp(name, used) != 0) put_stand_in(out, &sep, "sampler", name, used);
    if (scheduler && strcasecmp(scheduler, SCHEDULER) != 0 &&
        strcasecmp(scheduler, "automatic") != 0)
        put_stand_in(out, &sep, "scheduler", scheduler, SCHEDULER);
    zis_buf_puts(out, "], ");
}

/* The job's object: its request is told as it was run. */
static zis_status job_as_run(const zis_call *c, json_t **out, zis_error *err)
{
    zis_buf text = {0};
    zis_status st = zis_jobs_object(c->s->jobs, c->job, &text, err);
    if (!st) *out = json_loadb(text.data, text.len, 0, NULL);
    if (!st && !*out) st = zis_fail_nomem(err, "the answer");
    zis_buf_free(&text);
    return st;
}

/* A member of the request; a text that is not there is empty. */
static void put_value(zis_buf *out, const json_t *request, const char *name)
{
    const json_t *v = json_object_get(request, name);
    if (json_is_integer(v))
        zis_buf_printf(out, "%lld", (long long)json_integer_value(v));
    else if (json_is_number(v))
        zis_jsonout_number(out, json_real_value(v));
    else
        zis_jsonout_string(out, json_is_string(v) ? json_string_value(v) : "");
}

/* "name": [items], and frees them. */
static void put_list(zis_buf *out, const char *name, zis_buf *items)
{
    zis_buf_printf(out, "\"%s\": [", name);
    if (items->len) zis_buf_append(out, items->data, items->len);
    zis_buf_puts(out, "], ");
    if (items->failed) out->failed = true;
    zis_buf_free(items);
}

/* The pictures' texts and seeds, from the files themselves: they are what the client gets. */
zis_status zis_a1111_put_images(zis_buf *images, zis_buf *info, zis_call *c, int n, zis_error *err)
{
    static const char *const same_names[][2] = {{"prompt", "prompt"},
                                                {"negative_prompt", "negative_prompt"},
                                                {"steps", "steps"},
                                                {"cfg_scale", "cfg"}};
    zis_buf seeds = {0}, texts = {0}, prompts = {0}, negatives = {0};
    json_t *whole = NULL;
    zis_status st = job_as_run(c, &whole, err);
    const json_t *request = json_object_get(whole, "request");
    zis_buf_putc(info, '{');
    for (size_t i = 0; i < sizeof same_names / sizeof *same_names; i++) {
        zis_buf_printf(info, "\"%s\": ", same_names[i][0]);
        put_value(info, request, same_names[i][1]);
        zis_buf_puts(info, ", ");
    }
    for (int i = 0; i < n && !st; i++) {
        zis_job_picture p;
        char *path = NULL, *bytes = NULL, *text = NULL;
        size_t size = 0;
        st = zis_jobs_picture(c->s->jobs, c->job, i, &p, &path, err);
        if (!st) st = zis_os_read_file(&bytes, &size, path, SIZE_MAX / 2, err);
        if (!st) st = zis_picture_text_get(&text, path, bytes, size, "parameters", err);
        if (!st) {
            zis_buf_puts(images, i ? ", \"" : "\"");
            zis_base64_put(images, bytes, size);
            zis_buf_putc(images, '"');
            zis_buf_printf(&seeds, "%s%lld", i ? ", " : "", (long long)p.seed);
            zis_buf_puts(&texts, i ? ", " : "");
            zis_jsonout_string(&texts, text ? text : "");
            zis_buf_puts(&prompts, i ? ", " : "");
            put_value(&prompts, request, "prompt");
            zis_buf_puts(&negatives, i ? ", " : "");
            put_value(&negatives, request, "negative_prompt");
            if (i == 0)
                zis_buf_printf(info, "\"seed\": %lld, \"width\": %d, \"height\": %d, ",
                               (long long)p.seed, p.width, p.height);
        }
        free(text);
        free(bytes);
        free(path);
    }
    put_names(info, c);
    put_list(info, "all_prompts", &prompts);
    put_list(info, "all_negative_prompts", &negatives);
    put_list(info, "all_seeds", &seeds);
    put_list(info, "infotexts", &texts);
    zis_buf_printf(info, "\"batch_size\": %d}", n);
    json_decref(whole);
    return st;
}

/* What was asked, without the pictures that came along. */
static char *echo(const zis_call *c)
{
    json_t *copy = json_copy(c->json);
    char *text = NULL;
    if (!copy) return NULL;
    json_object_del(copy, "init_images");
    json_object_del(copy, "mask");
    json_object_del(copy, "image");
    text = json_dumps(copy, JSON_COMPACT);
    json_decref(copy);
    return text;
}

static zis_status reply_images(zis_call *c, zis_error *err)
{
    zis_job_info job;
    zis_buf images = {0}, info = {0}, out = {0};
    zis_status st = zis_a1111_job_failure(c, &job, err);
    if (!st) st = zis_a1111_put_images(&images, &info, c, job.n_pictures, err);
    char *asked = st ? NULL : echo(c);
    if (!st) {
        zis_buf_printf(&out, "{\"images\": [%s", "");
        zis_buf_append(&out, images.data, images.len);
        zis_buf_printf(&out, "], \"parameters\": %s, \"info\": ", asked ? asked : "{}");
        zis_jsonout_string(&out, info.data ? info.data : "{}");
        zis_buf_putc(&out, '}');
        if (images.failed || info.failed) out.failed = true;
    }
    free(asked);
    zis_buf_free(&images);
    zis_buf_free(&info);
    if (st) {
        zis_buf_free(&out);
        return st;
    }
    return zis_reply_json(c, 200, &out, err);
}

static zis_status draw(zis_call *c, bool img2img, zis_error *err)
{
    zis_order o = {0};
    char id[ZIS_JOB_ID + 1];
    const char *gone = zis_call_header(c, "X-Zis-On-Disconnect");
    zis_status st = zis_order_init(&o, c, err);
    if (!st) st = take_model(&o, err);
    if (!st) st = take_fields(&o, img2img, err);
    if (!st) st = take_loras(&o, err);
    if (!st) st = take_sampler(&o, err);
    if (!st) st = take_batch(&o, err);
    if (!st && img2img) st = take_pictures(&o, err);
    if (!st) st = zis_order_submit(&o, id, err);
    zis_order_deinit(&o);
    if (st) return st;
    c->cancel_on_disconnect = gone && strcmp(gone, "cancel") == 0;
    zis_call_wait(c, id, reply_images);
    return ZIS_OK;
}

ZIS_HANDLER(a1111_txt2img)
{
    return draw(c, false, err);
}

ZIS_HANDLER(a1111_img2img)
{
    return draw(c, true, err);
}

/* ---- looking ------------------------------------------------------------------------------- */

ZIS_HANDLER(a1111_progress)
{
    zis_jobs_status s;
    zis_job_info info = {0};
    zis_buf out = {0}, jpeg = {0};
    const char *skip = zis_call_query(c, "skip_current_image");
    bool picture = !skip || strcmp(skip, "true") != 0;
    zis_jobs_get_status(c->s->jobs, &s);
    bool running =
        *s.running && zis_jobs_look(c->s->jobs, s.running, &info) && info.state == ZIS_JOB_RUNNING;
    zis_buf_puts(&out, "{\"progress\": ");
    zis_jsonout_number(&out, running ? info.overall : 0);
    zis_buf_puts(&out, ", \"eta_relative\": ");
    zis_jsonout_number(&out,
                       running && info.progress.seconds_left > 0 ? info.progress.seconds_left : 0);
    zis_buf_printf(&out,
                   ", \"state\": {\"skipped\": false, \"interrupted\": false, \"job\": \"%s\", "
                   "\"job_count\": %d, \"job_no\": %d, \"sampling_step\": %d, "
                   "\"sampling_steps\": %d}, \"current_image\": ",
                   running ? s.running : "", running ? 1 + s.waiting : s.waiting,
                   running ? info.progress.picture : 0, running ? info.progress.step : 0,
                   running ? info.progress.of : 0);
    if (running && picture && zis_jobs_preview(c->s->jobs, s.running, &jpeg)) {
        zis_buf_putc(&out, '"');
        zis_base64_put(&out, jpeg.data, jpeg.len);
        zis_buf_putc(&out, '"');
    } else {
        zis_buf_puts(&out, "null");
    }
    zis_buf_puts(&out, ", \"textinfo\": ");
    zis_jsonout_string(&out, running ? info.progress.stage : NULL);
    zis_buf_putc(&out, '}');
    zis_buf_free(&jpeg);
    return zis_reply_json(c, 200, &out, err);
}

static zis_status reply_literal(zis_call *c, const char *text, zis_error *err)
{
    zis_buf out = {0};
    zis_buf_puts(&out, text);
    return zis_reply_json(c, 200, &out, err);
}

ZIS_HANDLER(a1111_interrupt)
{
    zis_jobs_status s;
    zis_jobs_get_status(c->s->jobs, &s);
    if (*s.running) zis_jobs_cancel(c->s->jobs, s.running);
    return reply_literal(c, "{}", err);
}

/* The one that a request without override_settings is drawn by. */
static zis_status first_model(zis_call *c,
                              zis_catalog **catalog,
                              const zis_catalog_entry **e,
                              zis_error *err)
{
    char name[sizeof c->s->a1111_model];
    zis_status st = zis_server_catalog(c->s, false, catalog, err);
    if (st) return st;
    pthread_mutex_lock(&c->s->lock);
    memcpy(name, c->s->a1111_model, sizeof name);
    pthread_mutex_unlock(&c->s->lock);
    if (zis_catalog_named(*catalog, ZIS_CATALOG_MODEL, *name ? name : c->s->model, e, NULL) !=
        ZIS_OK)
        for (size_t i = 0; zis_catalog_at(*catalog, i); i++)
            if (zis_catalog_at(*catalog, i)->kind == ZIS_CATALOG_MODEL)
                *e = zis_catalog_at(*catalog, i);
    return ZIS_OK;
}

ZIS_HANDLER(a1111_options)
{
    zis_catalog *catalog = NULL;
    const zis_catalog_entry *e = NULL;
    zis_buf out = {0};
    zis_status st = first_model(c, &catalog, &e, err);
    if (st) return st;
    zis_buf_puts(&out, "{\"sd_model_checkpoint\": ");
    zis_jsonout_string(&out, e ? e->name : c->s->model);
    zis_buf_puts(&out, ", \"samples_format\": \"png\", \"show_progress_every_n_steps\": 1, "
                       "\"CLIP_stop_at_last_layers\": 1}");
    zis_catalog_close(&catalog);
    return zis_reply_json(c, 200, &out, err);
}

/* Scripts set the checkpoint here before they draw, and name none when they do. Other options have
 * no meaning here. */
ZIS_HANDLER(a1111_set_options)
{
    zis_catalog *catalog = NULL;
    const zis_catalog_entry *want = NULL;
    zis_server *s = c->s;
    char name[120];
    zis_status st = checkpoint_of(c->json, "sd_model_checkpoint", name, sizeof name, err);
    if (st) return st;
    if (!*name) return reply_literal(c, "{}", err);
    st = zis_server_catalog(s, false, &catalog, err);
    if (!st) st = zis_catalog_named(catalog, ZIS_CATALOG_MODEL, name, &want, err);
    if (!st && !want->present)
        st = zis_call_fail(c, want->fetch ? 409 : 0, ZIS_NOT_FOUND, err, "%s", want->missing);
    if (!st) {
        pthread_mutex_lock(&s->lock);
        snprintf(s->a1111_model, sizeof s->a1111_model, "%s", want->name);
        pthread_mutex_unlock(&s->lock);
    }
    zis_catalog_close(&catalog);
    return st ? st : reply_literal(c, "{}", err);
}

ZIS_HANDLER(a1111_models)
{
    zis_catalog *catalog = NULL;
    zis_buf out = {0};
    const char *sep = "[";
    zis_status st = zis_server_catalog(c->s, false, &catalog, err);
    if (st) return st;
    for (size_t i = 0; zis_catalog_at(catalog, i); i++) {
        const zis_catalog_entry *e = zis_catalog_at(catalog, i);
        if (e->kind != ZIS_CATALOG_MODEL || !e->present) continue;
        zis_buf_printf(&out, "%s{\"title\": ", sep);
        zis_jsonout_string(&out, e->name);
        zis_buf_puts(&out, ", \"model_name\": ");
        zis_jsonout_string(&out, e->name);
        zis_buf_puts(&out, ", \"hash\": null, \"sha256\": null, \"filename\": ");
        zis_jsonout_string(&out, e->hub_id ? e->hub_id : e->name);
        zis_buf_puts(&out, ", \"config\": null}");
        sep = ", ";
    }
    zis_buf_puts(&out, *sep == '[' ? "[]" : "]");
    zis_catalog_close(&catalog);
    return zis_reply_json(c, 200, &out, err);
}

/* "aliases": what stands for the entry, NULL: nothing. */
static void put_aliases(zis_buf *out, const char *const *list)
{
    zis_buf_puts(out, ", \"aliases\": [");
    for (size_t i = 0; list && list[i]; i++) {
        zis_buf_puts(out, i ? ", " : "");
        zis_jsonout_string(out, list[i]);
    }
    zis_buf_puts(out, "], ");
}

ZIS_HANDLER(a1111_samplers)
{
    zis_buf out = {0};
    for (int i = 0; zis_sampler_names[i]; i++) {
        zis_buf_puts(&out, i ? ", {\"name\": " : "[{\"name\": ");
        zis_jsonout_string(&out, zis_sampler_names[i]);
        put_aliases(&out, i ? NULL : zis_a1111_names_samplers);
        zis_buf_puts(&out, "\"options\": {}}");
    }
    zis_buf_putc(&out, ']');
    return zis_reply_json(c, 200, &out, err);
}

ZIS_HANDLER(a1111_schedulers)
{
    zis_buf out = {0};
    zis_buf_puts(&out, "[{\"name\": \"" SCHEDULER "\", \"label\": \"Shift\"");
    put_aliases(&out, zis_a1111_names_schedulers);
    zis_buf_puts(&out, "\"default_rho\": -1, \"need_inner_model\": false}]");
    return zis_reply_json(c, 200, &out, err);
}

/* What A1111 has without any network. */
static const char plain_upscalers[] =
    "[{\"name\": \"None\", \"model_name\": null, \"model_path\": null, \"model_url\": null, "
    "\"scale\": 4}, {\"name\": \"Lanczos\", \"model_name\": null, \"model_path\": null, "
    "\"model_url\": null, \"scale\": 4}";

static zis_status reply_small(zis_call *c, zis_catalog_kind kind, bool lora, zis_error *err)
{
    zis_catalog *catalog = NULL;
    zis_buf out = {0};
    const char *sep = "[";
    zis_status st = zis_server_catalog(c->s, false, &catalog, err);
    if (st) return st;
    if (!lora) {
        zis_buf_puts(&out, plain_upscalers);
        sep = ", ";
    }
    for (size_t i = 0; zis_catalog_at(catalog, i); i++) {
        const zis_catalog_entry *e = zis_catalog_at(catalog, i);
        if (e->kind != kind || !e->present) continue;
        zis_buf_printf(&out, "%s{\"name\": ", sep);
        zis_jsonout_string(&out, e->name);
        if (lora) {
            zis_buf_puts(&out, ", \"alias\": ");
            zis_jsonout_string(&out, e->name);
            zis_buf_puts(&out, ", \"path\": null, \"metadata\": {}}");
        } else {
            zis_buf_puts(&out, ", \"model_name\": ");
            zis_jsonout_string(&out, e->name);
            zis_buf_puts(&out, ", \"model_path\": null, \"model_url\": null, \"scale\": 4}");
        }
        sep = ", ";
    }
    zis_buf_puts(&out, *sep == '[' ? "[]" : "]");
    zis_catalog_close(&catalog);
    return zis_reply_json(c, 200, &out, err);
}

ZIS_HANDLER(a1111_loras)
{
    return reply_small(c, ZIS_CATALOG_LORA, true, err);
}

ZIS_HANDLER(a1111_upscalers)
{
    return reply_small(c, ZIS_CATALOG_UPSCALER, false, err);
}

ZIS_HANDLER(a1111_png_info)
{
    const char *text = NULL;
    zis_upload *f = NULL;
    zis_decoded d = {0};
    zis_buf out = {0};
    zis_status st = zis_http_string(c, "image", &text, err);
    if (!st && !text) st = zis_fail(err, ZIS_ARG, "image is missing: a picture in base64");
    if (!st) st = zis_picture_from_text(c, "image", text, &f, err);
    if (st) return st;
    st = zis_sandbox_decode(&d, zis_server_program(c->s), f->path, "image", false, err);
    zis_uploads_release(c->s->uploads, f);
    if (st) return st;
    zis_buf_puts(&out, "{\"info\": ");
    zis_jsonout_string(&out, d.parameters ? d.parameters : "");
    zis_buf_puts(&out, ", \"items\": {\"parameters\": ");
    zis_jsonout_string(&out, d.parameters ? d.parameters : "");
    zis_buf_puts(&out, "}, \"parameters\": {}}");
    zis_decoded_deinit(&d);
    return zis_reply_json(c, 200, &out, err);
}
