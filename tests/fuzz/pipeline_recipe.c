/* The recipe of a picture from a stranger, in both forms; what was taken survives a round trip. */
#include "pipeline/recipe.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void repeat(zis_request *r)
{
    zis_request again;
    zis_recipe recipe;
    zis_error err;
    zis_request_defaults_apply(r, &(zis_request_defaults){64, 64, 8, 1, 3});
    if (zis_request_check(r, &err) && !strstr(err.text, "seed")) abort();
    if (zis_recipe_make(&recipe, r, "cpu", &err) || zis_request_init(&again, &err)) abort();
    if (zis_request_from_json(&again, "fuzz", recipe.json, strlen(recipe.json), ZIS_FIELD_RECIPE,
                              &err))
        abort();
    if (strcmp(again.prompt, r->prompt) != 0 || again.seed != r->seed || again.cfg != r->cfg ||
        again.width != r->width || again.rng != r->rng)
        abort();
    zis_request_deinit(&again);
    zis_recipe_deinit(&recipe);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    zis_error err;
    zis_request r;
    char *text = malloc(size + 1);
    if (!text) return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (zis_request_init(&r, &err)) abort();
    if (!zis_recipe_parse(&r, "fuzz", text, &err)) repeat(&r);
    zis_request_deinit(&r);
    if (zis_request_init(&r, &err)) abort();
    if (!zis_request_from_json(&r, "fuzz", text, size, ZIS_FIELD_RECIPE, &err)) repeat(&r);
    zis_request_deinit(&r);
    free(text);
    return 0;
}
