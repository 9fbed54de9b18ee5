/* Checkpoints: one file, a folder, a shard index; what is refused, and with which sentence. */
#include "formats/weights.h"

#include "base/mem.h"
#include "base/os.h"
#include "formats/safetensors.h"
#include "oom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static char *in_folder(const char *name)
{
    char *p = zis_os_join(folder, name);
    assert_non_null(p);
    return p;
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/zis-weights-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
    (void)state;
    char **names;
    size_t n;
    if (zis_os_list(&names, &n, folder, NULL)) return -1;
    for (size_t i = 0; i < n; i++) {
        char *p = in_folder(names[i]);
        unlink(p);
        free(p);
    }
    zis_os_list_free(names, n);
    return rmdir(folder);
}

static void put(const char *name, const void *data, size_t n)
{
    char *p = in_folder(name);
    zis_error err = {0};
    if (zis_os_write_file(p, data, n, &err)) fail_msg("%s", err.text);
    free(p);
}

static void put_text(const char *name, const char *text)
{
    put(name, text, strlen(text));
}

/* A file of U8 tensors of two elements, named by the letters; all bytes are `fill`. */
static void put_tensors(const char *name, const char *letters, int fill)
{
    char *p = in_folder(name);
    const char data[2] = {(char)fill, (char)fill};
    zis_error err = {0};
    zis_safetensors_writer *w = NULL;
    assert_int_equal(zis_safetensors_writer_create(&w, p, &err), ZIS_OK);
    assert_int_equal(zis_safetensors_writer_meta(w, "from", name, &err), ZIS_OK);
    for (const char *c = letters; *c; c++)
        assert_int_equal(
            zis_safetensors_writer_add(w, (char[]){*c, 0}, ZIS_DTYPE_U8, 1, (int64_t[]){2}, &err),
            ZIS_OK);
    for (const char *c = letters; *c; c++)
        assert_int_equal(zis_safetensors_writer_write(w, data, 2, &err), ZIS_OK);
    assert_int_equal(zis_safetensors_writer_finish(w, &err), ZIS_OK);
    zis_safetensors_writer_destroy(&w);
    free(p);
}

static zis_weights *open_path(const char *path)
{
    zis_weights *w = NULL;
    zis_error err = {0};
    if (zis_weights_open(&w, path, &err)) fail_msg("%s", err.text);
    return w;
}

/* The sentence with the folder's name replaced by DIR. */
static void refused(const char *path, zis_status code, const char *message)
{
    zis_weights *w = NULL;
    zis_error err = {0};
    assert_int_equal(zis_weights_open(&w, path, &err), code);
    assert_null(w);
    zis_buf text = {0};
    for (const char *p = err.text; *p;) {
        bool here = strncmp(p, folder, strlen(folder)) == 0;
        zis_buf_append(&text, here ? "DIR" : p, here ? 3 : 1);
        p += here ? strlen(folder) : 1;
    }
    assert_string_equal(text.data, message);
    zis_buf_free(&text);
}

static void check_tensor(const zis_weights *w, const char *name, int fill, const char *file)
{
    const zis_weights_entry *e = zis_weights_find(w, name);
    assert_non_null(e);
    assert_string_equal(e->name, name);
    assert_int_equal(e->bytes, 2);
    assert_int_equal(((unsigned char *)e->tensor.data)[1], fill);
    assert_non_null(strstr(e->file, file));
}

static void test_single(void **state)
{
    (void)state;
    put_tensors("any.name", "ab", 1);
    char *p = in_folder("any.name");
    zis_weights *w = open_path(p);
    assert_int_equal(zis_weights_count(w), 2);
    check_tensor(w, "a", 1, "any.name");
    assert_string_equal(zis_weights_at(w, 1)->name, "b");
    assert_null(zis_weights_find(w, "c"));
    assert_string_equal(zis_weights_meta(w, "from"), "any.name");
    assert_null(zis_weights_meta(w, "nothing"));
    assert_string_equal(zis_weights_path(w), p);
    assert_string_equal(zis_weights_format(w), "safetensors");
    assert_int_equal(zis_weights_bytes(w), 4);
    zis_error err;
    assert_int_equal(zis_weights_check(w, &err), ZIS_OK);
    assert_int_equal(truncate(p, 9), 0);
    assert_int_equal(zis_weights_check(w, &err), ZIS_IO);
    zis_weights_close(&w);
    assert_null(w);
    zis_weights_close(&w);
    zis_weights_close(NULL);
    free(p);
}

static void test_folder(void **state)
{
    (void)state;
    refused(folder, ZIS_NOT_FOUND,
            "no weights in 'DIR': looked for diffusion_pytorch_model.safetensors, "
            "model.safetensors, their .index.json, and any other .safetensors");
    put_text("config.json", "{}");
    put("old.bin", "PK\3\4", 4);
    refused(folder, ZIS_FORMAT,
            "'DIR/old.bin' begins as a zip archive, but does not end with the end record of one (4 "
            "bytes): cut short? fetch it again");
    put_tensors("one.safetensors", "a", 1);
    zis_weights *w = open_path(folder);
    check_tensor(w, "a", 1, "one.safetensors");
    zis_weights_close(&w);
    put_tensors("two.safetensors", "a", 2);
    refused(folder, ZIS_ARG,
            "'DIR' holds several weight files, name one of them: one.safetensors, two.safetensors");
    put_tensors("m-00002-of-00002.safetensors", "a", 2);
    refused(folder, ZIS_FORMAT,
            "'DIR' holds parts of a checkpoint without their index (a file "
            "*.safetensors.index.json, which comes with them): m-00002-of-00002.safetensors, "
            "one.safetensors, two.safetensors");
    put_tensors("model.safetensors", "a", 3);
    w = open_path(folder);
    check_tensor(w, "a", 3, "/model.safetensors");
    zis_weights_close(&w);
    put_tensors("diffusion_pytorch_model.safetensors", "a", 4);
    w = open_path(folder);
    check_tensor(w, "a", 4, "/diffusion_pytorch_model.safetensors");
    zis_weights_close(&w);
    put_text("model.safetensors.index.json",
             "{\"metadata\":{\"total_size\":2},\"weight_map\":{\"a\":\"two.safetensors\"}}");
    w = open_path(folder);
    check_tensor(w, "a", 2, "/two.safetensors");
    zis_weights_close(&w);
    refused("/nonexistent/model", ZIS_NOT_FOUND,
            "cannot open '/nonexistent/model': No such file or directory");
}

#define INDEX "model.safetensors.index.json"

static void test_index(void **state)
{
    (void)state;
    put_tensors("m-2.safetensors", "cd", 2);
    put_tensors("m-1.safetensors", "abx", 1); /* x is not in the index */
    put_text(INDEX,
             "{\"metadata\":{\"total_size\":12.0},\"weight_map\":{\"d\":\"m-2.safetensors\","
             "\"a\":\"m-1.safetensors\",\"b\":\"m-1.safetensors\",\"c\":\"m-2.safetensors\"}}");
    char *p = in_folder(INDEX);
    for (int named = 0; named < 2; named++) {
        zis_weights *w = open_path(named ? p : folder);
        assert_int_equal(zis_weights_count(w), 5);
        check_tensor(w, "a", 1, "m-1.safetensors");
        check_tensor(w, "x", 1, "m-1.safetensors");
        check_tensor(w, "d", 2, "m-2.safetensors");
        assert_string_equal(zis_weights_at(w, 0)->name, "a"); /* by file, then as in the file */
        assert_string_equal(zis_weights_meta(w, "from"), "m-1.safetensors");
        assert_int_equal(zis_weights_bytes(w), 10);
        zis_weights_close(&w);
    }
    free(p);

    put_text(INDEX, "{\"weight_map\":{\"a\":\"m-1.safetensors\",\"e\":\"m-2.safetensors\","
                    "\"f\":\"m-2.safetensors\"}}");
    refused(folder, ZIS_FORMAT,
            "'DIR/" INDEX "' lists 2 tensors that its files do not hold; the first is 'e', which "
            "should be in 'm-2.safetensors'");
    put_text(INDEX, "{\"weight_map\":{\"a\":\"m-2.safetensors\",\"b\":\"m-1.safetensors\"}}");
    refused(folder, ZIS_FORMAT,
            "tensor 'a' should be in 'm-2.safetensors', as the index says, but is in "
            "'DIR/m-1.safetensors'");
    put_tensors("m-2.safetensors", "xy", 3);
    put_text(INDEX, "{\"weight_map\":{\"a\":\"m-1.safetensors\",\"y\":\"m-2.safetensors\"}}");
    refused(folder, ZIS_FORMAT,
            "tensor 'x' is in 'DIR/m-1.safetensors' and also in 'DIR/m-2.safetensors'");
    put_text(INDEX, "{\"weight_map\":{\"a\":\"m-1.safetensors\",\"b\":\"m-3.safetensors\","
                    "\"c\":\"m-4.safetensors\"}}");
    refused(folder, ZIS_NOT_FOUND,
            "2 of the 3 files that the index names are missing in 'DIR': m-3.safetensors, "
            "m-4.safetensors");
    put_text("m-3.safetensors", "not weights, but long enough");
    put_text(INDEX, "{\"weight_map\":{\"a\":\"m-1.safetensors\",\"b\":\"m-3.safetensors\"}}");
    refused(folder, ZIS_FORMAT,
            "'DIR/m-3.safetensors' holds no weights that are known here (expected a safetensors or "
            "torch "
            "file)");
}

static void refused_index(const char *text, const char *message)
{
    char want[400];
    put_text(INDEX, text);
    snprintf(want, sizeof want, "'DIR/" INDEX "': %s", message);
    refused(folder, ZIS_FORMAT, want);
}

static void test_bad_index(void **state)
{
    (void)state;
    static const char *const outside[] = {
        "../m.safetensors",  "/etc/passwd", "..",  ".",     "",
        "sub/m.safetensors", "a\\\\b",      "C:m", "a\\nb",
    };
    put_tensors("m.safetensors", "a", 1);
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        char text[100], message[200];
        snprintf(text, sizeof text, "{\"weight_map\":{\"a\":\"%s\"}}", outside[i]);
        snprintf(message, sizeof message,
                 "byte 19: '%s' is not the plain name of a file in this folder",
                 i == 6   ? "a\\b"
                 : i == 8 ? "a b"
                          : outside[i]);
        refused_index(text, message);
    }
    refused_index("{\"weight_map\":{\"a\":\"m\\u0000\"}}",
                  "byte 19: 'm' is not the plain name of a file in this folder");
    refused_index("{}", "'weight_map' is missing or empty: not a shard index");
    refused_index("{\"weight_map\":{}}", "'weight_map' is missing or empty: not a shard index");
    refused_index("[]", "byte 0: expected an object");
    refused_index("{\"weight_map\":[]}", "byte 14: 'weight_map' must be an object");
    refused_index("{\"weight_map\":{\"a\":1}}", "byte 19: expected the name of a file");
    refused_index("{\"weight_map\":{\"a\\u0000\":\"m\"}}", "byte 15: a tensor name holds a NUL");
    refused_index("{\"weight_map\":{\"a\":\"m\"},\"weight_map\":{}}",
                  "byte 24: 'weight_map' is there twice");
    refused_index("{\"weight_map\":{\"a\":\"m\",\"b\":\"m\",\"a\":\"n\"}}",
                  "byte 31: tensor 'a' is there twice");
    refused_index("{\"weight_map\":{\"a\":\"m\"}",
                  "byte 23: expected ',' or '}', but the text ends "
                  "here");
    zis_buf b = {0};
    zis_buf_puts(&b, "{\"weight_map\":{\"x\":\"m\"");
    for (int i = 0; i < 1000; i++) zis_buf_printf(&b, ",\"%d\":\"%d\"", i, i);
    zis_buf_puts(&b, "}}");
    put_text(INDEX, b.data);
    refused(folder, ZIS_FORMAT, "'DIR/" INDEX "' names more than 1000 files");
    zis_buf_free(&b);
}

static void test_by_content(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        zis_status code;
        const char *message;
    } cases[] = {
        {"", 0, ZIS_FORMAT, "'DIR/x.safetensors' is empty; fetch it again"},
        {"GGUF\3\0\0\0", 8, ZIS_UNSUPPORTED,
         "'DIR/x.safetensors' is a GGUF file, which is not supported yet; use the model's "
         "safetensors file"},
        {"PK\3\4\0\0", 6, ZIS_FORMAT,
         "'DIR/x.safetensors' begins as a zip archive, but does not end with the end record of one "
         "(6 bytes): cut short? fetch it again"},
        {"\x80\2N.", 4, ZIS_FORMAT,
         "'DIR/x.safetensors' is a pickle, but not one of torch.save: it does not begin with its "
         "magic number"},
        {"version https://git-lfs.github.com/spec/v1\n", 43, ZIS_UNSUPPORTED,
         "'DIR/x.safetensors' is only a Git LFS pointer, not the weights; fetch the file itself "
         "(git "
         "lfs pull)"},
        {"<!DOCTYPE html>", 15, ZIS_UNSUPPORTED,
         "'DIR/x.safetensors' is a web page, not weights; the download went wrong, fetch it again"},
        {"\1\2\3", 3, ZIS_FORMAT,
         "'DIR/x.safetensors' holds no weights that are known here (expected a safetensors or "
         "torch file)"},
        {"\2\0\0\0\0\0\0\0{", 9, ZIS_FORMAT,
         "'DIR/x.safetensors': the header should have 2 bytes, but the file ends after 1: cut "
         "short? "
         "fetch it again"},
    };
    char *p = in_folder("x.safetensors");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put("x.safetensors", cases[i].bytes, cases[i].n);
        refused(p, cases[i].code, cases[i].message);
        refused(folder, cases[i].code, cases[i].message);
    }
    free(p);
}

static void test_special_files(void **state)
{
    (void)state;
    refused("/dev/zero", ZIS_IO, "cannot read '/dev/zero': it is not a regular file");
    char *p = in_folder("m.safetensors");
    assert_int_equal(mkfifo(p, 0600), 0);
    put_text(INDEX, "{\"weight_map\":{\"a\":\"m.safetensors\"}}");
    refused(folder, ZIS_NOT_FOUND,
            "1 of the 1 files that the index names are missing in 'DIR': m.safetensors");
    free(p);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    put_tensors("m-1.safetensors", "ab", 1);
    put_tensors("m-2.safetensors", "cd", 2);
    put_text(INDEX, "{\"weight_map\":{\"a\":\"m-1.safetensors\",\"c\":\"m-2.safetensors\"}}");
    for (long n = 1;; n++) {
        zis_weights *w = NULL;
        zis_error err = {0};
        long live = oom_live();
        oom_arm(n);
        zis_status st = zis_weights_open(&w, folder, &err);
        bool fired = oom_disarm();
        zis_weights_close(&w);
        assert_int_equal(oom_live(), live);
        assert_true(!st == !fired);
        if (!fired) break;
        assert_true(st == ZIS_NOMEM || st == ZIS_IO); /* opendir */
    }
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, drop_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_single),        IN_FOLDER(test_folder),     IN_FOLDER(test_index),
        IN_FOLDER(test_bad_index),     IN_FOLDER(test_by_content), IN_FOLDER(test_special_files),
        IN_FOLDER(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
