/* mem.c - heap blocks with checked sizes, and the growing buffer. */
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *zis_mem_alloc(size_t n, size_t size)
{
    size_t bytes;
    if (zis_size_mul(n, size, &bytes)) return NULL;
    return malloc(bytes ? bytes : 1);
}

void *zis_mem_zalloc(size_t n, size_t size)
{
    return calloc(n ? n : 1, size ? size : 1);
}

void *zis_mem_resize(void *p, size_t n, size_t size)
{
    size_t bytes;
    if (zis_size_mul(n, size, &bytes)) return NULL;
    return realloc(p, bytes ? bytes : 1);
}

char *zis_mem_strndup(const char *s, size_t n)
{
    char *p = zis_mem_alloc(n + 1, 1);
    if (!p) return NULL;
    memcpy(p, s, n);
    p[n] = '\0';
    return p;
}

char *zis_mem_strdup(const char *s)
{
    return zis_mem_strndup(s, strlen(s));
}

char *zis_mem_printf(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? NULL : zis_mem_alloc((size_t)n + 1, 1);
    if (!p) return NULL;
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return p;
}

void zis_buf_append(zis_buf *b, const void *data, size_t n)
{
    size_t need;
    if (b->failed) return;
    if (zis_size_add(b->len, n, &need) || (b->cap && need > b->cap) || need == SIZE_MAX) {
        b->failed = true;
        return;
    }
    if (need + 1 > b->room) {
        size_t room = b->room ? b->room : 64;
        while (room < need + 1) room = room > SIZE_MAX / 2 ? need + 1 : room * 2;
        char *p = zis_mem_resize(b->data, room, 1);
        if (!p) {
            b->failed = true;
            return;
        }
        b->data = p;
        b->room = room;
    }
    if (n) memcpy(b->data + b->len, data, n);
    b->len = need;
    b->data[need] = '\0';
}

void zis_buf_puts(zis_buf *b, const char *s)
{
    zis_buf_append(b, s, strlen(s));
}

void zis_buf_putc(zis_buf *b, char c)
{
    zis_buf_append(b, &c, 1);
}

void zis_buf_printf(zis_buf *b, const char *fmt, ...)
{
    va_list ap;
    char small[256];
    va_start(ap, fmt);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    if (n < 0) {
        b->failed = true;
    } else if ((size_t)n < sizeof small) {
        zis_buf_append(b, small, (size_t)n);
    } else {
        char *big = zis_mem_alloc((size_t)n + 1, 1);
        if (!big) {
            b->failed = true;
            return;
        }
        va_start(ap, fmt);
        vsnprintf(big, (size_t)n + 1, fmt, ap);
        va_end(ap);
        zis_buf_append(b, big, (size_t)n);
        free(big);
    }
}

void zis_buf_free(zis_buf *b)
{
    free(b->data);
    *b = (zis_buf){.cap = b->cap};
}
