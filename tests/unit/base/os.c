/* Files and what only looks like one: maps, whole reads, writes that are seen whole or not at all.
 */
#include "base/os.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/zis-os-XXXXXX";
static char *file; /* folder/f, holds "hello" */

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder) || !(file = zis_os_join(folder, "f"))) return -1;
    return zis_os_write_file(file, "hello", 5, NULL) ? -1 : 0;
}

static int drop_folder(void **state)
{
    (void)state;
    unlink(file);
    free(file);
    return rmdir(folder); /* fails when something is left */
}

static void test_map(void **state)
{
    (void)state;
    zis_map m = {0};
    zis_error err;
    assert_int_equal(zis_os_map(&m, file, &err), ZIS_OK);
    assert_int_equal(m.size, 5);
    assert_memory_equal(m.data, "hello", 5);
    zis_os_map_prefetch(m.data + 1, 3);
    assert_int_equal(zis_os_map_check(&m, file, &err), ZIS_OK);
    assert_int_equal(truncate(file, 3), 0);
    assert_int_equal(zis_os_map_check(&m, file, &err), ZIS_IO);
    assert_non_null(strstr(err.text, "from 5 to 3 bytes"));
    assert_int_equal(zis_os_map_check(&m, "/nonexistent", &err), ZIS_IO);
    zis_os_unmap(&m);
    zis_os_unmap(&m);
    assert_int_equal(truncate(file, 0), 0);
    assert_int_equal(zis_os_map(&m, file, &err), ZIS_OK);
    assert_true(m.size == 0 && m.data);
    zis_os_unmap(&m);
    assert_int_equal(zis_os_write_file(file, "hello", 5, &err), ZIS_OK);
}

static void test_no_regular_file(void **state)
{
    (void)state;
    char *fifo = zis_os_join(folder, "fifo");
    assert_non_null(fifo);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    const struct {
        const char *path;
        zis_status status;
        const char *says;
    } cases[] = {
        {"/nonexistent/x", ZIS_NOT_FOUND, "No such file"},
        {folder, ZIS_IO, "it is a folder"},
        {fifo, ZIS_IO, "not a regular file"}, /* and does not wait for a writer */
        {"/dev/zero", ZIS_IO, "not a regular file"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        zis_map m = {(const unsigned char *)"x", 77};
        zis_error err;
        char *text = NULL;
        size_t n = 0;
        assert_int_equal(zis_os_map(&m, cases[i].path, &err), cases[i].status);
        assert_non_null(strstr(err.text, cases[i].says));
        assert_non_null(strstr(err.text, cases[i].path));
        assert_int_equal(m.size, 77);
        assert_int_equal(zis_os_read_file(&text, &n, cases[i].path, 100, &err), cases[i].status);
        assert_null(text);
        assert_false(zis_os_is_file(cases[i].path));
    }
    unlink(fifo);
    free(fifo);
}

static void test_read_whole(void **state)
{
    (void)state;
    char *text = NULL;
    size_t n = 0;
    zis_error err;
    assert_int_equal(zis_os_read_file(&text, &n, file, 5, &err), ZIS_OK);
    assert_int_equal(n, 5);
    assert_string_equal(text, "hello"); /* ended by a NUL that does not count */
    free(text);
    text = NULL;
    assert_int_equal(zis_os_read_file(&text, &n, file, 4, &err), ZIS_FORMAT);
    assert_null(text);
}

static void test_write(void **state)
{
    (void)state;
    zis_error err;
    char *text = NULL, *link = zis_os_join(folder, "link");
    size_t n = 0;
    struct stat sb;
    assert_non_null(link);
    /* keeps the mode of what it replaces, and a link a link */
    assert_int_equal(chmod(file, 0640), 0);
    assert_int_equal(symlink("f", link), 0);
    assert_int_equal(zis_os_write_file(link, "by a link", 9, &err), ZIS_OK);
    assert_int_equal(lstat(link, &sb), 0);
    assert_true(S_ISLNK(sb.st_mode));
    assert_int_equal(stat(file, &sb), 0);
    assert_int_equal(sb.st_mode & 0777, 0640);
    assert_int_equal(zis_os_read_file(&text, &n, file, 100, &err), ZIS_OK);
    assert_string_equal(text, "by a link");
    free(text);
    unlink(link);
    free(link);
    assert_int_equal(zis_os_write_file("/dev/null", "x", 1, &err), ZIS_OK);
    assert_int_equal(zis_os_write_file(folder, "x", 1, &err), ZIS_IO);
    assert_int_equal(zis_os_write_file("/nonexistent/x", "x", 1, &err), ZIS_IO);
    assert_non_null(strstr(err.text, "/nonexistent/x"));
    /* a device that takes nothing */
    if (access("/dev/full", W_OK) == 0)
        assert_int_equal(zis_os_write_file("/dev/full", "x", 1, &err), ZIS_IO);
}

static void test_list(void **state)
{
    (void)state;
    char **names = NULL;
    size_t n = 0;
    zis_error err;
    assert_int_equal(zis_os_list(&names, &n, folder, &err), ZIS_OK);
    assert_int_equal(n, 1);
    assert_string_equal(names[0], "f");
    zis_os_list_free(names, n);
    names = NULL;
    assert_true(zis_os_list(&names, &n, file, &err) != ZIS_OK);
    assert_null(names);
}

static void test_paths(void **state)
{
    (void)state;
    char *a = zis_os_join("a", "b"), *b = zis_os_join("a/", "b"), *exe = zis_os_exe_dir();
    assert_string_equal(a, "a/b");
    assert_string_equal(b, "a/b");
    assert_true(exe && zis_os_is_dir(exe));
    free(a);
    free(b);
    free(exe);
}

static void test_machine(void **state)
{
    (void)state;
    double before = zis_os_now();
    unsigned char *p = zis_os_pages(5 << 20);
    assert_non_null(p);
    for (size_t i = 0; i < 5 << 20; i += 4096) assert_int_equal(p[i], 0);
    p[(5 << 20) - 1] = 1;
    zis_os_pages_free(p, 5 << 20);
    assert_null(zis_os_pages(SIZE_MAX));
    assert_null(zis_os_pages(SIZE_MAX / 2));
    assert_true(zis_os_now() >= before);
    assert_true(zis_os_cpus() >= 1);
    assert_true(zis_os_peak_rss() > 0);
    assert_true(zis_os_memory() > 0);
    uint32_t first = zis_os_random();
    int same = 0;
    for (int i = 0; i < 8; i++) same += zis_os_random() == first;
    assert_true(same < 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map),        cmocka_unit_test(test_no_regular_file),
        cmocka_unit_test(test_read_whole), cmocka_unit_test(test_write),
        cmocka_unit_test(test_list),       cmocka_unit_test(test_paths),
        cmocka_unit_test(test_machine),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
