/* tokenizer.c - opening a folder, and the way of a text: added tokens, NFC, pieces, merges. */
#include "text/tokenizer.h"

#include "base/os.h"
#include "base/utf8.h"
#include "text/nfc.h"
#include "text/split.h"
#include "text/template.h"
#include "text/tokenizer_load.h"

#include <stdlib.h>
#include <string.h>

/* Tokenizer files are about 11 MB at most. */
#define FILE_MAX (64u << 20)

static zis_status checked_size(const zis_tokenizer_file *file, zis_error *err)
{
    if (file->size <= FILE_MAX) return ZIS_OK;
    return zis_fail(err, ZIS_FORMAT, "%s has %zu bytes, more than the %u MB of any tokenizer",
                    file->what, file->size, FILE_MAX >> 20);
}

zis_status zis_tokenizer_open_json(
    zis_tokenizer **out, const char *what, const void *data, size_t size, zis_error *err)
{
    zis_tokenizer_file file = {what, data, size};
    zis_status st = checked_size(&file, err);
    if (st) return st;
    zis_tokenizer *tok = zis_mem_zalloc(1, sizeof *tok);
    if (!tok) return zis_fail_nomem(err, what);
    st = zis_tokenizer_load_json(tok, &file, err);
    if (!st) {
        *out = tok;
        tok = NULL;
    }
    zis_tokenizer_close(&tok);
    return st;
}

static zis_status open_parts(zis_tokenizer **out, const zis_tokenizer_file file[3], zis_error *err)
{
    for (int i = 0; i < 3; i++) {
        zis_status st = checked_size(&file[i], err);
        if (st) return st;
    }
    zis_tokenizer *tok = zis_mem_zalloc(1, sizeof *tok);
    if (!tok) return zis_fail_nomem(err, "the tokenizer");
    zis_status st = zis_tokenizer_load_parts(tok, &file[0], &file[1], &file[2], err);
    if (!st) {
        *out = tok;
        tok = NULL;
    }
    zis_tokenizer_close(&tok);
    return st;
}

static const char *const part_names[3] = {"vocab.json", "merges.txt", "tokenizer_config.json"};

zis_status zis_tokenizer_open_parts(zis_tokenizer **out,
                                    const void *vocab,
                                    size_t vocab_size,
                                    const void *merges,
                                    size_t merges_size,
                                    const void *config,
                                    size_t config_size,
                                    zis_error *err)
{
    const zis_tokenizer_file file[3] = {{part_names[0], vocab, vocab_size},
                                        {part_names[1], merges, merges_size},
                                        {part_names[2], config, config_size}};
    return open_parts(out, file, err);
}

static zis_status open_json_file(zis_tokenizer **out, const char *path, zis_error *err)
{
    char *data = NULL;
    size_t size = 0;
    zis_status st = zis_os_read_file(&data, &size, path, FILE_MAX, err);
    if (st) return st;
    st = zis_tokenizer_open_json(out, path, data, size, err);
    free(data);
    return st;
}

static zis_status open_part_files(zis_tokenizer **out, char *const path[3], zis_error *err)
{
    char *data[3] = {NULL, NULL, NULL};
    zis_tokenizer_file file[3];
    zis_status st = ZIS_OK;
    for (int i = 0; i < 3 && !st; i++) {
        size_t size = 0;
        st = zis_os_read_file(&data[i], &size, path[i], FILE_MAX, err);
        file[i] = (zis_tokenizer_file){path[i], data[i], size};
    }
    if (!st) st = open_parts(out, file, err);
    for (int i = 0; i < 3; i++) free(data[i]);
    return st;
}

zis_status zis_tokenizer_open(zis_tokenizer **out, const char *folder, zis_error *err)
{
    char *json = zis_os_join(folder, "tokenizer.json");
    char *path[3];
    bool there[3];
    bool full = json != NULL;
    for (int i = 0; i < 3; i++) {
        path[i] = zis_os_join(folder, part_names[i]);
        there[i] = path[i] && zis_os_is_file(path[i]);
        full = full && path[i];
    }
    zis_status st;
    if (!full) {
        st = zis_fail_nomem(err, "the tokenizer");
    } else if (zis_os_is_file(json)) {
        st = open_json_file(out, json, err);
    } else if (there[0] && there[1] && there[2]) {
        st = open_part_files(out, path, err);
    } else if (there[0] || there[1]) {
        int missing = !there[0] ? 0 : !there[1] ? 1 : 2;
        st = zis_fail(err, ZIS_NOT_FOUND,
                      "the tokenizer folder '%s' has no %s (nor tokenizer.json instead)", folder,
                      part_names[missing]);
    } else {
        st = zis_fail(
            err, ZIS_NOT_FOUND,
            "'%s' holds no tokenizer: neither tokenizer.json nor vocab.json and merges.txt",
            folder);
    }
    free(json);
    for (int i = 0; i < 3; i++) free(path[i]);
    return st;
}

void zis_tokenizer_close(zis_tokenizer **tok)
{
    if (!tok || !*tok) return;
    zis_bpe_deinit(&(*tok)->bpe);
    zis_added_deinit(&(*tok)->added);
    free(*tok);
    *tok = NULL;
}

int32_t zis_tokenizer_vocab(const zis_tokenizer *tok)
{
    return tok->vocab;
}

static zis_status check_text(const char *text, size_t len, zis_error *err)
{
    if (len > ZIS_TOKENIZER_TEXT_MAX)
        return zis_fail(err, ZIS_ARG, "the prompt has %zu bytes, more than the %u MB that are read",
                        len, ZIS_TOKENIZER_TEXT_MAX >> 20);
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        size_t n = zis_utf8_decode(text + i, len - i, &cp);
        if (n == 0) return zis_fail(err, ZIS_ARG, "the prompt is not valid UTF-8 at byte %zu", i);
        i += n;
    }
    return ZIS_OK;
}

/* What one text needs on its way. */
typedef struct encoder {
    const zis_tokenizer *tok;
    zis_ids ids;
    zis_bpe_work work;
    zis_buf normal;
} encoder;

/* The text between two added tokens. */
static zis_status encode_stretch(encoder *e, const char *s, size_t n)
{
    if (e->tok->nfc && !zis_nfc_is_plain(s, n)) {
        e->normal.len = 0;
        zis_nfc_append(&e->normal, s, n);
        if (e->normal.failed) return ZIS_NOMEM;
        s = e->normal.data;
        n = e->normal.len;
    }
    while (n > 0) {
        size_t piece = zis_split_next(s, n);
        zis_status st = zis_bpe_encode(&e->tok->bpe, &e->work, s, piece, &e->ids);
        if (st) return st;
        s += piece;
        n -= piece;
    }
    return ZIS_OK;
}

static zis_status encode_text(encoder *e, const char *s, size_t n)
{
    zis_added_match m;
    size_t at = 0;
    while (zis_added_next(&e->tok->added, s, at, n, &m)) {
        zis_status st = encode_stretch(e, s + at, m.at - at);
        if (!st) st = zis_ids_push(&e->ids, m.id);
        if (st) return st;
        at = m.at + m.len;
    }
    return encode_stretch(e, s + at, n - at);
}

/* The ids of a text that has been checked, as a block that is never NULL. */
static zis_status encode(
    const zis_tokenizer *tok, const char *s, size_t n, zis_ids *out, zis_error *err)
{
    encoder e = {.tok = tok};
    zis_status st = encode_text(&e, s, n);
    if (!st && !e.ids.data) {
        e.ids.data = zis_mem_alloc(1, sizeof *e.ids.data);
        if (!e.ids.data) st = ZIS_NOMEM;
    }
    if (st) {
        zis_fail_nomem(err, "the tokens of the prompt");
        free(e.ids.data);
    } else {
        *out = e.ids;
    }
    zis_buf_free(&e.normal);
    zis_bpe_work_free(&e.work);
    return st;
}

zis_status zis_tokenizer_encode(const zis_tokenizer *tok,
                                const char *text,
                                size_t len,
                                int32_t **ids,
                                size_t *n,
                                zis_error *err)
{
    zis_ids got;
    zis_status st = check_text(text, len, err);
    if (!st) st = encode(tok, text, len, &got, err);
    if (st) return st;
    *ids = got.data;
    *n = got.n;
    return ZIS_OK;
}

zis_status zis_tokenizer_encode_prompt(const zis_tokenizer *tok,
                                       const char *prompt,
                                       size_t len,
                                       int32_t **ids,
                                       size_t *n,
                                       size_t *total,
                                       zis_error *err)
{
    zis_ids got;
    zis_buf text = {0};
    zis_status st = check_text(prompt, len, err);
    if (st) return st;
    if (!zis_added_has(&tok->added, ZIS_TEMPLATE_START) ||
        !zis_added_has(&tok->added, ZIS_TEMPLATE_END))
        return zis_fail(err, ZIS_FORMAT,
                        "the tokenizer lacks the added tokens " ZIS_TEMPLATE_START
                        " and " ZIS_TEMPLATE_END ", which a prompt is wrapped in");
    zis_template_append(&text, prompt, len);
    st = text.failed ? zis_fail_nomem(err, "the prompt")
                     : encode(tok, text.data, text.len, &got, err);
    zis_buf_free(&text);
    if (st) return st;
    *ids = got.data;
    *n = got.n < ZIS_TOKENIZER_MAX ? got.n : ZIS_TOKENIZER_MAX;
    *total = got.n;
    return ZIS_OK;
}
