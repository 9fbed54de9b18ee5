/* lora_file.h - LoRA files made for a test, and a model of a few small modules to apply them to. */
#ifndef TESTS_NN_LORA_FILE_H
#define TESTS_NN_LORA_FILE_H

#include "formats/safetensors.h"
#include "nn/lora.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- a file ---- */

typedef struct lora_tensor {
    char name[120];
    int ndim;
    int64_t dim[3];
    zis_dtype dtype;
    double value[256]; /* as stored: rounded to dtype */
    int64_t n;
} lora_tensor;

typedef struct lora_file {
    char path[64];
    lora_tensor t[48];
    int n;
    const char *meta; /* lora_adapter_metadata, or NULL */
} lora_file;

/* A tensor of 0, 1 or 2 dims (a side of 0 ends them) with values that depend on its place. */
static lora_tensor *put(lora_file *f, const char *name, int64_t rows, int64_t cols, zis_dtype type)
{
    assert_true(f->n < 48);
    lora_tensor *t = &f->t[f->n];
    *t = (lora_tensor){.ndim = rows ? cols ? 2 : 1 : 0, .dim = {rows, cols}, .dtype = type};
    snprintf(t->name, sizeof t->name, "%s", name);
    t->n = (rows ? rows : 1) * (cols ? cols : 1);
    assert_true(t->n <= 256);
    for (int64_t i = 0; i < t->n; i++) {
        float v = (float)((i * 7 + f->n * 3) % 13 - 6) / 8.0f;
        t->value[i] = (double)v; /* exact in every type but F8 */
    }
    f->n++;
    return t;
}

/* A single number. */
static void put_alpha(lora_file *f, const char *name, double value)
{
    put(f, name, 0, 0, ZIS_DTYPE_F32)->value[0] = value;
}

static size_t encode(const lora_tensor *t, unsigned char *out)
{
    size_t size = (size_t)zis_dtype_get(t->dtype)->bytes;
    for (int64_t i = 0; i < t->n; i++) {
        float v = (float)t->value[i];
        uint16_t h = t->dtype == ZIS_DTYPE_BF16 ? zis_f32_to_bf16(v) : zis_f32_to_f16(v);
        int64_t l = t->dtype == ZIS_DTYPE_I64 ? (int64_t)t->value[i] : 0;
        unsigned char *to = out + (size_t)i * size;
        if (t->dtype == ZIS_DTYPE_F32)
            memcpy(to, &v, 4);
        else if (t->dtype == ZIS_DTYPE_F64)
            memcpy(to, &t->value[i], 8);
        else if (t->dtype == ZIS_DTYPE_I64)
            memcpy(to, &l, 8);
        else
            memcpy(to, &h, 2);
    }
    return (size_t)t->n * size;
}

static int files;

/* For a group's teardown. */
static int remove_files(void **state)
{
    (void)state;
    for (int i = 0; i < files; i++) {
        char path[64];
        snprintf(path, sizeof path, "/tmp/zis-lora-%d-%d.safetensors", (int)getpid(), i);
        unlink(path);
    }
    return 0;
}

static void write_file(lora_file *f)
{
    zis_safetensors_writer *w = NULL;
    zis_error err = {0};
    unsigned char bytes[256 * 8];
    snprintf(f->path, sizeof f->path, "/tmp/zis-lora-%d-%d.safetensors", (int)getpid(), files++);
    zis_status st = zis_safetensors_writer_create(&w, f->path, &err);
    for (int i = 0; i < f->n && !st; i++)
        st = zis_safetensors_writer_add(w, f->t[i].name, f->t[i].dtype, f->t[i].ndim, f->t[i].dim,
                                        &err);
    if (!st && f->meta) st = zis_safetensors_writer_meta(w, "lora_adapter_metadata", f->meta, &err);
    for (int i = 0; i < f->n && !st; i++)
        st = zis_safetensors_writer_write(w, bytes, encode(&f->t[i], bytes), &err);
    if (!st) st = zis_safetensors_writer_finish(w, &err);
    if (st) fail_msg("%s", err.text);
    zis_safetensors_writer_destroy(&w);
}

/* ---- a model ---- */

enum { Q, K, V, OUT, W1, W2, MLP, N_MODULES };

static const struct {
    const char *name;
    int64_t rows, cols;
} modules[N_MODULES] = {
    [Q] = {"layers.0.attention.to_q", 6, 6},      [K] = {"layers.0.attention.to_k", 6, 6},
    [V] = {"layers.0.attention.to_v", 6, 6},      [OUT] = {"layers.0.attention.to_out.0", 6, 6},
    [W1] = {"layers.0.feed_forward.w1", 10, 6},   [W2] = {"layers.0.feed_forward.w2", 6, 10},
    [MLP] = {"all_final_layer.2-1.linear", 8, 4},
};
#define NORM_NAME "layers.0.attention_norm1"

typedef struct small_model {
    zis_weight w[N_MODULES];
    float data[N_MODULES][100];
    float bias_values[8], norm_values[6];
    const float *bias, *norm; /* of MLP; of NORM_NAME */
    zis_lora_targets targets;
} small_model;

static void make_model(small_model *m)
{
    static const char *const fused[] = {"layers.0.attention.to_q", "layers.0.attention.to_k",
                                        "layers.0.attention.to_v"};
    static const char *const out[] = {"layers.0.attention.to_out.0"};
    memset(m, 0, sizeof *m);
    zis_lora_targets_init(&m->targets, "a small model");
    for (int i = 0; i < N_MODULES; i++) {
        int64_t n = modules[i].rows * modules[i].cols;
        for (int64_t k = 0; k < n; k++) m->data[i][k] = (float)((k * 5 + i) % 11 - 5) / 4.0f;
        m->w[i].t = zis_tensor_2d(m->data[i], ZIS_DTYPE_F32, modules[i].rows, modules[i].cols);
        zis_lora_targets_add_matrix(&m->targets, modules[i].name, &m->w[i]);
    }
    for (int i = 0; i < 8; i++) m->bias_values[i] = (float)i;
    for (int i = 0; i < 6; i++) m->norm_values[i] = 1;
    m->bias = m->bias_values;
    m->norm = m->norm_values;
    zis_lora_targets_add_vector(&m->targets, modules[MLP].name, &m->bias, 8);
    zis_lora_targets_add_vector(&m->targets, NORM_NAME, &m->norm, 6);
    zis_lora_targets_alias(&m->targets, "layers.0.attention.qkv", fused, 3, true);
    zis_lora_targets_alias(&m->targets, "layers.0.attention.out", out, 1, true);
    zis_lora_targets_alias(&m->targets, "layers.0.attention.to.q", fused, 1, false);
    assert_int_equal(zis_lora_targets_finish(&m->targets, NULL), ZIS_OK);
}

static void drop_model(small_model *m)
{
    zis_lora_targets_deinit(&m->targets);
}

#endif
