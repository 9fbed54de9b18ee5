/* An EXIF block of any bytes; comments that are read are written and read again. */
#include "base/utf8.h"
#include "formats/exif.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    zis_error err;
    char *text = NULL, *again = NULL;
    int o = zis_exif_orientation(data, size);
    if (o < 1 || o > 8) abort();
    if (zis_exif_comment_get(&text, "fuzz", data, size, &err) || !text) return 0;
    if (!*text || !zis_utf8_valid(text, strlen(text))) abort();
    zis_buf b = {0};
    zis_exif_comment_put(&b, text);
    if (zis_exif_comment_get(&again, "fuzz", (const uint8_t *)b.data, b.len, &err)) abort();
    free(again);
    free(text);
    zis_buf_free(&b);
    return 0;
}
