/* Formulas of the guards: Moreira et al., NV-Retriever (arXiv 2407.15831), section 3. */
#include <math.h>

#include "mine/filter.h"

#include "base/banned.h"

unsigned
cn_filter_judge(void *filter, size_t anchor, uint32_t row)
{
	const struct cn_filter *f = filter;
	const struct cn_anchors *a = f->anchors;
	const struct cn_bank *bank = f->bank;

	if (bank->id[row] == a->id[anchor])
		return CN_MINE_SELF;
	if (bank->content && a->content) {
		const uint64_t content = bank->content[row];

		if (content == a->content[anchor] || (a->pos_content && content == a->pos_content[anchor]) ||
		    (a->home_content && content == a->home_content[anchor]))
			return CN_MINE_CONTENT;
	}
	if (a->label && a->label[anchor] >= 0 && bank->label[row] == a->label[anchor])
		return CN_MINE_LABEL;
	return CN_MINE_ALLOWED;
}

float
cn_guard_ceiling(const struct cn_guard *guard, float pos_score)
{
	float ceiling = guard->max_score > 1 ? INFINITY : (float)guard->max_score;

	if (guard->max_share > 0)
		ceiling = fminf(ceiling, (float)(pos_score - (1 - guard->max_share) * fabs((double)pos_score)));
	if (guard->below)
		ceiling = fminf(ceiling, nextafterf((float)(pos_score - guard->margin), -INFINITY));
	return ceiling;
}
