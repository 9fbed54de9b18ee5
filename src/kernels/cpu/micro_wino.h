/* micro_wino.h - Winograd's transforms for convolutions, written once in vectors of VL floats
 * (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015). Included by
 * micro_rows.h only.
 *
 * F(m, r) makes m outputs of a convolution with r taps from p = m + r - 1 inputs by p products:
 * o = A' ((G g) * (B' d)), in two dimensions by rows, then columns. The matrices follow from the
 * points (Toom and Cook): 0, 1, -1, 2, -2, infinity for six, with 1/2 and -1/2 besides for eight.
 *     F(4, 3): 6 points, error of about 1e-6 of the output in float32
 *     F(6, 3): 8 points, three times that, and a fifth fewer products
 *     F(5, 2): 6 points; four of them make a 3x3 convolution of a picture that was doubled first */

/* B' d: the inputs' side depends on the points alone. */
ALWAYS void wino_b6(vf *o, const vf *d)
{
    vf t0 = d[4] - 4.0f * d[2], t1 = d[3] - 4.0f * d[1];
    vf t2 = d[4] - d[2], t3 = 2.0f * (d[3] - d[1]);
    o[0] = 4.0f * d[0] - 5.0f * d[2] + d[4];
    o[1] = t0 + t1;
    o[2] = t0 - t1;
    o[3] = t2 + t3;
    o[4] = t2 - t3;
    o[5] = 4.0f * d[1] - 5.0f * d[3] + d[5];
}

ALWAYS void wino_b8(vf *o, const vf *d)
{
    vf e1 = d[2] + d[6] - 4.25f * d[4], o1 = d[1] + d[5] - 4.25f * d[3];
    vf e2 = d[6] + 0.25f * d[2] - 1.25f * d[4], o2 = 0.5f * d[1] - 2.5f * d[3] + 2.0f * d[5];
    vf e3 = d[6] + 4.0f * d[2] - 5.0f * d[4], o3 = 2.0f * d[1] - 2.5f * d[3] + 0.5f * d[5];
    o[0] = d[0] - d[6] + 5.25f * (d[4] - d[2]);
    o[1] = e1 + o1;
    o[2] = e1 - o1;
    o[3] = e2 + o2;
    o[4] = e2 - o2;
    o[5] = e3 + o3;
    o[6] = e3 - o3;
    o[7] = d[7] - d[1] + 5.25f * (d[3] - d[5]);
}

/* A' m: `outputs` values from the products. */
ALWAYS void wino_a(vf *o, const vf *m, const int points, const int outputs)
{
    vf s1 = m[1] + m[2], d1 = m[1] - m[2], s2 = m[3] + m[4], d2 = m[3] - m[4];
    if (points == 6) {
        o[0] = m[0] + s1 + s2;
        o[1] = d1 + 2.0f * d2;
        o[2] = s1 + 4.0f * s2;
        o[3] = d1 + 8.0f * d2;
        if (outputs == 5) o[4] = s1 + 16.0f * s2;
    } else {
        vf s3 = m[5] + m[6], d3 = m[5] - m[6];
        o[0] = m[0] + s1 + s2 + s3;
        o[1] = d1 + 2.0f * d2 + 0.5f * d3;
        o[2] = s1 + 4.0f * s2 + 0.25f * s3;
        o[3] = d1 + 8.0f * d2 + 0.125f * d3;
        o[4] = s1 + 16.0f * s2 + 0.0625f * s3;
        o[5] = d1 + 32.0f * d2 + 0.03125f * d3;
    }
    o[outputs - 1] += m[points - 1];
}

/* G g. */
ALWAYS void wino_g(vf *o, const vf *g, const int points, const int taps)
{
    const vf none = {0}, last = taps == 3 ? g[2] : none;
    if (points == 6) {
        const float a = 1.0f / 6.0f, b = 1.0f / 12.0f, c = 1.0f / 24.0f;
        vf even = g[0] + last, t = c * g[0] + a * last;
        o[0] = 0.25f * g[0];
        o[1] = -a * (even + g[1]);
        o[2] = -a * (even - g[1]);
        o[3] = t + b * g[1];
        o[4] = t - b * g[1];
    } else {
        const float a = 2.0f / 9.0f, b = 1.0f / 90.0f, c = 32.0f / 45.0f;
        vf even = g[0] + last, near = b * (g[0] + 4.0f * last), far = c * (g[0] + 0.25f * last);
        o[0] = g[0];
        o[1] = -a * (even + g[1]);
        o[2] = -a * (even - g[1]);
        o[3] = near + 2.0f * b * g[1];
        o[4] = near - 2.0f * b * g[1];
        o[5] = far + 0.5f * c * g[1];
        o[6] = far - 0.5f * c * g[1];
    }
    o[points - 1] = g[taps - 1];
}

ALWAYS void wino_input_lanes(
    float *v, int64_t plane, const float *d, int64_t row, int64_t pixel, int64_t n, const int p)
{
    vf t[8 * 8];
    for (int j = 0; j < p; j++) {
        vf in[8], out[8];
        for (int i = 0; i < p; i++) {
            const float *at = d + i * row + j * pixel;
            in[i] = n >= VL ? load(at) : load_part(at, n, 0);
        }
        if (p == 6)
            wino_b6(out, in);
        else
            wino_b8(out, in);
        for (int i = 0; i < p; i++) t[i * p + j] = out[i];
    }
    for (int i = 0; i < p; i++) {
        vf out[8];
        if (p == 6)
            wino_b6(out, t + i * p);
        else
            wino_b8(out, t + i * p);
        for (int j = 0; j < p; j++) {
            float *to = v + (i * p + j) * plane;
            if (n >= VL)
                store(to, out[j]);
            else
                store_part(to, out[j], n);
        }
    }
}

ALWAYS void wino_input(
    float *v, int64_t plane, const float *d, int64_t row, int64_t pixel, int64_t n, const int p)
{
    int64_t c = 0;
    for (; c + VL <= n; c += VL) wino_input_lanes(v + c, plane, d + c, row, pixel, VL, p);
    if (c < n) wino_input_lanes(v + c, plane, d + c, row, pixel, n - c, p);
}

/* Bias and slopes of the lanes from c on, kept in registers for all pixels of a tile. */
typedef struct finish_lanes {
    vf bias, slope;
    bool plain; /* neither activation nor scale */
} finish_lanes;

ALWAYS vf load_lanes(const float *p, int64_t left)
{
    return left >= VL ? load(p) : load_part(p, left, 0);
}

ALWAYS finish_lanes finish_at(const zis_micro_finish *f, int64_t c, int64_t left)
{
    return (finish_lanes){
        .bias = f->bias ? load_lanes(f->bias + c, left) : (vf){0},
        .slope = f->slopes ? load_lanes(f->slopes + c, left) : splat(f->slope),
        .plain = !f->slopes && f->slope == 1 && f->scale == 1,
    };
}

ALWAYS void finish_pixel(float *y,
                         vf sum,
                         const float *add,
                         const float *more,
                         const zis_micro_finish *f,
                         const finish_lanes *l,
                         int64_t left)
{
    sum += l->bias;
    if (!l->plain) sum = select_f(sum > 0.0f, sum, sum * l->slope) * f->scale;
    if (add) sum += load_lanes(add, left) * f->add_scale;
    if (more) sum += load_lanes(more, left);
    if (left >= VL)
        store(y, sum);
    else
        store_part(y, sum, left);
}

static void finish(float *y,
                   const float *sums,
                   const float *add,
                   const float *more,
                   const zis_micro_finish *f,
                   int64_t n)
{
    for (int64_t c = 0; c < n; c += VL) {
        finish_lanes l = finish_at(f, c, n - c);
        finish_pixel(y + c, load_lanes(sums + c, n - c), add ? add + c : NULL,
                     more ? more + c : NULL, f, &l, n - c);
    }
}

/* Channel c of pixel (i, j), or NULL. */
ALWAYS float *pixel_at(const zis_micro_pixels *p, int64_t i, int64_t j, int64_t c)
{
    return p->data ? p->data + p->at + i * p->row + j * p->pixel + c : NULL;
}

ALWAYS void wino_output(const zis_micro_wino_out *o,
                        const float *m,
                        int64_t plane,
                        int64_t n,
                        const int p,
                        const int outputs)
{
    for (int64_t c = 0; c < n; c += VL) {
        int64_t left = n - c;
        vf t[8 * 8];
        for (int j = 0; j < p; j++) {
            vf in[8], out[8];
            for (int i = 0; i < p; i++) in[i] = load(m + (i * p + j) * plane + c);
            wino_a(out, in, p, outputs);
            for (int i = 0; i < outputs; i++) t[i * p + j] = out[i];
        }
        finish_lanes l = finish_at(&o->finish, c, left);
        for (int i = 0; i < outputs; i++) {
            if (i < o->top || i >= o->bottom) continue;
            vf out[8];
            wino_a(out, t + i * p, p, outputs);
            for (int j = 0; j < outputs; j++) {
                if (j < o->left || j >= o->right) continue;
                finish_pixel(pixel_at(&o->y, i, j, c), out[j], pixel_at(&o->add, i, j, c),
                             pixel_at(&o->more, i, j, c), &o->finish, &l, left);
            }
        }
    }
}

/* Rows of G, for one row of planes at a time. */
static const float wino_rows_6[6][3] = {
    {0.25f, 0, 0},
    {-1.0f / 6, -1.0f / 6, -1.0f / 6},
    {-1.0f / 6, 1.0f / 6, -1.0f / 6},
    {1.0f / 24, 1.0f / 12, 1.0f / 6},
    {1.0f / 24, -1.0f / 12, 1.0f / 6},
    {0, 0, 1}, /* of the last tap, wherever it is */
};
static const float wino_rows_8[8][3] = {
    {1, 0, 0},
    {-2.0f / 9, -2.0f / 9, -2.0f / 9},
    {-2.0f / 9, 2.0f / 9, -2.0f / 9},
    {1.0f / 90, 1.0f / 45, 2.0f / 45},
    {1.0f / 90, -1.0f / 45, 2.0f / 45},
    {32.0f / 45, 16.0f / 45, 8.0f / 45},
    {32.0f / 45, -16.0f / 45, 8.0f / 45},
    {0, 0, 1},
};

/* Row `row` of planes, from [taps][taps] lanes. */
ALWAYS void wino_weight_lanes(
    float *u, int64_t plane, const vf *g, const int p, const int taps, int row)
{
    vf t[3], out[8];
    const float *f = p == 6 ? wino_rows_6[row] : wino_rows_8[row];
    for (int j = 0; j < taps; j++) {
        if (row == p - 1)
            t[j] = g[(taps - 1) * taps + j];
        else
            t[j] = f[0] * g[j] + f[1] * g[taps + j];
        if (taps == 3 && row < p - 1) t[j] += f[2] * g[2 * taps + j];
    }
    wino_g(out, t, p, taps);
    for (int j = 0; j < p; j++) store(u + j * plane, out[j]);
}

ALWAYS void wino_weight(float *u, int64_t plane, const float *g, int64_t n, int row, const int p)
{
    for (int64_t c = 0; c + VL <= n; c += VL) {
        vf in[9];
        for (int i = 0; i < 9; i++) in[i] = load(g + i * n + c);
        wino_weight_lanes(u + c, plane, in, p, 3, row);
    }
}

/* Rows (or columns) of three taps on a doubled picture fall on two of the original: the even ones
 * on (0, 1 + 2), the odd ones on (0 + 1, 2). */
static void wino_weight_folded(
    float *u, int64_t plane, const float *g, int64_t n, int row, int parity)
{
    int py = parity / 2, px = parity % 2;
    for (int64_t c = 0; c + VL <= n; c += VL) {
        vf in[9], rows[6], both[4];
        for (int i = 0; i < 9; i++) in[i] = load(g + i * n + c);
        for (int j = 0; j < 3; j++) {
            rows[j] = py ? in[j] + in[3 + j] : in[j];
            rows[3 + j] = py ? in[6 + j] : in[3 + j] + in[6 + j];
        }
        for (int i = 0; i < 2; i++) {
            const vf *r = rows + 3 * i;
            both[2 * i] = px ? r[0] + r[1] : r[0];
            both[2 * i + 1] = px ? r[2] : r[1] + r[2];
        }
        wino_weight_lanes(u + c, plane, both, 6, 2, row);
    }
}

#define WINO_INPUT(name, p)                                                                        \
    static void name(float *v, int64_t plane, const float *d, int64_t row, int64_t pixel,          \
                     int64_t n)                                                                    \
    {                                                                                              \
        wino_input(v, plane, d, row, pixel, n, p);                                                 \
    }
#define WINO_OUTPUT(name, p, outputs)                                                              \
    static void name(const zis_micro_wino_out *o, const float *m, int64_t plane, int64_t n)        \
    {                                                                                              \
        wino_output(o, m, plane, n, p, outputs);                                                   \
    }
#define WINO_WEIGHT(name, p)                                                                       \
    static void name(float *u, int64_t plane, const float *g, int64_t n, int row, int parity)      \
    {                                                                                              \
        (void)parity;                                                                              \
        wino_weight(u, plane, g, n, row, p);                                                       \
    }
WINO_INPUT(wino_input_6, 6)
WINO_INPUT(wino_input_8, 8)
WINO_OUTPUT(wino_output_4, 6, 4)
WINO_OUTPUT(wino_output_5, 6, 5)
WINO_OUTPUT(wino_output_6, 8, 6)
WINO_WEIGHT(wino_weight_6, 6)
WINO_WEIGHT(wino_weight_8, 8)

#define WINOGRAD_TABLE                                                                             \
    {                                                                                              \
        [ZIS_WINO_4] = {6, 4, wino_input_6, wino_output_4, wino_weight_6},                         \
        [ZIS_WINO_6] = {8, 6, wino_input_8, wino_output_6, wino_weight_8},                         \
        [ZIS_WINO_FOLDED] = {6, 5, wino_input_6, wino_output_5, wino_weight_folded},               \
    }
