/* args.h - options of a command, from tables: its own rows, and the fields of a request.
 *
 *     parse -> look at each setting in order -> deinit
 *
 * Threads: one at a time (getopt keeps state). */
#ifndef ZIS_CLI_ARGS_H
#define ZIS_CLI_ARGS_H

#include "base/status.h"
#include "pipeline/request.h"

typedef struct zis_option {
    int id;              /* the command's own, > 0 */
    const char *flags;   /* long names, separated by spaces; the first is shown */
    char short_flag;     /* or 0 */
    const char *metavar; /* NULL: a switch */
    const char *help;
    double lo, hi; /* of a number, for zis_args_int and zis_args_real */
} zis_option;

/* One option as it was given; exactly one of option and field is set. */
typedef struct zis_setting {
    const zis_option *option;
    const zis_field *field;
    const char *said;  /* "--steps", "-s"; owned by the args */
    const char *value; /* NULL for a switch; borrowed from argv */
} zis_setting;

typedef struct zis_args {
    zis_setting *settings;
    size_t n_settings;
    char **rest; /* what is no option; borrowed from argv */
    int n_rest;
    bool help; /* -h or --help: nothing else counts */
} zis_args;

/* What a command takes; also what its help is made of. */
typedef struct zis_usage {
    const char *command;       /* "generate" */
    const char *synopsis;      /* "[PROMPT] [options]" */
    const char *about;         /* a few lines */
    unsigned fields;           /* fields of a request that apply (ZIS_FIELD_...), or 0 */
    const zis_option *options; /* ended by id 0 */
    int rest_max;              /* most arguments that are no option */
} zis_usage;

ZIS_MUST_USE zis_status
zis_args_parse(zis_args *out, const zis_usage *u, int argc, char **argv, zis_error *err);
void zis_args_deinit(zis_args *a);

/* The value of a setting as a number within its row's range. */
ZIS_MUST_USE zis_status zis_args_int(const zis_setting *s, int *out, zis_error *err);
ZIS_MUST_USE zis_status zis_args_real(const zis_setting *s, double *out, zis_error *err);
/* Bytes: a number and K, M, G or T of 1024 each ("8G", "1.5GB", "512MiB"); at least 1. */
ZIS_MUST_USE zis_status zis_args_size(const zis_setting *s, uint64_t *out, zis_error *err);

/* The help page, on standard output. */
void zis_args_help(const zis_usage *u);

#endif
