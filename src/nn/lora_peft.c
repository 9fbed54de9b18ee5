/* lora_peft.c - scales from the text that PEFT and diffusers store beside the tensors:
 * `lora_adapter_metadata` is a LoraConfig, its keys with or without "transformer." in front.
 * alpha_pattern overrides lora_alpha for the modules whose names end with a key of it. */
#include "base/json.h"
#include "nn/lora_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define META_KEY "lora_adapter_metadata"
#define ALPHA_MOST 1e9

struct zis_lora_peft {
    zis_json_doc *doc;
    const char *prefix;
    double alpha; /* < 0: none */
    bool root;    /* alpha / sqrt(r) */
};

void zis_lora_peft_destroy(zis_lora_peft **p)
{
    if (!*p) return;
    zis_json_doc_destroy(&(*p)->doc);
    free(*p);
    *p = NULL;
}

zis_status zis_lora_peft_read(zis_lora_peft **out, const zis_weights *w, zis_error *err)
{
    const char *text = zis_weights_meta(w, META_KEY);
    if (!text) return ZIS_OK;
    zis_lora_peft *p = zis_mem_zalloc(1, sizeof *p);
    char *what = zis_mem_printf("%s of '%s'", META_KEY, zis_weights_path(w));
    zis_status st = p && what ? zis_json_doc_parse(&p->doc, what, text, strlen(text), err)
                              : zis_fail_nomem(err, META_KEY);
    if (!st) {
        bool prefixed = zis_json_doc_has(p->doc, "transformer.r") ||
                        zis_json_doc_has(p->doc, "transformer.lora_alpha");
        p->prefix = prefixed ? "transformer." : "";
        p->alpha = -1;
        st = zis_json_doc_double(p->doc, prefixed ? "transformer.lora_alpha" : "lora_alpha", 0,
                                 ALPHA_MOST, &p->alpha, err);
    }
    if (!st)
        st = zis_json_doc_bool(p->doc, *p->prefix ? "transformer.use_rslora" : "use_rslora",
                               &p->root, err);
    free(what);
    if (st)
        zis_lora_peft_destroy(&p);
    else
        *out = p;
    return st;
}

zis_status zis_lora_peft_scale(
    const zis_lora_peft *p, const char *module, int64_t rank, double *out, zis_error *err)
{
    *out = 1;
    if (!p) return ZIS_OK;
    double alpha = -1;
    for (const char *tail = module; tail && alpha < 0;) {
        static const char *const starts[] = {"", "^", "transformer."};
        for (int i = 0; i < 3 && alpha < 0; i++) {
            char path[300];
            int n = snprintf(path, sizeof path, "%salpha_pattern.%s%s", p->prefix, starts[i], tail);
            if (n < 0 || (size_t)n >= sizeof path) continue;
            zis_status st = zis_json_doc_double(p->doc, path, 0, ALPHA_MOST, &alpha, err);
            if (st) return st;
        }
        tail = strchr(tail, '.');
        if (tail) tail++;
    }
    if (alpha < 0) alpha = p->alpha;
    if (alpha >= 0) *out = alpha / (p->root ? sqrt((double)rank) : (double)rank);
    return ZIS_OK;
}
