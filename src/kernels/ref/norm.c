/* norm.c - normalisations over rows and over groups of channels. */
#include "kernels/ref/ref.h"

#include <float.h>
#include <math.h>

/* The guard of ops.h: as on a device that sums squares in float32. */
static void judge(zis_run *run, const float *x, int64_t n)
{
    double sum = zis_ref_dot(x, x, n);
    if (!(sum <= (double)FLT_MAX)) zis_run_fail_numeric(run);
}

/* 1 / sqrt(mean(x^2) + eps) */
static double rms_scale(const float *x, int64_t n, float eps)
{
    return 1 / sqrt(zis_ref_dot(x, x, n) / (double)n + (double)eps);
}

static void rms_row(
    float *y, const float *x, int64_t n, const float *w, const float *scale, float eps)
{
    double r = rms_scale(x, n, eps);
    for (int64_t c = 0; c < n; c++) {
        double v = (double)x[c] * r * (double)w[c];
        y[c] = (float)(scale ? v * (double)scale[c] : v);
    }
}

void zis_ref_rms_norm(zis_run *run, const zis_rms_norm_args *a)
{
    if (run->dry) return;
    for (int64_t i = 0; i < a->x.dim[0]; i++) {
        judge(run, zis_ref_row(&a->x, i), a->x.dim[1]);
        rms_row(zis_ref_row(&a->y, i), zis_ref_row(&a->x, i), a->x.dim[1], a->w, a->scale, a->eps);
    }
}

void zis_ref_gate_residual(zis_run *run, const zis_gate_residual_args *a)
{
    if (run->dry) return;
    int64_t n = a->x.dim[1];
    for (int64_t i = 0; i < a->x.dim[0]; i++) {
        float *x = zis_ref_row(&a->x, i);
        const float *o = zis_ref_row(&a->o, i);
        double r = rms_scale(o, n, a->eps);
        judge(run, o, n);
        for (int64_t c = 0; c < n; c++) {
            double v = (double)o[c] * r * (double)a->w[c];
            x[c] = (float)((double)x[c] + (a->gate ? v * (double)a->gate[c] : v));
        }
        judge(run, x, n);
        if (a->y.data) rms_row(zis_ref_row(&a->y, i), x, n, a->next_w, a->next_scale, a->eps);
    }
}

void zis_ref_layer_norm(zis_run *run, const zis_layer_norm_args *a)
{
    if (run->dry) return;
    int64_t n = a->x.dim[1];
    for (int64_t i = 0; i < a->x.dim[0]; i++) {
        const float *x = zis_ref_row(&a->x, i);
        float *y = zis_ref_row(&a->y, i);
        double mean = 0, var = 0;
        judge(run, x, n);
        for (int64_t c = 0; c < n; c++) mean += (double)x[c];
        mean /= (double)n;
        for (int64_t c = 0; c < n; c++) var += ((double)x[c] - mean) * ((double)x[c] - mean);
        double r = 1 / sqrt(var / (double)n + (double)a->eps);
        for (int64_t c = 0; c < n; c++) {
            double v = ((double)x[c] - mean) * r;
            if (a->scale) v *= (double)a->scale[c];
            y[c] = (float)(a->bias ? v + (double)a->bias[c] : v);
        }
    }
}

void zis_ref_finite(zis_run *run, const zis_finite_args *a)
{
    if (run->dry) return;
    for (int64_t i = 0; i < zis_tensor_rows(&a->x); i++)
        judge(run, zis_ref_row(&a->x, i), zis_tensor_cols(&a->x));
}

void zis_ref_group_norm(zis_run *run, const zis_group_norm_args *a)
{
    if (run->dry) return;
    int64_t pixels = a->x.dim[0] * a->x.dim[1], width = a->x.dim[2] / a->groups;
    for (int64_t g = 0; g < a->groups; g++) {
        int64_t from = g * width;
        double n = (double)(pixels * width), mean = 0, var = 0;
        for (int64_t i = 0; i < pixels; i++)
            for (int64_t c = from; c < from + width; c++) mean += (double)zis_ref_row(&a->x, i)[c];
        mean /= n;
        for (int64_t i = 0; i < pixels; i++)
            for (int64_t c = from; c < from + width; c++) {
                double d = (double)zis_ref_row(&a->x, i)[c] - mean;
                var += d * d;
            }
        if (!(var + n * mean * mean <= (double)FLT_MAX)) zis_run_fail_numeric(run);
        double r = 1 / sqrt(var / n + (double)a->eps);
        for (int64_t i = 0; i < pixels; i++)
            for (int64_t c = from; c < from + width; c++) {
                double v = ((double)zis_ref_row(&a->x, i)[c] - mean) * r;
                v = v * (double)a->w[c] + (double)a->b[c];
                if (a->add.data) v += (double)zis_ref_row(&a->add, i)[c];
                if (a->silu) v = v / (1 + exp(-v));
                if (a->relu) v = zis_ref_relu(v);
                zis_ref_row(&a->y, i)[c] = (float)v;
            }
    }
}
