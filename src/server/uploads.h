/* uploads.h - files that clients send: written to disk piece by piece, kept for a while.
 *
 *     begin -> write ... -> finish -> (found by id, held, released) -> drop
 *
 * A file lives as long as somebody holds it, and after that until its age or the budget says so.
 * Whoever begins holds it. Threads: any. */
#ifndef ZIS_SERVER_UPLOADS_H
#define ZIS_SERVER_UPLOADS_H

#include "server/sandbox.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZIS_UPLOAD_ID 16

typedef struct zis_uploads zis_uploads;

typedef enum zis_upload_kind { ZIS_UPLOAD_PICTURE, ZIS_UPLOAD_LORA } zis_upload_kind;

typedef struct zis_upload {
    struct zis_upload *next;
    char id[ZIS_UPLOAD_ID + 1];
    char name[160]; /* as the client calls it; for messages */
    char *path;     /* on disk; constant */
    uint64_t bytes;
    int fd; /* while it is written; else -1 */
    zis_upload_kind kind;
    zis_decoded_info picture; /* of a picture that was looked at */
    bool looked;
    bool listed; /* can be found by its id */
    int held;
    double made; /* wall clock */
} zis_upload;

ZIS_MUST_USE zis_status zis_uploads_create(
    zis_uploads **out, const char *folder, uint64_t budget, double seconds, zis_error *err);
/* Nothing may be held any more. */
void zis_uploads_destroy(zis_uploads **u);

ZIS_MUST_USE zis_status zis_uploads_begin(zis_uploads *u, zis_upload **out, zis_error *err);
ZIS_MUST_USE zis_status
zis_uploads_write(zis_uploads *u, zis_upload *f, const void *data, size_t n, zis_error *err);
ZIS_MUST_USE zis_status zis_uploads_finish(zis_uploads *u, zis_upload *f, zis_error *err);
/* From now on it is found by its id. */
void zis_uploads_list(zis_uploads *u, zis_upload *f);
/* Held once more; NULL: there is none (any more). */
zis_upload *zis_uploads_hold(zis_uploads *u, const char *id);
/* The same for one that is held; returns it. */
zis_upload *zis_uploads_hold_again(zis_uploads *u, zis_upload *f);
/* Accepts NULL. One that was never listed goes at once. */
void zis_uploads_release(zis_uploads *u, zis_upload *f);
/* Forgets it, once nobody holds it; false when there is none. */
bool zis_uploads_drop(zis_uploads *u, const char *id);
void zis_uploads_tidy(zis_uploads *u);
/* When it goes, by the wall clock. */
double zis_uploads_expiry(const zis_uploads *u, const zis_upload *f);
uint64_t zis_uploads_bytes(zis_uploads *u);

#endif
