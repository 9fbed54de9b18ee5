/* cli.h - the command line: a table of commands, and what they share.
 *
 * Exit codes: 0 done, 2 bad usage, 1 anything else, 130 after Ctrl-C. Errors are one sentence on
 * standard error.
 *
 * Threads: the main thread only. */
#ifndef ZIS_CLI_CLI_H
#define ZIS_CLI_CLI_H

#include "base/status.h"

#include <stdatomic.h>
#include <stdbool.h>

int zis_cli_main(int argc, char **argv);

/* What every command is given. */
typedef struct zis_cli {
    const char *command;       /* "generate" */
    const atomic_bool *cancel; /* set by Ctrl-C */
    bool json;                 /* failures are printed as JSON, too */
} zis_cli;

typedef struct zis_command {
    const char *name;
    /* argv[0] is the command's name. The sentence of a failure is printed by the caller. */
    zis_status (*run)(zis_cli *cli, int argc, char **argv, zis_error *err);
    const char *help; /* one line */
} zis_command;

/* NULL behind the last. */
const zis_command *zis_command_at(int i);

zis_status zis_cmd_generate(zis_cli *cli, int argc, char **argv, zis_error *err);
zis_status zis_cmd_serve(zis_cli *cli, int argc, char **argv, zis_error *err);
zis_status zis_cmd_preprocess(zis_cli *cli, int argc, char **argv, zis_error *err);
zis_status zis_cmd_fetch(zis_cli *cli, int argc, char **argv, zis_error *err);
zis_status zis_cmd_upscale(zis_cli *cli, int argc, char **argv, zis_error *err);
zis_status zis_cmd_info(zis_cli *cli, int argc, char **argv, zis_error *err);
zis_status zis_cmd_models(zis_cli *cli, int argc, char **argv, zis_error *err);
zis_status zis_cmd_synth(zis_cli *cli, int argc, char **argv, zis_error *err);
zis_status zis_cmd_bench(zis_cli *cli, int argc, char **argv, zis_error *err);
zis_status zis_cmd_selftest(zis_cli *cli, int argc, char **argv, zis_error *err);
zis_status zis_cmd_version(zis_cli *cli, int argc, char **argv, zis_error *err);
zis_status zis_cmd_help(zis_cli *cli, int argc, char **argv, zis_error *err);

#endif
