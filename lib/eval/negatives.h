/*
 * negatives - how good the negatives of a stream are: near, true, and different from each other.
 *
 * They are neg_z, or, where there is none, the rows of a bank that neg_id names.  What cannot be known
 * without vectors or labels is left out of the result, not guessed.
 */
#ifndef CN_EVAL_NEGATIVES_H
#define CN_EVAL_NEGATIVES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "nn/encoder.h"
#include "stream/reader.h"

struct cn_negatives_config {
	struct cn_encoder *encoder;	/* vectors are its head's of x and pos; NULL = fields z, pos_z where they are; not owned */
	uint64_t memory;		/* bound on the bank, bytes; 0 = none */
	struct cn_pool *pool;		/* may be NULL; not owned */
};

/* A mean over nothing is NaN. */
struct cn_negatives_result {
	uint64_t rows, negatives, none;	/* none: places without a negative */
	uint64_t distinct;		/* different ids among them; 0 if they have none */
	double similarity;		/* hardness: mean cosine of anchor and negative */
	double hardest;			/* mean over rows of the greatest */
	double positive;		/* mean cosine of anchor and positive */
	double above;			/* share of the negatives more similar than the positive */
	double false_share;		/* share with the anchor's label (of neg_z: the label of the bank's nearest row) */
	double diversity;		/* mean over rows of 1 - mean cosine of two of its negatives */
};

/* bank may be NULL.  Reads both streams to their ends. */
int cn_negatives_measure(const struct cn_negatives_config *config, struct cn_reader *in, struct cn_reader *bank,
	struct cn_negatives_result *result, struct cn_err *err);

#endif
