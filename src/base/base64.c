/* Six bits a letter. */
#include "base/base64.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void zis_base64_put(zis_buf *out, const void *data, size_t n)
{
    const unsigned char *p = data;
    char group[256];
    size_t used = 0;
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)p[i] << 16;
        if (i + 1 < n) v |= (unsigned)p[i + 1] << 8;
        if (i + 2 < n) v |= p[i + 2];
        group[used++] = letters[v >> 18];
        group[used++] = letters[v >> 12 & 63];
        group[used++] = i + 1 < n ? letters[v >> 6 & 63] : '=';
        group[used++] = i + 2 < n ? letters[v & 63] : '=';
        if (used == sizeof group) {
            zis_buf_append(out, group, used);
            used = 0;
        }
    }
    zis_buf_append(out, group, used);
}

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

zis_status zis_base64_get(
    zis_buf *out, const char *what, const char *text, size_t n, zis_error *err)
{
    unsigned v = 0;
    int have = 0; /* letters of the group */
    size_t i = 0;
    unsigned char piece[240];
    size_t used = 0;
    for (; i < n && text[i] != '='; i++) {
        if (text[i] == '\n' || text[i] == '\r' || text[i] == ' ') continue;
        int k = value_of(text[i]);
        if (k < 0)
            return zis_fail(err, ZIS_FORMAT,
                            "%s is not base64: byte %zu (0x%02x) is no letter of it", what, i + 1,
                            (unsigned)(unsigned char)text[i]);
        v = v << 6 | (unsigned)k;
        if (++have < 4) continue;
        piece[used++] = (unsigned char)(v >> 16);
        piece[used++] = (unsigned char)(v >> 8);
        piece[used++] = (unsigned char)v;
        v = 0;
        have = 0;
        if (used == sizeof piece) {
            zis_buf_append(out, piece, used);
            used = 0;
        }
    }
    for (size_t k = i; k < n; k++)
        if (text[k] != '=' && text[k] != '\n' && text[k] != '\r' && text[k] != ' ')
            return zis_fail(err, ZIS_FORMAT, "%s is not base64: something follows its padding",
                            what);
    if (have == 1) return zis_fail(err, ZIS_FORMAT, "%s is not base64: it is cut short", what);
    if (have == 2) piece[used++] = (unsigned char)(v >> 4);
    if (have == 3) {
        piece[used++] = (unsigned char)(v >> 10);
        piece[used++] = (unsigned char)(v >> 2);
    }
    zis_buf_append(out, piece, used);
    return out->failed ? zis_fail_nomem(err, what) : ZIS_OK;
}
