/* tokenizer_json.c - tokenizer.json, the format of huggingface/tokenizers. What would make the
 * reference tokenise differently from the Qwen tokenizer is refused by name. */
#include "text/tokenizer_load.h"

#include "base/utf8.h"
#include "text/split.h"

#include <stdio.h>
#include <string.h>

typedef struct loader {
    zis_tokenizer *tok;
    zis_json json;
    zis_vocab vocab;
    bool have_vocab;
    /* Merges that stand before the vocabulary are read after it. */
    size_t merges_at, merges_size;
    const char *what;
} loader;

/* Reads the members of the object whose first token has been read; `seen` has a bit for each name.
 * Unknown members are skipped. */
typedef zis_status member(loader *l, int which, const zis_json_token *t, zis_error *err);

static zis_status members(
    loader *l, const char *const *names, int n, member *read, unsigned *seen, zis_error *err)
{
    zis_json *j = &l->json;
    for (;;) {
        zis_json_token t;
        zis_status st = zis_json_next(j, &t, err);
        if (st || t.type == ZIS_JSON_OBJECT_END) return st;
        int which = 0;
        while (which < n && !zis_json_is(&t, names[which])) which++;
        if (which < n && *seen & 1u << which)
            return zis_json_fail(j, &t, err, "\"%s\" is there twice", names[which]);
        if (which < n) *seen |= 1u << which;
        st = zis_json_next(j, &t, err);
        if (!st) st = which < n ? read(l, which, &t, err) : zis_json_skip(j, &t, err);
        if (st) return st;
    }
}

static zis_status unsupported(
    const loader *l, const char *name, const char *found, const char *wanted, zis_error *err)
{
    return zis_fail(err, ZIS_UNSUPPORTED,
                    "%s: \"%s\" is %.*s, not %s as in the Qwen tokenizer; other tokenizers are not "
                    "supported",
                    l->what, name, zis_utf8_cut(found, strlen(found), 120), found, wanted);
}

/* One merge, "left right" or ["left", "right"], whose first token is m. */
static zis_status merge(
    loader *l, zis_json *j, const zis_json_token *m, zis_buf *left, zis_error *err)
{
    if (m->type == ZIS_JSON_STRING) {
        const char *space = memchr(m->text, ' ', m->len);
        size_t n = space ? (size_t)(space - m->text) : 0;
        if (!space || memchr(space + 1, ' ', m->len - n - 1))
            return zis_json_fail(j, m, err, "expected two symbols separated by one space");
        return zis_vocab_merge(&l->vocab, &l->tok->bpe, m->text, n, space + 1, m->len - n - 1, err);
    }
    if (m->type != ZIS_JSON_ARRAY_BEGIN)
        return zis_json_fail(j, m, err, "expected a merge: \"a b\" or [\"a\", \"b\"]");
    zis_json_token t;
    zis_status st = zis_json_next(j, &t, err);
    if (st) return st;
    if (t.type != ZIS_JSON_STRING) return zis_json_fail(j, &t, err, "expected a symbol");
    left->len = 0; /* kept, since the next token takes its place */
    zis_buf_append(left, t.text, t.len);
    if (left->failed) return zis_fail_nomem(err, l->what);
    st = zis_json_next(j, &t, err);
    if (st) return st;
    if (t.type != ZIS_JSON_STRING) return zis_json_fail(j, &t, err, "expected a second symbol");
    st = zis_vocab_merge(&l->vocab, &l->tok->bpe, left->data, left->len, t.text, t.len, err);
    if (!st) st = zis_json_next(j, &t, err);
    if (!st && t.type != ZIS_JSON_ARRAY_END)
        st = zis_json_fail(j, &t, err, "expected the end of the merge: it has two symbols");
    return st;
}

static zis_status merges(loader *l, zis_json *j, const zis_json_token *t, zis_error *err)
{
    if (t->type != ZIS_JSON_ARRAY_BEGIN)
        return zis_json_fail(j, t, err, "expected the merges, an array");
    zis_buf left = {0};
    zis_json_token m;
    zis_status st = zis_json_next(j, &m, err);
    while (!st && m.type != ZIS_JSON_ARRAY_END) {
        st = merge(l, j, &m, &left, err);
        if (!st) st = zis_json_next(j, &m, err);
    }
    zis_buf_free(&left);
    return st;
}

enum { TYPE, VOCAB, MERGES, PREFIX, SUFFIX, DROPOUT, IGNORE_MERGES, MODEL_MEMBERS };
static const char *const model_names[] = {
    "type",    "vocab",         "merges", "continuing_subword_prefix", "end_of_word_suffix",
    "dropout", "ignore_merges",
};

static zis_status read_model(loader *l, int which, const zis_json_token *t, zis_error *err)
{
    zis_json *j = &l->json;
    zis_status st;
    double dropout = 0;
    switch (which) {
    case TYPE:
        if (zis_json_is(t, "BPE")) return ZIS_OK;
        return zis_fail(err, ZIS_UNSUPPORTED,
                        "%s: model.type is %.*s, not BPE; other tokenizers are not supported",
                        l->what, zis_utf8_cut(t->text ? t->text : "", t->len, 60),
                        t->text ? t->text : "");
    case VOCAB:
        st = zis_vocab_init(&l->vocab, l->what, j->size, err);
        if (!st) st = zis_tokenizer_read_vocab(&l->vocab, j, t, err);
        l->have_vocab = !st;
        return st;
    case MERGES:
        if (l->have_vocab) return merges(l, j, t, err);
        l->merges_at = t->at;
        st = zis_json_skip(j, t, err);
        l->merges_size = j->pos - l->merges_at;
        return st;
    case PREFIX:
    case SUFFIX:
        if (t->type == ZIS_JSON_NULL || zis_json_is(t, "")) return ZIS_OK;
        return unsupported(l, model_names[which], "set", "null", err);
    case DROPOUT:
        if (t->type == ZIS_JSON_NULL) return ZIS_OK;
        st = zis_json_double(j, t, &dropout, err);
        if (st || dropout == 0) return st;
        return unsupported(l, "dropout", "set", "null", err);
    default:
        if (t->type == ZIS_JSON_FALSE || t->type == ZIS_JSON_NULL) return ZIS_OK;
        return unsupported(l, "ignore_merges", "set", "false", err);
    }
}

static zis_status model(loader *l, const zis_json_token *t, zis_error *err)
{
    unsigned seen = 0;
    if (t->type != ZIS_JSON_OBJECT_BEGIN)
        return zis_json_fail(&l->json, t, err, "expected the model, an object");
    zis_status st = members(l, model_names, MODEL_MEMBERS, read_model, &seen, err);
    if (st) return st;
    for (int i = TYPE; i <= MERGES; i++) {
        if (!(seen & 1u << i))
            return zis_fail(err, ZIS_FORMAT, "%s: the model has no \"%s\"", l->what,
                            model_names[i]);
    }
    if (l->merges_size == 0) return ZIS_OK;
    zis_json late;
    zis_json_token first;
    zis_json_init(&late, "merges of the tokenizer", l->json.data + l->merges_at, l->merges_size);
    st = zis_json_next(&late, &first, err);
    if (!st) st = merges(l, &late, &first, err);
    zis_json_deinit(&late);
    return st;
}

static zis_status normalizer(loader *l, const zis_json_token *t, zis_error *err)
{
    if (t->type == ZIS_JSON_NULL) return ZIS_OK;
    zis_json_doc *doc = NULL;
    zis_status st = zis_tokenizer_read_doc(&doc, &l->json, t, "normalizer", err);
    if (st) return st;
    const char *type = zis_json_doc_string(doc, "type");
    l->tok->nfc = type && strcmp(type, "NFC") == 0;
    if (!l->tok->nfc) st = unsupported(l, "normalizer", type ? type : "of no type", "NFC", err);
    zis_json_doc_destroy(&doc);
    return st;
}

static zis_status pre_tokenizer(loader *l, const zis_json_token *t, zis_error *err)
{
    static const struct {
        const char *path, *value;
    } wanted[] = {
        {"type", "Sequence"},
        {"pretokenizers.0.type", "Split"},
        {"pretokenizers.0.pattern.Regex", zis_split_pattern},
        {"pretokenizers.0.behavior", "Isolated"},
        {"pretokenizers.1.type", "ByteLevel"},
    };
    zis_json_doc *doc = NULL;
    int64_t count = 0;
    bool invert = false, prefix_space = true, regex = true; /* the reference's defaults */
    zis_status st = zis_tokenizer_read_doc(&doc, &l->json, t, "pre_tokenizer", err);
    if (st) return st;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted && !st; i++) {
        const char *value = zis_json_doc_string(doc, wanted[i].path);
        if (!value || strcmp(value, wanted[i].value) != 0) {
            char name[80];
            snprintf(name, sizeof name, "pre_tokenizer.%s", wanted[i].path);
            st = unsupported(l, name, value ? value : "missing", wanted[i].value, err);
        }
    }
    if (!st) st = zis_json_doc_int(doc, "pretokenizers.#", 0, INT64_MAX, &count, err);
    if (!st) st = zis_json_doc_bool(doc, "pretokenizers.0.invert", &invert, err);
    if (!st) st = zis_json_doc_bool(doc, "pretokenizers.1.add_prefix_space", &prefix_space, err);
    if (!st) st = zis_json_doc_bool(doc, "pretokenizers.1.use_regex", &regex, err);
    if (!st && count != 2)
        st = unsupported(l, "pre_tokenizer", "a longer list", "Split and ByteLevel", err);
    if (!st && invert) st = unsupported(l, "pre_tokenizer.invert", "true", "false", err);
    if (!st && prefix_space)
        st = unsupported(l, "pre_tokenizer.add_prefix_space", "true", "false", err);
    if (!st && regex) st = unsupported(l, "pre_tokenizer.use_regex", "true", "false", err);
    zis_json_doc_destroy(&doc);
    return st;
}

/* Only ByteLevel is known to add no tokens. */
static zis_status post_processor(loader *l, const zis_json_token *t, zis_error *err)
{
    if (t->type == ZIS_JSON_NULL) return ZIS_OK;
    zis_json_doc *doc = NULL;
    zis_status st = zis_tokenizer_read_doc(&doc, &l->json, t, "post_processor", err);
    if (st) return st;
    const char *type = zis_json_doc_string(doc, "type");
    if (!type || strcmp(type, "ByteLevel") != 0)
        st = unsupported(l, "post_processor", type ? type : "of no type", "ByteLevel", err);
    zis_json_doc_destroy(&doc);
    return st;
}

static zis_status added_tokens(loader *l, const zis_json_token *t, zis_error *err)
{
    if (t->type == ZIS_JSON_NULL) return ZIS_OK;
    if (t->type != ZIS_JSON_ARRAY_BEGIN)
        return zis_json_fail(&l->json, t, err, "expected the added tokens, an array");
    for (;;) {
        zis_json_token item;
        zis_status st = zis_json_next(&l->json, &item, err);
        if (st || item.type == ZIS_JSON_ARRAY_END) return st;
        st = zis_tokenizer_read_added(l->tok, &l->json, &item, -1, err);
        if (st) return st;
    }
}

enum { MODEL, ADDED_TOKENS, NORMALIZER, PRE_TOKENIZER, POST_PROCESSOR, TOP_MEMBERS };
static const char *const top_names[] = {"model", "added_tokens", "normalizer", "pre_tokenizer",
                                        "post_processor"};

static zis_status read_top(loader *l, int which, const zis_json_token *t, zis_error *err)
{
    switch (which) {
    case MODEL:
        return model(l, t, err);
    case ADDED_TOKENS:
        return added_tokens(l, t, err);
    case NORMALIZER:
        return normalizer(l, t, err);
    case PRE_TOKENIZER:
        return pre_tokenizer(l, t, err);
    default:
        return post_processor(l, t, err);
    }
}

zis_status zis_tokenizer_load_json(zis_tokenizer *tok,
                                   const zis_tokenizer_file *file,
                                   zis_error *err)
{
    loader l = {.tok = tok, .what = file->what};
    zis_json_token t;
    unsigned seen = 0;
    zis_json_init(&l.json, file->what, file->data, file->size);
    zis_status st = zis_json_next(&l.json, &t, err);
    if (!st && t.type != ZIS_JSON_OBJECT_BEGIN)
        st = zis_json_fail(&l.json, &t, err, "expected an object");
    if (!st) st = members(&l, top_names, TOP_MEMBERS, read_top, &seen, err);
    if (!st) st = zis_json_next(&l.json, &t, err); /* nothing but white space may follow */
    for (int i = MODEL; i < TOP_MEMBERS && !st; i++) {
        if ((i == MODEL || i == PRE_TOKENIZER) && !(seen & 1u << i))
            st = zis_fail(err, ZIS_FORMAT, "%s: there is no \"%s\"", file->what, top_names[i]);
    }
    if (!st) st = zis_tokenizer_finish(tok, &l.vocab, file->what, err);
    zis_vocab_deinit(&l.vocab);
    zis_json_deinit(&l.json);
    return st;
}
