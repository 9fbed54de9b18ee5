/* tokenizer_load.c - what tokenizer.json and the separate files have in common. */
#include "text/tokenizer_load.h"

#include "base/utf8.h"

#include <string.h>

zis_status zis_tokenizer_read_vocab(zis_vocab *v,
                                    zis_json *j,
                                    const zis_json_token *t,
                                    zis_error *err)
{
    if (t->type != ZIS_JSON_OBJECT_BEGIN)
        return zis_json_fail(j, t, err, "expected the vocabulary, an object of symbols and ids");
    for (;;) {
        zis_json_token key, value;
        int64_t id;
        zis_status st = zis_json_next(j, &key, err);
        if (st || key.type == ZIS_JSON_OBJECT_END) return st;
        size_t n = key.len;
        const char *name = zis_vocab_key(v, key.text, n);
        if (!name) return zis_json_fail(j, &key, err, "this symbol is longer than the file");
        st = zis_json_next(j, &value, err);
        if (st) return st;
        st = zis_json_int(j, &value, &id, err);
        if (st) return st;
        st = zis_vocab_put(v, name, n, id, err);
        if (st) return st;
    }
}

zis_status zis_tokenizer_read_doc(
    zis_json_doc **out, zis_json *j, const zis_json_token *t, const char *what, zis_error *err)
{
    if (t->type != ZIS_JSON_OBJECT_BEGIN)
        return zis_json_fail(j, t, err, "expected an object here (%s)", what);
    size_t at = t->at;
    zis_status st = zis_json_skip(j, t, err);
    if (st) return st;
    zis_error inner = {0};
    st = zis_json_doc_parse(out, what, j->data + at, j->pos - at, &inner);
    if (st == ZIS_NOMEM) return zis_fail_nomem(err, j->what);
    if (st) return zis_fail(err, st, "%s: byte %zu: %s", j->what, at, inner.text);
    return ZIS_OK;
}

/* The reference can strip white space around a token, or match it in normalised text or as a whole
 * word only. The Qwen tokens use none of it. */
static zis_status check_flags(const zis_json_doc *doc, const char *content, zis_error *err)
{
    static const char *const flags[] = {"lstrip", "rstrip", "single_word", "normalized"};
    bool special = false;
    zis_status st = zis_json_doc_bool(doc, "special", &special, err);
    for (int i = 0; i < 4 && !st; i++) {
        bool on = i == 3 && !special; /* the reference's default */
        st = zis_json_doc_bool(doc, flags[i], &on, err);
        if (!st && on)
            st = zis_fail(err, ZIS_UNSUPPORTED,
                          "the added token '%.*s' has \"%s\": true, which is not supported",
                          zis_utf8_cut(content, strlen(content), 60), content, flags[i]);
    }
    return st;
}

zis_status zis_tokenizer_read_added(
    zis_tokenizer *tok, zis_json *j, const zis_json_token *t, int64_t id, zis_error *err)
{
    zis_json_doc *doc = NULL;
    zis_error inner = {0};
    size_t at = t->at;
    zis_status st = zis_tokenizer_read_doc(&doc, j, t, "an added token", err);
    if (st) return st;
    const char *content = zis_json_doc_string(doc, "content");
    if (!content) {
        st = zis_fail(&inner, ZIS_FORMAT, "the added token has no \"content\" (a string)");
        goto out;
    }
    st = check_flags(doc, content, &inner);
    if (!st && id < 0) st = zis_json_doc_int(doc, "id", 0, ZIS_VOCAB_ID_MAX, &id, &inner);
    if (!st && id < 0)
        st = zis_fail(&inner, ZIS_FORMAT, "the added token '%.*s' has no \"id\"",
                      zis_utf8_cut(content, strlen(content), 60), content);
out:
    if (st) {
        zis_fail(err, st, "%s: byte %zu: %s", j->what, at, inner.text);
    } else {
        st = zis_added_put(&tok->added, j->what, content, (int32_t)id, err);
    }
    zis_json_doc_destroy(&doc);
    return st;
}

zis_status zis_tokenizer_finish(zis_tokenizer *tok, zis_vocab *v, const char *what, zis_error *err)
{
    zis_status st = zis_vocab_bytes(v, &tok->bpe, err);
    if (st) return st;
    st = zis_added_seal(&tok->added, what, err);
    if (st) return st;
    int32_t top = 0;
    for (size_t i = 0; i < tok->added.n; i++) {
        const zis_added_token *t = &tok->added.tokens[i];
        /* Some files list an added token in the vocabulary as well: under the same id. */
        int32_t known = zis_vocab_get(v, t->text, t->len);
        if (known >= 0 ? known != t->id : !zis_vocab_take(v, t->id))
            return zis_fail(err, ZIS_FORMAT,
                            "%s: the added token '%.*s' has id %d, which is not free for it", what,
                            zis_utf8_cut(t->text, t->len, 60), t->text, t->id);
        if (t->id > top) top = t->id;
    }
    for (int i = 0; i < 256; i++) {
        if (tok->bpe.byte_id[i] > top) top = tok->bpe.byte_id[i];
    }
    for (size_t i = 0; i < tok->bpe.room; i++) {
        if (tok->bpe.slots[i].merged > top) top = tok->bpe.slots[i].merged;
    }
    tok->vocab = top + 1;
    return ZIS_OK;
}
