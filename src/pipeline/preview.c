/* Factors of the FLUX VAE: vae.md 7. */
#include "pipeline/preview.h"

#include <math.h>
#include <string.h>

#define FLUX_CHANNELS 16
#define FLUX_SCALING 0.3611
#define FLUX_SHIFT 0.1159

static const zis_preview_fit flux = {
    .factors =
        {
            {-0.0346f, 0.0244f, 0.0681f},
            {0.0034f, 0.0210f, 0.0687f},
            {0.0275f, -0.0668f, -0.0433f},
            {-0.0174f, 0.0160f, 0.0617f},
            {0.0859f, 0.0721f, 0.0329f},
            {0.0004f, 0.0383f, 0.0115f},
            {0.0405f, 0.0861f, 0.0915f},
            {-0.0236f, -0.0185f, -0.0259f},
            {-0.0245f, 0.0250f, 0.1180f},
            {0.1008f, 0.0755f, -0.0421f},
            {-0.0515f, 0.0201f, 0.0011f},
            {0.0428f, -0.0012f, -0.0036f},
            {0.0817f, 0.0765f, 0.0749f},
            {-0.1264f, -0.0522f, -0.1103f},
            {-0.0280f, -0.0881f, -0.0499f},
            {-0.1262f, -0.0982f, -0.0778f},
        },
    .bias = {-0.0329f, -0.0718f, -0.0851f},
};

zis_preview_fit zis_preview_fit_of(const zis_model *model)
{
    const zis_vae_config *c = zis_vae_get_config(model->vae);
    zis_preview_fit fit = {.grey = true};
    if (c->latent_channels != FLUX_CHANNELS) return fit;
    if (model->set.has_preview) {
        fit.grey = false;
        memcpy(fit.factors, model->set.preview_factors, sizeof fit.factors);
        memcpy(fit.bias, model->set.preview_bias, sizeof fit.bias);
    } else if (fabs(c->scaling - FLUX_SCALING) < 1e-6 && fabs(c->shift - FLUX_SHIFT) < 1e-6) {
        fit = flux;
    }
    return fit;
}

/* -1..1 to 0..255. */
static uint8_t level(float x)
{
    float v = (x + 1.0f) * 127.5f;
    return v >= 255.0f ? 255 : v > 0.0f ? (uint8_t)(v + 0.5f) : 0;
}

void zis_preview_draw(
    zis_image *out, const zis_preview_fit *fit, const float *latents, int channels, int h, int w)
{
    size_t plane = (size_t)h * (size_t)w;
    for (int y = 0; y < out->height && y < h; y++) {
        for (int x = 0; x < out->width && x < w; x++) {
            const float *z = latents + (size_t)y * (size_t)w + (size_t)x;
            uint8_t *to = out->data + 3 * ((size_t)y * (size_t)out->width + (size_t)x);
            float rgb[3] = {fit->bias[0], fit->bias[1], fit->bias[2]};
            float sum = 0;
            for (int c = 0; c < channels; c++) {
                float v = z[(size_t)c * plane];
                sum += v;
                for (int k = 0; k < 3 && !fit->grey; k++) rgb[k] += v * fit->factors[c][k];
            }
            for (int k = 0; k < 3; k++) to[k] = level(fit->grey ? sum / (float)channels : rgb[k]);
        }
    }
}
