/* deck - a table of the places that do not hold their own number. */
#include <string.h>

#include "base/mem.h"
#include "mine/deck.h"

#include "base/banned.h"

enum { LEAST_ROOM = 64 };

void
cn_deck_start(struct cn_deck *deck, uint32_t n)
{
	deck->n = n;
	deck->dealt = 0;
	deck->used = 0;
	if (++deck->turn != 0)
		return;
	if (deck->room)		/* turns are used up: slots would seem to be of this one */
		memset(deck->slot, 0, deck->room * sizeof *deck->slot);
	deck->turn = 1;
}

/* The slot of a place, or the free one where it would be. */
static struct cn_deck_slot *
find(const struct cn_deck *deck, uint32_t place)
{
	size_t at = (size_t)(place * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (deck->room - 1);

	while (deck->slot[at].turn == deck->turn && deck->slot[at].place != place)
		at = (at + 1) & (deck->room - 1);
	return deck->slot + at;
}

static uint32_t
card_at(const struct cn_deck *deck, uint32_t place)
{
	const struct cn_deck_slot *slot = find(deck, place);

	return slot->turn == deck->turn ? slot->card : place;
}

static void
lay(struct cn_deck *deck, uint32_t place, uint32_t card)
{
	struct cn_deck_slot *slot = find(deck, place);

	deck->used += slot->turn != deck->turn;
	*slot = (struct cn_deck_slot){ deck->turn, place, card };
}

/* Twice the room. */
static int
grow(struct cn_deck *deck, struct cn_err *err)
{
	struct cn_deck wide = { .n = deck->n, .dealt = deck->dealt, .turn = deck->turn, .room = deck->room ? 2 * deck->room : LEAST_ROOM };

	wide.slot = cn_mem_array(wide.room, sizeof *wide.slot, err);
	if (!wide.slot)
		return -1;
	for (size_t i = 0; i < deck->room; i++)
		if (deck->slot[i].turn == deck->turn)
			lay(&wide, deck->slot[i].place, deck->slot[i].card);
	cn_mem_free(deck->slot);
	*deck = wide;
	return 0;
}

int
cn_deck_deal(struct cn_deck *deck, struct cn_rng *rng, uint32_t *card, struct cn_err *err)
{
	if (deck->dealt == deck->n)
		return 0;
	if (2 * (deck->used + 1) >= deck->room && grow(deck, err) < 0)
		return -1;

	const uint32_t top = deck->dealt++, place = top + cn_rng_below(rng, deck->n - top);

	*card = card_at(deck, place);
	if (place != top)	/* places above the top are not looked at again */
		lay(deck, place, card_at(deck, top));
	return 1;
}

void
cn_deck_release(struct cn_deck *deck)
{
	cn_mem_free(deck->slot);
	*deck = (struct cn_deck){ 0 };
}
