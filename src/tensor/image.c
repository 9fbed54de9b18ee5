/* image.c - the 8-bit picture. */
#include "tensor/image.h"

#include "base/mem.h"

#include <stdlib.h>

zis_status zis_image_create(zis_image **out, int width, int height, int channels, zis_error *err)
{
    if (width < 1 || height < 1)
        return zis_fail(err, ZIS_ARG, "a picture of %d x %d has no pixels", width, height);
    if (channels != 1 && channels != 3 && channels != 4)
        return zis_fail(err, ZIS_ARG, "a picture cannot have %d channels", channels);
    if ((int64_t)width * height > ZIS_IMAGE_MAX_PIXELS)
        return zis_fail(err, ZIS_ARG,
                        "a picture of %d x %d is larger than the limit of %d megapixels", width,
                        height, ZIS_IMAGE_MAX_PIXELS / 1000000);
    zis_image *img = zis_mem_zalloc(1, sizeof *img);
    uint8_t *data = zis_mem_zalloc((size_t)width * (size_t)height, (size_t)channels);
    if (!img || !data) {
        free(img);
        free(data);
        return zis_fail(err, ZIS_NOMEM, "out of memory for a picture of %d x %d pixels", width,
                        height);
    }
    img->width = width;
    img->height = height;
    img->channels = channels;
    img->data = data;
    *out = img;
    return ZIS_OK;
}

zis_image *zis_image_share(zis_image *img)
{
    if (img) atomic_fetch_add(&img->shares, 1);
    return img;
}

void zis_image_destroy(zis_image **img)
{
    if (!img || !*img) return;
    zis_image *here = *img;
    *img = NULL;
    if (atomic_fetch_sub(&here->shares, 1) > 0) return;
    free(here->data);
    free(here);
}
