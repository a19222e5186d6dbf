/* mine: filters, guards at their boundaries, the strategies against their definitions, and short rows. */
#include <math.h>
#include <stdint.h>

#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "mine/selector.h"
#include "tensor/blas.h"
#include "tensor/kernel.h"
#include "tap.h"

#include "base/banned.h"

enum { ROWS = 400, DIM = 24, ANCHORS = 150, K = 12 };

static float unit[ROWS * DIM];
static uint64_t ids[ROWS], content[ROWS];
static int32_t label[ROWS];
static uint32_t by_id[ROWS];
static float pos_score[ANCHORS];
static struct cn_pick picks[ANCHORS * ROWS], again[ANCHORS * ROWS];

/* A bank whose rows 0..ANCHORS-1 are the anchors; every 7th row repeats the content of the row before. */
static struct cn_bank
make_bank(void)
{
	struct cn_rng_key key;
	struct cn_rng rng;

	cn_rng_key_init(&key, 3, "test-mine");
	cn_rng_start(&rng, &key, 0, 0);
	for (size_t i = 0; i < ROWS * DIM; i++)
		unit[i] = cn_rng_normal(&rng);
	for (size_t i = 0; i < ROWS; i++) {
		ids[i] = 1000 + 3 * i;
		by_id[i] = (uint32_t)i;
		label[i] = (int32_t)(i % 10) - 1;
		content[i] = i % 7 == 6 ? i - 1 : i;
		if (i % 7 == 6)
			memcpy(unit + i * DIM, unit + (i - 1) * DIM, DIM * sizeof *unit);
	}
	cn_kernel_normalize(unit, ROWS, DIM);
	for (size_t i = 0; i < ANCHORS; i++)
		pos_score[i] = cn_rng_range(&rng, -0.1f, 0.6f);
	return (struct cn_bank){ .rows = ROWS, .dim = DIM, .id = ids, .content = content, .label = label, .unit = unit, .by_id = by_id };
}

static struct cn_anchors
make_anchors(void)
{
	return (struct cn_anchors){ .file = "test", .rows = ANCHORS, .dim = DIM, .id = ids, .content = content, .home_content = content,
		.label = label, .unit = unit, .pos_score = pos_score };
}

static void
guards(void)
{
	struct cn_guard none = CN_GUARD_NONE, cap = none, share = none, below = none, margin = none, allowed = none;

	cap.max_score = 0.5;
	share.max_share = 0.95;
	below.below = margin.below = true;
	margin.margin = allowed.margin = 0.25;

	TAP_OK(cn_guard_ceiling(&none, 0.3f) > 1e30f, "no guard, no ceiling");
	TAP_OK(cn_guard_ceiling(&cap, 0.3f) == 0.5f, "an absolute ceiling");
	TAP_OK(cn_guard_ceiling(&share, 0.8f) >= 0.76f && cn_guard_ceiling(&share, 0.8f) < 0.7601f,
		"95 %% of 0.80 lets 0.76 pass, and not more");
	TAP_OK(cn_guard_ceiling(&share, -0.5f) < -0.49f && cn_guard_ceiling(&share, -0.5f) >= -0.8f,
		"with a negative positive only what is lower passes (-0.80, not -0.49)");
	TAP_OK(cn_guard_ceiling(&below, 0.5f) < 0.5f && cn_guard_ceiling(&below, 0.5f) > 0.4999999f, "semihard stays strictly below");
	TAP_OK(cn_guard_ceiling(&margin, 0.5f) < 0.25f, "and below the margin");
	TAP_OK(cn_guard_ceiling(&allowed, 0.5f) == 0.25f, "a margin alone lets its bound pass");
	TAP_OK(cn_guard_ceiling(&allowed, NAN) > 1e30f, "a positive that is not there limits nothing");
	TAP_OK(cn_guard_floor(&none) < -1e30f, "no guard, no floor");
}

static void
identity(const struct cn_bank *bank)
{
	const struct cn_anchors anchors = make_anchors();
	struct cn_filter filter = { .bank = bank, .anchors = &anchors, .near = (float)CN_GUARD_OFF };
	const uint64_t pos[ANCHORS] = { [0] = 17 };
	struct cn_anchors with_pos = anchors;

	TAP_OK(cn_bank_find(bank, 1000 + 3 * 77) == 77 && cn_bank_find(bank, 1001) == CN_BANK_NONE &&
		cn_bank_find(bank, 0) == CN_BANK_NONE && cn_bank_find(bank, UINT64_MAX) == CN_BANK_NONE, "rows are found by id");
	TAP_OK(cn_bank_hash("abc", 3) == cn_bank_hash("abcd", 3) && cn_bank_hash("abc", 3) != cn_bank_hash("abd", 3),
		"equal bytes have equal hashes");
	TAP_OK(cn_filter_judge(&filter, 5, 5) == CN_MINE_SELF, "never the row itself");
	TAP_OK(cn_filter_judge(&filter, 5, 6) == CN_MINE_CONTENT && cn_filter_judge(&filter, 6, 5) == CN_MINE_CONTENT,
		"never its content under another id");
	TAP_OK(cn_filter_judge(&filter, 5, 15) == CN_MINE_LABEL, "never its label");
	TAP_OK(cn_filter_judge(&filter, 0, 10) == CN_MINE_ALLOWED, "an unknown label drops nothing");
	with_pos.pos_content = pos;
	filter.anchors = &with_pos;
	TAP_OK(cn_filter_judge(&filter, 0, 17) == CN_MINE_CONTENT, "never the content of its positive");
}

/* The definition of hard and semihard, row by row. */
static int
is_right(const struct cn_bank *bank, const struct cn_selector_config *config, size_t anchor, const struct cn_pick *pick)
{
	const struct cn_anchors anchors = make_anchors();
	struct cn_filter filter = { .bank = bank, .anchors = &anchors, .near = (float)CN_GUARD_OFF };
	const float ceiling = cn_guard_ceiling(&config->guard, pos_score[anchor]);

	for (size_t i = 0; i < config->k && pick[i].row != CN_BANK_NONE; i++) {
		size_t better = 0, allowed = 0;

		for (uint32_t row = 0; row < ROWS; row++) {
			const float score = cn_kernel_dot(unit + anchor * DIM, unit + (size_t)row * DIM, DIM);

			if (score > pick[i].score || (score == pick[i].score && row < pick[i].row)) {
				better++;
				allowed += score <= ceiling && cn_filter_judge(&filter, anchor, row) == CN_MINE_ALLOWED;
			}
		}
		if (cn_filter_judge(&filter, anchor, pick[i].row) || pick[i].score > ceiling || pick[i].rank != better || allowed != i)
			return 0;
	}
	return 1;
}

/* A selector of k by one strategy. */
static struct cn_selector
make_selector(const struct cn_bank *bank, enum cn_strategy strategy, size_t k, struct cn_pool *pool)
{
	static struct cn_segments segments;
	struct cn_selector s = { .config = { .mixture = cn_mixture_of(strategy), .k = k, .guard = CN_GUARD_NONE,
		.ways = { 0.1, 10, 0, 0.5, 1.4, 4, 0.5 }, .spans = 1, .span = { { 0, (uint32_t)bank->rows, 1 } } },
		.filter = { .bank = bank, .near = (float)CN_GUARD_OFF }, .segments = &segments, .pool = pool };

	segments = (struct cn_segments){ .bank = bank };
	return s;
}

static void
searches(const struct cn_bank *bank, struct cn_pool *pool)
{
	const struct cn_anchors anchors = make_anchors();
	struct cn_selector s = make_selector(bank, CN_STRATEGY_HARD, K, NULL);
	struct cn_mine_counts counts = { 0 };
	struct cn_err err = { 0 };
	int right = 1, rule = 1;

	cn_selector_pick(&s, &anchors, picks, &counts, &err);
	for (size_t i = 0; i < ANCHORS; i++) {
		right &= is_right(bank, &s.config, i, picks + i * K);
		rule &= picks[i * K].rule == CN_RULE_FIRST + CN_STRATEGY_HARD;
	}
	TAP_OK(right && rule && !err.code, "hard: the most similar allowed rows, with their ranks");
	TAP_OK(counts.anchors == ANCHORS && counts.picked == ANCHORS * K && counts.short_rows == 0 &&
		counts.dropped[CN_MINE_SELF] == ANCHORS && counts.dropped[CN_MINE_CONTENT] == 42 &&
		counts.dropped[CN_MINE_LABEL] > 0 && counts.dropped[CN_MINE_ABOVE] == 0, "hard: what was passed over is counted");
	s.pool = pool;
	cn_selector_pick(&s, &anchors, again, &counts, &err);
	TAP_OK(memcmp(picks, again, ANCHORS * K * sizeof *picks) == 0, "hard: three threads, the same picks");
	s = make_selector(bank, CN_STRATEGY_SEMIHARD, K, pool);
	s.config.guard.margin = 0.05;
	counts = (struct cn_mine_counts){ 0 };
	cn_selector_pick(&s, &anchors, picks, &counts, &err);
	s.config.guard.below = true;	/* as the strategy asks for by itself */
	right = 1;
	for (size_t i = 0; i < ANCHORS; i++)
		right &= is_right(bank, &s.config, i, picks + i * K) && picks[i * K].score < pos_score[i] - 0.049f;
	TAP_OK(right && counts.dropped[CN_MINE_ABOVE] > ANCHORS, "semihard: the most similar allowed rows below the positive");
}

/* Distinct, allowed, and each row about equally often. */
static void
chance(const struct cn_bank *bank, struct cn_pool *pool)
{
	struct cn_anchors anchors = make_anchors();
	struct cn_selector s = make_selector(bank, CN_STRATEGY_RANDOM, K, NULL);
	static uint32_t epoch[ANCHORS], used[ROWS];
	struct cn_mine_counts counts = { 0 };
	struct cn_err err = { 0 };
	struct cn_filter filter = { .bank = bank, .anchors = &anchors, .near = (float)CN_GUARD_OFF };
	double chi2 = 0;
	int fine = 1;

	anchors.epoch = epoch;
	anchors.label = NULL;
	for (uint32_t e = 0; e < 100; e++) {
		for (size_t i = 0; i < ANCHORS; i++)
			epoch[i] = e;
		s.pool = e % 2 ? pool : NULL;
		cn_selector_pick(&s, &anchors, picks, &counts, &err);
		for (size_t i = 0; i < ANCHORS * K; i++) {
			fine &= cn_filter_judge(&filter, i / K, picks[i].row) == CN_MINE_ALLOWED;
			for (size_t j = i - i % K; j < i; j++)
				fine &= picks[j].row != picks[i].row;
			used[picks[i].row]++;
		}
	}
	TAP_OK(fine && !err.code, "random: allowed rows, none twice");
	for (size_t i = ANCHORS; i < ROWS; i++)
		if (i % 7 < 5)
			chi2 += pow(used[i] - 100.0 * ANCHORS * K / (ROWS - 1.3), 2) / (100.0 * ANCHORS * K / (ROWS - 1.3));
	TAP_OK(chi2 < 250, "random: every row equally often (chi2 %.0f, about 179 expected)", chi2);
	cn_selector_pick(&s, &anchors, picks, &counts, &err);
	anchors = cn_anchors_slice(&anchors, 20, ANCHORS - 20);
	cn_selector_pick(&s, &anchors, again, &counts, &err);
	TAP_OK(memcmp(picks + 20 * K, again, (ANCHORS - 20) * K * sizeof *picks) == 0, "random: a row's draws depend on it alone");
}

static void
short_rows(const struct cn_bank *whole)
{
	struct cn_bank bank = *whole;
	const struct cn_anchors anchors = make_anchors();
	struct cn_selector s;
	enum { k = 20 };
	struct cn_mine_counts counts = { 0 };
	struct cn_err err = { 0 };
	size_t none = 0, repeated = 0, resampled = 0, two = 0;

	bank.rows = 30;
	s = make_selector(&bank, CN_STRATEGY_SEMIHARD, k, NULL);
	s.config.guard.margin = 0.3;
	cn_selector_pick(&s, &anchors, picks, &counts, &err);
	for (size_t i = 0; i < ANCHORS * k; i++)
		none += picks[i].row == CN_BANK_NONE && picks[i].rule == CN_RULE_NONE;
	TAP_OK(none > 0 && counts.short_rows > 0 && none + counts.picked == ANCHORS * k, "pad: the rest is none");
	s.config.policy = CN_SHORT_KEEP;
	cn_selector_pick(&s, &anchors, again, &counts, &err);
	for (size_t i = 0; i < ANCHORS * k; i++)
		repeated += again[i].rule == CN_RULE_REPEATED && picks[i].row == CN_BANK_NONE && again[i].row != CN_BANK_NONE;
	TAP_OK(repeated > 0, "keep: the rest repeats what was found");
	s.config.policy = CN_SHORT_RESAMPLE;
	cn_selector_pick(&s, &anchors, again, &counts, &err);
	for (size_t i = 0; i < ANCHORS * k; i++) {
		resampled += again[i].rule == CN_RULE_RESAMPLED && picks[i].row == CN_BANK_NONE;
		for (size_t j = i - i % k; j < i; j++)
			two += again[j].row == again[i].row && again[i].row != CN_BANK_NONE;
	}
	TAP_OK(resampled > 0 && two == 0, "resample: the rest is drawn, none twice");
	s.config.policy = CN_SHORT_ERROR;
	cn_selector_pick(&s, &anchors, again, &counts, &err);
	TAP_OK(err.code == CN_FAILED && strstr(err.text, "test: row ") && strstr(err.text, "--short"), "error: the row is named");
	bank.rows = 0;
	s.config.span[0].rows = 0;
	err.code = CN_OK;
	s.config.policy = CN_SHORT_RESAMPLE;
	cn_selector_pick(&s, &anchors, again, &counts, &err);
	TAP_OK(!err.code && again[0].row == CN_BANK_NONE, "an empty bank gives none");
}

int
main(void)
{
	struct cn_err err = { 0 };
	struct cn_pool *pool = cn_pool_new(3, &err);
	const struct cn_bank bank = make_bank();

	cn_blas_begin();
	guards();
	identity(&bank);
	searches(&bank, pool);
	chance(&bank, pool);
	short_rows(&bank);
	cn_pool_free(pool);
	return tap_done();
}
