/*
 * writer - rows into a stream.
 *
 * The header is written with the first rows (or at finish), so metadata and history may be added until
 * then.  Rows are re-cut into canonical chunks, compressed and digested on the pool, written in order.
 * Only finish with a clear err writes TAIL and renames the file into place; with an error it writes ABRT
 * (the sentence travels downstream) and leaves no file.
 */
#ifndef CN_STREAM_WRITER_H
#define CN_STREAM_WRITER_H

#include <stdint.h>

#include "base/err.h"
#include "base/meta.h"
#include "base/pool.h"
#include "stream/batch.h"
#include "stream/history.h"
#include "stream/reader.h"
#include "stream/schema.h"

struct cn_writer;

#define CN_LEVEL_AUTO 1000	/* 1 with filters to a file, -1 without filters to a pipe */

struct cn_writer_config {
	const char *program;		/* for ABRT: "cn-mine" */
	const char *path;		/* NULL or "-": standard output */
	int level;			/* zstd level, or CN_LEVEL_AUTO */
	int force;			/* binary to a terminal */
	uint32_t chunk_rows;		/* 0 = canonical */
	uint64_t rows_hint;		/* 0 = unknown */
	uint64_t every;			/* cn_writer_flush will be called at multiples of so many rows; 0 = it will not be */
	const char *key;		/* minisign secret key to sign with, or NULL */
	struct cn_pool *pool;
};

struct cn_writer *cn_writer_open(const struct cn_writer_config *config, const struct cn_schema *schema, struct cn_err *err);

/* The metadata of the output: fill before the first put.  Starts empty. */
struct cn_meta *cn_writer_meta(struct cn_writer *writer);

/*
 * Metadata that are known only when the rows are: fill before finish.  They are written behind the rows, belong to this stream
 * alone, and take the place of those of the same key in cn_writer_meta.
 */
struct cn_meta *cn_writer_findings(struct cn_writer *writer);

/* Names an input: merges its history (and records its end state in TAIL at finish); inputs come in the order of the command line. */
int cn_writer_input(struct cn_writer *writer, struct cn_reader *input, struct cn_err *err);

/* As cn_writer_input for an input that is no stream, as a model: merges its history. */
int cn_writer_origin(struct cn_writer *writer, const struct cn_history *history, struct cn_err *err);

/* This program's own history node (cn_tool_describe), with input.N as they were named to the functions above. */
int cn_writer_node(struct cn_writer *writer, const struct cn_meta *node, struct cn_err *err);

/* Appends rows of batch (schema must equal the writer's). */
int cn_writer_put(struct cn_writer *writer, const struct cn_batch *batch, struct cn_err *err);

/* Writes all that was put, and the header if nothing was: for a reader that must have it to go on.  Needs config.every. */
int cn_writer_flush(struct cn_writer *writer, struct cn_err *err);

/* Ends the stream: see above.  stopped_early sets that status bit.  Returns -1 if err is or becomes set. */
int cn_writer_finish(struct cn_writer *writer, struct cn_err *err);

/*
 * For a program that fails before it has a writer: where its output would go to a pipe, ABRT alone is written, so
 * that downstream learns why.  input (or NULL): if it was aborted, that cause is passed on instead of why.
 */
void cn_writer_refuse(const char *program, const char *path, const struct cn_reader *input, const struct cn_err *why);

/* The same for struct cn_tool, which tells mistakes of the command line. */
void cn_writer_refuse_usage(const char *program, const char *path, const struct cn_err *why);

uint64_t cn_writer_rows(const struct cn_writer *writer);
void cn_writer_free(struct cn_writer *writer);

#endif
