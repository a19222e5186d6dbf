/*
 * follow - an encoder that learns elsewhere meanwhile: the snapshots of a training, taken by rows and not by seconds.
 *
 *	follow = cn_follow_open(&c.follow, &step, &err);
 *	encoder = cn_follow_encoder(follow, "x", &err);		... waits for the announcement
 *	cn_step_output, cn_step_run				... step->renew calls cn_follow_next when a snapshot is due
 *	cn_follow_finish(follow, &step, &err);
 *	cn_follow_free(follow);					... before cn_step_end, which frees what its thread looks at
 *	return cn_step_end(&step, &err);
 *
 * With a lag of 0 rows [every i, every (i + 1)) are made with snapshot i, which training makes of all rows before them: both
 * sides take turns.  With a lag of 1 they are made with snapshot i - 1 (and the first with 0), so that both work at once.
 * Snapshots are read by a thread of their own, so that whoever writes them never waits for who computes.
 */
#ifndef CN_NN_FOLLOW_H
#define CN_NN_FOLLOW_H

#include <stdint.h>

#include "base/err.h"
#include "base/opt.h"
#include "nn/encoder.h"
#include "stream/step.h"

struct cn_follow;

/* For "struct cn_follow_options follow" in a program's config. */
struct cn_follow_options {
	const char *path;		/* a FIFO, or the name before the numbers of files: see nn/snapshot.h */
	long long every, lag;
};

#define CN_FOLLOW_ROWS \
	{ 0, "follow", CN_PATH(follow.path), "file", \
		.help = "As -m with the encoder that cn-train --publish gives away there while it learns" }, \
	{ 0, "every", CN_INT(follow.every), "rows", "0", 0, 9e15, \
		.help = "With --follow: take its next weights after each so many rows, as many as cn-train has" }, \
	{ 0, "lag", CN_INT(follow.lag), "snapshots", "0", 0, 1, \
		.help = "With --follow: 1 takes the weights before those, so that both sides work at once" }

/* Options that miss each other; model is that of -m. */
int cn_follow_check(const struct cn_follow_options *options, const char *model, struct cn_err *err);

/*
 * Begins to read, and has step make its rows by options.every.  Where nobody reads standard output any more a write of this
 * thread fails from now on, and does not end the process.  NULL where options.path is, and after an error.
 */
struct cn_follow *cn_follow_open(const struct cn_follow_options *options, struct cn_step *step, struct cn_err *err);

/* Waits for the announcement, and makes the encoder for samples as in that field of step's input; it stays follow's. */
struct cn_encoder *cn_follow_encoder(struct cn_follow *follow, const char *field, struct cn_err *err);

enum { CN_FOLLOW_END, CN_FOLLOW_NEW, CN_FOLLOW_SAME };

/*
 * Waits for the snapshot that is due: the encoder has new weights, or is to have the same once more; or END, when the training
 * came to its end in order before it.  -1: it failed or was killed (CN_INCOMPLETE), or what came was no such snapshot.
 */
int cn_follow_next(struct cn_follow *follow, struct cn_err *err);

/*
 * As cn_step_finish.  What failed only because nobody reads the rows any more is told as that, or as the end of the training
 * if that is known: CN_INCOMPLETE.  follow may be NULL.
 */
void cn_follow_finish(struct cn_follow *follow, struct cn_step *step, struct cn_err *err);

void cn_follow_free(struct cn_follow *follow);

#endif
