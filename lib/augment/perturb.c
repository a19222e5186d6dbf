/* perturb - one draw per number and operation, in order of the numbers. */
#include <string.h>

#include "augment/perturb.h"

#include "base/banned.h"

void
cn_perturb_view(const struct cn_plan_config *config, const struct cn_plan_keys *keys, enum cn_view_side side,
	uint64_t id, uint32_t epoch, const float *from, float *to, size_t n)
{
	const float sigma = (float)config->noise;
	struct cn_rng rng;

	memcpy(to, from, n * sizeof *to);
	if (config->noise > 0) {
		cn_rng_start(&rng, keys->key[side] + CN_PLAN_NOISE, id, epoch);
		for (size_t i = 0; i < n; i++)
			to[i] += sigma * cn_rng_normal(&rng);
	}
	if (config->dropout > 0) {
		cn_rng_start(&rng, keys->key[side] + CN_PLAN_DROPOUT, id, epoch);
		for (size_t i = 0; i < n; i++)
			if ((double)cn_rng_unit(&rng) < config->dropout)
				to[i] = 0;
	}
}
