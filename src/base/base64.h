/* base64.h - bytes as text (RFC 4648, section 4), and back.
 *
 * Threads: no shared state. */
#ifndef ZIS_BASE_BASE64_H
#define ZIS_BASE_BASE64_H

#include "base/mem.h"

/* Appends with padding, without line breaks. */
void zis_base64_put(zis_buf *out, const void *data, size_t n);
/* Appends the bytes. Line breaks and blanks between groups are passed over, padding may be left
 * out; anything else that is not of the alphabet is ZIS_FORMAT, named with its place. `what` names
 * the text in messages. */
ZIS_MUST_USE zis_status
zis_base64_get(zis_buf *out, const char *what, const char *text, size_t n, zis_error *err);

#endif
