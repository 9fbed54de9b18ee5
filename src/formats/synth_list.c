/* synth_list.c - names and shapes of the published models (z-image.md 2, text-encoder.md 2, vae.md
 * 3), as rows of templates. */
#include "formats/synth_impl.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One tensor of a group; `name` follows the group's prefix. */
typedef struct row {
    const char *name;
    int ndim;
    int64_t dim[ZIS_MAX_DIMS];
} row;

#define D 3840 /* width of the transformer */

static const row transformer_ends[] = {
    {"all_x_embedder.2-1.weight", 2, {D, 64}},
    {"all_x_embedder.2-1.bias", 1, {D}},
    {"t_embedder.mlp.0.weight", 2, {1024, 256}},
    {"t_embedder.mlp.0.bias", 1, {1024}},
    {"t_embedder.mlp.2.weight", 2, {256, 1024}},
    {"t_embedder.mlp.2.bias", 1, {256}},
    {"cap_embedder.0.weight", 1, {2560}},
    {"cap_embedder.1.weight", 2, {D, 2560}},
    {"cap_embedder.1.bias", 1, {D}},
    {"x_pad_token", 2, {1, D}},
    {"cap_pad_token", 2, {1, D}},
    {"all_final_layer.2-1.adaLN_modulation.1.weight", 2, {D, 256}},
    {"all_final_layer.2-1.adaLN_modulation.1.bias", 1, {D}},
    {"all_final_layer.2-1.linear.weight", 2, {64, D}},
    {"all_final_layer.2-1.linear.bias", 1, {64}},
};
static const row transformer_block[] = {
    {"attention.to_q.weight", 2, {D, D}},
    {"attention.to_k.weight", 2, {D, D}},
    {"attention.to_v.weight", 2, {D, D}},
    {"attention.to_out.0.weight", 2, {D, D}},
    {"attention.norm_q.weight", 1, {128}},
    {"attention.norm_k.weight", 1, {128}},
    {"feed_forward.w1.weight", 2, {10240, D}},
    {"feed_forward.w3.weight", 2, {10240, D}},
    {"feed_forward.w2.weight", 2, {D, 10240}},
    {"attention_norm1.weight", 1, {D}},
    {"attention_norm2.weight", 1, {D}},
    {"ffn_norm1.weight", 1, {D}},
    {"ffn_norm2.weight", 1, {D}},
};
static const row transformer_modulation[] = {
    {"adaLN_modulation.0.weight", 2, {4 * D, 256}},
    {"adaLN_modulation.0.bias", 1, {4 * D}},
};
#undef D

#define D 2560 /* width of the text encoder */
static const row text_encoder_ends[] = {
    {"model.embed_tokens.weight", 2, {151936, D}},
    {"model.norm.weight", 1, {D}},
};
static const row text_encoder_layer[] = {
    {"input_layernorm.weight", 1, {D}},        {"self_attn.q_proj.weight", 2, {4096, D}},
    {"self_attn.k_proj.weight", 2, {1024, D}}, {"self_attn.v_proj.weight", 2, {1024, D}},
    {"self_attn.o_proj.weight", 2, {D, 4096}}, {"self_attn.q_norm.weight", 1, {128}},
    {"self_attn.k_norm.weight", 1, {128}},     {"post_attention_layernorm.weight", 1, {D}},
    {"mlp.gate_proj.weight", 2, {9728, D}},    {"mlp.up_proj.weight", 2, {9728, D}},
    {"mlp.down_proj.weight", 2, {D, 9728}},
};
#undef D

/* The VAE's rows have -1 for the channels that go in and -2 for those that come out. */
static const row resnet[] = {
    {"norm1.weight", 1, {-1}},           {"norm1.bias", 1, {-1}},
    {"conv1.weight", 4, {-2, -1, 3, 3}}, {"conv1.bias", 1, {-2}},
    {"norm2.weight", 1, {-2}},           {"norm2.bias", 1, {-2}},
    {"conv2.weight", 4, {-2, -2, 3, 3}}, {"conv2.bias", 1, {-2}},
};
static const row shortcut[] = {
    {"conv_shortcut.weight", 4, {-2, -1, 1, 1}},
    {"conv_shortcut.bias", 1, {-2}},
};
static const row attention[] = {
    {"group_norm.weight", 1, {-1}}, {"group_norm.bias", 1, {-1}}, {"to_q.weight", 2, {-1, -1}},
    {"to_q.bias", 1, {-1}},         {"to_k.weight", 2, {-1, -1}}, {"to_k.bias", 1, {-1}},
    {"to_v.weight", 2, {-1, -1}},   {"to_v.bias", 1, {-1}},       {"to_out.0.weight", 2, {-1, -1}},
    {"to_out.0.bias", 1, {-1}},
};
static const row conv[] = {
    {"weight", 4, {-2, -1, 3, 3}},
    {"bias", 1, {-2}},
};
static const row norm[] = {
    {"weight", 1, {-1}},
    {"bias", 1, {-1}},
};

#define COUNT(rows) (sizeof(rows) / sizeof *(rows))

void zis_synth_list_add(
    zis_synth_builder *b, const char *prefix, const char *name, int ndim, const int64_t *dim)
{
    zis_synth_list *l = b->list;
    if (b->failed) return;
    b->failed = true;
    if (l->count == l->room) {
        size_t room = l->room ? 2 * l->room : 256;
        zis_weights_spec *grown = zis_mem_resize(l->specs, room, sizeof *grown);
        if (!grown) return;
        l->specs = grown;
        l->room = room;
    }
    zis_weights_spec s = {.dtype = b->dtype, .ndim = ndim};
    for (int i = 0; i < ndim; i++) s.dim[i] = dim[i];
    s.name = zis_mem_printf("%s%s", prefix, name);
    if (!s.name) return;
    l->specs[l->count++] = s;
    b->failed = false;
}

static void group(
    zis_synth_builder *b, const char *prefix, const row *rows, size_t n, int64_t in, int64_t out)
{
    for (size_t i = 0; i < n; i++) {
        int64_t dim[ZIS_MAX_DIMS];
        for (int k = 0; k < rows[i].ndim; k++)
            dim[k] = rows[i].dim[k] == -1 ? in : rows[i].dim[k] == -2 ? out : rows[i].dim[k];
        zis_synth_list_add(b, prefix, rows[i].name, rows[i].ndim, dim);
    }
}

void zis_synth_build_block(zis_synth_builder *b, const char *prefix)
{
    group(b, prefix, transformer_block, COUNT(transformer_block), 0, 0);
    group(b, prefix, transformer_modulation, COUNT(transformer_modulation), 0, 0);
}

static void build_transformer(zis_synth_builder *b)
{
    static const struct {
        const char *name;
        int n;
        bool modulated;
    } lists[] = {{"noise_refiner", 2, true}, {"context_refiner", 2, false}, {"layers", 30, true}};
    char prefix[64];
    group(b, "", transformer_ends, COUNT(transformer_ends), 0, 0);
    for (size_t k = 0; k < COUNT(lists); k++)
        for (int i = 0; i < lists[k].n; i++) {
            snprintf(prefix, sizeof prefix, "%s.%d.", lists[k].name, i);
            if (lists[k].modulated)
                zis_synth_build_block(b, prefix);
            else
                group(b, prefix, transformer_block, COUNT(transformer_block), 0, 0);
        }
}

static void build_text_encoder(zis_synth_builder *b)
{
    char prefix[64];
    group(b, "", text_encoder_ends, COUNT(text_encoder_ends), 0, 0);
    for (int i = 0; i < 36; i++) {
        snprintf(prefix, sizeof prefix, "model.layers.%d.", i);
        group(b, prefix, text_encoder_layer, COUNT(text_encoder_layer), 0, 0);
    }
}

static void build_resnet(zis_synth_builder *b, const char *prefix, int64_t in, int64_t out)
{
    group(b, prefix, resnet, COUNT(resnet), in, out);
    if (in != out) group(b, prefix, shortcut, COUNT(shortcut), in, out);
}

static void build_half(zis_synth_builder *b, bool decoder)
{
    static const int64_t widths[] = {128, 256, 512, 512};
    const char *half = decoder ? "decoder" : "encoder";
    const int64_t first = decoder ? 512 : 128, last = decoder ? 128 : 512;
    char prefix[96];
    snprintf(prefix, sizeof prefix, "%s.conv_in.", half);
    group(b, prefix, conv, COUNT(conv), decoder ? 16 : 3, first);
    int64_t in = first;
    for (int i = 0; i < 4; i++) {
        int64_t out = widths[decoder ? 3 - i : i];
        const char *blocks = decoder ? "up_blocks" : "down_blocks";
        for (int r = 0; r < (decoder ? 3 : 2); r++, in = out) {
            snprintf(prefix, sizeof prefix, "%s.%s.%d.resnets.%d.", half, blocks, i, r);
            build_resnet(b, prefix, in, out);
        }
        if (i == 3) break;
        snprintf(prefix, sizeof prefix, "%s.%s.%d.%s.0.conv.", half, blocks, i,
                 decoder ? "upsamplers" : "downsamplers");
        group(b, prefix, conv, COUNT(conv), out, out);
    }
    snprintf(prefix, sizeof prefix, "%s.mid_block.attentions.0.", half);
    group(b, prefix, attention, COUNT(attention), 512, 512);
    for (int i = 0; i < 2; i++) {
        snprintf(prefix, sizeof prefix, "%s.mid_block.resnets.%d.", half, i);
        build_resnet(b, prefix, 512, 512);
    }
    snprintf(prefix, sizeof prefix, "%s.conv_norm_out.", half);
    group(b, prefix, norm, COUNT(norm), last, last);
    snprintf(prefix, sizeof prefix, "%s.conv_out.", half);
    group(b, prefix, conv, COUNT(conv), last, decoder ? 3 : 32);
}

static void build_vae(zis_synth_builder *b)
{
    build_half(b, false);
    build_half(b, true);
}

static const zis_synth_part_info parts[ZIS_SYNTH_PART_COUNT] = {
    [ZIS_SYNTH_TRANSFORMER] = {"transformer", "diffusion_pytorch_model.safetensors",
                               "{\n"
                               "  \"_class_name\": \"ZImageTransformer2DModel\",\n"
                               "  \"all_f_patch_size\": [1],\n"
                               "  \"all_patch_size\": [2],\n"
                               "  \"axes_dims\": [32, 48, 48],\n"
                               "  \"axes_lens\": [1536, 512, 512],\n"
                               "  \"cap_feat_dim\": 2560,\n"
                               "  \"dim\": 3840,\n"
                               "  \"in_channels\": 16,\n"
                               "  \"n_heads\": 30,\n"
                               "  \"n_kv_heads\": 30,\n"
                               "  \"n_layers\": 30,\n"
                               "  \"n_refiner_layers\": 2,\n"
                               "  \"norm_eps\": 1e-05,\n"
                               "  \"qk_norm\": true,\n"
                               "  \"rope_theta\": 256.0,\n"
                               "  \"t_scale\": 1000.0\n"
                               "}\n",
                               ZIS_DTYPE_BF16},
    [ZIS_SYNTH_TEXT_ENCODER] = {"text_encoder", "model.safetensors",
                                "{\n"
                                "  \"architectures\": [\"Qwen3ForCausalLM\"],\n"
                                "  \"attention_bias\": false,\n"
                                "  \"head_dim\": 128,\n"
                                "  \"hidden_act\": \"silu\",\n"
                                "  \"hidden_size\": 2560,\n"
                                "  \"intermediate_size\": 9728,\n"
                                "  \"max_position_embeddings\": 40960,\n"
                                "  \"model_type\": \"qwen3\",\n"
                                "  \"num_attention_heads\": 32,\n"
                                "  \"num_hidden_layers\": 36,\n"
                                "  \"num_key_value_heads\": 8,\n"
                                "  \"rms_norm_eps\": 1e-06,\n"
                                "  \"rope_scaling\": null,\n"
                                "  \"rope_theta\": 1000000,\n"
                                "  \"tie_word_embeddings\": true,\n"
                                "  \"torch_dtype\": \"bfloat16\",\n"
                                "  \"vocab_size\": 151936\n"
                                "}\n",
                                ZIS_DTYPE_BF16},
    [ZIS_SYNTH_VAE] = {"vae", "diffusion_pytorch_model.safetensors",
                       "{\n"
                       "  \"_class_name\": \"AutoencoderKL\",\n"
                       "  \"act_fn\": \"silu\",\n"
                       "  \"block_out_channels\": [128, 256, 512, 512],\n"
                       "  \"force_upcast\": true,\n"
                       "  \"in_channels\": 3,\n"
                       "  \"latent_channels\": 16,\n"
                       "  \"layers_per_block\": 2,\n"
                       "  \"mid_block_add_attention\": true,\n"
                       "  \"norm_num_groups\": 32,\n"
                       "  \"out_channels\": 3,\n"
                       "  \"sample_size\": 1024,\n"
                       "  \"scaling_factor\": 0.3611,\n"
                       "  \"shift_factor\": 0.1159,\n"
                       "  \"use_post_quant_conv\": false,\n"
                       "  \"use_quant_conv\": false\n"
                       "}\n",
                       ZIS_DTYPE_BF16},
    [ZIS_SYNTH_DEPTH] = {NULL, "dpt_hybrid-midas-501f0c75.safetensors", NULL, ZIS_DTYPE_F32},
    [ZIS_SYNTH_POSE] = {NULL, "body_pose_model.safetensors", NULL, ZIS_DTYPE_F32},
#define CONTROL(rest)                                                                              \
    {                                                                                              \
        NULL, "Z-Image-Turbo-Fun-Controlnet-" rest ".safetensors", NULL, ZIS_DTYPE_BF16            \
    }
    [ZIS_SYNTH_CONTROL_1_0] = CONTROL("Union"),
    [ZIS_SYNTH_CONTROL_2_0] = CONTROL("Union-2.0"),
    [ZIS_SYNTH_CONTROL_2_1] = CONTROL("Union-2.1-8steps"),
    [ZIS_SYNTH_CONTROL_LITE] = CONTROL("Union-2.1-lite-2602-8steps"),
#undef CONTROL
    [ZIS_SYNTH_ESRGAN] = {NULL, "RealESRGAN_x4plus.safetensors", NULL, ZIS_DTYPE_F32},
    [ZIS_SYNTH_SRVGG] = {NULL, "realesr-general-x4v3.safetensors", NULL, ZIS_DTYPE_F32},
};

const zis_synth_part_info *zis_synth_part_get(zis_synth_part part)
{
    return &parts[part];
}

zis_status zis_synth_list_create(zis_synth_list **out,
                                 zis_synth_part part,
                                 zis_dtype dtype,
                                 zis_error *err)
{
    static void (*const build[ZIS_SYNTH_PART_COUNT])(zis_synth_builder *) = {
        [ZIS_SYNTH_TRANSFORMER] = build_transformer,
        [ZIS_SYNTH_TEXT_ENCODER] = build_text_encoder,
        [ZIS_SYNTH_VAE] = build_vae,
        [ZIS_SYNTH_DEPTH] = zis_synth_build_depth,
        [ZIS_SYNTH_POSE] = zis_synth_build_pose,
        [ZIS_SYNTH_CONTROL_1_0] = zis_synth_build_control_1_0,
        [ZIS_SYNTH_CONTROL_2_0] = zis_synth_build_control_2_0,
        [ZIS_SYNTH_CONTROL_2_1] = zis_synth_build_control_2_1,
        [ZIS_SYNTH_CONTROL_LITE] = zis_synth_build_control_lite,
        [ZIS_SYNTH_ESRGAN] = zis_synth_build_esrgan,
        [ZIS_SYNTH_SRVGG] = zis_synth_build_srvgg,
    };
    zis_synth_builder b = {.list = zis_mem_zalloc(1, sizeof *b.list), .dtype = dtype};
    if (b.list) build[part](&b);
    if (!b.list || b.failed) {
        zis_synth_list_destroy(&b.list);
        return zis_fail_nomem(err, "the list of tensors");
    }
    *out = b.list;
    return ZIS_OK;
}

void zis_synth_list_destroy(zis_synth_list **list)
{
    zis_synth_list *l = *list;
    if (!l) return;
    for (size_t i = 0; i < l->count; i++) free((char *)l->specs[i].name);
    free(l->specs);
    free(l);
    *list = NULL;
}
