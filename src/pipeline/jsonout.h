/* jsonout.h - pieces of JSON text: strings and numbers that any reader takes.
 *
 * Threads: no shared state. */
#ifndef ZIS_PIPELINE_JSONOUT_H
#define ZIS_PIPELINE_JSONOUT_H

#include "base/mem.h"

/* Appends the string with its quotes; bytes that are not UTF-8 become U+FFFD. NULL gives null. */
void zis_jsonout_string(zis_buf *out, const char *s);
/* Appends the shortest text that reads back as this very number; NaN and infinities give null. */
void zis_jsonout_number(zis_buf *out, double v);

#endif
