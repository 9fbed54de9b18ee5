/* zis info: what a file or a folder is. */
#include "base/os.h"
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "formats/picture.h"
#include "formats/weights.h"
#include "nn/lora.h"
#include "pipeline/jsonout.h"
#include "pipeline/model.h"
#include "pipeline/recipe.h"
#include "pipeline/recognise.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JSON = 1000 };

static const zis_option options[] = {
    {JSON, "json", 0, NULL, "prints one JSON object", 0, 0},
    {0},
};

static const zis_usage usage = {
    .command = "info",
    .synopsis = "FILE_OR_FOLDER",
    .about = "Says what a checkpoint holds (tensors, family, layout, type), of a model folder each "
             "part,\nand what recipe a picture carries.",
    .options = options,
    .rest_max = 1,
};

/* ---- checkpoints --------------------------------------------------------------------------- */

static const char *type_name(zis_dtype t)
{
    return t == ZIS_DTYPE_COUNT ? "none" : zis_dtype_get(t)->name;
}

static void put_tensors(zis_buf *out, const zis_weights *w)
{
    for (size_t i = 0; i < zis_weights_count(w); i++) {
        const zis_weights_entry *e = zis_weights_at(w, i);
        zis_buf_puts(out, i ? ",\n  {\"name\": " : "  {\"name\": ");
        zis_jsonout_string(out, e->name);
        zis_buf_puts(out, ", \"shape\": [");
        for (int d = 0; d < e->tensor.ndim; d++)
            zis_buf_printf(out, "%s%lld", d ? ", " : "", (long long)e->tensor.dim[d]);
        zis_buf_printf(out, "], \"type\": \"%s\", \"bytes\": %llu}", type_name(e->tensor.dtype),
                       (unsigned long long)e->bytes);
    }
}

/* What a LoRA holds; false for other files. */
static bool lora_of(const zis_weights *w, const zis_recognised *r, zis_lora_report *out)
{
    return strncmp(r->family, "LoRA", 4) == 0 && zis_lora_survey(out, w, NULL) == ZIS_OK;
}

static void put_json(zis_buf *out, const char *path, const zis_weights *w)
{
    zis_recognised r = zis_recognise(w);
    zis_buf_puts(out, "{\"path\": ");
    zis_jsonout_string(out, path);
    zis_lora_report lora;
    bool is_lora = lora_of(w, &r, &lora);
    zis_buf_printf(out,
                   ", \"format\": \"%s\", \"recognised\": \"%s\", \"layout\": \"%s\", "
                   "\"type\": \"%s\", \"mixed\": %s, \"bytes\": %llu, ",
                   zis_weights_format(w), r.family, r.layout, type_name(r.dtype),
                   r.mixed ? "true" : "false", (unsigned long long)zis_weights_bytes(w));
    if (is_lora)
        zis_buf_printf(out, "\"modules\": %zu, \"rank\": %lld, ", lora.modules,
                       (long long)lora.rank_hi);
    zis_buf_puts(out, "\"tensors\": [\n");
    put_tensors(out, w);
    zis_buf_puts(out, "\n]}");
}

static void put_text(zis_buf *out, const char *path, const zis_weights *w)
{
    zis_recognised r = zis_recognise(w);
    zis_buf_printf(out, "%s\n  %s%s%s, %s, %s%s, %zu tensors, %.1f MB\n", path, r.family,
                   *r.layout ? ", layout " : "", r.layout, zis_weights_format(w),
                   type_name(r.dtype), r.mixed ? " and others" : "", zis_weights_count(w),
                   (double)zis_weights_bytes(w) / 1e6);
    zis_lora_report lora;
    if (lora_of(w, &r, &lora)) {
        zis_buf_printf(out, "  %zu modules, ", lora.modules);
        if (lora.rank_lo == 0)
            zis_buf_puts(out, "full rank\n");
        else if (lora.rank_lo == lora.rank_hi)
            zis_buf_printf(out, "rank %lld\n", (long long)lora.rank_hi);
        else
            zis_buf_printf(out, "rank %lld to %lld\n", (long long)lora.rank_lo,
                           (long long)lora.rank_hi);
    }
    for (size_t i = 0; i < zis_weights_count(w); i++) {
        const zis_weights_entry *e = zis_weights_at(w, i);
        char shape[100];
        zis_tensor_shape_text(&e->tensor, shape, sizeof shape);
        zis_buf_printf(out, "  %-64s %-20s %s\n", e->name, shape, type_name(e->tensor.dtype));
    }
}

static zis_status put_checkpoint(zis_buf *out, const char *path, bool json, zis_error *err)
{
    zis_weights *w = NULL;
    zis_status st = zis_weights_open(&w, path, err);
    if (st) return st;
    if (json)
        put_json(out, path, w);
    else
        put_text(out, path, w);
    zis_weights_close(&w);
    return ZIS_OK;
}

/* ---- folders of parts ---------------------------------------------------------------------- */

static bool has_weights(const char *folder)
{
    char **names = NULL;
    size_t n = 0;
    bool found = false;
    if (zis_os_list(&names, &n, folder, NULL) != ZIS_OK) return false;
    for (size_t i = 0; i < n && !found; i++) {
        const char *dot = strrchr(names[i], '.');
        found = dot && strcmp(dot, ".safetensors") == 0;
    }
    zis_os_list_free(names, n);
    return found;
}

/* Every part of a diffusers folder; *n counts them. */
static zis_status put_parts(zis_buf *out, const char *folder, bool json, int *n, zis_error *err)
{
    zis_status st = ZIS_OK;
    for (int part = 0; part < ZIS_PART_COUNT && !st; part++) {
        char *path = zis_os_join(folder, zis_model_part_name((zis_model_part)part));
        if (!path) return zis_fail_nomem(err, folder);
        if (has_weights(path)) {
            if (json) zis_buf_puts(out, *n ? ",\n" : "");
            st = put_checkpoint(out, path, json, err);
            (*n)++;
        }
        free(path);
    }
    return st;
}

static zis_status put_folder(zis_buf *out, const char *folder, bool json, zis_error *err)
{
    if (has_weights(folder)) return put_checkpoint(out, folder, json, err);
    int n = 0;
    if (json) {
        zis_buf_puts(out, "{\"path\": ");
        zis_jsonout_string(out, folder);
        zis_buf_puts(out, ", \"format\": \"diffusers folder\", \"parts\": [\n");
    }
    zis_status st = put_parts(out, folder, json, &n, err);
    if (json) zis_buf_puts(out, "]}");
    if (!st && n == 0)
        st = zis_fail(err, ZIS_NOT_FOUND,
                      "'%s' holds no weights: no .safetensors files here, nor in transformer/, "
                      "text_encoder/, vae/",
                      folder);
    return st;
}

/* ---- pictures ------------------------------------------------------------------------------ */

static bool is_picture(const char *path)
{
    zis_picture_kind kind;
    return zis_picture_kind_of(&kind, path, NULL) == ZIS_OK;
}

static zis_status put_picture(zis_buf *out, const char *path, bool json, zis_error *err)
{
    zis_image *image = NULL;
    zis_map map = {0};
    char *parameters = NULL, *recipe = NULL;
    zis_status st = zis_picture_read(&image, path, err);
    if (!st) st = zis_os_map(&map, path, err);
    if (!st)
        st = zis_picture_text_get(&parameters, path, map.data, map.size, ZIS_RECIPE_KEY_A1111, err);
    if (!st) st = zis_picture_text_get(&recipe, path, map.data, map.size, ZIS_RECIPE_KEY_JSON, err);
    if (st) goto out;
    if (json) {
        zis_buf_puts(out, "{\"path\": ");
        zis_jsonout_string(out, path);
        zis_buf_printf(
            out,
            ", \"format\": \"picture\", \"recognised\": \"picture\", \"shape\": [%d, %d, "
            "%d], \"parameters\": ",
            image->height, image->width, image->channels);
        zis_jsonout_string(out, parameters);
        zis_buf_puts(out, ", \"recipe\": ");
        zis_jsonout_string(out, recipe);
        zis_buf_puts(out, "}");
    } else {
        zis_buf_printf(out, "%s\n  picture, %d x %d, %d channels\n%s\n", path, image->width,
                       image->height, image->channels,
                       parameters ? parameters : "  without a recipe");
    }
out:
    zis_image_destroy(&image);
    zis_os_unmap(&map);
    free(parameters);
    free(recipe);
    return st;
}

zis_status zis_cmd_info(zis_cli *cli, int argc, char **argv, zis_error *err)
{
    zis_args args = {0};
    zis_buf out = {0};
    zis_status st = zis_args_parse(&args, &usage, argc, argv, err);
    if (st) return st;
    const char *path = args.n_rest ? args.rest[0] : NULL;
    if (args.help)
        zis_args_help(&usage);
    else if (!path)
        st = zis_fail(err, ZIS_ARG, "there is no file; try: zis info model.safetensors");
    else if (zis_os_is_dir(path))
        st = put_folder(&out, path, cli->json, err);
    else if (is_picture(path))
        st = put_picture(&out, path, cli->json, err);
    else
        st = put_checkpoint(&out, path, cli->json, err);
    if (!st && cli->json) zis_buf_putc(&out, '\n');
    if (!st && out.failed) st = zis_fail_nomem(err, "the answer");
    if (!st && out.len) st = zis_output_stdout(out.data, out.len, err);
    zis_buf_free(&out);
    zis_args_deinit(&args);
    return st;
}
