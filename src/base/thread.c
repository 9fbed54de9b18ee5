/* thread.c - the pool: one generation counter that workers wait on, one index counter they share.
 */
#include "base/thread.h"

#include "base/mem.h"
#include "base/os.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Pauses before a worker sleeps: some 0.3 ms, the gap between two operations. */
#define SPIN 20000

struct zis_pool {
    int threads; /* the caller included */
    pthread_t *ids;
    zis_task *task;
    void *arg;
    int n;
    atomic_int next; /* next index to hand out */
    atomic_int left; /* workers that have not finished this loop */
    atomic_int gen;  /* odd or even does not matter: a change starts a loop */
    atomic_int sleepers;
    atomic_int waiting; /* the caller sleeps on `left` */
    atomic_bool quit;
    atomic_int born; /* hands each worker its number */
};

static void futex_wait(atomic_int *at, int value)
{
    syscall(SYS_futex, at, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(atomic_int *at)
{
    syscall(SYS_futex, at, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    atomic_thread_fence(memory_order_relaxed);
#endif
}

static void share(zis_pool *p, int thread)
{
    for (int i; (i = atomic_fetch_add(&p->next, 1)) < p->n;) p->task(p->arg, i, thread);
}

static void *work(void *arg)
{
    zis_pool *p = arg;
    int thread = atomic_fetch_add(&p->born, 1) + 1;
    int seen = 0;
    for (;;) {
        for (int i = 0; i < SPIN && atomic_load(&p->gen) == seen; i++) relax();
        while (atomic_load(&p->gen) == seen) {
            atomic_fetch_add(&p->sleepers, 1);
            futex_wait(&p->gen, seen);
            atomic_fetch_sub(&p->sleepers, 1);
        }
        seen = atomic_load(&p->gen);
        if (atomic_load(&p->quit)) return NULL;
        share(p, thread);
        if (atomic_fetch_sub(&p->left, 1) == 1 && atomic_load(&p->waiting)) futex_wake(&p->left);
    }
}

zis_status zis_pool_create(zis_pool **out, int threads, zis_error *err)
{
    if (threads <= 0) threads = zis_os_cpus();
    if (threads > 1024) threads = 1024;
    zis_pool *p = zis_mem_zalloc(1, sizeof *p);
    if (!p) return zis_fail_nomem(err, "the thread pool");
    p->threads = 1;
    p->ids = zis_mem_zalloc((size_t)threads, sizeof *p->ids);
    if (!p->ids) {
        zis_pool_destroy(&p);
        return zis_fail_nomem(err, "the thread pool");
    }
    for (; p->threads < threads; p->threads++) {
        if (pthread_create(&p->ids[p->threads], NULL, work, p) != 0) {
            int got = p->threads;
            zis_pool_destroy(&p);
            return zis_fail(err, ZIS_NOMEM, "the system gave only %d of %d threads; use --threads",
                            got, threads);
        }
    }
    *out = p;
    return ZIS_OK;
}

void zis_pool_destroy(zis_pool **pool)
{
    zis_pool *p = *pool;
    if (!p) return;
    atomic_store(&p->quit, true);
    atomic_fetch_add(&p->gen, 1);
    futex_wake(&p->gen);
    for (int i = 1; i < p->threads; i++) pthread_join(p->ids[i], NULL);
    free(p->ids);
    free(p);
    *pool = NULL;
}

int zis_pool_threads(const zis_pool *pool)
{
    return pool ? pool->threads : 1;
}

void zis_pool_for(zis_pool *p, int n, zis_task *task, void *arg)
{
    if (!p || p->threads == 1 || n <= 1) {
        for (int i = 0; i < n; i++) task(arg, i, 0);
        return;
    }
    p->task = task;
    p->arg = arg;
    p->n = n;
    atomic_store(&p->next, 0);
    atomic_store(&p->left, p->threads - 1);
    atomic_fetch_add(&p->gen, 1);
    if (atomic_load(&p->sleepers)) futex_wake(&p->gen);
    share(p, 0);
    int left;
    for (int i = 0; i < SPIN * 4 && atomic_load(&p->left); i++) relax();
    while ((left = atomic_load(&p->left))) {
        atomic_store(&p->waiting, 1);
        if (atomic_load(&p->left) == left) futex_wait(&p->left, left);
        atomic_store(&p->waiting, 0);
    }
}
