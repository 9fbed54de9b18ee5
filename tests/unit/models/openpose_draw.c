/* Stick figures and their shapes against OpenCV's. */
#include "models/preprocess/openpose_draw.h"

#include "models/preprocess/shapes.h"
#include "pictures.h"

#include <math.h>

static zis_image *black(int width, int height)
{
    zis_image *img = NULL;
    assert_int_equal(zis_image_create(&img, width, height, 3, NULL), ZIS_OK);
    return img;
}

static void goldens(void **state)
{
    (void)state;
    zis_safetensors *st = golden_open("openpose_draw-mixed");
    zis_json_doc *config = golden_config(st);
    size_t cases = 0;
    for (size_t i = 0; i < zis_safetensors_count(st); i++) {
        const zis_safetensors_entry *in = zis_safetensors_at(st, i);
        const char *name;
        const zis_safetensors_entry *out = golden_pair(st, in, &name);
        if (!out) continue;
        assert_int_equal(in->tensor.dtype, ZIS_DTYPE_F64);
        size_t people = (size_t)in->tensor.dim[0];
        zis_openpose_pose *pose = calloc(people + 1, sizeof *pose);
        assert_non_null(pose);
        for (size_t k = 0; k < people * ZIS_OPENPOSE_JOINTS; k++) {
            double v[3];
            memcpy(v, (const char *)in->tensor.data + k * sizeof v, sizeof v);
            pose[k / ZIS_OPENPOSE_JOINTS].joint[k % ZIS_OPENPOSE_JOINTS] =
                (zis_openpose_joint){v[0], v[1], v[2] != 0};
        }
        zis_image *img =
            black((int)config_int(config, name, "size.0"), (int)config_int(config, name, "size.1"));
        assert_int_equal(zis_openpose_draw(img, pose, people, NULL), ZIS_OK);
        assert_picture(img, &out->tensor, name);
        zis_image_destroy(&img);
        free(pose);
        cases++;
    }
    assert_int_equal(cases, 11);
    zis_json_doc_destroy(&config);
    zis_safetensors_close(&st);
}

static int count_painted(const zis_image *img)
{
    int n = 0;
    for (int i = 0; i < img->width * img->height; i++)
        n += img->data[3 * i] || img->data[3 * i + 1] || img->data[3 * i + 2];
    return n;
}

/* preprocessors.md 10 */
static void shapes(void **state)
{
    (void)state;
    static const uint8_t brown[] = {153, 102, 0}, orange[] = {255, 170, 0};
    zis_shapes_point v[ZIS_SHAPES_ELLIPSE_POINTS];
    int n = zis_shapes_ellipse(v, (zis_shapes_point){60, 50}, 37, 4, 33);
    assert_int_equal(n, 167);
    assert_int_equal(v[0].x, 91);
    assert_int_equal(v[0].y, 70);
    assert_int_equal(v[1].x, 90);
    assert_int_equal(v[1].y, 70);
    assert_int_equal(crc32_of(v, (size_t)n * sizeof *v), 0x9fca5a4e);
    zis_image *img = black(128, 96);
    zis_shapes_fill_convex(img, v, n, brown);
    assert_int_equal(count_painted(img), 549);
    assert_crc(img, 128, 96, 0x9d19947e);
    zis_shapes_disc(img, (zis_shapes_point){89, 68}, orange);
    assert_crc(img, 128, 96, 0x46c1e277);
    zis_image_destroy(&img);

    img = black(128, 96);
    n = zis_shapes_ellipse(v, (zis_shapes_point){10, 90}, 60, 4, -117);
    zis_shapes_fill_convex(img, v, n, brown);
    assert_int_equal(count_painted(img), 257);
    assert_crc(img, 128, 96, 0xedb7a1a4);
    zis_image_destroy(&img);

    n = zis_shapes_ellipse(v, (zis_shapes_point){5, 6}, 0, 0, 0);
    assert_int_equal(n, 2);
    img = black(16, 16);
    zis_shapes_fill_convex(img, v, n, brown);
    assert_int_equal(count_painted(img), 1);
    zis_shapes_disc(img, (zis_shapes_point){8, 8}, orange);
    assert_int_equal(count_painted(img), 49);
    zis_image_destroy(&img);
}

static const double figure[ZIS_OPENPOSE_JOINTS][2] = {
    {256, 90},  {258, 150}, {205, 152}, {180, 230}, {170, 305}, {310, 150},
    {338, 228}, {345, 300}, {222, 310}, {218, 400}, {215, 490}, {292, 308},
    {296, 400}, {300, 488}, {244, 78},  {268, 78},  {228, 86},  {284, 85}};

static void skeleton(void **state)
{
    (void)state;
    static const struct {
        int width;
        uint32_t whole, without;
    } cases[] = {{512, 0xbd84a033, 0x586e5c3a}, {704, 0x90a39c1a, 0x7bd46d8a}};
    for (size_t c = 0; c < 2; c++)
        for (int part = 0; part < 2; part++) {
            zis_openpose_pose pose;
            for (int j = 0; j < ZIS_OPENPOSE_JOINTS; j++)
                pose.joint[j] =
                    (zis_openpose_joint){figure[j][0], figure[j][1], !part || (j != 9 && j != 16)};
            zis_image *img = black(cases[c].width, 512);
            assert_int_equal(zis_openpose_draw(img, &pose, 1, NULL), ZIS_OK);
            assert_crc(img, cases[c].width, 512, part ? cases[c].without : cases[c].whole);
            zis_image_destroy(&img);
        }
}

/* Joints anywhere a caller may put them: drawn or refused, never outside the canvas. */
static void far_away(void **state)
{
    (void)state;
    static const double at[] = {-1e6, -70000, -1, -0.5, 0, 3.5, 19, 20, 33000, 1e6};
    enum { N = sizeof at / sizeof *at };
    zis_image *img = black(20, 13);
    unsigned r = 1;
    for (int i = 0; i < 60; i++) {
        zis_openpose_pose pose = {0};
        for (int j = 0; j < ZIS_OPENPOSE_JOINTS; j++) {
            r = r * 1664525 + 1013904223;
            bool wide = r >> 31; /* rows far above cost time, so not all of them */
            pose.joint[j] = (zis_openpose_joint){at[(r >> 8) % N],
                                                 wide ? at[1 + (r >> 16) % (N - 1)] : 5, true};
        }
        assert_int_equal(zis_openpose_draw(img, &pose, 1, NULL), ZIS_OK);
    }
    static const double bad[] = {1.1e6, -1e300, HUGE_VAL, NAN};
    for (int i = 0; i < 8; i++) {
        zis_openpose_pose pose = {0};
        zis_error err = {0};
        pose.joint[3] = (zis_openpose_joint){i < 4 ? bad[i] : 1, i < 4 ? 1 : bad[i - 4], true};
        assert_int_equal(zis_openpose_draw(img, &pose, 1, &err), ZIS_ARG);
        assert_non_null(strstr(err.text, "the right elbow of person 1"));
        pose.joint[3].present = false;
        assert_int_equal(zis_openpose_draw(img, &pose, 1, &err), ZIS_OK);
    }
    zis_image_destroy(&img);
    assert_int_equal(zis_image_create(&img, 4, 4, 1, NULL), ZIS_OK);
    assert_int_equal(zis_openpose_draw(img, NULL, 0, NULL), ZIS_ARG);
    zis_image_destroy(&img);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goldens),
        cmocka_unit_test(shapes),
        cmocka_unit_test(skeleton),
        cmocka_unit_test(far_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
