/* folder.c - opens config.json and the weights of a folder. */
#include "nn/folder.h"

#include "base/mem.h"
#include "base/os.h"

#include <stdlib.h>
#include <string.h>

#define CONFIG_BYTES (64u << 10)

zis_status zis_folder_open(zis_json_doc **config,
                           zis_weights **weights,
                           const char *folder,
                           zis_error *err)
{
    zis_json_doc *doc = NULL;
    char *text = NULL;
    size_t size = 0;
    zis_status st;
    char *path = zis_os_join(folder, "config.json");
    if (!path) return zis_fail_nomem(err, folder);
    st = zis_os_read_file(&text, &size, path, CONFIG_BYTES, err);
    if (!st) st = zis_json_doc_parse(&doc, path, text, size, err);
    if (!st) st = zis_json_doc_want_object(doc, err);
    if (!st) st = zis_weights_open(weights, folder, err);
    if (!st) {
        *config = doc;
        doc = NULL;
    }
    zis_json_doc_destroy(&doc);
    free(text);
    free(path);
    return st;
}
