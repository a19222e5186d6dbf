/*
 * checkpoint - all that a training is between two steps, as a safetensors file.
 *
 * It holds the network's tensors under their names, those of the moving average as "average.NAME", of the momentum
 * encoder as "target.NAME" and of the predictor as "predictor.NAME", the optimizers' as "optimizer.mean" and
 * "optimizer.square" (n), with "predictor." in front for the predictor's, what is remembered of batches as
 * "memory.u" (length, dim), "memory.id" and "memory.label" (length), and as text the model's own keys and
 *	cn.step			steps done
 *	cn.low			checks in a row that found the vectors collapsed
 *	cn.memory		vectors remembered, and the place of the next
 *	cn.provenance		history of the model that this training will write
 * so it is also a model, which cn_model_load takes for one.  It is written whole or not at all.
 */
#ifndef CN_LOSS_CHECKPOINT_H
#define CN_LOSS_CHECKPOINT_H

#include <stdint.h>

#include "base/err.h"
#include "data/safetensors.h"
#include "loss/memory.h"
#include "nn/average.h"
#include "nn/model.h"
#include "nn/optimizer.h"
#include "stream/history.h"

struct cn_checkpoint {
	struct cn_model *model;
	struct cn_optimizer *optimizer;
	struct cn_average *average, *target;	/* or NULL */
	struct cn_network *predictor;	/* or NULL */
	struct cn_optimizer *predictor_optimizer;
	struct cn_memory *memory;	/* of length 0: none */
	uint64_t step;
	unsigned low;			/* checks in a row that found the vectors on a line */
};

/* A copy of all that, for cn_safetensors_write, into weights, which are empty.  0 or -1. */
int cn_checkpoint_take(const struct cn_checkpoint *now, const struct cn_history *history, struct cn_weights *weights,
	struct cn_err *err);

/*
 * Brings everything back to what it was.  Refuses a file that is no checkpoint, and one of a training with
 * another history (input, options, initial model, BLAS kernel).  0 or -1; on an error nothing is to be used.
 */
int cn_checkpoint_read(struct cn_checkpoint *now, const char *path, const struct cn_history *history,
	struct cn_err *err);

#endif
