/*
 * made - negatives made for the rows of a round, and the rule that tells how each came about.
 *
 * None lies above its row's ceiling: a method draws anew, CN_MADE_ATTEMPTS times in all, and turns the last away.
 */
#ifndef CN_GEN_MADE_H
#define CN_GEN_MADE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gen/round.h"

enum { CN_MADE_ATTEMPTS = 5 };

/* The numbers of neg_rule; their names, in this order, are CN_MADE_RULES. */
enum cn_made_rule {
	CN_MADE_NONE,
	CN_MADE_NOISE,		/* random direction */
	CN_MADE_MIXED,		/* of two hard ones */
	CN_MADE_QUERY,		/* of a hard one and the anchor */
	CN_MADE_GENERATED,	/* by a generator, at the first draw */
	CN_MADE_AGAIN,		/* at a later draw, earlier ones were above the ceiling */
	CN_MADE_PUSHED,		/* all draws were above the ceiling, the last was turned away */
	CN_MADE_KINDS,
};

#define CN_MADE_RULES "none noise mixed query generated again pushed"

struct cn_made {
	size_t k, dim;
	float *vector;		/* (rows, k, dim), of unit length */
	uint8_t *rule;		/* (rows, k) */
};

/* Negative j of a row. */
float *cn_made_vector(const struct cn_made *made, size_t row, size_t j);

/* Whether a vector is too near to the row's anchor to be a negative. */
bool cn_made_above(const struct cn_round *round, size_t row, const float *vector);

/* Turns negative j of a row away from the anchor, to the ceiling, and says so. */
void cn_made_push(const struct cn_made *made, const struct cn_round *round, size_t row, size_t j);

#endif
