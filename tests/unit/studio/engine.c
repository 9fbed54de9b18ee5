/* Jobs one after the other: models and defaults, batches, failures that leave the engine usable. */
#include "studio/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TURBO ZIS_SOURCE_DIR "/models/nano/turbo"
#define SEPIA ZIS_SOURCE_DIR "/models/nano/lora/sepia.safetensors"
#define BASE ZIS_SOURCE_DIR "/models/nano/base"

typedef struct seen {
    int pictures, progress, previews, loaded;
    char last_loaded[32];
    int64_t seeds[4];
    unsigned sums[4]; /* of all bytes of a picture */
    zis_status answer;
    atomic_bool *cancel_at_step; /* set when the first step is done */
} seen;

static zis_status on_picture(void *arg, const zis_engine_picture *p, zis_error *err)
{
    seen *s = arg;
    if (s->answer) return zis_fail(err, s->answer, "no room");
    s->seeds[p->index] = p->seed;
    s->sums[p->index] = 0;
    size_t n = (size_t)(p->image->width * p->image->height * 3);
    for (size_t i = 0; i < n; i++) s->sums[p->index] = s->sums[p->index] * 31 + p->image->data[i];
    assert_non_null(strstr(p->parameters, "Steps: 1"));
    assert_non_null(strstr(p->recipe, "\"steps\": 1"));
    s->pictures++;
    return ZIS_OK;
}

static void on_progress(void *arg, const zis_engine_progress *p)
{
    seen *s = arg;
    assert_true(p->step >= 0 && p->step <= p->of && p->picture < p->pictures);
    assert_true(p->fraction >= 0 && p->fraction <= 1);
    if (s->cancel_at_step && strcmp(p->stage, "denoise") == 0 && p->step == 1)
        atomic_store(s->cancel_at_step, true);
    s->progress++;
}

static void on_preview(void *arg, const zis_engine_preview *p)
{
    seen *s = arg;
    assert_true(p->step >= 1 && p->step < p->of);
    assert_true(p->image->width == 4 && p->image->height == 4 && p->image->channels == 3);
    s->previews++;
}

static void on_loaded(void *arg, const zis_engine_loaded *l)
{
    seen *s = arg;
    s->loaded = l->n;
    snprintf(s->last_loaded, sizeof s->last_loaded, "%s", l->names[0]);
}

static zis_status run(zis_engine *e,
                      const char *model,
                      int batch,
                      int steps,
                      seen *s,
                      zis_engine_result *out,
                      zis_error *err)
{
    zis_request r;
    const zis_engine_hooks hooks = {s, on_progress, on_picture, on_preview, on_loaded};
    char text[16];
    assert_int_equal(zis_request_init(&r, NULL), ZIS_OK);
    assert_int_equal(zis_request_set(&r, zis_request_field("model"), "m", model, err), ZIS_OK);
    assert_int_equal(zis_request_set(&r, zis_request_field("prompt"), "p", "a cat", err), ZIS_OK);
    assert_int_equal(zis_request_set(&r, zis_request_field("width"), "w", "32", err), ZIS_OK);
    assert_int_equal(zis_request_set(&r, zis_request_field("height"), "h", "32", err), ZIS_OK);
    snprintf(text, sizeof text, "%d", steps);
    assert_int_equal(zis_request_set(&r, zis_request_field("steps"), "s", text, err), ZIS_OK);
    assert_int_equal(zis_request_set(&r, zis_request_field("seed"), "s", "7", err), ZIS_OK);
    r.batch = batch;
    zis_status st = zis_engine_run(e, &r, &hooks, s->cancel_at_step, out, err);
    zis_request_deinit(&r);
    return st;
}

static int create(void **state)
{
    zis_engine *e = NULL;
    const zis_engine_options o = {.threads = 1};
    assert_int_equal(zis_engine_create(&e, &o, NULL), ZIS_OK);
    *state = e;
    return 0;
}

static int destroy(void **state)
{
    zis_engine *e = *state;
    zis_engine_destroy(&e);
    return 0;
}

static void jobs(void **state)
{
    zis_engine_result r = {0};
    zis_error err = {0};
    seen s = {0}, t = {0}, u = {0};
    assert_int_equal(run(*state, TURBO, 2, 1, &s, &r, &err), ZIS_OK);
    assert_int_equal(s.pictures, 2);
    assert_true(s.seeds[0] == 7 && s.seeds[1] == 8 && s.sums[0] != s.sums[1] && s.progress > 6);
    assert_int_equal(s.previews, 0); /* of one step there is nothing to show in between */
    assert_string_equal(r.model, "nano-turbo");
    assert_true(s.loaded == 1 && strcmp(s.last_loaded, "nano-turbo") == 0);
    assert_true(r.request.cfg == 1 && r.request.shift == 3 && r.n_warnings == 0);
    assert_true(r.seconds[ZIS_ENGINE_TOTAL] > 0 && r.peak_memory_bytes > 0);
    zis_engine_result_deinit(&r);
    /* Another model, which shares all but the transformer, and back. */
    assert_int_equal(run(*state, BASE, 1, 1, &t, &r, &err), ZIS_OK);
    assert_string_equal(r.model, "nano-base");
    assert_true(t.loaded == 2 && strcmp(t.last_loaded, "nano-base") == 0);
    assert_true(r.request.cfg == 3 && t.sums[0] != s.sums[0]);
    zis_engine_result_deinit(&r);
    assert_int_equal(run(*state, TURBO, 1, 1, &u, &r, &err), ZIS_OK);
    assert_int_equal(u.sums[0], s.sums[0]);
    zis_engine_result_deinit(&r);
}

/* A job with a LoRA; the report, and the sum of its picture. */
static zis_status run_lora(
    zis_engine *e, const char *file, double strength, unsigned *sum, char *report, zis_error *err)
{
    zis_request r;
    zis_engine_result out = {0};
    seen s = {0};
    const zis_engine_hooks hooks = {.arg = &s, .picture = on_picture};
    assert_int_equal(zis_request_init(&r, NULL), ZIS_OK);
    assert_int_equal(zis_request_set(&r, zis_request_field("model"), "m", TURBO, err), ZIS_OK);
    assert_int_equal(zis_request_set(&r, zis_request_field("width"), "w", "32", err), ZIS_OK);
    assert_int_equal(zis_request_set(&r, zis_request_field("height"), "h", "32", err), ZIS_OK);
    assert_int_equal(zis_request_set(&r, zis_request_field("steps"), "s", "1", err), ZIS_OK);
    assert_int_equal(zis_request_set(&r, zis_request_field("seed"), "s", "7", err), ZIS_OK);
    if (file) assert_int_equal(zis_request_add_lora(&r, file, strength, err), ZIS_OK);
    zis_status st = zis_engine_run(e, &r, &hooks, NULL, &out, err);
    *sum = s.sums[0];
    report[0] = '\0';
    if (!st && out.n_loras) strcpy(report, out.loras[0].report);
    zis_engine_result_deinit(&out);
    zis_request_deinit(&r);
    return st;
}

/* Put on for one job, and taken off after it, also after one that fails. */
static void loras(void **state)
{
    unsigned before, with, half, after;
    char report[160];
    zis_error err = {0};
    assert_int_equal(run_lora(*state, NULL, 0, &before, report, &err), ZIS_OK);
    assert_int_equal(run_lora(*state, SEPIA, 1, &with, report, &err), ZIS_OK);
    assert_string_equal(report, "matched 42 of 42 modules, rank 8, 0 keys left over");
    assert_int_equal(run_lora(*state, SEPIA, 0.5, &half, report, &err), ZIS_OK);
    assert_true(with != before && half != before && half != with);
    assert_int_equal(run_lora(*state, NULL, 0, &after, report, &err), ZIS_OK);
    assert_int_equal(after, before);
    assert_int_equal(run_lora(*state, "/nowhere/x", 1, &after, report, &err), ZIS_NOT_FOUND);
    assert_int_equal(run_lora(*state, SEPIA, 0, &after, report, &err), ZIS_OK);
    assert_int_equal(after, before);
    assert_int_equal(run_lora(*state, SEPIA, 1, &after, report, &err), ZIS_OK);
    assert_int_equal(after, with);
}

static void failures(void **state)
{
    zis_engine_result r = {0};
    zis_error err = {0};
    seen s = {0}, refused = {.answer = ZIS_IO}, t = {0};
    atomic_bool cancel = false;
    seen stopped = {.cancel_at_step = &cancel};
    assert_int_equal(run(*state, "/nowhere", 1, 1, &s, &r, &err), ZIS_NOT_FOUND);
    assert_null(r.model);
    assert_int_equal(run(*state, TURBO, 1, 1, &refused, &r, &err), ZIS_IO);
    assert_string_equal(err.text, "no room");
    assert_int_equal(run(*state, TURBO, 1, 1000, &stopped, &r, &err), ZIS_CANCELLED);
    assert_true(stopped.progress < 40);
    assert_int_equal(run(*state, TURBO, 1, 1, &t, &r, &err), ZIS_OK);
    assert_int_equal(t.pictures, 1);
    zis_engine_result_deinit(&r);
}

/* Without room for two models the one of the job before goes; pictures stay what they were. */
static void short_of_memory(void **state)
{
    zis_engine *e = NULL;
    zis_engine_result r = {0};
    zis_error err = {0};
    const char *const order[] = {TURBO, BASE, TURBO, BASE};
    const zis_engine_options o = {.threads = 1, .memory = 1};
    assert_int_equal(zis_engine_create(&e, &o, NULL), ZIS_OK);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        seen roomy = {0}, tight = {0};
        assert_int_equal(run(*state, order[i], 1, 1, &roomy, &r, &err), ZIS_OK);
        zis_engine_result_deinit(&r);
        assert_int_equal(run(e, order[i], 1, 1, &tight, &r, &err), ZIS_OK);
        zis_engine_result_deinit(&r);
        assert_int_equal(tight.sums[0], roomy.sums[0]);
        assert_true(tight.loaded == 1 && roomy.loaded >= 1);
    }
    zis_engine_destroy(&e);
}

static void bad_device(void **state)
{
    (void)state;
    zis_engine *e = NULL;
    zis_engine_result r = {0};
    zis_error err = {0};
    seen s = {0};
    const zis_engine_options o = {.device = "tpu", .threads = 1};
    assert_int_equal(zis_engine_create(&e, &o, &err), ZIS_OK);
    assert_int_equal(run(e, TURBO, 1, 1, &s, &r, &err), ZIS_ARG);
    assert_non_null(strstr(err.text, "tpu"));
    zis_engine_destroy(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(jobs, create, destroy),
        cmocka_unit_test_setup_teardown(loras, create, destroy),
        cmocka_unit_test_setup_teardown(failures, create, destroy),
        cmocka_unit_test_setup_teardown(short_of_memory, create, destroy),
        cmocka_unit_test(bad_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
