/* weights.c - which upscaler a checkpoint is, and its binding rows (upscale.md 1, 6). */
#include "models/esrgan/esrgan_impl.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define COUNT(rows) (sizeof(rows) / sizeof *(rows))
#define MAX_WIDTH 1024
#define MAX_BLOCKS 256

/* All convolutions are 3x3 with a bias: C channels in, O out. */
static const zis_bind_row conv_rows[] = {
    {"%s.weight", ZIS_BIND_MATRIX, "O C 3 3", offsetof(zis_esrgan_conv, w), false},
    {"%s.bias", ZIS_BIND_VECTOR, "O", offsetof(zis_esrgan_conv, b), false},
};
static const zis_bind_row slope_rows[] = {
    {"%s.weight", ZIS_BIND_VECTOR, "O", offsetof(zis_esrgan_conv, slopes), false},
};

/* The trunk of an RRDBNet; with the old names the convolution behind N blocks is model.1.sub.N. */
static const struct {
    const char *name, *old;
    size_t field;
    bool from_rgb, to_rgb;
} trunk[] = {
    {"conv_first", "model.0", offsetof(zis_esrgan_trunk, first), true, false},
    {"conv_body", NULL, offsetof(zis_esrgan_trunk, body), false, false},
    {"conv_up1", "model.3", offsetof(zis_esrgan_trunk, up1), false, false},
    {"conv_up2", "model.6", offsetof(zis_esrgan_trunk, up2), false, false},
    {"conv_hr", "model.8", offsetof(zis_esrgan_trunk, hr), false, false},
    {"conv_last", "model.10", offsetof(zis_esrgan_trunk, last), false, true},
};

const char *zis_esrgan_kind_name(zis_esrgan_kind kind)
{
    return kind == ZIS_ESRGAN_RRDB ? "RRDBNet" : "SRVGGNetCompact";
}

/* ---- what it is ---------------------------------------------------------------------------- */

/* Dim `i` of a tensor of `ndim` dims, or 0. */
static int64_t dim_of(const zis_weights *w, const char *name, int ndim, int i)
{
    const zis_weights_entry *e = zis_weights_find(w, name);
    return e && e->tensor.ndim == ndim ? e->tensor.dim[i] : 0;
}

/* Tensors name % 0, step, 2 * step, ... that are there. */
static int count(const zis_weights *w, const char *before, int step, const char *behind)
{
    int n = 0;
    for (; n < MAX_BLOCKS; n++) {
        char name[96];
        snprintf(name, sizeof name, "%s%d%s", before, n * step, behind);
        if (!zis_weights_find(w, name)) break;
    }
    return n;
}

static void read_rrdb(zis_esrgan_config *c, const zis_weights *w)
{
    c->old_names = zis_weights_find(w, "model.0.weight") != NULL;
    const char *first = c->old_names ? "model.0.weight" : "conv_first.weight";
    int64_t in = dim_of(w, first, 4, 1);
    c->kind = ZIS_ESRGAN_RRDB;
    c->fold = in == 48 ? 4 : in == 12 ? 2 : 1; /* of 3 channels each */
    c->scale = 4 / c->fold;
    c->width = dim_of(w, first, 4, 0);
    c->grow = dim_of(
        w, c->old_names ? "model.1.sub.0.RDB1.conv1.0.weight" : "body.0.rdb1.conv1.weight", 4, 0);
    c->blocks = c->old_names ? count(w, "model.1.sub.", 1, ".RDB1.conv1.0.weight")
                             : count(w, "body.", 1, ".rdb1.conv1.weight");
}

static zis_status read_srvgg(zis_esrgan_config *c, const zis_weights *w, zis_error *err)
{
    char name[64];
    int convs = count(w, "body.", 2, ".bias"); /* slopes between them have no bias */
    c->kind = ZIS_ESRGAN_SRVGG;
    c->fold = 1;
    c->width = dim_of(w, "body.0.weight", 4, 0);
    c->blocks = convs - 2;
    snprintf(name, sizeof name, "body.%d.weight", 2 * convs - 2);
    int64_t out = convs > 1 ? dim_of(w, name, 4, 0) : 0;
    for (int s = 1; s <= 4; s++)
        if (out == 3 * s * s) c->scale = s;
    c->activation = dim_of(w, "body.1.weight", 1, 0) ? ZIS_ACTIVATION_PRELU : ZIS_ACTIVATION_RELU;
    if (c->blocks >= 0 && !c->scale)
        return zis_fail(err, ZIS_FORMAT,
                        "'%s' is not an SRVGGNetCompact of scale 1 to 4: its last convolution "
                        "makes %" PRId64 " channels",
                        zis_weights_path(w), out);
    return ZIS_OK;
}

zis_status zis_esrgan_config_read(zis_esrgan_config *out, const zis_weights *w, zis_error *err)
{
    zis_esrgan_config c = {0};
    zis_status st = ZIS_OK;
    if (zis_weights_find(w, "conv_first.weight") ||
        zis_weights_find(w, "model.1.sub.0.RDB1.conv1.0.weight"))
        read_rrdb(&c, w);
    else if (dim_of(w, "body.0.weight", 4, 1) == 3)
        st = read_srvgg(&c, w, err);
    else
        return zis_fail(err, ZIS_FORMAT,
                        "'%s' is no upscaler: it has neither the tensors of an RRDBNet "
                        "(RealESRGAN_x4plus.pth) nor those of an SRVGGNetCompact "
                        "(realesr-general-x4v3.pth)",
                        zis_weights_path(w));
    if (st) return st;
    bool grows = c.kind == ZIS_ESRGAN_SRVGG || (c.grow >= 1 && c.grow <= MAX_WIDTH && c.blocks > 0);
    if (c.width < 1 || c.width > MAX_WIDTH || c.blocks < 0 || !grows)
        return zis_fail(err, ZIS_FORMAT,
                        "'%s' is not a usable %s: %" PRId64 " features, %d blocks, growth of "
                        "%" PRId64,
                        zis_weights_path(w), zis_esrgan_kind_name(c.kind), c.width, c.blocks,
                        c.grow);
    *out = c;
    return ZIS_OK;
}

/* ---- binding ------------------------------------------------------------------------------- */

static void bind_conv(zis_bind *b, const char *name, int64_t in, int64_t out, zis_esrgan_conv *c)
{
    b->symbols.value['C' - 'A'] = in;
    b->symbols.value['O' - 'A'] = out;
    zis_bind_table(b, conv_rows, COUNT(conv_rows), name, 0, c);
}

static void bind_rrdb(zis_esrgan *m)
{
    const zis_esrgan_config *c = &m->config;
    char name[96];
    m->blocks = zis_mem_zalloc((size_t)c->blocks, sizeof *m->blocks);
    if (!m->blocks) {
        m->bind.nomem = true;
        return;
    }
    for (size_t i = 0; i < COUNT(trunk); i++) {
        char at[32];
        snprintf(at, sizeof at, "model.1.sub.%d", c->blocks);
        const char *old = trunk[i].field == offsetof(zis_esrgan_trunk, body) ? at : trunk[i].old;
        bind_conv(&m->bind, c->old_names ? old : trunk[i].name,
                  trunk[i].from_rgb ? 3 * c->fold * c->fold : c->width,
                  trunk[i].to_rgb ? 3 : c->width,
                  (zis_esrgan_conv *)((char *)&m->trunk + trunk[i].field));
    }
    for (int i = 0; i < c->blocks; i++)
        for (int d = 0; d < ZIS_ESRGAN_DENSE; d++)
            for (int k = 0; k < ZIS_ESRGAN_CONVS; k++) {
                if (c->old_names)
                    snprintf(name, sizeof name, "model.1.sub.%d.RDB%d.conv%d.0", i, d + 1, k + 1);
                else
                    snprintf(name, sizeof name, "body.%d.rdb%d.conv%d", i, d + 1, k + 1);
                bind_conv(&m->bind, name, c->width + k * c->grow,
                          k + 1 < ZIS_ESRGAN_CONVS ? c->grow : c->width,
                          &m->blocks[i].dense[d].conv[k]);
            }
}

static void bind_srvgg(zis_esrgan *m)
{
    const zis_esrgan_config *c = &m->config;
    int n = c->blocks + 2;
    char name[32];
    m->chain = zis_mem_zalloc((size_t)n, sizeof *m->chain);
    if (!m->chain) {
        m->bind.nomem = true;
        return;
    }
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "body.%d", 2 * i);
        bind_conv(&m->bind, name, i ? c->width : 3,
                  i + 1 < n ? c->width : 3 * (int64_t)c->scale * c->scale, &m->chain[i]);
        snprintf(name, sizeof name, "body.%d", 2 * i + 1);
        if (i + 1 < n && c->activation == ZIS_ACTIVATION_PRELU)
            zis_bind_table(&m->bind, slope_rows, COUNT(slope_rows), name, 0, &m->chain[i]);
    }
}

zis_status zis_esrgan_create(zis_esrgan **out,
                             const zis_esrgan_config *config,
                             const zis_weights *weights,
                             zis_error *err)
{
    zis_esrgan *m = zis_mem_zalloc(1, sizeof *m);
    if (!m) return zis_fail_nomem(err, "the upscaler");
    m->config = *config;
    zis_bind_init(&m->bind, weights,
                  config->kind == ZIS_ESRGAN_RRDB ? "an RRDBNet" : "an SRVGGNetCompact");
    if (config->kind == ZIS_ESRGAN_RRDB)
        bind_rrdb(m);
    else
        bind_srvgg(m);
    zis_status st = zis_bind_finish(&m->bind, err);
    if (!st) {
        *out = m;
        m = NULL;
    }
    zis_esrgan_close(&m);
    return st;
}

zis_status zis_esrgan_open(zis_esrgan **out, const char *path, zis_error *err)
{
    zis_weights *weights = NULL;
    zis_esrgan_config config;
    zis_esrgan *m = NULL;
    zis_status st = zis_weights_open(&weights, path, err);
    if (!st) st = zis_esrgan_config_read(&config, weights, err);
    if (!st) st = zis_esrgan_create(&m, &config, weights, err);
    if (!st) {
        m->owned = weights;
        weights = NULL;
        *out = m;
    }
    zis_weights_close(&weights);
    return st;
}

void zis_esrgan_close(zis_esrgan **model)
{
    if (!model || !*model) return;
    zis_esrgan *m = *model;
    zis_bind_deinit(&m->bind);
    zis_weights_close(&m->owned);
    free(m->blocks);
    free(m->chain);
    free(m);
    *model = NULL;
}

const zis_esrgan_config *zis_esrgan_get_config(const zis_esrgan *m)
{
    return &m->config;
}

uint64_t zis_esrgan_bytes(const zis_esrgan *m)
{
    return m->bind.bytes;
}
