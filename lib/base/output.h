/*
 * output - bytes that appear whole or not at all.
 *
 * With a path: a temporary file beside it, fsync and rename on finish, unlinked on any other end (also
 * by a signal, but SIGKILL: the tool's handlers call cn_output_cleanup).  A file that takes the place of
 * another has the permission bits of that; behind a symbolic link it takes the place of the link's target,
 * and the link stays.  With NULL or "-":
 * standard output, refused when it is a terminal unless force (or text) is set.  A device or FIFO
 * as path (/dev/full, /dev/null) is written in place.
 */
#ifndef CN_BASE_OUTPUT_H
#define CN_BASE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { CN_OUTPUT_FORCE = 1, CN_OUTPUT_TEXT = 2 };	/* flags: binary may go to a terminal; this is text */

struct cn_output;

struct cn_output *cn_output_open(const char *path, int flags, struct cn_err *err);
/* Whether path would be refused as a terminal, for before there is anything to write.  0 or -1. */
int cn_output_check(const char *path, int flags, struct cn_err *err);
struct cn_output *cn_output_open_memory(struct cn_err *err);	/* a file that nobody sees: for cn_output_bytes */
const void *cn_output_bytes(const struct cn_output *output, size_t *size);	/* what was written into memory; the output's own */
/* unbuffered, whole or error */
int cn_output_write(struct cn_output *output, const void *bytes, size_t size, struct cn_err *err);
/* Where path leads through symbolic links, also to nothing yet; the caller frees it.  NULL: no memory, or a loop. */
char *cn_output_target(const char *path, struct cn_err *err);
const char *cn_output_name(const struct cn_output *output);	/* path, or "standard output" */
bool cn_output_is_pipe(const struct cn_output *output);
uint64_t cn_output_offset(const struct cn_output *output);	/* bytes written so far */
/* Locks the file (flock) for as long as the descriptor it returns is open, whatever becomes of output; -1: cannot. */
int cn_output_hold(const struct cn_output *output);
/* flush, fsync, rename; only if err is clear, else as free */
int cn_output_finish(struct cn_output *output, struct cn_err *err);
void cn_output_free(struct cn_output *output);	/* unlinks the temporary file when not finished */
void cn_output_cleanup(void);	/* async-signal-safe: unlinks all temporary files of this process */

#endif
