/* schedule.h - the noise levels of a run: DiffSynth's flow-match schedule (scheduler.md 1).
 *
 * Threads: pure functions. */
#ifndef ZIS_PIPELINE_SCHEDULE_H
#define ZIS_PIPELINE_SCHEDULE_H

/* sigmas[0 .. steps-1], without the closing 0: `steps` values that fall from near `strength` (1 for
 * text to image), bent by `shift`. Float32, the products and sums rounded where PyTorch rounds
 * them, so the values are its own, bit for bit. steps >= 1, 0 <= strength <= 1, shift > 0. */
void zis_schedule_sigmas(float *sigmas, int steps, double strength, double shift);

/* How many of the steps of the whole schedule (strength 1) diffusers leaves out in image to image;
 * all of them at strength 0. */
int zis_schedule_skip(int steps, double strength);

/* taus[i] = 1000 - 1000 * sigma: the time that the transformer is given (scheduler.md 3, without
 * the roundings to bfloat16). May be done in place. */
void zis_schedule_taus(float *taus, const float *sigmas, int steps);

#endif
