/* The depth and body networks at their published shapes: what they take, cost and refuse, the maps
 * made of their answers, and each allocation failing. Weights are zeros that take no memory, where
 * a test does not set some. */
#include "pipeline/preprocess_maps.h"

#include "formats/synth.h"
#include "models/preprocess/openpose_skeleton.h"
#include "oom.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static zis_run run;

static int setup(void **state)
{
    (void)state;
    return zis_run_init(&run, &(zis_run_options){.math = ZIS_DTYPE_F32}, NULL);
}

static int teardown(void **state)
{
    (void)state;
    zis_run_deinit(&run);
    return 0;
}

/* All tensors but those whose name begins with `without`, of type t. */
static zis_weights *weights(zis_synth_part part, zis_dtype t, const char *without)
{
    zis_synth_list *l = NULL;
    zis_weights *w = NULL;
    size_t n = 0;
    assert_int_equal(zis_synth_list_create(&l, part, t, NULL), ZIS_OK);
    zis_weights_spec *kept = calloc(l->count, sizeof *kept);
    for (size_t i = 0; i < l->count; i++)
        if (!without || strncmp(l->specs[i].name, without, strlen(without)) != 0)
            kept[n++] = l->specs[i];
    assert_int_equal(zis_weights_create_memory(&w, "published", kept, n, NULL), ZIS_OK);
    free(kept);
    zis_synth_list_destroy(&l);
    return w;
}

static zis_dpt *dpt(const zis_weights *w)
{
    zis_dpt *m = NULL;
    zis_error err = {0};
    if (zis_dpt_create(&m, w, &err)) fail_msg("%s", err.text);
    return m;
}

static zis_body *body(const zis_weights *w)
{
    zis_body *m = NULL;
    zis_error err = {0};
    if (zis_body_create(&m, w, &err)) fail_msg("%s", err.text);
    return m;
}

static zis_image *grey(int width, int height)
{
    zis_image *img = NULL;
    assert_int_equal(zis_image_create(&img, width, height, 3, NULL), ZIS_OK);
    memset(img->data, 90, (size_t)(width * height * 3));
    return img;
}

/* ---- shapes ---- */

static void depth_of_published_size(void **state)
{
    (void)state;
    zis_weights *w = weights(ZIS_SYNTH_DEPTH, ZIS_DTYPE_BF16, NULL);
    zis_dpt *m = dpt(w);
    zis_run dry;
    zis_error err = {0};
    /* all but the final norm, the head and the first unit of the coarsest fusion */
    uint64_t unused = 2 * 768 + 1000 * 769 + 2 * (256 * 256 * 9 + 256);
    assert_int_equal(zis_dpt_bytes(m), 2 * (123146985u - unused));
    zis_run_init_dry(&dry, &run);
    zis_tensor planes = zis_run_alloc_3d(&dry, ZIS_DTYPE_F32, 3, 512, 512);
    zis_tensor depth = zis_run_alloc_2d(&dry, ZIS_DTYPE_F32, 512, 512);
    assert_int_equal(zis_dpt_forward(m, &dry, &planes, depth, NULL, NULL, &err), ZIS_OK);
    /* 216 G and 19 G multiply-adds (preprocessors.md 5.10), less what is saved by the 1x1 of each
     * fusion before its enlarging: three quarters of 65536 (H/2 W/2 + ... + H/16 W/16) */
    double saved = 0.75 * 65536 * (256 * 256 + 128 * 128 + 64 * 64 + 32 * 32);
    assert_true(fabs(dry.flops / 2 - (235e9 - saved)) < 3e9);
    assert_true(dry.scratch.peak < (size_t)400 << 20);
    planes.dim[1] = 496;
    assert_int_equal(zis_dpt_forward(m, &dry, &planes, depth, NULL, NULL, &err), ZIS_ARG);
    assert_string_equal(err.text, "the depth network takes 3 planes with sides that are multiples "
                                  "of 32, not [3, 496, 512]");
    zis_dpt_close(&m);
    zis_weights_close(&w);
}

static void pose_of_published_size(void **state)
{
    (void)state;
    zis_weights *w = weights(ZIS_SYNTH_POSE, ZIS_DTYPE_F32, NULL);
    zis_body *m = body(w);
    zis_run dry;
    zis_error err = {0};
    assert_int_equal(zis_body_bytes(m), 4 * 52311446u);
    zis_run_init_dry(&dry, &run);
    zis_tensor planes = zis_run_alloc_3d(&dry, ZIS_DTYPE_F32, 3, 184, 184);
    zis_tensor heat = zis_run_alloc_3d(&dry, ZIS_DTYPE_F32, 19, 23, 23);
    zis_tensor paf = zis_run_alloc_3d(&dry, ZIS_DTYPE_F32, 38, 23, 23);
    assert_int_equal(zis_body_forward(m, &dry, &planes, heat, paf, NULL, NULL, &err), ZIS_OK);
    assert_true(fabs(dry.flops / 2 - 34e9) < 0.5e9); /* preprocessors.md 6.3 */
    planes.dim[2] = 180;
    assert_int_equal(zis_body_forward(m, &dry, &planes, heat, paf, NULL, NULL, &err), ZIS_ARG);
    assert_non_null(strstr(err.text, "multiples of 8, not [3, 184, 180]"));
    zis_body_close(&m);
    zis_weights_close(&w);
}

static void what_is_missing_is_listed(void **state)
{
    (void)state;
    zis_dpt *d = NULL;
    zis_body *b = NULL;
    zis_error err = {0};
    zis_weights *w = weights(ZIS_SYNTH_DEPTH, ZIS_DTYPE_F32, "scratch.refinenet2.resConfUnit1");
    assert_int_equal(zis_dpt_create(&d, w, &err), ZIS_FORMAT);
    assert_non_null(strstr(err.text, "MiDaS DPT-hybrid"));
    assert_non_null(strstr(err.text, "missing: scratch.refinenet2.resConfUnit1.conv1.weight"));
    zis_weights_close(&w);
    w = weights(ZIS_SYNTH_DEPTH, ZIS_DTYPE_F32, "scratch.refinenet4.resConfUnit1"); /* unused */
    d = dpt(w);
    zis_dpt_close(&d);
    zis_weights_close(&w);
    w = weights(ZIS_SYNTH_POSE, ZIS_DTYPE_F32, "Mconv7_stage6");
    assert_int_equal(zis_body_create(&b, w, &err), ZIS_FORMAT);
    assert_non_null(strstr(err.text, "missing: Mconv7_stage6_L1.weight"));
    zis_weights_close(&w);
    assert_null(d);
    assert_null(b);
}

/* ---- maps ---- */

static float *values_of(zis_weights *w, const char *name)
{
    const zis_weights_entry *e = zis_weights_find(w, name);
    assert_non_null(e);
    return e->tensor.data;
}

static void depth_map(void **state)
{
    (void)state;
    zis_weights *w = weights(ZIS_SYNTH_DEPTH, ZIS_DTYPE_F32, NULL);
    zis_dpt *m = dpt(w);
    zis_image *img = grey(64, 32), *map = NULL;
    zis_error err = {0};
    *values_of(w, "scratch.output_conv.4.bias") = 3;
    zis_dpt_close(&m);
    m = dpt(w);
    /* everything is as near: all 0, and no division of 0 by 0 */
    assert_int_equal(zis_preprocess_depth_map(m, img, &run, &map, &err), ZIS_OK);
    assert_int_equal(map->width, 64);
    assert_int_equal(map->height, 32);
    assert_int_equal(map->channels, 1);
    for (int i = 0; i < 64 * 32; i++) assert_int_equal(map->data[i], 0);
    zis_image_destroy(&map);
    zis_dpt_close(&m);
    *values_of(w, "scratch.output_conv.4.bias") = NAN;
    m = dpt(w);
    assert_int_equal(zis_preprocess_depth_map(m, img, &run, &map, &err), ZIS_NUMERIC);
    assert_non_null(strstr(err.text, "its weights are damaged"));
    assert_null(map);
    assert_int_equal(zis_run_status(&run, NULL), ZIS_OK);
    zis_image_destroy(&img);
    zis_dpt_close(&m);
    zis_weights_close(&w);
}

static void pose_map(void **state)
{
    (void)state;
    zis_weights *w = weights(ZIS_SYNTH_POSE, ZIS_DTYPE_F32, NULL);
    zis_body *m = body(w);
    zis_image *img = grey(32, 128), *map = NULL;
    zis_error err = {0};
    assert_int_equal(zis_preprocess_pose_map(m, img, &run, &map, &err), ZIS_OK);
    assert_int_equal(map->channels, 3);
    for (int i = 0; i < 32 * 128 * 3; i++) assert_int_equal(map->data[i], 0); /* nobody */
    zis_image_destroy(&map);
    zis_body_close(&m);
    for (int i = 0; i < ZIS_OPENPOSE_HEAT_MAPS; i++) values_of(w, "Mconv7_stage6_L2.bias")[i] = NAN;
    m = body(w);
    assert_int_equal(zis_preprocess_pose_map(m, img, &run, &map, &err), ZIS_NUMERIC);
    assert_null(map);
    zis_image_destroy(&img);
    zis_body_close(&m);
    zis_weights_close(&w);
}

static void cancelled(void **state)
{
    (void)state;
    zis_weights *w = weights(ZIS_SYNTH_POSE, ZIS_DTYPE_F32, NULL);
    zis_body *m = body(w);
    zis_image *img = grey(32, 128), *map = NULL;
    zis_error err = {0};
    atomic_bool cancel = true;
    run.cancel = &cancel;
    assert_int_equal(zis_preprocess_pose_map(m, img, &run, &map, &err), ZIS_CANCELLED);
    run.cancel = NULL;
    assert_null(map);
    assert_int_equal(zis_preprocess_pose_map(m, img, &run, &map, &err), ZIS_OK);
    zis_image_destroy(&map);
    zis_image_destroy(&img);
    zis_body_close(&m);
    zis_weights_close(&w);
}

/* ---- each allocation failing ---- */

/* Calls f until it meets no failing allocation, at most `most` times. */
static void fail_each(zis_status (*f)(void *arg, zis_error *err), void *arg, long most)
{
    long before = oom_live();
    for (long n = 1; n <= most; n++) {
        zis_error err = {0};
        oom_arm(n);
        zis_status st = f(arg, &err);
        int fired = oom_disarm();
        if (!fired) {
            assert_int_equal(st, ZIS_OK);
            break;
        }
        assert_int_equal(st, ZIS_NOMEM);
        assert_int_equal(oom_live(), before);
    }
}

static zis_status open_depth(void *w, zis_error *err)
{
    zis_dpt *m = NULL;
    zis_status st = zis_dpt_create(&m, w, err);
    zis_dpt_close(&m);
    return st;
}

static zis_status open_pose(void *w, zis_error *err)
{
    zis_body *m = NULL;
    zis_status st = zis_body_create(&m, w, err);
    zis_body_close(&m);
    return st;
}

typedef struct posing {
    zis_body *m;
    zis_image *img;
} posing;

static zis_status make_pose(void *arg, zis_error *err)
{
    const posing *p = arg;
    zis_image *map = NULL;
    zis_status st = zis_preprocess_pose_map(p->m, p->img, &run, &map, err);
    zis_image_destroy(&map);
    return st;
}

static void out_of_memory(void **state)
{
    (void)state;
    zis_weights *depth = weights(ZIS_SYNTH_DEPTH, ZIS_DTYPE_F32, NULL);
    fail_each(open_depth, depth, 5000);
    zis_weights_close(&depth);
    zis_weights *pose = weights(ZIS_SYNTH_POSE, ZIS_DTYPE_F32, NULL);
    fail_each(open_pose, pose, 5000);
    posing p = {body(pose), grey(32, 128)};
    fail_each(make_pose, &p, 6); /* before the network; what follows it has tests of its own */
    zis_image_destroy(&p.img);
    zis_body_close(&p.m);
    zis_weights_close(&pose);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(depth_of_published_size),
        cmocka_unit_test(pose_of_published_size),
        cmocka_unit_test(what_is_missing_is_listed),
        cmocka_unit_test(depth_map),
        cmocka_unit_test(pose_map),
        cmocka_unit_test(cancelled),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
