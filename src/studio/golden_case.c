/* golden_case.c - inputs, weights and the two passes of a case. */
#include "base/mem.h"
#include "base/os.h"
#include "formats/synth.h"
#include "studio/golden_impl.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Synthetic checkpoints above this are made on request only. */
#define LARGE_BYTES 2.0e9
#define MAX_SPECS 100000
#define UP_MAX 6 /* folders above the golden in which models/ and goldens/ are looked for */

zis_status zis_golden_input(
    const zis_golden *g, const char *name, int ndim, const zis_tensor **out, zis_error *err)
{
    const zis_safetensors_entry *e = zis_safetensors_find(g->file, name);
    if (!e) return zis_fail(err, ZIS_FORMAT, "the golden has no tensor '%s'", name);
    bool good = e->tensor.ndim == ndim;
    for (int i = 0; i < ndim && good; i++) good = e->tensor.dim[i] >= 1;
    char shape[100];
    if (!good)
        return zis_fail(err, ZIS_FORMAT, "the golden's '%s' has the shape %s, not %d dims", name,
                        zis_tensor_shape_text(&e->tensor, shape, sizeof shape), ndim);
    *out = &e->tensor;
    return ZIS_OK;
}

zis_status zis_golden_floats(float **out, const zis_tensor *t, zis_error *err)
{
    size_t n = (size_t)zis_tensor_count(t);
    float *v = zis_mem_alloc(n, sizeof *v);
    if (!v) return zis_fail_nomem(err, "the golden's input");
    if (zis_dtype_to_f32(v, t->data, t->dtype, n)) {
        free(v);
        return zis_fail(err, ZIS_FORMAT, "the golden's input is of type %s",
                        zis_dtype_get(t->dtype)->name);
    }
    *out = v;
    return ZIS_OK;
}

/* ---- where things lie ---- */

static bool exists(const char *path)
{
    return zis_os_is_dir(path) || zis_os_is_file(path);
}

/* The i-th place for `name`; *end when there are no more. NULL without memory or for a place that
 * does not apply. */
static char *place_at(const zis_golden *g, const char *name, int i, bool *end)
{
    const char *models = g->o->models;
    *end = false;
    if (strncmp(name, "./", 2) == 0) {
        *end = i > 0;
        return *end ? NULL : zis_os_join(g->folder, name + 2);
    }
    if (name[0] == '/') {
        *end = i > 0;
        return *end ? NULL : zis_mem_strdup(name);
    }
    if (i <= UP_MAX) {
        char up[3 * UP_MAX + 1] = "";
        for (int k = 0; k < i; k++) memcpy(up + 3 * k, "../", 4);
        return zis_mem_printf("%s/%s%s", g->folder, up, name);
    }
    if (i == UP_MAX + 1) return zis_mem_strdup(name);
    *end = i > UP_MAX + 2;
    if (*end || !models) return NULL;
    if (strncmp(name, "models/", 7) == 0) return zis_os_join(models, name + 7);
    if (strncmp(name, "goldens/", 8) == 0) /* as they lie in the repository */
        return zis_mem_printf("%s/../tests/golden/data/%s", models, name + 8);
    return NULL;
}

zis_status zis_golden_resolve(const zis_golden *g, const char *name, char **out, zis_error *err)
{
    bool end = false;
    for (int i = 0; !end; i++) {
        char *path = place_at(g, name, i, &end);
        if (path && exists(path)) {
            *out = path;
            return ZIS_OK;
        }
        free(path);
    }
    return zis_fail(err, ZIS_NOT_FOUND,
                    "'%s' was found neither above '%s' nor in the embedded models", name,
                    g->folder);
}

/* ---- weights ---- */

typedef struct specs {
    zis_weights_spec *at; /* names owned */
    size_t count, room;
} specs;

static void specs_free(specs *s)
{
    for (size_t i = 0; i < s->count; i++) free((char *)s->at[i].name);
    free(s->at);
}

/* The name of [name, [dims]] becomes a new entry. */
static zis_status add_spec(specs *s, const zis_json_token *t, zis_dtype dtype, zis_error *err)
{
    if (s->count == s->room) {
        size_t room = s->room ? 2 * s->room : 256;
        zis_weights_spec *grown = zis_mem_resize(s->at, room, sizeof *grown);
        if (!grown) return zis_fail_nomem(err, "the golden's weights");
        s->at = grown;
        s->room = room;
    }
    char *name = zis_mem_strndup(t->text, t->len);
    if (!name) return zis_fail_nomem(err, "the golden's weights");
    s->at[s->count++] = (zis_weights_spec){.name = name, .dtype = dtype};
    return ZIS_OK;
}

static zis_status expect(zis_json *j, zis_json_type type, zis_json_token *t, zis_error *err)
{
    zis_status st = zis_json_next(j, t, err);
    if (st || t->type == type) return st;
    return zis_json_fail(j, t, err, "a list of [name, [sizes]] was expected");
}

/* [["name", [1, 2]], ...] */
static zis_status read_specs(zis_json *j, specs *s, zis_dtype dtype, zis_error *err)
{
    zis_json_token t;
    zis_status st = expect(j, ZIS_JSON_ARRAY_BEGIN, &t, err);
    while (!st) {
        st = zis_json_next(j, &t, err);
        if (st || t.type == ZIS_JSON_ARRAY_END) break;
        if (t.type != ZIS_JSON_ARRAY_BEGIN || s->count == MAX_SPECS)
            return zis_json_fail(j, &t, err, "a list of [name, [sizes]] was expected");
        st = expect(j, ZIS_JSON_STRING, &t, err);
        if (!st) st = add_spec(s, &t, dtype, err);
        if (!st) st = expect(j, ZIS_JSON_ARRAY_BEGIN, &t, err);
        while (!st) {
            st = zis_json_next(j, &t, err);
            if (st || t.type == ZIS_JSON_ARRAY_END) break;
            zis_weights_spec *spec = &s->at[s->count - 1];
            if (t.type != ZIS_JSON_NUMBER || spec->ndim == ZIS_MAX_DIMS)
                return zis_json_fail(j, &t, err, "up to %d sizes were expected", ZIS_MAX_DIMS);
            st = zis_json_int(j, &t, &spec->dim[spec->ndim++], err);
        }
        if (!st) st = expect(j, ZIS_JSON_ARRAY_END, &t, err);
    }
    return st ? st : expect(j, ZIS_JSON_END, &t, err);
}

static double bytes_of(const specs *s)
{
    double sum = 0;
    for (size_t i = 0; i < s->count; i++) {
        double n = zis_dtype_get(s->at[i].dtype)->bytes;
        for (int k = 0; k < s->at[i].ndim; k++) n *= (double)s->at[i].dim[k];
        sum += n;
    }
    return sum;
}

zis_status zis_golden_synthetic(const zis_golden *g,
                                const char *key,
                                zis_weights **out,
                                zis_error *err)
{
    const char *names = zis_safetensors_meta(g->file, key);
    const char *type = zis_safetensors_meta(g->file, "weights_dtype");
    const char *seed_text = zis_safetensors_meta(g->file, "seed");
    zis_dtype dtype = type ? zis_dtype_by_name(type, strlen(type)) : ZIS_DTYPE_F32;
    char *end = NULL;
    uint64_t seed = seed_text ? strtoull(seed_text, &end, 10) : 0;
    if (!names || dtype == ZIS_DTYPE_COUNT || (end && *end))
        return zis_fail(err, ZIS_FORMAT,
                        "the golden's metadata do not describe its synthetic weights");
    specs s = {0};
    zis_json j;
    zis_weights *w = NULL;
    zis_json_init(&j, key, names, strlen(names));
    zis_status st = read_specs(&j, &s, dtype, err);
    double bytes = bytes_of(&s);
    if (!st && bytes > LARGE_BYTES && !g->o->large)
        st = zis_fail(err, ZIS_UNSUPPORTED, "it needs %.1f GB of weights: --large runs it",
                      bytes / 1e9);
    if (!st) st = zis_weights_create_memory(&w, "synthetic weights", s.at, s.count, err);
    if (!st) st = zis_synth_fill(w, seed, g->o->pool, err);
    if (st)
        zis_weights_close(&w);
    else
        *out = w;
    zis_json_deinit(&j);
    specs_free(&s);
    return st;
}

/* A checkpoint in a layout or of types that this version does not know is no failure of the case.
 */
static zis_status check_known(const zis_weights *w, const char *probe, zis_error *err)
{
    if (!zis_weights_find(w, probe))
        return zis_fail(err, ZIS_UNSUPPORTED,
                        "'%s' names its tensors in a layout that this version does not know",
                        zis_weights_path(w));
    for (size_t i = 0; i < zis_weights_count(w); i++) {
        zis_dtype t = zis_weights_at(w, i)->tensor.dtype;
        if (t != ZIS_DTYPE_F32 && t != ZIS_DTYPE_BF16 && t != ZIS_DTYPE_F16)
            return zis_fail(err, ZIS_UNSUPPORTED,
                            "'%s' stores tensors as %s, which this version does not compute with",
                            zis_weights_path(w), zis_dtype_get(t)->name);
    }
    return ZIS_OK;
}

zis_status zis_golden_weights(const zis_golden *g,
                              const char *probe,
                              zis_weights **out,
                              zis_error *err)
{
    const char *weights = zis_safetensors_meta(g->file, "weights");
    if (!weights) return zis_fail(err, ZIS_FORMAT, "the golden's metadata name no weights");
    if (strcmp(weights, "synthetic") == 0)
        return zis_golden_synthetic(g, "weights_names", out, err);
    char *path = NULL;
    zis_weights *w = NULL;
    zis_status st = zis_golden_resolve(g, weights, &path, err);
    if (!st) st = zis_weights_open(&w, path, err);
    if (!st) st = check_known(w, probe, err);
    if (st)
        zis_weights_close(&w);
    else
        *out = w;
    free(path);
    return st;
}

/* ---- running ---- */

zis_status zis_golden_execute(zis_golden *g, zis_golden_forward *forward, void *arg, zis_error *err)
{
    zis_run dry, run = *g->run;
    zis_run_init_dry(&dry, g->run);
    zis_status st = forward(g, &dry, arg, err);
    if (st) return st;
    /* Scratch of its own, of exactly the size that was planned, so that a plan that is too small
     * is found. */
    run.scratch = (zis_arena){0};
    run.external = false;
    st = zis_run_reserve(&run, dry.scratch.peak, err);
    if (!st) st = forward(g, &run, arg, err);
    zis_run_deinit(&run);
    return st;
}
