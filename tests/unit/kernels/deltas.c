/* deltas.c - what is attached to a weight, in products of the CPU backend against the oracle. */
#include "against_ref.h"

/* D of about a tenth of the weight. The F32 parts of HADAMARD and KRON lie at odd addresses, too.
 */
static zis_delta delta(bench *b, zis_delta_kind kind, int64_t n, int64_t k, int64_t r, zis_dtype t)
{
    zis_delta d = {.kind = kind, .scale = 0.7f, .row = 0};
    float amp = 0.3f / sqrtf((float)k);
    switch (kind) {
    case ZIS_DELTA_LOW_RANK:
        d.a = weight(b, r, k, t, amp).t;
        d.b = weight(b, n, r, t, 1.0f).t;
        break;
    case ZIS_DELTA_FULL:
        d.b = weight(b, n, k, t, amp).t;
        break;
    case ZIS_DELTA_HADAMARD:
        d.a = weight(b, r, k, ZIS_DTYPE_F32, amp).t;
        d.b = weight(b, n, r, ZIS_DTYPE_F32, 1.0f).t;
        d.c = weight(b, r, k, ZIS_DTYPE_F32, 1.0f).t;
        d.d = weight(b, n, r, ZIS_DTYPE_F32, 1.0f).t;
        break;
    case ZIS_DELTA_KRON: { /* r columns in the outer matrix, which divides k; a row to begin at */
        int64_t p = (n + 4) / 3, q = k / r;
        d.row = 2;
        d.c = weight(b, (n + 2 + p - 1) / p, r, ZIS_DTYPE_F32, 1.0f).t;
        if (t != ZIS_DTYPE_F32) {
            d.b = weight(b, p, q, t, amp).t;
        } else {
            d.b = weight(b, p, 3, t, 1.0f).t;
            d.a = weight(b, 3, q, t, amp).t;
        }
        break;
    }
    }
    return d;
}

/* kinds: of the deltas of each weight, as characters l, f, h, k; the others have one less. */
static void delta_case(bench *b,
                       int64_t m,
                       int64_t n,
                       int64_t k,
                       zis_dtype t,
                       zis_dtype lora,
                       zis_epilogue e,
                       int n_w,
                       const char *kinds,
                       bool fine)
{
    zis_weight w[3];
    zis_delta d[3][4];
    bool pair = e == ZIS_EPILOGUE_SILU_MUL;
    int64_t cols = 0;
    for (int i = 0; i < n_w; i++) {
        int64_t rows = pair ? n : n + i;
        w[i] = weight(b, rows, k, t, 1.0f / sqrtf((float)k));
        w[i].delta = d[i];
        for (const char *c = kinds + i; *c && w[i].deltas < 4; c++) {
            zis_delta_kind kind = *c == 'l'   ? ZIS_DELTA_LOW_RANK
                                  : *c == 'f' ? ZIS_DELTA_FULL
                                  : *c == 'h' ? ZIS_DELTA_HADAMARD
                                              : ZIS_DELTA_KRON;
            int64_t r = kind == ZIS_DELTA_KRON ? (k % 5 ? 1 : 5) : 3 + 2 * (c - kinds);
            d[i][w[i].deltas++] = delta(b, kind, rows, k, r, lora);
        }
        cols += rows;
    }
    if (pair) cols = n;
    zis_tensor x = matrix(b, m, k, 3, true), y = matrix(b, m, cols, 5, e == ZIS_EPILOGUE_ADD);
    zis_linear_args a = {.y = y, .x = x, .n_w = n_w, .epilogue = e, .fine = fine};
    for (int i = 0; i < n_w; i++) a.w[i] = &w[i];
    if (!pair) a.bias = vector(b, cols, 0);
    zis_linear_args r = a;
    r.y = clone(b, &y);
    RUN(b, linear, &a, &r);
    char what[120];
    snprintf(what, sizeof what, "linear %dx%dx%d %s with %s %s", (int)m, (int)n, (int)k,
             zis_dtype_get(t)->name, zis_dtype_get(lora)->name, kinds);
    compare(b, what, &a.y, &r.y, fine && b->math == ZIS_DTYPE_BF16 ? 1e-5 : product_bound(b));
    done(b);
}

/* With the deltas taken off, the product is bit for bit what it was before. */
static void test_detached(bench *b)
{
    zis_weight w = weight(b, 50, 200, ZIS_DTYPE_BF16, 0.1f);
    zis_delta d = delta(b, ZIS_DELTA_LOW_RANK, 50, 200, 8, ZIS_DTYPE_BF16);
    zis_tensor x = matrix(b, 40, 200, 0, true), y[3];
    zis_error err;
    for (int i = 0; i < 3; i++) {
        y[i] = matrix(b, 40, 50, 0, false);
        w.delta = i == 1 ? &d : NULL;
        w.deltas = i == 1;
        zis_linear_args a = {.y = y[i], .x = x, .w = {&w}, .n_w = 1};
        zis_run dry;
        zis_run_init_dry(&dry, &b->cpu);
        zis_linear(&dry, &a);
        assert_int_equal(zis_run_status(&dry, &err), ZIS_OK);
        assert_int_equal(zis_run_reserve(&b->cpu, dry.scratch.peak, &err), ZIS_OK);
        zis_linear(&b->cpu, &a);
        assert_int_equal(zis_run_status(&b->cpu, &err), ZIS_OK);
    }
    assert_memory_not_equal(y[0].data, y[1].data, 40 * 50 * 4);
    assert_memory_equal(y[0].data, y[2].data, 40 * 50 * 4);
    done(b);
}

static void test_deltas(bench *b)
{
    static const zis_dtype types[] = {ZIS_DTYPE_F32, ZIS_DTYPE_BF16, ZIS_DTYPE_F16};
    const zis_dtype bf16 = ZIS_DTYPE_BF16;
    for (int t = 0; t < 3; t++) {
        zis_dtype w = types[t], l = types[(t + 1) % 3];
        delta_case(b, 1, 1, 1, w, l, ZIS_EPILOGUE_NONE, 1, "l", false);
        delta_case(b, 15, 57, 65, w, l, ZIS_EPILOGUE_ADD, 1, "ll", false);
        delta_case(b, 70, 130, 130, w, l, ZIS_EPILOGUE_SILU, 1, "lfhk", false);
        delta_case(b, 33, 40, 65, w, l, ZIS_EPILOGUE_NONE, 3, "lkl", false);
        delta_case(b, 65, 70, 131, w, l, ZIS_EPILOGUE_SILU_MUL, 2, "ll", false);
        delta_case(b, 20, 50, 66, w, l, ZIS_EPILOGUE_SILU_MUL, 2, "hl", false);
        /* several slices of k, at whose borders a Kronecker product goes on */
        delta_case(b, 40, 30, 2995, w, l, ZIS_EPILOGUE_NONE, 1, "k", false);
        delta_case(b, 40, 30, 2995, w, bf16, ZIS_EPILOGUE_NONE, 1, "fk", false);
        delta_case(b, 40, 61, 97, bf16, w, ZIS_EPILOGUE_ADD, 2, "ll", true);
    }
}

static const named tests[] = {
    {"deltas", test_deltas},
    {"detached", test_detached},
};

int main(void)
{
    return run_named("deltas", tests, sizeof tests / sizeof *tests);
}
