/* candidates - the places negatives come from: the top of the bank, chance, an urn, the neighbourhood, a cache. */
#ifndef CN_MINE_CANDIDATES_H
#define CN_MINE_CANDIDATES_H

#include "mine/selector.h"

/* k negatives of each anchor by one strategy, from one span, into one place of each row of picks. */
struct cn_job {
	const struct cn_selector *strategy;
	enum cn_strategy kind;
	const struct cn_anchors *anchors;
	struct cn_filter filter;	/* with anchors and what was taken before */
	struct cn_span span;
	size_t number;			/* of the span, in the layout */
	size_t k;
	const uint32_t *wanted;		/* (anchors) of a deal: so many of the k are wanted; NULL: all */
	struct cn_pick *picks;		/* of the first anchor; rows are config.k apart */
	uint32_t rule;
	enum cn_way way;
	const char *purpose;		/* of the random numbers */
	uint32_t *dropped;		/* (anchors, CN_TOPK_REASONS), added to; or NULL */
};

/* How many ranks a search for k goes down, this way. */
size_t cn_candidates_depth(const struct cn_selector_config *config, enum cn_way way, size_t k);

/* From the most similar rows of the span, or (far) from the least similar ones. */
int cn_candidates_search(const struct cn_job *job, bool far, struct cn_err *err);

/*
 * From rows in random order.  sample: 0 = the first k allowed are the negatives; else the first so many
 * allowed are candidates, to be scored and chosen from.
 */
int cn_candidates_deal(const struct cn_job *job, size_t sample, struct cn_err *err);

/* By the urn's probabilities, none twice; gives up on an anchor after 100 k + 1000 draws. */
int cn_candidates_urn(const struct cn_job *job, struct cn_err *err);

/* From the rows that are config.near..far steps away in the graph of nearest rows; steps begin at the bank's row of the anchor's
 * id, or, where there is none, at its nearest row, which is one step away then. */
int cn_candidates_walk(const struct cn_job *job, struct cn_err *err);

/* From what the cache keeps of the anchor's id, after fresh rows have had their chance to get in. */
int cn_candidates_cache(const struct cn_job *job, struct cn_err *err);

/* The score of an anchor with a row of the bank (not of the span); 0 without vectors. */
float cn_candidates_score(const struct cn_job *job, size_t anchor, uint32_t row);

#endif
