/* Formulas of the guards: Moreira et al., NV-Retriever (arXiv 2407.15831), section 3. */
#include <math.h>

#include "mine/filter.h"
#include "data/pairs.h"
#include "mine/selector.h"
#include "tensor/kernel.h"

#include "base/banned.h"

const char *
cn_mine_reason_name(enum cn_mine_reason reason)
{
	static const char *const name[CN_MINE_REASONS] = {
		[CN_MINE_ALLOWED] = "allowed", [CN_MINE_ABOVE] = "above the ceiling", [CN_MINE_BELOW] = "below the floor",
		[CN_MINE_SELF] = "the row itself", [CN_MINE_CONTENT] = "same content", [CN_MINE_KNOWN] = "known positive",
		[CN_MINE_LABEL] = "same label", [CN_MINE_GROUP] = "group", [CN_MINE_NEAR] = "near the positive",
		[CN_MINE_GUIDE] = "guide", [CN_MINE_CLUSTER] = "cluster", [CN_MINE_TAKEN] = "taken",
	};

	return name[reason];
}

const char *
cn_mine_reason_key(enum cn_mine_reason reason)
{
	static const char *const key[CN_MINE_REASONS] = {
		[CN_MINE_ALLOWED] = "allowed", [CN_MINE_ABOVE] = "above", [CN_MINE_BELOW] = "below", [CN_MINE_SELF] = "self",
		[CN_MINE_CONTENT] = "content", [CN_MINE_KNOWN] = "known", [CN_MINE_LABEL] = "label", [CN_MINE_GROUP] = "group",
		[CN_MINE_NEAR] = "near", [CN_MINE_GUIDE] = "guide", [CN_MINE_CLUSTER] = "cluster", [CN_MINE_TAKEN] = "taken",
	};

	return key[reason];
}

static bool
is_content(const struct cn_anchors *a, size_t anchor, uint64_t content)
{
	return content == a->content[anchor] || (a->pos_content && content == a->pos_content[anchor]) ||
		(a->home_content && content == a->home_content[anchor]);
}

/* Whether two of a kind are not related as they should be. */
static bool
is_wrong(enum cn_relation relation, bool same)
{
	return relation != CN_RELATION_ANY && same != (relation == CN_RELATION_SAME);
}

/* What the guide does not know it does not object to. */
static bool
objects(const struct cn_guide *guide, const struct cn_anchors *a, size_t anchor, uint64_t id)
{
	const uint32_t row = cn_bank_find(guide->bank, id);

	if (row == CN_BANK_NONE)
		return false;
	return cn_kernel_dot(a->guide + anchor * a->guide_dim, guide->bank->unit + (size_t)row * a->guide_dim, a->guide_dim) >
		cn_guard_ceiling(&guide->guard, a->guide_score[anchor]);
}

static bool
is_near(const struct cn_filter *f, size_t anchor, uint32_t row)
{
	const struct cn_anchors *a = f->anchors;
	const float *unit = f->unit ? f->unit + (size_t)(row - f->unit_first) * a->dim : f->bank->unit + (size_t)row * a->dim;

	return cn_metric_score(f->metric, a->pos_unit + anchor * a->dim, unit, a->dim) >= f->near;
}

static bool
is_taken(const struct cn_filter *f, size_t anchor, uint32_t row)
{
	const struct cn_pick *pick = f->taken ? f->taken + anchor * f->stride : NULL;

	for (size_t i = 0; i < f->n_taken && pick; i++)
		if (pick[i].row == row)
			return true;
	return false;
}

unsigned
cn_filter_judge(void *filter, size_t anchor, uint32_t row)
{
	const struct cn_filter *f = filter;
	const struct cn_anchors *a = f->anchors;
	const struct cn_bank *bank = f->bank;

	if (bank->id[row] == a->id[anchor])
		return CN_MINE_SELF;
	if (bank->content && a->content && is_content(a, anchor, bank->content[row]))
		return CN_MINE_CONTENT;
	if (f->known && cn_pairs_has(f->known, a->id[anchor], bank->id[row]))
		return CN_MINE_KNOWN;
	if (a->label && a->label[anchor] >= 0 && bank->label[row] == a->label[anchor])
		return CN_MINE_LABEL;
	if (a->group && is_wrong(f->group, bank->group[row] == a->group[anchor]))
		return CN_MINE_GROUP;
	if (a->cluster && is_wrong(f->cluster_relation, f->cluster[row] == a->cluster[anchor]))
		return CN_MINE_CLUSTER;
	if (f->near < (float)CN_GUARD_OFF && a->pos_unit && is_near(f, anchor, row))
		return CN_MINE_NEAR;
	if (f->guide && objects(f->guide, a, anchor, bank->id[row]))
		return CN_MINE_GUIDE;
	return is_taken(f, anchor, row) ? CN_MINE_TAKEN : CN_MINE_ALLOWED;
}

bool
cn_guard_relative(const struct cn_guard *guard)
{
	return guard->below || guard->max_share > 0 || guard->margin > -CN_GUARD_OFF;
}

bool
cn_guard_needs_scores(const struct cn_guard *guard)
{
	return guard->max_score < CN_GUARD_OFF || guard->min_score > -CN_GUARD_OFF || cn_guard_relative(guard);
}

/* A positive that is not there (NaN) limits nothing. */
float
cn_guard_ceiling(const struct cn_guard *guard, float pos_score)
{
	const double margin = guard->margin;
	float ceiling = guard->max_score >= CN_GUARD_OFF ? INFINITY : (float)guard->max_score;

	if (guard->max_share > 0)
		ceiling = fminf(ceiling, (float)(pos_score - (1 - guard->max_share) * fabs((double)pos_score)));
	if (guard->below)
		ceiling = fminf(ceiling, nextafterf((float)(pos_score - (margin > 0 ? margin : 0)), -INFINITY));
	else if (margin > -CN_GUARD_OFF)
		ceiling = fminf(ceiling, (float)(pos_score - margin));
	return ceiling;
}

float
cn_guard_floor(const struct cn_guard *guard)
{
	return guard->min_score <= -CN_GUARD_OFF ? -INFINITY : (float)guard->min_score;
}
