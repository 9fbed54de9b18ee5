/* Both JSON readers on any bytes. What the document accepts, the pull parser must accept too. */
#include "base/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every token; containers are skipped as a whole when `skip`. */
static zis_status walk(const uint8_t *data, size_t size, bool skip)
{
    zis_json j;
    zis_json_token t = {0};
    zis_error err;
    zis_status st;
    zis_json_init(&j, "fuzz", data, size);
    do {
        st = zis_json_next(&j, &t, &err);
        if (st) break;
        int64_t i;
        double d;
        if (t.at > size) abort();
        if (t.type == ZIS_JSON_NUMBER) {
            bool whole = zis_json_int(&j, &t, &i, &err) == ZIS_OK;
            bool number = zis_json_double(&j, &t, &d, &err) == ZIS_OK;
            if (whole && !number) abort();
        }
        if (skip && t.type == ZIS_JSON_KEY) st = zis_json_skip(&j, &t, &err);
    } while (!st && t.type != ZIS_JSON_END);
    zis_json_deinit(&j);
    return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[] = {"", "a", "0", "a.b", "a.#", "#", "a.0"};
    zis_json_doc *doc = NULL;
    zis_error err;
    zis_status a = walk(data, size, false), b = walk(data, size, true);
    if (a != b) abort();
    if (zis_json_doc_parse(&doc, "fuzz", data, size, &err)) return 0;
    if (a) abort();
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        int64_t whole = 0;
        double number = 0;
        bool flag = false;
        zis_status st = zis_json_doc_int(doc, paths[i], -100, 100, &whole, &err);
        if (!st && (whole < -100 || whole > 100)) abort();
        if (zis_json_doc_double(doc, paths[i], -1, 1, &number, &err)) number = 0;
        if (zis_json_doc_bool(doc, paths[i], &flag, &err)) flag = false;
        (void)zis_json_doc_string(doc, paths[i]);
    }
    zis_json_doc_destroy(&doc);
    return 0;
}
