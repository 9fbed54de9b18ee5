/* hub_transfer.h - one connection that brings one stretch of one blob.
 *
 * The answer is judged before its first byte is written: a range must be the one that was asked
 * for, sizes must be the ones that the Hub listed.
 *
 *     init -> (start -> run by the multi handle -> end) ... -> deinit        Threads: one. */
#ifndef ZIS_PIPELINE_HUB_TRANSFER_H
#define ZIS_PIPELINE_HUB_TRANSFER_H

#include "pipeline/hub_blob.h"
#include "pipeline/hub_http.h"

/* How a connection ended. */
typedef enum zis_hub_end {
    ZIS_HUB_END_WHOLE,    /* every byte that was asked for */
    ZIS_HUB_END_REDIRECT, /* `location` says where to ask */
    ZIS_HUB_END_SHORT,    /* broken, or fewer bytes: try again */
    ZIS_HUB_END_BUSY,     /* 429, 5xx: try again later */
    ZIS_HUB_END_REFUSED,  /* 401, 403, 404 and their like */
    ZIS_HUB_END_RANGE,    /* 416: the server knows no such range */
    ZIS_HUB_END_NO_RANGE, /* the whole file came where a part was asked for */
    ZIS_HUB_END_OTHER,    /* it has another size, another hash: not what the Hub listed */
    ZIS_HUB_END_FATAL     /* the disk, memory, a certificate: trying again does not help */
} zis_hub_end;

typedef struct zis_hub_transfer {
    zis_hub_http *http;
    CURL *easy;
    /* what it is at: */
    zis_hub_blob *blob; /* NULL: idle */
    const char *etag;
    const char *commit;
    uint64_t size, from, to;
    bool home; /* the address is the Hub's */
    /* how far it is: */
    uint64_t at;
    uint64_t skipped; /* bytes of a page that is not the file */
    bool judged;
    zis_hub_end end; /* decided by a callback; WHOLE: nothing yet */
    zis_hub_head head;
    zis_error error;
    struct curl_slist *headers;
} zis_hub_transfer;

ZIS_MUST_USE zis_status zis_hub_transfer_init(zis_hub_transfer *t,
                                              zis_hub_http *http,
                                              zis_error *err);
void zis_hub_transfer_deinit(zis_hub_transfer *t);

/* Asks `url` for the bytes [from, to) of a file of `size` bytes, to be named etag; without a Range
 * header when that is all of it or `plain`. The texts are borrowed until the end. */
ZIS_MUST_USE zis_status zis_hub_transfer_start(zis_hub_transfer *t,
                                               const char *url,
                                               zis_hub_blob *blob,
                                               const char *etag,
                                               const char *commit,
                                               uint64_t size,
                                               uint64_t from,
                                               uint64_t to,
                                               bool plain,
                                               zis_error *err);
/* Takes the handle out of the session and judges. *status: of HTTP, or 0; *wish: Retry-After;
 * *location: new string of a redirect. t->error has the sentence for all but WHOLE and REDIRECT
 * and REFUSED. */
zis_hub_end zis_hub_transfer_end(
    zis_hub_transfer *t, CURLcode code, long *status, double *wish, char **location);
/* Breaks off. */
void zis_hub_transfer_stop(zis_hub_transfer *t);

#endif
