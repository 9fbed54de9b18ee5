/* template.h - the chat template around a prompt (text-encoder.md 5).
 *
 * One user message and the header of the answer; with enable_thinking the template adds no more.
 *
 * Threads: pure functions. */
#ifndef ZIS_TEXT_TEMPLATE_H
#define ZIS_TEXT_TEMPLATE_H

#include "base/mem.h"

/* The added tokens without which the template would be read as plain text. */
#define ZIS_TEMPLATE_START "<|im_start|>"
#define ZIS_TEMPLATE_END "<|im_end|>"

/* Appends the whole text; the prompt goes in verbatim. */
void zis_template_append(zis_buf *out, const char *prompt, size_t n);

#endif
