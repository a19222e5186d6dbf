/* made - where a negative lies, and that none is above its ceiling. */
#include <string.h>

#include "gen/made.h"
#include "gen/mix.h"
#include "tensor/kernel.h"

#include "base/banned.h"

float *
cn_made_vector(const struct cn_made *made, size_t row, size_t j)
{
	return made->vector + (row * made->k + j) * made->dim;
}

unsigned char *
cn_made_sample(const struct cn_made *made, size_t row, size_t j)
{
	return made->sample + (row * made->k + j) * made->bytes;
}

void
cn_made_put(const struct cn_made *made, size_t row, size_t j, const float *vector, enum cn_made_rule rule)
{
	memcpy(cn_made_vector(made, row, j), vector, made->dim * sizeof *vector);
	made->rule[row * made->k + j] = (uint8_t)rule;
}

void
cn_made_noise(const struct cn_made *made, const struct cn_round *round, size_t row, size_t j, float target, struct cn_rng *rng)
{
	cn_mix_noise(round->anchor + row * round->dim, cn_round_aim(round, row, (double)target), round->dim, rng, cn_made_vector(made, row, j));
	made->rule[row * made->k + j] = CN_MADE_NOISE;
	if (cn_made_above(round, row, cn_made_vector(made, row, j)))
		cn_made_push(made, round, row, j);
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

void
cn_made_draw(const struct cn_made *made, const struct cn_round *round, uint32_t *pending, size_t n, float *room,
	void (*draw)(void *self, const struct cn_round *round, const uint32_t *pending, size_t n, unsigned attempt, float *out), void *self)
{
	for (unsigned attempt = 0; attempt < CN_MADE_ATTEMPTS && n; attempt++) {
		size_t left = 0;

		draw(self, round, pending, n, attempt, room);
		for (size_t i = 0; i < n; i++) {
			const size_t row = pending[i] / made->k;

			cn_made_put(made, row, pending[i] % made->k, room + i * made->dim, attempt ? CN_MADE_AGAIN : CN_MADE_GENERATED);
			if (cn_made_above(round, row, room + i * made->dim))
				pending[left++] = pending[i];
		}
		n = left;
	}
	for (size_t i = 0; i < n; i++)
		cn_made_push(made, round, pending[i] / made->k, pending[i] % made->k);
}
