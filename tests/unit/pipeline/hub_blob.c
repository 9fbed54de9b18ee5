/* One blob while it is downloaded: what survives the end of a process, a power cut, other programs.
 */
#include "pipeline/hub_blob.h"

#include "base/os.h"
#include "oom.h"
#include "pipeline/hub_entry.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ETAG "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define SIZE (ZIS_HUB_CHUNK * 2 + 1000) /* two chunks and a bit; holes take no room */
#define OWN ETAG ".7a697300.incomplete"

static char folder[] = "/tmp/zis-hub-XXXXXX";
static zis_hub_repo repo;

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return -1;
    zis_error err;
    return zis_hub_repo_init(&repo, folder, "Org/m", &err) || zis_hub_repo_make(&repo, &err);
}

static int teardown(void **state)
{
    (void)state;
    char command[200];
    zis_hub_repo_deinit(&repo);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static char *path_of(const char *name)
{
    char *path = zis_os_join(repo.dir, name);
    assert_non_null(path);
    return path;
}

static zis_hub_blob *open_blob(uint64_t size)
{
    zis_hub_blob *b = NULL;
    bool busy = false;
    zis_error err = {0};
    assert_int_equal(zis_hub_blob_open(&b, &busy, &repo, ETAG, size, &err), ZIS_OK);
    assert_false(busy);
    return b;
}

static void drop(zis_hub_blob **b)
{
    zis_hub_blob_drop(*b);
    zis_hub_blob_close(b);
}

static void put(zis_hub_blob *b, uint64_t at, size_t n)
{
    zis_error err;
    char *data = malloc(n);
    for (size_t i = 0; i < n; i++) data[i] = (char)((at + i) * 2654435761u >> 9);
    assert_int_equal(zis_hub_blob_write(b, at, data, n, &err), ZIS_OK);
    free(data);
}

static void test_claims(void **state)
{
    (void)state;
    zis_hub_blob *b = open_blob(SIZE);
    uint64_t from, to, from2, to2;
    assert_true(zis_hub_blob_claim(b, 1, &from, &to));
    assert_true(from == 0 && to == ZIS_HUB_CHUNK);
    assert_true(zis_hub_blob_claim(b, UINT64_MAX, &from2, &to2));
    assert_true(from2 == ZIS_HUB_CHUNK && to2 == SIZE);
    assert_false(zis_hub_blob_claim(b, 1, &from, &to));
    put(b, 0, 100);
    put(b, ZIS_HUB_CHUNK, 50);
    assert_int_equal(zis_hub_blob_whole_to(b), 100); /* without a hole */
    assert_int_equal(zis_hub_blob_have(b), 150);
    zis_hub_blob_release(b, 0, ZIS_HUB_CHUNK);
    assert_true(zis_hub_blob_claim(b, UINT64_MAX, &from, &to));
    assert_true(from == 100 && to == ZIS_HUB_CHUNK); /* the next chunk has bytes and a claim */
    put(b, 60, 100);                                 /* what is there already is skipped */
    assert_int_equal(zis_hub_blob_have(b), 210);
    zis_error err;
    char byte = 0;
    assert_int_equal(zis_hub_blob_write(b, 161, &byte, 1, &err), ZIS_FORMAT); /* a hole */
    assert_int_equal(zis_hub_blob_write(b, SIZE, &byte, 1, &err), ZIS_FORMAT);
    drop(&b);
}

static void test_resume(void **state)
{
    (void)state;
    zis_hub_blob *b = open_blob(SIZE);
    zis_error err;
    uint64_t have, size;
    put(b, 0, 1000);
    put(b, ZIS_HUB_CHUNK, 77);
    zis_hub_blob_set_validator(b, "\"tag\"");
    zis_hub_blob_close(&b); /* as good as the end of the process: nothing is written here */
    char *part = path_of("blobs/" OWN);
    zis_hub_blob_peek(part, &have, &size);
    assert_true(have == 1077 && size == SIZE);
    b = open_blob(SIZE);
    assert_true(zis_hub_blob_is_resumed(b));
    assert_int_equal(zis_hub_blob_have(b), 1077);
    assert_string_equal(zis_hub_blob_validator(b), "\"tag\"");
    unsigned char back[1000];
    assert_int_equal(zis_hub_blob_read(b, 0, back, 1000, &err), ZIS_OK);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(back[i], (unsigned char)(i * 2654435761u >> 9));
    assert_int_equal(zis_hub_blob_reset(b, &err), ZIS_OK);
    assert_int_equal(zis_hub_blob_have(b), 0);
    assert_string_equal(zis_hub_blob_validator(b), "");
    zis_hub_blob_close(&b);
    /* another size: another record, so nothing of it is believed */
    b = open_blob(SIZE);
    put(b, 0, 500);
    zis_hub_blob_close(&b);
    b = open_blob(SIZE - 1);
    assert_int_equal(zis_hub_blob_have(b), 0);
    drop(&b);
    free(part);
}

/* Changes the boot in the record, as if the machine had lost its power in between. */
static void other_boot(void)
{
    char *part = path_of("blobs/" OWN);
    int fd = open(part, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "another", 7, (off_t)SIZE + 32), 7); /* magic, size, chunk before */
    close(fd);
    free(part);
}

static void test_power_cut(void **state)
{
    (void)state;
    zis_error err;
    zis_hub_blob *b = open_blob(SIZE);
    put(b, 0, 1000);
    assert_int_equal(zis_hub_blob_flush(b, &err), ZIS_OK);
    put(b, 1000, 500);
    put(b, ZIS_HUB_CHUNK, 10);
    zis_hub_blob_close(&b);
    b = open_blob(SIZE); /* the same boot: all of it */
    assert_int_equal(zis_hub_blob_have(b), 1510);
    zis_hub_blob_close(&b);
    other_boot();
    b = open_blob(SIZE); /* another: what was flushed */
    assert_int_equal(zis_hub_blob_have(b), 1000);
    zis_hub_blob_close(&b);
    b = open_blob(SIZE);
    assert_int_equal(zis_hub_blob_have(b), 1000);
    drop(&b);
}

static void test_finish(void **state)
{
    (void)state;
    zis_error err;
    struct stat sb;
    char *part = path_of("blobs/" OWN), *name = path_of("blobs/" ETAG);
    zis_hub_blob *b = open_blob(3000);
    put(b, 0, 3000);
    assert_int_equal(zis_hub_blob_whole_to(b), 3000);
    /* a process that ends between cutting and renaming */
    assert_int_equal(truncate(part, 3000), 0);
    zis_hub_blob_close(&b);
    b = open_blob(3000);
    assert_int_equal(zis_hub_blob_have(b), 3000);
    assert_int_equal(zis_hub_blob_finish(b, &err), ZIS_OK);
    zis_hub_blob_close(&b);
    assert_int_equal(stat(name, &sb), 0);
    assert_int_equal(sb.st_size, 3000);
    assert_int_not_equal(lstat(part, &sb), 0);
    bool there = false;
    assert_int_equal(zis_hub_repo_has_blob(&repo, ETAG, 3000, &there), ZIS_OK);
    assert_true(there);
    assert_int_equal(zis_hub_repo_has_blob(&repo, ETAG, 3001, &there), ZIS_OK);
    assert_false(there);
    unlink(name);
    b = open_blob(0); /* an empty file has nothing to claim */
    uint64_t from, to;
    assert_false(zis_hub_blob_claim(b, 1, &from, &to));
    assert_int_equal(zis_hub_blob_finish(b, &err), ZIS_OK);
    zis_hub_blob_close(&b);
    unlink(name);
    free(part);
    free(name);
}

static void test_one_writer(void **state)
{
    (void)state;
    zis_error err;
    bool busy = false;
    zis_hub_blob *b = open_blob(SIZE), *second = NULL;
    assert_int_equal(zis_hub_blob_open(&second, &busy, &repo, ETAG, SIZE, &err), ZIS_OK);
    assert_true(busy);
    assert_null(second);
    zis_hub_removal r = {0}; /* nothing is removed under a download */
    assert_int_equal(zis_hub_removal_plan(&r, folder, "Org/m", NULL, &err), ZIS_OK);
    assert_int_equal(zis_hub_removal_run(&r, &err), ZIS_IO);
    zis_hub_removal_deinit(&r);
    drop(&b);
    b = open_blob(SIZE);
    drop(&b);
}

static void test_names(void **state)
{
    (void)state;
    size_t n = 0;
    assert_true(zis_hub_blob_is_unfinished(ETAG ".incomplete", &n) && n == 64);
    assert_true(zis_hub_blob_is_unfinished(ETAG ".0123abcd.incomplete", &n) && n == 64);
    assert_true(zis_hub_blob_is_unfinished(OWN, &n));
    assert_false(zis_hub_blob_is_unfinished(ETAG, &n));
    assert_false(zis_hub_blob_is_unfinished(ETAG ".0123.incomplete", &n));
    assert_false(zis_hub_blob_is_unfinished(ETAG ".0123abcg.incomplete", &n));
    assert_false(zis_hub_blob_is_unfinished("x.incomplete", &n));
    assert_false(zis_hub_blob_is_unfinished(".incomplete", &n));
}

/* Whatever lies in the place of an unfinished file: no crash, and bytes only where they may be. */
static void test_garbage(void **state)
{
    (void)state;
    char *part = path_of("blobs/" OWN);
    zis_error err;
    for (unsigned i = 0; i < 200; i++) {
        zis_hub_blob *b = open_blob(SIZE);
        put(b, 0, 100);
        put(b, ZIS_HUB_CHUNK, 100);
        zis_hub_blob_close(&b);
        struct stat sb;
        assert_int_equal(stat(part, &sb), 0);
        int fd = open(part, O_RDWR);
        unsigned char byte = (unsigned char)(i * 37 + 1);
        off_t at = (off_t)SIZE + (off_t)(i * 7 % (uint64_t)(sb.st_size - (off_t)SIZE));
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        if (i % 5 == 4) assert_int_equal(ftruncate(fd, sb.st_size - 1 - (off_t)i), 0);
        close(fd);
        uint64_t have, size, from, to;
        zis_hub_blob_peek(part, &have, &size);
        b = open_blob(SIZE);
        assert_true(zis_hub_blob_have(b) <= SIZE);
        while (zis_hub_blob_claim(b, UINT64_MAX, &from, &to)) assert_true(from < to && to <= SIZE);
        assert_int_equal(zis_hub_blob_reset(b, &err), ZIS_OK);
        drop(&b);
    }
    free(part);
}

static void test_nomem(void **state)
{
    (void)state;
    if (!OOM_TEST) skip();
    char *other = path_of("blobs/" ETAG ".0123abcd.incomplete");
    bool fired = true;
    for (long n = 1; fired; n++) {
        zis_hub_blob *b = NULL;
        zis_hub_removal r = {0};
        zis_hub_unfinished u = {0};
        bool busy;
        zis_error err = {0};
        char *part = path_of("blobs/" OWN);
        unlink(part);
        free(part);
        assert_int_equal(zis_os_write_file(other, "beginning", 9, &err), ZIS_OK);
        long before = oom_live();
        oom_arm(n);
        zis_status st = zis_hub_blob_open(&b, &busy, &repo, ETAG, SIZE, &err);
        if (!st) st = zis_hub_blob_flush(b, &err);
        if (!st)
            st = zis_hub_repo_link(&repo, "0123456789abcdef0123456789abcdef01234567", "a/b", ETAG,
                                   &err);
        if (!st) st = zis_hub_entry_unfinished(folder, "Org/m", &u);
        if (!st) st = zis_hub_removal_plan(&r, folder, "Org/m", "a/b", &err);
        fired = oom_disarm();
        assert_int_equal(st, fired ? ZIS_NOMEM : ZIS_OK);
        zis_hub_removal_deinit(&r);
        zis_hub_blob_close(&b);
        assert_int_equal(oom_live(), before);
    }
    free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_claims),     cmocka_unit_test(test_resume),
        cmocka_unit_test(test_power_cut),  cmocka_unit_test(test_finish),
        cmocka_unit_test(test_one_writer), cmocka_unit_test(test_names),
        cmocka_unit_test(test_garbage),    cmocka_unit_test(test_nomem),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
