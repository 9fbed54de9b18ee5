/* A LoRA file of any bytes (safetensors or torch), matched with a small model, put on and taken
 * off: the model must be as before, and the kernels must take what is attached. */
#include "kernels/run.h"
#include "nn/lora.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { COUNT = 5 };

/* The sides that the corpus fits: 4 x 4, and once 8 x 4. */
typedef struct model {
    float data[COUNT][32];
    zis_weight w[COUNT];
    float vector[8];
    const float *bias;
} model;

static const char *const names[COUNT] = {
    "layers.0.attention.to_q",     "layers.0.attention.to_k",  "layers.0.attention.to_v",
    "layers.0.attention.to_out.0", "layers.0.feed_forward.w1",
};

/* A product with each matrix, checked and planned as in earnest. */
static void multiply(const model *m)
{
    static float x[3 * 4], y[3 * 8];
    zis_run run, dry;
    zis_error err;
    if (zis_run_init(&run, &(zis_run_options){.device = "cpu", .math = ZIS_DTYPE_F32}, &err))
        abort();
    for (int i = 0; i < COUNT; i++) {
        zis_linear_args a = {
            .y = zis_tensor_2d(y, ZIS_DTYPE_F32, 3, m->w[i].t.dim[0]),
            .x = zis_tensor_2d(x, ZIS_DTYPE_F32, 3, 4),
            .w = {&m->w[i]},
            .n_w = 1,
        };
        zis_run_init_dry(&dry, &run);
        zis_linear(&dry, &a);
        if (zis_run_status(&dry, &err)) abort();
        if (zis_run_reserve(&run, dry.scratch.peak, &err)) abort();
        zis_linear(&run, &a);
        if (zis_run_status(&run, &err)) abort();
    }
    zis_run_deinit(&run);
}

static void apply(const char *path, model *m, zis_lora_targets *t)
{
    zis_lora *lora = NULL;
    zis_lora_attachment *a = NULL;
    zis_error err;
    double strength = 0.5;
    model before = *m;
    if (zis_lora_open(&lora, path, t, &err) == ZIS_OK) {
        const zis_lora_report *r = zis_lora_get_report(lora);
        if (r->matched > r->modules || r->left_over > r->keys) abort();
        if (zis_lora_attach(&a, t, &lora, &strength, 1, &err) == ZIS_OK) multiply(m);
    }
    zis_lora_detach(&a);
    zis_lora_close(&lora);
    if (memcmp(&before, m, sizeof *m) != 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static model m;
    zis_lora_targets t;
    char path[40];
    int fd = memfd_create("lora", 0);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    zis_lora_targets_init(&t, "a small model");
    for (int i = 0; i < COUNT; i++) {
        m.w[i] = (zis_weight){.t = zis_tensor_2d(m.data[i], ZIS_DTYPE_F32, i == 4 ? 8 : 4, 4)};
        zis_lora_targets_add_matrix(&t, names[i], &m.w[i]);
    }
    m.bias = m.vector;
    zis_lora_targets_add_vector(&t, names[4], &m.bias, 8);
    zis_lora_targets_alias(&t, "layers.0.attention.qkv", names, 3, true);
    if (zis_lora_targets_finish(&t, NULL)) abort();
    apply(path, &m, &t);
    zis_lora_targets_deinit(&t);
    close(fd);
    return 0;
}
