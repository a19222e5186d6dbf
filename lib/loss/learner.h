/*
 * learner - what learns in training: an encoder, perhaps a predictor behind it, what moves them and what follows them.
 *
 * Anchors are the samples put in first (the views of a batch), candidates all of them.  Without a predictor and a
 * momentum encoder both are the output of the encoder's head, and what is learned goes through both.  Otherwise
 * candidates are targets, through which nothing is learned:
 *
 *	momentum encoder	target = its head's output; its weights follow the encoder's by
 *				theirs = decay theirs + (1 - decay) the encoder's after each step	MoCo: He et al. 2020
 *	predictor		anchor = predictor(head's output)		BYOL: Grill et al. 2020; SimSiam: Chen & He 2021
 *
 * A momentum encoder normalises by its own batch, as the encoder does.  The predictor is no part of the model.
 *
 * Samples go through the network in chunks, if asked to: first all of them, for the vectors that the loss compares,
 * then each chunk again, to go back through it (GradCache; Gao et al. 2021).  That costs a third more time and memory for a
 * chunk alone, and gives the gradient of the whole up to rounding; batch norm, though, knows no more than its chunk.
 */
#ifndef CN_LOSS_LEARNER_H
#define CN_LOSS_LEARNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "loss/checkpoint.h"
#include "nn/model.h"
#include "nn/optimizer.h"

struct cn_learner;

struct cn_learner_config {
	const char *predictor;		/* words as of a network, "" = none; as wide as the head */
	double momentum;		/* decay of the momentum encoder, 0 = none */
	double average;			/* decay of the moving average of the weights that is saved; 0 = the last weights are */
	size_t chunk;			/* at most so many samples go through at once, in chunks as alike as can be; 0 = all */
	size_t samples;			/* there are never more at once */
	size_t batches;			/* whose gradients are averaged for one step, at least 1 */
	struct cn_optimizer_config optimizer;
	bool decay_all;			/* weight decay also moves biases and norms, not only matrices and kernels */
	uint64_t seed;			/* of the predictor's weights, and of dropout */
};

/* The model stays the caller's, and must outlive the learner. */
struct cn_learner *cn_learner_new(const struct cn_learner_config *config, struct cn_model *model, struct cn_pool *pool,
	struct cn_err *err);

bool cn_learner_targets(const struct cn_learner *learner);	/* candidates are not what is learned through */

/*
 * Candidates z (n, dim) of n samples, each as in a stream, and, where candidates are targets, anchors (views, dim) of
 * the first so many.  round: number of the batch, by which dropout draws.  sample must stay until the way back.  0 or -1.
 */
int cn_learner_forward(struct cn_learner *learner, const void *const *sample, size_t n, size_t views, uint64_t round, float *z,
	float *anchor, struct cn_err *err);

/* The gradient of what was last put forward: from dz (n, dim) of z, or (views, dim) of anchors.  0 or -1. */
int cn_learner_backward(struct cn_learner *learner, const float *dz, struct cn_err *err);

/* After the batches of a step: the mean of their gradients is what to move against.  Returns its Euclidean length. */
double cn_learner_slope(struct cn_learner *learner);

/* One step against the gradient, and what follows. */
void cn_learner_move(struct cn_learner *learner, const struct cn_optimizer_rates *rates);

/* The network's tensors become those that are to be saved, and the next time what they were. */
void cn_learner_swap(struct cn_learner *learner);

/* What of a checkpoint is the learner's. */
void cn_learner_describe(const struct cn_learner *learner, struct cn_checkpoint *checkpoint);

void cn_learner_free(struct cn_learner *learner);

#endif
