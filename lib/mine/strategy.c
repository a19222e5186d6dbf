/* The three strategies, and what is done where too few rows are left. */
#include "base/mem.h"
#include "base/rng.h"
#include "mine/strategy.h"
#include "tensor/kernel.h"
#include "tensor/topk.h"

#include "base/banned.h"

#define PART 64		/* anchors drawn for in one go */

struct draw {
	const struct cn_strategy_config *config;
	const struct cn_bank *bank;
	struct cn_filter filter;
	struct cn_rng_key key;
	enum cn_rule rule;
	struct cn_pick *picks;
	uint32_t *dropped;	/* (anchors, CN_TOPK_REASONS), or NULL */
	uint32_t **deck;	/* per worker: the bank's rows in order, and how they were swapped */
};

static float
score_of(const struct draw *d, size_t anchor, uint32_t row)
{
	const struct cn_bank *bank = d->bank;

	if (!bank->unit || !d->filter.anchors->unit)
		return 0;
	return cn_kernel_dot(d->filter.anchors->unit + anchor * bank->dim, bank->unit + (size_t)row * bank->dim, bank->dim);
}

static int
is_picked(const struct cn_pick *pick, size_t n, uint32_t row)
{
	for (size_t i = 0; i < n; i++)
		if (pick[i].row == row)
			return 1;
	return 0;
}

/* Completes the anchor's picks by dealing from a deck of all rows (Fisher and Yates), then puts the deck back in order. */
static void
draw_for(const struct draw *d, size_t anchor, uint32_t *deck)
{
	const uint32_t n = (uint32_t)d->bank->rows;
	const struct cn_anchors *a = d->filter.anchors;
	struct cn_pick *pick = d->picks + anchor * d->config->k;
	uint32_t *swapped = deck + n, dealt = 0;
	struct cn_filter filter = d->filter;
	struct cn_rng rng;
	size_t found = 0;

	while (found < d->config->k && pick[found].row != CN_BANK_NONE)
		found++;
	cn_rng_start(&rng, &d->key, a->id[anchor], a->epoch ? a->epoch[anchor] : 0);
	for (const size_t before = found; found < d->config->k && dealt < n; dealt++) {
		const uint32_t at = dealt + cn_rng_below(&rng, n - dealt), row = deck[at];
		unsigned reason;

		deck[at] = deck[dealt];
		deck[dealt] = row;
		swapped[dealt] = at;
		reason = cn_filter_judge(&filter, anchor, row);
		if (reason && d->dropped)
			d->dropped[anchor * CN_TOPK_REASONS + reason]++;
		if (!reason && !is_picked(pick, before, row))
			pick[found++] = (struct cn_pick){ row, UINT32_MAX, score_of(d, anchor, row), d->rule };
	}
	while (dealt-- > 0) {
		const uint32_t row = deck[dealt];

		deck[dealt] = deck[swapped[dealt]];
		deck[swapped[dealt]] = row;
	}
}

static void
draw_part(void *context, size_t part, size_t worker)
{
	const struct draw *d = context;
	const size_t rows = d->filter.anchors->rows, end = (part + 1) * PART < rows ? (part + 1) * PART : rows;

	for (size_t anchor = part * PART; anchor < end; anchor++)
		draw_for(d, anchor, d->deck[worker]);
}

/* Fills every pick that is none yet with draws that only the filter restricts. */
static int
draw_all(const struct cn_strategy_config *config, const struct cn_bank *bank, const struct cn_anchors *anchors,
	enum cn_rule rule, struct cn_pick *picks, uint32_t *dropped, struct cn_pool *pool, struct cn_err *err)
{
	struct draw d = { config, bank, { bank, anchors }, { { 0 } }, rule, picks, dropped, NULL };
	const size_t threads = cn_pool_threads(pool);

	cn_rng_key_init(&d.key, config->seed, rule == CN_RULE_RANDOM ? "mine-random" : "mine-resample");
	d.deck = cn_mem_array(threads, sizeof *d.deck, err);
	for (size_t t = 0; t < threads && !err->code; t++) {
		d.deck[t] = cn_mem_array(bank->rows, 2 * sizeof *d.deck[t], err);
		for (size_t i = 0; i < bank->rows && d.deck[t]; i++)
			d.deck[t][i] = (uint32_t)i;
	}
	if (!err->code)
		cn_pool_run(pool, (anchors->rows + PART - 1) / PART, draw_part, &d);
	for (size_t t = 0; t < threads && d.deck; t++)
		cn_mem_free(d.deck[t]);
	cn_mem_free(d.deck);
	return err->code ? -1 : 0;
}

static int
search_all(const struct cn_strategy_config *config, const struct cn_bank *bank, const struct cn_anchors *anchors,
	struct cn_pick *picks, uint32_t *dropped, struct cn_pool *pool, struct cn_err *err)
{
	struct cn_filter filter = { bank, anchors };
	const enum cn_rule rule = config->strategy == CN_STRATEGY_HARD ? CN_RULE_HARD : CN_RULE_SEMIHARD;
	struct cn_topk_hit *hits = cn_mem_array(anchors->rows * config->k, sizeof *hits, err);
	float *ceiling = cn_mem_array(anchors->rows, sizeof *ceiling, err);
	const struct cn_topk_rule rules = { cn_filter_judge, &filter, ceiling, dropped };

	for (size_t i = 0; i < anchors->rows && ceiling; i++)
		ceiling[i] = cn_guard_ceiling(&config->guard, anchors->pos_score ? anchors->pos_score[i] : 0);
	cn_topk_select(bank->unit, bank->rows, anchors->unit, anchors->rows, bank->dim, config->k, &rules, hits, pool, err);
	for (size_t i = 0; i < anchors->rows * config->k && !err->code; i++)
		picks[i] = (struct cn_pick){ hits[i].row, hits[i].rank, hits[i].score,
			hits[i].row == CN_BANK_NONE ? CN_RULE_NONE : rule };
	cn_mem_free(hits);
	cn_mem_free(ceiling);
	return err->code ? -1 : 0;
}

static size_t
count_found(const struct cn_pick *pick, size_t k)
{
	size_t found = 0;

	while (found < k && pick[found].row != CN_BANK_NONE)
		found++;
	return found;
}

static void
repeat(struct cn_pick *pick, size_t found, size_t k)
{
	for (size_t i = found; i < k && found; i++) {
		pick[i] = pick[i - found];
		pick[i].rule = CN_RULE_REPEATED;
	}
}

/* Applies the policy to the anchors that have fewer than k. */
static int
complete(const struct cn_strategy_config *config, const struct cn_bank *bank, const struct cn_anchors *anchors,
	struct cn_pick *picks, struct cn_mine_counts *counts, struct cn_pool *pool, struct cn_err *err)
{
	const uint64_t before = counts->short_rows;

	for (size_t i = 0; i < anchors->rows; i++) {
		const size_t found = count_found(picks + i * config->k, config->k);

		if (found == config->k)
			continue;
		counts->short_rows++;
		if (config->policy == CN_SHORT_ERROR)
			return cn_err_set(err, CN_FAILED, "%s: row %llu (id %llu): only %zu of %zu negatives are allowed; "
				"lower --k, loosen the guards, or choose another --short", anchors->file,
				(unsigned long long)(anchors->first_row + i), (unsigned long long)anchors->id[i], found, config->k);
		if (config->policy == CN_SHORT_KEEP)
			repeat(picks + i * config->k, found, config->k);
	}
	if (config->policy == CN_SHORT_RESAMPLE && config->strategy != CN_STRATEGY_RANDOM && counts->short_rows > before)
		return draw_all(config, bank, anchors, CN_RULE_RESAMPLED, picks, NULL, pool, err);
	return 0;
}

int
cn_strategy_pick(const struct cn_strategy_config *config, const struct cn_bank *bank, const struct cn_anchors *anchors,
	struct cn_pick *picks, struct cn_mine_counts *counts, struct cn_pool *pool, struct cn_err *err)
{
	uint32_t *dropped = cn_mem_array(anchors->rows, CN_TOPK_REASONS * sizeof *dropped, err);

	for (size_t i = 0; i < anchors->rows * config->k; i++)
		picks[i] = (struct cn_pick){ CN_BANK_NONE, UINT32_MAX, 0, CN_RULE_NONE };
	if (!err->code && config->strategy == CN_STRATEGY_RANDOM)
		draw_all(config, bank, anchors, CN_RULE_RANDOM, picks, dropped, pool, err);
	else if (!err->code)
		search_all(config, bank, anchors, picks, dropped, pool, err);
	if (!err->code)
		complete(config, bank, anchors, picks, counts, pool, err);
	for (size_t i = 0; i < anchors->rows * CN_TOPK_REASONS && dropped; i++)
		if (i % CN_TOPK_REASONS < CN_MINE_REASONS)
			counts->dropped[i % CN_TOPK_REASONS] += dropped[i];
	for (size_t i = 0; i < anchors->rows * config->k; i++)
		counts->picked += picks[i].row != CN_BANK_NONE;
	counts->anchors += anchors->rows;
	cn_mem_free(dropped);
	return err->code ? -1 : 0;
}
