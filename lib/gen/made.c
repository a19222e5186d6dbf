/* made - where a negative lies, and that none is above its ceiling. */
#include "gen/made.h"
#include "gen/mix.h"
#include "tensor/kernel.h"

#include "base/banned.h"

float *
cn_made_vector(const struct cn_made *made, size_t row, size_t j)
{
	return made->vector + (row * made->k + j) * made->dim;
}

bool
cn_made_above(const struct cn_round *round, size_t row, const float *vector)
{
	return cn_kernel_dot(round->anchor + row * round->dim, vector, round->dim) > round->ceiling[row];
}

void
cn_made_push(const struct cn_made *made, const struct cn_round *round, size_t row, size_t j)
{
	cn_mix_push(round->anchor + row * round->dim, round->ceiling[row], round->dim, cn_made_vector(made, row, j));
	made->rule[row * made->k + j] = CN_MADE_PUSHED;
}
