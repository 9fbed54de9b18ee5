/* request_loras.h - the list of LoRAs in a request, as flag, recipe and JSON see it; for request.c.
 *
 * As text: FILE or FILE:STRENGTH, in a recipe several separated by "; ". As JSON:
 * [{"file": "sepia", "strength": 0.8}, ...]; over HTTP "name" instead of "file".
 *
 * Threads: plain data. */
#ifndef ZIS_PIPELINE_REQUEST_LORAS_H
#define ZIS_PIPELINE_REQUEST_LORAS_H

#include "base/json.h"
#include "pipeline/request.h"

void zis_request_loras_clear(zis_request *r);
ZIS_MUST_USE zis_status zis_request_loras_copy(zis_request *to,
                                               const zis_request *from,
                                               zis_error *err);
/* Adds what the text says; "none" empties the list. */
ZIS_MUST_USE zis_status zis_request_loras_set(
    zis_request *r, const zis_field *f, const char *said, const char *value, zis_error *err);
ZIS_MUST_USE zis_status zis_request_loras_check(const zis_request *r,
                                                const zis_field *f,
                                                zis_error *err);
void zis_request_loras_text(zis_buf *out, const zis_request *r);
void zis_request_loras_json(zis_buf *out, const zis_request *r);
/* The value whose first token is t replaces the list. */
ZIS_MUST_USE zis_status zis_request_loras_read(
    zis_request *r, const zis_field *f, zis_json *j, const zis_json_token *t, zis_error *err);

#endif
