/* hub_event.h - what a download tells while it works.
 *
 * Threads: called by the thread that called the download. All texts are borrowed for the call. */
#ifndef ZIS_PIPELINE_HUB_EVENT_H
#define ZIS_PIPELINE_HUB_EVENT_H

#include <stdint.h>

typedef enum zis_hub_event_kind {
    ZIS_HUB_EVENT_PROGRESS, /* bytes of total are there; rate in bytes a second; seconds left or -1
                             */
    ZIS_HUB_EVENT_VERIFY,   /* bytes of total of what was there already are hashed */
    ZIS_HUB_EVENT_FILE,     /* a file is complete: path, total, text: how it came */
    ZIS_HUB_EVENT_RETRY,    /* text says what went wrong; tried again after `seconds` */
    ZIS_HUB_EVENT_LOCKED,   /* another process downloads this file; waiting for it */
    ZIS_HUB_EVENT_REPO      /* all of a repository is there; path: its snapshot folder */
} zis_hub_event_kind;

typedef struct zis_hub_event {
    zis_hub_event_kind kind;
    const char *repo; /* "ORG/NAME" */
    const char *path; /* NULL where it says nothing */
    const char *text;
    uint64_t bytes, total;
    double rate, seconds;
} zis_hub_event;

typedef struct zis_hub_hooks {
    void *arg;
    void (*event)(void *arg, const zis_hub_event *e); /* may be NULL */
} zis_hub_hooks;

static inline void zis_hub_tell(const zis_hub_hooks *h, const zis_hub_event *e)
{
    if (h && h->event) h->event(h->arg, e);
}

#endif
