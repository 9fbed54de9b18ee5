/* control.c - recognises and binds a ControlNet (controlnet.md 1, 2). */
#include "models/zimage/zimage_impl.h"

#include "base/mem.h"
#include "base/os.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHAT "a Z-Image ControlNet"
#define EMBED "control_all_x_embedder.2-1.weight"
#define MAX_LAYERS 1024
/* Latents of 16 channels in patches of 2 x 2; 2.x adds a mask and a second picture. */
#define COLUMNS_1 64
#define COLUMNS_2 132

/* ---- recognition --------------------------------------------------------------------------- */

/* One more than the largest block that any tensor names, so that a hole is found when it is bound.
 */
static int64_t count_layers(const zis_weights *w)
{
    static const char list[] = "control_layers.";
    int64_t n = 0;
    for (size_t i = 0; i < zis_weights_count(w); i++) {
        const char *name = zis_weights_at(w, i)->name;
        if (strncmp(name, list, sizeof list - 1) != 0) continue;
        int64_t k = 0;
        for (name += sizeof list - 1; *name >= '0' && *name <= '9' && k < MAX_LAYERS; name++)
            k = 10 * k + (*name - '0');
        if (*name == '.' && k < MAX_LAYERS && k >= n) n = k + 1;
    }
    return n;
}

/* Missing counts as zero; of a type without values nothing can be said. */
static bool all_zero(const zis_weights *w, const char *name)
{
    const zis_weights_entry *e = zis_weights_find(w, name);
    float piece[256];
    if (!e) return true;
    size_t n = (size_t)zis_tensor_count(&e->tensor);
    const zis_dtype_info *d = zis_dtype_get(e->tensor.dtype);
    if (d->block != 1) return false;
    for (size_t at = 0; at < n; at += 256) {
        size_t some = n - at < 256 ? n - at : 256;
        const char *from = (const char *)e->tensor.data + at * (size_t)d->bytes;
        if (zis_dtype_to_f32(piece, from, e->tensor.dtype, some)) return false;
        for (size_t i = 0; i < some; i++)
            if (piece[i] != 0) return false;
    }
    return true;
}

zis_status zis_control_recognise(zis_control_info *out, const zis_weights *w, zis_error *err)
{
    const zis_weights_entry *e = zis_weights_find(w, EMBED);
    char shape[100];
    if (!e)
        return zis_fail(err, ZIS_FORMAT, "'%s' is no Z-Image ControlNet: it has no tensor " EMBED,
                        zis_weights_path(w));
    const zis_tensor *t = &e->tensor;
    if (t->ndim != 2 || t->dim[0] < 1 || (t->dim[1] != COLUMNS_1 && t->dim[1] != COLUMNS_2))
        return zis_fail(err, ZIS_FORMAT,
                        "'%s': " EMBED " has the shape %s, not [width, %d] (1.0) or [width, %d] "
                        "(2.0, 2.1)",
                        zis_weights_path(w), zis_tensor_shape_text(t, shape, sizeof shape),
                        COLUMNS_1, COLUMNS_2);
    zis_control_info info = {
        .version = ZIS_CONTROL_1_0,
        .dim = t->dim[0],
        .columns = t->dim[1],
        .channels = t->dim[1] / 4,
        .layers = count_layers(w),
    };
    if (info.layers == 0)
        return zis_fail(err, ZIS_FORMAT,
                        "'%s' is no complete Z-Image ControlNet: control_layers.0 is missing",
                        zis_weights_path(w));
    if (info.columns == COLUMNS_2)
        info.version = all_zero(w, "control_noise_refiner.0.before_proj.weight") ||
                               all_zero(w, "control_noise_refiner.0.after_proj.weight")
                           ? ZIS_CONTROL_2_0
                           : ZIS_CONTROL_2_1;
    *out = info;
    return ZIS_OK;
}

const char *zis_control_version_name(const zis_control_info *info)
{
    static const char *const names[][2] = {
        [ZIS_CONTROL_1_0] = {"1.0", "1.0 lite"},
        [ZIS_CONTROL_2_0] = {"2.0", "2.0 lite"},
        [ZIS_CONTROL_2_1] = {"2.1", "2.1 lite"},
    };
    /* lite: 3 layers for the 30 of the published width; nano's 3 are for 6 */
    return names[info->version][info->layers == 3 && info->dim == 3840];
}

/* ---- binding ------------------------------------------------------------------------------- */

#define COUNT(rows) (sizeof(rows) / sizeof *(rows))

static const zis_bind_row embed_rows[] = {
    {"control_all_x_embedder.%d-1.weight", ZIS_BIND_MATRIX, "D K", offsetof(zis_control, embed),
     false},
    {"control_all_x_embedder.%d-1.bias", ZIS_BIND_VECTOR, "D", offsetof(zis_control, embed_bias),
     false},
};
static const zis_bind_row before_rows[] = {
    {"%s%d.before_proj.weight", ZIS_BIND_MATRIX, "D D", offsetof(zis_control_proj, w), false},
    {"%s%d.before_proj.bias", ZIS_BIND_VECTOR, "D", offsetof(zis_control_proj, b), false},
};
static const zis_bind_row after_rows[] = {
    {"%s%d.after_proj.weight", ZIS_BIND_MATRIX, "D D", offsetof(zis_control_proj, w), false},
    {"%s%d.after_proj.bias", ZIS_BIND_VECTOR, "D", offsetof(zis_control_proj, b), false},
};

static zis_control_proj *bind_after(zis_bind *b, const char *list, int64_t n)
{
    zis_control_proj *after = zis_mem_zalloc((size_t)n, sizeof *after);
    if (!after) {
        b->nomem = true;
        return NULL;
    }
    for (int i = 0; i < (int)n; i++)
        zis_bind_table(b, after_rows, COUNT(after_rows), list, i, &after[i]);
    return after;
}

static void bind_all(zis_control *c, const zis_zimage_config *main, const zis_weights *weights)
{
    static const char refiner[] = "control_noise_refiner.", layers[] = "control_layers.";
    zis_bind *b = &c->bind;
    zis_zimage_define_symbols(b, main, weights, "control_layers.0.feed_forward.w1.weight");
    b->symbols.value['K' - 'A'] = c->info.columns;
    zis_bind_table(b, embed_rows, COUNT(embed_rows), "", (int)main->patch, c);
    c->layers = zis_zimage_bind_blocks(b, layers, c->info.layers, true);
    zis_bind_table(b, before_rows, COUNT(before_rows), layers, 0, &c->layers_before);
    c->layers_after = bind_after(b, layers, c->info.layers);
    /* 2.0 has the refiner in its file, but its hints were trained without it. */
    if (c->info.version == ZIS_CONTROL_2_0) return;
    c->n_refiner = main->refiner_layers;
    c->refiner = zis_zimage_bind_blocks(b, refiner, c->n_refiner, true);
    if (c->info.version != ZIS_CONTROL_2_1) return;
    zis_bind_table(b, before_rows, COUNT(before_rows), refiner, 0, &c->refiner_before);
    c->refiner_after = bind_after(b, refiner, c->n_refiner);
}

/* 0, d, 2 d, ... with d main layers to a hint; or what the override says. */
static zis_status set_places(zis_control *c,
                             const zis_zimage_config *main,
                             const zis_control_override *o,
                             zis_error *err)
{
    int64_t n = c->info.layers;
    if (n > main->layers)
        return zis_fail(err, ZIS_FORMAT,
                        WHAT " with %lld layers does not fit a transformer with %lld", (long long)n,
                        (long long)main->layers);
    if (o && o->places && o->n_places != n)
        return zis_fail(err, ZIS_ARG, "%lld places for the hints of %lld layers",
                        (long long)o->n_places, (long long)n);
    c->places = zis_mem_alloc((size_t)n, sizeof *c->places);
    if (!c->places) return zis_fail_nomem(err, WHAT);
    for (int64_t i = 0; i < n; i++) {
        c->places[i] = o && o->places ? o->places[i] : i * (main->layers / n);
        if (c->places[i] >= main->layers || (i > 0 && c->places[i] <= c->places[i - 1]) ||
            c->places[i] < 0)
            return zis_fail(err, ZIS_ARG, "a hint has no place behind layer %lld",
                            (long long)c->places[i]);
    }
    return ZIS_OK;
}

static zis_status check_fit(const zis_control *c, const zis_zimage_config *main, zis_error *err)
{
    int64_t channels =
        c->info.version == ZIS_CONTROL_1_0 ? main->in_channels : 2 * main->in_channels + 1;
    if (c->info.dim != main->dim || c->info.columns != channels * main->patch * main->patch)
        return zis_fail(err, ZIS_FORMAT,
                        "'%s' is a ControlNet for a transformer of width %lld, this one has %lld: "
                        "they belong to different models",
                        zis_weights_path(c->bind.from), (long long)c->info.dim,
                        (long long)main->dim);
    return ZIS_OK;
}

zis_status zis_control_create(zis_control **out,
                              const zis_zimage *main,
                              const zis_weights *weights,
                              const zis_control_override *override,
                              zis_error *err)
{
    zis_control *c = zis_mem_zalloc(1, sizeof *c);
    if (!c) return zis_fail_nomem(err, WHAT);
    zis_bind_init(&c->bind, weights, WHAT);
    zis_status st = zis_control_recognise(&c->info, weights, err);
    if (!st && override && override->has_version) c->info.version = override->version;
    if (!st) st = check_fit(c, &main->config, err);
    if (!st) st = set_places(c, &main->config, override, err);
    if (!st) {
        bind_all(c, &main->config, weights);
        st = zis_bind_finish(&c->bind, err);
    }
    if (!st) {
        *out = c;
        c = NULL;
    }
    zis_control_close(&c);
    return st;
}

/* Below this the look-ups of pages cost nothing that could be seen. */
#define RESIDENT_LEAST (1u << 30)

/* As the transformer's (weights.c): addresses alone, and no failure. */
static void make_resident(zis_control *c, const zis_zimage *main)
{
    uint64_t memory = zis_os_memory(), all = c->bind.bytes + main->bind.bytes;
    if (c->bind.bytes < RESIDENT_LEAST || (memory && memory < all / 2 * 3)) return;
    zis_resident *r = NULL;
    zis_status st = zis_resident_create(&r, NULL);
    if (!st) st = zis_zimage_add_resident(r, c->refiner, c->n_refiner, NULL);
    if (!st) st = zis_zimage_add_resident(r, c->layers, c->info.layers, NULL);
    if (!st) st = zis_resident_seal(r, NULL);
    if (st) zis_resident_destroy(&r);
    c->resident = r;
}

zis_status zis_control_open(zis_control **out,
                            const zis_zimage *main,
                            const char *path,
                            zis_error *err)
{
    zis_weights *weights = NULL;
    zis_control *c = NULL;
    zis_status st = zis_weights_open(&weights, path, err);
    if (!st) st = zis_control_create(&c, main, weights, NULL, err);
    if (!st) {
        c->owned = weights;
        weights = NULL;
        make_resident(c, main);
        *out = c;
    }
    zis_weights_close(&weights);
    return st;
}

void zis_control_close(zis_control **control)
{
    if (!control || !*control) return;
    zis_control *c = *control;
    zis_bind_deinit(&c->bind);
    zis_resident_destroy(&c->resident);
    zis_weights_close(&c->owned);
    free(c->places);
    free(c->refiner);
    free(c->layers);
    free(c->refiner_after);
    free(c->layers_after);
    free(c);
    *control = NULL;
}

const zis_control_info *zis_control_get_info(const zis_control *c)
{
    return &c->info;
}

uint64_t zis_control_bytes(const zis_control *c)
{
    return c->bind.bytes;
}
