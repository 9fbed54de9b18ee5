/* Torch files that want too much, and memory that fails: an answer in bounded time and memory,
 * nothing left behind. */
#include "base/mem.h"
#include "base/os.h"
#include "formats/pth.h"
#include "oom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A legacy file begins with its magic, version and system; then comes the object; then the keys,
 * and storage "0" of six floats. */
static const char head[] = "\x80\2\x8a\nl\xfc\x9c\x46\xf9\x20j\xa8P\x19."
                           "\x80\2M\xe9\3."
                           "\x80\2}."
                           "\x80\2";
static const char tail[] = ".\x80\2](U\0010e."
                           "\6\0\0\0\0\0\0\0abcdefghijklmnopqrstuvwx";

#define TEXT(s) s, sizeof s - 1
/* Calls _rebuild_tensor, which is memo entry 1, on the storage, which is entry 2. */
#define FUNCTION "ctorch._utils\n_rebuild_tensor\nq\1"
#define STORAGE "(U\7storagectorch\nFloatStorage\nU\0010U\3cpuK\6NtQq\2"
#define TENSOR "h\1(h\2K\0K\6\x85K\1\x85tR"

/* A dictionary with the two and tensor "w", its mark still open. */
#define START "}(U\4junk(" FUNCTION STORAGE "tU\1w" TENSOR

static zis_buf begin(void)
{
    zis_buf b = {0};
    zis_buf_append(&b, TEXT(head));
    zis_buf_append(&b, TEXT(START));
    return b;
}

/* Opens the file, which must be refused with these words, or be taken when there are none. */
static void expect(zis_buf *b, const char *words)
{
    zis_pth *f = NULL;
    zis_error err = {0};
    double t = zis_os_now();
    zis_buf_append(b, TEXT("u"));
    zis_buf_append(b, TEXT(tail));
    assert_false(b->failed);
    zis_status st = zis_pth_open_memory(&f, "f", b->data, b->len, &err);
    if (words && !strstr(err.text, words)) fail_msg("'%s', not '%s'", err.text, words);
    if (!words && st) fail_msg("%s", err.text);
    if (!words) assert_string_equal(zis_pth_at(f, 0)->name, "w");
    assert_true(zis_os_now() - t < 20);
    zis_pth_close(&f);
    zis_buf_free(b);
}

static void repeat(zis_buf *b, const char *s, size_t n, size_t times)
{
    char *block = malloc(n * times);
    for (size_t i = 0; i < times; i++) memcpy(block + i * n, s, n);
    zis_buf_append(b, block, n * times);
    free(block);
}

/* Lists of lists of lists: 16^200 values, if one counted them. */
static void test_memo_bomb(void **state)
{
    (void)state;
    zis_buf b = begin();
    zis_buf_append(&b, TEXT("U\4bomb(]q\3"));
    for (int i = 4; i < 204; i++) {
        zis_buf_append(&b, TEXT("]("));
        for (int k = 0; k < 16; k++) zis_buf_printf(&b, "h%c", i - 1);
        zis_buf_printf(&b, "eq%c", i);
    }
    zis_buf_append(&b, TEXT("t"));
    expect(&b, NULL);
}

/* A list of pairs that is made a dictionary again and again: quadratic work. */
static void test_copies_of_a_list(void **state)
{
    (void)state;
    zis_buf b = begin();
    zis_buf_append(&b, TEXT("U\4bomb(ccollections\nOrderedDict\nq\3](K\0K\0\x86q\4"));
    repeat(&b, TEXT("h\4"), 20000);
    zis_buf_append(&b, TEXT("e\x85q\5"));
    repeat(&b, TEXT("h\3h\5R"), 20000);
    zis_buf_append(&b, TEXT("t"));
    expect(&b, "the pickle holds more than 4194304 values, which no checkpoint does");
}

/* A list that contains itself and a tuple that contains that, a million deep. */
static void test_depth(void **state)
{
    (void)state;
    zis_buf b = begin();
    zis_buf_append(&b, TEXT("U\4bomb]q\3h\3a"));
    repeat(&b, TEXT("\x85"), 1000000);
    expect(&b, NULL);
    b = begin();
    repeat(&b, TEXT("("), 1000000);
    expect(&b, "items are set in what is no dictionary");
}

static void test_too_many(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n;
        const char *words;
    } cases[] = {
        {TEXT("N"), "the pickle holds more than 4194304 values"},
        {TEXT("("), "the pickle holds more than 4194304 values"},
        {TEXT("]"), "the pickle holds more than 4194304 values"},
        {TEXT("h\1(h\2K\0))tR"), "more than 262144 tensors, which no checkpoint has"},
        {TEXT("(U\7storagectorch\nFloatStorage\nU\0010U\3cpuK\6NtQ"),
         "more than 262144 tensors, which no checkpoint has"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        zis_buf b = begin();
        repeat(&b, cases[i].text, cases[i].n, i < 3 ? 4200000 : 270000);
        expect(&b, cases[i].words);
    }
}

static void test_too_long(void **state)
{
    (void)state;
    const uint32_t n = 70u << 20;
    zis_buf b = begin();
    zis_buf_append(&b, TEXT("U\4longT"));
    zis_buf_append(&b, &n, 4);
    char *block = calloc(n, 1);
    zis_buf_append(&b, block, n);
    free(block);
    expect(&b, "the pickle is far too long");
}

/* Each tensor of 4 MiB out of one element: some are read, not any number. */
static void test_stretched(void **state)
{
    (void)state;
    for (int n = 3; n < 6; n += 2) {
        zis_buf b = begin();
        for (int i = 0; i < n; i++)
            zis_buf_printf(&b, "U\1%ch\1(h\2K%cJ%c%c\x10%c\x85K%c\x85tR", 'a' + i, 0, 0, 0, 0, 0);
        expect(&b, n == 3 ? NULL : "tensor 'e' is stretched from its storage to 4194304 bytes");
    }
}

/* ---- failing memory -------------------------------------------------------------------------- */

static void fail_each(const char *name, zis_status expected)
{
    char *data, *path = zis_os_join(ZIS_SOURCE_DIR "/tests/golden/data/pth", name);
    size_t size;
    zis_error err = {0};
    if (zis_os_read_file(&data, &size, path, 1 << 20, &err)) fail_msg("%s", err.text);
    for (long n = 1;; n++) {
        zis_pth *f = NULL;
        long live = oom_live();
        err = (zis_error){0};
        oom_arm(n);
        zis_status st = zis_pth_open(&f, path, &err);
        bool fired = oom_disarm();
        assert_true(st ? f == NULL : f != NULL);
        zis_pth_close(&f);
        assert_int_equal(oom_live(), live);
        if (st != (fired ? ZIS_NOMEM : expected)) fail_msg("%s, %ld: %s", name, n, err.text);
        if (fired) assert_non_null(strstr(err.text, "memory"));
        if (!fired) break;
    }
    free(data);
    free(path);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    fail_each("zip-views.pth", ZIS_OK);
    fail_each("zip-training.pth", ZIS_OK);
    fail_each("zip-batches.pth", ZIS_OK);
    fail_each("legacy-views.pth", ZIS_OK);
    fail_each("legacy-module.pth", ZIS_OK);
    fail_each("made-legacy-python2.pth", ZIS_OK);
    fail_each("os-system.pth", ZIS_FORMAT);
    fail_each("cut-data.pth", ZIS_FORMAT);
    fail_each("expanded-tera.pth", ZIS_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memo_bomb),     cmocka_unit_test(test_copies_of_a_list),
        cmocka_unit_test(test_depth),         cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_too_long),      cmocka_unit_test(test_stretched),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
