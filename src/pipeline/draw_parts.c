/* draw_parts.c - what the stages of a picture do on the device: text, pictures in and out. */
#include "base/mem.h"
#include "pipeline/draw_impl.h"
#include "pipeline/picture8.h"

#include <stdlib.h>

zis_denoise_args zis_draw_denoise_args(const zis_draw_maker *m)
{
    const zis_request *r = m->request;
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
