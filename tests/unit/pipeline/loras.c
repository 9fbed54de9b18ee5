/* loras.c - LoRAs found by name, checked without work, attached for a job; also without memory. */
#include "pipeline/loras.h"

#include "base/os.h"
#include "oom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define TURBO ZIS_SOURCE_DIR "/models/nano/turbo"
#define SEPIA ZIS_SOURCE_DIR "/models/nano/lora/sepia.safetensors"
#define OTHER ZIS_SOURCE_DIR "/tests/golden/data/lora-peft.lora.safetensors"

/* A folder that $ZIS_LORAS names, with one file of its own and one in a folder. */
static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    char path[128];
    strcpy(folder, "/tmp/zis-loras-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/a.safetensors", folder);
    if (symlink(SEPIA, path)) return -1;
    snprintf(path, sizeof path, "%s/in", folder);
    if (mkdir(path, 0700)) return -1;
    snprintf(path, sizeof path, "%s/in/b.pt", folder);
    if (symlink(SEPIA, path)) return -1;
    snprintf(path, sizeof path, "%s/notes.txt", folder);
    if (symlink(SEPIA, path)) return -1;
    setenv("ZIS_MODELS", ZIS_SOURCE_DIR "/models", 1);
    snprintf(path, sizeof path, "/nowhere:%s", folder);
    return setenv("ZIS_LORAS", path, 1);
}

static int drop_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"a.safetensors", "in/b.pt", "notes.txt"};
    char path[128];
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/in", folder);
    rmdir(path);
    return rmdir(folder);
}

static void test_list(void **state)
{
    (void)state;
    zis_loras_found *list = NULL;
    size_t n = 0;
    assert_int_equal(zis_loras_list(&list, &n, TURBO, NULL), ZIS_OK);
    assert_int_equal(n, 3);
    assert_string_equal(list[0].name, "a");
    assert_string_equal(list[1].name, "in/b");
    assert_string_equal(list[2].name, "sepia");
    assert_true(list[2].bytes == zis_os_size(SEPIA) && list[2].bytes > 0);
    zis_loras_list_free(list, n);
}

static zis_status find(const char *name, bool names_only, const char *want)
{
    char *path = NULL;
    zis_status st = zis_loras_find(&path, name, NULL, names_only, NULL);
    if (want && (!path || !strstr(path, want))) fail_msg("%s: %s", name, path ? path : "NULL");
    free(path);
    return st;
}

static void test_find(void **state)
{
    (void)state;
    assert_int_equal(find("sepia", true, "/nano/lora/sepia.safetensors"), ZIS_OK);
    assert_int_equal(find("sepia.safetensors", true, "/nano/lora/sepia.safetensors"), ZIS_OK);
    assert_int_equal(find("in/b", true, "/in/b.pt"), ZIS_OK);
    assert_int_equal(find("in/b.pt", true, "/in/b.pt"), ZIS_OK);
    assert_int_equal(find(SEPIA, false, SEPIA), ZIS_OK);
    assert_int_equal(find(SEPIA, true, NULL), ZIS_NOT_FOUND); /* a path is no name */
    assert_int_equal(find("b", true, NULL), ZIS_NOT_FOUND);
    assert_int_equal(find("in/b.safetensors", true, NULL), ZIS_NOT_FOUND);
    assert_int_equal(find("notes", true, NULL), ZIS_NOT_FOUND);
    assert_int_equal(find("../lora/sepia", true, NULL), ZIS_NOT_FOUND);
    assert_int_equal(find("", true, NULL), ZIS_NOT_FOUND);
}

static void test_check(void **state)
{
    (void)state;
    zis_model_set set = {0};
    zis_lora_report r = {0};
    zis_error err = {0};
    assert_int_equal(zis_model_find(&set, &(zis_model_query){.model = TURBO}, &err), ZIS_OK);
    assert_int_equal(zis_loras_check(&r, SEPIA, &set, &err), ZIS_OK);
    assert_true(r.matched == 42 && r.modules == 42 && r.rank_hi == 8 && r.left_over == 0);
    assert_int_equal(zis_loras_check(&r, OTHER, &set, &err), ZIS_FORMAT);
    assert_non_null(strstr(err.text, "made for another model"));
    assert_int_equal(zis_loras_check(&r, "/nowhere", &set, &err), ZIS_NOT_FOUND);
    zis_model_set_deinit(&set);
}

static zis_status attach_two(zis_zimage *m, zis_loras **out, zis_error *err)
{
    char first[] = "sepia", second[] = "in/b";
    const zis_request_lora list[] = {{.file = first, .strength = 1},
                                     {.file = second, .strength = 0.25}};
    return zis_loras_attach(out, m, list, 2, TURBO, err);
}

static void test_attach(void **state)
{
    (void)state;
    zis_zimage *m = NULL;
    zis_loras *l = NULL;
    zis_error err = {0};
    assert_int_equal(zis_zimage_open(&m, TURBO "/transformer", NULL), ZIS_OK);
    /* b.pt is a safetensors file: what counts is what is in it */
    if (attach_two(m, &l, &err)) fail_msg("%s", err.text);
    assert_int_equal(zis_loras_count(l), 2);
    zis_loras_item item = zis_loras_at(l, 1);
    assert_string_equal(item.file, "in/b");
    assert_true(item.strength == 0.25 && item.report->matched == 42);
    assert_null(zis_loras_warning(&item));
    zis_loras_detach(&l);
    assert_null(l);
    assert_int_equal(zis_loras_attach(&l, m, NULL, 0, TURBO, NULL), ZIS_OK);
    assert_int_equal(zis_loras_count(l), 0);
    zis_loras_detach(&l);
    zis_zimage_close(&m);
}

static void test_no_memory(void **state)
{
    (void)state;
    if (!OOM_TEST) skip();
    zis_zimage *m = NULL;
    assert_int_equal(zis_zimage_open(&m, TURBO "/transformer", NULL), ZIS_OK);
    /* the first ones each, then a few of the list of modules */
    for (int n = 1, fired = 1; fired; n += n < 150 ? 1 : 61) {
        zis_loras *l = NULL;
        zis_error err = {0};
        long before = oom_live();
        oom_arm(n);
        zis_status st = attach_two(m, &l, &err);
        fired = oom_disarm();
        /* a path with its links is as good as one without */
        if (fired && st != ZIS_NOMEM && st != ZIS_OK)
            fail_msg("allocation %d: %d, %s", n, (int)st, err.text);
        if (!fired) assert_int_equal(st, ZIS_OK);
        zis_loras_detach(&l);
        if (oom_live() != before) fail_msg("allocation %d: a leak", n);
    }
    zis_zimage_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),      cmocka_unit_test(test_find),
        cmocka_unit_test(test_check),     cmocka_unit_test(test_attach),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests_name("LoRAs of a request", tests, make_folder, drop_folder);
}
