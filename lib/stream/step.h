/*
 * step - what most programs do: read a stream, make rows of it, write a stream with its history.
 *
 *	struct cn_step step = { 0 };
 *	cn_step_open(&step, &tool, &c, operand_or_NULL, &err);	// pool, reader
 *	struct cn_schema schema = *cn_reader_schema(step.in); ... cn_schema_put(&schema, ...);
 *	cn_step_output(&step, &schema, &err);			// writer, with the input's metadata, history and this program's node
 *	cn_step_run(&step, make, context, &err);		// every chunk through make(), in order; obeys -n; shows progress
 *	return cn_step_end(&step, &err);			// finish, free, exit status
 */
#ifndef CN_STREAM_STEP_H
#define CN_STREAM_STEP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "base/tool.h"
#include "stream/batch.h"
#include "stream/history.h"
#include "stream/reader.h"
#include "stream/writer.h"

struct cn_step {
	const struct cn_tool *tool;
	const void *config;
	const struct cn_common *common;
	struct cn_pool *pool;
	struct cn_reader *in;
	struct cn_writer *out;
	struct cn_progress progress;
	const char *model;	/* an input that is no stream, as typed, or NULL; and how it was made: see cn_encoder_trace */
	struct cn_history model_history;
	const char *side;	/* an input that is text of its own, without a history, as typed, or NULL: set before cn_step_output */
	bool joins;		/* the output's hint of rows is promised, and not the input's: set before cn_step_output */
	uint64_t promised;	/* 0 unknown */
	uint64_t passes;	/* rows out per row in, for the output's hint of rows and progress: set before cn_step_output; 0 = 1 */
	bool finished;
	/*
	 * For programs in a loop (nn/follow.h): what was made is written before the first row and after each so many, as it is
	 * where the input says so of itself (follow.every); set before cn_step_output, 0 = as the input says.  Then, if there is
	 * another row, renew, if set, is asked: 1 go on; 0 end in order; -1.
	 */
	uint64_t every;
	int (*renew)(void *context, struct cn_err *err);
	void *renew_context;
	size_t group;		/* make gets so many rows at a time, fewer at the end: set before cn_step_run; 0 = as they come */
};

/* Opens pool and input (operand NULL or "-" is standard input).  0 or -1; after an error (set before, too) step is fit for cn_step_end. */
int cn_step_open(struct cn_step *step, const struct cn_tool *tool, const void *config, const char *operand, struct cn_err *err);

/* A pool and a reader by the same rules for programs with further inputs (banks); the caller frees the reader. */
struct cn_reader *cn_step_reader(struct cn_step *step, const char *path, struct cn_err *err);

/* Opens the output.  extra inputs (banks; may be NULL, 0) are named after the main input, then the model, and side last. */
int cn_step_output(struct cn_step *step, const struct cn_schema *schema, struct cn_reader *const *extra, size_t n_extra, struct cn_err *err);

/*
 * For each input chunk calls make(context, in, out, err), which shapes out with the output schema and
 * fills it (0 rows is fine), then writes out.  make runs on the calling thread and may use step->pool.
 */
int cn_step_run(struct cn_step *step, int (*make)(void *context, const struct cn_batch *in, struct cn_batch *out, struct cn_err *err),
	void *context, struct cn_err *err);

/*
 * For programs with a loop of their own, before each of its turns, with so many rows made: what cn_step_run does at
 * multiples of step->every.  NULL is a step without.
 */
int cn_step_flush(struct cn_step *step, uint64_t done, struct cn_err *err);	/* 0 or -1 */
int cn_step_renew(struct cn_step *step, uint64_t done, struct cn_err *err);	/* as renew */
size_t cn_step_most(const struct cn_step *step, uint64_t done, size_t most);	/* rows the turn may have, instead of most */

/* Copies the columns of in that out has under the same name and type; the others are left alone. */
void cn_step_pass(const struct cn_batch *in, struct cn_batch *out);

/* Finishes (or aborts) the output, for what must not be before that; cn_step_end does it otherwise. */
void cn_step_finish(struct cn_step *step, struct cn_err *err);

/* Finishes (or aborts) the output, frees everything, tells the error; returns the exit status. */
int cn_step_end(struct cn_step *step, struct cn_err *err);

#endif
