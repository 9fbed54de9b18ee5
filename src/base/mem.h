/* mem.h - sizes that cannot wrap, heap blocks, and bytes that grow up to a cap.
 *
 * Life cycle of a buf: {0} -> append ... -> free (or take its data). Threads: none shared. */
#ifndef ZIS_BASE_MEM_H
#define ZIS_BASE_MEM_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True when the result would not fit; *out is untouched then. */
static inline bool zis_size_mul(size_t a, size_t b, size_t *out)
{
    size_t r;
    if (__builtin_mul_overflow(a, b, &r)) return true;
    *out = r;
    return false;
}

static inline bool zis_size_add(size_t a, size_t b, size_t *out)
{
    size_t r;
    if (__builtin_add_overflow(a, b, &r)) return true;
    *out = r;
    return false;
}

static inline size_t zis_round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* malloc of n * size with an overflow check; NULL when it fails. Never returns NULL for n = 0. */
void *zis_mem_alloc(size_t n, size_t size);
void *zis_mem_zalloc(size_t n, size_t size);
/* realloc; the old block stays valid when NULL comes back. */
void *zis_mem_resize(void *p, size_t n, size_t size);
char *zis_mem_strdup(const char *s);
char *zis_mem_strndup(const char *s, size_t n);
/* "printf" into a new string; NULL without memory. */
char *zis_mem_printf(const char *fmt, ...) ZIS_PRINTF(1, 2);

/* Bytes that grow; `cap` is the most it may ever hold (0 = no limit but memory). After a failure
 * `failed` stays set and appends do nothing, so that it is enough to look once at the end.
 * The data is always followed by a NUL that does not count. */
typedef struct zis_buf {
    char *data;
    size_t len;
    size_t room;
    size_t cap;
    bool failed;
} zis_buf;

void zis_buf_append(zis_buf *b, const void *data, size_t n);
void zis_buf_puts(zis_buf *b, const char *s);
void zis_buf_putc(zis_buf *b, char c);
void zis_buf_printf(zis_buf *b, const char *fmt, ...) ZIS_PRINTF(2, 3);
void zis_buf_free(zis_buf *b);

#endif
