/* Values by integers or floats, bounds, and what becomes of a row; see the header for why. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "tensor/blas.h"
#include "tensor/clones.h"
#include "tensor/kernel.h"
#include "tensor/shortlist.h"
#include "tensor/sieve.h"

#include "base/banned.h"

#define TILE CN_SHORTLIST_TILE
#define GROUP CN_QUANTISE_GROUP
#define PANEL CN_QUANTISE_PANEL
#define SLAB_BYTES (16 << 20)	/* of quantised rows, about */
#define QUERIES 128		/* that are valued together, at most; a multiple of GROUP */
#define STRIDE 256		/* values that are compared before the threshold may rise */
#define FEW_QUERIES 64		/* not worth quantising a bank for */
#define VAIN_PRICE 6000		/* products of floats that take as long as scoring a row in vain */
#define FEW_ROWS 512		/* not worth quantising, nor waiting to know scores */
#define REST 15			/* tiles */
#define AHEAD 8			/* rows that are fetched before they are scored */

static void
measure_tile(void *context, size_t i, size_t worker)
{
	struct cn_shortlist *s = context;
	struct cn_slab *b = &s->slab;
	const size_t d = s->d, end = (i + 1) * TILE < b->n ? (i + 1) * TILE : b->n;

	(void)worker;
	b->reach[i] = 0;
	for (size_t row = i * TILE; row < end; row++) {
		const double size = cn_bound_squares(b->bank + row * d, d);

		b->reach[i] = fmax(b->reach[i], size);
		b->half[row] = (float)cn_bound_half(size, d);
	}
	for (size_t row = i * TILE; row < end && s->coded; row += PANEL)
		cn_quantise_panel(b->bank + row * d, end - row < PANEL ? end - row : PANEL, d,
			b->code + row * s->width, b->scale + row, b->spread + row / PANEL);
}

/* The fixed-order score of a row of the slab. */
static float
score_of(const struct cn_shortlist *s, size_t query, size_t row)
{
	const size_t d = s->d;
	const float *q = s->query + query * d, *b = s->slab.bank + row * d;

	return s->metric == CN_BOUND_DOT ? cn_kernel_dot(q, b, d) : 0.0f - cn_kernel_distance2(q, b, d);
}

/* Asks for a row of the slab that will be scored soon; of long rows, for what the machine will not guess. */
static void
fetch(const struct cn_shortlist *s, const struct cn_toplist_entry *e)
{
	const float *row = s->slab.bank + (cn_toplist_row(e) - s->slab.first) * s->d;

	for (size_t i = 0; i < s->d && i < 256; i += 16)
		__builtin_prefetch(row + i);
}

/* Scores again what is left in the list. */
static void
resolve(struct cn_shortlist *s, struct cn_shortlist_worker *w, size_t query)
{
	struct cn_toplist *list = s->list + query;

	for (size_t i = 0; i < list->n; i++) {
		struct cn_toplist_entry *e = list->entry + i;

		if (i + AHEAD < list->n && !cn_toplist_is_exact(e + AHEAD))
			fetch(s, e + AHEAD);
		if (cn_toplist_is_exact(e))
			continue;
		cn_toplist_set(e, score_of(s, query, cn_toplist_row(e) - s->slab.first));
		w->vain += cn_toplist_score(e) < list->floor;
	}
}

/* Whether there is room in the list afterwards. */
static bool
cut(struct cn_shortlist_worker *w, struct cn_toplist *list)
{
	return cn_mem_grow((void **)&w->scratch, &w->scratch_room, list->capacity, sizeof *w->scratch, &w->err) == 0 &&
		cn_toplist_cut(list, w->scratch);
}

/* Notes a row that is neither above the ceiling nor below the floor. */
static void
note(struct cn_shortlist *s, struct cn_shortlist_worker *w, size_t query, size_t row, float least, float most)
{
	const struct cn_topk_rule *rule = &s->rule;
	const uint32_t number = (uint32_t)(s->slab.first + row);
	const unsigned reason = rule->judge ? rule->judge(rule->context, query, number) : 0;
	struct cn_toplist *list = s->list + query;

	assert(reason < CN_TOPK_REASONS);
	if (list->n == list->capacity && !cut(w, list)) {
		resolve(s, w, query);
		w->resolved++;
		if (!cut(w, list) && cn_toplist_grow(list, &w->err) < 0)
			return;
	}
	cn_toplist_note(list, least, most, number, reason);
}

/* For rows whose bounds are of no use. */
static void
note_exactly(struct cn_shortlist *s, struct cn_shortlist_worker *w, size_t query, size_t row)
{
	const struct cn_topk_rule *rule = &s->rule;
	const float score = score_of(s, query, row);

	if (score < s->list[query].floor)
		w->vain++;
	else if (rule->ceiling && score > rule->ceiling[query])
		s->above[query]++;
	else if (!rule->floor || !(score < rule->floor[query]))
		note(s, w, query, row, score, score);
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
weigh(struct cn_shortlist *s, struct cn_shortlist_worker *w, const struct values *v, size_t i)
{
	const float *ceiling = s->rule.ceiling, *floor = s->rule.floor;
	float least, most;

	cn_bound_scores(&v->bound, v->value[i] - v->margin * v->scale[i], v->value[i], &least, &most);
	if (most < s->list[v->query].floor)
		return;
	if (ceiling && least > ceiling[v->query])
		s->above[v->query]++;
	else if (isinf(least) || (ceiling && most > ceiling[v->query]) || (floor && least < floor[v->query]))
		note_exactly(s, w, v->query, v->first + i);
	else
		note(s, w, v->query, v->first + i, least, most);
}

/* Notes the rows that may still matter.  A list that was too full once will soon be again: bounds do not help it. */
static void
scan(struct cn_shortlist *s, struct cn_shortlist_worker *w, const struct values *v)
{
	const size_t before = w->resolved;
	uint32_t reach[STRIDE];

	for (size_t from = 0; from < v->rows && !w->err.code; from += STRIDE) {
		const float threshold = cn_bound_value(&v->bound, s->list[v->query].floor);
		const size_t rows = v->rows - from < STRIDE ? v->rows - from : STRIDE;
		const size_t n = cn_sieve_values(v->value + from, rows, threshold, reach);

		for (size_t i = 0; i < n; i++)
			if (w->resolved == before && s->slab.n >= FEW_ROWS)
				weigh(s, w, v, from + reach[i]);
			else
				note_exactly(s, w, v->query, v->first + from + reach[i]);
	}
}

CN_CLONES static void
subtract(float *value, const float *half, float factor, size_t n)
{
	for (size_t i = 0; i < n; i++)
		value[i] -= half[i] * factor;
}

static void
search_blas(struct cn_shortlist *s, struct cn_shortlist_worker *w, size_t query, size_t queries, size_t first, size_t rows)
{
	const size_t d = s->d;

	cn_blas_gemm(false, true, queries, rows, d, 1, s->query + query * d, d, s->slab.bank + first * d, d, 0, w->value, TILE);
	for (size_t i = 0; i < queries; i++) {
		const struct values v = { w->value + i * TILE, query + i, first, rows,
			cn_bound_product(s->metric, d, s->size[query + i], s->slab.reach[first / TILE]), w->value, 0 };

		if (s->metric == CN_BOUND_L2)
			subtract(w->value + i * TILE, s->slab.half + first, 1, rows);
		scan(s, w, &v);
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
search_integers(struct cn_shortlist *s, struct cn_shortlist_worker *w, size_t query, size_t queries, size_t first, size_t rows)
{
	const struct cn_slab *b = &s->slab;
	const size_t panels = (rows + 2 * PANEL - 1) / (2 * PANEL) * 2;
	int32_t most[GROUP] = { 0 };

	for (size_t i = 0; i < queries; i++)
		most[i] = start_from(s->coded_query + query + i, b->spread + first / PANEL, panels, w->start + i * panels);
	cn_quantise_product(s->isa, b->code + first * s->width, b->scale + first, panels,
		s->code + query * s->width, w->start, s->width, w->value, TILE);
	for (size_t i = 0; i < queries; i++) {
		const double scale = s->coded_query[query + i].scale;
		const struct values v = { w->value + i * TILE, query + i, first, rows,
			cn_bound_ceiling(s->metric, s->d, s->size[query + i], b->reach[first / TILE], scale),
			b->scale + first, 2.001f * (float)most[i] };

		if (s->metric == CN_BOUND_L2)
			subtract(w->value + i * TILE, b->half + first, (float)fmin(1 / scale, 1e38), rows);
		scan(s, w, &v);
	}
}

/* Values a tile for the queries of a part. */
static void
search_tile(struct cn_shortlist *s, struct cn_shortlist_worker *w, size_t part, size_t first, size_t rows)
{
	const size_t from = part * s->part, end = from + s->part < s->m ? from + s->part : s->m;
	const size_t before = w->vain;
	const bool begun = s->list[from].floor > -INFINITY;
	size_t query = from;

	while (query < end && s->coded && !s->rest[part]) {
		const size_t queries = end - query < GROUP ? end - query : GROUP;

		search_integers(s, w, query, queries, first, rows);
		if (begun && (w->vain - before) * VAIN_PRICE > (end - from) * rows * s->d)
			s->rest[part] = REST + 1;
		query += queries;
	}
	if (query < end)
		search_blas(s, w, query, end - query, first, rows);
	s->rest[part] -= s->rest[part] > 0;
}

/* One part of the work: some queries against a slab. */
static void
search_part(void *context, size_t part, size_t worker)
{
	struct cn_shortlist *s = context;
	struct cn_shortlist_worker *w = s->worker + worker;

	for (size_t first = 0; first < s->slab.n && !w->err.code; first += TILE)
		search_tile(s, w, part, first, s->slab.n - first < TILE ? s->slab.n - first : TILE);
	for (size_t i = part * s->part; i < (part + 1) * s->part && i < s->m; i++) {
		cut(w, s->list + i);
		resolve(s, w, i);
	}
}

/* Room for what is measured of a slab; products go two panels at a time. */
static int
reserve(struct cn_shortlist *s, size_t rows, struct cn_err *err)
{
	const size_t pair = 2 * PANEL, filled = (rows + pair - 1) / pair * pair;
	struct cn_slab *b = &s->slab;

	cn_mem_grow((void **)&b->half, &b->half_room, filled, sizeof *b->half, err);
	if (s->coded) {
		cn_mem_grow((void **)&b->code, &b->code_room, filled, s->width, err);
		cn_mem_grow((void **)&b->scale, &b->scale_room, filled, sizeof *b->scale, err);
		cn_mem_grow((void **)&b->spread, &b->spread_room, filled / PANEL, sizeof *b->spread, err);
	}
	return err->code ? -1 : 0;
}

int
cn_shortlist_check(const struct cn_shortlist *s, struct cn_err *err)
{
	for (size_t i = 0; i < cn_pool_threads(s->pool); i++)
		if (s->worker[i].err.code)
			cn_err_set(err, s->worker[i].err.code, "%s", s->worker[i].err.text);
	return err->code ? -1 : 0;
}

int
cn_shortlist_walk(struct cn_shortlist *s, const float *bank, size_t first_row, size_t n, struct cn_err *err)
{
	if (reserve(s, n, err) < 0)
		return -1;
	s->slab.bank = bank;
	s->slab.first = first_row;
	s->slab.n = n;
	cn_pool_run(s->pool, (n + TILE - 1) / TILE, measure_tile, s);
	cn_pool_run(s->pool, (s->m + s->part - 1) / s->part, search_part, s);
	return cn_shortlist_check(s, err);
}

/* Which first pass (see the header), and in what portions. */
static void
plan(struct cn_shortlist *s, int pass)
{
	const size_t threads = cn_pool_threads(s->pool), share = (s->m + threads - 1) / threads;
	const size_t part = (share + GROUP - 1) / GROUP * GROUP, tiles = SLAB_BYTES / TILE / (s->d + 1);
	int isa = CN_QUANTISE_ISAS - 1;

	while (!cn_quantise_has((enum cn_quantise_isa)isa))
		isa--;
	s->isa = (enum cn_quantise_isa)(pass >= CN_TOPK_CODED ? pass - CN_TOPK_CODED : isa);
	s->coded = pass != CN_TOPK_FASTEST ? pass >= CN_TOPK_CODED :
		isa != CN_QUANTISE_PLAIN && s->m >= FEW_QUERIES && s->d <= CN_QUANTISE_WIDEST;
	s->width = cn_quantise_width(s->d);
	s->part = part < QUERIES ? part : QUERIES;
	s->slab_rows = TILE * (tiles < 1 ? 1 : tiles < CN_SHORTLIST_TILES ? tiles : CN_SHORTLIST_TILES);
}

static void
quantise_queries(struct cn_shortlist *s, struct cn_err *err)
{
	s->code = cn_mem_array((s->m + GROUP - 1) / GROUP, GROUP * s->width, err);
	s->coded_query = cn_mem_array(s->m, sizeof *s->coded_query, err);
	for (size_t i = 0; i < s->m && !err->code; i++)
		s->coded_query[i] = cn_quantise_query(s->query + i * s->d, s->d, cn_bound_gamma(s->d),
			s->code + i / GROUP * GROUP * s->width, i % GROUP);
}

static void
prepare_lists(struct cn_shortlist *s, struct cn_err *err)
{
	const size_t capacity = cn_toplist_capacity(s->k);

	s->size = cn_mem_array(s->m, sizeof *s->size, err);
	s->above = cn_mem_array(s->m, sizeof *s->above, err);
	s->list = cn_mem_array(s->m, sizeof *s->list, err);
	s->entry = cn_mem_array(s->m * capacity, sizeof *s->entry, err);
	for (size_t i = 0; i < s->m && !err->code; i++) {
		/* rows over the ceiling have to be met, even if they are below the floor */
		const float floor = s->rule.floor ? s->rule.floor[i] : -INFINITY;
		const float least = s->rule.ceiling ? fminf(s->rule.ceiling[i], floor) : floor;

		s->size[i] = cn_bound_squares(s->query + i * s->d, s->d);
		cn_toplist_init(s->list + i, s->k, least, s->entry + i * capacity);
	}
}

struct cn_toplist *
cn_shortlist_settle(struct cn_shortlist *s, size_t query, size_t worker)
{
	struct cn_shortlist_worker *w = s->worker + worker;
	struct cn_toplist *list = s->list + query;

	if (cn_mem_grow((void **)&w->scratch, &w->scratch_room, list->capacity, sizeof *w->scratch, &w->err) < 0)
		return NULL;
	cn_toplist_settle(list, w->scratch);
	return list;
}

int
cn_shortlist_init(struct cn_shortlist *s, const struct cn_topk_config *c, struct cn_err *err)
{
	const size_t threads = cn_pool_threads(c->pool);

	*s = (struct cn_shortlist){ .query = c->query, .m = c->m, .d = c->d, .k = c->k, .rule = c->rule, .pool = c->pool,
		.metric = c->metric == CN_TOPK_DOT ? CN_BOUND_DOT : CN_BOUND_L2 };
	plan(s, c->pass);
	prepare_lists(s, err);
	if (s->coded)
		quantise_queries(s, err);
	s->rest = cn_mem_array(s->m, sizeof *s->rest, err);
	s->worker = cn_mem_array(threads, sizeof *s->worker, err);
	for (size_t i = 0; i < threads && !err->code; i++) {
		s->worker[i].value = cn_mem_array(s->part * TILE, sizeof *s->worker[i].value, err);
		s->worker[i].start = cn_mem_array(GROUP * TILE / PANEL, sizeof *s->worker[i].start, err);
	}
	return err->code ? -1 : 0;
}

void
cn_shortlist_release(struct cn_shortlist *s)
{
	for (size_t i = 0; i < s->m && s->list; i++)
		cn_toplist_release(s->list + i);
	for (size_t i = 0; i < cn_pool_threads(s->pool) && s->worker; i++) {
		cn_mem_free(s->worker[i].value);
		cn_mem_free(s->worker[i].start);
		cn_mem_free(s->worker[i].scratch);
	}
	cn_mem_free(s->worker);
	cn_mem_free(s->rest);
	cn_mem_free(s->coded_query);
	cn_mem_free(s->code);
	cn_mem_free(s->entry);
	cn_mem_free(s->list);
	cn_mem_free(s->above);
	cn_mem_free(s->size);
	cn_mem_free(s->slab.spread);
	cn_mem_free(s->slab.scale);
	cn_mem_free(s->slab.code);
	cn_mem_free(s->slab.half);
	*s = (struct cn_shortlist){ 0 };
}
