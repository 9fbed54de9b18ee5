/* A row names what must be there. To know one more kind of file, add a row. */
#include "pipeline/recognise.h"

#include "models/zimage/control.h"

#include <stdio.h>
#include <string.h>

#define MAX_TESTS 2

/* All tests must hold. A test is a tensor's name, which one of the prefixes may precede; or, with a
 * star in front, a piece of any tensor's name. */
static const struct {
    const char *family;
    const char *layout;
    const char *tests[MAX_TESTS];
} rows[] = {
    {"Z-Image ControlNet", "unknown", {"control_all_x_embedder.2-1.weight"}}, /* its version */
    {"Z-Image transformer", "diffusers", {"all_x_embedder.2-1.weight"}},
    {"Z-Image transformer", "comfy", {"x_embedder.weight", "layers.0.attention.qkv.weight"}},
    {"Qwen3 text encoder",
     "transformers",
     {"embed_tokens.weight", "layers.0.self_attn.q_norm.weight"}},
    {"FLUX VAE", "diffusers", {"decoder.conv_in.weight", "*decoder.up_blocks."}},
    {"FLUX VAE", "original", {"decoder.conv_in.weight", "*decoder.up."}},
    {"RRDBNet upscaler", "new names", {"conv_first.weight", "*body.0.rdb1."}},
    {"RRDBNet upscaler", "old names", {"*model.1.sub.0.RDB1."}},
    {"SRVGGNetCompact upscaler", "", {"body.0.weight", "body.1.weight"}},
    {"MiDaS depth (DPT-hybrid)",
     "published",
     {"pretrained.model.cls_token", "scratch.output_conv.0.weight"}},
    {"OpenPose body", "published", {"conv1_1.weight", "Mconv7_stage6_L2.weight"}},
    {"LoRA (LoKr)", "", {"*lokr_"}},
    {"LoRA (LoHa)", "", {"*hada_"}},
    {"LoRA", "peft", {"*.lora_A."}},
    {"LoRA", "kohya", {"*.lora_down."}},
    {"LoRA", "dots", {"*.lora.down."}},
    {"LoRA (full difference)", "", {"*.diff"}},
    {"LoRA (full difference)", "", {"*.set_weight"}},
};

static const char *const prefixes[] = {
    "",
    "model.",
    "model.diffusion_model.",
    "diffusion_model.",
    "text_encoders.qwen3_4b.transformer.model.",
};

static bool has_piece(const zis_weights *w, const char *piece)
{
    for (size_t i = 0; i < zis_weights_count(w); i++)
        if (strstr(zis_weights_at(w, i)->name, piece)) return true;
    return false;
}

static bool has_name(const zis_weights *w, const char *name)
{
    char full[200];
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        snprintf(full, sizeof full, "%s%s", prefixes[i], name);
        if (zis_weights_find(w, full)) return true;
    }
    return false;
}

static bool holds(const zis_weights *w, const char *const *tests)
{
    for (int i = 0; i < MAX_TESTS && tests[i]; i++)
        if (!(tests[i][0] == '*' ? has_piece(w, tests[i] + 1) : has_name(w, tests[i])))
            return false;
    return true;
}

zis_recognised zis_recognise(const zis_weights *w)
{
    zis_recognised r = {"unknown", "", ZIS_DTYPE_COUNT, false};
    uint64_t bytes[ZIS_DTYPE_COUNT] = {0};
    int types = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!holds(w, rows[i].tests)) continue;
        r.family = rows[i].family;
        r.layout = rows[i].layout;
        zis_control_info control;
        if (i == 0 && zis_control_recognise(&control, w, NULL) == ZIS_OK)
            r.layout = zis_control_version_name(&control);
        break;
    }
    for (size_t i = 0; i < zis_weights_count(w); i++) {
        const zis_weights_entry *e = zis_weights_at(w, i);
        bytes[e->tensor.dtype] += e->bytes;
    }
    for (int t = 0; t < ZIS_DTYPE_COUNT; t++) {
        types += bytes[t] > 0;
        if (bytes[t] && (r.dtype == ZIS_DTYPE_COUNT || bytes[t] > bytes[r.dtype]))
            r.dtype = (zis_dtype)t;
    }
    r.mixed = types > 1;
    return r;
}
