/* /openapi.json: the table of routes and the table of fields, in other words. */
#include "pipeline/jsonout.h"
#include "server/native.h"

#include <stdlib.h>
#include <string.h>

/* Schemas that are no view of the field table. */
static const struct {
    const char *name, *text;
} schemas[] = {
    {"Error",
     "{\"type\":\"object\",\"required\":[\"error\"],\"properties\":{\"error\":{\"type\":\"object\","
     "\"required\":[\"code\",\"message\"],\"properties\":{\"code\":{\"type\":\"string\"},"
     "\"message\":{\"type\":\"string\"},\"type\":{\"type\":\"string\"},\"param\":{\"type\":["
     "\"string\",\"null\"]},\"fetch\":{\"type\":[\"string\",\"null\"]}}}}}"},
    {"A1111Error",
     "{\"type\":\"object\",\"required\":[\"error\",\"detail\"],\"properties\":{\"error\":{\"type\":"
     "\"string\"},\"detail\":{\"type\":\"string\"},\"body\":{\"type\":\"string\"},\"errors\":{"
     "\"type\":\"string\"}}}"},
    {"Job",
     "{\"type\":\"object\",\"required\":[\"id\",\"state\",\"images\"],\"properties\":{\"id\":{"
     "\"type\":\"string\"},\"state\":{\"enum\":[\"queued\",\"running\",\"done\",\"failed\","
     "\"cancelled\"]},\"task\":{\"type\":\"string\"},\"session\":{\"type\":\"string\"},\"created\":"
     "{\"type\":\"number\"},\"started\":{\"type\":[\"number\",\"null\"]},\"finished\":{\"type\":["
     "\"number\",\"null\"]},\"position\":{\"type\":\"integer\"},\"estimate\":{\"type\":\"integer\"}"
     ",\"attempt\":{\"type\":\"integer\"},\"progress\":{\"type\":[\"object\",\"null\"]},"
     "\"request\":{\"type\":\"object\"},\"model\":{\"type\":[\"string\",\"null\"]},\"device\":{"
     "\"type\":[\"string\",\"null\"]},\"dtype\":{\"type\":[\"string\",\"null\"]},\"images\":{"
     "\"type\":\"array\",\"items\":{\"type\":\"object\"}},\"seconds\":{\"type\":[\"object\","
     "\"null\"]},\"peak_memory_bytes\":{\"type\":[\"integer\",\"null\"]},\"warnings\":{\"type\":"
     "\"array\",\"items\":{\"type\":\"string\"}},\"error\":{\"type\":[\"object\",\"null\"]}}}"},
    {"Jobs", "{\"type\":\"object\",\"properties\":{\"jobs\":{\"type\":\"array\",\"items\":{\"$"
             "ref\":\"#/components/schemas/Job\"}}}}"},
    {"Upload",
     "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"},\"ref\":{\"type\":"
     "\"string\"},\"kind\":{\"enum\":[\"picture\",\"lora\"]},\"name\":{\"type\":\"string\"},"
     "\"bytes\":{\"type\":\"integer\"},\"format\":{\"type\":\"string\"},\"width\":{\"type\":"
     "\"integer\"},\"height\":{\"type\":\"integer\"},\"alpha\":{\"type\":\"boolean\"},\"recipe\":{"
     "\"type\":\"boolean\"},\"expires\":{\"type\":\"number\"}}}"},
    {"Preprocess",
     "{\"type\":\"object\",\"required\":[\"kind\",\"image\"],\"properties\":{\"kind\":{\"enum\":["
     "\"none\",\"canny\",\"depth\",\"pose\"]},\"image\":{\"type\":\"string\"}}}"},
    {"Recipe", "{\"type\":\"object\",\"properties\":{\"source\":{\"enum\":[\"zis\",\"a1111\"]},"
               "\"request\":{\"$ref\":\"#/components/schemas/"
               "JobRequest\"},\"ignored\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
               "\"width\":{\"type\":\"integer\"},\"height\":{\"type\":\"integer\"},\"parameters\":{"
               "\"type\":[\"string\",\"null\"]}}}"},
    {"LoraCheck", "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"model\":{"
                  "\"type\":\"string\"}}}"},
    {"LoraReport",
     "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"ok\":{\"type\":"
     "\"boolean\"},\"matched\":{\"type\":\"integer\"},\"modules\":{\"type\":\"integer\"},\"rank\":{"
     "\"type\":\"integer\"},\"summary\":{\"type\":\"string\"}}}"},
    {"TokenCount", "{\"type\":\"object\",\"properties\":{\"prompt\":{\"type\":\"string\"},"
                   "\"model\":{\"type\":\"string\"}}}"},
    {"Tokens", "{\"type\":\"object\",\"properties\":{\"tokens\":{\"type\":\"integer\"},\"limit\":{"
               "\"type\":\"integer\"},\"cut_at\":{\"type\":[\"integer\",\"null\"]}}}"},
    {"SessionKey", "{\"type\":\"object\",\"properties\":{\"key\":{\"type\":\"string\"}}}"},
    {"OpenAIGenerate",
     "{\"type\":\"object\",\"required\":[\"prompt\"],\"properties\":{\"prompt\":{\"type\":"
     "\"string\"},\"model\":{\"type\":\"string\"},\"n\":{\"type\":\"integer\"},\"size\":{\"type\":"
     "\"string\"},\"response_format\":{\"enum\":[\"b64_json\",\"url\"]},\"output_format\":{"
     "\"enum\":[\"png\",\"jpeg\",\"webp\"]},\"stream\":{\"type\":\"boolean\"},\"partial_images\":{"
     "\"type\":\"integer\"},\"steps\":{\"type\":\"integer\"},\"seed\":{\"type\":\"integer\"},"
     "\"negative_prompt\":{\"type\":\"string\"},\"cfg_scale\":{\"type\":\"number\"}}}"},
    {"OpenAIEdit",
     "{\"type\":\"object\",\"required\":[\"prompt\",\"image\"],\"properties\":{\"prompt\":{"
     "\"type\":"
     "\"string\"},\"image\":{\"type\":\"string\"},\"mask\":{\"type\":\"string\"},\"model\":{"
     "\"type\":"
     "\"string\"},\"n\":{\"type\":\"integer\"},\"size\":{\"type\":\"string\"},\"response_format\":{"
     "\"enum\":[\"b64_json\",\"url\"]},\"output_format\":{\"enum\":[\"png\",\"jpeg\",\"webp\"]},"
     "\"stream\":{\"type\":\"boolean\"},\"partial_images\":{\"type\":\"integer\"},\"steps\":{"
     "\"type\":"
     "\"integer\"},\"seed\":{\"type\":\"integer\"},\"strength\":{\"type\":\"number\"}}}"},
    {"OpenAIImages", "{\"type\":\"object\",\"properties\":{\"created\":{\"type\":\"integer\"},"
                     "\"data\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
                     "\"b64_json\":{\"type\":\"string\"},\"url\":{\"type\":\"string\"}}}}}}"},
    {"A1111Request",
     "{\"type\":\"object\",\"properties\":{\"prompt\":{\"type\":\"string\"},\"negative_prompt\":{"
     "\"type\":\"string\"},\"steps\":{\"type\":\"integer\"},\"width\":{\"type\":\"integer\"},"
     "\"height\":{\"type\":\"integer\"},\"cfg_scale\":{\"type\":\"number\"},\"seed\":{\"type\":"
     "\"integer\"},\"batch_size\":{\"type\":\"integer\"},\"n_iter\":{\"type\":\"integer\"},\"init_"
     "images\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"mask\":{\"type\":\"string\"},"
     "\"denoising_strength\":{\"type\":\"number\"}}}"},
    {"A1111Images",
     "{\"type\":\"object\",\"properties\":{\"images\":{\"type\":\"array\",\"items\":{\"type\":"
     "\"string\"}},\"parameters\":{\"type\":\"object\"},\"info\":{\"type\":\"string\"}}}"},
    {"A1111Picture", "{\"type\":\"object\",\"required\":[\"image\"],\"properties\":{\"image\":{"
                     "\"type\":\"string\"}}}"},
    {"A1111Info", "{\"type\":\"object\",\"properties\":{\"info\":{\"type\":\"string\"},\"items\":{"
                  "\"type\":\"object\"},\"parameters\":{\"type\":\"object\"}}}"},
    {"A1111List", "{\"type\":\"array\",\"items\":{\"type\":\"object\"}}"},
};

/* Objects whose members their page describes. */
static const char *const plain[] = {
    "Models",      "Defaults",   "Status",        "Session",    "Health",       "OpenAIModels",
    "OpenAIModel", "A1111Extra", "A1111Progress", "A1111Empty", "A1111Options",
};

static void put_field(zis_buf *out, const zis_field *f)
{
    const char *type = f->type == ZIS_FIELD_INT || f->type == ZIS_FIELD_INT64 ? "integer"
                       : f->type == ZIS_FIELD_REAL                            ? "number"
                                                                              : "string";
    zis_buf_printf(out, ", \"%s\": {\"type\": [\"%s\", \"null\"], \"description\": ", f->name,
                   type);
    zis_jsonout_string(out, f->help);
    if (strcmp(type, "string") != 0) {
        zis_buf_puts(out, ", \"minimum\": ");
        zis_jsonout_number(out, f->lo);
        zis_buf_puts(out, ", \"maximum\": ");
        if (f->type == ZIS_FIELD_INT64)
            zis_buf_puts(out, "9223372036854775807");
        else
            zis_jsonout_number(out, strcmp(f->name, "batch") == 0 ? ZIS_HTTP_BATCH : f->hi);
    }
    if (f->type == ZIS_FIELD_CHOICE) {
        zis_buf_puts(out, ", \"enum\": [");
        for (int i = 0; f->choices[i]; i++) {
            zis_jsonout_string(out, f->choices[i]);
            zis_buf_puts(out, ", ");
        }
        zis_buf_puts(out, "null]");
    }
    zis_buf_putc(out, '}');
}

static void put_job_request(zis_buf *out)
{
    static const char *const strings[] = {"image",    "mask",   "control_image", "control_net",
                                          "upscaler", "format", "session"};
    zis_buf_puts(out, "\"JobRequest\": {\"type\": \"object\", \"additionalProperties\": false, "
                      "\"properties\": {\"task\": {\"enum\": [\"generate\", \"upscale\"]}, "
                      "\"model\": {\"type\": [\"string\", \"null\"]}");
    for (size_t i = 0; zis_request_field_at(i); i++) {
        const zis_field *f = zis_request_field_at(i);
        bool special = strcmp(f->name, "task") == 0 || strcmp(f->name, "model") == 0;
        if ((f->where & ZIS_FIELD_HTTP) && !special) put_field(out, f);
    }
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        const zis_field *f = zis_request_field(strings[i]);
        if (!f || !(f->where & ZIS_FIELD_HTTP))
            zis_buf_printf(out, ", \"%s\": {\"type\": [\"string\", \"null\"]}", strings[i]);
    }
    zis_buf_puts(out, ", \"loras\": {\"type\": \"array\", \"items\": {\"type\": \"object\", "
                      "\"properties\": {\"name\": {\"type\": \"string\"}, \"strength\": {\"type\": "
                      "\"number\"}}}}, \"metadata\": {\"type\": \"boolean\"}, "
                      "\"cancel_on_disconnect\": {\"type\": \"boolean\"}}}");
}

/* Schemas by name, content types of bytes: one, or several with ", " between. */
static void put_content(zis_buf *out, const char *what, bool form)
{
    const char *sep = "{";
    for (; *what; what += strcspn(what, ","), what += strspn(what, ", "), sep = ", ") {
        int n = (int)strcspn(what, ",");
        if (memchr(what, '/', (size_t)n))
            zis_buf_printf(out, "%s\"%.*s\": {\"schema\": {\"type\": \"string\"}}", sep, n, what);
        else
            zis_buf_printf(out,
                           "%s\"application/json\": {\"schema\": {\"$ref\": "
                           "\"#/components/schemas/%.*s\"}}",
                           sep, n, what);
        if (form && !memchr(what, '/', (size_t)n))
            zis_buf_printf(out,
                           ", \"multipart/form-data\": {\"schema\": {\"$ref\": "
                           "\"#/components/schemas/%.*s\"}}",
                           n, what);
    }
    zis_buf_putc(out, '}');
}

/* ---- statuses ------------------------------------------------------------------------------ */

static const struct {
    int status;
    const char *means;
} statuses[] = {
    {200, "done; the body is the answer"},
    {201, "kept; the body says under which id"},
    {202, "taken: the job waits, or ends within a block; the body is the job as it is now"},
    {204, "done; there is no body"},
    {304, "the picture that the client has is the one"},
    {400, "a value, a picture or the JSON text is not acceptable; the sentence says which"},
    {401, "the server wants its key, or another one"},
    {403, "a foreign Origin or Host"},
    {404, "no such job, picture, upload, model or name"},
    {409,
     "not there yet: a picture of a job that runs, or a model that is known and not downloaded"},
    {413, "the body, a file or a picture is over its limit; the sentence says which and how much"},
    {415, "the content type is none that this route takes"},
    {429, "as much waits as may; Retry-After says when to come again"},
    {499, "the job was cancelled while the answer was waited for"},
    {500, "the job failed; the sentence says why"},
    {503, "the server is stopping"},
};

/* Whether a route answers so: by its row, by what it takes, by who may ask. */
static bool answers(const zis_route *r, int status)
{
    bool body = r->takes != NULL;
    for (const char *at = r->also; at && *at; at += strspn(at, " "), at += strcspn(at, " "))
        if (strtol(at, NULL, 10) == status) return true;
    switch (status) {
    case 200:
        return !r->also;
    case 401:
        return !(r->flags & ZIS_ROUTE_OPEN);
    case 403:
        return true;
    case 404:
        return strchr(r->path, '{') != NULL;
    case 400:
    case 413:
    case 415:
    case 429:
        return body;
    case 503:
        return !(r->flags & ZIS_ROUTE_STOPPING);
    default:
        return false;
    }
}

static void put_responses(zis_buf *out, const zis_route *r)
{
    const char *error = r->dialect == ZIS_A1111 ? "A1111Error" : "Error", *sep = "{";
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        int status = statuses[i].status;
        if (!answers(r, status)) continue;
        zis_buf_printf(out, "%s\"%d\": {\"description\": ", sep, status);
        zis_jsonout_string(out, statuses[i].means);
        const char *what = status >= 400 ? error : status < 300 && status != 204 ? r->gives : NULL;
        if (what) {
            zis_buf_puts(out, ", \"content\": ");
            put_content(out, what, false);
        }
        zis_buf_putc(out, '}');
        sep = ", ";
    }
    zis_buf_puts(out, ", \"default\": {\"description\": \"whatever else is wrong\", \"content\": ");
    put_content(out, error, false);
    zis_buf_puts(out, "}}");
}

static void put_parameters(zis_buf *out, const char *path)
{
    const char *sep = "";
    zis_buf_puts(out, ", \"parameters\": [");
    for (const char *s = path; (s = strchr(s, '{')); s++, sep = ", ") {
        size_t n = strcspn(s + 1, "}");
        zis_buf_printf(out,
                       "%s{\"name\": \"%.*s\", \"in\": \"path\", \"required\": true, \"schema\": "
                       "{\"type\": \"string\"}}",
                       sep, (int)n, s + 1);
    }
    zis_buf_putc(out, ']');
}

static void put_operation(zis_buf *out, const zis_route *r)
{
    static const char *const tags[] = {"native", "openai", "a1111"};
    char method[8];
    size_t n = strlen(r->method);
    for (size_t i = 0; i <= n; i++)
        method[i] =
            (char)(r->method[i] >= 'A' && r->method[i] <= 'Z' ? r->method[i] + 32 : r->method[i]);
    zis_buf_printf(out, "\"%s\": {\"tags\": [\"%s\"], \"summary\": ", method, tags[r->dialect]);
    zis_jsonout_string(out, r->summary);
    put_parameters(out, r->path);
    if (r->takes) {
        zis_buf_puts(out, ", \"requestBody\": {\"content\": ");
        put_content(out, r->takes, (r->flags & ZIS_ROUTE_MULTIPART) != 0);
        zis_buf_putc(out, '}');
    }
    if (r->flags & ZIS_ROUTE_OPEN) zis_buf_puts(out, ", \"security\": []");
    zis_buf_puts(out, ", \"responses\": ");
    put_responses(out, r);
    zis_buf_putc(out, '}');
}

/* Routes of one path stand together in the description, wherever they are in the table. */
static bool seen_before(size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(zis_route_at(k)->path, zis_route_at(i)->path) == 0) return true;
    return false;
}

ZIS_HANDLER(openapi)
{
    zis_buf out = {0};
    const char *sep = "";
    zis_buf_puts(&out, "{\"openapi\": \"3.1.0\", \"info\": {\"title\": \"Z-Image Studio\", "
                       "\"version\": \"" ZIS_VERSION "\"},\n \"security\": [{\"key\": []}, {}],\n "
                       "\"paths\": {");
    for (size_t i = 0; zis_route_at(i); i++) {
        const char *path = zis_route_at(i)->path, *inner = "";
        if (seen_before(i)) continue;
        zis_buf_printf(&out, "%s\n  \"%s\": {", sep, path);
        for (size_t k = i; zis_route_at(k); k++) {
            if (strcmp(zis_route_at(k)->path, path) != 0) continue;
            zis_buf_puts(&out, inner);
            put_operation(&out, zis_route_at(k));
            inner = ", ";
        }
        zis_buf_putc(&out, '}');
        sep = ",";
    }
    zis_buf_puts(&out, "},\n \"components\": {\"securitySchemes\": {\"key\": {\"type\": \"http\", "
                       "\"scheme\": \"bearer\"}},\n  \"schemas\": {");
    put_job_request(&out);
    for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++)
        zis_buf_printf(&out, ",\n   \"%s\": %s", schemas[i].name, schemas[i].text);
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        zis_buf_printf(&out, ",\n   \"%s\": {\"type\": \"object\"}", plain[i]);
    zis_buf_puts(&out, "}}}\n");
    return zis_reply_json(c, 200, &out, err);
}
