/* native.h - handlers of the native API; rows of routes.c name them.
 *
 * Threads: as their route says (MHD's, or a helper). */
#ifndef ZIS_SERVER_NATIVE_H
#define ZIS_SERVER_NATIVE_H

#include "server/impl.h"

#define ZIS_HANDLER(name) zis_status zis_http_##name(zis_call *c, zis_error *err)

/* native.c */
ZIS_HANDLER(job_create);
ZIS_HANDLER(job_get);
ZIS_HANDLER(job_list);
ZIS_HANDLER(job_delete);
ZIS_HANDLER(job_events);
ZIS_HANDLER(session_events);
ZIS_HANDLER(job_image);
ZIS_HANDLER(job_preview);
/* files.c */
ZIS_HANDLER(upload_create);
ZIS_HANDLER(upload_get);
ZIS_HANDLER(upload_file);
ZIS_HANDLER(upload_delete);
ZIS_HANDLER(preprocess);
ZIS_HANDLER(recipe);
ZIS_HANDLER(lora_check);
/* info.c */
ZIS_HANDLER(models);
ZIS_HANDLER(defaults);
ZIS_HANDLER(status);
ZIS_HANDLER(health);
ZIS_HANDLER(metrics);
ZIS_HANDLER(tokens);
ZIS_HANDLER(session_get);
ZIS_HANDLER(session_open);
ZIS_HANDLER(session_close);
/* openapi.c */
ZIS_HANDLER(openapi);
/* openai.c */
ZIS_HANDLER(openai_generate);
ZIS_HANDLER(openai_edit);
ZIS_HANDLER(openai_models);
/* a1111.c */
ZIS_HANDLER(a1111_txt2img);
ZIS_HANDLER(a1111_img2img);
ZIS_HANDLER(a1111_extra);
ZIS_HANDLER(a1111_progress);
ZIS_HANDLER(a1111_interrupt);
ZIS_HANDLER(a1111_options);
ZIS_HANDLER(a1111_set_options);
ZIS_HANDLER(a1111_models);
ZIS_HANDLER(a1111_samplers);
ZIS_HANDLER(a1111_schedulers);
ZIS_HANDLER(a1111_loras);
ZIS_HANDLER(a1111_upscalers);
ZIS_HANDLER(a1111_png_info);

/* Appends the limits and numbers that several answers share. */
void zis_http_put_defaults(zis_buf *out, const zis_request_defaults *d);
/* A string member; NULL: absent. A member of another type fails. */
ZIS_MUST_USE zis_status zis_http_string(const zis_call *c,
                                        const char *name,
                                        const char **out,
                                        zis_error *err);

#endif
