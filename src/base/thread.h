/* thread.h - a pool of workers that share loops.
 *
 * zis_pool_for hands out indices 0 .. n-1 to all threads, the caller among them, and returns when
 * all are done. Workers spin briefly and then sleep, so an idle pool costs nothing. Calls do not
 * nest, and one pool serves one caller at a time.
 *
 *     create -> for, for, ... -> destroy */
#ifndef ZIS_BASE_THREAD_H
#define ZIS_BASE_THREAD_H

#include "base/status.h"

typedef struct zis_pool zis_pool;

/* task(arg, index, thread): thread is 0 .. zis_pool_threads - 1. */
typedef void zis_task(void *arg, int index, int thread);

/* threads <= 0: one for each CPU that the process may use. */
ZIS_MUST_USE zis_status zis_pool_create(zis_pool **out, int threads, zis_error *err);
void zis_pool_destroy(zis_pool **pool);
/* pool may be NULL: 1 thread, the caller. */
int zis_pool_threads(const zis_pool *pool);
void zis_pool_for(zis_pool *pool, int n, zis_task *task, void *arg);

#endif
