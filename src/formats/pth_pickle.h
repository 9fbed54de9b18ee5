/* pth_pickle.h - the pickle machine for torch files: it builds plain values, nothing is executed.
 *
 * Only the opcodes that torch.save's protocol 2 writes are known (those of Python 2 too), only the
 * globals of pth_objects.c may be named, and of what pickles can call only those. Values are nodes
 * in arrays, joined by index: sharing and cycles cost nothing, nothing recurses, memory and time
 * are linear in the pickle's bytes.
 *
 *     init -> run -> node, item, first, ... -> deinit    Values borrow from the bytes and die with
 * the machine. Threads: one at a time; read-only after run. */
#ifndef ZIS_FORMATS_PTH_PICKLE_H
#define ZIS_FORMATS_PTH_PICKLE_H

#include "formats/pth_objects.h"

/* Bytes of a pickle, without the tensors' values: real ones have some hundred KB. */
#define ZIS_PTH_PICKLE_MAX ((size_t)64 << 20)

typedef enum zis_pth_kind {
    ZIS_PTH_NONE,
    ZIS_PTH_BOOL,
    ZIS_PTH_INT,
    ZIS_PTH_BIG, /* a whole number of more than 64 bits: its little-endian bytes */
    ZIS_PTH_FLOAT,
    ZIS_PTH_STRING,
    ZIS_PTH_TUPLE,
    ZIS_PTH_LIST,
    ZIS_PTH_DICT,
    ZIS_PTH_GLOBAL,  /* a row of the allowed ones */
    ZIS_PTH_STORAGE, /* an index among the objects' windows */
    ZIS_PTH_TENSOR,  /* an index among the objects' views */
} zis_pth_kind;

typedef struct zis_pth_node {
    uint32_t kind; /* zis_pth_kind */
    uint32_t n;    /* bytes of a string or big number, items of a tuple, list or dict */
    union {
        int64_t i;   /* bool, int, index */
        uint64_t at; /* where the bytes of a string or big number begin in the pickle */
        struct {
            uint32_t first, last; /* tuple: the first item; list, dict: cells */
        } in;
    } v;
} zis_pth_node;

/* A link of a list or dict. */
typedef struct zis_pth_cell {
    uint32_t key; /* node; of a list unused */
    uint32_t value;
    uint32_t next; /* ZIS_PTH_END for the last */
} zis_pth_cell;

#define ZIS_PTH_END UINT32_MAX

struct zis_pth_pickle {
    const char *path; /* for messages */
    const unsigned char *data;
    size_t size;
    uint64_t base; /* where the data lies in the file, for messages */
    size_t at;     /* of the next opcode */
    size_t op;     /* of the current one */
    zis_pth_objects *objects;
    zis_error *err;
    zis_pth_node *nodes;
    uint32_t *items; /* of tuples */
    zis_pth_cell *cells;
    uint32_t *stack, *marks, *memo;
    size_t n_nodes, n_items, n_cells, n_stack, n_marks, n_memo;
    size_t nodes_room, items_room, cells_room, stack_room, marks_room, memo_room;
};

/* All is borrowed. `objects` NULL: the pickle may name no storages and tensors. */
void zis_pth_pickle_init(zis_pth_pickle *p,
                         const char *path,
                         const unsigned char *data,
                         size_t size,
                         uint64_t base,
                         zis_pth_objects *objects);
/* Runs to STOP; *top is the value, p->at the position behind. Once only. */
ZIS_MUST_USE zis_status zis_pth_pickle_run(zis_pth_pickle *p, uint32_t *top, zis_error *err);
void zis_pth_pickle_deinit(zis_pth_pickle *p);

static inline const zis_pth_node *zis_pth_pickle_node(const zis_pth_pickle *p, uint32_t i)
{
    return &p->nodes[i];
}

/* Item k of a tuple. */
static inline uint32_t zis_pth_pickle_item(const zis_pth_pickle *p,
                                           const zis_pth_node *tuple,
                                           int k)
{
    return p->items[tuple->v.in.first + (uint32_t)k];
}

/* The text of a string node, not NUL-terminated. */
static inline const char *zis_pth_pickle_text(const zis_pth_pickle *p, const zis_pth_node *s)
{
    return (const char *)p->data + s->v.at;
}

bool zis_pth_pickle_is(const zis_pth_pickle *p, uint32_t node, const char *text);
/* The value of the key in a dict: the last one of this name; ZIS_PTH_END when it is absent. */
uint32_t zis_pth_pickle_get(const zis_pth_pickle *p, uint32_t dict, const char *key);

/* For pth_objects.c. A failure at the current opcode. */
ZIS_PRINTF(3, 4)
zis_status zis_pth_pickle_fail(zis_pth_pickle *p, zis_status code, const char *fmt, ...);
ZIS_MUST_USE zis_status zis_pth_pickle_add(zis_pth_pickle *p, zis_pth_node n, uint32_t *out);
/* Appends to a list or dict node. */
ZIS_MUST_USE zis_status zis_pth_pickle_link(zis_pth_pickle *p,
                                            uint32_t to,
                                            uint32_t key,
                                            uint32_t value);

#endif
