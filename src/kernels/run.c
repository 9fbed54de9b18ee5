/* run.c - life of a run: device, scratch, failures, transfers. */
#include "kernels/run.h"

#include "base/mem.h"
#include "kernels/wrap/wrap.h"

#include <stdio.h>
#include <string.h>

static const char *const op_names[ZIS_OP_COUNT] = {
#define X(slot, args) #slot,
    ZIS_OPS_LIST(X)
#undef X
};

const char *zis_op_name(int op)
{
    return op >= 0 && op < ZIS_OP_COUNT ? op_names[op] : "unknown";
}

/* "cpu, ref" */
static void list_backends(char *buf, size_t n)
{
    size_t at = 0;
    buf[0] = '\0';
    for (size_t i = 0; zis_backend_at(i) && at < n; i++)
        at += (size_t)snprintf(buf + at, n - at, "%s%s", i ? ", " : "", zis_backend_at(i)->name);
}

zis_status zis_run_init(zis_run *run, const zis_run_options *o, zis_error *err)
{
    const char *device = o->device ? o->device : "cpu";
    const zis_backend *backend = zis_backend_find(device);
    if (!backend) {
        char names[120];
        list_backends(names, sizeof names);
        return zis_fail(err, ZIS_ARG, "no device is named '%s'; there is %s", device, names);
    }
    if (o->math != ZIS_DTYPE_F32 && o->math != ZIS_DTYPE_BF16 && o->math != ZIS_DTYPE_COUNT)
        return zis_fail(err, ZIS_ARG, "the type of matrix products may be f32 or bf16, not %s",
                        zis_dtype_get(o->math)->name);
    zis_run r = {
        .ops = backend->ops,
        .inner = backend->ops,
        .backend = backend,
        .pool = o->pool,
        .cancel = o->cancel,
    };
    zis_status st = backend->init(&r, o->isa, err);
    if (st) return st;
    r.math = o->math;
    if (r.math == ZIS_DTYPE_COUNT)
        r.math = backend->native_bf16(&r) ? ZIS_DTYPE_BF16 : ZIS_DTYPE_F32;
    *run = r;
    return ZIS_OK;
}

void zis_run_init_dry(zis_run *dry, const zis_run *like)
{
    *dry = (zis_run){
        .ops = &zis_ops_dry,
        .inner = like->backend->ops,
        .backend = like->backend,
        .micro = like->micro,
        .pool =
            like->pool, /* the number of threads decides how much scratch some operations take */
        .math = like->math,
        .dry = true,
    };
    zis_arena_init_counting(&dry->scratch);
}

zis_status zis_run_reserve(zis_run *run, size_t bytes, zis_error *err)
{
    if (run->dry) return ZIS_OK;
    if (run->scratch.base && run->scratch.limit >= bytes) return ZIS_OK;
    if (run->external)
        return zis_fail(err, ZIS_NOMEM,
                        "the working memory lent to this job has %.0f MB, but %.0f MB are needed",
                        (double)run->scratch.limit / 1e6, (double)bytes / 1e6);
    zis_arena_deinit(&run->scratch); /* first, so that both are never held at once */
    return zis_arena_init(&run->scratch, bytes, err);
}

void zis_run_deinit(zis_run *run)
{
    if (!run->external && !run->dry) zis_arena_deinit(&run->scratch);
    *run = (zis_run){0};
}

void *zis_run_alloc_bytes(zis_run *run, size_t bytes)
{
    void *p = zis_arena_alloc(&run->scratch, bytes);
    if (!p)
        zis_run_fail(run, ZIS_NOMEM,
                     "the working memory of %.0f MB is used up: %.0f MB more were asked for",
                     (double)run->scratch.limit / 1e6, (double)bytes / 1e6);
    return p;
}

static void alloc_into(zis_run *run, zis_tensor *t)
{
    size_t n = (size_t)zis_dtype_get(t->dtype)->bytes;
    bool bad = false;
    for (int i = 0; i < t->ndim; i++)
        bad = bad || t->dim[i] < 0 || zis_size_mul(n, (size_t)t->dim[i], &n);
    if (bad) {
        char shape[100];
        zis_run_fail(run, ZIS_ARG, "no tensor can have the shape %s",
                     zis_tensor_shape_text(t, shape, sizeof shape));
        return;
    }
    t->data = zis_run_alloc_bytes(run, n);
}

zis_tensor zis_run_alloc_1d(zis_run *run, zis_dtype t, int64_t a)
{
    zis_tensor r = zis_tensor_1d(NULL, t, a);
    alloc_into(run, &r);
    return r;
}

zis_tensor zis_run_alloc_2d(zis_run *run, zis_dtype t, int64_t a, int64_t b)
{
    zis_tensor r = zis_tensor_2d(NULL, t, a, b);
    alloc_into(run, &r);
    return r;
}

zis_tensor zis_run_alloc_3d(zis_run *run, zis_dtype t, int64_t a, int64_t b, int64_t c)
{
    zis_tensor r = zis_tensor_3d(NULL, t, a, b, c);
    alloc_into(run, &r);
    return r;
}

/* Row by row, since the device's side may have a stride; the host's side is dense. */
static void transfer(const zis_tensor *t, unsigned char *host, bool up)
{
    size_t size = (size_t)zis_dtype_get(t->dtype)->bytes;
    size_t row = (size_t)zis_tensor_cols(t) * size;
    size_t step = (size_t)t->stride * size;
    int64_t rows = zis_tensor_rows(t);
    unsigned char *p = t->data;
    if (row == 0) return;
    for (int64_t i = 0; i < rows; i++, p += step, host += row) {
        if (up)
            memcpy(p, host, row);
        else
            memcpy(host, p, row);
    }
}

void zis_run_upload(zis_run *run, zis_tensor *dst, const void *src)
{
    if (run->dry || zis_run_stopped(run)) return;
    transfer(dst, (unsigned char *)src, true);
}

void zis_run_download(zis_run *run, void *dst, const zis_tensor *src)
{
    if (run->dry || zis_run_stopped(run)) return;
    transfer(src, dst, false);
}

bool zis_run_stopped(zis_run *run)
{
    if (run->status) return true;
    if (!run->cancel || !atomic_load_explicit(run->cancel, memory_order_relaxed)) return false;
    run->status = zis_fail(&run->error, ZIS_CANCELLED, "cancelled");
    return true;
}

zis_status zis_run_status(const zis_run *run, zis_error *err)
{
    if (run->status && err) *err = run->error;
    return run->status;
}

void zis_run_fail(zis_run *run, zis_status code, const char *fmt, ...)
{
    if (run->status) return;
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    const char *where = run->where ? run->where : "";
    run->status = zis_fail(&run->error, code, "%s%s%s", where, *where ? ": " : "", text);
}

void zis_run_fail_numeric(zis_run *run)
{
    if (run->math == ZIS_DTYPE_F32)
        zis_run_fail(run, ZIS_NUMERIC,
                     "values are no numbers (NaN), infinite or far too large, in f32 arithmetic; "
                     "the weights are damaged, or a LoRA or ControlNet is too strong");
    else
        zis_run_fail(run, ZIS_NUMERIC,
                     "values are no numbers (NaN), infinite or far too large, in bf16 arithmetic; "
                     "try --dtype f32, and if that does not help, look at the weights (zis info), "
                     "and at the strength of a LoRA or ControlNet");
}

void zis_run_clear(zis_run *run)
{
    run->status = ZIS_OK;
    run->error = (zis_error){0};
}

void zis_run_trace(zis_run *run, zis_run_profile *profile)
{
    run->profile = profile;
    if (!run->dry) run->ops = profile ? &zis_ops_trace : run->inner;
}
