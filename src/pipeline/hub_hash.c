/* OpenSSL's EVP. */
#include "pipeline/hub_hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

zis_status zis_hub_hash_init(
    zis_hub_hash *h, const zis_hub_lib *lib, const char *etag, uint64_t size, zis_error *err)
{
    bool git = strlen(etag) != 64;
    char head[40];
    EVP_MD_CTX *ctx = lib->EVP_MD_CTX_new();
    if (!ctx) return zis_fail_nomem(err, "a hash");
    bool ok = lib->EVP_DigestInit_ex(ctx, git ? lib->EVP_sha1() : lib->EVP_sha256(), NULL);
    int n = snprintf(head, sizeof head, "blob %" PRIu64, size) + 1; /* with its NUL */
    if (ok && git) ok = lib->EVP_DigestUpdate(ctx, head, (size_t)n);
    if (!ok) {
        lib->EVP_MD_CTX_free(ctx);
        return zis_fail(err, ZIS_UNSUPPORTED, "OpenSSL of this machine does not do %s",
                        git ? "SHA-1" : "SHA-256");
    }
    *h = (zis_hub_hash){lib, ctx};
    return ZIS_OK;
}

bool zis_hub_hash_update(zis_hub_hash *h, const void *data, size_t n)
{
    return h->lib->EVP_DigestUpdate(h->ctx, data, n);
}

bool zis_hub_hash_final(zis_hub_hash *h, char out[65])
{
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (!h->lib->EVP_DigestFinal_ex(h->ctx, md, &n) || n > 32) return false;
    for (unsigned i = 0; i < n; i++) snprintf(out + 2 * i, 3, "%02x", md[i]);
    return true;
}

void zis_hub_hash_deinit(zis_hub_hash *h)
{
    if (h->ctx) h->lib->EVP_MD_CTX_free(h->ctx);
    *h = (zis_hub_hash){0};
}
