/* synth.c - the recipe of synthetic weights against its published check values. */
#include "formats/synth.h"

#include "base/mem.h"
#include "formats/safetensors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct check {
    zis_weights_spec spec;
    uint64_t seed;
    uint32_t first[8];
    double sum;
    uint64_t hash; /* FNV-1a-64 of the little-endian float32 bytes */
} check;

/* synthetic-weights.json */
static const check checks[] = {
    {{"layers.0.attention.to_q.weight", ZIS_DTYPE_F32, 2, {48, 32}, false},
     0u,
     {0xbdb49629, 0x3e32716f, 0xbe6e100b, 0x3e585ed0, 0x3d8182eb, 0x3e98ddb7, 0x3e364314,
      0xbe6a972d},
     5.515518641885137,
     0x4cfcef5c5b2e38d2u},
    {{"layers.0.attention_norm1.weight", ZIS_DTYPE_F32, 1, {40}, false},
     0u,
     {0x3f8226cf, 0x3f8aafbd, 0x3f7ddc2d, 0x3f85ff2d, 0x3f7bb445, 0x3f887719, 0x3f8c3837,
      0x3f7c7688},
     40.056949734687805,
     0x6f1af27848bb8566u},
    {{"all_x_embedder.2-1.bias", ZIS_DTYPE_F32, 1, {24}, false},
     0u,
     {0xbcd2420a, 0x3d3eb52d, 0x3c0f4f00, 0xbc5ae2ad, 0x3c0492da, 0xbd0a24c0, 0x3d066ff0,
      0xbd396075},
     0.13885931562981568,
     0x806a691b33efa495u},
    {{"x_pad_token", ZIS_DTYPE_F32, 2, {1, 64}, false},
     0u,
     {0x3e4365fa, 0x3dc58ea3, 0xbe3ec5c7, 0x3da345c5, 0xbdf89763, 0xbde99235, 0xbd56086d,
      0x3d8981a9},
     -0.5099225990707055,
     0x11b68cf6ca71fc37u},
    {{"conv.weight", ZIS_DTYPE_F32, 4, {8, 3, 3, 3}, false},
     7u,
     {0xbe8146c3, 0x3ea2d584, 0x3e2273a3, 0x3e4b11d8, 0x3e91fcfe, 0xbd261196, 0x3e96bbc4,
      0x3e350b4e},
     2.652526903722901,
     0xf2e1988d0ac1e2b5u},
    {{"bn.running_var", ZIS_DTYPE_F32, 1, {16}, false},
     0u,
     {0x3f89422b, 0x3f790971, 0x3f6d7af2, 0x3f7c8af5, 0x3f7834ef, 0x3f69f21c, 0x3f7a8fcf,
      0x3f75bc7c},
     15.641428232192993,
     0xac61ab6f1d18e3e8u},
    {{"bn.running_mean", ZIS_DTYPE_F32, 1, {16}, false},
     18446744073709551615u,
     {0xbd314e38, 0x3cfba897, 0xbca3c39d, 0x3bb744da, 0x3d200825, 0xbd3c1abd, 0xbc99eaf3,
      0x3c7ae77a},
     -0.06521033588796854,
     0x0dc4e08b6949102cu},
    {{"encoder.mid_block.resnets.0.norm1.weight", ZIS_DTYPE_F32, 1, {12}, false},
     1234567890123u,
     {0x3f6a505c, 0x3f8aafae, 0x3f6ef3d6, 0x3f7d4a4e, 0x3f881e59, 0x3f7514d3, 0x3f80045c,
      0x3f6d219b},
     11.801308929920197,
     0xf947639bdf2a8ec0u},
};

static size_t count_of(const zis_weights_spec *s)
{
    size_t n = 1;
    for (int i = 0; i < s->ndim; i++) n *= (size_t)s->dim[i];
    return n;
}

static uint64_t fnv(const void *data, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) h = (h ^ ((const unsigned char *)data)[i]) * 0x100000001b3u;
    return h;
}

static void test_published_values(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof checks / sizeof *checks; k++) {
        const check *c = &checks[k];
        size_t n = count_of(&c->spec);
        zis_synth_recipe r;
        float *v = malloc(n * sizeof *v);
        assert_int_equal(zis_synth_recipe_of(&r, &c->spec, c->seed, NULL), ZIS_OK);
        zis_synth_values(&r, 0, n, v);
        assert_memory_equal(v, c->first, sizeof c->first);
        double sum = 0;
        for (size_t i = 0; i < n; i++) sum += (double)v[i];
        assert_true(fabs(sum - c->sum) < 1e-9);
        assert_true(fnv(v, n * sizeof *v) == c->hash);
        free(v);
    }
}

/* Any piece, at any address, in any type, is the same as the whole rounded. */
static void test_pieces_and_types(void **state)
{
    (void)state;
    enum { N = 61 };
    zis_weights_spec s = {.name = "a.weight", .ndim = 2, .dim = {N, 1}};
    static const zis_dtype types[] = {ZIS_DTYPE_F32, ZIS_DTYPE_BF16, ZIS_DTYPE_F16};
    float whole[N], back[N];
    unsigned char bytes[4 * N + 1];
    zis_synth_recipe r;
    for (int k = 0; k < 3; k++) {
        s.dtype = ZIS_DTYPE_F32;
        assert_int_equal(zis_synth_recipe_of(&r, &s, 5, NULL), ZIS_OK);
        zis_synth_values(&r, 0, N, whole);
        for (int i = 0; i < N; i++) {
            if (types[k] == ZIS_DTYPE_BF16) whole[i] = zis_bf16_to_f32(zis_f32_to_bf16(whole[i]));
            if (types[k] == ZIS_DTYPE_F16) whole[i] = zis_f16_to_f32(zis_f32_to_f16(whole[i]));
        }
        s.dtype = types[k];
        assert_int_equal(zis_synth_recipe_of(&r, &s, 5, NULL), ZIS_OK);
        size_t size = (size_t)zis_dtype_get(types[k])->bytes;
        for (size_t cut = 0; cut <= N; cut += 7) {
            memset(bytes, 0xAA, sizeof bytes);
            zis_synth_values(&r, 0, cut, bytes + 1);
            zis_synth_values(&r, cut, N - cut, bytes + 1 + cut * size);
            if (N * size + 1 < sizeof bytes) assert_int_equal(bytes[1 + N * size], 0xAA);
            assert_int_equal(zis_dtype_to_f32(back, bytes + 1, types[k], N), 0);
            assert_memory_equal(back, whole, sizeof whole);
        }
    }
}

static void test_integers_are_zero_and_blocks_refused(void **state)
{
    (void)state;
    zis_synth_recipe r;
    zis_error err = {0};
    int64_t v[2] = {1, 2};
    zis_weights_spec s = {.name = "num_batches_tracked", .dtype = ZIS_DTYPE_I64};
    assert_int_equal(zis_synth_recipe_of(&r, &s, 0, &err), ZIS_OK);
    zis_synth_values(&r, 0, 1, v);
    assert_int_equal(v[0], 0);
    assert_int_equal(v[1], 2);
    s.dtype = ZIS_DTYPE_F8_E4M3;
    assert_int_equal(zis_synth_recipe_of(&r, &s, 0, &err), ZIS_UNSUPPORTED);
    assert_non_null(strstr(err.text, "num_batches_tracked"));
}

/* Counts of the pages z-image.md, text-encoder.md, vae.md and preprocessors.md, controlnet.md. */
static void test_lists_of_published_models(void **state)
{
    (void)state;
    static const struct {
        size_t tensors;
        uint64_t values;
    } expected[ZIS_SYNTH_PART_COUNT] = {{521, 6154908736u}, {398, 4022468096u}, {244, 83819683u},
                                        {368, 123146985u},  {184, 52311446u},   {136, 1550778368u},
                                        {295, 3356225792u}, {295, 3356225792u}, {91, 1008308480u},
                                        {702, 16697987u},   {101, 1213296u}};
    for (int p = 0; p < ZIS_SYNTH_PART_COUNT; p++) {
        zis_synth_list *l = NULL;
        assert_int_equal(zis_synth_list_create(&l, (zis_synth_part)p, ZIS_DTYPE_BF16, NULL),
                         ZIS_OK);
        uint64_t values = 0;
        for (size_t i = 0; i < l->count; i++) values += count_of(&l->specs[i]);
        assert_int_equal(l->count, expected[p].tensors);
        assert_true(values == expected[p].values);
        zis_synth_list_destroy(&l);
    }
}

static void test_memory_and_file_agree(void **state)
{
    (void)state;
    const zis_weights_spec specs[] = {
        {"a.weight", ZIS_DTYPE_BF16, 2, {300, 1000}, false},
        {"a.bias", ZIS_DTYPE_F32, 1, {3}, false},
        {"empty", ZIS_DTYPE_F32, 1, {0}, false},
        {"k.weight", ZIS_DTYPE_F16, 4, {2, 3, 3, 3}, false},
    };
    char path[64];
    snprintf(path, sizeof path, "/tmp/zis-test-synth-%d.safetensors", (int)getpid());
    zis_pool *pool = NULL;
    zis_weights *w = NULL;
    zis_safetensors *st = NULL;
    assert_int_equal(zis_pool_create(&pool, 2, NULL), ZIS_OK);
    assert_int_equal(zis_weights_create_memory(&w, "memory", specs, 4, NULL), ZIS_OK);
    assert_int_equal(zis_synth_fill(w, 9, pool, NULL), ZIS_OK);
    assert_int_equal(zis_synth_write(path, specs, 4, 9, pool, NULL, NULL, NULL, NULL), ZIS_OK);
    assert_int_equal(zis_safetensors_open(&st, path, NULL), ZIS_OK);
    assert_int_equal(zis_weights_count(w), 4);
    assert_string_equal(zis_weights_format(w), "memory");
    for (size_t i = 0; i < 4; i++) {
        const zis_weights_entry *e = zis_weights_find(w, specs[i].name);
        const zis_safetensors_entry *f = zis_safetensors_find(st, specs[i].name);
        assert_non_null(e);
        assert_non_null(f);
        assert_true(zis_tensor_same_shape(&e->tensor, &f->tensor));
        assert_int_equal(e->bytes, f->bytes);
        if (e->bytes) assert_memory_equal(e->tensor.data, f->tensor.data, e->bytes);
    }
    atomic_bool cancel = true;
    assert_int_equal(zis_synth_write(path, specs, 4, 9, pool, &cancel, NULL, NULL, NULL),
                     ZIS_CANCELLED);
    zis_safetensors_close(&st);
    zis_weights_close(&w);
    zis_pool_destroy(&pool);
    unlink(path);
}

static void test_absurd_memory_is_refused(void **state)
{
    (void)state;
    const zis_weights_spec huge = {"huge", ZIS_DTYPE_F32, 3, {INT64_MAX, 2, 2}, false};
    const zis_weights_spec twice[] = {{"a", ZIS_DTYPE_F32, 1, {1}, false},
                                      {"a", ZIS_DTYPE_F32, 1, {1}, false}};
    zis_weights *w = NULL;
    zis_error err = {0};
    assert_int_equal(zis_weights_create_memory(&w, "m", &huge, 1, &err), ZIS_ARG);
    assert_int_not_equal(zis_weights_create_memory(&w, "m", twice, 2, &err), ZIS_OK);
    assert_null(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_values),
        cmocka_unit_test(test_pieces_and_types),
        cmocka_unit_test(test_integers_are_zero_and_blocks_refused),
        cmocka_unit_test(test_lists_of_published_models),
        cmocka_unit_test(test_memory_and_file_agree),
        cmocka_unit_test(test_absurd_memory_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
