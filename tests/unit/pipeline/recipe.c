/* Recipes of ours and of other tools. */
#include "pipeline/recipe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static zis_request fresh(void)
{
    zis_request r;
    assert_int_equal(zis_request_init(&r, NULL), ZIS_OK);
    return r;
}

static void set(zis_request *r, const char *name, const char *value)
{
    assert_int_equal(zis_request_set(r, zis_request_field(name), name, value, NULL), ZIS_OK);
}

static void round_trip(const char *prompt, const char *negative)
{
    zis_request r = fresh(), a = fresh(), b = fresh();
    zis_recipe recipe;
    set(&r, "prompt", prompt);
    set(&r, "negative_prompt", negative);
    set(&r, "model", "a, b: \"c\"");
    set(&r, "seed", "123456789012345678");
    set(&r, "rng", "torch-bf16");
    zis_request_defaults_apply(&r, &(zis_request_defaults){40, 1000, 20, 0.3, 3});
    assert_int_equal(zis_recipe_make(&recipe, &r, "cpu", NULL), ZIS_OK);
    zis_error err = {0};
    assert_int_equal(zis_recipe_parse(&a, "test", recipe.parameters, &err), ZIS_OK);
    assert_int_equal(
        zis_request_from_json(&b, "test", recipe.json, strlen(recipe.json), ZIS_FIELD_RECIPE, &err),
        ZIS_OK);
    zis_request *backs[] = {&a, &b};
    for (int i = 0; i < 2; i++) {
        assert_string_equal(backs[i]->prompt, prompt);
        assert_string_equal(backs[i]->negative_prompt, negative);
        assert_string_equal(backs[i]->model, "a, b: \"c\"");
        assert_true(backs[i]->seed == 123456789012345678 && backs[i]->cfg == 0.3);
        assert_int_equal(backs[i]->rng, ZIS_RNG_TORCH_BF16);
        assert_int_equal(backs[i]->width, 40);
        assert_int_equal(backs[i]->height, 1000);
        assert_int_equal(backs[i]->steps, 20);
    }
    zis_recipe_deinit(&recipe);
    zis_request_deinit(&r);
    zis_request_deinit(&a);
    zis_request_deinit(&b);
}

static void ours(void **state)
{
    (void)state;
    round_trip("a red apple", "");
    round_trip("a red apple", "blurry, dark");
    round_trip("", "");
    round_trip("", "only this");
    round_trip("two\nlines\n", "and\nhere");
    round_trip("a\nNegative prompt: trap\nSteps: 3, Seed: 4", "");
    round_trip("Negative prompt: trap", "x");
    round_trip("\xe7\x8c\xab, \"quoted\" \\ back", "\xf0\x9f\x90\xb1");
}

static void others(void **state)
{
    (void)state;
    zis_request r = fresh();
    zis_error err = {0};
    assert_int_equal(
        zis_recipe_parse(
            &r, "test",
            "a cat, <lora:x:1>\nNegative prompt: bad, worse\nSteps: 20, Sampler: DPM++ "
            "2M, Schedule type: Karras, CFG scale: 7.5, Seed: 1234, Size: 512x768, "
            "Model hash: 6ce0161689, Model: v1-5, Lora hashes: \"x: a, Steps: 99\", "
            "Version: v1.9.4\n",
            &err),
        ZIS_OK);
    assert_string_equal(r.prompt, "a cat, <lora:x:1>");
    assert_string_equal(r.negative_prompt, "bad, worse");
    assert_int_equal(r.steps, 20);
    assert_true(r.cfg == 7.5 && r.seed == 1234);
    assert_int_equal(r.width, 512);
    assert_int_equal(r.height, 768);
    assert_string_equal(r.model, "nano"); /* theirs is not ours */
    assert_int_equal(r.sampler, 0);
    zis_request_deinit(&r);

    r = fresh();
    assert_int_equal(
        zis_recipe_parse(&r, "test",
                         "a dog\nSteps: 8, CFG scale: 1.000000, Guidance: 3.5, Seed: 42,"
                         " Size: 64x64, Model: z.gguf, RNG: cuda, Sampler: Euler, "
                         "Version: stable-diffusion.cpp",
                         &err),
        ZIS_OK);
    assert_string_equal(r.prompt, "a dog");
    assert_int_equal(r.rng, 0);
    assert_int_equal(r.seed, 42);
    zis_request_deinit(&r);
}

static void refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "just a comment",
        "a\nSteps: many, Seed: 1",
        "a\nSteps: 8, Size: big",
        "a\nSteps: 8, Size: 8x",
        "a\nSteps: 8, Size: 11111111111111111111111111x8",
        "a\nSteps: 8, RNG: x, Version: zis 1",
        "a\nSteps: \"8",
        "a\nSteps: \"8\\x\"",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        zis_request r = fresh();
        zis_error err = {0};
        assert_int_not_equal(zis_recipe_parse(&r, "test", bad[i], &err), ZIS_OK);
        assert_true(*err.text);
        zis_request_deinit(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ours),
        cmocka_unit_test(others),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
