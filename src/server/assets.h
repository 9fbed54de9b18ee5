/* assets.h - the files of the page, as the build has put them into the program.
 *
 * Threads: constant. */
#ifndef ZIS_SERVER_ASSETS_H
#define ZIS_SERVER_ASSETS_H

#include <stddef.h>

typedef struct zis_asset {
    const char *path; /* "/app.js" */
    const char *tag;  /* "\"5f3a...\"": changes with the content */
    const unsigned char *data, *gz;
    size_t size, gz_size; /* gz_size 0: not worth it */
} zis_asset;

/* NULL behind the last. Made by tools/embed.cmake. */
const zis_asset *zis_asset_at(size_t i);

#endif
