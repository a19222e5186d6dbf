/*
 * hard - the true vectors of a round that are most similar to an anchor: what generated negatives are made
 * of, and judged by.
 *
 * Candidates are the negatives a row came with and the positives of the other rows of its round.  Rows of the
 * anchor's own id do not count, nor does what is above its ceiling (too near to be a negative in truth).
 */
#ifndef CN_GEN_HARD_H
#define CN_GEN_HARD_H

#include <stddef.h>

#include "base/rng.h"
#include "gen/round.h"

#define CN_HARD_MOST 256

struct cn_hard {
	size_t n;
	const float *vector[CN_HARD_MOST];	/* into the round */
	float score[CN_HARD_MOST];		/* falling */
};

/* The hardest candidates of a row, most (<= CN_HARD_MOST) of them if there are; ties go to the negatives it came with, then to the earlier row. */
void cn_hard_find(struct cn_hard *hard, const struct cn_round *round, size_t row, size_t most);

/* order: the numbers of the hard ones, shuffled. */
void cn_hard_shuffle(const struct cn_hard *hard, struct cn_rng *rng, uint32_t *order);

#endif
