/* zis models: what is known, and what of it is here. */
#include "base/os.h"
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "formats/weights.h"
#include "pipeline/hubcache.h"
#include "pipeline/jsonout.h"
#include "pipeline/loras.h"
#include "pipeline/model.h"
#include "pipeline/recognise.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JSON = 1000 };

static const zis_option options[] = {
    {JSON, "json", 0, NULL, "prints one JSON object", 0, 0},
    {0},
};

static const zis_usage usage = {
    .command = "models",
    .synopsis = "[options]",
    .about = "Lists the models that are known, whether they are here, how large they are and what "
             "for;\nother models of the family in the Hugging Face cache; and LoRAs that are known "
             "by name.",
    .options = options,
};

/* One line of the list. */
typedef struct model_line {
    const char *name;
    const char *hub_id;
    const char *what;
    bool present;
    zis_model_set set; /* when present */
    uint64_t bytes;
    const char *type;
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

static void look(model_line *m)
{
    m->type = "";
    m->present =
        zis_model_find(&m->set, &(zis_model_query){.model = m->name}, &m->missing) == ZIS_OK;
    if (m->present) measure(m);
}

static void put_json(zis_buf *out, const model_line *m, bool first)
{
    zis_buf_puts(out, first ? "\n  {\"name\": " : ",\n  {\"name\": ");
    zis_jsonout_string(out, m->name);
    zis_buf_puts(out, ", \"hub_id\": ");
    zis_jsonout_string(out, m->hub_id);
    zis_buf_printf(out, ", \"present\": %s, \"what\": ", m->present ? "true" : "false");
    zis_jsonout_string(out, m->what);
    zis_buf_puts(out, ", \"recognised\": \"Z-Image\", \"path\": ");
    zis_jsonout_string(out, m->present ? m->set.folder : NULL);
    zis_buf_puts(out, ", \"type\": ");
    zis_jsonout_string(out, m->present ? m->type : NULL);
    if (m->present)
        zis_buf_printf(out, ", \"bytes\": %llu, \"shape\": [%d, %d]", (unsigned long long)m->bytes,
                       m->set.defaults.height, m->set.defaults.width);
    else
        zis_buf_puts(out, ", \"bytes\": null, \"shape\": null");
    zis_buf_puts(out, "}");
}

static void put_text(zis_buf *out, const model_line *m)
{
    char size[40] = "not here";
    if (m->present && m->bytes >= 1000000000u)
        snprintf(size, sizeof size, "%.1f GB", (double)m->bytes / 1e9);
    else if (m->present)
        snprintf(size, sizeof size, "%.0f MB", (double)m->bytes / 1e6);
    zis_buf_printf(out, "%-12s %-9s %-5s %s\n", m->name, size, m->type, m->what);
    if (m->present)
        zis_buf_printf(out, "%-28s %s\n", "", m->set.folder);
    else if (m->hub_id)
        zis_buf_printf(out, "%-28s `zis fetch %s` gets it\n", "", m->name);
    else
        zis_buf_printf(out, "%-28s %s\n", "", m->missing.text);
}

static void put_line(zis_buf *out, model_line *m, bool json, int *n)
{
    look(m);
    if (json)
        put_json(out, m, *n == 0);
    else
        put_text(out, m);
    (*n)++;
    zis_model_set_deinit(&m->set);
}

static bool is_preset(const char *id)
{
    for (size_t i = 0; zis_model_preset_at(i); i++) {
        const char *known = zis_model_preset_at(i)->hub_id;
        if (known && strcmp(known, id) == 0) return true;
    }
    return false;
}

/* Whether a cached repository is a pipeline of this family. */
static bool is_family(const char *repo)
{
    char *snapshot = NULL, *path = NULL, *text = NULL;
    zis_json_doc *doc = NULL;
    size_t n = 0;
    bool yes = false;
    if (zis_hubcache_snapshot(&snapshot, repo, NULL) == ZIS_OK)
        path = zis_os_join(snapshot, "model_index.json");
    if (path && zis_os_read_file(&text, &n, path, 64u << 10, NULL) == ZIS_OK &&
        zis_json_doc_parse(&doc, path, text, n, NULL) == ZIS_OK) {
        const char *class_name = zis_json_doc_string(doc, "_class_name");
        yes = class_name && strncmp(class_name, "ZImage", 6) == 0;
    }
    zis_json_doc_destroy(&doc);
    free(text);
    free(path);
    free(snapshot);
    return yes;
}

static void put_cached(zis_buf *out, bool json, int *n)
{
    char **names = NULL;
    size_t count = 0;
    char *root = zis_hubcache_root();
    if (!root || zis_os_list(&names, &count, root, NULL) != ZIS_OK) {
        free(root);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        char *id = zis_hubcache_id_of(names[i]);
        char *repo = id ? zis_os_join(root, names[i]) : NULL;
        if (repo && !is_preset(id) && is_family(repo))
            put_line(out, &(model_line){.name = id, .hub_id = id, .what = "in the cache"}, json, n);
        free(repo);
        free(id);
    }
    zis_os_list_free(names, count);
    free(root);
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
            zis_buf_printf(out, "%s%-12s %-9.1f MB  %s\n", i ? "" : "\nLoRAs, for --lora NAME:\n",
                           l->name, (double)l->bytes / 1e6, l->path);
        }
    }
    zis_loras_list_free(list, n);
    return st;
}

zis_status zis_cmd_models(zis_cli *cli, int argc, char **argv, zis_error *err)
{
    zis_args args = {0};
    zis_buf out = {0};
    int n = 0;
    zis_status st = zis_args_parse(&args, &usage, argc, argv, err);
    if (st) return st;
    if (args.help) {
        zis_args_help(&usage);
        goto done;
    }
    if (cli->json) zis_buf_puts(&out, "{\"models\": [");
    for (size_t i = 0; zis_model_preset_at(i); i++) {
        const zis_model_preset *p = zis_model_preset_at(i);
        if (p->alias) continue;
        put_line(&out, &(model_line){.name = p->name, .hub_id = p->hub_id, .what = p->what},
                 cli->json, &n);
    }
    put_cached(&out, cli->json, &n);
    if (cli->json) zis_buf_puts(&out, "\n], \"loras\": [");
    st = put_loras(&out, cli->json, err);
    if (st) goto done;
    if (cli->json) zis_buf_puts(&out, "\n]}\n");
    st = out.failed ? zis_fail_nomem(err, "the list") : zis_output_stdout(out.data, out.len, err);
done:
    zis_buf_free(&out);
    zis_args_deinit(&args);
    return st;
}
