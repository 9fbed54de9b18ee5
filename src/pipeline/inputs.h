/* inputs.h - the pictures of a request as the maker wants them: of the picture's size, the control
 * picture as a map.
 *
 *     request -> zis_inputs_settle_size -> (checks) -> zis_inputs_make -> draw -> zis_inputs_deinit
 *
 * A picture of another size is scaled by Pillow's Lanczos to cover, and cut around its centre
 * (product.md 9); one of the right size is shared, not copied. Threads: no shared state. */
#ifndef ZIS_PIPELINE_INPUTS_H
#define ZIS_PIPELINE_INPUTS_H

#include "pipeline/preprocess.h"
#include "pipeline/request.h"

/* Most pixels of a picture that sets the size of the result: 2048 x 2048. */
#define ZIS_INPUTS_MAX_PIXELS (2048 * 2048)

typedef struct zis_inputs {
    zis_image *init; /* RGB of the request's size, or NULL */
    zis_image *mask; /* 1 channel, the same size: 0 kept .. 255 painted anew; or NULL */
    zis_image *map;  /* RGB, the same size: what the ControlNet sees; or NULL */
} zis_inputs;

/* Width and height that nobody gave follow the picture to start from, else the control picture;
 * one that was given takes the other with it. Call it when the model's defaults have been applied.
 * ZIS_ARG when the picture is too large to be drawn unasked. */
ZIS_MUST_USE zis_status zis_inputs_settle_size(zis_request *r, zis_error *err);

/* r: complete and checked. p and run serve the preprocessor (preprocess.h); both may be NULL where
 * r asks for none. *out is overwritten; on failure there is nothing in it. */
ZIS_MUST_USE zis_status zis_inputs_make(
    zis_inputs *out, const zis_request *r, zis_preprocess *p, zis_run *run, zis_error *err);
void zis_inputs_deinit(zis_inputs *in);

#endif
