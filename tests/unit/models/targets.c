/* targets.c - the names under which a transformer's modules are known to LoRA files, on nano. */
#include "base/mem.h"
#include "models/zimage/zimage.h"
#include "oom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static zis_zimage *transformer;

static int open_nano(void **state)
{
    (void)state;
    return zis_zimage_open(&transformer, ZIS_SOURCE_DIR "/models/nano/turbo/transformer", NULL);
}

static int close_nano(void **state)
{
    (void)state;
    zis_zimage_close(&transformer);
    return 0;
}

static void test_every_linear_and_norm(void **state)
{
    (void)state;
    zis_lora_targets t;
    size_t matrices = 0, biases = 0, norms = 0;
    const zis_zimage_config *c = zis_zimage_get_config(transformer);
    assert_int_equal(zis_zimage_targets(transformer, &t, NULL), ZIS_OK);
    for (size_t i = 0; i < t.n; i++) {
        matrices += t.list[i].w != NULL;
        biases += t.list[i].w && t.list[i].vector;
        norms += !t.list[i].w;
        if (t.list[i].vector) assert_true(t.list[i].length > 0);
        if (t.list[i].w && t.list[i].vector)
            assert_int_equal(t.list[i].length, t.list[i].w->t.dim[0]);
    }
    size_t modulated = (size_t)(c->layers + c->refiner_layers), plain = (size_t)c->refiner_layers;
    assert_int_equal(matrices, 8 * modulated + 7 * plain + 6);
    assert_int_equal(biases, modulated + 6);
    assert_int_equal(norms, 6 * (modulated + plain) + 1);
    zis_lora_targets_deinit(&t);
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *name, *target;
        bool underscores;
        int n;
    } rows[] = {
        {"layers.0.attention.to_q", "layers.0.attention.to_q", false, 1},
        {"layers.1.attention.qkv", "layers.1.attention.to_q", false, 3},
        {"layers_1_attention_qkv", "layers.1.attention.to_q", true, 3},
        {"noise_refiner_0_attention_to_out_0", "noise_refiner.0.attention.to_out.0", true, 1},
        {"context_refiner_0_feed_forward_w2", "context_refiner.0.feed_forward.w2", true, 1},
        {"layers_2_adaLN_modulation_0", "layers.2.adaLN_modulation.0", true, 1},
        {"all_final_layer_2-1_adaLN_modulation_1", "all_final_layer.2-1.adaLN_modulation.1", true,
         1},
        {"final_layer.linear", "all_final_layer.2-1.linear", false, 1},
        {"final_layer_linear", "all_final_layer.2-1.linear", true, 1},
        {"x_embedder", "all_x_embedder.2-1", false, 1},
        {"all_x_embedder_2-1", "all_x_embedder.2-1", true, 1},
        {"t_embedder_mlp_2", "t_embedder.mlp.2", true, 1},
        {"cap_embedder_1", "cap_embedder.1", true, 1},
        {"layers.0.attention.to_out", "layers.0.attention.to_out.0", false, 1},
        {"layers.0.attention.to.v", "layers.0.attention.to_v", false, 1},
        {"layers.0.attention.k_norm", "layers.0.attention.norm_k", false, 1},
    };
    zis_lora_targets t;
    assert_int_equal(zis_zimage_targets(transformer, &t, NULL), ZIS_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t at = 0;
        if (!zis_strmap_get(rows[i].underscores ? &t.underscored : &t.dotted, rows[i].name,
                            strlen(rows[i].name), &at))
            fail_msg("%s is not known", rows[i].name);
        assert_string_equal(t.list[t.names[at].target[0]].name, rows[i].target);
        assert_int_equal(t.names[at].targets, rows[i].n);
    }
    zis_lora_targets_deinit(&t);
}

static void test_sepia_matches(void **state)
{
    (void)state;
    zis_lora_targets t;
    zis_lora *lora = NULL;
    char text[100];
    assert_int_equal(zis_zimage_targets(transformer, &t, NULL), ZIS_OK);
    assert_int_equal(
        zis_lora_open(&lora, ZIS_SOURCE_DIR "/models/nano/lora/sepia.safetensors", &t, NULL),
        ZIS_OK);
    assert_string_equal(zis_lora_report_text(zis_lora_get_report(lora), text, sizeof text),
                        "matched 42 of 42 modules, rank 8, 0 keys left over");
    zis_lora_close(&lora);
    zis_lora_targets_deinit(&t);
}

static void test_no_memory(void **state)
{
    (void)state;
    if (!OOM_TEST) skip();
    for (int n = 1, fired = 1; fired; n += 37) { /* a few of its thousands */
        zis_lora_targets t;
        long before = oom_live();
        oom_arm(n);
        zis_status st = zis_zimage_targets(transformer, &t, NULL);
        fired = oom_disarm();
        assert_int_equal(st, fired ? ZIS_NOMEM : ZIS_OK);
        zis_lora_targets_deinit(&t);
        assert_int_equal(oom_live(), before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_linear_and_norm),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_sepia_matches),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests_name("LoRA targets", tests, open_nano, close_nano);
}
