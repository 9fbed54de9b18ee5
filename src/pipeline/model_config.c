/* What the small JSON files of a model folder say: its name and its defaults. */
#include "base/mem.h"
#include "base/os.h"
#include "pipeline/hubcache.h"
#include "pipeline/model_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONFIG_MAX (64u << 10)

/* *out stays NULL when the file is not there. */
static zis_status read_doc(zis_json_doc **out, const char *folder, const char *name, zis_error *err)
{
    char *path = zis_os_join(folder, name);
    char *text = NULL;
    size_t n = 0;
    if (!path) return zis_fail_nomem(err, name);
    zis_status st = ZIS_OK;
    if (zis_os_is_file(path)) st = zis_os_read_file(&text, &n, path, CONFIG_MAX, err);
    if (!st && text) st = zis_json_doc_parse(out, path, text, n, err);
    if (!st && text) st = zis_json_doc_want_object(*out, err);
    if (st) zis_json_doc_destroy(out);
    free(text);
    free(path);
    return st;
}

bool zis_model_config_peek(
    int64_t *out, const char *folder, const char *name, const char *key, int64_t hi)
{
    zis_json_doc *doc = NULL;
    zis_status st = read_doc(&doc, folder, name, NULL);
    if (!st && doc) st = zis_json_doc_int(doc, key, 1, hi, out, NULL);
    zis_json_doc_destroy(&doc);
    return st != ZIS_NOMEM;
}

bool zis_model_is_family(const char *repo)
{
    zis_json_doc *doc = NULL;
    char *snapshot = NULL;
    zis_status st = zis_hubcache_snapshot(&snapshot, repo, NULL);
    if (!st) st = read_doc(&doc, snapshot, "model_index.json", NULL);
    const char *name = !st && doc ? zis_json_doc_string(doc, "_class_name") : NULL;
    bool yes = name && strncmp(name, "ZImage", 6) == 0;
    zis_json_doc_destroy(&doc);
    free(snapshot);
    return yes;
}

static const char *last_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool contains_turbo(const char *s)
{
    for (; s && *s; s++)
        if (strncasecmp(s, "turbo", 5) == 0) return true;
    return false;
}

static zis_status read_preview(zis_model_set *s, const zis_json_doc *doc, zis_error *err)
{
    if (!zis_json_doc_has(doc, "_zis.preview.factors.15.2")) return ZIS_OK;
    for (int c = 0; c < 16; c++) {
        for (int k = 0; k < 3; k++) {
            char key[48];
            double v = 0;
            snprintf(key, sizeof key, "_zis.preview.factors.%d.%d", c, k);
            zis_status st = zis_json_doc_double(doc, key, -1e3, 1e3, &v, err);
            if (st) return st;
            s->preview_factors[c][k] = (float)v;
            if (c) continue;
            v = 0;
            snprintf(key, sizeof key, "_zis.preview.bias.%d", k);
            st = zis_json_doc_double(doc, key, -1e3, 1e3, &v, err);
            if (st) return st;
            s->preview_bias[k] = (float)v;
        }
    }
    s->has_preview = true;
    return ZIS_OK;
}

/* Takes a new string into place; it will be printed. */
static zis_status take(char **to, const char *text, zis_error *err)
{
    if (!text) return ZIS_OK;
    char *s = zis_mem_strdup(text);
    if (!s) return zis_fail_nomem(err, "model_index.json");
    zis_text_clean(s);
    free(*to);
    *to = s;
    return ZIS_OK;
}

static zis_status read_numbers(zis_model_set *s, const zis_json_doc *doc, zis_error *err)
{
    const int64_t side = ZIS_REQUEST_MAX_SIDE;
    int64_t width = 0, height = 0, steps = 0, lo = s->size_lo, hi = s->size_hi;
    zis_status st = zis_json_doc_int(doc, "_zis.width", 16, side, &width, err);
    if (!st) st = zis_json_doc_int(doc, "_zis.height", 16, side, &height, err);
    if (!st) st = zis_json_doc_int(doc, "_zis.steps", 1, ZIS_REQUEST_MAX_STEPS, &steps, err);
    if (!st) st = zis_json_doc_double(doc, "_zis.cfg", 0, 100, &s->defaults.cfg, err);
    if (!st) st = zis_json_doc_int(doc, "_zis.sizes.0", 16, side, &lo, err);
    if (!st) st = zis_json_doc_int(doc, "_zis.sizes.1", lo, side, &hi, err);
    if (st) return st;
    s->defaults.width = (int)width;
    s->defaults.height = (int)height;
    s->defaults.steps = (int)steps;
    s->size_lo = (int)lo;
    s->size_hi = (int)hi;
    return ZIS_OK;
}

static zis_status read_parts(char **beside,
                             const zis_model_set *s,
                             const zis_json_doc *doc,
                             zis_error *err)
{
    const char *parts = zis_json_doc_string(doc, "_zis.parts");
    if (!parts) return ZIS_OK;
    if (parts[0] == '/')
        return zis_fail(err, ZIS_FORMAT,
                        "'%s/model_index.json': _zis.parts is '%s'; it must be a relative path",
                        s->folder, parts);
    *beside = zis_os_join(s->folder, parts);
    return *beside ? ZIS_OK : zis_fail_nomem(err, "model_index.json");
}

zis_status zis_model_config_read(zis_model_set *s, char **beside, zis_error *err)
{
    zis_json_doc *doc = NULL;
    s->size_lo = 384; /* what the page offers for a model that says nothing (studio.md 2) */
    s->size_hi = 2048;
    s->defaults.cfg = -1;
    zis_status st = read_doc(&doc, s->folder, "model_index.json", err);
    if (st || !doc) return st;
    st = read_numbers(s, doc, err);
    if (!st) st = read_preview(s, doc, err);
    if (!st) st = take(&s->name, zis_json_doc_string(doc, "_zis.name"), err);
    if (!st) st = take(&s->example, zis_json_doc_string(doc, "_zis.example"), err);
    if (!st) st = read_parts(beside, s, doc, err);
    zis_json_doc_destroy(&doc);
    return st;
}

zis_status zis_model_config_settle(zis_model_set *s, zis_error *err)
{
    zis_request_defaults *d = &s->defaults;
    zis_json_doc *doc = NULL;
    double shift = 0;
    zis_status st = read_doc(&doc, s->folder, "scheduler/scheduler_config.json", err);
    if (!st && doc) st = zis_json_doc_double(doc, "shift", 0.01, 100, &shift, err);
    zis_json_doc_destroy(&doc);
    if (st) return st;
    if (d->cfg >= 0)
        s->turbo = d->cfg == 1.0;
    else if (contains_turbo(s->hub_id ? s->hub_id : last_name(s->folder)))
        s->turbo = true;
    else
        s->turbo = shift != 6.0;
    if (d->cfg < 0) d->cfg = s->turbo ? 1 : 4;
    if (!d->steps) d->steps = s->turbo ? 8 : 25;
    d->shift = shift > 0 ? shift : s->turbo ? 3 : 6;
    if (!d->width || !d->height) {
        int64_t side = 1024;
        if (!zis_model_config_peek(&side, s->path[ZIS_PART_VAE], "config.json", "sample_size",
                                   ZIS_REQUEST_MAX_SIDE))
            return zis_fail_nomem(err, "the search for the model");
        if (!d->width) d->width = (int)side;
        if (!d->height) d->height = (int)side;
    }
    return ZIS_OK;
}
