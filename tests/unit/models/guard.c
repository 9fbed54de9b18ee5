/* The numeric guard in the VAE and in upscalers: the message names the layer that made the value.
 * (The transformer's and the ControlNets' is in control.c.) */
#include "models/esrgan/esrgan.h"
#include "models/vae/vae.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NANO ZIS_SOURCE_DIR "/models/nano/"

typedef struct spoilt {
    const char *tensor;
    const char *where;
} spoilt;

/* The file's tensors in memory, one value of one of them all ones: no number in any type. */
static zis_weights *copy_of(const char *path, const char *tensor)
{
    zis_weights *file = NULL, *copy = NULL;
    assert_int_equal(zis_weights_open(&file, path, NULL), ZIS_OK);
    size_t n = zis_weights_count(file);
    zis_weights_spec *specs = calloc(n, sizeof *specs);
    assert_non_null(specs);
    for (size_t i = 0; i < n; i++) {
        const zis_weights_entry *e = zis_weights_at(file, i);
        specs[i] =
            (zis_weights_spec){.name = e->name, .dtype = e->tensor.dtype, .ndim = e->tensor.ndim};
        memcpy(specs[i].dim, e->tensor.dim, sizeof specs[i].dim);
    }
    assert_int_equal(zis_weights_create_memory(&copy, "spoilt", specs, n, NULL), ZIS_OK);
    for (size_t i = 0; i < n; i++) {
        const zis_weights_entry *from = zis_weights_at(file, i);
        memcpy(zis_weights_find(copy, from->name)->tensor.data, from->tensor.data, from->bytes);
    }
    const zis_weights_entry *e = zis_weights_find(copy, tensor);
    if (!e) fail_msg("there is no tensor %s", tensor);
    memset(e->tensor.data, 0xFF, zis_dtype_get(e->tensor.dtype)->bytes);
    free(specs);
    zis_weights_close(&file);
    return copy;
}

static void expect(const spoilt *s, zis_status st, const zis_error *err)
{
    if (st != ZIS_NUMERIC || strncmp(err->text, s->where, strlen(s->where)) != 0)
        fail_msg("%s: %d '%s', not '%s...'", s->tensor, st, err->text, s->where);
}

static zis_run ready(size_t scratch)
{
    zis_run run;
    zis_run_options o = {.device = "cpu", .math = ZIS_DTYPE_F32};
    assert_int_equal(zis_run_init(&run, &o, NULL), ZIS_OK);
    assert_int_equal(zis_run_reserve(&run, scratch, NULL), ZIS_OK);
    return run;
}

static void vae(void **state)
{
    (void)state;
    static const spoilt cases[] = {
        {"decoder.conv_in.weight", "the VAE's decoder, conv_in: "},
        {"decoder.mid_block.resnets.0.conv1.weight", "the VAE's decoder, mid_block.resnets.0: "},
        {"decoder.mid_block.resnets.1.conv2.bias", "the VAE's decoder, mid_block.resnets.1: "},
        {"decoder.mid_block.attentions.0.to_v.weight",
         "the VAE's decoder, mid_block.attentions.0: "},
        {"decoder.up_blocks.0.resnets.0.norm1.weight", "the VAE's decoder, up_blocks.0.resnets.0"},
        {"decoder.up_blocks.1.resnets.2.conv2.weight", "the VAE's decoder, up_blocks.1.resnets.2"},
        {"decoder.up_blocks.1.upsamplers.0.conv.bias",
         "the VAE's decoder, up_blocks.1.resnets.2 or upsamplers.0: "},
        {"decoder.up_blocks.3.resnets.2.conv2.bias", "the VAE's decoder, up_blocks.3.resnets.2: "},
        {"decoder.conv_norm_out.bias", "the VAE's decoder, conv_out: "},
        {"decoder.conv_out.weight", "the VAE's decoder, conv_out: "},
        {"encoder.conv_in.bias", "the VAE's encoder, conv_in: "},
        {"encoder.down_blocks.1.resnets.0.conv_shortcut.weight",
         "the VAE's encoder, down_blocks.1.resnets.0: "},
        {"encoder.down_blocks.2.downsamplers.0.conv.weight",
         "the VAE's encoder, down_blocks.2.resnets.1 or downsamplers.0: "},
        {"encoder.mid_block.attentions.0.to_out.0.bias",
         "the VAE's encoder, mid_block.attentions.0: "},
        {"encoder.conv_out.bias", "the VAE's encoder, conv_out: "},
    };
    enum { SIDE = 16 };
    static const zis_vae_config config = {
        .channels = 3,
        .latent_channels = 16,
        .levels = 4,
        .width = {32, 64, 128, 128},
        .layers_per_block = 2,
        .groups = 8,
        .scaling = 1,
    };
    zis_run run = ready(64u << 20);
    float *values = calloc(16 * 4 + 3 * SIDE * SIDE, sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        zis_weights *w =
            copy_of(NANO "turbo/vae/diffusion_pytorch_model.safetensors", cases[i].tensor);
        zis_vae *m = NULL;
        zis_error err = {0};
        zis_tensor small = zis_tensor_3d(values, ZIS_DTYPE_F32, 16, 2, 2);
        zis_tensor large = zis_tensor_3d(values + 16 * 4, ZIS_DTYPE_F32, 3, SIDE, SIDE);
        assert_int_equal(zis_vae_create(&m, &config, w, ZIS_VAE_BOTH, NULL), ZIS_OK);
        bool encoder = strncmp(cases[i].tensor, "encoder", 7) == 0;
        memset(values, 0, (16 * 4 + 3 * SIDE * SIDE) * sizeof *values);
        zis_status st = encoder ? zis_vae_encode(m, &run, &large, small, &err)
                                : zis_vae_decode(m, &run, &small, large, &err);
        expect(&cases[i], st, &err);
        zis_run_clear(&run);
        zis_vae_close(&m);
        zis_weights_close(&w);
    }
    free(values);
    zis_run_deinit(&run);
}

static void upscaler(void **state)
{
    (void)state;
    static const spoilt cases[] = {
        {"conv_first.bias", "the upscaler, conv_first: "},
        {"body.0.rdb1.conv1.weight", "the upscaler, body.0: "},
        {"body.1.rdb3.conv5.bias", "the upscaler, body.1: "},
        {"conv_body.weight", "the upscaler, conv_body: "},
        {"conv_up1.weight", "the upscaler, conv_up1: "},
        {"conv_up2.bias", "the upscaler, conv_up2: "},
        {"conv_hr.weight", "the upscaler, conv_hr: "},
        {"conv_last.weight", "the upscaler, its last layer: "},
    };
    enum { SIDE = 9 };
    zis_run run = ready(64u << 20);
    float *values = calloc(17 * 3 * SIDE * SIDE, sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        zis_weights *w = copy_of(NANO "upscaler/nano_x4.pth", cases[i].tensor);
        zis_esrgan *m = NULL;
        zis_esrgan_config config;
        zis_error err = {0};
        zis_tensor x = zis_tensor_3d(values, ZIS_DTYPE_F32, SIDE, SIDE, 3);
        zis_tensor y =
            zis_tensor_3d(values + 3 * SIDE * SIDE, ZIS_DTYPE_F32, 4 * SIDE, 4 * SIDE, 3);
        assert_int_equal(zis_esrgan_config_read(&config, w, NULL), ZIS_OK);
        assert_int_equal(zis_esrgan_create(&m, &config, w, NULL), ZIS_OK);
        for (int k = 0; k < 3 * SIDE * SIDE; k++) values[k] = 0.5f;
        expect(&cases[i], zis_esrgan_run(m, &run, &x, y, NULL, &err), &err);
        zis_run_clear(&run);
        zis_esrgan_close(&m);
        zis_weights_close(&w);
    }
    free(values);
    zis_run_deinit(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vae),
        cmocka_unit_test(upscaler),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
