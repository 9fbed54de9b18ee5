/* unicode.h - the few properties of code points that the tokenizer asks for.
 *
 * The reference (huggingface/tokenizers) takes letters and numbers from Unicode 16.0 but
 * normalises by 9.0; libutf8proc 2.8.0 knows 15.0. The differences are tables in unicode.c
 * (text-encoder.md 6).
 *
 * Threads: pure functions. */
#ifndef ZIS_TEXT_UNICODE_H
#define ZIS_TEXT_UNICODE_H

#include <stdbool.h>
#include <stdint.h>

/* How the Qwen pattern sees a code point; exactly one holds. */
typedef enum zis_unicode_class {
    ZIS_UNICODE_OTHER,
    ZIS_UNICODE_LETTER,  /* \p{L} */
    ZIS_UNICODE_NUMBER,  /* \p{N} */
    ZIS_UNICODE_NEWLINE, /* \r \n */
    ZIS_UNICODE_SPACE,   /* the rest of \s */
} zis_unicode_class;

zis_unicode_class zis_unicode_classify(uint32_t cp);

/* True for code points that NFC must pass unchanged, as walls between the stretches on both sides,
 * although libutf8proc would reorder, decompose or compose them. */
bool zis_unicode_is_wall(uint32_t cp);

#endif
