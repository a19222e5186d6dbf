/* hard - a sorted list of the best so far. */
#include "gen/hard.h"
#include "tensor/kernel.h"

#include "base/banned.h"

static void
offer(struct cn_hard *hard, size_t most, const float *vector, float score, float ceiling)
{
	size_t at = hard->n;

	if (score > ceiling || (hard->n == most && score <= hard->score[most - 1]))
		return;
	if (hard->n < most)
		hard->n++;
	else
		at--;
	for (; at > 0 && hard->score[at - 1] < score; at--) {
		hard->score[at] = hard->score[at - 1];
		hard->vector[at] = hard->vector[at - 1];
	}
	hard->score[at] = score;
	hard->vector[at] = vector;
}

void
cn_hard_find(struct cn_hard *hard, const struct cn_round *round, size_t row, size_t most)
{
	const size_t dim = round->dim;
	const float *anchor = round->anchor + row * dim;

	hard->n = 0;
	for (size_t m = 0; m < round->mined; m++) {
		const float *z = round->mined_z + (row * round->mined + m) * dim;

		if (cn_kernel_dot(z, z, dim) > 0)
			offer(hard, most, z, cn_kernel_dot(anchor, z, dim), round->ceiling[row]);
	}
	for (size_t other = 0; other < round->rows; other++)
		if (round->id[other] != round->id[row])
			offer(hard, most, round->positive + other * dim, cn_kernel_dot(anchor, round->positive + other * dim, dim),
				round->ceiling[row]);
}

void
cn_hard_shuffle(const struct cn_hard *hard, struct cn_rng *rng, uint32_t *order)
{
	for (uint32_t i = 0; i < hard->n; i++) {
		const uint32_t j = cn_rng_below(rng, i + 1);

		if (j < i)
			order[i] = order[j];
		order[j] = i;
	}
}
