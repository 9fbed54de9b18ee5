/* lora.c - every layout of lora.md: what it adds to which module, with which scale; how files are
 * put on and taken off. */
#include "lora_file.h"

#include "kernels/run.h"
#include "oom.h"

#include <math.h>

/* Element (i, j) of the tensor of this name. */
static double at(const lora_file *f, const char *name, int64_t i, int64_t j)
{
    for (int k = 0; k < f->n; k++)
        if (strcmp(f->t[k].name, name) == 0)
            return f->t[k].value[f->t[k].ndim == 2 ? i * f->t[k].dim[1] + j : i];
    fail_msg("no tensor %s", name);
    return 0;
}

/* What a module adds to its stored matrix, by the oracle: the product with the unit matrix. */
static void effective(const small_model *m, int i, double *delta)
{
    int64_t n = modules[i].rows, k = modules[i].cols;
    float one[100] = {0}, y[100];
    zis_run run, dry;
    zis_error err = {0};
    for (int64_t j = 0; j < k; j++) one[j * k + j] = 1;
    zis_linear_args a = {
        .y = zis_tensor_2d(y, ZIS_DTYPE_F32, k, n),
        .x = zis_tensor_2d(one, ZIS_DTYPE_F32, k, k),
        .w = {&m->w[i]},
        .n_w = 1,
    };
    if (zis_run_init(&run, &(zis_run_options){.device = "ref", .math = ZIS_DTYPE_F32}, &err))
        fail_msg("%s", err.text);
    zis_run_init_dry(&dry, &run);
    zis_linear(&dry, &a);
    if (zis_run_status(&dry, &err)) fail_msg("%s", err.text);
    assert_int_equal(zis_run_reserve(&run, dry.scratch.peak, &err), ZIS_OK);
    zis_linear(&run, &a);
    if (zis_run_status(&run, &err)) fail_msg("%s", err.text);
    zis_run_deinit(&run);
    for (int64_t r = 0; r < n; r++)
        for (int64_t c = 0; c < k; c++)
            delta[r * k + c] = (double)y[c * n + r] - (double)m->data[i][r * k + c];
}

/* Opens the file for the model; fails the test if it cannot. */
static zis_lora *open_file(lora_file *f, const small_model *m)
{
    zis_lora *lora = NULL;
    zis_error err = {0};
    write_file(f);
    if (zis_lora_open(&lora, f->path, &m->targets, &err)) fail_msg("%s", err.text);
    return lora;
}

/* The change that a test expects of element (r, c). */
typedef double expected(const lora_file *f, int module, int64_t r, int64_t c);

/* Attaches the file and compares one module; the others of `changed` (a bit each) must not stay. */
static void check(lora_file *f, int module, expected *e, double scale, unsigned changed)
{
    static small_model m;
    zis_lora_attachment *a = NULL;
    zis_error err = {0};
    double strength = 0.5, d[100];
    make_model(&m);
    zis_lora *lora = open_file(f, &m);
    if (zis_lora_attach(&a, &m.targets, &lora, &strength, 1, &err)) fail_msg("%s", err.text);
    effective(&m, module, d);
    for (int64_t r = 0; r < modules[module].rows; r++)
        for (int64_t c = 0; c < modules[module].cols; c++) {
            double want = strength * scale * e(f, module, r, c);
            double got = d[r * modules[module].cols + c];
            if (fabs(got - want) > 1e-5)
                fail_msg("%s (%d, %d): %g and not %g", modules[module].name, (int)r, (int)c, got,
                         want);
        }
    for (int i = 0; i < N_MODULES; i++)
        if ((m.w[i].deltas > 0) != (changed >> i & 1)) fail_msg("%s", modules[i].name);
    zis_lora_detach(&a);
    for (int i = 0; i < N_MODULES; i++) assert_true(m.w[i].deltas == 0 && !m.w[i].delta);
    zis_lora_close(&lora);
    drop_model(&m);
}

/* ---- A and B ---- */

static const char *name_a, *name_b; /* of the pair under test */
static int64_t row_from;            /* of a fused B */

static double low_rank(const lora_file *f, int module, int64_t r, int64_t c)
{
    double s = 0;
    (void)module;
    for (int64_t i = 0; i < 2; i++) s += at(f, name_b, r + row_from, i) * at(f, name_a, i, c);
    return s;
}

static void pair(lora_file *f, const char *a, const char *b, int module)
{
    name_a = a;
    name_b = b;
    row_from = 0;
    put(f, a, 2, modules[module].cols, ZIS_DTYPE_BF16);
    put(f, b, modules[module].rows, 2, ZIS_DTYPE_BF16);
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        int module;
        const char *alpha;
    } rows[] = {
        {"transformer.layers.0.attention.to_q.lora_A.weight",
         "transformer.layers.0.attention.to_q.lora_B.weight", Q, NULL},
        {"transformer.layers.0.feed_forward.w1.lora_A.default.weight",
         "transformer.layers.0.feed_forward.w1.lora_B.default.weight", W1, NULL},
        {"layers.0.feed_forward.w2.lora_A.default.weight",
         "layers.0.feed_forward.w2.lora_B.default.weight", W2, "layers.0.feed_forward.w2.alpha"},
        {"diffusion_model.layers.0.attention.to_v.lora_A.weight",
         "diffusion_model.layers.0.attention.to_v.lora_B.weight", V, NULL},
        {"model.diffusion_model.layers.0.attention.to_v.lora_A.weight",
         "model.diffusion_model.layers.0.attention.to_v.lora_B.weight", V, NULL},
        {"dit.layers.0.attention.to_k.lora_A.weight", "dit.layers.0.attention.to_k.lora_B.weight",
         K, NULL},
        {"model.transformer.layers.0.attention.to_k.lora_A.weight",
         "model.transformer.layers.0.attention.to_k.lora_B.weight", K, NULL},
        {"diffusion_model.layers.0.attention.to_out.0.lora_down.weight",
         "diffusion_model.layers.0.attention.to_out.0.lora_up.weight", OUT,
         "diffusion_model.layers.0.attention.to_out.0.alpha"},
        {"lora_unet_layers_0_attention_to_out_0.lora_down.weight",
         "lora_unet_layers_0_attention_to_out_0.lora_up.weight", OUT,
         "lora_unet_layers_0_attention_to_out_0.alpha"},
        {"lora_unet_all_final_layer_2-1_linear.lora_down.weight",
         "lora_unet_all_final_layer_2-1_linear.lora_up.weight", MLP,
         "lora_unet_all_final_layer_2-1_linear.alpha"},
        {"lycoris_layers_0_attention_to_q.lora_down.weight",
         "lycoris_layers_0_attention_to_q.lora_up.weight", Q, NULL},
        {"base_model.model.layers.0.attention.to_q.lora_A.weight",
         "base_model.model.layers.0.attention.to_q.lora_B.weight", Q, NULL},
        {"base_model.model.transformer.layers.0.attention.to_q.lora_A.weight",
         "base_model.model.transformer.layers.0.attention.to_q.lora_B.weight", Q, NULL},
        {"layers.0.attention.to.q.lora.down.weight", "layers.0.attention.to.q.lora.up.weight", Q,
         NULL},
        {"diffusion_model.layers.0.attention.out.lora_A.weight",
         "diffusion_model.layers.0.attention.out.lora_B.weight", OUT, NULL},
        {"lora_unet_layers_0_attention_out.lora_down.weight",
         "lora_unet_layers_0_attention_out.lora_up.weight", OUT,
         "lora_unet_layers_0_attention_out.alpha"},
        {"layers.0.attention.to_q.lora_linear_layer.down.weight",
         "layers.0.attention.to_q.lora_linear_layer.up.weight", Q, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static lora_file f;
        f = (lora_file){0};
        pair(&f, rows[i].a, rows[i].b, rows[i].module);
        if (rows[i].alpha) put_alpha(&f, rows[i].alpha, 3);
        check(&f, rows[i].module, low_rank, rows[i].alpha ? 1.5 : 1, 1u << rows[i].module);
    }
}

static void test_types(void **state)
{
    (void)state;
    static const zis_dtype types[] = {ZIS_DTYPE_F32, ZIS_DTYPE_F16, ZIS_DTYPE_F64};
    for (int i = 0; i < 3; i++) {
        static lora_file f;
        f = (lora_file){0};
        pair(&f, "layers.0.feed_forward.w1.lora_A.weight", "layers.0.feed_forward.w1.lora_B.weight",
             W1);
        f.t[0].dtype = f.t[1].dtype = types[i];
        check(&f, W1, low_rank, 1, 1u << W1);
    }
}

static void test_peft_metadata(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double scale;
    } rows[] = {
        {"{\"transformer.r\": 2, \"transformer.lora_alpha\": 6}", 3},
        {"{\"r\": 2, \"lora_alpha\": 5}", 2.5},
        {"{\"r\": 2, \"lora_alpha\": null}", 1},
        {"{\"r\": 2, \"lora_alpha\": 4, \"use_rslora\": true}", 2.8284271247461903},
        {"{\"transformer.r\": 8, \"transformer.lora_alpha\": 8, \"transformer.use_rslora\": false, "
         "\"transformer.alpha_pattern\": {\"layers.0.attention.to_q\": 7}, "
         "\"transformer.rank_pattern\": {\"layers.0.attention.to_q\": 2}}",
         3.5},
        {"{\"lora_alpha\": 8, \"alpha_pattern\": {\"to_k\": 1, \"attention.to_q\": 3}}", 1.5},
        {"{\"lora_alpha\": 8, \"alpha_pattern\": {\"o_q\": 3}}", 4},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static lora_file f;
        f = (lora_file){.meta = rows[i].text};
        pair(&f, "transformer.layers.0.attention.to_q.lora_A.weight",
             "transformer.layers.0.attention.to_q.lora_B.weight", Q);
        check(&f, Q, low_rank, rows[i].scale, 1u << Q);
        /* a tensor counts more than the text */
        put_alpha(&f, "transformer.layers.0.attention.to_q.alpha", 1);
        check(&f, Q, low_rank, 0.5, 1u << Q);
    }
}

static void test_fused(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        static lora_file f;
        f = (lora_file){0};
        name_a = "lora_unet_layers_0_attention_qkv.lora_down.weight";
        name_b = "lora_unet_layers_0_attention_qkv.lora_up.weight";
        row_from = 6 * i;
        put(&f, name_a, 2, 6, ZIS_DTYPE_BF16);
        put(&f, name_b, 18, 2, ZIS_DTYPE_BF16);
        put_alpha(&f, "lora_unet_layers_0_attention_qkv.alpha", 1);
        check(&f, Q + i, low_rank, 0.5, 7u);
    }
}

/* q, k, v and once more as qkv, out beside to_out.0: the repeated ones are passed over. */
static void test_dots_repeat(void **state)
{
    (void)state;
    static lora_file f;
    static small_model m;
    f = (lora_file){0};
    make_model(&m);
    pair(&f, "layers.0.attention.to.q.lora.down.weight", "layers.0.attention.to.q.lora.up.weight",
         Q);
    put(&f, "layers.0.attention.to_k.lora.down.weight", 2, 6, ZIS_DTYPE_BF16);
    put(&f, "layers.0.attention.to_k.lora.up.weight", 6, 2, ZIS_DTYPE_BF16);
    put(&f, "layers.0.attention.to_v.lora.down.weight", 2, 6, ZIS_DTYPE_BF16);
    put(&f, "layers.0.attention.to_v.lora.up.weight", 6, 2, ZIS_DTYPE_BF16);
    put(&f, "layers.0.attention.to_out.0.lora.down.weight", 2, 6, ZIS_DTYPE_BF16);
    put(&f, "layers.0.attention.to_out.0.lora.up.weight", 6, 2, ZIS_DTYPE_BF16);
    put(&f, "layers.0.attention.qkv.lora.down.weight", 2, 6, ZIS_DTYPE_BF16);
    put(&f, "layers.0.attention.qkv.lora.up.weight", 18, 2, ZIS_DTYPE_BF16);
    put(&f, "layers.0.attention.out.lora.down.weight", 2, 6, ZIS_DTYPE_BF16);
    put(&f, "layers.0.attention.out.lora.up.weight", 6, 2, ZIS_DTYPE_BF16);
    check(&f, Q, low_rank, 1, 15u);
    zis_lora *lora = open_file(&f, &m);
    char text[100];
    assert_string_equal(zis_lora_report_text(zis_lora_get_report(lora), text, sizeof text),
                        "matched 4 of 4 modules, rank 2, 0 keys left over");
    zis_lora_close(&lora);
    drop_model(&m);
}

/* ---- LoHa, LoKr, full ---- */

static double hadamard(const lora_file *f, int module, int64_t r, int64_t c)
{
    double u = 0, v = 0;
    (void)module;
    for (int64_t i = 0; i < 2; i++) {
        u += at(f, "lora_unet_layers_0_feed_forward_w1.hada_w1_a", r, i) *
             at(f, "lora_unet_layers_0_feed_forward_w1.hada_w1_b", i, c);
        v += at(f, "lora_unet_layers_0_feed_forward_w1.hada_w2_a", r, i) *
             at(f, "lora_unet_layers_0_feed_forward_w1.hada_w2_b", i, c);
    }
    return u * v;
}

static void test_loha(void **state)
{
    (void)state;
    static lora_file f;
    f = (lora_file){0};
    put(&f, "lora_unet_layers_0_feed_forward_w1.hada_w1_a", 10, 2, ZIS_DTYPE_BF16);
    put(&f, "lora_unet_layers_0_feed_forward_w1.hada_w1_b", 2, 6, ZIS_DTYPE_BF16);
    put(&f, "lora_unet_layers_0_feed_forward_w1.hada_w2_a", 10, 2, ZIS_DTYPE_F32);
    put(&f, "lora_unet_layers_0_feed_forward_w1.hada_w2_b", 2, 6, ZIS_DTYPE_F16);
    check(&f, W1, hadamard, 1, 1u << W1);
    put_alpha(&f, "lora_unet_layers_0_feed_forward_w1.alpha", 5);
    check(&f, W1, hadamard, 2.5, 1u << W1);
}

static bool outer_product, inner_product; /* of the factors under test */
#define LOKR "diffusion_model.layers.0.feed_forward.w1.lokr_"

static double factor(const lora_file *f, bool product, const char *which, int64_t i, int64_t j)
{
    char a[120], b[120];
    snprintf(a, sizeof a, LOKR "%s%s", which, product ? "_a" : "");
    snprintf(b, sizeof b, LOKR "%s_b", which);
    if (!product) return at(f, a, i, j);
    double s = 0;
    for (int64_t k = 0; k < 2; k++) s += at(f, a, i, k) * at(f, b, k, j);
    return s;
}

/* w1 [2, 3], w2 [5, 2] */
static double kron(const lora_file *f, int module, int64_t r, int64_t c)
{
    (void)module;
    return factor(f, outer_product, "w1", r / 5, c / 2) *
           factor(f, inner_product, "w2", r % 5, c % 2);
}

static void test_lokr(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        static lora_file f;
        f = (lora_file){0};
        outer_product = i & 1;
        inner_product = i & 2;
        put(&f, outer_product ? LOKR "w1_a" : LOKR "w1", 2, outer_product ? 2 : 3, ZIS_DTYPE_BF16);
        if (outer_product) put(&f, LOKR "w1_b", 2, 3, ZIS_DTYPE_BF16);
        put(&f, inner_product ? LOKR "w2_a" : LOKR "w2", 5, 2, ZIS_DTYPE_F16);
        if (inner_product) put(&f, LOKR "w2_b", 2, 2, ZIS_DTYPE_F32);
        check(&f, W1, kron, 1, 1u << W1);
        put_alpha(&f, "diffusion_model.layers.0.feed_forward.w1.alpha", 6);
        check(&f, W1, kron, i ? 3 : 1, 1u << W1); /* of whole factors alpha says nothing */
    }
}

/* kron(w1 [2, 2], w2 [9, 3]) of a fused q, k, v */
static double fused_kron(const lora_file *f, int module, int64_t r, int64_t c)
{
    r += 6 * (module - Q);
    return at(f, "layers.0.attention.qkv.lokr_w1", r / 9, c / 3) *
           at(f, "layers.0.attention.qkv.lokr_w2", r % 9, c % 3);
}

static void test_fused_lokr(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        static lora_file f;
        f = (lora_file){0};
        put(&f, "layers.0.attention.qkv.lokr_w1", 2, 2, ZIS_DTYPE_BF16);
        put(&f, "layers.0.attention.qkv.lokr_w2", 9, 3, ZIS_DTYPE_BF16);
        check(&f, Q + i, fused_kron, 1, 7u);
    }
}

static double difference(const lora_file *f, int module, int64_t r, int64_t c)
{
    (void)module;
    return at(f, "diffusion_model.all_final_layer.2-1.linear.diff", r, c);
}

static void test_full(void **state)
{
    (void)state;
    static lora_file f;
    static small_model m;
    zis_lora_attachment *a = NULL;
    double strength = 0.5;
    f = (lora_file){0};
    put(&f, "diffusion_model.all_final_layer.2-1.linear.diff", 8, 4, ZIS_DTYPE_BF16);
    put(&f, "diffusion_model.all_final_layer.2-1.linear.diff_b", 8, 0, ZIS_DTYPE_BF16);
    put(&f, "diffusion_model." NORM_NAME ".diff", 6, 0, ZIS_DTYPE_F32);
    check(&f, MLP, difference, 1, 1u << MLP);
    put(&f, "diffusion_model.layers.0.attention.to_q.set_weight", 6, 6, ZIS_DTYPE_BF16);
    make_model(&m);
    zis_lora *lora = open_file(&f, &m);
    assert_int_equal(zis_lora_attach(&a, &m.targets, &lora, &strength, 1, NULL), ZIS_OK);
    for (int i = 0; i < 8; i++) assert_true(m.bias[i] == (float)i + 0.5f * (float)f.t[1].value[i]);
    for (int i = 0; i < 6; i++) assert_true(m.norm[i] == 1 + 0.5f * (float)f.t[2].value[i]);
    double d[100];
    effective(&m, Q, d);
    for (int i = 0; i < 36; i++)
        assert_true(fabs(d[i] + (double)m.data[Q][i] - f.t[3].value[i]) < 1e-6);
    zis_lora_detach(&a);
    assert_ptr_equal(m.bias, m.bias_values);
    assert_ptr_equal(m.norm, m.norm_values);
    assert_ptr_equal(m.w[Q].t.data, m.data[Q]);
    char text[100];
    assert_string_equal(zis_lora_report_text(zis_lora_get_report(lora), text, sizeof text),
                        "matched 3 of 3 modules, full rank, 0 keys left over");
    zis_lora_close(&lora);
    drop_model(&m);
}

/* ---- several ---- */

static void test_several(void **state)
{
    (void)state;
    static lora_file f[2];
    static small_model m;
    zis_lora *lora[3];
    zis_lora_attachment *a = NULL;
    double strengths[3] = {0.5, 0, -2}, d[100], one[100], two[100];
    make_model(&m);
    f[0] = f[1] = (lora_file){0};
    pair(&f[0], "layers.0.attention.to_q.lora_A.weight", "layers.0.attention.to_q.lora_B.weight",
         Q);
    lora[0] = open_file(&f[0], &m);
    put(&f[1], "layers.0.attention.to_q.diff", 6, 6, ZIS_DTYPE_BF16);
    lora[1] = open_file(&f[1], &m);
    put(&f[1], "layers.0.attention.to_v.diff", 6, 6, ZIS_DTYPE_BF16);
    lora[2] = open_file(&f[1], &m);
    for (int64_t r = 0; r < 6; r++)
        for (int64_t c = 0; c < 6; c++) {
            one[r * 6 + c] = low_rank(&f[0], Q, r, c);
            two[r * 6 + c] = at(&f[1], "layers.0.attention.to_q.diff", r, c);
        }
    for (int round = 0; round < 2; round++) {
        assert_int_equal(zis_lora_attach(&a, &m.targets, lora, strengths, 3, NULL), ZIS_OK);
        assert_int_equal(m.w[Q].deltas, 2);
        assert_int_equal(m.w[V].deltas, 1);
        effective(&m, Q, d);
        for (int i = 0; i < 36; i++) assert_true(fabs(d[i] - (0.5 * one[i] - 2 * two[i])) < 1e-5);
        zis_lora_detach(&a);
        assert_null(a);
    }
    /* strength 0 of all: nothing is touched */
    assert_int_equal(zis_lora_attach(&a, &m.targets, lora, (double[]){0, 0, 0}, 3, NULL), ZIS_OK);
    for (int i = 0; i < N_MODULES; i++) assert_int_equal(m.w[i].deltas, 0);
    zis_lora_detach(&a);
    for (int i = 0; i < 3; i++) zis_lora_close(&lora[i]);
    drop_model(&m);
}

/* ---- without memory ---- */

static void test_no_memory(void **state)
{
    (void)state;
    static lora_file f;
    if (!OOM_TEST) skip();
    f = (lora_file){.meta = "{\"r\": 2, \"lora_alpha\": 5}"};
    pair(&f, "layers.0.attention.to_q.lora_A.weight", "layers.0.attention.to_q.lora_B.weight", Q);
    put(&f, LOKR "w1_a", 2, 2, ZIS_DTYPE_BF16);
    put(&f, LOKR "w1_b", 2, 3, ZIS_DTYPE_BF16);
    put(&f, LOKR "w2", 5, 2, ZIS_DTYPE_BF16);
    put(&f, "all_final_layer.2-1.linear.diff_b", 8, 0, ZIS_DTYPE_BF16);
    put(&f, "unknown.lora_A.weight", 2, 2, ZIS_DTYPE_BF16);
    write_file(&f);
    static small_model m;
    for (int n = 1, fired = 1; fired; n++) {
        zis_lora *lora = NULL;
        zis_lora_attachment *a = NULL;
        zis_error err = {0};
        double strength = 1;
        long before = oom_live();
        make_model(&m);
        oom_arm(n);
        zis_status st = zis_lora_open(&lora, f.path, &m.targets, &err);
        if (!st) st = zis_lora_attach(&a, &m.targets, &lora, &strength, 1, &err);
        fired = oom_disarm();
        if (fired && st != ZIS_NOMEM) fail_msg("allocation %d: %d, %s", n, (int)st, err.text);
        if (!fired) assert_int_equal(st, ZIS_OK);
        zis_lora_detach(&a);
        for (int i = 0; i < N_MODULES; i++) assert_int_equal(m.w[i].deltas, 0);
        assert_ptr_equal(m.bias, m.bias_values);
        zis_lora_close(&lora);
        drop_model(&m);
        assert_int_equal(oom_live(), before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),         cmocka_unit_test(test_types),
        cmocka_unit_test(test_peft_metadata), cmocka_unit_test(test_fused),
        cmocka_unit_test(test_dots_repeat),   cmocka_unit_test(test_loha),
        cmocka_unit_test(test_lokr),          cmocka_unit_test(test_fused_lokr),
        cmocka_unit_test(test_full),          cmocka_unit_test(test_several),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests_name("lora", tests, NULL, remove_files);
}
