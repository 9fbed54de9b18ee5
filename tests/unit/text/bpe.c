/* Merging against the plain definition: of all pairs the one of lowest rank, leftmost first. */
#include "text/bpe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX_MERGES 64

typedef struct rule {
    int32_t left, right, merged;
} rule;

static uint32_t next_random(uint32_t *s)
{
    *s = *s * 1664525u + 1013904223u;
    return *s >> 16;
}

static size_t naive(const rule *rules, int n_rules, int32_t *ids, size_t n)
{
    for (;;) {
        int best = n_rules;
        size_t place = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            for (int r = 0; r < best; r++) {
                if (ids[i] != rules[r].left || ids[i + 1] != rules[r].right) continue;
                best = r;
                place = i;
            }
        }
        if (best == n_rules) return n;
        ids[place] = rules[best].merged;
        memmove(ids + place + 1, ids + place + 2, (n - place - 2) * sizeof *ids);
        n--;
    }
}

static void check(const zis_bpe *b, const rule *rules, int n_rules, const char *s, size_t n)
{
    int32_t want[256];
    zis_bpe_work work = {0};
    zis_ids got = {0};
    for (size_t i = 0; i < n; i++) want[i] = (unsigned char)s[i];
    size_t n_want = naive(rules, n_rules, want, n);
    assert_int_equal(zis_bpe_encode(b, &work, s, n, &got), ZIS_OK);
    assert_int_equal(got.n, n_want);
    if (n_want) assert_memory_equal(got.data, want, n_want * sizeof *want);
    zis_bpe_work_free(&work);
    free(got.data);
}

static void make(zis_bpe *b, const rule *rules, int n)
{
    *b = (zis_bpe){0};
    for (int i = 0; i < n; i++)
        assert_int_equal(
            zis_bpe_add(b, rules[i].left, rules[i].right, rules[i].merged, (uint32_t)i), ZIS_OK);
    for (int i = 0; i < 256; i++) b->byte_id[i] = i;
}

static void test_random(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (int round = 0; round < 100; round++) {
        /* Each merge joins any two symbols made so far, in any order of ranks. */
        rule rules[MAX_MERGES];
        int n = (int)(next_random(&seed) % MAX_MERGES), kept = 0;
        for (int i = 0; i < n; i++) {
            int32_t part[2];
            for (int k = 0; k < 2; k++) {
                uint32_t x = next_random(&seed) % (uint32_t)(3 + i);
                part[k] = x < 3 ? (int32_t)('a' + x) : (int32_t)(256 + x - 3);
            }
            bool twice = false;
            for (int k = 0; k < kept; k++)
                twice = twice || (rules[k].left == part[0] && rules[k].right == part[1]);
            if (!twice) rules[kept++] = (rule){part[0], part[1], 256 + i};
        }
        for (int i = kept - 1; i > 0; i--) {
            int k = (int)(next_random(&seed) % (uint32_t)(i + 1));
            rule t = rules[i];
            rules[i] = rules[k];
            rules[k] = t;
        }
        zis_bpe b;
        make(&b, rules, kept);
        for (int k = 0; k < 10; k++) {
            char s[256];
            size_t len = next_random(&seed) % sizeof s;
            for (size_t i = 0; i < len; i++) s[i] = (char)('a' + next_random(&seed) % 3);
            check(&b, rules, kept, s, len);
        }
        zis_bpe_deinit(&b);
    }
}

static void encode_is(const zis_bpe *b, const char *s, const int32_t *want, size_t n)
{
    zis_bpe_work work = {0};
    zis_ids got = {0};
    assert_int_equal(zis_bpe_encode(b, &work, s, strlen(s), &got), ZIS_OK);
    assert_int_equal(got.n, n);
    assert_memory_equal(got.data, want, n * sizeof *want);
    zis_bpe_work_free(&work);
    free(got.data);
}

static void test_order(void **state)
{
    (void)state;
    zis_bpe b;
    /* The leftmost of equal pairs: aaa is aa a. */
    make(&b, (const rule[]){{'a', 'a', 256}}, 1);
    encode_is(&b, "aaa", (const int32_t[]){256, 'a'}, 2);
    encode_is(&b, "aaaaa", (const int32_t[]){256, 256, 'a'}, 3);
    zis_bpe_deinit(&b);
    /* What a merge makes competes at once: abc + a (rank 1) comes before the second a + bc. */
    make(&b, (const rule[]){{'b', 'c', 256}, {257, 'a', 258}, {'a', 256, 257}}, 3);
    encode_is(&b, "abcabc", (const int32_t[]){258, 256}, 2);
    zis_bpe_deinit(&b);
    /* The second merge of a pair replaces the first, with its rank. */
    make(&b, (const rule[]){{'a', 'b', 256}, {'b', 'c', 257}, {'a', 'b', 258}}, 3);
    encode_is(&b, "abc", (const int32_t[]){'a', 257}, 2);
    encode_is(&b, "ab", (const int32_t[]){258}, 1);
    zis_bpe_deinit(&b);
    /* No merges at all. */
    make(&b, NULL, 0);
    encode_is(&b, "ab", (const int32_t[]){'a', 'b'}, 2);
    zis_bpe_deinit(&b);
}

/* A piece of 400,000 bytes: quadratic merging would take minutes. */
static void test_long(void **state)
{
    (void)state;
    enum { N = 400000 };
    zis_bpe b;
    make(&b, (const rule[]){{'a', 'a', 256}, {256, 256, 257}, {257, 257, 258}}, 3);
    char *s = malloc(N);
    assert_non_null(s);
    memset(s, 'a', N);
    zis_bpe_work work = {0};
    zis_ids got = {0};
    assert_int_equal(zis_bpe_encode(&b, &work, s, N, &got), ZIS_OK);
    assert_int_equal(got.n, N / 8);
    for (size_t i = 0; i < got.n; i++) assert_int_equal(got.data[i], 258);
    zis_bpe_work_free(&work);
    free(got.data);
    free(s);
    zis_bpe_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random), cmocka_unit_test(test_order),
                                       cmocka_unit_test(test_long)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
