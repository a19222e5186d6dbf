/*
 * selector - choosing the negatives of some anchors from a bank.
 *
 * A strategy is where candidates come from and how k of them are chosen (choose.h):
 *
 *	random      any rows of the bank, uniformly, without replacement; needs no vectors
 *	frequency   any rows, in proportion to a weight of the bank to a power, none twice
 *	hard        the most similar rows of the whole bank, exactly
 *	semihard    the most similar rows that are less similar than the positive by more than a margin
 *	easy        the least similar rows of the whole bank, exactly
 *	softmax, simans, strata, diverse (mmr)
 *	            by these ways from the most similar rows
 *	distance    by this way from a random sample of the bank
 *	neighbours  by chance from the rows some steps away in the graph of nearest rows
 *	cached      by chance from a cache of each id, which keeps what is hard (cache.h)
 *
 * A choice is a function of the anchor's row and the bank alone (of cached: and of what its id met before): it depends
 * neither on the other anchors, nor on threads or BLAS.
 */
#ifndef CN_MINE_SELECTOR_H
#define CN_MINE_SELECTOR_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "mine/cache.h"
#include "mine/choose.h"
#include "mine/filter.h"
#include "mine/mixture.h"
#include "mine/segments.h"
#include "mine/layout.h"

/* What happens to an anchor for which fewer than k rows are allowed. */
enum cn_short {
	CN_SHORT_PAD,		/* the rest is marked as none */
	CN_SHORT_ERROR,		/* the work fails, naming the row */
	CN_SHORT_KEEP,		/* what was found is repeated from the first on */
	CN_SHORT_RESAMPLE,	/* the rest is drawn at random from what only the score guards keep out */
};

/* Which rule let a negative through: neg_rule; CN_RULE_FIRST + strategy for those chosen. */
enum cn_rule { CN_RULE_NONE, CN_RULE_REPEATED, CN_RULE_RESAMPLED, CN_RULE_FIRST };

#define CN_RULE_NAMES "none repeated resampled " CN_STRATEGY_WORDS(" ")

struct cn_selector_config {
	struct cn_mixture mixture;
	size_t k;
	struct cn_guard guard;
	enum cn_way way;		/* instead of the strategy's own; CN_WAY_AUTO = no */
	struct cn_way_config ways;
	size_t first, end;		/* of the allowed candidates, best first: only those; end 0 = k for top, else max(100, 4 k) */
	size_t depth;			/* only so many rows at the top of the bank, filters aside; 0 = no limit */
	size_t near, far;		/* neighbours: so many steps away in the graph */
	size_t fresh;			/* cached: so many fresh rows come beside those kept */
	bool lists;			/* search the lists of inverted files, not the whole bank */
	size_t sample;			/* candidates come from so many random rows; 0 = the whole bank (distance: 1024) */
	enum cn_short policy;
	uint64_t seed;
	size_t spans;			/* at least one */
	struct cn_span span[CN_SPANS];
};

struct cn_pick {
	uint32_t row;		/* CN_BANK_NONE = none */
	uint32_t rank;		/* rows of the bank (of its span) more similar to the anchor; UINT32_MAX where not searched */
	float score;		/* by the filter's metric; 0 where there are no vectors */
	float logq;		/* ln of the probability that a single draw takes it; 0 where chance did not decide */
	uint32_t rule;		/* enum cn_rule */
};

/* Summed over all calls. */
struct cn_mine_counts {
	uint64_t anchors, picked, short_rows;
	uint64_t paired;			/* anchors of which the bank holds a known positive, if pairs are listed */
	uint64_t dropped[CN_MINE_REASONS];	/* candidates met before the k-th negative and passed over */
};

/* What a strategy works with; pointers are not owned. */
struct cn_selector {
	struct cn_selector_config config;
	struct cn_filter filter;	/* bank and what applies to all anchors */
	const struct cn_segments *segments;	/* the bank's vectors, for strategies that search it */
	const struct cn_layout *layout;	/* for frequency, neighbours, lists */
	struct cn_cache *cache;		/* (spans) for cached: changed by each call */
	struct cn_pool *pool;		/* may be NULL */
};

/* Whether the strategy compares vectors (with these settings). */
bool cn_selector_compares(const struct cn_selector_config *config);

/* Whether some negatives are drawn by chance, so that logq says something. */
bool cn_selector_draws(const struct cn_selector_config *config);

/* Whether vectors of the bank are needed by row, be it for a score to tell, so that it must be in memory. */
bool cn_selector_needs_rows(const struct cn_selector_config *config);

/* Whether this works with cosines only. */
bool cn_selector_needs_cosine(const struct cn_selector_config *config);

/* How many ranks a search goes down, at most. */
size_t cn_selector_depth(const struct cn_selector_config *config);

/* The most bytes that are held for each anchor while it is worked on, for vectors of dim numbers. */
size_t cn_selector_bytes(const struct cn_selector_config *config, size_t dim);

/* Whether some strategy searches for the most similar rows; takes candidates from a sample; has candidates to choose from. */
bool cn_selector_searches(const struct cn_selector_config *config);
bool cn_selector_samples(const struct cn_selector_config *config);
bool cn_selector_chooses(const struct cn_selector_config *config);

/* Whether some strategy chooses in this way. */
bool cn_selector_uses(const struct cn_selector_config *config, enum cn_way way);

/* Whether negatives have a rank. */
bool cn_selector_ranks(const struct cn_selector_config *config);

/* Fills picks (anchors, k), best first or in order of drawing, span by span; adds to counts. */
int cn_selector_pick(const struct cn_selector *strategy, const struct cn_anchors *anchors, struct cn_pick *picks,
	struct cn_mine_counts *counts, struct cn_err *err);

#endif
