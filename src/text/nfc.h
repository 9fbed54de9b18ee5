/* nfc.h - Unicode normal form C, as the reference tokenizer computes it (Unicode 9.0).
 *
 * Threads: pure functions. */
#ifndef ZIS_TEXT_NFC_H
#define ZIS_TEXT_NFC_H

#include "base/mem.h"

/* True when the text is in NFC by a glance at its bytes; false says nothing. */
bool zis_nfc_is_plain(const char *s, size_t n);

/* Appends the normal form of s, which is valid UTF-8. Without memory out->failed is set. Time is
 * linear, also for long runs of combining marks. */
void zis_nfc_append(zis_buf *out, const char *s, size_t n);

#endif
