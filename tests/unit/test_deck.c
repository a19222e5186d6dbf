/* deck: card for card what Fisher and Yates deal from an array. */
#include "base/mem.h"
#include "mine/deck.h"
#include "tap.h"

#include "base/banned.h"

enum { MOST = 5000 };

static uint32_t card[MOST];

/* Whether wanted cards of n are those of the plain way, both by a key of their own. */
static int
as_plainly(struct cn_deck *deck, uint32_t n, uint32_t wanted, uint64_t id)
{
	struct cn_rng_key key;
	struct cn_rng one, other;
	struct cn_err err = { 0 };
	int same = 1;

	cn_rng_key_init(&key, 5, "test-deck");
	cn_rng_start(&one, &key, id, 0);
	other = one;
	for (uint32_t i = 0; i < n; i++)
		card[i] = i;
	cn_deck_start(deck, n);
	for (uint32_t dealt = 0; dealt < wanted; dealt++) {
		const uint32_t at = dealt + cn_rng_below(&one, n - dealt), want = card[at];
		uint32_t got = UINT32_MAX;

		card[at] = card[dealt];
		same &= cn_deck_deal(deck, &other, &got, &err) == 1 && got == want;
	}
	return same && !err.code;
}

int
main(void)
{
	struct cn_deck deck = { 0 };
	struct cn_rng_key key;
	struct cn_rng rng;
	struct cn_err err = { 0 };
	uint32_t none;
	int same = 1;

	for (uint64_t turn = 0; turn < 300; turn++)
		same &= as_plainly(&deck, 1000, 1 + (uint32_t)turn % 40, turn);
	TAP_OK(same, "some cards of 1000, turn after turn");
	TAP_OK(deck.room <= 128, "memory is of what is dealt, not of the deck");
	TAP_OK(as_plainly(&deck, MOST, MOST, 1), "all cards of %d", MOST);
	cn_rng_key_init(&key, 5, "test-deck");
	cn_rng_start(&rng, &key, 0, 0);
	TAP_OK(cn_deck_deal(&deck, &rng, &none, &err) == 0, "then there are no more");
	TAP_OK(as_plainly(&deck, 1, 1, 2) && as_plainly(&deck, 2, 2, 3), "one card, two cards");
	cn_deck_start(&deck, 0);
	TAP_OK(cn_deck_deal(&deck, &rng, &none, &err) == 0, "no cards");
	deck.turn = UINT32_MAX - 1;
	TAP_OK(as_plainly(&deck, 100, 60, 4) && as_plainly(&deck, 100, 60, 5) && as_plainly(&deck, 100, 60, 6), "turns are counted anew");
	cn_deck_release(&deck);
	return tap_done();
}
