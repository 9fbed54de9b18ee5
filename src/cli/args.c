/* Tables to getopt_long and to help pages. */
#include "cli/args.h"

#include "base/mem.h"

#include <ctype.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTION_HELP 1
/* Values that getopt_long returns: rows are numbered above all characters. */
#define FIRST_ROW 1000

static const zis_option help_option = {OPTION_HELP, "help", 'h', NULL, "this page", 0, 0};

/* One long name of a row. */
typedef struct row {
    const zis_option *option;
    const zis_field *field;
} row;

typedef struct tables {
    row *rows;
    size_t n_rows;
    struct option *longs;
    size_t n_longs, room_longs;
    char *names; /* all long names, NUL after each */
    zis_buf shorts;
    bool nomem;
} tables;

/* ---- building ------------------------------------------------------------------------------ */

static void add_row(tables *t, const zis_option *o, const zis_field *f)
{
    row *rows = zis_mem_resize(t->rows, t->n_rows + 1, sizeof *rows);
    if (!rows) {
        t->nomem = true;
        return;
    }
    t->rows = rows;
    rows[t->n_rows++] = (row){o, f};
    char c = o ? o->short_flag : f->short_flag;
    if (c) zis_buf_printf(&t->shorts, "%c%s", c, f || o->metavar ? ":" : "");
}

static const char *flags_of(const row *r)
{
    return r->option ? r->option->flags : r->field->flags;
}

static bool takes_value(const row *r)
{
    return r->field || r->option->metavar;
}

static void add_longs(tables *t)
{
    size_t bytes = 1, count = 1;
    for (size_t i = 0; i < t->n_rows; i++) {
        bytes += strlen(flags_of(&t->rows[i])) + 1;
        for (const char *s = flags_of(&t->rows[i]); *s; s++) count += *s == ' ';
        count++;
    }
    t->names = zis_mem_alloc(bytes, 1);
    t->longs = zis_mem_zalloc(count, sizeof *t->longs);
    if (!t->names || !t->longs) {
        t->nomem = true;
        return;
    }
    char *to = t->names;
    for (size_t i = 0; i < t->n_rows; i++) {
        strcpy(to, flags_of(&t->rows[i]));
        for (char *name = strtok(to, " "); name; name = strtok(NULL, " "))
            t->longs[t->n_longs++] =
                (struct option){name, takes_value(&t->rows[i]) ? required_argument : no_argument,
                                NULL, FIRST_ROW + (int)i};
        to += strlen(flags_of(&t->rows[i])) + 1;
    }
}

static void build(tables *t, const zis_usage *u)
{
    zis_buf_puts(&t->shorts, ":"); /* missing values are told apart from unknown options */
    for (size_t i = 0; u->fields && i < zis_request_field_count(); i++) {
        const zis_field *f = zis_request_field_at(i);
        if (f->where & u->fields) add_row(t, NULL, f);
    }
    for (const zis_option *o = u->options; o->id; o++) add_row(t, o, NULL);
    add_row(t, &help_option, NULL);
    add_longs(t);
    t->nomem = t->nomem || t->shorts.failed;
}

static void tables_deinit(tables *t)
{
    free(t->rows);
    free(t->longs);
    free(t->names);
    zis_buf_free(&t->shorts);
}

/* ---- parsing ------------------------------------------------------------------------------- */

static const row *row_of(const tables *t, int c)
{
    if (c >= FIRST_ROW) return &t->rows[c - FIRST_ROW];
    for (size_t i = 0; i < t->n_rows; i++) {
        const row *r = &t->rows[i];
        if ((r->option ? r->option->short_flag : r->field->short_flag) == c) return r;
    }
    return NULL;
}

static zis_status unknown(
    const tables *t, const zis_usage *u, int c, const char *word, zis_error *err)
{
    char flag[4] = {'-', (char)optopt, '\0', '\0'};
    const char *name = optopt && optopt < 256 && word[1] != '-' ? flag : word;
    if (c == ':') {
        const row *r = optopt ? row_of(t, optopt) : NULL;
        const char *what = !r ? "a value" : r->option ? r->option->metavar : r->field->metavar;
        return zis_fail(err, ZIS_ARG, "%.60s needs a value (%s); see `zis %s --help`", name, what,
                        u->command);
    }
    return zis_fail(err, ZIS_ARG, "there is no option %.60s here; see `zis %s --help`", name,
                    u->command);
}

static zis_status add_setting(zis_args *a, const row *r, int c, const char *value, zis_error *err)
{
    zis_setting *list = zis_mem_resize(a->settings, a->n_settings + 1, sizeof *list);
    if (!list) return zis_fail_nomem(err, "the options");
    a->settings = list;
    const char *flags = flags_of(r);
    char *said = c < FIRST_ROW ? zis_mem_printf("-%c", c)
                               : zis_mem_printf("--%.*s", (int)strcspn(flags, " "), flags);
    if (!said) return zis_fail_nomem(err, "the options");
    list[a->n_settings++] = (zis_setting){r->option, r->field, said, value};
    return ZIS_OK;
}

static zis_status parse(
    zis_args *a, tables *t, const zis_usage *u, int argc, char **argv, zis_error *err)
{
    optind = 0; /* starts anew, also after an earlier command line (GNU) */
    opterr = 0;
    for (;;) {
        int at = optind > 0 ? optind : 1;
        int c = getopt_long(argc, argv, t->shorts.data, t->longs, NULL);
        if (c == -1) break;
        if (c == '?' || c == ':') {
            const char *word = argv[optind - 1 < at ? at : optind - 1];
            return unknown(t, u, c, word ? word : "", err);
        }
        const row *r = row_of(t, c);
        if (!r) continue;
        if (r->option == &help_option) a->help = true;
        zis_status st = add_setting(a, r, c, optarg, err);
        if (st) return st;
    }
    a->rest = argv + optind;
    a->n_rest = argc - optind;
    if (a->help || a->n_rest <= u->rest_max) return ZIS_OK;
    return zis_fail(err, ZIS_ARG,
                    "'%.60s' is one argument too many (put quotes around a text of several words); "
                    "see `zis %s --help`",
                    a->rest[u->rest_max], u->command);
}

zis_status zis_args_parse(zis_args *out, const zis_usage *u, int argc, char **argv, zis_error *err)
{
    zis_args a = {0};
    tables t = {0};
    build(&t, u);
    zis_status st =
        t.nomem ? zis_fail_nomem(err, "the options") : parse(&a, &t, u, argc, argv, err);
    tables_deinit(&t);
    if (st)
        zis_args_deinit(&a);
    else
        *out = a;
    return st;
}

void zis_args_deinit(zis_args *a)
{
    for (size_t i = 0; i < a->n_settings; i++) free((char *)a->settings[i].said);
    free(a->settings);
    *a = (zis_args){0};
}

zis_status zis_args_size(const zis_setting *s, uint64_t *out, zis_error *err)
{
    static const char units[] = "KMGT";
    size_t n = strspn(s->value, "0123456789.");
    char *end = NULL;
    double v = n ? strtod(s->value, &end) : 0;
    const char *unit = s->value + n,
               *u = *unit ? strchr(units, toupper((unsigned char)*unit)) : NULL;
    bool good = end == unit;
    if (u) {
        v = ldexp(v, 10 * (int)(u - units + 1));
        unit += 1 + (unit[1] == 'i');
    }
    if (u && toupper((unsigned char)*unit) == 'B') unit++;
    if (!good || *unit || !(v >= 1 && v < 9e18))
        return zis_fail(err, ZIS_ARG, "%s must be a size such as 8G or 512M, not '%.60s'", s->said,
                        s->value);
    *out = (uint64_t)v;
    return ZIS_OK;
}

zis_status zis_args_real(const zis_setting *s, double *out, zis_error *err)
{
    const zis_option *o = s->option;
    char *end = NULL;
    double v = strspn(s->value, "0123456789+-.eE") == strlen(s->value) ? strtod(s->value, &end) : 0;
    if (!end || end == s->value || *end || !(v >= o->lo && v <= o->hi))
        return zis_fail(err, ZIS_ARG, "%s must be a number from %g to %g, not '%.60s'", s->said,
                        o->lo, o->hi, s->value);
    *out = v;
    return ZIS_OK;
}

zis_status zis_args_int(const zis_setting *s, int *out, zis_error *err)
{
    double v = 0;
    zis_error ignored;
    bool digits = strspn(s->value, "0123456789+-") == strlen(s->value);
    if (!digits || zis_args_real(s, &v, &ignored) != ZIS_OK)
        return zis_fail(err, ZIS_ARG, "%s must be a whole number from %.0f to %.0f, not '%.60s'",
                        s->said, s->option->lo, s->option->hi, s->value);
    *out = (int)v;
    return ZIS_OK;
}

/* ---- help ---------------------------------------------------------------------------------- */

#define HELP_COLUMN 30
#define HELP_WIDTH 100

/* Prints text from the help column on, broken at blanks. */
static void print_wrapped(const char *text, int column)
{
    for (bool first = true; *text; first = false) {
        int n = (int)strcspn(text, " ");
        if (!first && column + 1 + n > HELP_WIDTH) {
            printf("\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        } else if (!first) {
            putchar(' ');
            column++;
        }
        printf("%.*s", n, text);
        column += n;
        text += n;
        if (*text == ' ') text++;
    }
    putchar('\n');
}

static void print_row(const char *flags, char short_flag, const char *metavar, const char *help)
{
    char head[100];
    char prefix[8] = "    ";
    if (short_flag) snprintf(prefix, sizeof prefix, "-%c, ", short_flag);
    int n = snprintf(head, sizeof head, "  %s--%.*s %s", prefix, (int)strcspn(flags, " "), flags,
                     metavar ? metavar : "");
    if (n >= HELP_COLUMN - 1)
        printf("%s\n%*s", head, HELP_COLUMN, "");
    else
        printf("%-*s", HELP_COLUMN, head);
    print_wrapped(help, HELP_COLUMN);
}

/* "width of the picture (1 to 8192 pixels; default: the model's)" */
static void print_field(const zis_field *f, unsigned where)
{
    zis_buf note = {0};
    if (f->choices) {
        for (int i = 0; f->choices[i]; i++)
            zis_buf_printf(&note, "%s%s", i ? ", " : "", f->choices[i]);
    } else if (f->type == ZIS_FIELD_INT || f->type == ZIS_FIELD_REAL) {
        const char *unit = f->unit ? f->unit : "";
        zis_buf_printf(&note, "%g to %g%s%s", f->lo, f->hi, *unit ? " " : "", unit);
    }
    const char *value = f->model_default >= 0 ? "the model's" : f->fallback ? f->fallback : "";
    if (where == ZIS_FIELD_UPSCALE && f->upscaling) value = f->upscaling;
    if (*value) zis_buf_printf(&note, "%sdefault: %s", note.len ? "; " : "", value);
    const char *shell = f->shell ? f->shell : "";
    char *help = note.failed ? NULL
                 : note.len  ? zis_mem_printf("%s%s (%s)", f->help, shell, note.data)
                             : zis_mem_printf("%s%s", f->help, shell);
    print_row(f->flags, f->short_flag, f->metavar, help ? help : f->help);
    free(help);
    zis_buf_free(&note);
}

void zis_args_help(const zis_usage *u)
{
    printf("Usage: zis %s %s\n\n%s\n\nOptions:\n", u->command, u->synopsis, u->about);
    for (size_t i = 0; u->fields && i < zis_request_field_count(); i++) {
        const zis_field *f = zis_request_field_at(i);
        if (f->where & u->fields) print_field(f, u->fields);
    }
    for (const zis_option *o = u->options; o->id; o++)
        print_row(o->flags, o->short_flag, o->metavar, o->help);
    print_row(help_option.flags, help_option.short_flag, NULL, help_option.help);
}
