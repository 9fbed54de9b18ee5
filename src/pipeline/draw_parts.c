/* draw_parts.c - what the stages of a picture do on the device: text, pictures in and out. */
#include "base/mem.h"
#include "pipeline/draw_impl.h"
#include "pipeline/picture8.h"

#include <stdlib.h>
#include <string.h>

/* Step i of n is controlled unless i / n < start or (i + 1) / n > end (product.md 9). */
static void control_steps(const zis_draw_maker *m, int *first, int *end)
{
    int n = m->steps;
    for (*first = 0; *first < n && (double)*first / n < m->request->control_start;) ++*first;
    for (*end = n; *end > 0 && (double)*end / n > m->request->control_end;) --*end;
}

zis_denoise_args zis_draw_denoise_args(const zis_draw_maker *m)
{
    const zis_request *r = m->request;
    zis_denoise_control control = {
        .net = m->control, .context = m->context, .scale = (float)r->control_strength};
    if (m->control) control_steps(m, &control.first, &control.end);
    return (zis_denoise_args){
        .model = m->model->transformer,
        .prompt = m->features_of[0],
        .negative = m->features_of[1],
        .h = m->h,
        .w = m->w,
        .sigmas = m->sigmas,
        .steps = m->steps,
        .sampler = r->sampler,
        .cfg = (float)r->cfg,
        .control = control,
        .masked = r->picture[ZIS_PICTURE_MASK] != NULL,
        .x0 = m->x0,
        .mask = m->mask,
    };
}

zis_status zis_draw_encode_text(
    const zis_model *model, zis_run *run, const int32_t *ids, int64_t n, float *out, zis_error *err)
{
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    int64_t width = zis_qwen3_get_config(model->text_encoder)->hidden;
    zis_tensor hidden = zis_run_alloc_2d(run, ZIS_DTYPE_F32, n, width); // [n, hidden]
    zis_status st = zis_run_status(run, err);
    if (!st) st = zis_qwen3_encode(model->text_encoder, run, ids, n, hidden, NULL, NULL, err);
    if (!st) {
        zis_run_download(run, out, &hidden);
        st = zis_run_status(run, err);
    }
    zis_arena_restore(&run->scratch, mark);
    return st;
}

zis_status zis_draw_encode_planes(
    const zis_draw_maker *m, zis_run *run, const float *planes, float *out, zis_error *err)
{
    const zis_vae *vae = m->model->vae;
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    zis_tensor z = zis_run_alloc_3d(run, ZIS_DTYPE_F32, m->channels, m->h, m->w);
    zis_tensor x = zis_run_alloc_3d(run, ZIS_DTYPE_F32, 3, m->height, m->width);
    zis_status st = zis_run_status(run, err);
    if (st) goto out;
    zis_run_upload(run, &x, planes);
    st = zis_vae_encode(vae, run, &x, z, err);
    if (st) goto out;
    zis_vae_scale(vae, run, z, &z);
    zis_run_download(run, out, &z);
    st = zis_run_status(run, err);
out:
    zis_arena_restore(&run->scratch, mark);
    return st;
}

zis_status zis_draw_decode(
    const zis_draw_maker *m, zis_run *run, float *planes, zis_image *image, zis_error *err)
{
    const zis_vae *vae = m->model->vae;
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    zis_tensor z = zis_run_alloc_3d(run, ZIS_DTYPE_F32, m->channels, m->h, m->w);
    zis_tensor x = zis_run_alloc_3d(run, ZIS_DTYPE_F32, 3, m->height, m->width);
    zis_status st = zis_run_status(run, err);
    if (st) goto out;
    zis_run_upload(run, &z, m->latents);
    zis_vae_unscale(vae, run, z, &z);
    st = zis_vae_decode(vae, run, &z, x, err);
    if (st) goto out;
    if (planes) zis_run_download(run, planes, &x);
    if (image) st = zis_picture8_from_planes(image, run, &x, err);
    if (!st) st = zis_run_status(run, err);
out:
    zis_arena_restore(&run->scratch, mark);
    return st;
}

zis_status zis_draw_latents_of(
    zis_draw_maker *m, zis_image *image, zis_image *mask, const float **out, zis_error *err)
{
    const zis_encoded_key key = {m->model->vae, image, mask, m->width, m->height};
    const float *kept = zis_encoded_get(m->encoded, &key);
    if (kept) {
        *out = kept;
        return ZIS_OK;
    }
    size_t area = (size_t)m->height * (size_t)m->width;
    float *planes = zis_mem_alloc(3 * area, sizeof *planes);
    float *latents = zis_mem_alloc((size_t)(m->channels * m->h * m->w), sizeof *latents);
    zis_status st = planes && latents ? ZIS_OK : zis_fail_nomem(err, "the picture's latents");
    if (!st) {
        zis_picture8_to_planes(planes, m->height, m->width, image, mask);
        st = zis_draw_encode_planes(m, m->run, planes, latents, err);
    }
    free(planes);
    if (st) {
        free(latents);
        return st;
    }
    zis_encoded_put(m->encoded, &key, latents);
    *out = latents;
    return ZIS_OK;
}

zis_status zis_draw_latent_mask(const zis_draw_maker *m,
                                const zis_image *mask,
                                float **out,
                                zis_error *err)
{
    float *cells = zis_mem_zalloc((size_t)(m->h * m->w), sizeof *cells);
    if (!cells) return zis_fail_nomem(err, "the mask");
    int64_t f = zis_vae_factor(m->model->vae);
    for (int64_t y = 0; y < mask->height; y++)
        for (int64_t x = 0; x < mask->width; x++) {
            float v = (float)mask->data[y * mask->width + x] / 255.0f;
            float *cell = &cells[y / f * m->w + x / f];
            if (v > *cell) *cell = v;
        }
    *out = cells;
    return ZIS_OK;
}

/* ---- control ------------------------------------------------------------------------------- */

static bool sees_picture(const zis_draw_maker *m)
{
    return zis_control_get_info(m->control)->version != ZIS_CONTROL_1_0;
}

int zis_draw_context_pictures(const zis_draw_maker *m)
{
    bool map = m->request->picture[ZIS_PICTURE_CONTROL] != NULL;
    return m->control ? map + sees_picture(m) : 0;
}

/* 1 where the picture is kept, by the pixel at the corner of each latent's cell; without a mask 0
 * everywhere. What only pads is kept. */
static void fill_kept(const zis_draw_maker *m, const zis_image *mask, float *plane)
{
    int64_t f = zis_vae_factor(m->model->vae);
    for (int64_t i = 0; i < m->h * m->w; i++) {
        int64_t y = i / m->w * f, x = i % m->w * f;
        bool inside = mask && y < mask->height && x < mask->width;
        uint8_t v = inside ? mask->data[y * mask->width + x] : 0;
        plane[i] = mask ? 1.0f - (float)v * (float)(1.0 / 255.0) : 0.0f;
    }
}

zis_status zis_draw_make_context(zis_draw_maker *m, zis_error *err)
{
    const zis_inputs *in = m->inputs;
    size_t area = (size_t)(m->h * m->w), part = (size_t)m->channels * area;
    const float *latents = NULL;
    zis_status st = ZIS_OK;
    m->context =
        zis_mem_alloc((size_t)zis_control_get_info(m->control)->channels * area, sizeof(float));
    if (!m->context) return zis_fail_nomem(err, "the control context");
    if (in->map) st = zis_draw_latents_of(m, in->map, NULL, &latents, err);
    if (st) return st;
    if (latents)
        memcpy(m->context, latents, part * sizeof(float));
    else
        for (size_t i = 0; i < part; i++) m->context[i] = -1.0f;
    if (!sees_picture(m)) return ZIS_OK;
    fill_kept(m, in->mask, m->context + part);
    /* Mid grey is what DiffSynth encodes where there is nothing to paint around. */
    st = zis_draw_latents_of(m, in->mask ? in->init : NULL, in->mask, &latents, err);
    if (!st) memcpy(m->context + part + area, latents, part * sizeof(float));
    return st;
}
