/* fetch.h - downloads for other commands, and how they are shown.
 *
 * Threads: the main thread only. */
#ifndef ZIS_CLI_FETCH_H
#define ZIS_CLI_FETCH_H

#include "cli/cli.h"
#include "pipeline/hub_event.h"

#include <stddef.h>

/* Downloads what --model names unless it is there already; names that are no preset and no Hub id
 * are left for others to judge. Progress goes to standard error. */
ZIS_MUST_USE zis_status zis_fetch_model(zis_cli *cli,
                                        const char *model,
                                        bool quiet,
                                        zis_error *err);

/* Shows events: a bar on a terminal, plain lines elsewhere, JSON lines on standard output. */
typedef struct zis_fetch_view {
    bool quiet, json, terminal;
    bool drawn;      /* a bar is on the terminal's last line */
    double last;     /* time of the last plain line */
    size_t done;     /* files */
    zis_status lost; /* standard output could not be written */
    zis_error error;
} zis_fetch_view;

void zis_fetch_view_init(zis_fetch_view *v, bool quiet, bool json);
/* arg: a zis_fetch_view. */
void zis_fetch_view_event(void *arg, const zis_hub_event *e);
/* Takes the bar away, before anything else is printed. */
void zis_fetch_view_clear(zis_fetch_view *v);

#endif
