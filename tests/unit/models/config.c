/* config.c - configurations of the models: published defaults, and what is refused. */
#include "formats/synth.h"
#include "models/qwen3/qwen3.h"
#include "models/vae/vae.h"
#include "models/zimage/zimage.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static zis_status read_zimage(const zis_json_doc *doc, zis_error *err)
{
    zis_zimage_config c;
    return zis_zimage_config_read(&c, doc, err);
}

static zis_status read_qwen3(const zis_json_doc *doc, zis_error *err)
{
    zis_qwen3_config c;
    return zis_qwen3_config_read(&c, doc, err);
}

static zis_status read_vae(const zis_json_doc *doc, zis_error *err)
{
    zis_vae_config c;
    return zis_vae_config_read(&c, doc, err);
}

static zis_json_doc *parse(const char *text)
{
    zis_json_doc *doc = NULL;
    assert_int_equal(zis_json_doc_parse(&doc, "config.json", text, strlen(text), NULL), ZIS_OK);
    return doc;
}

static void test_defaults_are_the_published_models(void **state)
{
    (void)state;
    zis_json_doc *doc = parse("{}");
    zis_zimage_config z;
    zis_qwen3_config q;
    zis_vae_config v;
    assert_int_equal(zis_zimage_config_read(&z, doc, NULL), ZIS_OK);
    assert_int_equal(zis_qwen3_config_read(&q, doc, NULL), ZIS_OK);
    assert_int_equal(zis_vae_config_read(&v, doc, NULL), ZIS_OK);
    assert_int_equal(z.dim, 3840);
    assert_int_equal(z.axes_dims[1], 48);
    assert_int_equal(q.vocab, 151936);
    assert_int_equal(v.levels, 4);
    assert_int_equal(v.width[1], 256);
    zis_json_doc_destroy(&doc);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        zis_status (*read)(const zis_json_doc *, zis_error *);
        const char *text;
        zis_status expected;
        const char *said;
    } cases[] = {
        {read_zimage, "{\"dim\": 0}", ZIS_FORMAT, "dim"},
        {read_zimage, "{\"dim\": -3840}", ZIS_FORMAT, "dim"},
        {read_zimage, "{\"dim\": 99999999999999}", ZIS_FORMAT, "dim"},
        {read_zimage, "{\"dim\": \"wide\"}", ZIS_FORMAT, "dim"},
        {read_zimage, "{\"n_heads\": 7, \"n_kv_heads\": 7}", ZIS_FORMAT, "7 heads"},
        {read_zimage, "{\"axes_dims\": [32, 48, 46]}", ZIS_FORMAT, "add up to 126"},
        {read_zimage, "{\"axes_dims\": [33, 47, 48]}", ZIS_FORMAT, "odd"},
        {read_zimage, "{\"axes_dims\": [64, 64]}", ZIS_FORMAT, "axes_dims.#"},
        {read_zimage, "{\"n_layers\": 100000}", ZIS_FORMAT, "n_layers"},
        {read_zimage, "{\"all_patch_size\": [0]}", ZIS_FORMAT, "all_patch_size"},
        {read_zimage, "{\"norm_eps\": 0}", ZIS_FORMAT, "norm_eps"},
        {read_zimage, "{\"siglip_feat_dim\": 1152}", ZIS_UNSUPPORTED, "Omni"},
        {read_zimage, "{\"n_kv_heads\": 10}", ZIS_UNSUPPORTED, "n_kv_heads"},
        {read_zimage, "{\"qk_norm\": false}", ZIS_UNSUPPORTED, "qk_norm"},
        {read_qwen3, "{\"num_key_value_heads\": 5}", ZIS_FORMAT, "5 key-value heads"},
        {read_qwen3, "{\"head_dim\": 127}", ZIS_FORMAT, "127"},
        {read_qwen3, "{\"vocab_size\": 1e300}", ZIS_FORMAT, "vocab_size"},
        {read_qwen3, "{\"num_hidden_layers\": 0}", ZIS_FORMAT, "num_hidden_layers"},
        {read_qwen3, "{\"attention_bias\": true}", ZIS_UNSUPPORTED, "biases"},
        {read_qwen3, "{\"hidden_act\": \"gelu\"}", ZIS_UNSUPPORTED, "gelu"},
        {read_qwen3, "{\"rope_scaling\": {\"rope_type\": \"yarn\"}}", ZIS_UNSUPPORTED, "yarn"},
        {read_vae, "{\"block_out_channels\": []}", ZIS_FORMAT, "block_out_channels.#"},
        {read_vae, "{\"block_out_channels\": [32,32,32,32,32,32,32,32,32]}", ZIS_FORMAT,
         "block_out_channels.#"},
        {read_vae, "{\"block_out_channels\": [128, 250]}", ZIS_FORMAT, "250"},
        {read_vae, "{\"scaling_factor\": 0}", ZIS_FORMAT, "scaling_factor"},
        {read_vae, "{\"use_quant_conv\": true}", ZIS_UNSUPPORTED, "quant"},
        {read_vae, "{\"in_channels\": 3, \"out_channels\": 4}", ZIS_UNSUPPORTED, "channels"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        zis_json_doc *doc = parse(cases[i].text);
        zis_error err = {0};
        zis_status st = cases[i].read(doc, &err);
        if (st != cases[i].expected || !strstr(err.text, cases[i].said))
            fail_msg("%s gives %s: %s", cases[i].text, zis_status_name(st), err.text);
        zis_json_doc_destroy(&doc);
    }
}

/* ---- plans of the published sizes: the weights are only reserved, never touched ---- */

#define LAYERS 4 /* of the long lists, so that any machine can reserve them */

/* True for "layers.4." and above, with whatever stands before. */
static bool left_out(const char *name)
{
    const char *at = strstr(name, "layers.");
    return at && atoi(at + 7) >= LAYERS;
}

static zis_weights *reserve(zis_synth_part part)
{
    zis_synth_list *l = NULL;
    zis_weights *w = NULL;
    size_t n = 0;
    assert_int_equal(zis_synth_list_create(&l, part, ZIS_DTYPE_BF16, NULL), ZIS_OK);
    zis_weights_spec *kept = calloc(l->count, sizeof *kept);
    for (size_t i = 0; i < l->count; i++)
        if (!left_out(l->specs[i].name)) kept[n++] = l->specs[i];
    assert_int_equal(zis_weights_create_memory(&w, "published", kept, n, NULL), ZIS_OK);
    zis_synth_list_destroy(&l);
    free(kept);
    return w;
}

static void test_vae_of_published_size(void **state)
{
    (void)state;
    zis_json_doc *doc = parse(zis_synth_part_get(ZIS_SYNTH_VAE)->config);
    zis_weights *w = reserve(ZIS_SYNTH_VAE);
    zis_vae_config c;
    zis_vae *m = NULL;
    zis_run run, dry;
    zis_run_options o = {.device = "cpu", .math = ZIS_DTYPE_F32};
    assert_int_equal(zis_run_init(&run, &o, NULL), ZIS_OK);
    assert_int_equal(zis_vae_config_read(&c, doc, NULL), ZIS_OK);
    assert_int_equal(zis_vae_create(&m, &c, w, ZIS_VAE_BOTH, NULL), ZIS_OK);
    assert_int_equal(zis_vae_bytes(m), 2 * 83819683u);
    assert_int_equal(zis_vae_factor(m), 8);
    zis_run_init_dry(&dry, &run);
    zis_tensor z = zis_run_alloc_3d(&dry, ZIS_DTYPE_F32, 16, 64, 64);
    zis_tensor image = zis_run_alloc_3d(&dry, ZIS_DTYPE_F32, 3, 512, 512);
    assert_int_equal(zis_vae_decode(m, &dry, &z, image, NULL), ZIS_OK);
    assert_true(dry.flops > 2.50e12 && dry.flops < 2.52e12); /* performance.md 2 */
    assert_true(dry.scratch.peak < (size_t)1100 << 20);
    assert_int_equal(zis_vae_encode(m, &dry, &image, z, NULL), ZIS_OK);
    zis_error err = {0};
    assert_int_equal(zis_vae_decode(m, &dry, &image, z, &err), ZIS_ARG);
    zis_vae_close(&m);
    zis_weights_close(&w);
    zis_json_doc_destroy(&doc);
}

static void test_text_encoder_of_published_size(void **state)
{
    (void)state;
    zis_json_doc *doc = parse(zis_synth_part_get(ZIS_SYNTH_TEXT_ENCODER)->config);
    zis_weights *w = reserve(ZIS_SYNTH_TEXT_ENCODER);
    zis_qwen3_config c;
    zis_qwen3 *m = NULL;
    zis_run run, dry;
    zis_run_options o = {.device = "cpu", .math = ZIS_DTYPE_F32};
    zis_error err = {0};
    assert_int_equal(zis_run_init(&run, &o, NULL), ZIS_OK);
    assert_int_equal(zis_qwen3_config_read(&c, doc, NULL), ZIS_OK);
    assert_int_equal(c.layers, 36);
    c.layers = LAYERS + 1; /* the last is not run */
    assert_int_equal(zis_qwen3_create(&m, &c, w, NULL), ZIS_OK);
    zis_run_init_dry(&dry, &run);
    zis_tensor hidden = zis_run_alloc_2d(&dry, ZIS_DTYPE_F32, 128, 2560);
    assert_int_equal(zis_qwen3_encode(m, &dry, NULL, 128, hidden, NULL, NULL, NULL), ZIS_OK);
    assert_true(fabs(dry.flops / LAYERS * 35 - 0.909e12) < 1e9); /* performance.md 2 */
    const int32_t ids[1] = {151936};
    hidden = zis_run_alloc_2d(&dry, ZIS_DTYPE_F32, 1, 2560);
    assert_int_equal(zis_qwen3_encode(m, &dry, ids, 1, hidden, NULL, NULL, &err), ZIS_ARG);
    assert_non_null(strstr(err.text, "151936"));
    zis_qwen3_close(&m);
    zis_weights_close(&w);
    zis_json_doc_destroy(&doc);
}

static void test_transformer_of_published_size(void **state)
{
    (void)state;
    zis_json_doc *doc = parse(zis_synth_part_get(ZIS_SYNTH_TRANSFORMER)->config);
    zis_weights *w = reserve(ZIS_SYNTH_TRANSFORMER);
    zis_zimage_config c;
    zis_zimage *m = NULL;
    zis_run run, dry;
    zis_zimage_times times;
    zis_zimage_prompt prompt;
    zis_zimage_size size;
    zis_error err = {0};
    zis_run_options o = {.device = "cpu", .math = ZIS_DTYPE_F32};
    assert_int_equal(zis_run_init(&run, &o, NULL), ZIS_OK);
    assert_int_equal(zis_zimage_config_read(&c, doc, NULL), ZIS_OK);
    assert_int_equal(c.layers, 30);
    c.layers = LAYERS;
    assert_int_equal(zis_zimage_create(&m, &c, w, NULL), ZIS_OK);
    assert_int_equal(zis_zimage_bytes(m), zis_weights_bytes(w));
    zis_run_init_dry(&dry, &run);
    zis_tensor cap = zis_run_alloc_2d(&dry, ZIS_DTYPE_F32, 100, 2560);
    zis_tensor z = zis_run_alloc_3d(&dry, ZIS_DTYPE_F32, 16, 64, 64);
    zis_tensor v = zis_run_alloc_3d(&dry, ZIS_DTYPE_F32, 16, 64, 64);
    assert_int_equal(zis_zimage_times_make(m, &dry, NULL, 8, &times, NULL), ZIS_OK);
    assert_int_equal(zis_zimage_prompt_make(m, &dry, &cap, &prompt, NULL, NULL, NULL), ZIS_OK);
    assert_int_equal(prompt.cap.dim[0], 128);
    assert_int_equal(zis_zimage_size_make(m, &dry, 64, 64, &prompt, &size, NULL), ZIS_OK);
    double before = dry.flops;
    zis_arena_mark mark = zis_arena_save(&dry.scratch);
    assert_int_equal(
        zis_zimage_step(m, &dry, &times, 0, &size, &prompt, NULL, &z, -1, v, NULL, NULL, NULL),
        ZIS_OK);
    assert_true(zis_arena_save(&dry.scratch) == mark);
    /* performance.md 2: 13.60 TF for 512x512 with 128 text tokens, the context refiner left out */
    double joint = 1152, image = 1024, d = 3840, products = 2 * (4 * d * d + 3 * d * 10240);
    double layer = joint * products + 4 * joint * joint * d;
    double ends = 2 * (image * products + 4 * image * image * d) + 4 * image * d * 64;
    assert_true(fabs(30 * layer + ends - 13.6e12) < 0.02e12);
    assert_true(fabs(dry.flops - before - LAYERS * layer - ends) < 1);
    assert_true(dry.scratch.peak < (size_t)250 << 20);

    assert_int_equal(zis_zimage_size_make(m, &dry, 63, 64, &prompt, &size, &err), ZIS_ARG);
    assert_int_equal(zis_zimage_size_make(m, &dry, 2048, 64, &prompt, &size, &err), ZIS_ARG);
    assert_int_equal(
        zis_zimage_step(m, &dry, &times, 8, &size, &prompt, NULL, &z, -1, v, NULL, NULL, &err),
        ZIS_ARG);
    cap = zis_run_alloc_2d(&dry, ZIS_DTYPE_F32, 100, 256);
    assert_int_equal(zis_zimage_prompt_make(m, &dry, &cap, &prompt, NULL, NULL, &err), ZIS_ARG);
    assert_non_null(strstr(err.text, "256"));
    zis_zimage_close(&m);
    zis_weights_close(&w);
    zis_json_doc_destroy(&doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_the_published_models),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_vae_of_published_size),
        cmocka_unit_test(test_text_encoder_of_published_size),
        cmocka_unit_test(test_transformer_of_published_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
