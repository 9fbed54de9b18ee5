/* rgb.c - three channels from any number. */
#include "models/preprocess/rgb.h"

#include <string.h>

/* In float and cut, not rounded, as the reference does it. */
static uint8_t on_white(uint8_t color, uint8_t alpha)
{
    float a = (float)alpha / 255.0f;
    float v = (float)color * a + 255.0f * (1.0f - a);
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

zis_status zis_rgb_from_image(zis_image **out, const zis_image *in, zis_error *err)
{
    zis_image *img = NULL;
    zis_status st = zis_image_create(&img, in->width, in->height, 3, err);
    if (st) return st;
    size_t n = (size_t)in->width * (size_t)in->height;
    const uint8_t *s = in->data;
    uint8_t *d = img->data;
    if (in->channels == 3)
        memcpy(d, s, n * 3);
    else if (in->channels == 1)
        for (size_t i = 0; i < n; i++, d += 3) d[0] = d[1] = d[2] = s[i];
    else
        for (size_t i = 0; i < n; i++, d += 3, s += 4)
            for (int c = 0; c < 3; c++) d[c] = on_white(s[c], s[3]);
    *out = img;
    return ZIS_OK;
}
