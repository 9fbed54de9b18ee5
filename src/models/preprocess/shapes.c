/* shapes.c - OpenCV's outlines and fills. */
#include "models/preprocess/shapes.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#define FRACTION 16 /* bits of an edge's x */
#define HALF (1 << (FRACTION - 1))

/* sin of whole degrees (0..450) as OpenCV's table holds it: 7 decimals, float. */
static float sin_degrees(int d)
{
    const double pi = 3.14159265358979323846;
    return (float)(rint(sin(d * pi / 180) * 1e7) / 1e7);
}

int zis_shapes_ellipse(zis_shapes_point out[ZIS_SHAPES_ELLIPSE_POINTS],
                       zis_shapes_point center,
                       int a,
                       int b,
                       int angle)
{
    if (angle < 0) angle += 360;
    float ca = sin_degrees(450 - angle), sa = sin_degrees(angle);
    int n = 0;
    for (int i = 0; i <= 360; i++) {
        double x = a * (double)sin_degrees(450 - i), y = b * (double)sin_degrees(i);
        zis_shapes_point p = {(int)rint(center.x + x * (double)ca - y * (double)sa),
                              (int)rint(center.y + x * (double)sa + y * (double)ca)};
        if (n && p.x == out[n - 1].x && p.y == out[n - 1].y) continue;
        out[n++] = p;
    }
    if (n == 1) {
        out[0] = out[1] = center;
        n = 2;
    }
    return n;
}

/* Pixels x1 .. x2 of row y; x2 < x1 paints nothing. */
static void paint(zis_image *img, int64_t x1, int64_t x2, int y, const uint8_t color[3])
{
    if (y < 0 || y >= img->height) return;
    if (x1 < 0) x1 = 0;
    if (x2 >= img->width) x2 = img->width - 1;
    if (x1 > x2) return;
    uint8_t *p = img->data + ((size_t)y * (size_t)img->width + (size_t)x1) * 3;
    for (int64_t x = x1; x <= x2; x++, p += 3)
        for (int c = 0; c < 3; c++) p[c] = color[c];
}

/* Where an end lies: left 1, right 2. */
static int side_code(int64_t x, int64_t right)
{
    return (x < 0 ? 1 : 0) | (x > right ? 2 : 0);
}

/* Cuts a line to the picture, with OpenCV's roundings; false when nothing of it is inside. */
static bool clip(int64_t x[2], int64_t y[2], int64_t right, int64_t bottom)
{
    int code[2];
    for (int i = 0; i < 2; i++)
        code[i] = side_code(x[i], right) | (y[i] < 0 ? 4 : 0) | (y[i] > bottom ? 8 : 0);
    if (code[0] & code[1]) return false;
    for (int i = 0; i < 2; i++)
        if (code[i] & 12) {
            int64_t to = code[i] < 8 ? 0 : bottom;
            x[i] += (int64_t)((double)(to - y[i]) * (double)(x[1] - x[0]) / (double)(y[1] - y[0]));
            y[i] = to;
            code[i] = side_code(x[i], right);
        }
    if (code[0] & code[1]) return false;
    for (int i = 0; i < 2; i++)
        if (code[i]) {
            int64_t to = code[i] == 1 ? 0 : right;
            y[i] += (int64_t)((double)(to - x[i]) * (double)(y[1] - y[0]) / (double)(x[1] - x[0]));
            x[i] = to;
        }
    return true;
}

/* One pixel wide, 8-connected, from the left end to the right. */
static void line(zis_image *img, zis_shapes_point p, zis_shapes_point q, const uint8_t color[3])
{
    int64_t x[2] = {p.x, q.x}, y[2] = {p.y, q.y};
    if (!clip(x, y, img->width - 1, img->height - 1)) return;
    int first = x[1] < x[0];
    int dx = (int)(x[!first] - x[first]), dy = (int)(y[!first] - y[first]);
    int step = dy < 0 ? -1 : 1, px = (int)x[first], py = (int)y[first];
    dy *= step;
    bool steep = dy > dx;
    int major = steep ? dy : dx, minor = steep ? dx : dy, e = major - 2 * minor;
    for (int i = 0; i <= major; i++) {
        paint(img, px, px, py, color);
        bool both = e < 0;
        e += (both ? 2 * major : 0) - 2 * minor;
        if (both || steep) py += step;
        if (both || !steep) px++;
    }
}

/* One of the two edges that run down the polygon. */
typedef struct walker {
    int at, step; /* vertex, and +1 or -1 round the polygon */
    int end_row;
    int64_t x, dx; /* with FRACTION bits */
} walker;

/* Takes the next edge that leads below row y. `left` counts the vertices that both walkers may try
 * together; false when they are used up. */
static bool next_edge(walker *w, const zis_shapes_point *v, int n, int y, int *left)
{
    int at = w->at;
    while ((*left)-- > 0) {
        int next = (at + w->step + n) % n;
        if (v[next].y > y) {
            int64_t xs = (int64_t)v[at].x * (1 << FRACTION);
            int64_t xe = (int64_t)v[next].x * (1 << FRACTION), rows = (int64_t)v[next].y - y;
            w->x = xs;
            w->dx = ((xe - xs) * 2 + rows) / (2 * rows);
            w->end_row = v[next].y;
            w->at = next;
            return true;
        }
        at = next;
    }
    return false;
}

void zis_shapes_fill_convex(zis_image *img,
                            const zis_shapes_point *v,
                            int n,
                            const uint8_t color[3])
{
    int top = 0, xmin = v[0].x, xmax = v[0].x, ymax = v[0].y;
    for (int i = 0; i < n; i++) {
        line(img, v[i > 0 ? i - 1 : n - 1], v[i], color);
        if (v[i].y < v[top].y) top = i;
        if (v[i].y > ymax) ymax = v[i].y;
        if (v[i].x < xmin) xmin = v[i].x;
        if (v[i].x > xmax) xmax = v[i].x;
    }
    int ymin = v[top].y;
    if (n < 3 || xmax < 0 || ymax < 0 || xmin >= img->width || ymin >= img->height) return;
    if (ymax > img->height - 1) ymax = img->height - 1;
    walker w[2];
    for (int i = 0; i < 2; i++)
        w[i] = (walker){
            .at = top, .step = i ? -1 : 1, .end_row = ymin, .x = -(1 << FRACTION), .dx = 0};
    int left = n;
    for (int y = ymin; y <= ymax; y++) {
        bool out = false;
        for (int i = 0; i < 2; i++)
            if (y >= w[i].end_row && !next_edge(&w[i], v, n, y, &left)) out = true;
        if (out) return;
        int64_t a = w[0].x < w[1].x ? w[0].x : w[1].x, b = w[0].x < w[1].x ? w[1].x : w[0].x;
        paint(img, (a + HALF) >> FRACTION, (b + HALF) >> FRACTION, y, color);
        for (int i = 0; i < 2; i++) w[i].x += w[i].dx;
    }
}

void zis_shapes_disc(zis_image *img, zis_shapes_point center, const uint8_t color[3])
{
    static const int half_width[] = {4, 3, 3, 2, 0};
    for (int dy = -4; dy <= 4; dy++) {
        int h = half_width[dy < 0 ? -dy : dy];
        paint(img, center.x - h, (int64_t)center.x + h, center.y + dy, color);
    }
}
