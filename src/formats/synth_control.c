/* synth_control.c - names and shapes of the ControlNets (controlnet.md 1, 2). */
#include "formats/synth_impl.h"

#include <stdio.h>
#include <string.h>

#define D 3840 /* width of the transformer */

static void add_linear(zis_synth_builder *b, const char *prefix, const char *name, int64_t in)
{
    char full[64];
    snprintf(full, sizeof full, "%s.weight", name);
    zis_synth_list_add(b, prefix, full, 2, (const int64_t[]){D, in});
    snprintf(full, sizeof full, "%s.bias", name);
    zis_synth_list_add(b, prefix, full, 1, (const int64_t[]){D});
}

/* Blocks with a projection behind each and one before the first, or plain ones. */
static void add_blocks(zis_synth_builder *b, const char *list, int n, bool projected)
{
    char prefix[64];
    for (int i = 0; i < n; i++) {
        snprintf(prefix, sizeof prefix, "%s.%d.", list, i);
        zis_synth_build_block(b, prefix);
        if (projected) add_linear(b, prefix, "after_proj", D);
        if (projected && i == 0) add_linear(b, prefix, "before_proj", D);
    }
}

static void build(zis_synth_builder *b, int layers, bool two)
{
    add_linear(b, "", "control_all_x_embedder.2-1", two ? 132 : 64);
    add_blocks(b, "control_layers", layers, true);
    add_blocks(b, "control_noise_refiner", 2, two);
}

void zis_synth_build_control_1_0(zis_synth_builder *b)
{
    build(b, 6, false);
}

/* Its refiner was never trained: the zeros of its projections tell it from 2.1. */
void zis_synth_build_control_2_0(zis_synth_builder *b)
{
    build(b, 15, true);
    for (size_t i = 0; !b->failed && i < b->list->count; i++) {
        zis_weights_spec *s = &b->list->specs[i];
        s->zero = strncmp(s->name, "control_noise_refiner.", 22) == 0 && strstr(s->name, "_proj.");
    }
}

void zis_synth_build_control_2_1(zis_synth_builder *b)
{
    build(b, 15, true);
}

void zis_synth_build_control_lite(zis_synth_builder *b)
{
    build(b, 3, true);
}
