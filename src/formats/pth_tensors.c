/* pth_tensors.c - picks the dictionary, maps what lies in order, copies the rest. */
#include "formats/pth_tensors.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define COPY_ALIGN 64u

#define SHOWN(s, n) zis_utf8_cut((s), (n), 100), (s)

/* Where the tensors may lie in the outermost dictionary, the best first: Real-ESRGAN's average
 * goes before its last state; the others are wrappers of training programs. */
static const char *const wrappers[] = {"params_ema",  "params", "state_dict", "model_state_dict",
                                       "model_state", "model",  "module"};

static size_t count_tensors(const zis_pth_pickle *p, uint32_t dict)
{
    const zis_pth_node *d = zis_pth_pickle_node(p, dict);
    size_t n = 0;
    if (d->kind != ZIS_PTH_DICT || d->n == 0) return 0;
    for (uint32_t c = d->v.in.first; c != ZIS_PTH_END; c = p->cells[c].next)
        n += zis_pth_pickle_node(p, p->cells[c].key)->kind == ZIS_PTH_STRING &&
             zis_pth_pickle_node(p, p->cells[c].value)->kind == ZIS_PTH_TENSOR;
    return n;
}

static zis_status pick(
    zis_pth_tensors *t, const zis_pth_pickle *p, uint32_t top, uint32_t *dict, zis_error *err)
{
    t->prefix = "";
    *dict = top;
    for (size_t i = 0; i < sizeof wrappers / sizeof *wrappers; i++) {
        uint32_t d = zis_pth_pickle_get(p, top, wrappers[i]);
        if (d == ZIS_PTH_END || count_tensors(p, d) == 0) continue;
        t->prefix = wrappers[i];
        *dict = d;
        return ZIS_OK;
    }
    if (count_tensors(p, top) > 0) return ZIS_OK;
    return zis_fail(
        err, ZIS_FORMAT,
        "'%s' is a torch file without named tensors, neither at its top nor under "
        "params_ema, params, state_dict, model_state_dict, model_state, model or module",
        p->path);
}

/* Names are printed and turned into messages: UTF-8 without control characters. */
static bool plain_name(const char *s, size_t len)
{
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        size_t n = zis_utf8_decode(s + i, len - i, &cp);
        if (n == 0 || cp < 0x20 || (cp >= 0x7F && cp < 0xA0)) return false;
        i += n;
    }
    return true;
}

/* One tensor to be handed out. */
typedef struct draft {
    const zis_pth_view *view;
    const zis_pth_storage *storage;
    uint64_t bytes;
    size_t copy; /* where its copy begins; SIZE_MAX: it is mapped */
} draft;

static bool in_order(const zis_pth_view *v)
{
    int64_t stride = 1;
    if (v->count == 0) return true;
    for (int i = v->ndim; i-- > 0;) {
        if (v->dim[i] != 1 && v->stride[i] != stride) return false;
        stride *= v->dim[i];
    }
    return true;
}

/* Copies the elements, last dim fastest. */
static void copy_elements(unsigned char *to, const draft *d)
{
    const zis_pth_view *v = d->view;
    size_t width = (size_t)zis_dtype_get(d->storage->dtype)->bytes;
    const unsigned char *from = d->storage->data + v->offset * width;
    int64_t at[ZIS_MAX_DIMS] = {0};
    int inner = v->ndim - 1; /* a tensor without dims lies in order */
    size_t step = (size_t)v->stride[inner] * width;
    for (;;) {
        const unsigned char *row = from;
        for (int k = 0; k < inner; k++) row += (size_t)(at[k] * v->stride[k]) * width;
        for (int64_t i = 0; i < v->dim[inner]; i++, to += width)
            memcpy(to, row + (size_t)i * step, width);
        int k = inner;
        while (k > 0 && ++at[k - 1] == v->dim[k - 1]) at[--k] = 0;
        if (k == 0) return;
    }
}

static void fill_entry(zis_pth_entry *e, const draft *d, unsigned char *copies)
{
    const zis_pth_view *v = d->view;
    size_t width = (size_t)zis_dtype_get(d->storage->dtype)->bytes;
    const unsigned char *data = d->storage->data + v->offset * width;
    if (d->copy != SIZE_MAX) {
        copy_elements(copies + d->copy, d);
        data = copies + d->copy;
    }
    e->bytes = d->bytes;
    e->tensor = (zis_tensor){.data = (void *)(uintptr_t)data,
                             .dtype = d->storage->dtype,
                             .ndim = v->ndim,
                             .stride = v->ndim ? v->dim[v->ndim - 1] : 1};
    for (int i = 0; i < v->ndim; i++) e->tensor.dim[i] = v->dim[i];
}

typedef struct collector {
    zis_pth_tensors *t;
    const zis_pth_pickle *p;
    uint64_t limit;
    zis_error *err;
    draft *drafts;
    size_t *names;   /* positions */
    zis_buf text;    /* of the names */
    zis_strmap keys; /* all string keys of the dictionary */
    size_t copied;
} collector;

static zis_status nomem(const collector *c)
{
    return zis_fail_nomem(c->err, c->p->path);
}

/* The storage's bytes as they should be. */
static zis_status check_storage(const collector *c, size_t index)
{
    zis_pth_storage *s = &c->p->objects->storages[index];
    if (s->intact) return ZIS_OK;
    if (!s->data)
        return zis_fail(c->err, ZIS_FORMAT,
                        "'%s': storage '%.*s' is not in the file's list of them", c->p->path,
                        (int)s->key_len, s->key);
    if (s->entry) {
        zis_status st = zis_pth_zip_intact(c->p->objects->zip, s->entry, c->err);
        if (st) return st;
    }
    s->intact = true;
    return ZIS_OK;
}

/* A member of the dictionary: checks its key, and drafts it when it is a tensor. */
static zis_status take_member(collector *c, const zis_pth_cell *cell)
{
    const zis_pth_node *key = zis_pth_pickle_node(c->p, cell->key);
    const zis_pth_node *value = zis_pth_pickle_node(c->p, cell->value);
    if (key->kind != ZIS_PTH_STRING) return ZIS_OK;
    const char *name = zis_pth_pickle_text(c->p, key);
    if (!plain_name(name, key->n))
        return zis_fail(c->err, ZIS_FORMAT,
                        "'%s': byte %" PRIu64
                        ": the name of a tensor is not UTF-8 or holds a control character",
                        c->p->path, c->p->base + key->v.at);
    zis_status st = zis_strmap_put(&c->keys, name, key->n, 0, NULL);
    if (st == ZIS_NOMEM) return nomem(c);
    if (st)
        return zis_fail(c->err, ZIS_FORMAT,
                        "'%s': byte %" PRIu64 ": the name '%.*s' is there twice", c->p->path,
                        c->p->base + key->v.at, SHOWN(name, key->n));
    if (value->kind != ZIS_PTH_TENSOR) return ZIS_OK;
    const zis_pth_view *v = &c->p->objects->views[value->v.i];
    st = check_storage(c, v->storage);
    if (st) return st;
    draft d = {.view = v, .storage = &c->p->objects->storages[v->storage], .copy = SIZE_MAX};
    d.bytes = v->count * (uint64_t)zis_dtype_get(d.storage->dtype)->bytes;
    if (!in_order(v)) {
        if (d.bytes > c->limit - c->copied)
            return zis_fail(c->err, ZIS_UNSUPPORTED,
                            "'%s': byte %" PRIu64
                            ": tensor '%.*s' is stretched from its storage to %" PRIu64
                            " bytes, out of all proportion to the file",
                            c->p->path, v->at, SHOWN(name, key->n), d.bytes);
        d.copy = c->copied;
        c->copied = zis_round_up(c->copied + (size_t)d.bytes, COPY_ALIGN);
        if (c->copied > c->limit) c->copied = (size_t)c->limit;
    }
    c->names[c->t->count] = c->text.len;
    zis_buf_append(&c->text, name, key->n);
    zis_buf_putc(&c->text, '\0');
    c->drafts[c->t->count++] = d;
    return c->text.failed ? nomem(c) : ZIS_OK;
}

static zis_status settle(collector *c)
{
    zis_pth_tensors *t = c->t;
    t->entries = zis_mem_zalloc(t->count, sizeof *t->entries);
    if (c->copied) t->copies = zis_mem_alloc(c->copied, 1);
    if (!t->entries || (c->copied && !t->copies)) return nomem(c);
    t->names = c->text.data;
    c->text = (zis_buf){0};
    for (size_t i = 0; i < t->count; i++) {
        fill_entry(&t->entries[i], &c->drafts[i], t->copies);
        t->entries[i].name = t->names + c->names[i];
    }
    return ZIS_OK;
}

zis_status zis_pth_tensors_collect(
    zis_pth_tensors *t, const zis_pth_pickle *p, uint32_t top, uint64_t limit, zis_error *err)
{
    collector c = {.t = t, .p = p, .limit = limit, .err = err};
    uint32_t dict;
    zis_status st = pick(t, p, top, &dict, err);
    if (st) return st;
    size_t n = count_tensors(p, dict);
    c.drafts = zis_mem_zalloc(n, sizeof *c.drafts);
    c.names = zis_mem_zalloc(n, sizeof *c.names);
    if (!c.drafts || !c.names) st = nomem(&c);
    for (uint32_t i = zis_pth_pickle_node(p, dict)->v.in.first; i != ZIS_PTH_END && !st;
         i = p->cells[i].next)
        st = take_member(&c, &p->cells[i]);
    if (!st) st = settle(&c);
    zis_strmap_free(&c.keys);
    zis_buf_free(&c.text);
    free(c.drafts);
    free(c.names);
    return st;
}

void zis_pth_tensors_deinit(zis_pth_tensors *t)
{
    free(t->entries);
    free(t->names);
    free(t->copies);
    *t = (zis_pth_tensors){0};
}
