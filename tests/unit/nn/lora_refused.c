/* lora_refused.c - files that are broken, hostile or another model's: one sentence each, and the
 * model as it was. What fits in part is applied, and what is left over is named. */
#include "lora_file.h"

#include <math.h>

static small_model model;

/* Opening or attaching fails with `code`, and the sentence holds `word`. */
static void refused(lora_file *f, zis_status code, const char *word)
{
    zis_lora *lora = NULL;
    zis_lora_attachment *a = NULL;
    zis_error err = {0};
    double strength = 1;
    write_file(f);
    zis_status st = zis_lora_open(&lora, f->path, &model.targets, &err);
    if (!st) st = zis_lora_attach(&a, &model.targets, &lora, &strength, 1, &err);
    if (st != code || !strstr(err.text, word))
        fail_msg("%s: %d, '%s'; expected '%s'", f->t[0].name, (int)st, err.text, word);
    assert_null(a);
    for (int i = 0; i < N_MODULES; i++) {
        assert_int_equal(model.w[i].deltas, 0);
        assert_ptr_equal(model.w[i].t.data, model.data[i]);
    }
    assert_ptr_equal(model.bias, model.bias_values);
    zis_lora_close(&lora);
}

#define Q_A "layers.0.attention.to_q.lora_A.weight"
#define Q_B "layers.0.attention.to_q.lora_B.weight"
#define W1_ "layers.0.feed_forward.w1."

static void test_other_shapes(void **state)
{
    (void)state;
    static const struct {
        const char *name[4];
        int64_t side[4][2];
        const char *word;
    } rows[] = {
        {{Q_A, Q_B}, {{2, 7}, {6, 2}}, "[2, 7]"},    /* another width */
        {{Q_A, Q_B}, {{2, 6}, {7, 2}}, "[7, 2]"},    /* another number of rows */
        {{Q_A, Q_B}, {{2, 6}, {6, 3}}, "[6, 3]"},    /* halves of different rank */
        {{Q_A, Q_B}, {{6, 2}, {2, 6}}, "[6, 2]"},    /* turned */
        {{Q_A, Q_B}, {{6, 0}, {6, 2}}, "[6]"},       /* no matrix */
        {{Q_A, Q_B}, {{7, 6}, {6, 7}}, "rank of 7"}, /* absurd */
        {{Q_A}, {{2, 6}}, "not complete"},           /* one half */
        {{Q_B}, {{6, 2}}, "not complete"},
        {{W1_ "diff"}, {{6, 10}}, "[6, 10]"},
        {{W1_ "set_weight"}, {{10, 5}}, "[10, 5]"},
        {{"all_final_layer.2-1.linear.diff_b"}, {{7, 0}}, "[7]"},
        {{NORM_NAME ".diff"}, {{5, 0}}, "[5]"},
        {{NORM_NAME ".lora_A.weight", NORM_NAME ".lora_B.weight"}, {{2, 6}, {6, 2}}, "norm"},
        {{"layers.0.attention.qkv.lora_A.weight", "layers.0.attention.qkv.lora_B.weight"},
         {{2, 6}, {6, 2}},
         "[6, 2]"},
        {{W1_ "hada_w1_a", W1_ "hada_w1_b", W1_ "hada_w2_a"},
         {{10, 2}, {2, 6}, {10, 2}},
         "hada_w2_b"},
        {{W1_ "hada_w1_a", W1_ "hada_w1_b", W1_ "hada_w2_a", W1_ "hada_w2_b"},
         {{10, 2}, {2, 6}, {10, 2}, {3, 6}},
         "[10, 2]"},
        {{W1_ "lokr_w1", W1_ "lokr_w2"}, {{2, 3}, {5, 3}}, "10 x 6"},
        {{W1_ "lokr_w1", W1_ "lokr_w2_a"}, {{2, 3}, {5, 2}}, "lokr_w2_b"},
        {{W1_ "lokr_w1_a", W1_ "lokr_w1_b", W1_ "lokr_w2"}, {{2, 2}, {3, 3}, {5, 2}}, "[3, 3]"},
        {{W1_ "lokr_w1", W1_ "lokr_w2_a", W1_ "lokr_w2_b", W1_ "lokr_t2"},
         {{2, 3}, {5, 2}, {2, 2}, {2, 2}},
         "convolution"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static lora_file f;
        f = (lora_file){0};
        for (int k = 0; k < 4 && rows[i].name[k]; k++)
            put(&f, rows[i].name[k], rows[i].side[k][0], rows[i].side[k][1], ZIS_DTYPE_BF16);
        bool tucker = strcmp(rows[i].word, "convolution") == 0;
        refused(&f, tucker ? ZIS_UNSUPPORTED : ZIS_FORMAT, rows[i].word);
    }
}

static void test_values(void **state)
{
    (void)state;
    static const zis_dtype types[] = {ZIS_DTYPE_F32, ZIS_DTYPE_BF16, ZIS_DTYPE_F16, ZIS_DTYPE_F64};
    static const double bad[] = {NAN, INFINITY, -INFINITY};
    for (int t = 0; t < 4; t++)
        for (int b = 0; b < 3; b++)
            for (int part = 0; part < 2; part++) {
                static lora_file f;
                f = (lora_file){0};
                put(&f, Q_A, 2, 6, types[t]);
                put(&f, Q_B, 6, 2, types[t]);
                f.t[part].value[f.t[part].n - 1] = bad[b];
                refused(&f, ZIS_FORMAT, "not finite");
            }
    static lora_file f;
    f = (lora_file){0};
    put(&f, W1_ "lokr_w1_a", 2, 2, ZIS_DTYPE_BF16);
    put(&f, W1_ "lokr_w1_b", 2, 3, ZIS_DTYPE_BF16)->value[5] = NAN;
    put(&f, W1_ "lokr_w2", 5, 2, ZIS_DTYPE_BF16);
    refused(&f, ZIS_FORMAT, "not finite");
    f = (lora_file){0};
    put(&f, "all_final_layer.2-1.linear.diff_b", 8, 0, ZIS_DTYPE_BF16)->value[7] = INFINITY;
    refused(&f, ZIS_FORMAT, "not finite");
    f = (lora_file){0};
    put(&f, Q_A, 2, 6, ZIS_DTYPE_BF16);
    put(&f, Q_B, 6, 2, ZIS_DTYPE_I64);
    refused(&f, ZIS_FORMAT, "I64");
    f.t[1].dtype = ZIS_DTYPE_BF16;
    put_alpha(&f, "layers.0.attention.to_q.alpha", NAN);
    refused(&f, ZIS_FORMAT, "alpha");
    f.t[2] = (lora_tensor){.ndim = 1, .dim = {2}, .n = 2, .dtype = ZIS_DTYPE_F32};
    strcpy(f.t[2].name, "layers.0.attention.to_q.alpha");
    refused(&f, ZIS_FORMAT, "[2]");
}

static void test_metadata(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "{",
        "[]x",
        "{\"lora_alpha\": \"8\"}",
        "{\"lora_alpha\": -8}",
        "{\"lora_alpha\": 1e300}",
        "{\"r\": 8, \"use_rslora\": 1}",
        "{\"lora_alpha\": 8, \"alpha_pattern\": {\"to_q\": \"many\"}}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        static lora_file f;
        f = (lora_file){.meta = bad[i]};
        put(&f, Q_A, 2, 6, ZIS_DTYPE_BF16);
        put(&f, Q_B, 6, 2, ZIS_DTYPE_BF16);
        refused(&f, ZIS_FORMAT, "lora_adapter_metadata");
    }
}

static void test_other_models(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight",
        "transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight",
        "lora_te_text_model_encoder_layers_0_mlp_fc1.lora_down.weight",
        "layers.0.attention.to_q.weight",
        "layers.9.attention.to_q.lora_A.weight",
        "lora_unet_",
        ".lora_A.weight",
        "lora_unet_lora_unet_layers_0_attention_to_q.lora_A.weight",
    };
    static lora_file f;
    f = (lora_file){0};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) put(&f, keys[i], 2, 6, ZIS_DTYPE_BF16);
    refused(&f, ZIS_FORMAT, "8 keys begin with: .lora_A.weight, layers.0.attention.to_q.weight");
}

/* The rest is applied, and told. */
static void test_left_over(void **state)
{
    (void)state;
    static lora_file f;
    zis_lora *lora = NULL;
    char text[120];
    f = (lora_file){0};
    put(&f, "transformer." Q_A, 2, 6, ZIS_DTYPE_BF16);
    put(&f, "transformer." Q_B, 6, 2, ZIS_DTYPE_BF16);
    put(&f, W1_ "lora_down.weight", 4, 6, ZIS_DTYPE_BF16);
    put(&f, W1_ "lora_up.weight", 10, 4, ZIS_DTYPE_BF16);
    put(&f, "layers.7.feed_forward.w1.lora_A.weight", 2, 6, ZIS_DTYPE_BF16);
    put(&f, "layers.7.feed_forward.w1.lora_B.weight", 10, 2, ZIS_DTYPE_BF16);
    put(&f, "transformer.layers.0.attention.to_q.lora_magnitude_vector", 6, 0, ZIS_DTYPE_F32);
    put(&f, "transformer.layers.0.attention.to_q.diff_b", 6, 0, ZIS_DTYPE_F32); /* has no bias */
    put(&f, "transformer.layers.0.attention.to_q.lora_A.other.weight", 2, 6, ZIS_DTYPE_BF16);
    put_alpha(&f, "layers.0.feed_forward.w2.alpha", 1); /* of nothing */
    write_file(&f);
    assert_int_equal(zis_lora_open(&lora, f.path, &model.targets, NULL), ZIS_OK);
    const zis_lora_report *r = zis_lora_get_report(lora);
    assert_string_equal(zis_lora_report_text(r, text, sizeof text),
                        "matched 2 of 3 modules, rank 2 to 4, 6 keys left over");
    assert_true(r->dora);
    assert_int_equal(r->keys, 10);
    assert_non_null(strstr(r->first_left, "layers.0.feed_forward.w2.alpha, layers.7"));
    zis_lora_close(&lora);
}

static void test_survey(void **state)
{
    (void)state;
    static lora_file f;
    zis_weights *w = NULL;
    zis_lora_report r;
    f = (lora_file){0};
    put(&f, "some.module.lora_A.weight", 3, 6, ZIS_DTYPE_BF16);
    put(&f, "some.module.lora_B.weight", 9, 3, ZIS_DTYPE_BF16);
    put(&f, "other.module.hada_w1_b", 5, 6, ZIS_DTYPE_BF16);
    put(&f, "other.thing", 5, 6, ZIS_DTYPE_BF16);
    write_file(&f);
    assert_int_equal(zis_weights_open(&w, f.path, NULL), ZIS_OK);
    assert_int_equal(zis_lora_survey(&r, w, NULL), ZIS_OK);
    assert_int_equal(r.modules, 2);
    assert_int_equal(r.left_over, 1);
    assert_true(r.rank_lo == 3 && r.rank_hi == 5);
    assert_string_equal(r.kind, "mixed");
    zis_weights_close(&w);
    f = (lora_file){0};
    put(&f, "layers.0.attention.to_q.weight", 5, 6, ZIS_DTYPE_BF16);
    write_file(&f);
    assert_int_equal(zis_weights_open(&w, f.path, NULL), ZIS_OK);
    assert_int_equal(zis_lora_survey(&r, w, NULL), ZIS_FORMAT);
    zis_weights_close(&w);
}

static int start(void **state)
{
    (void)state;
    make_model(&model);
    return 0;
}

static int end(void **state)
{
    drop_model(&model);
    return remove_files(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_shapes), cmocka_unit_test(test_values),
        cmocka_unit_test(test_metadata),     cmocka_unit_test(test_other_models),
        cmocka_unit_test(test_left_over),    cmocka_unit_test(test_survey),
    };
    return cmocka_run_group_tests_name("refused LoRAs", tests, start, end);
}
