/* A torch file as it is; or, when the bytes are neither a zip archive nor a legacy file, the pickle
 * of one, put into both containers with sound checksums, which mutations would never find. */
#include "base/mem.h"
#include "formats/pth.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x)) abort();                                                                         \
    } while (0)

/* Magic, version and system of a legacy file: three pickles. */
static const char head[] = "\x80\2\x8a\nl\xfc\x9c\x46\xf9\x20j\xa8P\x19."
                           "\x80\2M\xe9\3."
                           "\x80\2}(X\15\0\0\0little_endian\x88u.";
/* The keys of its storages, and those: six values of four bytes. */
static const char tail[] = "\x80\2](X\1\0\0\0000e."
                           "\6\0\0\0\0\0\0\0abcdefghijklmnopqrstuvwx";

static void open_it(const void *data, size_t size)
{
    volatile unsigned char sink = 0; /* so that the reads are not left out */
    zis_pth *f = NULL;
    zis_error err = {0};
    zis_status st = zis_pth_open_memory(&f, "input", data, size, &err);
    if (st) {
        CHECK(!f && err.text[0] && st != ZIS_NOMEM);
        return;
    }
    CHECK(zis_pth_count(f) > 0);
    uint64_t total = 0;
    for (size_t i = 0; i < zis_pth_count(f); i++) {
        const zis_pth_entry *e = zis_pth_at(f, i);
        const unsigned char *p = e->tensor.data;
        CHECK(zis_tensor_dense(&e->tensor) && zis_tensor_bytes(&e->tensor) == e->bytes);
        if (e->bytes) sink ^= p[0] ^ p[e->bytes / 2] ^ p[e->bytes - 1];
        bool mapped = (uintptr_t)p >= (uintptr_t)data && (uintptr_t)p <= (uintptr_t)data + size;
        if (!mapped) total += e->bytes;
    }
    (void)sink;
    CHECK(total <= size + ((size_t)16 << 20));
    zis_pth_close(&f);
}

static void put(zis_buf *b, uint32_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) zis_buf_putc(b, (char)(v >> (8 * i)));
}

/* A stored entry: its local header and data to `file`, its entry of the directory to `dir`. */
static void add_entry(zis_buf *file, zis_buf *dir, const char *name, const void *data, size_t n)
{
    uint32_t crc = libdeflate_crc32(0, data, n), at = (uint32_t)file->len;
    for (int local = 1; local >= 0; local--) {
        zis_buf *b = local ? file : dir;
        zis_buf_append(b, local ? "PK\3\4" : "PK\1\2\0\0", local ? 4 : 6);
        put(b, 0, 4); /* version, flags */
        put(b, 0, 4); /* method, time */
        put(b, 0, 2);
        put(b, crc, 4);
        put(b, (uint32_t)n, 4);
        put(b, (uint32_t)n, 4);
        put(b, (uint32_t)strlen(name), 4);
        if (!local) {
            put(b, 0, 4); /* no comment, first disk */
            put(b, 0, 4);
            put(b, 0, 2);
            put(b, at, 4);
        }
        zis_buf_puts(b, name);
    }
    zis_buf_append(file, data, n);
}

static void open_pickle(const uint8_t *data, size_t size)
{
    zis_buf b = {0}, dir = {0};
    zis_buf_append(&b, head, sizeof head - 1);
    zis_buf_append(&b, data, size);
    zis_buf_append(&b, tail, sizeof tail - 1);
    CHECK(!b.failed);
    open_it(b.data, b.len);
    b.len = 0;
    add_entry(&b, &dir, "a/data.pkl", data, size);
    add_entry(&b, &dir, "a/data/0", "abcdefghijklmnopqrstuvwx", 24);
    uint32_t at = (uint32_t)b.len;
    zis_buf_append(&b, dir.data, dir.len);
    zis_buf_append(&b, "PK\5\6\0\0\0\0\2\0\2\0", 12);
    put(&b, (uint32_t)dir.len, 4);
    put(&b, at, 4);
    put(&b, 0, 2);
    CHECK(!b.failed && !dir.failed);
    open_it(b.data, b.len);
    zis_buf_free(&b);
    zis_buf_free(&dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool zip = size >= 2 && memcmp(data, "PK", 2) == 0;
    bool legacy = size >= 15 && memcmp(data, head, 15) == 0;
    if (zip || legacy)
        open_it(data, size);
    else
        open_pickle(data, size);
    return 0;
}
