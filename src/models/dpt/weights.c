/* weights.c - binds DPT-hybrid's checkpoint (preprocessors.md 5.2) and standardises the backbone.
 */
#include "base/mem.h"
#include "models/dpt/dpt_impl.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(rows) (sizeof(rows) / sizeof *(rows))
#define BACKBONE "pretrained.model.patch_embed.backbone."

const zis_dpt_stage zis_dpt_stages[ZIS_DPT_STAGES] = {
    {3, 64, 64, 256, 1},
    {4, 256, 128, 512, 2},
    {9, 512, 256, 1024, 2},
};

#define W(name, shape, type, field)                                                                \
    {                                                                                              \
        name, ZIS_BIND_MATRIX, shape, offsetof(type, field), false                                 \
    }
#define AFFINE(name, shape, type, field)                                                           \
    {name ".weight", ZIS_BIND_VECTOR, shape, offsetof(type, field.w), false},                      \
    {                                                                                              \
        name ".bias", ZIS_BIND_VECTOR, shape, offsetof(type, field.b), false                       \
    }
#define LAYER(name, shape, bias, type, field)                                                      \
    {name ".weight", ZIS_BIND_MATRIX, shape, offsetof(type, field.w), false},                      \
    {                                                                                              \
        name ".bias", ZIS_BIND_VECTOR, bias, offsetof(type, field.b), false                        \
    }

/* D the transformer's width, F its hidden one, S the width of the fusions; I, M, O channels into,
 * within and out of a block. */
static const zis_bind_row single_rows[] = {
    W(BACKBONE "stem.conv.weight", "64 3 7 7", zis_dpt, stem),
    AFFINE(BACKBONE "stem.norm", "64", zis_dpt, stem_norm),
    W("pretrained.model.cls_token", "1 1 D", zis_dpt, class_token),
    W("pretrained.model.pos_embed", "1 P D", zis_dpt, position),
    LAYER("pretrained.model.patch_embed.proj", "D 1024 1 1", "D", zis_dpt, patch),
    LAYER("scratch.output_conv.0", "128 S 3 3", "128", zis_dpt, head[0]),
    LAYER("scratch.output_conv.2", "32 128 3 3", "32", zis_dpt, head[1]),
    LAYER("scratch.output_conv.4", "1 32 1 1", "1", zis_dpt, head[2]),
    W("scratch.layer1_rn.weight", "S 256 3 3", zis_dpt, fusion[0].in.w),
    W("scratch.layer2_rn.weight", "S 512 3 3", zis_dpt, fusion[1].in.w),
    W("scratch.layer3_rn.weight", "S D 3 3", zis_dpt, fusion[2].in.w),
    W("scratch.layer4_rn.weight", "S D 3 3", zis_dpt, fusion[3].in.w),
    LAYER("pretrained.act_postprocess3.0.project.0", "D 2*D", "D", zis_dpt, readout[0].project),
    LAYER("pretrained.act_postprocess3.3", "D D 1 1", "D", zis_dpt, readout[0].out),
    LAYER("pretrained.act_postprocess4.0.project.0", "D 2*D", "D", zis_dpt, readout[1].project),
    LAYER("pretrained.act_postprocess4.3", "D D 1 1", "D", zis_dpt, readout[1].out),
    LAYER("pretrained.act_postprocess4.4", "D D 3 3", "D", zis_dpt, readout[1].down),
};
static const zis_bind_row block_rows[] = {
    W("%sconv1.weight", "M I 1 1", zis_dpt_block, conv[0]),
    AFFINE("%snorm1", "M", zis_dpt_block, norm[0]),
    W("%sconv2.weight", "M M 3 3", zis_dpt_block, conv[1]),
    AFFINE("%snorm2", "M", zis_dpt_block, norm[1]),
    W("%sconv3.weight", "O M 1 1", zis_dpt_block, conv[2]),
    AFFINE("%snorm3", "O", zis_dpt_block, norm[2]),
};
static const zis_bind_row down_rows[] = {
    W("%sdownsample.conv.weight", "O I 1 1", zis_dpt_block, down),
    AFFINE("%sdownsample.norm", "O", zis_dpt_block, down_norm),
};
static const zis_bind_row layer_rows[] = {
    AFFINE("pretrained.model.blocks.%d.norm1", "D", zis_dpt_attention, norm1),
    LAYER("pretrained.model.blocks.%d.attn.qkv", "3*D D", "3*D", zis_dpt_attention, qkv),
    LAYER("pretrained.model.blocks.%d.attn.proj", "D D", "D", zis_dpt_attention, proj),
    AFFINE("pretrained.model.blocks.%d.norm2", "D", zis_dpt_attention, norm2),
    LAYER("pretrained.model.blocks.%d.mlp.fc1", "F D", "F", zis_dpt_attention, fc1),
    LAYER("pretrained.model.blocks.%d.mlp.fc2", "D F", "D", zis_dpt_attention, fc2),
};
static const zis_bind_row fusion_rows[] = {
    LAYER("scratch.refinenet%d.resConfUnit2.conv1", "S S 3 3", "S", zis_dpt_fusion, unit[1][0]),
    LAYER("scratch.refinenet%d.resConfUnit2.conv2", "S S 3 3", "S", zis_dpt_fusion, unit[1][1]),
    LAYER("scratch.refinenet%d.out_conv", "S S 1 1", "S", zis_dpt_fusion, out),
};
/* The coarsest fusion has nothing to add to: its first unit lies in the file unused. */
static const zis_bind_row first_unit_rows[] = {
    LAYER("scratch.refinenet%d.resConfUnit1.conv1", "S S 3 3", "S", zis_dpt_fusion, unit[0][0]),
    LAYER("scratch.refinenet%d.resConfUnit1.conv2", "S S 3 3", "S", zis_dpt_fusion, unit[0][1]),
};

static void set(zis_bind *b, char symbol, int64_t value)
{
    b->symbols.value[symbol - 'A'] = value;
}

static void bind_all(zis_dpt *m)
{
    zis_bind *b = &m->bind;
    set(b, 'D', ZIS_DPT_WIDTH);
    set(b, 'F', 4 * ZIS_DPT_WIDTH);
    set(b, 'S', ZIS_DPT_FUSED);
    set(b, 'P', 1 + ZIS_DPT_SIDE * ZIS_DPT_SIDE);
    zis_bind_table(b, single_rows, COUNT(single_rows), NULL, 0, m);
    for (int s = 0; s < ZIS_DPT_STAGES; s++)
        for (int i = 0; i < zis_dpt_stages[s].blocks; i++) {
            char prefix[80];
            snprintf(prefix, sizeof prefix, BACKBONE "stages.%d.blocks.%d.", s, i);
            set(b, 'I', i ? zis_dpt_stages[s].out : zis_dpt_stages[s].in);
            set(b, 'M', zis_dpt_stages[s].mid);
            set(b, 'O', zis_dpt_stages[s].out);
            zis_bind_table(b, block_rows, COUNT(block_rows), prefix, 0, &m->block[s][i]);
            if (i == 0) zis_bind_table(b, down_rows, COUNT(down_rows), prefix, 0, &m->block[s][i]);
        }
    for (int i = 0; i < ZIS_DPT_LAYERS; i++)
        zis_bind_table(b, layer_rows, COUNT(layer_rows), NULL, i, &m->layer[i]);
    for (int i = 0; i < 4; i++) {
        zis_bind_table(b, fusion_rows, COUNT(fusion_rows), NULL, i + 1, &m->fusion[i]);
        if (i < 3)
            zis_bind_table(b, first_unit_rows, COUNT(first_unit_rows), NULL, i + 1, &m->fusion[i]);
    }
}

/* ---- what is computed once ------------------------------------------------------------------ */

/* Each output channel's weights to mean 0 and variance 1: w' = (w - mean) / sqrt(var + 1e-8). */
static float *standardise(zis_weight *w, float *to)
{
    int64_t n = w->t.dim[0], k = zis_tensor_count(&w->t) / n;
    (void)zis_dtype_to_f32(to, w->t.data, w->t.dtype, (size_t)(n * k));
    w->t = zis_tensor_4d(to, ZIS_DTYPE_F32, n, w->t.dim[1], w->t.dim[2], w->t.dim[3]);
    for (int64_t i = 0; i < n; i++, to += k) {
        double mean = 0, var = 0;
        for (int64_t c = 0; c < k; c++) mean += (double)to[c];
        mean /= (double)k;
        for (int64_t c = 0; c < k; c++) var += ((double)to[c] - mean) * ((double)to[c] - mean);
        double scale = 1 / sqrt(var / (double)k + 1e-8);
        for (int64_t c = 0; c < k; c++) to[c] = (float)(((double)to[c] - mean) * scale);
    }
    return to;
}

/* The i-th convolution of the backbone, NULL behind the last. */
static zis_weight *backbone_at(zis_dpt *m, int i)
{
    if (i-- == 0) return &m->stem;
    for (int s = 0; s < ZIS_DPT_STAGES; s++) {
        if (i-- == 0) return &m->block[s][0].down;
        for (int b = 0; b < zis_dpt_stages[s].blocks; b++, i -= 3)
            if (i < 3) return &m->block[s][b].conv[i];
    }
    return NULL;
}

static zis_status prepare(zis_dpt *m, zis_error *err)
{
    size_t n = 0, d = ZIS_DPT_WIDTH, grid = (size_t)(ZIS_DPT_SIDE * ZIS_DPT_SIDE);
    zis_weight *w;
    for (int i = 0; (w = backbone_at(m, i)) != NULL; i++) n += (size_t)zis_tensor_count(&w->t);
    m->standard = zis_mem_alloc(n, sizeof(float));
    m->first = zis_mem_alloc(2 * d, sizeof(float));
    m->positions = zis_mem_alloc(grid * d, sizeof(float));
    if (!m->standard || !m->first || !m->positions) return zis_fail_nomem(err, "the depth network");
    float *to = m->standard;
    for (int i = 0; (w = backbone_at(m, i)) != NULL; i++) to = standardise(w, to);
    const zis_tensor *p = &m->position.t;
    size_t size = (size_t)zis_dtype_get(p->dtype)->bytes;
    (void)zis_dtype_to_f32(m->first, m->class_token.t.data, m->class_token.t.dtype, d);
    (void)zis_dtype_to_f32(m->first + d, p->data, p->dtype, d);
    for (size_t i = 0; i < d; i++) m->first[i] += m->first[d + i];
    (void)zis_dtype_to_f32(m->positions, (const char *)p->data + d * size, p->dtype, grid * d);
    return ZIS_OK;
}

/* ---- life ----------------------------------------------------------------------------------- */

zis_status zis_dpt_create(zis_dpt **out, const zis_weights *weights, zis_error *err)
{
    zis_dpt *m = zis_mem_zalloc(1, sizeof *m);
    if (!m) return zis_fail_nomem(err, "the depth network");
    zis_bind_init(&m->bind, weights, "MiDaS DPT-hybrid");
    bind_all(m);
    zis_status st = zis_bind_finish(&m->bind, err);
    if (!st) st = prepare(m, err);
    if (!st) {
        *out = m;
        m = NULL;
    }
    zis_dpt_close(&m);
    return st;
}

zis_status zis_dpt_open(zis_dpt **out, const char *path, zis_error *err)
{
    zis_weights *weights = NULL;
    zis_dpt *m = NULL;
    zis_status st = zis_weights_open(&weights, path, err);
    if (!st) st = zis_dpt_create(&m, weights, err);
    if (!st) {
        m->owned = weights;
        weights = NULL;
        *out = m;
    }
    zis_weights_close(&weights);
    return st;
}

void zis_dpt_close(zis_dpt **model)
{
    zis_dpt *m = *model;
    if (!m) return;
    zis_bind_deinit(&m->bind);
    zis_weights_close(&m->owned);
    free(m->standard);
    free(m->first);
    free(m->positions);
    free(m);
    *model = NULL;
}

uint64_t zis_dpt_bytes(const zis_dpt *m)
{
    return m->bind.bytes;
}
