/* golden_impl.h - what the files of the golden runner share.
 *
 * A component's function reads its case, computes, and hands every output to zis_golden_compare;
 * its own failures come back as a status: ZIS_UNSUPPORTED skips the case, others fail it. */
#ifndef ZIS_STUDIO_GOLDEN_IMPL_H
#define ZIS_STUDIO_GOLDEN_IMPL_H

#include "base/json.h"
#include "formats/safetensors.h"
#include "formats/weights.h"
#include "kernels/run.h"
#include "pipeline/loras.h"
#include "studio/golden.h"
#include "tensor/image.h"

typedef struct zis_golden_row zis_golden_row;

/* A comparison that was made; reported when the case is over. */
typedef struct zis_golden_entry {
    char output[96];
    const char *metric; /* literal */
    double value, bound;
    zis_golden_result result;
    bool mid;
    char note[160];
} zis_golden_entry;

/* One golden under way. */
typedef struct zis_golden {
    const zis_golden_options *o;
    const zis_golden_row *row;
    const char *path;
    char *folder; /* that holds the file; owned */
    zis_safetensors *file;
    const char *config; /* JSON text of the metadata; "{}" if absent */
    zis_json_doc *doc;  /* config, parsed; NULL for rows that read it themselves */
    zis_json_doc *tolerance;
    zis_run *run;
    zis_golden_entry *entries; /* owned */
    size_t count, room;
    bool nomem;
} zis_golden;

struct zis_golden_row {
    const char *component;
    zis_status (*run)(zis_golden *g, zis_error *err); /* NULL: skipped */
    const char *missing;                              /* why it is skipped */
    bool products;   /* its values depend on the type of matrix products */
    bool own_config; /* reads the text of config itself (it may be large, or hold NULs) */
};

/* Compares with out.NAME by the metrics of its tolerance (exact if it has none). */
void zis_golden_compare(zis_golden *g, const char *name, const float *got, size_t n);
/* The same by the metrics that are stated for another output. */
void zis_golden_compare_like(
    zis_golden *g, const char *name, const char *like, const float *got, size_t n);
/* The number of differences of something that is no tensor; bound 0. */
void zis_golden_compare_count(zis_golden *g, const char *name, double differing);
/* Compares with mid.NAME, or with mid.NAME.rms row by row, if the golden has it. */
void zis_golden_watch(void *golden, zis_run *run, const char *name, const zis_tensor *t);
void zis_golden_compare_mid(zis_golden *g, const char *name, const float *got, size_t n);

/* Entry in.NAME with that many dims, all at least 1; ZIS_FORMAT names what is wrong. */
ZIS_MUST_USE zis_status zis_golden_input(
    const zis_golden *g, const char *name, int ndim, const zis_tensor **out, zis_error *err);
/* The values as float32, a new block. */
ZIS_MUST_USE zis_status zis_golden_floats(float **out, const zis_tensor *t, zis_error *err);

/* The weights that the golden names: synthetic ones are made (if not too large), others opened.
 * `probe` is a tensor that every checkpoint of the known layout has. */
ZIS_MUST_USE zis_status zis_golden_weights(const zis_golden *g,
                                           const char *probe,
                                           zis_weights **out,
                                           zis_error *err);
/* Synthetic weights by the list of another key of the metadata ("control_names"). */
ZIS_MUST_USE zis_status zis_golden_synthetic(const zis_golden *g,
                                             const char *key,
                                             zis_weights **out,
                                             zis_error *err);
/* New string: where the file or folder lies that a golden calls `name`. */
ZIS_MUST_USE zis_status zis_golden_resolve(const zis_golden *g,
                                           const char *name,
                                           char **out,
                                           zis_error *err);

/* Runs `forward` dry, takes the scratch that this asked for, and runs it again. Outputs that it
 * downloads are there afterwards. */
typedef zis_status zis_golden_forward(zis_golden *g, zis_run *run, void *arg, zis_error *err);
ZIS_MUST_USE zis_status zis_golden_execute(zis_golden *g,
                                           zis_golden_forward *forward,
                                           void *arg,
                                           zis_error *err);

/* Attaches the LoRA that the golden's config calls `name`, in the golden's folder ("./NAME") or as
 * resolve finds it; zis_loras_detach takes it off. */
ZIS_MUST_USE zis_status zis_golden_attach(const zis_golden *g,
                                          zis_zimage *m,
                                          const char *name,
                                          double strength,
                                          zis_loras **out,
                                          zis_error *err);

/* golden_preprocess.c: in.NAME as a picture (a copy); a picture against out.NAME or mid.NAME. */
ZIS_MUST_USE zis_status zis_golden_picture(const zis_golden *g,
                                           const char *name,
                                           zis_image **out,
                                           zis_error *err);
ZIS_MUST_USE zis_status zis_golden_compare_picture(zis_golden *g,
                                                   const char *name,
                                                   const zis_image *img,
                                                   zis_error *err);
ZIS_MUST_USE zis_status zis_golden_compare_mid_picture(zis_golden *g,
                                                       const char *name,
                                                       const zis_image *img,
                                                       zis_error *err);

/* Components: golden_base.c, golden_models.c, golden_networks.c, golden_pipeline.c,
 * golden_preprocess.c, golden_upscale.c. */
zis_status zis_golden_run_randn(zis_golden *g, zis_error *err);
zis_status zis_golden_run_schedule(zis_golden *g, zis_error *err);
zis_status zis_golden_run_tokenizer(zis_golden *g, zis_error *err);
zis_status zis_golden_run_text_encoder(zis_golden *g, zis_error *err);
zis_status zis_golden_run_dit(zis_golden *g, zis_error *err);
zis_status zis_golden_run_dit_lora(zis_golden *g, zis_error *err);
zis_status zis_golden_run_dit_control(zis_golden *g, zis_error *err);
zis_status zis_golden_run_vae_encode(zis_golden *g, zis_error *err);
zis_status zis_golden_run_vae_decode(zis_golden *g, zis_error *err);
zis_status zis_golden_run_pipeline(zis_golden *g, zis_error *err);
zis_status zis_golden_run_rrdbnet(zis_golden *g, zis_error *err);
zis_status zis_golden_run_upscale(zis_golden *g, zis_error *err);
zis_status zis_golden_run_canny(zis_golden *g, zis_error *err);
zis_status zis_golden_run_resize(zis_golden *g, zis_error *err);
zis_status zis_golden_run_midas(zis_golden *g, zis_error *err);
zis_status zis_golden_run_openpose_body(zis_golden *g, zis_error *err);
zis_status zis_golden_run_openpose_people(zis_golden *g, zis_error *err);
zis_status zis_golden_run_openpose_draw(zis_golden *g, zis_error *err);

#endif
