/* dlopen, and every symbol at once: a call through the table cannot meet a hole later. */
#include "pipeline/hub_lib.h"

#include <dlfcn.h>
#include <string.h>

/* RTLD_NODELETE: both keep tables that live as long as the process. */
static void *load(const char *const *names)
{
    void *lib = NULL;
    for (int i = 0; names[i] && !lib; i++)
        lib = dlopen(names[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    return lib;
}

static bool take(void *lib, const char *name, void *slot)
{
    void *symbol = dlsym(lib, name);
    memcpy(slot, &symbol, sizeof symbol); /* an object pointer becomes one to a function */
    return symbol;
}

zis_status zis_hub_lib_open(zis_hub_lib *out, zis_error *err)
{
    static const char *const curl_names[] = {"libcurl.so.4", "libcurl-gnutls.so.4", NULL};
    static const char *const crypto_names[] = {"libcrypto.so.3", NULL};
    zis_hub_lib lib = {.curl = load(curl_names), .crypto = load(crypto_names)};
    zis_status st = ZIS_OK;
    const char *missing = !lib.curl ? "libcurl4" : !lib.crypto ? "libssl3" : NULL;
    if (missing) {
        st = zis_fail(err, ZIS_NOT_FOUND,
                      "downloads need libcurl and OpenSSL 3, and '%s' cannot be loaded; install it "
                      "(apt-get install %s ca-certificates)",
                      missing, missing);
        goto out;
    }
#define X(name)                                                                                    \
    if (!take(lib.curl, "curl_" #name, &lib.name)) missing = "curl_" #name;
    ZIS_HUB_CURL_LIST(X)
#undef X
#define X(name)                                                                                    \
    if (!take(lib.crypto, #name, &lib.name)) missing = #name;
    ZIS_HUB_EVP_LIST(X)
#undef X
    if (missing) {
        st = zis_fail(err, ZIS_UNSUPPORTED,
                      "the installed libcurl or OpenSSL is too old: it has no '%s'", missing);
        goto out;
    }
    if (lib.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        st = zis_fail(err, ZIS_IO, "libcurl cannot be started");
        goto out;
    }
    lib.ready = true;
    *out = lib;
    return ZIS_OK;
out:
    zis_hub_lib_close(&lib);
    return st;
}

void zis_hub_lib_close(zis_hub_lib *lib)
{
    if (lib->ready) lib->global_cleanup();
    if (lib->curl) dlclose(lib->curl);
    if (lib->crypto) dlclose(lib->crypto);
    *lib = (zis_hub_lib){0};
}
