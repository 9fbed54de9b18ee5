/* preview.h - a small picture of latents, without a network (vae.md 7).
 *
 * Each latent pixel becomes one pixel: a linear fit from its channels to red, green, blue. The fit
 * comes from the model's `_zis.preview`; for the FLUX VAE it is built in; any other VAE is shown as
 * the mean of its channels, in grey.
 *
 * Threads: no shared state. */
#ifndef ZIS_PIPELINE_PREVIEW_H
#define ZIS_PIPELINE_PREVIEW_H

#include "pipeline/model.h"
#include "tensor/image.h"

typedef struct zis_preview_fit {
    float factors[16][3];
    float bias[3];
    bool grey; /* the mean of all channels; the rest does not count */
} zis_preview_fit;

zis_preview_fit zis_preview_fit_of(const zis_model *model);

/* out: RGB, at most w x h: what lies to the right of it and below is cut off. latents [channels, h,
 * w], scaled, as the transformer sees them. Values that are no numbers become black. */
void zis_preview_draw(
    zis_image *out, const zis_preview_fit *fit, const float *latents, int channels, int h, int w);

#endif
