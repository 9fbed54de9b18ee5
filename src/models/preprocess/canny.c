/* canny.c - gradients row by row, thin lines, then a walk along what hangs together. */
#include "models/preprocess/canny.h"

#include "base/mem.h"
#include "models/preprocess/rgb.h"

#include <stdlib.h>

/* What a pixel of the result is on the way. */
enum { NONE = 0, WEAK = 1, STRONG = 255 };

typedef struct gradient {
    int16_t dx, dy, m; /* m = |dx| + |dy|, at most 2040 */
} gradient;

/* Pixels to be read: `used` of every `step` bytes. */
typedef struct source {
    const uint8_t *p;
    int width, height, step, used;
} source;

/* Pixels whose neighbours are still to be looked at. */
typedef struct stack {
    uint32_t *at;
    size_t n, room;
} stack;

static bool push(stack *s, size_t pixel)
{
    if (s->n == s->room) {
        size_t room = s->room ? s->room * 2 : 1024;
        uint32_t *at = zis_mem_resize(s->at, room, sizeof *at);
        if (!at) return false;
        s->at = at;
        s->room = room;
    }
    s->at[s->n++] = (uint32_t)pixel;
    return true;
}

/* One row into out[1 .. width]; out[0] and out[width + 1] belong to the ring of zeros. */
static void gradient_row(gradient *out, const source *s, int y)
{
    size_t row = (size_t)s->width * (size_t)s->step;
    const uint8_t *here = s->p + (size_t)y * row;
    const uint8_t *above = y > 0 ? here - row : here;
    const uint8_t *below = y + 1 < s->height ? here + row : here;
    for (int x = 0; x < s->width; x++) {
        size_t l = (size_t)(x > 0 ? x - 1 : 0) * (size_t)s->step;
        size_t c = (size_t)x * (size_t)s->step;
        size_t r = (size_t)(x + 1 < s->width ? x + 1 : x) * (size_t)s->step;
        gradient best = {.m = -1};
        for (int k = 0; k < s->used; k++, l++, c++, r++) {
            int dx = (above[r] + 2 * here[r] + below[r]) - (above[l] + 2 * here[l] + below[l]);
            int dy = (below[l] + 2 * below[c] + below[r]) - (above[l] + 2 * above[c] + above[r]);
            int m = abs(dx) + abs(dy);
            if (m > best.m) best = (gradient){(int16_t)dx, (int16_t)dy, (int16_t)m};
        }
        out[x + 1] = best;
    }
}

/* Whether `g` is the top of the slope across its edge. 13573 = tan(22.5 degrees) * 2^15. Strict
 * against left, above and both diagonals, so that of two equal neighbours one stays. */
static bool is_ridge(const gradient *above, const gradient *g, const gradient *below)
{
    int m = g->m, x = abs(g->dx), y = abs(g->dy) << 15;
    int t = x * 13573, u = t + (x << 16);
    if (y < t) return m > g[-1].m && m >= g[1].m;
    if (y > u) return m > above->m && m >= below->m;
    int s = (g->dx < 0) != (g->dy < 0) ? -1 : 1;
    return m > above[-s].m && m > below[s].m;
}

static bool follow(zis_image *img, stack *todo)
{
    while (todo->n > 0) {
        size_t at = todo->at[--todo->n], w = (size_t)img->width;
        int x = (int)(at % w), y = (int)(at / w);
        for (int ny = y - 1; ny <= y + 1; ny++)
            for (int nx = x - 1; nx <= x + 1; nx++) {
                if (nx < 0 || ny < 0 || nx >= img->width || ny >= img->height) continue;
                size_t n = (size_t)ny * w + (size_t)nx;
                if (img->data[n] != WEAK) continue;
                img->data[n] = STRONG;
                if (!push(todo, n)) return false;
            }
    }
    return true;
}

/* Marks thin lines in img and puts the strong ones on the stack. `rows`: three rows of width + 2,
 * zeroed. */
static bool thin(zis_image *img, const source *s, int low, int high, gradient *rows, stack *todo)
{
    size_t width = (size_t)s->width + 2;
    gradient *above = rows, *here = rows + width, *below = rows + 2 * width;
    gradient_row(below, s, 0);
    for (int y = 0; y < s->height; y++) {
        gradient *free_row = above;
        above = here;
        here = below;
        below = free_row;
        if (y + 1 < s->height)
            gradient_row(below, s, y + 1);
        else
            for (size_t x = 0; x < width; x++) below[x] = (gradient){0};
        for (size_t x = 1; x + 1 < width; x++) {
            int m = here[x].m;
            if (m <= low || !is_ridge(above + x, here + x, below + x)) continue;
            size_t at = (size_t)y * (size_t)s->width + x - 1;
            img->data[at] = m > high ? STRONG : WEAK;
            if (m > high && !push(todo, at)) return false;
        }
    }
    return true;
}

zis_status zis_canny(zis_image **out,
                     const zis_image *in,
                     const zis_canny_options *o,
                     zis_error *err)
{
    zis_image *img = NULL;
    uint8_t *grey = NULL;
    gradient *rows = NULL;
    stack todo = {0};
    int low = o->low < o->high ? o->low : o->high, high = o->low < o->high ? o->high : o->low;
    size_t n = (size_t)in->width * (size_t)in->height;
    source s = {in->data, in->width, in->height, in->channels, in->channels == 1 ? 1 : 3};
    zis_status st = zis_image_create(&img, in->width, in->height, 1, err);
    if (st) return st;
    bool ok = (rows = zis_mem_zalloc(3 * ((size_t)in->width + 2), sizeof *rows)) != NULL;
    if (ok && in->channels > 1 && !o->color) {
        ok = (grey = zis_mem_alloc(n, 1)) != NULL;
        for (size_t i = 0; ok && i < n; i++)
            grey[i] = zis_rgb_grey(in->data + i * (size_t)in->channels);
        s = (source){grey, in->width, in->height, 1, 1};
    }
    ok = ok && thin(img, &s, low, high, rows, &todo) && follow(img, &todo);
    if (!ok) {
        st = zis_fail_nomem(err, "the edges of a picture");
        goto out;
    }
    for (size_t i = 0; i < n; i++)
        if (img->data[i] != STRONG) img->data[i] = NONE;
    *out = img;
    img = NULL;
out:
    zis_image_destroy(&img);
    free(grey);
    free(rows);
    free(todo.at);
    return st;
}
