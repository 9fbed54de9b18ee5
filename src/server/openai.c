/* The images API of OpenAI: generations, edits, models; with a stream of partial pictures. */
#include "base/base64.h"
#include "base/os.h"
#include "pipeline/jsonout.h"
#include "server/native.h"
#include "server/orders.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTIAL_MOST 3

/* What the answer needs to know of the request. */
typedef struct wish {
    bool url; /* instead of the bytes */
    bool stream, edit;
    int partials;
    char size[24];
    char format[8];
    bool cancel;
} wish;

/* A member as text, for forms and JSON alike; NULL: absent, null. A new string. */
static zis_status member(const zis_call *c, const char *name, char **out, zis_error *err)
{
    const json_t *v = json_object_get(c->json, name);
    const zis_part *p = zis_call_part(c, name);
    char *text = NULL;
    if (p ? p->upload != NULL : !v || json_is_null(v)) return ZIS_OK;
    if (p)
        text = zis_mem_strndup(p->value.data ? p->value.data : "", p->value.len);
    else if (json_is_string(v))
        text = zis_mem_strdup(json_string_value(v));
    else if (json_is_boolean(v))
        text = zis_mem_strdup(json_is_true(v) ? "true" : "false");
    else if (json_is_integer(v))
        text = zis_mem_printf("%lld", (long long)json_integer_value(v));
    else if (json_is_real(v))
        text = zis_mem_printf("%.17g", json_real_value(v));
    else
        return zis_fail(err, ZIS_ARG, "%s must be a string or a number", name);
    if (!text) return zis_fail_nomem(err, name);
    *out = text;
    return ZIS_OK;
}

static zis_status take_count(zis_order *o, const char *v, wish *w, zis_error *err)
{
    (void)w;
    zis_status st = zis_order_set_text(o, "batch", "n", v, err);
    if (!st && o->request.batch <= ZIS_HTTP_BATCH) return ZIS_OK;
    return zis_fail(err, ZIS_ARG, "n must be a whole number from 1 to %d, not '%.40s'",
                    ZIS_HTTP_BATCH, v);
}

/* Models of OpenAI stand for the server's own: clients name them without asking. */
static zis_status take_model(zis_order *o, const char *v, wish *w, zis_error *err)
{
    (void)w;
    if (strncmp(v, "gpt-", 4) == 0 || strncmp(v, "dall-e-", 7) == 0 ||
        strncmp(v, "chatgpt-", 8) == 0)
        return ZIS_OK;
    return zis_order_model(o, v, err);
}

static zis_status take_size(zis_order *o, const char *v, wish *w, zis_error *err)
{
    const char *x = strchr(v, 'x');
    if (strcmp(v, "auto") == 0) return ZIS_OK;
    if (!x || (size_t)(x - v) >= sizeof w->size)
        return zis_fail(err, ZIS_ARG, "size must be WIDTHxHEIGHT or auto, not '%.40s'", v);
    char width[sizeof w->size];
    snprintf(w->size, sizeof w->size, "%s", v);
    snprintf(width, sizeof width, "%.*s", (int)(x - v), v);
    zis_status st = zis_order_set_text(o, "width", "size (its width)", width, err);
    return st ? st : zis_order_set_text(o, "height", "size (its height)", x + 1, err);
}

/* "png, jpeg" holds the value? */
static zis_status is_one_of(const char *name, const char *v, const char *all, zis_error *err)
{
    size_t n = strlen(v);
    for (const char *at = all; *at; at += strcspn(at, ","), at += strspn(at, ", "))
        if (strncmp(at, v, n) == 0 && strcspn(at, ",") == n) return ZIS_OK;
    return zis_fail(err, ZIS_ARG, "%s does not know '%.40s'; it may be: %s", name, v, all);
}

/* There is one quality, which the steps decide on. */
static zis_status take_quality(zis_order *o, const char *v, wish *w, zis_error *err)
{
    (void)o;
    (void)w;
    return is_one_of("quality", v, "auto, low, medium, high, standard, hd", err);
}

static zis_status take_answer(zis_order *o, const char *v, wish *w, zis_error *err)
{
    (void)o;
    w->url = strcmp(v, "url") == 0;
    return is_one_of("response_format", v, "b64_json, url", err);
}

static zis_status take_output(zis_order *o, const char *v, wish *w, zis_error *err)
{
    zis_status st = is_one_of("output_format", v, "png, jpeg, webp", err);
    if (st) return st;
    snprintf(w->format, sizeof w->format, "%s", v);
    return zis_order_format(o, v, err);
}

static zis_status take_stream(zis_order *o, const char *v, wish *w, zis_error *err)
{
    (void)o;
    w->stream = strcmp(v, "true") == 0;
    return is_one_of("stream", v, "true, false", err);
}

static zis_status take_partials(zis_order *o, const char *v, wish *w, zis_error *err)
{
    (void)o;
    if (strlen(v) != 1 || *v < '0' || *v > '0' + PARTIAL_MOST)
        return zis_fail(err, ZIS_ARG,
                        "partial_images must be a whole number from 0 to %d, not '%.20s'",
                        PARTIAL_MOST, v);
    w->partials = *v - '0';
    return ZIS_OK;
}

/* Their members: a field of ours, or a function; the rest has no meaning here. */
static const struct {
    const char *theirs, *ours;
    zis_status (*take)(zis_order *o, const char *v, wish *w, zis_error *err);
} members[] = {
    {"model", NULL, take_model},
    {"prompt", "prompt", NULL},
    {"n", NULL, take_count},
    {"size", NULL, take_size},
    {"quality", NULL, take_quality},
    {"response_format", NULL, take_answer},
    {"output_format", NULL, take_output},
    {"stream", NULL, take_stream},
    {"partial_images", NULL, take_partials},
    {"steps", "steps", NULL},
    {"num_inference_steps", "steps", NULL},
    {"seed", "seed", NULL},
    {"negative_prompt", "negative_prompt", NULL},
    {"cfg_scale", "cfg", NULL},
    {"guidance_scale", "cfg", NULL},
    {"strength", "strength", NULL},
};

static zis_status take_members(zis_order *o, wish *w, zis_error *err)
{
    zis_status st = ZIS_OK;
    for (size_t i = 0; i < sizeof members / sizeof *members && !st; i++) {
        const char *name = members[i].theirs;
        char *v = NULL;
        st = member(o->c, name, &v, err);
        /* an empty one is how some clients leave it out; an empty prompt is a prompt */
        if (!st && v && (*v || strcmp(name, "prompt") == 0))
            st = members[i].take ? members[i].take(o, v, w, err)
                                 : zis_order_set_text(o, members[i].ours, name, v, err);
        free(v);
        zis_call_blame(o->c, name, st);
    }
    return st;
}

static zis_status take_pictures(zis_order *o, zis_error *err)
{
    static const struct {
        const char *name;
        zis_picture_slot slot;
    } parts[] = {
        {"image", ZIS_PICTURE_INIT},
        {"image[]", ZIS_PICTURE_INIT},
        {"mask", ZIS_PICTURE_MASK},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const zis_part *p = zis_call_part(o->c, parts[i].name);
        const json_t *v = json_object_get(o->c->json, parts[i].name);
        zis_upload *f = NULL;
        if (json_is_array(v)) v = json_array_get(v, 0);
        if (p && p->upload) {
            f = zis_uploads_hold_again(o->c->s->uploads, p->upload);
        } else if (json_is_string(v)) {
            zis_status st =
                zis_picture_from_text(o->c, parts[i].name, json_string_value(v), &f, err);
            if (st) return zis_call_blame(o->c, parts[i].name, st);
        }
        if (f) zis_order_picture(o, parts[i].slot, f);
    }
    o->held->mask_shows_through = true;
    if (o->held->picture[ZIS_PICTURE_INIT]) return ZIS_OK;
    return zis_fail(err, ZIS_ARG, "image is missing: the picture to be edited");
}

/* ---- the answer ---------------------------------------------------------------------------- */

/* Appends the bytes of a picture in base64. */
static zis_status put_picture(
    zis_buf *out, zis_server *s, const char *job, int index, zis_error *err)
{
    zis_job_picture p;
    char *path = NULL, *bytes = NULL;
    size_t n = 0;
    zis_status st = zis_jobs_picture(s->jobs, job, index, &p, &path, err);
    if (!st) st = zis_os_read_file(&bytes, &n, path, SIZE_MAX / 2, err);
    if (!st) zis_base64_put(out, bytes, n);
    free(path);
    free(bytes);
    return st;
}

static zis_status job_failure(zis_call *c, const char *id, zis_job_info *info, zis_error *err)
{
    if (!zis_jobs_look(c->s->jobs, id, info))
        return zis_fail(err, ZIS_CANCELLED, "the job was cancelled and forgotten");
    if (info->state == ZIS_JOB_FAILED) {
        *err = info->error;
        return err->code ? err->code : ZIS_IO;
    }
    if (info->state == ZIS_JOB_CANCELLED)
        return zis_fail(err, ZIS_CANCELLED, "the job was cancelled");
    return ZIS_OK;
}

static zis_status reply_images(zis_call *c, zis_error *err)
{
    const wish *w = c->extra;
    const char *host = zis_call_header(c, MHD_HTTP_HEADER_HOST);
    zis_job_info info;
    zis_buf out = {0};
    zis_status st = job_failure(c, c->job, &info, err);
    if (st) return st;
    zis_buf_printf(&out, "{\"created\": %.0f, \"output_format\": \"%s\", \"data\": [", info.created,
                   w->format);
    for (int i = 0; i < info.n_pictures && !st; i++) {
        zis_buf_puts(&out, i ? ", {" : "{");
        if (w->url) {
            zis_buf_printf(&out, "\"url\": \"http://%s/api/v1/jobs/%s/images/%d\"}", host, c->job,
                           i);
            continue;
        }
        zis_buf_puts(&out, "\"b64_json\": \"");
        st = put_picture(&out, c->s, c->job, i, err);
        zis_buf_puts(&out, "\"}");
    }
    zis_buf_puts(&out, "]}");
    if (st) {
        zis_buf_free(&out);
        return st;
    }
    return zis_reply_json(c, 200, &out, err);
}

/* ---- the stream ---------------------------------------------------------------------------- */

static void put_event(
    zis_buf *out, const zis_stream *st, const char *name, const char *b64, size_t n, int index)
{
    const char *what = st->edit ? "image_edit" : "image_generation";
    zis_buf_printf(out, "event: %s.%s\ndata: {\"type\": \"%s.%s\", \"created_at\": %.0f, ", what,
                   name, what, name, zis_os_wall());
    zis_buf_printf(out,
                   "\"size\": \"%s\", \"quality\": \"auto\", \"background\": \"opaque\", "
                   "\"output_format\": \"%s\", ",
                   st->size, index >= 0 ? "jpeg" : st->format);
    if (index >= 0)
        zis_buf_printf(out, "\"partial_image_index\": %d, ", index);
    else
        zis_buf_puts(out,
                     "\"usage\": {\"input_tokens\": 0, \"output_tokens\": 0, \"total_tokens\": 0, "
                     "\"input_tokens_details\": {\"text_tokens\": 0, \"image_tokens\": 0}}, ");
    zis_buf_puts(out, "\"b64_json\": \"");
    zis_buf_append(out, b64, n);
    zis_buf_puts(out, "\"}\n\n");
}

static void put_failure(zis_buf *out, const zis_error *e)
{
    zis_buf_printf(
        out,
        "event: error\ndata: {\"type\": \"error\", \"error\": {\"type\": \"server_error\", "
        "\"code\": \"%s\", \"message\": ",
        zis_status_name(e->code));
    zis_jsonout_string(out, e->text);
    zis_buf_puts(out, ", \"param\": null}}\n\n");
}

/* A preview becomes a partial picture when its step has reached the next of `partials` parts. */
static void put_partial(zis_stream *st, zis_buf *out, const zis_job_event *e)
{
    const char *image = strstr(e->data.data, ";base64,"),
               *step = strstr(e->data.data, "\"step\": ");
    const char *of = strstr(e->data.data, "\"of\": ");
    if (!image || !step || !of || st->partials_sent >= st->partials) return;
    int k = atoi(step + 8), n = atoi(of + 6);
    if (k * (st->partials + 1) < n * (st->partials_sent + 1)) return;
    image += 8;
    put_event(out, st, "partial_image", image, strcspn(image, "\""), st->partials_sent++);
}

static bool put_end(zis_stream *st, zis_buf *out)
{
    zis_job_info info;
    zis_error err = {0};
    zis_buf b64 = {0};
    zis_status failed = ZIS_OK;
    if (!zis_jobs_look(st->s->jobs, st->job, &info) || info.state == ZIS_JOB_CANCELLED) {
        failed = zis_fail(&err, ZIS_CANCELLED, "the job was cancelled");
    } else if (info.state == ZIS_JOB_FAILED) {
        err = info.error;
        failed = ZIS_IO;
    }
    for (int i = 0; !failed && i < info.n_pictures; i++) {
        failed = put_picture(&b64, st->s, st->job, i, &err);
        if (!failed) put_event(out, st, "completed", b64.data, b64.len, -1);
        zis_buf_free(&b64);
        b64 = (zis_buf){0};
    }
    if (failed) put_failure(out, &err);
    return true;
}

static bool fill(zis_stream *st, zis_buf *out)
{
    const zis_jobs_filter filter = {.job = st->job};
    zis_job_event e;
    zis_job_info info;
    while (zis_jobs_next_event(st->s->jobs, &filter, st->after, &e)) {
        st->after = e.number;
        bool over = e.final;
        if (!e.data.failed && strcmp(e.name, "preview") == 0) put_partial(st, out, &e);
        zis_buf_free(&e.data);
        if (over) return put_end(st, out);
    }
    return zis_jobs_look(st->s->jobs, st->job, &info) ? false : put_end(st, out);
}

/* ---- requests ------------------------------------------------------------------------------ */

static zis_status start(zis_call *c, const wish *w, const char *id, zis_error *err)
{
    if (w->stream) {
        zis_stream st = {.fill = fill,
                         .edit = w->edit,
                         .partials = w->partials,
                         .cancel_on_disconnect = w->cancel};
        memcpy(st.job, id, sizeof st.job);
        memcpy(st.size, w->size, sizeof st.size);
        memcpy(st.format, w->format, sizeof st.format);
        return zis_stream_start(c, &st, err);
    }
    wish *kept = zis_mem_alloc(1, sizeof *kept);
    if (!kept) return zis_fail_nomem(err, "the answer");
    *kept = *w;
    c->extra = kept;
    c->cancel_on_disconnect = w->cancel;
    zis_call_wait(c, id, reply_images);
    return ZIS_OK;
}

static zis_status draw(zis_call *c, bool edit, zis_error *err)
{
    zis_order o = {0};
    const char *gone = zis_call_header(c, "X-Zis-On-Disconnect");
    wish w = {.edit = edit,
              .size = "auto",
              .format = "png",
              .cancel = gone && strcmp(gone, "cancel") == 0};
    char id[ZIS_JOB_ID + 1];
    zis_status st = zis_order_init(&o, c, err);
    if (!st) st = take_members(&o, &w, err);
    if (!st && edit) st = take_pictures(&o, err);
    if (!st && !zis_request_given(&o.request, zis_request_field("prompt")))
        st = zis_fail(err, ZIS_ARG, "prompt is missing: what the picture shows");
    if (!st) st = zis_order_submit(&o, id, err);
    zis_order_deinit(&o);
    return st ? st : start(c, &w, id, err);
}

ZIS_HANDLER(openai_generate)
{
    return draw(c, false, err);
}

ZIS_HANDLER(openai_edit)
{
    return draw(c, true, err);
}

ZIS_HANDLER(openai_models)
{
    zis_catalog *catalog = NULL;
    zis_buf out = {0};
    const char *only = *c->args[0] ? c->args[0] : NULL, *sep = "";
    const zis_catalog_entry *one = NULL;
    zis_status st = zis_server_catalog(c->s, false, &catalog, err);
    if (!st && only) st = zis_catalog_named(catalog, ZIS_CATALOG_MODEL, only, &one, err);
    if (st) {
        zis_catalog_close(&catalog);
        return st;
    }
    if (!only) zis_buf_puts(&out, "{\"object\": \"list\", \"data\": [");
    for (size_t i = 0; zis_catalog_at(catalog, i); i++) {
        const zis_catalog_entry *e = zis_catalog_at(catalog, i);
        if (e->kind != ZIS_CATALOG_MODEL || (only ? e != one : !e->present)) continue;
        zis_buf_printf(&out, "%s{\"id\": ", sep);
        zis_jsonout_string(&out, e->name);
        zis_buf_puts(&out,
                     ", \"object\": \"model\", \"created\": 0, \"owned_by\": \"z-image-studio\"}");
        sep = ", ";
    }
    if (!only) zis_buf_puts(&out, "]}");
    zis_catalog_close(&catalog);
    return zis_reply_json(c, 200, &out, err);
}
