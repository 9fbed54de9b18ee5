/* qwen3.c - weights and forward pass of the text encoder. */
#include "models/qwen3/qwen3.h"

#include "base/mem.h"
#include "base/os.h"
#include "nn/bind.h"
#include "nn/block.h"
#include "nn/folder.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct layer {
    const float *norm1, *norm2; /* [D] */
    zis_block_attention attention;
    zis_block_mlp mlp;
} layer;

struct zis_qwen3 {
    zis_qwen3_config config;
    zis_weights *owned; /* NULL when the caller keeps them */
    zis_bind bind;
    zis_weight embed;
    layer *layers; /* [n_layers] */
    int n_layers;  /* those that are run: all but the last */
    zis_resident *resident;
};

/* D hidden, Q heads * head_dim, K kv_heads * head_dim, H head_dim, F intermediate, V vocabulary */
static const zis_bind_row embed_row[] = {
    {"%sembed_tokens.weight", ZIS_BIND_MATRIX, "V D", offsetof(zis_qwen3, embed), false},
};

#define ROW(name, kind, shape, field)                                                              \
    {                                                                                              \
        "%slayers.%d." name ".weight", ZIS_BIND_##kind, shape, offsetof(layer, field), false       \
    }
static const zis_bind_row layer_rows[] = {
    ROW("input_layernorm", VECTOR, "D", norm1),
    ROW("self_attn.q_proj", MATRIX, "Q D", attention.q),
    ROW("self_attn.k_proj", MATRIX, "K D", attention.k),
    ROW("self_attn.v_proj", MATRIX, "K D", attention.v),
    ROW("self_attn.o_proj", MATRIX, "D Q", attention.out),
    ROW("self_attn.q_norm", VECTOR, "H", attention.q_norm),
    ROW("self_attn.k_norm", VECTOR, "H", attention.k_norm),
    ROW("post_attention_layernorm", VECTOR, "D", norm2),
    ROW("mlp.gate_proj", MATRIX, "F D", mlp.gate),
    ROW("mlp.up_proj", MATRIX, "F D", mlp.up),
    ROW("mlp.down_proj", MATRIX, "D F", mlp.down),
};
#undef ROW

#define COUNT(rows) (sizeof(rows) / sizeof *(rows))

static void define_symbols(zis_bind_symbols *s, const zis_qwen3_config *c)
{
    s->value['D' - 'A'] = c->hidden;
    s->value['Q' - 'A'] = c->heads * c->head_dim;
    s->value['K' - 'A'] = c->kv_heads * c->head_dim;
    s->value['H' - 'A'] = c->head_dim;
    s->value['F' - 'A'] = c->intermediate;
    s->value['V' - 'A'] = c->vocab;
}

zis_status zis_qwen3_create(zis_qwen3 **out,
                            const zis_qwen3_config *config,
                            const zis_weights *weights,
                            zis_error *err)
{
    zis_status st;
    zis_qwen3 *m = zis_mem_zalloc(1, sizeof *m);
    if (!m) return zis_fail_nomem(err, "the text encoder");
    m->config = *config;
    m->n_layers = (int)config->layers - 1;
    zis_bind_init(&m->bind, weights, "a Qwen3 text encoder");
    m->layers = zis_mem_zalloc((size_t)m->n_layers, sizeof *m->layers);
    if (!m->layers) {
        st = zis_fail_nomem(err, "the text encoder");
        goto out;
    }
    define_symbols(&m->bind.symbols, config);
    /* Checkpoints saved from the bare model lack the prefix. */
    const char *prefix = zis_weights_find(weights, "embed_tokens.weight") ? "" : "model.";
    zis_bind_table(&m->bind, embed_row, COUNT(embed_row), prefix, 0, m);
    for (int i = 0; i < m->n_layers; i++)
        zis_bind_table(&m->bind, layer_rows, COUNT(layer_rows), prefix, i, &m->layers[i]);
    zis_bind_end(&m->bind, layer_rows, prefix, (int)config->layers);
    st = zis_bind_finish(&m->bind, err);
    if (st) goto out;
    *out = m;
    m = NULL;
out:
    zis_qwen3_close(&m);
    return st;
}

/* Below this the look-ups of pages cost nothing that could be seen. */
#define RESIDENT_LEAST (1u << 30)

/* Only addresses are reserved here; without them nothing moves, which is no failure. What moves can
 * no longer be dropped by the system, and beside it lies a transformer half again as large. */
static void make_resident(zis_qwen3 *m)
{
    uint64_t memory = zis_os_memory();
    if (m->bind.bytes < RESIDENT_LEAST || (memory && memory < m->bind.bytes * 3)) return;
    zis_resident *r = NULL;
    zis_status st = zis_resident_create(&r, NULL);
    for (int i = 0; i < m->n_layers && !st; i++)
        st = zis_block_add_resident(r, &m->layers[i].attention, &m->layers[i].mlp, NULL);
    if (!st) st = zis_resident_seal(r, NULL);
    if (st) zis_resident_destroy(&r);
    m->resident = r;
}

zis_resident *zis_qwen3_resident(const zis_qwen3 *m)
{
    return m->resident;
}

zis_status zis_qwen3_open(zis_qwen3 **out, const char *folder, zis_error *err)
{
    zis_json_doc *doc = NULL;
    zis_weights *weights = NULL;
    zis_qwen3_config config;
    zis_qwen3 *m = NULL;
    zis_status st = zis_folder_open(&doc, &weights, folder, err);
    if (!st) st = zis_qwen3_config_read(&config, doc, err);
    if (!st) st = zis_qwen3_create(&m, &config, weights, err);
    if (!st) {
        m->owned = weights;
        weights = NULL;
        make_resident(m);
        *out = m;
    }
    zis_weights_close(&weights);
    zis_json_doc_destroy(&doc);
    return st;
}

void zis_qwen3_close(zis_qwen3 **model)
{
    zis_qwen3 *m = *model;
    if (!m) return;
    zis_bind_deinit(&m->bind);
    zis_resident_destroy(&m->resident);
    zis_weights_close(&m->owned);
    free(m->layers);
    free(m);
    *model = NULL;
}

const zis_qwen3_config *zis_qwen3_get_config(const zis_qwen3 *m)
{
    return &m->config;
}

uint64_t zis_qwen3_bytes(const zis_qwen3 *m)
{
    return m->bind.bytes;
}

static zis_status check_input(
    const zis_qwen3 *m, const int32_t *ids, int64_t n, const zis_tensor *hidden, zis_error *err)
{
    if (n < 1 || n > INT32_MAX)
        return zis_fail(err, ZIS_ARG, "the text encoder was given %lld tokens", (long long)n);
    if (hidden->ndim != 2 || hidden->dim[0] != n || hidden->dim[1] != m->config.hidden)
        return zis_fail(err, ZIS_ARG, "the text encoder's output has the wrong shape");
    for (int64_t i = 0; i < n && ids; i++)
        if (ids[i] < 0 || ids[i] >= m->config.vocab)
            return zis_fail(err, ZIS_ARG,
                            "token %lld has the id %d, but the text encoder's vocabulary has %lld: "
                            "tokenizer and text encoder do not belong together",
                            (long long)i, (int)ids[i], (long long)m->config.vocab);
    return ZIS_OK;
}

/* x [n, D] in and out; h [n, D] is scratch. */
static void forward_layer(zis_run *run,
                          const zis_qwen3 *m,
                          const layer *l,
                          const zis_rope_table *angles,
                          zis_tensor x,
                          zis_tensor h)
{
    const zis_qwen3_config *c = &m->config;
    zis_block_heads heads = {
        .heads = (int)c->heads,
        .kv_heads = (int)c->kv_heads,
        .head_dim = (int)c->head_dim,
        .form = ZIS_ROPE_HALVES,
        .causal = true,
        /* The features steer every step, and Turbo follows their last bits: with bfloat16 inputs
         * here the picture was off by more than in PyTorch's own bfloat16 (docs/pitfalls.md). */
        .fine = true,
        .eps = (float)c->eps,
    };
    float eps = (float)c->eps;
    zis_rms_norm(run, &(zis_rms_norm_args){.y = h, .x = x, .w = l->norm1, .eps = eps});
    zis_block_attend(run, &l->attention, &heads, angles, h, x, ZIS_EPILOGUE_ADD);
    zis_rms_norm(run, &(zis_rms_norm_args){.y = h, .x = x, .w = l->norm2, .eps = eps});
    zis_block_feed(run, &l->mlp, h, x, ZIS_EPILOGUE_ADD);
}

zis_status zis_qwen3_encode(const zis_qwen3 *m,
                            zis_run *run,
                            const int32_t *ids,
                            int64_t n,
                            zis_tensor hidden,
                            zis_qwen3_watch *watch,
                            void *watch_arg,
                            zis_error *err)
{
    zis_rope_table angles;
    char name[32], where[64];
    zis_status st = check_input(m, ids, n, &hidden, err);
    if (st) return st;
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    st = zis_rope_line(run, m->config.head_dim, m->config.rope_theta, n, &angles, err);
    if (st) goto out;
    zis_tensor h = zis_run_alloc_2d(run, ZIS_DTYPE_F32, n, m->config.hidden);
    zis_tensor device_ids = zis_run_alloc_1d(run, ZIS_DTYPE_I32, n);
    zis_run_upload(run, &device_ids, ids);
    zis_embed_rows(run, &(zis_embed_rows_args){.y = hidden, .table = &m->embed, .ids = device_ids});
    run->where = where;
    for (int i = 0; i < m->n_layers && !zis_run_stopped(run); i++) {
        snprintf(name, sizeof name, "layers.%d", i);
        snprintf(where, sizeof where, "the text encoder, %s", name);
        forward_layer(run, m, &m->layers[i], &angles, hidden, h);
        zis_finite(run, &(zis_finite_args){hidden});
        if (watch && !run->dry) watch(watch_arg, run, name, &hidden);
    }
    run->where = NULL;
    st = zis_run_status(run, err);
out:
    zis_arena_restore(&run->scratch, mark);
    return st;
}
