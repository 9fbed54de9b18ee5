/* pth_zip.c - reads the directory of a zip archive of stored entries (APPNOTE 6.3, the parts that
 * torch.save uses). */
#include "formats/pth_zip.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

#define END_BYTES 22u     /* end of central directory */
#define END64_BYTES 56u   /* its zip64 form, without extensible data */
#define LOCATOR_BYTES 20u /* which says where that lies */
#define CENTRAL_BYTES 46u /* an entry of the directory, before its name */
#define LOCAL_BYTES 30u   /* a local header, before its name */
#define ENTRIES_MAX 1000000u

/* Bits of the general flags that change nothing for a stored entry: how hard the compressor tried,
 * sizes behind the data, names in UTF-8. */
#define FLAGS_KNOWN 0x080Eu
#define FLAG_ENCRYPTED 0x2041u
#define FLAG_SIZES_BEHIND 0x0008u

#define EXTRA_ZIP64 1u
#define IN_ZIP64 0xFFFFFFFFu

#define SHOWN(e) zis_utf8_cut((e)->name, (e)->name_len, 100), (e)->name

static uint32_t get16(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t get32(const unsigned char *p)
{
    return get16(p) | get16(p + 2) << 16;
}

static uint64_t get64(const unsigned char *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

typedef struct directory {
    uint64_t count, begin, end;
} directory;

static zis_status ZIS_PRINTF(4, 5)
    bad(const zis_pth_zip *zip, uint64_t at, zis_error *err, const char *fmt, ...)
{
    zis_error inner = {0};
    va_list ap;
    va_start(ap, fmt);
    zis_failv(&inner, ZIS_FORMAT, fmt, ap);
    va_end(ap);
    return zis_fail(err, ZIS_FORMAT, "'%s': zip archive, byte %" PRIu64 ": %s", zip->path, at,
                    inner.text);
}

/* The zip64 end record, when its locator lies right before the end record at `end`. */
static zis_status read_end64(const zis_pth_zip *zip, size_t end, directory *d, zis_error *err)
{
    if (end < LOCATOR_BYTES + END64_BYTES) return ZIS_OK;
    size_t at = end - LOCATOR_BYTES;
    const unsigned char *l = zip->data + at;
    if (memcmp(l, "PK\6\7", 4) != 0) return ZIS_OK;
    if (get32(l + 4) != 0 || get32(l + 16) > 1)
        return bad(zip, at, err, "the archive is one of several disks");
    if (get64(l + 8) != at - END64_BYTES)
        return bad(zip, at, err,
                   "the zip64 end record should lie right before its locator, but is said to be at "
                   "byte %" PRIu64,
                   get64(l + 8));
    at -= END64_BYTES;
    const unsigned char *e = zip->data + at;
    if (memcmp(e, "PK\6\6", 4) != 0 || get64(e + 4) != END64_BYTES - 12)
        return bad(zip, at, err, "no zip64 end record, though its locator points here");
    if (get32(e + 16) != 0 || get32(e + 20) != 0 || get64(e + 24) != get64(e + 32))
        return bad(zip, at, err, "the archive is one of several disks");
    directory wide = {.count = get64(e + 32), .begin = get64(e + 48), .end = at};
    const unsigned char *n = zip->data + end;
    if ((get16(n + 10) != 0xFFFF && get16(n + 10) != wide.count) ||
        (get32(n + 12) != IN_ZIP64 && get32(n + 12) != get64(e + 40)) ||
        (get32(n + 16) != IN_ZIP64 && get32(n + 16) != wide.begin))
        return bad(zip, end, err, "the end record and the zip64 end record disagree");
    if (wide.begin > at || get64(e + 40) != at - wide.begin)
        return bad(zip, at, err,
                   "the directory (byte %" PRIu64 ", %" PRIu64
                   " bytes) does not end at its end record",
                   wide.begin, get64(e + 40));
    *d = wide;
    return ZIS_OK;
}

/* The end record must be the last of the file, so that no second one can be meant. */
static zis_status read_end(const zis_pth_zip *zip, directory *d, zis_error *err)
{
    size_t at = zip->size - END_BYTES;
    if (zip->size < END_BYTES || memcmp(zip->data + at, "PK\5\6\0\0\0\0", 8) != 0 ||
        get16(zip->data + at + 20) != 0)
        return zis_fail(err, ZIS_FORMAT,
                        "'%s' begins as a zip archive, but does not end with the end record of "
                        "one (%zu bytes): cut short? fetch it again",
                        zip->path, zip->size);
    const unsigned char *e = zip->data + at;
    zis_status st = read_end64(zip, at, d, err);
    if (st) return st;
    if (d->end == 0) {
        uint64_t begin = get32(e + 16), bytes = get32(e + 12);
        if (begin > at || bytes != at - begin)
            return bad(zip, at, err,
                       "the directory (byte %" PRIu64 ", %" PRIu64
                       " bytes) does not end at its end record",
                       begin, bytes);
        *d = (directory){.count = get16(e + 10), .begin = begin, .end = at};
        if (get16(e + 8) != d->count)
            return bad(zip, at, err, "the archive is one of several disks");
    }
    /* division first: a count cannot make the product wrap */
    if (d->count > ENTRIES_MAX || d->count > (d->end - d->begin) / CENTRAL_BYTES)
        return bad(zip, at, err,
                   "%" PRIu64 " entries are too many for a directory of %" PRIu64 " bytes",
                   d->count, d->end - d->begin);
    return ZIS_OK;
}

/* Replaces those of the n values that are 0xFFFFFFFF by their zip64 forms; false when one lacks. */
static bool widen(const unsigned char *extra, size_t bytes, uint64_t *values[], int n)
{
    bool wanted = false;
    for (int i = 0; i < n; i++) wanted = wanted || *values[i] == IN_ZIP64;
    if (!wanted) return true;
    while (bytes >= 4) {
        size_t len = get16(extra + 2);
        if (len > bytes - 4) return false;
        if (get16(extra) == EXTRA_ZIP64) {
            const unsigned char *p = extra + 4;
            for (int i = 0; i < n; i++) {
                if (*values[i] != IN_ZIP64) continue;
                if (len < 8) return false;
                *values[i] = get64(p);
                p += 8;
                len -= 8;
            }
            return true;
        }
        extra += 4 + len;
        bytes -= 4 + len;
    }
    return false;
}

/* What the directory says of an entry, and its local header. */
typedef struct record {
    const unsigned char *central;
    size_t at; /* of `central` */
    uint64_t header, size;
} record;

/* The local header must say the same; sets where the data begins. */
static zis_status read_local(
    const zis_pth_zip *zip, const record *r, uint64_t dir, zis_pth_zip_entry *e, zis_error *err)
{
    if (r->header > dir || dir - r->header < LOCAL_BYTES)
        return bad(zip, r->at, err,
                   "entry '%.*s' is said to begin at byte %" PRIu64
                   ", outside of the part before the directory",
                   SHOWN(e), r->header);
    const unsigned char *l = zip->data + r->header, *c = r->central;
    uint64_t room = dir - r->header - LOCAL_BYTES;
    size_t name = get16(l + 26), extra = get16(l + 28);
    if (memcmp(l, "PK\3\4", 4) != 0)
        return bad(zip, r->header, err, "no local header of entry '%.*s'", SHOWN(e));
    if (name + extra > room)
        return bad(zip, r->header, err, "the local header of entry '%.*s' is cut short", SHOWN(e));
    if (get32(l + 6) != get32(c + 8) || name != e->name_len ||
        memcmp(l + LOCAL_BYTES, e->name, name) != 0)
        return bad(zip, r->header, err,
                   "the local header and the directory disagree on entry '%.*s'", SHOWN(e));
    uint64_t packed = get32(l + 18), size = get32(l + 22);
    if (!(get16(l + 6) & FLAG_SIZES_BEHIND)) {
        if (!widen(l + LOCAL_BYTES + name, extra, (uint64_t *[]){&size, &packed}, 2) ||
            size != r->size || packed != r->size || get32(l + 14) != e->crc)
            return bad(zip, r->header, err,
                       "the local header and the directory disagree on the size or checksum of "
                       "entry '%.*s'",
                       SHOWN(e));
    } else if ((size != 0 && size != IN_ZIP64 && size != r->size) ||
               (get32(l + 14) != 0 && get32(l + 14) != e->crc)) {
        return bad(zip, r->header, err,
                   "the local header and the directory disagree on the size or checksum of entry "
                   "'%.*s'",
                   SHOWN(e));
    }
    if (r->size > room - name - extra)
        return bad(zip, r->header, err,
                   "entry '%.*s' has %" PRIu64
                   " bytes, which is more than lie before the directory: cut short? fetch it again",
                   SHOWN(e), r->size);
    e->header = (size_t)r->header;
    e->begin = (size_t)r->header + LOCAL_BYTES + name + extra;
    e->size = (size_t)r->size;
    return ZIS_OK;
}

/* The entry of the directory at *at, which moves behind it. */
static zis_status read_entry(
    const zis_pth_zip *zip, const directory *d, size_t *at, zis_pth_zip_entry *e, zis_error *err)
{
    size_t left = (size_t)d->end - *at;
    const unsigned char *c = zip->data + *at;
    if (left < CENTRAL_BYTES || memcmp(c, "PK\1\2", 4) != 0)
        return bad(zip, *at, err, "no entry of the directory, though one should follow");
    size_t name = get16(c + 28), extra = get16(c + 30), comment = get16(c + 32);
    if (name + extra + comment > left - CENTRAL_BYTES)
        return bad(zip, *at, err, "an entry of the directory is cut short");
    *e = (zis_pth_zip_entry){
        .name = (const char *)c + CENTRAL_BYTES, .name_len = name, .crc = get32(c + 16)};
    uint64_t size = get32(c + 24), packed = get32(c + 20), header = get32(c + 42);
    uint32_t flags = get16(c + 8), method = get16(c + 10);
    if (name == 0 || memchr(e->name, '\0', name))
        return bad(zip, *at, err, "an entry without a proper name");
    if (flags & FLAG_ENCRYPTED) return bad(zip, *at, err, "entry '%.*s' is encrypted", SHOWN(e));
    if (flags & ~FLAGS_KNOWN)
        return bad(zip, *at, err, "entry '%.*s' has the unknown flags 0x%04" PRIx32, SHOWN(e),
                   flags);
    if (method != 0)
        return bad(zip, *at, err,
                   "entry '%.*s' is compressed (method %" PRIu32
                   "); torch.save writes stored entries only, and only those are read",
                   SHOWN(e), method);
    if (!widen(c + CENTRAL_BYTES + name, extra, (uint64_t *[]){&size, &packed, &header}, 3))
        return bad(zip, *at, err, "entry '%.*s' lacks its zip64 sizes", SHOWN(e));
    if (size != packed)
        return bad(zip, *at, err,
                   "entry '%.*s' is stored, but has two sizes (%" PRIu64 " and %" PRIu64 ")",
                   SHOWN(e), packed, size);
    if (get16(c + 34) != 0) return bad(zip, *at, err, "entry '%.*s' is on another disk", SHOWN(e));
    record r = {.central = c, .at = *at, .header = header, .size = size};
    *at += CENTRAL_BYTES + name + extra + comment;
    return read_local(zip, &r, d->begin, e, err);
}

static int by_header(const void *a, const void *b)
{
    const zis_pth_zip_entry *x = a, *y = b;
    return x->header < y->header ? -1 : x->header > y->header;
}

/* Entries lie one behind the other; names are there once. Sorts the entries by place. */
static zis_status check_entries(zis_pth_zip *zip, zis_error *err)
{
    size_t end = 0;
    if (zip->count) qsort(zip->entries, zip->count, sizeof *zip->entries, by_header);
    for (size_t i = 0; i < zip->count; i++) {
        const zis_pth_zip_entry *e = &zip->entries[i];
        if (e->header < end)
            return bad(zip, e->header, err, "entry '%.*s' overlaps another, which ends at byte %zu",
                       SHOWN(e), end);
        end = e->begin + e->size;
        zis_status st = zis_strmap_put(&zip->names, e->name, e->name_len, i, NULL);
        if (st == ZIS_NOMEM) return zis_fail_nomem(err, zip->path);
        if (st) return bad(zip, e->header, err, "entry '%.*s' is there twice", SHOWN(e));
    }
    return ZIS_OK;
}

zis_status zis_pth_zip_read(
    zis_pth_zip *zip, const char *path, const void *data, size_t size, zis_error *err)
{
    directory d = {0};
    *zip = (zis_pth_zip){.path = path, .data = data, .size = size};
    zis_status st = read_end(zip, &d, err);
    if (st) return st;
    zip->entries = zis_mem_zalloc((size_t)d.count, sizeof *zip->entries);
    if (!zip->entries) return zis_fail_nomem(err, path);
    size_t at = (size_t)d.begin;
    for (uint64_t i = 0; i < d.count; i++) {
        st = read_entry(zip, &d, &at, &zip->entries[i], err);
        if (st) return st;
        zip->count++;
    }
    if (at != d.end) return bad(zip, at, err, "the directory goes on behind its last entry");
    return check_entries(zip, err);
}

void zis_pth_zip_deinit(zis_pth_zip *zip)
{
    zis_strmap_free(&zip->names);
    free(zip->entries);
    *zip = (zis_pth_zip){0};
}

const zis_pth_zip_entry *zis_pth_zip_find(const zis_pth_zip *zip, const char *name, size_t len)
{
    size_t i;
    return zis_strmap_get(&zip->names, name, len, &i) ? &zip->entries[i] : NULL;
}

zis_status zis_pth_zip_intact(const zis_pth_zip *zip, const zis_pth_zip_entry *e, zis_error *err)
{
    if (libdeflate_crc32(0, zip->data + e->begin, e->size) == e->crc) return ZIS_OK;
    return bad(zip, e->begin, err,
               "the %zu bytes of entry '%.*s' do not have its checksum: damaged; fetch the file "
               "again",
               e->size, SHOWN(e));
}
