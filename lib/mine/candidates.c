/* Candidates are gathered and chosen from anchor by anchor, in parts, one thread each. */
#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "mine/candidates.h"
#include "mine/deck.h"
#include "tensor/kernel.h"
#include "tensor/topk.h"

#include "base/banned.h"

#define PART 64			/* anchors in one go */
#define HITS ((size_t)1 << 20)	/* hits of a search held at once */

struct worker {
	struct cn_deck deck;
	struct cn_candidate *list;	/* (longest list) */
	struct cn_choose_room room;
	struct cn_walk walk;
	struct cn_err err;
};

struct work {
	const struct cn_job *job;
	struct cn_rng_key key;
	struct worker *worker;
	size_t sample, from, block;	/* block anchors from this one on have hits */
	const struct cn_topk_hit *hits;
	size_t depth;			/* hits per anchor */
	const size_t *slot;			/* (anchors) in the cache */
	const struct cn_topk_hit *start;	/* (anchors) the nearest row, or NULL: all have a row of their own */
	bool far;
};

float
cn_candidates_score(const struct cn_job *job, size_t anchor, uint32_t row)
{
	const struct cn_bank *bank = job->filter.bank;

	if (!bank->unit || !job->anchors->unit)
		return 0;
	return cn_metric_score(job->filter.metric, job->anchors->unit + anchor * bank->dim, bank->unit + (size_t)row * bank->dim, bank->dim);
}

static float
positive_of(const struct cn_job *job, size_t anchor)
{
	return job->anchors->pos_score ? job->anchors->pos_score[anchor] : 0;
}

static void
note_dropped(const struct cn_job *job, size_t anchor, unsigned reason)
{
	if (reason && job->dropped)
		job->dropped[anchor * CN_TOPK_REASONS + reason]++;
}

static void
start(const struct work *w, struct cn_rng *rng, size_t anchor)
{
	const struct cn_anchors *a = w->job->anchors;

	cn_rng_start(rng, &w->key, a->id[anchor], a->epoch ? a->epoch[anchor] : 0);
}

/* Chooses from a list of n, best first, and writes the picks; shift is added to each logq. */
static void
settle(const struct work *w, struct worker *own, size_t anchor, size_t n, double shift, struct cn_rng *rng)
{
	const struct cn_job *job = w->job;
	const struct cn_selector_config *c = &job->strategy->config;
	const struct cn_bank *bank = job->filter.bank;
	struct cn_pick *pick = job->picks + anchor * c->k;
	const size_t taken = cn_choose(job->way, &c->ways, own->list, n, job->k, positive_of(job, anchor), bank->unit, bank->dim,
		rng, &own->room, &own->err);

	for (size_t i = 0; i < taken; i++) {
		const struct cn_candidate *l = own->list + i;

		pick[i] = (struct cn_pick){ l->row, l->rank, l->score, cn_way_draws(job->way) ? (float)(l->logq + shift) : 0, job->rule };
	}
}

size_t
cn_candidates_depth(const struct cn_selector_config *c, enum cn_way way, size_t k)
{
	const size_t wide = 4 * k > 100 ? 4 * k : 100;

	if (c->end)
		return c->end;
	return c->first + (way == CN_WAY_TOP ? k : wide);
}

static int
prepare(struct work *w, size_t list, struct cn_err *err)
{
	const size_t threads = cn_pool_threads(w->job->strategy->pool);

	cn_rng_key_init(&w->key, w->job->strategy->config.seed, w->job->purpose);
	w->worker = cn_mem_array(threads, sizeof *w->worker, err);
	for (size_t t = 0; t < threads && !err->code; t++)
		w->worker[t].list = cn_mem_array(list, sizeof *w->worker[t].list, err);
	return err->code ? -1 : 0;
}

static void
clear(struct work *w, struct cn_err *err)
{
	for (size_t t = 0; t < cn_pool_threads(w->job->strategy->pool) && w->worker; t++) {
		struct worker *own = w->worker + t;

		if (own->err.code)
			cn_err_set(err, own->err.code, "%s", own->err.text);
		cn_deck_release(&own->deck);
		cn_mem_free(own->list);
		cn_choose_release(&own->room);
		cn_walk_release(&own->walk);
	}
	cn_mem_free(w->worker);
}

/* The top of the bank */

static void
settle_hits(void *context, size_t part, size_t worker)
{
	const struct work *w = context;
	const struct cn_selector_config *c = &w->job->strategy->config;
	struct worker *own = w->worker + worker;
	const size_t rows = w->job->anchors->rows, end = (part + 1) * PART;

	for (size_t i = part * PART; i < end && w->from + i < rows && i < w->block; i++) {
		const size_t anchor = w->from + i;
		struct cn_rng rng;
		size_t n = 0;

		for (size_t h = c->first; h < w->depth; h++) {
			const struct cn_topk_hit *hit = w->hits + i * w->depth + h;

			if (hit->row == UINT32_MAX || (c->depth && hit->rank >= c->depth))
				break;
			own->list[n++] = (struct cn_candidate){ hit->row, hit->rank, w->far ? -hit->score : hit->score, 0 };
		}
		start(w, &rng, anchor);
		settle(w, own, anchor, n, 0, &rng);
	}
}

/* The guards as bounds of what the search sorts by; queries are turned round for the far end, and so are scores. */
static void
aim(const struct work *w, size_t n, float *bound, float *query)
{
	const struct cn_job *job = w->job;
	const struct cn_guard *guard = &job->strategy->config.guard;
	const size_t dim = job->filter.bank->dim;

	for (size_t i = 0; i < n; i++) {
		const float high = cn_guard_ceiling(guard, positive_of(job, w->from + i)), low = cn_guard_floor(guard);

		bound[i] = w->far ? -low : high;
		bound[n + i] = w->far ? -high : low;
	}
	for (size_t i = 0; i < n * dim && query; i++)
		query[i] = -job->anchors->unit[w->from * dim + i];
}

/* Adds to what was passed over; seen from the far end above is below. */
static void
add_dropped(const struct work *w, size_t n, const uint32_t *dropped)
{
	uint32_t *sum = w->job->dropped ? w->job->dropped + w->from * CN_TOPK_REASONS : NULL;

	for (size_t i = 0; i < n * CN_TOPK_REASONS && sum; i++) {
		const size_t reason = i % CN_TOPK_REASONS, turned = reason == CN_TOPK_ABOVE ? CN_TOPK_BELOW : CN_TOPK_ABOVE;
		const bool turn = w->far && (reason == CN_TOPK_ABOVE || reason == CN_TOPK_BELOW);

		sum[turn ? i - reason + turned : i] += dropped[i];
	}
}

/* A search that is fed, and the filter that looks at the segment. */
struct feed {
	struct cn_topk *topk;
	struct cn_filter *filter;
};

static int
take_segment(void *context, uint32_t at, const float *unit, size_t n, struct cn_err *err)
{
	struct feed *feed = context;

	feed->filter->unit = unit;
	feed->filter->unit_first = at;
	return cn_topk_feed(feed->topk, at, unit, n, err);
}

/* The filter, asked for rows of a span. */
struct shifted {
	struct cn_filter *filter;
	uint32_t first;
};

static unsigned
judge_shifted(void *context, size_t anchor, uint32_t row)
{
	const struct shifted *s = context;

	return cn_filter_judge(s->filter, anchor, s->first + row);
}

/* Searches the lists of the span; rule is made to speak of its rows. */
static int
search_lists(const struct cn_job *job, const struct cn_topk_config *c, struct cn_filter *filter, struct cn_topk_hit *hits, struct cn_err *err)
{
	const struct cn_layout *layout = job->strategy->layout;
	struct shifted shifted = { filter, job->span.first };
	struct cn_topk_rule rule = c->rule;

	rule.judge = judge_shifted;
	rule.context = &shifted;
	if (cn_ivf_search(layout->ivf + job->number, layout->probes[job->number], c->query, c->m, c->k, &rule, hits, c->pool, err) < 0)
		return -1;
	for (size_t i = 0; i < c->m * c->k; i++)
		if (hits[i].row != UINT32_MAX)
			hits[i].row += job->span.first;
	return 0;
}

/* Searches the whole span. */
static int
search_all(const struct cn_job *job, const struct cn_topk_config *c, struct cn_filter *filter, struct cn_topk_hit *hits, struct cn_err *err)
{
	struct feed feed = { cn_topk_new(c, err), filter };

	cn_segments_walk(job->strategy->segments, job->span.first, job->span.rows, take_segment, &feed, err);
	if (!err->code)
		cn_topk_finish(feed.topk, hits, err);
	cn_topk_free(feed.topk);
	return err->code ? -1 : 0;
}

static int
search_some(struct work *w, size_t n, float *bound, float *query, struct cn_topk_hit *hits, uint32_t *dropped,
	struct cn_err *err)
{
	const struct cn_job *job = w->job;
	const struct cn_anchors some = cn_anchors_slice(job->anchors, w->from, n);
	struct cn_filter filter = job->filter;
	const struct cn_topk_config config = {
		.query = query ? query : some.unit, .m = n, .d = job->filter.bank->dim, .k = w->depth,
		.metric = filter.metric == CN_METRIC_L2 ? CN_TOPK_L2 : CN_TOPK_DOT,
		.rule = { .judge = cn_filter_judge, .context = &filter, .ceiling = bound, .floor = bound + n, .dropped = dropped },
		.pool = job->strategy->pool,
	};

	filter.anchors = &some;
	filter.taken = filter.taken ? filter.taken + w->from * filter.stride : NULL;
	aim(w, n, bound, query);
	if ((job->strategy->config.lists && !w->far ? search_lists : search_all)(job, &config, &filter, hits, err) < 0)
		return -1;
	add_dropped(w, n, dropped);
	cn_pool_run(job->strategy->pool, cn_pool_parts(n, PART), settle_hits, w);
	return 0;
}

int
cn_candidates_search(const struct cn_job *job, bool far, struct cn_err *err)
{
	const size_t rows = job->anchors->rows, wanted = cn_candidates_depth(&job->strategy->config, job->way, job->k);
	const size_t depth = wanted < job->span.rows ? wanted : job->span.rows;
	struct work w = { .job = job, .depth = depth ? depth : 1, .far = far };
	/* files are read once for all anchors, who is short of memory brings fewer of them */
	const size_t most = job->strategy->segments->streamed ? rows : HITS > w.depth ? HITS / w.depth : 1;
	struct cn_topk_hit *hits;
	float *bound, *query;	/* ceilings and floors of a block; queries from the far end */
	uint32_t *dropped;

	w.block = rows < most ? rows : most;
	hits = cn_mem_array(w.block * w.depth, sizeof *hits, err);
	bound = cn_mem_array(w.block, 2 * sizeof *bound, err);
	query = far ? cn_mem_array(w.block * job->filter.bank->dim, sizeof *query, err) : NULL;
	dropped = cn_mem_array(w.block, CN_TOPK_REASONS * sizeof *dropped, err);
	w.hits = hits;
	prepare(&w, w.depth, err);
	for (; !err->code && w.from < rows; w.from += w.block)
		search_some(&w, rows - w.from < w.block ? rows - w.from : w.block, bound, query, hits, dropped, err);
	clear(&w, err);
	cn_mem_free(hits);
	cn_mem_free(bound);
	cn_mem_free(query);
	cn_mem_free(dropped);
	return err->code ? -1 : 0;
}

/* Chance */

static unsigned
judge_scored(const struct cn_job *job, struct cn_filter *filter, size_t anchor, uint32_t row, float score)
{
	const struct cn_guard *guard = &job->strategy->config.guard;

	if (score > cn_guard_ceiling(guard, positive_of(job, anchor)))
		return CN_MINE_ABOVE;
	if (score < cn_guard_floor(guard))
		return CN_MINE_BELOW;
	return cn_filter_judge(filter, anchor, row);
}

static int
by_score(const void *a, const void *b)
{
	const struct cn_candidate *x = a, *y = b;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return x->row < y->row ? -1 : x->row > y->row;
}

/* Sorts a list, takes the window of ranks, and chooses. */
static void
settle_list(const struct work *w, struct worker *own, size_t anchor, size_t n, double shift, struct cn_rng *rng)
{
	const struct cn_selector_config *c = &w->job->strategy->config;
	const size_t last = c->end && c->end < n ? c->end : n, first = c->first < last ? c->first : last;

	qsort(own->list, n, sizeof *own->list, by_score);
	memmove(own->list, own->list + first, (last - first) * sizeof *own->list);
	settle(w, own, anchor, last - first, shift, rng);
}

/* Deals allowed rows of the span into the list. */
static size_t
deal(const struct work *w, struct worker *own, size_t anchor, size_t want, struct cn_rng *rng)
{
	const struct cn_job *job = w->job;
	struct cn_filter filter = job->filter;
	size_t found = 0;
	uint32_t card;

	cn_deck_start(&own->deck, job->span.rows);
	while (found < want && cn_deck_deal(&own->deck, rng, &card, &own->err) > 0) {
		const uint32_t row = job->span.first + card;
		const float score = cn_candidates_score(job, anchor, row);
		const unsigned reason = judge_scored(job, &filter, anchor, row, score);

		note_dropped(job, anchor, reason);
		if (!reason)
			own->list[found++] = (struct cn_candidate){ row, UINT32_MAX, score, 0 };
	}
	return found;
}

static void
deal_part(void *context, size_t part, size_t worker)
{
	const struct work *w = context;
	const struct cn_job *job = w->job;
	const struct cn_selector_config *c = &job->strategy->config;
	struct worker *own = w->worker + worker;
	const double uniform = -cn_rng_log((double)job->span.rows);

	for (size_t anchor = part * PART; anchor < (part + 1) * PART && anchor < job->anchors->rows; anchor++) {
		struct cn_rng rng;
		size_t n;

		start(w, &rng, anchor);
		n = deal(w, own, anchor, w->sample ? w->sample : job->wanted ? job->wanted[anchor] : job->k, &rng);
		if (w->sample) {
			settle_list(w, own, anchor, n, n ? cn_rng_log((double)n) + uniform : 0, &rng);
			continue;
		}
		for (size_t i = 0; i < n; i++)
			job->picks[anchor * c->k + i] = (struct cn_pick){ own->list[i].row, UINT32_MAX, own->list[i].score,
				(float)uniform, job->rule };
	}
}

int
cn_candidates_deal(const struct cn_job *job, size_t sample, struct cn_err *err)
{
	struct work w = { .job = job, .sample = sample < job->span.rows ? sample : job->span.rows };

	if (prepare(&w, w.sample > job->k ? w.sample : job->k, err) == 0)
		cn_pool_run(job->strategy->pool, cn_pool_parts(job->anchors->rows, PART), deal_part, &w);
	clear(&w, err);
	return err->code ? -1 : 0;
}

/* An urn */

static void
urn_part(void *context, size_t part, size_t worker)
{
	const struct work *w = context;
	const struct cn_job *job = w->job;
	const struct cn_urn *urn = job->strategy->layout->urn + job->number;
	struct cn_filter filter = job->filter;

	(void)worker;
	for (size_t anchor = part * PART; anchor < (part + 1) * PART && anchor < job->anchors->rows; anchor++) {
		struct cn_pick *pick = job->picks + anchor * job->strategy->config.k;
		struct cn_rng rng;
		size_t found = 0;

		start(w, &rng, anchor);
		for (size_t tries = 0; urn->n && found < job->k && tries < 100 * job->k + 1000; tries++) {
			const uint32_t card = cn_urn_draw(urn, &rng), row = job->span.first + card;
			const float score = cn_candidates_score(job, anchor, row);
			const unsigned reason = judge_scored(job, &filter, anchor, row, score);
			size_t i = 0;

			note_dropped(job, anchor, reason);
			while (i < found && pick[i].row != row)
				i++;
			if (!reason && i == found)
				pick[found++] = (struct cn_pick){ row, UINT32_MAX, score, (float)urn->log_p[card], job->rule };
		}
	}
}

int
cn_candidates_urn(const struct cn_job *job, struct cn_err *err)
{
	struct work w = { .job = job };

	if (err->code)
		return -1;
	cn_rng_key_init(&w.key, job->strategy->config.seed, job->purpose);
	cn_pool_run(job->strategy->pool, cn_pool_parts(job->anchors->rows, PART), urn_part, &w);
	return 0;
}

/* The neighbourhood */

#define WALK 16384	/* rows met on a walk, at most */

static void
walk_part(void *context, size_t part, size_t worker)
{
	const struct work *w = context;
	const struct cn_job *job = w->job;
	const struct cn_selector_config *c = &job->strategy->config;
	struct worker *own = w->worker + worker;
	struct cn_filter filter = job->filter;

	for (size_t anchor = part * PART; anchor < (part + 1) * PART && anchor < job->anchors->rows; anchor++) {
		const uint32_t home = cn_bank_find(filter.bank, job->anchors->id[anchor]);
		const uint32_t from = home != CN_BANK_NONE ? home : w->start[anchor].row, step = home == CN_BANK_NONE;
		const uint32_t *row;
		const size_t met = cn_walk_between(&own->walk, &from, 1, c->near - step, c->far - step, &row);
		struct cn_rng rng;
		size_t n = 0;

		for (size_t i = 0; i < met; i++) {
			const float score = cn_candidates_score(job, anchor, row[i]);
			const bool inside = row[i] - job->span.first < job->span.rows;
			const unsigned reason = inside ? judge_scored(job, &filter, anchor, row[i], score) : 0;

			note_dropped(job, anchor, reason);
			if (inside && !reason)
				own->list[n++] = (struct cn_candidate){ row[i], UINT32_MAX, score, 0 };
		}
		start(w, &rng, anchor);
		settle_list(w, own, anchor, n, 0, &rng);
	}
}

/* The nearest rows of all anchors, if some have no row of their own in the bank. */
static int
find_starts(const struct cn_job *job, struct cn_topk_hit **start, struct cn_err *err)
{
	const struct cn_anchors *a = job->anchors;
	const struct cn_bank *bank = job->filter.bank;
	size_t strangers = 0;

	*start = NULL;
	for (size_t i = 0; i < a->rows; i++)
		strangers += cn_bank_find(bank, a->id[i]) == CN_BANK_NONE;
	if (!strangers || !(*start = cn_mem_array(a->rows, sizeof **start, err)))
		return err->code ? -1 : 0;
	return cn_topk_search(bank->unit, bank->rows, a->unit, a->rows, bank->dim, 1, NULL, NULL, *start, job->strategy->pool, err);
}

int
cn_candidates_walk(const struct cn_job *job, struct cn_err *err)
{
	struct work w = { .job = job };
	struct cn_topk_hit *starts = NULL;

	if (job->filter.bank->rows && find_starts(job, &starts, err) == 0 && prepare(&w, WALK, err) == 0) {
		w.start = starts;
		for (size_t t = 0; t < cn_pool_threads(job->strategy->pool) && !err->code; t++)
			cn_walk_init(&w.worker[t].walk, &job->strategy->layout->graph, WALK, err);
		if (!err->code)
			cn_pool_run(job->strategy->pool, cn_pool_parts(job->anchors->rows, PART), walk_part, &w);
	}
	clear(&w, err);
	cn_mem_free(starts);
	return err->code ? -1 : 0;
}

/* A cache */

/* Adds what the cache has of an id to the list, as far as it is allowed now. */
static size_t
recall(const struct work *w, struct worker *own, size_t anchor, const uint32_t *row, size_t kept)
{
	const struct cn_job *job = w->job;
	struct cn_filter filter = job->filter;
	size_t n = 0;

	for (size_t i = 0; i < kept && row[i] != UINT32_MAX; i++) {
		const float score = cn_candidates_score(job, anchor, row[i]);

		const unsigned reason = judge_scored(job, &filter, anchor, row[i], score);

		note_dropped(job, anchor, reason);
		if (!reason)
			own->list[n++] = (struct cn_candidate){ row[i], UINT32_MAX, score, 0 };
	}
	return n;
}

/* Drops fresh rows (from n on) that the cache had. */
static size_t
drop_known(struct cn_candidate *list, size_t n, size_t fresh)
{
	size_t end = n;

	for (size_t f = n; f < n + fresh; f++) {
		size_t i = 0;

		while (i < n && list[i].row != list[f].row)
			i++;
		if (i == n)
			list[end++] = list[f];
	}
	return end;
}

/* Ids of one share of the slots, in the order of anchors, so that an id that comes twice finds what it left. */
static void
cache_part(void *context, size_t part, size_t worker)
{
	const struct work *w = context;
	const struct cn_job *job = w->job;
	const struct cn_selector_config *c = &job->strategy->config;
	struct cn_cache *cache = job->strategy->cache + job->number;
	struct worker *own = w->worker + worker;

	for (size_t anchor = 0; anchor < job->anchors->rows; anchor++) {
		uint32_t *row = cache->row + w->slot[anchor] * cache->kept;
		struct cn_candidate *list = own->list;
		struct cn_rng rng;
		size_t n, fresh;

		if (w->slot[anchor] % PART != part)
			continue;
		start(w, &rng, anchor);
		n = recall(w, own, anchor, row, cache->kept);
		own->list += n;
		fresh = deal(w, own, anchor, n ? c->fresh : c->fresh + cache->kept, &rng);
		own->list = list;
		n = drop_known(list, n, fresh);
		n = cn_choose(CN_WAY_SOFTMAX, &c->ways, list, n, cache->kept, 0, NULL, 0, &rng, &own->room, &own->err);
		for (size_t i = 0; i < cache->kept; i++)
			row[i] = i < n ? list[i].row : UINT32_MAX;
		qsort(list, n, sizeof *list, by_score);
		settle(w, own, anchor, n, 0, &rng);
	}
}

int
cn_candidates_cache(const struct cn_job *job, struct cn_err *err)
{
	struct cn_cache *cache = job->strategy->cache + job->number;
	size_t *slot = cn_mem_array(job->anchors->rows, sizeof *slot, err);
	struct work w = { .job = job, .slot = slot };

	for (size_t i = 0; i < job->anchors->rows && !err->code; i++)
		slot[i] = cn_cache_slot(cache, job->anchors->id[i], err);
	if (!err->code && prepare(&w, 2 * cache->kept + job->strategy->config.fresh, err) == 0)
		cn_pool_run(job->strategy->pool, PART, cache_part, &w);
	clear(&w, err);
	cn_mem_free(slot);
	return err->code ? -1 : 0;
}
