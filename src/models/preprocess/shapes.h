/* shapes.h - ellipses, convex polygons and discs, to the pixel as OpenCV draws them (without
 * smoothing; preprocessors.md 6.10). Everything is cut at the picture's edges.
 *
 * Coordinates must lie within +-ZIS_SHAPES_FAR; the time grows with them, not only with the
 * picture. Threads: one at a time on a picture. */
#ifndef ZIS_MODELS_SHAPES_H
#define ZIS_MODELS_SHAPES_H

#include "tensor/image.h"

#define ZIS_SHAPES_FAR 8000000
#define ZIS_SHAPES_ELLIPSE_POINTS 361

typedef struct zis_shapes_point {
    int x, y;
} zis_shapes_point;

/* The outline with semi-axes a, b, turned by `angle` whole degrees (-360..360). Returns the number
 * of points, at least 2. */
int zis_shapes_ellipse(zis_shapes_point out[ZIS_SHAPES_ELLIPSE_POINTS],
                       zis_shapes_point center,
                       int a,
                       int b,
                       int angle);
/* img: 3 channels; n >= 1. */
void zis_shapes_fill_convex(zis_image *img,
                            const zis_shapes_point *v,
                            int n,
                            const uint8_t color[3]);
/* Of radius 4: 49 pixels. */
void zis_shapes_disc(zis_image *img, zis_shapes_point center, const uint8_t color[3]);

#endif
