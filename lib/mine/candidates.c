/* Candidates are gathered and chosen from anchor by anchor, in parts, one thread each. */
#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "mine/candidates.h"
#include "tensor/kernel.h"
#include "tensor/topk.h"

#include "base/banned.h"

#define PART 64			/* anchors in one go */
#define HITS ((size_t)1 << 20)	/* hits of a search held at once */

struct worker {
	uint32_t *deck;			/* (2 x span) the span's rows in order, and how they were swapped */
	struct cn_candidate *list;	/* (longest list) */
	struct cn_choose_room room;
	struct cn_err err;
};

struct work {
	const struct cn_job *job;
	struct cn_rng_key key;
	struct worker *worker;
	size_t sample, from, block;	/* block anchors from this one on have hits */
	const struct cn_topk_hit *hits;
	size_t depth;			/* hits per anchor */
	bool far;
};

float
cn_candidates_score(const struct cn_job *job, size_t anchor, uint32_t row)
{
	const struct cn_bank *bank = job->filter.bank;

	if (!bank->unit || !job->anchors->unit)
		return 0;
	return cn_kernel_dot(job->anchors->unit + anchor * bank->dim, bank->unit + (size_t)row * bank->dim, bank->dim);
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
prepare(struct work *w, size_t deck, size_t list, struct cn_err *err)
{
	const size_t threads = cn_pool_threads(w->job->strategy->pool);

	cn_rng_key_init(&w->key, w->job->strategy->config.seed, w->job->purpose);
	w->worker = cn_mem_array(threads, sizeof *w->worker, err);
	for (size_t t = 0; t < threads && !err->code; t++) {
		w->worker[t].deck = cn_mem_array(2 * deck, sizeof *w->worker[t].deck, err);
		w->worker[t].list = cn_mem_array(list, sizeof *w->worker[t].list, err);
		for (size_t i = 0; i < deck && !err->code; i++)
			w->worker[t].deck[i] = (uint32_t)i;
	}
	return err->code ? -1 : 0;
}

static void
clear(struct work *w, struct cn_err *err)
{
	for (size_t t = 0; t < cn_pool_threads(w->job->strategy->pool) && w->worker; t++) {
		struct worker *own = w->worker + t;

		if (own->err.code)
			cn_err_set(err, own->err.code, "%s", own->err.text);
		cn_mem_free(own->deck);
		cn_mem_free(own->list);
		cn_choose_release(&own->room);
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
	const float floor = w->far ? -INFINITY : cn_guard_floor(&c->guard);
	const size_t rows = w->job->anchors->rows, end = (part + 1) * PART;

	for (size_t i = part * PART; i < end && w->from + i < rows && i < w->block; i++) {
		const size_t anchor = w->from + i;
		const float ceiling = w->far ? cn_guard_ceiling(&c->guard, positive_of(w->job, anchor)) : INFINITY;
		struct cn_rng rng;
		size_t n = 0;

		for (size_t h = c->first; h < w->depth; h++) {
			const struct cn_topk_hit *hit = w->hits + i * w->depth + h;
			const float score = w->far ? -hit->score : hit->score;

			if (hit->row == UINT32_MAX || score < floor || score > ceiling || (c->depth && hit->rank >= c->depth))
				break;
			own->list[n++] = (struct cn_candidate){ hit->row, hit->rank, score, 0 };
		}
		start(w, &rng, anchor);
		settle(w, own, anchor, n, 0, &rng);
	}
}

/* The guards as a ceiling on what the search sorts by; queries are turned round for the far end. */
static void
aim(const struct work *w, size_t n, float *ceiling, float *query)
{
	const struct cn_job *job = w->job;
	const struct cn_guard *guard = &job->strategy->config.guard;
	const size_t dim = job->filter.bank->dim;

	for (size_t i = 0; i < n; i++)
		ceiling[i] = w->far ? -cn_guard_floor(guard) : cn_guard_ceiling(guard, positive_of(job, w->from + i));
	for (size_t i = 0; i < n * dim && query; i++)
		query[i] = -job->anchors->unit[w->from * dim + i];
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

static int
search_some(struct work *w, size_t n, float *ceiling, float *query, struct cn_topk_hit *hits, uint32_t *dropped, struct cn_err *err)
{
	const struct cn_job *job = w->job;
	const struct cn_anchors some = cn_anchors_slice(job->anchors, w->from, n);
	struct cn_filter filter = job->filter;
	const struct cn_topk_config config = { .query = query ? query : some.unit, .m = n, .d = job->filter.bank->dim, .k = w->depth,
		.rule = { .judge = cn_filter_judge, .context = &filter, .ceiling = ceiling, .dropped = dropped }, .pool = job->strategy->pool };
	struct feed feed = { NULL, &filter };

	filter.anchors = &some;
	filter.taken = filter.taken ? filter.taken + w->from * filter.stride : NULL;
	aim(w, n, ceiling, query);
	feed.topk = cn_topk_new(&config, err);
	cn_segments_walk(job->strategy->segments, job->span.first, job->span.rows, take_segment, &feed, err);
	if (!err->code)
		cn_topk_finish(feed.topk, hits, err);
	cn_topk_free(feed.topk);
	if (err->code)
		return -1;
	for (size_t i = 0; i < n * CN_TOPK_REASONS && job->dropped; i++)
		job->dropped[w->from * CN_TOPK_REASONS + i] += dropped[i];
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
	float *ceiling, *query;
	uint32_t *dropped;

	w.block = rows < most ? rows : most;
	hits = cn_mem_array(w.block * w.depth, sizeof *hits, err);
	ceiling = cn_mem_array(w.block, sizeof *ceiling, err);
	query = far ? cn_mem_array(w.block * job->filter.bank->dim, sizeof *query, err) : NULL;
	dropped = cn_mem_array(w.block, CN_TOPK_REASONS * sizeof *dropped, err);
	w.hits = hits;
	prepare(&w, 0, w.depth, err);
	for (; !err->code && w.from < rows; w.from += w.block)
		search_some(&w, rows - w.from < w.block ? rows - w.from : w.block, ceiling, query, hits, dropped, err);
	clear(&w, err);
	cn_mem_free(hits);
	cn_mem_free(ceiling);
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

/* Deals allowed rows from a deck (Fisher and Yates) into the list, then puts the deck back in order. */
static size_t
deal(const struct work *w, struct worker *own, size_t anchor, size_t want, struct cn_rng *rng)
{
	const struct cn_job *job = w->job;
	const uint32_t n = job->span.rows;
	uint32_t *deck = own->deck, *swapped = deck + n, dealt = 0;
	struct cn_filter filter = job->filter;
	size_t found = 0;

	for (; found < want && dealt < n; dealt++) {
		const uint32_t at = dealt + cn_rng_below(rng, n - dealt), card = deck[at], row = job->span.first + card;
		const float score = cn_candidates_score(job, anchor, row);
		const unsigned reason = judge_scored(job, &filter, anchor, row, score);

		deck[at] = deck[dealt];
		deck[dealt] = card;
		swapped[dealt] = at;
		note_dropped(job, anchor, reason);
		if (!reason)
			own->list[found++] = (struct cn_candidate){ row, UINT32_MAX, score, 0 };
	}
	while (dealt-- > 0) {
		const uint32_t card = deck[dealt];

		deck[dealt] = deck[swapped[dealt]];
		deck[swapped[dealt]] = card;
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
		n = deal(w, own, anchor, w->sample ? w->sample : job->k, &rng);
		if (w->sample) {
			const size_t last = c->end && c->end < n ? c->end : n, first = c->first < last ? c->first : last;

			qsort(own->list, n, sizeof *own->list, by_score);
			memmove(own->list, own->list + first, (last - first) * sizeof *own->list);
			settle(w, own, anchor, last - first, n ? cn_rng_log((double)n) + uniform : 0, &rng);
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

	if (prepare(&w, job->span.rows, w.sample > job->k ? w.sample : job->k, err) == 0)
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
	struct cn_filter filter = job->filter;

	(void)worker;
	for (size_t anchor = part * PART; anchor < (part + 1) * PART && anchor < job->anchors->rows; anchor++) {
		struct cn_pick *pick = job->picks + anchor * job->strategy->config.k;
		struct cn_rng rng;
		size_t found = 0;

		start(w, &rng, anchor);
		for (size_t tries = 0; found < job->k && tries < 100 * job->k + 1000; tries++) {
			const uint32_t card = cn_urn_draw(job->urn, &rng), row = job->span.first + card;
			const float score = cn_candidates_score(job, anchor, row);
			const unsigned reason = judge_scored(job, &filter, anchor, row, score);
			size_t i = 0;

			note_dropped(job, anchor, reason);
			while (i < found && pick[i].row != row)
				i++;
			if (!reason && i == found)
				pick[found++] = (struct cn_pick){ row, UINT32_MAX, score, (float)job->urn->log_p[card], job->rule };
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
