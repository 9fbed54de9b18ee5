/* linear.c - products of activations and weights.
 *
 * Tokens are packed into panels of nr lanes once; weights are the broadcast rows, read from the
 * mapped file as they lie there. Threads share the rows of the weights in blocks. Of a block, a
 * slice of k at a time is widened (or just copied, which unties it from the file's strides and
 * pages) into the thread's own buffer, which fits the second-level cache, and multiplied with every
 * panel; after the last slice the sums are turned back into rows of tokens by the epilogue. So each
 * weight is read from memory once, by one thread, and while a slice is multiplied the next one is
 * fetched ahead.
 *
 * With a single panel (up to 32 tokens) every weight is multiplied once, straight from memory.
 *
 * Deltas that are attached to a weight: delta.h. */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/delta.h"

/* A slice fills a quarter of a second-level cache of 1 MB: the next one is on its way too. */
#define SLICE_BYTES (256 * 1024)
/* Rows of a block, in tiles: the more, the less often the panels pass by. */
#define BLOCK_TILES 8
/* Columns of an altered weight at a time; even. */
#define ALTERED_PIECE 256

typedef struct linear_job {
    const zis_micro *m;
    const zis_linear_args *a;
    zis_cpu_panels panels;
    zis_cpu_panels rest; /* of `fine` products: what rounding x to bfloat16 lost, as bfloat16 */
    bool fine;
    zis_cpu_math math;
    int64_t k;
    int64_t block;                  /* rows in a block, of each weight of a pair */
    int64_t blocks[3];              /* up to and including weight i */
    int64_t depth;                  /* steps of k in a slice: elements or pairs */
    size_t row_bytes;               /* of a widened row of a slice */
    bool pair;                      /* SILU_MUL: blocks hold rows of both weights */
    const unsigned char *source[3]; /* where the rows of each weight are read */
    bool packed[3];                 /* as resident.h packs them */
    zis_resident_entry *entry[3];   /* of those that are moved there meanwhile, or NULL */
    int threads;
    unsigned char *rows; /* [threads][block * (pair + 1)][row_bytes] */
    float *tiles;        /* [threads][panels][block * (pair + 1)][nr] */
    /* of attached deltas */
    zis_cpu_low low[3];   /* low rank, of each weight */
    bool altered[3];      /* the others: each weight's rows change as they are widened */
    size_t tail_bytes;    /* of a thread's rows of the low-rank b */
    unsigned char *tails; /* [threads][tail_bytes], or NULL */
    float *sums;          /* [threads][3 * ALTERED_PIECE]: pieces of rows of altered weights */
} linear_job;

static size_t stored_size(const zis_weight *w)
{
    return (size_t)zis_dtype_get(w->t.dtype)->bytes;
}

/* Element (row, k) of weight i, where it is read. */
static const unsigned char *weight_at(const linear_job *j, int i, int64_t row, int64_t k)
{
    const zis_weight *w = j->a->w[i];
    size_t size = stored_size(w);
    return j->source[i] +
           zis_resident_at(j->packed[i], (size_t)w->t.stride * size, (size_t)row, (size_t)k * size);
}

/* The rows of a block: of which weight (-1: none), from where, how many, their first column in y.
 */
typedef struct block_at {
    int i;
    int64_t row, n, col;
} block_at;

static block_at find_block(const linear_job *j, int64_t index)
{
    int64_t col = 0;
    for (int i = 0; i < j->a->n_w; i++) {
        int64_t rows = j->a->w[i]->t.dim[0], before = i ? j->blocks[i - 1] : 0;
        if (index < j->blocks[i]) {
            int64_t row = (index - before) * j->block;
            return (block_at){i, row, zis_min64(j->block, rows - row), col + row};
        }
        col += rows;
    }
    return (block_at){.i = -1};
}

/* Rows that a product may read where they lie. */
static bool in_place(const linear_job *j, int i)
{
    const zis_weight *w = j->a->w[i];
    if (j->altered[i]) return false;
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
    if (a->epilogue == ZIS_EPILOGUE_GELU) m->gelu(tile, tile, b->n * m->nr);
    if (a->epilogue == ZIS_EPILOGUE_ADD)
        m->unpack_add(y, a->y.stride, tile, rows, b->n);
    else
        m->unpack(y, a->y.stride, tile, rows, b->n);
}

/* A slice of a block: rows b, steps from .. from + steps - 1 of k. */
typedef struct slice {
    block_at b;
    int64_t from, steps;
} slice;

static slice slice_at(const linear_job *j, int64_t block, int64_t from)
{
    return (slice){find_block(j, block), from, zis_min64(j->depth, j->panels.steps - from)};
}

static int64_t elements(const linear_job *j, int64_t steps)
{
    return j->math == ZIS_CPU_BF16 ? 2 * steps : steps;
}

/* Moves a slice of weight i to its huge pages, if it is on its way there. */
static void move_slice(const linear_job *j, int i, const slice *s)
{
    int64_t k = elements(j, s->from), n = zis_min64(elements(j, s->steps), j->k - k);
    size_t size = stored_size(j->a->w[i]);
    if (!j->entry[i]) return;
    for (int64_t r = s->b.row; r < s->b.row + s->b.n; r++)
        zis_resident_move(j->entry[i], (size_t)r, (size_t)k * size, (size_t)n * size);
}

/* Elements of weight i's rows that lie side by side; an even number, unless it is all of them. */
static int64_t line_of(const linear_job *j, int i)
{
    return j->packed[i] ? ZIS_RESIDENT_LINE / (int64_t)stored_size(j->a->w[i]) : j->k;
}

/* The same for a weight that deltas change, in pieces of k that keep their factors in the
 * first-level cache while the rows pass by. */
static void alter_slice(const linear_job *j, int i, const slice *s, unsigned char *own, int thread)
{
    int64_t k = elements(j, s->from), end = zis_min64(k + elements(j, s->steps), j->k);
    const zis_weight *w = j->a->w[i];
    float *sum = j->sums + (int64_t)thread * 3 * ALTERED_PIECE;
    size_t size = j->math == ZIS_CPU_BF16 ? 2 : 4;
    int64_t line = line_of(j, i);
    for (int64_t at = k; at < end; at += ALTERED_PIECE) {
        int64_t n = zis_min64(ALTERED_PIECE, end - at);
        for (int64_t r = 0; r < s->b.n; r++) {
            for (int64_t e = 0; e < n; e += line)
                j->m->to_f32(sum + e, weight_at(j, i, s->b.row + r, at + e), w->t.dtype,
                             zis_min64(line, n - e));
            zis_cpu_delta_add(j->m, w, s->b.row + r, at, n, sum, sum + ALTERED_PIECE);
            zis_cpu_row(j->m, j->math, own + (size_t)r * j->row_bytes + (size_t)(at - k) * size,
                        sum, ZIS_DTYPE_F32, n);
        }
    }
}

/* Widens a slice to float32 in the thread's buffer, in the lines in which moved weights lie
 * (resident.h): the rows of a tile are then read one behind the other. */
static void widen_lines(const linear_job *j, int i, const slice *s, unsigned char *own)
{
    const zis_weight *w = j->a->w[i];
    int64_t k = elements(j, s->from);
    size_t stride = (size_t)w->t.stride * stored_size(w);
    zis_micro_lines l = {
        .src_row = j->packed[i] ? ZIS_RESIDENT_LINE : (int64_t)stride,
        .src_line = j->packed[i] ? ZIS_RESIDENT_LINE * ZIS_RESIDENT_GROUP : ZIS_RESIDENT_LINE,
        .n = zis_min64(s->steps, j->k - k),
        .group = ZIS_RESIDENT_GROUP,
    };
    for (int64_t r = 0; r < s->b.n; r += l.group) {
        l.dst = (float *)(own + (size_t)r * j->row_bytes);
        l.src = weight_at(j, i, s->b.row + r, k);
        l.rows = (int)zis_min64(l.group, s->b.n - r);
        j->m->to_lines(&l, w->t.dtype);
    }
    if (j->math == ZIS_CPU_ROUNDED && w->t.dtype != ZIS_DTYPE_BF16)
        for (int64_t r = 0; r < s->b.n; r += l.group)
            j->m->round_bf16((float *)(own + (size_t)r * j->row_bytes),
                             zis_div_up(l.n, 16) * 16 * l.group);
}

/* Whether widened rows go to lines. Deltas are added to a row at a time. */
static bool in_lines(const linear_job *j, int i)
{
    return j->math != ZIS_CPU_BF16 && !j->altered[i];
}

/* Widens a slice into the thread's buffer. */
static void widen_slice(const linear_job *j, int i, const slice *s, unsigned char *own, int thread)
{
    int64_t k = elements(j, s->from), n = zis_min64(elements(j, s->steps), j->k - k);
    if (j->altered[i]) {
        alter_slice(j, i, s, own, thread);
        return;
    }
    if (in_lines(j, i)) {
        widen_lines(j, i, s, own);
        return;
    }
    zis_dtype t = j->a->w[i]->t.dtype;
    int64_t line = line_of(j, i);
    for (int64_t r = 0; r < s->b.n; r++) {
        unsigned char *to = own + (size_t)r * j->row_bytes;
        for (int64_t at = 0; at < n; at += line)
            zis_cpu_row(j->m, j->math, to + zis_cpu_row_bytes(j->math, at),
                        weight_at(j, i, s->b.row + r, k + at), t, zis_min64(line, n - at));
    }
}

/* The rows of a slice as they are multiplied: where they lie, or widened. */
typedef struct slice_rows {
    const unsigned char *at; /* the first row's first step */
    int64_t stride;          /* bytes of a row */
    bool packed;
} slice_rows;

/* Row n of a slice. */
static const unsigned char *row_at(const slice_rows *r, const slice *s, int64_t n)
{
    if (!r->packed) return r->at + n * r->stride;
    size_t row = (size_t)s->b.row, bytes = (size_t)r->stride;
    return r->at + zis_resident_at(true, bytes, row + (size_t)n, 0) -
           zis_resident_at(true, bytes, row, 0);
}

/* Low-rank columns, behind the last slice: one panel times the rows of b. */
static void multiply_tail(const linear_job *j,
                          int i,
                          const block_at *b,
                          int64_t panel,
                          const unsigned char *rows,
                          float *tile)
{
    const zis_cpu_low *low = &j->low[i];
    zis_cpu_product p = {
        .r = rows,
        .r_stride = (int64_t)low->b_bytes,
        .v = low->panels.data + (size_t)panel * low->panels.panel_bytes,
        .c = tile,
        .rows = b->n,
        .steps = low->panels.steps,
        .vectors = zis_cpu_vectors(j->m, j->panels.rows - panel * j->m->nr),
        .add = true,
    };
    zis_cpu_multiply(j->m, j->math, &p);
    if (!low->fine) return;
    p.v = low->rest.data + (size_t)panel * low->rest.panel_bytes;
    zis_cpu_multiply(j->m, j->math, &p);
}

/* One panel times half h of a slice; meanwhile the panel's share of the next slice is fetched. */
static void multiply(const linear_job *j,
                     const slice *s,
                     const slice *next,
                     int h,
                     int64_t panel,
                     const slice_rows *rows,
                     float *tile)
{
    const zis_micro *m = j->m;
    int64_t panels = j->panels.n, from = 0, n = 0;
    int i = j->pair && next->b.i >= 0 ? h : next->b.i;
    if (i >= 0) {
        from = next->b.n * panel / panels / m->mr * m->mr;
        n = panel + 1 == panels ? next->b.n : next->b.n * (panel + 1) / panels / m->mr * m->mr;
        /* whole tiles: of packed rows a tile must not cross a group */
        n = zis_min64(zis_div_up(n - from, m->mr) * m->mr, s->b.n);
    }
    zis_cpu_product p = {
        .r = rows->at,
        .r_stride = rows->stride,
        .r_packed = rows->packed,
        .row = s->b.row,
        .v = j->panels.data + (size_t)panel * j->panels.panel_bytes + (size_t)(s->from * m->nr * 4),
        .c = tile,
        .rows = n,
        .steps = s->steps,
        .vectors = zis_cpu_vectors(m, j->panels.rows - panel * m->nr),
        .add = s->from > 0,
        .once = panels == 1,
    };
    if (n > 0) {
        const zis_weight *w = j->a->w[i];
        p.ahead_row = next->b.row + from;
        p.ahead_stride = w->t.stride * (int64_t)stored_size(w);
        p.ahead_packed = j->packed[i] && !j->entry[i];
        /* rows that have yet to move are fetched from where they are */
        if (j->entry[i])
            p.ahead = (const unsigned char *)w->t.data + p.ahead_row * p.ahead_stride +
                      (size_t)elements(j, next->from) * stored_size(w);
        else
            p.ahead = weight_at(j, i, p.ahead_row, elements(j, next->from));
        zis_cpu_multiply(m, j->math, &p);
    }
    if (s->b.n > n) {
        p.row = s->b.row + n;
        p.r = row_at(rows, s, n);
        p.c += n * m->nr;
        p.rows = s->b.n - n;
        p.ahead = NULL;
        zis_cpu_multiply(m, j->math, &p);
    }
    if (!j->fine) return;
    p.row = s->b.row;
    p.r = rows->at;
    p.c = tile;
    p.rows = s->b.n;
    p.v = j->rest.data + (p.v - j->panels.data);
    p.add = true;
    zis_cpu_multiply(m, j->math, &p);
}

/* The block's rows of b of weight i, in the thread's memory. */
static const unsigned char *widen_tail(
    const linear_job *j, int i, int h, const block_at *b, int thread)
{
    unsigned char *to = j->tails + (size_t)thread * j->tail_bytes;
    if (h) to += (size_t)j->block * j->low[0].b_bytes;
    zis_cpu_low_rows(j->m, &j->low[i], j->a->w[i], b->row, b->n, to);
    return to;
}

static void linear_task(void *arg, int index, int thread)
{
    const linear_job *j = arg;
    int64_t lines = j->block * (j->pair ? 2 : 1);
    unsigned char *own = j->rows + (size_t)thread * (size_t)lines * j->row_bytes;
    float *tiles = j->tiles + (int64_t)thread * j->panels.n * lines * j->m->nr;
    for (int64_t from = 0; from < j->panels.steps; from += j->depth) {
        slice s = slice_at(j, index, from);
        bool last = from + j->depth >= j->panels.steps;
        slice next =
            last ? slice_at(j, index + j->threads, 0) : slice_at(j, index, from + j->depth);
        slice_rows rows[2];
        const unsigned char *tail[2] = {NULL, NULL};
        for (int h = 0; h <= j->pair; h++) {
            int i = j->pair ? h : s.b.i;
            const zis_weight *w = j->a->w[i];
            rows[h] = (slice_rows){weight_at(j, i, s.b.row, elements(j, from)),
                                   w->t.stride * (int64_t)stored_size(w), j->packed[i]};
            move_slice(j, i, &s);
            if (last && j->low[i].rank) tail[h] = widen_tail(j, i, h, &s.b, thread);
            if (in_place(j, i)) continue;
            unsigned char *to = own + (size_t)(h * j->block) * j->row_bytes;
            widen_slice(j, i, &s, to, thread);
            rows[h] = (slice_rows){to, (int64_t)j->row_bytes, in_lines(j, i)};
        }
        for (int64_t p = 0; p < j->panels.n; p++) {
            float *tile = tiles + p * lines * j->m->nr;
            for (int h = 0; h <= j->pair; h++)
                multiply(j, &s, &next, h, p, &rows[h], tile + h * s.b.n * j->m->nr);
            for (int h = 0; h <= j->pair; h++)
                if (tail[h])
                    multiply_tail(j, j->pair ? h : s.b.i, &s.b, p, tail[h],
                                  tile + h * s.b.n * j->m->nr);
            if (last) epilogue(j, &s.b, p, tile);
        }
    }
}

/* Where each weight is read; those that are met for the first time start to move. */
static void find_sources(zis_run *run, linear_job *j)
{
    for (int i = 0; i < j->a->n_w; i++) {
        const zis_weight *w = j->a->w[i];
        zis_resident_entry *e = zis_resident_find(run->resident, w->t.data);
        j->source[i] = e ? e->moved : w->t.data;
        j->packed[i] = e && e->packed;
        j->entry[i] = e && !e->ready ? e : NULL;
    }
}

/* Fine products are two of bfloat16 where these are native and lose nothing of the weights. */
static bool split(const zis_run *run, const zis_linear_args *a)
{
    bool bf16 = zis_cpu_math_of(run, false) == ZIS_CPU_BF16;
    for (int i = 0; i < a->n_w; i++) {
        const zis_weight *w = a->w[i];
        bf16 = bf16 && w->t.dtype == ZIS_DTYPE_BF16;
        for (int d = 0; d < w->deltas; d++)
            bf16 = bf16 && w->delta[d].kind == ZIS_DELTA_LOW_RANK &&
                   w->delta[d].a.dtype == ZIS_DTYPE_BF16 && w->delta[d].b.dtype == ZIS_DTYPE_BF16;
    }
    return bf16;
}

/* Scratch of what is attached to the weights, for x of that many rows. */
static void alloc_deltas(zis_run *run, linear_job *j, int64_t rows)
{
    size_t tail = 0;
    bool altered = false;
    for (int i = 0; i < j->a->n_w; i++) {
        zis_cpu_low *low = &j->low[i];
        zis_cpu_low_alloc(run, low, j->a->w[i], rows, j->math, j->fine);
        j->altered[i] = zis_cpu_delta_in_matrix(j->a->w[i]);
        altered = altered || j->altered[i];
        size_t bytes = (size_t)j->block * low->b_bytes;
        tail = j->pair ? tail + bytes : bytes > tail ? bytes : tail;
    }
    j->tail_bytes = tail;
    if (tail) j->tails = zis_run_alloc_bytes(run, tail * (size_t)j->threads);
    if (altered)
        j->sums = zis_run_alloc_bytes(run, (size_t)j->threads * 3 * ALTERED_PIECE * sizeof(float));
}

void zis_cpu_linear(zis_run *run, const zis_linear_args *a)
{
    const zis_micro *m = zis_cpu_micro(run);
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    linear_job j = {
        .m = m,
        .a = a,
        .math = zis_cpu_math_of(run, a->exact || (a->fine && !split(run, a))),
        .k = zis_tensor_cols(&a->x),
        .pair = a->epilogue == ZIS_EPILOGUE_SILU_MUL,
        .threads = zis_pool_threads(run->pool),
    };
    int64_t rows = zis_tensor_rows(&a->x);
    j.panels = zis_cpu_panels_alloc(run, rows, j.k, j.math);
    j.fine = a->fine && j.math == ZIS_CPU_BF16;
    float *rest = NULL;
    if (j.fine) {
        j.rest = zis_cpu_panels_alloc(run, rows, j.k, j.math);
        rest = zis_run_alloc_bytes(run, (size_t)(rows * j.k) * sizeof *rest);
    }
    j.block = BLOCK_TILES * m->mr / (j.pair ? 2 : 1);
    j.depth = SLICE_BYTES / 4 / (BLOCK_TILES * m->mr) / 64 * 64;
    j.depth = zis_min64(j.depth, j.panels.steps);
    /* an odd number of cache lines a row keeps the rows of a tile out of each other's sets */
    j.row_bytes = zis_round_up((size_t)j.depth * 4, 64) | 64;
    int64_t blocks = 0;
    for (int i = 0; i < (j.pair ? 1 : a->n_w); i++)
        j.blocks[i] = blocks += zis_div_up(a->w[i]->t.dim[0], j.block);
    for (int i = j.pair ? 1 : a->n_w; i < 3; i++) j.blocks[i] = blocks;
    size_t lines = (size_t)j.block * (j.pair ? 2 : 1) * (size_t)j.threads;
    j.rows = zis_run_alloc_bytes(run, lines * j.row_bytes);
    j.tiles = zis_run_alloc_bytes(run, lines * (size_t)j.panels.n * (size_t)m->nr * 4);
    alloc_deltas(run, &j, rows);
    if (!run->dry && run->status == ZIS_OK) {
        zis_cpu_panels_fill(run, &j.panels, a->x.data, a->x.stride, 1.0f);
        if (j.fine) {
            for (int64_t i = 0; i < rows; i++)
                m->rest_bf16(rest + i * j.k, (const float *)a->x.data + i * a->x.stride, j.k);
            zis_cpu_panels_fill(run, &j.rest, rest, j.k, 1.0f);
        }
        find_sources(run, &j);
        for (int i = 0; i < a->n_w; i++)
            if (j.low[i].rank)
                zis_cpu_low_project(run, &j.low[i], a->w[i], &j.panels, j.fine ? &j.rest : NULL);
        zis_pool_for(run->pool, (int)blocks, linear_task, &j);
        for (int i = 0; i < a->n_w; i++)
            if (j.entry[i]) zis_resident_finish(j.entry[i]);
    }
    zis_arena_restore(&run->scratch, mark);
}
