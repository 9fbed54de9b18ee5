/* pth.h - read weights from a torch file (.pth, .pt, .ckpt, .bin), zip or legacy container.
 *
 * Such a file is a pickle, which in Python is a program. Here nothing of it is run: a small machine
 * (pth_pickle.h) knows the opcodes that torch.save writes and the few globals that tensors need;
 * any other refuses the file, and so does whatever is out of bounds, overlaps, or has a wrong
 * checksum.
 *
 * Tensors are views of the mapped file. Only those whose elements do not lie in order (transposed,
 * sliced, expanded) are copied, together not more than the file's size and 16 MiB.
 * What is read is one dictionary of tensors: the one under "params_ema", "params", "state_dict" or
 * another usual name, or else the outermost. Numbers, lists and dictionaries beside the tensors are
 * skipped.
 *
 *     open -> at, ... -> close
 *
 * A file that is cut short while it is mapped: see safetensors.h.
 * Threads: read-only after open; views may be used from any thread. */
#ifndef ZIS_FORMATS_PTH_H
#define ZIS_FORMATS_PTH_H

#include "base/status.h"
#include "tensor/tensor.h"

typedef struct zis_pth zis_pth;

/* `tensor.data` is dense, may be unaligned (legacy files), and must not be written to. */
typedef struct zis_pth_entry {
    const char *name; /* NUL-terminated UTF-8 without control characters; borrowed */
    zis_tensor tensor;
    uint64_t bytes;
} zis_pth_entry;

/* Whether the file can be one of torch, by its first bytes: a zip archive or a pickle. */
bool zis_pth_probe(const unsigned char *head, size_t n);

/* On failure *out stays NULL and err names the file, the byte and the reason. */
ZIS_MUST_USE zis_status zis_pth_open(zis_pth **out, const char *path, zis_error *err);
/* The same on bytes in memory (fuzzing, tests); data is borrowed. `name` is used in messages. */
ZIS_MUST_USE zis_status
zis_pth_open_memory(zis_pth **out, const char *name, const void *data, size_t size, zis_error *err);
/* ZIS_IO when the file has been cut short since open; its views must not be read then. */
ZIS_MUST_USE zis_status zis_pth_check(const zis_pth *f, zis_error *err);
/* Accepts NULL and a pointer to NULL; sets *f to NULL. */
void zis_pth_close(zis_pth **f);

/* At least 1. */
size_t zis_pth_count(const zis_pth *f);
/* In the order of the dictionary; i < count; names are unique. Borrowed until close. */
const zis_pth_entry *zis_pth_at(const zis_pth *f, size_t i);
/* The key under which the dictionary of tensors was found; "" for the outermost. */
const char *zis_pth_prefix(const zis_pth *f);

#endif
