/* A list that is short enough to be searched from end to end. */
#include "pipeline/encoded.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

typedef struct entry {
    zis_encoded_key key;
    float *latents;
} entry;

struct zis_encoded {
    int room, count;
    entry list[]; /* [room], latest first */
};

/* The pictures of one job: to start from, the map, the part that is kept. */
#define ROOM_LEAST 3

zis_status zis_encoded_create(zis_encoded **out, int room, zis_error *err)
{
    if (room < ROOM_LEAST) room = ROOM_LEAST;
    zis_encoded *e = zis_mem_zalloc(1, sizeof *e + (size_t)room * sizeof(entry));
    if (!e) return zis_fail_nomem(err, "the pictures that are kept");
    e->room = room;
    *out = e;
    return ZIS_OK;
}

static void drop(entry *e)
{
    zis_image_destroy(&e->key.image);
    zis_image_destroy(&e->key.mask);
    free(e->latents);
    *e = (entry){0};
}

void zis_encoded_destroy(zis_encoded **e)
{
    if (!e || !*e) return;
    for (int i = 0; i < (*e)->count; i++) drop(&(*e)->list[i]);
    free(*e);
    *e = NULL;
}

static bool same(const zis_encoded_key *a, const zis_encoded_key *b)
{
    return a->vae == b->vae && a->image == b->image && a->mask == b->mask && a->width == b->width &&
           a->height == b->height;
}

const float *zis_encoded_get(zis_encoded *e, const zis_encoded_key *key)
{
    for (int i = 0; i < e->count; i++) {
        entry found = e->list[i];
        if (!same(&found.key, key)) continue;
        memmove(&e->list[1], &e->list[0], (size_t)i * sizeof found);
        e->list[0] = found;
        return found.latents;
    }
    return NULL;
}

void zis_encoded_put(zis_encoded *e, const zis_encoded_key *key, float *latents)
{
    if (e->count == e->room) drop(&e->list[--e->count]);
    memmove(&e->list[1], &e->list[0], (size_t)e->count * sizeof(entry));
    e->list[0] = (entry){*key, latents};
    zis_image_share(key->image);
    zis_image_share(key->mask);
    e->count++;
}

void zis_encoded_forget(zis_encoded *e, const void *vae)
{
    int kept = 0;
    for (int i = 0; i < e->count; i++) {
        if (e->list[i].key.vae == vae)
            drop(&e->list[i]);
        else
            e->list[kept++] = e->list[i];
    }
    e->count = kept;
}
