/* zis models: what is known, and what of it is here; zis models rm: what shall go. */
#include "cli/models.h"
#include "base/os.h"
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "formats/weights.h"
#include "models/esrgan/esrgan.h"
#include "pipeline/control_find.h"
#include "pipeline/hub_entry.h"
#include "pipeline/hub_presets.h"
#include "pipeline/hubcache.h"
#include "pipeline/jsonout.h"
#include "pipeline/loras.h"
#include "pipeline/model.h"
#include "pipeline/recognise.h"
#include "pipeline/upscaler_find.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JSON = 1000, YES };

static const zis_option options[] = {
    {JSON, "json", 0, NULL, "prints one JSON object", 0, 0},
    {YES, "yes", 'y', NULL, "with rm: does not ask", 0, 0},
    {0},
};

static const zis_usage usage = {
    .command = "models",
    .synopsis = "[rm NAME] [options]",
    .about =
        "Lists the models that are known, whether they are here, how large they are and what "
        "for;\nother models of the family in the Hugging Face cache; ControlNets, upscalers and "
        "LoRAs that are\nknown by name; and downloads that were begun.\n\nrm NAME removes one from "
        "the cache (turbo, "
        "ORG/NAME, ...), after asking.",
    .options = options,
    .rest_max = 2,
};

/* One line of the list. */
typedef struct model_line {
    const char *name;
    const char *hub_id;
    const char *what;
    const char *file; /* the one file of a part, or NULL: a model */
    bool present;
    zis_model_set set; /* of a model that is present */
    char *path;        /* where it is */
    uint64_t bytes;
    const char *type;
    zis_hub_unfinished begun;
    zis_error missing; /* why it is not */
} model_line;

static void measure(model_line *m)
{
    for (int part = 0; part < ZIS_PART_TOKENIZER; part++) {
        zis_weights *w = NULL;
        if (zis_weights_open(&w, m->set.path[part], &m->missing) != ZIS_OK) {
            m->present = false;
            return;
        }
        zis_recognised r = zis_recognise(w);
        if (part == ZIS_PART_TRANSFORMER && r.dtype != ZIS_DTYPE_COUNT)
            m->type = zis_dtype_get(r.dtype)->name;
        m->bytes += zis_weights_bytes(w);
        zis_weights_close(&w);
    }
}

/* A part is one file; its type is said where zis can open it. */
static void look_at_part(model_line *m)
{
    zis_weights *w = NULL;
    zis_error ignored;
    uint64_t bytes = 0;
    m->present = zis_hub_preset_find(m->name, &m->path, &m->missing) == ZIS_OK;
    if (m->present && zis_weights_open(&w, m->path, &ignored) == ZIS_OK) {
        zis_recognised r = zis_recognise(w);
        if (r.dtype != ZIS_DTYPE_COUNT) m->type = zis_dtype_get(r.dtype)->name;
        zis_weights_close(&w);
    }
    if (m->present && zis_os_file_size(m->path, &bytes)) m->bytes = bytes;
}

static zis_status look(model_line *m, const char *root)
{
    m->type = "";
    if (m->file) {
        look_at_part(m);
    } else {
        m->present =
            zis_model_find(&m->set, &(zis_model_query){.model = m->name}, &m->missing) == ZIS_OK;
        if (m->present) measure(m);
        if (m->present) m->path = zis_mem_strdup(m->set.folder);
    }
    return m->hub_id && root ? zis_hub_entry_unfinished(root, m->hub_id, &m->begun) : ZIS_OK;
}

static void line_deinit(model_line *m)
{
    zis_model_set_deinit(&m->set);
    free(m->path);
}

static void put_json(zis_buf *out, const model_line *m, bool first)
{
    zis_buf_puts(out, first ? "\n  {\"name\": " : ",\n  {\"name\": ");
    zis_jsonout_string(out, m->name);
    zis_buf_puts(out, ", \"hub_id\": ");
    zis_jsonout_string(out, m->hub_id);
    zis_buf_printf(out, ", \"present\": %s, \"what\": ", m->present ? "true" : "false");
    zis_jsonout_string(out, m->what);
    zis_buf_puts(out, ", \"recognised\": ");
    zis_jsonout_string(out, m->file ? m->name : "Z-Image");
    zis_buf_puts(out, ", \"path\": ");
    zis_jsonout_string(out, m->present ? m->path : NULL);
    zis_buf_puts(out, ", \"type\": ");
    zis_jsonout_string(out, m->present ? m->type : NULL);
    if (m->present)
        zis_buf_printf(out, ", \"bytes\": %llu", (unsigned long long)m->bytes);
    else
        zis_buf_puts(out, ", \"bytes\": null");
    if (m->present && !m->file)
        zis_buf_printf(out, ", \"shape\": [%d, %d]", m->set.defaults.height, m->set.defaults.width);
    else
        zis_buf_puts(out, ", \"shape\": null");
    if (m->begun.files)
        zis_buf_printf(out, ", \"unfinished\": {\"files\": %d, \"have\": %llu, \"bytes\": %llu}",
                       m->begun.files, (unsigned long long)m->begun.have,
                       (unsigned long long)m->begun.size);
    else
        zis_buf_puts(out, ", \"unfinished\": null");
    zis_buf_puts(out, ", \"command\": ");
    char *command = m->hub_id && (!m->present || m->begun.files)
                        ? zis_mem_printf("zis fetch %s", m->name)
                        : NULL;
    zis_jsonout_string(out, command);
    free(command);
    zis_buf_puts(out, "}");
}

static void put_text(zis_buf *out, const model_line *m)
{
    char size[40] = "not here", have[24], all[24];
    if (m->present) zis_output_size(size, sizeof size, m->bytes);
    zis_buf_printf(out, "%-12s %-9s %-5s %s\n", m->name, size, m->type, m->what);
    if (m->present)
        zis_buf_printf(out, "%-28s %s\n", "", m->path ? m->path : "");
    else if (m->hub_id && !m->begun.files)
        zis_buf_printf(out, "%-28s `zis fetch %s` gets it\n", "", m->name);
    else if (!m->hub_id)
        zis_buf_printf(out, "%-28s %s\n", "", m->missing.text);
    if (!m->begun.files || (m->file && m->present)) return;
    zis_output_size(have, sizeof have, m->begun.have);
    zis_output_size(all, sizeof all, m->begun.size);
    zis_buf_printf(out, "%-28s begun: %s%s%s of %d file%s; `zis fetch %s` goes on\n", "", have,
                   m->begun.size ? " of " : "", m->begun.size ? all : "", m->begun.files,
                   m->begun.files > 1 ? "s" : "", m->name);
}

static void put_line(zis_buf *out, model_line *m, const char *root, bool json, int *n)
{
    if (look(m, root)) out->failed = true;
    if (json)
        put_json(out, m, *n == 0);
    else
        put_text(out, m);
    (*n)++;
    line_deinit(m);
}

static bool is_preset(const char *id)
{
    zis_hub_preset p;
    for (size_t i = 0; zis_hub_preset_at(i, &p); i++)
        if (strcmp(p.hub_id, id) == 0) return true;
    return false;
}

/* Other repositories of the cache: of this family, or begun by somebody. */
static void put_cached(zis_buf *out, const char *root, bool json, int *n)
{
    char **names = NULL;
    size_t count = 0;
    if (!root || zis_os_list(&names, &count, root, NULL) != ZIS_OK) return;
    for (size_t i = 0; i < count; i++) {
        zis_hub_unfinished begun = {0};
        char *id = zis_hubcache_id_of(names[i]);
        char *repo = id ? zis_os_join(root, names[i]) : NULL;
        bool known = !repo || is_preset(id) || !zis_hubcache_is_id(id);
        if (!known && zis_hub_entry_unfinished(root, id, &begun)) out->failed = true;
        if (!known && (zis_model_is_family(repo) || begun.files))
            put_line(out, &(model_line){.name = id, .hub_id = id, .what = "in the cache"}, root,
                     json, n);
        free(repo);
        free(id);
    }
    zis_os_list_free(names, count);
}

static zis_status put_loras(zis_buf *out, bool json, zis_error *err)
{
    zis_loras_found *list = NULL;
    size_t n = 0;
    zis_status st = zis_loras_list(&list, &n, NULL, err);
    for (size_t i = 0; i < n; i++) {
        const zis_loras_found *l = &list[i];
        if (json) {
            zis_buf_puts(out, i ? ",\n  {\"name\": " : "\n  {\"name\": ");
            zis_jsonout_string(out, l->name);
            zis_buf_puts(out, ", \"path\": ");
            zis_jsonout_string(out, l->path);
            zis_buf_printf(out, ", \"bytes\": %llu}", (unsigned long long)l->bytes);
        } else {
            char size[40];
            snprintf(size, sizeof size, "%.1f MB", (double)l->bytes / 1e6);
            zis_buf_printf(out, "%s%-12s %-9s       %s\n", i ? "" : "\nLoRAs, for --lora NAME:\n",
                           l->name, size, l->path);
        }
    }
    zis_loras_list_free(list, n);
    return st;
}

/* Those that are here; what can be fetched stands among the models. */
static void put_control_nets(zis_buf *out, bool json)
{
    int n = 0;
    bool nomem = false;
    for (size_t i = 0; zis_control_preset_at(i); i++) {
        const zis_control_preset *p = zis_control_preset_at(i);
        zis_control_info info;
        zis_weights *w = NULL;
        char size[24];
        char *path = zis_control_preset_path(p, &nomem);
        zis_status st = path ? zis_weights_open(&w, path, NULL) : ZIS_NOT_FOUND;
        if (!st) st = zis_control_recognise(&info, w, NULL);
        if (!st && json) {
            zis_buf_printf(out, "%s\n  {\"name\": \"%s\", \"version\": \"%s\", \"width\": %lld, ",
                           n ? "," : "", p->name, zis_control_version_name(&info),
                           (long long)info.dim);
            zis_buf_puts(out, "\"path\": ");
            zis_jsonout_string(out, path);
            zis_buf_printf(out, ", \"bytes\": %llu}", (unsigned long long)zis_weights_bytes(w));
        } else if (!st) {
            zis_output_size(size, sizeof size, zis_weights_bytes(w));
            zis_buf_printf(out, "%s%-16s %-9s %-5s %s\n%-28s %s\n",
                           n ? "" : "\nControlNets, for --control-net NAME:\n", p->name, size,
                           zis_control_version_name(&info), p->what, "", path);
        }
        n += !st;
        zis_weights_close(&w);
        free(path);
    }
    out->failed = out->failed || nomem;
}

static void put_upscalers(zis_buf *out, bool json)
{
    int n = 0;
    for (size_t i = 0; zis_upscaler_preset_at(i); i++) {
        const zis_upscaler_preset *p = zis_upscaler_preset_at(i);
        zis_esrgan_config config;
        zis_weights *w = NULL;
        uint64_t bytes = 0;
        char *path = NULL, size[24];
        zis_status st = zis_upscaler_find(&path, p->name, NULL);
        out->failed = out->failed || st == ZIS_NOMEM;
        if (!st) st = zis_weights_open(&w, path, NULL);
        if (!st) st = zis_esrgan_config_read(&config, w, NULL);
        if (!st) zis_os_file_size(path, &bytes);
        if (!st && json) {
            zis_buf_printf(out, "%s\n  {\"name\": \"%s\", \"scale\": %d, \"path\": ", n ? "," : "",
                           p->name, config.scale);
            zis_jsonout_string(out, path);
            zis_buf_printf(out, ", \"bytes\": %llu}", (unsigned long long)bytes);
        } else if (!st) {
            zis_output_size(size, sizeof size, bytes);
            zis_buf_printf(out, "%s%-12s %-9s x%-4d %s\n%-28s %s\n",
                           n ? "" : "\nUpscalers, for --upscaler NAME:\n", p->name, size,
                           config.scale, p->what, "", path);
        }
        n += !st;
        zis_weights_close(&w);
        free(path);
    }
}

static zis_status print_list(bool json, zis_error *err)
{
    zis_buf out = {0};
    zis_hub_preset p;
    int n = 0;
    char *root = zis_hubcache_root();
    if (json) zis_buf_puts(&out, "{\"models\": [");
    for (size_t i = 0; zis_model_preset_at(i); i++) {
        const zis_model_preset *m = zis_model_preset_at(i);
        if (m->alias) continue;
        put_line(&out, &(model_line){.name = m->name, .hub_id = m->hub_id, .what = m->what}, root,
                 json, &n);
    }
    for (size_t i = 0; zis_hub_preset_at(i, &p); i++) {
        if (!p.file) continue;
        put_line(&out,
                 &(model_line){.name = p.name, .hub_id = p.hub_id, .what = p.what, .file = p.file},
                 root, json, &n);
    }
    put_cached(&out, root, json, &n);
    if (json) zis_buf_puts(&out, "\n], \"control_nets\": [");
    put_control_nets(&out, json);
    if (json) zis_buf_puts(&out, "\n], \"upscalers\": [");
    put_upscalers(&out, json);
    if (json) zis_buf_puts(&out, "\n], \"loras\": [");
    zis_status st = put_loras(&out, json, err);
    if (json) zis_buf_puts(&out, "\n]}\n");
    if (!st && out.failed) st = zis_fail_nomem(err, "the list");
    if (!st) st = zis_output_stdout(out.data, out.len, err);
    zis_buf_free(&out);
    free(root);
    return st;
}

zis_status zis_cmd_models(zis_cli *cli, int argc, char **argv, zis_error *err)
{
    zis_args args = {0};
    bool yes = false;
    zis_status st = zis_args_parse(&args, &usage, argc, argv, err);
    if (st) return st;
    for (size_t i = 0; i < args.n_settings; i++)
        if (args.settings[i].option->id == YES) yes = true;
    if (args.help)
        zis_args_help(&usage);
    else if (args.n_rest == 0)
        st = print_list(cli->json, err);
    else if (strcmp(args.rest[0], "rm") != 0)
        st = zis_fail(err, ZIS_ARG,
                      "'%.60s' is no action: there is `zis models` and `zis models rm NAME`",
                      args.rest[0]);
    else if (args.n_rest != 2)
        st = zis_fail(err, ZIS_ARG, "rm needs a name: zis models rm turbo");
    else
        st = zis_models_rm(args.rest[1], yes, cli->json, err);
    zis_args_deinit(&args);
    return st;
}
