/* thread.c - the pool: one counter that opens and closes loops, one index counter that threads
 * share.
 *
 * A worker takes part in a loop if it comes while the loop is open. The caller closes it when no
 * index is left, and waits only for those inside: a worker that the system keeps off its processor
 * holds nobody up. */
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
    int spin;    /* 0 where threads have to share processors */
    pthread_t *ids;
    zis_task *task;
    void *arg;
    int n;
    atomic_int next;   /* next index to hand out */
    atomic_int inside; /* workers that look at the loop */
    atomic_int gen;    /* odd: a loop is open */
    atomic_int sleepers;
    atomic_int waiting; /* the caller sleeps on `inside` */
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

static bool is_new(int gen, int done)
{
    return (gen & 1) && gen != done;
}

/* Waits for a loop other than `done`, and returns its number. */
static int await(zis_pool *p, int done)
{
    int gen = atomic_load(&p->gen);
    for (int i = 0; i < p->spin && !is_new(gen, done); i++) {
        relax();
        gen = atomic_load(&p->gen);
    }
    while (!is_new(gen, done)) {
        atomic_fetch_add(&p->sleepers, 1);
        gen = atomic_load(&p->gen);
        if (!is_new(gen, done)) futex_wait(&p->gen, gen);
        atomic_fetch_sub(&p->sleepers, 1);
        gen = atomic_load(&p->gen);
    }
    return gen;
}

static void *work(void *arg)
{
    zis_pool *p = arg;
    int thread = atomic_fetch_add(&p->born, 1) + 1;
    for (int gen = 0;;) {
        gen = await(p, gen);
        if (atomic_load(&p->quit)) return NULL;
        atomic_fetch_add(&p->inside, 1);
        /* closed meanwhile: what it would read may be changing */
        if (atomic_load(&p->gen) == gen) share(p, thread);
        if (atomic_fetch_sub(&p->inside, 1) == 1 && atomic_load(&p->waiting))
            futex_wake(&p->inside);
    }
}

zis_status zis_pool_create(zis_pool **out, int threads, zis_error *err)
{
    if (threads <= 0) threads = zis_os_cpus();
    if (threads > 1024) threads = 1024;
    zis_pool *p = zis_mem_zalloc(1, sizeof *p);
    if (!p) return zis_fail_nomem(err, "the thread pool");
    p->threads = 1;
    p->spin = threads <= zis_os_cpus() ? SPIN : 0;
    p->ids = zis_mem_zalloc((size_t)threads, sizeof *p->ids);
    if (!p->ids) {
        zis_pool_destroy(&p);
        return zis_fail_nomem(err, "the thread pool");
    }
    for (; p->threads < threads; p->threads++) {
        if (pthread_create(&p->ids[p->threads], NULL, work, p) != 0) {
            int got = p->threads;
            zis_pool_destroy(&p);
            return zis_fail(err, ZIS_NOMEM,
                            "the system gave only %d of %d threads; try --threads %d", got, threads,
                            got);
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
    atomic_fetch_add(&p->gen, 1);
    if (atomic_load(&p->sleepers)) futex_wake(&p->gen);
    share(p, 0);
    atomic_fetch_add(&p->gen, 1);
    for (int i = 0; i < p->spin * 4 && atomic_load(&p->inside); i++) relax();
    for (int inside; (inside = atomic_load(&p->inside));) {
        atomic_store(&p->waiting, 1);
        if (atomic_load(&p->inside) == inside) futex_wait(&p->inside, inside);
        atomic_store(&p->waiting, 0);
    }
}
