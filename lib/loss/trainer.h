/*
 * trainer - contrastive training, batch by batch: encode, compare, go back, move the weights.
 *
 * A batch's views and further negatives go through the network together, so that batch norm sees them all:
 * x of each row, pos of each row, then the distinct further negatives; loss/learner.h tells which network.  With a
 * queue, the candidates made of pos are remembered for later batches.  The same bits for any number of threads.
 *
 *	trainer = cn_trainer_new(&config, in, bank, pool, &err);
 *	while (cn_feed_next(feed, &batch, &err) > 0 && cn_trainer_step(trainer, batch, &report, &err) == 0)
 *		...
 *	cn_trainer_save(trainer, output, node, &err);
 */
#ifndef CN_LOSS_TRAINER_H
#define CN_LOSS_TRAINER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/output.h"
#include "base/pool.h"
#include "loss/objective.h"
#include "loss/learner.h"
#include "loss/spread.h"
#include "nn/network.h"
#include "nn/schedule.h"
#include "stream/batch.h"
#include "stream/reader.h"

struct cn_trainer;

struct cn_trainer_config {
	const char *arch, *head;	/* of a new network; NULL with init */
	const char *init;		/* model to start from, or NULL */
	size_t freeze;			/* layers of its trunk that stay as they are; CN_NETWORK_ALL */
	size_t batch;			/* rows of a step */
	const char *loss;		/* words, see loss/objective.h */
	double temperature;
	struct cn_learner_config learner;	/* but for samples */
	size_t queue;			/* vectors of earlier batches to compare with, 0 = none */
	double clip;			/* longest gradient, 0 = any */
	struct cn_schedule schedule;
	uint64_t seed;			/* of a new network's weights, and of dropout */
	bool measure;			/* the spread of every step's vectors */
};

struct cn_trainer_report {
	bool complete;			/* the step is made: no batch of it is missing, and what follows is its mean over them */
	uint64_t step;			/* 0 = first */
	double lr;
	double gradient;		/* Euclidean norm over all weights, before it is clipped */
	struct cn_objective_result loss;
	struct cn_spread_result spread;	/* with measure; of the views as candidates, in the step's last batch */
	bool collapsed;			/* spread.rank is below what can be learned from, again and again; told once */
};

/*
 * Steps that training on the whole input will take: full batches of each epoch.  limit: of rows, 0 = none.
 * How long an epoch is, is what cn-augment noted in the metadata (epoch.rows).  0 when the stream does not say how many rows it has.
 */
uint64_t cn_trainer_steps(const struct cn_reader *in, size_t batch, uint64_t limit);

/* bank may be NULL; it is read whole here. */
struct cn_trainer *cn_trainer_new(const struct cn_trainer_config *config, struct cn_reader *in, struct cn_reader *bank,
	struct cn_pool *pool, struct cn_err *err);

/*
 * Takes a full batch, and makes a step with the last of those that config.learner.batches asks for.  A loss or gradient that is
 * not finite is an error that names the rows.  0 or -1.
 *
 * The vectors have collapsed when at five checks in a row, ten steps apart, their rank is below 1.05, all on a line; with a
 * loss that takes labels, to which two clusters may be enough, when it is 0.  Heads of fewer than 4 numbers and batches of
 * fewer than 8 rows are not checked.
 */
int cn_trainer_step(struct cn_trainer *trainer, const struct cn_batch *batch, struct cn_trainer_report *report,
	struct cn_err *err);

/*
 * Writes the model into an output that the caller opened and finishes; its history is that of the inputs and the
 * initial model, and node (what the program says of itself).  A weight that is not finite is an error.
 */
int cn_trainer_save(struct cn_trainer *trainer, struct cn_output *output, const struct cn_meta *node, struct cn_err *err);

/* The same with the weights as they are now, between two steps, and more as text, which tells what this is. */
int cn_trainer_snapshot(struct cn_trainer *trainer, struct cn_output *output, const struct cn_meta *node, const struct cn_meta *more,
	struct cn_err *err);

/*
 * From now on all that the training is at a moment is kept in path, whole or not at all: as it is now, unless it was resumed
 * from there, and after the step that makes each next multiple of every rows full.  What is kept is good: it is a copy that
 * waits in memory until the next step's loss and gradient are finite, or, behind the last step, the weights are.
 * path and node must stay.  0 or -1.
 */
int cn_trainer_keep(struct cn_trainer *trainer, const char *path, uint64_t every, const struct cn_meta *node, struct cn_err *err);

/* Whether something has been kept, or resumed from; and after how many steps. */
bool cn_trainer_kept(const struct cn_trainer *trainer, uint64_t *steps);

/*
 * Goes on from what was kept, in a new trainer of the same configuration, inputs and node, with the batch after the
 * cn_trainer_done first ones.  0 or -1.
 */
int cn_trainer_resume(struct cn_trainer *trainer, const char *path, const struct cn_meta *node, struct cn_err *err);
uint64_t cn_trainer_done(const struct cn_trainer *trainer);	/* batches, of whole steps */

size_t cn_trainer_slots(const struct cn_trainer *trainer);	/* further negatives of a row, 0 = none */
void cn_trainer_free(struct cn_trainer *trainer);

#endif
