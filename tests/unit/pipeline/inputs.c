/* The pictures of a request: sizes, cuts, masks. */
#include "pipeline/inputs.h"

#include "oom.h"
#include "pipeline/encoded.h"

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
    zis_request_defaults_apply(r, &(zis_request_defaults){256, 256, 8, 1, 3});
    *state = r;
    return 0;
}

static int deinit(void **state)
{
    zis_request_deinit(*state);
    free(*state);
    return 0;
}

/* Left half black, right half `level`, in every channel but alpha, which is 255. */
static zis_image *halves(int width, int height, int channels, int level)
{
    zis_image *p = NULL;
    assert_int_equal(zis_image_create(&p, width, height, channels, NULL), ZIS_OK);
    for (int i = 0; i < width * height; i++)
        for (int c = 0; c < channels; c++)
            p->data[channels * i + c] = c == 3 ? 255 : i % width < width / 2 ? 0 : (uint8_t)level;
    return p;
}

static void give(zis_request *r, zis_picture_slot slot, int width, int height)
{
    zis_request_take_picture(r, slot, halves(width, height, 3, 255));
}

static void set(zis_request *r, const char *name, const char *value)
{
    assert_int_equal(zis_request_set(r, zis_request_field(name), name, value, NULL), ZIS_OK);
}

static void sizes(void **state)
{
    zis_request *r = *state;
    zis_error err = {0};
    assert_int_equal(zis_inputs_settle_size(r, NULL), ZIS_OK);
    assert_true(r->width == 256 && r->height == 256);
    give(r, ZIS_PICTURE_CONTROL, 100, 50);
    assert_int_equal(zis_inputs_settle_size(r, NULL), ZIS_OK);
    assert_true(r->width == 100 && r->height == 50);
    give(r, ZIS_PICTURE_INIT, 33, 7); /* goes before the control picture */
    assert_int_equal(zis_inputs_settle_size(r, NULL), ZIS_OK);
    assert_true(r->width == 33 && r->height == 7);
    set(r, "width", "66");
    assert_int_equal(zis_inputs_settle_size(r, NULL), ZIS_OK);
    assert_true(r->width == 66 && r->height == 14);
    give(r, ZIS_PICTURE_INIT, 1, 20);
    assert_int_equal(zis_inputs_settle_size(r, NULL), ZIS_OK);
    assert_true(r->width == 66 && r->height == 1320);
    set(r, "width", "8192");
    assert_int_equal(zis_inputs_settle_size(r, &err), ZIS_ARG); /* 163840 rows */
    assert_non_null(strstr(err.text, "--width"));
    set(r, "height", "16");
    assert_int_equal(zis_inputs_settle_size(r, NULL), ZIS_OK);
    assert_true(r->width == 8192 && r->height == 16);
    r->given = 0;
    give(r, ZIS_PICTURE_INIT, 2048, 2049);
    assert_int_equal(zis_inputs_settle_size(r, &err), ZIS_ARG);
    assert_non_null(strstr(err.text, "2048 x 2049"));
    give(r, ZIS_PICTURE_INIT, 2048, 2048);
    assert_int_equal(zis_inputs_settle_size(r, &err), ZIS_OK);
}

static void cuts(void **state)
{
    zis_request *r = *state;
    zis_inputs in;
    give(r, ZIS_PICTURE_INIT, 60, 20);
    r->width = 60;
    r->height = 20;
    assert_int_equal(zis_inputs_make(&in, r, NULL, NULL, NULL), ZIS_OK);
    assert_ptr_equal(in.init, r->picture[ZIS_PICTURE_INIT]); /* shared, not copied */
    assert_true(!in.mask && !in.map);
    zis_inputs_deinit(&in);
    r->width = r->height = 40; /* scaled to 120 x 40, the middle third is kept */
    assert_int_equal(zis_inputs_make(&in, r, NULL, NULL, NULL), ZIS_OK);
    assert_true(in.init->width == 40 && in.init->height == 40);
    assert_true(in.init->data[0] < 5 && in.init->data[3 * 39] > 250);
    assert_true(in.init->data[3 * 10] < 5 && in.init->data[3 * 29] > 250);
    zis_inputs_deinit(&in);
    give(r, ZIS_PICTURE_INIT, 1, 20); /* much is cut away */
    assert_int_equal(zis_inputs_make(&in, r, NULL, NULL, NULL), ZIS_OK);
    assert_true(in.init->width == 40 && in.init->height == 40);
    zis_inputs_deinit(&in);
    zis_error err = {0};
    r->width = r->height = 8192; /* 8192 x 163840 on the way */
    assert_int_equal(zis_inputs_make(&in, r, NULL, NULL, &err), ZIS_ARG);
    assert_null(in.init);
    zis_request_take_picture(r, ZIS_PICTURE_INIT, halves(8, 4, 4, 200));
    r->picture[ZIS_PICTURE_INIT]->data[3] = 0; /* alpha lies on white */
    r->width = 8;
    r->height = 4;
    assert_int_equal(zis_inputs_make(&in, r, NULL, NULL, NULL), ZIS_OK);
    assert_int_equal(in.init->channels, 3);
    assert_int_equal(in.init->data[0], 255);
    assert_int_equal(in.init->data[3], 0);
    zis_inputs_deinit(&in);
}

static void masks(void **state)
{
    zis_request *r = *state;
    zis_inputs in;
    zis_error err = {0};
    r->width = 16;
    r->height = 8;
    give(r, ZIS_PICTURE_INIT, 16, 8);
    for (int channels = 1; channels <= 4; channels += channels == 1 ? 2 : 1) {
        zis_request_take_picture(r, ZIS_PICTURE_MASK, halves(16, 8, channels, 255));
        assert_int_equal(zis_inputs_make(&in, r, NULL, NULL, NULL), ZIS_OK);
        assert_int_equal(in.mask->channels, 1);
        assert_int_equal(in.mask->data[7], 0);
        assert_int_equal(in.mask->data[8], 255);
        zis_inputs_deinit(&in);
    }
    /* in alpha alone */
    zis_image *alpha = halves(16, 8, 4, 0);
    for (int i = 0; i < 16 * 8; i++) alpha->data[4 * i + 3] = i % 16 < 8 ? 0 : 255;
    zis_request_take_picture(r, ZIS_PICTURE_MASK, alpha);
    assert_int_equal(zis_inputs_make(&in, r, NULL, NULL, NULL), ZIS_OK);
    assert_true(in.mask->data[7] == 0 && in.mask->data[8] == 255);
    zis_inputs_deinit(&in);
    /* of twice the size, and half a pixel off */
    zis_request_take_picture(r, ZIS_PICTURE_MASK, halves(33, 16, 1, 255));
    assert_int_equal(zis_inputs_make(&in, r, NULL, NULL, NULL), ZIS_OK);
    assert_true(in.mask->width == 16 && in.mask->height == 8 && in.mask->data[15] > 250);
    zis_inputs_deinit(&in);
    /* of another form */
    zis_request_take_picture(r, ZIS_PICTURE_MASK, halves(16, 9, 1, 255));
    assert_int_equal(zis_inputs_make(&in, r, NULL, NULL, &err), ZIS_ARG);
    assert_non_null(strstr(err.text, "16 x 9"));
    assert_null(in.init);
}

static void maps(void **state)
{
    zis_request *r = *state;
    zis_inputs in;
    zis_preprocess *p = NULL;
    r->width = 32;
    r->height = 16;
    give(r, ZIS_PICTURE_CONTROL, 16, 8);
    assert_int_equal(zis_inputs_make(&in, r, NULL, NULL, NULL), ZIS_OK);
    assert_true(in.map->width == 32 && in.map->channels == 3 && in.map->data[3 * 31] > 250);
    zis_inputs_deinit(&in);
    r->preprocess = ZIS_PREPROCESS_CANNY;
    assert_int_equal(zis_inputs_make(&in, r, NULL, NULL, NULL), ZIS_ARG); /* none at hand */
    assert_int_equal(zis_preprocess_create(&p, NULL), ZIS_OK);
    assert_int_equal(zis_inputs_make(&in, r, p, NULL, NULL), ZIS_OK);
    int edges = 0;
    for (int x = 0; x < 32; x++) edges += in.map->data[3 * (8 * 32 + x)] == 255;
    assert_int_equal(edges, 1); /* as fine as if the picture had come in that size */
    zis_inputs_deinit(&in);
    zis_preprocess_destroy(&p);
}

static void kept(void **state)
{
    zis_encoded *e = NULL;
    zis_image *a = halves(2, 2, 3, 9), *b = halves(2, 2, 3, 9);
    int vae = 0;
    (void)state;
    assert_int_equal(zis_encoded_create(&e, 0, NULL), ZIS_OK);
    const zis_encoded_key keys[] = {
        {&vae, a, NULL, 16, 16}, {&vae, a, b, 16, 16},     {&vae, NULL, NULL, 16, 16},
        {&vae, a, NULL, 32, 16}, {&keys, a, NULL, 16, 16},
    };
    for (int i = 0; i < 5; i++) {
        assert_null(zis_encoded_get(e, &keys[i]));
        float *f = malloc(sizeof *f);
        assert_non_null(f);
        *f = (float)i;
        zis_encoded_put(e, &keys[i], f);
        assert_true(*zis_encoded_get(e, &keys[i]) == (float)i);
    }
    assert_null(zis_encoded_get(e, &keys[0])); /* room for three */
    assert_true(*zis_encoded_get(e, &keys[2]) == 2);
    zis_image_destroy(&a); /* the list has its share */
    zis_image_destroy(&b);
    zis_encoded_forget(e, &vae);
    assert_null(zis_encoded_get(e, &keys[2]));
    assert_non_null(zis_encoded_get(e, &keys[4]));
    zis_encoded_destroy(&e);
}

static void without_memory(void **state)
{
#if OOM_TEST
    zis_request *r = *state;
    zis_preprocess *p = NULL;
    r->width = 24;
    r->height = 12;
    zis_request_take_picture(r, ZIS_PICTURE_INIT, halves(16, 8, 4, 200));
    zis_request_take_picture(r, ZIS_PICTURE_MASK, halves(32, 16, 3, 200));
    zis_request_take_picture(r, ZIS_PICTURE_CONTROL, halves(20, 30, 1, 200));
    r->preprocess = ZIS_PREPROCESS_CANNY;
    assert_int_equal(zis_preprocess_create(&p, NULL), ZIS_OK);
    long live = oom_live();
    int n = 1;
    for (;; n++) {
        zis_inputs in;
        oom_arm(n);
        zis_status st = zis_inputs_make(&in, r, p, NULL, NULL);
        bool fired = oom_disarm();
        if (!fired) {
            assert_int_equal(st, ZIS_OK);
            zis_inputs_deinit(&in);
            break;
        }
        assert_int_equal(st, ZIS_NOMEM);
        assert_true(oom_live() == live);
    }
    assert_true(n > 20);
    zis_preprocess_destroy(&p);
#else
    (void)state;
#endif
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, init, deinit)
    const struct CMUnitTest tests[] = {
        T(sizes), T(cuts), T(masks), T(maps), T(kept), T(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
