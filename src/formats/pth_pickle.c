/* pth_pickle.c - opcodes of pickle protocol 2 (Python's pickletools.py describes them). */
#include "formats/pth_pickle.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Most nodes, links and memo entries: some hundred MB at the very worst. */
#define VALUES_MAX ((size_t)1 << 22)
#define GLOBAL_MAX 200u

/* Values that need no node of their own each time. */
enum { NODE_NONE, NODE_FALSE, NODE_TRUE, NODE_EMPTY_TUPLE, NODES_FIXED };

zis_status zis_pth_pickle_fail(zis_pth_pickle *p, zis_status code, const char *fmt, ...)
{
    zis_error inner = {0};
    va_list ap;
    va_start(ap, fmt);
    zis_failv(&inner, code, fmt, ap);
    va_end(ap);
    return zis_fail(p->err, code, "'%s': byte %" PRIu64 ": %s", p->path, p->base + p->op,
                    inner.text);
}

static zis_status bad(zis_pth_pickle *p, const char *text)
{
    return zis_pth_pickle_fail(p, ZIS_FORMAT, "%s", text);
}

/* Room for one more element after the n of *array, a pointer to elements of `size` bytes. */
static zis_status make_room(zis_pth_pickle *p, void *array, size_t size, size_t n, size_t *room)
{
    void *block;
    if (n < *room) return ZIS_OK;
    if (n >= VALUES_MAX)
        return zis_pth_pickle_fail(
            p, ZIS_UNSUPPORTED, "the pickle holds more than %zu values, which no checkpoint does",
            VALUES_MAX);
    memcpy(&block, array, sizeof block);
    size_t more = *room ? *room * 2 : 64;
    block = zis_mem_resize(block, more, size);
    if (!block) return zis_fail_nomem(p->err, p->path);
    memcpy(array, &block, sizeof block);
    *room = more;
    return ZIS_OK;
}

zis_status zis_pth_pickle_add(zis_pth_pickle *p, zis_pth_node n, uint32_t *out)
{
    zis_status st = make_room(p, &p->nodes, sizeof *p->nodes, p->n_nodes, &p->nodes_room);
    if (st) return st;
    *out = (uint32_t)p->n_nodes;
    p->nodes[p->n_nodes++] = n;
    return ZIS_OK;
}

zis_status zis_pth_pickle_link(zis_pth_pickle *p, uint32_t to, uint32_t key, uint32_t value)
{
    zis_status st = make_room(p, &p->cells, sizeof *p->cells, p->n_cells, &p->cells_room);
    if (st) return st;
    zis_pth_node *n = &p->nodes[to];
    uint32_t c = (uint32_t)p->n_cells++;
    p->cells[c] = (zis_pth_cell){.key = key, .value = value, .next = ZIS_PTH_END};
    if (n->n++ == 0)
        n->v.in.first = c;
    else
        p->cells[n->v.in.last].next = c;
    n->v.in.last = c;
    return ZIS_OK;
}

bool zis_pth_pickle_is(const zis_pth_pickle *p, uint32_t node, const char *text)
{
    const zis_pth_node *n = &p->nodes[node];
    return n->kind == ZIS_PTH_STRING && n->n == strlen(text) &&
           memcmp(zis_pth_pickle_text(p, n), text, n->n) == 0;
}

uint32_t zis_pth_pickle_get(const zis_pth_pickle *p, uint32_t dict, const char *key)
{
    const zis_pth_node *d = &p->nodes[dict];
    uint32_t found = ZIS_PTH_END;
    if (d->kind != ZIS_PTH_DICT || d->n == 0) return found;
    for (uint32_t c = d->v.in.first; c != ZIS_PTH_END; c = p->cells[c].next)
        if (zis_pth_pickle_is(p, p->cells[c].key, key)) found = p->cells[c].value;
    return found;
}

/* ---- the stack ------------------------------------------------------------------------------- */

static zis_status push(zis_pth_pickle *p, uint32_t node)
{
    zis_status st = make_room(p, &p->stack, sizeof *p->stack, p->n_stack, &p->stack_room);
    if (!st) p->stack[p->n_stack++] = node;
    return st;
}

static zis_status push_new(zis_pth_pickle *p, zis_pth_node n)
{
    uint32_t i;
    zis_status st = zis_pth_pickle_add(p, n, &i);
    return st ? st : push(p, i);
}

/* Values above the topmost mark: those that an opcode may take. */
static size_t depth(const zis_pth_pickle *p)
{
    return p->n_stack - (p->n_marks ? p->marks[p->n_marks - 1] : 0);
}

static zis_status need(zis_pth_pickle *p, size_t n)
{
    if (depth(p) >= n) return ZIS_OK;
    return zis_pth_pickle_fail(p, ZIS_FORMAT,
                               "opcode 0x%02x takes %zu values, but there are only %zu",
                               p->data[p->op], n, depth(p));
}

static uint32_t pop(zis_pth_pickle *p)
{
    return p->stack[--p->n_stack];
}

/* Takes the topmost mark away; *n values lay above it. */
static zis_status pop_mark(zis_pth_pickle *p, size_t *n)
{
    if (p->n_marks == 0)
        return zis_pth_pickle_fail(p, ZIS_FORMAT, "opcode 0x%02x needs a MARK, but there is none",
                                   p->data[p->op]);
    *n = depth(p);
    p->n_marks--;
    return ZIS_OK;
}

/* ---- arguments of opcodes -------------------------------------------------------------------- */

/* The next n bytes. */
static zis_status take(zis_pth_pickle *p, size_t n, const unsigned char **out)
{
    if (n > p->size - p->at)
        return zis_pth_pickle_fail(
            p, ZIS_FORMAT,
            "opcode 0x%02x takes %zu bytes, but the pickle ends after %zu: cut short?",
            p->data[p->op], n, p->size - p->at);
    *out = p->data + p->at;
    p->at += n;
    return ZIS_OK;
}

/* n little-endian bytes without sign. */
static zis_status take_number(zis_pth_pickle *p, int n, uint32_t *out)
{
    const unsigned char *b = NULL;
    zis_status st = take(p, (size_t)n, &b);
    if (st) return st;
    *out = 0;
    for (int i = 0; i < n; i++) *out |= (uint32_t)b[i] << (8 * i);
    return ZIS_OK;
}

static zis_status push_int(zis_pth_pickle *p, int64_t v)
{
    return push_new(p, (zis_pth_node){.kind = ZIS_PTH_INT, .v.i = v});
}

/* LONG1: two's complement, little-endian. */
static zis_status do_long(zis_pth_pickle *p)
{
    uint32_t n = 0;
    const unsigned char *b = NULL;
    zis_status st = take_number(p, 1, &n);
    if (!st) st = take(p, n, &b);
    if (st) return st;
    if (n > 8)
        return push_new(
            p, (zis_pth_node){.kind = ZIS_PTH_BIG, .n = n, .v.at = (uint64_t)(b - p->data)});
    uint64_t v = n && b[n - 1] & 0x80 ? UINT64_MAX : 0;
    for (uint32_t i = n; i-- > 0;) v = v << 8 | b[i];
    return push_int(p, (int64_t)v);
}

/* A string whose length is a number of `width` bytes. Those of Python 3 are UTF-8; those of Python
 * 2 may be anything. */
static zis_status do_string(zis_pth_pickle *p, int width, bool utf8)
{
    uint32_t n = 0;
    const unsigned char *b = NULL;
    zis_status st = take_number(p, width, &n);
    if (!st) st = take(p, n, &b);
    if (st) return st;
    if (utf8 && !zis_utf8_valid((const char *)b, n)) return bad(p, "a string is not UTF-8");
    return push_new(
        p, (zis_pth_node){.kind = ZIS_PTH_STRING, .n = n, .v.at = (uint64_t)(b - p->data)});
}

/* A line of printable ASCII up to LF, which is not part of it. */
static zis_status take_line(zis_pth_pickle *p, const char **out, size_t *len)
{
    const unsigned char *b = p->data + p->at;
    size_t left = p->size - p->at, n = 0;
    while (n < left && n <= GLOBAL_MAX && b[n] > 0x20 && b[n] < 0x7F) n++;
    if (n == left || n == 0 || n > GLOBAL_MAX || b[n] != '\n')
        return bad(p, "the name of a global is not a short line of plain ASCII");
    *out = (const char *)b;
    *len = n;
    p->at += n + 1;
    return ZIS_OK;
}

static zis_status do_global(zis_pth_pickle *p)
{
    const char *module, *name;
    size_t module_len, name_len;
    int64_t row;
    zis_status st = take_line(p, &module, &module_len);
    if (!st) st = take_line(p, &name, &name_len);
    if (!st) st = zis_pth_objects_global(p, module, module_len, name, name_len, &row);
    return st ? st : push_new(p, (zis_pth_node){.kind = ZIS_PTH_GLOBAL, .v.i = row});
}

/* ---- containers ------------------------------------------------------------------------------ */

/* A tuple of the n topmost values. */
static zis_status do_tuple(zis_pth_pickle *p, size_t n)
{
    if (n == 0) return push(p, NODE_EMPTY_TUPLE);
    zis_pth_node t = {.kind = ZIS_PTH_TUPLE, .n = (uint32_t)n, .v.in.first = (uint32_t)p->n_items};
    for (size_t i = 0; i < n; i++) {
        zis_status st = make_room(p, &p->items, sizeof *p->items, p->n_items, &p->items_room);
        if (st) return st;
        p->items[p->n_items++] = p->stack[p->n_stack - n + i];
    }
    p->n_stack -= n;
    return push_new(p, t);
}

/* Appends the n topmost values to the list below them. */
static zis_status do_append(zis_pth_pickle *p, size_t n)
{
    zis_status st = ZIS_OK;
    p->n_stack -= n;
    if (depth(p) == 0 || p->nodes[p->stack[p->n_stack - 1]].kind != ZIS_PTH_LIST)
        return bad(p, "values are appended to what is no list");
    uint32_t list = p->stack[p->n_stack - 1];
    for (size_t i = 0; i < n && !st; i++)
        st = zis_pth_pickle_link(p, list, NODE_NONE, p->stack[p->n_stack + i]);
    return st;
}

/* Adds the n topmost values, keys and values by turns, to the dict below them. */
static zis_status do_set(zis_pth_pickle *p, size_t n)
{
    zis_status st = ZIS_OK;
    if (n % 2) return bad(p, "a key without a value");
    p->n_stack -= n;
    if (depth(p) == 0 || p->nodes[p->stack[p->n_stack - 1]].kind != ZIS_PTH_DICT)
        return bad(p, "items are set in what is no dictionary");
    uint32_t dict = p->stack[p->n_stack - 1];
    for (size_t i = 0; i < n && !st; i += 2) {
        uint32_t key = p->stack[p->n_stack + i], kind = p->nodes[key].kind;
        if (kind > ZIS_PTH_TUPLE)
            return bad(p, "the key of a dictionary is neither a string, a number nor a tuple");
        st = zis_pth_pickle_link(p, dict, key, p->stack[p->n_stack + i + 1]);
    }
    return st;
}

/* BUILD sets attributes of an object. Only dictionaries have some here (`_metadata` of a state
 * dictionary), and none that we need. */
static zis_status do_build(zis_pth_pickle *p)
{
    zis_status st = need(p, 2);
    if (st) return st;
    uint32_t state = pop(p);
    if (p->nodes[state].kind != ZIS_PTH_DICT ||
        p->nodes[p->stack[p->n_stack - 1]].kind != ZIS_PTH_DICT)
        return bad(p, "attributes are set on what is no OrderedDict");
    return ZIS_OK;
}

/* ---- memo ------------------------------------------------------------------------------------ */

/* The index is bounded by the bytes before it: each entry takes some. */
static zis_status do_put(zis_pth_pickle *p, int width)
{
    uint32_t i = 0;
    zis_status st = take_number(p, width, &i);
    if (!st) st = need(p, 1);
    if (st) return st;
    if (i > p->op || i >= VALUES_MAX)
        return zis_pth_pickle_fail(p, ZIS_FORMAT, "memo entry %" PRIu32 " is out of all proportion",
                                   i);
    while (p->n_memo <= i) {
        st = make_room(p, &p->memo, sizeof *p->memo, p->n_memo, &p->memo_room);
        if (st) return st;
        p->memo[p->n_memo++] = ZIS_PTH_END;
    }
    p->memo[i] = p->stack[p->n_stack - 1];
    return ZIS_OK;
}

static zis_status do_get(zis_pth_pickle *p, int width)
{
    uint32_t i = 0;
    zis_status st = take_number(p, width, &i);
    if (st) return st;
    if (i >= p->n_memo || p->memo[i] == ZIS_PTH_END)
        return zis_pth_pickle_fail(p, ZIS_FORMAT, "memo entry %" PRIu32 " was never set", i);
    return push(p, p->memo[i]);
}

/* ---- opcodes --------------------------------------------------------------------------------- */

static zis_status do_proto(zis_pth_pickle *p)
{
    uint32_t version = 0;
    zis_status st = take_number(p, 1, &version);
    if (st || version == 2) return st;
    return zis_pth_pickle_fail(
        p, ZIS_UNSUPPORTED,
        "pickle protocol %" PRIu32
        " is not read, only 2; save the file again with torch.save's own protocol",
        version);
}

static zis_status do_call(zis_pth_pickle *p)
{
    uint32_t out;
    zis_status st = need(p, 2);
    if (st) return st;
    uint32_t args = pop(p), function = pop(p);
    st = zis_pth_objects_call(p, function, args, &out);
    return st ? st : push(p, out);
}

static zis_status do_persist(zis_pth_pickle *p)
{
    uint32_t out;
    zis_status st = need(p, 1);
    if (!st) st = zis_pth_objects_persist(p, pop(p), &out);
    return st ? st : push(p, out);
}

static zis_status do_mark(zis_pth_pickle *p)
{
    zis_status st = make_room(p, &p->marks, sizeof *p->marks, p->n_marks, &p->marks_room);
    if (!st) p->marks[p->n_marks++] = (uint32_t)p->n_stack;
    return st;
}

/* Acts on all values above the topmost mark. */
static zis_status from_mark(zis_pth_pickle *p, zis_status (*act)(zis_pth_pickle *, size_t))
{
    size_t n = 0;
    zis_status st = pop_mark(p, &n);
    return st ? st : act(p, n);
}

static zis_status fixed(zis_pth_pickle *p, size_t n, zis_status (*act)(zis_pth_pickle *, size_t))
{
    zis_status st = need(p, n);
    return st ? st : act(p, n);
}

static zis_status do_uint(zis_pth_pickle *p, int width)
{
    uint32_t v = 0;
    zis_status st = take_number(p, width, &v);
    return st ? st : push_int(p, width == 4 ? (int32_t)v : (int64_t)v);
}

static zis_status do_float(zis_pth_pickle *p)
{
    const unsigned char *b; /* the value beside the tensors is of no use here */
    zis_status st = take(p, 8, &b);
    return st ? st : push_new(p, (zis_pth_node){.kind = ZIS_PTH_FLOAT});
}

static zis_status step(zis_pth_pickle *p, unsigned char op)
{
    switch (op) {
    case 0x80: /* PROTO */
        return do_proto(p);
    case '(': /* MARK */
        return do_mark(p);
    case 'N': /* NONE */
        return push(p, NODE_NONE);
    case 0x88: /* NEWTRUE */
        return push(p, NODE_TRUE);
    case 0x89: /* NEWFALSE */
        return push(p, NODE_FALSE);
    case 'K': /* BININT1 */
        return do_uint(p, 1);
    case 'M': /* BININT2 */
        return do_uint(p, 2);
    case 'J': /* BININT, signed */
        return do_uint(p, 4);
    case 0x8A: /* LONG1 */
        return do_long(p);
    case 'G': /* BINFLOAT */
        return do_float(p);
    case 'X': /* BINUNICODE */
        return do_string(p, 4, true);
    case 'U': /* SHORT_BINSTRING */
        return do_string(p, 1, false);
    case 'T': /* BINSTRING */
        return do_string(p, 4, false);
    case ')': /* EMPTY_TUPLE */
        return do_tuple(p, 0);
    case 0x85: /* TUPLE1 */
    case 0x86: /* TUPLE2 */
    case 0x87: /* TUPLE3 */
        return fixed(p, op - 0x84u, do_tuple);
    case 't': /* TUPLE */
        return from_mark(p, do_tuple);
    case ']': /* EMPTY_LIST */
        return push_new(p, (zis_pth_node){.kind = ZIS_PTH_LIST});
    case 'a': /* APPEND */
        return fixed(p, 1, do_append);
    case 'e': /* APPENDS */
        return from_mark(p, do_append);
    case '}': /* EMPTY_DICT */
        return push_new(p, (zis_pth_node){.kind = ZIS_PTH_DICT});
    case 's': /* SETITEM */
        return fixed(p, 2, do_set);
    case 'u': /* SETITEMS */
        return from_mark(p, do_set);
    case 'q': /* BINPUT */
        return do_put(p, 1);
    case 'r': /* LONG_BINPUT */
        return do_put(p, 4);
    case 'h': /* BINGET */
        return do_get(p, 1);
    case 'j': /* LONG_BINGET */
        return do_get(p, 4);
    case 'c': /* GLOBAL */
        return do_global(p);
    case 'R': /* REDUCE */
        return do_call(p);
    case 'Q': /* BINPERSID */
        return do_persist(p);
    case 'b': /* BUILD */
        return do_build(p);
    default:
        return zis_pth_pickle_fail(
            p, ZIS_FORMAT, "pickle opcode 0x%02x is not allowed: torch.save does not write it", op);
    }
}

void zis_pth_pickle_init(zis_pth_pickle *p,
                         const char *path,
                         const unsigned char *data,
                         size_t size,
                         uint64_t base,
                         zis_pth_objects *objects)
{
    *p = (zis_pth_pickle){
        .path = path, .data = data, .size = size, .base = base, .objects = objects};
}

zis_status zis_pth_pickle_run(zis_pth_pickle *p, uint32_t *top, zis_error *err)
{
    static const zis_pth_node constants[NODES_FIXED] = {
        [NODE_NONE] = {.kind = ZIS_PTH_NONE},
        [NODE_FALSE] = {.kind = ZIS_PTH_BOOL},
        [NODE_TRUE] = {.kind = ZIS_PTH_BOOL, .v.i = 1},
        [NODE_EMPTY_TUPLE] = {.kind = ZIS_PTH_TUPLE}};
    zis_status st = ZIS_OK;
    uint32_t ignored;
    p->err = err;
    for (int i = 0; i < NODES_FIXED && !st; i++) st = zis_pth_pickle_add(p, constants[i], &ignored);
    while (!st) {
        p->op = p->at;
        if (p->at == p->size || p->at >= ZIS_PTH_PICKLE_MAX)
            return zis_pth_pickle_fail(p, ZIS_FORMAT, "the pickle %s",
                                       p->at == p->size ? "ends without STOP: cut short?"
                                                        : "is far too long");
        unsigned char op = p->data[p->at++];
        if (op == '.') { /* STOP */
            if (p->n_marks || p->n_stack != 1)
                return zis_pth_pickle_fail(
                    p, ZIS_FORMAT, "STOP with %zu values and %zu marks on the stack, not one value",
                    p->n_stack, p->n_marks);
            *top = p->stack[0];
            return ZIS_OK;
        }
        st = step(p, op);
    }
    return st;
}

void zis_pth_pickle_deinit(zis_pth_pickle *p)
{
    free(p->nodes);
    free(p->items);
    free(p->cells);
    free(p->stack);
    free(p->marks);
    free(p->memo);
    *p = (zis_pth_pickle){0};
}
