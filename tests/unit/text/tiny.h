/* A byte-level tokenizer small enough to read: the 256 bytes, ids by value, and a few merges. */
#ifndef ZIS_TEST_TEXT_TINY_H
#define ZIS_TEST_TEXT_TINY_H

#include "base/mem.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TINY_MERGES "a b\nab c\n\u0120 a\nu s\nus e\nuse r\nr n\n"
#define TINY_START 263 /* ids of the added tokens */
#define TINY_END 264

static inline void tiny_vocab(zis_buf *b)
{
    static const char *const made[] = {"ab", "abc", "\u0120a", "us", "use", "user", "rn"};
    uint32_t next = 0x100;
    zis_buf_putc(b, '{');
    for (unsigned i = 0; i < 256; i++) {
        char s[4];
        bool printable = (i >= 33 && i <= 126) || (i >= 161 && i <= 172) || i >= 174;
        size_t n = zis_utf8_encode(printable ? i : next++, s);
        zis_buf_printf(b, "\"%s%.*s\":%u,", i == '"' || i == '\\' ? "\\" : "", (int)n, s, i);
    }
    for (unsigned i = 0; i < 7; i++)
        zis_buf_printf(b, "%s\"%s\":%u", i ? "," : "", made[i], 256 + i);
    zis_buf_putc(b, '}');
}

static inline void tiny_config(zis_buf *b)
{
    zis_buf_puts(b, "{\"added_tokens_decoder\": {"
                    "\"263\": {\"content\": \"<|im_start|>\", \"special\": true},"
                    "\"264\": {\"content\": \"<|im_end|>\", \"lstrip\": false, \"rstrip\": false,"
                    " \"single_word\": false, \"normalized\": false, \"special\": false}},"
                    "\"chat_template\": \"x\", \"tokenizer_class\": \"Qwen2Tokenizer\"}");
}

static inline void tiny_json(zis_buf *b)
{
    zis_buf_puts(
        b,
        "{\"version\": \"1.0\", \"truncation\": null, \"added_tokens\": ["
        "{\"id\": 263, \"content\": \"<|im_start|>\", \"special\": true},"
        "{\"id\": 264, \"content\": \"<|im_end|>\", \"special\": true}],"
        "\"normalizer\": {\"type\": \"NFC\"},"
        "\"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": ["
        "{\"type\": \"Split\", \"pattern\": {\"Regex\": \"(?i:'s|'t|'re|'ve|'m|'ll|'d)|"
        "[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|"
        "\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"}, \"behavior\": \"Isolated\", "
        "\"invert\": false},"
        "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"use_regex\": false}]},"
        "\"post_processor\": null,"
        "\"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": null, "
        "\"end_of_word_suffix\": \"\", \"ignore_merges\": false, \"vocab\": ");
    tiny_vocab(b);
    zis_buf_puts(b, ", \"merges\": [\"a b\", [\"ab\", \"c\"], \"\u0120 a\", \"u s\", \"us e\", "
                    "\"use r\", \"r n\"]}}");
}

#endif
