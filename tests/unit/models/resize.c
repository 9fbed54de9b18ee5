/* Resizes against what OpenCV and Pillow gave, and what cannot be resized. */
#include "models/preprocess/resize.h"

#include "oom.h"
#include "pictures.h"

static zis_resize_method method_of(const char *name)
{
    if (strcmp(name, "area") == 0) return ZIS_RESIZE_AREA;
    if (strcmp(name, "lanczos4") == 0) return ZIS_RESIZE_LANCZOS4;
    assert_string_equal(name, "linear");
    return ZIS_RESIZE_LINEAR;
}

static void check_plane(const zis_tensor *in, const zis_tensor *want, const char *method)
{
    int w = (int)want->dim[1], h = (int)want->dim[0];
    float *got = malloc(zis_tensor_bytes(want));
    const float *v = want->data;
    assert_non_null(got);
    assert_int_equal(zis_resize_plane(got, w, h, in->data, (int)in->dim[1], (int)in->dim[0],
                                      method_of(method), NULL),
                     ZIS_OK);
    /* The bound is 1e-6, but the peaks of a pose hang on the last bit. */
    for (int i = 0; i < w * h; i++) assert_true(got[i] == v[i]);
    free(got);
}

static void check_picture(const zis_json_doc *config,
                          const char *name,
                          const char *method,
                          const zis_tensor *in,
                          const zis_tensor *want)
{
    zis_image *img = picture_of(in), *got = NULL;
    zis_error err = {0};
    zis_status st;
    if (strcmp(method, "half") == 0)
        st = zis_resize_half(&got, img, &err);
    else if (strcmp(method, "detect") == 0)
        st = zis_resize_detect(&got, img, (int)config_int(config, name, "resolution"), &err);
    else
        st = zis_resize_image(&got, img, (int)config_int(config, name, "size.0"),
                              (int)config_int(config, name, "size.1"), method_of(method), &err);
    if (st) fail_msg("%s: %s", name, err.text);
    assert_picture(got, want, name);
    zis_image_destroy(&img);
    zis_image_destroy(&got);
}

static void goldens(void **state)
{
    (void)state;
    zis_safetensors *st = golden_open("resize-mixed");
    zis_json_doc *config = golden_config(st);
    size_t cases = 0;
    for (size_t i = 0; i < zis_safetensors_count(st); i++) {
        const zis_safetensors_entry *in = zis_safetensors_at(st, i);
        const char *name;
        const zis_safetensors_entry *out = golden_pair(st, in, &name);
        if (!out) continue;
        char path[160];
        snprintf(path, sizeof path, "cases.%s.method", name);
        const char *method = zis_json_doc_string(config, path);
        assert_non_null(method);
        if (in->tensor.dtype == ZIS_DTYPE_F32)
            check_plane(&in->tensor, &out->tensor, method);
        else
            check_picture(config, name, method, &in->tensor, &out->tensor);
        cases++;
    }
    assert_int_equal(cases, 43);
    zis_json_doc_destroy(&config);
    zis_safetensors_close(&st);
}

/* The numbers of preprocessors.md 10, and its example sizes. */
static void detection_size(void **state)
{
    (void)state;
    static const struct {
        int w, h, to_w, to_h;
        uint32_t crc;
    } cases[] = {
        {1000, 700, 704, 512, 0xf57eea3e}, {1024, 1024, 512, 512, 0x9b46d69a},
        {400, 300, 704, 512, 0x9d227113},  {700, 512, 704, 512, 0x9a12f56c},
        {560, 520, 576, 512, 0xe96a51f7},  {1536, 1024, 768, 512, 0xe25a618c},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        zis_image *img = picture_p(cases[i].w, cases[i].h), *got = NULL;
        assert_int_equal(zis_resize_detect(&got, img, 512, NULL), ZIS_OK);
        assert_crc(got, cases[i].to_w, cases[i].to_h, cases[i].crc);
        zis_image_destroy(&img);
        zis_image_destroy(&got);
    }
    static const int sizes[][4] = {{1024, 768, 704, 512},
                                   {1920, 1080, 896, 512},
                                   {768, 1344, 512, 896},
                                   {300, 1000, 512, 1728},
                                   {512, 672, 512, 640}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int w = 0, h = 0;
        assert_int_equal(zis_resize_detect_size(&w, &h, sizes[i][0], sizes[i][1], 512, NULL), 0);
        assert_int_equal(w, sizes[i][2]);
        assert_int_equal(h, sizes[i][3]);
    }
    zis_error err = {0};
    int w = 7, h = 7;
    assert_int_equal(zis_resize_detect_size(&w, &h, 100, 100, 20, &err), ZIS_ARG);
    assert_int_equal(zis_resize_detect_size(&w, &h, 1, 60000000, 512, &err), ZIS_ARG);
    assert_int_equal(zis_resize_detect_size(&w, &h, 100, 0, 512, &err), ZIS_ARG);
    assert_int_equal(zis_resize_detect_size(&w, &h, 100, 100, -1, &err), ZIS_ARG);
    assert_int_equal(w, 7);
    assert_int_equal(h, 7);
}

/* A picture of one value keeps it, whatever the way. */
static void constant(void **state)
{
    (void)state;
    static const int sizes[] = {1, 2, 3, 5, 8, 13, 40};
    enum { N = sizeof sizes / sizeof *sizes };
    for (int a = 0; a < N; a++)
        for (int b = 0; b < N; b++)
            for (int m = 0; m < 4; m++) {
                zis_image *img = NULL, *got = NULL;
                int channels = 1 + m % 2 * 3, w = sizes[b], h = sizes[(b + m) % N];
                assert_int_equal(
                    zis_image_create(&img, sizes[a], sizes[(a + m) % N], channels, NULL), ZIS_OK);
                memset(img->data, 201, (size_t)img->width * (size_t)img->height * (size_t)channels);
                assert_int_equal(
                    m == 3 ? zis_resize_pillow(&got, img, w, h, NULL)
                           : zis_resize_image(&got, img, w, h, (zis_resize_method)m, NULL),
                    ZIS_OK);
                assert_int_equal(got->channels, channels);
                for (int i = 0; i < w * h * channels; i++)
                    assert_in_range(got->data[i], m == 1 ? 200 : 201, m == 1 ? 202 : 201);
                zis_image_destroy(&img);
                zis_image_destroy(&got);
            }
}

/* The worst case of 8 taps: black and white change with the sign of the weights. The sum stays just
 * below 2^31. */
static void overshoot(void **state)
{
    (void)state;
    zis_image *img = NULL, *got = NULL;
    assert_int_equal(zis_image_create(&img, 8, 8, 1, NULL), ZIS_OK);
    static const int sign[8] = {0, 1, 0, 1, 1, 0, 1, 0};
    for (int y = 0; y < 8; y++)
        for (int x = 0; x < 8; x++) img->data[y * 8 + x] = sign[x] == sign[y] ? 255 : 0;
    assert_int_equal(zis_resize_image(&got, img, 1, 1, ZIS_RESIZE_LANCZOS4, NULL), ZIS_OK);
    assert_int_equal(got->data[0], 255);
    zis_image_destroy(&img);
    zis_image_destroy(&got);
}

static void refused(void **state)
{
    (void)state;
    zis_image *img = picture_p(9, 1), *got = NULL;
    zis_error err = {0};
    assert_int_equal(zis_resize_half(&got, img, &err), ZIS_ARG);
    assert_string_equal(err.text, "a picture of 9 x 1 cannot be halved");
    assert_int_equal(zis_resize_image(&got, img, 0, 4, ZIS_RESIZE_AREA, &err), ZIS_ARG);
    assert_int_equal(zis_resize_image(&got, img, 100000, 100000, ZIS_RESIZE_AREA, &err), ZIS_ARG);
    assert_int_equal(zis_resize_image(&got, img, 4, 4, (zis_resize_method)9, &err), ZIS_ARG);
    assert_int_equal(zis_resize_pillow(&got, img, 4, -1, &err), ZIS_ARG);
    float plane[4] = {0};
    assert_int_equal(zis_resize_plane(plane, 2, 2, plane, 0, 2, ZIS_RESIZE_AREA, &err), ZIS_ARG);
    assert_null(got);
    zis_image_destroy(&img);
}

/* Every allocation fails once; nothing is left behind. */
static void no_memory(void **state)
{
    (void)state;
    if (!OOM_TEST) skip();
    zis_image *img = picture_p(20, 15);
    for (int m = 0; m < 5; m++) {
        bool fired = true;
        for (int n = 1; fired; n++) {
            zis_image *got = NULL;
            zis_error err = {0};
            long live = oom_live();
            oom_arm(n);
            zis_status st = m == 3 ? zis_resize_half(&got, img, &err)
                            : m == 4
                                ? zis_resize_detect(&got, img, 64, &err)
                                : zis_resize_image(&got, img, 11, 7, (zis_resize_method)m, &err);
            fired = oom_disarm();
            assert_int_equal(st, fired ? ZIS_NOMEM : ZIS_OK);
            zis_image_destroy(&got);
            assert_int_equal(oom_live(), live);
        }
    }
    zis_image_destroy(&img);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goldens),   cmocka_unit_test(detection_size), cmocka_unit_test(constant),
        cmocka_unit_test(overshoot), cmocka_unit_test(refused),        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
