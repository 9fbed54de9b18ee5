/* One thread, a list of checks, one of them at work at a time. */
#include "pipeline/hub_verify.h"

#include "base/mem.h"
#include "base/os.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define PIECE ((size_t)1 << 20)
/* Flushed when so much is new, or after so many seconds when anything is. */
#define FLUSH_BYTES ((uint64_t)256 << 20)
#define FLUSH_SECONDS 5.0

struct zis_hub_check {
    zis_hub_check *next;
    zis_hub_blob *blob;
    zis_hub_hash hash;
    char etag[65], found[65];
    uint64_t size, hashed;
    uint64_t flushed;  /* bytes that were there at the last flush */
    double flush_time; /* of it */
    zis_hub_check_state state;
    zis_error error;
};

struct zis_hub_verify {
    const zis_hub_lib *lib;
    void (*wake)(void *arg);
    void *arg;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t poked, idle;
    zis_hub_check *list;
    zis_hub_check *busy; /* the one at work, outside the mutex */
    bool stop;
    unsigned char *piece;
};

static void fail(zis_hub_check *c, const char *what)
{
    zis_fail(&c->error, ZIS_IO, "OpenSSL cannot %s", what);
    c->state = ZIS_HUB_CHECK_FAILED;
}

/* One piece, or the end. */
static void work(zis_hub_verify *v, zis_hub_check *c, uint64_t ready)
{
    uint64_t left = ready - c->hashed;
    size_t n = left < PIECE ? (size_t)left : PIECE;
    if (n) {
        if (zis_hub_blob_read(c->blob, c->hashed, v->piece, n, &c->error)) {
            c->state = ZIS_HUB_CHECK_FAILED;
            return;
        }
        if (!zis_hub_hash_update(&c->hash, v->piece, n)) {
            fail(c, "hash");
            return;
        }
        c->hashed += n;
    }
    if (c->hashed < c->size) return;
    if (!zis_hub_hash_final(&c->hash, c->found))
        fail(c, "finish a hash");
    else
        c->state = strcmp(c->found, c->etag) == 0 ? ZIS_HUB_CHECK_RIGHT : ZIS_HUB_CHECK_WRONG;
}

/* A failed flush is not the end: finish flushes again and reports. */
static void flush_if_due(zis_hub_check *c)
{
    uint64_t now_at = zis_hub_blob_whole_to(c->blob);
    double now = zis_os_now();
    if (now_at == c->flushed || now_at == c->size) return;
    if (now_at - c->flushed < FLUSH_BYTES && now - c->flush_time < FLUSH_SECONDS) return;
    zis_error ignored;
    zis_status st = zis_hub_blob_flush(c->blob, &ignored);
    (void)st;
    c->flushed = now_at;
    c->flush_time = now;
}

static bool has_work(const zis_hub_check *c, uint64_t *ready)
{
    if (c->state != ZIS_HUB_CHECK_RUNNING) return false;
    *ready = zis_hub_blob_whole_to(c->blob);
    return *ready > c->hashed || c->hashed == c->size;
}

static void *run(void *arg)
{
    zis_hub_verify *v = arg;
    pthread_mutex_lock(&v->mutex);
    while (!v->stop) {
        zis_hub_check *c = v->list;
        uint64_t ready = 0;
        while (c && !has_work(c, &ready)) c = c->next;
        if (!c) {
            pthread_cond_wait(&v->poked, &v->mutex);
            continue;
        }
        v->busy = c;
        pthread_mutex_unlock(&v->mutex);
        /* several pieces at a stretch; the state is read by others only under the mutex, and
         * written here while `busy` keeps them away */
        zis_hub_check_state before = c->state;
        for (int i = 0; i < 8 && has_work(c, &ready); i++) work(v, c, ready);
        flush_if_due(c);
        bool ended = before != c->state;
        pthread_mutex_lock(&v->mutex);
        v->busy = NULL;
        pthread_cond_broadcast(&v->idle);
        if (ended) v->wake(v->arg);
    }
    pthread_mutex_unlock(&v->mutex);
    return NULL;
}

zis_status zis_hub_verify_create(zis_hub_verify **out,
                                 const zis_hub_lib *lib,
                                 void (*wake)(void *arg),
                                 void *arg,
                                 zis_error *err)
{
    zis_hub_verify *v = zis_mem_zalloc(1, sizeof *v);
    if (v) v->piece = zis_mem_alloc(PIECE, 1);
    if (!v || !v->piece) {
        free(v);
        return zis_fail_nomem(err, "the hash of a download");
    }
    v->lib = lib;
    v->wake = wake;
    v->arg = arg;
    pthread_mutex_init(&v->mutex, NULL);
    pthread_cond_init(&v->poked, NULL);
    pthread_cond_init(&v->idle, NULL);
    if (pthread_create(&v->thread, NULL, run, v) != 0) {
        free(v->piece);
        free(v);
        return zis_fail(err, ZIS_NOMEM, "no thread could be started to check downloads");
    }
    *out = v;
    return ZIS_OK;
}

void zis_hub_verify_destroy(zis_hub_verify **verify)
{
    if (!verify || !*verify) return;
    zis_hub_verify *v = *verify;
    pthread_mutex_lock(&v->mutex);
    v->stop = true;
    pthread_cond_signal(&v->poked);
    pthread_mutex_unlock(&v->mutex);
    pthread_join(v->thread, NULL);
    pthread_cond_destroy(&v->poked);
    pthread_cond_destroy(&v->idle);
    pthread_mutex_destroy(&v->mutex);
    free(v->piece);
    free(v);
    *verify = NULL;
}

zis_status zis_hub_verify_add(zis_hub_verify *v,
                              zis_hub_check **out,
                              zis_hub_blob *blob,
                              const char *etag,
                              uint64_t size,
                              zis_error *err)
{
    zis_hub_check *c = zis_mem_zalloc(1, sizeof *c);
    if (!c) return zis_fail_nomem(err, "the hash of a download");
    zis_status st = zis_hub_hash_init(&c->hash, v->lib, etag, size, err);
    if (st) {
        free(c);
        return st;
    }
    c->blob = blob;
    c->size = size;
    c->flushed = zis_hub_blob_whole_to(blob);
    c->flush_time = zis_os_now();
    memcpy(c->etag, etag, strlen(etag) + 1);
    pthread_mutex_lock(&v->mutex);
    c->next = v->list;
    v->list = c;
    pthread_cond_signal(&v->poked);
    pthread_mutex_unlock(&v->mutex);
    *out = c;
    return ZIS_OK;
}

void zis_hub_verify_remove(zis_hub_verify *v, zis_hub_check **check)
{
    zis_hub_check *c = *check;
    if (!c) return;
    pthread_mutex_lock(&v->mutex);
    zis_hub_check **at = &v->list;
    while (*at != c) at = &(*at)->next;
    *at = c->next;
    while (v->busy == c) pthread_cond_wait(&v->idle, &v->mutex);
    pthread_mutex_unlock(&v->mutex);
    zis_hub_hash_deinit(&c->hash);
    free(c);
    *check = NULL;
}

void zis_hub_verify_poke(zis_hub_verify *v)
{
    pthread_mutex_lock(&v->mutex);
    pthread_cond_signal(&v->poked);
    pthread_mutex_unlock(&v->mutex);
}

zis_hub_check_state zis_hub_verify_state(zis_hub_verify *v,
                                         zis_hub_check *c,
                                         const char **found,
                                         zis_error *err)
{
    pthread_mutex_lock(&v->mutex);
    zis_hub_check_state state = v->busy == c ? ZIS_HUB_CHECK_RUNNING : c->state;
    pthread_mutex_unlock(&v->mutex);
    if (state == ZIS_HUB_CHECK_WRONG && found) *found = c->found;
    if (state == ZIS_HUB_CHECK_FAILED && err) *err = c->error;
    return state;
}
