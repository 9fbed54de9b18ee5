#include "cli/progress.h"

#include "base/os.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAR_CELLS 24
/* Plain lines come at most this often, apart from the first of a stage. */
#define LINE_SECONDS 2.0

void zis_progress_init(zis_progress_view *v, bool quiet)
{
    *v = (zis_progress_view){.quiet = quiet, .terminal = isatty(STDERR_FILENO)};
}

static const char *label(const char *stage)
{
    static const char *const labels[][2] = {
        {"load", "loading"},
        {"text", "reading the prompt"},
        {"encode", "reading the picture"},
        {"control", "reading the control picture"},
        {"denoise", "denoising"},
        {"decode", "decoding"},
    };
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
        if (strcmp(labels[i][0], stage) == 0) return labels[i][1];
    return stage;
}

void zis_progress_time(char *buf, size_t n, double seconds)
{
    long s = (long)(seconds + 0.5);
    if (s >= 3600)
        snprintf(buf, n, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else if (s >= 60)
        snprintf(buf, n, "%ld:%02ld", s / 60, s % 60);
    else
        snprintf(buf, n, "%ld s", s);
}

static void line_text(char *buf, size_t n, const zis_engine_progress *p)
{
    size_t at = 0;
    char left[24];
    if (p->pictures > 1) at += (size_t)snprintf(buf, n, "[%d/%d] ", p->picture + 1, p->pictures);
    at += (size_t)snprintf(buf + at, n - at, "%s", label(p->stage));
    if (p->of > 1) at += (size_t)snprintf(buf + at, n - at, " %d/%d", p->step, p->of);
    if (p->seconds_left >= 1) {
        zis_progress_time(left, sizeof left, p->seconds_left);
        snprintf(buf + at, n - at, ", %s left", left);
    }
}

static void draw_bar(zis_progress_view *v, const zis_engine_progress *p)
{
    char text[120], bar[BAR_CELLS + 1];
    int full = (int)(p->fraction * BAR_CELLS);
    line_text(text, sizeof text, p);
    for (int i = 0; i < BAR_CELLS; i++) bar[i] = i < full ? '#' : '.';
    bar[BAR_CELLS] = '\0';
    fprintf(stderr, "\r\033[K[%s] %s", bar, text);
    fflush(stderr);
    v->drawn = true;
}

void zis_progress_update(zis_progress_view *v, const zis_engine_progress *p)
{
    if (v->quiet) return;
    if (v->terminal) {
        draw_bar(v, p);
        return;
    }
    char text[120];
    double now = zis_os_now();
    bool fresh = strcmp(v->last_stage, p->stage) != 0;
    bool last = p->of > 1 && p->step == p->of;
    if (!fresh && p->step == v->last_step) return;
    if (!fresh && !last && (p->step == p->of || now - v->last_time < LINE_SECONDS)) return;
    v->last_step = p->step;
    snprintf(v->last_stage, sizeof v->last_stage, "%s", p->stage);
    v->last_time = now;
    line_text(text, sizeof text, p);
    fprintf(stderr, "%s\n", text);
}

void zis_progress_clear(zis_progress_view *v)
{
    if (!v->drawn) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    v->drawn = false;
}
