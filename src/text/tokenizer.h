/* tokenizer.h - text to token ids: the Qwen byte-level BPE, exactly.
 *
 * Steps: added tokens are cut out of the raw text (leftmost, longest); the stretches between are
 * brought to NFC, split by the Qwen pattern, mapped to bytes and merged by rank.
 *
 *     open -> encode, encode, ... -> close       Threads: read-only after open. */
#ifndef ZIS_TEXT_TOKENIZER_H
#define ZIS_TEXT_TOKENIZER_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct zis_tokenizer zis_tokenizer;

/* Most tokens of a prompt, template included (text-encoder.md 5). */
#define ZIS_TOKENIZER_MAX 512
/* Most bytes of a text that are looked at (a bound for hostile ones); more is ZIS_ARG. */
#define ZIS_TOKENIZER_TEXT_MAX (4u << 20)

/* `folder` holds tokenizer.json, or vocab.json + merges.txt + tokenizer_config.json. */
ZIS_MUST_USE zis_status zis_tokenizer_open(zis_tokenizer **out, const char *folder, zis_error *err);
/* From bytes in memory (tests, fuzzing): a tokenizer.json alone, or vocab + merges (+ config). */
ZIS_MUST_USE zis_status zis_tokenizer_open_json(
    zis_tokenizer **out, const char *what, const void *data, size_t size, zis_error *err);
ZIS_MUST_USE zis_status zis_tokenizer_open_parts(zis_tokenizer **out,
                                                 const void *vocab,
                                                 size_t vocab_size,
                                                 const void *merges,
                                                 size_t merges_size,
                                                 const void *config,
                                                 size_t config_size,
                                                 zis_error *err);
void zis_tokenizer_close(zis_tokenizer **tok);

/* One past the largest id that encode can return. */
int32_t zis_tokenizer_vocab(const zis_tokenizer *tok);

/* All ids of the text (may hold NUL), no template, no limit of tokens; *ids is a new block. Invalid
 * UTF-8 is ZIS_ARG and says at which byte. */
ZIS_MUST_USE zis_status zis_tokenizer_encode(const zis_tokenizer *tok,
                                             const char *text,
                                             size_t len,
                                             int32_t **ids,
                                             size_t *n,
                                             zis_error *err);
/* The prompt in the chat template (one user message, generation prompt), cut to ZIS_TOKENIZER_MAX
 * ids from the right. *total = ids before the cut, so *total > *n says that it was cut. */
ZIS_MUST_USE zis_status zis_tokenizer_encode_prompt(const zis_tokenizer *tok,
                                                    const char *prompt,
                                                    size_t len,
                                                    int32_t **ids,
                                                    size_t *n,
                                                    size_t *total,
                                                    zis_error *err);

#endif
