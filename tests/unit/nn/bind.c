/* bind.c - binding weights by table: what is bound, and how all faults are told at once. */
#include "nn/bind.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef struct model {
    zis_weight matrix, kernel, extra;
    const float *vector, *token;
} model;

static const zis_bind_row rows[] = {
    {"%sblocks.%d.matrix", ZIS_BIND_MATRIX, "3*D F", offsetof(model, matrix), false},
    {"%sblocks.%d.kernel", ZIS_BIND_MATRIX, "D F 3 3", offsetof(model, kernel), false},
    {"%sblocks.%d.vector", ZIS_BIND_VECTOR, "F", offsetof(model, vector), false},
    {"%stoken", ZIS_BIND_VECTOR, "D", offsetof(model, token), false},
    {"%sextra", ZIS_BIND_MATRIX, "F D", offsetof(model, extra), true},
};
#define N_ROWS (sizeof rows / sizeof *rows)

static const zis_weights_spec specs[] = {
    {"net.blocks.7.matrix", ZIS_DTYPE_BF16, 2, {6, 5}, false},
    {"net.blocks.7.kernel", ZIS_DTYPE_F32, 4, {2, 5, 3, 3}, false},
    {"net.blocks.7.vector", ZIS_DTYPE_F16, 1, {5}, false},
    {"net.token", ZIS_DTYPE_BF16, 2, {1, 2}, false},
};
#define N_SPECS (sizeof specs / sizeof *specs)

static zis_weights *make(const zis_weights_spec *s, size_t n)
{
    zis_weights *w = NULL;
    assert_int_equal(zis_weights_create_memory(&w, "test.safetensors", s, n, NULL), ZIS_OK);
    return w;
}

static void start(zis_bind *b, const zis_weights *w)
{
    zis_bind_init(b, w, "a test model");
    b->symbols.value['D' - 'A'] = 2;
    b->symbols.value['F' - 'A'] = 5;
}

static void test_binds_views_and_widened_vectors(void **state)
{
    (void)state;
    zis_weights *w = make(specs, N_SPECS);
    uint16_t *halves = zis_weights_find(w, "net.blocks.7.vector")->tensor.data;
    for (int i = 0; i < 5; i++) halves[i] = zis_f32_to_f16((float)i - 1.5f);
    zis_bind b;
    model m = {0};
    start(&b, w);
    zis_bind_table(&b, rows, N_ROWS, "net.", 7, &m);
    assert_int_equal(zis_bind_finish(&b, NULL), ZIS_OK);
    assert_ptr_equal(m.matrix.t.data, zis_weights_find(w, "net.blocks.7.matrix")->tensor.data);
    assert_string_equal(m.matrix.name, "net.blocks.7.matrix");
    assert_int_equal(m.matrix.t.dtype, ZIS_DTYPE_BF16);
    assert_int_equal(m.kernel.t.dim[2], 3);
    assert_null(m.extra.t.data);
    for (int i = 0; i < 5; i++) assert_true(m.vector[i] == (float)i - 1.5f);
    assert_true(m.token[0] == 0 && m.token[1] == 0);
    assert_int_equal(b.bytes, 6 * 5 * 2 + 2 * 5 * 9 * 4 + 5 * 2 + 2 * 2);
    zis_bind_deinit(&b);
    zis_weights_close(&w);
}

static void test_lists_all_faults_at_once(void **state)
{
    (void)state;
    zis_weights_spec bad[N_SPECS];
    memcpy(bad, specs, sizeof bad);
    bad[0].dim[1] = 4;                   /* another shape */
    bad[1].dtype = ZIS_DTYPE_F8_E4M3;    /* a type that products do not take */
    bad[2].name = "net.blocks.8.vector"; /* so block 7 has none */
    bad[3].ndim = 1, bad[3].dim[0] = 2;  /* [2] is as good as [1, 2] */
    zis_weights *w = make(bad, N_SPECS);
    zis_bind b;
    model m = {0};
    zis_error err = {0};
    start(&b, w);
    zis_bind_table(&b, rows, N_ROWS, "net.", 7, &m);
    assert_int_equal(zis_bind_finish(&b, &err), ZIS_FORMAT);
    static const char *const said[] = {
        "test.safetensors",
        "a test model",
        "1 tensor missing, 2 wrong",
        "net.blocks.7.matrix is BF16 [6, 4] and not F32, BF16 or F16 [6, 5]",
        "net.blocks.7.kernel is F8_E4M3",
        "): missing: net.blocks.7.vector; wrong: net.blocks.7.matrix is",
    };
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        if (!strstr(err.text, said[i])) fail_msg("'%s' is not in '%s'", said[i], err.text);
    assert_null(strstr(err.text, "token"));
    zis_bind_deinit(&b);
    zis_weights_close(&w);
}

static void test_many_faults_are_told_together(void **state)
{
    (void)state;
    zis_weights *w = make(specs, 1);
    zis_bind b;
    model m = {0};
    zis_error err = {0};
    start(&b, w);
    for (int i = 8; i < 100; i++)
        if (i != 40) zis_bind_table(&b, rows, 3, "net.", i, &m);
    assert_int_equal(zis_bind_finish(&b, &err), ZIS_FORMAT);
    assert_non_null(strstr(err.text, "273 tensors missing"));
    assert_non_null(strstr(err.text, "): missing: net.blocks.{8-39,41-99}.matrix, "
                                     "net.blocks.{8-39,41-99}.kernel, "
                                     "net.blocks.{8-39,41-99}.vector"));
    zis_bind_deinit(&b);
    zis_weights_close(&w);
}

static void test_blocks_behind_the_last_are_a_fault(void **state)
{
    (void)state;
    zis_weights *w = make(specs, N_SPECS);
    zis_bind b;
    zis_error err = {0};
    start(&b, w);
    zis_bind_end(&b, rows, "net.", 8);
    zis_bind_end(&b, rows, "other.", 7);
    assert_int_equal(zis_bind_finish(&b, &err), ZIS_OK);
    zis_bind_end(&b, rows, "net.", 7);
    assert_int_equal(zis_bind_finish(&b, &err), ZIS_FORMAT);
    assert_non_null(
        strstr(err.text, "net.blocks.7.matrix lies behind the last block of the configuration"));
    zis_bind_deinit(&b);
    zis_weights_close(&w);
}

/* Rows that are not what the format says are faults, not surprises. */
static void test_bad_rows(void **state)
{
    (void)state;
    static const zis_bind_row odd[] = {
        {"net.token%n", ZIS_BIND_VECTOR, "D", offsetof(model, token), false},
        {"net.token", ZIS_BIND_VECTOR, "Q", offsetof(model, token), false},
        {"net.token", ZIS_BIND_VECTOR, "", offsetof(model, token), false},
        {"net.token", ZIS_BIND_VECTOR, "D*", offsetof(model, token), false},
        {"net.token", ZIS_BIND_MATRIX, "1 2 3 4 5 6 7", offsetof(model, matrix), false},
    };
    zis_weights *w = make(specs, N_SPECS);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        zis_bind b;
        model m = {0};
        start(&b, w);
        zis_bind_table(&b, &odd[i], 1, "", 0, &m);
        assert_int_equal(zis_bind_finish(&b, NULL), ZIS_FORMAT);
        assert_null(m.token);
        zis_bind_deinit(&b);
    }
    zis_weights_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_binds_views_and_widened_vectors),
        cmocka_unit_test(test_lists_all_faults_at_once),
        cmocka_unit_test(test_many_faults_are_told_together),
        cmocka_unit_test(test_blocks_behind_the_last_are_a_fault),
        cmocka_unit_test(test_bad_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
