/* pth_objects.c - the allow-list of globals; storages and tensors out of their pickled arguments.
 */
#include "formats/pth_objects.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "formats/pth_pickle.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Most storages and tensors of a file: some hundred times those of the largest models. */
#define OBJECTS_MAX ((size_t)1 << 18)
#define KEY_MAX 64u

typedef zis_status call(zis_pth_pickle *p, const zis_pth_node *args, uint32_t *out);

static call ordered_dict, rebuild_tensor, rebuild_tensor_v2, rebuild_parameter;

/* All that a file may name. Rows with a type are storages, which cannot be called. */
typedef struct allowed {
    const char *module, *name;
    zis_dtype dtype;
    call *act;
} allowed;

static const allowed table[] = {
    {"collections", "OrderedDict", ZIS_DTYPE_COUNT, ordered_dict},
    {"torch._utils", "_rebuild_tensor", ZIS_DTYPE_COUNT, rebuild_tensor},
    {"torch._utils", "_rebuild_tensor_v2", ZIS_DTYPE_COUNT, rebuild_tensor_v2},
    {"torch._utils", "_rebuild_parameter", ZIS_DTYPE_COUNT, rebuild_parameter},
    {"torch", "FloatStorage", ZIS_DTYPE_F32, NULL},
    {"torch", "HalfStorage", ZIS_DTYPE_F16, NULL},
    {"torch", "BFloat16Storage", ZIS_DTYPE_BF16, NULL},
    {"torch", "DoubleStorage", ZIS_DTYPE_F64, NULL},
    {"torch", "LongStorage", ZIS_DTYPE_I64, NULL},
    {"torch", "IntStorage", ZIS_DTYPE_I32, NULL},
    {"torch", "ShortStorage", ZIS_DTYPE_I16, NULL},
    {"torch", "CharStorage", ZIS_DTYPE_I8, NULL},
    {"torch", "ByteStorage", ZIS_DTYPE_U8, NULL},
    {"torch", "BoolStorage", ZIS_DTYPE_BOOL, NULL},
};

static bool same(const char *s, const char *text, size_t len)
{
    return strlen(s) == len && memcmp(s, text, len) == 0;
}

zis_status zis_pth_objects_global(zis_pth_pickle *p,
                                  const char *module,
                                  size_t module_len,
                                  const char *name,
                                  size_t name_len,
                                  int64_t *row)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (!same(table[i].module, module, module_len) || !same(table[i].name, name, name_len))
            continue;
        *row = (int64_t)i;
        return ZIS_OK;
    }
    return zis_pth_pickle_fail(
        p, ZIS_FORMAT,
        "the global %.*s.%.*s is not allowed: only tensors in plain dictionaries are read, and "
        "nothing of the file is run",
        (int)module_len, module, (int)name_len, name);
}

static const zis_pth_node *node(const zis_pth_pickle *p, uint32_t i)
{
    return zis_pth_pickle_node(p, i);
}

static zis_status bad(zis_pth_pickle *p, const char *text)
{
    return zis_pth_pickle_fail(p, ZIS_FORMAT, "%s", text);
}

/* Room for one more element after the n of *array; NULL in *array stays valid. */
static zis_status make_room(zis_pth_pickle *p, void *array, size_t size, size_t n, size_t *room)
{
    void *block;
    if (n < *room) return ZIS_OK;
    if (n >= OBJECTS_MAX)
        return zis_pth_pickle_fail(p, ZIS_UNSUPPORTED,
                                   "more than %zu tensors, which no checkpoint has", OBJECTS_MAX);
    memcpy(&block, array, sizeof block);
    size_t more = *room ? *room * 2 : 32;
    block = zis_mem_resize(block, more, size);
    if (!block) return zis_fail_nomem(p->err, p->path);
    memcpy(array, &block, sizeof block);
    *room = more;
    return ZIS_OK;
}

/* A whole number that is not negative. */
static bool get_size(const zis_pth_pickle *p, uint32_t i, uint64_t *out)
{
    const zis_pth_node *n = node(p, i);
    if (n->kind != ZIS_PTH_INT || n->v.i < 0) return false;
    *out = (uint64_t)n->v.i;
    return true;
}

/* ---- storages -------------------------------------------------------------------------------- */

/* Keys are numbers; whatever they are, they name an entry and lead nowhere else. */
static bool plain_key(const char *s, size_t n)
{
    if (n == 0 || n > KEY_MAX) return false;
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        bool letter = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && c != '_' && c != '-') return false;
    }
    return true;
}

/* In a zip archive: the entry ROOT/data/KEY. */
static zis_status find_data(zis_pth_pickle *p, zis_pth_storage *s)
{
    zis_pth_objects *o = p->objects;
    if (!o->zip) return ZIS_OK;
    char *name =
        zis_mem_printf("%.*s/data/%.*s", (int)o->root_len, o->root, (int)s->key_len, s->key);
    if (!name) return zis_fail_nomem(p->err, p->path);
    s->entry = zis_pth_zip_find(o->zip, name, strlen(name));
    free(name);
    if (!s->entry)
        return zis_pth_pickle_fail(p, ZIS_FORMAT, "the archive has no entry for storage '%.*s'",
                                   (int)s->key_len, s->key);
    if (s->entry->size != s->bytes)
        return zis_pth_pickle_fail(p, ZIS_FORMAT,
                                   "storage '%.*s' should have %" PRIu64 " bytes (%" PRIu64
                                   " of type %s), but its entry has %zu",
                                   (int)s->key_len, s->key, s->bytes, s->count,
                                   zis_dtype_get(s->dtype)->name, s->entry->size);
    s->data = o->zip->data + s->entry->begin;
    return ZIS_OK;
}

/* The storage of this key, which may be known already and must be the same then. */
static zis_status storage_of(zis_pth_pickle *p, zis_pth_storage s, size_t *out)
{
    zis_pth_objects *o = p->objects;
    if (zis_strmap_get(&o->keys, s.key, s.key_len, out)) {
        const zis_pth_storage *known = &o->storages[*out];
        if (known->dtype == s.dtype && known->count == s.count) return ZIS_OK;
        return zis_pth_pickle_fail(p, ZIS_FORMAT,
                                   "storage '%.*s' is named with two types or two sizes",
                                   (int)s.key_len, s.key);
    }
    uint64_t width = (uint64_t)zis_dtype_get(s.dtype)->bytes;
    if (s.count > INT64_MAX / width)
        return zis_pth_pickle_fail(p, ZIS_FORMAT, "a storage of %" PRIu64 " elements is impossible",
                                   s.count);
    s.bytes = s.count * width;
    zis_status st = find_data(p, &s);
    if (!st) st = make_room(p, &o->storages, sizeof *o->storages, o->n_storages, &o->storages_room);
    if (st) return st;
    if (zis_strmap_put(&o->keys, s.key, s.key_len, o->n_storages, NULL))
        return zis_fail_nomem(p->err, p->path);
    *out = o->n_storages;
    o->storages[o->n_storages++] = s;
    return ZIS_OK;
}

/* Item 5 of old legacy files: None, or (key, start, count) of the part that is meant. */
static zis_status narrow(zis_pth_pickle *p, uint32_t item, zis_pth_window *w)
{
    const zis_pth_node *n = node(p, item);
    uint64_t start, count;
    if (n->kind == ZIS_PTH_NONE) return ZIS_OK;
    if (n->kind != ZIS_PTH_TUPLE || n->n != 3 ||
        node(p, zis_pth_pickle_item(p, n, 0))->kind != ZIS_PTH_STRING ||
        !get_size(p, zis_pth_pickle_item(p, n, 1), &start) ||
        !get_size(p, zis_pth_pickle_item(p, n, 2), &count))
        return bad(p, "the part of a storage is not given as key, start and count");
    if (start > w->count || count > w->count - start)
        return bad(p, "the part of a storage reaches beyond it");
    w->start = start;
    w->count = count;
    return ZIS_OK;
}

zis_status zis_pth_objects_persist(zis_pth_pickle *p, uint32_t id, uint32_t *out)
{
    zis_pth_objects *o = p->objects;
    const zis_pth_node *t = node(p, id);
    if (!o) return bad(p, "a storage where none may be");
    bool old = !o->zip;
    if (t->kind != ZIS_PTH_TUPLE || (t->n != 5 && !(old && t->n == 6)) ||
        !zis_pth_pickle_is(p, zis_pth_pickle_item(p, t, 0), "storage"))
        return bad(p, "a persistent id that is not (\"storage\", type, key, location, count)");
    const zis_pth_node *type = node(p, zis_pth_pickle_item(p, t, 1));
    const zis_pth_node *key = node(p, zis_pth_pickle_item(p, t, 2));
    zis_pth_storage s = {0};
    if (type->kind != ZIS_PTH_GLOBAL || table[type->v.i].act)
        return bad(p, "the type of a storage is none of torch's");
    if (key->kind != ZIS_PTH_STRING || !plain_key(zis_pth_pickle_text(p, key), key->n))
        return bad(p, "the key of a storage is not a short word of letters and digits");
    if (node(p, zis_pth_pickle_item(p, t, 3))->kind != ZIS_PTH_STRING)
        return bad(p, "the location of a storage is not a string");
    if (!get_size(p, zis_pth_pickle_item(p, t, 4), &s.count))
        return bad(p, "the element count of a storage is not a whole number from 0 on");
    s.dtype = table[type->v.i].dtype;
    s.key = zis_pth_pickle_text(p, key);
    s.key_len = key->n;
    zis_pth_window w = {.count = s.count};
    zis_status st = storage_of(p, s, &w.storage);
    if (!st && t->n == 6) st = narrow(p, zis_pth_pickle_item(p, t, 5), &w);
    if (!st) st = make_room(p, &o->windows, sizeof *o->windows, o->n_windows, &o->windows_room);
    if (st) return st;
    o->windows[o->n_windows] = w;
    return zis_pth_pickle_add(
        p, (zis_pth_node){.kind = ZIS_PTH_STORAGE, .v.i = (int64_t)o->n_windows++}, out);
}

/* ---- tensors --------------------------------------------------------------------------------- */

/* Sizes and strides: two tuples of as many numbers. */
static zis_status read_dims(zis_pth_pickle *p, uint32_t sizes, uint32_t strides, zis_pth_view *v)
{
    const zis_pth_node *s = node(p, sizes), *t = node(p, strides);
    if (s->kind != ZIS_PTH_TUPLE || t->kind != ZIS_PTH_TUPLE || s->n != t->n)
        return bad(p, "the sizes and strides of a tensor are not two tuples of one length");
    if (s->n > ZIS_MAX_DIMS)
        return zis_pth_pickle_fail(p, ZIS_UNSUPPORTED,
                                   "a tensor of %" PRIu32
                                   " dimensions; more than %d are not supported",
                                   s->n, ZIS_MAX_DIMS);
    v->ndim = (int)s->n;
    for (int i = 0; i < v->ndim; i++) {
        uint64_t dim, stride;
        if (!get_size(p, zis_pth_pickle_item(p, s, i), &dim) ||
            !get_size(p, zis_pth_pickle_item(p, t, i), &stride))
            return bad(p, "a size or stride of a tensor is not a whole number from 0 on");
        v->dim[i] = (int64_t)dim;
        v->stride[i] = (int64_t)stride;
    }
    return ZIS_OK;
}

/* Counts the elements and looks whether the last one lies in the window. */
static zis_status check_range(zis_pth_pickle *p, const zis_pth_window *w, zis_pth_view *v)
{
    uint64_t last = v->offset, count = 1;
    uint64_t width = (uint64_t)zis_dtype_get(p->objects->storages[w->storage].dtype)->bytes;
    bool wraps = false, empty = false;
    for (int i = 0; i < v->ndim; i++) empty = empty || v->dim[i] == 0;
    for (int i = 0; i < v->ndim; i++) {
        uint64_t dim = (uint64_t)v->dim[i], reach;
        wraps = wraps || __builtin_mul_overflow(count, dim, &count);
        if (empty) continue; /* nothing is read, so strides and offset do not matter */
        wraps = wraps || __builtin_mul_overflow(dim - 1, (uint64_t)v->stride[i], &reach) ||
                __builtin_add_overflow(last, reach, &last);
    }
    if (wraps || count > INT64_MAX / width)
        return bad(p, "the sizes or strides of a tensor are too large for any memory");
    if (!empty && last >= w->count)
        return zis_pth_pickle_fail(p, ZIS_FORMAT,
                                   "a tensor reaches element %" PRIu64
                                   " of a storage that has only %" PRIu64,
                                   last, w->count);
    v->count = count;
    v->offset = empty ? 0 : v->offset + w->start;
    return ZIS_OK;
}

static zis_status rebuild(zis_pth_pickle *p, const zis_pth_node *args, uint32_t *out)
{
    zis_pth_objects *o = p->objects;
    const zis_pth_node *s = node(p, zis_pth_pickle_item(p, args, 0));
    zis_pth_view v = {.at = p->base + p->op};
    if (s->kind != ZIS_PTH_STORAGE) return bad(p, "the storage of a tensor is none");
    if (!get_size(p, zis_pth_pickle_item(p, args, 1), &v.offset))
        return bad(p, "the offset of a tensor is not a whole number from 0 on");
    const zis_pth_window *w = &o->windows[s->v.i];
    v.storage = w->storage;
    zis_status st =
        read_dims(p, zis_pth_pickle_item(p, args, 2), zis_pth_pickle_item(p, args, 3), &v);
    if (!st) st = check_range(p, w, &v);
    if (!st) st = make_room(p, &o->views, sizeof *o->views, o->n_views, &o->views_room);
    if (st) return st;
    o->views[o->n_views] = v;
    return zis_pth_pickle_add(
        p, (zis_pth_node){.kind = ZIS_PTH_TENSOR, .v.i = (int64_t)o->n_views++}, out);
}

/* (storage, offset, sizes, strides) */
static zis_status rebuild_tensor(zis_pth_pickle *p, const zis_pth_node *args, uint32_t *out)
{
    if (args->n != 4) return bad(p, "_rebuild_tensor takes 4 arguments");
    return rebuild(p, args, out);
}

/* The same, requires_grad, hooks, perhaps metadata. What metadata says (negated, conjugated) would
 * change the values. */
static zis_status rebuild_tensor_v2(zis_pth_pickle *p, const zis_pth_node *args, uint32_t *out)
{
    if (args->n != 6 && args->n != 7) return bad(p, "_rebuild_tensor_v2 takes 6 or 7 arguments");
    if (node(p, zis_pth_pickle_item(p, args, 4))->kind != ZIS_PTH_BOOL)
        return bad(p, "requires_grad of a tensor is neither true nor false");
    for (int i = 5; i < (int)args->n; i++) {
        const zis_pth_node *n = node(p, zis_pth_pickle_item(p, args, i));
        if (n->kind != ZIS_PTH_NONE && (n->kind != ZIS_PTH_DICT || n->n))
            return bad(p, "a tensor with hooks or metadata is not supported");
    }
    return rebuild(p, args, out);
}

/* (tensor, requires_grad, hooks): the tensor. */
static zis_status rebuild_parameter(zis_pth_pickle *p, const zis_pth_node *args, uint32_t *out)
{
    if (args->n != 3) return bad(p, "_rebuild_parameter takes 3 arguments");
    *out = zis_pth_pickle_item(p, args, 0);
    if (node(p, *out)->kind != ZIS_PTH_TENSOR) return bad(p, "a parameter that is no tensor");
    return ZIS_OK;
}

/* () or, from Python 2, ([[key, value], ...],). */
static zis_status ordered_dict(zis_pth_pickle *p, const zis_pth_node *args, uint32_t *out)
{
    static const char text[] = "OrderedDict takes nothing, or a list of keys and values";
    uint32_t n_args = args->n, from = n_args ? zis_pth_pickle_item(p, args, 0) : 0;
    if (n_args > 1 || (n_args && node(p, from)->kind != ZIS_PTH_LIST)) return bad(p, text);
    zis_status st = zis_pth_pickle_add(p, (zis_pth_node){.kind = ZIS_PTH_DICT}, out);
    if (st || !n_args || node(p, from)->n == 0) return st;
    for (uint32_t c = node(p, from)->v.in.first; c != ZIS_PTH_END && !st; c = p->cells[c].next) {
        const zis_pth_node *pair = node(p, p->cells[c].value);
        uint32_t key, value;
        if (pair->n != 2) return bad(p, text);
        if (pair->kind == ZIS_PTH_LIST) {
            const zis_pth_cell *first = &p->cells[pair->v.in.first];
            key = first->value;
            value = p->cells[first->next].value;
        } else if (pair->kind == ZIS_PTH_TUPLE) {
            key = zis_pth_pickle_item(p, pair, 0);
            value = zis_pth_pickle_item(p, pair, 1);
        } else {
            return bad(p, text);
        }
        if (node(p, key)->kind > ZIS_PTH_TUPLE) return bad(p, text);
        st = zis_pth_pickle_link(p, *out, key, value);
    }
    return st;
}

zis_status zis_pth_objects_call(zis_pth_pickle *p, uint32_t function, uint32_t args, uint32_t *out)
{
    const zis_pth_node *f = node(p, function);
    if (f->kind != ZIS_PTH_GLOBAL || !table[f->v.i].act)
        return bad(p, "what is called is no function");
    if (node(p, args)->kind != ZIS_PTH_TUPLE)
        return bad(p, "the arguments of a call are not a tuple");
    if (!p->objects && table[f->v.i].act != ordered_dict)
        return bad(p, "a tensor where none may be");
    zis_pth_node copy = *node(p, args); /* nodes move when one is added */
    return table[f->v.i].act(p, &copy, out);
}

void zis_pth_objects_deinit(zis_pth_objects *o)
{
    zis_strmap_free(&o->keys);
    free(o->storages);
    free(o->windows);
    free(o->views);
    *o = (zis_pth_objects){0};
}
