/* pictures.h - what the tests of the preprocessors share: goldens as pictures, the test picture P
 * of preprocessors.md 10, checksums. */
#ifndef TESTS_PICTURES_H
#define TESTS_PICTURES_H

#include "base/json.h"
#include "formats/safetensors.h"
#include "tensor/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* tests/golden/data/STEM.safetensors */
static inline zis_safetensors *golden_open(const char *stem)
{
    char path[512];
    snprintf(path, sizeof path, "%s/tests/golden/data/%s.safetensors", ZIS_SOURCE_DIR, stem);
    zis_safetensors *st = NULL;
    zis_error err = {0};
    if (zis_safetensors_open(&st, path, &err)) fail_msg("%s", err.text);
    return st;
}

static inline zis_json_doc *golden_config(const zis_safetensors *st)
{
    const char *text = zis_safetensors_meta(st, "config");
    assert_non_null(text);
    zis_json_doc *doc = NULL;
    zis_error err = {0};
    if (zis_json_doc_parse(&doc, "config", text, strlen(text), &err)) fail_msg("%s", err.text);
    return doc;
}

/* The tensor "out.NAME" for "in.NAME"; NULL when e is no input. *name is what follows "in.". */
static inline const zis_safetensors_entry *golden_pair(const zis_safetensors *st,
                                                       const zis_safetensors_entry *e,
                                                       const char **name)
{
    char out[128];
    if (strncmp(e->name, "in.", 3) != 0) return NULL;
    *name = e->name + 3;
    snprintf(out, sizeof out, "out.%s", *name);
    const zis_safetensors_entry *o = zis_safetensors_find(st, out);
    if (!o) fail_msg("%s is missing", out);
    return o;
}

static inline int64_t config_int(const zis_json_doc *doc, const char *name, const char *key)
{
    char path[160];
    int64_t v = -1;
    zis_error err = {0};
    snprintf(path, sizeof path, "cases.%s.%s", name, key);
    if (zis_json_doc_int(doc, path, 1, 1 << 20, &v, &err)) fail_msg("%s", err.text);
    return v;
}

/* A copy of a U8 tensor [H, W, C] or [H, W]. */
static inline zis_image *picture_of(const zis_tensor *t)
{
    zis_image *img = NULL;
    int channels = t->ndim == 3 ? (int)t->dim[2] : 1;
    assert_int_equal(t->dtype, ZIS_DTYPE_U8);
    assert_int_equal(zis_image_create(&img, (int)t->dim[1], (int)t->dim[0], channels, NULL), 0);
    memcpy(img->data, t->data, zis_tensor_bytes(t));
    return img;
}

static inline void assert_picture(const zis_image *img, const zis_tensor *want, const char *name)
{
    if (img->height != want->dim[0] || img->width != want->dim[1])
        fail_msg("%s: %d x %d instead of %d x %d", name, img->width, img->height, (int)want->dim[1],
                 (int)want->dim[0]);
    size_t n = zis_tensor_bytes(want), bad = 0;
    assert_int_equal((size_t)img->width * (size_t)img->height * (size_t)img->channels, n);
    const uint8_t *w = want->data;
    for (size_t i = 0; i < n; i++) bad += img->data[i] != w[i];
    if (bad) fail_msg("%s: %zu of %zu values differ", name, bad, n);
}

/* The test picture of preprocessors.md 10. */
static inline zis_image *picture_p(int width, int height)
{
    zis_image *img = NULL;
    assert_int_equal(zis_image_create(&img, width, height, 3, NULL), 0);
    uint8_t *p = img->data;
    for (unsigned y = 0; y < (unsigned)height; y++)
        for (unsigned x = 0; x < (unsigned)width; x++)
            for (unsigned c = 0; c < 3; c++)
                *p++ = (uint8_t)((3 * x * x + 5 * y * y + 7 * x * y + 40 * c * (x + y)) >> 7);
    return img;
}

/* As in zlib. */
static inline uint32_t crc32_of(const void *data, size_t n)
{
    const uint8_t *p = data;
    uint32_t crc = ~0u;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

static inline void assert_crc(const zis_image *img, int width, int height, uint32_t crc)
{
    assert_int_equal(img->width, width);
    assert_int_equal(img->height, height);
    size_t n = (size_t)width * (size_t)height * (size_t)img->channels;
    assert_int_equal(crc32_of(img->data, n), crc);
}

#endif
