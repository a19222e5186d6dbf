/*
 * deck - the numbers 0..n-1 dealt in random order, none twice, at a cost that depends on how many are dealt, not on n.
 *
 * Cards lie where Fisher and Yates would have swapped them; only places whose card is not their own number are kept.
 *
 *	cn_deck_start(&deck, n);
 *	while (wanted && cn_deck_deal(&deck, &rng, &card, err) > 0)
 */
#ifndef CN_MINE_DECK_H
#define CN_MINE_DECK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rng.h"

/* "= { 0 }" is a deck without cards. */
struct cn_deck {
	uint32_t n, dealt;
	uint32_t turn;			/* number of the dealing; older slots are free */
	size_t used, room;		/* room: a power of two, more than twice what is used */
	struct cn_deck_slot {
		uint32_t turn, place, card;
	} *slot;
};

/* A whole deck of n cards; memory is kept. */
void cn_deck_start(struct cn_deck *deck, uint32_t n);

/* The next card: 1, 0 when all are dealt, -1 err. */
int cn_deck_deal(struct cn_deck *deck, struct cn_rng *rng, uint32_t *card, struct cn_err *err);

void cn_deck_release(struct cn_deck *deck);

#endif
