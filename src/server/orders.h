/* orders.h - from what a client sends to a job: fields, pictures, LoRAs, and what is said wrongly.
 *
 * Each dialect fills an order; the queue takes it. Pictures stay files until the job runs.
 *
 *     init -> set, picture, ... -> submit -> deinit      Threads: one at a time. */
#ifndef ZIS_SERVER_ORDERS_H
#define ZIS_SERVER_ORDERS_H

#include "server/impl.h"
#include "studio/catalog.h"

#define ZIS_HELD_FILES 16

/* What the job holds until it has ended. */
typedef struct zis_held {
    zis_upload *picture[ZIS_PICTURE_COUNT];
    zis_upload *file[ZIS_HELD_FILES]; /* LoRAs that were sent */
    int n_files;
    bool mask_shows_through; /* the mask's transparent part is painted anew (OpenAI) */
} zis_held;

typedef struct zis_order {
    zis_call *c;
    zis_request request;
    zis_catalog *catalog;
    zis_held *held;
    zis_picture_kind format;
    bool metadata, upscale, cancel_on_disconnect;
    char session[ZIS_JOB_SESSION + 1];
} zis_order;

ZIS_MUST_USE zis_status zis_order_init(zis_order *o, zis_call *c, zis_error *err);
void zis_order_deinit(zis_order *o);
/* All members of a native request, or all parts of a form. */
ZIS_MUST_USE zis_status zis_order_read(zis_order *o, zis_error *err);
/* A field by its name; null is passed over. `said` names it in messages. */
ZIS_MUST_USE zis_status
zis_order_set(zis_order *o, const char *field, const char *said, const json_t *v, zis_error *err);
ZIS_MUST_USE zis_status zis_order_set_text(
    zis_order *o, const char *field, const char *said, const char *v, zis_error *err);
/* A model that is listed and here; otherwise 404, or 409 with the command that fetches it. */
ZIS_MUST_USE zis_status zis_order_model(zis_order *o, const char *name, zis_error *err);
/* [{"name": ..., "strength": ...}, ...] */
ZIS_MUST_USE zis_status zis_order_loras(zis_order *o, const json_t *v, zis_error *err);
ZIS_MUST_USE zis_status zis_order_format(zis_order *o, const char *name, zis_error *err);
/* Takes the upload, which the caller held. */
void zis_order_picture(zis_order *o, zis_picture_slot slot, zis_upload *picture);
/* The picture is looked at in the closed process now, so that a broken one is refused at once. */
ZIS_MUST_USE zis_status zis_order_submit(zis_order *o, char *id, zis_error *err);

/* Hooks of the queue. */
zis_status zis_order_prepare(void *server, void *held, zis_request *r, zis_error *err);
void zis_order_release(void *server, void *held);

/* Looks at an upload once: what it is, in c->s's closed process. */
ZIS_MUST_USE zis_status zis_upload_look(zis_server *s, zis_upload *f, zis_error *err);
/* For messages: its name, or "the picture". */
const char *zis_upload_called(const zis_upload *f);
/* This program, or the one that the options name. */
const char *zis_server_program(const zis_server *s);
ZIS_MUST_USE zis_status zis_server_catalog(zis_server *s,
                                           bool measure,
                                           zis_catalog **out,
                                           zis_error *err);

#endif
