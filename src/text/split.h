/* split.h - cuts text into the pieces that byte pairs are merged in: the Qwen pattern, by hand.
 *
 *     (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*
 *     |\s*[\r\n]+|\s+(?!\S)|\s+
 *
 * Every code point falls into exactly one piece. Threads: pure functions. */
#ifndef ZIS_TEXT_SPLIT_H
#define ZIS_TEXT_SPLIT_H

#include <stddef.h>

/* The pattern as tokenizer.json spells it. */
extern const char zis_split_pattern[];

/* Bytes of the first piece of s, which is valid UTF-8 and not empty; `n` reaches to the end of the
 * text, since the pattern looks ahead. All pieces of a text together cost time linear in it. */
size_t zis_split_next(const char *s, size_t n);

#endif
