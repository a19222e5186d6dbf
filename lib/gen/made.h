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

#include "base/err.h"
#include "base/rng.h"
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
	CN_MADE_LEARNED,	/* of a bank of negatives that learn */
	CN_MADE_MOVED,		/* a true one, moved towards the anchor */
	CN_MADE_SELECTED,	/* a true one, as a generator chose it */
	CN_MADE_TRUE,		/* by value: a true one of the round, as it was */
	CN_MADE_STEPPED,	/* by value: a true one moved by the encoder's gradient, or by chance to begin with */
	CN_MADE_STOPPED,	/* by value: so, until the ceiling was in the way */
	CN_MADE_KINDS,
};

#define CN_MADE_RULES "none noise mixed query generated again pushed learned moved selected true stepped stopped"

struct cn_made {
	size_t k, dim;
	float *vector;		/* (rows, k, dim), of unit length */
	uint8_t *rule;		/* (rows, k) */
	float *logq;		/* (rows, k) ln of the probability of a single draw, 0 where chance did not decide */
	size_t bytes;		/* of a sample */
	unsigned char *sample;	/* (rows, k) samples whose vectors these are, as in a stream; NULL: there are only vectors */
	struct cn_err *err;	/* what went wrong with making them */
};

/* Negative j of a row. */
float *cn_made_vector(const struct cn_made *made, size_t row, size_t j);

/* The sample of negative j of a row. */
unsigned char *cn_made_sample(const struct cn_made *made, size_t row, size_t j);

/* Copies a vector of unit length there; how it came about. */
void cn_made_put(const struct cn_made *made, size_t row, size_t j, const float *vector, enum cn_made_rule rule);

/* For a row without any: a random direction at the similarity of the target, or of the ceiling if that is less. */
void cn_made_noise(const struct cn_made *made, const struct cn_round *round, size_t row, size_t j, float target, struct cn_rng *rng);

/* Whether a vector is too near to the row's anchor to be a negative. */
bool cn_made_above(const struct cn_round *round, size_t row, const float *vector);

/*
 * Makes the n pending negatives, of numbers row k + j, by drawing: draw puts n vectors of unit length into out, (n, dim).  Those
 * above their ceiling are pending again, up to CN_MADE_ATTEMPTS times, then turned away.  pending is used up; room is (n, dim).
 */
void cn_made_draw(const struct cn_made *made, const struct cn_round *round, uint32_t *pending, size_t n, float *room,
	void (*draw)(void *self, const struct cn_round *round, const uint32_t *pending, size_t n, unsigned attempt, float *out), void *self);

/* Turns negative j of a row away from the anchor, to the ceiling, and says so. */
void cn_made_push(const struct cn_made *made, const struct cn_round *round, size_t row, size_t j);

#endif
