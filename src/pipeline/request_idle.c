/* request_idle.c - fields that were given and have no say, in words. */
#include "pipeline/request.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* "--image" of "image init-img". */
static void put_flag(zis_buf *out, const zis_field *f)
{
    zis_buf_printf(out, "--%.*s", (int)strcspn(f->flags, " "), f->flags);
}

static void put_pictures(zis_buf *out, const zis_field *f)
{
    zis_buf_puts(out, "without ");
    for (int i = 0, n = 0; i < ZIS_PICTURE_COUNT; i++) {
        if (!(f->pictures >> i & 1)) continue;
        zis_buf_puts(out, n++ ? " or " : "");
        put_flag(out, zis_request_picture_field((zis_picture_slot)i));
    }
}

/* "with --preprocess canny, only with depth, pose" */
static void put_switch(zis_buf *out, const zis_request *r, const zis_field *f)
{
    const zis_field *by = zis_request_field(f->only.field);
    zis_buf_puts(out, "with ");
    put_flag(out, by);
    zis_buf_putc(out, ' ');
    zis_request_value_text(out, r, by);
    if (f->only.mild) return;
    zis_buf_puts(out, ", only with ");
    for (int i = 0, n = 0; by->choices[i]; i++)
        if (f->only.values >> i & 1) zis_buf_printf(out, "%s%s", n++ ? ", " : "", by->choices[i]);
}

bool zis_field_suits(const zis_field *f, int value)
{
    return !f->only.field || f->only.values >> value & 1;
}

zis_status zis_request_idle(
    char **why, bool *mild, const zis_request *r, const zis_field *f, zis_error *err)
{
    const zis_field *by = f->only.field ? zis_request_field(f->only.field) : NULL;
    bool no_picture = f->pictures && !zis_request_matters(r, f);
    zis_buf out = {0};
    if (no_picture)
        put_pictures(&out, f);
    else if (by && !zis_field_suits(f, *(const int *)((const char *)r + by->offset)))
        put_switch(&out, r, f);
    if (out.failed) {
        zis_buf_free(&out);
        return zis_fail_nomem(err, "the check of the request");
    }
    *why = out.data;
    *mild = f->only.mild && !no_picture;
    return ZIS_OK;
}
