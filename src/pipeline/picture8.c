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

void zis_picture8_to_planes(
    float *planes, int height, int width, const zis_image *image, const zis_image *mask)
{
    const float scale = (float)(2.0 / 255.0);
    size_t area = (size_t)height * (size_t)width;
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            float *to = planes + (size_t)y * (size_t)width + x;
            bool inside = image && y < image->height && x < image->width;
            size_t row = image ? (size_t)(y < image->height ? y : image->height - 1) : 0;
            size_t col = image ? (size_t)(x < image->width ? x : image->width - 1) : 0;
            size_t at = image ? row * (size_t)image->width + col : 0;
            /* what lies outside belongs to what is kept */
            bool grey = !image || (mask && inside && mask->data[at] >= 128);
            for (size_t c = 0; c < 3; c++)
                to[c * area] = grey ? 0.0f : (float)image->data[3 * at + c] * scale - 1.0f;
        }
    }
}

void zis_picture8_keep(zis_image *out, const zis_image *old, const zis_image *mask)
{
    size_t n = (size_t)out->width * (size_t)out->height;
    for (size_t i = 0; i < n; i++) {
        int m = mask->data[i];
        for (size_t c = 3 * i; c < 3 * i + 3; c++)
            out->data[c] = (uint8_t)((old->data[c] * (255 - m) + out->data[c] * m + 127) / 255);
    }
}
