/* The whole tokenizer: the check vectors of text-encoder.md 6 with the real files, the template,
 * and files that are broken or not Qwen's. */
#include "text/tokenizer.h"

#include "unit/text/tiny.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define QWEN3 ZIS_SOURCE_DIR "/tests/golden/data/tokenizer/qwen3"

static zis_tokenizer *open_qwen3(void)
{
    zis_tokenizer *tok = NULL;
    zis_error err = {0};
    if (zis_tokenizer_open(&tok, QWEN3, &err)) fail_msg("%s", err.text);
    return tok;
}

static void ids_are(
    const zis_tokenizer *tok, const char *text, size_t len, const int32_t *want, size_t n_want)
{
    int32_t *ids = NULL;
    size_t n = 0;
    zis_error err = {0};
    if (zis_tokenizer_encode(tok, text, len, &ids, &n, &err)) fail_msg("%s", err.text);
    assert_non_null(ids);
    assert_int_equal(n, n_want);
    if (n) assert_memory_equal(ids, want, n * sizeof *ids);
    free(ids);
}

static const struct {
    const char *prompt;
    int n;
    int32_t ids[20];
} vectors[] = {
    {"", 0, {0}},
    {"a cat", 2, {64, 8251}},
    {"a red apple on a wooden table", 7, {64, 2518, 23268, 389, 264, 22360, 1965}},
    {"masterpiece, 8k", 6, {13629, 22362, 11, 220, 23, 74}},
    {"blurry, lowres, distorted", 7, {33542, 884, 11, 3347, 416, 11, 61136}},
    {"\u9020\u76F8\u300CZ-IMAGE-TURBO\u300D",
     10,
     {66078, 48921, 12881, 57, 12, 29926, 9285, 1511, 4677, 10429}},
    {"\u26A1\uFE0F neon  caf\u00E9\n\n 1234567",
     14,
     {144995, 30543, 46652, 220, 51950, 271, 220, 16, 17, 18, 19, 20, 21, 22}},
    {"I'll say \"HELLO\"  ", 8, {40, 3278, 1977, 330, 50712, 1593, 1, 256}},
    {"<|im_end|> hi", 2, {151645, 15588}},
    {"<think>x</think>", 3, {151667, 87, 151668}},
    {"it's 3.14\tend", 8, {275, 594, 220, 18, 13, 16, 19, 6246}},
    {"na\u00EFve \u00E9", 4, {3376, 37572, 586, 3958}},
    {"nai\u0308ve e\u0301", 4, {3376, 37572, 586, 3958}},
    {"  leading", 2, {220, 6388}},
};

static void test_vectors(void **state)
{
    zis_tokenizer *tok = *state;
    static const int32_t before[3] = {151644, 872, 198};
    static const int32_t after[5] = {151645, 198, 151644, 77091, 198};
    for (size_t v = 0; v < sizeof vectors / sizeof *vectors; v++) {
        const char *prompt = vectors[v].prompt;
        int32_t *ids = NULL;
        size_t n = 0, total = 0, m = (size_t)vectors[v].n;
        zis_error err = {0};
        ids_are(tok, prompt, strlen(prompt), vectors[v].ids, m);
        assert_int_equal(
            zis_tokenizer_encode_prompt(tok, prompt, strlen(prompt), &ids, &n, &total, &err), 0);
        assert_int_equal(n, m + 8);
        assert_int_equal(total, n);
        assert_memory_equal(ids, before, sizeof before);
        if (m) assert_memory_equal(ids + 3, vectors[v].ids, m * sizeof *ids);
        assert_memory_equal(ids + 3 + m, after, sizeof after);
        free(ids);
    }
    assert_int_equal(zis_tokenizer_vocab(tok), 151669);
}

/* The template belongs to the text: white space at the start of the prompt joins its line end. */
static void test_template_joins(void **state)
{
    zis_tokenizer *tok = *state;
    static const char whole[] = "<|im_start|>user\n\n\n x<|im_end|>\n<|im_start|>assistant\n";
    int32_t *ids = NULL, *plain = NULL;
    size_t n, total, n_plain;
    zis_error err = {0};
    assert_int_equal(zis_tokenizer_encode_prompt(tok, "\n\n x", 4, &ids, &n, &total, &err), 0);
    assert_int_equal(zis_tokenizer_encode(tok, whole, sizeof whole - 1, &plain, &n_plain, &err), 0);
    assert_int_equal(n, n_plain);
    assert_memory_equal(ids, plain, n * sizeof *ids);
    free(ids);
    free(plain);
}

static void test_cut(void **state)
{
    zis_tokenizer *tok = *state;
    zis_buf text = {0};
    int32_t *ids = NULL;
    size_t n, total;
    zis_error err = {0};
    for (int i = 0; i < 504; i++) zis_buf_puts(&text, "1");
    assert_int_equal(zis_tokenizer_encode_prompt(tok, text.data, 504, &ids, &n, &total, &err), 0);
    assert_int_equal(n, 512);
    assert_int_equal(total, 512);
    free(ids);
    zis_buf_puts(&text, "1");
    assert_int_equal(zis_tokenizer_encode_prompt(tok, text.data, 505, &ids, &n, &total, &err), 0);
    assert_int_equal(n, 512);
    assert_int_equal(total, 513);
    assert_int_equal(ids[511], 77091); /* the last line end is lost */
    free(ids);
    zis_buf_free(&text);
}

static void test_text(void **state)
{
    zis_tokenizer *tok = *state;
    int32_t *ids = NULL;
    size_t n = 7;
    zis_error err = {0};
    ids_are(tok, "a\0b", 3, (const int32_t[]){64, 188, 65}, 3);
    static const struct {
        const char *text;
        size_t len, at;
    } bad[] = {
        {"seventeen bytes..\xFF", 18, 17},
        {"\xC3", 1, 0},
        {"a\xC0\x80", 3, 1},
        {"\xED\xA0\x80", 3, 0},
        {"\xE4\xB8", 2, 0},
        {"\xF4\x90\x80\x80", 4, 0},
        {"ab\x80", 3, 2},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char want[80];
        size_t total;
        snprintf(want, sizeof want, "the prompt is not valid UTF-8 at byte %zu", bad[i].at);
        assert_int_equal(zis_tokenizer_encode(tok, bad[i].text, bad[i].len, &ids, &n, &err),
                         ZIS_ARG);
        assert_string_equal(err.text, want);
        assert_int_equal(
            zis_tokenizer_encode_prompt(tok, bad[i].text, bad[i].len, &ids, &n, &total, &err),
            ZIS_ARG);
        assert_string_equal(err.text, want);
    }
    assert_null(ids);
    assert_int_equal(n, 7);
    size_t huge = ZIS_TOKENIZER_TEXT_MAX + 1;
    char *text = calloc(huge, 1);
    assert_non_null(text);
    assert_int_equal(zis_tokenizer_encode(tok, text, huge, &ids, &n, &err), ZIS_ARG);
    free(text);
}

static int setup_qwen3(void **state)
{
    *state = open_qwen3();
    return 0;
}

static int teardown(void **state)
{
    zis_tokenizer *tok = *state;
    zis_tokenizer_close(&tok);
    zis_tokenizer_close(&tok);
    return 0;
}

static void test_tiny(void **state)
{
    (void)state;
    zis_buf json = {0}, vocab = {0}, config = {0};
    zis_tokenizer *tok[2] = {NULL, NULL};
    zis_error err = {0};
    tiny_json(&json);
    tiny_vocab(&vocab);
    tiny_config(&config);
    if (zis_tokenizer_open_json(&tok[0], "t.json", json.data, json.len, &err))
        fail_msg("%s", err.text);
    if (zis_tokenizer_open_parts(&tok[1], vocab.data, vocab.len, "#version: 0.2\n" TINY_MERGES,
                                 14 + strlen(TINY_MERGES), config.data, config.len, &err))
        fail_msg("%s", err.text);
    for (int i = 0; i < 2; i++) {
        ids_are(tok[i], "abc abuser<|im_start|>rn", 24,
                (const int32_t[]){257, ' ', 256, 261, TINY_START, 262}, 6);
        ids_are(tok[i], "x a", 3, (const int32_t[]){'x', 258}, 2);
        ids_are(tok[i], "e\u0301<|im_end|>", 13, (const int32_t[]){0xC3, 0xA9, TINY_END}, 3);
        assert_int_equal(zis_tokenizer_vocab(tok[i]), 265);
        zis_tokenizer_close(&tok[i]);
    }
    /* Merges before the vocabulary, and no normaliser. */
    char *merges = strstr(json.data, ", \"merges\"");
    char *model = strstr(json.data, "\"vocab\"");
    zis_buf other = {0};
    zis_buf_append(&other, json.data, (size_t)(model - json.data));
    zis_buf_append(&other, merges + 2, strlen(merges + 2) - 2);
    zis_buf_puts(&other, ", ");
    zis_buf_append(&other, model, (size_t)(merges - model));
    zis_buf_puts(&other, "}}");
    char *nfc = strstr(other.data, "{\"type\": \"NFC\"}");
    memcpy(nfc, "null           ", 15);
    if (zis_tokenizer_open_json(&tok[0], "t.json", other.data, other.len, &err))
        fail_msg("%s", err.text);
    ids_are(tok[0], "abc user", 8, (const int32_t[]){257, ' ', 261}, 3);
    ids_are(tok[0], "e\u0301", 3, (const int32_t[]){'e', 0xCC, 0x81}, 3);
    zis_tokenizer_close(&tok[0]);
    zis_buf_free(&json);
    zis_buf_free(&vocab);
    zis_buf_free(&config);
    zis_buf_free(&other);
}

/* One change to the good file each: what, into what, status, what the sentence says. */
static const struct {
    const char *from, *to;
    zis_status code;
    const char *says;
} broken[] = {
    {"{\"version\"", "", ZIS_FORMAT, "byte 0: expected a value"},
    {"\"model\"", "\"modem\"", ZIS_FORMAT, "t.json: there is no \"model\""},
    {"\"pre_tokenizer\"", "\"x\"", ZIS_FORMAT, "there is no \"pre_tokenizer\""},
    {"\"version\": \"1.0\"", "\"model\": {\"type\": \"Unigram\"}", ZIS_UNSUPPORTED,
     "model.type is Unigram, not BPE"},
    {"\"type\": \"BPE\"", "\"type\": 5", ZIS_UNSUPPORTED, "not BPE"},
    {"\"type\": \"BPE\",", "", ZIS_FORMAT, "the model has no \"type\""},
    {"\"vocab\"", "\"vocal\"", ZIS_FORMAT, "the model has no \"vocab\""},
    {"\"merges\"", "\"merge\"", ZIS_FORMAT, "the model has no \"merges\""},
    {"\"NFC\"", "\"NFKC\"", ZIS_UNSUPPORTED, "\"normalizer\" is NFKC, not NFC"},
    {"{\"type\": \"NFC\"}", "7", ZIS_FORMAT, "expected an object here (normalizer)"},
    {"\"normalizer\": {", "\"normalizer\": {}, \"x\": {", ZIS_UNSUPPORTED, "of no type"},
    {"\"Sequence\"", "\"Split\"", ZIS_UNSUPPORTED, "\"pre_tokenizer.type\" is Split, not Sequence"},
    {"(?i:'s|", "(?i:'z|", ZIS_UNSUPPORTED, "pretokenizers.0.pattern.Regex\" is (?i:'z|"},
    {"\"Isolated\"", "\"Removed\"", ZIS_UNSUPPORTED, "is Removed, not Isolated"},
    {"\"invert\": false", "\"invert\": true", ZIS_UNSUPPORTED, "invert"},
    {"\"invert\": false", "\"invert\": 1", ZIS_FORMAT, "true or false"},
    {"\"add_prefix_space\": false", "\"add_prefix_space\": true", ZIS_UNSUPPORTED,
     "add_prefix_space"},
    {", \"use_regex\": false", "", ZIS_UNSUPPORTED, "use_regex"},
    {"\"use_regex\": false}", "\"use_regex\": false}, {\"type\": \"Digits\"}", ZIS_UNSUPPORTED,
     "Split and ByteLevel"},
    {"\"post_processor\": null", "\"post_processor\": {\"type\": \"TemplateProcessing\"}",
     ZIS_UNSUPPORTED, "\"post_processor\" is TemplateProcessing"},
    {"\"dropout\": null", "\"dropout\": 0.1", ZIS_UNSUPPORTED, "dropout"},
    {"\"dropout\": null", "\"dropout\": \"x\"", ZIS_FORMAT, "expected a number"},
    {"suffix\": \"\"", "suffix\": \"</w>\"", ZIS_UNSUPPORTED, "end_of_word_suffix"},
    {"\"ignore_merges\": false", "\"ignore_merges\": true", ZIS_UNSUPPORTED, "ignore_merges"},
    {"\"dropout\": null", "\"type\": \"BPE\"", ZIS_FORMAT, "\"type\" is there twice"},
    {"\"truncation\"", "\"added_tokens\"", ZIS_FORMAT, "\"added_tokens\" is there twice"},
    {"\"a\":97", "\"a\":-1", ZIS_FORMAT, "symbol 'a' has id -1, outside 0 to 16777215"},
    {"\"a\":97", "\"a\":16777216", ZIS_FORMAT, "has id 16777216, outside"},
    {"\"a\":97", "\"a\":99999999999999999999", ZIS_FORMAT, "does not fit"},
    {"\"a\":97", "\"a\":97.5", ZIS_FORMAT, "expected a whole number"},
    {"\"a\":97", "\"a\":\"97\"", ZIS_FORMAT, "expected a whole number"},
    {"\"a\":97", "\"a\":98", ZIS_FORMAT, "symbol 'b' has id 98, which another one has too"},
    {"\"a\":97,", "\"a\":97,\"a\":5000,", ZIS_FORMAT, "symbol 'a' is in the vocabulary twice"},
    {"\"b\":98,", "", ZIS_FORMAT, "makes 'ab', but 'b' is not in the vocabulary"},
    {"\"~\":126,", "", ZIS_FORMAT, "lacks the symbol '~' of byte 126"},
    {"\"a b\"", "\"a z\"", ZIS_FORMAT, "merge 0 makes 'az', but 'az' is not in the vocabulary"},
    {"\"a b\"", "\"ab\"", ZIS_FORMAT, "expected two symbols separated by one space"},
    {"\"a b\"", "\"a  b\"", ZIS_FORMAT, "expected two symbols separated by one space"},
    {"\"a b\"", "\" b\"", ZIS_FORMAT, "merge 0 has an empty part"},
    {"\"a b\"", "[\"a\"]", ZIS_FORMAT, "expected a second symbol"},
    {"\"a b\"", "[\"a\", \"b\", \"c\"]", ZIS_FORMAT, "expected the end of the merge"},
    {"\"a b\"", "[]", ZIS_FORMAT, "expected a symbol"},
    {"\"a b\"", "5", ZIS_FORMAT, "expected a merge"},
    {"\"merges\": [", "\"merges\": {\"x\": [", ZIS_FORMAT, "expected the merges, an array"},
    {"\"content\": \"<|im_start|>\"", "\"content\": \"\"", ZIS_FORMAT,
     "the added token with id 263 has no text"},
    {"\"content\": \"<|im_start|>\", ", "", ZIS_FORMAT, "the added token has no \"content\""},
    {"\"id\": 263", "\"id\": -4", ZIS_FORMAT, "expected a whole number from 0 to"},
    {"\"id\": 263", "\"id\": 97", ZIS_FORMAT,
     "the added token '<|im_start|>' has id 97, which is not free"},
    {"\"id\": 263", "\"id\": 264", ZIS_FORMAT, "which is not free"},
    {"\"id\": 263, ", "", ZIS_FORMAT, "'<|im_start|>' has no \"id\""},
    {"<|im_start|>", "abc", ZIS_FORMAT, "the added token 'abc' has id 263, which is not free"},
    {"<|im_start|>", "<|im_end|>", ZIS_FORMAT, "'<|im_end|>' is there twice"},
    {"\"special\": true", "\"special\": false", ZIS_UNSUPPORTED, "\"normalized\": true"},
    {"\"special\": true", "\"lstrip\": true", ZIS_UNSUPPORTED, "\"lstrip\": true"},
    {"\"r n\"]}}", "\"r n\"]}", ZIS_FORMAT, "the text ends here"},
    {"\"r n\"]}}", "\"r n\"]}}x", ZIS_FORMAT, "expected the end of the text"},
};

static void test_broken(void **state)
{
    (void)state;
    zis_buf good = {0};
    tiny_json(&good);
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        zis_buf bad = {0};
        zis_tokenizer *tok = NULL;
        zis_error err = {0};
        const char *at = strstr(good.data, broken[i].from);
        if (!at) fail_msg("case %zu: nothing to change", i);
        zis_buf_append(&bad, good.data, (size_t)(at - good.data));
        zis_buf_puts(&bad, broken[i].to);
        zis_buf_puts(&bad, at + strlen(broken[i].from));
        zis_status st = zis_tokenizer_open_json(&tok, "t.json", bad.data, bad.len, &err);
        if (st != broken[i].code || !strstr(err.text, broken[i].says) || tok)
            fail_msg("case %zu (%s): %s: %s", i, broken[i].to, zis_status_name(st), err.text);
        zis_buf_free(&bad);
    }
    /* Cut anywhere, it is an error; at the end only the last brace is missing. */
    for (size_t n = 0; n < good.len; n += n + 40 < good.len ? 17 : 1) {
        zis_tokenizer *tok = NULL;
        zis_error err = {0};
        assert_int_equal(zis_tokenizer_open_json(&tok, "t.json", good.data, n, &err), ZIS_FORMAT);
        assert_true(err.text[0] != '\0');
    }
    zis_buf_free(&good);
}

static void parts_fail(const char *vocab, const char *merges, const char *config, const char *says)
{
    zis_tokenizer *tok = NULL;
    zis_error err = {0};
    zis_status st = zis_tokenizer_open_parts(&tok, vocab, strlen(vocab), merges, strlen(merges),
                                             config, config ? strlen(config) : 0, &err);
    assert_null(tok);
    if (st == ZIS_OK || !strstr(err.text, says)) fail_msg("%s, not %s", err.text, says);
}

static void test_broken_parts(void **state)
{
    (void)state;
    zis_buf vocab = {0};
    tiny_vocab(&vocab);
    const char *v = vocab.data;
    parts_fail("", "", NULL, "vocab.json: byte 0: expected a value");
    parts_fail("[]", "", NULL, "vocab.json: byte 0: expected the vocabulary, an object");
    parts_fail("{}", "", NULL, "vocab.json: the vocabulary lacks the symbol");
    parts_fail("{} {}", "", NULL, "expected the end of the text");
    parts_fail(v, "a b\nab\n", NULL, "merges.txt: line 2: expected two symbols");
    parts_fail(v, "a b c\n", NULL, "merges.txt: line 1: expected two symbols");
    parts_fail(v, "a b\n#version x\n", NULL, "merges.txt: merge 1 makes '#versionx'");
    parts_fail(v, "a b\r\na \r\n", NULL, "merges.txt: merge 1 has an empty part");
    parts_fail(v, "a \xFF\n", NULL, "merges.txt is not valid UTF-8");
    parts_fail(v, "a b\n", "", "tokenizer_config.json: byte 0: expected a value");
    parts_fail(v, "", "[]", "tokenizer_config.json: byte 0: expected an object");
    parts_fail(v, "", "{\"added_tokens_decoder\": []}", "expected the added tokens, an object");
    parts_fail(v, "", "{\"added_tokens_decoder\": {\"x\": {}}}", "'x' is not an id from 0 to");
    parts_fail(v, "", "{\"added_tokens_decoder\": {\"-1\": {}}}", "'-1' is not an id from 0 to");
    parts_fail(v, "", "{\"added_tokens_decoder\": {\"99999999\": {}}}", "is not an id from 0 to");
    parts_fail(v, "", "{\"added_tokens_decoder\": {\"300\": 5}}", "expected an object here");
    parts_fail(v, "", "{\"added_tokens_decoder\": {\"300\": {}}}", "has no \"content\"");
    parts_fail(v, "", "{\"added_tokens_decoder\": {}, \"added_tokens_decoder\": {}}", "twice");
    parts_fail(v, "", "{\"tokenizer_class\": \"GPT2Tokenizer\"}", "is not Qwen2Tokenizer");
    /* Without added tokens it encodes, but not a prompt. */
    zis_tokenizer *tok = NULL;
    zis_error err = {0};
    int32_t *ids = NULL;
    size_t n, total;
    assert_int_equal(zis_tokenizer_open_parts(&tok, v, strlen(v), NULL, 0, NULL, 0, &err), ZIS_OK);
    ids_are(tok, "ab<|im_end|>", 2, (const int32_t[]){'a', 'b'}, 2);
    assert_int_equal(zis_tokenizer_encode_prompt(tok, "x", 1, &ids, &n, &total, &err), ZIS_FORMAT);
    assert_non_null(strstr(err.text, "lacks the added tokens <|im_start|>"));
    zis_tokenizer_close(&tok);
    zis_buf_free(&vocab);
}

static void write_file(const char *folder, const char *name, const zis_buf *b)
{
    char *path = zis_mem_printf("%s/%s", folder, name);
    assert_non_null(path);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(b->data, 1, b->len, f), b->len);
    assert_int_equal(fclose(f), 0);
    free(path);
}

static void folder_fails(const char *folder, const char *says)
{
    zis_tokenizer *tok = NULL;
    zis_error err = {0};
    assert_int_equal(zis_tokenizer_open(&tok, folder, &err), ZIS_NOT_FOUND);
    assert_null(tok);
    if (!strstr(err.text, says)) fail_msg("%s", err.text);
}

static void test_folder(void **state)
{
    (void)state;
    char folder[] = "/tmp/zis-test-tokenizer-XXXXXX";
    static const char *const names[] = {"merges.txt", "vocab.json", "tokenizer_config.json",
                                        "tokenizer.json"};
    zis_buf file[4] = {{0}};
    zis_tokenizer *tok = NULL;
    zis_error err = {0};
    zis_buf_puts(&file[0], "a b\n\nab c\r\n");
    tiny_vocab(&file[1]);
    tiny_config(&file[2]);
    tiny_json(&file[3]);
    assert_non_null(mkdtemp(folder));
    folder_fails(folder, "holds no tokenizer: neither tokenizer.json nor");
    write_file(folder, names[0], &file[0]);
    folder_fails(folder, "has no vocab.json");
    write_file(folder, names[1], &file[1]);
    folder_fails(folder, "has no tokenizer_config.json");
    write_file(folder, names[2], &file[2]);
    assert_int_equal(zis_tokenizer_open(&tok, folder, &err), ZIS_OK);
    ids_are(tok, "abc user", 8, (const int32_t[]){257, ' ', 'u', 's', 'e', 'r'}, 6);
    zis_tokenizer_close(&tok);
    write_file(folder, names[3], &file[3]); /* from now on this one is read */
    assert_int_equal(zis_tokenizer_open(&tok, folder, &err), ZIS_OK);
    ids_are(tok, "abc user", 8, (const int32_t[]){257, ' ', 261}, 3);
    zis_tokenizer_close(&tok);
    for (int i = 0; i < 4; i++) {
        char *path = zis_mem_printf("%s/%s", folder, names[i]);
        assert_int_equal(unlink(path), 0);
        free(path);
        zis_buf_free(&file[i]);
    }
    assert_int_equal(rmdir(folder), 0);
    folder_fails(folder, "holds no tokenizer");
}

int main(void)
{
    const struct CMUnitTest qwen3[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_template_joins),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_text),
    };
    const struct CMUnitTest made[] = {
        cmocka_unit_test(test_tiny),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_broken_parts),
        cmocka_unit_test(test_folder),
    };
    int failed = cmocka_run_group_tests(qwen3, setup_qwen3, teardown);
    return failed + cmocka_run_group_tests(made, NULL, NULL);
}
