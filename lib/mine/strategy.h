/*
 * strategy - choosing the negatives of some anchors from a bank.
 *
 * random    uniform over the bank without replacement, keyed by (seed, id, epoch); needs no vectors
 * hard      the most similar rows of the whole bank, exactly
 * semihard  the most similar rows that are less similar than the positive by more than a margin
 *
 * A choice is a function of the anchor's row and the bank alone: it depends neither on the other
 * anchors, nor on threads or BLAS.
 */
#ifndef CN_MINE_STRATEGY_H
#define CN_MINE_STRATEGY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "mine/filter.h"

/* Order is that of the option's choices. */
enum cn_strategy { CN_STRATEGY_RANDOM, CN_STRATEGY_HARD, CN_STRATEGY_SEMIHARD };

/* What happens to an anchor for which fewer than k rows are allowed. */
enum cn_short {
	CN_SHORT_PAD,		/* the rest is marked as none */
	CN_SHORT_ERROR,		/* the work fails, naming the row */
	CN_SHORT_KEEP,		/* what was found is repeated from the first on */
	CN_SHORT_RESAMPLE,	/* the rest is drawn at random from what only the score guards keep out */
};

/* Which rule let a negative through: neg_rule. */
enum cn_rule { CN_RULE_NONE, CN_RULE_RANDOM, CN_RULE_HARD, CN_RULE_SEMIHARD, CN_RULE_REPEATED, CN_RULE_RESAMPLED };

#define CN_RULE_NAMES "none random hard semihard repeated resampled"

struct cn_strategy_config {
	enum cn_strategy strategy;
	size_t k;
	struct cn_guard guard;		/* for hard and semihard */
	enum cn_short policy;
	uint64_t seed;
};

struct cn_pick {
	uint32_t row;		/* CN_BANK_NONE = none */
	uint32_t rank;		/* rows of the bank more similar to the anchor; UINT32_MAX where not searched */
	float score;		/* cosine; 0 where there are no vectors */
	enum cn_rule rule;
};

/* Summed over all calls. */
struct cn_mine_counts {
	uint64_t anchors, picked, short_rows;
	uint64_t dropped[CN_MINE_REASONS];	/* candidates met before the k-th negative and passed over */
};

/*
 * Fills picks (anchors, k), best first or in order of drawing; adds to counts.
 */
int cn_strategy_pick(const struct cn_strategy_config *config, const struct cn_bank *bank, const struct cn_anchors *anchors,
	struct cn_pick *picks, struct cn_mine_counts *counts, struct cn_pool *pool, struct cn_err *err);

#endif
