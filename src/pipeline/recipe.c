/* prompt
 * Negative prompt: text
 * Steps: 8, Sampler: euler, CFG scale: 1, Seed: 42, Size: 256x256, Model: nano-turbo, ... */
#include "pipeline/recipe.h"

#include "base/json.h"
#include "base/os.h"
#include "formats/picture.h"
#include "pipeline/jsonout.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NEGATIVE "Negative prompt: "
#define VERSION_NAME "zis " ZIS_VERSION

/* ---- writing ------------------------------------------------------------------------------- */

/* The fields that every tool writes come first, in its order. */
static const char *const first_fields[] = {"steps", "sampler", "cfg", "seed"};
#define N_FIRST (sizeof first_fields / sizeof *first_fields)

static bool comes_first(const zis_field *f)
{
    for (size_t i = 0; i < N_FIRST; i++)
        if (strcmp(first_fields[i], f->name) == 0) return true;
    return false;
}

/* "Name: value", quoted as JSON where the bare value would be misread. */
static void put_pair(zis_buf *out, const zis_request *r, const zis_field *f)
{
    zis_buf value = {0};
    zis_request_value_text(&value, r, f);
    if (value.failed) {
        out->failed = true;
    } else if (value.len) {
        zis_buf_printf(out, "%s: ", f->a1111);
        if (strpbrk(value.data, ",:\"\n\r"))
            zis_jsonout_string(out, value.data);
        else
            zis_buf_puts(out, value.data);
        zis_buf_puts(out, ", ");
    }
    zis_buf_free(&value);
}

static void put_parameters(zis_buf *out, const zis_request *r, const char *device)
{
    zis_buf_puts(out, r->prompt);
    /* An empty one is written where the prompt could be taken for it. */
    if (*r->negative_prompt || strstr(r->prompt, NEGATIVE))
        zis_buf_printf(out, "\n" NEGATIVE "%s", r->negative_prompt);
    zis_buf_putc(out, '\n');
    for (size_t i = 0; i < N_FIRST; i++) put_pair(out, r, zis_request_field(first_fields[i]));
    zis_buf_printf(out, "Size: %dx%d, ", r->width, r->height);
    for (size_t i = 0; i < zis_request_field_count(); i++) {
        const zis_field *f = zis_request_field_at(i);
        if (f->a1111 && (f->where & ZIS_FIELD_RECIPE) && !comes_first(f) &&
            zis_request_matters(r, f))
            put_pair(out, r, f);
    }
    zis_buf_printf(out, "Device: %s, Version: " VERSION_NAME, device);
}

zis_status zis_recipe_make(zis_recipe *out,
                           const zis_request *r,
                           const char *device,
                           zis_error *err)
{
    zis_buf text = {0}, json = {0};
    put_parameters(&text, r, device);
    zis_buf_puts(&json, "{\"version\": \"" ZIS_VERSION "\", ");
    zis_request_to_json(&json, r, ZIS_FIELD_RECIPE);
    zis_buf_puts(&json, ", \"device\": ");
    zis_jsonout_string(&json, device);
    zis_buf_putc(&json, '}');
    if (text.failed || json.failed) {
        zis_buf_free(&text);
        zis_buf_free(&json);
        return zis_fail_nomem(err, "the recipe");
    }
    *out = (zis_recipe){text.data, json.data};
    return ZIS_OK;
}

void zis_recipe_deinit(zis_recipe *recipe)
{
    free(recipe->parameters);
    free(recipe->json);
    *recipe = (zis_recipe){0};
}

/* ---- reading ------------------------------------------------------------------------------- */

/* One "Name: value" of the last line. */
typedef struct pair {
    const char *name;
    size_t name_len;
    const char *value; /* with its quotes */
    size_t value_len;
} pair;

/* Moves *at behind the next pair; false at the end or where the text is no list of pairs. */
static bool next_pair(const char **at, pair *p)
{
    const char *s = *at;
    while (*s == ' ' || *s == ',') s++;
    const char *colon = strchr(s, ':');
    if (!*s || !colon) return false;
    p->name = s;
    p->name_len = (size_t)(colon - s);
    s = colon + 1;
    while (*s == ' ') s++;
    p->value = s;
    if (*s == '"') {
        for (s++; *s && *s != '"'; s++)
            if (*s == '\\' && s[1]) s++;
        if (*s == '"') s++;
    } else {
        while (*s && *s != ',') s++;
    }
    p->value_len = (size_t)(s - p->value);
    *at = s;
    return true;
}

static bool pair_is(const pair *p, const char *name)
{
    return strlen(name) == p->name_len && strncasecmp(p->name, name, p->name_len) == 0;
}

/* New string: the value without quotes and escapes. */
static zis_status unquote(char **out, const char *what, const pair *p, zis_error *err)
{
    if (p->value_len == 0 || p->value[0] != '"') {
        *out = zis_mem_strndup(p->value, p->value_len);
        return *out ? ZIS_OK : zis_fail_nomem(err, what);
    }
    zis_json j;
    zis_json_token t;
    zis_json_init(&j, what, p->value, p->value_len);
    zis_status st = zis_json_next(&j, &t, err);
    if (!st) {
        *out = zis_mem_strndup(t.text, t.len);
        if (!*out) st = zis_fail_nomem(err, what);
    }
    zis_json_deinit(&j);
    return st;
}

static zis_status set_size(zis_request *r, const char *what, const char *value, zis_error *err)
{
    char side[24];
    const char *x = strchr(value, 'x');
    if (!x || (size_t)(x - value) >= sizeof side)
        return zis_fail(err, ZIS_FORMAT, "%s: the size '%.40s' is not WIDTHxHEIGHT", what, value);
    memcpy(side, value, (size_t)(x - value));
    side[x - value] = '\0';
    zis_status st = zis_request_set(r, zis_request_field("width"), "the width", side, err);
    if (!st) st = zis_request_set(r, zis_request_field("height"), "the height", x + 1, err);
    return st;
}

/* Fields whose values mean the same in every tool. */
static bool is_common(const zis_field *f)
{
    return f->type == ZIS_FIELD_INT || f->type == ZIS_FIELD_INT64 || f->type == ZIS_FIELD_REAL;
}

static zis_status take_pair(
    zis_request *r, const char *what, const pair *p, bool ours, zis_error *err)
{
    char *value = NULL;
    zis_status st = ZIS_OK;
    const zis_field *f = NULL;
    bool size = pair_is(p, "Size");
    for (size_t i = 0; i < zis_request_field_count() && !f; i++) {
        const zis_field *g = zis_request_field_at(i);
        if (g->a1111 && (g->where & ZIS_FIELD_RECIPE) && pair_is(p, g->a1111)) f = g;
    }
    if (!f && !size) return ZIS_OK;
    /* Others' models and files are not ours; their samplers may be. */
    bool file = f && (f->type == ZIS_FIELD_PATH || f->type == ZIS_FIELD_LORAS);
    if (file && !ours) return ZIS_OK;
    st = unquote(&value, what, p, err);
    if (st) return st;
    if (size) {
        st = set_size(r, what, value, err);
    } else {
        for (char *s = value; !ours && !is_common(f) && *s; s++)
            if (*s >= 'A' && *s <= 'Z') *s = (char)(*s - 'A' + 'a');
        st = zis_request_set(r, f, f->a1111, value, err);
        if (st == ZIS_ARG && !ours && !is_common(f)) st = ZIS_OK;
    }
    free(value);
    return st;
}

/* Whether a line is a list of parameters; *ours: written by zis. */
static bool is_parameters(const char *line, bool *ours)
{
    pair p;
    bool steps = false;
    *ours = false;
    while (next_pair(&line, &p)) {
        steps = steps || pair_is(&p, "Steps");
        if (pair_is(&p, "Version") && p.value_len >= 4 && strncmp(p.value, "zis ", 4) == 0)
            *ours = true;
    }
    return steps;
}

static zis_status take_prompts(
    zis_request *r, const char *what, const char *text, size_t len, zis_error *err)
{
    const char *negative = NULL;
    for (const char *s = text; s + strlen(NEGATIVE) - 1 <= text + len; s++) {
        bool line_start = s == text || s[-1] == '\n';
        /* Some tools leave the blank behind the colon out when nothing follows. */
        if (line_start && strncmp(s, NEGATIVE, strlen(NEGATIVE) - 1) == 0) negative = s;
    }
    size_t n = negative ? (size_t)(negative - text) : len;
    if (n > 0 && text[n - 1] == '\n' && negative) n--;
    zis_status st = zis_request_set_text(r, zis_request_field("prompt"), what, text, n, err);
    if (st) return st;
    const char *from = negative ? negative + strlen(NEGATIVE) - 1 : text + len;
    if (negative && from < text + len && *from == ' ') from++;
    return zis_request_set_text(r, zis_request_field("negative_prompt"), what, from,
                                (size_t)(text + len - from), err);
}

zis_status zis_recipe_parse(zis_request *r,
                            const char *what,
                            const char *parameters,
                            zis_error *err)
{
    size_t len = strlen(parameters);
    while (len > 0 && (parameters[len - 1] == '\n' || parameters[len - 1] == '\r')) len--;
    size_t start = len;
    while (start > 0 && parameters[start - 1] != '\n') start--;
    char *line = zis_mem_strndup(parameters + start, len - start);
    if (!line) return zis_fail_nomem(err, what);
    bool ours = false;
    zis_status st = ZIS_OK;
    if (!is_parameters(line, &ours)) {
        st = zis_fail(err, ZIS_FORMAT,
                      "%s: its last line is no list of parameters (Steps: ..., Seed: ...)", what);
        goto out;
    }
    st = take_prompts(r, what, parameters, start ? start - 1 : 0, err);
    const char *at = line;
    pair p;
    while (!st && next_pair(&at, &p)) st = take_pair(r, what, &p, ours, err);
out:
    free(line);
    return st;
}

zis_status zis_recipe_read(zis_request *r, const char *path, zis_error *err)
{
    zis_map map = {0};
    char *json = NULL, *parameters = NULL;
    char *what = zis_mem_printf("the recipe of '%s'", path);
    if (!what) return zis_fail_nomem(err, path);
    zis_status st = zis_os_map(&map, path, err);
    if (!st && map.size > ZIS_PICTURE_MAX_BYTES)
        st = zis_fail(err, ZIS_FORMAT, "'%s' is too large for a picture", path);
    if (!st) st = zis_picture_text_get(&json, path, map.data, map.size, ZIS_RECIPE_KEY_JSON, err);
    if (!st && !json)
        st = zis_picture_text_get(&parameters, path, map.data, map.size, ZIS_RECIPE_KEY_A1111, err);
    if (st) goto out;
    if (json)
        st = zis_request_from_json(r, what, json, strlen(json), ZIS_FIELD_RECIPE, err);
    else if (parameters)
        st = zis_recipe_parse(r, what, parameters, err);
    else
        st = zis_fail(err, ZIS_NOT_FOUND,
                      "'%s' carries no recipe (no text 'zis' or 'parameters'); it was not made by "
                      "zis, or with --no-metadata",
                      path);
out:
    zis_os_unmap(&map);
    free(json);
    free(parameters);
    free(what);
    return st;
}
