/* From maps to people, against the reference; what the network sees; maps that show nobody. */
#include "models/preprocess/openpose_people.h"

#include "models/preprocess/openpose_draw.h"
#include "models/preprocess/openpose_input.h"
#include "oom.h"
#include "pictures.h"

#include <math.h>

static zis_image *draw(const zis_openpose_people *p, int width, int height)
{
    zis_image *img = NULL;
    assert_int_equal(zis_image_create(&img, width, height, 3, NULL), ZIS_OK);
    zis_openpose_pose *pose = calloc(p->persons + 1, sizeof *pose);
    assert_non_null(pose);
    for (size_t i = 0; i < p->persons; i++) pose[i] = zis_openpose_people_pose(p, i);
    assert_int_equal(zis_openpose_draw(img, pose, p->persons, NULL), ZIS_OK);
    free(pose);
    return img;
}

static double value(const zis_tensor *t, size_t i)
{
    double v;
    memcpy(&v, (const char *)t->data + i * sizeof v, sizeof v);
    return v;
}

static void check_golden(const char *stem)
{
    zis_safetensors *st = golden_open(stem);
    zis_json_doc *config = golden_config(st);
    const zis_tensor *heat = &zis_safetensors_find(st, "in.heat")->tensor;
    const zis_tensor *paf = &zis_safetensors_find(st, "in.paf")->tensor;
    const zis_tensor *peaks = &zis_safetensors_find(st, "out.peaks")->tensor;
    const zis_tensor *people = &zis_safetensors_find(st, "out.people")->tensor;
    int64_t size[2] = {0};
    assert_int_equal(zis_json_doc_int(config, "size.0", 1, 10000, &size[0], NULL), ZIS_OK);
    assert_int_equal(zis_json_doc_int(config, "size.1", 1, 10000, &size[1], NULL), ZIS_OK);
    zis_openpose_maps maps = {heat->data, paf->data, (int)heat->dim[2], (int)heat->dim[1]};
    zis_openpose_people *p = NULL;
    zis_error err = {0};
    if (zis_openpose_people_find(&p, &maps, (int)size[0], (int)size[1], &err))
        fail_msg("%s: %s", stem, err.text);

    assert_int_equal(p->peaks, peaks->dim[0]);
    for (size_t i = 0; i < p->peaks; i++) {
        assert_true(p->peak[i].x == value(peaks, 3 * i));
        assert_true(p->peak[i].y == value(peaks, 3 * i + 1));
        assert_true(fabs(p->peak[i].score - value(peaks, 3 * i + 2)) <= 1e-7);
    }
    assert_int_equal(p->persons, people->dim[0]);
    for (size_t i = 0; i < p->persons; i++) {
        for (size_t j = 0; j < ZIS_OPENPOSE_JOINTS; j++)
            assert_true(p->person[i].id[j] == value(people, 20 * i + j));
        assert_true(fabs(p->person[i].score - value(people, 20 * i + 18)) <= 1e-6);
        assert_true(p->person[i].parts == value(people, 20 * i + 19));
    }
    zis_image *img = draw(p, (int)size[0], (int)size[1]);
    const char *crc = zis_json_doc_string(config, "canvas_crc32");
    assert_non_null(crc);
    assert_crc(img, (int)size[0], (int)size[1], (uint32_t)strtoul(crc, NULL, 16));
    const zis_safetensors_entry *canvas = zis_safetensors_find(st, "out.canvas");
    if (canvas) assert_picture(img, &canvas->tensor, stem);
    zis_image_destroy(&img);
    zis_openpose_people_destroy(&p);
    zis_json_doc_destroy(&config);
    zis_safetensors_close(&st);
}

static void goldens(void **state)
{
    (void)state;
    check_golden("openpose_people-halves");
    check_golden("openpose_people-noisy");
    if (!OOM_TEST) return; /* a sanitizer takes its time; the golden runner has the others too */
    check_golden("openpose_people-crossed");
    check_golden("openpose_people-crowd");
    check_golden("openpose_people-missing");
    check_golden("openpose_people-none");
    check_golden("openpose_people-one");
    check_golden("openpose_people-overlap");
}

/* The scene of preprocessors.md 10: two people of given offsets, 35 x 23 cells. */
enum { SCENE_W = 35, SCENE_H = 23, CELLS = SCENE_W * SCENE_H };
static float scene_heat[ZIS_OPENPOSE_HEAT_MAPS * CELLS], scene_paf[ZIS_OPENPOSE_PAF_MAPS * CELLS];

static void joint_at(int person, int j, double *x, double *y)
{
    static const int offset[ZIS_OPENPOSE_JOINTS][2] = {
        {0, -45},  {0, -30}, {-15, -30}, {-20, -10}, {-22, 8},  {15, -30},
        {20, -10}, {22, 8},  {-10, 10},  {-10, 30},  {-10, 48}, {10, 10},
        {10, 30},  {10, 48}, {-3, -48},  {3, -48},   {-7, -46}, {7, -46}};
    static const double center[2][2] = {{9, 11.5}, {25, 11}};
    *x = center[person][0] + 0.2 * offset[j][0];
    *y = center[person][1] + 0.2 * offset[j][1];
}

static void paint_limb(int person, int k)
{
    const zis_openpose_limb *l = &zis_openpose_skeleton_limbs[k];
    double ax, ay, bx, by;
    joint_at(person, l->a, &ax, &ay);
    joint_at(person, l->b, &bx, &by);
    double n = hypot(bx - ax, by - ay), ux = (bx - ax) / n, uy = (by - ay) / n;
    for (int i = 0; i < CELLS; i++) {
        double qx = i % SCENE_W - ax, qy = i / SCENE_W - ay, along = qx * ux + qy * uy;
        if (along <= -1 || along >= n + 1 || fabs(qx * uy - qy * ux) >= 1.3) continue;
        scene_paf[l->paf[0] * CELLS + i] = (float)ux;
        scene_paf[l->paf[1] * CELLS + i] = (float)uy;
    }
}

static zis_openpose_maps scene(void)
{
    memset(scene_heat, 0, sizeof scene_heat);
    memset(scene_paf, 0, sizeof scene_paf);
    for (int j = 0; j < ZIS_OPENPOSE_JOINTS; j++)
        for (int i = 0; i < CELLS; i++) {
            double best = 0;
            for (int person = 0; person < 2; person++) {
                double x, y;
                joint_at(person, j, &x, &y);
                double dx = i % SCENE_W - x, dy = i / SCENE_W - y;
                best = fmax(best, exp(-(dx * dx + dy * dy) / 1.28));
            }
            scene_heat[j * CELLS + i] = (float)best;
        }
    for (int k = 0; k < ZIS_OPENPOSE_LIMBS; k++)
        for (int person = 0; person < 2; person++) paint_limb(person, k);
    return (zis_openpose_maps){scene_heat, scene_paf, SCENE_W, SCENE_H};
}

static void two_people(void **state)
{
    (void)state;
    static const int first[ZIS_OPENPOSE_JOINTS][2] = {
        {211, 66},  {211, 133}, {144, 133}, {122, 222}, {114, 302}, {278, 133},
        {300, 222}, {308, 302}, {166, 311}, {166, 400}, {166, 478}, {255, 311},
        {255, 400}, {255, 478}, {197, 53},  {225, 53},  {180, 61},  {242, 61}};
    zis_openpose_maps maps = scene();
    zis_openpose_people *p = NULL;
    assert_int_equal(zis_openpose_people_find(&p, &maps, 768, 512, NULL), ZIS_OK);
    assert_int_equal(p->peaks, 36);
    assert_int_equal(p->persons, 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(p->person[i].parts, 18);
        assert_true(fabs(p->person[i].score - (i ? 35.721 : 35.596)) < 6e-4);
    }
    zis_openpose_pose pose = zis_openpose_people_pose(p, 0);
    for (int j = 0; j < ZIS_OPENPOSE_JOINTS; j++) {
        assert_true(pose.joint[j].present);
        assert_true(pose.joint[j].x == first[j][0] && pose.joint[j].y == first[j][1]);
    }
    zis_image *img = draw(p, 768, 512);
    assert_crc(img, 768, 512, 0xacbdf42d);
    zis_image_destroy(&img);
    zis_openpose_people_destroy(&p);
}

static void refused(void **state)
{
    (void)state;
    zis_openpose_maps maps = scene();
    zis_openpose_people *p = NULL;
    zis_error err = {0};
    assert_int_equal(zis_openpose_people_find(&p, &maps, 512, 512, &err), ZIS_ARG);
    assert_string_equal(err.text, "body maps of 35 x 23 do not belong to a picture of 512 x 512: "
                                  "it gives 23 x 23");
    scene_heat[5 * CELLS + 7] = NAN;
    assert_int_equal(zis_openpose_people_find(&p, &maps, 768, 512, &err), ZIS_NUMERIC);
    assert_non_null(strstr(err.text, "heat map 5 holds nan at value 7"));
    scene();
    scene_paf[3 * CELLS] = (float)HUGE_VAL;
    assert_int_equal(zis_openpose_people_find(&p, &maps, 768, 512, &err), ZIS_NUMERIC);
    assert_non_null(strstr(err.text, "field map 3 holds inf at value 0"));
    scene();
    assert_int_equal(zis_openpose_people_find(&p, &maps, 0, 512, &err), ZIS_ARG);
    assert_int_equal(zis_openpose_people_find(&p, &maps, 512, 512 * 1000, &err), ZIS_ARG);
    assert_null(p);
}

/* A plateau is a peak at every pixel: more than anybody can pair. */
static void peaks_everywhere(void **state)
{
    (void)state;
    enum { W = 250, H = 23 };
    float *heat = calloc(ZIS_OPENPOSE_HEAT_MAPS * W * H, sizeof *heat);
    float *paf = calloc(ZIS_OPENPOSE_PAF_MAPS * W * H, sizeof *paf);
    assert_non_null(heat);
    assert_non_null(paf);
    for (int i = 0; i < W * H; i++) heat[i] = 1;
    zis_openpose_maps maps = {heat, paf, W, H};
    zis_openpose_people *p = NULL;
    zis_error err = {0};
    assert_int_equal(zis_openpose_people_find(&p, &maps, W * 8, H * 8, &err), ZIS_NUMERIC);
    assert_non_null(strstr(err.text, "sees the nose at more than 2048 places"));
    assert_null(p);
    free(heat);
    free(paf);
}

/* preprocessors.md 6.2 and 10 */
static void input(void **state)
{
    (void)state;
    static const struct {
        int w, h, to_w, to_h, pad_w, pad_h;
        uint32_t small, padded;
    } cases[] = {{512, 512, 184, 184, 184, 184, 0x015a1ab8, 0x015a1ab8},
                 {512, 768, 122, 184, 128, 184, 0xc8a69dd7, 0x7a9a2433}};
    for (size_t i = 0; i < 2; i++) {
        zis_image *img = picture_p(cases[i].w, cases[i].h), *bgr = NULL;
        zis_openpose_size s;
        assert_int_equal(zis_openpose_skeleton_size(&s, img->width, img->height, NULL), ZIS_OK);
        assert_int_equal(s.width, cases[i].to_w);
        assert_int_equal(s.height, cases[i].to_h);
        assert_int_equal(s.padded_width, cases[i].pad_w);
        assert_int_equal(s.padded_height, cases[i].pad_h);
        size_t n = (size_t)s.padded_width * (size_t)s.padded_height;
        float *planes = malloc(3 * n * sizeof *planes);
        assert_non_null(planes);
        assert_int_equal(zis_openpose_input(planes, img, &s, NULL), ZIS_OK);
        for (int cut = 0; cut < 2; cut++) {
            int w = cut ? s.width : s.padded_width, h = cut ? s.height : s.padded_height;
            assert_int_equal(zis_image_create(&bgr, w, h, 3, NULL), ZIS_OK);
            for (int k = 0; k < w * h * 3; k++) {
                size_t at = (size_t)(k / 3 / w) * (size_t)s.padded_width + (size_t)(k / 3 % w);
                bgr->data[k] = (uint8_t)((planes[(size_t)(k % 3) * n + at] + 0.5f) * 256);
            }
            assert_crc(bgr, w, h, cut ? cases[i].small : cases[i].padded);
            zis_image_destroy(&bgr);
        }
        free(planes);
        zis_image_destroy(&img);
    }
    zis_openpose_size s;
    zis_error err = {0};
    assert_int_equal(zis_openpose_skeleton_size(&s, 512, 2752, NULL), ZIS_OK);
    assert_int_equal(s.height, 183);
    assert_int_equal(zis_openpose_skeleton_size(&s, 512, 120000, &err), ZIS_ARG);
    assert_int_equal(zis_openpose_skeleton_size(&s, 30000000, 1, &err), ZIS_ARG);
    assert_int_equal(zis_openpose_skeleton_size(&s, 0, 1, &err), ZIS_ARG);
}

static void no_memory(void **state)
{
    (void)state;
    if (!OOM_TEST) skip();
    /* A smaller picture of the same shape is quick enough. */
    zis_openpose_maps maps = scene();
    bool fired = true;
    int n = 1;
    for (; fired; n += n < 24 ? 1 : 31) {
        zis_openpose_people *p = NULL;
        zis_error err = {0};
        long live = oom_live();
        oom_arm(n);
        zis_status st = zis_openpose_people_find(&p, &maps, 192, 128, &err);
        fired = oom_disarm();
        assert_int_equal(st, fired ? ZIS_NOMEM : ZIS_OK);
        zis_openpose_people_destroy(&p);
        assert_int_equal(oom_live(), live);
    }
    assert_true(n > 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goldens), cmocka_unit_test(two_people),
        cmocka_unit_test(refused), cmocka_unit_test(peaks_everywhere),
        cmocka_unit_test(input),   cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
