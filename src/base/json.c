/* json.c - the strict pull parser. */
#include "base/json.h"

#include "base/utf8.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

/* What may come next. */
enum {
    AT_VALUE,        /* a value: at the start, after a colon, after a comma in an array */
    AT_ARRAY_FIRST,  /* a value or ']' */
    AT_OBJECT_FIRST, /* a key or '}' */
    AT_KEY,          /* a key: after a comma in an object */
    AT_AFTER,        /* a comma or the end of the container */
    AT_END,          /* nothing but white space */
};

enum { IN_ARRAY, IN_OBJECT };

void zis_json_init(zis_json *j, const char *what, const void *data, size_t size)
{
    *j = (zis_json){.what = what, .data = data, .size = size, .state = AT_VALUE};
}

void zis_json_deinit(zis_json *j)
{
    zis_buf_free(&j->text);
    *j = (zis_json){0};
}

static zis_status ZIS_PRINTF(4, 5)
    fail_at(const zis_json *j, size_t at, zis_error *err, const char *fmt, ...)
{
    zis_error inner = {0};
    va_list ap;
    va_start(ap, fmt);
    zis_failv(&inner, ZIS_FORMAT, fmt, ap);
    va_end(ap);
    return zis_fail(err, ZIS_FORMAT, "%s: byte %zu: %s", j->what, at, inner.text);
}

zis_status zis_json_fail(
    const zis_json *j, const zis_json_token *t, zis_error *err, const char *fmt, ...)
{
    zis_error inner = {0};
    va_list ap;
    va_start(ap, fmt);
    zis_failv(&inner, ZIS_FORMAT, fmt, ap);
    va_end(ap);
    return fail_at(j, t ? t->at : j->pos, err, "%s", inner.text);
}

/* "expected X, found Y". */
static zis_status unexpected(const zis_json *j, size_t at, zis_error *err, const char *expected)
{
    if (at >= j->size) return fail_at(j, at, err, "expected %s, but the text ends here", expected);
    unsigned char c = (unsigned char)j->data[at];
    if (c > 0x20 && c < 0x7F) return fail_at(j, at, err, "expected %s, found '%c'", expected, c);
    return fail_at(j, at, err, "expected %s, found byte 0x%02x", expected, c);
}

static size_t skip_space(const zis_json *j, size_t at)
{
    while (at < j->size) {
        char c = j->data[at];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t') break;
        at++;
    }
    return at;
}

#define ONES (~(uint64_t)0 / 255)
#define HIGH (ONES << 7)

/* A bit for each byte that ends a run of plain text: '"', '\\', control characters, non-ASCII.
 * Borrows may set bits too many, but only above (in value) a byte that truly ends the run. */
static uint64_t special_bytes(uint64_t x)
{
    uint64_t quote = x ^ (ONES * '"');
    uint64_t slash = x ^ (ONES * '\\');
    uint64_t hit = ((quote - ONES) & ~quote) | ((slash - ONES) & ~slash) | ((x - ONES * 0x20) & ~x);
    return (hit | x) & HIGH;
}

static size_t skip_plain(const zis_json *j, size_t at)
{
    while (j->size - at >= 8) {
        uint64_t x;
        memcpy(&x, j->data + at, 8);
        if (special_bytes(x)) break;
        at += 8;
    }
    while (at < j->size) {
        unsigned char c = (unsigned char)j->data[at];
        if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\') break;
        at++;
    }
    return at;
}

/* Four hex digits at `at`, or -1. */
static int32_t hex4(const zis_json *j, size_t at)
{
    int32_t v = 0;
    if (at > j->size || j->size - at < 4) return -1;
    for (size_t i = at; i < at + 4; i++) {
        char c = j->data[i];
        if (c >= '0' && c <= '9')
            v = v * 16 + (c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v * 16 + (c - 'a' + 10);
        else if (c >= 'A' && c <= 'F')
            v = v * 16 + (c - 'A' + 10);
        else
            return -1;
    }
    return v;
}

/* The escape whose backslash is at *at; appends it to j->text and moves *at behind it. */
static zis_status escape(zis_json *j, size_t *at, zis_error *err)
{
    size_t start = *at;
    if (start + 1 >= j->size) return unexpected(j, start + 1, err, "an escape");
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = j->data[start + 1];
    const char *p = c ? strchr(from, c) : NULL;
    if (p) {
        zis_buf_putc(&j->text, to[p - from]);
        *at = start + 2;
        return ZIS_OK;
    }
    if (c != 'u') return fail_at(j, start, err, "unknown escape in a string");
    int32_t hi = hex4(j, start + 2);
    if (hi < 0) return fail_at(j, start, err, "\\u needs four hexadecimal digits");
    uint32_t cp = (uint32_t)hi;
    *at = start + 6;
    if (cp >= 0xD800 && cp <= 0xDFFF) {
        int32_t lo = -1;
        if (cp < 0xDC00 && j->size - *at >= 2 && j->data[*at] == '\\' && j->data[*at + 1] == 'u')
            lo = hex4(j, *at + 2);
        if (lo < 0xDC00 || lo > 0xDFFF)
            return fail_at(j, start, err, "half of a surrogate pair without the other half");
        cp = 0x10000u + ((cp - 0xD800u) << 10) + ((uint32_t)lo - 0xDC00u);
        *at += 6;
    }
    char utf8[4];
    zis_buf_append(&j->text, utf8, zis_utf8_encode(cp, utf8));
    return ZIS_OK;
}

/* The string whose opening quote is at *at. Without escapes the token points into the text. */
static zis_status string(zis_json *j, size_t *at, zis_json_token *t, zis_error *err)
{
    size_t run = *at + 1, i = run; /* [run, i) is read but not copied yet */
    bool copied = false;
    j->text.len = 0;
    for (;;) {
        i = skip_plain(j, i);
        if (i >= j->size) return fail_at(j, *at, err, "this string has no end");
        unsigned char c = (unsigned char)j->data[i];
        if (c == '"') break;
        if (c < 0x20)
            return fail_at(j, i, err, "control character 0x%02x in a string (must be escaped)", c);
        if (c == '\\') {
            zis_buf_append(&j->text, j->data + run, i - run);
            copied = true;
            zis_status st = escape(j, &i, err);
            if (st) return st;
            run = i;
            continue;
        }
        uint32_t cp;
        size_t n = zis_utf8_decode(j->data + i, j->size - i, &cp);
        if (n == 0) return fail_at(j, i, err, "byte 0x%02x is not valid UTF-8", c);
        i += n;
    }
    if (copied) {
        zis_buf_append(&j->text, j->data + run, i - run);
        if (j->text.failed) {
            zis_buf_free(&j->text);
            return zis_fail_nomem(err, j->what);
        }
        t->text = j->text.data;
        t->len = j->text.len;
    } else {
        t->text = j->data + run;
        t->len = i - run;
    }
    *at = i + 1;
    return ZIS_OK;
}

static size_t skip_digits(const zis_json *j, size_t at)
{
    while (at < j->size && j->data[at] >= '0' && j->data[at] <= '9') at++;
    return at;
}

static zis_status number(zis_json *j, size_t *at, zis_json_token *t, zis_error *err)
{
    size_t i = *at, from;
    if (j->data[i] == '-') i++;
    from = i;
    i = skip_digits(j, i);
    if (i == from) return unexpected(j, i, err, "a digit");
    if (j->data[from] == '0' && i > from + 1)
        return fail_at(j, *at, err, "a number must not start with 0");
    if (i < j->size && j->data[i] == '.') {
        from = ++i;
        i = skip_digits(j, i);
        if (i == from) return unexpected(j, i, err, "a digit after the point");
    }
    if (i < j->size && (j->data[i] == 'e' || j->data[i] == 'E')) {
        i++;
        if (i < j->size && (j->data[i] == '+' || j->data[i] == '-')) i++;
        from = i;
        i = skip_digits(j, i);
        if (i == from) return unexpected(j, i, err, "a digit in the exponent");
    }
    t->type = ZIS_JSON_NUMBER;
    t->text = j->data + *at;
    t->len = i - *at;
    *at = i;
    return ZIS_OK;
}

static bool literal(const zis_json *j, size_t *at, const char *word)
{
    size_t n = strlen(word);
    if (j->size - *at < n || memcmp(j->data + *at, word, n) != 0) return false;
    *at += n;
    return true;
}

static zis_status open_container(
    zis_json *j, size_t at, int kind, zis_json_token *t, zis_error *err)
{
    if (j->depth == ZIS_JSON_DEPTH)
        return fail_at(j, at, err, "nested deeper than %d levels", ZIS_JSON_DEPTH);
    j->stack[j->depth++] = (unsigned char)kind;
    t->type = kind == IN_OBJECT ? ZIS_JSON_OBJECT_BEGIN : ZIS_JSON_ARRAY_BEGIN;
    j->state = kind == IN_OBJECT ? AT_OBJECT_FIRST : AT_ARRAY_FIRST;
    return ZIS_OK;
}

static void close_container(zis_json *j, zis_json_token *t)
{
    t->type = j->stack[--j->depth] == IN_OBJECT ? ZIS_JSON_OBJECT_END : ZIS_JSON_ARRAY_END;
    j->state = j->depth ? AT_AFTER : AT_END;
}

static zis_status value(zis_json *j, size_t *at, zis_json_token *t, zis_error *err)
{
    zis_status st = ZIS_OK;
    char c = *at < j->size ? j->data[*at] : '\0';
    if (c == '{' || c == '[') {
        st = open_container(j, *at, c == '{' ? IN_OBJECT : IN_ARRAY, t, err);
        if (!st) ++*at;
        return st;
    }
    if (c == '"') {
        t->type = ZIS_JSON_STRING;
        st = string(j, at, t, err);
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        st = number(j, at, t, err);
    } else if (literal(j, at, "true")) {
        t->type = ZIS_JSON_TRUE;
    } else if (literal(j, at, "false")) {
        t->type = ZIS_JSON_FALSE;
    } else if (literal(j, at, "null")) {
        t->type = ZIS_JSON_NULL;
    } else {
        return unexpected(j, *at, err, "a value");
    }
    if (!st) j->state = j->depth ? AT_AFTER : AT_END;
    return st;
}

/* A key and its colon. */
static zis_status key(zis_json *j, size_t *at, zis_json_token *t, zis_error *err)
{
    t->type = ZIS_JSON_KEY;
    zis_status st = string(j, at, t, err);
    if (st) return st;
    *at = skip_space(j, *at);
    if (*at >= j->size || j->data[*at] != ':') return unexpected(j, *at, err, "':' after the key");
    ++*at;
    j->state = AT_VALUE;
    return ZIS_OK;
}

zis_status zis_json_next(zis_json *j, zis_json_token *out, zis_error *err)
{
    zis_json_token t = {.type = ZIS_JSON_END};
    size_t at = skip_space(j, j->pos);
    int state = j->state;
    char c = at < j->size ? j->data[at] : '\0';
    zis_status st = ZIS_OK;

    if (state == AT_AFTER) {
        bool object = j->stack[j->depth - 1] == IN_OBJECT;
        if (c == ',') {
            at = skip_space(j, at + 1);
            c = at < j->size ? j->data[at] : '\0';
            state = object ? AT_KEY : AT_VALUE;
        } else if (c != (object ? '}' : ']')) {
            return unexpected(j, at, err, object ? "',' or '}'" : "',' or ']'");
        }
    }
    t.at = at;
    if (state == AT_END) {
        if (at < j->size) return unexpected(j, at, err, "the end of the text");
    } else if (state == AT_AFTER || (state == AT_ARRAY_FIRST && c == ']') ||
               (state == AT_OBJECT_FIRST && c == '}')) {
        close_container(j, &t);
        at++;
    } else if (state == AT_KEY || state == AT_OBJECT_FIRST) {
        if (c != '"')
            return unexpected(j, at, err, state == AT_KEY ? "a key in quotes" : "a key or '}'");
        st = key(j, &at, &t, err);
    } else {
        st = value(j, &at, &t, err);
    }
    if (st) return st;
    j->pos = at;
    *out = t;
    return ZIS_OK;
}

zis_status zis_json_skip(zis_json *j, const zis_json_token *t, zis_error *err)
{
    zis_json_token inner = *t;
    int depth = 0;
    for (;;) {
        if (inner.type == ZIS_JSON_OBJECT_BEGIN || inner.type == ZIS_JSON_ARRAY_BEGIN) depth++;
        if (inner.type == ZIS_JSON_OBJECT_END || inner.type == ZIS_JSON_ARRAY_END) depth--;
        if (depth <= 0 && inner.type != ZIS_JSON_KEY) return ZIS_OK;
        zis_status st = zis_json_next(j, &inner, err);
        if (st) return st;
    }
}

bool zis_json_is(const zis_json_token *t, const char *s)
{
    return (t->type == ZIS_JSON_KEY || t->type == ZIS_JSON_STRING) && strlen(s) == t->len &&
           memcmp(t->text, s, t->len) == 0;
}

/* A literal cut to a length that fits into a message. */
#define SHOWN(t) (int)((t)->len < 40 ? (t)->len : 40), (t)->text

zis_status zis_json_int(const zis_json *j, const zis_json_token *t, int64_t *out, zis_error *err)
{
    if (t->type != ZIS_JSON_NUMBER) return fail_at(j, t->at, err, "expected a whole number");
    bool negative = t->text[0] == '-';
    int64_t v = 0;
    for (size_t i = negative; i < t->len; i++) {
        char c = t->text[i];
        if (c < '0' || c > '9')
            return fail_at(j, t->at, err,
                           "expected a whole number without point and exponent, found %.*s",
                           SHOWN(t));
        int64_t digit = c - '0';
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, negative ? -digit : digit, &v))
            return fail_at(j, t->at, err, "the number %.*s does not fit into 64 bits", SHOWN(t));
    }
    *out = v;
    return ZIS_OK;
}

zis_status zis_json_double(const zis_json *j, const zis_json_token *t, double *out, zis_error *err)
{
    if (t->type != ZIS_JSON_NUMBER) return fail_at(j, t->at, err, "expected a number");
    char small[64], *text = small;
    if (t->len >= sizeof small) {
        text = zis_mem_strndup(t->text, t->len);
        if (!text) return zis_fail_nomem(err, j->what);
    } else {
        memcpy(small, t->text, t->len);
        small[t->len] = '\0';
    }
    /* the decimal point must not depend on the user's locale */
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    double v = c ? strtod_l(text, NULL, c) : 0;
    if (c) freelocale(c);
    if (text != small) free(text);
    if (!c) return zis_fail_nomem(err, j->what);
    if (v > 1.7976931348623157e308 || v < -1.7976931348623157e308)
        return fail_at(j, t->at, err, "the number %.*s is too large", SHOWN(t));
    *out = v;
    return ZIS_OK;
}
