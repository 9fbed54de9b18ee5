/* tokenizer_parts.c - vocab.json, merges.txt and tokenizer_config.json, the older layout. */
#include "text/tokenizer_load.h"

#include "base/utf8.h"

#include <string.h>

static zis_status read_vocab(zis_vocab *v, const zis_tokenizer_file *file, zis_error *err)
{
    zis_json j;
    zis_json_token t;
    zis_status st = zis_vocab_init(v, file->what, file->size, err);
    if (st) return st;
    zis_json_init(&j, file->what, file->data, file->size);
    st = zis_json_next(&j, &t, err);
    if (!st) st = zis_tokenizer_read_vocab(v, &j, &t, err);
    if (!st) st = zis_json_next(&j, &t, err); /* nothing but white space may follow */
    zis_json_deinit(&j);
    return st;
}

/* "left right" on each line; the first line may be a version. Empty lines are passed over. */
static zis_status read_merges(zis_tokenizer *tok,
                              zis_vocab *v,
                              const zis_tokenizer_file *file,
                              zis_error *err)
{
    static const char version[] = "#version";
    const char *p = file->data;
    size_t n = file->size;
    if (!zis_utf8_valid(p, n))
        return zis_fail(err, ZIS_FORMAT, "%s is not valid UTF-8 text", file->what);
    v->what = file->what;
    for (size_t number = 1; n > 0; number++) {
        const char *newline = memchr(p, '\n', n);
        size_t len = newline ? (size_t)(newline - p) : n;
        size_t whole = newline ? len + 1 : n;
        const char *line = p;
        p += whole;
        n -= whole;
        if (len > 0 && line[len - 1] == '\r') len--;
        if (len == 0) continue;
        if (number == 1 && len >= strlen(version) && memcmp(line, version, strlen(version)) == 0)
            continue;
        const char *space = memchr(line, ' ', len);
        size_t left = space ? (size_t)(space - line) : 0;
        if (!space || memchr(space + 1, ' ', len - left - 1))
            return zis_fail(err, ZIS_FORMAT,
                            "%s: line %zu: expected two symbols separated by one space", file->what,
                            number);
        zis_status st = zis_vocab_merge(v, &tok->bpe, line, left, space + 1, len - left - 1, err);
        if (st) return st;
    }
    return ZIS_OK;
}

/* {"151643": {...}, ...} */
static zis_status read_decoder(zis_tokenizer *tok,
                               zis_json *j,
                               const zis_json_token *t,
                               zis_error *err)
{
    if (t->type == ZIS_JSON_NULL) return ZIS_OK;
    if (t->type != ZIS_JSON_OBJECT_BEGIN)
        return zis_json_fail(j, t, err, "expected the added tokens, an object");
    for (;;) {
        zis_json_token key, value;
        zis_status st = zis_json_next(j, &key, err);
        if (st || key.type == ZIS_JSON_OBJECT_END) return st;
        int64_t id = 0;
        bool number = key.len > 0 && key.len <= 8;
        for (size_t i = 0; i < key.len && number; i++) {
            number = key.text[i] >= '0' && key.text[i] <= '9';
            id = id * 10 + (key.text[i] - '0');
        }
        if (!number || id > ZIS_VOCAB_ID_MAX)
            return zis_json_fail(j, &key, err, "'%.*s' is not an id from 0 to %d",
                                 zis_utf8_cut(key.text, key.len, 60), key.text, ZIS_VOCAB_ID_MAX);
        st = zis_json_next(j, &value, err);
        if (!st) st = zis_tokenizer_read_added(tok, j, &value, id, err);
        if (st) return st;
    }
}

/* The class decides how text is split, which these files do not say otherwise. */
static zis_status check_class(const zis_json *j, const zis_json_token *t, zis_error *err)
{
    if (t->type == ZIS_JSON_NULL || zis_json_is(t, "Qwen2Tokenizer") ||
        zis_json_is(t, "Qwen2TokenizerFast"))
        return ZIS_OK;
    return zis_fail(err, ZIS_UNSUPPORTED,
                    "%s: \"tokenizer_class\" is not Qwen2Tokenizer; other tokenizers are not "
                    "supported",
                    j->what);
}

static zis_status read_config(zis_tokenizer *tok, const zis_tokenizer_file *file, zis_error *err)
{
    zis_json j;
    zis_json_token t;
    bool seen = false;
    zis_json_init(&j, file->what, file->data, file->size);
    zis_status st = zis_json_next(&j, &t, err);
    if (!st && t.type != ZIS_JSON_OBJECT_BEGIN)
        st = zis_json_fail(&j, &t, err, "expected an object");
    while (!st) {
        st = zis_json_next(&j, &t, err);
        if (st || t.type == ZIS_JSON_OBJECT_END) break;
        bool decoder = zis_json_is(&t, "added_tokens_decoder");
        bool name = zis_json_is(&t, "tokenizer_class");
        if (decoder && seen) st = zis_json_fail(&j, &t, err, "the added tokens are there twice");
        seen = seen || decoder;
        if (!st) st = zis_json_next(&j, &t, err);
        if (st) break;
        st = decoder ? read_decoder(tok, &j, &t, err)
             : name  ? check_class(&j, &t, err)
                     : zis_json_skip(&j, &t, err);
    }
    if (!st) st = zis_json_next(&j, &t, err); /* nothing but white space may follow */
    zis_json_deinit(&j);
    return st;
}

zis_status zis_tokenizer_load_parts(zis_tokenizer *tok,
                                    const zis_tokenizer_file *vocab,
                                    const zis_tokenizer_file *merges,
                                    const zis_tokenizer_file *config,
                                    zis_error *err)
{
    zis_vocab v = {0};
    tok->nfc = true; /* as the class Qwen2Tokenizer does */
    zis_status st = read_vocab(&v, vocab, err);
    if (!st) st = read_merges(tok, &v, merges, err);
    if (!st && config->data) st = read_config(tok, config, err);
    if (!st) {
        v.what = vocab->what;
        st = zis_tokenizer_finish(tok, &v, config->what, err);
    }
    zis_vocab_deinit(&v);
    return st;
}
