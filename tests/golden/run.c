/* run.c - runs goldens: the files and folders named, or those of the repository.
 *
 *     golden_run [--device NAME] [--dtype f32|bf16|auto] [--isa NAME|each] [--threads N|each]
 *                [--large] [--strict] [-v] [PATH...]
 *
 * --isa each runs them under every instruction set of this machine, with N threads, or each with
 * another number of them; with --threads each, each of them with 1, 2 and 3 threads.
 * One line each; ends with 1 when one failed, or, with --strict, was skipped for another reason
 * than its size. */
#include "base/os.h"
#include "kernels/cpu/micro.h"
#include "studio/golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct sums {
    int passed, failed, skipped;
} sums;

static void print_line(void *arg, const zis_golden_line *l)
{
    sums *s = arg;
    if (!l->mid) {
        s->passed += l->result == ZIS_GOLDEN_OK;
        s->failed += l->result == ZIS_GOLDEN_FAIL;
        s->skipped += l->result == ZIS_GOLDEN_SKIPPED;
    }
    printf("%s%s %s %s %s %s", l->mid ? "  " : "", l->component, l->stem, l->output, l->device,
           l->dtype);
    if (*l->metric) printf(" %s %.3g of %.3g", l->metric, l->value, l->bound);
    printf(" %s%s%s\n", zis_golden_result_name(l->result), *l->note ? ": " : "", l->note);
    fflush(stdout);
}

static void run(const zis_golden_options *like, int threads, char *const *paths, int n, sums *s)
{
    zis_golden_options o = *like;
    zis_error err = {0};
    if (zis_pool_create(&o.pool, threads, &err)) {
        fprintf(stderr, "%s\n", err.text);
        s->failed++;
        return;
    }
    for (int i = 0; i < n; i++) {
        if (zis_golden_run(&o, paths[i], print_line, s, &err)) {
            fprintf(stderr, "%s\n", err.text);
            s->failed++;
        }
    }
    zis_pool_destroy(&o.pool);
}

/* Every instruction set of the machine, with so many threads, or (0) with 1, 2 and 3 in turn, or
 * with all of these. */
static void run_each(
    zis_golden_options *o, int only, bool all_threads, char *const *paths, int n, sums *s)
{
    const zis_micro *list[8];
    int count = zis_micro_list(list);
    for (int i = 0; i < count; i++) {
        o->isa = list[i]->isa;
        for (int threads = 1; threads <= (only > 3 ? only : 3); threads++) {
            if (!all_threads && threads != (only ? only : i % 3 + 1)) continue;
            printf("# %s, %d threads\n", o->isa, threads);
            run(o, threads, paths, n, s);
        }
    }
}

int main(int argc, char **argv)
{
    static char none[] = "", data[] = ZIS_SOURCE_DIR "/tests/golden/data";
    zis_golden_options o = {.device = "cpu", .math = ZIS_DTYPE_F32};
    char *here[] = {data}, **paths = argv; /* those named, moved to the front */
    int n_paths = 0, threads = 0;
    bool strict = false, each_isa = false, each_threads = false;
    sums s = {0};
    o.models = ZIS_SOURCE_DIR "/models";
    for (int i = 1; i < argc; i++) {
        char *a = argv[i], *value = i + 1 < argc ? argv[i + 1] : none;
        if (strcmp(a, "--large") == 0) {
            o.large = true;
        } else if (strcmp(a, "--strict") == 0) {
            strict = true;
        } else if (strcmp(a, "-v") == 0) {
            o.verbose = true;
        } else if (strcmp(a, "--device") == 0) {
            o.device = value;
            i++;
        } else if (strcmp(a, "--isa") == 0) {
            o.isa = value;
            each_isa = strcmp(value, "each") == 0;
            i++;
        } else if (strcmp(a, "--threads") == 0) {
            threads = atoi(value);
            each_threads = strcmp(value, "each") == 0;
            i++;
        } else if (strcmp(a, "--dtype") == 0) {
            o.math = strcmp(value, "bf16") == 0   ? ZIS_DTYPE_BF16
                     : strcmp(value, "auto") == 0 ? ZIS_DTYPE_COUNT
                                                  : ZIS_DTYPE_F32;
            i++;
        } else {
            paths[n_paths++] = a;
        }
    }
    if (n_paths == 0) {
        paths = here;
        n_paths = 1;
    }
    if (each_isa)
        run_each(&o, threads, each_threads, paths, n_paths, &s);
    else
        run(&o, threads, paths, n_paths, &s);
    printf("%d passed, %d failed, %d skipped\n", s.passed, s.failed, s.skipped);
    return s.failed || (strict && s.skipped);
}
