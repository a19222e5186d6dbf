/*
 * choose - from a list of candidates, best first, to the k that are taken.
 *
 * Ways by chance draw without replacement with probability proportional to a weight: the k greatest of
 * ln w + Gumbel noise (Kool et al., arXiv 1903.06059), keyed by (seed, id, epoch).
 *
 *	top        the first k
 *	random     w = 1
 *	softmax    w = e^(s / temperature)
 *	simans     w = e^(-a (s - s+ - b)^2), around the positive's score (Zhou et al., SimANS, arXiv 2210.11773)
 *	distance   w = 1 / q(d), q the density of distances on the unit sphere (Wu et al., arXiv 1706.07567)
 *	strata     uniformly, from each of S parts of equal length in turn
 *	mmr        greedily the greatest (1 - x) s - x max cos to those taken (maximal marginal relevance)
 *	apart      in order, but none nearer than cosine distance x to one taken
 *	dpp        greedily the greatest determinant of diag(q) C diag(q), q = e^(s (1 - x) / 2x) (Chen et al., arXiv 1709.05135)
 */
#ifndef CN_MINE_CHOOSE_H
#define CN_MINE_CHOOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rng.h"

/* Order is that of the option's choices; auto is what the strategy asks for. */
enum cn_way {
	CN_WAY_AUTO, CN_WAY_TOP, CN_WAY_RANDOM, CN_WAY_SOFTMAX, CN_WAY_SIMANS, CN_WAY_DISTANCE, CN_WAY_STRATA,
	CN_WAY_MMR, CN_WAY_APART, CN_WAY_DPP,
};

/* Whether chance decides, so that a choice has a probability. */
bool cn_way_draws(enum cn_way way);

/* Whether candidates are compared with each other. */
bool cn_way_compares(enum cn_way way);

struct cn_way_config {
	double temperature;		/* softmax */
	double simans_a, simans_b;
	double nearest, farthest;	/* distance: d is taken as no less than nearest; from farthest on the weight is 0 */
	size_t strata;
	double diversity;		/* x of mmr, apart and dpp */
};

struct cn_candidate {
	uint32_t row, rank;
	float score;		/* cosine with the anchor */
	float logq;		/* set by cn_choose: ln of the probability that a single draw takes it; 0 if chance does not decide */
};

/*
 * ln of the weight of each of n candidates, -INFINITY for none.  dim: that of the vectors.
 * Only for ways by chance other than strata.
 */
void cn_choose_weigh(enum cn_way way, const struct cn_way_config *config, const struct cn_candidate *list, size_t n,
	float pos_score, size_t dim, double *weight);

/* What one thread works with; "= { 0 }" is empty. */
struct cn_choose_room {
	double *real;
	size_t reals;
	uint32_t *whole;
	size_t wholes;
};

void cn_choose_release(struct cn_choose_room *room);

/*
 * Puts min(k, candidates that can be taken) of the n candidates in front of list, in the order they were
 * taken, with their logq, and returns how many.  unit (rows of the bank, dim): for ways that compare, else NULL.
 */
size_t cn_choose(enum cn_way way, const struct cn_way_config *config, struct cn_candidate *list, size_t n, size_t k,
	float pos_score, const float *unit, size_t dim, struct cn_rng *rng, struct cn_choose_room *room, struct cn_err *err);

#endif
