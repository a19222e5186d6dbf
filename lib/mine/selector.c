/* The table of strategies, how a row's negatives are shared among them, and what is done where too few rows are left. */
#include <math.h>

#include "base/mem.h"
#include "mine/candidates.h"
#include "mine/selector.h"
#include "tensor/topk.h"

#include "base/banned.h"

enum origin { FROM_DECK, FROM_URN, FROM_TOP, FROM_BOTTOM, FROM_SAMPLE, FROM_GRAPH, FROM_CACHE };

static const struct {
	enum origin origin;
	enum cn_way way;
	const char *purpose;
} kinds[CN_STRATEGIES] = {
	[CN_STRATEGY_RANDOM] = { FROM_DECK, CN_WAY_RANDOM, "mine-random" },
	[CN_STRATEGY_FREQUENCY] = { FROM_URN, CN_WAY_RANDOM, "mine-frequency" },
	[CN_STRATEGY_HARD] = { FROM_TOP, CN_WAY_TOP, "mine-hard" },
	[CN_STRATEGY_SEMIHARD] = { FROM_TOP, CN_WAY_TOP, "mine-semihard" },
	[CN_STRATEGY_EASY] = { FROM_BOTTOM, CN_WAY_TOP, "mine-easy" },
	[CN_STRATEGY_SOFTMAX] = { FROM_TOP, CN_WAY_SOFTMAX, "mine-softmax" },
	[CN_STRATEGY_SIMANS] = { FROM_TOP, CN_WAY_SIMANS, "mine-simans" },
	[CN_STRATEGY_DISTANCE] = { FROM_SAMPLE, CN_WAY_DISTANCE, "mine-distance" },
	[CN_STRATEGY_STRATA] = { FROM_TOP, CN_WAY_STRATA, "mine-strata" },
	[CN_STRATEGY_DIVERSE] = { FROM_TOP, CN_WAY_MMR, "mine-diverse" },
	[CN_STRATEGY_CACHED] = { FROM_CACHE, CN_WAY_RANDOM, "mine-cached" },
	[CN_STRATEGY_NEIGHBOURS] = { FROM_GRAPH, CN_WAY_RANDOM, "mine-neighbours" },
};

#define SAMPLE 1024	/* candidates of distance, unless told */

static enum cn_way
way_of(const struct cn_selector_config *c, enum cn_strategy kind)
{
	return c->way != CN_WAY_AUTO ? c->way : kinds[kind].way;
}

static enum origin
origin_of(const struct cn_selector_config *c, enum cn_strategy kind)
{
	const enum origin origin = kinds[kind].origin;

	return c->sample && origin == FROM_TOP ? FROM_SAMPLE : origin;
}

/* Whether some strategy of some phase is as asked for. */
static bool
any(const struct cn_selector_config *c, bool (*asked)(const struct cn_selector_config *c, enum cn_strategy kind))
{
	for (int kind = 0; kind < CN_STRATEGIES; kind++)
		if (cn_mixture_has(&c->mixture, (enum cn_strategy)kind) && asked(c, (enum cn_strategy)kind))
			return true;
	return false;
}

static bool
compares(const struct cn_selector_config *c, enum cn_strategy kind)
{
	const enum origin origin = origin_of(c, kind);

	return (origin != FROM_DECK && origin != FROM_URN) || cn_guard_needs_scores(&c->guard);
}

static bool
draws(const struct cn_selector_config *c, enum cn_strategy kind)
{
	const enum origin origin = origin_of(c, kind);

	return origin == FROM_DECK || origin == FROM_URN || cn_way_draws(way_of(c, kind));
}

static bool
ranks(const struct cn_selector_config *c, enum cn_strategy kind)
{
	const enum origin origin = origin_of(c, kind);

	return origin == FROM_TOP || origin == FROM_BOTTOM;
}

bool
cn_selector_compares(const struct cn_selector_config *c)
{
	return any(c, compares);
}

bool
cn_selector_draws(const struct cn_selector_config *c)
{
	return c->policy == CN_SHORT_RESAMPLE || any(c, draws);
}

static bool
searches(const struct cn_selector_config *c, enum cn_strategy kind)
{
	return origin_of(c, kind) == FROM_TOP;
}

static bool
samples(const struct cn_selector_config *c, enum cn_strategy kind)
{
	return origin_of(c, kind) == FROM_SAMPLE;
}

static bool
chooses(const struct cn_selector_config *c, enum cn_strategy kind)
{
	return origin_of(c, kind) != FROM_DECK && origin_of(c, kind) != FROM_URN;
}

bool
cn_selector_searches(const struct cn_selector_config *c)
{
	return any(c, searches);
}

bool
cn_selector_samples(const struct cn_selector_config *c)
{
	return any(c, samples);
}

bool
cn_selector_chooses(const struct cn_selector_config *c)
{
	return any(c, chooses);
}

bool
cn_selector_uses(const struct cn_selector_config *c, enum cn_way way)
{
	for (int kind = 0; kind < CN_STRATEGIES; kind++)
		if (cn_mixture_has(&c->mixture, (enum cn_strategy)kind) && chooses(c, (enum cn_strategy)kind) &&
		    way_of(c, (enum cn_strategy)kind) == way)
			return true;
	return false;
}

bool
cn_selector_ranks(const struct cn_selector_config *c)
{
	return any(c, ranks);
}

static bool
needs_rows(const struct cn_selector_config *c, enum cn_strategy kind)
{
	return !ranks(c, kind) || cn_way_compares(way_of(c, kind)) || c->lists;
}

bool
cn_selector_needs_rows(const struct cn_selector_config *c)
{
	return c->policy == CN_SHORT_RESAMPLE || any(c, needs_rows);
}

static bool
needs_cosine(const struct cn_selector_config *c, enum cn_strategy kind)
{
	const enum cn_way way = way_of(c, kind);
	const enum origin origin = origin_of(c, kind);

	return cn_way_compares(way) || way == CN_WAY_DISTANCE || origin == FROM_GRAPH || origin == FROM_BOTTOM || c->lists;
}

bool
cn_selector_needs_cosine(const struct cn_selector_config *c)
{
	return any(c, needs_cosine);
}

size_t
cn_selector_depth(const struct cn_selector_config *c)
{
	size_t most = 1;

	for (int kind = 0; kind < CN_STRATEGIES; kind++) {
		const size_t depth = cn_candidates_depth(c, way_of(c, (enum cn_strategy)kind), c->k);

		if (cn_mixture_has(&c->mixture, (enum cn_strategy)kind) && ranks(c, (enum cn_strategy)kind) && depth > most)
			most = depth;
	}
	return most;
}

/* A search holds its list, its hits and, from the far end, the query turned round; picks come out of it. */
size_t
cn_selector_bytes(const struct cn_selector_config *c, size_t dim)
{
	const size_t depth = cn_selector_depth(c);

	return cn_topk_bytes(depth) + depth * sizeof(struct cn_topk_hit) + dim * sizeof(float) +
		c->k * sizeof(struct cn_pick) + 3 * CN_TOPK_REASONS * sizeof(uint32_t);
}

/* What is added to while anchors are worked on. */
struct tally {
	struct cn_pick *picks;
	uint32_t *dropped;
};

/* One strategy's part of the rows of a: k negatives from place at on. */
static int
run_part(const struct cn_selector *s, enum cn_strategy kind, const struct cn_anchors *a, size_t span, size_t at, size_t k,
	const struct tally *tally, struct cn_err *err)
{
	const struct cn_selector_config *c = &s->config;
	const enum origin origin = origin_of(c, kind);
	struct cn_selector own = *s;
	struct cn_job job = {
		.strategy = &own, .kind = kind, .anchors = a, .filter = s->filter, .span = c->span[span], .number = span,
		.k = k, .picks = tally->picks + at, .rule = CN_RULE_FIRST + (uint32_t)kind, .way = way_of(c, kind),
		.purpose = kinds[kind].purpose, .dropped = tally->dropped,
	};

	own.config.guard.below |= kind == CN_STRATEGY_SEMIHARD;
	job.filter.anchors = a;
	job.filter.taken = tally->picks;
	job.filter.stride = c->k;
	job.filter.n_taken = at;
	switch (origin) {
	case FROM_DECK:
		return cn_candidates_deal(&job, 0, err);
	case FROM_URN:
		return cn_candidates_urn(&job, err);
	case FROM_CACHE:
		return cn_candidates_cache(&job, err);
	case FROM_GRAPH:
		return cn_candidates_walk(&job, err);
	case FROM_SAMPLE:
		return cn_candidates_deal(&job, c->sample ? c->sample : SAMPLE, err);
	default:
		return cn_candidates_search(&job, origin == FROM_BOTTOM, err);
	}
}

/* All parts of rows that have one mixture. */
static int
run_phase(const struct cn_selector *s, const struct cn_phase *phase, const struct cn_anchors *a, const struct tally *tally, struct cn_err *err)
{
	size_t of_span[CN_SPANS], of_part[CN_MIXTURE_PARTS], at = 0;
	double share[CN_SPANS];

	for (size_t i = 0; i < s->config.spans; i++)
		share[i] = s->config.span[i].share;
	cn_mixture_split(share, s->config.spans, s->config.k, of_span);
	for (size_t i = 0; i < s->config.spans; i++) {
		cn_mixture_split(phase->share, phase->parts, of_span[i], of_part);
		for (size_t p = 0; p < phase->parts && !err->code; at += of_part[p++])
			if (of_part[p])
				run_part(s, phase->strategy[p], a, i, at, of_part[p], tally, err);
	}
	return err->code ? -1 : 0;
}

/* Moves the negatives that were found to the front; returns how many. */
static size_t
close_up(struct cn_pick *pick, size_t k)
{
	size_t found = 0;

	for (size_t i = 0; i < k; i++)
		if (pick[i].row != CN_BANK_NONE) {
			const struct cn_pick p = pick[i];

			pick[i] = pick[found];
			pick[found++] = p;
		}
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

/* How many of each anchor's negatives are none. */
static void
count_lacking(const struct cn_pick *picks, size_t rows, size_t k, uint32_t *lacking)
{
	for (size_t i = 0; i < rows * k; i++)
		lacking[i / k] += picks[i].row == CN_BANK_NONE;
}

/* Fills what is none yet with draws from the whole bank that only the filter restricts. */
static int
resample(const struct cn_selector *s, const struct cn_anchors *a, struct cn_pick *picks, struct cn_err *err)
{
	const size_t k = s->config.k;
	struct cn_selector own = *s;
	struct cn_pick *fresh = cn_mem_array(a->rows * k, sizeof *fresh, err);
	uint32_t *lacking = cn_mem_array(a->rows, sizeof *lacking, err);
	struct cn_job job = {
		.strategy = &own, .anchors = a, .filter = s->filter, .span = { 0, (uint32_t)s->filter.bank->rows, 1 }, .k = k, .picks = fresh,
		.rule = CN_RULE_RESAMPLED, .way = CN_WAY_RANDOM, .purpose = "mine-resample",
	};

	own.config.guard = (struct cn_guard)CN_GUARD_NONE;
	job.filter.anchors = a;
	job.filter.taken = picks;
	job.filter.stride = job.filter.n_taken = k;
	for (size_t i = 0; i < a->rows * k && fresh; i++)
		fresh[i].row = CN_BANK_NONE;
	if (!err->code) {
		count_lacking(picks, a->rows, k, lacking);
		cn_candidates_deal(&job, 0, err);
	}
	for (size_t i = 0; i < a->rows && !err->code; i++)
		for (size_t j = 0, next = 0; j < k; j++)
			if (picks[i * k + j].row == CN_BANK_NONE && fresh[i * k + next].row != CN_BANK_NONE)
				picks[i * k + j] = fresh[i * k + next++];
	cn_mem_free(fresh);
	cn_mem_free(lacking);
	return err->code ? -1 : 0;
}

/* Applies the policy to the anchors that have fewer than k. */
static int
complete(const struct cn_selector *s, const struct cn_anchors *a, struct cn_pick *picks, struct cn_mine_counts *counts, struct cn_err *err)
{
	const size_t k = s->config.k;
	uint64_t lacking = 0;

	for (size_t i = 0; i < a->rows; i++) {
		const size_t found = close_up(picks + i * k, k);

		if (found == k)
			continue;
		lacking++;
		if (s->config.policy == CN_SHORT_ERROR)
			return cn_err_set(err, CN_FAILED, "%s: row %llu (id %llu): only %zu of %zu negatives are allowed; "
				"lower --k, loosen the guards, or choose another --short", a->file,
				(unsigned long long)(a->first_row + i), (unsigned long long)a->id[i], found, k);
		if (s->config.policy == CN_SHORT_KEEP)
			repeat(picks + i * k, found, k);
	}
	counts->short_rows += lacking;
	return s->config.policy == CN_SHORT_RESAMPLE && lacking ? resample(s, a, picks, err) : 0;
}

static void
count(const struct cn_pick *picks, const uint32_t *dropped, size_t rows, size_t k, struct cn_mine_counts *counts)
{
	for (size_t i = 0; i < rows * CN_TOPK_REASONS; i++)
		if (i % CN_TOPK_REASONS < CN_MINE_REASONS)
			counts->dropped[i % CN_TOPK_REASONS] += dropped[i];
	for (size_t i = 0; i < rows * k; i++)
		counts->picked += picks[i].row != CN_BANK_NONE;
	counts->anchors += rows;
}

int
cn_selector_pick(const struct cn_selector *s, const struct cn_anchors *a, struct cn_pick *picks, struct cn_mine_counts *counts,
	struct cn_err *err)
{
	const size_t k = s->config.k;
	uint32_t *dropped = cn_mem_array(a->rows, CN_TOPK_REASONS * sizeof *dropped, err);

	for (size_t i = 0; i < a->rows * k; i++)
		picks[i] = (struct cn_pick){ CN_BANK_NONE, UINT32_MAX, 0, 0, CN_RULE_NONE };
	for (size_t from = 0; from < a->rows && !err->code;) {
		uint64_t end;
		const struct cn_phase *phase = cn_mixture_at(&s->config.mixture, a->first_row + from, &end);
		const uint64_t left = end - (a->first_row + from);
		const size_t n = left < a->rows - from ? (size_t)left : a->rows - from;
		const struct cn_anchors some = cn_anchors_slice(a, from, n);
		const struct tally tally = { picks + from * k, dropped + from * CN_TOPK_REASONS };

		run_phase(s, phase, &some, &tally, err);
		from += n;
	}
	if (!err->code)
		complete(s, a, picks, counts, err);
	if (!err->code)
		count(picks, dropped, a->rows, k, counts);
	cn_mem_free(dropped);
	return err->code ? -1 : 0;
}
