/* targets.c - the transformer's modules by every name that LoRA files give them (lora.md 2, 3):
 * those of the binding tables, and what other tools call them. */
#include "models/zimage/zimage_impl.h"

#include <stdio.h>
#include <string.h>

#define NAME_ROOM 128

/* The module of a tensor's name; false when it has none ("x_pad_token"). */
static bool module_of(char *name, const char *ending)
{
    size_t n = strlen(name), k = strlen(ending);
    if (n <= k || strcmp(name + n - k, ending) != 0) return false;
    name[n - k] = '\0';
    return true;
}

static void add_rows(zis_lora_targets *t,
                     const zis_bind *b,
                     const zis_zimage_rows *rows,
                     const char *list,
                     int index,
                     void *object)
{
    for (size_t i = 0; i < rows->n; i++) {
        const zis_bind_row *row = &rows->rows[i];
        char name[NAME_ROOM];
        void *field = (char *)object + row->field;
        if (!zis_bind_name(name, sizeof name, row, list, index)) continue;
        if (row->kind == ZIS_BIND_MATRIX && module_of(name, ".weight"))
            zis_lora_targets_add_matrix(t, name, field);
        else if (row->kind == ZIS_BIND_VECTOR &&
                 (module_of(name, ".weight") || module_of(name, ".bias")))
            zis_lora_targets_add_vector(t, name, field, zis_bind_length(b, row));
    }
}

/* Other names of a block's modules, behind "layers.0."; the fused q, k, v of Comfy's files. */
static const struct {
    const char *name;
    const char *to[3];
    bool second; /* see zis_lora_targets_alias */
} block_names[] = {
    {"attention.qkv", {"attention.to_q", "attention.to_k", "attention.to_v"}, true},
    {"attention.out", {"attention.to_out.0"}, true},
    {"attention.to_out", {"attention.to_out.0"}, false},
    {"attention.to.q", {"attention.to_q"}, false},
    {"attention.to.k", {"attention.to_k"}, false},
    {"attention.to.v", {"attention.to_v"}, false},
    {"attention.to.out.0", {"attention.to_out.0"}, false},
    {"attention.to.out", {"attention.to_out.0"}, false},
    {"attention.q_norm", {"attention.norm_q"}, false},
    {"attention.k_norm", {"attention.norm_k"}, false},
};

/* Of the model's own modules; %d is the patch. */
static const struct {
    const char *name;
    const char *to;
} model_names[] = {
    {"x_embedder", "all_x_embedder.%d-1"},
    {"final_layer.linear", "all_final_layer.%d-1.linear"},
    {"final_layer.adaLN_modulation.1", "all_final_layer.%d-1.adaLN_modulation.1"},
};

static void add_block(zis_lora_targets *t,
                      zis_zimage *m,
                      const char *list,
                      int i,
                      zis_zimage_block *b,
                      bool modulated)
{
    add_rows(t, &m->bind, &zis_zimage_block_rows, list, i, b);
    if (modulated) add_rows(t, &m->bind, &zis_zimage_modulation_rows, list, i, b);
    for (size_t k = 0; k < sizeof block_names / sizeof *block_names; k++) {
        char name[NAME_ROOM], to[3][NAME_ROOM];
        const char *targets[3];
        int n = 0;
        snprintf(name, sizeof name, "%s%d.%s", list, i, block_names[k].name);
        for (; n < 3 && block_names[k].to[n]; n++) {
            snprintf(to[n], sizeof to[n], "%s%d.%s", list, i, block_names[k].to[n]);
            targets[n] = to[n];
        }
        zis_lora_targets_alias(t, name, targets, n, block_names[k].second);
    }
}

zis_status zis_zimage_targets(zis_zimage *m, zis_lora_targets *out, zis_error *err)
{
    int patch = (int)m->config.patch, refiners = (int)m->config.refiner_layers;
    zis_lora_targets_init(out, "a Z-Image transformer");
    add_rows(out, &m->bind, &zis_zimage_model_rows, "", patch, m);
    for (size_t k = 0; k < sizeof model_names / sizeof *model_names; k++) {
        char to[NAME_ROOM];
        zis_bind_row row = {.name = model_names[k].to};
        if (zis_bind_name(to, sizeof to, &row, "", patch))
            zis_lora_targets_alias(out, model_names[k].name, (const char *const[]){to}, 1, false);
    }
    for (int i = 0; i < refiners; i++) {
        add_block(out, m, "noise_refiner.", i, &m->noise_refiner[i], true);
        add_block(out, m, "context_refiner.", i, &m->context_refiner[i], false);
    }
    for (int i = 0; i < (int)m->config.layers; i++)
        add_block(out, m, "layers.", i, &m->layers[i], true);
    return zis_lora_targets_finish(out, err);
}
