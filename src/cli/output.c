#include "cli/output.h"

#include "base/base64.h"
#include "base/os.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- names --------------------------------------------------------------------------------- */

/* Length of a %d, %3d, %03d at s, or 0. */
static size_t number_at(const char *s)
{
    if (s[0] != '%') return 0;
    size_t n = 1 + strspn(s + 1, "0123456789");
    return s[n] == 'd' && n <= 3 ? n + 1 : 0;
}

static const char *find_number(const char *pattern)
{
    for (; *pattern; pattern++)
        if (number_at(pattern)) return pattern;
    return NULL;
}

static zis_status check_folder(const char *pattern, zis_error *err)
{
    const char *slash = strrchr(pattern, '/');
    char *folder = !slash             ? zis_mem_strdup(".")
                   : slash == pattern ? zis_mem_strdup("/")
                                      : zis_mem_strndup(pattern, (size_t)(slash - pattern));
    if (!folder) return zis_fail_nomem(err, pattern);
    zis_status st = ZIS_OK;
    if (!zis_os_is_dir(folder))
        st = zis_fail(err, ZIS_IO, "cannot write '%s': there is no folder '%s'", pattern, folder);
    else if (zis_os_is_dir(pattern))
        st = zis_fail(err, ZIS_IO, "cannot write '%s': it is a folder; name a file in it", pattern);
    else if (access(folder, W_OK) != 0)
        st = zis_fail(err, ZIS_IO, "cannot write '%s': %s", pattern, zis_os_why(errno));
    free(folder);
    return st;
}

zis_status zis_output_check(const char *pattern,
                            int pictures,
                            zis_picture_kind *kind,
                            zis_error *err)
{
    if (strcmp(pattern, "-") == 0) {
        *kind = ZIS_PICTURE_PNG;
        if (pictures > 1)
            return zis_fail(err, ZIS_ARG,
                            "-o - takes one picture, not %d; give a name with %%d instead",
                            pictures);
        if (isatty(STDOUT_FILENO))
            return zis_fail(err, ZIS_ARG,
                            "-o - would write a PNG to this terminal; redirect it to a file or a "
                            "program, or use --show");
        return ZIS_OK;
    }
    if (!*pattern) return zis_fail(err, ZIS_ARG, "-o needs a file name");
    const char *number = find_number(pattern);
    if (number && find_number(number + 1))
        return zis_fail(err, ZIS_ARG, "-o '%.200s' has more than one %%d", pattern);
    zis_status st = zis_picture_kind_of(kind, pattern, err);
    return st ? st : check_folder(pattern, err);
}

char *zis_output_name(const char *pattern, int index, int pictures)
{
    const char *number = find_number(pattern);
    if (number) {
        size_t n = number_at(number);
        const char *width = number + 1; /* "03" of %03d */
        int digits = n > 2 ? atoi(width) : 0;
        bool zeros = *width == '0';
        int head = (int)(number - pattern);
        if (zeros) return zis_mem_printf("%.*s%0*d%s", head, pattern, digits, index, number + n);
        return zis_mem_printf("%.*s%*d%s", head, pattern, digits, index, number + n);
    }
    if (pictures == 1 || index == 0) return zis_mem_strdup(pattern);
    const char *dot = strrchr(pattern, '.');
    int head = dot ? (int)(dot - pattern) : (int)strlen(pattern);
    return zis_mem_printf("%.*s_%d%s", head, pattern, index + 1, dot ? dot : "");
}

/* ---- standard output ----------------------------------------------------------------------- */

static zis_status write_all(const unsigned char *p, size_t n, zis_error *err)
{
    while (n > 0) {
        ssize_t k = write(STDOUT_FILENO, p, n);
        if (k < 0 && errno == EINTR) continue;
        if (k < 0)
            return zis_fail(err, ZIS_IO, "cannot write to standard output: %s",
                            errno == EPIPE   ? "the program that read it has gone"
                            : errno == EBADF ? "it is closed"
                                             : strerror(errno));
        p += k;
        n -= (size_t)k;
    }
    return ZIS_OK;
}

zis_status zis_output_flush(zis_error *err)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) return ZIS_OK;
    int e = errno;
    clearerr(stdout);
    return zis_fail(err, ZIS_IO, "cannot write to standard output: %s",
                    e == EPIPE   ? "the program that read it has gone"
                    : e == EBADF ? "it is closed"
                    : e          ? strerror(e)
                                 : "it is closed");
}

zis_status zis_output_stdout(const void *data, size_t n, zis_error *err)
{
    zis_status st = zis_output_flush(err);
    return st ? st : write_all(data, n, err);
}

/* ---- terminal ------------------------------------------------------------------------------ */

/* At most this much in one escape sequence of kitty's protocol. */
#define KITTY_CHUNK 4096

static void put_kitty(zis_buf *out, const zis_buf *b64)
{
    for (size_t i = 0; i < b64->len; i += KITTY_CHUNK) {
        size_t n = b64->len - i < KITTY_CHUNK ? b64->len - i : KITTY_CHUNK;
        zis_buf_printf(out, "\033_G%sm=%d;", i ? "" : "f=100,a=T,", i + n < b64->len);
        zis_buf_append(out, b64->data + i, n);
        zis_buf_puts(out, "\033\\");
    }
    zis_buf_putc(out, '\n');
}

static bool env_has(const char *name, const char *part)
{
    const char *v = getenv(name);
    return v && strstr(v, part);
}

zis_status zis_output_show(const void *png, size_t n, zis_error *err)
{
    bool kitty = env_has("TERM", "kitty") || env_has("TERM", "ghostty") ||
                 env_has("TERM_PROGRAM", "ghostty") || getenv("KITTY_WINDOW_ID");
    bool iterm = env_has("TERM_PROGRAM", "iTerm") || env_has("TERM_PROGRAM", "WezTerm") ||
                 env_has("LC_TERMINAL", "iTerm2");
    if (!isatty(STDOUT_FILENO))
        return zis_fail(err, ZIS_UNSUPPORTED, "--show: standard output is no terminal");
    if (!kitty && !iterm)
        return zis_fail(err, ZIS_UNSUPPORTED,
                        "--show: this terminal shows no pictures (kitty, Ghostty, iTerm2 and "
                        "WezTerm do)");
    zis_buf b64 = {0}, out = {0};
    zis_base64_put(&b64, png, n);
    if (kitty) {
        put_kitty(&out, &b64);
    } else {
        zis_buf_printf(&out, "\033]1337;File=inline=1;size=%zu:", n);
        zis_buf_append(&out, b64.data, b64.len);
        zis_buf_puts(&out, "\a\n");
    }
    zis_status st = b64.failed || out.failed ? zis_fail_nomem(err, "the picture")
                                             : zis_output_stdout(out.data, out.len, err);
    zis_buf_free(&b64);
    zis_buf_free(&out);
    return st;
}

void zis_output_size(char *buf, size_t n, uint64_t bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double v = (double)bytes;
    int u = 0;
    while (u < 4 && v >= 999.5) {
        v /= 1000;
        u++;
    }
    snprintf(buf, n, "%.*f %s", u == 0 || v >= 99.95 ? 0 : u < 3 ? 1 : 2, v, units[u]);
}
