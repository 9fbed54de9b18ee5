/* A download on a terminal, in a log, and for programs. */
#include "base/mem.h"
#include "base/os.h"
#include "cli/fetch.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "pipeline/jsonout.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAR_CELLS 24
/* Plain lines come at most this often. */
#define LINE_SECONDS 5.0

void zis_fetch_view_init(zis_fetch_view *v, bool quiet, bool json)
{
    *v = (zis_fetch_view){.quiet = quiet, .json = json, .terminal = isatty(STDERR_FILENO)};
}

void zis_fetch_view_clear(zis_fetch_view *v)
{
    if (!v->drawn) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    v->drawn = false;
}

/* ---- for people ---------------------------------------------------------------------------- */

/* "3.20 GB of 32.9 GB, 54.3 MB/s, 9:05 left" */
static void line_text(char *buf, size_t n, const zis_hub_event *e)
{
    char have[24], total[24], rate[24], left[24];
    zis_output_size(have, sizeof have, e->bytes);
    zis_output_size(total, sizeof total, e->total);
    zis_output_size(rate, sizeof rate, (uint64_t)e->rate);
    if (e->seconds >= 0) zis_progress_time(left, sizeof left, e->seconds);
    int at = snprintf(buf, n, "%s of %s", have, total);
    if (e->rate > 0 && e->bytes < e->total)
        snprintf(buf + at, n - (size_t)at, ", %s/s%s%s%s", rate, e->seconds >= 0 ? ", " : "",
                 e->seconds >= 0 ? left : "", e->seconds >= 0 ? " left" : "");
}

static void draw(zis_fetch_view *v, const zis_hub_event *e, const char *what)
{
    char text[120], bar[BAR_CELLS + 1];
    double now = zis_os_now();
    line_text(text, sizeof text, e);
    if (!v->terminal) {
        if (now - v->last < LINE_SECONDS) return;
        v->last = now;
        fprintf(stderr, "%s%s\n", what, text);
        return;
    }
    double share = e->total ? (double)e->bytes / (double)e->total : 1;
    for (int i = 0; i < BAR_CELLS; i++) bar[i] = i < (int)(share * BAR_CELLS) ? '#' : '.';
    bar[BAR_CELLS] = '\0';
    fprintf(stderr, "\r\033[K[%s] %s%s", bar, what, text);
    fflush(stderr);
    v->drawn = true;
}

static void show(zis_fetch_view *v, const zis_hub_event *e)
{
    char size[24];
    if (e->kind == ZIS_HUB_EVENT_PROGRESS || e->kind == ZIS_HUB_EVENT_VERIFY) {
        draw(v, e, e->kind == ZIS_HUB_EVENT_VERIFY ? "checking: " : "");
        return;
    }
    zis_fetch_view_clear(v);
    zis_output_size(size, sizeof size, e->total);
    switch (e->kind) {
    case ZIS_HUB_EVENT_FILE:
        if (strcmp(e->text, "present") == 0) break;
        fprintf(stderr, "%-10s %9s  %s/%s\n", e->text, size, e->repo, e->path);
        break;
    case ZIS_HUB_EVENT_RETRY:
        fprintf(stderr, "%s%s%s: %s; trying again in %.0f s\n", e->repo, e->path ? "/" : "",
                e->path ? e->path : "", e->text, e->seconds);
        break;
    case ZIS_HUB_EVENT_LOCKED:
        fprintf(stderr, "%s/%s: another process is downloading it; waiting\n", e->repo, e->path);
        break;
    default:
        break;
    }
}

/* ---- for programs -------------------------------------------------------------------------- */

static void put(zis_buf *out, const char *key, const char *value)
{
    if (!value) return;
    zis_buf_printf(out, ", \"%s\": ", key);
    zis_jsonout_string(out, value);
}

static void print_json(zis_fetch_view *v, const zis_hub_event *e)
{
    static const char *const kinds[] = {"progress", "verify", "file", "retry", "locked", "repo"};
    zis_buf out = {0};
    zis_buf_printf(&out, "{\"event\": \"%s\"", kinds[e->kind]);
    put(&out, "repo", e->repo);
    put(&out, e->kind == ZIS_HUB_EVENT_REPO ? "folder" : "path", e->path);
    put(&out, e->kind == ZIS_HUB_EVENT_FILE ? "state" : "reason", e->text);
    if (e->kind == ZIS_HUB_EVENT_PROGRESS || e->kind == ZIS_HUB_EVENT_VERIFY)
        zis_buf_printf(&out, ", \"bytes\": %" PRIu64 ", \"total\": %" PRIu64, e->bytes, e->total);
    else if (e->kind == ZIS_HUB_EVENT_FILE || e->kind == ZIS_HUB_EVENT_REPO)
        zis_buf_printf(&out, ", \"bytes\": %" PRIu64, e->total);
    if (e->kind == ZIS_HUB_EVENT_PROGRESS)
        zis_buf_printf(&out, ", \"bytes_per_second\": %.0f", e->rate);
    if (e->kind == ZIS_HUB_EVENT_PROGRESS && e->seconds >= 0)
        zis_buf_printf(&out, ", \"seconds_left\": %.0f", e->seconds);
    if (e->kind == ZIS_HUB_EVENT_RETRY) zis_buf_printf(&out, ", \"seconds\": %.3f", e->seconds);
    zis_buf_puts(&out, "}\n");
    if (out.failed)
        v->lost = zis_fail_nomem(&v->error, "an event");
    else
        v->lost = zis_output_stdout(out.data, out.len, &v->error);
    zis_buf_free(&out);
}

void zis_fetch_view_event(void *arg, const zis_hub_event *e)
{
    zis_fetch_view *v = arg;
    if (e->kind == ZIS_HUB_EVENT_FILE) v->done++;
    if (v->json && !v->lost) print_json(v, e);
    if (!v->json && !v->quiet) show(v, e);
}
