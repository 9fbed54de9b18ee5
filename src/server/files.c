/* Uploads, control maps, recipes, LoRA files. */
#include "pipeline/jsonout.h"
#include "pipeline/loras.h"
#include "pipeline/preprocess.h"
#include "pipeline/recipe.h"
#include "server/native.h"
#include "server/orders.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name, *type;
} formats[] = {
    [ZIS_PICTURE_PNG] = {"png", "image/png"},
    [ZIS_PICTURE_JPEG] = {"jpeg", "image/jpeg"},
    [ZIS_PICTURE_WEBP] = {"webp", "image/webp"},
};

zis_status zis_http_string(const zis_call *c, const char *name, const char **out, zis_error *err)
{
    const json_t *v = json_object_get(c->json, name);
    const zis_part *p = zis_call_part(c, name);
    *out = NULL;
    if (p && !p->upload) {
        *out = p->value.data ? p->value.data : "";
        if (strlen(*out) != p->value.len)
            return zis_fail(err, ZIS_ARG, "%s holds a zero byte; it must be text without one",
                            name);
        return ZIS_OK;
    }
    if (!v || json_is_null(v)) return ZIS_OK;
    if (!json_is_string(v)) return zis_fail(err, ZIS_ARG, "%s must be a string", name);
    *out = json_string_value(v);
    return ZIS_OK;
}

/* ---- uploads ------------------------------------------------------------------------------- */

/* The file of a request: its body, or a part; still held by the call. NULL: there is none. */
static zis_upload *file_of(zis_call *c, const char *part)
{
    const zis_part *p = zis_call_part(c, part);
    return c->raw ? c->raw : p ? p->upload : NULL;
}

static void put_upload(zis_buf *out, const zis_call *c, const zis_upload *f)
{
    zis_buf_printf(out,
                   "{\"id\": \"%s\", \"ref\": \"upload:%s\", \"kind\": \"%s\", \"name\": ", f->id,
                   f->id, f->kind == ZIS_UPLOAD_LORA ? "lora" : "picture");
    zis_jsonout_string(out, f->name);
    zis_buf_printf(out, ", \"bytes\": %llu, ", (unsigned long long)f->bytes);
    if (f->kind == ZIS_UPLOAD_PICTURE)
        zis_buf_printf(out,
                       "\"format\": \"%s\", \"width\": %d, \"height\": %d, \"alpha\": %s, "
                       "\"recipe\": %s, ",
                       formats[f->picture.format].name, f->picture.width, f->picture.height,
                       f->picture.alpha ? "true" : "false", f->picture.recipe ? "true" : "false");
    zis_buf_printf(out, "\"expires\": %.0f}", zis_uploads_expiry(c->s->uploads, f));
}

ZIS_HANDLER(upload_create)
{
    zis_upload *f = file_of(c, "file");
    const char *kind = zis_call_query(c, "kind");
    zis_buf out = {0};
    if (!f)
        return zis_fail(err, ZIS_ARG,
                        "there is no file: send it as the body, or as the part 'file'");
    if (kind && strcmp(kind, "lora") == 0) return zis_http_lora_check(c, err);
    if (kind && strcmp(kind, "picture") != 0)
        return zis_fail(err, ZIS_ARG, "kind does not know '%.40s'; it may be: picture, lora", kind);
    zis_status st = zis_upload_look(c->s, f, err);
    if (st) return st;
    zis_uploads_list(c->s->uploads, f);
    put_upload(&out, c, f);
    return zis_reply_json(c, 201, &out, err);
}

static zis_status hold(zis_call *c, zis_upload **out, zis_error *err)
{
    *out = zis_uploads_hold(c->s->uploads, c->args[0]);
    if (*out) return ZIS_OK;
    return zis_fail(err, ZIS_NOT_FOUND, "there is no upload '%.40s' (any more); send it again",
                    c->args[0]);
}

ZIS_HANDLER(upload_get)
{
    zis_upload *f = NULL;
    zis_buf out = {0};
    zis_status st = hold(c, &f, err);
    if (st) return st;
    put_upload(&out, c, f);
    zis_uploads_release(c->s->uploads, f);
    return zis_reply_json(c, 200, &out, err);
}

ZIS_HANDLER(upload_file)
{
    zis_upload *f = NULL;
    zis_status st = hold(c, &f, err);
    if (st) return st;
    int fd = f->kind == ZIS_UPLOAD_PICTURE ? open(f->path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        st = zis_fail(err, ZIS_NOT_FOUND, "upload '%.40s' is no picture", c->args[0]);
    else
        st = zis_reply_fd(c, 200, formats[f->picture.format].type, fd, f->bytes, err);
    zis_uploads_release(c->s->uploads, f);
    if (!st) zis_reply_header(c, MHD_HTTP_HEADER_CACHE_CONTROL, "private, max-age=3600");
    return st;
}

ZIS_HANDLER(upload_delete)
{
    if (zis_uploads_drop(c->s->uploads, c->args[0])) return zis_reply_empty(c, 204, err);
    return zis_fail(err, ZIS_NOT_FOUND, "there is no upload '%.40s' (any more)", c->args[0]);
}

/* ---- control maps -------------------------------------------------------------------------- */

/* The picture of a request: a part, the body, or what a string names. Held for the caller. */
static zis_status picture_of(zis_call *c, const char *name, zis_upload **out, zis_error *err)
{
    zis_upload *f = file_of(c, name);
    const char *text = NULL;
    if (!f) f = file_of(c, "file");
    if (f) {
        *out = zis_uploads_hold_again(c->s->uploads, f);
        return ZIS_OK;
    }
    zis_status st = zis_http_string(c, name, &text, err);
    if (!st && !text)
        st = zis_fail(err, ZIS_ARG, "%s is missing: a file in a form, or the name of an upload",
                      name);
    return st ? st : zis_picture_from_text(c, name, text, out, err);
}

static zis_status kind_of(const zis_call *c, int *out, zis_error *err)
{
    const char *name = NULL;
    zis_buf known = {0};
    zis_status st = zis_http_string(c, "kind", &name, err);
    if (st) return st;
    if (!name) name = "";
    for (int i = 0; zis_preprocess_get(i); i++) {
        if (strcmp(zis_preprocess_get(i)->name, name) == 0) {
            zis_buf_free(&known);
            *out = i;
            return ZIS_OK;
        }
        zis_buf_printf(&known, "%s%s", i ? ", " : "", zis_preprocess_get(i)->name);
    }
    st = zis_fail(err, ZIS_ARG, "kind does not know '%.40s'; it may be: %s", name, known.data);
    zis_buf_free(&known);
    return st;
}

/* Networks are opened at the first picture and kept; one picture at a time. */
static zis_status make_map(
    zis_server *s, int kind, const zis_image *image, zis_image **out, zis_error *err)
{
    zis_status st = ZIS_OK;
    pthread_mutex_lock(&s->maps_lock);
    if (!s->maps) st = zis_preprocess_create(&s->maps, err);
    if (!st && !s->maps_pool) st = zis_pool_create(&s->maps_pool, s->o.engine.threads, err);
    if (!st && !s->has_maps_run) {
        const zis_run_options o = {.device = s->o.engine.device,
                                   .isa = s->o.engine.isa,
                                   .pool = s->maps_pool,
                                   .math = ZIS_DTYPE_F32};
        st = zis_run_init(&s->maps_run, &o, err);
        s->has_maps_run = !st;
    }
    const zis_preprocess_job job = {.kind = kind, .image = image};
    if (!st) st = zis_preprocess_run(s->maps, &job, &s->maps_run, out, err);
    pthread_mutex_unlock(&s->maps_lock);
    return st;
}

ZIS_HANDLER(preprocess)
{
    int kind = 0;
    zis_upload *f = NULL;
    zis_decoded d = {0};
    zis_image *map = NULL;
    zis_buf png = {0};
    zis_status st = kind_of(c, &kind, err);
    if (!st) st = picture_of(c, "image", &f, err);
    if (st) return st;
    st = zis_sandbox_decode(&d, zis_server_program(c->s), f->path, zis_upload_called(f), true, err);
    zis_uploads_release(c->s->uploads, f);
    if (!st) {
        st = make_map(c->s, kind, d.image, &map, err);
        if (st == ZIS_NOT_FOUND && strstr(err->text, "zis fetch")) c->failed_status = 409;
    }
    if (!st) st = zis_picture_encode(&png, map, ZIS_PICTURE_PNG, NULL, 0, err);
    zis_image_destroy(&map);
    zis_decoded_deinit(&d);
    if (st) {
        zis_buf_free(&png);
        return st;
    }
    st = zis_reply_text(c, 200, "image/png", &png, err);
    if (!st) zis_reply_header(c, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    return st;
}

/* ---- recipes ------------------------------------------------------------------------------- */

/* Those of the recipe that are here under the same name. */
static void put_loras(zis_buf *out,
                      const zis_request *r,
                      const zis_catalog *catalog,
                      const char *sep)
{
    const zis_catalog_entry *e = NULL;
    const char *inner = "";
    if (!r->n_loras) return;
    zis_buf_printf(out, "%s\"loras\": [", sep);
    for (int i = 0; i < r->n_loras; i++) {
        if (zis_catalog_named(catalog, ZIS_CATALOG_LORA, r->loras[i].file, &e, NULL) != ZIS_OK)
            continue;
        zis_buf_printf(out, "%s{\"name\": ", inner);
        zis_jsonout_string(out, e->name);
        zis_buf_puts(out, ", \"strength\": ");
        zis_jsonout_number(out, r->loras[i].strength);
        zis_buf_putc(out, '}');
        inner = ", ";
    }
    zis_buf_putc(out, ']');
}

/* Fields of a recipe that a job over HTTP may have. */
static void put_request(zis_buf *out, zis_request *r, const zis_catalog *catalog)
{
    const zis_catalog_entry *e = NULL;
    const char *sep = "";
    bool model = zis_request_given(r, zis_request_field("model")) &&
                 zis_catalog_named(catalog, ZIS_CATALOG_MODEL, r->model, &e, NULL) == ZIS_OK;
    zis_buf_putc(out, '{');
    if (model) {
        zis_buf_puts(out, "\"model\": ");
        zis_jsonout_string(out, e->name);
        sep = ", ";
    }
    for (size_t i = 0; i < zis_request_field_count(); i++) {
        const zis_field *f = zis_request_field_at(i);
        if (!(f->where & ZIS_FIELD_HTTP) || !zis_request_given(r, f)) continue;
        zis_buf_printf(out, "%s\"%s\": ", sep, f->name);
        zis_request_value_json(out, r, f);
        sep = ", ";
    }
    put_loras(out, r, catalog, sep);
    zis_buf_putc(out, '}');
}

/* What another tool says that has no place here: names of pairs of the last line. */
static void put_ignored(zis_buf *out, const char *parameters)
{
    const char *line = parameters ? strrchr(parameters, '\n') : NULL;
    const char *sep = "";
    zis_buf_putc(out, '[');
    for (const char *s = line ? line + 1 : ""; *s;) {
        while (*s == ' ' || *s == ',') s++;
        size_t n = strcspn(s, ":,");
        if (s[n] != ':') break;
        char *name = zis_mem_strndup(s, n);
        bool ours = name && (strcasecmp(name, "Size") == 0 || strcasecmp(name, "Version") == 0);
        for (size_t i = 0; name && i < zis_request_field_count() && !ours; i++) {
            const char *theirs = zis_request_field_at(i)->a1111;
            ours = theirs && strcasecmp(theirs, name) == 0;
        }
        if (name && !ours) {
            zis_buf_puts(out, sep);
            zis_jsonout_string(out, name);
            sep = ", ";
        }
        free(name);
        s += n + 1;
        while (*s == ' ') s++;
        if (*s == '"')
            for (s++; *s && *s != '"'; s++)
                if (*s == '\\' && s[1]) s++;
        s += strcspn(s, ",");
    }
    zis_buf_putc(out, ']');
}

static zis_status read_recipe(zis_request *r,
                              const zis_decoded *d,
                              const char *what,
                              zis_error *err)
{
    if (d->json)
        return zis_request_from_json(r, what, d->json, strlen(d->json), ZIS_FIELD_RECIPE, err);
    if (d->parameters) return zis_recipe_parse(r, what, d->parameters, err);
    return zis_fail(err, ZIS_NOT_FOUND,
                    "%s carries no recipe (no text 'zis' or 'parameters'); it was not made by a "
                    "tool that writes one, or was converted since",
                    what);
}

ZIS_HANDLER(recipe)
{
    zis_upload *f = NULL;
    zis_decoded d = {0};
    zis_request r = {0};
    zis_catalog *catalog = NULL;
    zis_buf out = {0};
    char what[180];
    zis_status st = picture_of(c, "image", &f, err);
    if (st) return st;
    snprintf(what, sizeof what, "%s", zis_upload_called(f));
    st = zis_sandbox_decode(&d, zis_server_program(c->s), f->path, what, false, err);
    zis_uploads_release(c->s->uploads, f);
    if (st) return st;
    st = zis_request_init(&r, err);
    if (!st) st = read_recipe(&r, &d, what, err);
    if (!st) st = zis_server_catalog(c->s, false, &catalog, err);
    if (!st) {
        zis_buf_printf(&out, "{\"source\": \"%s\", \"request\": ", d.json ? "zis" : "a1111");
        put_request(&out, &r, catalog);
        zis_buf_puts(&out, ", \"ignored\": ");
        put_ignored(&out, d.json ? NULL : d.parameters);
        zis_buf_printf(&out, ", \"width\": %d, \"height\": %d, \"parameters\": ", d.info.width,
                       d.info.height);
        zis_jsonout_string(&out, d.parameters);
        zis_buf_putc(&out, '}');
    }
    zis_catalog_close(&catalog);
    zis_request_deinit(&r);
    zis_decoded_deinit(&d);
    return st ? st : zis_reply_json(c, 200, &out, err);
}

/* ---- LoRAs --------------------------------------------------------------------------------- */

/* A sentence about a file on our disk, for one who knows it by another name. */
static void rename_in(zis_error *err, const char *path, const char *name)
{
    const char *at = strstr(err->text, path);
    if (!at) return;
    zis_error renamed;
    zis_fail(&renamed, err->code, "%.*s%s%s", (int)(at - err->text), err->text, name,
             at + strlen(path));
    *err = renamed;
}

/* The file to be checked: sent along, uploaded before (then it is held), or listed. */
typedef struct checked {
    zis_upload *upload;
    const char *name, *path;
} checked;

static zis_status find_checked(zis_call *c,
                               const zis_catalog *catalog,
                               checked *out,
                               zis_error *err)
{
    const char *name = NULL;
    const zis_catalog_entry *e = NULL;
    zis_upload *f = file_of(c, "file");
    if (f) zis_uploads_hold_again(c->s->uploads, f);
    zis_status st = f ? ZIS_OK : zis_http_string(c, "name", &name, err);
    if (st) return st;
    if (!f && !name)
        return zis_fail(err, ZIS_ARG, "name is missing: a listed LoRA, or the name of an upload");
    if (!f && strncmp(name, "upload:", 7) == 0) {
        f = zis_uploads_hold(c->s->uploads, name + 7);
        if (!f)
            return zis_fail(err, ZIS_NOT_FOUND,
                            "there is no upload '%.40s' (any more); send it again", name);
    }
    if (f) {
        *out = (checked){f, *f->name ? f->name : "the LoRA", f->path};
        return ZIS_OK;
    }
    st = zis_catalog_named(catalog, ZIS_CATALOG_LORA, name, &e, err);
    if (!st) *out = (checked){NULL, e->name, e->path};
    return st;
}

static zis_status find_model(zis_call *c,
                             const zis_catalog *catalog,
                             zis_model_set *out,
                             zis_error *err)
{
    const char *name = NULL;
    const zis_catalog_entry *e = NULL;
    zis_status st = zis_http_string(c, "model", &name, err);
    if (!st && name) st = zis_catalog_named(catalog, ZIS_CATALOG_MODEL, name, &e, err);
    if (st) return st;
    if (e && !e->present) return zis_call_fail(c, 409, ZIS_NOT_FOUND, err, "%s", e->missing);
    return zis_model_find(out, &(zis_model_query){.model = e ? e->path : c->s->model}, err);
}

static void put_report(zis_buf *out, const zis_call *c, const checked *f, const zis_lora_report *r)
{
    char text[160];
    zis_buf_puts(out, "{\"name\": ");
    zis_jsonout_string(out, f->name);
    zis_buf_printf(out,
                   ", \"ok\": true, \"matched\": %zu, \"modules\": %zu, \"rank\": %lld, "
                   "\"kind\": \"%s\", \"keys\": %zu, \"left_over\": %zu, \"first_left_over\": ",
                   r->matched, r->modules, (long long)r->rank_hi, r->kind, r->keys, r->left_over);
    zis_jsonout_string(out, *r->first_left ? r->first_left : NULL);
    zis_buf_puts(out, ", \"summary\": ");
    zis_jsonout_string(out, zis_lora_report_text(r, text, sizeof text));
    zis_buf_puts(out, ", \"warning\": ");
    if (r->left_over) {
        zis_buf warning = {0};
        zis_buf_printf(&warning, "%s: %s, first: %s%s", f->name, text, r->first_left,
                       r->dora ? " (magnitudes of DoRA are not applied)" : "");
        zis_jsonout_string(out, warning.data);
        zis_buf_free(&warning);
    } else {
        zis_buf_puts(out, "null");
    }
    if (f->upload)
        zis_buf_printf(
            out, ", \"id\": \"%s\", \"ref\": \"upload:%s\", \"bytes\": %llu, \"expires\": %.0f",
            f->upload->id, f->upload->id, (unsigned long long)f->upload->bytes,
            zis_uploads_expiry(c->s->uploads, f->upload));
    zis_buf_putc(out, '}');
}

ZIS_HANDLER(lora_check)
{
    zis_catalog *catalog = NULL;
    zis_model_set set = {0};
    zis_lora_report report;
    checked f = {0};
    zis_buf out = {0};
    zis_status st = zis_server_catalog(c->s, false, &catalog, err);
    if (!st) st = find_checked(c, catalog, &f, err);
    if (!st) st = find_model(c, catalog, &set, err);
    if (!st) {
        st = zis_loras_check(&report, f.path, &set, err);
        if (st && f.upload) rename_in(err, f.path, f.name);
    }
    if (!st) put_report(&out, c, &f, &report);
    if (!st && f.upload) {
        f.upload->kind = ZIS_UPLOAD_LORA;
        zis_uploads_list(c->s->uploads, f.upload);
    }
    zis_uploads_release(c->s->uploads, f.upload);
    zis_model_set_deinit(&set);
    zis_catalog_close(&catalog);
    return st ? st : zis_reply_json(c, 200, &out, err);
}
