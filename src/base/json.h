/* json.h - a strict pull parser for JSON from files (RFC 8259), for texts of any size.
 *
 * The caller walks the text token by token; nothing is built, nothing is allocated but one buffer
 * for strings that hold escapes. Strict: UTF-8 checked, no duplicate look-ups here (callers that
 * need unique keys check), no NaN, no leading zeros, no comments, no trailing bytes; nesting at
 * most ZIS_JSON_DEPTH. Every error names the byte offset and what was expected.
 *
 *     init -> next, next, ... until ZIS_JSON_END -> deinit          Threads: one at a time. */
#ifndef ZIS_BASE_JSON_H
#define ZIS_BASE_JSON_H

#include "base/mem.h"
#include "base/status.h"

#define ZIS_JSON_DEPTH 64

typedef enum zis_json_type {
    ZIS_JSON_END, /* the whole text was read */
    ZIS_JSON_OBJECT_BEGIN,
    ZIS_JSON_OBJECT_END,
    ZIS_JSON_ARRAY_BEGIN,
    ZIS_JSON_ARRAY_END,
    ZIS_JSON_KEY, /* of an object's member: text, len */
    ZIS_JSON_STRING,
    ZIS_JSON_NUMBER, /* text, len: the literal; see zis_json_int, zis_json_double */
    ZIS_JSON_TRUE,
    ZIS_JSON_FALSE,
    ZIS_JSON_NULL,
} zis_json_type;

typedef struct zis_json_token {
    zis_json_type type;
    /* KEY, STRING: the unescaped UTF-8 bytes (may hold NUL, not terminated); NUMBER: the literal.
     * Borrowed from the text or from the parser; valid until the next call. */
    const char *text;
    size_t len;
    size_t at; /* byte offset of the token */
} zis_json_token;

typedef struct zis_json {
    const char *what; /* what the text is, for messages: "header of model.safetensors"; borrowed */
    const char *data;
    size_t size;
    size_t pos;
    int depth;
    int state;
    unsigned char stack[ZIS_JSON_DEPTH];
    zis_buf text;
} zis_json;

/* Borrows what and data until deinit. */
void zis_json_init(zis_json *j, const char *what, const void *data, size_t size);
void zis_json_deinit(zis_json *j);

ZIS_MUST_USE zis_status zis_json_next(zis_json *j, zis_json_token *out, zis_error *err);
/* Skips the value whose first token is t (a scalar: nothing left to do; an object or array: up to
 * its end; a key: its value). */
ZIS_MUST_USE zis_status zis_json_skip(zis_json *j, const zis_json_token *t, zis_error *err);

/* True when t is a KEY or STRING equal to the C string s. */
bool zis_json_is(const zis_json_token *t, const char *s);

/* The number as an integer; fails on fractions, exponents, and what does not fit. */
ZIS_MUST_USE zis_status zis_json_int(const zis_json *j,
                                     const zis_json_token *t,
                                     int64_t *out,
                                     zis_error *err);
/* The number as a double; overflow to infinity fails. */
ZIS_MUST_USE zis_status zis_json_double(const zis_json *j,
                                        const zis_json_token *t,
                                        double *out,
                                        zis_error *err);

/* A failure at a token: "<what>: byte N: <message>". */
zis_status zis_json_fail(const zis_json *j,
                         const zis_json_token *t,
                         zis_error *err,
                         const char *fmt,
                         ...) ZIS_PRINTF(4, 5);

/* A small JSON document read into a flat list of path -> scalar, for config files:
 * {"a": {"b": [1, 2]}} gives "a.b.0" = 1, "a.b.1" = 2, and "a.b.#" = 2 (the length of an array).
 * Of a key that comes twice the last value counts, as in Python; a key with points is the path that
 * it looks like. At most 64 KB of text. Objects and arrays have entries too (for `has`); the data
 * is not needed after parsing.
 */
typedef struct zis_json_doc zis_json_doc;
ZIS_MUST_USE zis_status zis_json_doc_parse(
    zis_json_doc **out, const char *what, const void *data, size_t size, zis_error *err);
void zis_json_doc_destroy(zis_json_doc **doc);
/* ZIS_FORMAT where the text is a list, a number, ... */
ZIS_MUST_USE zis_status zis_json_doc_want_object(const zis_json_doc *doc, zis_error *err);
bool zis_json_doc_has(const zis_json_doc *doc, const char *path);
/* Absent or null: *out untouched, ZIS_OK. Of the wrong type or outside [lo, hi]: ZIS_FORMAT. */
ZIS_MUST_USE zis_status zis_json_doc_int(const zis_json_doc *doc,
                                         const char *path,
                                         int64_t lo,
                                         int64_t hi,
                                         int64_t *out,
                                         zis_error *err);
ZIS_MUST_USE zis_status zis_json_doc_double(
    const zis_json_doc *doc, const char *path, double lo, double hi, double *out, zis_error *err);
ZIS_MUST_USE zis_status zis_json_doc_bool(const zis_json_doc *doc,
                                          const char *path,
                                          bool *out,
                                          zis_error *err);
/* NULL when absent or not a string (or with a NUL inside); borrowed from the document. */
const char *zis_json_doc_string(const zis_json_doc *doc, const char *path);

#endif
