/* Views of the table of fields: values from text, checks, JSON. */
#include "pipeline/request.h"

#include "base/json.h"
#include "base/utf8.h"
#include "pipeline/jsonout.h"
#include "pipeline/request_loras.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define N_FIELDS zis_request_field_count()

static bool is_text(const zis_field *f)
{
    return f->type == ZIS_FIELD_TEXT || f->type == ZIS_FIELD_PATH;
}

static void *member(zis_request *r, const zis_field *f)
{
    return (char *)r + f->offset;
}

static const void *member_const(const zis_request *r, const zis_field *f)
{
    return (const char *)r + f->offset;
}

static const char *text_of(const zis_request *r, const zis_field *f)
{
    return *(char *const *)member_const(r, f);
}

static uint64_t bit(const zis_field *f)
{
    return UINT64_C(1) << (f - zis_request_field_at(0));
}

bool zis_request_given(const zis_request *r, const zis_field *f)
{
    return (r->given & bit(f)) != 0;
}

bool zis_request_matters(const zis_request *r, const zis_field *f)
{
    if (f->tasks && !(f->tasks >> r->task & 1)) return false;
    if (f->type == ZIS_FIELD_LORAS) return r->n_loras > 0;
    /* a ControlNet may also follow a masked picture alone */
    bool there = !f->pictures || (f->pictures >> ZIS_PICTURE_CONTROL & 1 && r->control_net);
    for (int i = 0; i < ZIS_PICTURE_COUNT; i++)
        there = there || (r->picture[i] && (f->pictures >> i & 1));
    return there;
}

/* ---- life ---------------------------------------------------------------------------------- */

void zis_request_deinit(zis_request *r)
{
    for (size_t i = 0; i < N_FIELDS; i++) {
        if (!is_text(zis_request_field_at(i))) continue;
        char **s = member(r, zis_request_field_at(i));
        free(*s);
        *s = NULL;
    }
    for (int i = 0; i < ZIS_PICTURE_COUNT; i++) zis_image_destroy(&r->picture[i]);
    zis_request_loras_clear(r);
}

void zis_request_take_picture(zis_request *r, zis_picture_slot slot, zis_image *picture)
{
    zis_image_destroy(&r->picture[slot]);
    r->picture[slot] = picture;
}

zis_status zis_request_init(zis_request *r, zis_error *err)
{
    zis_request fresh = {.seed = -1, .batch = 1};
    for (size_t i = 0; i < N_FIELDS; i++) {
        const zis_field *f = zis_request_field_at(i);
        if (!f->fallback) continue;
        zis_status st = zis_request_set(&fresh, f, f->name, f->fallback, err);
        if (st) {
            zis_request_deinit(&fresh);
            return st;
        }
    }
    fresh.given = 0;
    *r = fresh;
    return ZIS_OK;
}

zis_status zis_request_copy(zis_request *to, const zis_request *from, zis_error *err)
{
    zis_request copy = *from;
    for (size_t i = 0; i < N_FIELDS; i++)
        if (is_text(zis_request_field_at(i)))
            *(char **)member(&copy, zis_request_field_at(i)) = NULL;
    for (int i = 0; i < ZIS_PICTURE_COUNT; i++) copy.picture[i] = zis_image_share(from->picture[i]);
    zis_status st = zis_request_loras_copy(&copy, from, err);
    if (st) {
        zis_request_deinit(&copy);
        return st;
    }
    for (size_t i = 0; i < N_FIELDS; i++) {
        if (!is_text(zis_request_field_at(i)) || !text_of(from, zis_request_field_at(i))) continue;
        char *s = zis_mem_strdup(text_of(from, zis_request_field_at(i)));
        if (!s) {
            zis_request_deinit(&copy);
            return zis_fail_nomem(err, "a copy of the request");
        }
        *(char **)member(&copy, zis_request_field_at(i)) = s;
    }
    *to = copy;
    return ZIS_OK;
}

/* ---- values from text ---------------------------------------------------------------------- */

static zis_status refuse(
    const zis_field *f, const char *said, const char *value, const char *kind, zis_error *err)
{
    const char *unit = f->unit ? f->unit : "";
    const char *gap = f->unit ? " " : "";
    if (f->type == ZIS_FIELD_INT64)
        return zis_fail(err, ZIS_ARG, "%s must be %s from %.0f to 9223372036854775807, not '%.60s'",
                        said, kind, f->lo, value);
    return zis_fail(err, ZIS_ARG, "%s must be %s from %g to %g%s%s, not '%.60s'", said, kind, f->lo,
                    f->hi, gap, unit, value);
}

/* Only digits and what belongs to a number: strtod would take "nan", "0x1p3" and leading blanks. */
static bool looks_like_number(const char *s, const char *extra)
{
    if (!*s) return false;
    for (; *s; s++)
        if ((*s < '0' || *s > '9') && !strchr(extra, *s)) return false;
    return true;
}

static zis_status set_integer(
    zis_request *r, const zis_field *f, const char *said, const char *value, zis_error *err)
{
    char *end = NULL;
    errno = 0;
    long long v = looks_like_number(value, "+-") ? strtoll(value, &end, 10) : 0;
    bool wide = f->type == ZIS_FIELD_INT64;
    if (!end || *end || end == value || errno || (double)v < f->lo || (!wide && (double)v > f->hi))
        return refuse(f, said, value, "a whole number", err);
    if (wide)
        *(int64_t *)member(r, f) = v;
    else
        *(int *)member(r, f) = (int)v;
    return ZIS_OK;
}

static zis_status set_real(
    zis_request *r, const zis_field *f, const char *said, const char *value, zis_error *err)
{
    char *end = NULL;
    double v = looks_like_number(value, "+-.eE") ? strtod(value, &end) : 0;
    if (!end || *end || end == value || !(v >= f->lo && v <= f->hi))
        return refuse(f, said, value, "a number", err);
    *(double *)member(r, f) = v;
    return ZIS_OK;
}

static zis_status set_choice(
    zis_request *r, const zis_field *f, const char *said, const char *value, zis_error *err)
{
    zis_buf known = {0};
    for (int i = 0; f->choices[i]; i++) {
        if (strcmp(f->choices[i], value) == 0) {
            *(int *)member(r, f) = i;
            zis_buf_free(&known);
            return ZIS_OK;
        }
        zis_buf_printf(&known, "%s%s", i ? ", " : "", f->choices[i]);
    }
    zis_status st = zis_fail(err, ZIS_ARG, "%s does not know '%.60s'; it may be: %s", said, value,
                             known.data ? known.data : "");
    zis_buf_free(&known);
    return st;
}

zis_status zis_request_set_text(zis_request *r,
                                const zis_field *f,
                                const char *said,
                                const char *value,
                                size_t len,
                                zis_error *err)
{
    if (len > ZIS_REQUEST_MAX_TEXT)
        return zis_fail(err, ZIS_ARG, "%s has %zu bytes, at most %u are accepted", said, len,
                        ZIS_REQUEST_MAX_TEXT);
    if (memchr(value, 0, len))
        return zis_fail(err, ZIS_ARG, "%s holds a zero byte; it must be text without one", said);
    uint32_t cp;
    for (size_t i = 0; f->type == ZIS_FIELD_TEXT && i < len;) {
        size_t n = zis_utf8_decode(value + i, len - i, &cp);
        if (n == 0)
            return zis_fail(err, ZIS_ARG, "%s is not valid UTF-8: byte %zu (0x%02x) fits nowhere",
                            said, i + 1, (unsigned)(unsigned char)value[i]);
        i += n;
    }
    if (f->type == ZIS_FIELD_PATH && len == 0)
        return zis_fail(err, ZIS_ARG, "%s is empty; it must be a name or a path", said);
    char *s = zis_mem_strndup(value, len);
    if (!s) return zis_fail_nomem(err, said);
    char **to = member(r, f);
    free(*to);
    *to = s;
    r->given |= bit(f);
    return ZIS_OK;
}

zis_status zis_request_set(
    zis_request *r, const zis_field *f, const char *said, const char *value, zis_error *err)
{
    zis_status st = ZIS_OK;
    switch (f->type) {
    case ZIS_FIELD_TEXT:
    case ZIS_FIELD_PATH:
        return zis_request_set_text(r, f, said, value, strlen(value), err);
    case ZIS_FIELD_INT:
    case ZIS_FIELD_INT64:
        st = set_integer(r, f, said, value, err);
        break;
    case ZIS_FIELD_REAL:
        st = set_real(r, f, said, value, err);
        break;
    case ZIS_FIELD_CHOICE:
        st = set_choice(r, f, said, value, err);
        break;
    case ZIS_FIELD_LORAS:
        st = zis_request_loras_set(r, f, said, value, err);
        break;
    }
    if (st == ZIS_OK) r->given |= bit(f);
    return st;
}

void zis_request_set_task(zis_request *r, zis_request_task task)
{
    r->task = task;
    r->given |= bit(zis_request_field("task"));
}

zis_status zis_request_upscaling_apply(zis_request *r, zis_error *err)
{
    zis_status st = ZIS_OK;
    for (size_t i = 0; i < N_FIELDS && !st; i++) {
        const zis_field *f = zis_request_field_at(i);
        if (!f->upscaling || f->model_default >= 0) continue;
        bool open = f->type == ZIS_FIELD_TEXT ? !*text_of(r, f) : !zis_request_given(r, f);
        if (open) st = zis_request_set(r, f, f->name, f->upscaling, err);
    }
    return st;
}

void zis_request_defaults_apply(zis_request *r, const zis_request_defaults *d)
{
    for (size_t i = 0; i < N_FIELDS; i++) {
        const zis_field *f = zis_request_field_at(i);
        if (f->model_default < 0 || zis_request_given(r, f)) continue;
        const void *from = (const char *)d + f->model_default;
        if (f->type == ZIS_FIELD_REAL)
            memcpy(member(r, f), from, sizeof(double));
        else
            memcpy(member(r, f), from, sizeof(int));
    }
}

static double number_of(const zis_request *r, const zis_field *f)
{
    if (f->type == ZIS_FIELD_REAL) return *(const double *)member_const(r, f);
    if (f->type == ZIS_FIELD_INT64) return (double)*(const int64_t *)member_const(r, f);
    return *(const int *)member_const(r, f);
}

/* What belongs to a picture needs the picture. */
static zis_status check_pictures(const zis_request *r, zis_error *err)
{
    for (int i = 0; i < ZIS_PICTURE_COUNT; i++) {
        const zis_field *f = zis_request_picture_field((zis_picture_slot)i);
        if (text_of(r, f) && !r->picture[i])
            return zis_fail(err, ZIS_ARG, "the picture of %s, '%.200s', was named but not given",
                            f->name, text_of(r, f));
    }
    if (r->task == ZIS_TASK_UPSCALE && !r->picture[ZIS_PICTURE_INIT])
        return zis_fail(err, ZIS_ARG, "upscaling needs a picture (image)");
    if (r->task == ZIS_TASK_UPSCALE &&
        (r->picture[ZIS_PICTURE_MASK] || r->picture[ZIS_PICTURE_CONTROL] || r->control_net))
        return zis_fail(err, ZIS_ARG, "upscaling takes neither a mask nor a ControlNet");
    if (r->task == ZIS_TASK_UPSCALE && !r->refine && r->batch > 1)
        return zis_fail(err, ZIS_ARG,
                        "without refinement all %d pictures would be the same; leave batch at 1",
                        r->batch);
    if (r->picture[ZIS_PICTURE_MASK] && !r->picture[ZIS_PICTURE_INIT])
        return zis_fail(err, ZIS_ARG, "a mask needs a picture whose part it keeps (image)");
    if (!r->picture[ZIS_PICTURE_CONTROL] && r->preprocess != ZIS_PREPROCESS_NONE)
        return zis_fail(err, ZIS_ARG,
                        "preprocess is %s, but there is no picture to do that with (control_image)",
                        zis_request_preprocess_name(r->preprocess));
    if (!r->picture[ZIS_PICTURE_CONTROL] && !r->picture[ZIS_PICTURE_MASK] && r->control_net)
        return zis_fail(err, ZIS_ARG,
                        "a ControlNet needs a picture that it follows (control_image), or a "
                        "picture with a mask");
    if (r->control_start > r->control_end)
        return zis_fail(err, ZIS_ARG, "control_start, %g, lies behind control_end, %g",
                        r->control_start, r->control_end);
    return ZIS_OK;
}

zis_status zis_request_check(const zis_request *r, zis_error *err)
{
    for (size_t i = 0; i < N_FIELDS; i++) {
        const zis_field *f = zis_request_field_at(i);
        if (f->type == ZIS_FIELD_LORAS) {
            zis_status st = zis_request_loras_check(r, f, err);
            if (st) return st;
        }
        if (is_text(f) || f->type == ZIS_FIELD_LORAS) continue;
        double lo = f->lo, hi = f->hi;
        if (f->type == ZIS_FIELD_CHOICE)
            for (hi = -1; f->choices[(int)hi + 1];) hi++;
        double v = number_of(r, f);
        if (!(v >= lo && v <= hi))
            return zis_fail(err, ZIS_ARG, "%s must be from %g to %g, not %g", f->name, lo, hi, v);
    }
    if (r->seed > INT64_MAX - (r->batch - 1))
        return zis_fail(err, ZIS_ARG,
                        "seed %lld and %d pictures go beyond the largest seed, "
                        "9223372036854775807; choose a smaller seed",
                        (long long)r->seed, r->batch);
    return check_pictures(r, err);
}

/* ---- JSON ---------------------------------------------------------------------------------- */

void zis_request_value_text(zis_buf *out, const zis_request *r, const zis_field *f)
{
    if (is_text(f)) {
        if (text_of(r, f)) zis_buf_puts(out, text_of(r, f));
    } else if (f->type == ZIS_FIELD_LORAS) {
        zis_request_loras_text(out, r);
    } else if (f->type == ZIS_FIELD_CHOICE) {
        zis_buf_puts(out, f->choices[*(const int *)member_const(r, f)]);
    } else if (f->type == ZIS_FIELD_INT64) {
        zis_buf_printf(out, "%lld", (long long)*(const int64_t *)member_const(r, f));
    } else {
        zis_jsonout_number(out, number_of(r, f));
    }
}

void zis_request_value_json(zis_buf *out, const zis_request *r, const zis_field *f)
{
    if (is_text(f))
        zis_jsonout_string(out, text_of(r, f));
    else if (f->type == ZIS_FIELD_LORAS)
        zis_request_loras_json(out, r);
    else if (f->type == ZIS_FIELD_CHOICE)
        zis_jsonout_string(out, f->choices[*(const int *)member_const(r, f)]);
    else
        zis_request_value_text(out, r, f);
}

void zis_request_to_json(zis_buf *out, const zis_request *r, unsigned where)
{
    const char *sep = "";
    for (size_t i = 0; i < N_FIELDS; i++) {
        const zis_field *f = zis_request_field_at(i);
        if (!(f->where & where) || (is_text(f) && !text_of(r, f))) continue;
        if (where == ZIS_FIELD_RECIPE && !zis_request_matters(r, f)) continue;
        zis_buf_printf(out, "%s\"%s\": ", sep, f->name);
        zis_request_value_json(out, r, f);
        sep = ", ";
    }
}

/* One value of a member that is a field; t is its first token. */
static zis_status take_value(
    zis_request *r, zis_json *j, const zis_field *f, const zis_json_token *t, zis_error *err)
{
    bool words = is_text(f) || f->type == ZIS_FIELD_CHOICE;
    if (t->type == ZIS_JSON_NULL) return ZIS_OK;
    if (f->type == ZIS_FIELD_LORAS) {
        zis_status got = zis_request_loras_read(r, f, j, t, err);
        if (!got) r->given |= bit(f);
        return got;
    }
    if (t->type != (words ? ZIS_JSON_STRING : ZIS_JSON_NUMBER))
        return zis_json_fail(j, t, err, "\"%s\" must be %s", f->name,
                             words ? "a string" : "a number");
    if (is_text(f)) return zis_request_set_text(r, f, f->name, t->text, t->len, err);
    char *value = zis_mem_strndup(t->text, t->len);
    if (!value) return zis_fail_nomem(err, j->what);
    zis_status st = zis_request_set(r, f, f->name, value, err);
    free(value);
    return st;
}

static zis_status take_members(zis_request *r, zis_json *j, unsigned where, zis_error *err)
{
    uint64_t seen = 0;
    for (;;) {
        zis_json_token t;
        zis_status st = zis_json_next(j, &t, err);
        if (st) return st;
        if (t.type == ZIS_JSON_OBJECT_END) break;
        const zis_field *f = NULL;
        for (size_t i = 0; i < N_FIELDS && !f; i++)
            if (zis_json_is(&t, zis_request_field_at(i)->name)) f = zis_request_field_at(i);
        if (!f || !(f->where & where)) {
            if ((st = zis_json_skip(j, &t, err))) return st;
            continue;
        }
        if (seen & bit(f)) return zis_json_fail(j, &t, err, "\"%s\" is there twice", f->name);
        seen |= bit(f);
        if ((st = zis_json_next(j, &t, err))) return st;
        if ((st = take_value(r, j, f, &t, err))) return st;
    }
    zis_json_token end;
    return zis_json_next(j, &end, err); /* nothing may follow */
}

zis_status zis_request_from_json(
    zis_request *r, const char *what, const char *json, size_t len, unsigned where, zis_error *err)
{
    zis_json j;
    zis_json_init(&j, what, json, len);
    zis_json_token t;
    zis_status st = zis_json_next(&j, &t, err);
    if (st == ZIS_OK && t.type != ZIS_JSON_OBJECT_BEGIN)
        st = zis_json_fail(&j, &t, err, "an object is expected");
    if (st == ZIS_OK) st = take_members(r, &j, where, err);
    zis_json_deinit(&j);
    return st;
}
