/* body.c - the trunk of VGG-19 and six stages of two branches. A ReLU is done by the layer that
 * reads its result; where a map is read as it is (the branches' outputs), none is done. */
#include "models/openpose/body.h"

#include "base/mem.h"
#include "models/preprocess/openpose_skeleton.h"
#include "nn/bind.h"

#include <stdio.h>
#include <stdlib.h>

#define TRUNK 12 /* convolutions before the stages */
#define STAGES 6
#define LAYERS 7 /* most of a branch */
#define FEATURES 128
#define PAF ZIS_OPENPOSE_PAF_MAPS
#define HEAT ZIS_OPENPOSE_HEAT_MAPS
#define JOINED (PAF + HEAT + FEATURES) /* what stages 2 to 6 read, in this order */

typedef struct conv {
    zis_weight w;   /* [N, C, k, k] */
    const float *b; /* [N] */
} conv;

typedef struct branch {
    conv layer[LAYERS];
    int n;
} branch;

struct zis_body {
    zis_weights *owned; /* NULL when the caller keeps them */
    zis_bind bind;
    conv trunk[TRUNK];
    branch stage[STAGES][2]; /* L1: directions, L2: joints */
};

/* ---- weights -------------------------------------------------------------------------------- */

static const zis_bind_row conv_rows[] = {
    {"%s.weight", ZIS_BIND_MATRIX, "N C K K", offsetof(conv, w), false},
    {"%s.bias", ZIS_BIND_VECTOR, "N", offsetof(conv, b), false},
};

/* A pool of 2x2 follows where `pool` says. */
static const struct {
    const char *name;
    int64_t in, out;
    bool pool;
} trunk[TRUNK] = {
    {"conv1_1", 3, 64, false},        {"conv1_2", 64, 64, true},
    {"conv2_1", 64, 128, false},      {"conv2_2", 128, 128, true},
    {"conv3_1", 128, 256, false},     {"conv3_2", 256, 256, false},
    {"conv3_3", 256, 256, false},     {"conv3_4", 256, 256, true},
    {"conv4_1", 256, 512, false},     {"conv4_2", 512, 512, false},
    {"conv4_3_CPM", 512, 256, false}, {"conv4_4_CPM", 256, FEATURES, false},
};

static void bind_conv(zis_bind *b, const char *name, int64_t in, int64_t out, int k, conv *c)
{
    b->symbols.value['C' - 'A'] = in;
    b->symbols.value['N' - 'A'] = out;
    b->symbols.value['K' - 'A'] = k;
    zis_bind_table(b, conv_rows, 2, name, 0, c);
}

/* Stage 1 differs from the others. t counts from 1, side is 1 or 2. */
static void bind_branch(zis_bind *b, int t, int side, branch *br)
{
    static const int first_k[] = {3, 3, 3, 1, 1}, later_k[] = {7, 7, 7, 7, 7, 1, 1};
    const int *k = t == 1 ? first_k : later_k;
    int64_t in = t == 1 ? FEATURES : JOINED;
    br->n = t == 1 ? 5 : 7;
    for (int i = 0; i < br->n; i++) {
        char name[40];
        int64_t out = t == 1 && i == 3 ? 512 : 128;
        if (i == br->n - 1) out = side == 1 ? PAF : HEAT;
        if (t == 1)
            snprintf(name, sizeof name, "conv5_%d_CPM_L%d", i + 1, side);
        else
            snprintf(name, sizeof name, "Mconv%d_stage%d_L%d", i + 1, t, side);
        bind_conv(b, name, in, out, k[i], &br->layer[i]);
        in = out;
    }
}

zis_status zis_body_create(zis_body **out, const zis_weights *weights, zis_error *err)
{
    zis_body *m = zis_mem_zalloc(1, sizeof *m);
    if (!m) return zis_fail_nomem(err, "the body network");
    zis_bind_init(&m->bind, weights, "OpenPose's body network");
    for (int i = 0; i < TRUNK; i++)
        bind_conv(&m->bind, trunk[i].name, trunk[i].in, trunk[i].out, 3, &m->trunk[i]);
    for (int t = 0; t < STAGES; t++)
        for (int side = 0; side < 2; side++)
            bind_branch(&m->bind, t + 1, side + 1, &m->stage[t][side]);
    zis_status st = zis_bind_finish(&m->bind, err);
    if (!st) {
        *out = m;
        m = NULL;
    }
    zis_body_close(&m);
    return st;
}

zis_status zis_body_open(zis_body **out, const char *path, zis_error *err)
{
    zis_weights *weights = NULL;
    zis_body *m = NULL;
    zis_status st = zis_weights_open(&weights, path, err);
    if (!st) st = zis_body_create(&m, weights, err);
    if (!st) {
        m->owned = weights;
        weights = NULL;
        *out = m;
    }
    zis_weights_close(&weights);
    return st;
}

void zis_body_close(zis_body **model)
{
    zis_body *m = *model;
    if (!m) return;
    zis_bind_deinit(&m->bind);
    zis_weights_close(&m->owned);
    free(m);
    *model = NULL;
}

uint64_t zis_body_bytes(const zis_body *m)
{
    return m->bind.bytes;
}

/* ---- forward -------------------------------------------------------------------------------- */

/* A float32 run is held to the last bits; behind products of bfloat16 the fast algorithm's loss is
 * nothing. */
static void run_conv(zis_run *run, const conv *c, zis_tensor x, zis_tensor y, bool relu)
{
    zis_conv2d(run, &(zis_conv2d_args){.y = y,
                                       .x = x,
                                       .w = &c->w,
                                       .bias = c->b,
                                       .stride = 1,
                                       .pad = (int)c->w.t.dim[2] / 2,
                                       .relu = relu,
                                       .exact = run->math == ZIS_DTYPE_F32});
}

/* F [h/8, w/8, 128], not yet rectified, at the start of one of two buffers that take turns. */
static zis_tensor run_trunk(const zis_body *m, zis_run *run, const zis_tensor *planes)
{
    int64_t h = planes->dim[1], w = planes->dim[2];
    size_t most = (size_t)(h * w * 64) * sizeof(float); /* no map is larger than the first */
    void *slot[2] = {zis_run_alloc_bytes(run, most), zis_run_alloc_bytes(run, most)};
    int at = 0;
    zis_tensor x = zis_tensor_3d(slot[0], ZIS_DTYPE_F32, h, w, 3);
    zis_planes_to_pixels(run, &(zis_planes_args){.y = x, .x = *planes, .mul = 1});
    for (int i = 0; i < TRUNK; i++) {
        zis_tensor y = zis_tensor_3d(slot[at ^= 1], ZIS_DTYPE_F32, h, w, trunk[i].out);
        run_conv(run, &m->trunk[i], x, y, i > 0);
        x = y;
        if (!trunk[i].pool) continue;
        h /= 2;
        w /= 2;
        y = zis_tensor_3d(slot[at ^= 1], ZIS_DTYPE_F32, h, w, trunk[i].out);
        zis_max_pool(run, &(zis_max_pool_args){.y = y, .x = x, .k = 2, .stride = 2});
        x = y;
    }
    return x;
}

/* The last map of a branch into y; `slot` holds two maps of 512 channels. */
static void run_branch(zis_run *run,
                       const branch *br,
                       zis_tensor x,
                       bool first_relu,
                       void *const slot[2],
                       zis_tensor y)
{
    for (int i = 0; i < br->n; i++) {
        zis_tensor out = y;
        if (i + 1 < br->n)
            out = zis_tensor_3d(slot[i % 2], ZIS_DTYPE_F32, x.dim[0], x.dim[1],
                                br->layer[i].w.t.dim[0]);
        run_conv(run, &br->layer[i], x, out, i > 0 || first_relu);
        x = out;
    }
}

static void copy(zis_run *run, zis_tensor y, zis_tensor x, zis_unary_fn f)
{
    zis_tensor rows = zis_tensor_reshape_2d(&x, x.dim[0] * x.dim[1], x.dim[2]);
    zis_unary(run, &(zis_unary_args){.y = y, .x = rows, .f = f});
}

static void run_stages(const zis_body *m,
                       zis_run *run,
                       zis_tensor f,
                       zis_tensor out[2],
                       zis_body_watch *watch,
                       void *watch_arg)
{
    int64_t h = f.dim[0], w = f.dim[1];
    size_t most = (size_t)(h * w * 512) * sizeof(float);
    void *slot[2] = {zis_run_alloc_bytes(run, most), zis_run_alloc_bytes(run, most)};
    zis_tensor joined = zis_run_alloc_2d(run, ZIS_DTYPE_F32, h * w, JOINED);
    zis_tensor part[2] = {zis_tensor_col_slice(&joined, 0, PAF),
                          zis_tensor_col_slice(&joined, PAF, HEAT)};
    zis_tensor features = zis_tensor_col_slice(&joined, PAF + HEAT, FEATURES);
    zis_tensor x = zis_tensor_reshape_3d(&joined, h, w, JOINED);
    copy(run, features, f, ZIS_UNARY_RELU);
    if (watch && !run->dry) watch(watch_arg, run, "model0", &features);
    for (int t = 0; t < STAGES; t++) {
        for (int side = 0; side < 2; side++)
            run_branch(run, &m->stage[t][side], t ? x : f, t == 0, slot, out[side]);
        for (int side = 0; side < 2; side++) {
            char name[16];
            snprintf(name, sizeof name, "model%d_%d", t + 1, side + 1);
            copy(run, part[side], out[side], ZIS_UNARY_COPY);
            if (watch && !run->dry) watch(watch_arg, run, name, &part[side]);
        }
    }
    /* The published network rectifies the joints, too, and only here. */
    zis_tensor joints = zis_tensor_reshape_2d(&out[1], h * w, HEAT);
    zis_unary(run, &(zis_unary_args){.y = joints, .x = joints, .f = ZIS_UNARY_RELU});
}

zis_status zis_body_forward(const zis_body *m,
                            zis_run *run,
                            const zis_tensor *planes,
                            zis_tensor heat,
                            zis_tensor paf,
                            zis_body_watch *watch,
                            void *watch_arg,
                            zis_error *err)
{
    char shape[100];
    int64_t h = planes->dim[1], w = planes->dim[2];
    if (planes->ndim != 3 || planes->dim[0] != 3 || h < 8 || w < 8 || h % 8 || w % 8)
        return zis_fail(err, ZIS_ARG,
                        "the body network takes 3 planes with sides that are multiples of 8, not "
                        "%s",
                        zis_tensor_shape_text(planes, shape, sizeof shape));
    zis_arena_mark mark = zis_arena_save(&run->scratch);
    run->where = "the body network";
    zis_tensor out[2] = {zis_run_alloc_3d(run, ZIS_DTYPE_F32, h / 8, w / 8, PAF),
                         zis_run_alloc_3d(run, ZIS_DTYPE_F32, h / 8, w / 8, HEAT)};
    zis_tensor f = run_trunk(m, run, planes);
    run_stages(m, run, f, out, watch, watch_arg);
    zis_pixels_to_planes(run, &(zis_planes_args){.y = paf, .x = out[0], .mul = 1});
    zis_pixels_to_planes(run, &(zis_planes_args){.y = heat, .x = out[1], .mul = 1});
    run->where = NULL;
    zis_arena_restore(&run->scratch, mark);
    return zis_run_status(run, err);
}
