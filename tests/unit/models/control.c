/* ControlNets of a tiny transformer: recognised by content, refused when broken, without effect at
 * strength 0; and the numeric guard, which names the block. */
#include "models/zimage/control.h"

#include "base/mem.h"
#include "formats/synth.h"
#include "models/qwen3/qwen3.h"
#include "oom.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { D = 32, F = 48, CAP = 24, LAYERS = 4, REFINERS = 2, H = 6, W = 4 };

static const zis_zimage_config config = {
    .dim = D,
    .layers = LAYERS,
    .refiner_layers = REFINERS,
    .heads = 2,
    .in_channels = 16,
    .cap_dim = CAP,
    .patch = 2,
    .axes_dims = {4, 6, 6},
    .axes_lens = {1536, 512, 512},
    .norm_eps = 1e-5,
    .rope_theta = 256,
    .t_scale = 1000,
};

/* ---- checkpoints --------------------------------------------------------------------------- */

typedef struct list {
    zis_weights_spec specs[256];
    char names[256][80];
    size_t n;
} list;

static void add(list *l, const char *prefix, const char *name, int64_t a, int64_t b)
{
    assert_true(l->n < 256);
    zis_weights_spec *s = &l->specs[l->n];
    snprintf(l->names[l->n], sizeof l->names[0], "%s%s", prefix, name);
    *s = (zis_weights_spec){.name = l->names[l->n], .dtype = ZIS_DTYPE_F32, .ndim = b ? 2 : 1};
    s->dim[0] = a;
    s->dim[1] = b;
    l->n++;
}

static void add_block(list *l, const char *name, int i, bool modulated)
{
    char p[64];
    snprintf(p, sizeof p, "%s.%d.", name, i);
    const char *square[] = {"to_q", "to_k", "to_v", "to_out.0"};
    for (int k = 0; k < 4; k++) {
        char full[40];
        snprintf(full, sizeof full, "attention.%s.weight", square[k]);
        add(l, p, full, D, D);
    }
    add(l, p, "attention.norm_q.weight", D / 2, 0);
    add(l, p, "attention.norm_k.weight", D / 2, 0);
    add(l, p, "feed_forward.w1.weight", F, D);
    add(l, p, "feed_forward.w3.weight", F, D);
    add(l, p, "feed_forward.w2.weight", D, F);
    add(l, p, "attention_norm1.weight", D, 0);
    add(l, p, "attention_norm2.weight", D, 0);
    add(l, p, "ffn_norm1.weight", D, 0);
    add(l, p, "ffn_norm2.weight", D, 0);
    if (!modulated) return;
    add(l, p, "adaLN_modulation.0.weight", 4 * D, D);
    add(l, p, "adaLN_modulation.0.bias", 4 * D, 0);
}

static void add_proj(list *l, const char *name, int i, const char *which)
{
    char p[64];
    snprintf(p, sizeof p, "%s.%d.%s.", name, i, which);
    add(l, p, "weight", D, D);
    add(l, p, "bias", D, 0);
}

static zis_weights *make(const list *l)
{
    zis_weights *w = NULL;
    assert_int_equal(zis_weights_create_memory(&w, "tiny", l->specs, l->n, NULL), ZIS_OK);
    assert_int_equal(zis_synth_fill(w, 0, NULL, NULL), ZIS_OK);
    return w;
}

static zis_weights *make_main(void)
{
    list *l = calloc(1, sizeof *l);
    assert_non_null(l);
    add(l, "", "all_x_embedder.2-1.weight", D, 64);
    add(l, "", "all_x_embedder.2-1.bias", D, 0);
    add(l, "", "t_embedder.mlp.0.weight", 1024, 256);
    add(l, "", "t_embedder.mlp.0.bias", 1024, 0);
    add(l, "", "t_embedder.mlp.2.weight", D, 1024);
    add(l, "", "t_embedder.mlp.2.bias", D, 0);
    add(l, "", "cap_embedder.0.weight", CAP, 0);
    add(l, "", "cap_embedder.1.weight", D, CAP);
    add(l, "", "cap_embedder.1.bias", D, 0);
    add(l, "", "x_pad_token", D, 0);
    add(l, "", "cap_pad_token", D, 0);
    add(l, "", "all_final_layer.2-1.adaLN_modulation.1.weight", D, D);
    add(l, "", "all_final_layer.2-1.adaLN_modulation.1.bias", D, 0);
    add(l, "", "all_final_layer.2-1.linear.weight", 64, D);
    add(l, "", "all_final_layer.2-1.linear.bias", 64, 0);
    for (int i = 0; i < REFINERS; i++) add_block(l, "noise_refiner", i, true);
    for (int i = 0; i < REFINERS; i++) add_block(l, "context_refiner", i, false);
    for (int i = 0; i < LAYERS; i++) add_block(l, "layers", i, true);
    zis_weights *w = make(l);
    free(l);
    return w;
}

static float *values(zis_weights *w, const char *name)
{
    const zis_weights_entry *e = zis_weights_find(w, name);
    if (!e) fail_msg("no tensor %s", name);
    return e->tensor.data;
}

static void list_control(list *l, zis_control_version version, int layers)
{
    bool two = version != ZIS_CONTROL_1_0;
    add(l, "", "control_all_x_embedder.2-1.weight", D, two ? 132 : 64);
    add(l, "", "control_all_x_embedder.2-1.bias", D, 0);
    for (int i = 0; i < layers; i++) {
        add_block(l, "control_layers", i, true);
        if (i == 0) add_proj(l, "control_layers", i, "before_proj");
        add_proj(l, "control_layers", i, "after_proj");
    }
    for (int i = 0; i < REFINERS; i++) {
        add_block(l, "control_noise_refiner", i, true);
        if (two && i == 0) add_proj(l, "control_noise_refiner", i, "before_proj");
        if (two) add_proj(l, "control_noise_refiner", i, "after_proj");
    }
}

static zis_weights *make_control(zis_control_version version, int layers)
{
    list *l = calloc(1, sizeof *l);
    assert_non_null(l);
    list_control(l, version, layers);
    zis_weights *w = make(l);
    free(l);
    if (version == ZIS_CONTROL_2_0)
        memset(values(w, "control_noise_refiner.0.before_proj.weight"), 0, D * D * sizeof(float));
    return w;
}

/* ---- what a file is ------------------------------------------------------------------------ */

static void recognised(void **state)
{
    (void)state;
    zis_control_info info;
    for (int v = ZIS_CONTROL_1_0; v <= ZIS_CONTROL_2_1; v++) {
        zis_weights *w = make_control((zis_control_version)v, 1 + v);
        assert_int_equal(zis_control_recognise(&info, w, NULL), ZIS_OK);
        assert_int_equal(info.version, v);
        assert_int_equal(info.layers, 1 + v);
        assert_int_equal(info.dim, D);
        assert_int_equal(info.channels, v == ZIS_CONTROL_1_0 ? 16 : 33);
        zis_weights_close(&w);
    }
    /* by the other projection, too; a single value makes the difference */
    zis_weights *w = make_control(ZIS_CONTROL_2_1, 2);
    float *after = values(w, "control_noise_refiner.0.after_proj.weight");
    memset(after, 0, D * D * sizeof *after);
    assert_int_equal(zis_control_recognise(&info, w, NULL), ZIS_OK);
    assert_int_equal(info.version, ZIS_CONTROL_2_0);
    after[D * D - 1] = 1e-3f;
    assert_int_equal(zis_control_recognise(&info, w, NULL), ZIS_OK);
    assert_int_equal(info.version, ZIS_CONTROL_2_1);
    assert_string_equal(zis_control_version_name(&info), "2.1");
    info.layers = 3;
    info.dim = 3840;
    assert_string_equal(zis_control_version_name(&info), "2.1 lite");
    zis_weights_close(&w);
}

/* A file without its k-th tensor, or with another shape of it, is refused with its name. */
static void broken(void **state)
{
    (void)state;
    zis_weights *main_weights = make_main();
    zis_zimage *main = NULL;
    assert_int_equal(zis_zimage_create(&main, &config, main_weights, NULL), ZIS_OK);
    list *whole = calloc(1, sizeof *whole), *l = calloc(1, sizeof *l);
    assert_true(whole && l);
    list_control(whole, ZIS_CONTROL_2_1, 2);
    for (size_t k = 0; k < whole->n; k++) {
        for (int kind = 0; kind < 3; kind++) {
            zis_weights *w = NULL;
            zis_control *c = NULL;
            zis_error err = {0};
            *l = *whole;
            for (size_t i = 0; i < l->n; i++) l->specs[i].name = l->names[i];
            zis_weights_spec *s = &l->specs[k];
            if (kind == 0) *s = l->specs[--l->n];
            if (kind == 1) s->dim[0]++;
            if (kind == 2) s->dtype = ZIS_DTYPE_I32;
            w = make(l);
            zis_status st = zis_control_create(&c, main, w, NULL, &err);
            bool version = strstr(whole->names[k], "refiner.0.before_proj.weight") ||
                           strstr(whole->names[k], "refiner.0.after_proj.weight");
            /* without its refiner's projections it is a 2.0, which has no need of them */
            if (kind == 0 && version)
                assert_int_equal(st, ZIS_OK);
            else if (st != ZIS_FORMAT || !err.text[0])
                fail_msg("%s, kind %d: %d %s", whole->names[k], kind, st, err.text);
            zis_control_close(&c);
            zis_weights_close(&w);
        }
    }
    free(whole);
    free(l);
    zis_zimage_close(&main);
    zis_weights_close(&main_weights);
}

static void of_another_model(void **state)
{
    (void)state;
    zis_weights *main_weights = make_main(), *w = make_control(ZIS_CONTROL_2_1, LAYERS + 1);
    zis_zimage *main = NULL;
    zis_control *c = NULL;
    zis_error err = {0};
    zis_control_info info;
    assert_int_equal(zis_zimage_create(&main, &config, main_weights, NULL), ZIS_OK);
    assert_int_equal(zis_control_create(&c, main, w, NULL, &err), ZIS_FORMAT); /* too many layers */
    zis_weights_close(&w);
    assert_int_equal(zis_control_recognise(&info, main_weights, &err), ZIS_FORMAT);
    assert_non_null(strstr(err.text, "no Z-Image ControlNet"));
    const zis_weights_spec wide = {
        "control_all_x_embedder.2-1.weight", ZIS_DTYPE_F32, 2, {64, 132}, false};
    assert_int_equal(zis_weights_create_memory(&w, "wide", &wide, 1, NULL), ZIS_OK);
    assert_int_equal(zis_control_recognise(&info, w, &err), ZIS_FORMAT); /* no layers */
    zis_weights_close(&w);
    const zis_weights_spec odd = {
        "control_all_x_embedder.2-1.weight", ZIS_DTYPE_F32, 2, {64, 99}, false};
    assert_int_equal(zis_weights_create_memory(&w, "odd", &odd, 1, NULL), ZIS_OK);
    assert_int_equal(zis_control_recognise(&info, w, &err), ZIS_FORMAT);
    assert_non_null(strstr(err.text, "99"));
    zis_weights_close(&w);
    w = make_control(ZIS_CONTROL_2_1, 2);
    zis_zimage_config wider = config;
    zis_weights_close(&main_weights);
    main_weights = make_main();
    zis_zimage_close(&main);
    assert_int_equal(zis_zimage_create(&main, &wider, main_weights, NULL), ZIS_OK);
    const int64_t behind[] = {0, LAYERS}, falling[] = {2, 1};
    zis_control_override o = {.places = behind, .n_places = 2};
    assert_int_equal(zis_control_create(&c, main, w, &o, &err), ZIS_ARG);
    o.places = falling;
    assert_int_equal(zis_control_create(&c, main, w, &o, &err), ZIS_ARG);
    o.n_places = 1;
    assert_int_equal(zis_control_create(&c, main, w, &o, &err), ZIS_ARG);
    zis_zimage_close(&main);
    zis_weights_close(&w);
    zis_weights_close(&main_weights);
}

static void without_memory(void **state)
{
    (void)state;
#if OOM_TEST
    zis_weights *main_weights = make_main(), *w = make_control(ZIS_CONTROL_2_1, 2);
    zis_zimage *main = NULL;
    assert_int_equal(zis_zimage_create(&main, &config, main_weights, NULL), ZIS_OK);
    long live = oom_live();
    for (int n = 1;; n++) {
        zis_control *c = NULL;
        oom_arm(n);
        zis_status st = zis_control_create(&c, main, w, NULL, NULL);
        bool fired = oom_disarm();
        if (!fired) {
            assert_int_equal(st, ZIS_OK);
            zis_control_close(&c);
            assert_true(n > 10);
            break;
        }
        assert_int_equal(st, ZIS_NOMEM);
        assert_null(c);
        assert_true(oom_live() == live);
    }
    zis_zimage_close(&main);
    zis_weights_close(&w);
    zis_weights_close(&main_weights);
#endif
}

/* ---- steps --------------------------------------------------------------------------------- */

typedef struct step {
    const zis_zimage *main;
    const zis_control *net; /* or NULL */
    float scale;
    int64_t tokens; /* of the caption */
    int times;      /* that the step is run */
    float velocity[16 * H * W];
    zis_status status;
    zis_error err;
} step;

static void fill(float *p, int64_t n, int seed)
{
    for (int64_t i = 0; i < n; i++) p[i] = (float)((i * 37 + seed * 11) % 101) / 50.0f - 1.0f;
}

static zis_status run_step(step *s, zis_run *run)
{
    const float tau[2] = {300, 800};
    float host[64 * CAP];
    zis_zimage_times times;
    zis_zimage_prompt prompt;
    zis_zimage_size size;
    zis_control_hints hints;
    zis_error *err = &s->err;
    zis_tensor z = zis_run_alloc_3d(run, ZIS_DTYPE_F32, 16, H, W);
    zis_tensor v = zis_run_alloc_3d(run, ZIS_DTYPE_F32, 16, H, W);
    zis_tensor cap = zis_run_alloc_2d(run, ZIS_DTYPE_F32, s->tokens, CAP);
    zis_tensor context = zis_run_alloc_3d(
        run, ZIS_DTYPE_F32, s->net ? zis_control_get_info(s->net)->channels : 16, H, W);
    fill(host, 16 * H * W, 1);
    zis_run_upload(run, &z, host);
    fill(host, s->tokens * CAP, 2);
    zis_run_upload(run, &cap, host);
    fill(host, zis_tensor_count(&context), 3);
    zis_run_upload(run, &context, host);
    zis_status st = zis_zimage_times_make(s->main, run, tau, 2, &times, err);
    if (!st) st = zis_zimage_prompt_make(s->main, run, &cap, &prompt, NULL, NULL, err);
    if (!st) st = zis_zimage_size_make(s->main, run, H, W, &prompt, &size, err);
    if (!st && s->net)
        st = zis_control_hints_make(s->net, s->main, run, &times, &size, &context, s->scale, &hints,
                                    err);
    for (int i = 0; i < s->times && !st; i++)
        st = zis_zimage_step(s->main, run, &times, 1, &size, &prompt, s->net ? &hints : NULL, &z, 1,
                             v, NULL, NULL, err);
    zis_run_download(run, s->velocity, &v);
    return st ? st : zis_run_status(run, err);
}

/* Planned dry, then run in exactly that much scratch. */
static void take(step *s, zis_dtype math)
{
    zis_run run, dry;
    const zis_run_options o = {.math = math};
    assert_int_equal(zis_run_init(&run, &o, NULL), ZIS_OK);
    zis_run_init_dry(&dry, &run);
    if (!s->times) s->times = 1;
    s->status = run_step(s, &dry);
    if (s->status) fail_msg("%s", s->err.text);
    assert_int_equal(zis_run_reserve(&run, dry.scratch.peak, NULL), ZIS_OK);
    s->status = run_step(s, &run);
    if (!s->status) assert_true(run.scratch.peak == dry.scratch.peak);
    zis_run_deinit(&run);
}

static double distance(const step *a, const step *b)
{
    double sum = 0;
    for (int i = 0; i < 16 * H * W; i++)
        sum += fabs((double)a->velocity[i] - (double)b->velocity[i]);
    return sum / (16 * H * W);
}

static void steps(void **state)
{
    (void)state;
    zis_weights *main_weights = make_main();
    zis_zimage *main = NULL;
    assert_int_equal(zis_zimage_create(&main, &config, main_weights, NULL), ZIS_OK);
    step plain = {.main = main, .tokens = 5};
    take(&plain, ZIS_DTYPE_F32);
    for (int v = ZIS_CONTROL_1_0; v <= ZIS_CONTROL_2_1; v++)
        for (int layers = 1; layers <= LAYERS; layers++) {
            zis_weights *w = make_control((zis_control_version)v, layers);
            zis_control *c = NULL;
            zis_error err = {0};
            if (zis_control_create(&c, main, w, NULL, &err)) fail_msg("%s", err.text);
            step none = {.main = main, .net = c, .tokens = 5, .scale = 0};
            step some = {.main = main, .net = c, .tokens = 5, .scale = 1};
            step twice = {.main = main, .net = c, .tokens = 5, .scale = 1, .times = 2};
            take(&none, ZIS_DTYPE_F32);
            take(&some, ZIS_DTYPE_F32);
            take(&twice, ZIS_DTYPE_F32);
            assert_true(distance(&none, &plain) < 1e-6);
            assert_true(distance(&some, &plain) > 1e-3);
            assert_true(distance(&some, &twice) == 0); /* nothing is left of the step before */
            zis_control_close(&c);
            zis_weights_close(&w);
        }
    zis_zimage_close(&main);
    zis_weights_close(&main_weights);
}

/* ---- guard --------------------------------------------------------------------------------- */

static void spoilt_weights(void **state)
{
    (void)state;
    static const struct {
        const char *tensor;
        const char *where; /* in the message */
    } cases[] = {
        {"noise_refiner.1.attention.to_v.weight", "the transformer, noise_refiner.1: "},
        {"context_refiner.0.feed_forward.w2.weight", "the transformer, context_refiner.0: "},
        {"layers.0.attention_norm1.weight", "the transformer, layers.0: "},
        {"layers.2.attention.to_out.0.weight", "the transformer, layers.2: "},
        {"layers.3.ffn_norm2.weight", "the transformer, layers.3: "},
        {"layers.1.adaLN_modulation.0.bias", "the transformer, layers.1: "},
        {"all_final_layer.2-1.linear.weight", "the transformer, final layer: "},
        {"control_layers.1.feed_forward.w1.weight", "the ControlNet, control_layers.1: "},
        {"control_layers.0.after_proj.bias", "the ControlNet, control_layers.0, its hint: "},
        {"control_noise_refiner.1.attention.to_q.weight", "control_noise_refiner.1: "},
    };
    static const float bad[] = {NAN, INFINITY, 3e38f};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int k = 0; k < 3; k++)
            for (int bf16 = 0; bf16 < 2; bf16++) {
                zis_weights *mw = make_main(), *cw = make_control(ZIS_CONTROL_2_1, 2);
                zis_zimage *main = NULL;
                zis_control *c = NULL;
                bool control = strncmp(cases[i].tensor, "control", 7) == 0;
                values(control ? cw : mw, cases[i].tensor)[3] = bad[k];
                /* weights of 3e38 in a gate are tanh'd to 1, and no harm is done */
                if (strstr(cases[i].tensor, "adaLN") && k) values(mw, cases[i].tensor)[3] = NAN;
                assert_int_equal(zis_zimage_create(&main, &config, mw, NULL), ZIS_OK);
                assert_int_equal(zis_control_create(&c, main, cw, NULL, NULL), ZIS_OK);
                step s = {.main = main, .net = c, .tokens = 40, .scale = 1};
                take(&s, bf16 ? ZIS_DTYPE_BF16 : ZIS_DTYPE_F32);
                if (s.status != ZIS_NUMERIC || !strstr(s.err.text, cases[i].where))
                    fail_msg("%s = %g: %d '%s'", cases[i].tensor, (double)bad[k], s.status,
                             s.err.text);
                assert_true(!bf16 || strstr(s.err.text, "--dtype f32"));
                zis_control_close(&c);
                zis_zimage_close(&main);
                zis_weights_close(&mw);
                zis_weights_close(&cw);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recognised),
        cmocka_unit_test(broken),
        cmocka_unit_test(of_another_model),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(steps),
        cmocka_unit_test(spoilt_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
