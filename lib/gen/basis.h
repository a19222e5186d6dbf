/*
 * basis - true samples of a round that are hard for an anchor: what negatives by value begin from, or are.
 */
#ifndef CN_GEN_BASIS_H
#define CN_GEN_BASIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "gen/made.h"
#include "gen/method.h"
#include "gen/round.h"

/* How they are chosen. */
struct cn_basis {
	struct cn_rng_key key, shuffle_key;
	struct cn_encoder *encoder;	/* not owned */
	size_t size;			/* bytes of a number */
};

struct cn_basis_sample {
	const unsigned char *sample;	/* as in a stream */
	const float *vector;		/* its vector; NULL: the row has no hard one, this is the anchor */
	bool again;			/* an earlier negative of the row is the same */
};

void cn_basis_init(struct cn_basis *basis, const struct cn_method_config *config);

/* For each of the k negatives of a row, some of its hard ones at random, each once before any comes again. */
void cn_basis_choose(const struct cn_basis *basis, const struct cn_round *round, size_t row, size_t k, struct cn_basis_sample *chosen);

/*
 * Negative j of the row becomes what was chosen for it; where that is the anchor, its numbers in a random order, which are drawn
 * anew, CN_MADE_ATTEMPTS times in all, while they are above the ceiling, and then left so.
 */
void cn_basis_take(const struct cn_basis *basis, const struct cn_basis_sample *chosen, const struct cn_round *round, size_t row,
	size_t j, const struct cn_made *made);

#endif
