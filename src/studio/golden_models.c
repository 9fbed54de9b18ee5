/* golden_models.c - goldens of the text encoder, the transformer and the autoencoder. */
#include "base/mem.h"
#include "models/qwen3/qwen3.h"
#include "models/vae/vae.h"
#include "models/zimage/control.h"
#include "studio/golden_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PLACES 1024

/* A tensor on the run's device with the values of `host`. */
static zis_tensor upload(zis_run *run, const zis_tensor *shape, const float *host)
{
    zis_tensor t =
        shape->ndim == 2
            ? zis_run_alloc_2d(run, ZIS_DTYPE_F32, shape->dim[0], shape->dim[1])
            : zis_run_alloc_3d(run, ZIS_DTYPE_F32, shape->dim[0], shape->dim[1], shape->dim[2]);
    zis_run_upload(run, &t, host);
    return t;
}

/* Downloads and compares, in the real run, by the metrics stated for `like`. */
static zis_status compare_like(zis_golden *g,
                               zis_run *run,
                               const char *name,
                               const char *like,
                               const zis_tensor *t,
                               zis_error *err)
{
    if (run->dry) return zis_run_status(run, err);
    size_t n = (size_t)zis_tensor_count(t);
    float *got = zis_mem_alloc(n, sizeof *got);
    if (!got) return zis_fail_nomem(err, "the result");
    zis_run_download(run, got, t);
    zis_status st = zis_run_status(run, err);
    if (!st) zis_golden_compare_like(g, name, like, got, n);
    free(got);
    return st;
}

static zis_status compare(
    zis_golden *g, zis_run *run, const char *name, const zis_tensor *t, zis_error *err)
{
    return compare_like(g, run, name, name, t, err);
}

/* ---- text_encoder ---- */

typedef struct text_case {
    const zis_qwen3 *m;
    int32_t *ids;
    int64_t n;
} text_case;

static zis_status text_forward(zis_golden *g, zis_run *run, void *arg, zis_error *err)
{
    const text_case *c = arg;
    zis_tensor hidden =
        zis_run_alloc_2d(run, ZIS_DTYPE_F32, c->n, zis_qwen3_get_config(c->m)->hidden);
    zis_status st = zis_qwen3_encode(c->m, run, c->ids, c->n, hidden, zis_golden_watch, g, err);
    return st ? st : compare(g, run, "hidden", &hidden, err);
}

/* Ids are stored as I64 (or I32). */
static zis_status read_ids(const zis_golden *g, text_case *c, zis_error *err)
{
    const zis_tensor *t;
    zis_status st = zis_golden_input(g, "in.ids", 1, &t, err);
    if (st) return st;
    if (t->dtype != ZIS_DTYPE_I64 && t->dtype != ZIS_DTYPE_I32)
        return zis_fail(err, ZIS_FORMAT, "the golden's ids are of type %s",
                        zis_dtype_get(t->dtype)->name);
    c->n = t->dim[0];
    c->ids = zis_mem_alloc((size_t)c->n, sizeof *c->ids);
    if (!c->ids) return zis_fail_nomem(err, "the golden's ids");
    for (int64_t i = 0; i < c->n; i++) {
        int64_t wide;
        if (t->dtype == ZIS_DTYPE_I32) {
            memcpy(&c->ids[i], (const char *)t->data + 4 * i, 4);
            continue;
        }
        memcpy(&wide, (const char *)t->data + 8 * i, 8);
        if (wide < 0 || wide > INT32_MAX)
            return zis_fail(err, ZIS_FORMAT, "the golden has an id of %lld", (long long)wide);
        c->ids[i] = (int32_t)wide;
    }
    return ZIS_OK;
}

zis_status zis_golden_run_text_encoder(zis_golden *g, zis_error *err)
{
    zis_qwen3_config config;
    zis_weights *weights = NULL;
    zis_qwen3 *m = NULL;
    text_case c = {0};
    zis_status st = zis_qwen3_config_read(&config, g->doc, err);
    if (!st) st = read_ids(g, &c, err);
    if (!st) st = zis_golden_weights(g, "model.layers.0.mlp.gate_proj.weight", &weights, err);
    if (!st) st = zis_qwen3_create(&m, &config, weights, err);
    c.m = m;
    if (!st) st = zis_golden_execute(g, text_forward, &c, err);
    zis_qwen3_close(&m);
    zis_weights_close(&weights);
    free(c.ids);
    return st;
}

/* ---- dit ---- */

typedef struct dit_case {
    const zis_zimage *m;
    const zis_tensor *latents, *cap; /* as stored */
    float *latents_host, *cap_host;
    float tau;
    const char *output;     /* the golden's name of the velocity; NULL: it is not compared */
    float *kept;            /* a copy of it, or NULL */
    const zis_control *net; /* of dit_control, with its context; or NULL */
    const zis_tensor *control;
    float *control_host;
    float scale;
} dit_case;

static zis_status dit_forward(zis_golden *g, zis_run *run, void *arg, zis_error *err)
{
    const dit_case *c = arg;
    zis_zimage_times times;
    zis_zimage_prompt prompt;
    zis_zimage_size size;
    zis_control_hints hints;
    zis_tensor latents = upload(run, c->latents, c->latents_host);
    zis_tensor cap = upload(run, c->cap, c->cap_host);
    zis_tensor velocity =
        zis_run_alloc_3d(run, ZIS_DTYPE_F32, latents.dim[0], latents.dim[1], latents.dim[2]);
    zis_status st = zis_zimage_times_make(c->m, run, &c->tau, 1, &times, err);
    if (st) return st;
    if (!run->dry) zis_golden_watch(g, run, "temb", &times.temb);
    st = zis_zimage_prompt_make(c->m, run, &cap, &prompt, zis_golden_watch, g, err);
    if (st) return st;
    st = zis_zimage_size_make(c->m, run, latents.dim[1], latents.dim[2], &prompt, &size, err);
    if (st) return st;
    if (c->net) {
        zis_tensor control = upload(run, c->control, c->control_host);
        st = zis_control_hints_make(c->net, c->m, run, &times, &size, &control, c->scale, &hints,
                                    err);
        if (st) return st;
    }
    st = zis_zimage_step(c->m, run, &times, 0, &size, &prompt, c->net ? &hints : NULL, &latents, 1,
                         velocity, zis_golden_watch, g, err);
    if (!st && !run->dry && c->kept) zis_run_download(run, c->kept, &velocity);
    if (st || !c->output) return st ? st : zis_run_status(run, err);
    return compare_like(g, run, c->output, "velocity", &velocity, err);
}

/* Reads the case and opens its model; both are the caller's to release, also on failure. */
static zis_status open_dit(
    zis_golden *g, dit_case *out, zis_weights **weights_out, zis_zimage **m_out, zis_error *err)
{
    zis_zimage_config config;
    zis_weights *weights = NULL;
    zis_zimage *m = NULL;
    dit_case c = {.output = "velocity"};
    double t = -1, tau = -1;
    zis_status st = zis_zimage_config_read(&config, g->doc, err);
    if (!st) st = zis_json_doc_double(g->doc, "t", 0, 1, &t, err);
    if (!st) st = zis_json_doc_double(g->doc, "tau", 0, 1e6, &tau, err);
    if (!st && t < 0 && tau < 0) st = zis_fail(err, ZIS_FORMAT, "the golden's config has no time");
    if (!st) st = zis_golden_input(g, "in.latents", 3, &c.latents, err);
    if (!st) st = zis_golden_input(g, "in.cap", 2, &c.cap, err);
    if (!st) st = zis_golden_floats(&c.latents_host, c.latents, err);
    if (!st) st = zis_golden_floats(&c.cap_host, c.cap, err);
    if (!st) st = zis_golden_weights(g, "all_x_embedder.2-1.weight", &weights, err);
    if (!st) st = zis_zimage_create(&m, &config, weights, err);
    c.m = m;
    if (!st) c.tau = (float)(tau >= 0 ? tau : t * config.t_scale);
    *out = c;
    *m_out = m;
    *weights_out = weights;
    return st;
}

static void close_dit(dit_case *c, zis_weights **weights, zis_zimage **m)
{
    zis_zimage_close(m);
    zis_weights_close(weights);
    free(c->latents_host);
    free(c->cap_host);
    free(c->kept);
    free(c->control_host);
}

zis_status zis_golden_run_dit(zis_golden *g, zis_error *err)
{
    zis_weights *weights = NULL;
    zis_zimage *m = NULL;
    dit_case c;
    zis_status st = open_dit(g, &c, &weights, &m, err);
    if (!st) st = zis_golden_execute(g, dit_forward, &c, err);
    close_dit(&c, &weights, &m);
    return st;
}

/* ---- dit_control ---- */

/* Version and places are the case's own: synthetic weights do not tell 2.0 from 2.1. */
static zis_status read_override(const zis_golden *g, zis_control_override *o, zis_error *err)
{
    static const char *const versions[] = {"1.0", "2.0", "2.1"};
    const char *version = zis_json_doc_string(g->doc, "version");
    for (int i = 0; version && i < 3; i++) {
        if (strcmp(versions[i], version) != 0) continue;
        o->has_version = true;
        o->version = (zis_control_version)i;
    }
    if (version && !o->has_version)
        return zis_fail(err, ZIS_FORMAT, "the golden's version is '%.20s'", version);
    zis_status st = zis_json_doc_int(g->doc, "places.#", 1, MAX_PLACES, &o->n_places, err);
    int64_t *places =
        st || !o->n_places ? NULL : zis_mem_zalloc((size_t)o->n_places, sizeof *places);
    if (!st && o->n_places && !places) st = zis_fail_nomem(err, "the golden's places");
    for (int i = 0; i < (int)o->n_places && !st; i++) {
        char key[32];
        snprintf(key, sizeof key, "places.%d", i);
        st = zis_json_doc_int(g->doc, key, 0, MAX_PLACES, &places[i], err);
    }
    o->places = places;
    return st;
}

static zis_status open_control(
    const zis_golden *g, dit_case *c, zis_weights **weights, zis_control **out, zis_error *err)
{
    zis_control_override o = {0};
    double scale = 1;
    zis_status st = zis_json_doc_double(g->doc, "scale", 0, 100, &scale, err);
    c->scale = (float)scale;
    if (!st) st = zis_golden_input(g, "in.control", 3, &c->control, err);
    if (!st) st = zis_golden_floats(&c->control_host, c->control, err);
    if (!st) st = zis_golden_synthetic(g, "control_names", weights, err);
    if (!st) st = read_override(g, &o, err);
    if (!st) st = zis_control_create(out, c->m, *weights, &o, err);
    if (!st) c->net = *out;
    free((void *)o.places);
    return st;
}

zis_status zis_golden_run_dit_control(zis_golden *g, zis_error *err)
{
    zis_weights *weights = NULL, *control_weights = NULL;
    zis_zimage *m = NULL;
    zis_control *control = NULL;
    dit_case c;
    zis_status st = open_dit(g, &c, &weights, &m, err);
    if (!st) st = open_control(g, &c, &control_weights, &control, err);
    if (!st) st = zis_golden_execute(g, dit_forward, &c, err);
    zis_control_close(&control);
    zis_weights_close(&control_weights);
    close_dit(&c, &weights, &m);
    return st;
}

/* ---- dit_lora ---- */

zis_status zis_golden_attach(const zis_golden *g,
                             zis_zimage *m,
                             const char *name,
                             double strength,
                             zis_loras **out,
                             zis_error *err)
{
    char *path = NULL, *beside = zis_mem_printf("./%s", name);
    if (!beside) return zis_fail_nomem(err, name);
    zis_status st = zis_golden_resolve(g, beside, &path, NULL);
    if (st) st = zis_golden_resolve(g, name, &path, err);
    if (!st)
        st = zis_loras_attach(out, m, &(zis_request_lora){.file = path, .strength = strength}, 1,
                              NULL, err);
    free(beside);
    free(path);
    return st;
}

/* Whether it changed as many modules as the golden says. */
static zis_status check_report(zis_golden *g, const zis_loras *loras, zis_error *err)
{
    zis_loras_item item = zis_loras_at(loras, 0);
    int64_t modules = (int64_t)item.report->matched;
    zis_status st = zis_json_doc_int(g->doc, "modules", 0, 1 << 20, &modules, err);
    if (st || (modules == (int64_t)item.report->matched && !item.report->left_over)) return st;
    char text[160];
    return zis_fail(err, ZIS_FORMAT, "the golden changes %lld modules, but it %s",
                    (long long)modules, zis_lora_report_text(item.report, text, sizeof text));
}

/* Without the LoRA, with it, and without it again: bit for bit as before. */
static zis_status run_thrice(zis_golden *g, dit_case *c, zis_zimage *m, zis_error *err)
{
    const char *name = zis_json_doc_string(g->doc, "lora");
    double strength = 1;
    zis_loras *loras = NULL;
    size_t n = (size_t)zis_tensor_count(c->latents), differing = 0;
    float *before = zis_mem_alloc(n, sizeof *before);
    c->kept = zis_mem_alloc(n, sizeof *c->kept);
    zis_status st = before && c->kept ? ZIS_OK : zis_fail_nomem(err, "the result");
    if (!st && !name) st = zis_fail(err, ZIS_FORMAT, "the golden's config names no LoRA");
    if (!st) st = zis_json_doc_double(g->doc, "strength", -100, 100, &strength, err);
    c->output = "plain";
    if (!st) st = zis_golden_execute(g, dit_forward, c, err);
    if (!st) memcpy(before, c->kept, n * sizeof *before);
    if (!st) st = zis_golden_attach(g, m, name, strength, &loras, err);
    if (!st) st = check_report(g, loras, err);
    c->output = "velocity";
    if (!st) st = zis_golden_execute(g, dit_forward, c, err);
    zis_loras_detach(&loras);
    c->output = NULL;
    if (!st) st = zis_golden_execute(g, dit_forward, c, err);
    for (size_t i = 0; i < n && !st; i++)
        differing += memcmp(&before[i], &c->kept[i], sizeof *before) != 0;
    if (!st) zis_golden_compare_count(g, "undone", (double)differing);
    free(before);
    return st;
}

zis_status zis_golden_run_dit_lora(zis_golden *g, zis_error *err)
{
    zis_weights *weights = NULL;
    zis_zimage *m = NULL;
    dit_case c;
    zis_status st = open_dit(g, &c, &weights, &m, err);
    if (!st) st = run_thrice(g, &c, m, err);
    close_dit(&c, &weights, &m);
    return st;
}

/* ---- vae_encode, vae_decode ---- */

typedef struct vae_case {
    const zis_vae *m;
    const zis_tensor *in;
    float *host;
    bool decode;
} vae_case;

static zis_status vae_forward(zis_golden *g, zis_run *run, void *arg, zis_error *err)
{
    const vae_case *c = arg;
    const zis_vae_config *config = zis_vae_get_config(c->m);
    int64_t f = zis_vae_factor(c->m), h = c->in->dim[1], w = c->in->dim[2];
    zis_tensor in = upload(run, c->in, c->host), out;
    zis_status st;
    if (c->decode) {
        out = zis_run_alloc_3d(run, ZIS_DTYPE_F32, config->channels, h * f, w * f);
        st = zis_vae_decode(c->m, run, &in, out, err);
    } else {
        out = zis_run_alloc_3d(run, ZIS_DTYPE_F32, config->latent_channels, h / f, w / f);
        st = zis_vae_encode(c->m, run, &in, out, err);
    }
    return st ? st : compare(g, run, c->decode ? "image" : "mean", &out, err);
}

static zis_status run_vae(zis_golden *g, bool decode, zis_error *err)
{
    zis_vae_config config;
    zis_weights *weights = NULL;
    zis_vae *m = NULL;
    vae_case c = {.decode = decode};
    zis_status st = zis_vae_config_read(&config, g->doc, err);
    if (!st) st = zis_golden_input(g, decode ? "in.latents" : "in.image", 3, &c.in, err);
    if (!st) st = zis_golden_floats(&c.host, c.in, err);
    if (!st)
        st = zis_golden_weights(g,
                                decode ? "decoder.mid_block.resnets.0.norm1.weight"
                                       : "encoder.mid_block.resnets.0.norm1.weight",
                                &weights, err);
    if (!st)
        st = zis_vae_create(&m, &config, weights, decode ? ZIS_VAE_DECODER : ZIS_VAE_ENCODER, err);
    c.m = m;
    if (!st) st = zis_golden_execute(g, vae_forward, &c, err);
    zis_vae_close(&m);
    zis_weights_close(&weights);
    free(c.host);
    return st;
}

zis_status zis_golden_run_vae_encode(zis_golden *g, zis_error *err)
{
    return run_vae(g, false, err);
}

zis_status zis_golden_run_vae_decode(zis_golden *g, zis_error *err)
{
    return run_vae(g, true, err);
}
