/* ivf: a search is the exact one among the lists it reads, and all lists are the exact search. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "mine/ivf.h"
#include "tensor/blas.h"
#include "tensor/kernel.h"
#include "tap.h"

#include "base/banned.h"

enum { ROWS = 5000, WIDTH = 40, QUERIES = 200, LISTS = 64, K = 40 };

static float bank[ROWS * WIDTH], query[QUERIES * WIDTH], ceiling[QUERIES], lowest[QUERIES];
static struct cn_topk_hit slow[QUERIES * K], fast[QUERIES * K];
static uint32_t slow_drop[QUERIES * CN_TOPK_REASONS], fast_drop[QUERIES * CN_TOPK_REASONS];
static struct cn_rng rng;
static struct cn_pool *pool[4];
static struct cn_err err;

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

/* The rows of a query's nearest lists, in order. */
static size_t
read_lists(const struct cn_ivf *ivf, size_t probes, size_t q, struct scored *row)
{
	static struct scored list[ROWS];
	size_t n = 0;

	for (size_t l = 0; l < ivf->lists; l++)
		list[l] = (struct scored){ cn_kernel_dot(query + q * ivf->d, ivf->centroid + l * ivf->d, ivf->d), (uint32_t)l };
	qsort(list, ivf->lists, sizeof *list, by_score);
	for (size_t p = 0; p < probes && p < ivf->lists; p++)
		for (size_t i = ivf->start[list[p].row]; i < ivf->start[list[p].row + 1]; i++)
			row[n++] = (struct scored){ cn_kernel_dot(query + q * ivf->d, bank + (size_t)ivf->row[i] * ivf->d, ivf->d), ivf->row[i] };
	qsort(row, n, sizeof *row, by_score);
	return n;
}

static void
search_plainly(const struct cn_ivf *ivf, size_t probes, size_t m, size_t k, const struct cn_topk_rule *rule)
{
	static struct scored row[ROWS];

	memset(slow_drop, 0, sizeof slow_drop);
	for (size_t q = 0; q < m; q++) {
		const size_t n = read_lists(ivf, probes, q, row);
		size_t found = 0;

		for (size_t i = 0; i < n && found < k; i++) {
			unsigned reason = rule->judge ? rule->judge(rule->context, q, row[i].row) : 0;

			if (rule->ceiling && row[i].score > rule->ceiling[q])
				reason = CN_TOPK_ABOVE;
			else if (rule->floor && row[i].score < rule->floor[q])
				reason = CN_TOPK_BELOW;
			if (reason)
				slow_drop[q * CN_TOPK_REASONS + reason]++;
			else
				slow[q * k + found++] = (struct cn_topk_hit){ row[i].score, row[i].row, (uint32_t)i };
		}
		while (found < k)
			slow[q * k + found++] = (struct cn_topk_hit){ 0, UINT32_MAX, UINT32_MAX };
	}
}

static int
is_same(size_t m, size_t k)
{
	return !err.code && !memcmp(fast, slow, m * k * sizeof *fast) && !memcmp(fast_drop, slow_drop, m * CN_TOPK_REASONS * sizeof *fast_drop);
}

static void
agree(const char *what, const struct cn_ivf *ivf, size_t m, size_t k, struct cn_topk_rule rule)
{
	const size_t probes[] = { 1, 2, 5, 17, ivf->lists };
	int right = 1, same = 1;

	rule.dropped = fast_drop;
	for (size_t p = 0; p < sizeof probes / sizeof *probes; p++) {
		search_plainly(ivf, probes[p], m, k, &rule);
		cn_ivf_search(ivf, probes[p], query, m, k, &rule, fast, NULL, &err);
		right &= is_same(m, k);
		for (size_t threads = 1; threads <= 3; threads++) {
			memset(fast, 7, sizeof fast);
			cn_ivf_search(ivf, probes[p], query, m, k, &rule, fast, pool[threads], &err);
			same &= is_same(m, k);
		}
	}
	TAP_OK(right, "%s: rows, order, scores, ranks and drops among the lists read", what);
	TAP_OK(same, "%s: one, two, three threads, the same bytes", what);
	rule.dropped = slow_drop;
	cn_topk_select(bank, ivf->n, query, m, ivf->d, k, &rule, slow, NULL, &err);
	TAP_OK(is_same(m, k), "%s: all lists are the exact search", what);
}

static unsigned
judge_thirds(void *context, size_t q, uint32_t row)
{
	(void)context;
	return (row + q) % 3 ? 0 : 2 + (unsigned)(q % 2);
}

static unsigned
judge_few(void *context, size_t q, uint32_t row)
{
	(void)context;
	return row % 500 == q % 500 ? 0 : 7;
}

/* Clusters, as banks have them; queries from the same. */
static void
draw(size_t d)
{
	static float centre[50 * WIDTH];

	for (size_t i = 0; i < 50 * d; i++)
		centre[i] = cn_rng_normal(&rng);
	for (size_t i = 0; i < (ROWS + QUERIES) * d; i++) {
		float *to = i < ROWS * d ? bank + i : query + (i - ROWS * d);

		*to = centre[i / d * 7 % 50 * d + i % d] + 0.8f * cn_rng_normal(&rng);
	}
	cn_kernel_normalize(bank, ROWS, d);
	cn_kernel_normalize(query, QUERIES, d);
}

static int
is_whole(const struct cn_ivf *ivf)
{
	static int seen[ROWS];
	int whole = ivf->start[0] == 0 && ivf->start[ivf->lists] == ivf->n;

	memset(seen, 0, sizeof seen);
	for (size_t l = 0; l < ivf->lists; l++) {
		whole &= ivf->start[l] < ivf->start[l + 1] && ivf->start[l + 1] - ivf->start[l] <= ivf->longest;
		for (size_t i = ivf->start[l]; i < ivf->start[l + 1]; i++) {
			whole &= !seen[ivf->row[i]]++ && (i == ivf->start[l] || ivf->row[i] > ivf->row[i - 1]);
			whole &= !memcmp(ivf->vector + i * ivf->d, bank + ivf->row[i] * ivf->d, ivf->d * sizeof *bank);
		}
	}
	return whole;
}

static void
builds(void)
{
	struct cn_ivf ivf, again;
	int same = 1;

	draw(WIDTH);
	cn_ivf_build(&ivf, &(struct cn_ivf_config){ .seed = 4 }, bank, ROWS, WIDTH, NULL, &err);
	TAP_OK(!err.code && ivf.lists > 270 && ivf.lists <= 282, "a list for four times the root of the rows (%zu)", ivf.lists);
	TAP_OK(is_whole(&ivf), "every row is in one list, with its vector, in ascending order");
	for (size_t threads = 1; threads <= 3; threads++) {
		cn_ivf_build(&again, &(struct cn_ivf_config){ .seed = 4 }, bank, ROWS, WIDTH, pool[threads], &err);
		same &= again.lists == ivf.lists && !memcmp(again.row, ivf.row, ROWS * sizeof *ivf.row) &&
			!memcmp(again.start, ivf.start, (ivf.lists + 1) * sizeof *ivf.start) &&
			!memcmp(again.centroid, ivf.centroid, ivf.lists * WIDTH * sizeof *bank);
		cn_ivf_release(&again);
	}
	TAP_OK(same, "built by one, two, three threads: the same bytes");
	agree("default lists", &ivf, 100, 10, (struct cn_topk_rule){ 0 });
	cn_ivf_release(&ivf);
}

static void
searches(void)
{
	struct cn_ivf ivf;

	draw(WIDTH);
	cn_ivf_build(&ivf, &(struct cn_ivf_config){ .lists = LISTS, .points = 40 }, bank, ROWS, WIDTH, NULL, &err);
	agree("64 lists", &ivf, QUERIES, 32, (struct cn_topk_rule){ 0 });
	agree("one query, one answer", &ivf, 1, 1, (struct cn_topk_rule){ 0 });
	agree("a third is not allowed", &ivf, QUERIES, 20, (struct cn_topk_rule){ judge_thirds });
	agree("hardly any is allowed", &ivf, 40, 9, (struct cn_topk_rule){ judge_few });
	for (size_t q = 0; q < QUERIES; q++)
		ceiling[q] = q % 3 ? cn_rng_range(&rng, -0.2f, 0.7f) : cn_kernel_dot(query + q * WIDTH, bank + q * 17 * WIDTH, WIDTH);
	agree("ceilings", &ivf, QUERIES, K, (struct cn_topk_rule){ judge_thirds, NULL, ceiling, NULL });
	for (size_t q = 0; q < QUERIES; q++)
		lowest[q] = q % 3 ? ceiling[q] - 0.3f : ceiling[q];
	agree("floors", &ivf, QUERIES, K, (struct cn_topk_rule){ .judge = judge_thirds, .floor = lowest });
	agree("between a floor and a ceiling", &ivf, QUERIES, K, (struct cn_topk_rule){ .judge = judge_thirds, .ceiling = ceiling, .floor = lowest });
	cn_ivf_release(&ivf);
	draw(7);
	cn_ivf_build(&ivf, &(struct cn_ivf_config){ .lists = 5 }, bank, ROWS - 1, 7, NULL, &err);
	agree("odd width, few lists, of more than a part", &ivf, 77, 12, (struct cn_topk_rule){ 0 });
	cn_ivf_release(&ivf);
}

static void
awkward(void)
{
	struct cn_ivf ivf;

	draw(WIDTH);
	for (size_t i = 9; i < ROWS; i++)
		memcpy(bank + i * WIDTH, bank + i % 9 * WIDTH, WIDTH * sizeof *bank);
	cn_ivf_build(&ivf, &(struct cn_ivf_config){ .lists = 40 }, bank, ROWS, WIDTH, NULL, &err);
	TAP_OK(!err.code && is_whole(&ivf), "nine distinct rows: no list is empty (%zu)", ivf.lists);
	agree("nine distinct rows", &ivf, 30, K, (struct cn_topk_rule){ 0 });
	cn_ivf_release(&ivf);
	cn_ivf_build(&ivf, &(struct cn_ivf_config){ .lists = 40 }, bank, 6, WIDTH, NULL, &err);
	agree("fewer rows than lists, and than wanted", &ivf, 30, K, (struct cn_topk_rule){ judge_thirds });
	cn_ivf_release(&ivf);
	cn_ivf_build(&ivf, &(struct cn_ivf_config){ 0 }, bank, 0, WIDTH, NULL, &err);
	agree("no bank", &ivf, 3, 4, (struct cn_topk_rule){ 0 });
	cn_ivf_release(&ivf);
}

/* Share of the exact hits of a keyed sample that the plain search finds. */
static double
recall_of(const struct cn_ivf *ivf, size_t probes, size_t sample, size_t k, const struct cn_topk_rule *rule, uint64_t seed)
{
	static struct cn_topk_hit exact[QUERIES * K];
	uint32_t chosen[QUERIES];
	struct cn_rng_key key;
	struct cn_rng draws;
	size_t all = 0, found = 0;

	cn_rng_key_init(&key, seed, "ivf-calibrate");
	cn_rng_start(&draws, &key, 0, 0);
	cn_rng_choose(&draws, QUERIES, (uint32_t)sample, chosen);
	cn_topk_select(bank, ivf->n, query, QUERIES, ivf->d, k, rule, exact, NULL, &err);
	search_plainly(ivf, probes, QUERIES, k, rule);
	for (size_t i = 0; i < sample; i++)
		for (size_t a = 0; a < k; a++) {
			const uint32_t row = exact[chosen[i] * k + a].row;

			all += row != UINT32_MAX;
			for (size_t b = 0; b < k && row != UINT32_MAX; b++)
				found += slow[chosen[i] * k + b].row == row;
		}
	return (double)found / (double)all;
}

static void
calibration(void)
{
	const struct cn_topk_rule every = { 0 }, thirds = { judge_thirds, NULL, ceiling, NULL };
	struct cn_ivf ivf;

	draw(WIDTH);
	cn_ivf_build(&ivf, &(struct cn_ivf_config){ .lists = LISTS }, bank, ROWS, WIDTH, NULL, &err);
	for (int t = 0; t < 6; t++) {
		const double goal[] = { 0, 0.5, 0.9, 0.95, 0.99, 1 };
		const struct cn_topk_rule *rule = t % 2 ? &thirds : &every;
		const struct cn_ivf_target target = { goal[t], t < 3 ? 50 : 0, 3 };
		size_t probes, again;
		double reached, alike;

		cn_ivf_calibrate(&ivf, query, QUERIES, 10, t % 2 ? rule : NULL, &target, &probes, &reached, NULL, &err);
		const size_t sample = target.sample ? target.sample : QUERIES;

		TAP_NEAR(reached, recall_of(&ivf, probes, sample, 10, rule, 3), 1e-12, "the recall told is that of a search");
		TAP_OK(!err.code && reached >= goal[t] && (probes == 1 || recall_of(&ivf, probes - 1, sample, 10, rule, 3) < goal[t]),
			"recall %g: %zu probes reach it, and one less does not", goal[t], probes);
		cn_ivf_calibrate(&ivf, query, QUERIES, 10, t % 2 ? rule : NULL, &target, &again, &alike, pool[3], &err);
		TAP_OK(again == probes && alike == reached, "recall %g: three threads say the same", goal[t]);
	}
	cn_ivf_release(&ivf);
}

int
main(void)
{
	struct cn_rng_key key;

	cn_blas_begin();
	cn_rng_key_init(&key, 6, "test-ivf");
	cn_rng_start(&rng, &key, 0, 0);
	for (size_t threads = 1; threads <= 3; threads++)
		pool[threads] = cn_pool_new(threads, &err);
	builds();
	searches();
	awkward();
	calibration();
	for (size_t threads = 1; threads <= 3; threads++)
		cn_pool_free(pool[threads]);
	return tap_done();
}
