/* sandbox.h - pictures of strangers are decoded in a process of their own that can do nothing else.
 *
 * The parent opens the file; the child reads it, and writes what it found and the pixels to a pipe.
 * Before it looks at the first byte it gives up everything: system calls but reading, writing and
 * memory (seccomp), memory and time beyond a limit. If a decoder breaks, a child dies, and the
 * client reads that the picture is broken.
 *
 * Threads: any. */
#ifndef ZIS_SERVER_SANDBOX_H
#define ZIS_SERVER_SANDBOX_H

#include "formats/picture.h"

typedef struct zis_decoded_info {
    zis_picture_kind format;
    int width, height;
    bool alpha;
    bool recipe;
} zis_decoded_info;

typedef struct zis_decoded {
    zis_decoded_info info;
    zis_image *image; /* or NULL, when only the rest was asked for */
    char *json;       /* text `zis` of the picture, or NULL */
    char *parameters; /* text `parameters`, or NULL */
} zis_decoded;

/* program: this program, as zis_server_decode_main is reached by its hidden command. `what` names
 * the picture in messages. */
ZIS_MUST_USE zis_status zis_sandbox_decode(zis_decoded *out,
                                           const char *program,
                                           const char *path,
                                           const char *what,
                                           bool pixels,
                                           zis_error *err);
void zis_decoded_deinit(zis_decoded *d);

/* The child's side; its exit code. */
int zis_sandbox_child(void);

#endif
