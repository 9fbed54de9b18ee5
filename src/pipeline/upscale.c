/* Tiles, one after the other; rows of tiles to whoever wants them. */
#include "pipeline/upscale.h"

#include "base/mem.h"
#include "base/os.h"
#include "models/preprocess/resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Sides that tiles of one picture can have: first, inner, last, and some more where they are
 * smaller than their overlap. */
#define MAX_SIDES 16

/* One axis of a tile. */
typedef struct span {
    int from, n;   /* with the overlap */
    int skip, own; /* of it: what belongs to the tile */
} span;

static int64_t whole(int64_t n, int fold)
{
    return (n + fold - 1) / fold * fold;
}

/* Begins and ends at whole folds, beyond the picture's end where it must: there it is mirrored. */
static span span_of(int index, const zis_upscale_job *job, int all)
{
    int fold = zis_esrgan_get_config(job->model)->fold, tile = job->tile, pad = job->pad;
    int64_t lo = (int64_t)index * tile, hi = lo + tile < all ? lo + tile : all;
    int64_t from = lo > pad ? lo - pad : 0, to = hi + pad < all ? hi + pad : all;
    from -= from % fold;
    to = whole(to, fold);
    return (span){(int)from, (int)(to - from), (int)(lo - from), (int)(hi - lo)};
}

static int tiles_along(int all, int tile)
{
    return (int)(((int64_t)all + tile - 1) / tile);
}

/* ---- plan ---------------------------------------------------------------------------------- */

/* The lengths that occur along an axis, and how often. */
typedef struct lengths {
    int length[MAX_SIDES], times[MAX_SIDES];
    int n;
} lengths;

static lengths lengths_of(int all, const zis_upscale_job *job)
{
    lengths l = {0};
    for (int i = 0; i < tiles_along(all, job->tile); i++) {
        int n = span_of(i, job, all).n, k = 0;
        while (k < l.n && l.length[k] != n) k++;
        if (k == MAX_SIDES) k = MAX_SIDES - 1; /* counted as another: the plan stays close */
        if (k == l.n) l.length[l.n++] = n;
        if (l.length[k] < n) l.length[k] = n;
        l.times[k]++;
    }
    return l;
}

/* A tile of h x w: upscaled on the run, or dry. x: [h, w, 3], folded, on the host, y: takes
 * [s h, s w, 3]; both NULL where it is dry. */
static zis_status run_tile(const zis_esrgan *m,
                           zis_run *run,
                           int h,
                           int w,
                           const float *x,
                           float *y,
                           const zis_esrgan_hooks *hooks,
                           zis_error *err)
{
    int s = zis_esrgan_get_config(m)->scale, f = zis_esrgan_get_config(m)->fold;
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    zis_tensor in = zis_run_alloc_3d(run, ZIS_DTYPE_F32, h / f, w / f, 3 * f * f);
    zis_tensor out = zis_run_alloc_3d(run, ZIS_DTYPE_F32, (int64_t)s * h, (int64_t)s * w, 3);
    zis_status st = zis_run_status(run, err);
    if (!st) {
        zis_run_upload(run, &in, x);
        st = zis_esrgan_run(m, run, &in, out, hooks, err);
    }
    if (!st) {
        zis_run_download(run, y, &out);
        st = zis_run_status(run, err);
    }
    zis_arena_restore(&run->scratch, mark);
    return st;
}

/* Adds what one pass over a picture of w x h needs. */
static zis_status plan_pass(const zis_upscale_job *job,
                            const zis_run *like,
                            int w,
                            int h,
                            zis_upscale_plan *p,
                            zis_error *err)
{
    lengths across = lengths_of(w, job), down = lengths_of(h, job);
    for (int i = 0; i < across.n; i++)
        for (int k = 0; k < down.n; k++) {
            zis_run dry;
            zis_run_init_dry(&dry, like);
            zis_status st =
                run_tile(job->model, &dry, down.length[k], across.length[i], NULL, NULL, NULL, err);
            if (st) return st;
            double times = (double)across.times[i] * down.times[k];
            if (p->scratch < dry.scratch.peak) p->scratch = dry.scratch.peak;
            p->flops += times * dry.flops;
            p->bytes += times * dry.bytes;
        }
    int64_t tiles = (int64_t)tiles_along(w, job->tile) * tiles_along(h, job->tile);
    if (tiles > 1000000)
        return zis_fail(err, ZIS_ARG, "tiles of %d pixels are too small for a picture of %d x %d",
                        job->tile, w, h);
    p->tiles += (int)tiles;
    p->passes++;
    return ZIS_OK;
}

static zis_status check(const zis_upscale_job *job, zis_error *err)
{
    if (job->tile < 1 || job->pad < 0 || job->tile > ZIS_ESRGAN_MAX_SIDE / 2 ||
        job->pad > ZIS_ESRGAN_MAX_SIDE / 4)
        return zis_fail(err, ZIS_ARG, "tiles of %d pixels with an overlap of %d cannot be made",
                        job->tile, job->pad);
    if (job->in->channels != 3)
        return zis_fail(err, ZIS_ARG, "a picture to be upscaled is RGB, not of %d channels",
                        job->in->channels);
    return ZIS_OK;
}

/* Whether the network must run once more to reach the size, and its result can be held. */
static bool once_more(int scale, int64_t w, int64_t h, int width, int height)
{
    return scale > 1 && (scale * w < width || scale * h < height) &&
           scale * w * scale * h <= ZIS_IMAGE_MAX_PIXELS;
}

zis_status zis_upscale_plan_make(const zis_upscale_job *job,
                                 const zis_run *like,
                                 int width,
                                 int height,
                                 zis_upscale_plan *out,
                                 zis_error *err)
{
    int s = zis_esrgan_get_config(job->model)->scale;
    int w = job->in->width, h = job->in->height;
    zis_upscale_plan p = {0};
    zis_status st = check(job, err);
    if (!st) st = plan_pass(job, like, w, h, &p, err);
    while (!st && once_more(s, w, h, width, height)) {
        w *= s;
        h *= s;
        st = plan_pass(job, like, w, h, &p, err);
    }
    if (!st) *out = p;
    return st;
}

static zis_status reserve(const zis_upscale_job *job,
                          zis_run *run,
                          const zis_upscale_plan *p,
                          zis_error *err)
{
    uint64_t have = zis_os_memory();
    zis_status st = ZIS_NOMEM;
    if (!have || p->scratch <= have) st = zis_run_reserve(run, p->scratch, NULL);
    if (st != ZIS_NOMEM) return st ? zis_fail(err, st, "no working memory") : ZIS_OK;
    return zis_fail(err, ZIS_NOMEM,
                    "upscaling in tiles of %d pixels needs %.2f GB of working memory, more than "
                    "the system gives; choose a smaller --tile",
                    job->tile, (double)p->scratch * 1e-9);
}

/* ---- passes -------------------------------------------------------------------------------- */

/* Takes a row of tiles: rows first .. first + band->height - 1 of the enlarged picture. */
typedef zis_status take_band(void *arg, int first, const zis_image *band, zis_error *err);

/* One pass on its way. */
typedef struct pass {
    const zis_upscale_job *job;
    zis_run *run;
    const zis_image *in;
    int scale;
    int done, of; /* tiles, of all passes */
    float *x, *y; /* of the largest tile */
    zis_image band;
} pass;

static void report(const pass *p, double within)
{
    if (p->job->progress) p->job->progress(p->job->arg, p->done, p->of, (p->done + within) / p->of);
}

static void on_progress(void *arg, double fraction)
{
    const pass *p = arg;
    if (fraction < 1) report(p, fraction);
}

/* The pixel at `at`, or what mirrors it at the picture's end. */
static int mirrored(int at, int all)
{
    if (at >= all) at = 2 * (all - 1) - at;
    return at < 0 ? 0 : at;
}

/* Folded as esrgan.h says. */
static void read_tile(const pass *p, const span *across, const span *down)
{
    int f = zis_esrgan_get_config(p->job->model)->fold;
    for (int y = 0; y < down->n; y++) {
        const uint8_t *row = p->in->data + (size_t)mirrored(down->from + y, p->in->height) *
                                               (size_t)p->in->width * 3;
        for (int x = 0; x < across->n; x++) {
            const uint8_t *from = row + (size_t)mirrored(across->from + x, p->in->width) * 3;
            float *to = p->x + ((size_t)(y / f) * (size_t)(across->n / f) + (size_t)(x / f)) * 3 *
                                   (size_t)(f * f);
            for (int c = 0; c < 3; c++) to[c * f * f + y % f * f + x % f] = (float)from[c] / 255.0f;
        }
    }
}

/* Clamped, times 255, half-way cases to the even level (upscale.md 3). */
static void write_tile(const pass *p, const span *across, const span *down)
{
    int s = p->scale;
    for (int i = 0; i < s * down->own; i++) {
        const float *from = p->y + ((size_t)(s * down->skip + i) * (size_t)(s * across->n) +
                                    (size_t)(s * across->skip)) *
                                       3;
        uint8_t *to =
            p->band.data +
            ((size_t)i * (size_t)p->band.width + (size_t)(s * (across->from + across->skip))) * 3;
        for (int k = 0; k < 3 * s * across->own; k++) {
            float v = from[k];
            v = v > 0.0f ? v < 1.0f ? v : 1.0f : 0.0f;
            to[k] = (uint8_t)lrintf(v * 255.0f);
        }
    }
}

static zis_status one_tile(pass *p, int tx, int ty, zis_error *err)
{
    span across = span_of(tx, p->job, p->in->width);
    span down = span_of(ty, p->job, p->in->height);
    zis_esrgan_hooks hooks = {.arg = p, .progress = on_progress};
    read_tile(p, &across, &down);
    zis_status st = run_tile(p->job->model, p->run, down.n, across.n, p->x, p->y, &hooks, err);
    if (st) return st;
    write_tile(p, &across, &down);
    p->done++;
    report(p, 0);
    return ZIS_OK;
}

/* Memory for the largest tile and for a row of tiles. A band may have more pixels than a picture.
 */
static zis_status make_room(pass *p, zis_error *err)
{
    int f = zis_esrgan_get_config(p->job->model)->fold;
    size_t side_x = (size_t)(p->job->tile + 2 * p->job->pad + 2 * f), side_y = side_x;
    size_t s = (size_t)p->scale, rows = (size_t)p->job->tile;
    size_t all_x = (size_t)whole(p->in->width, f), all_y = (size_t)whole(p->in->height, f);
    if (side_x > all_x) side_x = all_x;
    if (side_y > all_y) side_y = all_y;
    if (rows > (size_t)p->in->height) rows = (size_t)p->in->height;
    p->band.width = (int)s * p->in->width;
    p->band.channels = 3;
    p->x = zis_mem_alloc(3 * side_x * side_y, sizeof *p->x);
    p->y = zis_mem_alloc(3 * s * side_x * s * side_y, sizeof *p->y);
    p->band.data = zis_mem_alloc(s * rows * s * (size_t)p->in->width, 3);
    return p->x && p->y && p->band.data ? ZIS_OK : zis_fail_nomem(err, "the upscaled picture");
}

static zis_status run_pass(pass *p, const zis_image *in, take_band *take, void *arg, zis_error *err)
{
    p->in = in;
    zis_status st = make_room(p, err);
    for (int ty = 0; ty < tiles_along(in->height, p->job->tile) && !st; ty++) {
        span down = span_of(ty, p->job, in->height);
        p->band.height = p->scale * down.own;
        for (int tx = 0; tx < tiles_along(in->width, p->job->tile) && !st; tx++)
            st = one_tile(p, tx, ty, err);
        if (!st) st = take(arg, p->scale * (down.from + down.skip), &p->band, err);
    }
    free(p->x);
    free(p->y);
    free(p->band.data);
    p->x = p->y = NULL;
    p->band.data = NULL;
    return st;
}

static zis_status keep_band(void *arg, int first, const zis_image *band, zis_error *err)
{
    zis_image *to = arg;
    (void)err;
    memcpy(to->data + (size_t)first * (size_t)to->width * 3, band->data,
           (size_t)band->height * (size_t)band->width * 3);
    return ZIS_OK;
}

static zis_status narrow_band(void *arg, int first, const zis_image *band, zis_error *err)
{
    return zis_resize_pillow_across(arg, first, band, err);
}

/* A pass whose result is held. */
static zis_status hold(pass *p, const zis_image *in, zis_image **out, zis_error *err)
{
    zis_image *big = NULL;
    int64_t w = (int64_t)p->scale * in->width, h = (int64_t)p->scale * in->height;
    if (w * h > ZIS_IMAGE_MAX_PIXELS)
        return zis_fail(err, ZIS_ARG, "%d times a picture of %d x %d has more than %d megapixels",
                        p->scale, in->width, in->height, ZIS_IMAGE_MAX_PIXELS / 1000000);
    zis_status st = zis_image_create(&big, (int)w, (int)h, 3, err);
    if (!st) st = run_pass(p, in, keep_band, big, err);
    if (st)
        zis_image_destroy(&big);
    else
        *out = big;
    return st;
}

/* The last pass: rows of tiles to the width as they come, then the height. */
static zis_status finish(
    pass *p, const zis_image *in, int width, int height, zis_image **out, zis_error *err)
{
    zis_image wide = {.width = width, .height = p->scale * in->height, .channels = 3};
    wide.data = zis_mem_alloc((size_t)wide.width * (size_t)wide.height, 3);
    if (!wide.data) return zis_fail_nomem(err, "the upscaled picture");
    zis_status st = run_pass(p, in, narrow_band, &wide, err);
    if (!st) st = zis_resize_pillow_down(out, &wide, height, err);
    free(wide.data);
    return st;
}

zis_status zis_upscale_whole(const zis_upscale_job *job,
                             zis_run *run,
                             zis_image **out,
                             zis_error *err)
{
    zis_upscale_plan plan;
    pass p = {.job = job, .run = run, .scale = zis_esrgan_get_config(job->model)->scale};
    zis_status st = zis_upscale_plan_make(job, run, 1, 1, &plan, err);
    if (!st) st = reserve(job, run, &plan, err);
    p.of = plan.tiles;
    return st ? st : hold(&p, job->in, out, err);
}

zis_status zis_upscale_to(const zis_upscale_job *job,
                          zis_run *run,
                          int width,
                          int height,
                          zis_image **out,
                          zis_upscale_plan *plan_out,
                          zis_error *err)
{
    zis_image *held = NULL, *img = NULL;
    zis_upscale_plan plan = {0};
    pass p = {.job = job, .run = run, .scale = zis_esrgan_get_config(job->model)->scale};
    /* Before any work: a size that no picture may have. */
    zis_status st = zis_image_create(&img, width, height, 3, err);
    zis_image_destroy(&img);
    if (!st) st = zis_upscale_plan_make(job, run, width, height, &plan, err);
    if (!st) st = reserve(job, run, &plan, err);
    if (!st) {
        p.of = plan.tiles;
        report(&p, 0);
    }
    const zis_image *in = job->in;
    while (!st && once_more(p.scale, in->width, in->height, width, height)) {
        zis_image *big = NULL;
        st = hold(&p, in, &big, err);
        zis_image_destroy(&held);
        held = big;
        if (!st) in = held;
    }
    if (!st) st = finish(&p, in, width, height, &img, err);
    zis_image_destroy(&held);
    if (st) return st;
    *out = img;
    if (plan_out) *plan_out = plan;
    return ZIS_OK;
}
