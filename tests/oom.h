/* oom.h - makes allocation number N fail, for tests that want every N tried (one test file includes
 * it). It replaces malloc of the whole program, so under a sanitizer it does nothing and OOM_TEST
 * is 0.
 *
 *     for (int n = 1; oom_arm(n), run(), oom_disarm();) n++;   and compare oom_live() before and
 * after */
#ifndef TESTS_OOM_H
#define TESTS_OOM_H

#include <errno.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OOM_TEST 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OOM_TEST 0
#endif
#endif
#ifndef OOM_TEST
#define OOM_TEST 1
#endif

#if OOM_TEST
/* glibc's own, behind the names that are replaced here */
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void __libc_free(void *);

static __thread long oom_left; /* allocations until the failing one; 0: none fails */
static __thread long oom_blocks;

static int oom_now(void)
{
    if (oom_left <= 0 || --oom_left > 0) return 0;
    errno = ENOMEM;
    oom_left = -1; /* has fired */
    return 1;
}

__attribute__((visibility("default"))) void *malloc(size_t n)
{
    void *p = oom_now() ? NULL : __libc_malloc(n);
    oom_blocks += p != NULL;
    return p;
}

__attribute__((visibility("default"))) void *calloc(size_t n, size_t size)
{
    void *p = oom_now() ? NULL : __libc_calloc(n, size);
    oom_blocks += p != NULL;
    return p;
}

__attribute__((visibility("default"))) void *realloc(void *old, size_t n)
{
    if (oom_now()) return NULL;
    void *p = __libc_realloc(old, n);
    oom_blocks += !old && p;
    return p;
}

__attribute__((visibility("default"))) void free(void *p)
{
    oom_blocks -= p != NULL;
    __libc_free(p);
}

static inline void oom_arm(long n)
{
    oom_left = n;
}

/* Whether an allocation failed since arming. */
static inline int oom_disarm(void)
{
    int fired = oom_left < 0;
    oom_left = 0;
    return fired;
}

static inline long oom_live(void)
{
    return oom_blocks;
}
#else
static inline void oom_arm(long n)
{
    (void)n;
}
static inline int oom_disarm(void)
{
    return 0;
}
static inline long oom_live(void)
{
    return 0;
}
#endif

#endif
