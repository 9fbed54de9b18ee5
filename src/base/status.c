/* status.c - filling an error, once. */
#include "base/status.h"

#include <stdio.h>
#include <string.h>

const char *zis_status_name(zis_status code)
{
    switch (code) {
#define X(name, text)                                                                              \
    case ZIS_##name:                                                                               \
        return text;
        ZIS_STATUS_LIST(X)
#undef X
    }
    return "unknown";
}

void zis_text_clean(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p; p++) {
        size_t n = 0;
        if (*p < 0x20 || *p == 0x7F)
            n = 1;
        else if (p[0] == 0xC2 && p[1] >= 0x80 && p[1] < 0xA0)
            n = 2; /* U+0080..009F: commands of terminals, too */
        else if (p[0] == 0xE2 && ((p[1] == 0x80 && p[2] >= 0xAA && p[2] <= 0xAE) ||
                                  (p[1] == 0x81 && p[2] >= 0xA6 && p[2] <= 0xA9)))
            n = 3; /* U+202A..202E, 2066..2069: turn the direction of what follows */
        memset(p, ' ', n);
    }
}

/* Cuts a UTF-8 sequence that the buffer's end has split, and cleans the rest. */
static void clean(char *text)
{
    size_t n = strlen(text);
    size_t start = n;
    while (start > 0 && n - start < 3 && ((unsigned char)text[start - 1] & 0xC0) == 0x80) start--;
    if (start > 0) {
        unsigned char lead = (unsigned char)text[start - 1];
        size_t need = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
        if (n - (start - 1) < need) text[start - 1] = '\0';
    }
    zis_text_clean(text);
}

zis_status zis_failv(zis_error *err, zis_status code, const char *fmt, va_list ap)
{
    if (err) {
        err->code = code;
        if (vsnprintf(err->text, sizeof err->text, fmt, ap) < 0) err->text[0] = '\0';
        clean(err->text);
    }
    return code;
}

zis_status zis_fail(zis_error *err, zis_status code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    zis_failv(err, code, fmt, ap);
    va_end(ap);
    return code;
}

zis_status zis_fail_nomem(zis_error *err, const char *what)
{
    return zis_fail(err, ZIS_NOMEM, "out of memory for %s", what);
}
