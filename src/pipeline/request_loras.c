/* request_loras.c - FILE:STRENGTH, and lists of it. */
#include "pipeline/request_loras.h"

#include "base/os.h"
#include "pipeline/jsonout.h"

#include <stdlib.h>
#include <string.h>

#define SEPARATOR "; "

void zis_request_loras_clear(zis_request *r)
{
    for (int i = 0; i < r->n_loras; i++) {
        free(r->loras[i].file);
        free(r->loras[i].path);
    }
    free(r->loras);
    r->loras = NULL;
    r->n_loras = 0;
}

zis_status zis_request_add_lora(zis_request *r, const char *file, double strength, zis_error *err)
{
    return zis_request_add_lora_at(r, file, NULL, strength, err);
}

zis_status zis_request_add_lora_at(
    zis_request *r, const char *file, const char *path, double strength, zis_error *err)
{
    if (r->n_loras == ZIS_REQUEST_MAX_LORAS)
        return zis_fail(err, ZIS_ARG, "there are more than %d LoRAs", ZIS_REQUEST_MAX_LORAS);
    zis_request_lora *list = zis_mem_resize(r->loras, (size_t)r->n_loras + 1, sizeof *list);
    if (!list) return zis_fail_nomem(err, "the LoRAs");
    r->loras = list;
    char *copy = zis_mem_strdup(file), *place = path ? zis_mem_strdup(path) : NULL;
    if (!copy || (path && !place)) {
        free(copy);
        free(place);
        return zis_fail_nomem(err, "the LoRAs");
    }
    list[r->n_loras++] = (zis_request_lora){copy, strength, place};
    return ZIS_OK;
}

zis_status zis_request_loras_copy(zis_request *to, const zis_request *from, zis_error *err)
{
    to->loras = NULL;
    to->n_loras = 0;
    zis_status st = ZIS_OK;
    for (int i = 0; i < from->n_loras && !st; i++)
        st = zis_request_add_lora_at(to, from->loras[i].file, from->loras[i].path,
                                     from->loras[i].strength, err);
    return st;
}

/* A whole text that is a number of the field's range. */
static bool read_strength(const zis_field *f, const char *s, size_t n, double *out)
{
    char text[40], *end = NULL;
    if (n == 0 || n >= sizeof text) return false;
    memcpy(text, s, n);
    text[n] = '\0';
    if (strspn(text, "0123456789+-.eE") != n) return false;
    double v = strtod(text, &end);
    if (*end || !(v >= f->lo && v <= f->hi)) return false;
    *out = v;
    return true;
}

static zis_status bad_strength(const zis_field *f,
                               const char *said,
                               const char *text,
                               zis_error *err)
{
    return zis_fail(err, ZIS_ARG, "%s: the strength must be a number from %g to %g, not '%.60s'",
                    said, f->lo, f->hi, text);
}

/* FILE or FILE:STRENGTH. */
static zis_status add_one(
    zis_request *r, const zis_field *f, const char *said, const char *value, zis_error *err)
{
    const char *colon = strrchr(value, ':');
    double strength = 1;
    size_t n = strlen(value);
    if (colon && !zis_os_is_file(value)) {
        bool number = strspn(colon + 1, "0123456789+-.eE") == strlen(colon + 1);
        if (read_strength(f, colon + 1, strlen(colon + 1), &strength))
            n = (size_t)(colon - value);
        else if (number)
            return bad_strength(f, said, colon + 1, err);
    }
    if (n == 0)
        return zis_fail(err, ZIS_ARG, "%s names no file; it must be FILE or FILE:STRENGTH", said);
    char *file = zis_mem_strndup(value, n);
    if (!file) return zis_fail_nomem(err, said);
    zis_status st = zis_request_add_lora(r, file, strength, err);
    free(file);
    return st;
}

/* Where the first of several ends: before "; ", if a strength stands there. */
static size_t first_of(const zis_field *f, const char *value)
{
    double ignored;
    for (const char *s = strstr(value, SEPARATOR); s; s = strstr(s + 1, SEPARATOR)) {
        const char *colon = s;
        while (colon > value && *colon != ':') colon--;
        if (colon > value && read_strength(f, colon + 1, (size_t)(s - colon - 1), &ignored))
            return (size_t)(s - value);
    }
    return strlen(value);
}

zis_status zis_request_loras_set(
    zis_request *r, const zis_field *f, const char *said, const char *value, zis_error *err)
{
    if (strcmp(value, "none") == 0) {
        zis_request_loras_clear(r);
        return ZIS_OK;
    }
    if (strlen(value) > ZIS_REQUEST_MAX_TEXT) return zis_fail(err, ZIS_ARG, "%s is too long", said);
    for (;;) {
        size_t n = first_of(f, value);
        char *one = zis_mem_strndup(value, n);
        if (!one) return zis_fail_nomem(err, said);
        zis_status st = add_one(r, f, said, one, err);
        free(one);
        if (st || !value[n]) return st;
        value += n + strlen(SEPARATOR);
    }
}

zis_status zis_request_loras_check(const zis_request *r, const zis_field *f, zis_error *err)
{
    if (r->n_loras > ZIS_REQUEST_MAX_LORAS)
        return zis_fail(err, ZIS_ARG, "there are more than %d LoRAs", ZIS_REQUEST_MAX_LORAS);
    for (int i = 0; i < r->n_loras; i++)
        if (!(r->loras[i].strength >= f->lo && r->loras[i].strength <= f->hi))
            return zis_fail(err, ZIS_ARG,
                            "the strength of the LoRA '%.100s' must be from %g to "
                            "%g, not %g",
                            r->loras[i].file, f->lo, f->hi, r->loras[i].strength);
    return ZIS_OK;
}

void zis_request_loras_text(zis_buf *out, const zis_request *r)
{
    for (int i = 0; i < r->n_loras; i++) {
        zis_buf_printf(out, "%s%s:", i ? SEPARATOR : "", r->loras[i].file);
        zis_jsonout_number(out, r->loras[i].strength);
    }
}

void zis_request_loras_json(zis_buf *out, const zis_request *r)
{
    zis_buf_putc(out, '[');
    for (int i = 0; i < r->n_loras; i++) {
        zis_buf_puts(out, i ? ", {\"file\": " : "{\"file\": ");
        zis_jsonout_string(out, r->loras[i].file);
        zis_buf_puts(out, ", \"strength\": ");
        zis_jsonout_number(out, r->loras[i].strength);
        zis_buf_putc(out, '}');
    }
    zis_buf_putc(out, ']');
}

/* One object of the list; its first token has been read. */
static zis_status read_one(zis_request *r, const zis_field *f, zis_json *j, zis_error *err)
{
    char *file = NULL;
    double strength = 1;
    zis_json_token t;
    zis_status st;
    while (!(st = zis_json_next(j, &t, err)) && t.type != ZIS_JSON_OBJECT_END) {
        bool name = zis_json_is(&t, "file") || zis_json_is(&t, "name");
        bool number = zis_json_is(&t, "strength");
        if (!name && !number) {
            if ((st = zis_json_skip(j, &t, err))) break;
            continue;
        }
        if ((st = zis_json_next(j, &t, err))) break;
        if (name && (t.type != ZIS_JSON_STRING || t.len == 0 || memchr(t.text, 0, t.len)))
            st = zis_json_fail(j, &t, err, "the file of a LoRA must be a name");
        else if (number && t.type != ZIS_JSON_NUMBER)
            st = zis_json_fail(j, &t, err, "the strength of a LoRA must be a number");
        if (st) break;
        if (number) {
            st = zis_json_double(j, &t, &strength, err);
        } else {
            free(file);
            file = zis_mem_strndup(t.text, t.len);
            if (!file) st = zis_fail_nomem(err, j->what);
        }
        if (st) break;
    }
    if (!st && !(strength >= f->lo && strength <= f->hi))
        st = zis_fail(err, ZIS_ARG, "%s: the strength of a LoRA must be from %g to %g, not %g",
                      j->what, f->lo, f->hi, strength);
    if (!st && !file) st = zis_json_fail(j, &t, err, "a LoRA without its file");
    if (!st) st = zis_request_add_lora(r, file, strength, err);
    free(file);
    return st;
}

zis_status zis_request_loras_read(
    zis_request *r, const zis_field *f, zis_json *j, const zis_json_token *t, zis_error *err)
{
    if (t->type != ZIS_JSON_ARRAY_BEGIN)
        return zis_json_fail(j, t, err, "\"%s\" must be a list", f->name);
    zis_request_loras_clear(r);
    zis_json_token next;
    zis_status st;
    while (!(st = zis_json_next(j, &next, err)) && next.type != ZIS_JSON_ARRAY_END) {
        if (next.type != ZIS_JSON_OBJECT_BEGIN)
            return zis_json_fail(j, &next, err, "a LoRA is an object with file and strength");
        if ((st = read_one(r, f, j, err))) return st;
    }
    return st;
}
