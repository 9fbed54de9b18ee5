/* A list that is short enough to be searched from end to end. */
#include "pipeline/features.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

typedef struct entry {
    const void *encoder;
    int32_t *ids;
    int64_t n;
    float *data;
} entry;

struct zis_features {
    int room, count;
    long made;
    entry list[]; /* [room], latest first */
};

zis_status zis_features_create(zis_features **out, int room, zis_error *err)
{
    if (room < 2) room = 2;
    zis_features *f = zis_mem_zalloc(1, sizeof *f + (size_t)room * sizeof(entry));
    if (!f) return zis_fail_nomem(err, "the prompts that are kept");
    f->room = room;
    *out = f;
    return ZIS_OK;
}

static void drop(entry *e)
{
    free(e->ids);
    free(e->data);
    *e = (entry){0};
}

void zis_features_destroy(zis_features **f)
{
    if (!f || !*f) return;
    for (int i = 0; i < (*f)->count; i++) drop(&(*f)->list[i]);
    free(*f);
    *f = NULL;
}

const float *zis_features_get(zis_features *f, const void *encoder, const int32_t *ids, int64_t n)
{
    for (int i = 0; i < f->count; i++) {
        entry e = f->list[i];
        if (e.encoder != encoder || e.n != n) continue;
        if (memcmp(e.ids, ids, (size_t)n * sizeof *ids) != 0) continue;
        memmove(&f->list[1], &f->list[0], (size_t)i * sizeof e);
        f->list[0] = e;
        return e.data;
    }
    return NULL;
}

zis_status zis_features_put(zis_features *f,
                            const void *encoder,
                            const int32_t *ids,
                            int64_t n,
                            float *data,
                            zis_error *err)
{
    int32_t *copy = zis_mem_alloc((size_t)n, sizeof *copy);
    if (!copy) return zis_fail_nomem(err, "the prompts that are kept");
    memcpy(copy, ids, (size_t)n * sizeof *copy);
    if (f->count == f->room) drop(&f->list[--f->count]);
    memmove(&f->list[1], &f->list[0], (size_t)f->count * sizeof(entry));
    f->list[0] = (entry){encoder, copy, n, data};
    f->count++;
    f->made++;
    return ZIS_OK;
}

long zis_features_made(const zis_features *f)
{
    return f->made;
}

void zis_features_forget(zis_features *f, const void *encoder)
{
    int kept = 0;
    for (int i = 0; i < f->count; i++) {
        if (f->list[i].encoder == encoder)
            drop(&f->list[i]);
        else
            f->list[kept++] = f->list[i];
    }
    f->count = kept;
}
