/* What a Hub says: names that may be written, lists, header lines, which files are needed. */
#include "pipeline/hub_api.h"

#include "oom.h"
#include "pipeline/hub_config.h"
#include "pipeline/hub_presets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SHA1 "0123456789abcdef0123456789abcdef01234567"
#define SHA256 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void test_paths(void **state)
{
    (void)state;
    char part[300], deep[1100] = "";
    static const char *const good[] = {
        "a", "a/b.json", ".gitattributes", "..a", "a..", "a b", "x/.../y", "\xC3\xA9/\xE6\xBC\xA2",
    };
    static const char *const bad[] = {
        "",    "/",     "/a",     "a/",   "a//b", ".",    "..",         "../a", "a/..",
        "./a", "a/./b", "a/../b", "a\\b", "a\nb", "\x7F", "a/\xC2\x80", "\xFF", "\xC0\xAF",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(zis_hub_api_is_path(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(zis_hub_api_is_path(bad[i], strlen(bad[i])));
    assert_false(zis_hub_api_is_path("a\0b", 3));
    memset(part, 'x', 256);
    assert_true(zis_hub_api_is_path(part, 255));
    assert_false(zis_hub_api_is_path(part, 256));
    for (int i = 0; i < 512; i++) strcat(deep, "a/");
    assert_true(zis_hub_api_is_path(deep, 1023));
    strcat(deep, "aa");
    assert_false(zis_hub_api_is_path(deep, strlen(deep)));
}

static void test_hex_escape_match(void **state)
{
    (void)state;
    assert_true(zis_hub_api_is_hex(SHA1, 40));
    assert_false(zis_hub_api_is_hex(SHA1, 39));
    assert_false(zis_hub_api_is_hex("0123456789ABCDEF0123456789abcdef01234567", 40));
    zis_buf b = {0};
    zis_hub_api_escape(&b, "a/b c?\xC3\xA9", true);
    zis_hub_api_escape(&b, "pr/1", false);
    assert_string_equal(b.data, "a/b%20c%3F%C3%A9pr%2F1");
    zis_buf_free(&b);
    assert_true(zis_hub_api_match("*.gguf", "sub/m-Q8_0.gguf"));
    assert_true(zis_hub_api_match("m-?8*", "sub/m-Q8_0.gguf"));
    assert_false(zis_hub_api_match("sub/*.json", "m-Q8_0.gguf"));
    assert_false(zis_hub_api_match("m", "mm"));
    assert_true(zis_hub_api_match("*a*b*", "xaybz"));
}

static zis_status parse(zis_hub_tree *t, const char *text, zis_error *err)
{
    zis_status st = zis_hub_api_tree(t, "the list", text, strlen(text), err);
    return st ? st : zis_hub_api_tree_check(t, err);
}

#define ENTRY(path) "{\"type\":\"file\",\"oid\":\"" SHA1 "\",\"size\":7,\"path\":\"" path "\"}"

static void test_tree(void **state)
{
    (void)state;
    zis_hub_tree t = {0};
    zis_error err = {0};
    const char *text =
        "[" ENTRY("a.json") ",{\"type\":\"directory\",\"path\":\"..\\/x\",\"oid\":\"" SHA1
                            "\"},{\"path\":\"b/c\",\"lfs\":{\"oid\":\"" SHA256
                            "\",\"size\":5000000000,\"x\":[1]},\"size\":134,\"oid\":\"" SHA1
                            "\",\"type\":\"file\",\"new\":{\"a\":[]}}]";
    /* a name that is refused is refused for folders, too */
    assert_int_equal(parse(&t, text, &err), ZIS_FORMAT);
    zis_hub_tree_deinit(&t);
    char *fine = strdup(text);
    memcpy(strstr(fine, "..\\/x"), "y\\/xx", 5);
    assert_int_equal(parse(&t, fine, &err), ZIS_OK);
    free(fine);
    assert_int_equal(t.n, 2);
    assert_string_equal(t.files[0].etag, SHA1);
    assert_int_equal(t.files[0].size, 7);
    assert_string_equal(t.files[1].path, "b/c");
    assert_string_equal(t.files[1].etag, SHA256);
    assert_int_equal(t.files[1].size, 5000000000);
    zis_hub_tree_deinit(&t);
    static const char *const bad[][2] = {
        {"[" ENTRY("a") "," ENTRY("a") "]", "lists 'a' twice"},
        {"[" ENTRY("a/b/c") "," ENTRY("a/b") "]", "lists 'a/b' as a file and as a folder"},
        {"{}", "a list of files was expected"},
        {"[1]", "an entry must be an object"},
        {"[{\"type\":\"file\",\"size\":1,\"path\":\"a\"}]", "without path, size or hash"},
        {"[{\"type\":\"file\",\"oid\":\"" SHA1 "\",\"path\":\"a\"}]", "without path, size or hash"},
        {"[{\"type\":\"file\",\"oid\":\"" SHA1 "0\",\"size\":1,\"path\":\"a\"}]", "40 hexadecimal"},
        {"[{\"type\":\"file\",\"oid\":\"" SHA1 "\",\"size\":-1,\"path\":\"a\"}]",
         "is not believed"},
        {"[{\"type\":\"file\",\"oid\":\"" SHA1 "\",\"size\":1,\"lfs\":{},\"path\":\"a\"}]",
         "without path, size or hash"},
        {"[" ENTRY("a"), "byte"},
        {"[" ENTRY("a") "] x", "byte"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(parse(&t, bad[i][0], &err), ZIS_FORMAT);
        if (!strstr(err.text, bad[i][1])) fail_msg("'%s' is not in: %s", bad[i][1], err.text);
        zis_hub_tree_deinit(&t);
    }
}

static void test_revision(void **state)
{
    (void)state;
    char commit[ZIS_HUB_COMMIT + 1] = "before";
    zis_error err;
    const char *good =
        "{\"x\":{\"sha\":1},\"sha\":\"" SHA1 "\",\"siblings\":[{\"rfilename\":\"a\"}]}";
    static const char *const bad[] = {
        "{}",
        "[]",
        "{\"sha\":1}",
        "{\"sha\":\"x\"}",
        "{\"sha\":\"../" SHA1 "\"}",
        "{\"sha\":\"" SHA1 "\",\"sha\":\"" SHA1 "\"}",
        "{\"sha\":\"0123456789ABCDEF0123456789abcdef01234567\"}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(zis_hub_api_revision(commit, "it", bad[i], strlen(bad[i]), &err),
                         ZIS_FORMAT);
        assert_string_equal(commit, "before");
    }
    assert_int_equal(zis_hub_api_revision(commit, "it", good, strlen(good), &err), ZIS_OK);
    assert_string_equal(commit, SHA1);
}

static void line(zis_hub_head *h, const char *text)
{
    zis_hub_api_header(h, text, strlen(text));
}

static void test_headers(void **state)
{
    (void)state;
    zis_hub_head h = {0};
    line(&h, "ETAG: W/\"weak\"\r\n");
    assert_string_equal(h.etag, "weak");
    assert_string_equal(h.validator, ""); /* a weak one is no good for ranges */
    line(&h, "etag:\"strong\"");
    assert_string_equal(h.etag, "strong");
    assert_string_equal(h.validator, "\"strong\"");
    line(&h, "Content-Range: bytes 5-9/10");
    assert_true(h.has_range && h.from == 5 && h.to == 9 && h.total == 10);
    static const char *const odd[] = {
        "bytes 9-5/10",
        "bytes 5-10/10",
        "bytes 5-9/*",
        "bytes */10",
        "bytes 5-9/10x",
        "items 5-9/10",
        "bytes -9/10",
        "bytes 5-99999999999999999999999/99999999999999999999999999",
        "",
    };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        char text[200];
        snprintf(text, sizeof text, "content-range: %s", odd[i]);
        h.has_range = false;
        line(&h, text);
        assert_false(h.has_range);
    }
    line(&h, "Link: <https://a/b>; rel=\"prev\", <https://a/c?d=1>; rel=\"next\"\r\n");
    assert_string_equal(h.next, "https://a/c?d=1");
    line(&h, "X-Error-Message: a\tb");
    assert_string_equal(h.message, ""); /* nothing that a terminal would act on */
    line(&h, "X-Error-Code: GatedRepo");
    assert_string_equal(h.code, "GatedRepo");
    line(&h, "HTTP/1.1 200 OK"); /* the next answer */
    assert_string_equal(h.code, "");
    assert_string_equal(h.etag, "");
}

static void add(zis_hub_tree *t, const char *path)
{
    t->files = realloc(t->files, (t->n + 1) * sizeof *t->files);
    t->files[t->n++] = (zis_hub_file){.path = strdup(path), .size = 1};
}

static void test_select(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        bool take;
    } pipeline[] = {
        {"model_index.json", true},
        {"README.md", false},
        {"assets/a.png", false},
        {"config.json", false},
        {"scheduler/scheduler_config.json", true},
        {"text_encoder/config.json", true},
        {"text_encoder/model-00001-of-00002.safetensors", true},
        {"text_encoder/model.safetensors.index.json", true},
        {"text_encoder/pytorch_model.bin", false},
        {"tokenizer/merges.txt", true},
        {"tokenizer/tokenizer.json", true},
        {"transformer/diffusion_pytorch_model.safetensors", true},
        {"transformer/diffusion_pytorch_model.fp16.safetensors", false},
        {"transformer/old/diffusion_pytorch_model.safetensors", false},
        {"vae/diffusion_pytorch_model.safetensors", true},
        {"safety_checker/model.safetensors", false},
    };
    size_t n = sizeof pipeline / sizeof *pipeline;
    zis_hub_tree t = {0};
    zis_error err;
    bool take[32];
    for (size_t i = 0; i < n; i++) add(&t, pipeline[i].path);
    assert_int_equal(zis_hub_select(&t, NULL, 0, "Org/m", take, &err), ZIS_OK);
    for (size_t i = 0; i < n; i++)
        if (take[i] != pipeline[i].take) fail_msg("%s: %d", pipeline[i].path, take[i]);
    const char *patterns[] = {"vae/*", "*.md"};
    assert_int_equal(zis_hub_select(&t, patterns, 2, "Org/m", take, &err), ZIS_OK);
    assert_true(take[1] && take[14] && !take[0]);
    patterns[0] = "none";
    assert_int_equal(zis_hub_select(&t, patterns, 1, "Org/m", take, &err), ZIS_NOT_FOUND);
    zis_hub_tree_deinit(&t);
    add(&t, "a.pth");
    add(&t, "b.png");
    assert_int_equal(zis_hub_select(&t, NULL, 0, "Org/m", take, &err), ZIS_OK);
    assert_true(take[0] && !take[1]);
    add(&t, "a.safetensors"); /* the newer form of it */
    assert_int_equal(zis_hub_select(&t, NULL, 0, "Org/m", take, &err), ZIS_OK);
    assert_true(!take[0] && take[2]);
    zis_hub_tree_deinit(&t);
    assert_int_equal(zis_hub_select(&t, NULL, 0, "Org/m", take, &err), ZIS_NOT_FOUND);
}

static void test_presets(void **state)
{
    (void)state;
    zis_hub_preset p;
    assert_true(zis_hub_preset_named("turbo", &p));
    assert_string_equal(p.hub_id, "Tongyi-MAI/Z-Image-Turbo");
    assert_true(zis_hub_preset_named("base", &p));
    assert_string_equal(p.hub_id, "Tongyi-MAI/Z-Image");
    assert_true(zis_hub_preset_named("upscaler", &p));
    assert_string_equal(p.file, "RealESRGAN_x4plus.pth");
    assert_false(zis_hub_preset_named("nano", &p));
    assert_false(zis_hub_preset_named("all", &p));
}

static void test_wait(void **state)
{
    (void)state;
    zis_hub_config c = {.retry_wait = 1};
    assert_true(zis_hub_config_wait(&c, 1, 0, 0) == 1);
    assert_true(zis_hub_config_wait(&c, 3, 0, 0) == 4);
    assert_true(zis_hub_config_wait(&c, 3, 0, 0.999) >= 3);
    assert_true(zis_hub_config_wait(&c, 1000, 0, 0) == 60);
    assert_true(zis_hub_config_wait(&c, 1, 17, 0.5) == 17); /* the server's wish, as it is */
}

static void clear_env(void)
{
    static const char *const names[] = {"HF_TOKEN",      "HF_TOKEN_PATH",  "HUGGING_FACE_HUB_TOKEN",
                                        "HF_HOME",       "HF_HUB_CACHE",   "XDG_CACHE_HOME",
                                        "HOME",          "HF_ENDPOINT",    "HF_HUB_OFFLINE",
                                        "SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) unsetenv(names[i]);
}

static void test_config(void **state)
{
    (void)state;
    zis_hub_config c = {0};
    zis_error err = {0};
    clear_env();
    assert_int_equal(zis_hub_config_init(&c, &err), ZIS_NOT_FOUND); /* no home at all */
    setenv("HOME", "/nonexistent", 1);
    assert_int_equal(zis_hub_config_init(&c, &err), ZIS_OK);
    assert_string_equal(c.endpoint, "https://huggingface.co");
    assert_string_equal(c.cache, "/nonexistent/.cache/huggingface/hub");
    assert_null(c.token);
    assert_false(c.offline);
    zis_hub_config_deinit(&c);
    setenv("HF_ENDPOINT", "https://mirror.example//", 1);
    setenv("HF_TOKEN", " hf_word\n", 1);
    setenv("HF_HUB_OFFLINE", "true", 1);
    setenv("HF_HUB_CACHE", "/there", 1);
    assert_int_equal(zis_hub_config_init(&c, &err), ZIS_OK);
    assert_string_equal(c.endpoint, "https://mirror.example");
    assert_string_equal(c.token, "hf_word");
    assert_string_equal(c.cache, "/there");
    assert_true(c.offline);
    zis_hub_config_deinit(&c);
    setenv("HF_TOKEN", "a\r\nHost: evil", 1);
    assert_int_equal(zis_hub_config_init(&c, &err), ZIS_ARG);
    assert_null(strstr(err.text, "evil"));
    clear_env();
}

static void test_nomem(void **state)
{
    (void)state;
    if (!OOM_TEST) skip();
    const char *text =
        "[" ENTRY("a\\u0041.json") "," ENTRY("model_index.json") "," ENTRY("vae/c.json") "]";
    clear_env();
    setenv("HF_HOME", "/nonexistent", 1);
    setenv("HF_TOKEN", "word", 1);
    setenv("SSL_CERT_FILE", "/x", 1);
    bool fired = true;
    for (long n = 1; fired; n++) {
        zis_hub_tree t = {0};
        zis_hub_config c = {0};
        zis_error err = {0};
        bool take[3];
        long before = oom_live();
        oom_arm(n);
        zis_status st = zis_hub_config_init(&c, &err);
        if (!st) st = parse(&t, text, &err);
        if (!st) st = zis_hub_select(&t, NULL, 0, "Org/m", take, &err);
        fired = oom_disarm();
        assert_int_equal(st, fired ? ZIS_NOMEM : ZIS_OK);
        zis_hub_tree_deinit(&t);
        zis_hub_config_deinit(&c);
        assert_int_equal(oom_live(), before);
    }
    clear_env();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),   cmocka_unit_test(test_hex_escape_match),
        cmocka_unit_test(test_tree),    cmocka_unit_test(test_revision),
        cmocka_unit_test(test_headers), cmocka_unit_test(test_select),
        cmocka_unit_test(test_presets), cmocka_unit_test(test_wait),
        cmocka_unit_test(test_config),  cmocka_unit_test(test_nomem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
