/* openpose_draw.c - 17 limbs as flat ellipses, then 18 joints as discs; later over earlier. */
#include "models/preprocess/openpose_draw.h"

#include "models/preprocess/shapes.h"

#include <math.h>

#define FAR 1e6      /* pixels */
#define LIMB_WIDTH 4 /* the smaller semi-axis */

static const uint8_t colors[ZIS_OPENPOSE_JOINTS][3] = {
    {255, 0, 0}, {255, 85, 0}, {255, 170, 0}, {255, 255, 0}, {170, 255, 0}, {85, 255, 0},
    {0, 255, 0}, {0, 255, 85}, {0, 255, 170}, {0, 255, 255}, {0, 170, 255}, {0, 85, 255},
    {0, 0, 255}, {85, 0, 255}, {170, 0, 255}, {255, 0, 255}, {255, 0, 170}, {255, 0, 85}};

static void limb(zis_image *img, const zis_openpose_joint *p, const zis_openpose_joint *q, int k)
{
    const double degrees = 180 / 3.14159265358979323846;
    double dx = p->x - q->x, dy = p->y - q->y;
    zis_shapes_point center = {(int)((p->x + q->x) / 2), (int)((p->y + q->y) / 2)};
    zis_shapes_point outline[ZIS_SHAPES_ELLIPSE_POINTS];
    int n = zis_shapes_ellipse(outline, center, (int)(sqrt(dy * dy + dx * dx) / 2), LIMB_WIDTH,
                               (int)(atan2(dy, dx) * degrees));
    uint8_t darker[3];
    for (int c = 0; c < 3; c++) darker[c] = (uint8_t)(colors[k][c] * 3 / 5);
    zis_shapes_fill_convex(img, outline, n, darker);
}

/* The reference keeps x / W and multiplies it back; for some widths that loses the last bit, and a
 * pixel when it is cut to a whole number. */
static zis_openpose_pose there_and_back(const zis_openpose_pose *pose, const zis_image *canvas)
{
    zis_openpose_pose r = *pose;
    for (int j = 0; j < ZIS_OPENPOSE_JOINTS; j++) {
        r.joint[j].x = r.joint[j].x / (double)canvas->width * canvas->width;
        r.joint[j].y = r.joint[j].y / (double)canvas->height * canvas->height;
    }
    return r;
}

zis_status zis_openpose_draw(zis_image *canvas,
                             const zis_openpose_pose *people,
                             size_t count,
                             zis_error *err)
{
    if (canvas->channels != 3)
        return zis_fail(err, ZIS_ARG, "people are drawn on 3 channels, not %d", canvas->channels);
    for (size_t i = 0; i < count; i++)
        for (int j = 0; j < ZIS_OPENPOSE_JOINTS; j++) {
            const zis_openpose_joint *p = &people[i].joint[j];
            if (p->present && !(fabs(p->x) <= FAR && fabs(p->y) <= FAR))
                return zis_fail(err, ZIS_ARG,
                                "the %s of person %zu lies at %g, %g: too far to be drawn",
                                zis_openpose_skeleton_name(j), i + 1, p->x, p->y);
        }
    for (size_t i = 0; i < count; i++) {
        zis_openpose_pose pose = there_and_back(&people[i], canvas);
        for (int k = 0; k < ZIS_OPENPOSE_DRAWN_LIMBS; k++) {
            const zis_openpose_joint *p = &pose.joint[zis_openpose_skeleton_limbs[k].a];
            const zis_openpose_joint *q = &pose.joint[zis_openpose_skeleton_limbs[k].b];
            if (p->present && q->present) limb(canvas, p, q, k);
        }
        for (int j = 0; j < ZIS_OPENPOSE_JOINTS; j++) {
            const zis_openpose_joint *p = &pose.joint[j];
            if (p->present)
                zis_shapes_disc(canvas, (zis_shapes_point){(int)p->x, (int)p->y}, colors[j]);
        }
    }
    return ZIS_OK;
}
