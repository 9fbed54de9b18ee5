/* signals.h - Ctrl-C, closed pipes, closed streams, files that shrink under their mapping.
 *
 * The first Ctrl-C (or SIGTERM) asks the job to stop, the second ends the process at once.
 * Threads: the flag may be read from any. */
#ifndef ZIS_CLI_SIGNALS_H
#define ZIS_CLI_SIGNALS_H

#include <stdatomic.h>

/* Installs the handlers; the flag lives as long as the program. */
const atomic_bool *zis_signals_init(void);
/* 130 after Ctrl-C, 143 after SIGTERM, 0 if neither came. */
int zis_signals_exit_code(void);

#endif
