/* hub_config.h - how the Hub is reached: address, token, cache, patience; out of the environment.
 *
 * The names are those of the Python client: HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH, HF_HOME,
 * HF_HUB_CACHE, XDG_CACHE_HOME, HF_HUB_OFFLINE. Proxies (https_proxy, no_proxy, ...) are read by
 * libcurl itself.
 *
 *     init -> change what the command line says -> use -> deinit        Threads: read-only. */
#ifndef ZIS_PIPELINE_HUB_CONFIG_H
#define ZIS_PIPELINE_HUB_CONFIG_H

#include "base/status.h"

#include <stdbool.h>

typedef struct zis_hub_config {
    char *endpoint; /* without a slash at its end */
    char *token;    /* never in a message, a file or a header to another host; NULL: none */
    char *cache;    /* the folder of models--ORG--NAME */
    char *ca_file;  /* certificates of your own (SSL_CERT_FILE ...), or NULL: the system's */
    bool offline;   /* HF_HUB_OFFLINE */
    bool verify;    /* hash what is there already, too */
    int connections;
    int retries;       /* in a row without progress, for each file */
    double retry_wait; /* seconds before the first retry; doubled for each further one */
    double timeout;    /* seconds of silence after which a connection is given up */
} zis_hub_config;

/* ZIS_ARG for a token that cannot stand in a header; ZIS_NOT_FOUND where no cache folder is known.
 */
ZIS_MUST_USE zis_status zis_hub_config_init(zis_hub_config *out, zis_error *err);
/* Accepts a zeroed one. */
void zis_hub_config_deinit(zis_hub_config *c);

/* Seconds before retry number `attempt` (from 1): the server's wish (0: none), or twice the wait
 * before, at most a minute. `spread` in [0, 1) takes up to a quarter off, so that many do not come
 * back at once. */
double zis_hub_config_wait(const zis_hub_config *c, int attempt, double wish, double spread);

#endif
