/* The table of fields, and its views: text, defaults, JSON. */
#include "pipeline/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int init(void **state)
{
    zis_request *r = malloc(sizeof *r);
    assert_non_null(r);
    assert_int_equal(zis_request_init(r, NULL), ZIS_OK);
    *state = r;
    return 0;
}

static int deinit(void **state)
{
    zis_request_deinit(*state);
    free(*state);
    return 0;
}

static zis_status set(zis_request *r, const char *name, const char *value, zis_error *err)
{
    return zis_request_set(r, zis_request_field(name), name, value, err);
}

static void table_is_sound(void **state)
{
    (void)state;
    for (size_t i = 0; i < zis_request_field_count(); i++) {
        const zis_field *f = zis_request_field_at(i);
        assert_ptr_equal(zis_request_field(f->name), f); /* names are unique */
        assert_true(f->flags && *f->flags && f->help && f->where && f->metavar);
        for (size_t k = 0; k < i; k++) {
            const zis_field *g = zis_request_field_at(k);
            assert_false(f->short_flag && f->short_flag == g->short_flag);
            assert_false(f->offset == g->offset);
        }
        bool number =
            f->type == ZIS_FIELD_INT || f->type == ZIS_FIELD_REAL || f->type == ZIS_FIELD_INT64;
        assert_true(!number || f->lo < f->hi);
        assert_true((f->type == ZIS_FIELD_CHOICE) == (f->choices != NULL));
        const zis_field *by = f->only.field ? zis_request_field(f->only.field) : NULL;
        assert_true(!f->only.field || (by && by->choices && f->only.values));
    }
    assert_null(zis_request_field("nonsense"));
    assert_null(zis_request_field_at(zis_request_field_count()));
}

static void values(void **state)
{
    zis_request *r = *state;
    assert_int_equal(set(r, "steps", "12", NULL), ZIS_OK);
    assert_int_equal(r->steps, 12);
    assert_int_equal(set(r, "cfg", "3.5", NULL), ZIS_OK);
    assert_true(r->cfg == 3.5);
    assert_int_equal(set(r, "seed", "9223372036854775807", NULL), ZIS_OK);
    assert_true(r->seed == INT64_MAX);
    assert_int_equal(set(r, "rng", "torch-bf16", NULL), ZIS_OK);
    assert_int_equal(r->rng, ZIS_RNG_TORCH_BF16);
    assert_int_equal(set(r, "prompt", "\xe7\x8c\xab", NULL), ZIS_OK);
    assert_string_equal(r->prompt, "\xe7\x8c\xab");
    assert_true(zis_request_given(r, zis_request_field("steps")));
    assert_false(zis_request_given(r, zis_request_field("width")));
}

static void refused_values(void **state)
{
    static const struct {
        const char *name, *value;
    } bad[] = {
        {"steps", "0"},   {"steps", "1001"}, {"steps", ""},        {"steps", " 1"},
        {"steps", "1 "},  {"steps", "1.0"},  {"steps", "0x1"},     {"steps", "1e2"},
        {"width", "-1"},  {"width", "8193"}, {"width", "--8"},     {"cfg", "nan"},
        {"cfg", "inf"},   {"cfg", "-0.1"},   {"cfg", "1e999"},     {"cfg", "."},
        {"shift", "0"},   {"seed", "-2"},    {"seed", "1e3"},      {"seed", "9223372036854775808"},
        {"rng", "TORCH"}, {"rng", ""},       {"sampler", "heun?"}, {"prompt", "\xc3("},
        {"model", ""},
    };
    zis_request *r = *state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        zis_error err = {0};
        int steps = r->steps;
        assert_int_equal(set(r, bad[i].name, bad[i].value, &err), ZIS_ARG);
        assert_non_null(strstr(err.text, bad[i].name));
        assert_int_equal(r->steps, steps);
        assert_int_equal(r->given, 0);
    }
}

static void defaults(void **state)
{
    zis_request *r = *state;
    const zis_request_defaults d = {640, 480, 25, 4.0, 6.0};
    assert_int_equal(set(r, "steps", "12", NULL), ZIS_OK);
    zis_request_defaults_apply(r, &d);
    assert_int_equal(r->width, 640);
    assert_int_equal(r->height, 480);
    assert_int_equal(r->steps, 12);
    assert_true(r->cfg == 4.0 && r->shift == 6.0);
    assert_int_equal(zis_request_check(r, NULL), ZIS_OK);
    r->seed = INT64_MAX;
    r->batch = 2;
    assert_int_equal(zis_request_check(r, NULL), ZIS_ARG);
    r->seed = 0;
    r->cfg = 0.0 / 0.0;
    assert_int_equal(zis_request_check(r, NULL), ZIS_ARG);
    r->cfg = 1;
    r->sampler = 99;
    assert_int_equal(zis_request_check(r, NULL), ZIS_ARG);
}

static void json_round_trip(void **state)
{
    zis_request *r = *state;
    zis_request back;
    zis_buf out = {0};
    assert_int_equal(zis_request_init(&back, NULL), ZIS_OK);
    assert_int_equal(set(r, "prompt", "a \"b\"\n\\ \x7f \xf0\x9f\x90\xb1", NULL), ZIS_OK);
    assert_int_equal(set(r, "cfg", "0.1", NULL), ZIS_OK);
    assert_int_equal(set(r, "seed", "9223372036854775807", NULL), ZIS_OK);
    assert_int_equal(set(r, "rng", "torch-bf16-old", NULL), ZIS_OK);
    assert_int_equal(set(r, "vae", "some/where", NULL), ZIS_OK);
    zis_request_defaults_apply(r, &(zis_request_defaults){16, 16, 1, 1, 3});
    zis_buf_putc(&out, '{');
    zis_request_to_json(&out, r, ZIS_FIELD_RECIPE);
    zis_buf_puts(&out, ", \"later\": {\"prompt\": [1, 2]}}");
    assert_false(out.failed);
    zis_error err = {0};
    assert_int_equal(
        zis_request_from_json(&back, "test", out.data, out.len, ZIS_FIELD_RECIPE, &err), ZIS_OK);
    assert_string_equal(back.prompt, r->prompt);
    assert_string_equal(back.vae, "some/where");
    assert_null(back.tokenizer);
    assert_true(back.cfg == 0.1 && back.seed == INT64_MAX && back.rng == r->rng);
    assert_int_equal(back.width, 16);
    zis_buf_free(&out);
    zis_request_deinit(&back);
}

static void refused_json(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{\"steps\": \"8\"}",
        "{\"steps\": 8.5}",
        "{\"steps\": 0}",
        "{\"steps\": 8, \"steps\": 8}",
        "{\"prompt\": 1}",
        "{\"prompt\": \"a\\u0000b\"}",
        "{\"rng\": \"x\"}",
        "{\"steps\": 8",
        "{\"steps\": 8} x",
        "{\"seed\": 1e400}",
        "{\"steps\": [8]}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        zis_error err = {0};
        assert_int_not_equal(
            zis_request_from_json(*state, "test", bad[i], strlen(bad[i]), ZIS_FIELD_RECIPE, &err),
            ZIS_OK);
        assert_true(*err.text);
    }
    const char *ok = "{\"steps\": null, \"batch\": \"not of the recipe\"}";
    assert_int_equal(zis_request_from_json(*state, "test", ok, strlen(ok), ZIS_FIELD_RECIPE, NULL),
                     ZIS_OK);
}

static void copies(void **state)
{
    zis_request *r = *state, copy;
    assert_int_equal(set(r, "prompt", "mine", NULL), ZIS_OK);
    assert_int_equal(zis_request_copy(&copy, r, NULL), ZIS_OK);
    assert_ptr_not_equal(copy.prompt, r->prompt);
    assert_string_equal(copy.prompt, "mine");
    assert_null(copy.vae);
    zis_request_deinit(&copy);
}

static zis_image *picture(void)
{
    zis_image *img = NULL;
    assert_int_equal(zis_image_create(&img, 3, 2, 3, NULL), ZIS_OK);
    return img;
}

static void pictures(void **state)
{
    zis_request *r = *state, copy;
    zis_buf out = {0};
    zis_error err = {0};
    zis_request_defaults_apply(r, &(zis_request_defaults){16, 16, 1, 1, 3});
    assert_int_equal(set(r, "image", "a.png", NULL), ZIS_OK);
    assert_int_equal(zis_request_check(r, &err), ZIS_ARG); /* named, but not there */
    assert_non_null(strstr(err.text, "a.png"));
    zis_request_to_json(&out, r, ZIS_FIELD_RECIPE);
    assert_null(strstr(out.data, "strength")); /* it has no say yet */
    zis_request_take_picture(r, ZIS_PICTURE_INIT, picture());
    assert_int_equal(zis_request_check(r, &err), ZIS_OK);
    out.len = 0;
    zis_request_to_json(&out, r, ZIS_FIELD_RECIPE);
    assert_non_null(strstr(out.data, "\"strength\": 0.6, \"strength_rule\": \"diffsynth\""));
    assert_null(strstr(out.data, "control"));
    zis_buf_free(&out);
    /* a copy shares it, and either may go first */
    assert_int_equal(zis_request_copy(&copy, r, NULL), ZIS_OK);
    assert_ptr_equal(copy.picture[ZIS_PICTURE_INIT], r->picture[ZIS_PICTURE_INIT]);
    zis_request_take_picture(r, ZIS_PICTURE_INIT, picture()); /* in the place of another */
    assert_int_equal(copy.picture[ZIS_PICTURE_INIT]->width, 3);
    zis_request_deinit(&copy);
    zis_request_take_picture(r, ZIS_PICTURE_INIT, NULL);
    assert_null(r->picture[ZIS_PICTURE_INIT]);
}

static void what_goes_together(void **state)
{
    zis_request *r = *state;
    zis_error err = {0};
    zis_request_defaults_apply(r, &(zis_request_defaults){16, 16, 1, 1, 3});
    zis_request_take_picture(r, ZIS_PICTURE_MASK, picture());
    assert_int_equal(zis_request_check(r, &err), ZIS_ARG); /* a mask of nothing */
    assert_non_null(strstr(err.text, "mask"));
    zis_request_take_picture(r, ZIS_PICTURE_INIT, picture());
    assert_int_equal(set(r, "control_net", "file", NULL), ZIS_OK);
    assert_int_equal(zis_request_check(r, NULL), ZIS_OK);
    zis_request_take_picture(r, ZIS_PICTURE_MASK, NULL);
    assert_int_equal(zis_request_check(r, &err), ZIS_ARG); /* nothing to follow */
    zis_request_take_picture(r, ZIS_PICTURE_CONTROL, picture());
    assert_int_equal(zis_request_check(r, NULL), ZIS_OK);
    assert_int_equal(set(r, "preprocess", "canny", NULL), ZIS_OK);
    assert_int_equal(zis_request_check(r, NULL), ZIS_OK);
    assert_int_equal(set(r, "control_start", "0.5", NULL), ZIS_OK);
    assert_int_equal(set(r, "control_end", "0.4", NULL), ZIS_OK);
    assert_int_equal(zis_request_check(r, &err), ZIS_ARG);
    assert_non_null(strstr(err.text, "0.4"));
    assert_int_equal(set(r, "control_end", "0.5", NULL), ZIS_OK);
    zis_request_take_picture(r, ZIS_PICTURE_CONTROL, NULL);
    r->control_net[0] = '\0';
    assert_int_equal(zis_request_check(r, &err), ZIS_ARG); /* the edges of nothing */
    assert_non_null(strstr(err.text, "canny"));
}

static void idles(const zis_request *r, const char *name, const char *because, bool mild)
{
    char *why = NULL;
    bool is_mild = false;
    assert_int_equal(zis_request_idle(&why, &is_mild, r, zis_request_field(name), NULL), ZIS_OK);
    assert_true(!why == !because);
    if (why) assert_string_equal(why, because);
    if (why) assert_true(is_mild == mild);
    free(why);
}

/* Flags that do nothing are told; the request itself is none the worse for them. */
static void idle(void **state)
{
    zis_request *r = *state;
    static const char *const given[] = {"strength", "control_strength", "steps"};
    for (int i = 0; i < 3; i++) assert_int_equal(set(r, given[i], "1", NULL), ZIS_OK);
    zis_request_defaults_apply(r, &(zis_request_defaults){64, 64, 8, 1, 3});
    assert_int_equal(zis_request_check(r, NULL), ZIS_OK);
    idles(r, "strength", "without --image", false);
    idles(r, "control_strength", "without --control-image", false);
    idles(r, "steps", NULL, false);
    zis_image *image = NULL, *control = NULL;
    assert_int_equal(zis_image_create(&image, 4, 4, 3, NULL), ZIS_OK);
    assert_int_equal(zis_image_create(&control, 4, 4, 3, NULL), ZIS_OK);
    zis_request_take_picture(r, ZIS_PICTURE_INIT, image);
    zis_request_take_picture(r, ZIS_PICTURE_CONTROL, control);
    idles(r, "strength", NULL, false);
    idles(r, "control_strength", NULL, false);
    assert_int_equal(set(r, "preprocess", "canny", NULL), ZIS_OK);
    idles(r, "preprocess_weights", "with --preprocess canny, only with depth, pose", false);
    assert_int_equal(set(r, "preprocess", "depth", NULL), ZIS_OK);
    idles(r, "preprocess_weights", NULL, false);
    zis_request_take_picture(r, ZIS_PICTURE_CONTROL, NULL);
    zis_request_set_task(r, ZIS_TASK_UPSCALE);
    assert_int_equal(set(r, "refine", "off", NULL), ZIS_OK);
    idles(r, "strength", "with --refine off", true);
    idles(r, "prompt", "with --refine off", true);
    idles(r, "scale", NULL, false);
}

static void loras(void **state)
{
    static const char *const bad[] = {"", ":0.5", "a:101", "a:-1e9", "a:1:1e99"};
    zis_request *r = *state;
    zis_request back;
    zis_buf out = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        zis_error err = {0};
        assert_int_equal(set(r, "loras", bad[i], &err), ZIS_ARG);
        assert_non_null(strstr(err.text, "loras"));
        assert_int_equal(r->n_loras, 0);
    }
    assert_int_equal(set(r, "loras", "a", NULL), ZIS_OK);
    assert_int_equal(set(r, "loras", "dir/b:-0.5", NULL), ZIS_OK);
    assert_int_equal(set(r, "loras", "c:d:0; e; f:1; g:2", NULL), ZIS_OK);
    static const struct {
        const char *file;
        double strength;
    } want[] = {{"a", 1}, {"dir/b", -0.5}, {"c:d", 0}, {"e; f", 1}, {"g", 2}};
    assert_int_equal(r->n_loras, 5);
    assert_int_equal(zis_request_copy(&back, r, NULL), ZIS_OK);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 5; i++) {
            assert_string_equal(back.loras[i].file, want[i].file);
            assert_true(back.loras[i].strength == want[i].strength);
        }
        if (round) break;
        zis_request_defaults_apply(r, &(zis_request_defaults){16, 16, 1, 1, 3});
        zis_buf_putc(&out, '{');
        zis_request_to_json(&out, r, ZIS_FIELD_RECIPE);
        zis_buf_putc(&out, '}');
        assert_false(out.failed);
        assert_int_equal(
            zis_request_from_json(&back, "test", out.data, out.len, ZIS_FIELD_RECIPE, NULL),
            ZIS_OK); /* in place of those that are there */
        assert_int_equal(back.n_loras, 5);
    }
    zis_buf_free(&out);
    assert_int_equal(zis_request_check(&back, NULL), ZIS_OK);
    back.loras[2].strength = 0.0 / 0.0;
    assert_int_equal(zis_request_check(&back, NULL), ZIS_ARG);
    zis_request_deinit(&back);
    assert_int_equal(set(r, "loras", "none", NULL), ZIS_OK);
    assert_int_equal(r->n_loras, 0);
    for (int i = 0; i < ZIS_REQUEST_MAX_LORAS; i++)
        assert_int_equal(set(r, "loras", "a", NULL), ZIS_OK);
    assert_int_equal(set(r, "loras", "a", NULL), ZIS_ARG);
}

static void refused_lora_json(void **state)
{
    static const char *const bad[] = {
        "{\"loras\": \"a\"}",
        "{\"loras\": [\"a\"]}",
        "{\"loras\": [{}]}",
        "{\"loras\": [{\"strength\": 1}]}",
        "{\"loras\": [{\"file\": 1}]}",
        "{\"loras\": [{\"file\": \"\"}]}",
        "{\"loras\": [{\"file\": \"a\\u0000b\"}]}",
        "{\"loras\": [{\"file\": \"a\", \"strength\": \"1\"}]}",
        "{\"loras\": [{\"file\": \"a\", \"strength\": 1e9}]}",
        "{\"loras\": [{\"file\": \"a\"}",
    };
    zis_request *r = *state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (zis_request_from_json(r, "test", bad[i], strlen(bad[i]), ZIS_FIELD_RECIPE, NULL) ==
            ZIS_OK)
            fail_msg("%s", bad[i]);
    static const char good[] = "{\"loras\": [{\"name\": \"a\", \"more\": [1]}]}";
    assert_int_equal(zis_request_from_json(r, "test", good, strlen(good), ZIS_FIELD_RECIPE, NULL),
                     ZIS_OK);
    assert_int_equal(r->n_loras, 1);
    assert_true(r->loras[0].strength == 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, init, deinit)
    const struct CMUnitTest tests[] = {
        T(table_is_sound),     T(values),       T(refused_values), T(defaults),
        T(json_round_trip),    T(refused_json), T(copies),         T(pictures),
        T(what_goes_together), T(idle),         T(loras),          T(refused_lora_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
