/* tokenizer_load.h - inside of a tokenizer, and what reads it from its files.
 *
 * Private to src/text. The two loaders fill a zeroed tokenizer; after a failure the caller closes
 * it all the same. */
#ifndef ZIS_TEXT_TOKENIZER_LOAD_H
#define ZIS_TEXT_TOKENIZER_LOAD_H

#include "base/json.h"
#include "text/added.h"
#include "text/bpe.h"
#include "text/tokenizer.h"
#include "text/vocab.h"

struct zis_tokenizer {
    zis_bpe bpe;
    zis_added added;
    bool nfc;      /* bring text to NFC first */
    int32_t vocab; /* one past the largest id */
};

/* A file's bytes and its name for messages. */
typedef struct zis_tokenizer_file {
    const char *what;
    const void *data; /* NULL: there is no such file */
    size_t size;
} zis_tokenizer_file;

ZIS_MUST_USE zis_status zis_tokenizer_load_json(zis_tokenizer *tok,
                                                const zis_tokenizer_file *file,
                                                zis_error *err);
ZIS_MUST_USE zis_status zis_tokenizer_load_parts(zis_tokenizer *tok,
                                                 const zis_tokenizer_file *vocab,
                                                 const zis_tokenizer_file *merges,
                                                 const zis_tokenizer_file *config,
                                                 zis_error *err);

/* What both loaders share. `t` is the first token of the value to be read. */

/* {"symbol": id, ...} into an initialised vocabulary. */
ZIS_MUST_USE zis_status zis_tokenizer_read_vocab(zis_vocab *v,
                                                 zis_json *j,
                                                 const zis_json_token *t,
                                                 zis_error *err);
/* {"content": ..., "lstrip": false, ...}; id -1: it is a member too. */
ZIS_MUST_USE zis_status zis_tokenizer_read_added(
    zis_tokenizer *tok, zis_json *j, const zis_json_token *t, int64_t id, zis_error *err);
/* A small object as a document. */
ZIS_MUST_USE zis_status zis_tokenizer_read_doc(
    zis_json_doc **out, zis_json *j, const zis_json_token *t, const char *what, zis_error *err);
/* Once vocabulary, merges and added tokens are there. `what`: the file of the added tokens. */
ZIS_MUST_USE zis_status zis_tokenizer_finish(zis_tokenizer *tok,
                                             zis_vocab *v,
                                             const char *what,
                                             zis_error *err);

#endif
