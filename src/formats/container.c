/* container.c - the table of containers, and how each is recognised. */
#include "formats/container.h"

#include "base/os.h"
#include "formats/pth.h"
#include "formats/safetensors.h"

#include <string.h>

#define HEAD 4096

static bool starts(const unsigned char *head, size_t n, const char *magic, size_t len)
{
    return n >= len && memcmp(head, magic, len) == 0;
}

/* 8 bytes of header length (at most 100 MB, so the upper four are zero), then '{'. */
static bool is_safetensors(const unsigned char *head, size_t n)
{
    return n >= 9 && memcmp(head + 4, "\0\0\0\0", 4) == 0 && head[8] == '{';
}

static zis_status st_open(void **handle, const char *path, zis_error *err)
{
    zis_safetensors *st = NULL;
    zis_status s = zis_safetensors_open(&st, path, err);
    if (!s) *handle = st;
    return s;
}

static void st_close(void **handle)
{
    zis_safetensors *st = *handle;
    zis_safetensors_close(&st);
    *handle = NULL;
}

static size_t st_count(const void *handle)
{
    return zis_safetensors_count(handle);
}

static void st_at(const void *handle, size_t i, zis_weights_entry *out)
{
    const zis_safetensors_entry *e = zis_safetensors_at(handle, i);
    out->name = e->name;
    out->tensor = e->tensor;
    out->bytes = e->bytes;
}

static const char *st_meta(const void *handle, const char *key)
{
    return zis_safetensors_meta(handle, key);
}

static zis_status st_check(const void *handle, zis_error *err)
{
    return zis_safetensors_check(handle, err);
}

static bool is_gguf(const unsigned char *head, size_t n)
{
    return starts(head, n, "GGUF", 4);
}

static zis_status pth_open(void **handle, const char *path, zis_error *err)
{
    zis_pth *f = NULL;
    zis_status s = zis_pth_open(&f, path, err);
    if (!s) *handle = f;
    return s;
}

static void pth_close(void **handle)
{
    zis_pth *f = *handle;
    zis_pth_close(&f);
    *handle = NULL;
}

static size_t pth_count(const void *handle)
{
    return zis_pth_count(handle);
}

static void pth_at(const void *handle, size_t i, zis_weights_entry *out)
{
    const zis_pth_entry *e = zis_pth_at(handle, i);
    out->name = e->name;
    out->tensor = e->tensor;
    out->bytes = e->bytes;
}

/* Texts beside the tensors are skipped. */
static const char *pth_meta(const void *handle, const char *key)
{
    (void)handle;
    (void)key;
    return NULL;
}

static zis_status pth_check(const void *handle, zis_error *err)
{
    return zis_pth_check(handle, err);
}

static bool is_lfs_pointer(const unsigned char *head, size_t n)
{
    static const char magic[] = "version https://git-lfs";
    return starts(head, n, magic, sizeof magic - 1);
}

static bool is_page(const unsigned char *head, size_t n)
{
    return starts(head, n, "<!DOCTYPE", 9) || starts(head, n, "<!doctype", 9) ||
           starts(head, n, "<html", 5);
}

static const zis_container table[] = {
    {.name = "safetensors",
     .probe = is_safetensors,
     .open = st_open,
     .close = st_close,
     .count = st_count,
     .at = st_at,
     .meta = st_meta,
     .check = st_check},
    {.name = "gguf",
     .probe = is_gguf,
     .refusal = "a GGUF file, which is not supported yet; use the model's safetensors file"},
    {.name = "torch",
     .probe = zis_pth_probe,
     .open = pth_open,
     .close = pth_close,
     .count = pth_count,
     .at = pth_at,
     .meta = pth_meta,
     .check = pth_check},
    {.name = "git-lfs",
     .probe = is_lfs_pointer,
     .refusal = "only a Git LFS pointer, not the weights; fetch the file itself (git lfs pull)"},
    {.name = "html",
     .probe = is_page,
     .refusal = "a web page, not weights; the download went wrong, fetch it again"},
};

zis_status zis_container_find(const zis_container **out, const char *path, zis_error *err)
{
    zis_map map = {0};
    zis_status st = zis_os_map(&map, path, err);
    if (st) return st;
    const zis_container *f = NULL;
    size_t n = map.size < HEAD ? map.size : HEAD;
    for (size_t i = 0; i < sizeof table / sizeof *table && !f; i++)
        if (table[i].probe(map.data, n)) f = &table[i];
    if (f && f->refusal)
        st = zis_fail(err, ZIS_UNSUPPORTED, "'%s' is %s", path, f->refusal);
    else if (!f && n == 0)
        st = zis_fail(err, ZIS_FORMAT, "'%s' is empty; fetch it again", path);
    else if (!f)
        st = zis_fail(
            err, ZIS_FORMAT,
            "'%s' holds no weights that are known here (expected a safetensors or torch file)",
            path);
    zis_os_unmap(&map);
    if (!st) *out = f;
    return st;
}
