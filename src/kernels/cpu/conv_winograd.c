/* conv_winograd.c - 3x3 convolution, stride 1, by F(4x4, 3x3): 36 products of [tiles, C] x [C, N]
 * in place of 144 multiplications a tile (Lavin and Gray, "Fast Algorithms for Convolutional Neural
 * Networks", 2015). Four times fewer products; the error in float32 is about 1e-5 of the output.
 *
 * A strip of tile rows at a time: its input is normalised and padded once (conv.h), transformed to
 * V [36][tiles][C] by all threads, and then each thread takes panels of nr output channels: it
 * transforms their weights, a chunk of input channels at a time, multiplies, and transforms the
 * sums M [36][tiles][nr] back into pixels. Transformed weights are never stored whole: they would
 * be eight times the bfloat16 ones, and making them costs a few percent of a strip of 100 tiles. */
#include "kernels/cpu/conv.h"

#define TILES 256     /* aimed at in a strip */
#define INPUT_TILES 8 /* that one task transforms */
#define CHUNK 128     /* input channels whose transformed weights lie in the cache at once */

typedef struct winograd_job {
    const zis_conv *v;
    int64_t tile_rows, tiles_x, tiles; /* of the strip */
    int64_t first;                     /* tile row */
    int parts;                         /* a panel's tiles go to so many tasks */
    int64_t v_row;                     /* floats from one tile of V to the next */
    int64_t v_plane;
    float *in;  /* V [36] planes */
    size_t own; /* floats of scratch a thread */
    float *scratch;
    int64_t u_plane, m_plane;
} winograd_job;

static void input_task(void *arg, int index, int thread)
{
    (void)thread;
    const winograd_job *j = arg;
    const zis_conv *v = j->v;
    int64_t c = v->c, from = (int64_t)index * INPUT_TILES;
    for (int64_t t = from; t < zis_min64(j->tiles, from + INPUT_TILES); t++) {
        const float *d[36];
        const float *corner =
            v->strip + (t / j->tiles_x * 4 * v->strip_cols + t % j->tiles_x * 4) * c;
        for (int i = 0; i < 6; i++)
            for (int k = 0; k < 6; k++) d[i * 6 + k] = corner + (i * v->strip_cols + k) * c;
        v->m->wino_input(j->in + t * j->v_row, j->v_plane, d, c);
    }
}

/* Transformed weights of channels c0 .. c0+n-1 for the panel of outputs from n0. */
static void make_weights(
    const winograd_job *j, float *u, float *rows, int64_t n0, int64_t c0, int64_t n)
{
    const zis_conv *v = j->v;
    const zis_micro *m = v->m;
    const zis_tensor *w = &v->a->w->t;
    size_t bytes = (size_t)zis_dtype_get(w->dtype)->bytes;
    int lanes = (int)zis_min64(m->nr, v->n - n0);
    float *taps = rows + (int64_t)m->nr * n * 9;
    for (int l = 0; l < lanes; l++)
        m->to_f32(rows + l * n * 9,
                  (const char *)w->data + (size_t)(((n0 + l) * v->c + c0) * 9) * bytes, w->dtype,
                  n * 9);
    m->pack_f32(taps, rows, n * 9, lanes, n * 9, 1.0f);
    for (int64_t c = 0; c < n; c++)
        m->wino_weight(u + c * m->nr, j->u_plane, taps + c * 9 * m->nr, m->nr);
}

static void output_tiles(
    const winograd_job *j, const float *sums, int64_t n0, int64_t first, int64_t tiles)
{
    const zis_conv *v = j->v;
    const zis_conv2d_args *a = v->a;
    int64_t n = zis_min64(v->m->nr, v->n - n0);
    for (int64_t i = 0; i < tiles; i++) {
        int64_t t = first + i;
        int64_t y0 = (j->first + t / j->tiles_x) * 4, x0 = t % j->tiles_x * 4;
        float *y[16];
        const float *add[16];
        for (int p = 0; p < 16; p++) {
            int64_t py = y0 + p / 4, px = x0 + p % 4;
            int64_t at = (py * v->out_w + px) * v->n + n0;
            bool inside = py < v->out_h && px < v->out_w;
            y[p] = inside ? (float *)a->y.data + at : NULL;
            add[p] = inside && a->add.data ? (const float *)a->add.data + at : NULL;
        }
        v->m->wino_output(y, sums + i * v->m->nr, j->m_plane, a->bias ? a->bias + n0 : NULL,
                          a->add.data ? add : NULL, n);
    }
}

static void product_task(void *arg, int index, int thread)
{
    const winograd_job *j = arg;
    const zis_conv *v = j->v;
    const zis_micro *m = v->m;
    float *u = j->scratch + (size_t)thread * j->own;
    float *sums = u + 36 * j->u_plane;
    float *rows = sums + 36 * j->m_plane;
    int64_t n0 = (int64_t)(index / j->parts) * m->nr;
    int64_t each = zis_div_up(zis_div_up(j->tiles, j->parts), m->mr) * m->mr;
    int64_t first = index % j->parts * each, tiles = zis_min64(each, j->tiles - first);
    if (tiles <= 0) return;
    for (int64_t c0 = 0; c0 < v->c; c0 += CHUNK) {
        int64_t n = zis_min64(CHUNK, v->c - c0);
        make_weights(j, u, rows, n0, c0, n);
        for (int p = 0; p < 36; p++) {
            zis_cpu_product product = {
                .r = (const unsigned char *)(j->in + p * j->v_plane + first * j->v_row + c0),
                .r_stride = j->v_row * 4,
                /* the next tiles; behind the last ones of a plane lies the next plane */
                .ahead = (const unsigned char *)(j->in + p * j->v_plane +
                                                 (first + m->mr) * j->v_row + c0),
                .ahead_stride = j->v_row * 4,
                .v = (const unsigned char *)(u + p * j->u_plane),
                .c = sums + p * j->m_plane,
                .rows = tiles,
                .steps = n,
                .vectors = zis_cpu_vectors(m, v->n - n0),
                .add = c0 > 0,
            };
            zis_cpu_multiply(m, ZIS_CPU_F32, &product);
        }
    }
    output_tiles(j, sums, n0, first, tiles);
}

void zis_cpu_conv_winograd(zis_run *run, zis_conv *v)
{
    const zis_micro *m = v->m;
    int64_t tiles_y = zis_div_up(v->out_h, 4), tiles_x = zis_div_up(v->out_w, 4);
    int64_t most = zis_div_up(TILES, tiles_x);
    if (most > tiles_y) most = tiles_y;
    /* equal strips: no small rest at the bottom */
    int64_t strips = zis_div_up(tiles_y, most), tile_rows = zis_div_up(tiles_y, strips);
    winograd_job j = {.v = v, .tiles_x = tiles_x};
    int64_t tiles = tile_rows * tiles_x;
    size_t threads = (size_t)zis_pool_threads(run->pool);
    j.v_row = (v->c + 15) / 16 * 16 + 16; /* off the powers of two */
    j.v_plane = tiles * j.v_row + 16;
    /* a plane more than a power of two apart would share its cache sets with all 35 others */
    j.u_plane = zis_min64(CHUNK, v->c) * m->nr + 16;
    j.m_plane = tiles * m->nr + 16;
    int64_t rows = (int64_t)m->nr * zis_min64(CHUNK, v->c) * 9 * 2;
    j.own = zis_round_up((size_t)(36 * (j.u_plane + j.m_plane) + rows), 16);
    v->strip_rows = tile_rows * 4 + 2;
    v->strip_cols = tiles_x * 4 + 2;
    v->strip = zis_run_alloc_bytes(run, (size_t)(v->strip_rows * v->strip_cols * v->c) * 4);
    j.in = zis_run_alloc_bytes(run, (size_t)(36 * j.v_plane) * 4);
    j.scratch = zis_run_alloc_bytes(run, threads * j.own * 4);
    /* few panels: threads share the tiles, too */
    int64_t panels = zis_div_up(v->n, m->nr);
    j.parts = panels >= 4 ? 1 : 4;
    if (run->dry) return;
    for (int64_t s = 0; s < strips && !zis_run_stopped(run); s++) {
        j.first = s * tile_rows;
        j.tile_rows = zis_min64(tile_rows, tiles_y - j.first);
        if (j.tile_rows <= 0) break;
        j.tiles = j.tile_rows * tiles_x;
        zis_cpu_strip_fill(run, v, j.first * 4 - v->a->pad, j.tile_rows * 4 + 2);
        zis_pool_for(run->pool, (int)zis_div_up(j.tiles, INPUT_TILES), input_task, &j);
        zis_pool_for(run->pool, (int)panels * j.parts, product_task, &j);
    }
}
