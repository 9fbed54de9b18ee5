/* Where a published checkpoint is looked for, and what is said when it is nowhere. */
#include "pipeline/weights_find.h"

#include "base/mem.h"
#include "base/os.h"
#include "oom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64]; /* of everything; removed at the end */

static zis_weights_query query(const char *given)
{
    return (zis_weights_query){.what = "the preprocessor 'pose'",
                               .file = "body.pth",
                               .repo = "org/Annotators",
                               .fetch = "pose",
                               .flag = "--preprocess-weights",
                               .given = given};
}

static void path_of(char *out, size_t room, const char *below)
{
    snprintf(out, room, "%s/%s", root, below);
}

/* The file or folder `below`, with the folders above it. */
static void put(const char *below, const char *text)
{
    char path[256];
    path_of(path, sizeof path, below);
    for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';
        (void)mkdir(path, 0777);
        *p = '/';
    }
    assert_int_equal(zis_os_write_file(path, text, strlen(text), NULL), ZIS_OK);
}

static void take_away(const char *below)
{
    char path[256];
    path_of(path, sizeof path, below);
    assert_int_equal(unlink(path), 0);
}

static int setup(void **state)
{
    char path[128];
    (void)state;
    snprintf(root, sizeof root, "/tmp/zis-test-find-XXXXXX");
    if (!mkdtemp(root)) return -1;
    path_of(path, sizeof path, "models");
    setenv("ZIS_MODELS", path, 1);
    path_of(path, sizeof path, "hub");
    setenv("HF_HUB_CACHE", path, 1);
    return 0;
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -r '%s'", root);
    return system(command);
}

static void finds(const char *below)
{
    char *found = NULL, want[256];
    zis_error err = {0};
    const zis_weights_query q = query(NULL);
    if (zis_weights_find_file(&found, &q, &err)) fail_msg("%s", err.text);
    path_of(want, sizeof want, below);
    assert_string_equal(found, want);
    free(found);
}

static void nowhere(void **state)
{
    (void)state;
    char *found = NULL, place[128];
    zis_error err = {0};
    const zis_weights_query q = query(NULL);
    assert_int_equal(zis_weights_find_file(&found, &q, &err), ZIS_NOT_FOUND);
    assert_null(found);
    const char *start =
        "the preprocessor 'pose' needs body.pth of org/Annotators, which is not here; "
        "`zis fetch pose` gets it, or name a file with --preprocess-weights; looked "
        "in ";
    assert_memory_equal(err.text, start, strlen(start));
    static const char *const places[] = {"models, ", "hub/models--org--Annotators"};
    for (int i = 0; i < 2; i++) {
        path_of(place, sizeof place, places[i]);
        assert_non_null(strstr(err.text, place));
    }
}

static void a_named_file_alone_counts(void **state)
{
    (void)state;
    char *found = NULL, path[128];
    zis_error err = {0};
    path_of(path, sizeof path, "mine.pth");
    const zis_weights_query q = query(path);
    assert_int_equal(zis_weights_find_file(&found, &q, &err), ZIS_NOT_FOUND);
    assert_non_null(
        strstr(err.text, "--preprocess-weights: there is no file '/tmp/zis-test-find-"));
    put("mine.pth", "x");
    assert_int_equal(zis_weights_find_file(&found, &q, &err), ZIS_OK);
    assert_string_equal(found, path);
    free(found);
}

#define SNAPSHOT "hub/models--org--Annotators/snapshots/0123abc"

static void places_in_their_order(void **state)
{
    (void)state;
    put("hub/models--org--Annotators/refs/main", "0123abc");
    put(SNAPSHOT "/body.safetensors", "x");
    finds(SNAPSHOT "/body.safetensors");
    put(SNAPSHOT "/body.pth", "x");
    finds(SNAPSHOT "/body.pth");
    put("models/body.pth", "x");
    finds("models/body.pth");
    put("models/annotators/body.safetensors", "x");
    finds("models/annotators/body.safetensors");
    take_away("models/annotators/body.safetensors");
    take_away("models/body.pth");
}

/* A cache whose links lead out of it is not trusted. */
static void a_link_out_of_the_cache(void **state)
{
    (void)state;
    char *found = NULL, from[256], to[256];
    zis_error err = {0};
    const zis_weights_query q = query(NULL);
    put("elsewhere.pth", "x");
    take_away(SNAPSHOT "/body.pth");
    path_of(to, sizeof to, "elsewhere.pth");
    path_of(from, sizeof from, SNAPSHOT "/body.pth");
    assert_int_equal(symlink(to, from), 0);
    assert_int_not_equal(zis_weights_find_file(&found, &q, &err), ZIS_OK);
    assert_null(found);
    assert_non_null(strstr(err.text, "body.pth"));
    take_away(SNAPSHOT "/body.pth");
}

static void out_of_memory(void **state)
{
    (void)state;
    for (int here = 0; here < 2; here++) {
        long before = oom_live();
        const zis_weights_query q = query(NULL);
        if (here)
            put(SNAPSHOT "/body.pth", "x");
        else
            take_away(SNAPSHOT "/body.safetensors");
        before = oom_live();
        for (long n = 1;; n++) {
            char *found = NULL;
            zis_error err = {0};
            oom_arm(n);
            zis_status st = zis_weights_find_file(&found, &q, &err);
            int fired = oom_disarm();
            free(found);
            assert_int_equal(oom_live(), before);
            if (!fired) {
                assert_int_equal(st, here ? ZIS_OK : ZIS_NOT_FOUND);
                break;
            }
            assert_int_equal(st, ZIS_NOMEM);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nowhere),
        cmocka_unit_test(a_named_file_alone_counts),
        cmocka_unit_test(places_in_their_order),
        cmocka_unit_test(a_link_out_of_the_cache),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
