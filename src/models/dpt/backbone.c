/* backbone.c - the ResNet: convolutions with standardised weights, group norms, ReLU behind the sum
 * (preprocessors.md 5.4). All of it exact. */
#include "models/dpt/dpt_impl.h"

#include <stdio.h>

#define EPS 1e-5f

/* y [h / stride, w / stride, N]; SAME padding of even sides, whose odd row of zeros comes last. */
static void conv(zis_run *run, const zis_weight *w, zis_tensor x, zis_tensor y, int stride)
{
    int k = (int)w->t.dim[2];
    zis_conv2d(
        run, &(zis_conv2d_args){
                 .y = y, .x = x, .w = w, .stride = stride, .pad = (k - stride) / 2, .exact = true});
}

/* In place; add may have no data. */
static void norm(zis_run *run, const zis_dpt_affine *n, zis_tensor x, bool relu, zis_tensor add)
{
    zis_group_norm(run, &(zis_group_norm_args){.y = x,
                                               .x = x,
                                               .w = n->w,
                                               .b = n->b,
                                               .groups = ZIS_DPT_GROUPS,
                                               .eps = EPS,
                                               .relu = relu,
                                               .add = add});
}

static zis_tensor map(zis_run *run, int64_t h, int64_t w, int64_t c)
{
    return zis_run_alloc_3d(run, ZIS_DTYPE_F32, h, w, c);
}

static void run_block(zis_run *run,
                      const zis_dpt_block *b,
                      const zis_dpt_stage *s,
                      bool first,
                      zis_tensor x,
                      zis_tensor y)
{
    const zis_tensor none = {0};
    int stride = first ? s->stride : 1;
    int64_t h = y.dim[0], w = y.dim[1];
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    zis_tensor residual = x;
    if (first) {
        residual = map(run, h, w, s->out);
        conv(run, &b->down, x, residual, stride);
        norm(run, &b->down_norm, residual, false, none);
    }
    zis_tensor narrow = map(run, x.dim[0], x.dim[1], s->mid), next = map(run, h, w, s->mid);
    conv(run, &b->conv[0], x, narrow, 1);
    norm(run, &b->norm[0], narrow, true, none);
    conv(run, &b->conv[1], narrow, next, stride);
    norm(run, &b->norm[1], next, true, none);
    conv(run, &b->conv[2], next, y, 1);
    norm(run, &b->norm[2], y, true, residual);
    zis_arena_restore(&run->scratch, mark);
}

/* [h/4, w/4, 64] */
static void run_stem(const zis_dpt_pass *p, const zis_tensor *planes, zis_tensor y)
{
    zis_run *run = p->run;
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    zis_tensor pixels = map(run, p->h, p->w, 3), wide = map(run, p->h / 2, p->w / 2, 64);
    zis_planes_to_pixels(run, &(zis_planes_args){.y = pixels, .x = *planes, .mul = 1});
    conv(run, &p->m->stem, pixels, wide, 2);
    norm(run, &p->m->stem_norm, wide, true, (zis_tensor){0});
    zis_max_pool(run, &(zis_max_pool_args){.y = y, .x = wide, .k = 3, .stride = 2});
    zis_arena_restore(&run->scratch, mark);
    zis_dpt_show(p, "stem", &y);
}

void zis_dpt_run_backbone(const zis_dpt_pass *p,
                          const zis_tensor *planes,
                          zis_tensor stage[ZIS_DPT_STAGES])
{
    zis_run *run = p->run;
    int64_t h = p->h / 4, w = p->w / 4;
    zis_tensor x;
    for (int s = 0; s < ZIS_DPT_STAGES; s++) {
        const zis_dpt_stage *d = &zis_dpt_stages[s];
        stage[s] = map(run, h >> s, w >> s, d->out);
    }
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    x = map(run, h, w, 64);
    run_stem(p, planes, x);
    for (int s = 0; s < ZIS_DPT_STAGES; s++) {
        const zis_dpt_stage *d = &zis_dpt_stages[s];
        /* two maps take turns, so that the last block fills the one that is kept */
        zis_tensor turn[2] = {stage[s], map(run, h >> s, w >> s, d->out)};
        for (int i = 0; i < d->blocks; i++) {
            zis_tensor y = turn[(d->blocks - 1 - i) % 2];
            run_block(run, &p->m->block[s][i], d, i == 0, x, y);
            x = y;
        }
        char name[16];
        snprintf(name, sizeof name, "stage%d", s);
        zis_dpt_show(p, name, &x);
    }
    zis_arena_restore(&run->scratch, mark);
}
