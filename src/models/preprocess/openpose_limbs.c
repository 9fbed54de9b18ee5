/* openpose_limbs.c - which peaks are joined, and which joined ones are a person (preprocessors.md
 * 6.6 to 6.8). */
#include "base/mem.h"
#include "models/preprocess/openpose_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES 10
#define ENOUGH 9 /* samples that must agree with the limb's direction */
#define AGREES 0.05

typedef struct candidate {
    int i, j; /* numbers among the peaks of a, of b */
    double score;
} candidate;

typedef struct candidates {
    candidate *at;
    size_t n, room;
} candidates;

/* Best first; equal ones stay in the order in which they were found. */
static int by_score(const void *pa, const void *pb)
{
    const candidate *a = pa, *b = pb;
    if (a->score != b->score) return a->score > b->score ? -1 : 1;
    if (a->i != b->i) return a->i < b->i ? -1 : 1;
    return (a->j > b->j) - (a->j < b->j);
}

static bool add(candidates *c, candidate one)
{
    if (c->n == c->room) {
        size_t room = c->room ? c->room * 2 : 64;
        candidate *at = zis_mem_resize(c->at, room, sizeof *at);
        if (!at) return false;
        c->at = at;
        c->room = room;
    }
    c->at[c->n++] = one;
    return true;
}

/* Walks from a to b and compares the field with the way. True when it agrees. */
static bool rate(double *score,
                 const zis_openpose_peak *a,
                 const zis_openpose_peak *b,
                 const float *const field[2],
                 int width,
                 int height)
{
    double dx = b->x - a->x, dy = b->y - a->y;
    double length = sqrt(dx * dx + dy * dy);
    if (length < 0.001) length = 0.001;
    double ux = dx / length, uy = dy / length, step_x = dx / (SAMPLES - 1),
           step_y = dy / (SAMPLES - 1), sum = 0;
    int agree = 0;
    for (int t = 0; t < SAMPLES; t++) {
        int x = t == SAMPLES - 1 ? b->x : (int)rint(a->x + t * step_x);
        int y = t == SAMPLES - 1 ? b->y : (int)rint(a->y + t * step_y);
        size_t at = (size_t)y * (size_t)width + (size_t)x;
        double p = (double)field[0][at] * ux + (double)field[1][at] * uy;
        sum += p;
        agree += p > AGREES;
    }
    double too_long = 0.5 * height / length - 1;
    *score = sum / SAMPLES + (too_long < 0 ? too_long : 0);
    return agree >= ENOUGH && *score > 0;
}

zis_status zis_openpose_links_find(zis_openpose_link **links,
                                   size_t *count,
                                   const zis_openpose_people *p,
                                   int k,
                                   const float *const field[2],
                                   int width,
                                   int height,
                                   zis_error *err)
{
    const zis_openpose_limb *limb = &zis_openpose_skeleton_limbs[k];
    size_t first_a = p->first[limb->a], first_b = p->first[limb->b];
    size_t na = p->first[limb->a + 1] - first_a, nb = p->first[limb->b + 1] - first_b;
    size_t most = na < nb ? na : nb, n = 0;
    candidates c = {0};
    bool *taken = NULL; /* na of a, then nb of b */
    zis_openpose_link *found = NULL;
    bool ok = true;
    for (size_t i = 0; i < na && ok; i++)
        for (size_t j = 0; j < nb && ok; j++) {
            candidate one = {.i = (int)i, .j = (int)j};
            if (rate(&one.score, &p->peak[first_a + i], &p->peak[first_b + j], field, width,
                     height))
                ok = add(&c, one);
        }
    if (ok && c.n > 0) {
        qsort(c.at, c.n, sizeof *c.at, by_score);
        taken = zis_mem_zalloc(na + nb, sizeof *taken);
        found = zis_mem_alloc(most, sizeof *found);
        ok = taken && found;
    }
    for (size_t q = 0; ok && q < c.n && n < most; q++) {
        size_t i = (size_t)c.at[q].i, j = (size_t)c.at[q].j;
        if (taken[i] || taken[na + j]) continue;
        taken[i] = taken[na + j] = true;
        found[n++] = (zis_openpose_link){(int)(first_a + i), (int)(first_b + j), c.at[q].score};
    }
    free(c.at);
    free(taken);
    if (!ok) {
        free(found);
        return zis_fail_nomem(err, "the limbs of a pose");
    }
    *links = found;
    *count = n;
    return ZIS_OK;
}

static bool share_a_joint(const zis_openpose_person *p, const zis_openpose_person *q)
{
    for (int j = 0; j < ZIS_OPENPOSE_JOINTS; j++)
        if (p->id[j] >= 0 && q->id[j] >= 0) return true;
    return false;
}

static bool begin(zis_openpose_people *p,
                  size_t *room,
                  const zis_openpose_limb *limb,
                  const zis_openpose_link *l)
{
    if (p->persons == *room) {
        size_t more = *room ? *room * 2 : 16;
        zis_openpose_person *person = zis_mem_resize(p->person, more, sizeof *person);
        if (!person) return false;
        p->person = person;
        *room = more;
    }
    zis_openpose_person *one = &p->person[p->persons++];
    for (int j = 0; j < ZIS_OPENPOSE_JOINTS; j++) one->id[j] = -1;
    one->id[limb->a] = l->a;
    one->id[limb->b] = l->b;
    one->parts = 2;
    one->score = p->peak[l->a].score + p->peak[l->b].score + l->score;
    return true;
}

/* Joint a of a person found by joint b alone is not filled in: the reference does not. */
static void extend(zis_openpose_people *p,
                   zis_openpose_person *one,
                   const zis_openpose_limb *limb,
                   const zis_openpose_link *l)
{
    one->id[limb->b] = l->b;
    one->parts++;
    one->score += p->peak[l->b].score + l->score;
}

/* q, which comes after p, becomes part of p. */
static void merge(zis_openpose_people *people, size_t p, size_t q, double score)
{
    zis_openpose_person *to = &people->person[p], *from = &people->person[q];
    for (int j = 0; j < ZIS_OPENPOSE_JOINTS; j++)
        if (to->id[j] < 0) to->id[j] = from->id[j];
    to->parts += from->parts;
    to->score += from->score;
    to->score += score;
    memmove(from, from + 1, (people->persons - q - 1) * sizeof *from);
    people->persons--;
}

zis_status zis_openpose_links_gather(zis_openpose_people *p,
                                     size_t *room,
                                     int k,
                                     const zis_openpose_link *links,
                                     size_t count,
                                     zis_error *err)
{
    const zis_openpose_limb *limb = &zis_openpose_skeleton_limbs[k];
    for (size_t i = 0; i < count; i++) {
        const zis_openpose_link *l = &links[i];
        /* A third person is left alone; the reference breaks off there with an index error. */
        size_t hit[2], hits = 0;
        for (size_t q = 0; q < p->persons && hits < 2; q++)
            if (p->person[q].id[limb->a] == l->a || p->person[q].id[limb->b] == l->b)
                hit[hits++] = q;
        if (hits == 0) {
            if (k < ZIS_OPENPOSE_DRAWN_LIMBS && !begin(p, room, limb, l))
                return zis_fail_nomem(err, "the people of a pose");
        } else if (hits == 1) {
            zis_openpose_person *one = &p->person[hit[0]];
            if (one->id[limb->b] != l->b) extend(p, one, limb, l);
        } else if (share_a_joint(&p->person[hit[0]], &p->person[hit[1]])) {
            extend(p, &p->person[hit[0]], limb, l);
        } else {
            merge(p, hit[0], hit[1], l->score);
        }
    }
    return ZIS_OK;
}
