/* The safetensors writer: what it writes is read back, what the reader would refuse is refused. */
#include "base/os.h"
#include "formats/safetensors.h"
#include "oom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/zis-writer-XXXXXX";
static char *path;

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return -1;
    path = zis_os_join(folder, "x.safetensors");
    return path ? 0 : -1;
}

static int drop_folder(void **state)
{
    (void)state;
    free(path);
    return rmdir(folder); /* fails when something is left */
}

static size_t files_in_folder(void)
{
    char **names;
    size_t n;
    zis_error err;
    assert_int_equal(zis_os_list(&names, &n, folder, &err), ZIS_OK);
    zis_os_list_free(names, n);
    return n;
}

static const int64_t dims[4] = {2, 3, 1, 5};

static zis_status write_sample(zis_error *err)
{
    unsigned char data[120 + 14];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i * 7);
    zis_safetensors_writer *w = NULL;
    zis_status st = zis_safetensors_writer_create(&w, path, err);
    if (!st) st = zis_safetensors_writer_meta(w, "k\"\\", "line\n\x01\xc3\xa9\"", err);
    if (!st) st = zis_safetensors_writer_add(w, "a.\"\\\xc3\xa9", ZIS_DTYPE_F32, 4, dims, err);
    if (!st) st = zis_safetensors_writer_add(w, "none", ZIS_DTYPE_I64, 1, (int64_t[]){0}, err);
    if (!st) st = zis_safetensors_writer_add(w, "b", ZIS_DTYPE_BF16, 1, (int64_t[]){6}, err);
    if (!st) st = zis_safetensors_writer_meta(w, "second", "", err);
    if (!st) st = zis_safetensors_writer_add(w, "scalar", ZIS_DTYPE_U8, 0, NULL, err);
    for (size_t at = 0; at < 133 && !st; at += 19) /* pieces that do not end where tensors end */
        st = zis_safetensors_writer_write(w, data + at, 19, err);
    if (!st) st = zis_safetensors_writer_finish(w, err);
    zis_safetensors_writer_destroy(&w);
    return st;
}

static void check_sample(void)
{
    zis_error err = {0};
    zis_safetensors *st = NULL;
    if (zis_safetensors_open(&st, path, &err)) fail_msg("%s", err.text);
    assert_int_equal(zis_safetensors_count(st), 4);
    const zis_safetensors_entry *a = zis_safetensors_find(st, "a.\"\\\xc3\xa9");
    assert_non_null(a);
    assert_int_equal(a->offset % 64, 0);
    assert_int_equal(a->tensor.ndim, 4);
    assert_memory_equal(a->tensor.dim, dims, sizeof dims);
    const zis_safetensors_entry *b = zis_safetensors_find(st, "b");
    assert_int_equal(b->offset, a->offset + 120);
    for (size_t i = 0; i < 12; i++)
        assert_int_equal(((unsigned char *)b->tensor.data)[i], (unsigned char)((120 + i) * 7));
    assert_int_equal(zis_safetensors_find(st, "scalar")->tensor.ndim, 0);
    assert_int_equal(zis_safetensors_find(st, "none")->bytes, 0);
    assert_string_equal(zis_safetensors_meta(st, "k\"\\"), "line\n\x01\xc3\xa9\"");
    assert_string_equal(zis_safetensors_meta(st, "second"), "");
    zis_safetensors_close(&st);
}

static void test_round_trip(void **state)
{
    (void)state;
    zis_error err = {0};
    if (write_sample(&err)) fail_msg("%s", err.text);
    check_sample();
    assert_int_equal(files_in_folder(), 1);
    unlink(path);
}

/* Neither tensors nor metadata, metadata alone, and all lengths of padding. */
static void test_small(void **state)
{
    (void)state;
    for (int variant = 0; variant < 66; variant++) {
        zis_error err = {0};
        zis_safetensors_writer *w = NULL;
        zis_safetensors *st = NULL;
        char value[80] = "";
        memset(value, 'x', (size_t)variant);
        assert_int_equal(zis_safetensors_writer_create(&w, path, &err), ZIS_OK);
        if (variant) assert_int_equal(zis_safetensors_writer_meta(w, "k", value, &err), ZIS_OK);
        assert_int_equal(zis_safetensors_writer_finish(w, &err), ZIS_OK);
        zis_safetensors_writer_destroy(&w);
        if (zis_safetensors_open(&st, path, &err)) fail_msg("%s", err.text);
        assert_int_equal(zis_safetensors_count(st), 0);
        if (variant)
            assert_string_equal(zis_safetensors_meta(st, "k"), value);
        else
            assert_null(zis_safetensors_meta(st, "k"));
        zis_safetensors_close(&st);
        unlink(path);
    }
}

static void test_refused(void **state)
{
    (void)state;
    zis_error err = {0};
    zis_safetensors_writer *w = NULL;
    const int64_t two[1] = {2}, negative[1] = {-1}, ones[6] = {1, 1, 1, 1, 1, 1};
    const int64_t large[2] = {(int64_t)1 << 40, (int64_t)1 << 40}, much[1] = {(int64_t)1 << 54};
    assert_int_equal(zis_safetensors_writer_create(&w, path, &err), ZIS_OK);
    assert_int_equal(zis_safetensors_writer_add(w, "a", ZIS_DTYPE_U8, 1, two, &err), ZIS_OK);
    assert_int_equal(zis_safetensors_writer_add(w, "a", ZIS_DTYPE_U8, 1, two, &err), ZIS_ARG);
    assert_non_null(strstr(err.text, "the tensor name 'a' is there twice"));
    assert_int_equal(zis_safetensors_writer_add(w, "a\n", ZIS_DTYPE_U8, 1, two, &err), ZIS_ARG);
    assert_non_null(strstr(err.text, "control characters or is not UTF-8"));
    assert_int_equal(zis_safetensors_writer_add(w, "\xff", ZIS_DTYPE_U8, 1, two, &err), ZIS_ARG);
    assert_int_equal(zis_safetensors_writer_add(w, "__metadata__", ZIS_DTYPE_U8, 1, two, &err),
                     ZIS_ARG);
    assert_int_equal(zis_safetensors_writer_add(w, "b", ZIS_DTYPE_U8, 6, ones, &err), ZIS_ARG);
    assert_int_equal(zis_safetensors_writer_add(w, "b", ZIS_DTYPE_COUNT, 1, two, &err), ZIS_ARG);
    assert_int_equal(zis_safetensors_writer_add(w, "b", ZIS_DTYPE_U8, 1, negative, &err), ZIS_ARG);
    assert_int_equal(zis_safetensors_writer_add(w, "b", ZIS_DTYPE_U8, 2, large, &err), ZIS_ARG);
    assert_int_equal(zis_safetensors_writer_add(w, "b", ZIS_DTYPE_U8, 1, much, &err), ZIS_ARG);
    assert_int_equal(zis_safetensors_writer_meta(w, "k", "\xff", &err), ZIS_ARG);
    assert_int_equal(zis_safetensors_writer_meta(w, "k\n", "", &err), ZIS_ARG);
    assert_int_equal(zis_safetensors_writer_meta(w, "k", "", &err), ZIS_OK);
    assert_int_equal(zis_safetensors_writer_meta(w, "k", "", &err), ZIS_ARG);

    assert_int_equal(zis_safetensors_writer_write(w, "abc", 3, &err), ZIS_ARG);
    assert_non_null(strstr(err.text, "more bytes came than the 2 of its tensors"));
    assert_int_equal(zis_safetensors_writer_write(w, "a", 1, &err), ZIS_OK);
    assert_int_equal(zis_safetensors_writer_add(w, "late", ZIS_DTYPE_U8, 1, two, &err), ZIS_ARG);
    assert_non_null(strstr(err.text, "its header is written already"));
    assert_int_equal(zis_safetensors_writer_meta(w, "late", "", &err), ZIS_ARG);
    assert_int_equal(zis_safetensors_writer_finish(w, &err), ZIS_ARG);
    assert_non_null(strstr(err.text, "its tensors have 2 bytes, but only 1 came"));
    zis_safetensors_writer_destroy(&w);
    assert_null(w);
    zis_safetensors_writer_destroy(&w);
    assert_int_equal(files_in_folder(), 0);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    for (long n = 1;; n++) {
        zis_error err = {0};
        long live = oom_live();
        oom_arm(n);
        zis_status st = write_sample(&err);
        bool fired = oom_disarm();
        assert_int_equal(oom_live(), live);
        assert_int_equal(st, fired ? ZIS_NOMEM : ZIS_OK);
        assert_int_equal(files_in_folder(), fired ? 0 : 1);
        if (!fired) break;
    }
    check_sample();
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
