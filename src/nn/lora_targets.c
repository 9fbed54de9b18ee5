/* lora_targets.c - the modules of a model, by every name that files give them. */
#include "base/mem.h"
#include "nn/lora.h"

#include <stdlib.h>
#include <string.h>

void zis_lora_targets_init(zis_lora_targets *t, const char *what)
{
    *t = (zis_lora_targets){.what = what};
}

void zis_lora_targets_deinit(zis_lora_targets *t)
{
    for (size_t i = 0; i < t->n; i++) free(t->list[i].name);
    for (size_t i = 0; i < t->n_names; i++) {
        free(t->names[i].name);
        free(t->names[i].underscored);
    }
    free(t->list);
    free(t->names);
    zis_strmap_free(&t->dotted);
    zis_strmap_free(&t->underscored);
    *t = (zis_lora_targets){0};
}

static bool put(zis_strmap *map, const char *key, size_t value)
{
    return zis_strmap_put(map, key, strlen(key), value, NULL) != ZIS_NOMEM;
}

/* A new name; an empty one of no targets yet, or NULL without memory. */
static zis_lora_name *add_name(zis_lora_targets *t, const char *name)
{
    if (t->n_names == t->room_names) {
        size_t room = t->room_names ? 2 * t->room_names : 256;
        zis_lora_name *grown = zis_mem_resize(t->names, room, sizeof *grown);
        if (!grown) return NULL;
        t->names = grown;
        t->room_names = room;
    }
    zis_lora_name *n = &t->names[t->n_names];
    *n = (zis_lora_name){.name = zis_mem_strdup(name), .underscored = zis_mem_strdup(name)};
    if (!n->name || !n->underscored) {
        free(n->name);
        free(n->underscored);
        return NULL;
    }
    for (char *c = n->underscored; *c; c++)
        if (*c == '.') *c = '_';
    size_t at = t->n_names++;
    bool good = put(&t->dotted, n->name, at) && put(&t->underscored, n->underscored, at);
    return good ? n : NULL;
}

static zis_lora_target *add_target(zis_lora_targets *t, const char *name)
{
    if (t->n == t->room) {
        size_t room = t->room ? 2 * t->room : 256;
        zis_lora_target *grown = zis_mem_resize(t->list, room, sizeof *grown);
        if (!grown) return NULL;
        t->list = grown;
        t->room = room;
    }
    zis_lora_target *target = &t->list[t->n];
    *target = (zis_lora_target){.name = zis_mem_strdup(name)};
    if (!target->name) return NULL;
    size_t at = t->n++;
    zis_lora_name *n = add_name(t, name);
    if (!n) return NULL;
    n->target[n->targets++] = at;
    return target;
}

void zis_lora_targets_add_matrix(zis_lora_targets *t, const char *name, zis_weight *w)
{
    zis_lora_target *target = add_target(t, name);
    if (target)
        target->w = w;
    else
        t->nomem = true;
}

void zis_lora_targets_add_vector(zis_lora_targets *t,
                                 const char *name,
                                 const float **vector,
                                 int64_t length)
{
    size_t at;
    bool known = zis_strmap_get(&t->dotted, name, strlen(name), &at);
    zis_lora_target *target = known ? &t->list[t->names[at].target[0]] : add_target(t, name);
    if (!target) {
        t->nomem = true;
        return;
    }
    target->vector = vector;
    target->length = length;
}

void zis_lora_targets_alias(
    zis_lora_targets *t, const char *name, const char *const *to, int n, bool second)
{
    size_t target[3], at;
    for (int i = 0; i < n; i++) {
        if (!zis_strmap_get(&t->dotted, to[i], strlen(to[i]), &at)) return;
        target[i] = t->names[at].target[0];
    }
    zis_lora_name *added = add_name(t, name);
    if (!added) {
        t->nomem = true;
        return;
    }
    memcpy(added->target, target, (size_t)n * sizeof *target);
    added->targets = n;
    added->second = second;
}

zis_status zis_lora_targets_finish(zis_lora_targets *t, zis_error *err)
{
    return t->nomem ? zis_fail_nomem(err, "the list of the model's modules") : ZIS_OK;
}
