/* hub_lib.h - libcurl and OpenSSL's hashes, loaded when a download begins.
 *
 * Linked, their thirty libraries would cost every start of the program 16 ms; so they are opened by
 * name, and the compiler still checks each call against their headers. Nothing is kept in globals:
 * the table belongs to the caller.
 *
 *     open -> use -> close        Threads: read-only once open. */
#ifndef ZIS_PIPELINE_HUB_LIB_H
#define ZIS_PIPELINE_HUB_LIB_H

#include "base/status.h"

#include <curl/curl.h>
#include <openssl/evp.h>
#include <stdbool.h>

/* without their prefix curl_, since some are macros under their full name */
#define ZIS_HUB_CURL_LIST(X)                                                                       \
    X(global_init)                                                                                 \
    X(global_cleanup)                                                                              \
    X(easy_init)                                                                                   \
    X(easy_cleanup)                                                                                \
    X(easy_reset)                                                                                  \
    X(easy_setopt)                                                                                 \
    X(easy_getinfo)                                                                                \
    X(easy_strerror)                                                                               \
    X(multi_init)                                                                                  \
    X(multi_cleanup)                                                                               \
    X(multi_setopt)                                                                                \
    X(multi_add_handle)                                                                            \
    X(multi_remove_handle)                                                                         \
    X(multi_perform)                                                                               \
    X(multi_poll)                                                                                  \
    X(multi_wakeup)                                                                                \
    X(multi_info_read)                                                                             \
    X(multi_strerror)                                                                              \
    X(slist_append)                                                                                \
    X(slist_free_all)                                                                              \
    X(url)                                                                                         \
    X(url_set)                                                                                     \
    X(url_get)                                                                                     \
    X(url_cleanup)                                                                                 \
    X(free)

#define ZIS_HUB_EVP_LIST(X)                                                                        \
    X(EVP_MD_CTX_new)                                                                              \
    X(EVP_MD_CTX_free)                                                                             \
    X(EVP_DigestInit_ex)                                                                           \
    X(EVP_DigestUpdate)                                                                            \
    X(EVP_DigestFinal_ex)                                                                          \
    X(EVP_sha256)                                                                                  \
    X(EVP_sha1)

typedef struct zis_hub_lib {
    void *curl, *crypto; /* handles of the loader, or NULL */
    bool ready;          /* curl_global_init was called */
#define X(name) __typeof__(curl_##name) *name;
    ZIS_HUB_CURL_LIST(X)
#undef X
#define X(name) __typeof__(name) *name;
    ZIS_HUB_EVP_LIST(X)
#undef X
} zis_hub_lib;

ZIS_MUST_USE zis_status zis_hub_lib_open(zis_hub_lib *out, zis_error *err);
/* Accepts a zeroed table. */
void zis_hub_lib_close(zis_hub_lib *lib);

#endif
