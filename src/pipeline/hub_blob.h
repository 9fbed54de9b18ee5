/* hub_blob.h - one blob while it is downloaded: a lock, a file, and which bytes of it are there.
 *
 * All state lies in files, so that a process may end at any moment and the next one goes on:
 *
 *     .locks/models--ORG--NAME/ETAG.lock       flock: one writer for each blob
 *     blobs/ETAG.7a697300.incomplete           the bytes, and behind them the record: how far each
 *                                              chunk was written, and how far it was flushed
 *     blobs/ETAG                               after finish
 *
 * The record is written right behind the bytes it speaks of, so a killed process loses no more than
 * what it had not yet written. After a power cut (another boot) only what was flushed counts.
 * What other programs left behind (ETAG.incomplete, ETAG.XXXXXXXX.incomplete) is taken over as a
 * beginning; the hash has the last word.
 *
 *     open -> claim, write, release ... -> finish or close (the file stays) or drop
 *
 * Threads: one, but for zis_hub_blob_whole_to, zis_hub_blob_read and zis_hub_blob_flush, which a
 * second one may call meanwhile. */
#ifndef ZIS_PIPELINE_HUB_BLOB_H
#define ZIS_PIPELINE_HUB_BLOB_H

#include "pipeline/hub_repo.h"

/* A file is recorded in chunks of this many bytes, each filled from its start. */
#define ZIS_HUB_CHUNK ((uint64_t)16 << 20)

typedef struct zis_hub_blob zis_hub_blob;

/* Takes the lock and opens the unfinished file, or a new one. *out stays NULL and *busy becomes
 * true when another process has the lock. The repository's folders must be there. */
ZIS_MUST_USE zis_status zis_hub_blob_open(zis_hub_blob **out,
                                          bool *busy,
                                          const zis_hub_repo *repo,
                                          const char *etag,
                                          uint64_t size,
                                          zis_error *err);
/* Gives the lock back; what is there stays. Accepts NULL and a pointer to NULL. */
void zis_hub_blob_close(zis_hub_blob **blob);

/* Bytes that are there. */
uint64_t zis_hub_blob_have(const zis_hub_blob *b);
/* Whether bytes of an earlier process, perhaps another program, are among them. */
bool zis_hub_blob_is_resumed(const zis_hub_blob *b);

/* The ETag header under which the bytes came, for If-Range; "" when none is known. Setting it
 * writes it to the record; longer ones than 199 bytes are not kept. */
const char *zis_hub_blob_validator(const zis_hub_blob *b);
void zis_hub_blob_set_validator(zis_hub_blob *b, const char *validator);

/* Takes the first stretch of missing bytes that nobody has claimed: [*from, *to), at most `most`
 * bytes but for the rounding to chunks. False when there is none. */
bool zis_hub_blob_claim(zis_hub_blob *b, uint64_t most, uint64_t *from, uint64_t *to);
/* Gives back what was claimed and, for the next claim, not written. */
void zis_hub_blob_release(zis_hub_blob *b, uint64_t from, uint64_t to);

/* Writes bytes of a claimed stretch, in order; what is there already is skipped. */
ZIS_MUST_USE zis_status
zis_hub_blob_write(zis_hub_blob *b, uint64_t at, const void *data, size_t n, zis_error *err);
/* Forgets all bytes: they turned out to be wrong. Nothing may be claimed. */
ZIS_MUST_USE zis_status zis_hub_blob_reset(zis_hub_blob *b, zis_error *err);

/* How many bytes from the start on are there without a hole. */
uint64_t zis_hub_blob_whole_to(const zis_hub_blob *b);
/* Reads below whole_to. */
ZIS_MUST_USE zis_status
zis_hub_blob_read(const zis_hub_blob *b, uint64_t at, void *data, size_t n, zis_error *err);
/* Flushes what is written and records that. */
ZIS_MUST_USE zis_status zis_hub_blob_flush(zis_hub_blob *b, zis_error *err);

/* All bytes are there and their hash is right: flushed, cut to size, renamed to its name. */
ZIS_MUST_USE zis_status zis_hub_blob_finish(zis_hub_blob *b, zis_error *err);
/* Deletes the unfinished file. */
void zis_hub_blob_drop(zis_hub_blob *b);

/* Whether a file name in blobs/ is an unfinished download; its etag's length in *etag_len. */
bool zis_hub_blob_is_unfinished(const char *name, size_t *etag_len);
/* What an unfinished file of ours or of others holds: bytes that are there, and of how many (0:
 * unknown). For lists; takes no lock. */
void zis_hub_blob_peek(const char *path, uint64_t *have, uint64_t *size);

#endif
