/*
 * Exact nearest rows: BLAS proposes, the fixed-order kernel decides.
 *
 * The bank is walked in tiles.  A matrix product scores a tile for some queries at once; whatever may
 * still belong to the best k of a query is scored again with cn_kernel_dot and kept in its list, which is
 * cut back to the k-th best score whenever it fills.  Both sums of d products differ from the true value
 * by at most gamma |q||b|, gamma = d u / (1 - d u), u = 2^-24, in any order of additions and with or
 * without fused steps (Higham, Accuracy and Stability of Numerical Algorithms, 3.1), hence from each
 * other by at most twice that: a row is passed over only if its BLAS score is below the k-th best by
 * more than that bound, so it cannot be among the best k in fixed order either.
 */
#include <float.h>
#include <math.h>

#include "base/mem.h"
#include "tensor/blas.h"
#include "tensor/clones.h"
#include "tensor/kernel.h"
#include "tensor/topk.h"

#include "base/banned.h"

#define BANK_TILE 1024		/* rows of the bank per product; a multiple of BLOCK */
#define QUERY_TILE 128		/* queries per product, at most */
#define BLOCK 32		/* scores looked at together */

/* A row in a query's list.  Greater keys are better: the score in the high half, the reversed row below. */
struct entry {
	uint64_t key;
	unsigned reason;
};

struct list {
	struct entry *entry;
	size_t n, capacity;	/* cut back before it outgrows capacity */
	size_t room;		/* elements allocated, for cn_mem_grow */
	uint32_t above;		/* rows over the ceiling that are not in the list */
	float floor;		/* the k-th best score so far, or -infinity */
};

struct worker {
	float *score;		/* (QUERY_TILE, BANK_TILE) */
	uint64_t *key;		/* for selection */
	size_t key_room;
	struct list list[QUERY_TILE];
	struct cn_err err;
};

struct search {
	const float *bank, *query;
	size_t n, m, d, k, tile;	/* tile: queries per part */
	const struct cn_topk_rule *rule;
	struct cn_topk_hit *hits;
	float *reach;			/* per bank tile: the greatest length of a row */
	struct worker *worker;
};

/* Floats in the order of unsigned integers; both zeros are one score. */
static uint32_t
order_of(float score)
{
	uint32_t bits;

	score += 0.0f;
	memcpy(&bits, &score, sizeof bits);
	return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static float
score_of(uint64_t key)
{
	uint32_t bits = (uint32_t)(key >> 32);
	float score;

	bits = bits & 0x80000000u ? bits & 0x7fffffffu : ~bits;
	memcpy(&score, &bits, sizeof score);
	return score;
}

static uint32_t
row_of(uint64_t key)
{
	return ~(uint32_t)key;
}

/* Rounded up a little, so that it is never less than the true length. */
static float
length_bound(const float *x, size_t d)
{
	double sum = 0;

	for (size_t i = 0; i < d; i++)
		sum += (double)x[i] * x[i];
	return (float)(sqrt(sum) * (1 + 1e-6));
}

static void
measure_tile(void *context, size_t i, size_t worker)
{
	struct search *s = context;
	const size_t end = (i + 1) * BANK_TILE < s->n ? (i + 1) * BANK_TILE : s->n;

	(void)worker;
	for (size_t row = i * BANK_TILE; row < end; row++) {
		const float length = length_bound(s->bank + row * s->d, s->d);

		if (!(length <= s->reach[i]))
			s->reach[i] = length;
	}
}

/* The k-th greatest of n keys (k in 1..n); reorders them.  Hoare's selection, median of three. */
static uint64_t
select_key(uint64_t *key, size_t n, size_t k)
{
	size_t low = 0, high = n - 1;

	k--;
	while (low < high) {
		const uint64_t a = key[low], b = key[low + (high - low) / 2], c = key[high];
		const uint64_t pivot = a > b ? (b > c ? b : (a > c ? c : a)) : (a > c ? a : (b > c ? c : b));
		size_t i = low, j = high;

		for (;;) {
			while (key[i] > pivot)
				i++;
			while (key[j] < pivot)
				j--;
			if (i >= j)
				break;

			const uint64_t t = key[i];

			key[i++] = key[j];
			key[j--] = t;
		}
		if (i == j && k == i)	/* the pivot stands alone between the two sides */
			break;
		if (k < i)
			high = i - 1;
		else
			low = j + 1;
	}
	return key[k];
}

/* Drops whatever stands behind the k-th row that counts, and raises the floor to its score. */
static void
cut(const struct search *s, struct worker *w, struct list *list)
{
	size_t counting = 0, kept = 0;

	if (cn_mem_grow((void **)&w->key, &w->key_room, list->n, sizeof *w->key, &w->err) < 0) {
		list->n = 0;
		return;
	}
	for (size_t i = 0; i < list->n; i++)
		if (!list->entry[i].reason)
			w->key[counting++] = list->entry[i].key;
	if (counting < s->k)
		return;

	const uint64_t last = select_key(w->key, counting, s->k);

	for (size_t i = 0; i < list->n; i++)
		if (list->entry[i].key >= last)
			list->entry[kept++] = list->entry[i];
	list->n = kept;
	list->floor = score_of(last);
}

/* Scores a row in fixed order and notes it, if it may still matter. */
static void
consider(const struct search *s, struct worker *w, struct list *list, size_t query, size_t row)
{
	const float *q = s->query + query * s->d;
	const float score = cn_kernel_dot(q, s->bank + row * s->d, s->d);
	unsigned reason = 0;

	if (score < list->floor)
		return;
	if (s->rule->ceiling && score > s->rule->ceiling[query]) {
		list->above++;
		return;
	}
	if (s->rule->judge)
		reason = s->rule->judge(s->rule->context, query, (uint32_t)row);
	if (list->n == list->capacity) {
		cut(s, w, list);
		if (list->n > list->capacity / 2)
			list->capacity *= 2;
		if (cn_mem_grow((void **)&list->entry, &list->room, list->capacity, sizeof *list->entry, &w->err) < 0) {
			list->n = 0;
			return;
		}
	}
	list->entry[list->n++] = (struct entry){ (uint64_t)order_of(score) << 32 | (uint32_t)~row, reason };
}

/* Whether any of BLOCK scores reaches threshold; a NaN does. */
CN_CLONES static int
block_reaches(const float *score, float threshold)
{
	int below = 0;

	for (size_t i = 0; i < BLOCK; i++)
		below += score[i] < threshold;
	return below < BLOCK;
}

/* One query against one tile whose BLAS scores are here; error bounds how far they are from fixed order. */
static void
scan(const struct search *s, struct worker *w, struct list *list, size_t query, size_t first, size_t rows, float error)
{
	const float *score = w->score + (query % s->tile) * BANK_TILE;
	const float surely = s->rule->ceiling ? s->rule->ceiling[query] + error : INFINITY;

	for (size_t from = 0; from < rows; from += BLOCK) {
		const size_t end = from + BLOCK < rows ? from + BLOCK : rows;

		if (end == from + BLOCK && !block_reaches(score + from, list->floor - error))
			continue;
		for (size_t i = from; i < end; i++) {
			if (score[i] < list->floor - error)
				continue;
			if (score[i] > surely)
				list->above++;
			else
				consider(s, w, list, query, first + i);
		}
	}
}

/* Twice gamma |q||b| and something for underflow, rounded up, with the rounding of floor - error in mind. */
static float
error_bound(const struct search *s, size_t query, size_t tile)
{
	const double gamma = (double)(s->d + 2) * 0x1p-24 / (1 - (double)(s->d + 2) * 0x1p-24);
	const double size = (double)length_bound(s->query + query * s->d, s->d) * s->reach[tile];

	return (float)((2 * gamma + 0x1p-21) * size + (double)(s->d + 2) * 0x1p-125);
}

static int
by_key(const void *a, const void *b)
{
	const uint64_t x = ((const struct entry *)a)->key, y = ((const struct entry *)b)->key;

	return x < y ? 1 : x > y ? -1 : 0;
}

static void
report(const struct search *s, struct worker *w, struct list *list, size_t query)
{
	struct cn_topk_hit *hit = s->hits + query * s->k;
	uint32_t dropped[CN_TOPK_REASONS] = { [CN_TOPK_ABOVE] = list->above };
	size_t found = 0;

	cut(s, w, list);
	qsort(list->entry, list->n, sizeof *list->entry, by_key);
	for (size_t i = 0; i < list->n; i++) {
		const struct entry *e = list->entry + i;

		if (e->reason)
			dropped[e->reason % CN_TOPK_REASONS]++;
		else
			hit[found++] = (struct cn_topk_hit){ score_of(e->key), row_of(e->key), list->above + (uint32_t)i };
	}
	while (found < s->k)
		hit[found++] = (struct cn_topk_hit){ 0, UINT32_MAX, UINT32_MAX };
	if (s->rule->dropped)
		memcpy(s->rule->dropped + query * CN_TOPK_REASONS, dropped, sizeof dropped);
}

/* One part of the work: some queries against the whole bank. */
static void
search_part(void *context, size_t part, size_t worker)
{
	struct search *s = context;
	struct worker *w = s->worker + worker;
	const size_t from = part * s->tile, queries = from + s->tile < s->m ? s->tile : s->m - from;

	for (size_t i = 0; i < queries; i++) {
		w->list[i].n = w->list[i].above = 0;
		w->list[i].floor = -INFINITY;
	}
	for (size_t first = 0; first < s->n && !w->err.code; first += BANK_TILE) {
		const size_t rows = first + BANK_TILE < s->n ? BANK_TILE : s->n - first;

		cn_blas_gemm(false, true, queries, rows, s->d, 1, s->query + from * s->d, s->d,
			s->bank + first * s->d, s->d, 0, w->score, BANK_TILE);
		for (size_t i = 0; i < queries; i++)
			scan(s, w, w->list + i, from + i, first, rows, error_bound(s, from + i, first / BANK_TILE));
	}
	for (size_t i = 0; i < queries && !w->err.code; i++)
		report(s, w, w->list + i, from + i);
}

static int
prepare_worker(const struct search *s, struct worker *w, struct cn_err *err)
{
	w->score = cn_mem_array(QUERY_TILE * BANK_TILE, sizeof *w->score, err);
	for (size_t i = 0; i < s->tile && !err->code; i++) {
		struct list *list = w->list + i;

		/* Long enough that cutting is rare, short enough that the floor rises early. */
		list->capacity = 3 * s->k + 32;
		cn_mem_grow((void **)&list->entry, &list->room, list->capacity, sizeof *list->entry, err);
	}
	return err->code ? -1 : 0;
}

static void
release_worker(struct worker *w)
{
	for (size_t i = 0; i < QUERY_TILE; i++)
		cn_mem_free(w->list[i].entry);
	cn_mem_free(w->key);
	cn_mem_free(w->score);
}

int
cn_topk_select(const float *bank, size_t n, const float *query, size_t m, size_t d, size_t k,
	const struct cn_topk_rule *rule, struct cn_topk_hit *hits, struct cn_pool *pool, struct cn_err *err)
{
	const size_t threads = cn_pool_threads(pool), tiles = (n + BANK_TILE - 1) / BANK_TILE;
	const size_t share = (m + threads - 1) / threads;
	struct search s = { bank, query, n, m, d, k, share < QUERY_TILE ? share : QUERY_TILE, rule, hits, NULL, NULL };

	if (err->code)
		return -1;
	if (n >= UINT32_MAX)
		return cn_err_set(err, CN_FAILED, "a bank of %zu rows is too large to search, at most 4294967294 are possible", n);
	if (m == 0 || k == 0)
		return 0;
	s.reach = cn_mem_array(tiles + 1, sizeof *s.reach, err);
	s.worker = cn_mem_array(threads, sizeof *s.worker, err);
	for (size_t t = 0; t < threads && !err->code; t++)
		prepare_worker(&s, s.worker + t, err);
	if (!err->code) {
		cn_pool_run(pool, tiles, measure_tile, &s);
		cn_pool_run(pool, (m + s.tile - 1) / s.tile, search_part, &s);
	}
	for (size_t t = 0; t < threads && s.worker; t++) {
		if (s.worker[t].err.code)
			cn_err_set(err, s.worker[t].err.code, "%s", s.worker[t].err.text);
		release_worker(s.worker + t);
	}
	cn_mem_free(s.worker);
	cn_mem_free(s.reach);
	return err->code ? -1 : 0;
}

/* The plain search in terms of the other one. */
struct allowance {
	int (*allow)(void *context, size_t query, uint32_t row);
	void *context;
};

static unsigned
judge_allowance(void *context, size_t query, uint32_t row)
{
	const struct allowance *a = context;

	return a->allow(a->context, query, row) ? 0 : CN_TOPK_ABOVE;
}

int
cn_topk_search(const float *bank, size_t n, const float *query, size_t m, size_t d, size_t k,
	int (*allow)(void *context, size_t query, uint32_t row), void *context,
	struct cn_topk_hit *hits, struct cn_pool *pool, struct cn_err *err)
{
	struct allowance a = { allow, context };
	const struct cn_topk_rule rule = { allow ? judge_allowance : NULL, &a, NULL, NULL };

	return cn_topk_select(bank, n, query, m, d, k, &rule, hits, pool, err);
}
