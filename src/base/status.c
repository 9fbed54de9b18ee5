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

/* Cuts a UTF-8 sequence that the buffer's end has split, and blanks control characters. */
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
    for (char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c < 0x20 || c == 0x7F) *p = ' ';
    }
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
