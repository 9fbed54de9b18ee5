/* delta.c - low-rank products beside a weight, and deltas of its rows. */
#include "kernels/cpu/delta.h"

#include <string.h>

static size_t size_of(const zis_tensor *t)
{
    return (size_t)zis_dtype_get(t->dtype)->bytes;
}

static const void *element_at(const zis_tensor *t, int64_t row, int64_t col)
{
    return (const unsigned char *)t->data + (size_t)(row * t->dim[1] + col) * size_of(t);
}

/* ---- low rank ------------------------------------------------------------------------------- */

void zis_cpu_low_alloc(
    zis_run *run, zis_cpu_low *low, const zis_weight *w, int64_t rows, zis_cpu_math math, bool fine)
{
    const zis_micro *m = zis_cpu_micro(run);
    *low = (zis_cpu_low){.fine = fine};
    for (int i = 0; i < w->deltas; i++)
        if (w->delta[i].kind == ZIS_DELTA_LOW_RANK) low->rank += w->delta[i].a.dim[0];
    if (!low->rank) return;
    low->panels = zis_cpu_panels_alloc(run, rows, low->rank, math);
    if (fine) low->rest = zis_cpu_panels_alloc(run, rows, low->rank, math);
    low->a_bytes = zis_round_up(zis_cpu_row_bytes(math, w->t.dim[1]), 64) | 64;
    low->b_bytes = zis_round_up(zis_cpu_row_bytes(math, low->rank), 64);
    low->a = zis_run_alloc_bytes(run, (size_t)low->rank * low->a_bytes);
    low->tiles = zis_run_alloc_bytes(run, (size_t)zis_pool_threads(run->pool) * 2 *
                                              (size_t)low->rank * (size_t)m->nr * sizeof(float));
}

typedef struct project_job {
    const zis_micro *m;
    const zis_cpu_low *low;
    const zis_weight *w;
    const zis_cpu_panels *x, *rest;
} project_job;

/* Row `index` of all a. */
static void widen_task(void *arg, int index, int thread)
{
    (void)thread;
    const project_job *j = arg;
    int64_t row = index;
    for (int i = 0; i < j->w->deltas; i++) {
        const zis_tensor *a = &j->w->delta[i].a;
        if (j->w->delta[i].kind != ZIS_DELTA_LOW_RANK) continue;
        if (row < a->dim[0]) {
            zis_cpu_row(j->m, j->x->math, j->low->a + (size_t)index * j->low->a_bytes,
                        element_at(a, row, 0), a->dtype, a->dim[1]);
            return;
        }
        row -= a->dim[0];
    }
}

/* Each delta's rows of the tile times its scale. */
static void scale_tile(const project_job *j, float *tile)
{
    for (int i = 0; i < j->w->deltas; i++) {
        const zis_delta *d = &j->w->delta[i];
        if (d->kind != ZIS_DELTA_LOW_RANK) continue;
        for (int64_t n = d->a.dim[0] * j->m->nr; n > 0; n--) *tile++ *= d->scale;
    }
}

static void project_task(void *arg, int index, int thread)
{
    const project_job *j = arg;
    const zis_cpu_low *low = j->low;
    const zis_micro *m = j->m;
    int64_t panel = index, rank = low->rank;
    int rows = (int)zis_min64(m->nr, j->x->rows - panel * m->nr);
    float *tile = low->tiles + (int64_t)thread * 2 * rank * m->nr, *t = tile + rank * m->nr;
    zis_cpu_product p = {
        .r = low->a,
        .r_stride = (int64_t)low->a_bytes,
        .v = j->x->data + (size_t)panel * j->x->panel_bytes,
        .c = tile,
        .rows = rank,
        .steps = j->x->steps,
        .vectors = zis_cpu_vectors(m, rows),
    };
    zis_cpu_multiply(m, j->x->math, &p);
    if (low->fine) {
        p.v = j->rest->data + (size_t)panel * j->rest->panel_bytes;
        p.add = true;
        zis_cpu_multiply(m, j->x->math, &p);
    }
    if (rows <= m->vl) /* lanes that were not computed */
        for (int64_t i = 0; i < rank; i++)
            memset(tile + i * m->nr + m->vl, 0, (size_t)m->vl * sizeof *tile);
    scale_tile(j, tile);
    m->unpack(t, rank, tile, rows, rank);
    size_t at = (size_t)panel * low->panels.panel_bytes;
    zis_cpu_panel_pack(m, j->x->math, low->panels.data + at, t, rank, rows, rank, 1.0f);
    if (!low->fine) return;
    m->rest_bf16(t, t, rows * rank);
    zis_cpu_panel_pack(m, j->x->math, low->rest.data + at, t, rank, rows, rank, 1.0f);
}

void zis_cpu_low_project(zis_run *run,
                         const zis_cpu_low *low,
                         const zis_weight *w,
                         const zis_cpu_panels *x,
                         const zis_cpu_panels *rest)
{
    project_job j = {zis_cpu_micro(run), low, w, x, rest};
    zis_pool_for(run->pool, (int)low->rank, widen_task, &j);
    zis_pool_for(run->pool, (int)x->n, project_task, &j);
}

void zis_cpu_low_rows(const zis_micro *m,
                      const zis_cpu_low *low,
                      const zis_weight *w,
                      int64_t row,
                      int64_t n,
                      unsigned char *to)
{
    zis_cpu_math math = low->panels.math;
    size_t size = math == ZIS_CPU_BF16 ? 2 : 4;
    for (int64_t r = 0; r < n; r++) {
        unsigned char *at = to + (size_t)r * low->b_bytes;
        for (int i = 0; i < w->deltas; i++) {
            const zis_tensor *b = &w->delta[i].b;
            if (w->delta[i].kind != ZIS_DELTA_LOW_RANK) continue;
            zis_cpu_row(m, math, at, element_at(b, row + r, 0), b->dtype, b->dim[1]);
            at += (size_t)b->dim[1] * size;
        }
    }
}

/* ---- into the matrix ------------------------------------------------------------------------ */

bool zis_cpu_delta_in_matrix(const zis_weight *w)
{
    for (int i = 0; i < w->deltas; i++)
        if (w->delta[i].kind != ZIS_DELTA_LOW_RANK) return true;
    return false;
}

/* out = columns from .. from + n - 1 of row `row` of b a; both F32. */
static void product_row(const zis_micro *m,
                        const zis_tensor *b,
                        const zis_tensor *a,
                        int64_t row,
                        int64_t from,
                        int64_t n,
                        float *out)
{
    m->sum_rows(out, element_at(a, 0, from), a->dim[1], element_at(b, row, 0), a->dim[0], n);
}

/* The columns in pieces of q, each the same row of the inner matrix times one element of c. */
static void add_kron(const zis_micro *m,
                     const zis_delta *d,
                     int64_t row,
                     int64_t from,
                     int64_t n,
                     float *out,
                     float *tmp)
{
    int64_t p = d->b.dim[0], q = d->a.data ? d->a.dim[1] : d->b.dim[1];
    const float *outer = element_at(&d->c, (row + d->row) / p, 0);
    int64_t inner = (row + d->row) % p;
    while (n > 0) {
        int64_t at = from % q, piece = zis_min64(n, q - at);
        if (d->a.data)
            product_row(m, &d->b, &d->a, inner, at, piece, tmp);
        else
            m->to_f32(tmp, element_at(&d->b, inner, at), d->b.dtype, piece);
        m->add_scaled(out, tmp, d->scale * outer[from / q], piece);
        from += piece;
        out += piece;
        n -= piece;
    }
}

void zis_cpu_delta_add(const zis_micro *m,
                       const zis_weight *w,
                       int64_t row,
                       int64_t from,
                       int64_t n,
                       float *out,
                       float *tmp)
{
    for (int i = 0; i < w->deltas; i++) {
        const zis_delta *d = &w->delta[i];
        switch (d->kind) {
        case ZIS_DELTA_LOW_RANK:
            break;
        case ZIS_DELTA_FULL:
            m->to_f32(tmp, element_at(&d->b, row, from), d->b.dtype, n);
            m->add_scaled(out, tmp, d->scale, n);
            break;
        case ZIS_DELTA_HADAMARD:
            product_row(m, &d->b, &d->a, row, from, n, tmp);
            product_row(m, &d->d, &d->c, row, from, n, tmp + n);
            m->add_product(out, tmp, tmp + n, d->scale, n);
            break;
        case ZIS_DELTA_KRON:
            add_kron(m, d, row, from, n, out, tmp);
            break;
        }
    }
}
