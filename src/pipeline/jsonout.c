/* Escapes as RFC 8259 asks for; everything else stays as it is. */
#include "pipeline/jsonout.h"

#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void zis_jsonout_string(zis_buf *out, const char *s)
{
    if (!s) {
        zis_buf_puts(out, "null");
        return;
    }
    size_t n = strlen(s);
    size_t plain = 0; /* start of the stretch that needs no escape */
    zis_buf_putc(out, '"');
    for (size_t i = 0; i < n;) {
        uint32_t cp = 0;
        size_t len = zis_utf8_decode(s + i, n - i, &cp);
        if (len && cp >= 0x20 && cp != '"' && cp != '\\' && cp != 0x7F) {
            i += len;
            continue;
        }
        zis_buf_append(out, s + plain, i - plain);
        if (!len) {
            zis_buf_puts(out, "\xEF\xBF\xBD");
            len = 1;
        } else if (cp == '\n') {
            zis_buf_puts(out, "\\n");
        } else if (cp == '\t') {
            zis_buf_puts(out, "\\t");
        } else if (cp < 0x20 || cp == 0x7F) {
            zis_buf_printf(out, "\\u%04x", (unsigned)cp);
        } else {
            zis_buf_putc(out, '\\');
            zis_buf_putc(out, (char)cp);
        }
        i += len;
        plain = i;
    }
    zis_buf_append(out, s + plain, n - plain);
    zis_buf_putc(out, '"');
}

void zis_jsonout_number(zis_buf *out, double v)
{
    if (!isfinite(v)) {
        zis_buf_puts(out, "null");
        return;
    }
    char text[40];
    if (v == nearbyint(v) && fabs(v) < 1e15) { /* else 20 would become 2e+01 */
        zis_buf_printf(out, "%.0f", v);
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v) break;
    }
    zis_buf_puts(out, text);
}
