/* panels.c - packing for products, and the loop over cache-sized pieces of k. */
#include "kernels/cpu/cpu.h"

/* Bytes of a panel's piece that stays in the first-level cache while rows pass by. A multiple of a
 * line of 16 steps. */
#define PIECE_BYTES (32 * 1024)

static size_t element(zis_cpu_math math)
{
    return math == ZIS_CPU_BF16 ? 2 : 4;
}

zis_cpu_panels zis_cpu_panels_alloc(zis_run *run, int64_t rows, int64_t k, zis_cpu_math math)
{
    const zis_micro *m = zis_cpu_micro(run);
    int64_t padded = math == ZIS_CPU_BF16 ? (k + 1) / 2 * 2 : k;
    zis_cpu_panels p = {
        .panel_bytes = (size_t)padded * (size_t)m->nr * element(math),
        .n = zis_div_up(rows, m->nr),
        .rows = rows,
        .k = k,
        .steps = math == ZIS_CPU_BF16 ? padded / 2 : k,
        .math = math,
    };
    p.data = zis_run_alloc_bytes(run, p.panel_bytes * (size_t)p.n);
    return p;
}

typedef struct fill_job {
    const zis_micro *m;
    const zis_cpu_panels *p;
    const float *x;
    int64_t stride;
    float mul;
    int64_t chunks; /* of k, so that few panels still keep all threads busy */
    int64_t chunk;
} fill_job;

static void fill_task(void *arg, int index, int thread)
{
    (void)thread;
    const fill_job *j = arg;
    const zis_cpu_panels *p = j->p;
    int64_t panel = index / j->chunks, from = index % j->chunks * j->chunk;
    int64_t k = zis_min64(j->chunk, p->k - from);
    int64_t row = panel * j->m->nr;
    int rows = (int)zis_min64(j->m->nr, p->rows - row);
    unsigned char *to = p->data + (size_t)panel * p->panel_bytes +
                        (size_t)from * (size_t)j->m->nr * element(p->math);
    const float *x = j->x + row * j->stride + from;
    if (k > 0) zis_cpu_panel_pack(j->m, p->math, to, x, j->stride, rows, k, j->mul);
}

void zis_cpu_panel_pack(const zis_micro *m,
                        zis_cpu_math math,
                        void *to,
                        const float *x,
                        int64_t stride,
                        int rows,
                        int64_t k,
                        float mul)
{
    if (math == ZIS_CPU_BF16) {
        m->pack_bf16(to, x, stride, rows, k, mul);
        return;
    }
    m->pack_f32(to, x, stride, rows, k, mul);
    if (math == ZIS_CPU_ROUNDED) m->round_bf16(to, k * m->nr);
}

void zis_cpu_panels_fill(
    zis_run *run, const zis_cpu_panels *p, const float *x, int64_t stride, float mul)
{
    fill_job j = {zis_cpu_micro(run), p, x, stride, mul, 1, 512};
    j.chunks = zis_div_up(p->k, j.chunk);
    zis_pool_for(run->pool, (int)(p->n * j.chunks), fill_task, &j);
}

size_t zis_cpu_row_bytes(zis_cpu_math math, int64_t k)
{
    return math == ZIS_CPU_BF16 ? (size_t)((k + 1) / 2) * 4 : (size_t)k * 4;
}

void zis_cpu_row(
    const zis_micro *m, zis_cpu_math math, void *dst, const void *src, zis_dtype t, int64_t k)
{
    if (math == ZIS_CPU_BF16) {
        m->to_bf16(dst, src, t, k);
        if (k % 2) ((uint16_t *)dst)[k] = 0;
        return;
    }
    m->to_f32(dst, src, t, k);
    if (math == ZIS_CPU_ROUNDED && t != ZIS_DTYPE_BF16) m->round_bf16(dst, k);
}

/* Bytes from packed row `from` to row `to`; rows of `bytes`. */
static int64_t packed_rows(int64_t from, int64_t to, int64_t bytes)
{
    const int64_t group = ZIS_RESIDENT_GROUP;
    return (to / group - from / group) * group * bytes +
           (to % group - from % group) * ZIS_RESIDENT_LINE;
}

void zis_cpu_multiply(const zis_micro *m, zis_cpu_math math, const zis_cpu_product *p)
{
    void (*gemm)(const zis_micro_gemm *) = math == ZIS_CPU_BF16 ? m->gemm_bf16 : m->gemm_f32;
    const int64_t packed_line = ZIS_RESIDENT_GROUP * ZIS_RESIDENT_LINE;
    int64_t v_step = (int64_t)m->nr * 4; /* bytes of a panel's step: floats or pairs */
    int64_t piece = PIECE_BYTES / v_step;
    int64_t groups = zis_div_up(p->rows, m->mr);
    for (int64_t k = 0; k < p->steps; k += piece) {
        zis_micro_gemm g = {
            .v = p->v + k * v_step,
            .r_stride = p->r_packed ? ZIS_RESIDENT_LINE : p->r_stride,
            .r_line = p->r_packed ? packed_line : ZIS_RESIDENT_LINE,
            .ahead_stride = p->ahead_packed ? ZIS_RESIDENT_LINE : p->ahead_stride,
            .ahead_line = p->ahead_packed ? packed_line : ZIS_RESIDENT_LINE,
            .k = zis_min64(piece, p->steps - k),
            .vectors = p->vectors,
            .add = p->add || k > 0,
            .r_near = p->once && p->r_packed,
        };
        /* each group of rows fetches its share of the panel's next piece (of the next panel, at the
         * end: panels lie side by side) */
        int64_t lines = zis_div_up(g.k * v_step, 64 * groups);
        g.v_lines = (int)zis_div_up(lines * 16, g.k);
        for (int64_t i = 0; i < p->rows; i += m->mr) {
            g.v_ahead = p->v + (k + g.k) * v_step + i / m->mr * lines * 64;
            g.rows = (int)zis_min64(m->mr, p->rows - i);
            g.r = p->r + k * 4 / 64 * g.r_line;
            g.r = (const char *)g.r +
                  (p->r_packed ? packed_rows(p->row, p->row + i, p->r_stride) : i * p->r_stride);
            if (p->ahead)
                g.ahead =
                    p->ahead + k * 4 / 64 * g.ahead_line +
                    (p->ahead_packed ? packed_rows(p->ahead_row, p->ahead_row + i, p->ahead_stride)
                                     : i * p->ahead_stride);
            g.c = p->c + i * m->nr;
            gemm(&g);
        }
    }
}
