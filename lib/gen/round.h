/*
 * round - some rows of a stream, looked at together: what a method learns from, and makes negatives for.
 *
 * All arrays belong to whom it comes from (gen/rounds.h) and hold until the next round.
 */
#ifndef CN_GEN_ROUND_H
#define CN_GEN_ROUND_H

#include <stddef.h>
#include <stdint.h>

struct cn_hard;

struct cn_round {
	size_t rows, full;		/* rows there are, and of a full round; only full ones are learned from */
	size_t dim, mined;		/* of a vector; negatives each row came with */
	const float *anchor, *positive;	/* (rows, dim), of unit length */
	const float *mined_z;		/* (rows, mined, dim), of unit length; a vector of zeros = none */
	size_t bytes;			/* of a sample, as in a stream; 0: there are only vectors */
	const unsigned char *x, *pos;	/* (rows) the samples of anchor and positive */
	const unsigned char *mined_x;	/* (rows, mined) and of mined_z; NULL: these are vectors alone */
	const uint64_t *id;
	const uint32_t *epoch;
	const float *pos_score;		/* (rows) similarity of anchor and positive */
	const float *ceiling;		/* (rows) the greatest similarity to the anchor that counts as a negative's */
	const struct cn_hard *hard;	/* (rows) the hardest true vectors around each anchor */
};

/* The similarity to aim at for a row: target, or its ceiling if that is less. */
float cn_round_aim(const struct cn_round *round, size_t row, double target);

/* Mean similarity of anchors and positives. */
double cn_round_closeness(const struct cn_round *round);

#endif
