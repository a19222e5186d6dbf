/*
 * negatives - how good the negatives of a stream are: near, true, and different from each other.
 *
 * They are neg_z, or, where there is none, the rows of a bank that neg_id names, or, where there is neither, what the
 * encoder's head makes of neg.  What cannot be known without vectors, labels or a bank is left out of the result, not guessed.
 */
#ifndef CN_EVAL_NEGATIVES_H
#define CN_EVAL_NEGATIVES_H

#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "data/pairs.h"
#include "eval/agreement.h"
#include "nn/encoder.h"
#include "stream/reader.h"

enum { CN_NEGATIVES_BINS = 200 };	/* of a histogram, at most */

struct cn_negatives_config {
	struct cn_encoder *encoder;	/* vectors are its head's of x and pos; NULL = fields z, pos_z where they are; not owned */
	const char *field;		/* neg_id, neg_z or neg; NULL = neg_z where it is, else neg_id, else neg */
	double margin;			/* a negative above the positive's cosine less this is a violation */
	size_t bins;			/* of the histogram, 0..CN_NEGATIVES_BINS */
	uint64_t memory;		/* bound on the bank, and on against, bytes each; 0 = none */
	const struct cn_pairs *known;	/* (anchor, positive); NULL = none are known; not owned */
	struct cn_reader *bank;		/* read to its end, as is against; NULL = none; not owned */
	struct cn_reader *against;	/* has other negatives for the same rows; NULL = none; not owned */
	struct cn_pool *pool;		/* may be NULL; not owned */
};

/* A mean over nothing is NaN; a count of what cannot be known is UINT64_MAX.  The bank's row of a made vector is the nearest. */
struct cn_negatives_result {
	uint64_t rows, negatives, none;	/* none: places without a negative */
	uint64_t distinct;		/* different ids among them */
	uint64_t missing;		/* ids that the bank does not have */
	uint64_t repeated_id;		/* places whose id is in an earlier place of the row */
	uint64_t repeated_content;	/* places whose vector (made), or sample or z (of the bank) is that of an earlier one, byte by byte */
	uint64_t itself;		/* places with the row's own id */
	double similarity;		/* hardness: mean cosine of anchor and negative */
	double hardest;			/* mean over rows of the greatest */
	double positive;		/* mean cosine of anchor and positive */
	double above;			/* share of the negatives more similar than the positive */
	double violations;		/* share more similar than that less the margin */
	double false_share;		/* share with the anchor's label */
	double known_share;		/* share that is a known positive of the anchor */
	double coverage;		/* share of the bank's rows that are a negative at least once */
	double gini;			/* of how often each row of the bank is: 0 = all alike, near 1 = always the same few */
	double diversity;		/* mean over rows of 1 - mean cosine of two of its negatives */
	double rank;			/* mean over rows of the effective rank of its negatives (loss/spread.h); 2 or more have one */
	uint64_t histogram[CN_NEGATIVES_BINS];	/* of the cosines, in bins of equal width from -1 to 1, the last with its end */
	uint64_t scored;		/* how many cosines there are */
	struct cn_agreement_result agreement;	/* with against */
};

/* Reads the stream and those of config to their ends.  Rows are worked on in parallel and added up in order. */
int cn_negatives_measure(const struct cn_negatives_config *config, struct cn_reader *in, struct cn_negatives_result *result,
	struct cn_err *err);

/*
 * Gini's coefficient of n counts, which are sorted here: sum of (2 i - n - 1) x_i over n times the sum of x, i = 1..n
 * in ascending order.  NaN if all are 0.
 */
double cn_negatives_gini(uint64_t *count, size_t n);

#endif
