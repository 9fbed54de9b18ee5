/* hub_api.h - what the Hub says, as texts: JSON answers, header lines, names (hub.md 1).
 *
 * Everything here comes from a stranger: sizes and counts are bounded, names that could leave a
 * folder are refused, hashes are hexadecimal or an error. Nothing is fetched or written.
 * Threads: no shared state. */
#ifndef ZIS_PIPELINE_HUB_API_H
#define ZIS_PIPELINE_HUB_API_H

#include "base/mem.h"

#include <stdint.h>

#define ZIS_HUB_COMMIT 40 /* digits of a commit, and of a git blob's SHA-1 */
#define ZIS_HUB_SHA256 64
/* Largest file that is believed: 16 TB. */
#define ZIS_HUB_MAX_FILE ((uint64_t)16 << 40)
#define ZIS_HUB_MAX_FILES 100000
#define ZIS_HUB_MAX_ANSWER ((size_t)32 << 20)

typedef struct zis_hub_file {
    char *path; /* "transformer/config.json" */
    uint64_t size;
    char etag[ZIS_HUB_SHA256 + 1]; /* the blob's name: SHA-256 (lfs), or git blob SHA-1 */
} zis_hub_file;

/* The files of one commit, in the order of the Hub. */
typedef struct zis_hub_tree {
    zis_hub_file *files;
    size_t n, room;
} zis_hub_tree;

/* The commit out of /api/models/ID/revision/REV. `what` names the answer in messages. */
ZIS_MUST_USE zis_status zis_hub_api_revision(
    char commit[ZIS_HUB_COMMIT + 1], const char *what, const void *text, size_t n, zis_error *err);
/* Appends the files of one page of /api/models/ID/tree/COMMIT. On failure the tree holds what it
 * held before, or more; deinit it. */
ZIS_MUST_USE zis_status
zis_hub_api_tree(zis_hub_tree *tree, const char *what, const void *text, size_t n, zis_error *err);
/* Two files of one name, or a file where another's folder is: ZIS_FORMAT. */
ZIS_MUST_USE zis_status zis_hub_api_tree_check(const zis_hub_tree *tree, zis_error *err);
void zis_hub_tree_deinit(zis_hub_tree *tree);

/* True for a path that stays below its folder on every file system: relative, no empty, "." or ".."
 * part, no backslash, no control characters, UTF-8, parts of at most 255 bytes, 1024 in all. */
bool zis_hub_api_is_path(const char *path, size_t n);
/* Whether s is n lower-case hexadecimal digits and nothing else. */
bool zis_hub_api_is_hex(const char *s, size_t n);
/* Appends the text as part of a URL; '/' is kept, or escaped too. */
void zis_hub_api_escape(zis_buf *out, const char *text, bool keep_slash);
/* Whether the path matches the pattern: '*' is any run, also across '/', '?' one character.
 * A pattern without '/' is compared with the last part of the path, too. */
bool zis_hub_api_match(const char *pattern, const char *path);

/* What the headers of one answer say. */
typedef struct zis_hub_head {
    char etag[200];        /* without W/ and quotes */
    char validator[200];   /* the ETag header as it came, if strong: for If-Range */
    char linked_etag[200]; /* X-Linked-Etag, without quotes */
    char commit[80];       /* X-Repo-Commit */
    char code[64];         /* X-Error-Code */
    char message[200];     /* X-Error-Message */
    char next[2048];       /* the URL of Link: <URL>; rel="next" */
    bool has_range;        /* Content-Range: bytes from-to/total */
    uint64_t from, to, total;
} zis_hub_head;

/* Takes one header line (with or without its line end); a status line starts anew. Values that are
 * too long are left out. */
void zis_hub_api_header(zis_hub_head *head, const char *line, size_t n);

#endif
