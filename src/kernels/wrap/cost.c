/* cost.c - FLOPs and bytes of every operation. */
#include "kernels/wrap/cost.h"

static double weight_bytes(const zis_weight *w)
{
    return (double)zis_tensor_bytes(&w->t);
}

/* Low rank: x a', then times b'. The others are added to W as it passes by, which multiplies no
 * tokens. */
static void add_deltas(zis_cost *cost, const zis_weight *w, double m)
{
    for (int i = 0; i < w->deltas; i++) {
        const zis_delta *d = &w->delta[i];
        if (d->kind == ZIS_DELTA_LOW_RANK)
            cost->flops += 2 * m * (double)(zis_tensor_count(&d->a) + zis_tensor_count(&d->b));
        const zis_tensor *all[] = {&d->a, &d->b, &d->c, &d->d};
        for (int k = 0; k < 4; k++)
            if (all[k]->data) cost->bytes += (double)zis_tensor_bytes(all[k]);
    }
}

zis_cost zis_cost_linear(const zis_linear_args *a)
{
    double m = (double)zis_tensor_rows(&a->x);
    zis_cost c = {0};
    for (int i = 0; i < a->n_w; i++) {
        c.flops += 2 * m * (double)zis_tensor_count(&a->w[i]->t);
        c.bytes += weight_bytes(a->w[i]);
        add_deltas(&c, a->w[i], m);
    }
    return c;
}

zis_cost zis_cost_attention(const zis_attention_args *a)
{
    double q = (double)a->q.dim[0], k = (double)a->k.dim[0];
    double pairs = a->causal ? q * (q + 1) / 2 : q * k;
    return (zis_cost){.flops = 4 * pairs * a->heads * a->head_dim};
}

zis_cost zis_cost_conv2d(const zis_conv2d_args *a)
{
    double pixels = (double)a->y.dim[0] * (double)a->y.dim[1];
    return (zis_cost){
        .flops = 2 * pixels * (double)zis_tensor_count(&a->w->t),
        .bytes = weight_bytes(a->w),
    };
}

zis_cost zis_cost_embed_rows(const zis_embed_rows_args *a)
{
    const zis_dtype_info *d = zis_dtype_get(a->table->t.dtype);
    return (zis_cost){.bytes = (double)zis_tensor_count(&a->y) / d->block * d->bytes};
}

/* The rest multiplies no matrices and reads no weights to speak of. */
#define FREE(slot, args)                                                                           \
    zis_cost zis_cost_##slot(const args *a)                                                        \
    {                                                                                              \
        (void)a;                                                                                   \
        return (zis_cost){0};                                                                      \
    }
FREE(rms_norm, zis_rms_norm_args)
FREE(gate_residual, zis_gate_residual_args)
FREE(layer_norm, zis_layer_norm_args)
FREE(qk_norm_rope, zis_qk_norm_rope_args)
FREE(fill_rows, zis_fill_rows_args)
FREE(patchify, zis_patchify_args)
FREE(unpatchify, zis_unpatchify_args)
FREE(unary, zis_unary_args)
FREE(affine, zis_affine_args)
FREE(guide, zis_guide_args)
FREE(mix, zis_mix_args)
FREE(finite, zis_finite_args)
FREE(planes_to_pixels, zis_planes_args)
FREE(pixels_to_planes, zis_planes_args)
FREE(group_norm, zis_group_norm_args)
FREE(max_pool, zis_max_pool_args)
FREE(bilinear, zis_bilinear_args)
FREE(pixel_shuffle, zis_pixel_shuffle_args)
