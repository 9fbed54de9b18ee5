/* Large files written in pieces: contents, atomicity, and that nothing is left behind. */
#include "base/outfile.h"

#include "base/os.h"
#include "oom.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/zis-outfile-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
    (void)state;
    return rmdir(folder); /* fails when something is left */
}

static size_t files_in_folder(void)
{
    char **names;
    size_t n;
    zis_error err;
    assert_int_equal(zis_os_list(&names, &n, folder, &err), ZIS_OK);
    zis_os_list_free(names, n);
    return n;
}

/* As long as a name may be: the temporary one beside it is no longer. */
static void test_longest_name(void **state)
{
    (void)state;
    char name[256];
    zis_error err = {0};
    for (int k = 0; k < 254; k += 2) memcpy(name + k, "\xC3\xA4", 2);
    name[254] = 'x', name[255] = '\0';
    char *path = zis_os_join(folder, name);
    assert_non_null(path);
    assert_int_equal(zis_os_write_file(path, "abc", 3, &err), ZIS_OK);
    assert_int_equal(files_in_folder(), 1);
    assert_int_equal(unlink(path), 0);
    free(path);
}

static void test_pieces(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 0, 100, 1 << 20, 3, (4 << 20) - 2, 5 << 20, 9 << 20, 7};
    zis_error err = {0};
    zis_outfile *f = NULL;
    char *path = zis_os_join(folder, "pieces"), *back;
    size_t total = 0, n;
    unsigned char *data = malloc(32 << 20);
    for (size_t i = 0; i < (32 << 20); i++) data[i] = (unsigned char)(i * 2654435761u >> 13);
    assert_int_equal(zis_outfile_create(&f, path, &err), ZIS_OK);
    assert_int_equal(zis_outfile_reserve(f, 24 << 20, &err), ZIS_OK);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_int_equal(zis_outfile_write(f, data + total, sizes[i], &err), ZIS_OK);
        total += sizes[i];
    }
    assert_false(zis_os_is_file(path)); /* not before it is whole */
    assert_int_equal(zis_outfile_finish(f, &err), ZIS_OK);
    zis_outfile_destroy(&f);
    assert_null(f);
    assert_int_equal(zis_os_read_file(&back, &n, path, 64 << 20, &err), ZIS_OK);
    assert_int_equal(n, total);
    assert_memory_equal(back, data, n);
    assert_int_equal(files_in_folder(), 1);
    free(back);
    free(data);
    unlink(path);
    free(path);
}

static void test_given_up(void **state)
{
    (void)state;
    zis_error err;
    zis_outfile *f = NULL;
    char *path = zis_os_join(folder, "old"), *back;
    size_t n;
    assert_int_equal(zis_os_write_file(path, "old", 3, &err), ZIS_OK);
    assert_int_equal(zis_outfile_create(&f, path, &err), ZIS_OK);
    assert_int_equal(zis_outfile_write(f, "new", 3, &err), ZIS_OK);
    zis_outfile_destroy(&f);
    assert_int_equal(files_in_folder(), 1);
    assert_int_equal(zis_os_read_file(&back, &n, path, 64, &err), ZIS_OK);
    assert_string_equal(back, "old");
    free(back);
    unlink(path);
    free(path);
}

/* A link stays a link, the file keeps its mode. */
static void test_link(void **state)
{
    (void)state;
    zis_error err;
    zis_outfile *f = NULL;
    struct stat sb;
    char *path = zis_os_join(folder, "real"), *name = zis_os_join(folder, "link");
    assert_int_equal(zis_os_write_file(path, "old", 3, &err), ZIS_OK);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(symlink("real", name), 0);
    assert_int_equal(zis_outfile_create(&f, name, &err), ZIS_OK);
    assert_int_equal(zis_outfile_write(f, "newer", 5, &err), ZIS_OK);
    assert_int_equal(zis_outfile_finish(f, &err), ZIS_OK);
    zis_outfile_destroy(&f);
    assert_int_equal(lstat(name, &sb), 0);
    assert_true(S_ISLNK(sb.st_mode));
    assert_int_equal(stat(path, &sb), 0);
    assert_int_equal(sb.st_size, 5);
    assert_int_equal(sb.st_mode & 0777, 0600);
    unlink(name);
    unlink(path);
    free(name);
    free(path);
}

static void test_refused(void **state)
{
    (void)state;
    zis_error err = {0};
    zis_outfile *f = NULL;
    assert_int_equal(zis_outfile_create(&f, folder, &err), ZIS_IO);
    assert_non_null(strstr(err.text, "it is a folder"));
    assert_int_equal(zis_outfile_create(&f, "/nonexistent/x", &err), ZIS_IO);
    assert_string_equal(err.text, "cannot write '/nonexistent/x': No such file or directory");
    assert_null(f);
    assert_int_equal(zis_outfile_create(&f, "/dev/null", &err), ZIS_OK);
    assert_int_equal(zis_outfile_write(f, "x", 1, &err), ZIS_OK);
    assert_int_equal(zis_outfile_finish(f, &err), ZIS_OK);
    zis_outfile_destroy(&f);
    assert_int_equal(files_in_folder(), 0);
}

/* A file that may not grow stands for a full disk. */
static void test_full(void **state)
{
    (void)state;
    zis_error err = {0};
    zis_outfile *f = NULL;
    char *path = zis_os_join(folder, "full");
    struct rlimit old, small;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){100000, old.rlim_max};
    char *data = calloc(1, 2 << 20);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    zis_status a = zis_outfile_create(&f, path, &err);
    zis_status b = zis_outfile_reserve(f, (uint64_t)1 << 60, &err);
    char early[sizeof err.text];
    memcpy(early, err.text, sizeof early);
    zis_status c = zis_outfile_write(f, data, 2 << 20, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, handler);
    zis_outfile_destroy(&f);
    assert_int_equal(a, ZIS_OK);
    if (b) /* the file system can reserve */
        assert_non_null(strstr(early, "full': it needs 1152921504606.8 MB: "));
    assert_int_equal(c, ZIS_IO);
    assert_non_null(strstr(err.text, "full': File too large"));
    assert_int_equal(files_in_folder(), 0);
    free(data);
    free(path);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    char *path = zis_os_join(folder, "memory");
    for (long n = 1;; n++) {
        zis_error err;
        zis_outfile *f = NULL;
        long live = oom_live();
        oom_arm(n);
        zis_status st = zis_outfile_create(&f, path, &err);
        if (!st) st = zis_outfile_write(f, "x", 1, &err);
        if (!st) st = zis_outfile_finish(f, &err);
        bool fired = oom_disarm();
        zis_outfile_destroy(&f);
        assert_int_equal(oom_live(), live);
        assert_int_equal(st, fired ? ZIS_NOMEM : ZIS_OK);
        assert_int_equal(files_in_folder(), fired ? 0 : 1);
        if (!fired) break;
    }
    unlink(path);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_longest_name),  cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_given_up),      cmocka_unit_test(test_link),
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_full),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
