/* Models that stay open: parts shared count once, the one used longest ago goes first. */
#include "studio/loaded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define TURBO ZIS_SOURCE_DIR "/models/nano/turbo"
#define BASE ZIS_SOURCE_DIR "/models/nano/base"
#define TURBO_TOO ZIS_SOURCE_DIR "/models/../models/nano/turbo" /* the same files */

typedef struct fixture {
    zis_features *features;
    zis_encoded *encoded;
    zis_loaded *l;
} fixture;

static void setup(fixture *f, uint64_t limit)
{
    *f = (fixture){0};
    assert_int_equal(zis_features_create(&f->features, 2, NULL), ZIS_OK);
    assert_int_equal(zis_encoded_create(&f->encoded, 2, NULL), ZIS_OK);
    assert_int_equal(zis_loaded_create(&f->l, limit, f->features, f->encoded, NULL), ZIS_OK);
}

static void teardown(fixture *f)
{
    zis_loaded_destroy(&f->l);
    zis_encoded_destroy(&f->encoded);
    zis_features_destroy(&f->features);
}

/* As a job does: the model, a ControlNet, room for both. */
static zis_model *use(fixture *f, const char *name, bool controlled)
{
    zis_request r;
    zis_model *m = NULL;
    const zis_control *c = NULL;
    zis_error err = {0};
    assert_int_equal(zis_request_init(&r, NULL), ZIS_OK);
    assert_int_equal(zis_request_set(&r, zis_request_field("model"), "m", name, &err), ZIS_OK);
    if (controlled)
        assert_int_equal(
            zis_request_set(&r, zis_request_field("control_net"), "c", "nano-controlnet", &err),
            ZIS_OK);
    assert_int_equal(zis_loaded_model(f->l, &r, &m, &err), ZIS_OK);
    assert_int_equal(zis_loaded_control(f->l, &r, m, &c, &err), ZIS_OK);
    assert_true((c != NULL) == controlled);
    zis_loaded_make_room(f->l, m, c);
    zis_request_deinit(&r);
    return m;
}

static void room(void **state)
{
    (void)state;
    fixture f;
    setup(&f, 0); /* nano is small to any machine */
    const zis_model *turbo = use(&f, TURBO, false);
    uint64_t one = zis_loaded_bytes(f.l);
    assert_true(one == zis_model_bytes(turbo));
    assert_ptr_not_equal(use(&f, BASE, false), turbo);
    assert_int_equal(zis_loaded_count(f.l), 2);
    assert_ptr_equal(zis_loaded_at(f.l, 0), turbo);
    assert_true(zis_loaded_bytes(f.l) > one && zis_loaded_bytes(f.l) < 2 * one);
    assert_ptr_equal(use(&f, TURBO, false), turbo);
    assert_ptr_equal(zis_loaded_at(f.l, 1), turbo); /* used last */
    uint64_t both = zis_loaded_bytes(f.l);
    use(&f, TURBO, true);
    uint64_t control = zis_loaded_bytes(f.l) - both;
    assert_true(control > 0);
    teardown(&f);

    /* One byte less than both need: the other goes, and only it. */
    setup(&f, both - 1);
    use(&f, TURBO, false);
    use(&f, BASE, false);
    assert_int_equal(zis_loaded_count(f.l), 1);
    assert_true(zis_loaded_bytes(f.l) == one);
    use(&f, TURBO, false);
    assert_int_equal(zis_loaded_count(f.l), 1);
    teardown(&f);

    /* Exactly both: they stay, until a ControlNet wants room; it goes with its model. */
    setup(&f, both);
    turbo = use(&f, TURBO, false);
    use(&f, BASE, false);
    use(&f, TURBO, false);
    assert_int_equal(zis_loaded_count(f.l), 2);
    use(&f, TURBO, true); /* Base was used longest ago */
    assert_int_equal(zis_loaded_count(f.l), 1);
    assert_true(zis_loaded_bytes(f.l) == one + control);
    assert_ptr_equal(use(&f, TURBO, false), turbo);
    assert_true(zis_loaded_bytes(f.l) == one + control);
    use(&f, BASE, false);
    assert_int_equal(zis_loaded_count(f.l), 1);
    assert_true(zis_loaded_bytes(f.l) == one);
    teardown(&f);

    /* A job's own model is never closed, its ControlNets of other jobs are. */
    setup(&f, 1);
    use(&f, TURBO, true);
    assert_true(zis_loaded_count(f.l) == 1 && zis_loaded_bytes(f.l) == one + control);
    use(&f, TURBO, false);
    assert_true(zis_loaded_count(f.l) == 1 && zis_loaded_bytes(f.l) == one);
    teardown(&f);
}

/* The same files by another name share all parts, and keep them when one goes. */
static void shared_parts(void **state)
{
    (void)state;
    fixture f;
    setup(&f, 0);
    use(&f, TURBO, false);
    uint64_t one = zis_loaded_bytes(f.l);
    use(&f, TURBO_TOO, true);
    assert_int_equal(zis_loaded_count(f.l), 2);
    uint64_t control = zis_loaded_bytes(f.l) - one;
    assert_true(control > 0 && control < one);
    teardown(&f);
    setup(&f, 1);
    use(&f, TURBO_TOO, true);
    const zis_model *m =
        use(&f, TURBO, true); /* closes the other name alone: the ControlNet is this one's, too */
    assert_int_equal(zis_loaded_count(f.l), 1);
    assert_true(zis_loaded_bytes(f.l) == one + control && zis_model_bytes(m) == one);
    teardown(&f);
}

static void not_found(void **state)
{
    (void)state;
    fixture f;
    zis_request r;
    zis_error err = {0};
    zis_model *m = NULL;
    setup(&f, 0);
    assert_int_equal(zis_request_init(&r, NULL), ZIS_OK);
    assert_int_equal(zis_request_set(&r, zis_request_field("model"), "m", "/nowhere", &err),
                     ZIS_OK);
    assert_int_equal(zis_loaded_model(f.l, &r, &m, &err), ZIS_NOT_FOUND);
    assert_null(m);
    assert_int_equal(zis_loaded_count(f.l), 0);
    zis_request_deinit(&r);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(room),
        cmocka_unit_test(shared_parts),
        cmocka_unit_test(not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
