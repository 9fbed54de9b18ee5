/* synth_impl.h - a list of tensors under construction, shared by the files that know models:
 * synth_list.c (Z-Image's parts), synth_control.c (its ControlNets), synth_pictures.c (networks
 * that look at pictures).
 *
 * Threads: one at a time. */
#ifndef ZIS_FORMATS_SYNTH_IMPL_H
#define ZIS_FORMATS_SYNTH_IMPL_H

#include "formats/synth.h"

typedef struct zis_synth_builder {
    zis_synth_list *list;
    zis_dtype dtype;
    bool failed; /* without memory; later calls do nothing */
} zis_synth_builder;

/* A tensor of `ndim` dims, named by prefix and name. */
void zis_synth_list_add(
    zis_synth_builder *b, const char *prefix, const char *name, int ndim, const int64_t *dim);

/* The transformer's block `prefix`, with modulation. */
void zis_synth_build_block(zis_synth_builder *b, const char *prefix);

/* Whole networks. */
void zis_synth_build_control_1_0(zis_synth_builder *b);
void zis_synth_build_control_2_0(zis_synth_builder *b);
void zis_synth_build_control_2_1(zis_synth_builder *b);
void zis_synth_build_control_lite(zis_synth_builder *b);
void zis_synth_build_depth(zis_synth_builder *b);
void zis_synth_build_pose(zis_synth_builder *b);
void zis_synth_build_esrgan(zis_synth_builder *b);
void zis_synth_build_srvgg(zis_synth_builder *b);

#endif
