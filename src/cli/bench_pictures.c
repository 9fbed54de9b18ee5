/* The preprocessors and the upscaler on a picture of slow waves. */
#include "cli/bench_pictures.h"

#include "base/os.h"
#include "formats/synth.h"
#include "models/preprocess/canny.h"
#include "models/preprocess/openpose_skeleton.h"
#include "pipeline/preprocess_maps.h"
#include "pipeline/upscale.h"

typedef struct subject {
    zis_bench_picture what;
    zis_run *run;
    zis_image *picture;
    zis_weights *weights;
    zis_dpt *depth;
    zis_body *pose;
    zis_esrgan *esrgan;
} subject;

static const int sides[ZIS_BENCH_PICTURES_COUNT] = {
    [ZIS_BENCH_CANNY] = 512,
    [ZIS_BENCH_DEPTH] = 384,
    [ZIS_BENCH_POSE] = 512,
    [ZIS_BENCH_ESRGAN] = 256,
};

static zis_status make_picture(subject *s, int side, zis_error *err)
{
    zis_status st = zis_image_create(&s->picture, side, side, 3, err);
    for (int y = 0; y < side && !st; y++)
        for (int x = 0; x < side; x++)
            for (int c = 0; c < 3; c++)
                s->picture->data[3 * (y * side + x) + c] =
                    (uint8_t)((3 * x * x + 5 * y * y + 7 * x * y + 40 * c * (x + y)) >> 10);
    return st;
}

static zis_status make_weights(subject *s, zis_synth_part part, zis_error *err)
{
    zis_synth_list *list = NULL;
    zis_status st = zis_synth_list_create(&list, part, zis_synth_part_get(part)->dtype, err);
    if (!st)
        st = zis_weights_create_memory(&s->weights, "synthetic weights", list->specs, list->count,
                                       err);
    zis_synth_list_destroy(&list);
    return st ? st : zis_synth_fill(s->weights, 0, s->run->pool, err);
}

static zis_status prepare(subject *s, zis_error *err)
{
    zis_status st = make_picture(s, sides[s->what], err);
    if (st) return st;
    switch (s->what) {
    case ZIS_BENCH_DEPTH:
        st = make_weights(s, ZIS_SYNTH_DEPTH, err);
        return st ? st : zis_dpt_create(&s->depth, s->weights, err);
    case ZIS_BENCH_POSE:
        st = make_weights(s, ZIS_SYNTH_POSE, err);
        return st ? st : zis_body_create(&s->pose, s->weights, err);
    case ZIS_BENCH_ESRGAN: {
        zis_esrgan_config config;
        st = make_weights(s, ZIS_SYNTH_ESRGAN, err);
        if (!st) st = zis_esrgan_config_read(&config, s->weights, err);
        return st ? st : zis_esrgan_create(&s->esrgan, &config, s->weights, err);
    }
    default:
        return ZIS_OK;
    }
}

static zis_upscale_job upscale_job(const subject *s)
{
    return (zis_upscale_job){
        .model = s->esrgan, .in = s->picture, .tile = ZIS_UPSCALE_TILE, .pad = ZIS_UPSCALE_PAD};
}

/* One pass; the map is thrown away. */
static zis_status pass(const subject *s, zis_error *err)
{
    zis_image *map = NULL;
    zis_status st;
    zis_upscale_job job;
    switch (s->what) {
    case ZIS_BENCH_ESRGAN:
        job = upscale_job(s);
        st = zis_upscale_whole(&job, s->run, &map, err);
        break;
    case ZIS_BENCH_DEPTH:
        st = zis_preprocess_depth_map(s->depth, s->picture, s->run, &map, err);
        break;
    case ZIS_BENCH_POSE:
        st = zis_preprocess_pose_map(s->pose, s->picture, s->run, &map, err);
        break;
    default:
        st = zis_canny(&map, s->picture, &ZIS_CANNY_DEFAULT, err);
        break;
    }
    zis_image_destroy(&map);
    return st;
}

/* FLOPs and bytes of the network. */
static zis_status count(const subject *s, zis_bench_passes *out, zis_error *err)
{
    zis_run dry;
    zis_openpose_size size;
    zis_run_init_dry(&dry, s->run);
    zis_status st = ZIS_OK;
    if (s->what == ZIS_BENCH_DEPTH) {
        int64_t n = s->picture->width;
        zis_tensor planes = zis_run_alloc_3d(&dry, ZIS_DTYPE_F32, 3, n, n);
        zis_tensor depth = zis_run_alloc_2d(&dry, ZIS_DTYPE_F32, n, n);
        st = zis_dpt_forward(s->depth, &dry, &planes, depth, NULL, NULL, err);
    } else if (s->what == ZIS_BENCH_POSE) {
        st = zis_openpose_skeleton_size(&size, s->picture->width, s->picture->height, err);
        if (st) return st;
        int64_t h = size.padded_height, w = size.padded_width;
        zis_tensor planes = zis_run_alloc_3d(&dry, ZIS_DTYPE_F32, 3, h, w);
        zis_tensor heat =
            zis_run_alloc_3d(&dry, ZIS_DTYPE_F32, ZIS_OPENPOSE_HEAT_MAPS, h / 8, w / 8);
        zis_tensor paf = zis_run_alloc_3d(&dry, ZIS_DTYPE_F32, ZIS_OPENPOSE_PAF_MAPS, h / 8, w / 8);
        st = zis_body_forward(s->pose, &dry, &planes, heat, paf, NULL, NULL, err);
    }
    if (s->what == ZIS_BENCH_ESRGAN) {
        zis_upscale_job job = upscale_job(s);
        zis_upscale_plan plan = {0};
        st = zis_upscale_plan_make(&job, s->run, 1, 1, &plan, err);
        out->flops = plan.flops;
        out->bytes = plan.bytes;
        return st;
    }
    out->flops = dry.flops;
    out->bytes = dry.bytes;
    return st;
}

zis_status zis_bench_pictures_run(zis_bench_picture what,
                                  zis_run *run,
                                  zis_bench_passes *out,
                                  zis_error *err)
{
    subject s = {.what = what, .run = run};
    zis_status st = prepare(&s, err);
    if (!st) st = count(&s, out, err);
    for (int i = 0; i < ZIS_BENCH_PICTURES_RUNS && !st; i++) {
        double start = zis_os_now();
        st = pass(&s, err);
        out->seconds[i] = zis_os_now() - start;
    }
    zis_dpt_close(&s.depth);
    zis_body_close(&s.pose);
    zis_esrgan_close(&s.esrgan);
    zis_weights_close(&s.weights);
    zis_image_destroy(&s.picture);
    return st;
}
