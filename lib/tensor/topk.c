/*
 * Exact nearest rows: a fast pass proposes, the fixed-order kernel decides.
 *
 * The bank is walked in slabs, these in tiles.  A first pass values all rows of a tile for some queries;
 * whatever may still belong to the best k of a query, by the bounds of bound.h, is noted in its list.  What
 * is still there after the slab, or does not fit the list, is scored again with cn_kernel_dot: what is
 * passed over cannot be among the best k in fixed order.
 *
 * There are two first passes.  Products of small integers (quantise.h) are several times as fast as
 * those of floats by BLAS, but their bounds are wider: more rows are scored again in vain.  So integers
 * are used where the machine has instructions for them and there are enough queries to pay for quantising
 * the bank; and where more than a sixteenth of a group's rows were scored in vain, BLAS values the
 * rest of that tile and the next fifteen for these queries, then integers are tried again.
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "tensor/blas.h"
#include "tensor/bound.h"
#include "tensor/clones.h"
#include "tensor/kernel.h"
#include "tensor/quantise.h"
#include "tensor/sieve.h"
#include "tensor/topk.h"
#include "tensor/toplist.h"

#include "base/banned.h"

#define TILE 1024		/* rows of the bank that are valued together; a multiple of two panels */
#define SLAB_TILES 128		/* tiles that are measured together, then searched for all queries; at most */
#define SLAB_BYTES (16 << 20)	/* of quantised rows, about */
#define QUERY_TILE 128		/* queries that are valued together, at most; a multiple of GROUP */
#define STRIDE 256		/* values that are compared before the threshold may rise */
#define GROUP CN_QUANTISE_GROUP
#define PANEL CN_QUANTISE_PANEL
#define PANELS (TILE / PANEL)
#define FEW_QUERIES 64		/* not worth quantising a bank for */
#define IN_VAIN 16		/* one row of so many may be scored in vain */
#define REST 15			/* tiles */
#define AHEAD 8			/* rows that are fetched before they are scored */

struct worker {
	float *value;			/* (QUERY_TILE, TILE) */
	int32_t start[GROUP * PANELS];	/* what the products of a tile start from */
	size_t vain;			/* rows scored again that did not matter */
	struct cn_err err;
};

/* The part of the bank that is being searched. */
struct slab {
	size_t tiles;			/* at most */
	const float *bank;
	size_t first, n;		/* its first row's number, its rows */
	double reach[SLAB_TILES];	/* per tile: the greatest squared length of a row */
	float *half;			/* (rows) cn_bound_half */
	uint8_t *code;			/* (panels, PANEL * width) */
	float *scale;			/* (rows) */
	struct cn_quantise_spread *spread;	/* (panels) */
	size_t half_room, code_room, scale_room, spread_room;
};

struct cn_topk {
	struct cn_topk_config c;
	enum cn_bound_metric metric;
	bool coded;			/* integers are used */
	enum cn_quantise_isa isa;
	size_t tile, threads, width;	/* tile: queries per part */
	uint32_t rows;			/* fed so far */
	double *size;			/* (m) squared lengths of the queries */
	struct cn_quantise_query *query;	/* (m) */
	int8_t *code;			/* (m / GROUP, GROUP * width) */
	uint8_t *rest;			/* (parts) tiles for which integers are not tried */
	struct cn_toplist *list;	/* (m) */
	uint32_t *above;		/* (m) rows over the ceiling, which are not in the lists */
	struct worker *worker;		/* (threads) */
	struct slab slab;
};

static void
measure_tile(void *context, size_t i, size_t worker)
{
	struct cn_topk *t = context;
	struct slab *s = &t->slab;
	const size_t d = t->c.d, end = (i + 1) * TILE < s->n ? (i + 1) * TILE : s->n;

	(void)worker;
	s->reach[i] = 0;
	for (size_t row = i * TILE; row < end; row++) {
		const double size = cn_bound_squares(s->bank + row * d, d);

		s->reach[i] = fmax(s->reach[i], size);
		s->half[row] = (float)cn_bound_half(size, d);
	}
	for (size_t row = i * TILE; row < end && t->coded; row += PANEL)
		cn_quantise_panel(s->bank + row * d, end - row < PANEL ? end - row : PANEL, d,
			s->code + row * t->width, s->scale + row, s->spread + row / PANEL);
}

/* The fixed-order score of a row of the slab. */
static float
score_of(const struct cn_topk *t, size_t query, size_t row)
{
	const size_t d = t->c.d;
	const float *q = t->c.query + query * d, *b = t->slab.bank + row * d;

	return t->c.metric == CN_TOPK_DOT ? cn_kernel_dot(q, b, d) : 0.0f - cn_kernel_distance2(q, b, d);
}

/* Asks for a row of the slab that will be scored soon; of long rows, for what the machine will not guess. */
static void
fetch(const struct cn_topk *t, const struct cn_toplist_entry *e)
{
	const float *row = t->slab.bank + (cn_toplist_row(e) - t->slab.first) * t->c.d;

	for (size_t i = 0; i < t->c.d && i < 256; i += 16)
		__builtin_prefetch(row + i);
}

/* Scores again what is left in the list. */
static void
resolve(struct cn_topk *t, struct worker *w, size_t query)
{
	struct cn_toplist *list = t->list + query;

	for (size_t i = 0; i < list->n; i++) {
		struct cn_toplist_entry *e = list->entry + i;

		if (i + AHEAD < list->n && !cn_toplist_is_exact(e + AHEAD))
			fetch(t, e + AHEAD);
		if (cn_toplist_is_exact(e))
			continue;
		cn_toplist_set(e, score_of(t, query, cn_toplist_row(e) - t->slab.first));
		w->vain += cn_toplist_score(e) < list->floor;
	}
}

/* Notes a row that is neither above the ceiling nor below the floor. */
static void
note(struct cn_topk *t, struct worker *w, size_t query, size_t row, float least, float most)
{
	const struct cn_topk_rule *rule = &t->c.rule;
	const uint32_t number = (uint32_t)(t->slab.first + row);
	const unsigned reason = rule->judge ? rule->judge(rule->context, query, number) : 0;
	struct cn_toplist *list = t->list + query;

	assert(reason < CN_TOPK_REASONS);
	if (list->n == list->capacity && !cn_toplist_cut(list)) {
		resolve(t, w, query);
		if (!cn_toplist_cut(list) && cn_toplist_grow(list, &w->err) < 0)
			return;
	}
	cn_toplist_note(list, least, most, number, reason);
}

/* For rows whose bounds are of no use. */
static void
note_exactly(struct cn_topk *t, struct worker *w, size_t query, size_t row)
{
	const struct cn_topk_rule *rule = &t->c.rule;
	const float score = score_of(t, query, row);

	if (score < t->list[query].floor)
		w->vain++;
	else if (rule->ceiling && score > rule->ceiling[query])
		t->above[query]++;
	else if (!rule->floor || !(score < rule->floor[query]))
		note(t, w, query, row, score, score);
}

/* What the first pass found for one query and the rows of a tile. */
struct values {
	const float *value;
	size_t query, first, rows;	/* first: in the slab */
	struct cn_bound bound;
	const float *scale;		/* (rows); a value may be more than the true one by margin * scale */
	float margin;
};

/* What becomes of the row at i, which may score as much as the floor. */
static void
weigh(struct cn_topk *t, struct worker *w, const struct values *v, size_t i)
{
	const float *ceiling = t->c.rule.ceiling, *floor = t->c.rule.floor;
	float least, most;

	cn_bound_scores(&v->bound, v->value[i] - v->margin * v->scale[i], v->value[i], &least, &most);
	if (most < t->list[v->query].floor)
		return;
	if (ceiling && least > ceiling[v->query])
		t->above[v->query]++;
	else if (isinf(least) || (ceiling && most > ceiling[v->query]) || (floor && least < floor[v->query]))
		note_exactly(t, w, v->query, v->first + i);
	else
		note(t, w, v->query, v->first + i, least, most);
}

/* Notes the rows that may still matter. */
static void
scan(struct cn_topk *t, struct worker *w, const struct values *v)
{
	uint32_t reach[STRIDE];

	for (size_t from = 0; from < v->rows && !w->err.code; from += STRIDE) {
		const float threshold = cn_bound_value(&v->bound, t->list[v->query].floor);
		const size_t rows = v->rows - from < STRIDE ? v->rows - from : STRIDE;
		const size_t n = cn_sieve_values(v->value + from, rows, threshold, reach);

		for (size_t i = 0; i < n; i++)
			weigh(t, w, v, from + reach[i]);
	}
}

CN_CLONES static void
subtract(float *value, const float *half, float factor, size_t n)
{
	for (size_t i = 0; i < n; i++)
		value[i] -= half[i] * factor;
}

static void
search_blas(struct cn_topk *t, struct worker *w, size_t query, size_t queries, size_t first, size_t rows)
{
	const size_t d = t->c.d;

	cn_blas_gemm(false, true, queries, rows, d, 1, t->c.query + query * d, d, t->slab.bank + first * d, d, 0, w->value, TILE);
	for (size_t i = 0; i < queries; i++) {
		const struct values v = { w->value + i * TILE, query + i, first, rows,
			cn_bound_product(t->metric, d, t->size[query + i], t->slab.reach[first / TILE]), w->value, 0 };

		if (t->metric == CN_BOUND_L2)
			subtract(w->value + i * TILE, t->slab.half + first, 1, rows);
		scan(t, w, &v);
	}
}

/* Adds to each product what makes it a ceiling of the true value; returns the most that was added. */
CN_CLONES static int32_t
start_from(const struct cn_quantise_query *q, const struct cn_quantise_spread *spread, size_t panels, int32_t *start)
{
	int32_t most = 0;

	for (size_t i = 0; i < panels; i++) {
		const int32_t more = (int32_t)((q->length * spread[i].length + q->rest * spread[i].rest) * 1.0001f) + 2;

		start[i] = q->start + more;
		most = more > most ? more : most;
	}
	return most;
}

/* A group of queries by integers. */
static void
search_integers(struct cn_topk *t, struct worker *w, size_t query, size_t queries, size_t first, size_t rows)
{
	const struct slab *s = &t->slab;
	const size_t panels = (rows + 2 * PANEL - 1) / (2 * PANEL) * 2;
	int32_t most[GROUP] = { 0 };

	for (size_t i = 0; i < queries; i++)
		most[i] = start_from(t->query + query + i, s->spread + first / PANEL, panels, w->start + i * panels);
	cn_quantise_product(t->isa, s->code + first * t->width, s->scale + first, panels,
		t->code + query * t->width, w->start, t->width, w->value, TILE);
	for (size_t i = 0; i < queries; i++) {
		const double scale = t->query[query + i].scale;
		const struct values v = { w->value + i * TILE, query + i, first, rows,
			cn_bound_ceiling(t->metric, t->c.d, t->size[query + i], s->reach[first / TILE], scale),
			s->scale + first, 2.001f * (float)most[i] };

		if (t->metric == CN_BOUND_L2)
			subtract(w->value + i * TILE, s->half + first, (float)fmin(1 / scale, 1e38), rows);
		scan(t, w, &v);
	}
}

/* Values a tile for the queries of a part. */
static void
search_tile(struct cn_topk *t, struct worker *w, size_t part, size_t first, size_t rows)
{
	const size_t from = part * t->tile, end = from + t->tile < t->c.m ? from + t->tile : t->c.m;
	size_t query = from;

	while (query < end && t->coded && !t->rest[part]) {
		const size_t queries = end - query < GROUP ? end - query : GROUP, before = w->vain;

		search_integers(t, w, query, queries, first, rows);
		if (w->vain - before > queries * rows / IN_VAIN)
			t->rest[part] = REST + 1;
		query += queries;
	}
	if (query < end)
		search_blas(t, w, query, end - query, first, rows);
	t->rest[part] -= t->rest[part] > 0;
}

/* One part of the work: some queries against a slab. */
static void
search_part(void *context, size_t part, size_t worker)
{
	struct cn_topk *t = context;
	struct worker *w = t->worker + worker;

	for (size_t first = 0; first < t->slab.n && !w->err.code; first += TILE)
		search_tile(t, w, part, first, t->slab.n - first < TILE ? t->slab.n - first : TILE);
	for (size_t i = part * t->tile; i < (part + 1) * t->tile && i < t->c.m; i++) {
		cn_toplist_cut(t->list + i);
		resolve(t, w, i);
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

/* Which first pass, see above. */
static void
choose_pass(struct cn_topk *t)
{
	int isa = CN_QUANTISE_ISAS - 1;

	while (!cn_quantise_has((enum cn_quantise_isa)isa))
		isa--;
	t->coded = isa != CN_QUANTISE_PLAIN && t->c.m >= FEW_QUERIES && t->c.d <= CN_QUANTISE_WIDEST;
	if (t->c.pass)
		t->coded = t->c.pass != CN_TOPK_BLAS;
	t->isa = t->c.pass > CN_TOPK_BLAS ? (enum cn_quantise_isa)(t->c.pass - CN_TOPK_CODED) : (enum cn_quantise_isa)isa;
	t->metric = t->c.metric == CN_TOPK_DOT ? CN_BOUND_DOT : CN_BOUND_L2;
}

static void
divide(struct cn_topk *t)
{
	const size_t share = (t->c.m + t->threads - 1) / t->threads;
	const size_t tile = (share + GROUP - 1) / GROUP * GROUP, tiles = SLAB_BYTES / TILE / (t->c.d + 1);

	t->tile = tile < QUERY_TILE ? tile : QUERY_TILE;
	t->slab.tiles = tiles < 1 ? 1 : tiles < SLAB_TILES ? tiles : SLAB_TILES;
	t->width = cn_quantise_width(t->c.d);
}

static void
quantise_queries(struct cn_topk *t, struct cn_err *err)
{
	const size_t groups = (t->c.m + GROUP - 1) / GROUP;

	t->code = cn_mem_array(groups, GROUP * t->width, err);
	t->query = cn_mem_array(t->c.m, sizeof *t->query, err);
	for (size_t i = 0; i < t->c.m && !err->code; i++)
		t->query[i] = cn_quantise_query(t->c.query + i * t->c.d, t->c.d, cn_bound_gamma(t->c.d),
			t->code + i / GROUP * GROUP * t->width, i % GROUP);
}

static int
prepare(struct cn_topk *t, struct cn_err *err)
{
	const struct cn_topk_rule *rule = &t->c.rule;

	t->size = cn_mem_array(t->c.m, sizeof *t->size, err);
	t->above = cn_mem_array(t->c.m, sizeof *t->above, err);
	t->rest = cn_mem_array(t->c.m, sizeof *t->rest, err);
	t->list = cn_mem_array(t->c.m, sizeof *t->list, err);
	t->worker = cn_mem_array(t->threads, sizeof *t->worker, err);
	for (size_t i = 0; i < t->threads && !err->code; i++)
		t->worker[i].value = cn_mem_array(QUERY_TILE * TILE, sizeof *t->worker[i].value, err);
	for (size_t i = 0; i < t->c.m && !err->code; i++) {
		/* rows over the ceiling have to be met, even if they are below the floor */
		const float floor = rule->floor ? rule->floor[i] : -INFINITY;

		t->size[i] = cn_bound_squares(t->c.query + i * t->c.d, t->c.d);
		cn_toplist_init(t->list + i, t->c.k, rule->ceiling && rule->ceiling[i] < floor ? rule->ceiling[i] : floor, err);
	}
	if (t->coded)
		quantise_queries(t, err);
	return err->code ? -1 : 0;
}

struct cn_topk *
cn_topk_new(const struct cn_topk_config *config, struct cn_err *err)
{
	struct cn_topk *t = cn_mem_array(1, sizeof *t, err);

	if (!t)
		return NULL;
	t->c = *config;
	t->threads = cn_pool_threads(config->pool);
	choose_pass(t);
	divide(t);
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
	cn_mem_free(t->query);
	cn_mem_free(t->code);
	cn_mem_free(t->slab.spread);
	cn_mem_free(t->slab.scale);
	cn_mem_free(t->slab.code);
	cn_mem_free(t->slab.half);
	cn_mem_free(t->rest);
	cn_mem_free(t->above);
	cn_mem_free(t->size);
	cn_mem_free(t);
}

size_t
cn_topk_bytes(size_t k)
{
	return cn_toplist_bytes(k) + sizeof(double) + sizeof(uint32_t) + sizeof(struct cn_quantise_query);
}

/* Room for what is measured of a slab; products go two panels at a time. */
static int
reserve(struct slab *s, size_t rows, size_t width, bool coded, struct cn_err *err)
{
	const size_t pair = 2 * PANEL, filled = (rows + pair - 1) / pair * pair;

	cn_mem_grow((void **)&s->half, &s->half_room, filled, sizeof *s->half, err);
	if (coded) {
		cn_mem_grow((void **)&s->code, &s->code_room, filled, width, err);
		cn_mem_grow((void **)&s->scale, &s->scale_room, filled, sizeof *s->scale, err);
		cn_mem_grow((void **)&s->spread, &s->spread_room, filled / PANEL, sizeof *s->spread, err);
	}
	return err->code ? -1 : 0;
}

int
cn_topk_feed(struct cn_topk *t, size_t first_row, const float *bank, size_t n, struct cn_err *err)
{
	const size_t slab = t->slab.tiles * TILE;

	if (err->code)
		return -1;
	if (n >= UINT32_MAX || first_row >= UINT32_MAX - n)
		return cn_err_set(err, CN_FAILED, "a bank of %zu rows is too large to search, at most 4294967294 are possible",
			first_row + n);
	t->rows += (uint32_t)n;
	for (size_t from = 0; from < n && t->c.m && t->c.k && !err->code; from += slab) {
		t->slab.bank = bank + from * t->c.d;
		t->slab.first = first_row + from;
		t->slab.n = n - from < slab ? n - from : slab;
		if (reserve(&t->slab, t->slab.n, t->width, t->coded, err) < 0)
			return -1;
		cn_pool_run(t->c.pool, (t->slab.n + TILE - 1) / TILE, measure_tile, t);
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
	const struct cn_topk_config config = { .query = query, .m = m, .d = d, .k = k, .rule = *rule, .pool = pool };
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
