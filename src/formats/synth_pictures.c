/* synth_pictures.c - names and shapes of the networks that look at pictures (preprocessors.md 5.2,
 * 6.3). */
#include "formats/synth_impl.h"

#include <stdio.h>

/* NAME.weight [out, in, k, k] and, unless `bias` is false, NAME.bias [out]. */
static void conv(
    zis_synth_builder *b, const char *name, int64_t out, int64_t in, int64_t k, bool bias)
{
    zis_synth_list_add(b, name, ".weight", 4, (const int64_t[]){out, in, k, k});
    if (bias) zis_synth_list_add(b, name, ".bias", 1, &out);
}

static void linear(zis_synth_builder *b, const char *name, int64_t out, int64_t in)
{
    zis_synth_list_add(b, name, ".weight", 2, (const int64_t[]){out, in});
    zis_synth_list_add(b, name, ".bias", 1, &out);
}

static void norm(zis_synth_builder *b, const char *name, int64_t n)
{
    zis_synth_list_add(b, name, ".weight", 1, &n);
    zis_synth_list_add(b, name, ".bias", 1, &n);
}

/* Printed into a name that lives to the end of the call. */
#define NAME(...) (snprintf(name, sizeof name, __VA_ARGS__), name)

/* ---- depth ---------------------------------------------------------------------------------- */

#define BACKBONE "pretrained.model.patch_embed.backbone."

static void build_backbone(zis_synth_builder *b)
{
    static const struct {
        int blocks;
        int64_t in, mid, out;
    } stages[] = {{3, 64, 64, 256}, {4, 256, 128, 512}, {9, 512, 256, 1024}};
    char name[120];
    conv(b, BACKBONE "stem.conv", 64, 3, 7, false);
    norm(b, BACKBONE "stem.norm", 64);
    for (int s = 0; s < 3; s++)
        for (int i = 0; i < stages[s].blocks; i++) {
            int64_t in = i ? stages[s].out : stages[s].in, mid = stages[s].mid;
            char at[80];
            snprintf(at, sizeof at, BACKBONE "stages.%d.blocks.%d", s, i);
            if (i == 0) {
                conv(b, NAME("%s.downsample.conv", at), stages[s].out, in, 1, false);
                norm(b, NAME("%s.downsample.norm", at), stages[s].out);
            }
            conv(b, NAME("%s.conv1", at), mid, in, 1, false);
            norm(b, NAME("%s.norm1", at), mid);
            conv(b, NAME("%s.conv2", at), mid, mid, 3, false);
            norm(b, NAME("%s.norm2", at), mid);
            conv(b, NAME("%s.conv3", at), stages[s].out, mid, 1, false);
            norm(b, NAME("%s.norm3", at), stages[s].out);
        }
}

#define D 768

static void build_transformer(zis_synth_builder *b)
{
    char name[120];
    zis_synth_list_add(b, "pretrained.model.", "cls_token", 3, (const int64_t[]){1, 1, D});
    zis_synth_list_add(b, "pretrained.model.", "pos_embed", 3, (const int64_t[]){1, 577, D});
    conv(b, "pretrained.model.patch_embed.proj", D, 1024, 1, true);
    for (int i = 0; i < 12; i++) {
        norm(b, NAME("pretrained.model.blocks.%d.norm1", i), D);
        linear(b, NAME("pretrained.model.blocks.%d.attn.qkv", i), 3 * D, D);
        linear(b, NAME("pretrained.model.blocks.%d.attn.proj", i), D, D);
        norm(b, NAME("pretrained.model.blocks.%d.norm2", i), D);
        linear(b, NAME("pretrained.model.blocks.%d.mlp.fc1", i), 4 * D, D);
        linear(b, NAME("pretrained.model.blocks.%d.mlp.fc2", i), D, 4 * D);
    }
    norm(b, "pretrained.model.norm", D);
    linear(b, "pretrained.model.head", 1000, D);
    for (int i = 3; i <= 4; i++) {
        linear(b, NAME("pretrained.act_postprocess%d.0.project.0", i), D, 2 * D);
        conv(b, NAME("pretrained.act_postprocess%d.3", i), D, D, 1, true);
    }
    conv(b, "pretrained.act_postprocess4.4", D, D, 3, true);
}

void zis_synth_build_depth(zis_synth_builder *b)
{
    static const int64_t features[] = {256, 512, D, D};
    char name[120];
    build_backbone(b);
    build_transformer(b);
    for (int i = 0; i < 4; i++)
        conv(b, NAME("scratch.layer%d_rn", i + 1), 256, features[i], 3, false);
    for (int i = 1; i <= 4; i++) {
        conv(b, NAME("scratch.refinenet%d.out_conv", i), 256, 256, 1, true);
        for (int k = 0; k < 4; k++)
            conv(b, NAME("scratch.refinenet%d.resConfUnit%d.conv%d", i, k / 2 + 1, k % 2 + 1), 256,
                 256, 3, true);
    }
    conv(b, "scratch.output_conv.0", 128, 256, 3, true);
    conv(b, "scratch.output_conv.2", 32, 128, 3, true);
    conv(b, "scratch.output_conv.4", 1, 32, 1, true);
}

/* ---- pose ----------------------------------------------------------------------------------- */

static void build_branch(zis_synth_builder *b, int stage, int side)
{
    char name[120];
    int64_t maps = side == 1 ? 38 : 19;
    if (stage == 1) {
        for (int i = 1; i <= 3; i++) conv(b, NAME("conv5_%d_CPM_L%d", i, side), 128, 128, 3, true);
        conv(b, NAME("conv5_4_CPM_L%d", side), 512, 128, 1, true);
        conv(b, NAME("conv5_5_CPM_L%d", side), maps, 512, 1, true);
        return;
    }
    for (int i = 1; i <= 7; i++) {
        int64_t in = i == 1 ? 185 : 128, out = i == 7 ? maps : 128;
        conv(b, NAME("Mconv%d_stage%d_L%d", i, stage, side), out, in, i <= 5 ? 7 : 1, true);
    }
}

void zis_synth_build_pose(zis_synth_builder *b)
{
    static const struct {
        const char *name;
        int64_t out, in;
    } trunk[] = {{"conv1_1", 64, 3},    {"conv1_2", 64, 64},       {"conv2_1", 128, 64},
                 {"conv2_2", 128, 128}, {"conv3_1", 256, 128},     {"conv3_2", 256, 256},
                 {"conv3_3", 256, 256}, {"conv3_4", 256, 256},     {"conv4_1", 512, 256},
                 {"conv4_2", 512, 512}, {"conv4_3_CPM", 256, 512}, {"conv4_4_CPM", 128, 256}};
    for (size_t i = 0; i < sizeof trunk / sizeof *trunk; i++)
        conv(b, trunk[i].name, trunk[i].out, trunk[i].in, 3, true);
    for (int stage = 1; stage <= 6; stage++)
        for (int side = 1; side <= 2; side++) build_branch(b, stage, side);
}

/* ---- upscalers (upscale.md 1, 6) ------------------------------------------------------------- */

void zis_synth_build_esrgan(zis_synth_builder *b)
{
    char name[48];
    conv(b, "conv_first", 64, 3, 3, true);
    for (int i = 0; i < 23; i++)
        for (int d = 1; d <= 3; d++)
            for (int k = 1; k <= 5; k++) {
                snprintf(name, sizeof name, "body.%d.rdb%d.conv%d", i, d, k);
                conv(b, name, k < 5 ? 32 : 64, 64 + 32 * (k - 1), 3, true);
            }
    conv(b, "conv_body", 64, 64, 3, true);
    conv(b, "conv_up1", 64, 64, 3, true);
    conv(b, "conv_up2", 64, 64, 3, true);
    conv(b, "conv_hr", 64, 64, 3, true);
    conv(b, "conv_last", 3, 64, 3, true);
}

void zis_synth_build_srvgg(zis_synth_builder *b)
{
    const int64_t width = 64;
    char name[32];
    for (int i = 0; i <= 32; i++) {
        snprintf(name, sizeof name, "body.%d", 2 * i);
        conv(b, name, width, i ? width : 3, 3, true);
        snprintf(name, sizeof name, "body.%d", 2 * i + 1);
        zis_synth_list_add(b, name, ".weight", 1, &width);
    }
    conv(b, "body.66", 48, width, 3, true);
}
