/* Every route, one row each; /openapi.json is made from these, too. */
#include "server/native.h"

#include <stdio.h>
#include <string.h>

#define OPEN ZIS_ROUTE_OPEN
#define SLOW ZIS_ROUTE_SLOW
#define JSON ZIS_ROUTE_JSON
#define FORM ZIS_ROUTE_MULTIPART
#define RAW ZIS_ROUTE_RAW
#define PICTURES ZIS_ROUTE_PICTURES
#define LAST ZIS_ROUTE_STOPPING

static const zis_route routes[] = {
    /* the native API */
    {"POST", "/api/v1/jobs", ZIS_NATIVE, SLOW | JSON | FORM, zis_http_job_create, "Queue a job",
     "JobRequest", "Job", "202 404 409"},
    {"GET", "/api/v1/jobs", ZIS_NATIVE, LAST, zis_http_job_list, "Jobs of a session (?session=)",
     NULL, "Jobs", "200 400"},
    {"GET", "/api/v1/jobs/{id}", ZIS_NATIVE, LAST, zis_http_job_get, "A job", NULL, "Job", NULL},
    {"DELETE", "/api/v1/jobs/{id}", ZIS_NATIVE, LAST, zis_http_job_delete,
     "Cancel a job, or forget one that has ended", NULL, "Job", "200 202"},
    {"GET", "/api/v1/jobs/{id}/events", ZIS_NATIVE, LAST, zis_http_job_events, "Events of a job",
     NULL, "text/event-stream", NULL},
    {"GET", "/api/v1/jobs/{id}/image", ZIS_NATIVE, LAST, zis_http_job_image, "Its first picture",
     NULL, "image/png, image/jpeg, image/webp", "200 304 409"},
    {"GET", "/api/v1/jobs/{id}/images/{index}", ZIS_NATIVE, LAST, zis_http_job_image,
     "A picture of the batch", NULL, "image/png, image/jpeg, image/webp", "200 304 409"},
    {"GET", "/api/v1/jobs/{id}/preview", ZIS_NATIVE, LAST, zis_http_job_preview,
     "How it looks so far", NULL, "image/jpeg", NULL},
    {"GET", "/api/v1/events", ZIS_NATIVE, LAST, zis_http_session_events,
     "Events of all jobs of a session (?session=)", NULL, "text/event-stream", "200 400"},
    {"POST", "/api/v1/uploads", ZIS_NATIVE, SLOW | FORM | RAW, zis_http_upload_create,
     "Send a picture, or a LoRA (?kind=lora)", "application/octet-stream", "Upload", "201"},
    {"GET", "/api/v1/uploads/{id}", ZIS_NATIVE, 0, zis_http_upload_get, "What an upload is", NULL,
     "Upload", NULL},
    {"GET", "/api/v1/uploads/{id}/file", ZIS_NATIVE, 0, zis_http_upload_file, "An uploaded picture",
     NULL, "image/png, image/jpeg, image/webp", NULL},
    {"DELETE", "/api/v1/uploads/{id}", ZIS_NATIVE, 0, zis_http_upload_delete, "Forget an upload",
     NULL, NULL, "204"},
    {"POST", "/api/v1/preprocess", ZIS_NATIVE, SLOW | JSON | FORM | PICTURES, zis_http_preprocess,
     "Make a control map", "Preprocess", "image/png", "200 404 409"},
    {"POST", "/api/v1/recipe", ZIS_NATIVE, SLOW | JSON | FORM | RAW | PICTURES, zis_http_recipe,
     "Read the recipe of a picture", "application/octet-stream", "Recipe", "200 404"},
    {"POST", "/api/v1/loras/check", ZIS_NATIVE, SLOW | JSON | FORM, zis_http_lora_check,
     "Check a LoRA against a model", "LoraCheck", "LoraReport", "200 404 409"},
    {"POST", "/api/v1/tokens", ZIS_NATIVE, SLOW | JSON, zis_http_tokens,
     "Count the tokens of a prompt", "TokenCount", "Tokens", "200 404 409"},
    {"GET", "/api/v1/models", ZIS_NATIVE, SLOW, zis_http_models, "What there is to choose from",
     NULL, "Models", NULL},
    {"GET", "/api/v1/defaults", ZIS_NATIVE, SLOW, zis_http_defaults,
     "Fields, ranges, defaults, limits", NULL, "Defaults", NULL},
    {"GET", "/api/v1/status", ZIS_NATIVE, LAST, zis_http_status, "Device, model, queue", NULL,
     "Status", NULL},
    {"GET", "/api/v1/session", ZIS_NATIVE, OPEN | LAST, zis_http_session_get,
     "Whether a key is wanted", NULL, "Session", NULL},
    {"POST", "/api/v1/session", ZIS_NATIVE, OPEN | JSON, zis_http_session_open,
     "Show the key once, for a cookie", "SessionKey", "Session", "200 401"},
    {"DELETE", "/api/v1/session", ZIS_NATIVE, OPEN, zis_http_session_close, "Forget the cookie",
     NULL, NULL, "204"},
    /* OpenAI */
    {"POST", "/v1/images/generations", ZIS_OPENAI, SLOW | JSON, zis_http_openai_generate,
     "Draw (OpenAI)", "OpenAIGenerate", "OpenAIImages, text/event-stream", "200 404 409 499 500"},
    {"POST", "/v1/images/edits", ZIS_OPENAI, SLOW | JSON | FORM | PICTURES, zis_http_openai_edit,
     "Draw from a picture (OpenAI)", "OpenAIEdit", "OpenAIImages, text/event-stream",
     "200 404 409 499 500"},
    {"GET", "/v1/models", ZIS_OPENAI, SLOW, zis_http_openai_models, "Models (OpenAI)", NULL,
     "OpenAIModels", NULL},
    {"GET", "/v1/models/{id}", ZIS_OPENAI, SLOW, zis_http_openai_models, "A model (OpenAI)", NULL,
     "OpenAIModel", NULL},
    /* A1111 */
    {"POST", "/sdapi/v1/txt2img", ZIS_A1111, SLOW | JSON, zis_http_a1111_txt2img, "Draw (A1111)",
     "A1111Request", "A1111Images", "200 404 409 499 500"},
    {"POST", "/sdapi/v1/img2img", ZIS_A1111, SLOW | JSON | PICTURES, zis_http_a1111_img2img,
     "Draw from a picture (A1111)", "A1111Request", "A1111Images", "200 404 409 499 500"},
    {"POST", "/sdapi/v1/extra-single-image", ZIS_A1111, SLOW | JSON | PICTURES,
     zis_http_a1111_extra, "Enlarge (A1111)", "A1111Extra", "A1111Extra", "200 404 409 499 500"},
    {"POST", "/sdapi/v1/png-info", ZIS_A1111, SLOW | JSON | PICTURES, zis_http_a1111_png_info,
     "Read a recipe (A1111)", "A1111Picture", "A1111Info", NULL},
    {"GET", "/sdapi/v1/progress", ZIS_A1111, LAST, zis_http_a1111_progress, "Progress (A1111)",
     NULL, "A1111Progress", NULL},
    {"POST", "/sdapi/v1/interrupt", ZIS_A1111, LAST, zis_http_a1111_interrupt,
     "Cancel what runs (A1111)", NULL, "A1111Empty", NULL},
    {"POST", "/sdapi/v1/skip", ZIS_A1111, LAST, zis_http_a1111_interrupt,
     "Cancel what runs (A1111)", NULL, "A1111Empty", NULL},
    {"GET", "/sdapi/v1/options", ZIS_A1111, SLOW, zis_http_a1111_options, "Options (A1111)", NULL,
     "A1111Options", NULL},
    {"POST", "/sdapi/v1/options", ZIS_A1111, SLOW | JSON, zis_http_a1111_set_options,
     "Choose the model of requests that name none (A1111)", "A1111Options", "A1111Empty",
     "200 404 409"},
    {"GET", "/sdapi/v1/sd-models", ZIS_A1111, SLOW, zis_http_a1111_models, "Models (A1111)", NULL,
     "A1111List", NULL},
    {"GET", "/sdapi/v1/samplers", ZIS_A1111, 0, zis_http_a1111_samplers, "Samplers (A1111)", NULL,
     "A1111List", NULL},
    {"GET", "/sdapi/v1/schedulers", ZIS_A1111, 0, zis_http_a1111_schedulers, "Schedulers (A1111)",
     NULL, "A1111List", NULL},
    {"GET", "/sdapi/v1/loras", ZIS_A1111, SLOW, zis_http_a1111_loras, "LoRAs (A1111)", NULL,
     "A1111List", NULL},
    {"GET", "/sdapi/v1/upscalers", ZIS_A1111, SLOW, zis_http_a1111_upscalers, "Upscalers (A1111)",
     NULL, "A1111List", NULL},
    /* for machines */
    {"GET", "/health", ZIS_NATIVE, OPEN | LAST, zis_http_health, "Whether it lives", NULL, "Health",
     NULL},
    {"GET", "/metrics", ZIS_NATIVE, LAST, zis_http_metrics, "Counts for Prometheus", NULL,
     "text/plain", NULL},
    {"GET", "/openapi.json", ZIS_NATIVE, 0, zis_http_openapi, "This description", NULL,
     "application/json", NULL},
};

const zis_route *zis_route_at(size_t i)
{
    return i < sizeof routes / sizeof *routes ? &routes[i] : NULL;
}

/* Fills args with what stands at the places in braces. */
static bool matches(const char *pattern, const char *path, char args[2][48])
{
    int n = 0;
    args[0][0] = args[1][0] = '\0';
    while (*pattern) {
        if (*pattern != '{') {
            if (*pattern++ != *path++) return false;
            continue;
        }
        size_t len = strcspn(path, "/");
        if (len == 0 || len >= 48 || n == 2) return false;
        memcpy(args[n], path, len);
        args[n++][len] = '\0';
        path += len;
        pattern = strchr(pattern, '}') + 1;
    }
    return !*path;
}

const zis_route *zis_route_find(
    const char *method, const char *path, char args[2][48], char *allow, size_t n)
{
    *allow = '\0';
    if (strcmp(method, "HEAD") == 0) method = "GET";
    for (size_t i = 0; zis_route_at(i); i++) {
        const zis_route *r = &routes[i];
        if (!matches(r->path, path, args)) continue;
        if (strcmp(r->method, method) == 0) return r;
        snprintf(allow + strlen(allow), n - strlen(allow), "%s%s", *allow ? ", " : "", r->method);
    }
    return NULL;
}
