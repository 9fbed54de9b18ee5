/* synth.c - values of synthetic weights.
 *
 * The recipe is one splitmix64 a value, so it is written for vectors of eight: 64-bit products are
 * one instruction with AVX-512 DQ and a few without. The same body is compiled for three levels and
 * picked by what the CPU has. No product and sum may be fused: the recipe rounds both. */
#include "formats/synth.h"

#include "base/os.h"
#include "formats/safetensors.h"

#include <math.h>
#include <string.h>

#define LANES 8
#define GOLDEN 0x9E3779B97F4A7C15u /* of splitmix64 */

typedef uint64_t u64x __attribute__((vector_size(8 * LANES)));
typedef uint32_t u32x __attribute__((vector_size(4 * LANES)));
typedef int32_t i32x __attribute__((vector_size(4 * LANES)));
typedef float f32x __attribute__((vector_size(4 * LANES)));
typedef uint16_t u16x __attribute__((vector_size(2 * LANES)));

static uint64_t hash_name(const char *name)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    for (; *name; name++) h = (h ^ (unsigned char)*name) * 0x100000001b3u;
    return h;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && strcmp(s + n - k, end) == 0;
}

static bool is_integer(zis_dtype t)
{
    switch (t) {
    case ZIS_DTYPE_I64:
    case ZIS_DTYPE_I32:
    case ZIS_DTYPE_I16:
    case ZIS_DTYPE_I8:
    case ZIS_DTYPE_U64:
    case ZIS_DTYPE_U32:
    case ZIS_DTYPE_U16:
    case ZIS_DTYPE_U8:
    case ZIS_DTYPE_BOOL:
        return true;
    default:
        return false;
    }
}

zis_status zis_synth_recipe_of(zis_synth_recipe *out,
                               const zis_weights_spec *spec,
                               uint64_t seed,
                               zis_error *err)
{
    zis_synth_recipe r = {.key = hash_name(spec->name) ^ seed, .dtype = spec->dtype};
    if (spec->dtype != ZIS_DTYPE_F32 && spec->dtype != ZIS_DTYPE_BF16 &&
        spec->dtype != ZIS_DTYPE_F16 && !is_integer(spec->dtype))
        return zis_fail(err, ZIS_UNSUPPORTED,
                        "synthetic weights can be made as F32, BF16 and F16, not as %s ('%.100s')",
                        zis_dtype_get(spec->dtype)->name, spec->name);
    if (is_integer(spec->dtype) || spec->zero) {
        *out = r; /* mean and amp 0 */
        return ZIS_OK;
    }
    if (spec->ndim >= 2) {
        double fan_in = 1;
        for (int i = 1; i < spec->ndim; i++) fan_in *= (double)spec->dim[i];
        r.amp = (float)sqrt(3 / fan_in);
    } else if (ends_with(spec->name, "running_var")) {
        r.mean = 1;
        r.amp = 0.1f;
    } else if (ends_with(spec->name, "running_mean")) {
        r.amp = 0.05f;
    } else if (ends_with(spec->name, "weight")) {
        r.mean = 1;
        r.amp = 0.1f;
    } else {
        r.amp = 0.05f;
    }
    *out = r;
    return ZIS_OK;
}

/* Vectors go by pointer: passed by value they would depend on the instruction set. */
#define INLINE static inline __attribute__((always_inline))

/* Eight values, from the states key + (i + 1) * GOLDEN. */
INLINE void draw(f32x *out, const u64x *state, const f32x *mean, const f32x *amp)
{
    u64x z = *state;
    z ^= z >> 30;
    z *= 0xBF58476D1CE4E5B9u;
    z ^= z >> 27;
    z *= 0x94D049BB133111EBu;
    z ^= z >> 31;
    f32x u = __builtin_convertvector(__builtin_convertvector(z >> 40, i32x), f32x) * 0x1p-24f;
    f32x v = 2 * u - 1; /* exact, so it does not matter how it is computed */
    f32x scaled = *amp * v;
    *out = *mean + scaled;
}

INLINE void store(zis_dtype t, const f32x *w, size_t n, unsigned char *dst)
{
    u16x h;
    if (t == ZIS_DTYPE_F32) {
        memcpy(dst, w, n * 4);
        return;
    }
    if (t == ZIS_DTYPE_BF16) {
        u32x u;
        memcpy(&u, w, sizeof u);
        u += 0x7FFF + ((u >> 16) & 1); /* to nearest even; the values are finite */
        h = __builtin_convertvector(u >> 16, u16x);
    } else {
        for (int i = 0; i < LANES; i++) h[i] = zis_f32_to_f16((*w)[i]);
    }
    memcpy(dst, &h, n * 2);
}

INLINE void values(const zis_synth_recipe *r, uint64_t first, size_t n, unsigned char *dst)
{
    const zis_dtype t = r->dtype;
    const size_t step = LANES * (t == ZIS_DTYPE_F32 ? 4 : 2);
    f32x w, mean = r->mean - (f32x){0}, amp = r->amp - (f32x){0};
    u64x z;
    for (int i = 0; i < LANES; i++) z[i] = r->key + (first + (uint64_t)i + 1) * GOLDEN;
    for (; n >= LANES; n -= LANES, dst += step, z += LANES * GOLDEN) {
        draw(&w, &z, &mean, &amp);
        store(t, &w, LANES, dst);
    }
    if (n) {
        draw(&w, &z, &mean, &amp);
        store(t, &w, n, dst);
    }
}

static void values_c(const zis_synth_recipe *r, uint64_t first, size_t n, unsigned char *dst)
{
    values(r, first, n, dst);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void values_avx2(const zis_synth_recipe *r,
                                                        uint64_t first,
                                                        size_t n,
                                                        unsigned char *dst)
{
    values(r, first, n, dst);
}

__attribute__((target("avx2,avx512f,avx512dq,avx512vl,avx512bw"))) static void values_avx512(
    const zis_synth_recipe *r, uint64_t first, size_t n, unsigned char *dst)
{
    values(r, first, n, dst);
}
#endif

void zis_synth_values(const zis_synth_recipe *r, uint64_t first, size_t n, void *dst)
{
    if (is_integer(r->dtype)) {
        memset(dst, 0, n * (size_t)zis_dtype_get(r->dtype)->bytes);
        return;
    }
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw")) {
        values_avx512(r, first, n, dst);
        return;
    }
    if (__builtin_cpu_supports("avx2")) {
        values_avx2(r, first, n, dst);
        return;
    }
#endif
    values_c(r, first, n, dst);
}

#define PIECE ((size_t)1 << 18) /* values that a thread takes at once */

typedef struct fill_job {
    zis_synth_recipe recipe;
    unsigned char *dst;
    uint64_t first;
    size_t n;
} fill_job;

static void fill_piece(void *arg, int index, int thread)
{
    const fill_job *j = arg;
    size_t from = (size_t)index * PIECE, n = j->n - from < PIECE ? j->n - from : PIECE;
    (void)thread;
    zis_synth_values(&j->recipe, j->first + from, n,
                     j->dst + from * (size_t)zis_dtype_get(j->recipe.dtype)->bytes);
}

/* Values first .. of one tensor, on all threads. */
static void fill(
    const zis_synth_recipe *r, uint64_t first, size_t n, unsigned char *dst, zis_pool *pool)
{
    fill_job j = {*r, dst, first, n};
    zis_pool_for(pool, (int)((n + PIECE - 1) / PIECE), fill_piece, &j);
}

static zis_weights_spec spec_of(const zis_weights_entry *e)
{
    zis_weights_spec s = {.name = e->name, .dtype = e->tensor.dtype, .ndim = e->tensor.ndim};
    memcpy(s.dim, e->tensor.dim, sizeof s.dim);
    return s;
}

zis_status zis_synth_fill(zis_weights *w, uint64_t seed, zis_pool *pool, zis_error *err)
{
    for (size_t i = 0; i < zis_weights_count(w); i++) {
        const zis_weights_entry *e = zis_weights_at(w, i);
        zis_weights_spec spec = spec_of(e);
        zis_synth_recipe r;
        zis_status st = zis_synth_recipe_of(&r, &spec, seed, err);
        if (st) return st;
        fill(&r, 0, (size_t)zis_tensor_count(&e->tensor), e->tensor.data, pool);
    }
    return ZIS_OK;
}

#define CHUNK ((size_t)8 << 20) /* values that are made before they are written */

typedef struct output {
    zis_safetensors_writer *file;
    unsigned char *chunk;
    zis_pool *pool;
    const atomic_bool *cancel;
    zis_synth_progress *progress;
    void *progress_arg;
    uint64_t done, total; /* bytes */
} output;

static uint64_t count_of(const zis_weights_spec *s)
{
    uint64_t n = 1;
    for (int i = 0; i < s->ndim; i++) n *= (uint64_t)s->dim[i];
    return n;
}

static zis_status write_tensor(output *o, const zis_weights_spec *s, uint64_t seed, zis_error *err)
{
    zis_synth_recipe r;
    size_t size = (size_t)zis_dtype_get(s->dtype)->bytes;
    uint64_t count = count_of(s);
    zis_status st = zis_synth_recipe_of(&r, s, seed, err);
    for (uint64_t at = 0; at < count && !st; at += CHUNK) {
        size_t n = count - at < CHUNK ? (size_t)(count - at) : CHUNK;
        if (o->cancel && atomic_load(o->cancel)) return zis_fail(err, ZIS_CANCELLED, "cancelled");
        fill(&r, at, n, o->chunk, o->pool);
        st = zis_safetensors_writer_write(o->file, o->chunk, n * size, err);
        o->done += n * size;
        if (!st && o->progress) o->progress(o->progress_arg, o->done, o->total);
    }
    return st;
}

zis_status zis_synth_write(const char *path,
                           const zis_weights_spec *specs,
                           size_t n,
                           uint64_t seed,
                           zis_pool *pool,
                           const atomic_bool *cancel,
                           zis_synth_progress *progress,
                           void *progress_arg,
                           zis_error *err)
{
    output o = {.pool = pool, .cancel = cancel, .progress = progress, .progress_arg = progress_arg};
    zis_status st = zis_safetensors_writer_create(&o.file, path, err);
    if (st) return st;
    o.chunk = zis_os_pages(CHUNK * 8);
    if (!o.chunk) {
        st = zis_fail_nomem(err, path);
        goto out;
    }
    for (size_t i = 0; i < n && !st; i++) {
        const zis_weights_spec *s = &specs[i];
        st = zis_safetensors_writer_add(o.file, s->name, s->dtype, s->ndim, s->dim, err);
        o.total += count_of(s) * (uint64_t)zis_dtype_get(s->dtype)->bytes;
    }
    if (!st) st = zis_safetensors_writer_meta(o.file, "format", "pt", err);
    for (size_t i = 0; i < n && !st; i++) st = write_tensor(&o, &specs[i], seed, err);
    if (!st) st = zis_safetensors_writer_finish(o.file, err);
out:
    if (o.chunk) zis_os_pages_free(o.chunk, CHUNK * 8);
    zis_safetensors_writer_destroy(&o.file);
    return st;
}
