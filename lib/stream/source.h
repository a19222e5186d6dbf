/*
 * source - the bytes of a stream as they come: exact reads from a file or pipe, with the place.
 *
 * A read can be called off from another thread (cn_source_cancel), so that a program can end while
 * its upstream is silent.  A pipe can be watched: when its writer has gone, what it left is taken in at
 * once, so that its last bytes are known before their turn comes.
 */
#ifndef CN_STREAM_SOURCE_H
#define CN_STREAM_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct cn_source;

/* NULL or "-" is standard input. */
struct cn_source *cn_source_open(const char *path, struct cn_err *err);
void cn_source_free(struct cn_source *source);

const char *cn_source_name(const struct cn_source *source);	/* path or "standard input" */
uint64_t cn_source_offset(const struct cn_source *source);	/* of the next byte, from the first one read */

/* Up to n bytes; fewer only at the end of the input.  SIZE_MAX means err. */
size_t cn_source_read(struct cn_source *source, void *to, size_t n, struct cn_err *err);

/* The next n bytes (at most 64) without taking them; fewer only at the end of the input.  SIZE_MAX means err. */
size_t cn_source_ahead(struct cn_source *source, void *to, size_t n, struct cn_err *err);

/* For regular files: bytes in all, and where a stream beginning at the first byte may be read at random. */
bool cn_source_seekable(const struct cn_source *source);
uint64_t cn_source_size(const struct cn_source *source);
size_t cn_source_peek(struct cn_source *source, uint64_t offset, void *to, size_t n);	/* bytes got */
int cn_source_seek(struct cn_source *source, uint64_t offset, struct cn_err *err);

/*
 * Watches a pipe from now on, from a thread of its own; nothing else is watched.  Then, when nobody can write any more: a
 * descriptor that can be read (for poll; -1 = not watched), and true with the last n bytes (at most 8) of all that came.
 */
int cn_source_watch(struct cn_source *source, struct cn_err *err);
int cn_source_left(const struct cn_source *source);
bool cn_source_last(struct cn_source *source, void *to, size_t n);

/* Makes a read that waits, and all later ones, fail; cn_source_resume takes it back. */
void cn_source_cancel(struct cn_source *source);
void cn_source_resume(struct cn_source *source);

#endif
