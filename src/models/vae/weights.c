/* weights.c - binds encoder and decoder (vae.md 2, 3; the diffusers layout). */
#include "models/vae/vae_impl.h"

#include "base/mem.h"
#include "nn/folder.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(rows) (sizeof(rows) / sizeof *(rows))

/* I channels in, O channels out, C of a map that keeps its width; %s is the part's name. */
#define NORM(name, shape, type, field)                                                             \
    {"%s" name ".weight", ZIS_BIND_VECTOR, shape, offsetof(type, field.w), false},                 \
    {                                                                                              \
        "%s" name ".bias", ZIS_BIND_VECTOR, shape, offsetof(type, field.b), false                  \
    }
#define CONV(name, shape, bias, type, field)                                                       \
    {"%s" name ".weight", ZIS_BIND_MATRIX, shape, offsetof(type, field.w), false},                 \
    {                                                                                              \
        "%s" name ".bias", ZIS_BIND_VECTOR, bias, offsetof(type, field.b), false                   \
    }
#define LINEAR(name, field)                                                                        \
    {"%s" name ".weight", ZIS_BIND_MATRIX, "C C", offsetof(zis_vae_attention, field), false},      \
    {                                                                                              \
        "%s" name ".bias", ZIS_BIND_VECTOR, "C", offsetof(zis_vae_attention, field##_bias), false  \
    }

static const zis_bind_row resnet_rows[] = {
    NORM("norm1", "I", zis_vae_resnet, norm1),
    CONV("conv1", "O I 3 3", "O", zis_vae_resnet, conv1),
    NORM("norm2", "O", zis_vae_resnet, norm2),
    CONV("conv2", "O O 3 3", "O", zis_vae_resnet, conv2),
};
static const zis_bind_row shortcut_rows[] = {
    CONV("conv_shortcut", "O I 1 1", "O", zis_vae_resnet, shortcut),
};
static const zis_bind_row attention_rows[] = {
    NORM("group_norm", "C", zis_vae_attention, norm),
    LINEAR("to_q", q),
    LINEAR("to_k", k),
    LINEAR("to_v", v),
    LINEAR("to_out.0", out),
};
static const zis_bind_row resample_rows[] = {
    CONV("conv", "C C 3 3", "C", zis_vae_level, resample),
};
static const zis_bind_row conv_in_rows[] = {
    CONV("conv_in", "O I 3 3", "O", zis_vae_half, conv_in),
};
static const zis_bind_row out_rows[] = {
    NORM("conv_norm_out", "I", zis_vae_half, norm_out),
    CONV("conv_out", "O I 3 3", "O", zis_vae_half, conv_out),
};

static void set(zis_bind *b, char symbol, int64_t value)
{
    b->symbols.value[symbol - 'A'] = value;
}

static void bind_resnet(zis_bind *b, const char *prefix, int64_t in, int64_t out, zis_vae_resnet *r)
{
    set(b, 'I', in);
    set(b, 'O', out);
    zis_bind_table(b, resnet_rows, COUNT(resnet_rows), prefix, 0, r);
    if (in != out) zis_bind_table(b, shortcut_rows, COUNT(shortcut_rows), prefix, 0, r);
}

static void bind_attention(zis_bind *b, const char *prefix, int64_t c, zis_vae_attention *a)
{
    set(b, 'C', c);
    zis_bind_table(b, attention_rows, COUNT(attention_rows), prefix, 0, a);
    if (!a->q_bias || !a->k_bias || !a->v_bias) return; /* a fault that is listed already */
    size_t n = (size_t)c;
    a->qkv_bias = zis_mem_alloc(3 * n, sizeof(float));
    if (!a->qkv_bias) {
        b->nomem = true;
        return;
    }
    memcpy(a->qkv_bias, a->q_bias, n * sizeof(float));
    memcpy(a->qkv_bias + n, a->k_bias, n * sizeof(float));
    memcpy(a->qkv_bias + 2 * n, a->v_bias, n * sizeof(float));
}

/* What differs between the halves. */
typedef struct side {
    const char *name;    /* "decoder" */
    const char *blocks;  /* "up_blocks" */
    const char *changes; /* "upsamplers" */
    int64_t in, out;     /* channels */
    int64_t first;       /* width of conv_in */
    int64_t mid;         /* width of the middle */
    int extra;           /* resnets a level above layers_per_block */
    bool up;             /* widths from the last to the first */
} side;

static void bind_levels(zis_bind *b, const zis_vae_config *c, const side *s, zis_vae_half *half)
{
    char prefix[96];
    int levels = (int)c->levels;
    int64_t in = s->first;
    for (int i = 0; i < levels; i++) {
        int64_t out = c->width[s->up ? levels - 1 - i : i];
        for (int r = 0; r < half->n_resnets; r++, in = out) {
            snprintf(prefix, sizeof prefix, "%s.%s.%d.resnets.%d.", s->name, s->blocks, i, r);
            bind_resnet(b, prefix, in, out, &half->levels[i].resnets[r]);
        }
        snprintf(prefix, sizeof prefix, "%s.%s.%d.resnets.%d.", s->name, s->blocks, i,
                 half->n_resnets);
        zis_bind_end(b, resnet_rows, prefix, 0);
        if (i + 1 == levels) continue;
        snprintf(prefix, sizeof prefix, "%s.%s.%d.%s.0.", s->name, s->blocks, i, s->changes);
        set(b, 'C', out);
        zis_bind_table(b, resample_rows, COUNT(resample_rows), prefix, 0, &half->levels[i]);
    }
    snprintf(prefix, sizeof prefix, "%s.%s.%d.resnets.0.", s->name, s->blocks, levels);
    zis_bind_end(b, resnet_rows, prefix, 0);
}

static void bind_half(zis_bind *b, const zis_vae_config *c, const side *s, zis_vae_half *half)
{
    char prefix[96];
    half->n_resnets = (int)c->layers_per_block + s->extra;
    half->levels = zis_mem_zalloc((size_t)c->levels, sizeof *half->levels);
    if (!half->levels) {
        b->nomem = true;
        return;
    }
    snprintf(prefix, sizeof prefix, "%s.", s->name);
    set(b, 'I', s->in);
    set(b, 'O', s->first);
    zis_bind_table(b, conv_in_rows, COUNT(conv_in_rows), prefix, 0, half);
    set(b, 'I', s->up ? c->width[0] : s->mid);
    set(b, 'O', s->out);
    zis_bind_table(b, out_rows, COUNT(out_rows), prefix, 0, half);
    bind_levels(b, c, s, half);
    for (int i = 0; i < 2; i++) {
        snprintf(prefix, sizeof prefix, "%s.mid_block.resnets.%d.", s->name, i);
        bind_resnet(b, prefix, s->mid, s->mid, &half->mid[i]);
    }
    snprintf(prefix, sizeof prefix, "%s.mid_block.attentions.0.", s->name);
    bind_attention(b, prefix, s->mid, &half->attention);
}

zis_status zis_vae_create(zis_vae **out,
                          const zis_vae_config *config,
                          const zis_weights *weights,
                          zis_vae_parts parts,
                          zis_error *err)
{
    const zis_vae_config *c = config;
    int64_t last = c->width[c->levels - 1];
    side decoder = {"decoder", "up_blocks", "upsamplers", c->latent_channels, c->channels, last,
                    last,      1,           true};
    side encoder = {"encoder",
                    "down_blocks",
                    "downsamplers",
                    c->channels,
                    2 * c->latent_channels,
                    c->width[0],
                    last,
                    0,
                    false};
    zis_vae *m = zis_mem_zalloc(1, sizeof *m);
    if (!m) return zis_fail_nomem(err, "the VAE");
    m->config = *c;
    zis_bind_init(&m->bind, weights, "a FLUX VAE");
    if (parts == ZIS_VAE_WHAT_IS_THERE)
        parts =
            zis_weights_find(weights, "encoder.conv_in.weight") ? ZIS_VAE_BOTH : ZIS_VAE_DECODER;
    if (parts & ZIS_VAE_DECODER) bind_half(&m->bind, c, &decoder, &m->decoder);
    if (parts & ZIS_VAE_ENCODER) bind_half(&m->bind, c, &encoder, &m->encoder);
    zis_status st = zis_bind_finish(&m->bind, err);
    if (!st && m->encoder.levels) /* of the encoder's moments only the means are wanted */
        m->encoder.conv_out.w.t.dim[0] = c->latent_channels;
    if (!st) {
        *out = m;
        m = NULL;
    }
    zis_vae_close(&m);
    return st;
}

zis_status zis_vae_open(zis_vae **out, const char *folder, zis_vae_parts parts, zis_error *err)
{
    zis_json_doc *doc = NULL;
    zis_weights *weights = NULL;
    zis_vae_config config;
    zis_vae *m = NULL;
    zis_status st = zis_folder_open(&doc, &weights, folder, err);
    if (!st) st = zis_vae_config_read(&config, doc, err);
    if (!st) st = zis_vae_create(&m, &config, weights, parts, err);
    if (!st) {
        m->owned = weights;
        weights = NULL;
        *out = m;
    }
    zis_weights_close(&weights);
    zis_json_doc_destroy(&doc);
    return st;
}

void zis_vae_close(zis_vae **model)
{
    zis_vae *m = *model;
    if (!m) return;
    zis_bind_deinit(&m->bind);
    zis_weights_close(&m->owned);
    free(m->encoder.levels);
    free(m->decoder.levels);
    free(m->encoder.attention.qkv_bias);
    free(m->decoder.attention.qkv_bias);
    free(m);
    *model = NULL;
}

const zis_vae_config *zis_vae_get_config(const zis_vae *m)
{
    return &m->config;
}

uint64_t zis_vae_bytes(const zis_vae *m)
{
    return m->bind.bytes;
}

int64_t zis_vae_factor(const zis_vae *m)
{
    return (int64_t)1 << (m->config.levels - 1);
}
