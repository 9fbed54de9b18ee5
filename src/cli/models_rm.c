/* zis models rm: says what removing frees, asks, removes. */
#include "cli/models.h"
#include "cli/output.h"
#include "pipeline/hub_entry.h"
#include "pipeline/hub_presets.h"
#include "pipeline/hubcache.h"
#include "pipeline/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* True for "y" and "yes" on the terminal. */
static bool ask(void)
{
    char line[16] = "";
    fputs("Remove it? [y/N] ", stderr);
    fflush(stderr);
    if (!fgets(line, sizeof line, stdin)) return false;
    line[strcspn(line, "\r\n")] = '\0';
    return strcasecmp(line, "y") == 0 || strcasecmp(line, "yes") == 0;
}

static void say_removal(const zis_hub_removal *r, const char *name)
{
    char freed[24], shared[24];
    zis_output_size(freed, sizeof freed, r->freed);
    zis_output_size(shared, sizeof shared, r->shared);
    fprintf(stderr, "%s in %s: removing it frees %s", name, r->repo.dir, freed);
    if (r->shared) fprintf(stderr, " (%s more are shared with other entries and stay)", shared);
    fputs(".\n", stderr);
}

zis_status zis_models_rm(const char *name, bool yes, bool json, zis_error *err)
{
    zis_hub_preset p = {.hub_id = name};
    zis_hub_removal r = {0};
    if (!zis_hub_preset_named(name, &p) && zis_model_preset_named(name))
        return zis_fail(err, ZIS_ARG, "'%s' ships with zis and stays", name);
    if (!zis_hubcache_is_id(p.hub_id))
        return zis_fail(err, ZIS_ARG, "'%.100s' is no name of a model; see `zis models`", name);
    char *root = zis_hubcache_root();
    if (!root)
        return zis_fail(err, ZIS_NOT_FOUND, "no Hugging Face cache is known: set HF_HOME or HOME");
    zis_status st = zis_hub_removal_plan(&r, root, p.hub_id, p.file, err);
    if (!st) say_removal(&r, name);
    if (!st && !yes && !isatty(STDIN_FILENO))
        st = zis_fail(err, ZIS_ARG, "nobody can be asked here: give --yes to remove %s", name);
    if (!st && !yes && !ask()) st = zis_fail(err, ZIS_CANCELLED, "nothing was removed");
    if (!st) st = zis_hub_removal_run(&r, err);
    if (!st && json)
        printf("{\"ok\": true, \"freed_bytes\": %llu}\n", (unsigned long long)r.freed);
    else if (!st)
        printf("%s is removed\n", name);
    zis_hub_removal_deinit(&r);
    free(root);
    return st;
}
