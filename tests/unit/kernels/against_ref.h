/* against_ref.h - the CPU backend beside the oracle, for tests of its operations: odd sizes, views,
 * all instruction sets of this machine, one to three threads, both types of products. Guard values
 * around the outputs catch writes outside. */
#ifndef TESTS_KERNELS_AGAINST_REF_H
#define TESTS_KERNELS_AGAINST_REF_H

#include "kernels/cpu/micro.h"
#include "kernels/run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GUARD 12345.0f

/* What the oracle said in the first round: the same for every instruction set and number of
 * threads, and most of the time went there. */
typedef struct answers {
    struct answer {
        int64_t rows, cols;
        float *data;
    } * list;
    int n, at;
    bool kept; /* by an earlier round */
} answers;

/* The machine that is under test and the oracle. */
typedef struct bench {
    zis_run cpu, ref;
    answers *known;
    const char *isa;
    zis_dtype math;
    int threads;
    uint32_t seed;
    float *blocks[64];
    int n_blocks;
} bench;

static inline float next(bench *b)
{
    b->seed = b->seed * 1664525u + 1013904223u;
    return (float)(b->seed >> 8) / 8388608.0f - 1.0f;
}

/* rows x cols in rows of `stride`, with guards in the gaps and around; random or guard inside. */
static inline zis_tensor matrix(bench *b, int64_t rows, int64_t cols, int64_t gap, bool random)
{
    int64_t stride = cols + gap, n = rows * stride + 64;
    float *p = malloc((size_t)n * sizeof *p);
    assert_non_null(p);
    assert_true(b->n_blocks < 64);
    b->blocks[b->n_blocks++] = p;
    for (int64_t i = 0; i < n; i++) p[i] = GUARD;
    zis_tensor t = zis_tensor_2d(p + 32, ZIS_DTYPE_F32, rows, cols);
    t.stride = stride;
    for (int64_t i = 0; random && i < rows; i++)
        for (int64_t j = 0; j < cols; j++) ((float *)t.data)[i * stride + j] = next(b);
    return t;
}

static inline zis_tensor cube(bench *b, int64_t h, int64_t w, int64_t c, bool random)
{
    zis_tensor t = matrix(b, h * w, c, 0, random);
    return zis_tensor_reshape_3d(&t, h, w, c);
}

static inline float *vector(bench *b, int64_t n, float around)
{
    zis_tensor t = matrix(b, 1, n, 0, true);
    float *p = t.data;
    for (int64_t i = 0; i < n; i++) p[i] = around + 0.3f * p[i];
    return p;
}

/* A weight of n x k in the given type, at an odd address. */
static inline zis_weight weight(bench *b, int64_t n, int64_t k, zis_dtype t, float amp)
{
    zis_tensor raw = matrix(b, n, k + 1, 0, false);
    unsigned char *p = (unsigned char *)raw.data + (t == ZIS_DTYPE_F32 ? 4 : 2);
    for (int64_t i = 0; i < n * k; i++) {
        float v = amp * next(b);
        uint16_t h = t == ZIS_DTYPE_BF16 ? zis_f32_to_bf16(v) : zis_f32_to_f16(v);
        if (t == ZIS_DTYPE_F32)
            memcpy(p + i * 4, &v, 4);
        else
            memcpy(p + i * 2, &h, 2);
    }
    zis_weight w = {.t = zis_tensor_2d(p, t, n, k), .name = "w"};
    return w;
}

static inline zis_tensor clone(bench *b, const zis_tensor *t)
{
    int64_t rows = zis_tensor_rows(t), stride = t->stride, n = rows * stride + 64;
    float *p = malloc((size_t)n * sizeof *p);
    assert_non_null(p);
    assert_true(b->n_blocks < 64);
    b->blocks[b->n_blocks++] = p;
    memcpy(p, (float *)t->data - 32, (size_t)n * sizeof *p);
    zis_tensor c = *t;
    c.data = p + 32;
    return c;
}

static inline void done(bench *b)
{
    while (b->n_blocks) free(b->blocks[--b->n_blocks]);
}

/* Keeps what the oracle has put into t, or puts there what it did in the first round. */
static inline void recall(bench *b, const char *what, const zis_tensor *t)
{
    answers *k = b->known;
    int64_t rows = zis_tensor_rows(t), cols = zis_tensor_cols(t);
    size_t line = (size_t)cols * sizeof(float);
    if (!k->kept) {
        k->list = realloc(k->list, (size_t)(k->n + 1) * sizeof *k->list);
        assert_non_null(k->list);
        float *data = malloc((size_t)rows * line + 1);
        assert_non_null(data);
        k->list[k->n++] = (struct answer){rows, cols, data};
    }
    if (k->at >= k->n || k->list[k->at].rows != rows || k->list[k->at].cols != cols)
        fail_msg("%s: another test than in the first round", what);
    float *p = k->list[k->at++].data;
    for (int64_t i = 0; i < rows; i++) {
        float *q = (float *)t->data + i * t->stride;
        memcpy(k->kept ? q : p + i * cols, k->kept ? p + i * cols : q, line);
    }
}

/* rel_l2 of a against the oracle, and guards of a. */
static inline void compare(
    bench *b, const char *what, const zis_tensor *a, const zis_tensor *ref, double bound)
{
    const float *p = a->data, *q = ref->data;
    int64_t rows = zis_tensor_rows(a), cols = zis_tensor_cols(a);
    double num = 0, den = 0;
    recall(b, what, ref);
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < cols; j++) {
            double x = (double)p[i * a->stride + j], y = (double)q[i * ref->stride + j];
            num += (x - y) * (x - y);
            den += y * y;
        }
        for (int64_t j = cols; j < a->stride && i + 1 < rows; j++)
            if (p[i * a->stride + j] != GUARD)
                fail_msg("%s: wrote into the gap of row %d", what, (int)i);
    }
    for (int j = 1; j <= 32; j++) {
        if (p[-j] != GUARD) fail_msg("%s: wrote before the start", what);
        if (p[(rows - 1) * a->stride + cols - 1 + j] != GUARD)
            fail_msg("%s: wrote behind the end", what);
    }
    double e = sqrt(num / (den > 0 ? den : 1));
    if (!(e <= bound))
        fail_msg("%s on %s, %s, %d threads: error %.3g over %.3g", what, b->isa,
                 b->math == ZIS_DTYPE_BF16 ? "bf16" : "f32", b->threads, e, bound);
}

/* Bound of products in this math against the oracle in the same math: order of the sums alone. */
static inline double product_bound(const bench *b)
{
    return b->math == ZIS_DTYPE_BF16 ? 3e-3 : 2e-6;
}

/* Plans by a dry run, reserves, runs; then the oracle, in the first round. */
#define RUN(b, slot, on_cpu, on_ref)                                                               \
    do {                                                                                           \
        RUN_ONE(&(b)->cpu, slot, on_cpu, "");                                                      \
        if (!(b)->known->kept) RUN_ONE(&(b)->ref, slot, on_ref, "ref ");                           \
    } while (0)

#define RUN_ONE(run, slot, args, who)                                                              \
    do {                                                                                           \
        zis_run dry;                                                                               \
        zis_error err;                                                                             \
        zis_run_init_dry(&dry, run);                                                               \
        zis_##slot(&dry, args);                                                                    \
        if (zis_run_status(&dry, &err)) fail_msg("dry " who #slot ": %s", err.text);               \
        if (zis_run_reserve(run, dry.scratch.peak, &err)) fail_msg("%s", err.text);                \
        zis_##slot(run, args);                                                                     \
        if (zis_run_status(run, &err)) fail_msg(who #slot ": %s", err.text);                       \
    } while (0)

typedef struct named {
    const char *name;
    void (*test)(bench *b);
} named;

static inline void run_all(void **state)
{
    const named *t = *state;
    const zis_micro *list[8];
    int n = zis_micro_list(list);
    answers known[2] = {0};
    for (int i = 0; i < n; i++)
        for (int threads = 1; threads <= 3; threads++)
            for (int bf16 = 0; bf16 < 2; bf16++) {
                bench b = {.known = &known[bf16],
                           .isa = list[i]->isa,
                           .threads = threads,
                           .seed = 1,
                           .math = bf16 ? ZIS_DTYPE_BF16 : ZIS_DTYPE_F32};
                zis_error err;
                zis_pool *pool = NULL;
                if (zis_pool_create(&pool, threads, &err)) fail_msg("%s", err.text);
                zis_run_options o = {.device = "cpu", .isa = b.isa, .pool = pool, .math = b.math};
                zis_run_options ro = {.device = "ref", .math = b.math};
                if (zis_run_init(&b.cpu, &o, &err)) fail_msg("%s", err.text);
                if (zis_run_init(&b.ref, &ro, &err)) fail_msg("%s", err.text);
                t->test(&b);
                assert_int_equal(known[bf16].at, known[bf16].n);
                known[bf16].kept = true;
                known[bf16].at = 0;
                zis_run_deinit(&b.cpu);
                zis_run_deinit(&b.ref);
                zis_pool_destroy(&pool);
            }
    for (int m = 0; m < 2; m++) {
        while (known[m].n) free(known[m].list[--known[m].n].data);
        free(known[m].list);
    }
}

/* All tests, each under every instruction set, number of threads and type of products. */
static inline int run_named(const char *group, const named *tests, int n)
{
    struct CMUnitTest list[32];
    assert_true(n <= 32);
    for (int i = 0; i < n; i++)
        list[i] = (struct CMUnitTest){.name = tests[i].name,
                                      .test_func = run_all,
                                      .initial_state = (void *)(uintptr_t)&tests[i]};
    return _cmocka_run_group_tests(group, list, (size_t)n, NULL, NULL);
}

#endif
