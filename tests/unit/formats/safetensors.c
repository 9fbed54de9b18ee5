/* The safetensors reader: each rule broken once, with the sentence that a person reads. */
#include "formats/safetensors.h"

#include "base/os.h"
#include "oom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A file with this header and n bytes of data, in a block of exact size. */
static unsigned char *file_of(const char *header, size_t n, size_t *size)
{
    uint64_t len = strlen(header);
    *size = 8 + len + n;
    unsigned char *p = malloc(*size);
    memcpy(p, &len, 8);
    memcpy(p + 8, header, len);
    for (size_t i = 0; i < n; i++) p[8 + len + i] = (unsigned char)i;
    return p;
}

static zis_safetensors *opened;

static zis_status open_text(const char *header, size_t n, zis_error *err)
{
    size_t size;
    unsigned char *p = file_of(header, n, &size);
    zis_safetensors *st = NULL;
    zis_status s = zis_safetensors_open_memory(&st, "f", p, size, err);
    assert_true(s ? st == NULL : st != NULL);
    zis_safetensors_close(&st);
    free(p);
    return s;
}

static void accepted(const char *header, size_t n)
{
    zis_error err = {0};
    if (open_text(header, n, &err)) fail_msg("%s: %s", header, err.text);
}

static void refused_as(zis_status code, const char *header, size_t n, const char *message)
{
    zis_error err = {0};
    zis_status st = open_text(header, n, &err);
    assert_string_equal(err.text, message);
    assert_int_equal(st, code);
    assert_int_equal(err.code, code);
}

static void refused(const char *header, size_t n, const char *message)
{
    refused_as(ZIS_FORMAT, header, n, message);
}

#define MEMBER(name, dtype, shape, offsets)                                                        \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
/* A file of one tensor. */
#define ONE(dtype, shape, offsets) "{" MEMBER("t", dtype, shape, offsets) "}"

static void test_reads(void **state)
{
    (void)state;
    zis_error err = {0};
    size_t size;
    /* out of order in the header, an escape, an empty tensor, a scalar, metadata, padding */
    unsigned char *p =
        file_of("{" MEMBER("b\\u00e9", "F32", "[2,1]",
                           "[6,14]") ","
                                     "\"__metadata__\":{\"k\":\"v\\n\",\"\":\"\"}," MEMBER(
                                         "a", "BF16", "[3]",
                                         "[0,6]") "," MEMBER("none", "I64", "[4,0]",
                                                             "[6,6]") "," MEMBER("one", "U8", "[]",
                                                                                 "[14,15]") "}   ",
                15, &size);
    zis_safetensors *st = NULL;
    assert_int_equal(zis_safetensors_open_memory(&st, "f", p, size, &err), ZIS_OK);
    assert_int_equal(zis_safetensors_count(st), 4);
    static const char *const order[] = {"a", "none", "b\xc3\xa9", "one"};
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(zis_safetensors_at(st, i)->name, order[i]);
        assert_ptr_equal(zis_safetensors_find(st, order[i]), zis_safetensors_at(st, i));
    }
    const zis_safetensors_entry *e = zis_safetensors_at(st, 2);
    assert_int_equal(e->tensor.dtype, ZIS_DTYPE_F32);
    assert_int_equal(e->tensor.ndim, 2);
    assert_int_equal(e->tensor.dim[0], 2);
    assert_int_equal(e->tensor.dim[1], 1);
    assert_int_equal(e->tensor.stride, 1);
    assert_int_equal(e->bytes, 8);
    assert_int_equal(e->offset, size - 15 + 6);
    assert_ptr_equal(e->tensor.data, p + e->offset);
    assert_int_equal(*(unsigned char *)e->tensor.data, 6);
    e = zis_safetensors_at(st, 3);
    assert_int_equal(e->tensor.ndim, 0);
    assert_int_equal(e->tensor.stride, 1);
    assert_int_equal(e->bytes, 1);
    assert_int_equal(zis_safetensors_at(st, 1)->bytes, 0);
    assert_null(zis_safetensors_find(st, "c"));
    assert_null(zis_safetensors_find(st, "__metadata__"));
    assert_string_equal(zis_safetensors_meta(st, "k"), "v\n");
    assert_string_equal(zis_safetensors_meta(st, ""), "");
    assert_null(zis_safetensors_meta(st, "v"));
    assert_int_equal(zis_safetensors_meta_count(st), 2);
    const char *key, *value;
    zis_safetensors_meta_at(st, 0, &key, &value);
    assert_string_equal(key, "k");
    assert_string_equal(value, "v\n");
    assert_string_equal(zis_safetensors_path(st), "f");
    assert_int_equal(zis_safetensors_check(st, &err), ZIS_OK);
    zis_safetensors_close(&st);
    assert_null(st);
    zis_safetensors_close(&st);
    zis_safetensors_close(NULL);
    free(p);

    accepted("{}", 0);
    accepted("{\"__metadata__\":{}}", 0);
    accepted("{" MEMBER("t", "U8", "[1]", "[0,1]") ", \"__metadata__\":{}}  ", 1);
    /* members of later versions are passed over */
    accepted("{\"t\":{\"new\":[{}],\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1);
    accepted(ONE("F32", "[1,2,3,4]", "[0,96]"), 96);
}

static void test_dtypes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t bytes;
    } types[] = {{"BOOL", 1}, {"U8", 1},  {"I8", 1},   {"F8_E5M2", 1}, {"F8_E4M3", 1}, {"I16", 2},
                 {"U16", 2},  {"F16", 2}, {"BF16", 2}, {"I32", 4},     {"U32", 4},     {"F32", 4},
                 {"I64", 8},  {"U64", 8}, {"F64", 8},  {"C64", 8}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char header[128];
        snprintf(header, sizeof header, ONE("%s", "[3]", "[0,%zu]"), types[i].name,
                 3 * types[i].bytes);
        accepted(header, 3 * types[i].bytes);
    }
    static const char *const unsupported[] = {"F4", "F6_E2M3", "F6_E3M2", "F8_E8M0"};
    for (size_t i = 0; i < 4; i++) {
        char header[128], message[200];
        snprintf(header, sizeof header, ONE("%s", "[4]", "[0,2]"), unsupported[i]);
        snprintf(
            message, sizeof message,
            "'f': tensor 't' (byte 22): its type %s is not supported; use a file of bf16, f16, "
            "f32 or 8-bit weights",
            unsupported[i]);
        refused_as(ZIS_UNSUPPORTED, header, 2, message);
    }
    refused(ONE("F33", "[1]", "[0,4]"), 4, "'f': tensor 't' (byte 22): unknown type 'F33'");
    refused(ONE("bf16", "[1]", "[0,2]"), 2, "'f': tensor 't' (byte 22): unknown type 'bf16'");
    refused("{\"t\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
            "'f': tensor 't' (byte 22): 'dtype' must be a string");
}

/* Rules 1 and 2. */
static void test_prefix(void **state)
{
    (void)state;
    static const struct {
        uint64_t n;
        size_t size;
        const char *message;
    } cases[] = {
        {0, 0, "'f' has only 0 bytes: not a safetensors file, or not fetched whole"},
        {0, 7, "'f' has only 7 bytes: not a safetensors file, or not fetched whole"},
        {0, 8, "'f' is not a safetensors file: byte 8 is not the '{' of a header"},
        {3, 10,
         "'f': the header should have 3 bytes, but the file ends after 2: cut short? fetch it "
         "again"},
        {100000000, 10,
         "'f': the header should have 100000000 bytes, but the file ends after 2: cut short? fetch "
         "it again"},
        {100000001, 10,
         "'f' is not a safetensors file: its first 8 bytes give a header of 100000001 bytes (at "
         "most "
         "100000000)"},
        {UINT64_MAX, 10,
         "'f' is not a safetensors file: its first 8 bytes give a header of 18446744073709551615 "
         "bytes (at most 100000000)"},
        {UINT64_MAX - 7, 16,
         "'f' is not a safetensors file: its first 8 bytes give a header of 18446744073709551608 "
         "bytes (at most 100000000)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char *p = malloc(cases[i].size ? cases[i].size : 1);
        zis_safetensors *st = NULL;
        zis_error err = {0};
        memset(p, '{', cases[i].size);
        memcpy(p, &cases[i].n, cases[i].size < 8 ? cases[i].size : 8);
        assert_int_equal(zis_safetensors_open_memory(&st, "f", p, cases[i].size, &err), ZIS_FORMAT);
        assert_string_equal(err.text, cases[i].message);
        assert_null(st);
        free(p);
    }
    refused(" {}", 0, "'f' is not a safetensors file: byte 8 is not the '{' of a header");
    refused("[]", 0, "'f' is not a safetensors file: byte 8 is not the '{' of a header");
    refused("\xef\xbb\xbf{}", 0,
            "'f' is not a safetensors file: byte 8 is not the '{' of a header");
    refused("{}x", 0, "'f': header: byte 2: expected the end of the text, found 'x'");
    refused("{", 0, "'f': header: byte 1: expected a key or '}', but the text ends here");
    refused("{\"t\":{},}", 0, "'f': tensor 't' (byte 9): 'dtype' is missing");
    refused("{\"t\xff\":{}}", 0, "'f': header: byte 3: byte 0xff is not valid UTF-8");
}

/* Rule 3. */
static void test_members(void **state)
{
    (void)state;
    refused("{\"t\":1}", 0, "'f': tensor 't' (byte 13): expected an object");
    refused("{\"t\":[]}", 0, "'f': tensor 't' (byte 13): expected an object");
    refused("{\"t\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
            "'f': tensor 't' (byte 9): 'dtype' is missing");
    refused("{\"t\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1,
            "'f': tensor 't' (byte 9): 'shape' is missing");
    refused("{\"t\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1,
            "'f': tensor 't' (byte 9): 'data_offsets' is missing");
    refused("{\"t\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
            "'f': tensor 't' (byte 27): 'dtype' is there twice");
    refused(ONE("U8", "1", "[0,1]"), 1, "'f': tensor 't' (byte 35): 'shape' must be a list");
    refused(ONE("U8", "[1]", "1"), 1, "'f': tensor 't' (byte 54): 'data_offsets' must be a list");
    refused(ONE("U8", "[1]", "[0]"), 1,
            "'f': tensor 't' (byte 56): 'data_offsets' needs two numbers");
    refused(ONE("U8", "[1]", "[0,1,1]"), 1,
            "'f': tensor 't' (byte 59): 'data_offsets' has more than two numbers");
}

#define PLAIN "must be a plain whole number from 0 to 2^53"

static void test_numbers(void **state)
{
    (void)state;
    static const char *const bad[] = {"-1",
                                      "1.0",
                                      "1e0",
                                      "\"1\"",
                                      "null",
                                      "true",
                                      "[1]",
                                      "-0",
                                      "1E+0",
                                      "0.5",
                                      "9007199254740993",
                                      "99999999999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char header[160];
        snprintf(header, sizeof header, ONE("U8", "[%s]", "[0,1]"), bad[i]);
        refused(header, 1, "'f': tensor 't' (byte 36): a dimension " PLAIN);
        snprintf(header, sizeof header, ONE("U8", "[1]", "[%s,1]"), bad[i]);
        refused(header, 1, "'f': tensor 't' (byte 55): an offset " PLAIN);
        snprintf(header, sizeof header, ONE("U8", "[1]", "[0,%s]"), bad[i]);
        refused(header, 1, "'f': tensor 't' (byte 57): an offset " PLAIN);
    }
    refused(ONE("U8", "[01]", "[0,1]"), 1, "'f': header: byte 28: a number must not start with 0");
}

static void test_dims(void **state)
{
    (void)state;
    const char *message =
        "'f': tensor 't' (byte 46): it has more than 5 dimensions, which is not supported";
    refused_as(ZIS_UNSUPPORTED, ONE("U8", "[1,1,1,1,1,1]", "[0,1]"), 1, message);
    /* thousands of them, which must not cost anything */
    char *header = malloc(300000);
    strcpy(header, "{\"t\":{\"dtype\":\"U8\",\"shape\":[1");
    for (size_t i = 0, at = strlen(header); i < 100000; i++, at += 2) strcpy(header + at, ",1");
    refused_as(ZIS_UNSUPPORTED, header, 1, message);
    free(header);
}

/* Rule 4. */
static void test_sizes(void **state)
{
    (void)state;
    refused(
        ONE("F32", "[2,3]", "[0,20]"), 20,
        "'f': tensor 't' (byte 9): shape [2, 3] of F32 needs 24 bytes, but its offsets give 20");
    refused(ONE("F32", "[]", "[0,0]"), 0,
            "'f': tensor 't' (byte 9): shape [] of F32 needs 4 bytes, but its offsets give 0");
    refused(ONE("F32", "[7,0]", "[0,4]"), 4,
            "'f': tensor 't' (byte 9): shape [7, 0] of F32 needs 0 bytes, but its offsets give 4");
    refused(ONE("U8", "[1]", "[1,0]"), 1,
            "'f': tensor 't' (byte 9): it begins at 1, behind its end at 0");
    /* products that wrap to a small number, or that would in another order */
    const char *large = "'f': tensor 't' (byte 9): its shape is too large";
    refused(ONE("U8", "[4294967296,4294967296]", "[0,0]"), 0, large);
    refused(ONE("F64", "[2305843009213693952,1]", "[0,0]"), 0,
            "'f': tensor 't' (byte 37): a dimension " PLAIN);
    refused(ONE("F64", "[9007199254740992,128]", "[0,0]"), 0, large);
    refused(ONE("U8", "[9007199254740992,9007199254740992,0]", "[0,0]"), 0, large);
    refused(ONE("U8", "[0,9007199254740992,9007199254740992]", "[0,0]"), 0, large);
    refused(ONE("U8", "[9007199254740992]", "[0,9007199254740992]"), 4,
            "'f': tensor 't' (byte 9): it ends at byte 9007199254740992 of the data, but the file "
            "has only 4: cut short? fetch it again");
    refused(ONE("U8", "[5]", "[0,5]"), 4,
            "'f': tensor 't' (byte 9): it ends at byte 5 of the data, but the file has only 4: cut "
            "short? fetch it again");
}

/* Rule 5. */
static void test_layout(void **state)
{
    (void)state;
#define TWO(offsets_a, offsets_b)                                                                  \
    "{" MEMBER("a", "U8", "[4]", offsets_a) "," MEMBER("b", "U8", "[4]", offsets_b) "}"
    accepted(TWO("[0,4]", "[4,8]"), 8);
    accepted(TWO("[4,8]", "[0,4]"), 8);
    refused(TWO("[0,4]", "[3,7]"), 7,
            "'f': tensor 'b' begins at byte 3 of the data, but what lies before ends at 4 (they "
            "overlap)");
    refused(TWO("[0,4]", "[0,4]"), 4,
            "'f': tensor 'b' begins at byte 0 of the data, but what lies before ends at 4 (they "
            "overlap)");
    refused(
        TWO("[0,4]", "[5,9]"), 9,
        "'f': tensor 'b' begins at byte 5 of the data, but what lies before ends at 4 (a hole)");
    refused(
        TWO("[1,5]", "[5,9]"), 9,
        "'f': tensor 'a' begins at byte 1 of the data, but what lies before ends at 0 (a hole)");
    refused(TWO("[0,4]", "[4,8]"), 9,
            "'f': the tensors end at byte 8 of the data, but the file has 9 bytes of data");
    refused("{}", 1,
            "'f': the tensors end at byte 0 of the data, but the file has 1 bytes of data");
    /* an empty tensor in the middle of another lies in no place of its own */
    refused("{" MEMBER("a", "U8", "[4]", "[0,4]") "," MEMBER("b", "U8", "[0]", "[2,2]") "}", 4,
            "'f': tensor 'b' begins at byte 2 of the data, but what lies before ends at 4 (they "
            "overlap)");
    accepted("{" MEMBER("a", "U8", "[4]", "[0,4]") "," MEMBER("b", "U8", "[0]", "[0,0]") "," MEMBER(
                 "c", "U8", "[0]", "[4,4]") "}",
             4);
}

/* Rule 6, and names that must not be printed. */
static void test_names(void **state)
{
    (void)state;
#define NAMED(name) "{" MEMBER(name, "U8", "[1]", "[0,1]") "}"
    accepted(NAMED("a b/c.\\\"\\\\\\u00e9\xf0\x9f\x98\x80"), 1);
    accepted(NAMED(""), 1);
    refused("{" MEMBER("t", "U8", "[1]", "[0,1]") "," MEMBER("t", "U8", "[1]", "[1,2]") "}", 2,
            "'f': the tensor 't' is there twice");
    refused("{" MEMBER("t", "U8", "[1]", "[0,1]") "," MEMBER("\\u0074", "U8", "[1]", "[1,2]") "}",
            2, "'f': the tensor 't' is there twice");
    static const char *const bad[] = {
        NAMED("a\\u0000b"), NAMED("a\\nb"),    NAMED("\\u001b[31m"),
        NAMED("a\x7f"),     NAMED("a\\u0080"), NAMED("a\xc2\x9f"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused(bad[i], 1, "'f': the tensor name at byte 9 holds a control character");
    refused(NAMED("\\ud800"), 1,
            "'f': header: byte 2: half of a surrogate pair without the other half");
    refused(NAMED("a\tb"), 1,
            "'f': header: byte 3: control character 0x09 in a string (must be escaped)");
    refused(NAMED("\xc3("), 1, "'f': header: byte 2: byte 0xc3 is not valid UTF-8");
    /* a long name is cut in messages, at a whole character */
    char header[600] = "{\"", want[400];
    for (int i = 0; i < 120; i++) strcat(header, "\xc3\xa9");
    strcat(header, "\":1}");
    strcpy(want, "'f': tensor '");
    for (int i = 0; i < 50; i++) strcat(want, "\xc3\xa9");
    strcat(want, "' (byte 252): expected an object");
    refused(header, 0, want);
}

static void test_metadata(void **state)
{
    (void)state;
    refused("{\"__metadata__\":{\"a\":1}}", 0,
            "'f': __metadata__ may hold only strings without NUL, but 'a' (byte 29) is not one");
    refused("{\"__metadata__\":{\"a\":{\"b\":\"c\"}}}", 0,
            "'f': __metadata__ may hold only strings without NUL, but 'a' (byte 29) is not one");
    refused("{\"__metadata__\":{\"a\":null}}", 0,
            "'f': __metadata__ may hold only strings without NUL, but 'a' (byte 29) is not one");
    refused("{\"__metadata__\":{\"a\":\"\\u0000\"}}", 0,
            "'f': __metadata__ may hold only strings without NUL, but 'a' (byte 29) is not one");
    refused("{\"__metadata__\":[]}", 0, "'f': __metadata__ (byte 24) must be an object");
    refused("{\"__metadata__\":{},\"__metadata__\":{}}", 0,
            "'f': __metadata__ is there twice (byte 27)");
    refused("{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", 0,
            "'f': the metadata key 'a' is there twice");
    refused("{\"__metadata__\":{\"a\\u001b\":\"\"}}", 0,
            "'f': the metadata key at byte 25 holds a control character");
}

static void test_depth(void **state)
{
    (void)state;
    size_t n = 1 << 20;
    char *header = malloc(n + 1);
    memset(header, '{', n);
    header[n] = '\0';
    refused(header, 0, "'f': header: byte 1: expected a key or '}', found '{'");
    memcpy(header, "{\"t\":{\"x\":", 10);
    memset(header + 10, '[', n - 10);
    refused(header, 0, "'f': header: byte 72: nested deeper than 64 levels");
    free(header);
}

/* A hundred thousand tensors are opened and found in a moment. */
static void test_many(void **state)
{
    (void)state;
    enum { N = 100000 };
    size_t room = N * 80u, at = 0, size;
    char *header = malloc(room);
    zis_error err = {0};
    for (int i = 0; i < N; i++)
        at += (size_t)snprintf(header + at, room - at, "%s" MEMBER("%d", "U8", "[1]", "[%d,%d]"),
                               i ? "," : "{", N - i, i, i + 1);
    strcpy(header + at, "}");
    unsigned char *p = file_of(header, N, &size);
    zis_safetensors *st = NULL;
    double t = zis_os_now();
    assert_int_equal(zis_safetensors_open_memory(&st, "f", p, size, &err), ZIS_OK);
    for (int i = 0; i < N; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", N - i);
        assert_ptr_equal(zis_safetensors_find(st, name), zis_safetensors_at(st, (size_t)i));
    }
    assert_true(zis_os_now() - t < 10);
    zis_safetensors_close(&st);
    free(p);
    free(header);
}

static void test_file(void **state)
{
    (void)state;
    char path[] = "/tmp/zis-safetensors-XXXXXX", want[200];
    zis_error err = {0};
    size_t size;
    unsigned char *p = file_of(ONE("U8", "[10]", "[0,10]"), 10, &size);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(zis_os_write_file(path, p, size, &err), ZIS_OK);
    assert_int_equal(zis_safetensors_open(&opened, path, &err), ZIS_OK);
    assert_int_equal(((unsigned char *)zis_safetensors_find(opened, "t")->tensor.data)[9], 9);
    assert_int_equal(zis_safetensors_check(opened, &err), ZIS_OK);
    /* cut short while it is open */
    assert_int_equal(truncate(path, 20), 0);
    assert_int_equal(zis_safetensors_check(opened, &err), ZIS_IO);
    snprintf(want, sizeof want, "'%s' was cut from %zu to 20 bytes while it was in use", path,
             size);
    assert_string_equal(err.text, want);
    zis_safetensors_close(&opened);
    /* cut short before */
    assert_int_equal(zis_safetensors_open(&opened, path, &err), ZIS_FORMAT);
    assert_non_null(strstr(err.text, "cut short? fetch it again"));
    assert_int_equal(zis_os_write_file(path, p, size - 1, &err), ZIS_OK);
    assert_int_equal(zis_safetensors_open(&opened, path, &err), ZIS_FORMAT);
    assert_non_null(strstr(err.text, "cut short? fetch it again"));
    unlink(path);
    assert_int_equal(zis_safetensors_open(&opened, path, &err), ZIS_NOT_FOUND);
    /* devices, pipes and folders */
    assert_int_equal(zis_safetensors_open(&opened, "/dev/zero", &err), ZIS_IO);
    assert_int_equal(zis_safetensors_open(&opened, "/tmp", &err), ZIS_IO);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(zis_safetensors_open(&opened, path, &err), ZIS_IO);
    unlink(path);
    assert_int_equal(symlink("/dev/zero", path), 0);
    assert_int_equal(zis_safetensors_open(&opened, path, &err), ZIS_IO);
    unlink(path);
    assert_null(opened);
    free(p);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    size_t size;
    unsigned char *p =
        file_of("{\"__metadata__\":{\"k\":\"\\n\"}," MEMBER("t\\u0065", "U8", "[1]", "[0,1]") "}",
                1, &size);
    for (long n = 1;; n++) {
        zis_error err = {0};
        zis_safetensors *st = NULL;
        long live = oom_live();
        oom_arm(n);
        zis_status s = zis_safetensors_open_memory(&st, "f", p, size, &err);
        bool fired = oom_disarm();
        zis_safetensors_close(&st);
        assert_int_equal(oom_live(), live);
        if (!fired && s) fail_msg("%s", err.text);
        assert_int_equal(s, fired ? ZIS_NOMEM : ZIS_OK);
        if (!fired) break;
    }
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),   cmocka_unit_test(test_dtypes),
        cmocka_unit_test(test_prefix),  cmocka_unit_test(test_members),
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_dims),
        cmocka_unit_test(test_sizes),   cmocka_unit_test(test_layout),
        cmocka_unit_test(test_names),   cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_depth),   cmocka_unit_test(test_many),
        cmocka_unit_test(test_file),    cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
