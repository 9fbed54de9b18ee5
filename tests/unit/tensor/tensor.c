/* Shapes, slices, and the picture block. */
#include "tensor/tensor.h"

#include "oom.h"
#include "tensor/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_shapes(void **state)
{
    (void)state;
    float data[120];
    char text[64];
    zis_tensor t = zis_tensor_4d(data, ZIS_DTYPE_F32, 2, 3, 4, 5);
    assert_int_equal(zis_tensor_count(&t), 120);
    assert_int_equal(zis_tensor_bytes(&t), 480);
    assert_int_equal(zis_tensor_cols(&t), 5);
    assert_int_equal(zis_tensor_rows(&t), 24);
    assert_int_equal(t.stride, 5);
    assert_true(zis_tensor_dense(&t));
    assert_string_equal(zis_tensor_shape_text(&t, text, sizeof text), "[2, 3, 4, 5]");
    assert_string_equal(zis_tensor_shape_text(&t, text, 5), "[2, ");
    zis_tensor u = zis_tensor_reshape_2d(&t, 24, 5), v = zis_tensor_reshape_3d(&t, 6, 4, 5);
    assert_false(zis_tensor_same_shape(&t, &u));
    assert_ptr_equal(v.data, data);
    assert_int_equal(v.ndim, 3);
    zis_tensor one = zis_tensor_1d(NULL, ZIS_DTYPE_BF16, 7);
    assert_int_equal(zis_tensor_rows(&one), 1);
    assert_int_equal(zis_tensor_bytes(&one), 14);
    assert_string_equal(zis_tensor_shape_text(&one, text, sizeof text), "[7]");
    zis_tensor scalar = {.dtype = ZIS_DTYPE_F32, .stride = 1};
    assert_int_equal(zis_tensor_count(&scalar), 1);
    assert_true(zis_tensor_dense(&scalar));
    assert_string_equal(zis_tensor_shape_text(&scalar, text, sizeof text), "[]");
    zis_tensor other = zis_tensor_2d(NULL, ZIS_DTYPE_F16, 24, 5);
    assert_true(zis_tensor_same_shape(&u, &other));
    other.dim[1] = 6;
    assert_false(zis_tensor_same_shape(&u, &other));
}

static void test_slices(void **state)
{
    (void)state;
    float data[6 * 8];
    zis_tensor t = zis_tensor_2d(data, ZIS_DTYPE_F32, 6, 8);
    zis_tensor r = zis_tensor_row_slice(&t, 2, 3);
    assert_ptr_equal(r.data, data + 16);
    assert_int_equal(r.dim[0], 3);
    assert_true(zis_tensor_dense(&r));
    zis_tensor c = zis_tensor_col_slice(&t, 5, 2);
    assert_ptr_equal(c.data, data + 5);
    assert_int_equal(c.dim[1], 2);
    assert_int_equal(c.stride, 8);
    assert_false(zis_tensor_dense(&c));
    zis_tensor both =
        zis_tensor_row_slice(&c, 1, 1); /* a single row is dense whatever its stride */
    assert_ptr_equal(both.data, data + 13);
    assert_true(zis_tensor_dense(&both));
    zis_tensor shape = zis_tensor_2d(NULL, ZIS_DTYPE_F32, 6, 8);
    assert_null(zis_tensor_row_slice(&shape, 2, 3).data);
}

static void test_image(void **state)
{
    (void)state;
    zis_error err = {0};
    zis_image *img = NULL;
    assert_int_equal(zis_image_create(&img, 3, 2, 4, &err), ZIS_OK);
    for (int i = 0; i < 24; i++) assert_int_equal(img->data[i], 0);
    zis_image_destroy(&img);
    assert_null(img);
    zis_image_destroy(&img);
    zis_image_destroy(NULL);
    assert_int_equal(zis_image_create(&img, 0, 2, 3, &err), ZIS_ARG);
    assert_string_equal(err.text, "a picture of 0 x 2 has no pixels");
    assert_int_equal(zis_image_create(&img, 2, -1, 3, &err), ZIS_ARG);
    assert_int_equal(zis_image_create(&img, 2, 2, 2, &err), ZIS_ARG);
    assert_string_equal(err.text, "a picture cannot have 2 channels");
    assert_int_equal(zis_image_create(&img, 8000, 8001, 3, &err), ZIS_ARG);
    assert_string_equal(err.text,
                        "a picture of 8000 x 8001 is larger than the limit of 64 megapixels");
    assert_int_equal(zis_image_create(&img, INT32_MAX, INT32_MAX, 3, &err), ZIS_ARG);
    assert_null(img);
    for (long n = 1;; n++) {
        long live = oom_live();
        oom_arm(n);
        zis_status st = zis_image_create(&img, 3, 2, 1, &err);
        bool fired = oom_disarm();
        zis_image_destroy(&img);
        assert_int_equal(oom_live(), live);
        assert_int_equal(st, fired ? ZIS_NOMEM : ZIS_OK);
        if (!fired) break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_image),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
