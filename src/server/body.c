/* The body of a request: JSON into memory, files to disk, forms part by part; all with limits that
 * hold while it arrives. What is wrong is remembered and told when the reading is over. */
#include "base/os.h"
#include "server/impl.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define POST_BUFFER ((size_t)32 << 10)
#define PART_MOST ((size_t)1 << 20) /* of a field */

static void set_failure(zis_call *c, zis_status st)
{
    if (!c->failed) c->failed = st;
}

static void too_large(zis_call *c, const char *what, uint64_t most)
{
    if (!c->failed)
        set_failure(c, zis_call_fail(c, 413, ZIS_ARG, &c->error,
                                     "%s is larger than the %.0f MB that are taken", what,
                                     (double)most / (1 << 20)));
}

/* Bytes of bodies that are in memory are counted over all calls. */
static bool count(zis_call *c, size_t n)
{
    size_t all = atomic_fetch_add(&c->s->bodies, n) + n;
    c->counted += n;
    if (all <= ZIS_HTTP_BODIES_MOST) return true;
    if (!c->failed)
        set_failure(c, zis_call_fail(c, 429, ZIS_ARG, &c->error,
                                     "too many large requests at once; try again later"));
    return false;
}

static uint64_t file_most(const zis_call *c)
{
    const char *kind = zis_call_query(c, "kind");
    bool lora =
        c->route && (strstr(c->route->path, "/loras/") || (kind && strcmp(kind, "lora") == 0));
    return lora ? ZIS_HTTP_LORA_MOST : ZIS_HTTP_PICTURE_MOST;
}

/* ---- forms --------------------------------------------------------------------------------- */

static zis_part *part_named(zis_call *c, const char *name, const char *filename, uint64_t off)
{
    /* A later piece belongs to the last part of its name; a new part of a name comes behind. The
     * first piece may be empty and come alone. */
    zis_part *last = c->n_parts ? &c->parts[c->n_parts - 1] : NULL;
    if (last && strcmp(last->name, name) == 0 && !last->value.len &&
        (!last->upload || !last->upload->bytes))
        return last;
    if (off > 0)
        for (int i = c->n_parts - 1; i >= 0; i--)
            if (strcmp(c->parts[i].name, name) == 0) return &c->parts[i];
    /* a list ends in []: of it the first counts */
    if (zis_call_part(c, name) && !strstr(name, "[]")) {
        if (!c->failed) {
            zis_call_blame(c, name, ZIS_ARG);
            set_failure(c,
                        zis_fail(&c->error, ZIS_ARG, "the form has the part '%.40s' twice", name));
        }
        return NULL;
    }
    if (c->n_parts == ZIS_HTTP_PARTS || strlen(name) >= sizeof c->parts[0].name) {
        if (!c->failed)
            set_failure(c, zis_call_fail(c, 0, ZIS_ARG, &c->error,
                                         "the form has too many parts, or one with a very long "
                                         "name (at most %d are taken)",
                                         ZIS_HTTP_PARTS));
        return NULL;
    }
    zis_part *p = &c->parts[c->n_parts++];
    snprintf(p->name, sizeof p->name, "%s", name);
    if (filename) snprintf(p->filename, sizeof p->filename, "%s", filename);
    return p;
}

static bool is_file_name(const char *name)
{
    static const char *const files[] = {"image", "image[]", "mask", "control_image", "file"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (strcmp(files[i], name) == 0) return true;
    return false;
}

static enum MHD_Result on_part(void *arg,
                               enum MHD_ValueKind kind,
                               const char *key,
                               const char *filename,
                               const char *content_type,
                               const char *encoding,
                               const char *data,
                               uint64_t off,
                               size_t size)
{
    zis_call *c = arg;
    (void)kind;
    (void)content_type;
    (void)encoding;
    if (c->failed || !key) return MHD_YES;
    zis_part *p = part_named(c, key, filename, off);
    if (!p) return MHD_YES;
    if (filename || (p->upload && is_file_name(key))) {
        if (!p->upload) set_failure(c, zis_uploads_begin(c->s->uploads, &p->upload, &c->error));
        if (c->failed) return MHD_YES;
        snprintf(p->upload->name, sizeof p->upload->name, "%s", p->filename);
        if (p->upload->bytes + size > file_most(c))
            too_large(c, "a file", file_most(c));
        else
            set_failure(c, zis_uploads_write(c->s->uploads, p->upload, data, size, &c->error));
        return MHD_YES;
    }
    if (p->value.len + size > PART_MOST)
        too_large(c, "a field of the form", PART_MOST);
    else if (count(c, size))
        zis_buf_append(&p->value, data, size);
    return MHD_YES;
}

/* ---- reading ------------------------------------------------------------------------------- */

static bool starts_with(const char *s, const char *with)
{
    return s && strncasecmp(s, with, strlen(with)) == 0;
}

static uint64_t most_of(const zis_call *c)
{
    unsigned f = c->route->flags;
    if (c->post) return file_most(c) * 3 + (4u << 20);
    if (c->raw) return file_most(c);
    return f & ZIS_ROUTE_PICTURES ? ZIS_HTTP_JSON_PICTURES : ZIS_HTTP_JSON_MOST;
}

/* A body whose length is said beforehand is refused before it comes. */
static void check_length(zis_call *c)
{
    const char *length = zis_call_header(c, MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (length && strtoull(length, NULL, 10) > most_of(c))
        too_large(c, "the body of the request", most_of(c));
}

void zis_body_begin(zis_call *c)
{
    unsigned f = c->route->flags;
    const char *type = zis_call_header(c, MHD_HTTP_HEADER_CONTENT_TYPE);
    const char *length = zis_call_header(c, MHD_HTTP_HEADER_CONTENT_LENGTH);
    const char *coding = zis_call_header(c, MHD_HTTP_HEADER_TRANSFER_ENCODING);
    c->has_body = coding || (length && strtoull(length, NULL, 10) > 0);
    if (!(f & (ZIS_ROUTE_JSON | ZIS_ROUTE_MULTIPART | ZIS_ROUTE_RAW))) {
        if (c->has_body && length && strtoull(length, NULL, 10) > ZIS_HTTP_JSON_MOST)
            too_large(c, "the body of the request", ZIS_HTTP_JSON_MOST);
        return;
    }
    if (!c->has_body) return;
    if ((f & ZIS_ROUTE_MULTIPART) && starts_with(type, "multipart/form-data")) {
        c->post = MHD_create_post_processor(c->mhd, POST_BUFFER, on_part, c);
        if (!c->post)
            set_failure(
                c, zis_fail(&c->error, ZIS_FORMAT, "the form has no boundary that can be used"));
    } else if ((f & ZIS_ROUTE_JSON) &&
               (!(f & ZIS_ROUTE_RAW) || starts_with(type, "application/json"))) {
        /* A page of a stranger may send text/plain without asking; no browser sends JSON so. */
        if (!starts_with(type, "application/json"))
            set_failure(c, zis_call_fail(c, 415, ZIS_ARG, &c->error,
                                         "the content type is '%.60s'; application/json%s is taken",
                                         type ? type : "",
                                         f & ZIS_ROUTE_MULTIPART ? " or multipart/form-data" : ""));
    } else if (f & ZIS_ROUTE_RAW) {
        set_failure(c, zis_uploads_begin(c->s->uploads, &c->raw, &c->error));
        if (c->raw && zis_call_query(c, "name"))
            snprintf(c->raw->name, sizeof c->raw->name, "%s", zis_call_query(c, "name"));
    } else {
        set_failure(c, zis_call_fail(c, 415, ZIS_ARG, &c->error,
                                     "the content type is '%.60s'; multipart/form-data is taken",
                                     type ? type : ""));
    }
    if (!c->failed) check_length(c);
}

void zis_body_piece(zis_call *c, const char *data, size_t n)
{
    c->received += n;
    if (c->failed) return;
    if (c->received > most_of(c)) {
        too_large(c, "the body of the request", most_of(c));
    } else if (c->post) {
        if (MHD_post_process(c->post, data, n) != MHD_YES)
            set_failure(c, zis_fail(&c->error, ZIS_FORMAT, "the form is not well made"));
    } else if (c->raw) {
        set_failure(c, zis_uploads_write(c->s->uploads, c->raw, data, n, &c->error));
    } else if (c->route->flags & ZIS_ROUTE_JSON) {
        if (count(c, n)) zis_buf_append(&c->body, data, n);
    }
}

/* ---- JSON ---------------------------------------------------------------------------------- */

/* Depth by counting brackets outside of strings, before anything is built. */
static bool too_deep(const char *s, size_t n)
{
    int depth = 0;
    bool text = false;
    for (size_t i = 0; i < n; i++) {
        if (text) {
            if (s[i] == '\\')
                i++;
            else if (s[i] == '"')
                text = false;
        } else if (s[i] == '"') {
            text = true;
        } else if (s[i] == '{' || s[i] == '[') {
            if (++depth > ZIS_HTTP_DEPTH) return true;
        } else if (s[i] == '}' || s[i] == ']') {
            depth--;
        }
    }
    return false;
}

zis_status zis_body_json(json_t **out, const char *what, const char *s, size_t n, zis_error *err)
{
    static const struct {
        enum json_error_code code;
        const char *words;
    } faults[] = {
        {json_error_invalid_syntax, "a value, a name, a comma or a bracket is missing or wrong"},
        {json_error_null_character, "a text holds the character \\u0000, which is not taken"},
        {json_error_null_byte_in_key, "a name holds the character \\u0000, which is not taken"},
        {json_error_duplicate_key, "a name stands twice in one object"},
        {json_error_premature_end_of_input, "it ends too early"},
        {json_error_end_of_input_expected, "something follows its end"},
        {json_error_invalid_utf8, "the bytes are not UTF-8"},
        {json_error_numeric_overflow, "a number is too large"},
    };
    json_error_t e = {0};
    json_t *json = json_loadb(s, n, JSON_REJECT_DUPLICATES, &e);
    if (json) {
        *out = json;
        return ZIS_OK;
    }
    if (json_error_code(&e) == json_error_out_of_memory) return zis_fail_nomem(err, what);
    const char *words = e.text, *near = strstr(e.text, " near ");
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        if (faults[i].code == json_error_code(&e)) words = faults[i].words;
    return zis_fail(err, ZIS_FORMAT, "%s is not JSON: line %d, column %d%s: %s", what, e.line,
                    e.column, near && words != e.text ? near : "", words);
}

static void parse(zis_call *c, const char *what, const char *s, size_t n)
{
    if (too_deep(s, n)) {
        set_failure(c, zis_fail(&c->error, ZIS_FORMAT, "%s is nested more than %d deep", what,
                                ZIS_HTTP_DEPTH));
        return;
    }
    zis_status st = zis_body_json(&c->json, what, s, n, &c->error);
    if (st) {
        set_failure(c, st);
    } else if (!json_is_object(c->json)) {
        set_failure(c, zis_fail(&c->error, ZIS_FORMAT, "%s must be a JSON object", what));
    }
}

void zis_body_end(zis_call *c)
{
    if (c->post) {
        if (MHD_destroy_post_processor(c->post) != MHD_YES && !c->failed)
            set_failure(c, zis_fail(&c->error, ZIS_FORMAT, "the form is cut short"));
        c->post = NULL;
        for (int i = 0; i < c->n_parts; i++) {
            zis_part *p = &c->parts[i];
            if (p->value.failed) set_failure(c, zis_fail_nomem(&c->error, "the form"));
            if (p->upload && p->upload->fd >= 0) {
                zis_status st = zis_uploads_finish(c->s->uploads, p->upload, &c->error);
                set_failure(c, st);
            }
        }
    }
    if (c->raw && c->raw->fd >= 0) {
        zis_status st = zis_uploads_finish(c->s->uploads, c->raw, &c->error);
        set_failure(c, st);
    }
    if (c->body.failed) set_failure(c, zis_fail_nomem(&c->error, "the request"));
    if (c->failed) return;
    const zis_part *request = zis_call_part(c, "request");
    if (c->body.len)
        parse(c, "the body", c->body.data, c->body.len);
    else if (request && (c->route->flags & ZIS_ROUTE_JSON))
        parse(c, "the part 'request'", request->value.data ? request->value.data : "",
              request->value.len);
    else if ((c->route->flags & ZIS_ROUTE_JSON) && !c->n_parts && !c->raw &&
             starts_with(zis_call_header(c, MHD_HTTP_HEADER_CONTENT_TYPE), "application/json"))
        set_failure(c, zis_fail(&c->error, ZIS_FORMAT,
                                "the body is empty; it must be a JSON object, {} at the least"));
    /* the tree has what counts */
    zis_buf_free(&c->body);
    c->body = (zis_buf){0};
}

void zis_body_free(zis_call *c)
{
    if (c->post) MHD_destroy_post_processor(c->post);
    for (int i = 0; i < c->n_parts; i++) {
        zis_buf_free(&c->parts[i].value);
        zis_uploads_release(c->s->uploads, c->parts[i].upload);
    }
    zis_uploads_release(c->s->uploads, c->raw);
    zis_buf_free(&c->body);
    json_decref(c->json);
    atomic_fetch_sub(&c->s->bodies, c->counted);
}

/* ---- looking ------------------------------------------------------------------------------- */

const zis_part *zis_call_part(const zis_call *c, const char *name)
{
    for (int i = 0; i < c->n_parts; i++)
        if (strcmp(c->parts[i].name, name) == 0) return &c->parts[i];
    return NULL;
}

const char *zis_call_header(const zis_call *c, const char *name)
{
    return MHD_lookup_connection_value(c->mhd, MHD_HEADER_KIND, name);
}

const char *zis_call_query(const zis_call *c, const char *name)
{
    return MHD_lookup_connection_value(c->mhd, MHD_GET_ARGUMENT_KIND, name);
}
