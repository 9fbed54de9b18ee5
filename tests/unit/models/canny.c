/* Canny's edges against OpenCV's, and the colours' way to grey. */
#include "models/preprocess/canny.h"

#include "models/preprocess/rgb.h"
#include "oom.h"
#include "pictures.h"

static void check_golden(const char *stem, size_t want)
{
    zis_safetensors *st = golden_open(stem);
    zis_json_doc *config = golden_config(st);
    zis_canny_options o = ZIS_CANNY_DEFAULT;
    int64_t low = 0, high = 0;
    assert_int_equal(zis_json_doc_int(config, "low", 0, 3000, &low, NULL), ZIS_OK);
    assert_int_equal(zis_json_doc_int(config, "high", 0, 3000, &high, NULL), ZIS_OK);
    o.low = (int)low;
    o.high = (int)high;
    size_t cases = 0;
    for (size_t i = 0; i < zis_safetensors_count(st); i++) {
        const zis_safetensors_entry *in = zis_safetensors_at(st, i);
        const char *name;
        const zis_safetensors_entry *out = golden_pair(st, in, &name);
        if (!out) continue;
        zis_image *img = picture_of(&in->tensor), *got = NULL;
        assert_int_equal(zis_canny(&got, img, &o, NULL), ZIS_OK);
        assert_picture(got, &out->tensor, name);
        zis_image_destroy(&img);
        zis_image_destroy(&got);
        cases++;
    }
    assert_int_equal(cases, want);
    zis_json_doc_destroy(&config);
    zis_safetensors_close(&st);
}

static void goldens(void **state)
{
    (void)state;
    check_golden("canny-made", 15);
    check_golden("canny-photos", 3);
}

/* preprocessors.md 10 */
static void numbers(void **state)
{
    (void)state;
    static const struct {
        int w, h;
        uint32_t in, grey, edges;
        int count;
    } cases[] = {{97, 61, 0x704786f1, 0xf285d85b, 0xa89cfae2, 302},
                 {640, 480, 0x12221f47, 0xfd5017fc, 0x6bd07733, 94713},
                 {33, 17, 0x2e69611b, 0x31e7caaa, 0xe65ef387, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int w = cases[i].w, h = cases[i].h;
        zis_image *img = picture_p(w, h), *grey = NULL, *got = NULL;
        assert_crc(img, w, h, cases[i].in);
        assert_int_equal(zis_image_create(&grey, w, h, 1, NULL), ZIS_OK);
        for (int k = 0; k < w * h; k++) grey->data[k] = zis_rgb_grey(img->data + 3 * k);
        assert_crc(grey, w, h, cases[i].grey);
        for (int way = 0; way < 2; way++) { /* from the colours, from the grey */
            assert_int_equal(zis_canny(&got, way ? grey : img, &ZIS_CANNY_DEFAULT, NULL), ZIS_OK);
            assert_crc(got, w, h, cases[i].edges);
            int count = 0;
            for (int k = 0; k < w * h; k++) count += got->data[k] == 255;
            assert_int_equal(count, cases[i].count);
            zis_image_destroy(&got);
        }
        zis_image_destroy(&img);
        zis_image_destroy(&grey);
    }
}

static void same(const zis_image *a, const zis_image *b)
{
    assert_memory_equal(a->data, b->data, (size_t)a->width * (size_t)a->height);
}

/* Thresholds in either order; alpha is not looked at; three equal channels in colour are grey; an
 * edge of one channel only is found by colour. */
static void options(void **state)
{
    (void)state;
    zis_image *img = picture_p(60, 40), *rgba = NULL, *a = NULL, *b = NULL;
    assert_int_equal(zis_canny(&a, img, &(zis_canny_options){50, 300, false}, NULL), ZIS_OK);
    assert_int_equal(zis_canny(&b, img, &(zis_canny_options){300, 50, false}, NULL), ZIS_OK);
    same(a, b);
    zis_image_destroy(&b);
    assert_int_equal(zis_image_create(&rgba, 60, 40, 4, NULL), ZIS_OK);
    for (int i = 0; i < 60 * 40; i++) {
        memcpy(rgba->data + 4 * i, img->data + 3 * i, 3);
        rgba->data[4 * i + 3] = (uint8_t)(i * 37);
    }
    assert_int_equal(zis_canny(&b, rgba, &(zis_canny_options){50, 300, false}, NULL), ZIS_OK);
    same(a, b);
    zis_image_destroy(&a);
    zis_image_destroy(&b);
    for (int i = 0; i < 60 * 40; i++)
        img->data[3 * i + 1] = img->data[3 * i + 2] = img->data[3 * i];
    assert_int_equal(zis_canny(&a, img, &(zis_canny_options){100, 200, true}, NULL), ZIS_OK);
    assert_int_equal(zis_canny(&b, img, &(zis_canny_options){100, 200, false}, NULL), ZIS_OK);
    same(a, b);
    zis_image_destroy(&a);
    zis_image_destroy(&b);
    for (int i = 0; i < 60 * 40; i++) {
        img->data[3 * i] = img->data[3 * i + 1] = 0;
        img->data[3 * i + 2] = i % 60 < 30 ? 0 : 60; /* 240 in blue, 28 in grey */
    }
    assert_int_equal(zis_canny(&a, img, &(zis_canny_options){100, 200, true}, NULL), ZIS_OK);
    assert_int_equal(zis_canny(&b, img, &(zis_canny_options){100, 200, false}, NULL), ZIS_OK);
    for (int i = 0; i < 60 * 40; i++) {
        assert_int_equal(a->data[i], i % 60 == 29 ? 255 : 0);
        assert_int_equal(b->data[i], 0);
    }
    zis_image_destroy(&a);
    zis_image_destroy(&b);
    zis_image_destroy(&rgba);
    zis_image_destroy(&img);
}

static void three_channels(void **state)
{
    (void)state;
    static const uint8_t rgba[] = {10, 20, 30, 255, 10, 20, 30, 0, 0, 100, 255, 128};
    static const uint8_t want[] = {10, 20, 30, 255, 255, 255, 126, 177, 255};
    zis_image *img = NULL, *got = NULL;
    assert_int_equal(zis_image_create(&img, 3, 1, 4, NULL), ZIS_OK);
    memcpy(img->data, rgba, sizeof rgba);
    assert_int_equal(zis_rgb_from_image(&got, img, NULL), ZIS_OK);
    assert_int_equal(got->channels, 3);
    assert_memory_equal(got->data, want, sizeof want);
    zis_image_destroy(&img);
    img = got;
    got = NULL;
    assert_int_equal(zis_rgb_from_image(&got, img, NULL), ZIS_OK);
    assert_memory_equal(got->data, want, sizeof want);
    zis_image_destroy(&img);
    zis_image_destroy(&got);
    assert_int_equal(zis_image_create(&img, 2, 1, 1, NULL), ZIS_OK);
    img->data[0] = 7;
    assert_int_equal(zis_rgb_from_image(&got, img, NULL), ZIS_OK);
    assert_memory_equal(got->data, "\7\7\7\0\0\0", 6);
    zis_image_destroy(&img);
    zis_image_destroy(&got);
}

static void no_memory(void **state)
{
    (void)state;
    if (!OOM_TEST) skip();
    zis_image *img = picture_p(200, 150); /* enough edges for the stack to grow */
    bool fired = true;
    int n = 1;
    for (; fired; n++) {
        zis_image *got = NULL, *rgb = NULL;
        zis_error err = {0};
        long live = oom_live();
        oom_arm(n);
        zis_status st = zis_canny(&got, img, &ZIS_CANNY_DEFAULT, &err);
        if (!st) st = zis_rgb_from_image(&rgb, img, &err);
        fired = oom_disarm();
        assert_int_equal(st, fired ? ZIS_NOMEM : ZIS_OK);
        zis_image_destroy(&got);
        zis_image_destroy(&rgb);
        assert_int_equal(oom_live(), live);
    }
    assert_true(n > 7);
    zis_image_destroy(&img);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goldens),        cmocka_unit_test(numbers),   cmocka_unit_test(options),
        cmocka_unit_test(three_channels), cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
