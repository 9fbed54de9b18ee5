/* A handler cannot be given an argument, so its three flags are the only variables of the program
 * that live outside a function. */
#include "cli/signals.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

static atomic_bool cancel;
static atomic_int first_signal;
static atomic_bool bus_error;

static void on_signal(int number)
{
    if (atomic_exchange(&cancel, true)) _exit(128 + number);
    atomic_store(&first_signal, number);
}

/* Reading a mapped file that somebody has cut short meanwhile. Nothing is being written then that
 * could be left behind: files are written from memory. Several threads may meet it at once: the
 * first one speaks, the others wait for the end, so the handler must stay installed. */
static void on_bus_error(int number)
{
    static const char text[] = "zis: a file of the model was cut short or its disk failed while it "
                               "was in use; download it again\n";
    (void)number;
    while (atomic_exchange(&bus_error, true)) pause();
    ssize_t n = write(STDERR_FILENO, text, sizeof text - 1);
    (void)n;
    _exit(1);
}

/* Standard streams that the parent has closed would give their numbers to the next files that are
 * opened, and messages would land there. Reading sides of /dev/null take their place: writing to
 * them fails and is reported. */
static void fill_streams(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) >= 0) continue;
        if (open("/dev/null", O_RDONLY) != fd) return;
    }
}

const atomic_bool *zis_signals_init(void)
{
    struct sigaction stop = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct sigaction bus = {.sa_handler = on_bus_error};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    fill_streams();
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGBUS, &bus, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL); /* a file over the size limit: write says EFBIG */
    return &cancel;
}

int zis_signals_exit_code(void)
{
    int number = atomic_load(&first_signal);
    return number ? 128 + number : 0;
}
