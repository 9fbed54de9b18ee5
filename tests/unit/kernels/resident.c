/* resident.c - weights that move from a mapped file to huge pages: the first product moves them,
 * all products agree with the stored ones, and the mapped pages may go. */
#include "kernels/resident.h"

#include "base/os.h"
#include "kernels/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { M = 70, N = 333, K_MOST = 2080 };

/* Products with the stored weights, with those on the move, with the moved ones. */
static void compare(
    const uint16_t *rows, float *x, float *y, int K, bool pair, zis_dtype math, const char *isa)
{
    zis_error err;
    zis_pool *pool = NULL;
    zis_run run;
    zis_resident *r = NULL;
    zis_weight a = {.t = zis_tensor_2d((void *)(uintptr_t)rows, ZIS_DTYPE_BF16, N, K)};
    zis_weight b = {.t = zis_tensor_2d((void *)(uintptr_t)(rows + N * K), ZIS_DTYPE_BF16, N, K)};
    assert_int_equal(zis_pool_create(&pool, 3, &err), ZIS_OK);
    zis_run_options o = {.pool = pool, .math = math, .isa = isa};
    assert_int_equal(zis_run_init(&run, &o, &err), ZIS_OK);
    assert_int_equal(zis_run_reserve(&run, 64u << 20, &err), ZIS_OK);
    assert_int_equal(zis_resident_create(&r, &err), ZIS_OK);
    assert_int_equal(zis_resident_add(r, b.t.data, N, (size_t)K * 2, &err),
                     ZIS_OK); /* in any order */
    assert_int_equal(zis_resident_add(r, a.t.data, N, (size_t)K * 2, &err), ZIS_OK);
    assert_int_equal(zis_resident_seal(r, &err), ZIS_OK);
    assert_null(zis_resident_find(r, rows + 1));
    for (int i = 0; i < 3; i++) {
        run.resident = i ? r : NULL;
        zis_linear(
            &run, &(zis_linear_args){.y = zis_tensor_2d(y + i * M * N, ZIS_DTYPE_F32, M, N),
                                     .x = zis_tensor_2d(x, ZIS_DTYPE_F32, M, K),
                                     .w = {&a, &b},
                                     .n_w = pair ? 2 : 1,
                                     .epilogue = pair ? ZIS_EPILOGUE_SILU_MUL : ZIS_EPILOGUE_NONE});
        assert_int_equal(zis_run_status(&run, &err), ZIS_OK);
    }
    assert_true(zis_resident_find(r, rows)->ready);
    assert_int_equal(zis_resident_find(r, rows + N * K)->ready, pair);
    const zis_resident_entry *e = zis_resident_find(r, rows);
    assert_int_equal(e->packed, K % 32 == 0);
    for (size_t i = 0; i < (size_t)(N * K); i++)
        assert_memory_equal(
            e->moved + zis_resident_at(e->packed, e->row_bytes, i / (size_t)K, i % (size_t)K * 2),
            rows + i, 2);
    assert_memory_equal(y, y + M * N, sizeof *y * M * N);
    assert_memory_equal(y, y + 2 * M * N, sizeof *y * M * N);
    zis_resident_destroy(&r);
    zis_run_deinit(&run);
    zis_pool_destroy(&pool);
}

static void test_move(void **state)
{
    (void)state;
    zis_error err;
    enum { BYTES = 2 * N * K_MOST * 2 };
    char path[] = "/tmp/zis-resident-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    uint16_t *w = malloc(BYTES);
    float *x = malloc(sizeof *x * M * K_MOST), *y = malloc(sizeof *y * 3 * M * N);
    assert_true(w && x && y);
    for (unsigned i = 0; i < BYTES / 2; i++)
        w[i] = zis_f32_to_bf16((float)(i * 7919u % 1000u) / 5000.0f - 0.1f);
    for (unsigned i = 0; i < M * K_MOST; i++) x[i] = (float)(i * 104729u % 1000u) / 500.0f - 1.0f;
    assert_int_equal(write(fd, w, BYTES), BYTES);
    close(fd);
    zis_map map = {0};
    assert_int_equal(zis_os_map(&map, path, &err), ZIS_OK);
    const uint16_t *rows = (const uint16_t *)(const void *)map.data;
    const char *const isas[] = {NULL, "c"};
    for (int i = 0; i < 16; i++)
        compare(rows, x, y, i & 4 ? K_MOST : K_MOST - 30, i & 1,
                i & 2 ? ZIS_DTYPE_BF16 : ZIS_DTYPE_F32, isas[i / 8]);
    /* the file's pages come back when they are read */
    assert_memory_equal(rows, w, BYTES);
    zis_os_unmap(&map);
    unlink(path);
    free(w);
    free(x);
    free(y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_move)};
    return cmocka_run_group_tests_name("resident", tests, NULL, NULL);
}
