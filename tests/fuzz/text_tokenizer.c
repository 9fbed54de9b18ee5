/* The first byte chooses: a tokenizer.json; vocab, merges and config, each ended by 0xFF; or a
 * prompt for a small tokenizer that is sound. */
#include "text/tokenizer.h"

#include "../unit/text/tiny.h"

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x)) abort();                                                                         \
    } while (0)

/* Whatever was accepted must encode. */
static void use(zis_tokenizer *tok)
{
    static const char text[] = "abc user's 12\n  x\xC3\xA9 e\xCC\x81<|im_end|> <|im_start|>";
    int32_t *ids = NULL;
    size_t n, total;
    CHECK(zis_tokenizer_vocab(tok) > 255);
    CHECK(zis_tokenizer_encode(tok, text, sizeof text - 1, &ids, &n, NULL) == ZIS_OK);
    for (size_t i = 0; i < n; i++) CHECK(ids[i] >= 0 && ids[i] < zis_tokenizer_vocab(tok));
    free(ids);
    if (zis_tokenizer_encode_prompt(tok, text, sizeof text - 1, &ids, &n, &total, NULL)) return;
    CHECK(n <= total && n <= ZIS_TOKENIZER_MAX);
    free(ids);
}

static void fuzz_json(const uint8_t *data, size_t size)
{
    zis_tokenizer *tok = NULL;
    zis_error err = {0};
    if (zis_tokenizer_open_json(&tok, "input", data, size, &err)) {
        CHECK(tok == NULL && err.text[0]);
        return;
    }
    use(tok);
    zis_tokenizer_close(&tok);
}

static void fuzz_parts(const uint8_t *data, size_t size)
{
    const uint8_t *part[3] = {NULL, NULL, NULL};
    size_t len[3] = {0, 0, 0};
    for (int i = 0; i < 3 && size > 0; i++) {
        const uint8_t *end = memchr(data, 0xFF, size);
        part[i] = data;
        len[i] = end ? (size_t)(end - data) : size;
        size_t used = end ? len[i] + 1 : size;
        data += used;
        size -= used;
    }
    zis_tokenizer *tok = NULL;
    zis_error err = {0};
    if (zis_tokenizer_open_parts(&tok, part[0], len[0], part[1], len[1], part[2], len[2], &err)) {
        CHECK(tok == NULL && err.text[0]);
        return;
    }
    use(tok);
    zis_tokenizer_close(&tok);
}

/* The bytes of an id of the tiny tokenizer. */
static const char *bytes_of(int32_t id, char one[2], size_t *n)
{
    static const char *const made[] = {"ab",   "abc", " a",           "us",        "use",
                                       "user", "rn",  "<|im_start|>", "<|im_end|>"};
    CHECK(id >= 0 && id < 265);
    if (id >= 256) {
        *n = strlen(made[id - 256]);
        return made[id - 256];
    }
    one[0] = (char)id;
    *n = 1;
    return one;
}

static void fuzz_prompt(const char *text, size_t size)
{
    static zis_tokenizer *tok; /* made once */
    if (!tok) {
        zis_buf json = {0};
        tiny_json(&json);
        CHECK(zis_tokenizer_open_json(&tok, "tiny", json.data, json.len, NULL) == ZIS_OK);
        zis_buf_free(&json);
    }
    int32_t *ids = NULL;
    size_t n, total;
    zis_status st = zis_tokenizer_encode(tok, text, size, &ids, &n, NULL);
    CHECK(st == (zis_utf8_valid(text, size) ? ZIS_OK : ZIS_ARG));
    if (st) return;
    bool plain = true; /* NFC leaves what is below U+0300 alone */
    for (size_t i = 0; i < size; i++) plain = plain && (unsigned char)text[i] < 0xCC;
    size_t at = 0;
    for (size_t i = 0; i < n && plain; i++) {
        char one[2];
        size_t len;
        const char *s = bytes_of(ids[i], one, &len);
        CHECK(len <= size - at && memcmp(text + at, s, len) == 0);
        at += len;
    }
    CHECK(!plain || at == size);
    free(ids);
    CHECK(zis_tokenizer_encode_prompt(tok, text, size, &ids, &n, &total, NULL) == ZIS_OK);
    CHECK(n <= total && n <= ZIS_TOKENIZER_MAX && total >= 8);
    free(ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    switch (data[0] % 3) {
    case 0:
        fuzz_json(data + 1, size - 1);
        break;
    case 1:
        fuzz_parts(data + 1, size - 1);
        break;
    default:
        fuzz_prompt((const char *)data + 1, size - 1);
        break;
    }
    return 0;
}
