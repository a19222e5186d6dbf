/* anchors - some rows of all of them, and how two vectors are scored. */
#include "mine/anchors.h"
#include "tensor/kernel.h"

#include "base/banned.h"

float
cn_metric_score(enum cn_metric metric, const float *a, const float *b, size_t dim)
{
	return metric == CN_METRIC_L2 ? -cn_kernel_distance2(a, b, dim) : cn_kernel_dot(a, b, dim);
}

struct cn_anchors
cn_anchors_slice(const struct cn_anchors *a, size_t first, size_t n)
{
	struct cn_anchors s = *a;

#define SHIFT(member, width) s.member = a->member ? a->member + first * (width) : NULL
	SHIFT(id, 1);
	SHIFT(epoch, 1);
	SHIFT(content, 1);
	SHIFT(pos_content, 1);
	SHIFT(home_content, 1);
	SHIFT(label, 1);
	SHIFT(group, 1);
	SHIFT(unit, a->dim);
	SHIFT(pos_unit, a->dim);
	SHIFT(pos_score, 1);
	SHIFT(guide, a->guide_dim);
	SHIFT(guide_score, 1);
	SHIFT(cluster, 1);
#undef SHIFT
	s.first_row += first;
	s.rows = n;
	return s;
}
