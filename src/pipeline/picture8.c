/* Rows go through a small buffer, so that planes on another device need no whole copy here. */
#include "pipeline/picture8.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

/* Half-way cases go to the even level, as torch.round has it. */
static uint8_t level(float x)
{
    float v = x * 0.5f + 0.5f;
    v = v < 0.0f ? 0.0f : v > 1.0f ? 1.0f : v;
    return (uint8_t)lrintf(v * 255.0f);
}

zis_status zis_picture8_from_planes(zis_image *out,
                                    zis_run *run,
                                    const zis_tensor *planes,
                                    zis_error *err)
{
    int64_t rows = planes->dim[1];
    zis_tensor matrix = zis_tensor_reshape_2d(planes, 3 * rows, planes->dim[2]);
    float *row = zis_mem_alloc((size_t)planes->dim[2], sizeof *row);
    if (!row) return zis_fail_nomem(err, "the picture");
    bool broken = false;
    for (int c = 0; c < 3; c++) {
        for (int y = 0; y < out->height && !zis_run_stopped(run); y++) {
            zis_tensor from = zis_tensor_row_slice(&matrix, c * rows + y, 1);
            zis_run_download(run, row, &from);
            uint8_t *to = out->data + (size_t)y * (size_t)out->width * 3 + c;
            for (int x = 0; x < out->width; x++) {
                broken = broken || isnan(row[x]);
                to[3 * (size_t)x] = level(row[x]);
            }
        }
    }
    free(row);
    zis_status st = zis_run_status(run, err);
    if (!st && broken)
        st =
            zis_fail(err, ZIS_NUMERIC,
                     "the decoded picture holds values that are no numbers (NaN); try --dtype f32, "
                     "and check the weights");
    return st;
}
