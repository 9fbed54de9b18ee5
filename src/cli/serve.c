/* zis serve: the studio, until Ctrl-C. */
#include "server/server.h"

#include "base/os.h"
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/output.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    HOST = 1000,
    PORT,
    MODEL,
    KEY_FILE,
    ALLOW_HOST,
    ALLOW_ORIGIN,
    DATA,
    LORA_DIR,
    QUEUE,
    CONNECTIONS,
    KEEP_HOURS,
    KEEP_MB,
    GRACE,
    PATIENCE,
    DEVICE,
    THREADS,
    MEMORY,
    WEB,
    LOG_PROMPTS,
    QUIET,
};

#define LISTED 16 /* of options that may be given several times */

static const zis_option options[] = {
    {HOST, "host", 0, "ADDRESS", "where to listen (default: 127.0.0.1, this machine alone)", 0, 0},
    {PORT, "port", 0, "N", "port (default: 7860, or the variable PORT; 0: any)", 0, 65535},
    {MODEL, "model", 'm', "MODEL", "of requests that name none (default: nano)", 0, 0},
    {KEY_FILE, "api-key-file", 0, "FILE",
     "a key that requests must show; needed for any other --host; or the variable ZIS_API_KEY", 0,
     0},
    {ALLOW_HOST, "allow-host", 0, "NAME", "answers under this name, too; may be repeated", 0, 0},
    {ALLOW_ORIGIN, "allow-origin", 0, "URL",
     "pages of this origin may use the API, too (https://example.org); may be repeated", 0, 0},
    {DATA, "data", 0, "FOLDER", "where results and uploads are kept for a while", 0, 0},
    {LORA_DIR, "lora-dir", 0, "FOLDER", "LoRAs to choose from; may be repeated", 0, 0},
    {QUEUE, "queue", 0, "N", "jobs that may wait (default: 100)", 1, 100000},
    {CONNECTIONS, "connections", 0, "N", "connections at once (default: 512)", 4, 10000},
    {KEEP_HOURS, "keep-hours", 0, "N", "how long results are kept (default: 24)", 0.01, 100000},
    {KEEP_MB, "keep-mb", 0, "N", "how much of them (default: 2048)", 1, 1e9},
    {GRACE, "grace", 0, "SECONDS", "for the running job, when the server is stopped (default: 30)",
     0, 86400},
    {PATIENCE, "patience", 0, "SECONDS",
     "for a request to arrive, beyond 64 KB a second (default: 30)", 0.1, 86400},
    {DEVICE, "device", 0, "NAME", "auto, cpu, or ref (slow, for checks)", 0, 0},
    {THREADS, "threads", 't', "N", "threads (default: one for each CPU)", 1, 1024},
    {MEMORY, "memory", 0, "SIZE",
     "what weights of models that stay loaded may take together (8G, 512M); those used longest ago "
     "make room (default: nine tenths of what this process may use)",
     0, 0},
    {WEB, "web", 0, "FOLDER", "the page from this folder instead of the built-in one", 0, 0},
    {LOG_PROMPTS, "log-prompts", 0, NULL, "prompts go into the log", 0, 0},
    {QUIET, "quiet", 'q', NULL, "no log of requests", 0, 0},
    {0},
};

static const zis_usage usage = {
    .command = "serve",
    .synopsis = "[options]",
    .about = "Opens the studio: the web page and the HTTP API, on http://127.0.0.1:7860.\n"
             "Ctrl-C stops it: the running job is finished or cancelled, and it is said which.",
    .options = options,
};

typedef struct serve {
    zis_server_options o;
    const char *hosts[LISTED + 1], *origins[LISTED + 1], *folders[LISTED + 1];
    int n_hosts, n_origins, n_folders;
    double grace;
    bool quiet;
    char *key, *data;
} serve;

static zis_status add_listed(const char **list, int *n, const zis_setting *s, zis_error *err)
{
    if (*n == LISTED)
        return zis_fail(err, ZIS_ARG, "%s is given more than %d times", s->said, LISTED);
    list[(*n)++] = s->value;
    return ZIS_OK;
}

/* The first line of the file; long enough not to be guessed. */
static zis_status check_key(char *key, const char *from, zis_error *err)
{
    key[strcspn(key, "\r\n")] = '\0';
    if (strlen(key) >= 16) return ZIS_OK;
    return zis_fail(err, ZIS_ARG,
                    "the API key in %s has %zu letters; at least 16 are needed, for example: "
                    "openssl rand -hex 24",
                    from, strlen(key));
}

static zis_status read_key(serve *v, const char *path, zis_error *err)
{
    size_t n = 0;
    free(v->key);
    v->key = NULL;
    zis_status st = zis_os_read_file(&v->key, &n, path, 4096, err);
    return st ? st : check_key(v->key, path, err);
}

static zis_status take_option(serve *v, const zis_setting *s, zis_error *err)
{
    zis_server_options *o = &v->o;
    double x = 0;
    zis_status st = ZIS_OK;
    switch (s->option->id) {
    case HOST:
        o->host = s->value;
        break;
    case PORT:
        return zis_args_int(s, &o->port, err);
    case MODEL:
        o->model = s->value;
        break;
    case KEY_FILE:
        return read_key(v, s->value, err);
    case ALLOW_HOST:
        return add_listed(v->hosts, &v->n_hosts, s, err);
    case ALLOW_ORIGIN:
        return add_listed(v->origins, &v->n_origins, s, err);
    case DATA:
        o->folder = s->value;
        break;
    case LORA_DIR:
        return add_listed(v->folders, &v->n_folders, s, err);
    case QUEUE:
        return zis_args_int(s, &o->queue_most, err);
    case CONNECTIONS:
        return zis_args_int(s, &o->connections_most, err);
    case KEEP_HOURS:
        st = zis_args_real(s, &x, err);
        if (!st) o->keep_seconds = x * 3600;
        return st;
    case KEEP_MB:
        st = zis_args_real(s, &x, err);
        if (!st) o->keep_bytes = (uint64_t)(x * 1048576);
        return st;
    case GRACE:
        return zis_args_real(s, &v->grace, err);
    case PATIENCE:
        return zis_args_real(s, &o->request_seconds, err);
    case DEVICE:
        o->engine.device = strcmp(s->value, "auto") == 0 ? NULL : s->value;
        break;
    case THREADS:
        return zis_args_int(s, &o->engine.threads, err);
    case MEMORY:
        return zis_args_size(s, &o->engine.memory, err);
    case WEB:
        o->web = s->value;
        break;
    case LOG_PROMPTS:
        o->log_prompts = true;
        break;
    default:
        v->quiet = true;
        break;
    }
    return ZIS_OK;
}

/* The state folder of this user; where there is no home, one in /tmp of this user alone. */
static char *default_folder(void)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (state && *state == '/') return zis_mem_printf("%s/z-image-studio", state);
    if (home && *home == '/') return zis_mem_printf("%s/.local/state/z-image-studio", home);
    return zis_mem_printf("/tmp/z-image-studio-%u", (unsigned)getuid());
}

static zis_status take_environment(serve *v, zis_error *err)
{
    const char *key = getenv("ZIS_API_KEY"), *port = getenv("PORT"), *isa = getenv("ZIS_CPU");
    char *end = NULL;
    v->o.engine.isa = isa && *isa ? isa : NULL;
    if (port && *port) {
        long n = strtol(port, &end, 10);
        if (*end || n < 0 || n > 65535)
            return zis_fail(err, ZIS_ARG, "the variable PORT must be a port, not '%.40s'", port);
        v->o.port = (int)n;
    }
    if (!key || !*key) return ZIS_OK;
    v->key = zis_mem_strdup(key);
    return v->key ? check_key(v->key, "the variable ZIS_API_KEY", err)
                  : zis_fail_nomem(err, "the key");
}

/* One line each, as key=value, on standard error. */
static void on_log(void *arg, const char *line)
{
    char when[32] = "";
    time_t now = time(NULL);
    struct tm t;
    (void)arg;
    if (gmtime_r(&now, &t)) strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &t);
    fprintf(stderr, "time=%s %s\n", when, line);
}

static void say_stopped(const zis_jobs_stopped *s)
{
    const char *what = !s->was_running    ? "nothing was running"
                       : s->was_cancelled ? "the running job was cancelled"
                                          : "the running job was finished";
    fprintf(stderr, "stopped: %s", what);
    if (s->dropped)
        fprintf(stderr, "; %d waiting %s cancelled", s->dropped,
                s->dropped == 1 ? "job was" : "jobs were");
    fputc('\n', stderr);
}

static zis_status run(serve *v, const atomic_bool *cancel, zis_error *err)
{
    zis_server *server = NULL;
    zis_jobs_stopped stopped;
    zis_status st = zis_server_create(&server, &v->o, err);
    if (st) return st;
    bool v6 = v->o.host && strchr(v->o.host, ':');
    printf("Z-Image Studio is at http://%s%s%s:%d\n", v6 ? "[" : "", v->o.host, v6 ? "]" : "",
           zis_server_port(server));
    st = zis_output_flush(err);
    while (!st && !atomic_load(cancel)) poll(NULL, 0, 200); /* a signal ends the wait */
    fprintf(stderr, "stopping: the running job gets up to %.0f s; once more ends at once\n",
            v->grace);
    zis_server_stop(server, v->grace, NULL, &stopped);
    say_stopped(&stopped);
    zis_server_destroy(&server);
    return st;
}

zis_status zis_cmd_serve(zis_cli *cli, int argc, char **argv, zis_error *err)
{
    serve v = {.grace = 30};
    zis_args args = {0};
    zis_status st = zis_args_parse(&args, &usage, argc, argv, err);
    if (st) return st;
    if (args.help) {
        zis_args_help(&usage);
        goto out;
    }
    zis_server_defaults(&v.o);
    st = take_environment(&v, err);
    for (size_t i = 0; i < args.n_settings && !st; i++)
        st = take_option(&v, &args.settings[i], err);
    if (st) goto out;
    if (!v.o.folder) v.o.folder = v.data = default_folder();
    v.o.api_key = v.key;
    v.o.allow_hosts = v.hosts;
    v.o.allow_origins = v.origins;
    v.o.lora_folders = v.folders;
    v.o.log = v.quiet ? NULL : on_log;
    st = v.o.folder ? run(&v, cli->cancel, err) : zis_fail_nomem(err, "the server");
out:
    free(v.key);
    free(v.data);
    zis_args_deinit(&args);
    return st;
}
