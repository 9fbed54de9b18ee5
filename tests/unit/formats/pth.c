/* Torch files: all of tests/golden/data/pth is taken or refused as its index says; hand-made ones
 * break one rule each, with the sentence that a person reads. */
#include "formats/pth.h"

#include "base/json.h"
#include "base/os.h"
#include "formats/safetensors.h"
#include "formats/weights.h"
#include "oom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FOLDER ZIS_SOURCE_DIR "/tests/golden/data/pth/"

typedef struct bytes {
    unsigned char *data; /* of exact size, so that a sanitizer sees a read past the end */
    size_t n;
} bytes;

static bytes load(const char *name)
{
    char *text, *path = zis_os_join(FOLDER, name);
    bytes b = {0};
    zis_error err = {0};
    assert_non_null(path);
    if (zis_os_read_file(&text, &b.n, path, 1 << 20, &err)) fail_msg("%s", err.text);
    b.data = malloc(b.n);
    memcpy(b.data, text, b.n);
    free(text);
    free(path);
    return b;
}

static zis_status open_bytes(zis_pth **out, const void *data, size_t n, zis_error *err)
{
    *out = NULL;
    zis_status st = zis_pth_open_memory(out, "f", data, n, err);
    assert_true(st ? *out == NULL && err->text[0] && err->code == st : *out != NULL);
    return st;
}

/* Touches all that an accepted file hands out. */
static void use(const zis_pth *f)
{
    static volatile unsigned char sink;
    assert_true(zis_pth_count(f) > 0);
    for (size_t i = 0; i < zis_pth_count(f); i++) {
        const zis_pth_entry *e = zis_pth_at(f, i);
        const unsigned char *p = e->tensor.data;
        assert_true(zis_tensor_dense(&e->tensor));
        assert_int_equal(zis_tensor_bytes(&e->tensor), e->bytes);
        for (uint64_t k = 0; k < e->bytes; k++) sink ^= p[k];
        (void)sink;
    }
}

static void refused(const void *data, size_t n, zis_status code, const char *message)
{
    zis_error err = {0};
    zis_pth *f;
    zis_status st = open_bytes(&f, data, n, &err);
    zis_pth_close(&f);
    assert_string_equal(err.text, message);
    assert_int_equal(st, code);
}

/* ---- the goldens ----------------------------------------------------------------------------- */

static void same_tensors(const char *name, const zis_weights *w, const char *expected)
{
    zis_safetensors *st = NULL;
    zis_error err = {0};
    char *path = zis_os_join(FOLDER, expected);
    if (zis_safetensors_open(&st, path, &err)) fail_msg("%s", err.text);
    if (zis_weights_count(w) != zis_safetensors_count(st)) fail_msg("%s: count", name);
    for (size_t i = 0; i < zis_safetensors_count(st); i++) {
        const zis_safetensors_entry *e = zis_safetensors_at(st, i);
        const zis_weights_entry *got = zis_weights_find(w, e->name);
        if (!got) fail_msg("%s: %s is missing", name, e->name);
        assert_int_equal(got->tensor.dtype, e->tensor.dtype);
        assert_true(zis_tensor_same_shape(&got->tensor, &e->tensor));
        assert_int_equal(got->tensor.stride, e->tensor.stride);
        assert_int_equal(got->bytes, e->bytes);
        if (e->bytes) assert_memory_equal(got->tensor.data, e->tensor.data, e->bytes);
    }
    zis_safetensors_close(&st);
    free(path);
}

static const char *field(const zis_json_doc *index, const char *name, const char *key)
{
    char path[200];
    snprintf(path, sizeof path, "%s.%s", name, key);
    return zis_json_doc_string(index, path);
}

static void check_golden(const zis_json_doc *index, const char *name)
{
    const char *expect = field(index, name, "expect"), *tensors = field(index, name, "tensors");
    char *path = zis_os_join(FOLDER, name);
    zis_weights *w = NULL;
    zis_pth *f = NULL;
    zis_error err = {0};
    if (!expect) fail_msg("%s is not in the index", name);
    zis_status st = zis_weights_open(&w, path, &err);
    if (st && strcmp(expect, "ok") == 0) fail_msg("%s is refused: %s", name, err.text);
    if (!st && strcmp(expect, "refuse") == 0) fail_msg("%s is taken", name);
    if (st) {
        assert_true(st == ZIS_FORMAT || st == ZIS_UNSUPPORTED);
        assert_non_null(strstr(err.text, name));
    } else {
        same_tensors(name, w, tensors);
        assert_string_equal(zis_weights_format(w), "torch");
        assert_int_equal(zis_weights_check(w, &err), ZIS_OK);
        assert_int_equal(zis_pth_open(&f, path, &err), ZIS_OK);
        assert_string_equal(zis_pth_prefix(f), field(index, name, "prefix"));
        assert_int_equal(zis_pth_check(f, &err), ZIS_OK);
    }
    zis_pth_close(&f);
    zis_weights_close(&w);
    free(path);
}

static void test_goldens(void **state)
{
    (void)state;
    bytes b = load("index.json");
    zis_json_doc *index = NULL;
    zis_error err = {0};
    char **names;
    size_t n, files = 0;
    if (zis_json_doc_parse(&index, "index", b.data, b.n, &err)) fail_msg("%s", err.text);
    assert_int_equal(zis_os_list(&names, &n, FOLDER, &err), ZIS_OK);
    for (size_t i = 0; i < n; i++) {
        if (!strstr(names[i], ".pth")) continue;
        check_golden(index, names[i]);
        files++;
    }
    assert_int_equal(files, 79);
    zis_os_list_free(names, n);
    zis_json_doc_destroy(&index);
    free(b.data);
}

static void test_sentences(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        zis_status code;
        const char *message;
    } cases[] = {
        {"os-system.pth", ZIS_FORMAT,
         "'f': byte 66: the global os.system is not allowed: only tensors in plain dictionaries "
         "are read, and nothing of the file is run"},
        {"legacy-os-system.pth", ZIS_FORMAT,
         "'f': byte 139: the global os.system is not allowed: only tensors in plain dictionaries "
         "are read, and nothing of the file is run"},
        {"inst.pth", ZIS_FORMAT,
         "'f': byte 76: pickle opcode 0x69 is not allowed: torch.save does not write it"},
        {"mark-left.pth", ZIS_FORMAT,
         "'f': byte 68: STOP with 1 values and 1 marks on the stack, not one value"},
        {"no-stop.pth", ZIS_FORMAT, "'f': byte 222: the pickle ends without STOP: cut short?"},
        {"offset-over.pth", ZIS_FORMAT,
         "'f': byte 219: a tensor reaches element 6 of a storage that has only 6"},
        {"stride-huge.pth", ZIS_FORMAT,
         "'f': byte 227: a tensor reaches element 4611686018427387906 of a storage that has only "
         "6"},
        {"expanded-tera.pth", ZIS_UNSUPPORTED,
         "'f': byte 221: tensor 'w' is stretched from its storage to 4398046511104 bytes, out of "
         "all proportion to the file"},
        {"no-tensors.pth", ZIS_FORMAT,
         "'f' is a torch file without named tensors, neither at its top nor under params_ema, "
         "params, state_dict, model_state_dict, model_state, model or module"},
        {"zip-protocol4.pth", ZIS_UNSUPPORTED,
         "'f': byte 64: pickle protocol 4 is not read, only 2; save the file again with "
         "torch.save's own protocol"},
        {"crc-data.pth", ZIS_FORMAT,
         "'f': zip archive, byte 320: the 24 bytes of entry 'archive/data/0' do not have its "
         "checksum: damaged; fetch the file again"},
        {"bomb.pth", ZIS_FORMAT,
         "'f': zip archive, byte 65728: entry 'archive/data/0' is compressed (method 8); "
         "torch.save "
         "writes stored entries only, and only those are read"},
        {"twice-data.pth", ZIS_FORMAT,
         "'f': zip archive, byte 344: entry 'archive/data/0' is there twice"},
        {"cut-half.pth", ZIS_FORMAT,
         "'f' begins as a zip archive, but does not end with the end record of one (327 bytes): "
         "cut short? fetch it again"},
        {"cut-data.pth", ZIS_FORMAT,
         "'f': byte 319: storage '0' has 24 bytes, but the file ends after 20: cut short? fetch it "
         "again"},
        {"same-name.pth", ZIS_FORMAT, "'f': byte 225: the name 'w' is there twice"},
        {"no-pickle.pth", ZIS_FORMAT,
         "'f' is a zip archive without a data.pkl in its folder: not a torch file"},
        {"tar.pth", ZIS_FORMAT, "'f' is neither a zip archive nor a pickle"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bytes b = load(cases[i].file);
        refused(b.data, b.n, cases[i].code, cases[i].message);
        free(b.data);
    }
}

/* What lies in order is a view of the file, the rest a copy. */
static void test_in_place(void **state)
{
    (void)state;
    static const char *const files[] = {"zip-views.pth", "legacy-views.pth"};
    static const char *const copied[] = {"transposed", "cols",          "steps",   "permuted",
                                         "expanded",   "channels_last", "diagonal"};
    for (size_t k = 0; k < 2; k++) {
        bytes b = load(files[k]);
        zis_error err = {0};
        zis_pth *f;
        assert_int_equal(open_bytes(&f, b.data, b.n, &err), ZIS_OK);
        use(f);
        assert_int_equal(zis_pth_count(f), 13);
        assert_string_equal(zis_pth_at(f, 0)->name, "whole");
        for (size_t i = 0; i < zis_pth_count(f); i++) {
            const zis_pth_entry *e = zis_pth_at(f, i);
            const unsigned char *p = e->tensor.data;
            bool copy = false;
            for (size_t c = 0; c < sizeof copied / sizeof *copied; c++)
                copy = copy || strcmp(e->name, copied[c]) == 0;
            bool mapped =
                (uintptr_t)p >= (uintptr_t)b.data && (uintptr_t)p < (uintptr_t)b.data + b.n;
            if (mapped == copy) fail_msg("%s: %s", files[k], e->name);
        }
        zis_pth_close(&f);
        free(b.data);
    }
    zis_pth_close(NULL);
}

/* ---- damaged files --------------------------------------------------------------------------- */

static const char *const small[] = {"made-zip.pth", "made-zip64.pth", "made-legacy.pth",
                                    "made-legacy-python2.pth", "legacy-module.pth"};

static void test_cut_short(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof small / sizeof *small; k++) {
        bytes b = load(small[k]);
        for (size_t n = 0; n < b.n; n++) {
            unsigned char *p = malloc(n ? n : 1);
            memcpy(p, b.data, n);
            zis_error err = {0};
            zis_pth *f;
            if (!open_bytes(&f, p, n, &err)) fail_msg("%s: %zu bytes are taken", small[k], n);
            free(p);
        }
        free(b.data);
    }
}

/* Each byte wrong once: refused, or read within bounds. */
static void test_wrong_bytes(void **state)
{
    (void)state;
    static const unsigned char flips[] = {0x01, 0x80, 0xFF};
    for (size_t k = 0; k < sizeof small / sizeof *small; k++) {
        bytes b = load(small[k]);
        for (size_t i = 0; i < b.n * sizeof flips; i++) {
            unsigned char *p = &b.data[i / sizeof flips], was = *p;
            zis_error err = {0};
            zis_pth *f;
            *p ^= flips[i % sizeof flips];
            if (!open_bytes(&f, b.data, b.n, &err)) use(f);
            zis_pth_close(&f);
            *p = was;
        }
        free(b.data);
    }
}

/* ---- zip archives with one fault ------------------------------------------------------------- */

/* Places in made-zip.pth: entries data.pkl, data/0 and version. */
enum { LOCAL_0 = 0, LOCAL_1 = 0xDF, CENTRAL_0 = 0x1C2, CENTRAL_1 = 0x200, END = 0x279 };

static void patched(size_t at, const char *with, size_t n, const char *message)
{
    bytes b = load("made-zip.pth");
    memcpy(b.data + at, with, n);
    refused(b.data, b.n, ZIS_FORMAT, message);
    free(b.data);
}

static void test_zip_faults(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        const char *with;
        size_t n;
        const char *message;
    } cases[] = {
        {CENTRAL_1 + 8, "\1", 1, "byte 512: entry 'archive/data/0' is encrypted"},
        {CENTRAL_1 + 9, "\4", 1, "byte 512: entry 'archive/data/0' has the unknown flags 0x0400"},
        {CENTRAL_1 + 34, "\1", 1, "byte 512: entry 'archive/data/0' is on another disk"},
        {CENTRAL_1 + 20, "\1", 1,
         "byte 512: entry 'archive/data/0' is stored, but has two sizes (1 and 24)"},
        {CENTRAL_1 + 20, "\xff\xff\xff\xff", 4,
         "byte 512: entry 'archive/data/0' lacks its zip64 sizes"},
        {CENTRAL_1 + 46, "\0", 1, "byte 512: an entry without a proper name"},
        {CENTRAL_1 + 16, "\0", 1,
         "byte 223: the local header and the directory disagree on the size or checksum of entry "
         "'archive/data/0'"},
        {CENTRAL_1 + 42, "\0\0\0\x7f", 4,
         "byte 512: entry 'archive/data/0' is said to begin at byte 2130706432, outside of the "
         "part "
         "before the directory"},
        {CENTRAL_1 + 42, "\1\0\0\0", 4, "byte 1: no local header of entry 'archive/data/0'"},
        {CENTRAL_1 + 42, "\0\0\0\0", 4,
         "byte 0: the local header and the directory disagree on entry 'archive/data/0'"},
        {CENTRAL_1 + 28, "\xff\xff", 2, "byte 512: an entry of the directory is cut short"},
        {CENTRAL_1, "X", 1, "byte 512: no entry of the directory, though one should follow"},
        {LOCAL_1 + 6, "\2", 1,
         "byte 223: the local header and the directory disagree on entry 'archive/data/0'"},
        {LOCAL_1 + 28, "\xff\xff", 2,
         "byte 223: the local header of entry 'archive/data/0' is cut "
         "short"},
        {LOCAL_1 + 40, "1", 1,
         "byte 223: the local header and the directory disagree on entry 'archive/data/0'"},
        {LOCAL_0 + 28, "\x13", 1,
         "byte 223: entry 'archive/data/0' overlaps another, which ends at "
         "byte 224"},
        {END + 10, "\2", 1, "byte 633: the archive is one of several disks"},
        {END + 8, "\2\0\2\0", 4, "byte 572: the directory goes on behind its last entry"},
        {END + 8, "\4\0\4\0", 4, "byte 633: 4 entries are too many for a directory of 183 bytes"},
        {END + 12, "\0", 1,
         "byte 633: the directory (byte 450, 0 bytes) does not end at its end record"},
        {0x40, "\x81", 1,
         "byte 64: the 159 bytes of entry 'archive/data.pkl' do not have its checksum: damaged; "
         "fetch the file again"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char message[400];
        snprintf(message, sizeof message, "'f': zip archive, %s", cases[i].message);
        patched(cases[i].at, cases[i].with, cases[i].n, message);
    }
}

/* ---- pickles with one fault ------------------------------------------------------------------ */

/* A legacy file: magic, version and system; the object; the keys; storage "0" of six floats. */
static const char head[] = "\x80\2\x8a\nl\xfc\x9c\x46\xf9\x20j\xa8P\x19."
                           "\x80\2M\xe9\3."
                           "\x80\2}.";
static const char tail[] = "\x80\2](U\0010e."
                           "\6\0\0\0\0\0\0\0abcdefghijklmnopqrstuvwx";

#define DICT "ccollections\nOrderedDict\n"
#define CALL "ctorch._utils\n_rebuild_tensor\n"
#define CALL2 "ctorch._utils\n_rebuild_tensor_v2\n"
#define ID "(U\7storagectorch\nFloatStorage\nU\0010U\3cpuK\6Nt"
#define TENSOR CALL "(" ID "QK\0K\6\x85K\1\x85tR"

static bytes file_of(const char *object, size_t n)
{
    bytes b = {.n = sizeof head - 1 + n + sizeof tail - 1};
    b.data = malloc(b.n);
    memcpy(b.data, head, sizeof head - 1);
    memcpy(b.data + sizeof head - 1, object, n);
    memcpy(b.data + b.n - (sizeof tail - 1), tail, sizeof tail - 1);
    return b;
}

/* Opens a file with this object; *err is empty when it is taken and has one tensor of `count`. */
static void open_object(const char *object, size_t n, size_t count, zis_error *err)
{
    bytes b = file_of(object, n);
    zis_pth *f;
    *err = (zis_error){0};
    if (!open_bytes(&f, b.data, b.n, err)) {
        use(f);
        assert_int_equal(zis_pth_count(f), 1);
        assert_int_equal(zis_tensor_count(&zis_pth_at(f, 0)->tensor), count);
    }
    zis_pth_close(&f);
    free(b.data);
}

#define OBJECT(text) text, sizeof text - 1

static void test_pickles(void **state)
{
    (void)state;
    static const struct {
        const char *object;
        size_t n;
        const char *message; /* a part of it; NULL: taken */
    } cases[] = {
        {OBJECT("}U\1w" TENSOR "s."), NULL},
        {OBJECT(DICT "]]U\1waa\x85R."), "OrderedDict takes nothing, or a list"},
        {OBJECT(DICT "]](U\1w" TENSOR "ea\x85R."), NULL},
        {OBJECT(DICT "](U\1w" TENSOR "\x86"
                     "e\x85R."),
         NULL},
        {OBJECT(DICT "]\x85R(U\1w" TENSOR "u."), NULL},
        {OBJECT(DICT ")RU\1w" TENSOR "s}U\11_metadata)sb."), NULL},
        {OBJECT("}U\1w" TENSOR "sNb."), "attributes are set on what is no OrderedDict"},
        {OBJECT(DICT "N\x85R."), "OrderedDict takes nothing, or a list"},
        {OBJECT("N)R."), "what is called is no function"},
        {OBJECT("ctorch\nFloatStorage\n)R."), "what is called is no function"},
        {OBJECT("ctorch\nFloat Storage\n."), "the name of a global is not a short line"},
        {OBJECT("ctorch\n"), "the name of a global is not a short line"},
        {OBJECT("h\0."), "memo entry 0 was never set"},
        {OBJECT("Nq\3h\2."), "memo entry 2 was never set"},
        {OBJECT("Nr\xff\xff\xff\0."), "memo entry 16777215 is out of all proportion"},
        {OBJECT("q\0."), "opcode 0x71 takes 1 values, but there are only 0"},
        {OBJECT("N(q\0."), "opcode 0x71 takes 1 values, but there are only 0"},
        {OBJECT("N(s."), "opcode 0x73 takes 2 values, but there are only 0"},
        {OBJECT("Nt."), "opcode 0x74 needs a MARK, but there is none"},
        {OBJECT("NN."), "STOP with 2 values and 0 marks on the stack"},
        {OBJECT("I1\n."), "pickle opcode 0x49 is not allowed"},
        {OBJECT("\x80\3N."), "pickle protocol 3 is not read, only 2"},
        {OBJECT("\x8a\xff."), "opcode 0x8a takes 255 bytes, but the pickle ends after"},
        {OBJECT("}X\1\0\0\0\xffNs."), "a string is not UTF-8"},
        {OBJECT("}U\1\xff" TENSOR "s."), "the name of a tensor is not UTF-8 or holds a control"},
        {OBJECT("}U\1\n" TENSOR "s."), "the name of a tensor is not UTF-8 or holds a control"},
        {OBJECT("}U\1w" TENSOR "sU\1wNs."), "the name 'w' is there twice"},
        {OBJECT("(U\7storageNU\0010U\3cpuK\6NtQ."), "the type of a storage is none of torch's"},
        {OBJECT("(U\7storage" CALL "U\0010U\3cpuK\6NtQ."), "the type of a storage is none"},
        {OBJECT("(U\7storagectorch\nFloatStorage\nU\1/U\3cpuK\6NtQ."), "the key of a storage"},
        {OBJECT("(U\7storagectorch\nFloatStorage\nU\0010K\0K\6NtQ."), "the location of a storage"},
        {OBJECT(ID "Q(U\7storagectorch\nLongStorage\nU\0010U\3cpuK\6NtQ."),
         "storage '0' is named with two types or two sizes"},
        {OBJECT("(U\7storagectorch\nLongStorage\nU\0010U\3cpu\x8a\10\0\0\0\0\0\0\0\x10NtQ."),
         "a storage of 1152921504606846976 elements is impossible"},
        {OBJECT("(U\7storagectorch\nFloatStorage\nU\0010U\3cpuK\6(U\1vK\3K\4ttQ."),
         "the part of a storage reaches beyond it"},
        {OBJECT("(U\7storagectorch\nFloatStorage\nU\0010U\3cpuK\6NNtQ."),
         "a persistent id that is"},
        {OBJECT(CALL "(" ID "QK\0K\6\x85K\1\x85NtR."), "_rebuild_tensor takes 4 arguments"},
        {OBJECT(CALL2 "(" ID "QK\0K\6\x85K\1\x85tR."), "_rebuild_tensor_v2 takes 6 or 7"},
        {OBJECT(CALL2 "(" ID "QK\0K\6\x85K\1\x85N}tR."), "requires_grad of a tensor is neither"},
        {OBJECT("}U\1w" CALL2 "(" ID "QK\0K\6\x85K\1\x85\x89}NtRs."), NULL},
        {OBJECT("}U\1w" CALL2 "(" ID "QK\0K\6\x85K\1\x85\x89}}U\3neg\x88stRs."),
         "a tensor with hooks or metadata is not supported"},
        {OBJECT(CALL "(" ID "Q\x8a\1\xffK\6\x85K\1\x85tR."), "the offset of a tensor is not"},
        {OBJECT(CALL "(" ID "QK\0K\6\x85\x8a\1\xff\x85tR."), "a size or stride of a tensor is not"},
        {OBJECT(CALL "(" ID "QK\0N\x85K\1\x85tR."), "a size or stride of a tensor is not"},
        {OBJECT(CALL "(" ID "QK\0(K\1K\1K\1K\1K\1K\1t(K\1K\1K\1K\1K\1K\1ttR."),
         "a tensor of 6 dimensions; more than 5 are not supported"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        zis_error err;
        char object[400] = "\x80\2";
        memcpy(object + 2, cases[i].object, cases[i].n);
        open_object(object, cases[i].n + 2, 6, &err);
        if (!cases[i].message ? err.text[0] : !strstr(err.text, cases[i].message))
            fail_msg("case %zu: '%s', not '%s'", i, err.text, cases[i].message);
    }
}
/* The part of a storage that old files name: values 1 to 4 of the six. */
static void test_window(void **state)
{
    (void)state;
    char object[] =
        "\x80\2}U\1w" CALL "((U\7storagectorch\nFloatStorage\nU\0010U\3cpuK\6(U\1vK\1K\4ttQK"
        "?K\4\x85K\1\x85tRs.";
    for (char offset = 0; offset < 2; offset++) {
        object[sizeof object - 12] = offset;
        bytes b = file_of(object, sizeof object - 1);
        zis_error err = {0};
        zis_pth *f;
        if (open_bytes(&f, b.data, b.n, &err))
            assert_non_null(strstr(err.text, "reaches element 4 of a storage that has only 4"));
        else
            assert_memory_equal(zis_pth_at(f, 0)->tensor.data, "efghijklmnopqrst", 16);
        assert_int_equal(f == NULL, offset);
        zis_pth_close(&f);
        free(b.data);
    }
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_goldens),     cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_in_place),    cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_wrong_bytes), cmocka_unit_test(test_zip_faults),
        cmocka_unit_test(test_pickles),     cmocka_unit_test(test_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
