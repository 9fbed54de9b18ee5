/* From argv to a command, from a status to an exit code. */
#include "cli/cli.h"

#include "cli/args.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "pipeline/jsonout.h"
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const zis_command commands[] = {
    {"generate", zis_cmd_generate, "draw a picture of what a prompt says"},
    {"preprocess", zis_cmd_preprocess, "make the control map of a picture: edges, depth, pose"},
    {"serve", zis_cmd_serve, "open the studio: web page and HTTP API"},
    {"upscale", zis_cmd_upscale, "make a picture larger, with detail that was not there"},
    {"models", zis_cmd_models, "list the models that are known and present"},
    {"fetch", zis_cmd_fetch, "download models into the Hugging Face cache"},
    {"info", zis_cmd_info, "say what a file or folder is: tensors, family, type, recipe"},
    {"bench", zis_cmd_bench, "measure time and memory of each stage"},
    {"selftest", zis_cmd_selftest, "compare with what the reference implementations computed"},
    {"synth", zis_cmd_synth, "write a checkpoint of synthetic weights, for tests"},
    {"version", zis_cmd_version, "print the version"},
    {"help", zis_cmd_help, "this page, or the page of a command"},
};

const zis_command *zis_command_at(int i)
{
    return i >= 0 && i < (int)(sizeof commands / sizeof *commands) ? &commands[i] : NULL;
}

static zis_status decode_picture(zis_cli *cli, int argc, char **argv, zis_error *err)
{
    (void)cli;
    (void)argc;
    (void)argv;
    return zis_server_decode_main() == 0 ? ZIS_OK : zis_fail(err, ZIS_IO, "no picture to decode");
}

static const zis_command *find(const char *name)
{
    /* What serve starts to read the pictures of strangers; no command of a person. */
    static const zis_command hidden = {"decode-picture", decode_picture, ""};
    if (strcmp(name, hidden.name) == 0) return &hidden;
    /* What people type instead. */
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) name = "help";
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) name = "version";
    for (int i = 0; zis_command_at(i); i++)
        if (strcmp(zis_command_at(i)->name, name) == 0) return zis_command_at(i);
    return NULL;
}

zis_status zis_cmd_version(zis_cli *cli, int argc, char **argv, zis_error *err)
{
    static const zis_option none[] = {{0}};
    static const zis_usage usage = {
        "version", "", "Prints the version.", 0, none, 0,
    };
    zis_args args = {0};
    (void)cli;
    zis_status st = zis_args_parse(&args, &usage, argc, argv, err);
    if (st) return st;
    if (args.help)
        zis_args_help(&usage);
    else
        printf("Z-Image Studio, zis %s\n", ZIS_VERSION);
    zis_args_deinit(&args);
    return ZIS_OK;
}

static void print_commands(FILE *to)
{
    fprintf(to, "Z-Image Studio: pictures from words, on this machine.\n\n"
                "Usage: zis COMMAND [options]\n\nCommands:\n");
    for (int i = 0; zis_command_at(i); i++)
        fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].help);
    fprintf(to, "\nFirst picture:\n"
                "  zis generate \"a red apple on a mint green background\" -o apple.png\n\n"
                "`zis COMMAND --help` says more.\n");
}

zis_status zis_cmd_help(zis_cli *cli, int argc, char **argv, zis_error *err)
{
    const zis_command *c = argc > 1 ? find(argv[1]) : NULL;
    if (argc > 1 && !c)
        return zis_fail(err, ZIS_ARG, "there is no command '%.60s'; see `zis help`", argv[1]);
    if (!c || c->run == zis_cmd_help) {
        print_commands(stdout);
        return ZIS_OK;
    }
    char name[32], flag[] = "--help";
    char *args[] = {name, flag, NULL};
    snprintf(name, sizeof name, "%s", c->name);
    return c->run(cli, 2, args, err);
}

/* Seen before the options are parsed, so that bad usage is answered in the right form, too. */
static bool wants_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0) return true;
    return false;
}

static void print_failure(const zis_cli *cli, const zis_error *e)
{
    fprintf(stderr, "zis: %s\n", e->text);
    if (!cli->json) return;
    zis_buf out = {0};
    zis_buf_printf(&out, "{\"ok\": false, \"error\": {\"code\": \"%s\", \"message\": ",
                   zis_status_name(e->code));
    zis_jsonout_string(&out, e->text);
    zis_buf_puts(&out, "}}\n");
    zis_error ignored;
    if (!out.failed && zis_output_stdout(out.data, out.len, &ignored) != ZIS_OK) clearerr(stdout);
    zis_buf_free(&out);
}

static int exit_code(zis_status st)
{
    if (st == ZIS_OK) return 0;
    if (st == ZIS_CANCELLED && zis_signals_exit_code()) return zis_signals_exit_code();
    return st == ZIS_ARG ? 2 : 1;
}

int zis_cli_main(int argc, char **argv)
{
    zis_cli cli = {.cancel = zis_signals_init(), .command = argc > 1 ? argv[1] : "help"};
    zis_error err = {0};
    zis_status st;
    const zis_command *c = find(cli.command);
    if (!c) {
        st = zis_fail(&err, ZIS_ARG, "there is no command '%.60s'; see `zis help`", cli.command);
    } else {
        cli.command = c->name;
        cli.json = argc > 1 && wants_json(argc - 1, argv + 1);
        st = c->run(&cli, argc > 1 ? argc - 1 : 1, argc > 1 ? argv + 1 : argv, &err);
    }
    if (!st) st = zis_output_flush(&err);
    if (st) print_failure(&cli, &err);
    return exit_code(st);
}
