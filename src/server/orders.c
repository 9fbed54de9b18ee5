/* One field at a time, by the table; whatever is no field has its own line here. */
#include "server/orders.h"

#include "base/base64.h"
#include "base/os.h"
#include "pipeline/jsonout.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *zis_server_program(const zis_server *s)
{
    return s->o.program ? s->o.program : "/proc/self/exe";
}

zis_status zis_server_catalog(zis_server *s, bool measure, zis_catalog **out, zis_error *err)
{
    const zis_catalog_options o = {s->model, s->o.lora_folders, measure};
    return zis_catalog_open(out, &o, err);
}

/* ---- life ---------------------------------------------------------------------------------- */

zis_status zis_order_init(zis_order *o, zis_call *c, zis_error *err)
{
    zis_order fresh = {.c = c, .metadata = true, .format = ZIS_PICTURE_PNG};
    zis_status st = zis_request_init(&fresh.request, err);
    if (st) return st;
    fresh.held = zis_mem_zalloc(1, sizeof *fresh.held);
    if (!fresh.held) st = zis_fail_nomem(err, "the job");
    if (!st) st = zis_server_catalog(c->s, false, &fresh.catalog, err);
    if (st)
        zis_order_deinit(&fresh);
    else
        *o = fresh;
    return st;
}

void zis_order_release(void *server, void *user)
{
    zis_server *s = server;
    zis_held *held = user;
    if (!held) return;
    for (int i = 0; i < ZIS_PICTURE_COUNT; i++) zis_uploads_release(s->uploads, held->picture[i]);
    for (int i = 0; i < held->n_files; i++) zis_uploads_release(s->uploads, held->file[i]);
    free(held);
}

void zis_order_deinit(zis_order *o)
{
    if (!o->c) return;
    zis_request_deinit(&o->request);
    zis_order_release(o->c->s, o->held);
    zis_catalog_close(&o->catalog);
    *o = (zis_order){0};
}

/* ---- pictures ------------------------------------------------------------------------------ */

const char *zis_upload_called(const zis_upload *f)
{
    return *f->name ? f->name : "the picture";
}

zis_status zis_upload_look(zis_server *s, zis_upload *f, zis_error *err)
{
    zis_decoded d = {0};
    if (f->looked) return ZIS_OK;
    zis_status st =
        zis_sandbox_decode(&d, zis_server_program(s), f->path, zis_upload_called(f), false, err);
    if (st) return st;
    f->picture = d.info;
    f->looked = true;
    zis_decoded_deinit(&d);
    return ZIS_OK;
}

/* Where the picture is transparent, white; elsewhere black. One without transparency stays. */
static zis_status mask_of_alpha(zis_image **img, zis_error *err)
{
    zis_image *mask = NULL;
    const zis_image *from = *img;
    if (from->channels != 4) return ZIS_OK;
    zis_status st = zis_image_create(&mask, from->width, from->height, 3, err);
    if (st) return st;
    size_t n = (size_t)from->width * (size_t)from->height;
    for (size_t i = 0; i < n; i++) memset(mask->data + 3 * i, 255 - from->data[4 * i + 3], 3);
    zis_image_destroy(img);
    *img = mask;
    return ZIS_OK;
}

zis_status zis_order_prepare(void *server, void *user, zis_request *r, zis_error *err)
{
    zis_server *s = server;
    const zis_held *held = user;
    zis_status st = ZIS_OK;
    for (int i = 0; i < ZIS_PICTURE_COUNT && !st; i++) {
        zis_decoded d = {0};
        if (!held->picture[i]) continue;
        st = zis_sandbox_decode(&d, zis_server_program(s), held->picture[i]->path,
                                zis_upload_called(held->picture[i]), true, err);
        if (!st && i == ZIS_PICTURE_MASK && held->mask_shows_through)
            st = mask_of_alpha(&d.image, err);
        if (st) {
            zis_decoded_deinit(&d);
            break;
        }
        zis_request_take_picture(r, (zis_picture_slot)i, d.image);
        d.image = NULL;
        zis_decoded_deinit(&d);
    }
    return st;
}

void zis_order_picture(zis_order *o, zis_picture_slot slot, zis_upload *picture)
{
    zis_uploads_release(o->c->s->uploads, o->held->picture[slot]);
    o->held->picture[slot] = picture;
}

/* A result of ours becomes an upload of its own: the job may be forgotten meanwhile. */
static zis_status copy_result(zis_call *c, const char *text, zis_upload **out, zis_error *err)
{
    char id[ZIS_JOB_ID + 1] = "";
    const char *slash = strchr(text, '/');
    size_t n = slash ? (size_t)(slash - text) : strlen(text);
    zis_job_picture info;
    char *path = NULL, *bytes = NULL;
    size_t size = 0;
    zis_upload *f = NULL;
    if (n != ZIS_JOB_ID)
        return zis_fail(err, ZIS_NOT_FOUND, "there is no job '%.40s' (any more)", text);
    memcpy(id, text, n);
    zis_status st =
        zis_jobs_picture(c->s->jobs, id, slash ? atoi(slash + 1) : 0, &info, &path, err);
    if (!st) st = zis_os_read_file(&bytes, &size, path, ZIS_HTTP_PICTURE_MOST, err);
    if (!st) st = zis_uploads_begin(c->s->uploads, &f, err);
    if (!st) st = zis_uploads_write(c->s->uploads, f, bytes, size, err);
    if (!st) st = zis_uploads_finish(c->s->uploads, f, err);
    free(path);
    free(bytes);
    if (st) {
        zis_uploads_release(c->s->uploads, f);
        return st;
    }
    snprintf(f->name, sizeof f->name, "job:%.60s", text);
    *out = f;
    return ZIS_OK;
}

static zis_status from_base64(
    zis_call *c, const char *field, const char *text, zis_upload **out, zis_error *err)
{
    zis_buf bytes = {.cap = ZIS_HTTP_PICTURE_MOST};
    const char *comma = strncmp(text, "data:", 5) == 0 ? strchr(text, ',') : NULL;
    const char *start = comma ? comma + 1 : text;
    zis_upload *f = NULL;
    if (strlen(start) / 4 * 3 > ZIS_HTTP_PICTURE_MOST)
        return zis_call_fail(c, 413, ZIS_ARG, err, "%s is larger than the %d MB that are taken",
                             field, (int)(ZIS_HTTP_PICTURE_MOST >> 20));
    zis_status st = zis_base64_get(&bytes, field, start, strlen(start), err);
    if (!st) st = zis_uploads_begin(c->s->uploads, &f, err);
    if (!st) st = zis_uploads_write(c->s->uploads, f, bytes.data ? bytes.data : "", bytes.len, err);
    if (!st) st = zis_uploads_finish(c->s->uploads, f, err);
    zis_buf_free(&bytes);
    if (st) {
        zis_uploads_release(c->s->uploads, f);
        return st;
    }
    snprintf(f->name, sizeof f->name, "%s", field);
    *out = f;
    return ZIS_OK;
}

zis_status zis_picture_from_text(
    zis_call *c, const char *field, const char *text, zis_upload **out, zis_error *err)
{
    if (strncmp(text, "upload:", 7) == 0) {
        *out = zis_uploads_hold(c->s->uploads, text + 7);
        if (*out && (*out)->kind == ZIS_UPLOAD_PICTURE) return ZIS_OK;
        zis_uploads_release(c->s->uploads, *out);
        *out = NULL;
        return zis_fail(err, ZIS_NOT_FOUND,
                        "%s: there is no uploaded picture '%.40s' (any more); send it again", field,
                        text);
    }
    if (strncmp(text, "job:", 4) == 0) return copy_result(c, text + 4, out, err);
    if (strncmp(text, "http:", 5) == 0 || strncmp(text, "https:", 6) == 0 ||
        strncmp(text, "file:", 5) == 0)
        return zis_fail(err, ZIS_UNSUPPORTED,
                        "%s: addresses are not fetched; send the picture itself, as base64 or in a "
                        "form",
                        field);
    return from_base64(c, field, text, out, err);
}

/* ---- fields -------------------------------------------------------------------------------- */

zis_status zis_order_set_text(
    zis_order *o, const char *field, const char *said, const char *v, zis_error *err)
{
    return zis_request_set(&o->request, zis_request_field(field), said, v, err);
}

static zis_status wrong_type(const zis_field *f, const char *said, zis_error *err)
{
    bool text =
        f->type == ZIS_FIELD_TEXT || f->type == ZIS_FIELD_CHOICE || f->type == ZIS_FIELD_PATH;
    return zis_fail(err, ZIS_ARG, "%s must be %s", said, text ? "a string" : "a number");
}

zis_status zis_order_set(
    zis_order *o, const char *field, const char *said, const json_t *v, zis_error *err)
{
    const zis_field *f = zis_request_field(field);
    zis_buf text = {0};
    bool words =
        f->type == ZIS_FIELD_TEXT || f->type == ZIS_FIELD_CHOICE || f->type == ZIS_FIELD_PATH;
    if (json_is_null(v)) return ZIS_OK;
    if (json_is_string(v) && (words || f->type == ZIS_FIELD_INT64))
        return zis_request_set(&o->request, f, said, json_string_value(v), err);
    if (words || !json_is_number(v)) return wrong_type(f, said, err);
    if (json_is_integer(v))
        zis_buf_printf(&text, "%lld", (long long)json_integer_value(v));
    else
        zis_jsonout_number(&text, json_real_value(v));
    zis_status st = text.failed ? zis_fail_nomem(err, said)
                                : zis_request_set(&o->request, f, said, text.data, err);
    zis_buf_free(&text);
    return st;
}

zis_status zis_order_model(zis_order *o, const char *name, zis_error *err)
{
    const zis_catalog_entry *e = NULL;
    zis_status st = zis_catalog_named(o->catalog, ZIS_CATALOG_MODEL, name, &e, err);
    if (st) return st;
    if (!e->present)
        return zis_call_fail(o->c, e->fetch ? 409 : 0, ZIS_NOT_FOUND, err, "%s", e->missing);
    bool by_path = !zis_model_preset_named(e->name) && !e->hub_id;
    return zis_order_set_text(o, "model", "model", by_path ? o->c->s->model : e->name, err);
}

zis_status zis_order_format(zis_order *o, const char *name, zis_error *err)
{
    static const struct {
        const char *name;
        zis_picture_kind kind;
    } formats[] = {
        {"png", ZIS_PICTURE_PNG},
        {"jpeg", ZIS_PICTURE_JPEG},
        {"jpg", ZIS_PICTURE_JPEG},
        {"webp", ZIS_PICTURE_WEBP},
    };
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(formats[i].name, name) != 0) continue;
        o->format = formats[i].kind;
        return ZIS_OK;
    }
    return zis_fail(err, ZIS_ARG, "format does not know '%.40s'; it may be: png, jpeg, webp", name);
}

static zis_status set_session(zis_order *o, const char *v, zis_error *err)
{
    size_t n = strlen(v);
    if (n > ZIS_JOB_SESSION ||
        strspn(v, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != n)
        return zis_fail(err, ZIS_ARG, "session must have at most %d letters, digits, - and _",
                        ZIS_JOB_SESSION);
    memcpy(o->session, v, n + 1);
    return ZIS_OK;
}

static zis_status set_flag(bool *to, const char *said, const json_t *v, zis_error *err)
{
    if (json_is_null(v)) return ZIS_OK;
    const char *s = json_string_value(v);
    if (json_is_boolean(v))
        *to = json_is_true(v);
    else if (s && (strcmp(s, "true") == 0 || strcmp(s, "false") == 0))
        *to = *s == 't';
    else
        return zis_fail(err, ZIS_ARG, "%s must be true or false", said);
    return ZIS_OK;
}

/* The slot of a field that takes a picture, or -1. */
static int slot_of(const char *name)
{
    for (int i = 0; i < ZIS_PICTURE_COUNT; i++)
        if (strcmp(zis_request_picture_field((zis_picture_slot)i)->name, name) == 0) return i;
    return -1;
}

static zis_status set_picture(
    zis_order *o, const char *name, int slot, const json_t *v, zis_error *err)
{
    zis_upload *f = NULL;
    if (json_is_null(v)) return ZIS_OK;
    if (!json_is_string(v)) return zis_fail(err, ZIS_ARG, "%s must be a string", name);
    zis_status st = zis_picture_from_text(o->c, name, json_string_value(v), &f, err);
    if (!st) zis_order_picture(o, (zis_picture_slot)slot, f);
    return st;
}

static zis_status set_control_net(zis_order *o, const char *name, zis_error *err)
{
    const zis_catalog_entry *e = NULL;
    zis_status st = zis_catalog_named(o->catalog, ZIS_CATALOG_CONTROL_NET, name, &e, err);
    if (st) return st;
    if (!e->present)
        return zis_call_fail(o->c, e->fetch ? 409 : 0, ZIS_NOT_FOUND, err, "%s", e->missing);
    return zis_order_set_text(o, "control_net", "control_net", e->name, err);
}

static zis_status set_upscaler(zis_order *o, const char *name, zis_error *err)
{
    const zis_catalog_entry *e = NULL;
    zis_status st = zis_catalog_named(o->catalog, ZIS_CATALOG_UPSCALER, name, &e, err);
    if (st) return st;
    if (!e->present)
        return zis_call_fail(o->c, e->fetch ? 409 : 0, ZIS_NOT_FOUND, err, "%s", e->missing);
    return zis_order_set_text(o, "upscaler", "upscaler", e->name, err);
}

static zis_status set_task(zis_order *o, const char *name, zis_error *err)
{
    o->upscale = strcmp(name, "upscale") == 0;
    if (!o->upscale && strcmp(name, "generate") != 0)
        return zis_fail(err, ZIS_ARG, "task does not know '%.40s'; it may be: generate, upscale",
                        name);
    return zis_order_set_text(o, "task", "task", name, err);
}

/* Members with a string that are no fields of the table, or need a look before they are. */
static zis_status set_special(
    zis_order *o, const char *name, const json_t *v, bool *taken, zis_error *err)
{
    static const struct {
        const char *name;
        zis_status (*set)(zis_order *o, const char *v, zis_error *err);
    } specials[] = {
        {"model", zis_order_model}, {"format", zis_order_format},     {"session", set_session},
        {"task", set_task},         {"control_net", set_control_net}, {"upscaler", set_upscaler},
    };
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++) {
        if (strcmp(specials[i].name, name) != 0) continue;
        *taken = true;
        if (json_is_null(v)) return ZIS_OK;
        if (!json_is_string(v)) return zis_fail(err, ZIS_ARG, "%s must be a string", name);
        return specials[i].set(o, json_string_value(v), err);
    }
    return ZIS_OK;
}

static zis_status take_upload(zis_order *o, const char *ref, zis_upload **out, zis_error *err)
{
    zis_server *s = o->c->s;
    zis_upload *f = zis_uploads_hold(s->uploads, ref + 7);
    if (!f || f->kind != ZIS_UPLOAD_LORA || o->held->n_files == ZIS_HELD_FILES) {
        bool many = f && f->kind == ZIS_UPLOAD_LORA;
        zis_uploads_release(s->uploads, f);
        if (many)
            return zis_fail(err, ZIS_ARG, "loras: at most %d uploaded ones are taken",
                            ZIS_HELD_FILES);
        return zis_fail(err, ZIS_NOT_FOUND,
                        "loras: there is no uploaded LoRA '%.40s' (any more); send it again", ref);
    }
    o->held->file[o->held->n_files++] = f;
    *out = f;
    return ZIS_OK;
}

/* A listed name or an upload; its file is known then, and the recipe keeps the name. */
static zis_status add_lora(zis_order *o, const char *name, double strength, zis_error *err)
{
    const zis_catalog_entry *e = NULL;
    zis_upload *f = NULL;
    const zis_field *field = zis_request_field("loras");
    if (!(strength >= field->lo && strength <= field->hi))
        return zis_fail(err, ZIS_ARG,
                        "loras: the strength of '%.60s' must be from %g to %g, not %g", name,
                        field->lo, field->hi, strength);
    if (strncmp(name, "upload:", 7) == 0) {
        zis_status st = take_upload(o, name, &f, err);
        return st ? st
                  : zis_request_add_lora_at(&o->request, zis_upload_called(f), f->path, strength,
                                            err);
    }
    zis_status st = zis_catalog_named(o->catalog, ZIS_CATALOG_LORA, name, &e, err);
    return st ? st : zis_request_add_lora_at(&o->request, e->name, e->path, strength, err);
}

zis_status zis_order_loras(zis_order *o, const json_t *v, zis_error *err)
{
    zis_status st = ZIS_OK;
    if (json_is_null(v)) return ZIS_OK;
    if (!json_is_array(v)) return zis_fail(err, ZIS_ARG, "loras must be a list");
    for (size_t i = 0; i < json_array_size(v) && !st; i++) {
        const json_t *one = json_array_get(v, i);
        const json_t *name = json_is_string(one) ? one : json_object_get(one, "name");
        const json_t *strength = json_object_get(one, "strength");
        if (!json_is_string(name))
            return zis_fail(err, ZIS_ARG, "loras: each must be {\"name\": ..., \"strength\": ...}");
        if (strength && !json_is_number(strength))
            return zis_fail(err, ZIS_ARG, "loras: the strength must be a number");
        st = add_lora(o, json_string_value(name), strength ? json_number_value(strength) : 1, err);
    }
    return st;
}

/* In a form the list is JSON, too. */
static zis_status set_loras_text(zis_order *o, const char *text, zis_error *err)
{
    json_t *list = NULL;
    zis_status st = zis_body_json(&list, "loras", text, strlen(text), err);
    if (!st) st = zis_order_loras(o, list, err);
    json_decref(list);
    return st;
}

static zis_status set_field(zis_order *o, const char *name, const json_t *v, zis_error *err)
{
    bool taken = false;
    int slot = slot_of(name);
    const zis_field *f = zis_request_field(name);
    zis_status st = set_special(o, name, v, &taken, err);
    if (st || taken) return st;
    if (slot >= 0) return set_picture(o, name, slot, v, err);
    if (strcmp(name, "loras") == 0)
        return json_is_string(v) ? set_loras_text(o, json_string_value(v), err)
                                 : zis_order_loras(o, v, err);
    if (strcmp(name, "metadata") == 0) return set_flag(&o->metadata, name, v, err);
    if (strcmp(name, "cancel_on_disconnect") == 0)
        return set_flag(&o->cancel_on_disconnect, name, v, err);
    if (f && (f->where & ZIS_FIELD_HTTP)) return zis_order_set(o, name, name, v, err);
    return zis_fail(err, ZIS_ARG,
                    "'%.60s' is not a field of a job; GET /api/v1/defaults lists them", name);
}

static zis_status set_member(zis_order *o, const char *name, const json_t *v, zis_error *err)
{
    return zis_call_blame(o->c, name, set_field(o, name, v, err));
}

/* A part of a form: numbers are written as text there. */
static zis_status set_part_field(zis_order *o, const zis_part *p, zis_error *err)
{
    int slot = slot_of(p->name);
    const zis_field *f = zis_request_field(p->name);
    if (p->upload) {
        if (slot < 0)
            return zis_fail(err, ZIS_ARG, "the part '%.40s' is a file, but no picture of a job",
                            p->name);
        zis_order_picture(o, (zis_picture_slot)slot,
                          zis_uploads_hold_again(o->c->s->uploads, p->upload));
        return ZIS_OK;
    }
    bool plain = f && (f->where & ZIS_FIELD_HTTP) && slot < 0 && strcmp(p->name, "task") != 0;
    if (plain && f->type != ZIS_FIELD_TEXT)
        return zis_request_set(&o->request, f, p->name, p->value.data ? p->value.data : "", err);
    if (plain)
        return zis_request_set_text(&o->request, f, p->name, p->value.data ? p->value.data : "",
                                    p->value.len, err);
    json_t *v = json_stringn(p->value.data ? p->value.data : "", p->value.len);
    if (!v) return zis_fail(err, ZIS_ARG, "%s is not valid UTF-8", p->name);
    zis_status st = set_member(o, p->name, v, err);
    json_decref(v);
    return st;
}

static zis_status set_part(zis_order *o, const zis_part *p, zis_error *err)
{
    return zis_call_blame(o->c, p->name, set_part_field(o, p, err));
}

zis_status zis_order_read(zis_order *o, zis_error *err)
{
    const char *key;
    json_t *v;
    zis_status st = ZIS_OK;
    /* the task decides on defaults of others */
    const json_t *task = json_object_get(o->c->json, "task");
    if (task) st = set_member(o, "task", task, err);
    json_object_foreach(o->c->json, key, v)
    {
        if (st) break;
        st = set_member(o, key, v, err);
    }
    for (int i = 0; i < o->c->n_parts && !st; i++) {
        const zis_part *p = &o->c->parts[i];
        if (strcmp(p->name, "request") != 0) st = set_part(o, p, err);
    }
    return st;
}

/* ---- submit -------------------------------------------------------------------------------- */

/* Pictures are named in the recipe as the client calls them; they are read once now. */
static zis_status check_pictures(zis_order *o, zis_error *err)
{
    zis_status st = ZIS_OK;
    for (int i = 0; i < ZIS_PICTURE_COUNT && !st; i++) {
        zis_upload *f = o->held->picture[i];
        const zis_field *field = zis_request_picture_field((zis_picture_slot)i);
        if (!f) continue;
        st = zis_upload_look(o->c->s, f, err);
        if (!st) st = zis_request_set(&o->request, field, field->name, zis_upload_called(f), err);
        zis_call_blame(o->c, field->name, st);
    }
    if (st) return st;
    if (o->held->picture[ZIS_PICTURE_MASK] && !o->held->picture[ZIS_PICTURE_INIT])
        return zis_fail(err, ZIS_ARG, "mask: a mask needs a picture whose part it keeps (image)");
    if (o->upscale && !o->held->picture[ZIS_PICTURE_INIT])
        return zis_fail(err, ZIS_ARG, "image is missing: Upscale mode requires an input image");
    if (!o->held->picture[ZIS_PICTURE_CONTROL] && o->request.preprocess != ZIS_PREPROCESS_NONE)
        return zis_fail(err, ZIS_ARG,
                        "control_image is missing: ControlNet mode requires an input image");
    return ZIS_OK;
}

/* A preprocessor whose network is not here would fail the job later. */
static zis_status check_preprocessor(zis_order *o, zis_error *err)
{
    const zis_catalog_entry *e = NULL;
    const char *name = zis_request_preprocess_name(o->request.preprocess);
    zis_status st = zis_catalog_named(o->catalog, ZIS_CATALOG_PREPROCESSOR, name, &e, err);
    if (st || e->present) return st;
    return zis_call_fail(o->c, e->fetch ? 409 : 0, ZIS_NOT_FOUND, err, "%s", e->missing);
}

zis_status zis_order_submit(zis_order *o, char *id, zis_error *err)
{
    zis_status st = ZIS_OK;
    if (!zis_request_given(&o->request, zis_request_field("model")))
        st = zis_request_set(&o->request, zis_request_field("model"), "model", o->c->s->model, err);
    if (!st && o->request.batch > ZIS_HTTP_BATCH)
        st = zis_fail(err, ZIS_ARG, "batch must be a whole number from 1 to %d, not '%d'",
                      ZIS_HTTP_BATCH, o->request.batch);
    if (!st) st = check_pictures(o, err);
    if (!st) st = check_preprocessor(o, err);
    if (st) return st;
    const zis_job_order order = {
        .request = &o->request,
        .session = o->session,
        .format = o->format,
        .metadata = o->metadata,
        .upscale = o->upscale,
        .control = o->held->picture[ZIS_PICTURE_CONTROL] != NULL,
        .cancel_on_disconnect = o->cancel_on_disconnect,
        .user = o->held,
    };
    st = zis_jobs_submit(o->c->s->jobs, &order, id, err);
    if (st) return st;
    o->held = NULL; /* the job's */
    if (o->c->s->o.log_prompts && o->c->s->o.log) {
        zis_buf line = {0};
        zis_buf_printf(&line, "job=%s prompt=", id);
        zis_jsonout_string(&line, o->request.prompt);
        if (!line.failed) o->c->s->o.log(o->c->s->o.arg, line.data);
        zis_buf_free(&line);
    }
    return ZIS_OK;
}
