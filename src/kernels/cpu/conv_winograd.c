/* conv_winograd.c - 3x3 convolution, stride 1, by Winograd's minimal products (micro_wino.h): a
 * tile of 6x6 outputs takes 64 products a pair of channels in place of 324, one of 4x4 takes 36 of
 * 144. float32 whatever the math.
 *
 * A strip of tile rows at a time: its input is normalised and padded once (conv.h), transformed to
 * V [points^2][tiles][C] by all threads, and then each thread takes panels of nr output channels:
 * it transforms their weights, a chunk of input channels at a time, multiplies, and transforms the
 * sums M [points^2][tiles][nr] back into pixels. Transformed weights are never stored whole: they
 * would be many times the bfloat16 ones, and making them costs a few percent of a strip.
 *
 * A convolution of a picture that is doubled first (nearest) is four convolutions of the original
 * with 2x2 taps, one for each parity of the output's row and column. Tiles of 5x5 outputs of all
 * four read the same 6x6 inputs: one V serves them, and 100 outputs take 144 products. */
#include "kernels/cpu/conv.h"

/* Aimed at in a strip: what V and M hold in the outer caches, in planes times tiles. */
#define PLANE_TILES (36 * 256)
#define INPUT_TILES 8 /* that one task transforms */
/* Input channels of a row of planes whose transformed weights lie in the cache at once: 512 KB. */
#define CHUNK 512
#define TAPS 128 /* input channels whose weights are widened at once */

typedef struct winograd_job {
    const zis_conv *v;
    const zis_micro_winograd *w;
    int planes, parities;              /* points^2; 1, or 4 when folded */
    int64_t tile_rows, tiles_x, tiles; /* of the strip */
    int64_t first;                     /* tile row */
    int parts;                         /* a panel's tiles go to so many tasks */
    int64_t v_row;                     /* floats from one tile of V to the next */
    int64_t v_plane;
    float *in;  /* V [planes] */
    size_t own; /* floats of scratch a thread */
    float *scratch;
    int64_t u_plane, m_plane;
} winograd_job;

static void input_task(void *arg, int index, int thread)
{
    (void)thread;
    const winograd_job *j = arg;
    const zis_conv *v = j->v;
    int64_t from = (int64_t)index * INPUT_TILES, row = v->strip_cols * v->c;
    for (int64_t t = from; t < zis_min64(j->tiles, from + INPUT_TILES); t++) {
        int64_t y = t / j->tiles_x * j->w->outputs, x = t % j->tiles_x * j->w->outputs;
        j->w->input(j->in + t * j->v_row, j->v_plane, v->strip + y * row + x * v->c, row, v->c,
                    v->c);
    }
}

/* The taps of a panel of outputs from n0, widened: [C][9][nr]. */
static void load_taps(const winograd_job *j, float *taps, float *rows, int64_t n0)
{
    const zis_conv *v = j->v;
    const zis_micro *m = v->m;
    const zis_tensor *w = &v->a->w->t;
    size_t bytes = (size_t)zis_dtype_get(w->dtype)->bytes;
    int lanes = (int)zis_min64(m->nr, v->n - n0);
    for (int64_t c0 = 0; c0 < v->c; c0 += TAPS) {
        int64_t n = zis_min64(TAPS, v->c - c0);
        for (int l = 0; l < lanes; l++)
            m->to_f32(rows + l * n * 9,
                      (const char *)w->data + (size_t)(((n0 + l) * v->c + c0) * 9) * bytes,
                      w->dtype, n * 9);
        m->pack_f32(taps + c0 * 9 * m->nr, rows, n * 9, lanes, n * 9, 1.0f);
    }
}

static int clamp(int64_t n, int most)
{
    return n < 0 ? 0 : n > most ? most : (int)n;
}

/* Tiles first .. first+tiles-1 of the strip. Where the picture is doubled, outputs of parity p
 * along an axis are numbered from -p: a tile's window holds the inputs of both. */
static void output_tiles(
    const winograd_job *j, const float *sums, int64_t n0, int64_t first, int64_t tiles, int parity)
{
    const zis_conv *v = j->v;
    const zis_conv2d_args *a = v->a;
    int m = j->w->outputs, py = parity / 2, px = parity % 2;
    int64_t apart = j->parities > 1 ? 2 : 1;
    int64_t rows = v->out_h / apart, cols = v->out_w / apart;
    zis_micro_wino_out out = {.finish = zis_cpu_conv_finish(v, n0)};
    for (int64_t i = 0; i < tiles; i++) {
        int64_t t = first + i;
        int64_t y = (j->first + t / j->tiles_x) * m - py, x = t % j->tiles_x * m - px;
        int64_t row = apart * y + py, col = apart * x + px;
        out.y = zis_cpu_conv_pixels(&a->y, row, col, apart, n0);
        out.add = zis_cpu_conv_pixels(&a->add, row, col, apart, n0);
        out.more = zis_cpu_conv_pixels(&a->more, row, col, apart, n0);
        out.top = clamp(-y, m);
        out.left = clamp(-x, m);
        out.bottom = clamp(rows - y, m);
        out.right = clamp(cols - x, m);
        j->w->output(&out, sums + i * v->m->nr, j->m_plane, zis_min64(v->m->nr, v->n - n0));
    }
}

/* Sums of plane p over channels c0 .. c0+n-1 of the tiles from `first`. */
static void multiply_plane(const winograd_job *j,
                           int p,
                           int64_t c0,
                           int64_t n,
                           int64_t n0,
                           int64_t first,
                           int64_t tiles,
                           const float *u,
                           float *sums)
{
    const zis_micro *m = j->v->m;
    const float *in = j->in + p * j->v_plane + first * j->v_row + c0;
    zis_cpu_product product = {
        .r = (const unsigned char *)in,
        .r_stride = j->v_row * 4,
        /* the next tiles; behind the last ones of a plane lies the next plane */
        .ahead = (const unsigned char *)(in + m->mr * j->v_row),
        .ahead_stride = j->v_row * 4,
        .v = (const unsigned char *)u,
        .c = sums + p * j->m_plane,
        .rows = tiles,
        .steps = n,
        .vectors = zis_cpu_vectors(m, j->v->n - n0),
        .add = c0 > 0,
    };
    zis_cpu_multiply(m, ZIS_CPU_F32, &product);
}

static void product_task(void *arg, int index, int thread)
{
    const winograd_job *j = arg;
    const zis_conv *v = j->v;
    const zis_micro *m = v->m;
    float *u = j->scratch + (size_t)thread * j->own;
    float *sums = u + j->w->points * j->u_plane;
    float *taps = sums + j->planes * j->m_plane, *rows = taps + v->c * 9 * m->nr;
    int points = j->w->points;
    int parity = index / j->parts % j->parities;
    int64_t n0 = (int64_t)(index / j->parts / j->parities) * m->nr;
    int64_t each = zis_div_up(zis_div_up(j->tiles, j->parts), m->mr) * m->mr;
    int64_t first = index % j->parts * each, tiles = zis_min64(each, j->tiles - first);
    if (tiles <= 0) return;
    load_taps(j, taps, rows, n0);
    for (int row = 0; row < points; row++)
        for (int64_t c0 = 0; c0 < v->c; c0 += CHUNK) {
            int64_t n = zis_min64(CHUNK, v->c - c0);
            for (int64_t c = 0; c < n; c++)
                j->w->weight(u + c * m->nr, j->u_plane, taps + (c0 + c) * 9 * m->nr, m->nr, row,
                             parity);
            for (int i = 0; i < points; i++)
                multiply_plane(j, row * points + i, c0, n, n0, first, tiles, u + i * j->u_plane,
                               sums);
        }
    output_tiles(j, sums, n0, first, tiles, parity);
}

/* The kind with the fewest products; of equals the smaller tile, whose weights cost less. */
zis_micro_wino_kind zis_cpu_winograd_kind(const zis_conv *v)
{
    zis_micro_wino_kind best = ZIS_WINO_4;
    if (v->up == 2 && v->a->pad == 1 && v->a->skip % 2 == 0 && v->out_h % 2 == 0)
        return ZIS_WINO_FOLDED;
    int64_t least = INT64_MAX;
    for (int k = ZIS_WINO_4; k <= ZIS_WINO_6; k++) {
        const zis_micro_winograd *w = &v->m->winograd[k];
        int64_t tiles = zis_div_up(v->out_h, w->outputs) * zis_div_up(v->out_w, w->outputs);
        int64_t products = tiles * w->points * w->points;
        if (products < least) {
            least = products;
            best = (zis_micro_wino_kind)k;
        }
    }
    return best;
}

void zis_cpu_conv_winograd(zis_run *run, zis_conv *v)
{
    const zis_micro *m = v->m;
    zis_micro_wino_kind kind = zis_cpu_winograd_kind(v);
    winograd_job j = {.v = v, .w = &m->winograd[kind], .parities = 1};
    int64_t skip = v->a->skip; /* rows of the input before the first output's */
    int64_t step = j.w->outputs, halo = j.w->points - step;
    int64_t tiles_y = zis_div_up(v->out_h, step);
    j.tiles_x = zis_div_up(v->out_w, step);
    if (kind == ZIS_WINO_FOLDED) {
        /* outputs -1 .. h-1 and 0 .. h-1 of the picture before it is doubled */
        v->up = 1;
        j.parities = 4;
        skip /= 2;
        tiles_y = zis_div_up(v->out_h / 2 + 1, step);
        j.tiles_x = zis_div_up(v->w + 1, step);
    }
    j.planes = j.w->points * j.w->points;
    int64_t most = zis_div_up(PLANE_TILES / j.planes, j.tiles_x);
    if (most > tiles_y) most = tiles_y;
    /* equal strips: no small rest at the bottom */
    int64_t strips = zis_div_up(tiles_y, most), tile_rows = zis_div_up(tiles_y, strips);
    int64_t tiles = tile_rows * j.tiles_x;
    size_t threads = (size_t)zis_pool_threads(run->pool);
    j.v_row = (v->c + 15) / 16 * 16 + 16; /* off the powers of two */
    j.v_plane = tiles * j.v_row + 16;
    /* a plane more than a power of two apart would share its cache sets with all others */
    j.u_plane = zis_min64(CHUNK, v->c) * m->nr + 16;
    j.m_plane = tiles * m->nr + 16;
    int64_t taps = (int64_t)m->nr * 9 * (v->c + zis_min64(TAPS, v->c));
    j.own = zis_round_up((size_t)(j.w->points * j.u_plane + j.planes * j.m_plane + taps), 16);
    v->strip_rows = tile_rows * step + halo;
    v->strip_cols = j.tiles_x * step + halo;
    v->strip = zis_run_alloc_bytes(run, (size_t)(v->strip_rows * v->strip_cols * v->c) * 4);
    j.in = zis_run_alloc_bytes(run, (size_t)(j.planes * j.v_plane) * 4);
    j.scratch = zis_run_alloc_bytes(run, threads * j.own * 4);
    /* few panels: threads share the tiles, too */
    int64_t panels = zis_div_up(v->n, m->nr) * j.parities;
    j.parts = panels >= 4 ? 1 : 4;
    if (run->dry || run->status) return;
    for (int64_t s = 0; s < strips && !zis_run_stopped(run); s++) {
        j.first = s * tile_rows;
        j.tile_rows = zis_min64(tile_rows, tiles_y - j.first);
        if (j.tile_rows <= 0) break;
        j.tiles = j.tile_rows * j.tiles_x;
        zis_cpu_strip_fill(run, v, skip + j.first * step - v->a->pad, j.tile_rows * step + halo);
        zis_pool_for(run->pool, (int)zis_div_up(j.tiles, INPUT_TILES), input_task, &j);
        zis_pool_for(run->pool, (int)panels * j.parts, product_task, &j);
    }
}
