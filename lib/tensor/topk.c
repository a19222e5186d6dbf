/*
 * Exact nearest rows: a fast pass proposes, the fixed-order kernel decides.
 *
 * The bank is walked in tiles.  A matrix product scores a tile for some queries at once; whatever may
 * still belong to the best k of a query is scored again with cn_kernel_dot and noted in its list.  Both
 * sums of d products differ from the true value by at most gamma |q||b|, gamma = d u / (1 - d u),
 * u = 2^-24, in any order of additions and with or without fused steps (Higham, Accuracy and Stability of
 * Numerical Algorithms, 3.1): a row is passed over only if its BLAS score is below the k-th best by more
 * than both errors, so it cannot be among the best k in fixed order either.
 *
 * Distances: -|q-b|^2 = 2 (qb - |q|^2/2 - |b|^2/2), and cn_kernel_distance2 differs from the true value by
 * at most gamma (|q|+|b|)^2 <= 2 gamma (|q|^2 + |b|^2), which is taken off both squares.
 */
#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "tensor/blas.h"
#include "tensor/clones.h"
#include "tensor/kernel.h"
#include "tensor/topk.h"
#include "tensor/toplist.h"

#include "base/banned.h"

#define BANK_TILE 1024		/* rows of the bank per product; a multiple of BLOCK */
#define SLAB_TILES 16		/* tiles that are measured together, then searched for all queries */
#define QUERY_TILE 128		/* queries per product, at most */
#define BLOCK 32		/* values looked at together */
#define SLACK 0x1p-20		/* relative, for the rounding of the bounds themselves */

/*
 * How values of the first pass and scores belong together, for one query and one tile: a row whose value
 * is less than unit score + low scores less than score, one whose value is more than unit score + high more.
 */
struct bound {
	double unit, low, high;
};

struct worker {
	float *value;		/* (QUERY_TILE, BANK_TILE) */
	struct cn_err err;
};

struct cn_topk {
	struct cn_topk_config c;
	size_t tile, threads;		/* tile: queries per part */
	uint32_t rows;			/* fed so far */
	double *size;			/* (m) squared lengths of the queries */
	struct cn_toplist *list;	/* (m) */
	uint32_t *above;		/* (m) rows over the ceiling, which are not in the lists */
	struct worker *worker;		/* (threads) */
	const float *bank;		/* the slab that is being searched */
	size_t first, n;		/* its first row's number, its rows */
	double reach[SLAB_TILES];	/* per tile: the greatest squared length of a row */
	float *half;			/* (rows of a slab) half the squared length, by L2 */
};

/* Half of gamma's d is for subtracting and squaring, and to be safe. */
static double
gamma_of(const struct cn_topk *t)
{
	const double du = (double)(t->c.d + 4) * 0x1p-24;

	return du < 0.5 ? du / (1 - du) : INFINITY;
}

/* What is left of a squared length when the errors of cn_kernel_distance2 are taken off; rounds to less. */
static double
keep_of(const struct cn_topk *t)
{
	return 1 - 2 * gamma_of(t) - SLACK;
}

/* Squares of floats are exact in doubles: but for 2^-30, the true value. */
static double
squares(const float *x, size_t d)
{
	double sum[8] = { 0 };
	size_t i = 0;

	for (; i + 8 <= d; i += 8)
		for (size_t j = 0; j < 8; j++)
			sum[j] += (double)x[i + j] * x[i + j];
	for (; i < d; i++)
		sum[0] += (double)x[i] * x[i];
	return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

static void
measure_tile(void *context, size_t i, size_t worker)
{
	struct cn_topk *t = context;
	const size_t end = (i + 1) * BANK_TILE < t->n ? (i + 1) * BANK_TILE : t->n;
	const double keep = keep_of(t) / 2;

	(void)worker;
	t->reach[i] = 0;
	for (size_t row = i * BANK_TILE; row < end; row++) {
		const double size = squares(t->bank + row * t->c.d, t->c.d);

		if (size > t->reach[i])
			t->reach[i] = size;
		t->half[row] = (float)(size * keep);
	}
}

/* Where sums might overflow nothing is known of a score: every row is scored again. */
static struct bound
bound_blas(const struct cn_topk *t, size_t query, size_t tile)
{
	const double q = t->size[query], b = t->reach[tile], gamma = gamma_of(t);
	const double error = (2 * gamma + SLACK) * sqrt(q * b) + (double)(t->c.d + 2) * 0x1p-125;

	if (!(q + b < 1e37 && gamma < 0.125))
		return (struct bound){ 1, -INFINITY, INFINITY };
	if (t->c.metric == CN_TOPK_DOT)
		return (struct bound){ 1, -error, error };
	return (struct bound){ 0.5, keep_of(t) * q / 2 - error, keep_of(t) * q / 2 + (2 * gamma + SLACK) * (q + b) + error };
}

/* As a float that is not greater, whatever the sum's own rounding. */
static float
lower(double unit, double score, double shift)
{
	const double x = unit * score + shift;
	const double less = x - (fabs(unit * score) + fabs(shift)) * 0x1p-22 - 0x1p-140;

	if (score == INFINITY && shift > -INFINITY)
		return FLT_MAX;
	return less < -FLT_MAX || isnan(less) ? -INFINITY : less > FLT_MAX ? FLT_MAX : (float)less;
}

static float
higher(double unit, double score, double shift)
{
	return -lower(unit, -score, -shift);
}

/* Scores a row in fixed order and notes it, if it may still matter. */
static void
consider(struct cn_topk *t, struct worker *w, size_t query, size_t row)
{
	const struct cn_topk_rule *rule = &t->c.rule;
	const float *q = t->c.query + query * t->c.d, *b = t->bank + row * t->c.d;
	const float score = t->c.metric == CN_TOPK_DOT ? cn_kernel_dot(q, b, t->c.d) : -cn_kernel_distance2(q, b, t->c.d);
	const uint32_t number = (uint32_t)(t->first + row);
	unsigned reason = 0;

	if (score < t->list[query].floor)
		return;
	if (rule->ceiling && score > rule->ceiling[query]) {
		t->above[query]++;
		return;
	}
	if (rule->floor && score < rule->floor[query])
		return;
	if (rule->judge)
		reason = rule->judge(rule->context, query, number);
	assert(reason < CN_TOPK_REASONS);
	cn_toplist_note(t->list + query, score, number, reason, &w->err);
}

/* Whether any of BLOCK values reaches threshold; a NaN does. */
CN_CLONES static int
block_reaches(const float *value, float threshold)
{
	int below = 0;

	for (size_t i = 0; i < BLOCK; i++)
		below += value[i] < threshold;
	return below < BLOCK;
}

/* One query against one tile whose values are here. */
static void
scan(struct cn_topk *t, struct worker *w, const float *value, struct bound bound, size_t query, size_t first, size_t rows)
{
	const struct cn_toplist *list = t->list + query;
	const float surely = t->c.rule.ceiling ? higher(bound.unit, t->c.rule.ceiling[query], bound.high) : INFINITY;
	float floor = list->floor, threshold = lower(bound.unit, floor, bound.low);

	for (size_t from = 0; from < rows; from += BLOCK) {
		const size_t end = from + BLOCK < rows ? from + BLOCK : rows;

		if (end == from + BLOCK && !block_reaches(value + from, threshold))
			continue;
		for (size_t i = from; i < end; i++) {
			if (value[i] < threshold)
				continue;
			if (value[i] > surely)
				t->above[query]++;
			else
				consider(t, w, query, first + i);
			if (list->floor > floor) {
				floor = list->floor;
				threshold = lower(bound.unit, floor, bound.low);
			}
		}
	}
}

static void
subtract(float *value, const float *half, size_t n)
{
	for (size_t i = 0; i < n; i++)
		value[i] -= half[i];
}

/* One part of the work: some queries against a slab. */
static void
search_part(void *context, size_t part, size_t worker)
{
	struct cn_topk *t = context;
	struct worker *w = t->worker + worker;
	const size_t from = part * t->tile, queries = from + t->tile < t->c.m ? t->tile : t->c.m - from;

	for (size_t first = 0; first < t->n && !w->err.code; first += BANK_TILE) {
		const size_t rows = first + BANK_TILE < t->n ? BANK_TILE : t->n - first;

		cn_blas_gemm(false, true, queries, rows, t->c.d, 1, t->c.query + from * t->c.d, t->c.d,
			t->bank + first * t->c.d, t->c.d, 0, w->value, BANK_TILE);
		for (size_t i = 0; i < queries; i++) {
			if (t->c.metric == CN_TOPK_L2)
				subtract(w->value + i * BANK_TILE, t->half + first, rows);
			scan(t, w, w->value + i * BANK_TILE, bound_blas(t, from + i, first / BANK_TILE), from + i, first, rows);
		}
	}
}

static void
report(struct cn_topk *t, size_t query, struct cn_topk_hit *hit)
{
	struct cn_toplist *list = t->list + query;
	uint32_t dropped[CN_TOPK_REASONS] = { [CN_TOPK_ABOVE] = t->above[query] };
	size_t found = 0;

	cn_toplist_settle(list);
	for (size_t i = 0; i < list->n; i++) {
		const struct cn_toplist_entry *e = list->entry + i;

		if (e->reason)
			dropped[e->reason]++;
		else
			hit[found++] = (struct cn_topk_hit){ cn_toplist_score(e), cn_toplist_row(e), t->above[query] + (uint32_t)i };
	}
	if (found < t->c.k)
		dropped[CN_TOPK_BELOW] += t->rows - t->above[query] - (uint32_t)list->n;
	while (found < t->c.k)
		hit[found++] = (struct cn_topk_hit){ 0, UINT32_MAX, UINT32_MAX };
	if (t->c.rule.dropped)
		memcpy(t->c.rule.dropped + query * CN_TOPK_REASONS, dropped, sizeof dropped);
}

static int
prepare(struct cn_topk *t, struct cn_err *err)
{
	const struct cn_topk_rule *rule = &t->c.rule;

	t->size = cn_mem_array(t->c.m, sizeof *t->size, err);
	t->above = cn_mem_array(t->c.m, sizeof *t->above, err);
	t->half = cn_mem_array(SLAB_TILES * BANK_TILE, sizeof *t->half, err);
	t->list = cn_mem_array(t->c.m, sizeof *t->list, err);
	t->worker = cn_mem_array(t->threads, sizeof *t->worker, err);
	for (size_t i = 0; i < t->threads && !err->code; i++)
		t->worker[i].value = cn_mem_array(QUERY_TILE * BANK_TILE, sizeof *t->worker[i].value, err);
	for (size_t i = 0; i < t->c.m && !err->code; i++) {
		/* rows over the ceiling have to be met, even if they are below the floor */
		const float floor = rule->floor ? rule->floor[i] : -INFINITY;

		t->size[i] = squares(t->c.query + i * t->c.d, t->c.d);
		cn_toplist_init(t->list + i, t->c.k, rule->ceiling && rule->ceiling[i] < floor ? rule->ceiling[i] : floor, err);
	}
	return err->code ? -1 : 0;
}

struct cn_topk *
cn_topk_new(const struct cn_topk_config *config, struct cn_err *err)
{
	struct cn_topk *t = cn_mem_array(1, sizeof *t, err);
	size_t share;

	if (!t)
		return NULL;
	t->c = *config;
	t->threads = cn_pool_threads(config->pool);
	share = (config->m + t->threads - 1) / t->threads;
	t->tile = share < QUERY_TILE ? share : QUERY_TILE;
	if (prepare(t, err) < 0) {
		cn_topk_free(t);
		return NULL;
	}
	return t;
}

void
cn_topk_free(struct cn_topk *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->c.m && t->list; i++)
		cn_toplist_release(t->list + i);
	for (size_t i = 0; i < t->threads && t->worker; i++)
		cn_mem_free(t->worker[i].value);
	cn_mem_free(t->worker);
	cn_mem_free(t->list);
	cn_mem_free(t->half);
	cn_mem_free(t->above);
	cn_mem_free(t->size);
	cn_mem_free(t);
}

size_t
cn_topk_bytes(size_t k)
{
	return (2 * k + 64) * sizeof(struct cn_toplist_entry) + sizeof(struct cn_toplist) + sizeof(double) + sizeof(uint32_t);
}

int
cn_topk_feed(struct cn_topk *t, size_t first_row, const float *bank, size_t n, struct cn_err *err)
{
	const size_t slab = SLAB_TILES * BANK_TILE;

	if (err->code)
		return -1;
	if (n >= UINT32_MAX || first_row >= UINT32_MAX - n)
		return cn_err_set(err, CN_FAILED, "a bank of %zu rows is too large to search, at most 4294967294 are possible",
			first_row + n);
	t->rows += (uint32_t)n;
	for (size_t from = 0; from < n && t->c.m && t->c.k && !err->code; from += slab) {
		t->bank = bank + from * t->c.d;
		t->first = first_row + from;
		t->n = n - from < slab ? n - from : slab;
		cn_pool_run(t->c.pool, (t->n + BANK_TILE - 1) / BANK_TILE, measure_tile, t);
		cn_pool_run(t->c.pool, (t->c.m + t->tile - 1) / t->tile, search_part, t);
		for (size_t i = 0; i < t->threads; i++)
			if (t->worker[i].err.code)
				cn_err_set(err, t->worker[i].err.code, "%s", t->worker[i].err.text);
	}
	return err->code ? -1 : 0;
}

struct finish {
	struct cn_topk *topk;
	struct cn_topk_hit *hits;
};

static void
finish_part(void *context, size_t part, size_t worker)
{
	const struct finish *f = context;
	const size_t from = part * f->topk->tile, m = f->topk->c.m;

	(void)worker;
	for (size_t i = from; i < from + f->topk->tile && i < m; i++)
		report(f->topk, i, f->hits + i * f->topk->c.k);
}

int
cn_topk_finish(struct cn_topk *t, struct cn_topk_hit *hits, struct cn_err *err)
{
	struct finish f = { t, hits };

	if (err->code)
		return -1;
	if (t->c.m && t->c.k)
		cn_pool_run(t->c.pool, (t->c.m + t->tile - 1) / t->tile, finish_part, &f);
	return 0;
}

int
cn_topk_select(const float *bank, size_t n, const float *query, size_t m, size_t d, size_t k,
	const struct cn_topk_rule *rule, struct cn_topk_hit *hits, struct cn_pool *pool, struct cn_err *err)
{
	const struct cn_topk_config config = { query, m, d, k, CN_TOPK_DOT, *rule, pool };
	struct cn_topk *t = cn_topk_new(&config, err);

	if (t && cn_topk_feed(t, 0, bank, n, err) == 0)
		cn_topk_finish(t, hits, err);
	cn_topk_free(t);
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

	return a->allow(a->context, query, row) ? 0 : CN_TOPK_REASONS - 1;
}

int
cn_topk_search(const float *bank, size_t n, const float *query, size_t m, size_t d, size_t k,
	int (*allow)(void *context, size_t query, uint32_t row), void *context,
	struct cn_topk_hit *hits, struct cn_pool *pool, struct cn_err *err)
{
	struct allowance a = { allow, context };
	const struct cn_topk_rule rule = { .judge = allow ? judge_allowance : NULL, .context = &a };

	return cn_topk_select(bank, n, query, m, d, k, &rule, hits, pool, err);
}
