/* One small picture of nano: the plan holds, the result does not depend on what was before. */
#include "pipeline/draw.h"

#include "pipeline/jsonout.h"
#include "pipeline/picture8.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct fixture {
    zis_model *model;
    zis_run run;
    zis_request request;
} fixture;

static int open_all(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    zis_model_set set = {0};
    zis_error err = {0};
    const zis_model_query q = {.model = ZIS_SOURCE_DIR "/models/nano/base"};
    const zis_run_options o = {.math = ZIS_DTYPE_F32};
    assert_non_null(f);
    assert_int_equal(zis_model_find(&set, &q, &err), ZIS_OK);
    assert_string_equal(set.name, "nano-base");
    assert_false(set.turbo);
    assert_true(set.has_preview && set.size_lo == 128 && set.size_hi == 512);
    assert_true(set.defaults.steps == 25 && set.defaults.cfg == 3 && set.defaults.shift == 3);
    assert_int_equal(zis_model_open(&f->model, &set, NULL, &err), ZIS_OK);
    assert_int_equal(zis_run_init(&f->run, &o, &err), ZIS_OK);
    assert_int_equal(zis_request_init(&f->request, &err), ZIS_OK);
    zis_request_defaults_apply(&f->request, &f->model->set.defaults);
    f->request.width = 40;
    f->request.height = 24;
    f->request.steps = 2;
    f->request.seed = 3;
    *state = f;
    return 0;
}

static int close_all(void **state)
{
    fixture *f = *state;
    zis_model_close(&f->model);
    zis_run_deinit(&f->run);
    zis_request_deinit(&f->request);
    free(f);
    return 0;
}

static void draw(fixture *f, zis_features *features, zis_draw_result *out)
{
    const zis_draw_job job = {
        .model = f->model,
        .request = &f->request,
        .features = features,
        .keep = ZIS_KEEP_LATENTS | ZIS_KEEP_PLANES,
    };
    zis_error err = {0};
    assert_int_equal(zis_draw_run(&job, &f->run, out, &err), ZIS_OK);
}

static void shapes_and_plan(void **state)
{
    fixture *f = *state;
    zis_draw_result r;
    draw(f, NULL, &r);
    assert_int_equal(r.image->width, 40);
    assert_int_equal(r.image->height, 24);
    assert_int_equal(r.latent_width, 6);
    assert_int_equal(r.latent_height, 4);
    assert_int_equal(r.plane_width, 48);
    assert_int_equal(r.plane_height, 32);
    assert_true(r.prompt_tokens > 0 && r.negative_prompt_tokens > 0);
    /* The same code, run dry, said what was needed: all of it, and no more. */
    assert_true(f->run.scratch.peak == r.plan.scratch_most);
    assert_true(f->run.scratch.used == 0);
    for (int i = 0; i < ZIS_STAGE_COUNT; i++)
        assert_true((r.plan.flops[i] > 0) == (i != ZIS_STAGE_ENCODE && i != ZIS_STAGE_CONTROL));
    for (int y = 0; y < 24; y++)
        for (int x = 0; x < 40; x++) {
            float v = r.planes[(size_t)y * 48 + (size_t)x] * 0.5f + 0.5f;
            v = v < 0 ? 0 : v > 1 ? 1 : v;
            assert_int_equal(r.image->data[3 * (y * 40 + x)], (int)lrintf(v * 255));
        }
    zis_draw_result_deinit(&r);
}

static void kept_features(void **state)
{
    fixture *f = *state;
    zis_features *features = NULL;
    zis_draw_result a, b, c;
    assert_int_equal(zis_features_create(&features, 4, NULL), ZIS_OK);
    draw(f, NULL, &a);
    draw(f, features, &b);
    draw(f, features, &c);
    size_t n = 16 * 6 * 4 * sizeof(float);
    assert_memory_equal(a.latents, b.latents, n);
    assert_memory_equal(b.latents, c.latents, n);
    zis_draw_result_deinit(&a);
    zis_draw_result_deinit(&b);
    zis_draw_result_deinit(&c);
    zis_features_destroy(&features);
}

static zis_image *picture(int width, int height)
{
    zis_image *p = NULL;
    assert_int_equal(zis_image_create(&p, width, height, 3, NULL), ZIS_OK);
    for (int i = 0; i < 3 * width * height; i++) p->data[i] = (uint8_t)(i * 37 % 251);
    return p;
}

static double distance(const float *a, const float *b, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) most = fmax(most, fabs((double)(a[i] - b[i])));
    return most;
}

/* With strength 0 the latents are the picture's whatever the steps are. */
static void from_a_picture(void **state)
{
    fixture *f = *state;
    zis_draw_result none, some, again;
    zis_encoded *encoded = NULL;
    size_t n = 16 * 6 * 4;
    zis_request_take_picture(&f->request, ZIS_PICTURE_INIT, picture(40, 24));
    f->request.strength = 0;
    draw(f, NULL, &none);
    assert_true(none.plan.flops[ZIS_STAGE_ENCODE] > 0 && none.plan.steps == 2);
    assert_true(f->run.scratch.peak == none.plan.scratch_most);
    f->request.seed = 4;
    draw(f, NULL, &again);
    assert_memory_equal(none.latents, again.latents, n * sizeof(float));
    zis_draw_result_deinit(&again);
    f->request.strength = 0.7;
    draw(f, NULL, &some);
    assert_true(distance(none.latents, some.latents, n) > 0.1);
    /* a kept encoding gives the same */
    assert_int_equal(zis_encoded_create(&encoded, 0, NULL), ZIS_OK);
    zis_inputs in;
    assert_int_equal(zis_inputs_make(&in, &f->request, NULL, NULL, NULL), ZIS_OK);
    for (int i = 0; i < 2; i++) {
        const zis_draw_job job = {.model = f->model,
                                  .request = &f->request,
                                  .inputs = &in,
                                  .encoded = encoded,
                                  .keep = ZIS_KEEP_LATENTS};
        assert_int_equal(zis_draw_run(&job, &f->run, &again, NULL), ZIS_OK);
        assert_memory_equal(some.latents, again.latents, n * sizeof(float));
        zis_draw_result_deinit(&again);
    }
    zis_inputs_deinit(&in);
    zis_encoded_destroy(&encoded);
    zis_draw_result_deinit(&none);
    zis_draw_result_deinit(&some);
}

static void diffusers_rule(void **state)
{
    fixture *f = *state;
    zis_draw_result r;
    zis_error err = {0};
    zis_request_take_picture(&f->request, ZIS_PICTURE_INIT, picture(40, 24));
    f->request.strength_rule = ZIS_STRENGTH_DIFFUSERS;
    f->request.steps = 5;
    f->request.strength = 0.33; /* scheduler.md 3: two evaluations */
    draw(f, NULL, &r);
    assert_int_equal(r.plan.steps, 2);
    zis_draw_result_deinit(&r);
    f->request.strength = 0.1;
    const zis_draw_job job = {.model = f->model, .request = &f->request};
    f->request.strength = 0;
    assert_int_equal(zis_draw_run(&job, &f->run, &r, &err), ZIS_ARG);
    assert_non_null(strstr(err.text, "strength"));
}

/* Kept pixels are the picture's own, and kept latents end at the picture's. */
static void with_a_mask(void **state)
{
    fixture *f = *state;
    zis_draw_result whole, r;
    zis_image *old = picture(40, 24), *mask = NULL;
    assert_int_equal(zis_image_create(&mask, 40, 24, 1, NULL), ZIS_OK);
    for (int y = 0; y < 24; y++)
        for (int x = 24; x < 40; x++) mask->data[y * 40 + x] = x < 28 ? 128 : 255;
    zis_request_take_picture(&f->request, ZIS_PICTURE_INIT, old);
    f->request.strength = 0;
    draw(f, NULL, &whole); /* its latents are the picture's */
    zis_request_take_picture(&f->request, ZIS_PICTURE_MASK, mask);
    f->request.strength = 1;
    f->request.steps = 3;
    draw(f, NULL, &r);
    assert_true(f->run.scratch.peak == r.plan.scratch_most);
    bool changed = false;
    for (int i = 0; i < 40 * 24; i++)
        for (int c = 0; c < 3; c++) {
            uint8_t new = r.image->data[3 * i + c], was = old->data[3 * i + c];
            if (mask->data[i] == 0) assert_int_equal(new, was);
            changed = changed || (mask->data[i] == 255 && new != was);
        }
    assert_true(changed);
    for (int c = 0; c < 16; c++)
        for (int y = 0; y < 4; y++) {
            const float *a = whole.latents + (c * 4 + y) * 6, *b = r.latents + (c * 4 + y) * 6;
            assert_true(distance(a, b, 3) < 1e-5);         /* cells 0 .. 2 are kept */
            assert_true(distance(a + 5, b + 5, 1) < 1e-5); /* and what only pads */
        }
    zis_draw_result_deinit(&whole);
    zis_draw_result_deinit(&r);
}

static void cancelled(void **state)
{
    fixture *f = *state;
    atomic_bool cancel = true;
    const zis_draw_job job = {.model = f->model, .request = &f->request};
    zis_draw_result r = {0};
    zis_error err = {0};
    f->run.cancel = &cancel;
    assert_int_equal(zis_draw_run(&job, &f->run, &r, &err), ZIS_CANCELLED);
    assert_null(r.image);
    f->run.cancel = NULL;
    draw(f, NULL, &r);
    zis_draw_result_deinit(&r);
}

static void too_large(void **state)
{
    fixture *f = *state;
    const zis_draw_job job = {.model = f->model, .request = &f->request};
    zis_draw_result r = {0};
    zis_error err = {0};
    f->request.width = f->request.height = ZIS_REQUEST_MAX_SIDE;
    assert_int_equal(zis_draw_run(&job, &f->run, &r, &err), ZIS_NOMEM);
    assert_non_null(strstr(err.text, "GB of working memory"));
    f->request.width = ZIS_REQUEST_MAX_SIDE + 1;
    assert_int_equal(zis_draw_run(&job, &f->run, &r, &err), ZIS_ARG);
}

static void levels(void **state)
{
    fixture *f = *state;
    zis_image *image = NULL;
    zis_error err = {0};
    float x[3][4] = {{-1, -2, 1, 2}, {0, 0.25f, -0.25f, 1e30f}, {0.5f, -1e30f, 0, 0}};
    zis_tensor planes = zis_tensor_3d(x, ZIS_DTYPE_F32, 3, 1, 4);
    assert_int_equal(zis_image_create(&image, 4, 1, 3, &err), ZIS_OK);
    assert_int_equal(zis_picture8_from_planes(image, &f->run, &planes, &err), ZIS_OK);
    static const uint8_t want[] = {0, 128, 191, 0, 159, 0, 255, 96, 128, 255, 255, 128};
    assert_memory_equal(image->data, want, sizeof want);
    x[1][2] = NAN;
    assert_int_equal(zis_picture8_from_planes(image, &f->run, &planes, &err), ZIS_NUMERIC);
    zis_image_destroy(&image);
}

static void json_numbers(void **state)
{
    (void)state;
    zis_buf b = {0};
    zis_jsonout_number(&b, 0.1);
    zis_buf_putc(&b, ' ');
    zis_jsonout_number(&b, 3.0);
    zis_buf_putc(&b, ' ');
    zis_jsonout_number(&b, 1.0 / 3.0);
    zis_buf_putc(&b, ' ');
    zis_jsonout_number(&b, 20);
    zis_buf_putc(&b, ' ');
    zis_jsonout_number(&b, 1234567.5);
    zis_buf_putc(&b, ' ');
    zis_jsonout_number(&b, 1e300);
    zis_buf_putc(&b, ' ');
    zis_jsonout_number(&b, NAN);
    zis_jsonout_string(&b, "a\xff\x01\"\t");
    zis_jsonout_string(&b, NULL);
    assert_string_equal(
        b.data,
        "0.1 3 0.3333333333333333 20 1234567.5 1e+300 null\"a\xEF\xBF\xBD\\u0001\\\"\\t\"null");
    zis_buf_free(&b);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, open_all, close_all)
    const struct CMUnitTest tests[] = {
        T(shapes_and_plan), T(kept_features), T(from_a_picture),
        T(diffusers_rule),  T(with_a_mask),   T(cancelled),
        T(too_large),       T(levels),        cmocka_unit_test(json_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
