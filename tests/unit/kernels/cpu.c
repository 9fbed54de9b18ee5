/* cpu.c - every operation of the CPU backend against the oracle; deltas of weights: deltas.c. */
#include "against_ref.h"

static void linear_case(
    bench *b, int64_t m, int64_t n, int64_t k, zis_dtype t, zis_epilogue e, int n_w, bool fine)
{
    zis_weight w[3];
    int64_t cols = 0;
    for (int i = 0; i < n_w; i++) {
        int64_t rows = e == ZIS_EPILOGUE_SILU_MUL ? n : n + i;
        w[i] = weight(b, rows, k, t, 1.0f / sqrtf((float)k));
        cols += rows;
    }
    if (e == ZIS_EPILOGUE_SILU_MUL) cols = n;
    zis_tensor x = matrix(b, m, k, 3, true), y = matrix(b, m, cols, 5, e == ZIS_EPILOGUE_ADD);
    zis_linear_args a = {.y = y, .x = x, .n_w = n_w, .epilogue = e, .fine = fine};
    for (int i = 0; i < n_w; i++) a.w[i] = &w[i];
    if (e != ZIS_EPILOGUE_SILU_MUL) a.bias = vector(b, cols, 0);
    zis_linear_args r = a;
    r.y = clone(b, &y);
    RUN(b, linear, &a, &r);
    char what[100];
    snprintf(what, sizeof what, "linear %dx%dx%d %s epilogue %d of %d", (int)m, (int)n, (int)k,
             zis_dtype_get(t)->name, (int)e, n_w);
    compare(b, what, &a.y, &r.y, fine && b->math == ZIS_DTYPE_BF16 ? 1e-5 : product_bound(b));
    done(b);
}

static void test_linear(bench *b)
{
    static const zis_dtype types[] = {ZIS_DTYPE_F32, ZIS_DTYPE_BF16, ZIS_DTYPE_F16};
    for (int t = 0; t < 3; t++) {
        linear_case(b, 1, 1, 1, types[t], ZIS_EPILOGUE_NONE, 1, false);
        linear_case(b, 1, 33, 63, types[t], ZIS_EPILOGUE_SILU, 1, false);
        linear_case(b, 15, 257, 65, types[t], ZIS_EPILOGUE_ADD, 1, false);
        linear_case(b, 32, 100, 256, types[t], ZIS_EPILOGUE_NONE, 3, false);
        linear_case(b, 65, 77, 513, types[t], ZIS_EPILOGUE_NONE, 2, false);
        linear_case(b, 97, 130, 1030, types[t], ZIS_EPILOGUE_SILU_MUL, 2, false);
        linear_case(b, 20, 50, 128, types[t], ZIS_EPILOGUE_SILU_MUL, 2, false);
        /* several slices of k; rows a multiple of a page apart */
        linear_case(b, 40, 110, 2999, types[t], ZIS_EPILOGUE_SILU_MUL, 2, false);
        linear_case(b, 40, 100, 3000, types[t], ZIS_EPILOGUE_ADD, 2, true);
        linear_case(b, 70, 13, 2048, types[t], ZIS_EPILOGUE_NONE, 1, false);
        linear_case(b, 20, 50, 129, types[t], ZIS_EPILOGUE_ADD, 1, true);
        linear_case(b, 70, 31, 65, types[t], ZIS_EPILOGUE_NONE, 3, true);
        linear_case(b, 17, 37, 65, types[t], ZIS_EPILOGUE_GELU, 1, false);
    }
}
/* Weights that are columns of a wider matrix. */
static void test_linear_columns(bench *b)
{
    for (int m = 1; m <= 41; m += 40) {
        zis_weight wide = weight(b, 37, 130, m == 1 ? ZIS_DTYPE_F32 : ZIS_DTYPE_BF16, 0.2f);
        zis_weight half = wide;
        half.t = zis_tensor_col_slice(&wide.t, 65, 65);
        zis_linear_args a = {.y = matrix(b, m, 37, 1, false),
                             .x = matrix(b, m, 65, 2, true),
                             .w = {&half},
                             .n_w = 1,
                             .bias = vector(b, 37, 0),
                             .exact = m == 1};
        zis_linear_args r = a;
        r.y = clone(b, &a.y);
        RUN(b, linear, &a, &r);
        compare(b, "linear of columns", &a.y, &r.y, m == 1 ? 2e-6 : product_bound(b));
        done(b);
    }
}

static void attention_case(
    bench *b, int64_t lq, int64_t lk, int heads, int kv, int d, bool causal, float amp, bool exact)
{
    zis_tensor q = matrix(b, lq, heads * d, 7, true), k = matrix(b, lk, kv * d, 9, true);
    zis_tensor v = matrix(b, lk, kv * d, 1, true), o = matrix(b, lq, heads * d, 2, false);
    for (int64_t i = 0; i < lq; i++)
        for (int64_t j = 0; j < heads * d; j++) ((float *)q.data)[i * q.stride + j] *= amp;
    zis_attention_args a = {.o = o,
                            .q = q,
                            .k = k,
                            .v = v,
                            .heads = heads,
                            .kv_heads = kv,
                            .head_dim = d,
                            .scale = 1.0f / sqrtf((float)d),
                            .causal = causal,
                            .exact = exact};
    zis_attention_args r = a;
    r.o = clone(b, &o);
    RUN(b, attention, &a, &r);
    char what[100];
    snprintf(what, sizeof what, "attention %dx%d heads %d/%d dim %d", (int)lq, (int)lk, heads, kv,
             d);
    compare(b, what, &a.o, &r.o, b->math == ZIS_DTYPE_BF16 && !exact ? 6e-3 : 3e-6);
    done(b);
}

static void test_attention(bench *b)
{
    attention_case(b, 1, 1, 1, 1, 8, false, 1, false);
    attention_case(b, 33, 33, 3, 3, 40, false, 3, false);
    attention_case(b, 33, 33, 4, 2, 40, true, 3, true);
    attention_case(b, 65, 65, 8, 2, 64, true, 3, false);
    attention_case(b, 7, 63, 2, 1, 63, false, 10, false);
    attention_case(b, 20, 1100, 2, 2, 128, false, 20, false);
    attention_case(b, 600, 600, 1, 1, 16, true, 5, false);
    attention_case(b, 1201, 1009, 2, 1, 24, false, 5, false); /* several groups and blocks */
    attention_case(b, 1153, 1153, 2, 2, 32, true, 5, false);
}

static void test_norms(bench *b)
{
    static const int64_t widths[] = {1, 63, 65, 257, 384};
    for (int i = 0; i < 5; i++) {
        int64_t n = widths[i], m = 19;
        zis_rms_norm_args a = {.y = matrix(b, m, n, 3, false),
                               .x = matrix(b, m, n, 1, true),
                               .w = vector(b, n, 1),
                               .scale = i % 2 ? vector(b, n, 1) : NULL,
                               .eps = 1e-5f};
        zis_rms_norm_args r = a;
        r.y = clone(b, &a.y);
        RUN(b, rms_norm, &a, &r);
        compare(b, "rms_norm", &a.y, &r.y, 5e-7);
        zis_gate_residual_args g = {.x = matrix(b, m, n, 2, true),
                                    .o = a.x,
                                    .w = a.w,
                                    .y = i % 2 ? matrix(b, m, n, 1, false) : (zis_tensor){0},
                                    .gate = i % 3 ? vector(b, n, 0) : NULL,
                                    .next_w = a.w,
                                    .next_scale = a.scale,
                                    .eps = 1e-5f};
        zis_gate_residual_args h = g;
        h.x = clone(b, &g.x);
        if (g.y.data) h.y = clone(b, &g.y);
        RUN(b, gate_residual, &g, &h);
        compare(b, "gate_residual x", &g.x, &h.x, 5e-7);
        if (g.y.data) compare(b, "gate_residual y", &g.y, &h.y, 5e-7);
        zis_layer_norm_args l = {
            .y = matrix(b, m, n, 0, false), .x = a.x, .scale = a.scale, .eps = 1e-6f};
        if (i > 1) l.bias = vector(b, n, 0);
        zis_layer_norm_args k = l;
        k.y = clone(b, &l.y);
        if (n > 1) {
            RUN(b, layer_norm, &l, &k);
            compare(b, "layer_norm", &l.y, &k.y, 1e-6);
        }
        done(b);
    }
}

static void test_qk_norm_rope(bench *b)
{
    static const int dims[] = {2, 40, 64, 126, 128};
    for (int i = 0; i < 10; i++) {
        int d = dims[i / 2], heads = 6, kv = i % 3 ? 3 : 6;
        zis_tensor x = matrix(b, 9, (heads + 2 * kv) * d, 4, true);
        zis_qk_norm_rope_args a = {.qkv = x,
                                   .heads = heads,
                                   .kv_heads = kv,
                                   .head_dim = d,
                                   .q_w = vector(b, d, 1),
                                   .k_w = vector(b, d, 1),
                                   .eps = 1e-5f,
                                   .form = i % 2 ? ZIS_ROPE_HALVES : ZIS_ROPE_PAIRS,
                                   .cos = matrix(b, 9, d / 2, 0, true),
                                   .sin = matrix(b, 9, d / 2, 0, true)};
        zis_qk_norm_rope_args r = a;
        r.qkv = clone(b, &x);
        RUN(b, qk_norm_rope, &a, &r);
        compare(b, "qk_norm_rope", &a.qkv, &r.qkv, 5e-7);
        done(b);
    }
}

static void conv_case(bench *b,
                      int64_t h,
                      int64_t w,
                      int64_t c,
                      int64_t n,
                      int k,
                      int stride,
                      bool upsample,
                      int groups,
                      bool add,
                      zis_dtype t)
{
    zis_weight wt = weight(b, n, c * k * k, t, 1.5f / sqrtf((float)(c * k * k)));
    wt.t = zis_tensor_4d(wt.t.data, t, n, c, k, k);
    int up = upsample ? 2 : 1;
    int64_t oh = stride == 2 ? h / 2 : h * up, ow = stride == 2 ? w / 2 : w * up;
    zis_conv2d_args a = {.y = cube(b, oh, ow, n, false),
                         .x = cube(b, h, w, c, true),
                         .w = &wt,
                         .bias = vector(b, n, 0),
                         .stride = stride,
                         .pad = k == 3 && stride == 1 ? 1 : 0,
                         .upsample = upsample,
                         .groups = groups,
                         .eps = 1e-6f,
                         .silu = groups != 0};
    if (groups) {
        a.norm_w = vector(b, c, 1);
        a.norm_b = vector(b, c, 0);
    }
    if (add) a.add = cube(b, oh, ow, n, true);
    zis_conv2d_args r = a;
    r.y = clone(b, &a.y);
    RUN(b, conv2d, &a, &r);
    char what[120];
    snprintf(what, sizeof what, "conv %dx%d %d->%d k%d s%d up%d groups %d", (int)h, (int)w, (int)c,
             (int)n, k, stride, upsample, groups);
    /* Winograd in float32 stands beside an oracle that may round to bfloat16 */
    compare(b, what, &a.y, &r.y, b->math == ZIS_DTYPE_BF16 ? 8e-3 : 1e-5);
    done(b);
}

/* What only conv2d_case below asks for. */
typedef struct conv_kind {
    int k, stride, pad, groups;
    bool relu, exact, add;
} conv_kind;

/* Sides of the output are half of x's, rounded up, for stride 2. */
static void conv2d_case(bench *b, int64_t h, int64_t w, int64_t c, int64_t n, conv_kind kind)
{
    int k = kind.k, s = kind.stride;
    zis_weight wt = weight(b, n, c * k * k, ZIS_DTYPE_F32, 1.5f / sqrtf((float)(c * k * k)));
    wt.t = zis_tensor_4d(wt.t.data, ZIS_DTYPE_F32, n, c, k, k);
    int64_t oh = s == 2 ? (h + 1) / 2 : h, ow = s == 2 ? (w + 1) / 2 : w;
    zis_conv2d_args a = {.y = cube(b, oh, ow, n, false),
                         .x = cube(b, h, w, c, true),
                         .w = &wt,
                         .bias = vector(b, n, 0),
                         .stride = s,
                         .pad = kind.pad,
                         .groups = kind.groups,
                         .eps = 1e-5f,
                         .relu = kind.relu,
                         .exact = kind.exact};
    if (kind.groups) {
        a.norm_w = vector(b, c, 1);
        a.norm_b = vector(b, c, 0);
    }
    if (kind.add) a.add = cube(b, oh, ow, n, true);
    zis_conv2d_args r = a;
    r.y = clone(b, &a.y);
    RUN(b, conv2d, &a, &r);
    char what[120];
    snprintf(what, sizeof what, "conv %dx%d %d->%d k%d s%d pad %d relu %d exact %d", (int)h, (int)w,
             (int)c, (int)n, k, s, kind.pad, kind.relu, kind.exact);
    double bound = b->math == ZIS_DTYPE_BF16 ? 8e-3 : 1e-5;
    compare(b, what, &a.y, &r.y, kind.exact ? 1e-6 : bound);
    done(b);
}

static void test_conv_kinds(bench *b)
{
    conv2d_case(b, 13, 17, 9, 33, (conv_kind){.k = 7, .stride = 1, .pad = 3});
    conv2d_case(b, 13, 17, 10, 35, (conv_kind){.k = 7, .stride = 1, .pad = 3, .relu = true});
    conv2d_case(b, 22, 18, 3, 20, (conv_kind){.k = 7, .stride = 2, .pad = 2, .exact = true});
    conv2d_case(b, 9, 8, 12, 10, (conv_kind){.k = 5, .stride = 1, .pad = 2, .add = true});
    conv2d_case(b, 11, 14, 20, 36, (conv_kind){.k = 3, .stride = 2, .pad = 1, .relu = true});
    conv2d_case(b, 12, 14, 20, 36, (conv_kind){.k = 3, .stride = 2, .groups = 4, .relu = true});
    conv2d_case(b, 11, 14, 20, 36, (conv_kind){.k = 1, .stride = 2, .exact = true});
    conv2d_case(b, 7, 9, 16, 33, (conv_kind){.k = 1, .stride = 1, .relu = true, .add = true});
    conv2d_case(b, 7, 9, 16, 33, (conv_kind){.k = 1, .stride = 1, .relu = true, .groups = 2});
    conv2d_case(b, 7, 9, 16, 33, (conv_kind){.k = 1, .stride = 1, .exact = true});
    conv2d_case(b, 25, 20, 16, 33, (conv_kind){.k = 3, .stride = 1, .pad = 1, .relu = true});
    conv2d_case(b, 25, 20, 16, 33,
                (conv_kind){.k = 3, .stride = 1, .pad = 1, .exact = true, .add = true});
    conv2d_case(b, 10, 9, 24, 20,
                (conv_kind){.k = 3, .stride = 1, .pad = 1, .groups = 3, .relu = true});
}

static void test_window(bench *b)
{
    static const struct {
        int64_t h, w, c, oh, ow;
        int k, stride, pad;
    } pools[] = {{8, 6, 33, 4, 3, 2, 2, 0},
                 {7, 9, 17, 3, 4, 2, 2, 0},
                 {8, 12, 64, 4, 6, 3, 2, 0},
                 {9, 5, 7, 5, 3, 3, 2, 1},
                 {1, 1, 1, 1, 1, 3, 1, 1}};
    for (size_t i = 0; i < sizeof pools / sizeof *pools; i++) {
        zis_max_pool_args a = {.y = cube(b, pools[i].oh, pools[i].ow, pools[i].c, false),
                               .x = cube(b, pools[i].h, pools[i].w, pools[i].c, true),
                               .k = pools[i].k,
                               .stride = pools[i].stride,
                               .pad = pools[i].pad};
        zis_max_pool_args r = a;
        r.y = clone(b, &a.y);
        RUN(b, max_pool, &a, &r);
        compare(b, "max_pool", &a.y, &r.y, 0);
        done(b);
    }
    static const int64_t sizes[][5] = {
        {4, 6, 33, 8, 12}, {3, 5, 16, 6, 10}, {24, 24, 65, 4, 9}, {24, 24, 8, 36, 31},
        {1, 1, 7, 3, 2},   {5, 1, 17, 1, 4},  {6, 7, 20, 6, 7},
    };
    for (int i = 0; i < 14; i++) {
        const int64_t *s = sizes[i / 2];
        zis_bilinear_args a = {.y = cube(b, s[3], s[4], s[2], false),
                               .x = cube(b, s[0], s[1], s[2], true),
                               .corners = i % 2 == 0};
        zis_bilinear_args r = a;
        r.y = clone(b, &a.y);
        RUN(b, bilinear, &a, &r);
        compare(b, "bilinear", &a.y, &r.y, 2e-7);
        done(b);
    }
}

static void test_pixel_shuffle(bench *b)
{
    for (int i = 0; i < 4; i++) {
        int r = i + 1;
        zis_pixel_shuffle_args a = {.y = cube(b, 5 * r, 7 * r, 3, false),
                                    .x = cube(b, 5, 7, 3 * r * r, true),
                                    .add = i % 2 ? cube(b, 5, 7, 3, true) : (zis_tensor){0},
                                    .factor = r};
        zis_pixel_shuffle_args o = a;
        o.y = clone(b, &a.y);
        RUN(b, pixel_shuffle, &a, &o);
        compare(b, "pixel_shuffle", &a.y, &o.y, 0);
        done(b);
    }
}

static void test_conv(bench *b)
{
    conv_case(b, 1, 1, 8, 8, 3, 1, false, 0, false, ZIS_DTYPE_BF16);
    conv_case(b, 5, 7, 16, 33, 3, 1, false, 4, true, ZIS_DTYPE_BF16);
    conv_case(b, 13, 10, 65, 16, 3, 1, true, 0, false, ZIS_DTYPE_F32);
    conv_case(b, 33, 9, 24, 40, 3, 1, false, 8, true, ZIS_DTYPE_F16);
    conv_case(b, 1, 2, 8, 33, 3, 1, true, 0, true, ZIS_DTYPE_BF16);
    conv_case(b, 97, 101, 8, 16, 3, 1, false, 4, true, ZIS_DTYPE_BF16); /* several strips */
    conv_case(b, 94, 85, 8, 8, 3, 1, true, 0, false, ZIS_DTYPE_BF16);
    conv_case(b, 9, 12, 3, 16, 3, 1, false, 0, false, ZIS_DTYPE_F32);
    conv_case(b, 9, 40, 16, 3, 3, 1, false, 4, false, ZIS_DTYPE_BF16);
    conv_case(b, 11, 14, 20, 36, 3, 2, false, 0, false, ZIS_DTYPE_BF16);
    conv_case(b, 6, 7, 30, 17, 1, 1, false, 0, true, ZIS_DTYPE_BF16);
    conv_case(b, 8, 8, 150, 64, 3, 1, false, 3, true, ZIS_DTYPE_BF16);
}

/* Pixels a gap apart: a slice of the channels of a wider picture. */
static zis_tensor slice(bench *b, int64_t h, int64_t w, int64_t c, int64_t gap, bool random)
{
    zis_tensor t = matrix(b, h * w, c, gap, random);
    zis_tensor s = zis_tensor_3d(t.data, ZIS_DTYPE_F32, h, w, c);
    s.stride = t.stride;
    return s;
}

/* What stands behind the sums: activation, scales, residuals, some rows only, through views. */
static void conv_ends_case(bench *b,
                           int64_t h,
                           int64_t w,
                           int64_t c,
                           int64_t n,
                           int k,
                           bool upsample,
                           int skip,
                           int64_t rows,
                           zis_activation activation,
                           bool in_place)
{
    zis_weight wt = weight(b, n, c * k * k, ZIS_DTYPE_F32, 1.5f / sqrtf((float)(c * k * k)));
    wt.t = zis_tensor_4d(wt.t.data, ZIS_DTYPE_F32, n, c, k, k);
    int64_t ow = upsample ? 2 * w : w;
    zis_conv2d_args a = {.y = slice(b, rows, ow, n, 3, in_place),
                         .x = slice(b, h, w, c, 5, true),
                         .w = &wt,
                         .bias = vector(b, n, 0),
                         .activation = activation,
                         .slope = 0.2f,
                         .slopes = vector(b, n, 0.5f),
                         .scale = 0.25f,
                         .add = slice(b, rows, ow, n, 1, true),
                         .add_scale = -0.5f,
                         .more = slice(b, rows, ow, n, 0, true),
                         .stride = 1,
                         .skip = skip,
                         .pad = k / 2,
                         .upsample = upsample};
    if (activation == ZIS_ACTIVATION_RELU) a.scale = 0; /* 1 */
    if (activation == ZIS_ACTIVATION_PRELU) a.add = (zis_tensor){0};
    if (activation == ZIS_ACTIVATION_NONE) a.more = (zis_tensor){0};
    zis_conv2d_args r = a;
    r.y = clone(b, &a.y);
    if (in_place) {
        a.add = a.y;
        r.add = r.y;
    }
    RUN(b, conv2d, &a, &r);
    char what[120];
    snprintf(what, sizeof what, "conv %dx%d %d->%d k%d up%d rows %d+%d activation %d", (int)h,
             (int)w, (int)c, (int)n, k, upsample, skip, (int)rows, (int)activation);
    compare(b, what, &a.y, &r.y, b->math == ZIS_DTYPE_BF16 ? 8e-3 : 1e-5);
    done(b);
}

static void test_conv_ends(bench *b)
{
    static const zis_activation kinds[] = {ZIS_ACTIVATION_NONE, ZIS_ACTIVATION_RELU,
                                           ZIS_ACTIVATION_LEAKY, ZIS_ACTIVATION_PRELU};
    for (int i = 0; i < 4; i++) {
        conv_ends_case(b, 1, 1, 8, 5, 3, false, 0, 1, kinds[i], false);
        conv_ends_case(b, 1, 20, 33, 40, 3, false, 0, 1, kinds[i], true);
        conv_ends_case(b, 20, 1, 64, 32, 3, false, 3, 15, kinds[i], false);
        conv_ends_case(b, 25, 31, 24, 33, 3, false, 5, 13, kinds[i], true);
        conv_ends_case(b, 9, 11, 3, 35, 3, false, 2, 7, kinds[i], false);
        conv_ends_case(b, 9, 11, 6, 17, 1, false, 4, 5, kinds[i], false);
        conv_ends_case(b, 9, 13, 16, 20, 3, true, 4, 6, kinds[i], false);
        conv_ends_case(b, 9, 13, 16, 20, 3, true, 3, 15, kinds[i], true);
        conv_ends_case(b, 9, 13, 16, 20, 3, true, 2, 7, kinds[i], false);
    }
    /* many tiles, several pieces of the channels */
    conv_ends_case(b, 44, 61, 150, 33, 3, false, 1, 43, ZIS_ACTIVATION_LEAKY, false);
}

static void test_group_norm(bench *b)
{
    for (int i = 0; i < 8; i++) {
        zis_group_norm_args a = {.y = cube(b, 5, 3 + i, 36, false),
                                 .x = cube(b, 5, 3 + i, 36, true),
                                 .w = vector(b, 36, 1),
                                 .b = vector(b, 36, 0),
                                 .groups = 4,
                                 .eps = 1e-6f,
                                 .silu = i % 2 == 0 && i<4, .relu = i> 4};
        if (i == 4 || i == 6) a.add = cube(b, 5, 3 + i, 36, true);
        zis_group_norm_args r = a;
        r.y = clone(b, &a.y);
        RUN(b, group_norm, &a, &r);
        compare(b, "group_norm", &a.y, &r.y, 1e-6);
        done(b);
    }
}

static void test_small(bench *b)
{
    int32_t ids[5] = {3, 0, 6, 6, 1};
    zis_weight table = weight(b, 7, 65, ZIS_DTYPE_BF16, 1);
    zis_embed_rows_args e = {.y = matrix(b, 5, 65, 1, false),
                             .table = &table,
                             .ids = zis_tensor_1d(ids, ZIS_DTYPE_I32, 5)},
                        e2 = e;
    e2.y = clone(b, &e.y);
    RUN(b, embed_rows, &e, &e2);
    compare(b, "embed_rows", &e.y, &e2.y, 0);
    zis_fill_rows_args f = {.y = matrix(b, 5, 33, 2, false), .v = vector(b, 33, 0)}, f2 = f;
    f2.y = clone(b, &f.y);
    RUN(b, fill_rows, &f, &f2);
    compare(b, "fill_rows", &f.y, &f2.y, 0);
    static const zis_unary_fn fns[] = {ZIS_UNARY_COPY,    ZIS_UNARY_SILU, ZIS_UNARY_TANH,
                                       ZIS_UNARY_ADD_ONE, ZIS_UNARY_RELU, ZIS_UNARY_GELU};
    for (int i = 0; i < 6; i++) {
        zis_unary_args u = {.y = matrix(b, 7, 45, 3, false),
                            .x = matrix(b, 7, 45, 2, true),
                            .f = fns[i]},
                       u2 = u;
        u2.y = clone(b, &u.y);
        RUN(b, unary, &u, &u2);
        compare(b, "unary", &u.y, &u2.y, 3e-7);
    }
    done(b);
    zis_affine_args n = {.y = matrix(b, 3, 77, 0, false),
                         .x = matrix(b, 3, 77, 1, true),
                         .z = matrix(b, 3, 77, 2, true),
                         .a = 1,
                         .b = -0.3f,
                         .c = 0.5f},
                    n2 = n;
    n2.y = clone(b, &n.y);
    RUN(b, affine, &n, &n2);
    compare(b, "affine", &n.y, &n2.y, 1e-7);
    zis_guide_args g = {.y = matrix(b, 3, 77, 0, false), .pos = n.x, .neg = n.z, .s = 3}, g2 = g;
    g2.y = clone(b, &g.y);
    RUN(b, guide, &g, &g2);
    compare(b, "guide", &g.y, &g2.y, 1e-7);
    zis_mix_args x = {.y = matrix(b, 3, 77, 0, false),
                      .x = n.x,
                      .z = n.z,
                      .m = matrix(b, 3, 77, 1, true)},
                 x2 = x;
    x2.y = clone(b, &x.y);
    RUN(b, mix, &x, &x2);
    compare(b, "mix", &x.y, &x2.y, 1e-7);
    zis_patchify_args p = {.y = matrix(b, 32, 64, 0, false),
                           .x = cube(b, 16, 6, 10, true),
                           .patch = 2},
                      p2 = p;
    p2.y = clone(b, &p.y);
    RUN(b, patchify, &p, &p2);
    compare(b, "patchify", &p.y, &p2.y, 0);
    zis_unpatchify_args v = {.x = cube(b, 16, 6, 10, false), .y = p.y, .patch = 2, .mul = -1},
                        v2 = v;
    v2.x = clone(b, &v.x);
    RUN(b, unpatchify, &v, &v2);
    compare(b, "unpatchify", &v.x, &v2.x, 0);
    zis_planes_args q = {.y = cube(b, 5, 6, 7, false),
                         .x = cube(b, 7, 5, 6, true),
                         .mul = 2,
                         .add = 1},
                    q2 = q;
    q2.y = clone(b, &q.y);
    RUN(b, planes_to_pixels, &q, &q2);
    compare(b, "planes_to_pixels", &q.y, &q2.y, 1e-7);
    zis_planes_args s = {.y = cube(b, 7, 5, 6, false), .x = q.y, .mul = 2, .add = 1}, s2 = s;
    s2.y = clone(b, &s.y);
    RUN(b, pixels_to_planes, &s, &s2);
    compare(b, "pixels_to_planes", &s.y, &s2.y, 1e-7);
    done(b);
}

/* Both devices fail with ZIS_NUMERIC, say what to try, and go on afterwards. */
static void expect_numeric(bench *b, const char *what)
{
    zis_run *runs[] = {&b->cpu, &b->ref};
    for (int i = 0; i < 2; i++) {
        zis_error err = {0};
        if (zis_run_status(runs[i], &err) != ZIS_NUMERIC)
            fail_msg("%s on %s: a value that is no number went unseen", what, i ? "ref" : b->isa);
        assert_non_null(strstr(err.text, b->math == ZIS_DTYPE_F32 ? "f32" : "bf16"));
        assert_true(b->math == ZIS_DTYPE_F32 || strstr(err.text, "--dtype f32"));
        zis_run_clear(runs[i]);
    }
}

#define BOTH(b, slot, args)                                                                        \
    do {                                                                                           \
        zis_##slot(&(b)->cpu, args);                                                               \
        zis_##slot(&(b)->ref, args);                                                               \
    } while (0)

/* One bad value, anywhere: in the first row and the last, in a full vector and in the rest. */
static void test_guard(bench *b)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY, 3e30f};
    static const int64_t at[][2] = {{0, 0}, {0, 36}, {18, 20}, {18, 36}};
    enum { M = 19, N = 37 };
    for (int i = 0; i < 16; i++) {
        zis_tensor x = matrix(b, M, N, 2, true), o = matrix(b, M, N, 2, true);
        zis_tensor y = matrix(b, M, N, 1, false), none = {0};
        float *w = vector(b, N, 1), *spoilt = vector(b, N, 1);
        float *v = (float *)x.data + at[i / 4][0] * x.stride + at[i / 4][1], sound = *v;
        BOTH(b, finite, &(zis_finite_args){x});
        assert_int_equal(b->cpu.status, ZIS_OK);
        assert_int_equal(b->ref.status, ZIS_OK);
        *v = bad[i % 4];
        BOTH(b, finite, &(zis_finite_args){x});
        expect_numeric(b, "finite");
        BOTH(b, rms_norm, &((zis_rms_norm_args){.y = y, .x = x, .w = w, .eps = 1e-5f}));
        expect_numeric(b, "rms_norm");
        BOTH(b, layer_norm, &((zis_layer_norm_args){.y = y, .x = x, .eps = 1e-5f}));
        expect_numeric(b, "layer_norm");
        /* what comes out of a product, with and without a norm behind it */
        zis_gate_residual_args g = {
            .x = o, .y = i % 2 ? y : none, .o = x, .w = w, .next_w = w, .eps = 1e-5f};
        BOTH(b, gate_residual, &g);
        expect_numeric(b, "gate_residual");
        zis_tensor map = cube(b, 3, 5, 6, true), out = cube(b, 3, 5, 6, false);
        float *gain = vector(b, 6, 1);
        zis_group_norm_args n = {
            .y = out, .x = map, .w = gain, .b = gain, .groups = 3, .eps = 1e-6f};
        RUN(b, group_norm, &n, &n);
        ((float *)map.data)[i / 4 * 29] = bad[i % 4];
        BOTH(b, group_norm, &n);
        expect_numeric(b, "group_norm");
        /* the weights of the norm itself */
        *v = sound;
        spoilt[at[i / 4][1]] = bad[i % 4];
        g.x = matrix(b, M, N, 2, true);
        g.w = spoilt;
        BOTH(b, gate_residual, &g);
        expect_numeric(b, "gate_residual by its weights");
        done(b);
    }
}

static const named tests[] = {
    {"linear", test_linear},       {"attention", test_attention},
    {"norms", test_norms},         {"qk_norm_rope", test_qk_norm_rope},
    {"conv", test_conv},           {"group_norm", test_group_norm},
    {"small", test_small},         {"conv_kinds", test_conv_kinds},
    {"window", test_window},       {"linear_columns", test_linear_columns},
    {"conv_ends", test_conv_ends}, {"pixel_shuffle", test_pixel_shuffle},
    {"guard", test_guard},
};

int main(void)
{
    return run_named("cpu backend", tests, sizeof tests / sizeof *tests);
}
