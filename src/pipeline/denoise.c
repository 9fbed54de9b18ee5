/* The loop over the steps. Guidance as DiffSynth has it (scheduler.md 4). */
#include "pipeline/denoise.h"

#include "base/mem.h"
#include "pipeline/sampler.h"
#include "pipeline/schedule.h"

#include <stdlib.h>
#include <string.h>

#define RESIDENT_PASSES 3

/* Everything that stays in place during the loop; in the run's scratch. */
typedef struct loop {
    zis_zimage_times times;
    zis_zimage_prompt prompt[2]; /* with the prompt, with the negative one */
    zis_zimage_size size[2];
    zis_control_hints hints;
    int passes;
    bool shared;     /* both passes have the same size */
    zis_tensor v[2]; /* [C, h, w] velocities */
    zis_sampler_step step;
    zis_tensor x0, mask, back;  /* [C, h, w] of inpainting, or no data: back is (z - x0) / sigma */
    float *estimate, *velocity; /* [C, h, w] on the host, for previews; or NULL */
    /* for the progress within a step */
    const zis_denoise_args *args;
    int index, pass;
} loop;

/* Called after each block of a pass, with its name "layers.K". */
static void on_block(void *arg, zis_run *run, const char *name, const zis_tensor *t)
{
    const loop *l = arg;
    const char *dot = strncmp(name, "layers.", 7) == 0 ? strchr(name, '.') : NULL;
    double layers = (double)zis_zimage_get_config(l->args->model)->layers;
    (void)run;
    (void)t;
    if (!dot) return;
    double part = (atoi(dot + 1) + 1) / layers;
    /* The last block of the last pass is told when the step is taken. */
    if (part >= 1 && l->pass + 1 == l->passes) return;
    l->args->progress(l->args->arg, l->index + (l->pass + part) / l->passes);
}

static zis_status make_pass(loop *l, zis_run *run, const zis_denoise_args *a, int i, zis_error *err)
{
    const zis_denoise_text *text = i ? &a->negative : &a->prompt;
    int64_t width = zis_zimage_get_config(a->model)->cap_dim;
    zis_tensor features = zis_run_alloc_2d(run, ZIS_DTYPE_F32, text->n, width);
    zis_run_upload(run, &features, text->features);
    zis_status st =
        zis_zimage_prompt_make(a->model, run, &features, &l->prompt[i], NULL, NULL, err);
    if (st) return st;
    /* Positions depend on the padded length of the caption alone. */
    if (i && l->prompt[i].cap.dim[0] == l->prompt[0].cap.dim[0]) {
        l->size[i] = l->size[0];
        l->shared = true;
        return ZIS_OK;
    }
    return zis_zimage_size_make(a->model, run, a->h, a->w, &l->prompt[i], &l->size[i], err);
}

/* Whether any step is under control. */
static bool controls(const zis_denoise_args *a)
{
    return a->control.net && a->control.scale != 0 && a->control.first < a->control.end;
}

static zis_status make_hints(loop *l, zis_run *run, const zis_denoise_args *a, zis_error *err)
{
    const zis_denoise_control *c = &a->control;
    zis_tensor context =
        zis_run_alloc_3d(run, ZIS_DTYPE_F32, zis_control_get_info(c->net)->channels, a->h, a->w);
    zis_run_upload(run, &context, c->context);
    return zis_control_hints_make(c->net, a->model, run, &l->times, &l->size[0], &context, c->scale,
                                  &l->hints, err);
}

/* One mask for all channels. */
static void upload_mask(loop *l, zis_run *run, const zis_denoise_args *a)
{
    int64_t channels = l->step.z.dim[0];
    l->x0 = zis_run_alloc_3d(run, ZIS_DTYPE_F32, channels, a->h, a->w);
    l->mask = zis_run_alloc_3d(run, ZIS_DTYPE_F32, channels, a->h, a->w);
    l->back = zis_run_alloc_3d(run, ZIS_DTYPE_F32, channels, a->h, a->w);
    zis_run_upload(run, &l->x0, a->x0);
    zis_tensor rows = zis_tensor_reshape_2d(&l->mask, channels * a->h, a->w);
    for (int64_t c = 0; c < channels; c++) {
        zis_tensor plane = zis_tensor_row_slice(&rows, c * a->h, a->h);
        zis_run_upload(run, &plane, a->mask);
    }
}

static zis_status prepare(loop *l, zis_run *run, const zis_denoise_args *a, zis_error *err)
{
    const zis_sampler *sampler = zis_sampler_at(a->sampler);
    int64_t channels = zis_zimage_get_config(a->model)->in_channels;
    float *taus = zis_mem_alloc((size_t)a->steps, sizeof *taus);
    if (!taus) return zis_fail_nomem(err, "the time steps");
    zis_schedule_taus(taus, a->sigmas, a->steps);
    zis_status st = zis_zimage_times_make(a->model, run, taus, a->steps, &l->times, err);
    free(taus);
    l->passes = a->negative.n > 0 ? 2 : 1;
    for (int i = 0; i < l->passes && !st; i++) st = make_pass(l, run, a, i, err);
    if (!st && controls(a)) st = make_hints(l, run, a, err);
    if (st) return st;
    l->step.z = zis_run_alloc_3d(run, ZIS_DTYPE_F32, channels, a->h, a->w);
    for (int i = 0; i < l->passes; i++)
        l->v[i] = zis_run_alloc_3d(run, ZIS_DTYPE_F32, channels, a->h, a->w);
    for (int i = 0; i < sampler->keeps; i++)
        l->step.keep[i] = zis_run_alloc_3d(run, ZIS_DTYPE_F32, channels, a->h, a->w);
    l->step.v = l->v[0];
    if (a->masked) upload_mask(l, run, a);
    return zis_run_status(run, err);
}

/* Velocities of one step. With captions of the same padded length the two passes differ only from
 * the joint blocks on. */
static zis_status evaluate(
    loop *l, zis_run *run, const zis_denoise_args *a, int i, bool control, zis_error *err)
{
    const zis_control_hints *hints = control ? &l->hints : NULL;
    const zis_tensor *z = &l->step.z;
    zis_zimage_watch *watch = a->progress ? on_block : NULL;
    zis_status st = ZIS_OK;
    l->index = i;
    if (!l->shared) {
        for (int p = 0; p < l->passes && !st; p++) {
            l->pass = p;
            st = zis_zimage_step(a->model, run, &l->times, i, &l->size[p], &l->prompt[p], hints, z,
                                 -1.0f, l->v[p], watch, l, err);
        }
        return st;
    }
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    zis_tensor image =
        zis_run_alloc_2d(run, ZIS_DTYPE_F32, l->size[0].rows, zis_zimage_get_config(a->model)->dim);
    st = zis_run_status(run, err);
    if (!st)
        st = zis_zimage_refine(a->model, run, &l->times, i, &l->size[0], hints, z, image, NULL,
                               NULL, err);
    for (int p = 0; p < 2 && !st; p++) {
        l->pass = p;
        st = zis_zimage_join(a->model, run, &l->times, i, &l->size[p], &l->prompt[p], hints, &image,
                             -1.0f, l->v[p], watch, l, err);
    }
    zis_arena_restore(&run->scratch, mark);
    return st;
}

/* The velocity of what is kept leads straight to x0. At sigma 0 nothing moves any more. */
static void keep_masked(loop *l, zis_run *run, float sigma)
{
    if (!l->mask.data || sigma == 0) return;
    zis_affine(run, &(zis_affine_args){.y = l->back, .x = l->step.z, .z = l->x0, .a = 1, .b = -1});
    zis_affine(run, &(zis_affine_args){.y = l->back, .x = l->back, .a = 1 / sigma});
    zis_mix(run, &(zis_mix_args){.y = l->v[0], .x = l->back, .z = l->v[0], .m = l->mask});
}

/* The estimate leaves the device at a step's end alone, where nothing is enqueued behind it. */
static void show(loop *l, zis_run *run, const zis_denoise_args *a, int i)
{
    size_t n = (size_t)zis_tensor_count(&l->step.z);
    zis_run_download(run, l->estimate, &l->step.z);
    zis_run_download(run, l->velocity, &l->v[0]);
    if (zis_run_stopped(run)) return;
    for (size_t k = 0; k < n; k++) l->estimate[k] -= a->sigmas[i] * l->velocity[k];
    a->preview(a->arg, i + 1, l->estimate);
}

static zis_status make_room_to_show(loop *l, zis_error *err)
{
    size_t n = (size_t)zis_tensor_count(&l->step.z);
    l->estimate = zis_mem_alloc(n, sizeof *l->estimate);
    l->velocity = zis_mem_alloc(n, sizeof *l->velocity);
    return l->estimate && l->velocity ? ZIS_OK : zis_fail_nomem(err, "the preview");
}

static zis_status take_step(
    loop *l, zis_run *run, const zis_denoise_args *a, int i, bool control, zis_error *err)
{
    zis_status st = evaluate(l, run, a, i, control, err);
    if (st) return st;
    if (l->passes == 2)
        zis_guide(run,
                  &(zis_guide_args){.y = l->v[0], .pos = l->v[0], .neg = l->v[1], .s = a->cfg});
    keep_masked(l, run, a->sigmas[i]);
    if (l->estimate && i + 1 < a->steps) show(l, run, a, i);
    l->step.index = i;
    l->step.sigma = a->sigmas[i];
    l->step.next = i + 1 < a->steps ? a->sigmas[i + 1] : 0.0f;
    zis_sampler_at(a->sampler)->step(run, &l->step);
    return zis_run_status(run, err);
}

/* In a dry run. */
static zis_status count_steps(
    loop *l, zis_run *run, const zis_denoise_args *a, zis_denoise_cost *cost, zis_error *err)
{
    double flops = run->flops, bytes = run->bytes;
    zis_denoise_cost c = cost ? *cost : (zis_denoise_cost){0};
    zis_status st = take_step(l, run, a, 0, false, err);
    c.step_flops = run->flops - flops;
    c.step_bytes = run->bytes - bytes;
    flops = run->flops;
    bytes = run->bytes;
    if (!st && controls(a)) st = take_step(l, run, a, 0, true, err);
    c.control_flops = run->flops - flops;
    c.control_bytes = run->bytes - bytes;
    if (cost) *cost = c;
    return st;
}

zis_status zis_denoise_run(
    zis_run *run, const zis_denoise_args *a, float *latents, zis_denoise_cost *cost, zis_error *err)
{
    loop l = {.args = a};
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    double flops = run->flops, bytes = run->bytes;
    zis_status st = prepare(&l, run, a, err);
    if (!st && a->preview && !run->dry) st = make_room_to_show(&l, err);
    if (st) goto out;
    if (cost) {
        cost->embed_flops = run->flops - flops;
        cost->embed_bytes = run->bytes - bytes;
    }
    zis_run_upload(run, &l.step.z, latents);
    if (a->progress) a->progress(a->arg, 0);
    if (run->dry) {
        st = count_steps(&l, run, a, cost, err);
        goto out;
    }
    /* moving the weights costs about half a pass and saves a tenth of each later one */
    if (a->steps * l.passes >= RESIDENT_PASSES) run->resident = zis_zimage_resident(a->model);
    l.hints.resident = (a->control.end - a->control.first) * l.passes >= RESIDENT_PASSES;
    for (int i = 0; i < a->steps && !st; i++) {
        bool control = controls(a) && i >= a->control.first && i < a->control.end;
        st = take_step(&l, run, a, i, control, err);
        if (!st && a->progress) a->progress(a->arg, i + 1);
    }
    if (st) goto out;
    zis_run_download(run, latents, &l.step.z);
    st = zis_run_status(run, err);
out:
    free(l.estimate);
    free(l.velocity);
    run->resident = NULL;
    zis_arena_restore(&run->scratch, mark);
    return st;
}
