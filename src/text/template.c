/* template.c - the one template there is. */
#include "text/template.h"

void zis_template_append(zis_buf *out, const char *prompt, size_t n)
{
    zis_buf_puts(out, ZIS_TEMPLATE_START "user\n");
    zis_buf_append(out, prompt, n);
    zis_buf_puts(out, ZIS_TEMPLATE_END "\n" ZIS_TEMPLATE_START "assistant\n");
}
