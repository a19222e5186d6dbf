/* topk: against sorting everything, in the places where a product in another order would choose otherwise. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "tensor/blas.h"
#include "tensor/kernel.h"
#include "tensor/quantise.h"
#include "tensor/topk.h"
#include "tap.h"

#include "base/banned.h"

enum { MOST = 3000, WIDTH = 96, QUERIES = 150 };

static float bank[MOST * WIDTH], query[40 * 1000];	/* more than QUERIES * WIDTH: see extremes */
static struct cn_topk_hit slow[QUERIES * MOST], fast[QUERIES * MOST];
static uint32_t slow_drop[QUERIES * CN_TOPK_REASONS], fast_drop[QUERIES * CN_TOPK_REASONS];
static struct cn_rng rng;

struct scored {
	float score;
	uint32_t row;
};

static int
by_score(const void *a, const void *b)
{
	const struct scored *x = a, *y = b;

	if (x->score != y->score)
		return x->score < y->score ? 1 : -1;
	return x->row < y->row ? -1 : x->row > y->row;
}

static float
score_of(enum cn_topk_metric metric, const float *q, const float *b, size_t d)
{
	const float score = metric == CN_TOPK_DOT ? cn_kernel_dot(q, b, d) : 0.0f - cn_kernel_distance2(q, b, d);

	return isnan(score) ? -INFINITY : score;
}

/* The definition: score every row, sort, walk down. */
static void
naive(size_t n, const struct cn_topk_config *c)
{
	const struct cn_topk_rule *rule = &c->rule;
	const size_t m = c->m, d = c->d, k = c->k;
	static struct scored all[MOST];

	memset(slow_drop, 0, sizeof slow_drop);
	for (size_t q = 0; q < m; q++) {
		size_t found = 0;

		for (size_t i = 0; i < n; i++)
			all[i] = (struct scored){ score_of(c->metric, query + q * d, bank + i * d, d), (uint32_t)i };
		qsort(all, n, sizeof *all, by_score);
		for (size_t i = 0; i < n && found < k; i++) {
			unsigned reason = rule->judge ? rule->judge(rule->context, q, all[i].row) : 0;

			if (rule->floor && all[i].score < rule->floor[q])
				reason = CN_TOPK_BELOW;
			if (rule->ceiling && all[i].score > rule->ceiling[q])
				reason = CN_TOPK_ABOVE;
			if (reason)
				slow_drop[q * CN_TOPK_REASONS + reason]++;
			else
				slow[q * k + found++] = (struct cn_topk_hit){ all[i].score, all[i].row, (uint32_t)i };
		}
		while (found < k)
			slow[q * k + found++] = (struct cn_topk_hit){ 0, UINT32_MAX, UINT32_MAX };
	}
}

/* Feeds the bank in segments, the later half first, each of at most the given number of rows. */
static void
search(size_t n, const struct cn_topk_config *config, size_t segment, struct cn_topk_hit *hits, struct cn_err *err)
{
	struct cn_topk *t = cn_topk_new(config, err);
	const size_t middle = segment < n ? n / 2 : 0;

	for (size_t from = middle, rows; from < n && t; from += rows) {
		rows = n - from < segment ? n - from : 1 + cn_rng_below(&rng, (uint32_t)segment);
		cn_topk_feed(t, from, bank + from * config->d, rows, err);
	}
	if (middle)
		cn_topk_feed(t, 0, bank, middle, err);
	cn_topk_finish(t, hits, err);
	cn_topk_free(t);
}

static bool
is_right(const struct cn_topk_config *c, const struct cn_err *err)
{
	return !err->code && memcmp(fast, slow, c->m * c->k * sizeof *fast) == 0 &&
		memcmp(fast_drop, slow_drop, c->m * CN_TOPK_REASONS * sizeof *fast_drop) == 0;
}

/* Every first pass finds the rows, scores and ranks of the definition, and counts what was dropped as it does. */
static void
agree_by(enum cn_topk_metric metric, const char *what, size_t n, size_t m, size_t d, size_t k, struct cn_topk_rule rule)
{
	static const char *const names[] = { "fastest", "blas", "plain", "avx2", "avxvnni", "avx512vnni" };
	const char *by = metric == CN_TOPK_DOT ? "inner product" : "distance";
	struct cn_err err = { 0 };
	struct cn_pool *pool = cn_pool_new(3, &err);
	struct cn_topk_config config = { query, m, d, k, metric, rule, NULL, 0 };

	config.rule.dropped = fast_drop;
	naive(n, &config);
	for (int pass = 0; pass < CN_TOPK_CODED + CN_QUANTISE_ISAS; pass++) {
		if (pass >= CN_TOPK_CODED && !cn_quantise_has((enum cn_quantise_isa)(pass - CN_TOPK_CODED)))
			continue;
		config.pass = pass;
		search(n, &config, n + 1, fast, &err);
		TAP_OK(is_right(&config, &err), "%s by %s, %s", what, by, names[pass]);
	}
	config.pass = 0;
	config.pool = pool;
	search(n, &config, n + 1, fast, &err);
	TAP_OK(is_right(&config, &err), "%s by %s: three threads", what, by);
	config.pass = CN_TOPK_CODED;
	search(n, &config, 1 + n / 3, fast, &err);
	TAP_OK(is_right(&config, &err), "%s by %s: in segments", what, by);
	cn_pool_free(pool);
}

static void
agree(const char *what, size_t n, size_t m, size_t d, size_t k, struct cn_topk_rule rule)
{
	agree_by(CN_TOPK_DOT, what, n, m, d, k, rule);
	agree_by(CN_TOPK_L2, what, n, m, d, k, rule);
}

static void
draw(float *x, size_t count)
{
	for (size_t i = 0; i < count; i++)
		x[i] = cn_rng_normal(&rng);
}

/* Rows that differ from one another in the last bits only: BLAS cannot order them. */
static void
draw_near_duplicates(size_t n, size_t d)
{
	draw(bank, d);
	for (size_t i = 1; i < n; i++)
		for (size_t j = 0; j < d; j++)
			bank[i * d + j] = bank[j] * (1 + (float)cn_rng_below(&rng, 5) * 0x1p-24f);
}

static unsigned
judge_thirds(void *context, size_t q, uint32_t row)
{
	(void)context;
	return (row + q) % 3 ? 0 : 3 + (unsigned)(q % 2);
}

static unsigned
judge_few(void *context, size_t q, uint32_t row)
{
	(void)context;
	return row % 500 == q % 500 ? 0 : CN_TOPK_REASONS - 1;
}

static int
allow_even(void *context, size_t q, uint32_t row)
{
	(void)context, (void)q;
	return row % 2 == 0;
}

static void
plain_cases(void)
{
	const struct cn_topk_rule all = { 0 }, thirds = { judge_thirds }, few = { judge_few };

	draw(bank, MOST * WIDTH);
	draw(query, QUERIES * WIDTH);
	cn_kernel_normalize(bank, MOST, WIDTH);
	cn_kernel_normalize(query, QUERIES, WIDTH);
	agree("unit vectors", MOST, QUERIES, WIDTH, 10, all);
	agree("one query, one answer", MOST, 1, WIDTH, 1, all);
	agree("a third is not allowed", 2500, QUERIES, WIDTH, 33, thirds);
	agree("hardly any is allowed", MOST, 20, WIDTH, 16, few);
	agree("more wanted than there are", 50, 20, WIDTH, 70, thirds);
	agree("no bank", 0, 3, WIDTH, 4, all);
	agree("odd width", 1025, 40, 7, 5, all);
	for (size_t i = 0; i < MOST * WIDTH; i++)
		bank[i] *= (float)(1 + i / WIDTH % 1000) * 100;
	agree("rows of very different lengths", MOST, 30, WIDTH, 12, all);
}

static void
awkward_cases(void)
{
	const struct cn_topk_rule all = { 0 }, thirds = { judge_thirds };

	draw(query, QUERIES * WIDTH);
	draw_near_duplicates(MOST, WIDTH);
	agree("near duplicates", MOST, 30, WIDTH, 20, all);
	agree("near duplicates, some not allowed", MOST, 30, WIDTH, 20, thirds);
	for (size_t i = 1; i < MOST; i++)
		memcpy(bank + i * WIDTH, bank, WIDTH * sizeof *bank);
	agree("equal rows: the smaller number first", MOST, 5, WIDTH, 20, all);
	memset(bank, 0, sizeof bank);
	agree("zeros", 1000, 5, WIDTH, 20, all);
	/* Ascending scores: every row is the best so far. */
	memset(query, 0, sizeof query);
	for (size_t i = 0; i < QUERIES; i++)
		query[i * WIDTH] = i % 2 ? 1 : -1;
	for (size_t i = 0; i < MOST; i++)
		bank[i * WIDTH] = (float)i;
	agree("ascending and descending", MOST, 10, WIDTH, 20, all);
}

static void
ceilings(void)
{
	static float ceiling[QUERIES];
	const struct cn_topk_rule rule = { .judge = judge_thirds, .ceiling = ceiling };

	draw(bank, MOST * WIDTH);
	draw(query, QUERIES * WIDTH);
	cn_kernel_normalize(bank, MOST, WIDTH);
	cn_kernel_normalize(query, QUERIES, WIDTH);
	for (size_t q = 0; q < QUERIES; q++)
		ceiling[q] = cn_rng_range(&rng, -0.5f, 0.3f);
	agree("ceilings", MOST, QUERIES, WIDTH, 16, rule);
	/* A ceiling that is exactly some row's score: that row still counts. */
	for (size_t q = 0; q < QUERIES; q++)
		ceiling[q] = cn_kernel_dot(query + q * WIDTH, bank + (q * 17 % MOST) * WIDTH, WIDTH);
	agree("ceilings that are scores", MOST, QUERIES, WIDTH, 5, rule);
	draw_near_duplicates(MOST, WIDTH);
	for (size_t q = 0; q < QUERIES; q++)
		ceiling[q] = cn_kernel_dot(query + q * WIDTH, bank + (q * 17 % MOST) * WIDTH, WIDTH);
	agree("ceilings among near duplicates", MOST, 40, WIDTH, 5, rule);
}

static void
floors(void)
{
	static float floor[QUERIES], ceiling[QUERIES];
	const struct cn_topk_rule only = { .judge = judge_thirds, .floor = floor }, both = { judge_thirds, NULL, ceiling, NULL, floor };

	draw(bank, MOST * WIDTH);
	draw(query, QUERIES * WIDTH);
	cn_kernel_normalize(bank, MOST, WIDTH);
	cn_kernel_normalize(query, QUERIES, WIDTH);
	for (int l2 = 0; l2 < 2; l2++) {
		for (size_t q = 0; q < QUERIES; q++) {
			const size_t lower = q * 17 % MOST, upper = q * 29 % MOST;

			floor[q] = score_of(l2, query + q * WIDTH, bank + lower * WIDTH, WIDTH);
			ceiling[q] = score_of(l2, query + q * WIDTH, bank + upper * WIDTH, WIDTH);
		}
		floor[3] = ceiling[4] = -INFINITY;
		floor[5] = ceiling[6] = INFINITY;
		agree_by(l2, "floors that are scores", MOST, QUERIES, WIDTH, 16, only);
		agree_by(l2, "floors and more wanted than there are", 500, 20, WIDTH, 300, only);
		agree_by(l2, "floors and ceilings, some crossed", MOST, QUERIES, WIDTH, 16, both);
	}
}

/* Vectors far from the origin: products and squares are large, distances small. */
static void
offsets(void)
{
	const struct cn_topk_rule all = { 0 };

	draw(bank, MOST * WIDTH);
	draw(query, QUERIES * WIDTH);
	for (size_t i = 0; i < MOST * WIDTH; i++)
		bank[i] += 1000;
	for (size_t i = 0; i < QUERIES * WIDTH; i++)
		query[i] += 1000;
	agree("far from the origin", MOST, 20, WIDTH, 8, all);
}

/* Bit patterns of every size, but finite; products may overflow and underflow. */
static void
draw_wild(float *x, size_t count)
{
	for (size_t i = 0; i < count; i++)
		x[i] = cn_rng_normal(&rng) * exp2f((float)cn_rng_below(&rng, 250) - 140);
}

static void
draw_scaled(float *x, size_t rows, size_t d, float least, float most)
{
	draw(x, rows * d);
	for (size_t i = 0; i < rows * d; i++)
		x[i] *= exp2f(cn_rng_range(&rng, least, most));
}

static void
extremes(void)
{
	static const size_t width[] = { 1, 3, 17, 128, 1000 };
	const struct cn_topk_rule all = { 0 }, thirds = { judge_thirds };
	char what[64];

	for (size_t i = 0; i < sizeof width / sizeof *width; i++) {
		const size_t d = width[i], n = d < WIDTH ? MOST : MOST * WIDTH / d, m = d < WIDTH ? 70 : 40;

		draw(bank, n * d);
		draw(query, m * d);
		snprintf(what, sizeof what, "%zu numbers", d);
		agree(what, n, m, d, 7, thirds);
		for (size_t row = 0; row < n; row++)	/* one number in a row dwarfs the others */
			bank[row * d + cn_rng_below(&rng, (uint32_t)d)] *= 1000;
		snprintf(what, sizeof what, "%zu numbers, outliers", d);
		agree(what, n, m, d, 7, all);
		draw_scaled(bank, n, d, -149, -120);
		draw_scaled(query, m, d, -5, 40);
		snprintf(what, sizeof what, "%zu numbers, subnormal", d);
		agree(what, n, m, d, 7, all);
		draw_wild(bank, n * d);
		draw_wild(query, m * d);
		snprintf(what, sizeof what, "%zu numbers, wild", d);
		agree_by(CN_TOPK_DOT, what, n, m, d, 7, all);
	}
}

int
main(void)
{
	struct cn_rng_key key;
	struct cn_err err = { 0 };
	int even = 1;

	cn_blas_begin();
	cn_rng_key_init(&key, 2, "test-topk");
	cn_rng_start(&rng, &key, 0, 0);
	plain_cases();
	awkward_cases();
	ceilings();
	floors();
	offsets();
	extremes();
	cn_topk_search(bank, 100, query, 10, WIDTH, 60, allow_even, NULL, fast, NULL, &err);
	for (size_t i = 0; i < 10 * 60; i++)
		even &= i % 60 < 50 ? fast[i].row % 2 == 0 : fast[i].row == UINT32_MAX;
	TAP_OK(even, "the plain search obeys allow and marks what is missing");
	return tap_done();
}
