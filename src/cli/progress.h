/* progress.h - a bar on a terminal, plain lines elsewhere; always on standard error.
 *
 * Threads: one at a time. */
#ifndef ZIS_CLI_PROGRESS_H
#define ZIS_CLI_PROGRESS_H

#include "studio/engine.h"

typedef struct zis_progress_view {
    bool quiet;
    bool terminal;
    bool drawn;       /* a bar is on the terminal's last line */
    double last_time; /* of the last plain line */
    char last_stage[16];
    int last_step;
} zis_progress_view;

void zis_progress_init(zis_progress_view *v, bool quiet);
void zis_progress_update(zis_progress_view *v, const zis_engine_progress *p);
/* Takes the bar away, before anything else is printed. */
void zis_progress_clear(zis_progress_view *v);

/* "12 s", "1:05", "1:00:05" */
void zis_progress_time(char *buf, size_t n, double seconds);

#endif
