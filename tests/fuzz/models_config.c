/* models_config.c - a config.json from strangers: every reader, and, where it accepts, the binding
 * of a checkpoint that lacks everything. */
#include "models/qwen3/qwen3.h"
#include "models/vae/vae.h"
#include "models/zimage/zimage.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    zis_json_doc *doc = NULL;
    zis_weights *none = NULL;
    zis_zimage_config z;
    zis_qwen3_config q;
    zis_vae_config v;
    zis_zimage *transformer = NULL;
    zis_qwen3 *encoder = NULL;
    zis_vae *vae = NULL;
    zis_error err;
    if (zis_json_doc_parse(&doc, "config.json", data, size, &err)) return 0;
    if (zis_weights_create_memory(&none, "nothing", NULL, 0, &err)) abort();
    if (!zis_zimage_config_read(&z, doc, &err) && !zis_zimage_create(&transformer, &z, none, &err))
        abort();
    if (!zis_qwen3_config_read(&q, doc, &err) && !zis_qwen3_create(&encoder, &q, none, &err))
        abort();
    if (!zis_vae_config_read(&v, doc, &err) && !zis_vae_create(&vae, &v, none, ZIS_VAE_BOTH, &err))
        abort();
    zis_weights_close(&none);
    zis_json_doc_destroy(&doc);
    return 0;
}
