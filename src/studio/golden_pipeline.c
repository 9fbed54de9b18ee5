/* golden_pipeline.c - goldens of whole requests: prompt to picture. */
#include "base/mem.h"
#include "pipeline/draw.h"
#include "studio/golden_impl.h"

#include <stdlib.h>
#include <string.h>

/* A member of config that is a text: copied into the request. */
static zis_status take_text(const zis_golden *g, const char *key, char **field, zis_error *err)
{
    const char *text = zis_json_doc_string(g->doc, key);
    if (!text) return ZIS_OK;
    char *copy = zis_mem_strdup(text);
    if (!copy) return zis_fail_nomem(err, "the golden's request");
    free(*field);
    *field = copy;
    return ZIS_OK;
}

static zis_status take_int(const zis_golden *g, const char *key, int hi, int *field, zis_error *err)
{
    int64_t v = *field;
    zis_status st = zis_json_doc_int(g->doc, key, 1, hi, &v, err);
    if (!st) *field = (int)v;
    return st;
}

/* A picture [H, W, 3] of 8 bits, if the golden has it. */
static zis_status take_picture(
    const zis_golden *g, const char *name, zis_request *r, zis_picture_slot slot, zis_error *err)
{
    const zis_tensor *t = NULL;
    zis_image *picture = NULL;
    if (!zis_safetensors_find(g->file, name)) return ZIS_OK;
    zis_status st = zis_golden_input(g, name, 3, &t, err);
    if (st) return st;
    if (t->dtype != ZIS_DTYPE_U8 || t->dim[2] != 3 || t->dim[0] > ZIS_REQUEST_MAX_SIDE ||
        t->dim[1] > ZIS_REQUEST_MAX_SIDE)
        return zis_fail(err, ZIS_FORMAT, "the golden's '%s' is no 8-bit RGB picture", name);
    st = zis_image_create(&picture, (int)t->dim[1], (int)t->dim[0], 3, err);
    if (st) return st;
    memcpy(picture->data, t->data, zis_tensor_bytes(t));
    zis_request_take_picture(r, slot, picture);
    return ZIS_OK;
}

static zis_status read_request(const zis_golden *g, zis_request *r, zis_error *err)
{
    zis_status st = take_text(g, "prompt", &r->prompt, err);
    if (!st) st = take_text(g, "negative_prompt", &r->negative_prompt, err);
    if (!st) st = take_int(g, "steps", ZIS_REQUEST_MAX_STEPS, &r->steps, err);
    if (!st) st = take_int(g, "width", ZIS_REQUEST_MAX_SIDE, &r->width, err);
    if (!st) st = take_int(g, "height", ZIS_REQUEST_MAX_SIDE, &r->height, err);
    if (!st) st = zis_json_doc_double(g->doc, "cfg", 0, 1e3, &r->cfg, err);
    if (!st) st = zis_json_doc_double(g->doc, "shift", 1e-6, 1e6, &r->shift, err);
    if (!st) st = zis_json_doc_double(g->doc, "strength", 0, 1, &r->strength, err);
    if (!st) st = zis_json_doc_int(g->doc, "seed", 0, INT64_MAX, &r->seed, err);
    if (!st) st = take_picture(g, "in.image", r, ZIS_PICTURE_INIT, err);
    if (!st) st = take_picture(g, "in.control_image", r, ZIS_PICTURE_CONTROL, err);
    if (!st) st = zis_json_doc_double(g->doc, "control_scale", 0, 2, &r->control_strength, err);
    if (!st) st = zis_request_check(r, err);
    return st;
}

static zis_status open_model(const zis_golden *g, zis_model **out, zis_error *err)
{
    const char *name = zis_json_doc_string(g->doc, "model");
    char *folder = NULL;
    zis_model_set set = {0};
    if (!name) return zis_fail(err, ZIS_FORMAT, "the golden's config names no model");
    zis_status st = zis_golden_resolve(g, name, &folder, err);
    if (st) return st;
    st = zis_model_find(&set, &(zis_model_query){.model = folder}, err);
    if (!st) {
        st = zis_model_open(out, &set, NULL, err);
        if (st) zis_model_set_deinit(&set);
    }
    free(folder);
    return st;
}

/* The golden's LoRA, if it has one. */
static zis_status attach_lora(const zis_golden *g, zis_model *m, zis_loras **out, zis_error *err)
{
    const char *name = zis_json_doc_string(g->doc, "lora");
    double strength = 1;
    if (!name) return ZIS_OK;
    zis_status st = zis_json_doc_double(g->doc, "lora_strength", -100, 100, &strength, err);
    return st ? st : zis_golden_attach(g, m->transformer, name, strength, out, err);
}

static zis_status open_control(const zis_golden *g,
                               const zis_model *model,
                               zis_control **out,
                               zis_error *err)
{
    const char *name = zis_json_doc_string(g->doc, "control");
    char *path = NULL;
    if (!name) return ZIS_OK;
    zis_status st = zis_golden_resolve(g, name, &path, err);
    if (!st) st = zis_control_open(out, model->transformer, path, err);
    free(path);
    return st;
}

zis_status zis_golden_run_pipeline(zis_golden *g, zis_error *err)
{
    zis_model *model = NULL;
    zis_loras *loras = NULL;
    zis_control *control = NULL;
    zis_request request;
    zis_draw_result result;
    zis_status st = zis_request_init(&request, err);
    if (st) return st;
    st = open_model(g, &model, err);
    if (st) goto out;
    zis_request_defaults_apply(&request, &model->set.defaults);
    st = read_request(g, &request, err);
    if (!st) st = attach_lora(g, model, &loras, err);
    if (!st) st = open_control(g, model, &control, err);
    if (st) goto out;
    zis_draw_job job = {.model = model,
                        .control = control,
                        .request = &request,
                        .keep = ZIS_KEEP_LATENTS | ZIS_KEEP_PLANES};
    zis_run run = *g->run; /* scratch of its own, of the planned size */
    run.scratch = (zis_arena){0};
    run.external = false;
    st = zis_draw_run(&job, &run, &result, err);
    zis_run_deinit(&run);
    if (st) goto out;
    zis_golden_compare(g, "latents", result.latents,
                       (size_t)result.latent_channels * (size_t)result.latent_height *
                           (size_t)result.latent_width);
    zis_golden_compare(g, "image", result.planes,
                       3 * (size_t)result.plane_height * (size_t)result.plane_width);
    zis_draw_result_deinit(&result);
out:
    zis_loras_detach(&loras);
    zis_control_close(&control);
    zis_model_close(&model);
    zis_request_deinit(&request);
    return st;
}
