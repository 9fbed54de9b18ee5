/* pipeline_hub.c - what a Hub says: the first byte picks the list of files, the commit, header
 * lines, or a name. What is accepted keeps the promises of hub_api.h. */
#include "pipeline/hub_api.h"
#include "pipeline/hub_presets.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok) abort();
}

static void try_tree(const char *text, size_t n)
{
    zis_hub_tree tree = {0};
    zis_error err;
    bool ok = zis_hub_api_tree(&tree, "the list", text, n, &err) == ZIS_OK &&
              zis_hub_api_tree_check(&tree, &err) == ZIS_OK;
    for (size_t i = 0; i < tree.n; i++) {
        const zis_hub_file *f = &tree.files[i];
        must(zis_hub_api_is_path(f->path, strlen(f->path)));
        must(f->size <= ZIS_HUB_MAX_FILE);
        must(zis_hub_api_is_hex(f->etag, ZIS_HUB_COMMIT) ||
             zis_hub_api_is_hex(f->etag, ZIS_HUB_SHA256));
        zis_buf url = {0};
        zis_hub_api_escape(&url, f->path, true);
        must(url.failed || !strpbrk(url.data, " ?#\"\r\n"));
        zis_buf_free(&url);
    }
    bool *take = ok ? calloc(tree.n + 1, sizeof *take) : NULL;
    const char *pattern = "*.safetensors";
    zis_status st = take ? zis_hub_select(&tree, NULL, 0, "Org/m", take, &err) : ZIS_OK;
    if (take && st) st = zis_hub_select(&tree, &pattern, 1, "Org/m", take, &err);
    free(take);
    zis_hub_tree_deinit(&tree);
}

static void try_headers(const char *text, size_t n)
{
    zis_hub_head head = {0};
    while (n) {
        const char *end = memchr(text, '\n', n);
        size_t len = end ? (size_t)(end - text) + 1 : n;
        zis_hub_api_header(&head, text, len);
        text += len;
        n -= len;
    }
    must(!strpbrk(head.next, "\r\n") && !strpbrk(head.validator, "\r\n"));
    must(!head.has_range || (head.from <= head.to && head.to < head.total));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    zis_error err;
    char commit[ZIS_HUB_COMMIT + 1];
    if (size == 0) return 0;
    const char *text = (const char *)data + 1;
    size_t n = size - 1;
    switch (data[0] % 4) {
    case 0:
        try_tree(text, n);
        break;
    case 1:
        if (zis_hub_api_revision(commit, "the commit", text, n, &err) == ZIS_OK)
            must(zis_hub_api_is_hex(commit, ZIS_HUB_COMMIT));
        break;
    case 2:
        try_headers(text, n);
        break;
    default: /* two words: a name, a pattern */
        if (zis_hub_api_is_path(text, n)) {
            char *path = calloc(n + 4, 1);
            must(path);
            memcpy(path, text, n);
            must(strlen(path) == n && *path != '/' && !strstr(path, "//") &&
                 strcmp(path, "..") != 0 && strncmp(path, "../", 3) != 0 && !strstr(path, "/../"));
            must(zis_hub_api_match("*", path) && zis_hub_api_match(path, path));
            free(path);
        }
    }
    return 0;
}
