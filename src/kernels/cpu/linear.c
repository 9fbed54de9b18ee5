/* linear.c - products of activations and weights.
 *
 * Tokens are packed into panels of nr lanes once; weights are the broadcast rows, read from the
 * mapped file as they lie there. Threads share the rows of the weights in blocks: a block is
 * widened (or just copied, which unties it from the file's strides and pages) into the thread's own
 * buffer while it fits the second-level cache, multiplied with every panel, and turned back into
 * rows of tokens by the epilogue. So each weight is read from memory once, by one thread, and while
 * a block is multiplied the next one is fetched ahead.
 *
 * With a single panel (up to 32 tokens) the product is bound by memory; rows that already have the
 * wanted type are then read in place. */
#include "kernels/cpu/cpu.h"

/* A block of widened weights fills about half of a second-level cache of 1 MB. */
#define BLOCK_BYTES (384 * 1024)

typedef struct linear_job {
    const zis_micro *m;
    const zis_linear_args *a;
    zis_cpu_panels panels;
    zis_cpu_math math;
    int64_t k;
    size_t row_bytes;  /* of a widened row */
    int64_t block;     /* rows in a block, of each weight of a pair */
    int64_t blocks[3]; /* up to and including weight i */
    bool pair;         /* SILU_MUL: blocks hold rows of both weights */
    int threads;
    unsigned char *rows; /* [threads][block * (pair + 1)][row_bytes] */
    float *tiles;        /* [threads][block * (pair + 1)][nr] */
} linear_job;

static const unsigned char *weight_row(const zis_weight *w, int64_t row)
{
    size_t e = (size_t)zis_dtype_get(w->t.dtype)->bytes;
    return (const unsigned char *)w->t.data + (size_t)row * (size_t)w->t.stride * e;
}

/* The rows of a block: of which weight, from where, how many, and their first column in y. */
typedef struct block_at {
    const zis_weight *w;
    int64_t row, n, col;
} block_at;

static block_at find_block(const linear_job *j, int64_t index)
{
    int64_t col = 0;
    for (int i = 0; i < j->a->n_w; i++) {
        const zis_weight *w = j->a->w[i];
        int64_t before = i ? j->blocks[i - 1] : 0;
        if (index < j->blocks[i]) {
            int64_t row = (index - before) * j->block;
            return (block_at){w, row, zis_min64(j->block, w->t.dim[0] - row), col + row};
        }
        col += w->t.dim[0];
    }
    return (block_at){0};
}

/* Rows that a product may read where they lie. */
static bool in_place(const linear_job *j, const zis_weight *w)
{
    if (j->panels.n > 1) return false;
    if (j->math == ZIS_CPU_BF16) return w->t.dtype == ZIS_DTYPE_BF16 && j->k % 2 == 0;
    return j->math == ZIS_CPU_F32 && w->t.dtype == ZIS_DTYPE_F32;
}

static void epilogue(const linear_job *j, const block_at *b, int64_t panel, float *tile)
{
    const zis_linear_args *a = j->a;
    const zis_micro *m = j->m;
    int64_t token = panel * m->nr;
    int rows = (int)zis_min64(m->nr, j->panels.rows - token);
    float *y = (float *)a->y.data + token * a->y.stride + b->col;
    if (j->pair)
        m->silu_mul(tile, tile, tile + b->n * m->nr, b->n * m->nr);
    else if (a->bias)
        m->add_scalar_rows(tile, a->bias + b->col, b->n);
    if (a->epilogue == ZIS_EPILOGUE_SILU) m->silu(tile, tile, b->n * m->nr);
    if (a->epilogue == ZIS_EPILOGUE_ADD)
        m->unpack_add(y, a->y.stride, tile, rows, b->n);
    else
        m->unpack(y, a->y.stride, tile, rows, b->n);
}

static void linear_task(void *arg, int index, int thread)
{
    const linear_job *j = arg;
    const zis_micro *m = j->m;
    int halves = j->pair ? 2 : 1;
    block_at b = find_block(j, index), next = find_block(j, index + j->threads);
    unsigned char *own =
        j->rows + (size_t)thread * (size_t)j->block * (size_t)halves * j->row_bytes;
    float *tile = j->tiles + (int64_t)thread * j->block * halves * m->nr;
    const unsigned char *r[2];
    int64_t stride[2];
    for (int h = 0; h < halves; h++) {
        const zis_weight *w = j->pair ? j->a->w[h] : b.w;
        size_t stored = (size_t)w->t.stride * (size_t)zis_dtype_get(w->t.dtype)->bytes;
        if (in_place(j, w)) {
            r[h] = weight_row(w, b.row);
            stride[h] = (int64_t)stored;
            continue;
        }
        r[h] = own + (size_t)h * (size_t)b.n * j->row_bytes;
        stride[h] = (int64_t)j->row_bytes;
        const unsigned char *from = weight_row(w, b.row);
        for (int64_t i = 0; i < b.n; i++)
            zis_cpu_row(m, j->math, own + ((size_t)h * (size_t)b.n + (size_t)i) * j->row_bytes,
                        from + (size_t)i * stored, w->t.dtype, j->k);
    }
    int64_t panels = j->panels.n;
    for (int64_t p = 0; p < panels; p++) {
        int64_t lanes = zis_min64(m->nr, j->panels.rows - p * m->nr);
        for (int h = 0; h < halves; h++) {
            /* panel p fetches its share of the next block's rows */
            const zis_weight *w = j->pair ? j->a->w[h] : next.w;
            int64_t from = 0, n = 0;
            if (next.w) {
                from = next.n * p / panels / m->mr * m->mr;
                n = (p + 1 == panels ? next.n : next.n * (p + 1) / panels / m->mr * m->mr) - from;
            }
            int64_t next_stride = w ? w->t.stride * zis_dtype_get(w->t.dtype)->bytes : 0;
            zis_cpu_product product = {
                .r = r[h],
                .r_stride = stride[h],
                .v = j->panels.data + (size_t)p * j->panels.panel_bytes,
                .c = tile + h * b.n * m->nr,
                .rows = zis_min64(n, b.n),
                .steps = j->panels.steps,
                .vectors = zis_cpu_vectors(m, lanes),
                .ahead = n > 0 ? weight_row(w, next.row + from) : NULL,
                .ahead_stride = next_stride,
            };
            zis_cpu_multiply(m, j->math, &product);
            int64_t done = product.rows;
            product.r += done * stride[h];
            product.c += done * m->nr;
            product.rows = b.n - done;
            product.ahead = NULL;
            zis_cpu_multiply(m, j->math, &product);
        }
        epilogue(j, &b, p, tile);
    }
}

void zis_cpu_linear(zis_run *run, const zis_linear_args *a)
{
    const zis_micro *m = zis_cpu_micro(run);
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    linear_job j = {
        .m = m,
        .a = a,
        .math = zis_cpu_math_of(run, a->exact),
        .k = zis_tensor_cols(&a->x),
        .pair = a->epilogue == ZIS_EPILOGUE_SILU_MUL,
        .threads = zis_pool_threads(run->pool),
    };
    int64_t rows = zis_tensor_rows(&a->x);
    j.row_bytes = zis_round_up(zis_cpu_row_bytes(j.math, j.k), 64);
    /* an odd number of cache lines a row keeps the rows of a tile out of each other's sets */
    if (j.row_bytes / 64 % 2 == 0) j.row_bytes += 64;
    int64_t most = BLOCK_BYTES / (int64_t)j.row_bytes / (j.pair ? 2 : 1);
    j.block = most / m->mr * m->mr;
    if (j.block < m->mr) j.block = m->mr;
    if (j.block > 8 * m->mr) j.block = 8 * m->mr;
    if (rows <= m->nr) j.block = m->mr;
    int64_t blocks = 0;
    for (int i = 0; i < (j.pair ? 1 : a->n_w); i++)
        j.blocks[i] = blocks += zis_div_up(a->w[i]->t.dim[0], j.block);
    for (int i = j.pair ? 1 : a->n_w; i < 3; i++) j.blocks[i] = blocks;
    j.panels = zis_cpu_panels_alloc(run, rows, j.k, j.math);
    size_t lines = (size_t)j.block * (j.pair ? 2 : 1) * (size_t)j.threads;
    j.rows = zis_run_alloc_bytes(run, lines * j.row_bytes);
    j.tiles = zis_run_alloc_bytes(run, lines * (size_t)m->nr * 4);
    if (!run->dry && run->status == ZIS_OK) {
        zis_cpu_panels_fill(run, &j.panels, a->x.data, a->x.stride, 1.0f);
        zis_pool_for(run->pool, (int)blocks, linear_task, &j);
    }
    zis_arena_restore(&run->scratch, mark);
}
