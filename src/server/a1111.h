/* a1111.h - what the files of the A1111 dialect share.
 *
 * Threads: a helper's, as their routes say. */
#ifndef ZIS_SERVER_A1111_H
#define ZIS_SERVER_A1111_H

#include "server/orders.h"

/* A member that holds a picture as base64; absent or null: nothing happens. */
ZIS_MUST_USE zis_status zis_a1111_take_picture(
    zis_order *o, const char *said, const json_t *v, zis_picture_slot slot, zis_error *err);

/* The job that the call waited for, ended; a failure of the job is the call's. */
ZIS_MUST_USE zis_status zis_a1111_job_failure(zis_call *c, zis_job_info *info, zis_error *err);
/* n pictures of the job as base64 in quotes, and what A1111 calls info of them. */
ZIS_MUST_USE zis_status
zis_a1111_put_images(zis_buf *images, zis_buf *info, zis_call *c, int n, zis_error *err);

#endif
