/*
 * unpack - bytes out of files that may be compressed (gzip, zstd, xz, bzip2) or archives (tar, zip).
 *
 * The format is told by content, never by name; no outside program is run.  Checksums of the compression
 * are verified (gzip's by zlib, the others' by their libraries through libarchive).
 */
#ifndef CN_DATA_UNPACK_H
#define CN_DATA_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum cn_unpack_kind {
	CN_UNPACK_BYTES,	/* one run of bytes, decompressed */
	CN_UNPACK_ARCHIVE,	/* the members of a tar or zip, or a file by itself */
};

struct cn_unpack;

/* path NULL or "-": standard input.  An input of no bytes is an error (CN_INCOMPLETE), here or at the first member. */
struct cn_unpack *cn_unpack_open(const char *path, enum cn_unpack_kind kind, struct cn_err *err);

/* For messages: path or "standard input". */
const char *cn_unpack_name(const struct cn_unpack *unpack);

/*
 * The next file or link of an archive; *member is its name, valid until the next call.  1, 0 at the end, -1.
 * What is no archive is given as one member without a name (NULL).
 */
int cn_unpack_next(struct cn_unpack *unpack, const char **member, struct cn_err *err);

/* The member is a symbolic or hard link: its bytes, if any, stand elsewhere. */
bool cn_unpack_is_link(const struct cn_unpack *unpack);

/* Up to size bytes of the run or member: how many in *got, less than size only at its end.  0 or -1. */
int cn_unpack_read(struct cn_unpack *unpack, void *to, size_t size, size_t *got, struct cn_err *err);

/* As read, but size bytes or an error: "FILE: cut short in WHAT: expected 60000 bytes, got 512". */
int cn_unpack_exactly(struct cn_unpack *unpack, void *to, size_t size, const char *what, struct cn_err *err);

/* Refuses bytes behind the expected end. */
int cn_unpack_ended(struct cn_unpack *unpack, struct cn_err *err);

void cn_unpack_free(struct cn_unpack *unpack);

#endif
