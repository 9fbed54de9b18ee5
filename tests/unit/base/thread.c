/* The pool: every index once, on any number of threads, awake or asleep. Run under TSan, too. */
#include "base/thread.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define MOST 1000

typedef struct job {
    int seen[MOST]; /* not atomic: each index belongs to one thread, and the caller reads after */
    int threads;
    atomic_int wrong_thread;
} job;

static void mark(void *arg, int index, int thread)
{
    job *j = arg;
    if (thread < 0 || thread >= j->threads) atomic_fetch_add(&j->wrong_thread, 1);
    j->seen[index]++;
}

static void run_and_check(zis_pool *pool, int n)
{
    job *j = calloc(1, sizeof *j);
    assert_non_null(j);
    j->threads = zis_pool_threads(pool);
    zis_pool_for(pool, n, mark, j);
    assert_int_equal(atomic_load(&j->wrong_thread), 0);
    for (int i = 0; i < MOST; i++) assert_int_equal(j->seen[i], i < n);
    free(j);
}

static void test_every_index_once(void **state)
{
    (void)state;
    static const int sizes[] = {0, 1, 2, 3, 7, 100, MOST};
    for (int threads = 1; threads <= 5; threads++) {
        zis_pool *pool = NULL;
        zis_error err;
        assert_int_equal(zis_pool_create(&pool, threads, &err), ZIS_OK);
        assert_int_equal(zis_pool_threads(pool), threads);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) run_and_check(pool, sizes[i]);
        zis_pool_destroy(&pool);
        assert_null(pool);
        zis_pool_destroy(&pool);
    }
}

static void test_no_pool_is_the_caller(void **state)
{
    (void)state;
    assert_int_equal(zis_pool_threads(NULL), 1);
    run_and_check(NULL, 100);
}

static void count(void *arg, int index, int thread)
{
    (void)index;
    (void)thread;
    atomic_fetch_add((atomic_long *)arg, 1);
}

/* Loops so short that workers are caught between spinning and sleeping. */
static void test_many_short_loops(void **state)
{
    (void)state;
    zis_pool *pool = NULL;
    zis_error err;
    atomic_long sum = 0;
    assert_int_equal(zis_pool_create(&pool, 3, &err), ZIS_OK);
    for (int i = 0; i < 3000; i++) {
        zis_pool_for(pool, 1 + i % 5, count, &sum);
        if (i % 300 == 0) usleep(2000); /* long enough to fall asleep */
    }
    assert_int_equal(atomic_load(&sum), 3000 / 5 * (1 + 2 + 3 + 4 + 5));
    zis_pool_destroy(&pool);
}

/* What one loop wrote, the next one reads, on whatever thread. */
static void chain(void *arg, int index, int thread)
{
    int *cells = arg;
    (void)thread;
    cells[index + 100] = cells[index] + 1;
}

static void test_loops_see_each_other(void **state)
{
    (void)state;
    zis_pool *pool = NULL;
    zis_error err;
    static int cells[100 * 101];
    assert_int_equal(zis_pool_create(&pool, 4, &err), ZIS_OK);
    for (int i = 0; i < 100; i++) zis_pool_for(pool, 100, chain, cells + (ptrdiff_t)i * 100);
    for (int i = 0; i < 100; i++) assert_int_equal(cells[100 * 100 + i], 100);
    zis_pool_destroy(&pool);
}

static void *own_pool(void *arg)
{
    zis_pool *pool = NULL;
    if (zis_pool_create(&pool, 2, NULL) != ZIS_OK) return NULL;
    for (int i = 0; i < 500; i++) zis_pool_for(pool, 10, count, arg);
    zis_pool_destroy(&pool);
    return arg;
}

static void test_two_pools_side_by_side(void **state)
{
    (void)state;
    pthread_t ids[2];
    atomic_long sums[2] = {0};
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&ids[i], NULL, own_pool, &sums[i]), 0);
    for (int i = 0; i < 2; i++) {
        void *back = NULL;
        pthread_join(ids[i], &back);
        assert_ptr_equal(back, &sums[i]);
        assert_int_equal(atomic_load(&sums[i]), 5000);
    }
}

static void test_created_and_dropped_at_once(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        zis_pool *pool = NULL;
        assert_int_equal(zis_pool_create(&pool, 4, NULL), ZIS_OK);
        zis_pool_destroy(&pool);
    }
    zis_pool *pool = NULL;
    assert_int_equal(zis_pool_create(&pool, 0, NULL), ZIS_OK);
    assert_true(zis_pool_threads(pool) >= 1);
    zis_pool_destroy(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_index_once),
        cmocka_unit_test(test_no_pool_is_the_caller),
        cmocka_unit_test(test_many_short_loops),
        cmocka_unit_test(test_loops_see_each_other),
        cmocka_unit_test(test_two_pools_side_by_side),
        cmocka_unit_test(test_created_and_dropped_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
