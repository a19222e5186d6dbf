/*
 * mixture - how many of a row's negatives each strategy chooses, and how that changes from row to row.
 *
 *	"hard"				all by one strategy
 *	"random:0.5 hard:0.5"		shares of k; they are weights and need not add up to 1
 *	"0 random; 5000 hard"		a schedule: from row 5000 of the stream on, the second mixture
 *
 * k is split by the method of the largest remainder; strategies that come first win ties.
 */
#ifndef CN_MINE_MIXTURE_H
#define CN_MINE_MIXTURE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Order is that of the option's choices, and of the table in selector.c. */
enum cn_strategy {
	CN_STRATEGY_RANDOM, CN_STRATEGY_FREQUENCY, CN_STRATEGY_HARD, CN_STRATEGY_SEMIHARD, CN_STRATEGY_EASY,
	CN_STRATEGY_SOFTMAX, CN_STRATEGY_SIMANS, CN_STRATEGY_DISTANCE, CN_STRATEGY_STRATA, CN_STRATEGY_DIVERSE,
	CN_STRATEGY_NEIGHBOURS, CN_STRATEGY_CACHED,
	CN_STRATEGIES,
};

#define CN_STRATEGY_WORDS(between) "random" between "frequency" between "hard" between "semihard" between "easy" between \
	"softmax" between "simans" between "distance" between "strata" between "diverse" between "neighbours" between "cached"
#define CN_STRATEGY_NAMES CN_STRATEGY_WORDS("|")

#define CN_MIXTURE_PARTS 8
#define CN_MIXTURE_PHASES 16

struct cn_mixture {
	size_t phases;
	struct cn_phase {
		uint64_t from;		/* first row of the stream it is for; that of the first phase is 0 */
		size_t parts;
		enum cn_strategy strategy[CN_MIXTURE_PARTS];
		double share[CN_MIXTURE_PARTS];
	} phase[CN_MIXTURE_PHASES];
};

/* All by one strategy, for good. */
struct cn_mixture cn_mixture_of(enum cn_strategy strategy);

/* Reads the words above; option is named in what is refused. */
int cn_mixture_read(struct cn_mixture *mixture, const char *option, const char *words, struct cn_err *err);

/* The phase of a row, and the first row after it (UINT64_MAX: the phase does not end). */
const struct cn_phase *cn_mixture_at(const struct cn_mixture *mixture, uint64_t row, uint64_t *end);

/* Whether some phase has this strategy. */
int cn_mixture_has(const struct cn_mixture *mixture, enum cn_strategy strategy);

/* k split by shares of n into count. */
void cn_mixture_split(const double *share, size_t n, size_t k, size_t *count);

#endif
