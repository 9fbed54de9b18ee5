/* vae.h - the FLUX autoencoder: pictures to latents and back (vae.md).
 *
 * Works on float32 planes at the doors ([3, H, W], [C, h, w]) and on pixels (NHWC) inside.
 *
 *     open -> decode, encode, ... -> close         Threads: read-only after open. */
#ifndef ZIS_MODELS_VAE_H
#define ZIS_MODELS_VAE_H

#include "base/json.h"
#include "formats/weights.h"
#include "kernels/run.h"

#define ZIS_VAE_MAX_LEVELS 8

typedef struct zis_vae_config {
    int64_t channels; /* of pictures: 3 */
    int64_t latent_channels;
    int64_t levels;
    int64_t width[ZIS_VAE_MAX_LEVELS]; /* block_out_channels */
    int64_t layers_per_block;
    int64_t groups;
    double scaling, shift;
    int64_t sample_size;
} zis_vae_config;

typedef struct zis_vae zis_vae;

/* Parts to bind: a decoder alone is enough for text to image. */
typedef enum zis_vae_parts {
    ZIS_VAE_DECODER = 1,
    ZIS_VAE_ENCODER = 2,
    ZIS_VAE_BOTH = 3,
    ZIS_VAE_WHAT_IS_THERE = 7, /* the decoder, and the encoder if the file has one */
} zis_vae_parts;

ZIS_MUST_USE zis_status zis_vae_config_read(zis_vae_config *out,
                                            const zis_json_doc *doc,
                                            zis_error *err);
ZIS_MUST_USE zis_status zis_vae_create(zis_vae **out,
                                       const zis_vae_config *config,
                                       const zis_weights *weights,
                                       zis_vae_parts parts,
                                       zis_error *err);
ZIS_MUST_USE zis_status zis_vae_open(zis_vae **out,
                                     const char *folder,
                                     zis_vae_parts parts,
                                     zis_error *err);
void zis_vae_close(zis_vae **m);
const zis_vae_config *zis_vae_get_config(const zis_vae *m);
uint64_t zis_vae_bytes(const zis_vae *m);
/* Picture side / latent side: 2^(levels-1). */
int64_t zis_vae_factor(const zis_vae *m);

/* image [3, h*f, w*f] (about -1..1, not clamped) from latents [C, h, w] as they enter the decoder
 * (the caller has divided by scaling and added shift: zis_vae_unscale). */
ZIS_MUST_USE zis_status zis_vae_decode(
    const zis_vae *m, zis_run *run, const zis_tensor *latents, zis_tensor image, zis_error *err);
/* mean [C, H/f, W/f] (raw: no shift, no scale) of image [3, H, W]; H, W >= f; sizes that are no
 * multiple of f lose their last rows as the convolutions do. */
ZIS_MUST_USE zis_status zis_vae_encode(
    const zis_vae *m, zis_run *run, const zis_tensor *image, zis_tensor mean, zis_error *err);
/* y = x / scaling + shift; y may be x. */
void zis_vae_unscale(const zis_vae *m, zis_run *run, zis_tensor y, const zis_tensor *x);
/* y = (x - shift) * scaling; y may be x. */
void zis_vae_scale(const zis_vae *m, zis_run *run, zis_tensor y, const zis_tensor *x);

#endif
