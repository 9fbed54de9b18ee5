/* The extras tab of A1111: one picture enlarged, without the model drawing over it. A network does
 * it as a job of the queue; "None" and "Lanczos" are a plain resize, at once. */
#include "base/base64.h"
#include "pipeline/inputs.h"
#include "server/a1111.h"
#include "server/native.h"
#include "studio/upscaling.h"

#include <string.h>
#include <strings.h>

static zis_status reply_base64(zis_call *c, zis_buf *quoted, zis_error *err)
{
    zis_buf out = {0};
    zis_buf_puts(&out, "{\"html_info\": \"\", \"image\": ");
    zis_buf_append(&out, quoted->data, quoted->len);
    zis_buf_putc(&out, '}');
    if (quoted->failed) out.failed = true;
    return zis_reply_json(c, 200, &out, err);
}

static zis_status reply_enlarged(zis_call *c, zis_error *err)
{
    zis_job_info job;
    zis_buf images = {0}, info = {0};
    zis_status st = zis_a1111_job_failure(c, &job, err);
    if (!st && !job.n_pictures) st = zis_fail(err, ZIS_CANCELLED, "the job was cancelled");
    if (!st) st = zis_a1111_put_images(&images, &info, c, 1, err);
    if (!st) st = reply_base64(c, &images, err);
    zis_buf_free(&images);
    zis_buf_free(&info);
    return st;
}

static zis_status no_such(const zis_order *o, const char *name, zis_error *err)
{
    zis_buf known = {0};
    for (size_t i = 0; zis_catalog_at(o->catalog, i); i++) {
        const zis_catalog_entry *e = zis_catalog_at(o->catalog, i);
        if (e->kind == ZIS_CATALOG_UPSCALER) zis_buf_printf(&known, ", %s", e->name);
    }
    zis_status st =
        known.failed
            ? zis_fail_nomem(err, "the upscalers")
            : zis_fail(err, ZIS_NOT_FOUND,
                       "upscaler_1: there is no upscaler '%.60s'; there are: None, Lanczos%s", name,
                       known.data ? known.data : "");
    zis_buf_free(&known);
    return st;
}

/* As there, nobody named is "None". Their names of a network of ours are known, too. */
static zis_status take_upscaler(zis_order *o, bool *plain, zis_error *err)
{
    static const char *const x4plus[] = {"R-ESRGAN 4x+", "RealESRGAN_x4plus"};
    const zis_catalog_entry *e = NULL;
    const json_t *v = json_object_get(o->c->json, "upscaler_1");
    if (v && !json_is_null(v) && !json_is_string(v))
        return zis_fail(err, ZIS_ARG, "upscaler_1 must be a string");
    const char *name = v && json_is_string(v) ? json_string_value(v) : "None";
    *plain = !*name || strcasecmp(name, "None") == 0 || strcasecmp(name, "Lanczos") == 0;
    if (*plain) return ZIS_OK;
    for (size_t i = 0; i < sizeof x4plus / sizeof *x4plus; i++)
        if (strcmp(name, x4plus[i]) == 0) name = "x4plus";
    if (zis_catalog_named(o->catalog, ZIS_CATALOG_UPSCALER, name, &e, NULL) != ZIS_OK)
        return no_such(o, name, err);
    if (!e->present)
        return zis_call_fail(o->c, e->fetch ? 409 : 0, ZIS_NOT_FOUND, err, "%s", e->missing);
    return zis_order_set_text(o, "upscaler", "upscaler_1", e->name, err);
}

/* Pillow's Lanczos to cover the size, then cut around the centre: as the engine brings pictures to
 * size. */
static zis_status enlarge(zis_order *o, zis_error *err)
{
    zis_request *r = &o->request;
    zis_inputs in = {0};
    zis_buf png = {0}, quoted = {0};
    if (!o->held->picture[ZIS_PICTURE_INIT])
        return zis_fail(err, ZIS_ARG, "image is missing: the picture to enlarge, in base64");
    zis_status st = zis_order_prepare(o->c->s, o->held, r, err);
    if (!st) st = zis_upscaling_settle(r, err);
    if (!st) st = zis_inputs_make(&in, r, NULL, NULL, err);
    if (!st) st = zis_picture_encode(&png, in.init, ZIS_PICTURE_PNG, NULL, 0, err);
    zis_inputs_deinit(&in);
    if (!st) {
        zis_buf_putc(&quoted, '"');
        zis_base64_put(&quoted, png.data, png.len);
        zis_buf_putc(&quoted, '"');
        st = reply_base64(o->c, &quoted, err);
    }
    zis_buf_free(&png);
    zis_buf_free(&quoted);
    return st;
}

ZIS_HANDLER(a1111_extra)
{
    zis_order o = {0};
    char id[ZIS_JOB_ID + 1];
    bool plain = false;
    const json_t *scale = json_object_get(c->json, "upscaling_resize");
    const json_t *width = json_object_get(c->json, "upscaling_resize_w");
    const json_t *height = json_object_get(c->json, "upscaling_resize_h");
    bool sizes = json_integer_value(json_object_get(c->json, "resize_mode")) == 1;
    zis_status st = zis_order_init(&o, c, err);
    if (!st) st = zis_order_set_text(&o, "task", "task", "upscale", err);
    if (!st) st = zis_order_set_text(&o, "refine", "refine", "off", err);
    if (!st) st = take_upscaler(&o, &plain, err);
    if (!st && sizes && width) st = zis_order_set(&o, "width", "upscaling_resize_w", width, err);
    if (!st && sizes && height) st = zis_order_set(&o, "height", "upscaling_resize_h", height, err);
    if (!st && !sizes && scale) st = zis_order_set(&o, "scale", "upscaling_resize", scale, err);
    if (!st)
        st = zis_a1111_take_picture(&o, "image", json_object_get(c->json, "image"),
                                    ZIS_PICTURE_INIT, err);
    o.upscale = true;
    if (!st) st = plain ? enlarge(&o, err) : zis_order_submit(&o, id, err);
    zis_order_deinit(&o);
    if (!st && !plain) zis_call_wait(c, id, reply_enlarged);
    return st;
}
