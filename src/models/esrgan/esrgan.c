/* esrgan.c - the forward passes (upscale.md 2, 6).
 *
 * A dense block appends the 4 * G channels that its layers make to its input of F, in one picture
 * of F + 4 G channels: nothing is concatenated. Three such pictures take turns through the blocks
 * of an RRDB. The last layers, at four times the side, run in bands of rows, so that their memory
 * is that of the blocks; every band is made of the very same values as the whole. */
#include "models/esrgan/esrgan_impl.h"

#include <stdio.h>

#define SLOPE 0.2f    /* of the activations */
#define RESIDUAL 0.2f /* of a dense block and of an RRDB */
#define BAND_ROWS 64  /* of the result at a time; even */

/* A run on its way. */
typedef struct pass {
    const zis_esrgan *m;
    zis_run *run;
    const zis_esrgan_hooks *hooks;
    bool check; /* every layer, for values that are no numbers */
} pass;

static void watch(const pass *p, const zis_tensor *map, const char *name)
{
    if (p->hooks && p->hooks->watch && !p->run->dry && !zis_run_stopped(p->run))
        p->hooks->watch(p->hooks->arg, p->run, name, map);
}

static void progress(const pass *p, double fraction)
{
    if (p->hooks && p->hooks->progress && !p->run->dry && !zis_run_stopped(p->run))
        p->hooks->progress(p->hooks->arg, fraction);
}

/* There are no norms that would see a bad value where it is made. */
static void check(const pass *p, const zis_tensor *map, const char *name)
{
    char where[64];
    if (!p->check) return;
    snprintf(where, sizeof where, "the upscaler, %s", name);
    p->run->where = where;
    zis_finite(p->run, &(zis_finite_args){*map});
    p->run->where = NULL;
}

/* Channels from .. from + n - 1 of every pixel. */
static zis_tensor channels(const zis_tensor *t, int64_t from, int64_t n)
{
    zis_tensor s = *t;
    s.data = (float *)t->data + from;
    s.dim[2] = n;
    return s;
}

/* Rows from .. from + n - 1 of a picture. */
static zis_tensor rows(const zis_tensor *t, int64_t from, int64_t n)
{
    zis_tensor s = *t;
    s.data = (float *)t->data + from * t->dim[1] * t->stride;
    s.dim[0] = n;
    return s;
}

static zis_conv2d_args conv_of(const zis_esrgan_conv *c, zis_tensor y, zis_tensor x)
{
    return (zis_conv2d_args){.y = y, .x = x, .w = &c->w, .bias = c->b, .stride = 1, .pad = 1};
}

static zis_conv2d_args leaky_of(const zis_esrgan_conv *c, zis_tensor y, zis_tensor x)
{
    zis_conv2d_args a = conv_of(c, y, x);
    a.activation = ZIS_ACTIVATION_LEAKY;
    a.slope = SLOPE;
    return a;
}

/* ---- RRDBNet ------------------------------------------------------------------------------- */

/* y = 0.2 * conv5 + x, with x in the first channels of `wide` [h, w, F + 4 G]. With `start`, the
 * input of the RRDB, also the residual around all its blocks: y = 0.2 * (that) + start. */
static void dense(const pass *p,
                  const zis_esrgan_dense *d,
                  const zis_tensor *wide,
                  zis_tensor y,
                  const zis_tensor *start)
{
    const zis_esrgan_config *c = &p->m->config;
    for (int k = 0; k + 1 < ZIS_ESRGAN_CONVS; k++) {
        int64_t have = c->width + k * c->grow;
        zis_conv2d_args a =
            leaky_of(&d->conv[k], channels(wide, have, c->grow), channels(wide, 0, have));
        zis_conv2d(p->run, &a);
    }
    zis_conv2d_args last = conv_of(&d->conv[ZIS_ESRGAN_CONVS - 1], y, *wide);
    last.add = channels(wide, 0, c->width);
    last.scale = RESIDUAL;
    if (start) {
        last.scale = RESIDUAL * RESIDUAL;
        last.add_scale = RESIDUAL;
        last.more = *start;
    }
    zis_conv2d(p->run, &last);
}

/* f: [h, w, F], conv_first's result; the blocks' is added to it. */
static void run_blocks(const pass *p, zis_tensor f)
{
    const zis_esrgan *m = p->m;
    const zis_esrgan_config *c = &m->config;
    zis_run *run = p->run;
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    int64_t h = f.dim[0], w = f.dim[1], all = c->width + 4 * c->grow;
    zis_tensor wide[ZIS_ESRGAN_DENSE], x[ZIS_ESRGAN_DENSE];
    for (int i = 0; i < ZIS_ESRGAN_DENSE; i++) {
        wide[i] = zis_run_alloc_3d(run, ZIS_DTYPE_F32, h, w, all);
        x[i] = channels(&wide[i], 0, c->width);
    }
    zis_tensor to = zis_tensor_2d(x[0].data, ZIS_DTYPE_F32, h * w, c->width);
    to.stride = x[0].stride;
    zis_unary(run, &(zis_unary_args){.y = to,
                                     .x = zis_tensor_reshape_2d(&f, h * w, c->width),
                                     .f = ZIS_UNARY_COPY});
    for (int i = 0; i < c->blocks; i++) {
        char name[32];
        snprintf(name, sizeof name, "body.%d", i);
        dense(p, &m->blocks[i].dense[0], &wide[0], x[1], NULL);
        if (i == 0) watch(p, &x[1], "body.0.rdb1");
        dense(p, &m->blocks[i].dense[1], &wide[1], x[2], NULL);
        dense(p, &m->blocks[i].dense[2], &wide[2], x[0], &x[0]);
        check(p, &x[0], name);
        watch(p, &x[0], name);
        progress(p, 0.9 * (i + 1) / c->blocks);
    }
    zis_conv2d_args body = conv_of(&m->trunk.body, f, x[0]);
    body.add = f;
    zis_conv2d(run, &body);
    check(p, &f, "conv_body");
    zis_arena_restore(&run->scratch, mark);
}

/* Rows from .. from + n - 1 of the result: a row more on either side for each layer below, where
 * there is one. */
static void run_band(const pass *p, const zis_tensor *up1, zis_tensor y, int64_t from, int64_t n)
{
    const zis_esrgan_trunk *t = &p->m->trunk;
    zis_run *run = p->run;
    int64_t h = y.dim[0], w = y.dim[1], width = p->m->config.width;
    int64_t hr0 = from > 0 ? from - 1 : 0, hr1 = from + n < h ? from + n + 1 : h;
    int64_t up0 = from > 1 ? from - 2 : 0, up1_end = from + n + 2 < h ? from + n + 2 : h;
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    zis_tensor up2 = zis_run_alloc_3d(run, ZIS_DTYPE_F32, up1_end - up0, w, width);
    zis_tensor hr = zis_run_alloc_3d(run, ZIS_DTYPE_F32, hr1 - hr0, w, width);
    zis_conv2d_args a = leaky_of(&t->up2, up2, *up1);
    a.upsample = true;
    a.skip = (int)up0;
    zis_conv2d(run, &a);
    check(p, &up2, "conv_up2");
    a = leaky_of(&t->hr, hr, up2);
    a.skip = (int)(hr0 - up0);
    zis_conv2d(run, &a);
    check(p, &hr, "conv_hr");
    a = conv_of(&t->last, rows(&y, from, n), hr);
    a.skip = (int)(from - hr0);
    zis_conv2d(run, &a);
    zis_arena_restore(&run->scratch, mark);
}

static void run_rrdb(const pass *p, const zis_tensor *x, zis_tensor y)
{
    const zis_esrgan *m = p->m;
    zis_run *run = p->run;
    int64_t h = x->dim[0], w = x->dim[1];
    zis_tensor f = zis_run_alloc_3d(run, ZIS_DTYPE_F32, h, w, m->config.width);
    zis_conv2d_args first = conv_of(&m->trunk.first, f, *x);
    first.exact = true; /* 8-bit levels would not survive bfloat16, and it costs next to nothing */
    zis_conv2d(run, &first);
    check(p, &f, "conv_first");
    watch(p, &f, "conv_first");
    run_blocks(p, f);
    zis_tensor up1 = zis_run_alloc_3d(run, ZIS_DTYPE_F32, 2 * h, 2 * w, m->config.width);
    zis_conv2d_args up = leaky_of(&m->trunk.up1, up1, f);
    up.upsample = true;
    zis_conv2d(run, &up);
    check(p, &up1, "conv_up1");
    for (int64_t i = 0; i < 4 * h && !zis_run_stopped(run); i += BAND_ROWS) {
        run_band(p, &up1, y, i, i + BAND_ROWS < 4 * h ? BAND_ROWS : 4 * h - i);
        progress(p, 0.92 + 0.08 * (double)i / (double)(4 * h));
    }
}

/* ---- SRVGGNetCompact ----------------------------------------------------------------------- */

static void run_srvgg(const pass *p, const zis_tensor *x, zis_tensor y)
{
    const zis_esrgan *m = p->m;
    const zis_esrgan_config *c = &m->config;
    zis_run *run = p->run;
    int64_t h = x->dim[0], w = x->dim[1];
    zis_tensor map[2];
    for (int i = 0; i < 2; i++) map[i] = zis_run_alloc_3d(run, ZIS_DTYPE_F32, h, w, c->width);
    zis_tensor last = zis_run_alloc_3d(run, ZIS_DTYPE_F32, h, w, 3 * (int64_t)c->scale * c->scale);
    zis_tensor from = *x;
    for (int i = 0; i <= c->blocks; i++) {
        zis_conv2d_args a = conv_of(&m->chain[i], map[i % 2], from);
        char name[32];
        a.activation = c->activation;
        a.slope = 0.1f; /* of LEAKY */
        a.slopes = m->chain[i].slopes;
        a.exact = i == 0; /* 8-bit levels would not survive bfloat16 */
        zis_conv2d(run, &a);
        from = a.y;
        snprintf(name, sizeof name, "body.%d", 2 * i);
        check(p, &from, name);
        snprintf(name, sizeof name, "body.%d", 2 * i + 1);
        watch(p, &from, name);
        progress(p, 0.95 * (i + 1) / (c->blocks + 1));
    }
    zis_conv2d_args a = conv_of(&m->chain[c->blocks + 1], last, from);
    zis_conv2d(run, &a);
    zis_pixel_shuffle(run,
                      &(zis_pixel_shuffle_args){.y = y, .x = last, .add = *x, .factor = c->scale});
}

/* ---- door ---------------------------------------------------------------------------------- */

static void run_all(const pass *p, const zis_tensor *x, zis_tensor y)
{
    zis_arena_mark mark = zis_arena_save(&p->run->scratch);
    if (p->m->config.kind == ZIS_ESRGAN_RRDB)
        run_rrdb(p, x, y);
    else
        run_srvgg(p, x, y);
    zis_arena_restore(&p->run->scratch, mark);
    zis_tensor rows = zis_tensor_reshape_2d(&y, y.dim[0], y.dim[1] * 3);
    p->run->where = "the upscaler, its last layer";
    zis_finite(p->run, &(zis_finite_args){rows});
    p->run->where = NULL;
}

/* Once more, with a look at every layer: only a run that has failed pays for it. */
static void find_layer(const pass *p, const zis_tensor *x, zis_tensor y)
{
    const pass closer = {.m = p->m, .run = p->run, .check = true};
    zis_error first = p->run->error;
    zis_run_clear(p->run);
    run_all(&closer, x, y);
    if (!p->run->status) zis_run_fail(p->run, ZIS_NUMERIC, "%s", first.text);
}

zis_status zis_esrgan_run(const zis_esrgan *m,
                          zis_run *run,
                          const zis_tensor *x,
                          zis_tensor y,
                          const zis_esrgan_hooks *hooks,
                          zis_error *err)
{
    int s = m->config.scale * m->config.fold, channels = 3 * m->config.fold * m->config.fold;
    int64_t h = x->dim[0], w = x->dim[1];
    if (x->ndim != 3 || x->dim[2] != channels || h < 1 || w < 1 || h > ZIS_ESRGAN_MAX_SIDE ||
        w > ZIS_ESRGAN_MAX_SIDE || y.ndim != 3 || y.dim[0] != s * h || y.dim[1] != s * w ||
        y.dim[2] != 3)
        return zis_fail(err, ZIS_ARG,
                        "upscaling by %d turns [h, w, %d] into [%d h, %d w, 3], with sides of 1 to "
                        "%d pixels; not %s into %s",
                        m->config.scale, channels, s, s, ZIS_ESRGAN_MAX_SIDE,
                        zis_tensor_shape_text(x, (char[96]){0}, 96),
                        zis_tensor_shape_text(&y, (char[96]){0}, 96));
    pass p = {.m = m, .run = run, .hooks = hooks};
    run_all(&p, x, y);
    if (run->status == ZIS_NUMERIC) find_layer(&p, x, y);
    progress(&p, 1);
    return zis_run_status(run, err);
}
