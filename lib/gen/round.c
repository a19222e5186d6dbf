/* round - what is true of a round as a whole. */
#include "gen/round.h"

#include "base/banned.h"

float
cn_round_aim(const struct cn_round *round, size_t row, double target)
{
	return (float)target < round->ceiling[row] ? (float)target : round->ceiling[row];
}

double
cn_round_closeness(const struct cn_round *round)
{
	double positive = 0;

	for (size_t i = 0; i < round->rows; i++)
		positive += (double)round->pos_score[i] / (double)round->rows;
	return positive;
}
