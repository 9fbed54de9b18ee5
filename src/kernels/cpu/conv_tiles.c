/* conv_tiles.c - Winograd's 3x3 convolution (micro_wino.h) for few channels, as super-resolution
 * networks have them: 64 to 192 in, 32 or 64 out, over large pictures.
 *
 * There, other than in conv_winograd.c, all transformed weights together are small, and the time
 * goes into moving the picture. So weights are transformed once, for the whole picture, and each
 * thread takes a group of tiles all the way: it transforms a chunk of their input channels right
 * from the picture (tiles at the edge through a small padded copy), multiplies it while it lies in
 * the second-level cache, and after the last chunk turns the sums into pixels. Nothing but weights
 * and pictures ever leaves that cache, and threads meet only at the end. */
#include "kernels/cpu/conv.h"

/* Tiles of a group, in rows of a product's tile: the more, the less often weights pass by. */
#define GROUP 4
#define CHUNK 32 /* input channels at a time */
/* Transformed weights that may pass by from the outer cache. */
#define MOST_WEIGHTS ((int64_t)8 << 20)

typedef struct tiles_job {
    const zis_conv *v;
    const zis_micro_winograd *w;
    int planes;             /* points^2 */
    int64_t tiles_x, tiles; /* of the picture */
    int64_t group;          /* tiles of a task */
    int64_t chunks, panels;
    int64_t v_row, v_plane;   /* of a thread's transformed input */
    int64_t m_plane, m_panel; /* of its sums */
    int64_t u_plane, u_chunk, u_panel;
    float *u;   /* [panels][chunks][planes][CHUNK][nr] */
    size_t own; /* floats of scratch a thread */
    float *scratch;
} tiles_job;

static int64_t chunk_size(const tiles_job *j, int64_t chunk)
{
    return zis_min64(CHUNK, j->v->c - chunk * CHUNK);
}

/* One chunk of one panel of weights. */
static void weight_task(void *arg, int index, int thread)
{
    const tiles_job *j = arg;
    const zis_conv *v = j->v;
    const zis_micro *m = v->m;
    const zis_tensor *w = &v->a->w->t;
    size_t bytes = (size_t)zis_dtype_get(w->dtype)->bytes;
    int64_t panel = index / j->chunks, chunk = index % j->chunks, n0 = panel * m->nr;
    int64_t n = chunk_size(j, chunk), c0 = chunk * CHUNK;
    int lanes = (int)zis_min64(m->nr, v->n - n0);
    float *rows = j->scratch + (size_t)thread * j->own, *taps = rows + (int64_t)m->nr * n * 9;
    float *u = j->u + panel * j->u_panel + chunk * j->u_chunk;
    for (int l = 0; l < lanes; l++)
        m->to_f32(rows + l * n * 9,
                  (const char *)w->data + (size_t)(((n0 + l) * v->c + c0) * 9) * bytes, w->dtype,
                  n * 9);
    m->pack_f32(taps, rows, n * 9, lanes, n * 9, 1.0f);
    for (int64_t c = 0; c < n; c++)
        for (int row = 0; row < j->w->points; row++)
            j->w->weight(u + c * m->nr + row * j->w->points * j->u_plane, j->u_plane,
                         taps + c * 9 * m->nr, m->nr, row, 0);
}

/* A tile that reaches over the edge: a copy of its pixels with zeros around them. */
static void pad_tile(
    const zis_conv *v, float *to, int points, int64_t y0, int64_t x0, int64_t c0, int64_t n)
{
    int64_t apart = v->a->x.stride;
    memset(to, 0, (size_t)(points * points * n) * sizeof *to);
    for (int64_t i = 0; i < points; i++) {
        if (y0 + i < 0 || y0 + i >= v->h) continue;
        int64_t from = x0 < 0 ? -x0 : 0, end = zis_min64(points, v->w - x0);
        const float *row = (const float *)v->a->x.data + ((y0 + i) * v->w + x0) * apart + c0;
        for (int64_t k = from; k < end; k++)
            memcpy(to + (i * points + k) * n, row + k * apart, (size_t)n * sizeof *to);
    }
}

/* The chunk's channels of tile t (of the group: its place in `in`). */
static void input_tile(const tiles_job *j, float *in, float *pad, int64_t t, int64_t c0, int64_t n)
{
    const zis_conv *v = j->v;
    int points = j->w->points;
    int64_t apart = v->a->x.stride;
    int64_t y0 = t / j->tiles_x * j->w->outputs + v->a->skip - v->a->pad;
    int64_t x0 = t % j->tiles_x * j->w->outputs - v->a->pad;
    if (y0 >= 0 && x0 >= 0 && y0 + points <= v->h && x0 + points <= v->w) {
        const float *x = (const float *)v->a->x.data + (y0 * v->w + x0) * apart + c0;
        j->w->input(in, j->v_plane, x, v->w * apart, apart, n);
    } else {
        pad_tile(v, pad, points, y0, x0, c0, n);
        j->w->input(in, j->v_plane, pad, points * n, n, n);
    }
}

/* Where the products of a plane ask for pixels of the chunk that comes next (from tile `first` on,
 * channel c0): a share of one of the rows that its tiles reach, for these lie in short pieces, far
 * apart, which no hardware foresees. NULL where there is nothing to ask for. */
static const unsigned char *pixels_ahead(
    const tiles_job *j, int64_t first, int64_t c0, int64_t rows, int p)
{
    const zis_conv *v = j->v;
    int64_t outputs = j->w->outputs, points = j->w->points;
    int64_t steps = zis_div_up(rows * outputs + points - outputs, rows);
    int64_t y = first / j->tiles_x * outputs + v->a->skip - v->a->pad + p / steps;
    int64_t x = first % j->tiles_x * outputs - v->a->pad + p % steps * rows;
    int64_t pixel = y * v->w + x;
    if (first >= j->tiles || p >= steps * points || pixel < 0 || pixel + rows > v->h * v->w)
        return NULL;
    return (const unsigned char *)((const float *)v->a->x.data + pixel * v->a->x.stride + c0);
}

static void output_tile(const tiles_job *j, const float *sums, int64_t t, int64_t n0)
{
    const zis_conv *v = j->v;
    const zis_conv2d_args *a = v->a;
    int outputs = j->w->outputs;
    int64_t y = t / j->tiles_x * outputs, x = t % j->tiles_x * outputs;
    zis_micro_wino_out out = {
        .y = zis_cpu_conv_pixels(&a->y, y, x, 1, n0),
        .add = zis_cpu_conv_pixels(&a->add, y, x, 1, n0),
        .more = zis_cpu_conv_pixels(&a->more, y, x, 1, n0),
        .finish = zis_cpu_conv_finish(v, n0),
        .bottom = (int)zis_min64(outputs, v->out_h - y),
        .right = (int)zis_min64(outputs, v->out_w - x),
    };
    j->w->output(&out, sums, j->m_plane, zis_min64(v->m->nr, v->n - n0));
}

static void multiply_chunk(
    const tiles_job *j, const float *in, float *sums, int64_t first, int64_t tiles, int64_t chunk)
{
    const zis_conv *v = j->v;
    bool last = chunk + 1 == j->chunks;
    int64_t next = last ? first + j->group : first, c0 = last ? 0 : (chunk + 1) * CHUNK;
    for (int64_t panel = 0; panel < j->panels; panel++) {
        const float *u = j->u + panel * j->u_panel + chunk * j->u_chunk;
        for (int p = 0; p < j->planes; p++) {
            zis_cpu_product product = {
                .r = (const unsigned char *)(in + p * j->v_plane),
                .r_stride = j->v_row * 4,
                .ahead = panel ? NULL : pixels_ahead(j, next, c0, tiles, p),
                .ahead_stride = v->a->x.stride * 4,
                .v = (const unsigned char *)(u + p * j->u_plane),
                .c = sums + panel * j->m_panel + p * j->m_plane,
                .rows = tiles,
                .steps = chunk_size(j, chunk),
                .vectors = zis_cpu_vectors(v->m, v->n - panel * v->m->nr),
                .add = chunk > 0,
            };
            zis_cpu_multiply(v->m, ZIS_CPU_F32, &product);
        }
    }
}

static void group_task(void *arg, int index, int thread)
{
    const tiles_job *j = arg;
    const zis_micro *m = j->v->m;
    int64_t first = index * j->group, tiles = zis_min64(j->group, j->tiles - first);
    float *in = j->scratch + (size_t)thread * j->own;
    float *sums = in + j->planes * j->v_plane, *pad = sums + j->panels * j->m_panel;
    for (int64_t chunk = 0; chunk < j->chunks; chunk++) {
        int64_t n = chunk_size(j, chunk);
        for (int64_t t = 0; t < tiles; t++)
            input_tile(j, in + t * j->v_row, pad, first + t, chunk * CHUNK, n);
        multiply_chunk(j, in, sums, first, tiles, chunk);
    }
    for (int64_t t = 0; t < tiles; t++)
        for (int64_t panel = 0; panel < j->panels; panel++)
            output_tile(j, sums + panel * j->m_panel + t * m->nr, first + t, panel * m->nr);
}

bool zis_cpu_conv_tiles_fit(const zis_conv *v)
{
    const zis_conv2d_args *a = v->a;
    int64_t panels = zis_div_up(v->n, v->m->nr);
    return !a->groups && !a->relu && v->up == 1 && v->n <= 4 * v->m->vl &&
           panels * v->m->nr * v->c * 64 * 4 <= MOST_WEIGHTS;
}

void zis_cpu_conv_tiles(zis_run *run, zis_conv *v, zis_micro_wino_kind kind)
{
    const zis_micro *m = v->m;
    tiles_job j = {.v = v, .w = &m->winograd[kind]};
    int points = j.w->points;
    j.planes = points * points;
    j.tiles_x = zis_div_up(v->out_w, j.w->outputs);
    j.tiles = j.tiles_x * zis_div_up(v->out_h, j.w->outputs);
    j.group = GROUP * m->mr;
    j.chunks = zis_div_up(v->c, CHUNK);
    j.panels = zis_div_up(v->n, m->nr);
    /* a line more than a power of two, off each other's cache sets */
    j.v_row = zis_min64(CHUNK, (v->c + 15) / 16 * 16);
    j.v_plane = j.group * j.v_row + 16;
    j.m_plane = j.group * m->nr + 16;
    j.m_panel = j.planes * j.m_plane;
    /* planes of a chunk side by side: each product fetches the next plane ahead */
    j.u_plane = (int64_t)zis_min64(CHUNK, v->c) * m->nr;
    j.u_chunk = j.planes * j.u_plane;
    j.u_panel = j.chunks * j.u_chunk;
    int64_t rows = (int64_t)m->nr * CHUNK * 9 * 2;
    int64_t group = j.planes * (j.v_plane + CHUNK) + j.panels * j.m_panel;
    size_t threads = (size_t)zis_pool_threads(run->pool);
    j.own = zis_round_up((size_t)(rows > group ? rows : group), 16) + 16;
    j.u = zis_run_alloc_bytes(run, (size_t)(j.panels * j.u_panel) * 4);
    j.scratch = zis_run_alloc_bytes(run, threads * j.own * 4);
    if (run->dry || run->status) return;
    zis_pool_for(run->pool, (int)(j.panels * j.chunks), weight_task, &j);
    zis_pool_for(run->pool, (int)zis_div_up(j.tiles, j.group), group_task, &j);
}
