/* move.c - operations that move numbers or work on them one by one. */
#include "kernels/ref/ref.h"

#include <math.h>
#include <string.h>

void zis_ref_embed_rows(zis_run *run, const zis_embed_rows_args *a)
{
    if (run->dry) return;
    const int32_t *ids = a->ids.data;
    int64_t d = a->y.dim[1];
    for (int64_t i = 0; i < a->y.dim[0]; i++)
        for (int64_t c = 0; c < d; c++)
            zis_ref_row(&a->y, i)[c] = zis_ref_weight(a->table, ids[i] * d + c, false);
}

void zis_ref_fill_rows(zis_run *run, const zis_fill_rows_args *a)
{
    if (run->dry) return;
    for (int64_t i = 0; i < a->y.dim[0]; i++)
        memcpy(zis_ref_row(&a->y, i), a->v, (size_t)a->y.dim[1] * sizeof(float));
}

/* Where the value at `plane` of planes [C, h, w] lies among the tokens. */
static float *token_value(const zis_tensor *tokens, const zis_tensor *planes, int p, int64_t plane)
{
    int64_t h = planes->dim[1], w = planes->dim[2];
    int64_t c = plane / (h * w), y = plane / w % h, x = plane % w;
    return zis_ref_row(tokens, y / p * (w / p) + x / p) + (y % p * p + x % p) * planes->dim[0] + c;
}

void zis_ref_patchify(zis_run *run, const zis_patchify_args *a)
{
    if (run->dry) return;
    for (int64_t i = 0; i < zis_tensor_count(&a->x); i++)
        *token_value(&a->y, &a->x, a->patch, i) = ((const float *)a->x.data)[i];
    int64_t n = a->x.dim[1] / a->patch * (a->x.dim[2] / a->patch);
    for (int64_t i = n; i < a->y.dim[0]; i++)
        memcpy(zis_ref_row(&a->y, i), zis_ref_row(&a->y, n - 1),
               (size_t)a->y.dim[1] * sizeof(float));
}

void zis_ref_unpatchify(zis_run *run, const zis_unpatchify_args *a)
{
    if (run->dry) return;
    for (int64_t i = 0; i < zis_tensor_count(&a->x); i++)
        ((float *)a->x.data)[i] = *token_value(&a->y, &a->x, a->patch, i) * a->mul;
}

void zis_ref_unary(zis_run *run, const zis_unary_args *a)
{
    if (run->dry) return;
    for (int64_t i = 0; i < a->x.dim[0]; i++)
        for (int64_t c = 0; c < a->x.dim[1]; c++) {
            double v = (double)zis_ref_row(&a->x, i)[c];
            switch (a->f) {
            case ZIS_UNARY_COPY:
                break;
            case ZIS_UNARY_SILU:
                v = v / (1 + exp(-v));
                break;
            case ZIS_UNARY_TANH:
                v = tanh(v);
                break;
            case ZIS_UNARY_ADD_ONE:
                v = 1 + v;
                break;
            case ZIS_UNARY_RELU:
                v = zis_ref_relu(v);
                break;
            case ZIS_UNARY_GELU:
                v = zis_ref_gelu(v);
                break;
            }
            zis_ref_row(&a->y, i)[c] = (float)v;
        }
}

void zis_ref_affine(zis_run *run, const zis_affine_args *a)
{
    if (run->dry) return;
    for (int64_t i = 0; i < zis_tensor_rows(&a->y); i++)
        for (int64_t c = 0; c < zis_tensor_cols(&a->y); c++) {
            float v = a->a * zis_ref_row(&a->x, i)[c];
            if (a->z.data) v += a->b * zis_ref_row(&a->z, i)[c];
            zis_ref_row(&a->y, i)[c] = v + a->c;
        }
}

void zis_ref_guide(zis_run *run, const zis_guide_args *a)
{
    if (run->dry) return;
    for (int64_t i = 0; i < zis_tensor_rows(&a->y); i++)
        for (int64_t c = 0; c < zis_tensor_cols(&a->y); c++) {
            float pos = zis_ref_row(&a->pos, i)[c], neg = zis_ref_row(&a->neg, i)[c];
            float d = pos - neg;
            zis_ref_row(&a->y, i)[c] = neg + a->s * d;
        }
}

void zis_ref_mix(zis_run *run, const zis_mix_args *a)
{
    if (run->dry) return;
    for (int64_t i = 0; i < zis_tensor_rows(&a->y); i++)
        for (int64_t c = 0; c < zis_tensor_cols(&a->y); c++) {
            float m = zis_ref_row(&a->m, i)[c];
            float x = (1.0f - m) * zis_ref_row(&a->x, i)[c], z = m * zis_ref_row(&a->z, i)[c];
            zis_ref_row(&a->y, i)[c] = x + z;
        }
}

void zis_ref_planes_to_pixels(zis_run *run, const zis_planes_args *a)
{
    if (run->dry) return;
    int64_t pixels = a->y.dim[0] * a->y.dim[1], n = a->y.dim[2];
    const float *x = a->x.data;
    float *y = a->y.data;
    for (int64_t i = 0; i < pixels; i++)
        for (int64_t c = 0; c < n; c++) y[i * n + c] = x[c * pixels + i] * a->mul + a->add;
}

void zis_ref_pixels_to_planes(zis_run *run, const zis_planes_args *a)
{
    if (run->dry) return;
    int64_t pixels = a->x.dim[0] * a->x.dim[1], n = a->x.dim[2];
    const float *x = a->x.data;
    float *y = a->y.data;
    for (int64_t i = 0; i < pixels; i++)
        for (int64_t c = 0; c < n; c++) y[c * pixels + i] = x[i * n + c] * a->mul + a->add;
}
