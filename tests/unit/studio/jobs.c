/* The queue: states, events, cancelling, retries, what is kept and what a restart finds. */
#include "studio/jobs.h"

#include "base/os.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TURBO ZIS_SOURCE_DIR "/models/nano/turbo"

typedef struct fixture {
    char folder[64];
    zis_jobs *jobs;
    atomic_int changes;
    atomic_int prepared, released;
    const char *failure; /* of the first `failures` attempts */
    int failures;
} fixture;

static void on_changed(void *arg)
{
    atomic_fetch_add(&((fixture *)arg)->changes, 1);
}

static zis_status on_prepare(void *arg, void *user, zis_request *r, zis_error *err)
{
    fixture *f = arg;
    assert_ptr_equal(user, f);
    assert_true(r->steps > 0);
    if (atomic_fetch_add(&f->prepared, 1) < f->failures)
        return zis_fail(err, ZIS_DEVICE, "%s", f->failure);
    return ZIS_OK;
}

static void on_release(void *arg, void *user)
{
    assert_ptr_equal(arg, user);
    atomic_fetch_add(&((fixture *)arg)->released, 1);
}

static void open_queue(fixture *f, int most, uint64_t keep_bytes)
{
    zis_error err = {0};
    const zis_jobs_options o = {
        .engine = {.threads = 1},
        .folder = f->folder,
        .queue_most = most,
        .keep_bytes = keep_bytes,
        .keep_seconds = 3600,
        .arg = f,
        .prepare = on_prepare,
        .release = on_release,
        .changed = on_changed,
    };
    if (zis_jobs_create(&f->jobs, &o, &err) != ZIS_OK) fail_msg("%s", err.text);
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    snprintf(f->folder, sizeof f->folder, "/tmp/zis-jobs-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    char command[128];
    zis_jobs_destroy(&f->jobs);
    snprintf(command, sizeof command, "rm -rf '%s'", f->folder);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

static void set(zis_request *r, const char *name, const char *value)
{
    assert_int_equal(zis_request_set(r, zis_request_field(name), name, value, NULL), ZIS_OK);
}

static zis_status submit_to(
    fixture *f, const char *session, int steps, int batch, char *id, zis_error *err)
{
    zis_request r;
    char number[16];
    assert_int_equal(zis_request_init(&r, NULL), ZIS_OK);
    set(&r, "model", TURBO);
    set(&r, "prompt", "a \"cat\"\nand a dog");
    set(&r, "width", "32");
    set(&r, "height", "40");
    set(&r, "seed", "7");
    snprintf(number, sizeof number, "%d", steps);
    set(&r, "steps", number);
    snprintf(number, sizeof number, "%d", batch);
    set(&r, "batch", number);
    const zis_job_order order = {
        .request = &r, .session = session, .format = ZIS_PICTURE_PNG, .metadata = true, .user = f};
    zis_status st = zis_jobs_submit(f->jobs, &order, id, err);
    zis_request_deinit(&r);
    return st;
}

static void submit(fixture *f, int steps, int batch, char *id)
{
    zis_error err = {0};
    if (submit_to(f, "s", steps, batch, id, &err) != ZIS_OK) fail_msg("%s", err.text);
}

static zis_job_info wait_for(fixture *f, const char *id, zis_job_state state)
{
    zis_job_info info = {0};
    for (int i = 0; i < 3000; i++) {
        assert_true(zis_jobs_look(f->jobs, id, &info));
        if (info.state == state) return info;
        if (info.state > ZIS_JOB_RUNNING) break;
        usleep(10000);
    }
    fail_msg("job %s is %s (%s), not %s", id, zis_job_state_name(info.state), info.error.text,
             zis_job_state_name(state));
    return info;
}

static char *object_of(fixture *f, const char *id)
{
    zis_buf out = {0};
    assert_int_equal(zis_jobs_object(f->jobs, id, &out, NULL), ZIS_OK);
    return out.data;
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part)) fail_msg("no '%s' in: %s", part, text);
}

/* ---- tests --------------------------------------------------------------------------------- */

static void one_job(void **state)
{
    fixture *f = *state;
    char id[ZIS_JOB_ID + 1];
    open_queue(f, 10, 1 << 30);
    submit(f, 3, 2, id);
    wait_for(f, id, ZIS_JOB_DONE);
    /* every event once, in order; of progress and previews whatever was seen */
    const char *const want[] = {"started", "picture", "picture", "done"};
    uint64_t after = 0;
    size_t n = 0;
    zis_job_event e;
    const zis_jobs_filter filter = {.job = id};
    while (zis_jobs_next_event(f->jobs, &filter, after, &e)) {
        assert_true(e.number > after);
        after = e.number;
        assert_has(e.data.data, id);
        assert_null(strchr(e.data.data, '\n'));
        assert_true(n < 4);
        assert_string_equal(e.name, want[n]);
        assert_true(e.final == (n == 3));
        n++;
        zis_buf_free(&e.data);
    }
    assert_int_equal(n, 4);
    char *object = object_of(f, id);
    assert_has(object, "\"state\": \"done\"");
    assert_has(object, "\"model\": \"nano-turbo\"");
    assert_has(object, "\"seed\": 8, \"format\": \"png\"");
    assert_has(object, "\"prompt\": \"a \\\"cat\\\"\\nand a dog\"");
    assert_has(object, "\"error\": null");
    zis_job_picture picture;
    char *path = NULL, *text = NULL, *bytes = NULL;
    size_t size = 0;
    assert_int_equal(zis_jobs_picture(f->jobs, id, 1, &picture, &path, NULL), ZIS_OK);
    assert_int_equal(zis_os_read_file(&bytes, &size, path, 1 << 20, NULL), ZIS_OK);
    assert_true(size == picture.bytes && picture.width == 32 && picture.height == 40);
    assert_int_equal(zis_picture_text_get(&text, path, bytes, size, "zis", NULL), ZIS_OK);
    assert_has(text, "\"seed\": 8");
    free(text);
    free(bytes);
    free(path);
    assert_int_equal(zis_jobs_picture(f->jobs, id, 2, &picture, &path, NULL), ZIS_NOT_FOUND);
    assert_int_equal(atomic_load(&f->prepared), 1);
    assert_int_equal(atomic_load(&f->released), 1);
    assert_true(atomic_load(&f->changes) >= 5);

    /* After a restart it is there as it was. */
    zis_jobs_destroy(&f->jobs);
    open_queue(f, 10, 1 << 30);
    char *again = object_of(f, id);
    assert_string_equal(object, again);
    free(object);
    free(again);
    assert_int_equal(zis_jobs_picture(f->jobs, id, 1, &picture, &path, NULL), ZIS_OK);
    assert_true(picture.seed == 8 && picture.bytes == size);
    bool gone = false;
    assert_int_equal(zis_jobs_delete(f->jobs, id, &gone, NULL), ZIS_OK);
    assert_true(gone && !zis_os_is_file(path));
    free(path);
    assert_int_equal(zis_jobs_delete(f->jobs, id, &gone, NULL), ZIS_NOT_FOUND);
    char **names = NULL;
    assert_int_equal(zis_os_list(&names, &size, f->folder, NULL), ZIS_OK);
    assert_int_equal(size, 0);
    zis_os_list_free(names, size);
}

/* Watches a long job in another thread: progress only goes on, previews come. */
typedef struct watcher {
    fixture *f;
    const char *id;
    int progress, previews, ended;
    bool bad;
} watcher;

static void *watch(void *arg)
{
    watcher *w = arg;
    const zis_jobs_filter filter = {.job = w->id};
    uint64_t after = 0;
    double overall = 0;
    for (int i = 0; i < 20000 && !w->ended; i++) {
        zis_job_event e;
        if (!zis_jobs_next_event(w->f->jobs, &filter, after, &e)) {
            usleep(1000);
            continue;
        }
        w->bad = w->bad || e.number <= after;
        after = e.number;
        if (strcmp(e.name, "progress") == 0) {
            const char *at = strstr(e.data.data, "\"overall\": ");
            double v = at ? atof(at + 11) : -1;
            w->bad = w->bad || v < overall || v > 1;
            overall = v;
            w->progress++;
        }
        if (strcmp(e.name, "preview") == 0) {
            w->bad = w->bad || !strstr(e.data.data, "\"image\": \"data:image/jpeg;base64,/9j/");
            w->previews++;
        }
        w->ended = e.final ? 1 + (strcmp(e.name, "cancelled") == 0) : 0;
        zis_buf_free(&e.data);
    }
    return NULL;
}

static void cancelled(void **state)
{
    fixture *f = *state;
    char id[ZIS_JOB_ID + 1], behind[ZIS_JOB_ID + 1], last[ZIS_JOB_ID + 1];
    pthread_t threads[4];
    watcher w[4];
    open_queue(f, 10, 1 << 30);
    submit(f, 1000, 1, id);
    submit(f, 1000, 1, behind);
    submit(f, 1, 1, last);
    for (int i = 0; i < 4; i++) {
        w[i] = (watcher){.f = f, .id = id};
        assert_int_equal(pthread_create(&threads[i], NULL, watch, &w[i]), 0);
    }
    zis_buf jpeg = {0};
    for (int i = 0; i < 3000 && !zis_jobs_preview(f->jobs, id, &jpeg); i++) usleep(10000);
    assert_true(jpeg.len > 100 && memcmp(jpeg.data, "\xFF\xD8\xFF", 3) == 0);
    zis_buf_free(&jpeg);
    zis_job_info info;
    assert_true(zis_jobs_look(f->jobs, last, &info));
    assert_true(info.state == ZIS_JOB_QUEUED && info.position == 1);
    zis_jobs_cancel(f->jobs, behind);
    assert_true(zis_jobs_look(f->jobs, behind, &info));
    assert_true(info.state == ZIS_JOB_CANCELLED);
    assert_true(zis_jobs_look(f->jobs, last, &info));
    assert_int_equal(info.position, 0);
    bool gone = true;
    double start = zis_os_now();
    assert_int_equal(zis_jobs_delete(f->jobs, id, &gone, NULL), ZIS_OK);
    assert_false(gone);
    wait_for(f, id, ZIS_JOB_CANCELLED);
    assert_true(zis_os_now() - start < 5);
    wait_for(f, last, ZIS_JOB_DONE);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(w[i].ended, 2);
        assert_true(!w[i].bad && w[i].progress > 0 && w[i].previews > 0);
    }
    zis_jobs_status s;
    zis_jobs_get_status(f->jobs, &s);
    assert_true(s.ended[ZIS_JOB_CANCELLED] == 2 && s.ended[ZIS_JOB_DONE] == 1 && s.waiting == 0);
    assert_string_equal(s.model, "nano-turbo");
    assert_int_equal(atomic_load(&f->released), 3);
}

static void failures(void **state)
{
    fixture *f = *state;
    char id[ZIS_JOB_ID + 1];
    zis_job_info info;
    open_queue(f, 10, 1 << 30);
    f->failure = "the device is on fire";
    f->failures = 1;
    submit(f, 1, 1, id);
    info = wait_for(f, id, ZIS_JOB_FAILED);
    assert_string_equal(info.error.text, f->failure);
    char *object = object_of(f, id);
    assert_has(object, "\"error\": {\"code\": \"device\", \"message\": \"the device is on fire\"}");
    assert_has(object, "\"attempt\": 1");
    free(object);
    /* once more, and no more than once */
    f->failure = "GPU task aborted";
    atomic_store(&f->prepared, 0);
    submit(f, 1, 1, id);
    wait_for(f, id, ZIS_JOB_DONE);
    object = object_of(f, id);
    assert_has(object, "\"attempt\": 2");
    free(object);
    f->failures = 2;
    atomic_store(&f->prepared, 0);
    submit(f, 1, 1, id);
    wait_for(f, id, ZIS_JOB_FAILED);
    assert_int_equal(atomic_load(&f->prepared), 2);
    assert_int_equal(atomic_load(&f->released), 3);
}

static void limits(void **state)
{
    fixture *f = *state;
    char id[ZIS_JOB_ID + 1], running[ZIS_JOB_ID + 1];
    zis_error err = {0};
    open_queue(f, 1000, 1 << 30);
    submit(f, 1000, 1, running);
    wait_for(f, running, ZIS_JOB_RUNNING);
    for (int i = 0; i < 1000; i++) submit(f, 1, 1, id);
    assert_int_equal(submit_to(f, "s", 1, 1, id, &err), ZIS_BUSY);
    assert_has(err.text, "1000 jobs wait already");
    zis_buf list = {0};
    assert_int_equal(zis_jobs_list(f->jobs, "s", &list, NULL), ZIS_OK);
    assert_has(list.data, "\"position\": 999");
    zis_buf_free(&list);
    assert_int_equal(zis_jobs_list(f->jobs, "other", &list, NULL), ZIS_OK);
    assert_string_equal(list.data, "[]");
    zis_buf_free(&list);
    zis_jobs_stopped stopped;
    zis_jobs_stop(f->jobs, 0, NULL, &stopped);
    assert_true(stopped.dropped == 1000 && stopped.was_running && stopped.was_cancelled);
    assert_int_equal(submit_to(f, "s", 1, 1, id, &err), ZIS_CLOSED);
    wait_for(f, running, ZIS_JOB_CANCELLED);
    assert_int_equal(atomic_load(&f->released), 1001);
}

/* The running job may finish when the server stops. */
static void stopped_in_time(void **state)
{
    fixture *f = *state;
    char id[ZIS_JOB_ID + 1];
    zis_jobs_stopped stopped;
    open_queue(f, 10, 1 << 30);
    submit(f, 1, 1, id);
    wait_for(f, id, ZIS_JOB_DONE);
    submit(f, 2, 1, id);
    for (zis_job_info i = {0}; i.state < ZIS_JOB_RUNNING;)
        assert_true(zis_jobs_look(f->jobs, id, &i));
    zis_jobs_stop(f->jobs, 30, NULL, &stopped);
    assert_true(!stopped.was_cancelled && stopped.dropped == 0);
    wait_for(f, id, ZIS_JOB_DONE);
}

static void budget(void **state)
{
    fixture *f = *state;
    char first[ZIS_JOB_ID + 1], second[ZIS_JOB_ID + 1];
    zis_job_info info;
    zis_jobs_status s;
    open_queue(f, 10, 1 << 30);
    submit(f, 1, 1, first);
    wait_for(f, first, ZIS_JOB_DONE);
    zis_jobs_get_status(f->jobs, &s);
    assert_true(s.kept == 1 && s.kept_bytes > 1000);
    zis_jobs_destroy(&f->jobs);
    open_queue(f, 10, s.kept_bytes + 500); /* room for one */
    submit(f, 1, 1, second);
    wait_for(f, second, ZIS_JOB_DONE);
    assert_false(zis_jobs_look(f->jobs, first, &info));
    zis_jobs_get_status(f->jobs, &s);
    assert_int_equal(s.kept, 1);
    zis_jobs_destroy(&f->jobs);
    /* what a crash leaves: a picture without a job, half a file, a job without its picture */
    char path[128], from[128];
    snprintf(path, sizeof path, "%s/0123456789abcdef-0.png", f->folder);
    assert_int_equal(zis_os_write_file(path, "x", 1, NULL), ZIS_OK);
    snprintf(path, sizeof path, "%s/%s-0.png.12345678.tmp", f->folder, second);
    assert_int_equal(zis_os_write_file(path, "x", 1, NULL), ZIS_OK);
    snprintf(path, sizeof path, "%s/aaaaaaaaaaaaaaaa.job", f->folder);
    assert_int_equal(zis_os_write_file(path, "{\"session\":", 11, NULL), ZIS_OK);
    snprintf(from, sizeof from, "%s/%s.job", f->folder, second);
    snprintf(path, sizeof path, "%s/bbbbbbbbbbbbbbbb.job", f->folder);
    char *bytes = NULL;
    size_t n = 0;
    assert_int_equal(zis_os_read_file(&bytes, &n, from, 1 << 20, NULL), ZIS_OK);
    assert_int_equal(zis_os_write_file(path, bytes, n, NULL), ZIS_OK);
    free(bytes);
    open_queue(f, 10, 1 << 30);
    char **names = NULL;
    assert_int_equal(zis_os_list(&names, &n, f->folder, NULL), ZIS_OK);
    assert_int_equal(n, 2);
    zis_os_list_free(names, n);
    assert_true(zis_jobs_look(f->jobs, second, &info) && info.state == ZIS_JOB_DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_job, setup, teardown),
        cmocka_unit_test_setup_teardown(cancelled, setup, teardown),
        cmocka_unit_test_setup_teardown(failures, setup, teardown),
        cmocka_unit_test_setup_teardown(limits, setup, teardown),
        cmocka_unit_test_setup_teardown(stopped_in_time, setup, teardown),
        cmocka_unit_test_setup_teardown(budget, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
