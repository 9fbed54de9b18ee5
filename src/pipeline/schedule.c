/* The grid u = linspace(strength, 0, steps + 1) without its last point, then
 * sigma = shift * u / (1 + (shift - 1) * u). */
#include "pipeline/schedule.h"

#include <math.h>

/* torch.linspace(from, 0, n)[i] of current x86 builds: one rounding for each multiply-add, the
 * second half counted back from the end. */
static float linspace(float from, int n, int i)
{
    float step = (0.0f - from) / (float)(n - 1);
    if (i < n / 2) return fmaf(step, (float)i, from);
    return fmaf(-step, (float)(n - 1 - i), 0.0f);
}

void zis_schedule_sigmas(float *sigmas, int steps, double strength, double shift)
{
    float from = (float)strength;
    float k = (float)shift;
    /* DiffSynth subtracts in Python, so in double, and torch rounds the scalar once. */
    float k1 = (float)(shift - 1.0);
    for (int i = 0; i < steps; i++) {
        float u = linspace(from, steps + 1, i);
        float above = k * u;
        float below = 1.0f + k1 * u;
        sigmas[i] = above / below;
    }
}

int zis_schedule_skip(int steps, double strength)
{
    double kept = steps * strength;
    if (kept > steps) kept = steps;
    return (int)(steps - kept);
}

void zis_schedule_taus(float *taus, const float *sigmas, int steps)
{
    for (int i = 0; i < steps; i++) {
        float t = 1000.0f * sigmas[i];
        taus[i] = 1000.0f - t;
    }
}
