/* Every allocation of opening a tokenizer and encoding with it fails once: the answer is ZIS_NOMEM
 * and nothing is left behind. The allocator of this program counts; under AddressSanitizer, which
 * has its own, the same work is done without failures (and it looks for leaks itself). */
#include "text/tokenizer.h"

#include "unit/text/tiny.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_ALLOCATOR 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OWN_ALLOCATOR 0
#endif
#endif
#ifndef OWN_ALLOCATOR
#define OWN_ALLOCATOR 1
#endif

static bool counting;
static long left;    /* allocations until one fails */
static long blocks;  /* that are held */
static bool refused; /* one has failed */

#if OWN_ALLOCATOR
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void __libc_free(void *p);

static bool refuse(void)
{
    if (!counting || left-- != 0) return false;
    refused = true;
    return true;
}

void *malloc(size_t n)
{
    if (refuse()) return NULL;
    void *p = __libc_malloc(n);
    blocks += counting && p;
    return p;
}

void *calloc(size_t n, size_t size)
{
    if (refuse()) return NULL;
    void *p = __libc_calloc(n, size);
    blocks += counting && p;
    return p;
}

void *realloc(void *old, size_t n)
{
    if (refuse()) return NULL;
    void *p = __libc_realloc(old, n);
    blocks += counting && p && !old;
    return p;
}

void free(void *p)
{
    blocks -= counting && p;
    __libc_free(p);
}
#endif

typedef zis_status work(void *arg, zis_error *err);

static zis_status use(zis_tokenizer *tok, zis_error *err)
{
    static const char text[] = "abc user\u00E9 a\u0301\u0323 <|im_end|>";
    int32_t *ids = NULL;
    size_t n, total;
    zis_buf marks = {0};
    zis_status st = zis_tokenizer_encode_prompt(tok, text, sizeof text - 1, &ids, &n, &total, err);
    if (st) return st;
    free(ids);
    for (int i = 0; i < 300; i++) zis_buf_puts(&marks, i % 2 ? "\u0301" : "\u0323");
    if (marks.failed) {
        st = zis_fail_nomem(err, "the test");
    } else {
        st = zis_tokenizer_encode(tok, marks.data, marks.len, &ids, &n, err);
    }
    zis_buf_free(&marks);
    if (st) return st;
    free(ids);
    return ZIS_OK;
}

static zis_status work_json(void *arg, zis_error *err)
{
    const zis_buf *json = arg;
    zis_tokenizer *tok = NULL;
    zis_status st = zis_tokenizer_open_json(&tok, "t.json", json->data, json->len, err);
    if (!st) st = use(tok, err);
    zis_tokenizer_close(&tok);
    return st;
}

static zis_status work_folder(void *arg, zis_error *err)
{
    zis_tokenizer *tok = NULL;
    zis_status st = zis_tokenizer_open(&tok, arg, err);
    if (!st) st = use(tok, err);
    zis_tokenizer_close(&tok);
    return st;
}

static void fail_each(work *w, void *arg)
{
    for (long n = 0;; n++) {
        zis_error err = {0};
        left = n;
        blocks = 0;
        refused = false;
        counting = true;
        zis_status st = w(arg, &err);
        counting = false;
        assert_int_equal(blocks, 0);
        if (!refused) {
            assert_int_equal(st, ZIS_OK);
            assert_true(n > 10 || !OWN_ALLOCATOR);
            return;
        }
        if (st != ZIS_NOMEM) fail_msg("allocation %ld: %s", n, err.text);
        assert_non_null(strstr(err.text, "memory"));
    }
}

static void test_json(void **state)
{
    (void)state;
    zis_buf json = {0};
    tiny_json(&json);
    fail_each(work_json, &json);
    zis_buf_free(&json);
}

static void write_file(const char *path, const zis_buf *b)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(b->data, 1, b->len, f), b->len);
    assert_int_equal(fclose(f), 0);
}

static void test_folder(void **state)
{
    (void)state;
    char folder[] = "/tmp/zis-test-nomem-XXXXXX";
    static const char *const names[] = {"merges.txt", "vocab.json", "tokenizer_config.json"};
    zis_buf file[3] = {{0}};
    char path[3][80];
    zis_buf_puts(&file[0], TINY_MERGES);
    tiny_vocab(&file[1]);
    tiny_config(&file[2]);
    assert_non_null(mkdtemp(folder));
    for (int i = 0; i < 3; i++) {
        snprintf(path[i], sizeof path[i], "%s/%s", folder, names[i]);
        write_file(path[i], &file[i]);
    }
    fail_each(work_folder, folder);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(unlink(path[i]), 0);
        zis_buf_free(&file[i]);
    }
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_json), cmocka_unit_test(test_folder)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
