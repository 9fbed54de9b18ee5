/* Both JSON readers: the public suite (y_ accepted, n_ refused, i_ without crash), then what our
 * own files need. */
#include "base/json.h"

#include "base/os.h"
#include "oom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static zis_status walk(const void *data, size_t n, zis_error *err)
{
    zis_json j;
    zis_json_token t = {0};
    zis_json_init(&j, "text", data, n);
    zis_status st;
    do st = zis_json_next(&j, &t, err);
    while (!st && t.type != ZIS_JSON_END);
    zis_json_deinit(&j);
    return st;
}

static zis_status doc(const void *data, size_t n, zis_error *err)
{
    zis_json_doc *d = NULL;
    zis_status st = zis_json_doc_parse(&d, "text", data, n, err);
    assert_true(st ? d == NULL : d != NULL);
    zis_json_doc_destroy(&d);
    return st;
}

static void test_suite(void **state)
{
    (void)state;
    const char *folder = ZIS_SOURCE_DIR "/tests/data/json-suite";
    char **names;
    size_t n;
    int seen = 0;
    zis_error err;
    assert_int_equal(zis_os_list(&names, &n, folder, &err), ZIS_OK);
    for (size_t i = 0; i < n; i++) {
        char *text, *path = zis_os_join(folder, names[i]);
        size_t size;
        if (names[i][1] == '_') {
            assert_int_equal(zis_os_read_file(&text, &size, path, 1 << 20, &err), ZIS_OK);
            char *exact = malloc(size ? size : 1); /* so that a sanitizer sees the end */
            memcpy(exact, text, size);
            zis_status a = walk(exact, size, &err);
            zis_status b = doc(exact, size, &err);
            free(exact);
            free(text);
            if (names[i][0] == 'y' && (a || b)) fail_msg("refused: %s", names[i]);
            if (names[i][0] == 'n' && (!a || !b)) fail_msg("accepted: %s", names[i]);
            seen++;
        }
        free(path);
    }
    assert_int_equal(seen, 318);
    zis_os_list_free(names, n);
}

/* The whole sentence. */
static void refused(const char *text, const char *message)
{
    zis_error err = {0};
    assert_int_equal(walk(text, strlen(text), &err), ZIS_FORMAT);
    assert_int_equal(err.code, ZIS_FORMAT);
    assert_string_equal(err.text, message);
}

static void test_messages(void **state)
{
    (void)state;
    refused("", "text: byte 0: expected a value, but the text ends here");
    refused("{\"a\" 1}", "text: byte 5: expected ':' after the key, found '1'");
    refused("{\"a\": 1 \"b\": 2}", "text: byte 8: expected ',' or '}', found '\"'");
    refused("{\"a\": 1,}", "text: byte 8: expected a key in quotes, found '}'");
    refused("[1,]", "text: byte 3: expected a value, found ']'");
    refused("[1 2]", "text: byte 3: expected ',' or ']', found '2'");
    refused("[1] x", "text: byte 4: expected the end of the text, found 'x'");
    refused("[01]", "text: byte 1: a number must not start with 0");
    refused("[1.]", "text: byte 3: expected a digit after the point, found ']'");
    refused("[1e]", "text: byte 3: expected a digit in the exponent, found ']'");
    refused("[-]", "text: byte 2: expected a digit, found ']'");
    refused("[NaN]", "text: byte 1: expected a value, found 'N'");
    refused("[\"abc", "text: byte 1: this string has no end");
    refused("[\"a\\x\"]", "text: byte 3: unknown escape in a string");
    refused("[\"\\u12g4\"]", "text: byte 2: \\u needs four hexadecimal digits");
    refused("[\"\\ud800\"]", "text: byte 2: half of a surrogate pair without the other half");
    refused("[\"\\udc00\\ud800\"]",
            "text: byte 2: half of a surrogate pair without the other half");
    refused("[\"\n\"]", "text: byte 2: control character 0x0a in a string (must be escaped)");
    refused("[\"\xff\"]", "text: byte 2: byte 0xff is not valid UTF-8");
    refused("[\"\xed\xa0\x80\"]", "text: byte 2: byte 0xed is not valid UTF-8"); /* surrogate */
    refused("[\"\xc0\xaf\"]", "text: byte 2: byte 0xc0 is not valid UTF-8");     /* overlong */
    refused("[\"\xf4\x90\x80\x80\"]", "text: byte 2: byte 0xf4 is not valid UTF-8");
    refused("\xef\xbb\xbf{}", "text: byte 0: expected a value, found byte 0xef");
}

static void test_depth(void **state)
{
    (void)state;
    char text[2 * ZIS_JSON_DEPTH + 3];
    zis_error err;
    for (int extra = 0; extra < 2; extra++) {
        int n = ZIS_JSON_DEPTH + extra;
        memset(text, '[', (size_t)n);
        memset(text + n, ']', (size_t)n);
        zis_status want = extra ? ZIS_FORMAT : ZIS_OK;
        assert_int_equal(walk(text, 2 * (size_t)n, &err), want);
        assert_int_equal(doc(text, 2 * (size_t)n, &err), want);
    }
    assert_string_equal(err.text, "text: byte 64: nested deeper than 64 levels");
}

static void next_is(zis_json *j, zis_json_type type, const char *text, size_t len, size_t at)
{
    zis_json_token t;
    zis_error err;
    assert_int_equal(zis_json_next(j, &t, &err), ZIS_OK);
    assert_int_equal(t.type, type);
    assert_int_equal(t.at, at);
    if (!text) return;
    assert_int_equal(t.len, len);
    assert_memory_equal(t.text, text, len);
}

static void test_tokens(void **state)
{
    (void)state;
    static const char text[] =
        " {\"k\\n\": [true, false, null, -1.5e3, \"a\\u0000\\ud83d\\ude00\\\"z\"], \"\": {}} ";
    zis_json j;
    zis_json_init(&j, "text", text, strlen(text));
    next_is(&j, ZIS_JSON_OBJECT_BEGIN, NULL, 0, 1);
    next_is(&j, ZIS_JSON_KEY, "k\n", 2, 2);
    next_is(&j, ZIS_JSON_ARRAY_BEGIN, NULL, 0, 9);
    next_is(&j, ZIS_JSON_TRUE, NULL, 0, 10);
    next_is(&j, ZIS_JSON_FALSE, NULL, 0, 16);
    next_is(&j, ZIS_JSON_NULL, NULL, 0, 23);
    next_is(&j, ZIS_JSON_NUMBER, "-1.5e3", 6, 29);
    next_is(&j, ZIS_JSON_STRING, "a\0\xf0\x9f\x98\x80\"z", 8, 37);
    next_is(&j, ZIS_JSON_ARRAY_END, NULL, 0, 61);
    next_is(&j, ZIS_JSON_KEY, "", 0, 64);
    next_is(&j, ZIS_JSON_OBJECT_BEGIN, NULL, 0, 68);
    next_is(&j, ZIS_JSON_OBJECT_END, NULL, 0, 69);
    next_is(&j, ZIS_JSON_OBJECT_END, NULL, 0, 70);
    next_is(&j, ZIS_JSON_END, NULL, 0, strlen(text));
    next_is(&j, ZIS_JSON_END, NULL, 0, strlen(text)); /* and again */
    zis_json_deinit(&j);
}

/* Runs of plain text of all lengths, ended by each kind of special byte: the word-wise scan. */
static void test_runs(void **state)
{
    (void)state;
    char text[64];
    zis_error err;
    for (size_t n = 0; n < 40; n++) {
        memset(text, 'x', sizeof text);
        text[0] = '"';
        text[n + 1] = '"';
        assert_int_equal(walk(text, n + 2, &err), ZIS_OK);
        text[n + 1] = '\x7f';
        text[n + 2] = '"';
        assert_int_equal(walk(text, n + 3, &err), ZIS_OK);
        memcpy(text + n + 1, "\xc3\xa9\\t\"", 5);
        assert_int_equal(walk(text, n + 6, &err), ZIS_OK);
        text[n + 1] = '\x1f';
        assert_int_equal(walk(text, n + 6, &err), ZIS_FORMAT);
        text[n + 1] = '\x80';
        assert_int_equal(walk(text, n + 6, &err), ZIS_FORMAT);
    }
}

static void test_skip(void **state)
{
    (void)state;
    static const char text[] = "{\"a\": {\"x\": [1, {\"y\": []}]}, \"b\": 7, \"c\": \"s\"}";
    zis_json j;
    zis_json_token t;
    zis_error err;
    int64_t v = 0;
    zis_json_init(&j, "text", text, strlen(text));
    assert_int_equal(zis_json_next(&j, &t, &err), ZIS_OK);
    assert_int_equal(zis_json_next(&j, &t, &err), ZIS_OK);
    assert_true(zis_json_is(&t, "a"));
    assert_false(zis_json_is(&t, "ab"));
    assert_int_equal(zis_json_next(&j, &t, &err), ZIS_OK);
    assert_int_equal(zis_json_skip(&j, &t, &err), ZIS_OK); /* an object */
    assert_int_equal(zis_json_next(&j, &t, &err), ZIS_OK);
    assert_true(zis_json_is(&t, "b"));
    assert_int_equal(zis_json_next(&j, &t, &err), ZIS_OK);
    assert_int_equal(zis_json_skip(&j, &t, &err), ZIS_OK); /* a scalar: nothing */
    assert_int_equal(zis_json_int(&j, &t, &v, &err), ZIS_OK);
    assert_int_equal(v, 7);
    assert_int_equal(zis_json_next(&j, &t, &err), ZIS_OK);
    assert_true(zis_json_is(&t, "c"));
    assert_int_equal(zis_json_skip(&j, &t, &err), ZIS_OK); /* a key: its value */
    assert_int_equal(zis_json_next(&j, &t, &err), ZIS_OK);
    assert_int_equal(t.type, ZIS_JSON_OBJECT_END);
    zis_json_deinit(&j);
}

static zis_status number(const char *text, int64_t *i, double *d, zis_error *err)
{
    zis_json j;
    zis_json_token t;
    zis_json_init(&j, "text", text, strlen(text));
    zis_status st = zis_json_next(&j, &t, err);
    if (!st) st = i ? zis_json_int(&j, &t, i, err) : zis_json_double(&j, &t, d, err);
    zis_json_deinit(&j);
    return st;
}

static void test_numbers(void **state)
{
    (void)state;
    zis_error err;
    int64_t i = 42;
    double d = 42;
    assert_int_equal(number("9223372036854775807", &i, NULL, &err), ZIS_OK);
    assert_true(i == INT64_MAX);
    assert_int_equal(number("-9223372036854775808", &i, NULL, &err), ZIS_OK);
    assert_true(i == INT64_MIN);
    assert_int_equal(number("9223372036854775808", &i, NULL, &err), ZIS_FORMAT);
    assert_string_equal(err.text,
                        "text: byte 0: the number 9223372036854775808 does not fit into 64 bits");
    assert_int_equal(number("-9223372036854775809", &i, NULL, &err), ZIS_FORMAT);
    assert_int_equal(number("1.0", &i, NULL, &err), ZIS_FORMAT);
    assert_int_equal(number("1e2", &i, NULL, &err), ZIS_FORMAT);
    assert_int_equal(number("\"1\"", &i, NULL, &err), ZIS_FORMAT);
    assert_true(i == INT64_MIN); /* untouched */

    assert_int_equal(number("-1.5e3", NULL, &d, &err), ZIS_OK);
    assert_true(d == -1500);
    assert_int_equal(number("0.1", NULL, &d, &err), ZIS_OK);
    assert_true(d == 0.1);
    assert_int_equal(number("1e-999", NULL, &d, &err), ZIS_OK);
    assert_true(d == 0);
    assert_int_equal(number("1e999", NULL, &d, &err), ZIS_FORMAT);
    assert_string_equal(err.text, "text: byte 0: the number 1e999 is too large");
    assert_int_equal(number("-1e999", NULL, &d, &err), ZIS_FORMAT);
    assert_int_equal(
        number("1.00000000000000000000000000000000000000000000000000000000000000000000000000000000"
               "00000000000000000000000000000000000000",
               NULL, &d, &err),
        ZIS_OK);
    assert_true(d == 1);
}

static zis_json_doc *parse(const char *text)
{
    zis_json_doc *d = NULL;
    zis_error err = {0};
    if (zis_json_doc_parse(&d, "config.json", text, strlen(text), &err)) fail_msg("%s", err.text);
    return d;
}

static void test_doc(void **state)
{
    (void)state;
    zis_json_doc *d = parse("{\"a\": {\"b\": [1, 2.5, \"x\"], \"t\": true}, \"n\": null, \"e\": [],"
                            " \"s\": \"nul\\u0000\", \"neg\": -3}");
    zis_error err = {0};
    int64_t i = 99;
    double v = 99;
    bool flag = false;
    assert_true(zis_json_doc_has(d, "a.b"));
    assert_true(zis_json_doc_has(d, "n"));
    assert_false(zis_json_doc_has(d, "a.b.3"));
    assert_int_equal(zis_json_doc_int(d, "a.b.0", 0, 10, &i, &err), ZIS_OK);
    assert_int_equal(i, 1);
    assert_int_equal(zis_json_doc_int(d, "a.b.#", 0, 10, &i, &err), ZIS_OK);
    assert_int_equal(i, 3);
    assert_int_equal(zis_json_doc_int(d, "e.#", 0, 10, &i, &err), ZIS_OK);
    assert_int_equal(i, 0);
    assert_int_equal(zis_json_doc_int(d, "absent", 5, 10, &i, &err), ZIS_OK);
    assert_int_equal(zis_json_doc_int(d, "n", 5, 10, &i, &err), ZIS_OK);
    assert_int_equal(i, 0);
    assert_int_equal(zis_json_doc_double(d, "a.b.1", 0, 10, &v, &err), ZIS_OK);
    assert_true(v == 2.5);
    assert_int_equal(zis_json_doc_double(d, "a.b.0", 0, 10, &v, &err), ZIS_OK);
    assert_true(v == 1);
    assert_int_equal(zis_json_doc_bool(d, "a.t", &flag, &err), ZIS_OK);
    assert_true(flag);
    assert_string_equal(zis_json_doc_string(d, "a.b.2"), "x");
    assert_null(zis_json_doc_string(d, "s")); /* a NUL inside */
    assert_null(zis_json_doc_string(d, "a.t"));
    assert_null(zis_json_doc_string(d, "absent"));

    assert_int_equal(zis_json_doc_int(d, "a.b.1", 0, 10, &i, &err), ZIS_FORMAT);
    assert_string_equal(
        err.text, "config.json: byte 16: 'a.b.1' is 2.5, expected a whole number from 0 to 10");
    assert_int_equal(zis_json_doc_int(d, "neg", 0, 10, &i, &err), ZIS_FORMAT);
    assert_int_equal(zis_json_doc_double(d, "a.b.2", 0, 1, &v, &err), ZIS_FORMAT);
    assert_string_equal(err.text,
                        "config.json: byte 21: 'a.b.2' is \"x\", expected a number from 0 to 1");
    assert_int_equal(zis_json_doc_bool(d, "a.b", &flag, &err), ZIS_FORMAT);
    assert_string_equal(err.text, "config.json: byte 12: 'a.b' is a list, expected true or false");
    assert_int_equal(i, 0);
    assert_true(v == 1 && flag);
    zis_json_doc_destroy(&d);
    assert_null(d);
    zis_json_doc_destroy(&d);
}

/* Of a key that comes twice the last value counts, with all that is below it. */
static void test_doc_twice(void **state)
{
    (void)state;
    static const char text[] =
        "{\"a\": {\"x\": 1, \"y\": [1, 2]}, \"n\": 1, \"a\": {\"x\": 3, \"x\": 4},"
        " \"n\": {\"m\": 5}, \"p.q\": 6, \"p\": {\"q\": 7}}";
    zis_json_doc *d = NULL;
    zis_error err = {0};
    int64_t v = 0;
    assert_int_equal(zis_json_doc_parse(&d, "text", text, sizeof text - 1, &err), ZIS_OK);
    assert_int_equal(zis_json_doc_int(d, "a.x", 0, 9, &v, &err), ZIS_OK);
    assert_int_equal(v, 4);
    assert_true(zis_json_doc_has(d, "a") && zis_json_doc_has(d, "n"));
    assert_false(zis_json_doc_has(d, "a.y") || zis_json_doc_has(d, "a.y.#") ||
                 zis_json_doc_has(d, "a.y.0"));
    assert_int_equal(zis_json_doc_int(d, "n.m", 0, 9, &v, &err), ZIS_OK);
    assert_int_equal(v, 5);
    assert_int_equal(zis_json_doc_int(d, "p.q", 0, 9, &v, &err), ZIS_OK);
    assert_int_equal(v, 7);
    zis_json_doc_destroy(&d);
}

static void doc_refused(const char *text, const char *message)
{
    zis_error err = {0};
    assert_int_equal(doc(text, strlen(text), &err), ZIS_FORMAT);
    assert_string_equal(err.text, message);
}

static void test_doc_refuses(void **state)
{
    (void)state;
    doc_refused("{\"a\": 1, \"a\": 2",
                "text: byte 15: expected ',' or '}', but the text ends here");

    /* one byte too many */
    size_t n = (64u << 10) + 1;
    char *text = malloc(n);
    zis_error err = {0};
    memset(text, ' ', n);
    memcpy(text, "{}", 2);
    assert_int_equal(doc(text, n - 1, &err), ZIS_OK);
    assert_int_equal(doc(text, n, &err), ZIS_FORMAT);
    assert_string_equal(err.text,
                        "text has 65537 bytes: more than the 64 KB that a configuration may have");

    /* a long key above many values: 30 KB times 15000 */
    memset(text, '1', n - 1);
    memcpy(text, "{\"", 2);
    memset(text + 2, 'k', 30000);
    memcpy(text + 30002, "\":[", 3);
    size_t at = 30005;
    while (at < 60000) {
        text[at++] = '1';
        text[at++] = ',';
    }
    memcpy(text + at, "1]}", 3);
    assert_int_equal(doc(text, at + 3, &err), ZIS_FORMAT);
    assert_non_null(strstr(err.text, "too many long keys"));
    free(text);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    static const char text[] = "{\"a\\n\": {\"b\": [1, 2, \"\\u00e9\"]}, \"c\": \"long enough\"}";
    long live = oom_live();
    for (long n = 1;; n++) {
        zis_error err = {0};
        oom_arm(n);
        zis_status a = walk(text, sizeof text - 1, &err);
        zis_status b = doc(text, sizeof text - 1, &err);
        bool fired = oom_disarm();
        assert_int_equal(oom_live(), live);
        if (!fired) {
            assert_true(!a && !b);
            assert_true(n > 10 || !OOM_TEST);
            return;
        }
        assert_true((a == ZIS_NOMEM) != (b == ZIS_NOMEM));
        assert_int_equal(err.code, ZIS_NOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suite),         cmocka_unit_test(test_messages),
        cmocka_unit_test(test_depth),         cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_runs),          cmocka_unit_test(test_skip),
        cmocka_unit_test(test_numbers),       cmocka_unit_test(test_doc),
        cmocka_unit_test(test_doc_twice),     cmocka_unit_test(test_doc_refuses),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
