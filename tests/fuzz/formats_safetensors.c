/* A safetensors file of any bytes: what is accepted must lie inside, in order, without gaps. */
#include "formats/safetensors.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    zis_safetensors *st = NULL;
    zis_error err;
    if (zis_safetensors_open_memory(&st, "fuzz", data, size, &err)) return 0;
    unsigned sum = 0;
    uint64_t at = 0;
    for (size_t i = 0; i < zis_safetensors_count(st); i++) {
        const zis_safetensors_entry *e = zis_safetensors_at(st, i);
        if (zis_safetensors_find(st, e->name) != e) abort();
        if (i == 0) at = e->offset;
        if (e->offset != at || e->bytes > size || e->offset > size - e->bytes) abort();
        if (e->tensor.ndim < 0 || e->tensor.ndim > ZIS_MAX_DIMS) abort();
        if (zis_tensor_bytes(&e->tensor) != e->bytes) abort();
        at += e->bytes;
        const unsigned char *p = e->tensor.data;
        for (uint64_t k = 0; k < e->bytes; k++) sum += p[k];
        for (const char *c = e->name; *c; c++)
            if ((unsigned char)*c < 0x20 || *c == 0x7F) abort();
    }
    if (zis_safetensors_count(st) && at != size) abort();
    for (size_t i = 0; i < zis_safetensors_meta_count(st); i++) {
        const char *key, *value;
        zis_safetensors_meta_at(st, i, &key, &value);
        if (zis_safetensors_meta(st, key) != value) abort();
    }
    zis_safetensors_close(&st);
    return (int)(sum & 0); /* so that the bytes are read */
}
