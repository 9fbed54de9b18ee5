/* status.h - how every part of the program says that something went wrong.
 *
 * One enum, zero is success everywhere. Where a person will ask why, the last parameter is a
 * zis_error: it is filled once, where the fault is found, and passed up untouched, so the command
 * line and the HTTP API print the same sentence. Outputs are untouched on failure.
 *
 * Threads: a zis_error belongs to one thread at a time. */
#ifndef ZIS_BASE_STATUS_H
#define ZIS_BASE_STATUS_H

#include <stdarg.h>

/* name, machine-readable text */
#define ZIS_STATUS_LIST(X)                                                                         \
    X(OK, "ok")                                                                                    \
    X(NOMEM, "out_of_memory")                                                                      \
    X(ARG, "bad_argument")                                                                         \
    X(IO, "io")                                                                                    \
    X(FORMAT, "bad_format")                                                                        \
    X(NOT_FOUND, "not_found")                                                                      \
    X(UNSUPPORTED, "unsupported")                                                                  \
    X(DEVICE, "device")                                                                            \
    X(NUMERIC, "numeric")                                                                          \
    X(CANCELLED, "cancelled")                                                                      \
    X(BUSY, "queue_full")                                                                          \
    X(CLOSED, "shutting_down")

typedef enum zis_status {
#define X(name, text) ZIS_##name,
    ZIS_STATUS_LIST(X)
#undef X
} zis_status;

#define ZIS_MUST_USE __attribute__((warn_unused_result))
#define ZIS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* A failure with the one sentence that a person reads. */
typedef struct zis_error {
    zis_status code;
    char text[2048]; /* room for the list of all tensors that a file lacks */
} zis_error;

/* Fills err (may be NULL) and returns code: `return zis_fail(err, ZIS_IO, "...")`. The text is cut
 * to fit at a UTF-8 boundary; control characters are replaced, since it may quote a hostile file.
 */
zis_status zis_fail(zis_error *err, zis_status code, const char *fmt, ...) ZIS_PRINTF(3, 4);
zis_status zis_failv(zis_error *err, zis_status code, const char *fmt, va_list ap);

/* Blanks, in place, what a terminal would obey: control characters, turns of direction. For text of
 * a file that a person is going to read. */
void zis_text_clean(char *text);

/* The usual answer to a failed allocation; `what` names the thing, e.g. "the tokenizer". */
zis_status zis_fail_nomem(zis_error *err, const char *what);

/* "out_of_memory", ...: stable, used in JSON. Never NULL. */
const char *zis_status_name(zis_status code);

#endif
